"""TLS, names, ports and proxies: what keeps a call from its vCenter, and what a person reads then."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from esx_drift.adapters import vcenter_wire
from esx_drift.adapters.tls import context_of, remedy
from esx_drift.errors import SecretInvalid, VCenterUnreachable

from tests.core.vcenter.conftest import Door, Pki
from tests.core.vcenter.servers import listening, proxy_server, raw_server
from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import authority


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate, the bundle that a secret holds, and how the two get on."""

    tls: Tls
    ca_bundle: str
    openssl: str
    remedy: str


def _certificates(pki: Pki) -> dict[str, Certificate]:
    now = datetime.now(UTC)
    own, folder = pki.authority, pki.directory
    lax = authority(now, "Corporate CA", strict=False)
    return {
        "wrong CA": Certificate(
            authority(now).issue(folder, now), own.pem, "unable to get local issuer certificate", "ca_bundle"
        ),
        "expired": Certificate(
            own.issue(folder, now, expired=True), own.pem, "certificate has expired", "Renew"
        ),
        "wrong name": Certificate(
            own.issue(folder, now, "vc99.corp", None), own.pem, "IP address mismatch", "secret's host"
        ),
        "lax CA": Certificate(
            lax.issue(folder, now),
            lax.pem,
            "Basic Constraints of CA cert not marked critical",
            "tls_strict to false",
        ),
    }


@pytest.fixture(params=["wrong CA", "expired", "wrong name", "lax CA"])
def bad(request: pytest.FixtureRequest, pki: Pki) -> Certificate:
    """Each certificate that has to be refused."""
    return _certificates(pki)[request.param]


@pytest.fixture
def bad_door(bad: Certificate, vcenter: VCenter, door: Door) -> Iterator[Door]:
    """The way to a vCenter with that certificate."""
    with VCenterServer(vcenter, tls=bad.tls) as server:
        yield Door(replace(door.secret, port=server.port, ca_bundle=bad.ca_bundle))


def test_a_bad_certificate_is_refused_before_the_password_is_sent(
    bad_door: Door, bad: Certificate, vcenter: VCenter
) -> None:
    """OpenSSL's reason is a fact, what to do about it is in the message, and nothing was sent."""
    with pytest.raises(VCenterUnreachable) as caught:
        bad_door.login()
    assert caught.value.facts["phase"] == "tls"
    assert bad.openssl in caught.value.facts["openssl"]
    assert bad.openssl in caught.value.message
    assert bad.remedy in caught.value.message
    assert f"127.0.0.1:{bad_door.secret.port}" in caught.value.message
    assert len(vcenter.journal) == 0


def test_less_strictness_forgives_only_form(bad_door: Door, bad: Certificate, vcenter: VCenter) -> None:
    """``tls_strict: false`` lets a CA without critical basicConstraints pass, and nothing else."""
    if bad.remedy == "tls_strict to false":
        bad_door.login(tls_strict=False)
        bad_door.opened[-1].close()
        return
    with pytest.raises(VCenterUnreachable):
        bad_door.login(tls_strict=False)
    assert len(vcenter.journal) == 0


