"""What is wrong with rules and windows, and what is of no use."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.fleet import FleetDocument
from esx_drift.domain.fleet.rule_review import (
    KnownThings,
    list_rule_contradictions,
    list_rule_errors,
    list_rule_warnings,
)
from esx_drift.domain.suppression import NEVER_IGNORED

from tests.unit.fleets import fleet

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
UNTIL = "2027-01-31T00:00:00Z"
RULE = {"name": "a", "reason": "known", "keys": ["Intel-*"], "until": UNTIL}
ONCE = {"name": "w", "reason": "CHG-1", "from": "2026-12-05T20:00:00Z", "to": "2026-12-06T06:00:00Z"}
NIGHTLY = {"name": "n", "reason": "CHG-1", "cron": "0 22 * * *", "timezone": "UTC", "for": "4h"}


def _document(**parts: object) -> FleetDocument:
    document = fleet(**parts)
    assert list_fleet_errors(document) == []
    return cast("FleetDocument", document)


def _errors(**parts: object) -> list[str]:
    document = _document(**parts)
    return [*list_rule_errors(document, NOW, NEVER_IGNORED), *list_rule_contradictions(document, NOW)]


def _warnings(known: KnownThings | None = None, **parts: object) -> list[str]:
    return list_rule_warnings(_document(**parts), NOW, known)


def test_what_can_be_applied_has_no_error() -> None:
    """Nor a warning."""
    other = {**RULE, "name": "b", "keys": ["lsi*"]}
    parts: dict[str, Any] = {"ignore": [RULE, other], "maintenance": [ONCE, NIGHTLY]}
    assert (_errors(**parts), _warnings(None, **parts)) == ([], [])


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"keys": ["*"]}, ": expected an element, kind, finding or key to narrow it, got all of them"),
        ({"until": None}, "/until: expected a time at most a year ahead, got nothing"),
        (
            {"until": "2028-01-01T00:00:00Z"},
            "/until: expected a time at most a year ahead, got 2028-01-01T00:00:00Z",
        ),
        (
            {"findings": ["host-failed", "trail-damaged"]},
            "/findings/1: expected a kind that may be hidden, got trail-damaged",
        ),
    ],
)
def test_a_rule_that_can_not_be_applied_is_refused(rule: dict[str, Any], error: str) -> None:
    """One for everything, one without an end, and one for what is never hidden."""
    entry = {key: value for key, value in {**RULE, **rule}.items() if value is not None}
    assert _errors(ignore=[entry]) == [f"/ignore/0{error}"]


@pytest.mark.parametrize(
    ("window", "error"),
    [
        ({**ONCE, "to": "2027-12-06T06:00:00Z"}, "/to: expected at most 31 days after from"),
        ({**NIGHTLY, "for": "8d", "cron": "0 0 1 * *"}, "/for: expected at most 7 days, got 8d"),
        ({**NIGHTLY, "for": "24h"}, "/for: expected to end before it begins again, got 24h"),
    ],
)
def test_a_window_that_never_ends_is_refused(window: dict[str, Any], error: str) -> None:
    """Nobody would be told anything any more."""
    assert _errors(maintenance=[window]) == [f"/maintenance/0{error}"]


def test_rules_that_contradict_each_other_are_refused_with_both_named() -> None:
    """Two ends for the same, and two windows of which one accepts what the other does not."""
    again = {**RULE, "name": "b", "until": "2027-02-28T00:00:00Z"}
    assert _errors(ignore=[RULE, again]) == [
        "/ignore/1/until: expected one end for what a and b both hide, got two: leave one of them out"
    ]
    accepting = {**NIGHTLY, "accept": True}
    line = (
        "/maintenance/1/accept: expected the same for one time and cluster, got two:"
        " n accepts what is done then, w does not"
    )
    nightly = {**NIGHTLY, "name": "w"}
    for pair in ([ONCE, accepting], [nightly, {**accepting, "clusters": ["prod-*"]}], [accepting, ONCE]):
        assert _errors(maintenance=pair) == [line]


@pytest.mark.parametrize(
    "then",
    [
        {"vcenters": ["vc02"]},
        {"clusters": ["lab-*"]},
        {"from": "2026-12-07T20:00:00Z", "to": "2026-12-08T20:00:00Z"},
        {"from": "2026-11-07T20:00:00Z", "to": "2026-11-08T20:00:00Z"},
    ],
)
def test_windows_of_other_times_or_clusters_contradict_nothing(then: dict[str, Any]) -> None:
    """Nor one that is over."""
    first = {**ONCE, "accept": True, "vcenters": ["vc01"], "clusters": ["prod-*"]}
    assert _errors(maintenance=[first, {**ONCE, "name": "v", **then}]) == []


def test_what_has_ended_is_said() -> None:
    """It hides nothing, and nobody looks at it again."""
    over = {**ONCE, "from": "2026-11-05T20:00:00Z", "to": "2026-11-06T06:00:00Z"}
    assert _warnings(ignore=[{**RULE, "until": "2026-11-28T20:00:00Z"}], maintenance=[over, NIGHTLY]) == [
        "/ignore/0: a ended 2026-11-28 20:00 UTC, and hides nothing any more",
        "/maintenance/0: w ended 2026-11-06 06:00 UTC",
    ]


@pytest.mark.parametrize(
    ("first", "then", "overlap"),
    [
        ({"keys": ["Intel-*"]}, {"keys": ["Intel-i40en"]}, True),
        ({"keys": ["Intel-*"]}, {"keys": ["lsi"]}, False),
        ({"keys": ["Intel-*"]}, {"elements": ["component"]}, True),
        ({"elements": ["component"]}, {"elements": ["add_on"]}, False),
        ({"elements": ["component"], "kinds": ["added"]}, {"kinds": ["removed"]}, False),
        ({"elements": ["component"]}, {"findings": ["host-failed"]}, False),
        ({"findings": ["host-failed"]}, {"findings": ["host-failed", "host-error"]}, True),
        ({"findings": ["host-failed"]}, {"findings": ["host-error"]}, False),
        ({"keys": ["a"], "hosts": ["esx01"]}, {"keys": ["a"], "hosts": ["esx02"]}, False),
        ({"keys": ["a"], "clusters": ["prod-*"]}, {"keys": ["a"], "clusters": ["prod-a"]}, True),
        ({"keys": ["a"], "clusters": ["prod-*"]}, {"keys": ["a"], "clusters": ["lab"]}, False),
    ],
)
def test_rules_that_overlap_are_named(first: dict[str, Any], then: dict[str, Any], *, overlap: bool) -> None:
    """Which of them is named in a record, nobody would guess."""
    about = {"reason": "known", "until": UNTIL}
    expected = ["/ignore/1: x and y may hide the same: the first of them is named"] if overlap else []
    assert _warnings(ignore=[{"name": "x", **about, **first}, {"name": "y", **about, **then}]) == expected


def test_what_matches_nothing_that_is_known_is_named() -> None:
    """Where a stack was asked: a cluster that is misspelt, or a part that nobody has."""
    known = KnownThings(
        {"vc01": [("domain-c9", "prod-a")]},
        frozenset({"Intel-i40en"}),
        frozenset({"host-9", "esx01"}),
        {"vc01": [("domain-c7", "lab-a")]},
    )
    rules = [
        {**RULE, "clusters": ["prod-*", "domain-c9", "prd-a", "*"], "keys": ["Intel-*", "intel"]},
        {**RULE, "name": "b", "keys": ["lsi"], "vcenters": ["vc02"], "clusters": ["lab"]},
        {**RULE, "name": "c", "keys": ["Intel-i40en"], "hosts": ["esx*", "esx02"]},
    ]
    vcenters = [
        {"name": "vc01", "clusters": {"include": ["prod-*", "prd-*"], "exclude": ["lab-*", "lob-*"]}},
        {"name": "vc02", "clusters": {"exclude": ["never-listed"]}},
    ]
    routes = [{"name": "ops", "clusters": ["prod-a", "prod-b"]}]
    window = {**ONCE, "clusters": ["lab"]}
    no_cluster = "no cluster that is known matches"
    lines = _warnings(known, vcenters=vcenters, routes=routes, ignore=rules, maintenance=[window])
    assert [line for line in lines if "may hide the same" not in line] == [
        f'/vcenters/0/clusters/include/1: vc01: {no_cluster} "prd-*"',
        f'/vcenters/0/clusters/exclude/1: vc01: {no_cluster} "lob-*"',
        f'/routes/0/clusters/1: ops: {no_cluster} "prod-b"',
        f'/ignore/0/clusters/2: a: {no_cluster} "prd-a"',
        f'/ignore/1/clusters/0: b: {no_cluster} "lab"',
        f'/maintenance/0/clusters/0: w: {no_cluster} "lab"',
        '/ignore/0/keys/1: a: nothing that is known matches "intel"',
        '/ignore/1/keys/0: b: nothing that is known matches "lsi"',
        '/ignore/2/hosts/1: c: no host that is known matches "esx02"',
    ]
