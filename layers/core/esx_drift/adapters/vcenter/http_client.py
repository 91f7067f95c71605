"""Calls to one vCenter over HTTPS, bounded in time and size; no redirects, no settings of this machine."""

import math
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
from msgspec import Struct
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError

from esx_drift.adapters.secrets import SentSecrets, find_proxy_login
from esx_drift.adapters.vcenter.connection_errors import Peer, translate_connection_error
from esx_drift.adapters.vcenter.transport import Deadline, DirectSession, Transport
from esx_drift.domain.stored.records import build_clock_facts
from esx_drift.domain.text.times import convert_to_utc, is_usable
from esx_drift.domain.vcenter_api import MAX_ERROR_BYTES
from esx_drift.errors import OutOfTime, VCenterUnreachable

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import ClockFacts

CONNECT_SECONDS = 5.0
"""For TCP, and again for TLS. A vCenter in reach needs milliseconds: waiting longer only delays the alarm."""

READ_SECONDS = 30.0
"""For each wait for bytes. A busy vCenter takes seconds for the report of a large cluster."""

HEAD_SECONDS = READ_SECONDS
"""From the begin of a call to the end of the headers, a proxy's too, even if bytes keep coming."""

BODY_SECONDS = 60.0
"""For a whole body: a function must not be held until its own time-out."""

TIME_FOR_A_CALL_MS = 105_000
"""What one call may take: connecting, headers and body by their bounds, and 10 s to end the session."""

MAX_RETRY_AFTER_SECONDS = 10.0
"""A longer ``Retry-After`` is left to the queue: waiting here is paid for."""

CHUNK_BYTES = 64 * 1024
WAIT_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With these a ``Retry-After`` says when to try again."""


class HttpAnswer(Struct, frozen=True):
    """An HTTP answer. ``date`` is by the vCenter's clock; ``cut``: it has more bytes than were asked for."""

    address: str
    operation: str
    status: int
    headers: Mapping[str, str]
    date: datetime
    body: bytes
    cut: bool


class HttpClient:
    """Calls to the one host that the secret names, one at a time.

    ``sent`` holds what was sent as a secret: no answer, and no failure to get one, has any of it.
    """

    def __init__(
        self,
        peer: Peer,
        context: ssl.SSLContext,
        clock: Callable[[], datetime],
        pause: Callable[[float], None] = time.sleep,
        time_left_ms: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.peer = peer
        self.sent = SentSecrets()
        if (proxy_login := find_proxy_login(peer.proxy)) is not None:
            self.sent.add_login(*proxy_login)
        self._clock = clock
        self._pause = pause
        self._time_left_ms = time_left_ms
        self.clock_facts: ClockFacts | None = None
        self._deadline = Deadline()
        self._http = DirectSession()
        self._http.trust_env = False
        self._http.proxies = {"https": peer.proxy} if peer.proxy else {}
        # The vCenter sets its token as a cookie too: one that is dead must not go along with a new one.
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # No compression: what is kept is byte for byte what was sent, and no small body becomes a huge one.
        self._http.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        self._http.mount("https://", Transport(context, self._deadline))

    def call(
        self,
        method: str,
        path: str,
        max_bytes: int,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        *,
        json: object = None,
        spare_ms: float = 0,
    ) -> HttpAnswer:
        """Send a request and return the answer, whatever its status.

        A GET is sent a second time if the vCenter asks for a short wait. A DELETE, which ends a session, is
        sent even if little time is left.

        Args:
            method: GET, POST or DELETE.
            path: The path from the root on, escaped already; it may end in a query.
            max_bytes: How much of a success's body is read; what comes beyond is cut off. Of an error's body
                it is ``MAX_ERROR_BYTES``.
            params: More of the query, not escaped yet; a name may stand there several times.
            headers: What this request has beside the headers of every request.
            json: What is sent as its body; None: it has none.
            spare_ms: So much time must be left beside what the call may take itself.

        Raises:
            VCenterUnreachable: No answer came.
            OutOfTime: Not sent, since this run of the function might end before the answer.
        """
        if method != "DELETE" and self._time_left_ms() < TIME_FOR_A_CALL_MS + spare_ms:
            raise OutOfTime(
                f"{self.peer.address} was too slow: no time is left in this run for {method} {path}"
            )
        answer = self._send(method, path, max_bytes, params, headers, json)
        wait_seconds = parse_retry_after(answer)
        if method != "GET" or wait_seconds is None or wait_seconds > MAX_RETRY_AFTER_SECONDS:
            return answer
        self._pause(wait_seconds)
        return self._send(method, path, max_bytes, params, headers, json)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(
        self,
        method: str,
        path: str,
        max_bytes: int,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None,
        json: object,
    ) -> HttpAnswer:
        self._deadline.start(HEAD_SECONDS)
        try:
            with self._http.request(
                method,
                f"https://{self.peer.address}{path}",
                params=list(params),
                headers=headers,
                json=json,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                vcenter_date, now = _parse_date(response.headers.get("Date")), self._clock()
                self.clock_facts = build_clock_facts(vcenter_date, now) if vcenter_date else None
                status = response.status_code
                body, cut = self._read_body(response.raw, max_bytes if response.ok else MAX_ERROR_BYTES)
                date = vcenter_date or now
                operation = f"{method} {path}"
                headers = self.sent.strike_out_headers(response.headers)
                body = self.sent.strike_out_bytes(body)
                return HttpAnswer(self.peer.address, operation, status, headers, date, body, cut)
        except (requests.RequestException, HTTPError) as error:
            failure = translate_connection_error(self.peer, error)
            raise VCenterUnreachable(self.sent.strike_out(failure.message), failure.facts) from error

    def _read_body(self, raw: BaseHTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
        self._deadline.start(BODY_SECONDS)
        body = bytearray()
        try:
            while chunk := raw.read1(CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > max_bytes:
                    return bytes(body[:max_bytes]), True
        except ReadTimeoutError as error:
            raise VCenterUnreachable(
                f"the answer of {self.peer.address} did not end within {BODY_SECONDS:.0f} s,"
                f" or paused for {READ_SECONDS:.0f} s",
                {"phase": "http"},
            ) from error
        return bytes(body), False


def parse_retry_after(answer: HttpAnswer) -> float | None:
    """The seconds that the vCenter asks us to wait; None without a valid ``Retry-After``."""
    header = answer.headers.get("Retry-After")
    if answer.status not in WAIT_STATUSES or header is None:
        return None
    try:
        return Retry().parse_retry_after(header)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _parse_date(header: str | None) -> datetime | None:
    """Parse a ``Date`` into UTC; None for one that UTC has no year for, too."""
    try:
        moment = parsedate_to_datetime(header or "")
        in_utc = convert_to_utc(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
    except (ValueError, OverflowError):
        return None
    return in_utc if is_usable(in_utc) else None
