"""What a person gives to `make try`."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

import pytest
from esx_drift.fleet_faults import faults_of

from tests.simulator.certificates import authority
from tests.trying.asking import Asked, address, bundle


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://vc01.example.com", "vc01.example.com", 443),
        ("https://vc01.example.com/", "vc01.example.com", 443),
        ("https://vc01.example.com:8443", "vc01.example.com", 8443),
        ("https://[::1]:8443", "::1", 8443),
    ],
)
def test_an_address(url: str, host: str, port: int) -> None:
    """As one copies it from the browser."""
    assert address(url) == (host, port)


@pytest.mark.parametrize(
    "url",
    ["", "vc01", "http://vc01", "https://", "https://user:pw@vc01", "https://vc01/ui", "https://vc01:99999"],
)
def test_what_is_no_address(url: str) -> None:
    """Said before any password is asked for."""
    with pytest.raises(ArgumentTypeError, match=r"https://HOST\[:PORT\]"):
        address(url)


@pytest.mark.parametrize("host", ["vc01", "VC01.Example.COM", "10.0.0.1", "::1", "x" * 70, "a" * 62 + ".b"])
def test_every_host_makes_a_name_that_the_fleet_file_takes(host: str) -> None:
    """It becomes part of keys and of a secret's name."""
    name = Asked(host, 443, "user", "password", None).name
    assert faults_of({"schema_version": 1, "vcenters": [{"name": name}]}) == []


def test_a_bundle_must_hold_a_certificate(tmp_path: Path) -> None:
    """Said before any password is asked for, not as a failure of TLS."""
    good = authority(datetime.now(UTC)).write(tmp_path)
    assert "BEGIN CERTIFICATE" in bundle(str(good))
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ArgumentTypeError, match="no certificate as PEM"):
        bundle(str(wrong))
    with pytest.raises(ArgumentTypeError, match="No such file"):
        bundle(str(tmp_path / "none.pem"))


def test_a_password_is_never_shown() -> None:
    """Not where an error prints what it was about."""
    assert "geheim" not in repr(Asked("vc01", 443, "user", "geheim", None))
