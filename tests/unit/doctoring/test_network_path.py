"""The way to a vCenter: name, connection and certificate, also through a proxy."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from socket import SHUT_RDWR, socket
from threading import Thread

import pytest
from esx_drift.doctoring import network_path as doctor_way
from esx_drift.doctoring.examination import Examination
from esx_drift.doctoring.network_path import Destination, examine_path
from esx_drift.errors import VCenterUnreachable

from tests.simulator import Tls, VCenterServer
from tests.simulator.certificates import authority
from tests.unit.adapters.vcenter.conftest import Pki
from tests.unit.adapters.vcenter.servers import _pump, listening, proxy_server
from tests.unit.doctoring.conftest import Clinic, outcomes

NO_WAY = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
WELL = "o" * 11


def _wrong_ca(pki: Pki, now: datetime) -> tuple[Tls, str]:
    return authority(now).issue(pki.directory, now), pki.authority.pem


def _expired(pki: Pki, now: datetime) -> tuple[Tls, str]:
    return pki.authority.issue(pki.directory, now, expired=True), pki.authority.pem


def _wrong_name(pki: Pki, now: datetime) -> tuple[Tls, str]:
    return pki.authority.issue(pki.directory, now, "vc99.corp", None), pki.authority.pem


def _lax_ca(pki: Pki, now: datetime) -> tuple[Tls, str]:
    lax = authority(now, "Corporate CA", strict=False)
    return lax.issue(pki.directory, now), lax.pem


@pytest.mark.parametrize(
    ("made", "openssl", "fix"),
    [
        (_wrong_ca, "unable to get local issuer certificate", "https://127.0.0.1/certs/download.zip"),
        (_expired, "certificate has expired", "Renew the vCenter's certificate"),
        (_wrong_name, "IP address mismatch", "into the secret's host"),
        (_lax_ca, "Basic Constraints of CA cert not marked critical", "tls_strict to false"),
    ],
)
def test_a_bad_certificate_is_told_with_openssls_reason(
    clinic: Clinic, made: Callable[[Pki, datetime], tuple[Tls, str]], openssl: str, fix: str
) -> None:
    """Name and connection are fine; no request is made, and the one thing to do stands there."""
    tls, bundle = made(clinic.pki, datetime.now(UTC))
    with VCenterServer(clinic.vcenter, tls=tls) as server:
        clinic.put_secret(port=server.port, ca_bundle=bundle)
        lines = clinic.examine()
    assert outcomes(lines) == "ooof" + "u" * 7
    assert openssl in lines["tls"]["said"]
    assert fix in lines["tls"]["fix"]
    assert len(clinic.vcenter.journal) == 0


def test_what_the_fix_says_helps(clinic: Clinic) -> None:
    """A CA against the rules passes once the secret's tls_strict is false."""
    tls, bundle = _lax_ca(clinic.pki, datetime.now(UTC))
    with VCenterServer(clinic.vcenter, tls=tls) as server:
        clinic.put_secret(port=server.port, ca_bundle=bundle, tls_strict=False)
        assert outcomes(clinic.examine()) == WELL


def test_a_name_that_nobody_knows(clinic: Clinic) -> None:
    """The name server's own words, and what to do."""
    clinic.put_secret(host="vc99.invalid")
    lines = clinic.examine()
    assert outcomes(lines) == "of" + "u" * 9
    assert lines["dns"]["said"].startswith("the name vc99.invalid can't be resolved: ")
    assert "name server" in lines["dns"]["fix"]


def test_a_port_where_nobody_listens(clinic: Clinic) -> None:
    """Which address, and that it was refused."""
    with listening() as gone:
        port = gone.getsockname()[1]
    clinic.put_secret(port=port)
    lines = clinic.examine()
    assert outcomes(lines) == "oof" + "u" * 8
    assert lines["tcp"]["said"] == f"no connection to 127.0.0.1:{port}: Connection refused"


def test_something_that_speaks_no_tls(clinic: Clinic) -> None:
    """A plain HTTP server at that port."""
    with VCenterServer(clinic.vcenter) as server:
        clinic.put_secret(port=server.port)
        lines = clinic.examine()
    assert outcomes(lines) == "ooof" + "u" * 7
    assert "TLS connect to" in lines["tls"]["said"]


