"""The way to a host, step by step over plain sockets: its name, a connection, its certificate."""

import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from urllib3.util import make_headers
from urllib3.util.ssltransport import SSLTransport

from esx_drift.adapters.tls import UNTRUSTED_CODES, build_tls_context, find_certificate_remedy
from esx_drift.adapters.vcenter.connection_errors import Peer, translate_connection_error
from esx_drift.adapters.vcenter.http_client import CONNECT_SECONDS
from esx_drift.doctoring.examination import Examination
from esx_drift.errors import FIX_FACT, VCenterUnreachable

PATH_STEPS = ("dns", "tcp", "tls")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to, whom TLS trusts there, and through which proxy, if any."""

    host: str
    port: int
    ca_bundle: str | None = field(repr=False)
    tls_strict: bool
    proxy: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """``host:port`` as in a URL."""
        return _format_address(self.host, self.port)

    @property
    def hop(self) -> tuple[str, int]:
        """Whom to connect to first: the host, or the proxy."""
        if self.proxy is None:
            return self.host, self.port
        parts = urlsplit(self.proxy)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def through(self) -> str:
        """Says that there is a proxy, if there is one."""
        return f", through the proxy {_format_address(*self.hop)}" if self.proxy else ""


def examine_path(exam: Examination, target: Destination) -> None:
    """Take the steps ``WAY_STEPS``.

    Raises ``VCenterUnreachable`` at the first that fails, or ``SecretInvalid`` for a bundle of no use.
    """
    exam.add_ok(_resolve_name(target))
    with ExitStack() as ending:
        connection = _connect(target, ending)
        exam.add_ok(f"{target.address} takes connections{target.through}")
        exam.add_ok(_check_certificate(target, connection, ending))


def _resolve_name(target: Destination) -> str:
    host, port = target.hop
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        fix = "Correct the host in the secret, or have the name server of the network or VPC know it."
        raise _build_failure(
            "dns", f"the name {host} can't be resolved: {_describe_reason(error)}", fix
        ) from error
    addresses = ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
    return f"{'the proxy ' if target.proxy else ''}{host} is {addresses}"


def _connect(target: Destination, ending: ExitStack) -> socket.socket:
    hop = target.hop
    try:
        connection = ending.enter_context(socket.create_connection(hop, CONNECT_SECONDS))
        return connection if target.proxy is None else _open_tunnel(target, connection, ending)
    except (OSError, HTTPException) as error:
        fix = "Open the way from the functions (their security group and routes in a VPC) to that port."
        raise _build_failure(
            "connect", f"no connection to {_format_address(*hop)}: {_describe_reason(error)}", fix
        ) from error


def _open_tunnel(target: Destination, connection: socket.socket, ending: ExitStack) -> socket.socket:
    """The connection, once the proxy lets it through."""
    parts = urlsplit(target.proxy or "")
    if parts.scheme == "https":
        context = build_tls_context(target.ca_bundle, strict=target.tls_strict)
        connection = ending.enter_context(context.wrap_socket(connection, server_hostname=parts.hostname))
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    headers = {"Host": target.address, **make_headers(proxy_basic_auth=user)}
    lines = [f"CONNECT {target.address} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = HTTPResponse(connection, method="CONNECT")
    ending.callback(answer.close)
    answer.begin()
    if answer.status != HTTPStatus.OK:
        raise ConnectionError(f"the proxy gives no way to {target.address}: {answer.status} {answer.reason}")
    return connection


def _check_certificate(target: Destination, connection: socket.socket, ending: ExitStack) -> str:
    context = build_tls_context(target.ca_bundle, strict=target.tls_strict)
    try:
        certificate = _read_certificate(target, context, connection, ending)
    except ssl.SSLCertVerificationError as error:
        where = f"https://{target.host}/certs/download.zip"
        more = f" A vCenter's own CA: {where}" if error.verify_code in UNTRUSTED_CODES else ""
        said = f"the certificate of {target.address} is refused: {error.verify_message}"
        raise _build_failure("tls", said, f"{find_certificate_remedy(error)}{more}") from error
    except OSError as error:
        said = translate_connection_error(Peer(target.address), error).message
        raise _build_failure(
            "tls", said, "Correct the port in the secret, or look at what stands in between."
        ) from error
    return f"trusted, issued by {_name_issuer(certificate)}, valid until {certificate['notAfter']}{target.through}"


def _read_certificate(
    target: Destination, context: ssl.SSLContext, connection: socket.socket, ending: ExitStack
) -> dict[str, Any]:
    if isinstance(connection, ssl.SSLSocket):
        # TLS within the proxy's own TLS, which the standard library can't do by itself.
        inner = SSLTransport(connection, context, server_hostname=target.host)
        return cast("dict[str, Any]", inner.getpeercert())
    outer = ending.enter_context(context.wrap_socket(connection, server_hostname=target.host))
    return cast("dict[str, Any]", outer.getpeercert())


def _name_issuer(certificate: dict[str, Any]) -> str:
    names = {key: value for part in certificate["issuer"] for key, value in part}
    return str(names.get("commonName") or names.get("organizationName") or "a CA without a name")


def _format_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _describe_reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _build_failure(phase: str, said: str, fix: str) -> VCenterUnreachable:
    return VCenterUnreachable(said, {"phase": phase, FIX_FACT: fix})
