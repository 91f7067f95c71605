"""The part of Lambda's Runtime API that invocations one after the other need.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.server
import json
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

FUNCTION_ARN = "arn:aws:lambda:eu-central-1:000000000000:function:clean"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function said: its reply, or an error with errorType and errorMessage."""

    failed: bool
    body: bytes


class RuntimeApi:
    """Hands out events on 127.0.0.1 and keeps what comes back; asked for one more, it refuses."""

    def __init__(self, events: Iterable[object], deadline_ms: int) -> None:
        """Hand out `events`; `deadline_ms` is when the function must be done, in milliseconds since 1970."""
        self.answers: list[Answer] = []
        self._events = iter([json.dumps(event).encode() for event in events])
        self._deadline_ms = deadline_ms
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API says."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> bytes | None:
        """The next event, if one is left."""
        return next(self._events, None)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # TCP_NODELAY: head and body are two writes, and Nagle would hold the second back for 40 ms.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                event = api.take()
                if event is None:
                    self._reply(410, b"")
                else:
                    self._reply(200, event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.answers.append(Answer(self.path.endswith("/error"), body))
                self._reply(202, b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing: the caller tells what went wrong."""

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
                self.send_header("Lambda-Runtime-Deadline-Ms", str(api._deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", FUNCTION_ARN)
                self.end_headers()
                self.wfile.write(body)

        return Handler
