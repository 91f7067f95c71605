from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.fleet import find_matching_pattern
from esx_drift.domain.fleet.review import list_fleet_problems, list_fleet_warnings
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleets import fleet

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (
            {"vcenters": [{"name": "vc01"}, {"name": "vc02"}, {"name": "vc01"}]},
            '/vcenters/2/name: expected a new name, got "vc01" as in /vcenters/0',
        ),
        (
            {"routes": [{"name": "ops"}, {"name": "ops"}]},
            '/routes/1/name: expected a new name, got "ops" as in /routes/0',
        ),
        (
            {"routes": [{"name": "ops", "vcenters": ["vc01", "vc9*"]}]},
            '/routes/0/vcenters/1: expected a vCenter of this file (vc01, vc02), got "vc9*"',
        ),
        (
            {"ignore": [{"name": "a", "reason": "b", "keys": ["c"], "vcenters": ["VC01"]}]},
            '/ignore/0/vcenters/0: expected a vCenter of this file (vc01, vc02), got "VC01"',
        ),
        (
            {"vcenters": [{"name": "vc01", "clusters": {"exclude": ["*"]}}]},
            '/vcenters/0/clusters/exclude: expected some clusters to remain, got "*"',
        ),
        (
            {"settings": {"blind_after_seconds": 60}, "vcenters": [{"name": "vc01"}]},
            "/vcenters/0: expected confirm_after_seconds below blind_after_seconds, got 600 and 60",
        ),
        (
            {"vcenters": [{"name": "vc01", "extract_deadline_seconds": 60}]},
            "/vcenters/0: expected first_delay_seconds below extract_deadline_seconds, got 60 and 60",
        ),
        (
            {
                "maintenance": [
                    {
                        "name": "a",
                        "reason": "b",
                        "from": "2026-12-06T06:00:00+01:00",
                        "to": "2026-12-06T05:00:00Z",
                    }
                ]
            },
            "/maintenance/0/to: expected a time after from, got 2026-12-06T05:00:00Z",
        ),
    ],
)
def test_what_the_schema_cannot_say_is_told_with_its_path(parts: dict[str, Any], problem: str) -> None:
    """Each problem is one line that leads to the place."""
    assert list_fleet_problems(cast("FleetDocument", fleet(**parts))) == [problem]
    assert list_fleet_errors(fleet(**parts)) == [problem]


@pytest.mark.parametrize(
    ("parts", "places"),
    [
        (
            {"vcenters": [{"name": "vc01", "clusters": {"include": ["[A B]", "x"]}}]},
            ["/vcenters/0/clusters/include/0"],
        ),
        ({"routes": [{"name": "ops", "clusters": ["a", "x[DEV]"]}]}, ["/routes/0/clusters/1"]),
        (
            {
                "ignore": [
                    {"name": "a", "reason": "b", "keys": ["c"], "clusters": ["[[]X]"], "hosts": ["[EU]*"]}
                ]
            },
            ["/ignore/0/hosts/0"],
        ),
        ({"vcenters": [{"name": "vc01", "clusters": {"exclude": ["[0-9]*", "[!ab]*", "[x]", "[TEST"]}}]}, []),
    ],
)
def test_a_set_of_characters_that_looks_like_a_name_is_warned_of(
    parts: dict[str, Any], places: list[str]
) -> None:
    """A range, "none of these" and a single one are meant as they stand."""
    warnings = list_fleet_warnings(cast("FleetDocument", fleet(**parts)))
    assert [warning.partition(": ")[0] for warning in warnings] == places


@given(st.text("ABTES xyz", min_size=2), st.text("ab*?"))
def test_what_a_warning_says_to_write_matches_the_name_and_is_not_warned_of(inside: str, after: str) -> None:
    """And what begins with one of the characters is no longer matched."""
    (warning,) = _warn_of(f"[{inside}]{after}")
    meant = warning.rpartition(' write "')[2].removesuffix('"')
    name = after.replace("*", "").replace("?", "q")
    assert find_matching_pattern([meant], f"[{inside}]{name}") == meant
    assert find_matching_pattern([meant], f"{inside[0]}{name}") is None
    assert _warn_of(meant) == []


def _warn_of(pattern: str) -> list[str]:
    vcenters = [{"name": "vc01", "clusters": {"exclude": [pattern]}}]
    return list_fleet_warnings(cast("FleetDocument", fleet(vcenters=vcenters)))
