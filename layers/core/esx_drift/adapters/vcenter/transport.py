"""requests, held to what is safe against a vCenter: no other trust, no redirect, no POST sent twice."""

import ssl
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, Retry
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ReadTimeoutError


class _OnceMore(Retry):
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
ONCE_MORE = _OnceMore(
    total=1, connect=1, read=1, redirect=0, status=0, other=0, respect_retry_after_header=False
)


class Transport(HTTPAdapter):
    """requests' adapter with our TLS context, and no other source of trust."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=ONCE_MORE)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: ANN401, FBT001, FBT002 -- the signature is requests'
        """Give the pool our context."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 -- the signature is requests'
        """Give a proxy's pool our context, for the tunnel and for a proxy that speaks TLS itself."""
        return super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
        )

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 -- the signature is requests'
        """Do nothing: requests would add its public CAs to the context, which verifies by itself."""


class DirectSession(requests.Session):
    """requests' session, to which no answer is a redirect.

    ``allow_redirects=False`` alone still parses where it points to, and reads its whole body.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 -- no answer is one
        """None, always."""
        return None
