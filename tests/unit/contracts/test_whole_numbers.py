"""Whole numbers are whole numbers, however they are spelt, and names are read as people wrote them."""

import json

import pytest
from esx_drift.adapters.state_bucket import parse_fleet
from esx_drift.adapters.vcenter.listings import decode_name
from esx_drift.cli.fleet_yaml import parse_fleet_text
from esx_drift.contracts import parse_payload, read_whole_numbers
from esx_drift.errors import ContractViolation, FleetInvalid
from hypothesis import given
from hypothesis import strategies as st

REQUEST = {
    "schema_version": 1,
    "vcenter": "vc01",
    "run_id": "run",
    "attempt": 1,
    "reason": "vcenter-unreachable",
}


@given(st.recursive(st.one_of(st.integers(-(2**53), 2**53), st.text(), st.none()), st.lists))
def test_what_is_spelt_as_a_float_is_the_same(value: object) -> None:
    """At any depth; and nothing else changes."""
    spelt = json.loads(json.dumps(value), parse_int=float)
    assert read_whole_numbers(spelt) == value
    assert ".0" not in json.dumps(read_whole_numbers(spelt)).replace('"', "") or ".0" in json.dumps(value)


@pytest.mark.parametrize("spelt", ["600.0", "6e2", "600"])
def test_a_fleet_files_numbers_are_whole(spelt: str) -> None:
    """SQS takes no delay of 60.0 seconds, and Helm writes 1e+06."""
    settings = f'{{"confirm_after_seconds": {spelt}}}'
    text = f'{{"schema_version": 1, "vcenters": [{{"name": "vc01"}}], "settings": {settings}}}'
    (vcenter,) = parse_fleet(text.encode()).vcenters
    assert vcenter.confirm_after_seconds == 600
    assert isinstance(vcenter.confirm_after_seconds, int)
    document = parse_fleet_text(text).document
    assert "600" in json.dumps(document)
    assert "600.0" not in json.dumps(document)


def test_a_number_that_is_not_whole_is_refused_by_its_path() -> None:
    """Never cut in silence."""
    text = b'{"schema_version": 1, "vcenters": [{"name": "vc01", "first_delay_seconds": 60.5}]}'
    with pytest.raises(FleetInvalid, match="/vcenters/0/first_delay_seconds: expected a whole number"):
        parse_fleet(text)


def test_a_payloads_numbers_are_whole() -> None:
    """What is sent on is what was meant."""
    body = json.dumps({**REQUEST, "attempt": 1.0}).encode()
    assert json.dumps(parse_payload("retry-request", body)) == json.dumps(REQUEST)
    with pytest.raises(ContractViolation, match="/attempt"):
        parse_payload("retry-request", json.dumps({**REQUEST, "attempt": 1.5}).encode())


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'""', b"{}", b"", b"{"])
def test_an_odd_payload_is_refused(body: bytes) -> None:
    """By one clear error."""
    with pytest.raises(ContractViolation):
        parse_payload("retry-request", body)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("DEV%2fQA", "DEV/QA"),
        ("DEV%2FQA", "DEV/QA"),
        ("100%25", "100%"),
        ("a%5cb", "a\\b"),
        ("%252f", "%2f"),
        ("50%", "50%"),
    ],
)
def test_a_name_is_decoded_once(said: str, name: str) -> None:
    """As vSphere escapes it."""
    assert decode_name(said) == name


@given(st.text())
def test_every_name_survives_the_way(name: str) -> None:
    """Whatever it is called."""
    said = name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
    assert decode_name(said) == name
