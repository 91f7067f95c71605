"""Errors of a connection as sentences that say where to look."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException, RemoteDisconnected
from urllib.parse import urlsplit

from urllib3 import exceptions as urllib3_errors

from esx_drift.adapters.tls import CERTIFICATE_REMEDIES, find_certificate_flaw
from esx_drift.domain.text.wording import clean_text
from esx_drift.errors import EsxDriftError, VCenterUnreachable

HANDSHAKE_TIMED_OUT = "handshake operation timed out"
"""CPython's own words (``_ssl.c``): urllib3 reports this time-out as one of reading."""

TUNNEL_REFUSED = "Tunnel connection failed"
"""How http.client begins to say which status a proxy answered to CONNECT."""

MAX_REFUSAL_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Peer:
    """The vCenter's ``host:port``, and the URL of the proxy in between, if any."""

    address: str
    proxy: str | None = field(default=None, repr=False)

    @property
    def proxy_address(self) -> str:
        """The proxy's ``host:port``, without the user and password that its URL may hold."""
        parts = urlsplit(self.proxy or "")
        return f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"

    @property
    def way(self) -> str:
        """The words that name the proxy, to follow the address; empty if there is none."""
        return f", through the proxy {self.proxy_address}" if self.proxy else ""


def translate_connection_error(peer: Peer, error: Exception) -> VCenterUnreachable:
    """Translate an error of requests, urllib3 or ssl.

    Args:
        peer: Whom the connection was to.
        error: The error; what led to it is looked at, too.

    Returns:
        The failure. Facts: ``phase`` (dns, connect, certificate, tls, proxy or http), ``openssl``: its own
        reason, and ``certificate``: what is wrong with the one that was refused.
    """
    causes = tuple(_walk_causes(error))
    for phase, describe in PHASES:
        sentence = describe(peer, causes)
        if sentence is not None:
            return VCenterUnreachable(sentence, {"phase": phase, **_read_openssl_facts(causes)})
    return VCenterUnreachable(f"the connection to {peer.address}{peer.way} was cut off", {"phase": "http"})


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, up to an error of our own, which was handled before."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen or isinstance(cause, EsxDriftError):
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]


def _find_first[E](causes: tuple[BaseException, ...], kind: type[E]) -> E | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _read_openssl_facts(causes: tuple[BaseException, ...]) -> dict[str, str]:
    error = _find_first(causes, ssl.SSLError)
    if error is None:
        return {}
    if not isinstance(error, ssl.SSLCertVerificationError):
        return {"openssl": error.reason or str(error)}
    return {"openssl": error.verify_message, "certificate": find_certificate_flaw(error)}


def _describe_proxy_failure(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if peer.proxy is None or _find_first(causes, urllib3_errors.ProxyError) is None:
        return None
    return f"the proxy {peer.proxy_address} gave no way to {peer.address}: {_describe_tunnel_failure(causes)}"


def _describe_tunnel_failure(causes: tuple[BaseException, ...]) -> str:
    """Say where the way through a proxy ended: its TLS, CONNECT, or before either."""
    refusal = next((str(cause) for cause in causes if str(cause).startswith(TUNNEL_REFUSED)), None)
    if refusal is not None:
        return clean_text(refusal, MAX_REFUSAL_LENGTH)
    certificate = _find_first(causes, ssl.SSLCertVerificationError)
    if certificate is not None:
        return f"its own certificate is refused: {certificate.verify_message}"
    if (error := _find_first(causes, ssl.SSLError)) is not None:
        return f"TLS to the proxy itself failed: {error.reason or error}"
    if _find_first(causes, RemoteDisconnected) is not None:
        return "it closed the connection instead of answering CONNECT"
    if _find_first(causes, HTTPException) is not None:
        return "what it answered to CONNECT is no HTTP"
    return _find_os_error(causes) or "it did not answer in time"


def _describe_refused_certificate(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    error = _find_first(causes, ssl.SSLCertVerificationError)
    if error is None:
        return None
    remedy = CERTIFICATE_REMEDIES[find_certificate_flaw(error)]
    return f"TLS: the certificate of {peer.address} is refused: {error.verify_message}. {remedy}"


def _describe_failed_handshake(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if any(HANDSHAKE_TIMED_OUT in str(cause) for cause in causes if isinstance(cause, TimeoutError)):
        return f"TLS connect to {peer.address}{peer.way} timed out"
    error = _find_first(causes, ssl.SSLError)
    if error is None:
        return None
    reason = error.reason or str(error)
    ask = "Does a vCenter listen there, with TLS 1.2 or later?"
    return f"TLS connect to {peer.address}{peer.way} failed: {reason}. {ask}"


def _describe_unknown_name(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    error = _find_first(causes, socket.gaierror)
    return None if error is None else f"the name of {peer.address} can't be resolved: {error.strerror}"


def _describe_failed_connect(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if _find_first(causes, ConnectionRefusedError) is not None:
        return f"connect to {peer.address} refused: nothing listens there, or a firewall says no"
    error = _find_first(causes, urllib3_errors.ConnectTimeoutError)
    if error is None:
        return None
    if isinstance(error, urllib3_errors.NewConnectionError):
        return f"connect to {peer.address} failed: {_find_os_error(causes)}"
    return f"connect to {peer.address} timed out"


def _describe_slow_answer(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if _find_first(causes, urllib3_errors.ReadTimeoutError) is None:
        return None
    return f"{peer.address} took the request and did not answer in time"


def _find_os_error(causes: tuple[BaseException, ...]) -> str | None:
    return next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)


PHASES: tuple[tuple[str, Callable[[Peer, tuple[BaseException, ...]], str | None]], ...] = (
    ("proxy", _describe_proxy_failure),
    ("certificate", _describe_refused_certificate),
    ("dns", _describe_unknown_name),
    ("tls", _describe_failed_handshake),
    ("connect", _describe_failed_connect),
    ("http", _describe_slow_answer),
)
