"""Whom TLS trusts, and what a person reads when it does not."""

import ssl
from collections.abc import Iterator
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from esx_drift.adapters.tls import build_tls_context, find_certificate_remedy
from esx_drift.errors import SecretInvalid, VCenterUnreachable

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import authority
from tests.unit.adapters.vcenter.conftest import Door, Pki
from tests.unit.adapters.vcenter.servers import listening, proxy_server, raw_server


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
    assert caught.value.facts["phase"] == "certificate"
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
    assert len(build_tls_context(pki.authority.pem, strict=True).get_ca_certs()) == 1
    assert len(build_tls_context(None, strict=True).get_ca_certs()) > 50


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
        build_tls_context(bundle, strict=True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(18, "ca_bundle"), (9, "clocks"), (62, "secret's host"), (85, "tls_strict"), (23, "Renew")],
)
def test_each_refusal_has_a_remedy(code: int, expected: str) -> None:
    """What OpenSSL says is for specialists; every code leads to one thing to do."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert expected in find_certificate_remedy(error)


def test_a_proxy_does_not_soften_tls(door: Door, pki: Pki) -> None:
    """Through a proxy the vCenter's certificate is verified all the same."""
    bad = _certificates(pki)["wrong CA"]
    with (
        raw_server(bad.tls, b"") as port,
        proxy_server() as proxy,
        pytest.raises(VCenterUnreachable) as caught,
    ):
        door.login(port=port, proxy=f"http://127.0.0.1:{proxy.port}")
    assert caught.value.facts["phase"] == "certificate"


def test_an_earlier_failure_is_not_told_again(door: Door) -> None:
    """A call made while another failure is handled is told by its own cause."""
    with listening() as gone:
        port = gone.getsockname()[1]
    try:
        door.login(ca_bundle=None)
    except VCenterUnreachable:
        with pytest.raises(VCenterUnreachable, match="refused: nothing listens"):
            door.login(port=port)