def test_silence_instead_of_tls(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is taken, and nothing comes."""
    monkeypatch.setattr(doctor_way, "CONNECT_SECONDS", 0.2)
    with listening() as silent:
        clinic.put_secret(port=silent.getsockname()[1])
        lines = clinic.examine()
    assert outcomes(lines) == "ooof" + "u" * 7
    assert lines["tls"]["said"].endswith("timed out")


def test_through_a_proxy(clinic: Clinic) -> None:
    """Each line says so, the proxy's password is in none, and the tunnel is asked for with it."""
    with proxy_server() as proxy:
        clinic.put_secret(proxy=f"http://user:pass%40word@127.0.0.1:{proxy.port}")
        lines = clinic.examine()
    assert outcomes(lines) == WELL
    assert lines["dns"]["said"] == "the proxy 127.0.0.1 is 127.0.0.1"
    assert lines["tls"]["said"].endswith(f"through the proxy 127.0.0.1:{proxy.port}")
    assert "word" not in str(lines)
    # Base64 of user:pass@word, in the doctor's own tunnel and in those of the calls.
    assert all("Proxy-Authorization: Basic dXNlcjpwYXNzQHdvcmQ=" in _titled(head) for head in proxy.heads)


def _titled(head: str) -> str:
    return head.replace("proxy-authorization: basic", "Proxy-Authorization: Basic").replace(
        "proxy-authorization", "Proxy-Authorization"
    )


def test_a_proxy_that_gives_no_way(clinic: Clinic) -> None:
    """Its own answer is told."""
    with proxy_server(NO_WAY) as proxy:
        clinic.put_secret(proxy=f"http://127.0.0.1:{proxy.port}")
        lines = clinic.examine()
    assert outcomes(lines) == "oof" + "u" * 8
    assert lines["tcp"]["said"].endswith("403 Forbidden")


def test_a_proxy_that_is_none(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says instead, and also if it says nothing, is a failed connection."""
    with proxy_server(b"SSH-2.0-OpenSSH\r\n") as proxy:
        clinic.put_secret(proxy=f"http://127.0.0.1:{proxy.port}")
        assert clinic.examine()["tcp"]["outcome"] == "failed"
    monkeypatch.setattr(doctor_way, "CONNECT_SECONDS", 0.2)
    with listening() as silent:
        clinic.put_secret(proxy=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert clinic.examine()["tcp"]["said"].endswith("no answer within 0 s")


def test_a_wrong_ca_behind_a_proxy(clinic: Clinic) -> None:
    """A proxy does not soften TLS."""
    tls, bundle = _wrong_ca(clinic.pki, datetime.now(UTC))
    with VCenterServer(clinic.vcenter, tls=tls) as server, proxy_server() as proxy:
        clinic.put_secret(port=server.port, ca_bundle=bundle, proxy=f"http://127.0.0.1:{proxy.port}")
        lines = clinic.examine()
    assert outcomes(lines) == "ooof" + "u" * 7


@contextmanager
def tls_proxy(tls: Tls) -> Iterator[int]:
    """A proxy that speaks TLS itself, for one tunnel; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with proxy_server() as plain, listening() as server:
        thread = Thread(target=_unwrap, args=(server, context, plain.port))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(SHUT_RDWR)
            thread.join()


def _unwrap(server: socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        raw, _ = server.accept()
        with context.wrap_socket(raw, server_side=True) as outer, socket() as inner:
            inner.connect(("127.0.0.1", port))
            back = Thread(target=_pump, args=(inner, outer))
            back.start()
            _pump(outer, inner)
            back.join()


def test_tls_within_the_tls_of_a_proxy(clinic: Clinic) -> None:
    """The certificate told is the vCenter's, seen through the proxy's own TLS."""
    exam = Examination("vc01", doctor_way.PATH_STEPS)
    with tls_proxy(clinic.pki.tls) as port:
        examine_path(
            exam,
            Destination(
                "127.0.0.1", clinic.world.port, clinic.pki.authority.pem, True, f"https://127.0.0.1:{port}"
            ),
        )
    assert [line["outcome"] for line in exam.lines] == ["ok"] * 3
    assert "issued by Simulated CA" in exam.lines[2]["said"]


@pytest.mark.parametrize(
    ("target", "address", "hop"),
    [
        (Destination("::1", 443, None, True), "[::1]:443", ("::1", 443)),
        (Destination("vc01", 443, None, True, "http://proxy"), "vc01:443", ("proxy", 80)),
        (Destination("vc01", 443, None, True, "https://proxy"), "vc01:443", ("proxy", 443)),
    ],
)
def test_addresses_are_spelt_as_in_a_url(target: Destination, address: str, hop: tuple[str, int]) -> None:
    """An IPv6 address in brackets; a proxy without a port is at its scheme's."""
    assert (target.address, target.first_hop) == (address, hop)


def test_a_name_that_no_name_server_could_know() -> None:
    """A label of a proxy's name may be too long to be asked for at all."""
    exam = Examination("vc01", doctor_way.PATH_STEPS)
    with pytest.raises(VCenterUnreachable):
        examine_path(exam, Destination("vc01", 443, None, True, f"http://{'x' * 64}.corp:3128"))
