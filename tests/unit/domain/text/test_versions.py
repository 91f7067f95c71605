"""What is newer, in versions as ESXi, vendors and VIBs write them."""

import re

import pytest
from esx_drift.domain.text.versions import compare_versions, sort_naturally
from hypothesis import given
from hypothesis import strategies as st

OPPOSITE = {"newer": "older", "older": "newer", "unordered": "unordered"}

# Real versions, but for the middle numbers of 0.60 and 0.70.
RISING = [
    ("7.0.1-0.30.17551050", "7.0.3-0.35.19482537"),
    ("7.0.3-0.35.19482537", "8.0.1-0.0.20764643"),
    ("8.0.1-0.0.20764643", "8.0.2-0.0.22380479"),
    ("8.0.2-0.0.22380479", "8.0.3-0.0.24022510"),
    ("8.0.3-0.0.24022510", "8.0.3-0.35.24280767"),
    ("8.0.3-0.35.24280767", "8.0.3-0.60.24585383"),
    ("8.0.3-0.60.24585383", "8.0.3-0.70.24674464"),
    ("8.0.3-0.70.24674464", "8.0.3-0.100.25429389"),
    ("8.0.3-0.100.25429389", "9.0.2.0.25148076"),
    ("803.0.0.11.7.0-23", "803.0.0.11.8.0-6"),
    ("803.24022510-A00", "803.24280767-A02"),
    ("703_23794027-A24", "803_24022510-A00"),
    ("2.7.2.0-1OEM.800.1.0.20613240", "2.9.2.0-1OEM.800.1.0.20613240"),
    ("5.0.305.0-1OEM", "5.0.402.0-1OEM"),
    ("12.6.278.10-8vmw.701.0.0.16850804", "14.4.0.39-35vmw.803.0.0.24022510"),
    ("14.4.0.39-35vmw.803.0.0.24022510", "14.4.0.40-35vmw.803.0.0.24022510"),
    ("7.712.51.00-1vmw.701.0.0.16850804", "7.728.02.00-1vmw.803.0.0.24022510"),
    ("11.1.1.16303738-16850804", "12.4.0.23259341-24022510"),
    ("4.25.0.802-0", "4.26.1.3-0"),
    ("800.5.0.0.0.2-21495797", "800.5.0.0.0.10-21495797"),
    ("6.30.8.0-8.0.0.20143090.oem", "6.30.9.0-8.0.0.20143090.oem"),
    ("910.1.0.0005-5vmw.803.0.0.24022510", "910.1.0.0006-5vmw.803.0.0.24022510"),
    ("2.0-1109", "2.0-1110"),
    ("2.0-15", "2.0.1-16"),
    ("2.0-16", "2.0.1-15"),
    ("8.045-napi", "8.045a-napi"),
    ("9.0.0.0.24755229", "9.0.1.0101.24957456"),
    ("9.0.1.0101.24957456", "9.2.1.0100.25300000"),
    ("1-0", "1.0"),
    ("1.0", "1.0-1"),
    ("1.0", "1.0.1"),
    ("1.0a", "1.0b"),
    ("9" * 5_000, "1" + "0" * 5_000),
]


@pytest.mark.parametrize(("old", "new"), RISING)
def test_real_versions_rise(old: str, new: str) -> None:
    """Numbers are numbers, however long."""
    assert (compare_versions(old, new), compare_versions(new, old)) == ("newer", "older")


@pytest.mark.parametrize(
    ("old", "new"),
    [("", "1.0"), ("1.0", "1.00"), ("1.0-2", "1.0-02"), ("8.0", "8.x"), ("custom", "8.0"), ("", "-")],
)
def test_some_can_not_be_ordered(old: str, new: str) -> None:
    """Then nobody claims that anything went up or down."""
    assert (compare_versions(old, new), compare_versions(new, old)) == ("unordered", "unordered")


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_order_is_the_same_from_both_sides(old: str, new: str) -> None:
    """What is newer than another is what the other is older than."""
    assert compare_versions(old, new) == OPPOSITE[compare_versions(new, old)]


VERSIONS = st.from_regex(r"[0-9ab]{1,2}([.-][0-9ab]{1,2}){0,4}", fullmatch=True)
NUMBERS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-[0-9]{1,2}(\.[0-9]{1,2}){0,2})?", fullmatch=True)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_transitive(one: str, two: str, three: str) -> None:
    """What is newer than the newer one is newer."""
    if compare_versions(one, two) == compare_versions(two, three) == "newer":
        assert compare_versions(one, three) == "newer"


@given(NUMBERS, NUMBERS)
def test_versions_of_numbers_are_all_ordered(one: str, two: str) -> None:
    """But for zeros in front, which say nothing."""
    is_same = [[int(run) for run in re.findall("[0-9]+", part)] for part in one.split("-")] == [
        [int(run) for run in re.findall("[0-9]+", part)] for part in two.split("-")
    ]
    assert (compare_versions(one, two) == "unordered") == is_same


@given(VERSIONS, VERSIONS, st.integers(1, 3))
def test_zeros_in_front_make_no_difference(one: str, two: str, zeros: int) -> None:
    """A number is a number, however it is spelt."""
    spelt = re.sub(r"(?<![0-9])(?=[0-9])", "0" * zeros, one)
    assert compare_versions(spelt, two) == compare_versions(one, two)


def test_hosts_are_sorted_as_people_count() -> None:
    """By their numbers, and always the same way."""
    assert sort_naturally({"host-16", "host-9", "host-100", "a", "host-09"}) == [
        "a",
        "host-09",
        "host-9",
        "host-16",
        "host-100",
    ]
