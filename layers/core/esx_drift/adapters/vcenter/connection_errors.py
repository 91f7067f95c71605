"""Errors of a connection as sentences that say where to look."""

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from urllib3 import exceptions as urllib3_errors

from esx_drift.adapters.tls import find_certificate_remedy
from esx_drift.errors import EsxDriftError, VCenterUnreachable

HANDSHAKE_TIMED_OUT = "handshake operation timed out"
"""CPython's own words (``_ssl.c``): urllib3 reports this time-out as one of reading."""


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


def translate_connection_error(peer: Peer, error: Exception) -> VCenterUnreachable:
    """Translate an error of requests, urllib3 or ssl.

    Args:
        peer: Whom the connection was to.
        error: The error; what led to it is looked at, too.

    Returns:
        The failure. Facts: ``phase`` (dns, connect, certificate, tls, proxy or http), and ``openssl``: its
        own reason.
    """
    causes = tuple(_walk_causes(error))
    for phase, describe in PHASES:
        sentence = describe(peer, causes)
        if sentence is not None:
            return VCenterUnreachable(sentence, {"phase": phase, **_read_openssl_reason(causes)})
    return VCenterUnreachable(f"the connection to {peer.address} was cut off", {"phase": "http"})


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


def _read_openssl_reason(causes: tuple[BaseException, ...]) -> dict[str, str]:
    error = _find_first(causes, ssl.SSLError)
    if error is None:
        return {}
    reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
    return {"openssl": reason or str(error)}


def _describe_proxy_failure(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if peer.proxy is None or _find_first(causes, urllib3_errors.ProxyError) is None:
        return None
    refusals = (str(cause) for cause in causes if str(cause).startswith("Tunnel connection failed"))
    reason = next(refusals, None) or _find_os_error(causes) or "no answer"
    return f"the proxy {peer.proxy_address} gave no way to {peer.address}: {reason}"


def _describe_refused_certificate(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    error = _find_first(causes, ssl.SSLCertVerificationError)
    if error is None:
        return None
    remedy = find_certificate_remedy(error)
    return f"TLS: the certificate of {peer.address} is refused: {error.verify_message}. {remedy}"


def _describe_failed_handshake(peer: Peer, causes: tuple[BaseException, ...]) -> str | None:
    if any(HANDSHAKE_TIMED_OUT in str(cause) for cause in causes if isinstance(cause, TimeoutError)):
        return f"TLS connect to {peer.address} timed out"
    error = _find_first(causes, ssl.SSLError)
    if error is None:
        return None
    reason = error.reason or str(error)
    return (
        f"TLS connect to {peer.address} failed: {reason}. Does a vCenter listen there, with TLS 1.2 or later?"
    )


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