def test_without_a_bundle_only_public_authorities_count(
    door: Door, vcenter: VCenter, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own bundle is never read, not even where it would help."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.authority.write(pki.directory)))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pki.authority.write(pki.directory)))
    with pytest.raises(VCenterUnreachable, match="ca_bundle"):
        door.login(ca_bundle=None)
    assert len(vcenter.journal) == 0


def test_a_bundle_replaces_the_public_authorities(pki: Pki) -> None:
    """Who names the CA trusts no other: requests' own adapter would add the public ones."""
    assert len(context_of(pki.authority.pem, strict=True).get_ca_certs()) == 1
    assert len(context_of(None, strict=True).get_ca_certs()) > 50


def test_a_call_adds_no_authority(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a real call the context still trusts just the one CA of the bundle."""
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def remembered(*, cadata: str) -> ssl.SSLContext:
        made.append(create(cadata=cadata))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", remembered)
    door.login().clusters()
    assert [len(context.get_ca_certs()) for context in made] == [1]


def test_a_bundle_may_hold_comments_in_any_script(door: Door, pki: Pki) -> None:
    """Exported bundles name their authorities between the certificates."""
    door.login(ca_bundle=f"# Autorité 証明\n{pki.authority.pem}")


@pytest.mark.parametrize(
    "bundle", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_bundle_without_certificate_is_the_secrets_fault(bundle: str) -> None:
    """It must not end in trusting the public authorities instead."""
    with pytest.raises(SecretInvalid):
        context_of(bundle, strict=True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(18, "ca_bundle"), (9, "clocks"), (62, "secret's host"), (85, "tls_strict"), (23, "Renew")],
)
def test_each_refusal_has_a_remedy(code: int, expected: str) -> None:
    """What OpenSSL says is for specialists; every code leads to one thing to do."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert expected in remedy(error)


def test_a_handshake_that_never_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes connections and stays silent is told as a time-out of TLS."""
    monkeypatch.setattr(vcenter_wire, "CONNECT_SECONDS", 0.2)
    with listening() as silent:
        port = silent.getsockname()[1]
        with pytest.raises(VCenterUnreachable) as caught:
            door.login(port=port)
    assert caught.value.message == f"TLS connect to 127.0.0.1:{port} timed out"
    assert caught.value.facts["phase"] == "tls"


def test_a_connect_that_never_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that drops packets is told as a time-out of connecting."""
    monkeypatch.setattr(vcenter_wire, "CONNECT_SECONDS", 0.2)
    with listening(backlog=0) as full, ExitStack() as waiting:
        port = full.getsockname()[1]
        for _ in range(3):  # fill the backlog: the kernel drops what comes after
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        with pytest.raises(VCenterUnreachable) as caught:
            door.login(port=port)
    assert caught.value.message == f"connect to 127.0.0.1:{port} timed out"
    assert caught.value.facts == {"phase": "connect"}


def test_a_closed_port(door: Door) -> None:
    """Refused is told as refused."""
    with listening() as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=f"connect to 127.0.0.1:{port} refused"):
        door.login(port=port)


def test_a_network_without_route(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other errors of connecting are told in the operating system's words."""

    def no_route(*_args: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket.socket, "connect", no_route)
    with pytest.raises(VCenterUnreachable, match="failed: No route to host"):
        door.login()


def test_an_unknown_name(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS is told as DNS."""

    def unknown(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(VCenterUnreachable) as caught:
        door.login(host="vc02.corp")
    assert "vc02.corp" in caught.value.message
    assert "Name or service not known" in caught.value.message
    assert caught.value.facts == {"phase": "dns"}


def test_a_port_without_tls(door: Door) -> None:
    """Something else than TLS at the port is told so."""
    with VCenterServer(VCenter()) as plain, pytest.raises(VCenterUnreachable) as caught:
        door.login(port=plain.port)
    assert "Does a vCenter listen there" in caught.value.message
    assert caught.value.facts["openssl"]


def test_an_address_of_version_6(door: Door) -> None:
    """An IPv6 address gets its brackets."""
    with listening() as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=rf"\[::1\]:{port}"):
        door.login(host="::1", port=port)


def test_the_secrets_proxy_is_used_and_sees_no_password(door: Door) -> None:
    """The proxy opens a tunnel: it learns host and port, and its own user, but nothing of the vCenter's."""
    with proxy_server() as proxy:
        door.login(proxy=f"http://carrier:pigeon@127.0.0.1:{proxy.port}").close()
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{door.secret.port} ")
    assert "Proxy-Authorization: Basic" in head
    assert "vmware-api-session-id" not in head
    assert "\nAuthorization" not in head


def test_a_proxy_that_refuses(door: Door) -> None:
    """The proxy's refusal is told, its user and password are not."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with proxy_server(refusal) as proxy, pytest.raises(VCenterUnreachable) as caught:
        door.login(proxy=f"http://carrier:pigeon@127.0.0.1:{proxy.port}")
    assert caught.value.message == (
        f"the proxy 127.0.0.1:{proxy.port} gave no way to 127.0.0.1:{door.secret.port}:"
        " Tunnel connection failed: 407 Proxy Authentication Required"
    )
    assert caught.value.facts == {"phase": "proxy"}


def test_a_proxy_that_is_down(door: Door) -> None:
    """A proxy that can't be reached is told as the proxy, not as the vCenter."""
    with listening() as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=f"the proxy 127.0.0.1:{port} gave no way .* refused"):
        door.login(proxy=f"http://127.0.0.1:{port}")


def test_a_proxy_does_not_soften_tls(door: Door, pki: Pki) -> None:
    """Through a proxy the vCenter's certificate is verified all the same."""
    bad = _certificates(pki)["wrong CA"]
    with (
        raw_server(bad.tls, b"") as port,
        proxy_server() as proxy,
        pytest.raises(VCenterUnreachable) as caught,
    ):
        door.login(port=port, proxy=f"http://127.0.0.1:{proxy.port}")
    assert caught.value.facts["phase"] == "tls"
