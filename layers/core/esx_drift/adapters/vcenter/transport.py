"""requests with one source of trust and one deadline for all it reads; no redirects, no POST sent twice."""

import math
import ssl
import time
from collections.abc import Buffer
from functools import partial
from http.client import HTTPException, HTTPResponse, parse_headers
from io import BufferedReader, RawIOBase
from socket import socket
from types import TracebackType
from typing import Any, Self

import requests
from urllib3 import BaseHTTPResponse, Retry
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ProxyError, ReadTimeoutError

from esx_drift.adapters.tls import TlsTransport


class _RetryOnce(Retry):
    """One more try when the connection failed; never after a time-out of reading.

    urllib3 itself tries a POST again only if there was no connection yet to send it over.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """What is left to try, or the error itself."""
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


# ``other`` holds refused certificates: trying again would not change them.
RETRY_ONCE = _RetryOnce(
    total=1, connect=1, read=1, redirect=0, status=0, other=0, respect_retry_after_header=False
)


class Deadline:
    """When all that is being read must have come. A socket's own time-out starts anew with each byte.

    ``start`` must be called before anything is read.
    """

    def __init__(self) -> None:
        self._end = -math.inf

    def start(self, seconds: float) -> None:
        """Set it to so many seconds from now."""
        self._end = time.monotonic() + seconds

    def left_seconds(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: None are left; a socket raises the same.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


INTERIM_STATUSES = range(100, 200)


class _TimedStream(RawIOBase):
    """A socket's bytes: each read waits for its own time-out at most, and never beyond the deadline."""

    def __init__(self, stream: RawIOBase, sock: socket, deadline: Deadline) -> None:
        self._stream = stream
        self._sock = sock
        self._timeout_seconds = sock.gettimeout() or math.inf
        self._deadline = deadline

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        """How many bytes came."""
        self._sock.settimeout(min(self._timeout_seconds, self._deadline.left_seconds()))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """An answer, the vCenter's or a proxy's to CONNECT, of which every byte is timed."""

    def __init__(self, deadline: Deadline, sock: socket, **options: Any) -> None:  # noqa: ANN401 -- http.client's
        super().__init__(sock, **options)
        self.fp = BufferedReader(_TimedStream(self.fp.detach(), sock, deadline))

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line; http.client waits past 100 only, and any 1xx comes before the answer."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
            if status not in INTERIM_STATUSES:
                return version, status, reason
            parse_headers(self.fp)


class _TimedConnection(HTTPSConnection):
    """urllib3's connection; http.client makes what reads its answers by ``response_class``."""

    def __init__(self, deadline: Deadline, **options: Any) -> None:  # noqa: ANN401 -- the signature is urllib3's
        super().__init__(**options)
        self.response_class = partial(_TimedResponse, deadline)  # type: ignore[assignment]  # it is only called

    def _tunnel(self) -> None:
        """Ask the proxy for the way, as http.client does; what goes wrong there is told as the proxy's."""
        try:
            super()._tunnel()
        except (OSError, HTTPException) as error:
            raise ProxyError("no tunnel", error) from error


class Transport(TlsTransport):
    """requests' adapter with our TLS context, for proxies too, and the deadline for all that it reads."""

    def __init__(self, context: ssl.SSLContext, deadline: Deadline) -> None:
        self._connection = partial(_TimedConnection, deadline)
        super().__init__(context, RETRY_ONCE)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 -- the signature is requests'
        """Give a proxy's pool our context, for the tunnel and for a proxy that speaks TLS itself."""
        return super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
        )

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 -- the signature is requests'
        """Have the pool make connections that are held to the deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = self._connection
        return pool


class DirectSession(requests.Session):
    """requests' session, to which no answer is a redirect.

    ``allow_redirects=False`` alone still parses where it points to, and reads its whole body.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 -- no answer is one
        """None, always."""
        return None
