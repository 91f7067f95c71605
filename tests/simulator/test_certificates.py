import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority, authority, bad_certificates
from tests.simulator.conftest import Client

NOW = datetime.now(UTC)


def _handshake(tls: Tls, trusted: Authority, *, strict: bool = True) -> str:
    """The protocol that client and server agree on; raises SSLCertVerificationError."""
    context = ssl.create_default_context(cadata=trusted.pem)
    if not strict:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with (
        VCenterServer(VCenter(), tls=tls) as server,
        socket.create_connection((server.host, server.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=server.host) as secured,
    ):
        return secured.version() or ""


def test_a_good_certificate_passes_the_strictest_check(tmp_path: Path) -> None:
    """Python 3.13 sets VERIFY_X509_STRICT by default."""
    assert ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT
    ca = authority(NOW)
    assert _handshake(ca.issue(tmp_path, NOW), ca) == "TLSv1.3"


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    """Even one of the same name."""
    with pytest.raises(ssl.SSLCertVerificationError, match=r"signature failure|unable to get local issuer"):
        _handshake(authority(NOW).issue(tmp_path, NOW), authority(NOW))


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """Its authority is still valid."""
    ca = authority(NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        _handshake(ca.issue(tmp_path, NOW, expired=True), ca)


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    """The address must be in it."""
    ca = authority(NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        _handshake(ca.issue(tmp_path, NOW, "vc02.corp.example", address=None), ca)


def test_a_lax_authority_fails_the_strict_check_only(tmp_path: Path) -> None:
    """As the CAs of many companies do."""
    ca = authority(NOW, strict=False)
    tls = ca.issue(tmp_path, NOW)
    assert _handshake(tls, ca, strict=False) == "TLSv1.3"
    with pytest.raises(
        ssl.SSLCertVerificationError, match="Basic Constraints of CA cert not marked critical"
    ):
        _handshake(tls, ca)


def test_each_bad_certificate_is_bad_in_its_own_way_and_can_be_shown_for_a_while(tmp_path: Path) -> None:
    """On the same port, to a client that trusts both authorities; the good one works before and after."""
    trusted, unfit = authority(NOW), authority(NOW, "Unfit CA", strict=False)
    good, context = trusted.issue(tmp_path, NOW), ssl.create_default_context(cadata=trusted.pem + unfit.pem)
    bad = bad_certificates(trusted, unfit, tmp_path, NOW)
    told = {}
    with VCenterServer(VCenter(), tls=good) as server:
        port = server.port

        def shaken() -> str:
            with socket.create_connection((server.host, port), timeout=5) as plain:
                try:
                    with context.wrap_socket(plain, server_hostname=server.host):
                        return "good"
                except ssl.SSLCertVerificationError as error:
                    return error.verify_message

        for kind, tls in bad.items():
            assert shaken() == "good"
            server.show(tls)
            told[kind] = shaken()
            server.show(good)
        assert shaken() == "good"
    assert "expired" in told["expired"]
    assert "mismatch" in told["another-name"]
    assert "Basic Constraints" in told["unfit-authority"]


def test_a_silent_client_does_not_hold_up_the_others(tmp_path: Path, http: requests.Session) -> None:
    """It connects, and never begins its handshake."""
    ca = authority(NOW)
    http.verify = str(ca.write(tmp_path))
    with (
        VCenterServer(VCenter(), tls=ca.issue(tmp_path, NOW)) as server,
        socket.create_connection((server.host, server.port), timeout=5),
    ):
        assert Client(server.url, http).login().status_code == 201


def test_a_server_can_go_away_and_come_back_at_its_address(http: requests.Session) -> None:
    """With what it knew."""
    server = VCenterServer(VCenter())
    with server:
        client = Client(server.url, http)
        assert client.login().status_code == 201
    with pytest.raises(requests.ConnectionError):
        client.call("GET", "/api/session")
    with server:
        assert client.call("GET", "/api/session").status_code == 200
