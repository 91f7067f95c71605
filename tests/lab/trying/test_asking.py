"""What a person gives to `make try`."""

import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from esx_drift.contracts import list_fleet_errors

from tests.lab.trying.asking import Asked, Given, address, asked, bundle, checked, proxy, strict
from tests.simulator.certificates import authority
from tests.simulator.sessions import PASSWORD, USER

NEEDED = (
    "it needs the vCenter's address: make try VCENTER=https://vc01.example.com\n"
    "A simulated one: make try VCENTER=simulator"
)


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
    [
        "vc01",
        "http://vc01",
        "https://",
        "https://user:pw@vc01",
        "https://vc01/ui",
        "https://vc01:99999",
        "https://vc01?x",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """Said before any password is asked for."""
    with pytest.raises(ArgumentTypeError, match=r"https://HOST\[:PORT\]"):
        address(url)


@pytest.mark.parametrize("host", ["vc01", "VC01.Example.COM", "10.0.0.1", "::1", "x" * 70, "a" * 62 + ".b"])
def test_every_host_makes_a_name_that_the_fleet_file_takes(host: str) -> None:
    """It becomes part of keys and of a secret's name."""
    name = Asked(Given(host, 443), "user", "password").name
    assert list_fleet_errors({"schema_version": 1, "vcenters": [{"name": name}]}) == []


def test_a_bundle_must_hold_a_certificate(tmp_path: Path) -> None:
    """Said before any password is asked for, not as a failure of TLS."""
    good = authority(datetime.now(UTC)).write(tmp_path)
    assert "BEGIN CERTIFICATE" in (bundle(str(good)) or "")
    assert bundle("") is None
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ArgumentTypeError, match="no certificate as PEM"):
        bundle(str(wrong))
    with pytest.raises(ArgumentTypeError, match="No such file"):
        bundle(str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], NEEDED),
        (["--vcenter="], NEEDED),
        (["--vcenter=simulator", "--strict=no"], "CA, STRICT and PROXY are for a real vCenter"),
        (["--vcenter=vc01"], "expected VCENTER=https://HOST[:PORT], got 'vc01'"),
        (["--vcenter=https://vc01", "--strict=false"], "expected STRICT=yes or STRICT=no, got 'false'"),
        (["--vcenter=https://vc01", "--proxy=u:geheim@p"], "expected PROXY=http://[USER:PASSWORD@]HOST:PORT"),
        (["--vcenter=https://vc01", "--ca=none.pem"], "CA=none.pem can't be used: No such file or directory"),
        (["--vcenter=https://vc01"], "it asks for user and password: run it at a terminal"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else: pytest's own standard input is no terminal, which is the last that is looked at."""
    with pytest.raises(SystemExit) as ended:
        checked(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"make try: {line}\n"


def test_the_simulated_vcenter_needs_nobody_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Its user and password are no secret: they are shown, and not asked for."""
    of = asked(["--vcenter=simulator", "--cluster=prod-a"])
    assert (of.given.simulated, of.given.cluster, of.name) == (True, "prod-a", "simulator")
    assert (of.username, of.password) == (USER, PASSWORD)
    assert f"{USER}, {PASSWORD}" in capsys.readouterr().out


class Terminal(StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("\n", True), ("y\n", True), ("Yes\n", True), ("n\n", False), ("what?\n", False), ("", False)],
)
def test_the_simulated_vcenter_is_offered(
    *, typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a terminal, where no vCenter is named; asked once, before anything is built."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    if agreed:
        assert checked([], offer=True).simulated
        assert checked([]).simulated
    else:
        with pytest.raises(SystemExit) as ended:
            checked([], offer=True)
        assert ended.value.code == 2
    told = capsys.readouterr().out
    assert told.count("Try the simulated vCenter? [Y/n]") == 1
    assert "make try VCENTER=https://vc01.example.com" in told


def test_the_way_there_becomes_part_of_the_secret() -> None:
    """As the functions read it."""
    given = Given("vc01", 443, "PEM", strict("no"), proxy("http://proxy:3128"))
    secret = Asked(given, "user", "password").secret
    assert (secret["ca_bundle"], secret["tls_strict"], secret["proxy"]) == ("PEM", False, "http://proxy:3128")
    assert strict("") is strict("yes") is Asked(Given("vc01", 443), "u", "p").secret["tls_strict"] is True
    assert "proxy" not in Asked(Given("vc01", 443), "u", "p").secret


def test_a_password_is_never_shown() -> None:
    """Not where an error prints what it was about."""
    assert "geheim" not in repr(Asked(Given("vc01", 443, proxy="http://u:geheim@p:1"), "user", "geheim"))
