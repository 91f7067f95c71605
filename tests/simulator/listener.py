"""Listens, answers over real HTTP/1.1 or HTTPS, and delivers badly where asked to."""

import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.simulator.at_once import AtOnce
from tests.simulator.reply import Delivery, Reply, Request

HOST = "127.0.0.1"
type Application = Callable[[Request], Reply]
type Clock = Callable[[], datetime]
# Ends the connection at once with RST: linger on, for no time.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that a server proves itself with: its chain, and its key."""

    certificate: Path
    key: Path


class Server(ThreadingHTTPServer):
    """One thread a connection; ends every connection when it is closed."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, port: int, application: Application, clock: Clock, tls: Tls | None, requests: AtOnce
    ) -> None:
        self.application = application
        self.requests = requests
        self.now = clock
        self.stopping = Event()
        self._end, self._ended = socket.socketpair()
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls.certificate, tls.key)
        self._open: set[socket.socket] = set()
        self._open_lock = Lock()
        super().__init__((HOST, port), _Handler)

    def serve(self) -> None:
        """Take connections until ``end``, and wake for nothing else: a hundred idle servers cost nothing."""
        with DefaultSelector() as waiting:
            for source in (self.socket, self._ended):
                waiting.register(source, EVENT_READ)
            while self._ended not in [key.fileobj for key, _ in waiting.select()]:
                # A client may have hung up already.
                with suppress(OSError):
                    self.process_request(*self.get_request())

    def end(self) -> None:
        """Have ``serve`` come back."""
        self._end.close()

    def server_close(self) -> None:
        """Close what is listened on."""
        super().server_close()
        for one in (self._end, self._ended):
            one.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection; its handshake is left to its own thread: a silent client stops nobody else."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Forget the connection and close it."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in socketserver
        """Clients hang up and refuse certificates: they are tested for that. The rest is our fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        """Wake the threads that wait for a client or to send."""
        self.stopping.set()
        with self._open_lock:
            for connection in self._open:
                _hang_up_on(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def version_string(self) -> str:
        """The front proxy of a vCenter."""
        return "envoy"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the served machine's clock."""
        moment = self.server.now() if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        return format_datetime(moment.astimezone(UTC), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Say nothing: callers are counted instead."""

    def do_GET(self) -> None:
        """Answer any method."""
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            unquote(url.path),
            parse_qs(url.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        with self.server.requests.counted():
            reply = self.server.application(request)
            self.server.stopping.wait(reply.delivery.wait_seconds)
        # Whoever has the answer may ask again at once: by then this one is over.
        self._send(reply)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server finds methods by these names

    def _send(self, reply: Reply) -> None:
        delivery = reply.delivery
        if not delivery.is_silent:
            self._send_head(reply, delivery)
            for number, piece in enumerate(_pieces(reply.body, delivery)):
                if number and self.server.stopping.wait(delivery.pause_seconds):
                    break
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if delivery.chunked else piece)
            if delivery.chunked and delivery.end == "keep":
                self.wfile.write(b"0\r\n\r\n")
        if delivery.end != "keep":
            self._hang_up(reset=delivery.end == "reset")

    def _send_head(self, reply: Reply, delivery: Delivery) -> None:
        self.send_response_only(reply.status)
        for name, value in {"Server": self.version_string(), "Date": self.date_time_string()}.items():
            if name not in reply.headers:
                self.send_header(name, value)
        if reply.body:
            self.send_header("Content-Type", reply.content_type)
        if delivery.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.status != 204:  # No Content has no length either
            self.send_header("Content-Length", str(len(reply.body) + delivery.padding_bytes))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.rfile.close()
            self.connection.close()


def _pieces(body: bytes, delivery: Delivery) -> Iterator[bytes]:
    kept = body[: delivery.keep_bytes]
    size = delivery.piece_bytes
    yield from (kept[start : start + size] for start in range(0, len(kept), size))
    for start in range(0, delivery.padding_bytes, size):
        yield b" " * min(size, delivery.padding_bytes - start)


def _hang_up_on(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was quicker
