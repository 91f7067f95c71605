"""Ids that repeat for the same check, and keys that hold whatever name comes from outside."""

import re

import pytest
from esx_drift.domain.stored import identifiers as names
from hypothesis import given, settings
from hypothesis import strategies as st

anything = st.text(st.characters(), min_size=1, max_size=300)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(anything)
def test_a_part_of_a_key_is_harmless(name: str) -> None:
    """No slash, no dot, no @ that is ours, and short enough, whatever comes from a vCenter."""
    part = names.encode_key_part(name)
    assert re.fullmatch(r"[A-Za-z0-9_%~-]+", part)
    assert len(part.encode()) <= names.MAX_KEY_PART_BYTES


@settings(deadline=None)
@given(anything, anything)
def test_different_names_have_different_parts(one: str, other: str) -> None:
    """Or two clusters would share a log."""
    assert (names.encode_key_part(one) == names.encode_key_part(other)) == (one == other)


@settings(deadline=None)
@given(st.text("~%.aé@/", min_size=1, max_size=60), st.text("~%.aé@/", min_size=1, max_size=60))
def test_names_made_of_what_is_encoded_stay_apart(one: str, other: str) -> None:
    """An encoded name is not mistaken for one that was spelt so."""
    assert (names.encode_key_part(one) == names.encode_key_part(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("domain-c9", "domain-c9"),
        ("vc01.corp.example", "vc01%2Ecorp%2Eexample"),
        ("@vcenter", "%40vcenter"),
        ("..", "%2E%2E"),
        ("a/b~c", "a%2Fb%7Ec"),
    ],
)
def test_names_keep_their_spelling_in_keys(name: str, part: str) -> None:
    """Keys are for ever: these must never come out otherwise."""
    assert names.encode_key_part(name) == part


def test_a_long_name_ends_in_its_hash() -> None:
    """80 bytes of it, and 16 digits that tell it apart."""
    part = names.encode_key_part("x" * 121)
    assert re.fullmatch(r"x{80}~[0-9a-f]{16}", part)
    assert names.encode_key_part("x" * 120) == "x" * 120


def test_keys_are_where_the_buckets_have_them() -> None:
    """The layout is relied on from outside."""
    assert names.make_document_key("vc01", "domain-c9", "ab") == (
        "documents/vcenter=vc01/cluster=domain-c9/ab.json.gz"
    )
    assert names.make_snapshot_key("vc01", "domain-c9", "ab") == (
        "snapshots/vcenter=vc01/cluster=domain-c9/ab.json.gz"
    )
    assert names.make_quarantine_key("vc01", "domain-c9", "ab") == (
        "quarantine/vcenter=vc01/cluster=domain-c9/ab.json.gz"
    )
    assert names.make_record_key("vc01", "domain-c9", 41) == (
        "records/vcenter=vc01/cluster=domain-c9/0000000041.json"
    )
    assert names.make_record_key("vc01", names.VCENTER_LOG, 1) == (
        "records/vcenter=vc01/cluster=@vcenter/0000000001.json"
    )
    assert names.make_state_key("vc01", "domain-c9") == "state/vc01/domain-c9.json"
    assert names.make_state_key("vc01", names.VCENTER_LOG) == "state/vc01/@vcenter.json"
    assert names.make_breaker_key("vc01") == "breaker/vc01.json"
    assert names.make_delivery_key("id", "a route") == "deliveries/id/a%20route.json"


@settings(deadline=None)
@given(anything.filter(lambda name: name != names.VCENTER_LOG))
def test_no_cluster_can_take_the_vcenters_own_log(cluster: str) -> None:
    """The name with the @ is ours alone."""
    assert names.make_record_prefix("vc01", cluster) != names.make_record_prefix("vc01", names.VCENTER_LOG)


@settings(deadline=None)
@given(st.integers(1, 10**10 - 1), st.integers(1, 10**10 - 1))
def test_record_keys_sort_like_their_numbers(one: int, other: int) -> None:
    """A LIST gives the newest last."""
    keys = names.make_record_key("v", "c", one), names.make_record_key("v", "c", other)
    assert (keys[0] < keys[1]) == (one < other)


@settings(deadline=None)
@given(json_values)
def test_a_value_has_one_spelling(value: object) -> None:
    """Whatever the order its keys came in."""

    def turned(part: object) -> object:
        if isinstance(part, dict):
            return {key: turned(part[key]) for key in reversed(list(part))}
        return [turned(item) for item in part] if isinstance(part, list) else part

    assert names.encode_canonical_json(turned(value)) == names.encode_canonical_json(value)
    assert names.compute_digest(turned(value)) == names.compute_digest(value)
    assert names.encode_canonical_json(value).isascii()


def test_what_is_no_json_has_no_digest() -> None:
    """NaN equals nothing, not even itself."""
    with pytest.raises(ValueError, match="JSON"):
        names.compute_digest(float("nan"))


@settings(deadline=None)
@given(anything, anything)
def test_the_same_check_has_the_same_ids(vcenter: str, cluster: str) -> None:
    """Repeated or published twice, it is still the same; another check's are others."""
    check = names.make_check_id(vcenter, cluster, 7)
    assert check == names.make_check_id(vcenter, cluster, 7)
    assert names.make_event_id(check, "a") == names.make_event_id(check, "a")
    ids = {
        check,
        names.make_check_id(vcenter, cluster, 8),
        names.make_event_id(check, "a"),
        names.make_event_id(check, "b"),
        names.make_next_request_id(check, "attempt 1"),
        names.make_next_request_id(check, "attempt 2"),
    }
    assert len(ids) == 6


@settings(deadline=None)
@given(st.lists(st.tuples(anything, anything, anything), min_size=2, max_size=2, unique=True))
def test_a_request_is_named_by_run_vcenter_and_cluster(several: list[tuple[str, str, str]]) -> None:
    """A run that is repeated asks for the same; no two clusters share a request."""
    one, other = (names.make_request_id(*parts) for parts in several)
    assert one != other
    assert one == names.make_request_id(*several[0])


def test_ids_are_for_ever() -> None:
    """Subscribers drop what they have seen by these: they must never come out otherwise."""
    check = names.make_check_id("vc01", "domain-c9", 1)
    assert check == "7c0a6514-e78f-5f93-990b-b5016e6ff7fe"
    assert names.make_event_id(check, "esx-drift.drift.detected") == "200d6ccf-4fb3-5a4c-bd26-6ce1fdf7215c"
    assert names.make_fingerprint("drift", "image-not-uniform", "") == "14184ec19b80d7bc8279df45a434676b"


@settings(deadline=None)
@given(st.lists(st.tuples(anything, anything, anything), min_size=2, max_size=2, unique=True))
def test_a_finding_has_a_name_of_its_own(several: list[tuple[str, str, str]]) -> None:
    """No family, kind and subject together look like others."""
    one, other = (names.make_fingerprint(*parts) for parts in several)
    assert one != other
    assert re.fullmatch(r"[0-9a-f]{32}", one)
