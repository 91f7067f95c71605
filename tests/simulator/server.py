"""Serves an application on loopback for a while."""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Self

from tests.simulator.at_once import AtOnce
from tests.simulator.listener import HOST, Application, Server, Tls

__all__ = ["HttpServer", "Tls"]


class HttpServer:
    """Serves an application on loopback while it is entered; port 0 takes a free one.

    It can be entered again: on the same port, so that an address can go away and come back.
    """

    def __init__(
        self,
        application: Application,
        port: int = 0,
        tls: Tls | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        requests: AtOnce | None = None,
    ) -> None:
        self.host = HOST
        self.port = port
        self._application = application
        self._tls = tls
        self._now = now
        self._requests = requests or AtOnce()
        self._server: Server | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http{'s' if self._tls else ''}://{self.host}:{self.port}"

    def start(self) -> None:
        """Listen; the port is known afterwards."""
        self._server = Server(self.port, self._application, self._now, self._tls, self._requests)
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve)
        self._thread.start()

    def stop(self) -> None:
        """End every connection and stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            # By then nobody new is let in.
            self._thread.join()
            self._server.end_connections()
            self._server.server_close()
            self._server = self._thread = None

    def show(self, tls: Tls) -> None:
        """Show this certificate from now on, on the same port; connections that are open end."""
        self.stop()
        self._tls = tls
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
