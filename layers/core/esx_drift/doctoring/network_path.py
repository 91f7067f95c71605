"""The network path to a host, step by step over plain sockets: DNS, TCP (or a proxy), TLS."""

import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.parse import urlsplit

from urllib3.util import make_headers
from urllib3.util.ssltransport import SSLTransport

from esx_drift.adapters.secrets import SentSecrets, find_proxy_login
from esx_drift.adapters.tls import UNTRUSTED_CODES, build_tls_context, find_certificate_remedy
from esx_drift.adapters.vcenter.connection_errors import Peer, translate_connection_error
from esx_drift.adapters.vcenter.http_client import CONNECT_SECONDS
from esx_drift.doctoring.examination import Examination
from esx_drift.errors import FIX_FACT, VCenterUnreachable

PATH_STEPS = ("dns", "tcp", "tls")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Destination:
    """A host and port, the CAs that TLS trusts there, and the proxy in between, if any."""

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
    def first_hop(self) -> tuple[str, int]:
        """The host and port to connect to first: the proxy's, if there is one."""
        if self.proxy is None:
            return self.host, self.port
        parts = urlsplit(self.proxy)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def proxy_note(self) -> str:
        """The words that name the proxy; empty if there is none."""
        return f", through the proxy {_format_address(*self.first_hop)}" if self.proxy else ""


def examine_path(exam: Examination, destination: Destination) -> None:
    """Take the steps ``PATH_STEPS`` to ``destination`` and add their lines to ``exam``.

    Raises:
        VCenterUnreachable: A step failed.
        SecretInvalid: The secret's ca_bundle holds no certificate.
    """
    exam.add_ok(_resolve_name(destination))
    with ExitStack() as resources:
        connection = _connect(destination, resources)
        exam.add_ok(f"{destination.address} takes connections{destination.proxy_note}")
        exam.add_ok(_check_certificate(destination, connection, resources))


def _resolve_name(destination: Destination) -> str:
    host, port = destination.first_hop
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        fix = "Correct the host in the secret, or have the name server of the network or VPC know it."
        raise _build_failure(
            "dns", f"the name {host} can't be resolved: {_describe_reason(error)}", fix
        ) from error
    addresses = ", ".join(dict.fromkeys(str(address[0]) for *_, address in infos))
    return f"{'the proxy ' if destination.proxy else ''}{host} is {addresses}"


def _connect(destination: Destination, resources: ExitStack) -> socket.socket:
    hop = destination.first_hop
    try:
        connection = resources.enter_context(socket.create_connection(hop, CONNECT_SECONDS))
        return connection if destination.proxy is None else _open_tunnel(destination, connection, resources)
    except (OSError, HTTPException) as error:
        fix = "Open the way from the functions (their security group and routes in a VPC) to that port."
        raise _build_failure(
            "connect", f"no connection to {_format_address(*hop)}: {_describe_reason(error)}", fix
        ) from error


def _open_tunnel(destination: Destination, connection: socket.socket, resources: ExitStack) -> socket.socket:
    """Ask the proxy for a tunnel. Returns the connection to use, which may be TLS to the proxy."""
    parts = urlsplit(destination.proxy or "")
    if parts.scheme == "https":
        context = build_tls_context(destination.ca_bundle, strict=destination.tls_strict)
        connection = resources.enter_context(context.wrap_socket(connection, server_hostname=parts.hostname))
    login = find_proxy_login(destination.proxy)
    user = ":".join(login) if login else None
    headers = {"Host": destination.address, **make_headers(proxy_basic_auth=user)}
    lines = [
        f"CONNECT {destination.address} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = HTTPResponse(connection, method="CONNECT")
    resources.callback(answer.close)
    answer.begin()
    if answer.status != HTTPStatus.OK:
        sent = SentSecrets()
        sent.add_login(*(login or ("", "")))
        reason = sent.strike_out(answer.reason)
        raise ConnectionError(f"the proxy gives no way to {destination.address}: {answer.status} {reason}")
    return connection


def _check_certificate(destination: Destination, connection: socket.socket, resources: ExitStack) -> str:
    context = build_tls_context(destination.ca_bundle, strict=destination.tls_strict)
    try:
        certificate = _read_certificate(destination, context, connection, resources)
    except ssl.SSLCertVerificationError as error:
        where = f"https://{destination.host}/certs/download.zip"
        more = f" A vCenter's own CA: {where}" if error.verify_code in UNTRUSTED_CODES else ""
        sentence = f"the certificate of {destination.address} is refused: {error.verify_message}"
        raise _build_failure("tls", sentence, f"{find_certificate_remedy(error)}{more}") from error
    except OSError as error:
        sentence = translate_connection_error(Peer(destination.address), error).message
        raise _build_failure(
            "tls", sentence, "Correct the port in the secret, or look at what stands in between."
        ) from error
    issuer, end = _name_issuer(certificate), certificate["notAfter"]
    return f"trusted, issued by {issuer}, valid until {end}{destination.proxy_note}"


def _read_certificate(
    destination: Destination, context: ssl.SSLContext, connection: socket.socket, resources: ExitStack
) -> dict[str, Any]:
    if isinstance(connection, ssl.SSLSocket):
        # TLS within the proxy's own TLS, which the standard library can't do by itself.
        inner = SSLTransport(connection, context, server_hostname=destination.host)
        return cast("dict[str, Any]", inner.getpeercert())
    outer = resources.enter_context(context.wrap_socket(connection, server_hostname=destination.host))
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


def _build_failure(phase: str, sentence: str, fix: str) -> VCenterUnreachable:
    return VCenterUnreachable(sentence, {"phase": phase, FIX_FACT: fix})
