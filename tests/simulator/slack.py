"""A Slack that receives incoming webhooks and answers as Slack does."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition
from typing import Any

from tests.simulator.reply import Reply, Request, text_reply
from tests.simulator.server import HttpServer, Tls
from tests.simulator.slack_limits import violations

PATH = "/services/T000/B000/XXXX"
# What Slack answers besides 200 `ok`: api.slack.com/messaging/webhooks, "Handling errors".
REFUSALS = {
    "action_prohibited": 403,
    "invalid_token": 403,
    "channel_not_found": 404,
    "no_active_hooks": 404,
    "no_service": 404,
    "channel_is_archived": 410,
    "rate_limited": 429,
    "server_error": 500,
}


@dataclass(frozen=True, slots=True)
class Received:
    """One request that reached a webhook: what it was answered, and when."""

    at: datetime
    path: str
    payload: Any
    body: bytes
    status: int
    answer: str


class SlackReceiver(HttpServer):
    """Webhooks on loopback while it is entered. `webhook` is the URL of the first one.

    Every payload is kept as received, in order, also those that were refused.
    """

    def __init__(self, port: int = 0, tls: Tls | None = None, paths: tuple[str, ...] = (PATH,)) -> None:
        self.paths = paths
        self._received: list[Received] = []
        self._scripted: deque[Reply] = deque()
        self._came = Condition()
        super().__init__(self._reply, port, tls)

    @property
    def webhook(self) -> str:
        """The URL to post to."""
        return self.webhook_of(self.paths[0])

    def webhook_of(self, path: str) -> str:
        """The URL of one of `paths`."""
        return f"{self.url}{path}"

    @property
    def received(self) -> list[Received]:
        """All requests so far, in order."""
        with self._came:
            return list(self._received)

    @property
    def accepted(self) -> list[Any]:
        """The payloads that were answered `ok`, in order."""
        return [request.payload for request in self.received if request.answer == "ok"]

    def refuse(self, answer: str, times: int = 1, retry_after_seconds: int | None = None) -> None:
        """Answer the next requests with one of REFUSALS instead of looking at them."""
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        reply = Reply(REFUSALS[answer], answer.encode(), "text/html", headers)
        with self._came:
            self._scripted.extend([reply] * times)

    def wait_for(self, condition: Callable[[list[Received]], bool], timeout_seconds: float) -> bool:
        """Wait until the condition holds for what was received; False if it did not in time."""
        with self._came:
            return self._came.wait_for(lambda: condition(self._received), timeout_seconds)

    def clear(self) -> None:
        """Forget what was received and scripted."""
        with self._came:
            self._received.clear()
            self._scripted.clear()

    def _reply(self, request: Request) -> Reply:
        if request.path == "/_simulator/received":
            return _control(self.received)
        with self._came:
            reply = self._answer(request)
            payload = _payload(request.body)
            received = Received(
                datetime.now(UTC), request.path, payload, request.body, reply.status, reply.body.decode()
            )
            self._received.append(received)
            self._came.notify_all()
        return reply

    def _answer(self, request: Request) -> Reply:
        if request.path not in self.paths:
            return text_reply(404, "no_service")
        if self._scripted:
            return self._scripted.popleft()
        payload = _payload(request.body)
        if request.method != "POST" or not isinstance(payload, dict):
            return text_reply(400, "invalid_payload")
        if not payload.get("text") and not payload.get("blocks") and not payload.get("attachments"):
            return text_reply(400, "no_text")
        wrong = violations(payload)
        return text_reply(400, wrong[0]) if wrong else Reply(200, b"ok", "text/html")


def _payload(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON was sent; None if it was none
    try:
        return json.loads(body)
    except ValueError:
        return None


def _control(received: list[Received]) -> Reply:
    shown = [{"path": x.path, "payload": x.payload, "status": x.status, "answer": x.answer} for x in received]
    return Reply(200, json.dumps(shown).encode())
