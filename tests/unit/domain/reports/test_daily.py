"""What a day is, and that the numbers of its report add up."""

from copy import replace
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

import pytest
from esx_drift.domain.fleet.fleet import Fleet, VCenterSettings
from esx_drift.domain.reports.daily import (
    Day,
    DayRecord,
    build_daily,
    count_lacking,
    find_due,
    summarize_record,
)
from esx_drift.domain.reports.fleet_logs import (
    EVERYBODY,
    FleetLogs,
    LogHead,
    hears_finding,
    make_reach,
)
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key
from esx_drift.domain.stored.types import Finding, Json, Record
from esx_drift.domain.text.times import format_time
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import build_events, change, family_of, finding, told
from tests.unit.reporting.world import route

NOW = datetime(2026, 11, 23, 7, 15, tzinfo=UTC)
BEGIN, END = datetime(2026, 11, 22, 7, tzinfo=UTC), datetime(2026, 11, 23, 7, tzinfo=UTC)
AGES = st.timedeltas(timedelta(minutes=-5), timedelta(days=60))
KINDS = st.sampled_from(["host-failed", "orphaned-vib", "drift-unreviewed", "vcenter-unreachable"])


def head_of(cluster: str, *findings: Finding) -> LogHead:
    """What the newest record of a log on vc01 says."""
    return LogHead(
        log=("vc01", cluster),
        name=None if cluster == VCENTER_LOG else cluster,
        seq=1,
        first_look_at=format_time(BEGIN),
        coverage={"hosts": 4, "covered": 3, "failed": 1, "unsupported": 0},
        findings=findings,
        snapshot_key=None,
        uncovered=(),
        known={},
        standalone_hosts=None,
    )


def logs_of(*heads: LogHead) -> FleetLogs:
    """A fleet of vc01 alone."""
    return FleetLogs(
        Fleet((VCenterSettings("vc01"),)),
        frozenset(make_state_key(*head.log) for head in heads),
        {head.log: head for head in heads},
    )


@given(st.lists(st.tuples(KINDS, AGES, st.integers(0, 3)), max_size=12))
def test_ages_and_families_add_up_to_what_is_open(opened: list[tuple[str, timedelta, int]]) -> None:
    """Each finding is in one age and one family, and the oldest is older than none."""
    findings = [
        finding(family_of(kind), kind, f"{kind} {number}", "it is so", opened_at=format_time(NOW - age))
        for number, (kind, age, _) in enumerate(opened)
    ]
    places = [f"prod-{place}" if place else VCENTER_LOG for _, _, place in opened]
    heads = [
        head_of(cluster, *(one for one, place in zip(findings, places, strict=True) if place == cluster))
        for cluster in set(places)
    ]
    report = build_daily(Day(BEGIN, END, NOW, {}), logs_of(*heads), EVERYBODY, make_reach(EVERYBODY))
    counts = report["open"]
    assert isinstance(counts, dict)
    assert counts["total"] == len(findings)
    for parts in (counts["by_age"], counts["by_family"]):
        assert isinstance(parts, dict)
        assert sum(parts.values()) == len(findings)  # type: ignore[arg-type]  # they are numbers
    oldest = counts["oldest"]
    if isinstance(oldest, dict):
        assert oldest["opened_at"] == min(one["opened_at"] for one in findings)
    else:
        assert findings == []


@pytest.mark.parametrize(
    ("kind", "detail", "vouched", "others", "left"),
    [
        ("image-not-uniform", {}, {"host-7"}, (), 0),
        ("image-not-uniform", {}, {"host-8"}, (), 1),
        ("image-not-uniform", {}, {"host-7"}, ("drift-unreviewed",), 1),
        ("orphaned-vib", {"not_accepted_on": []}, {"host-7"}, (), 0),
        ("orphaned-vib", {"not_accepted_on": ["host-7"]}, {"host-7"}, (), 1),
        ("host-failed", {}, {"host-7"}, (), 1),
    ],
)
def test_what_a_person_accepted_is_not_counted_as_open(
    kind: str, detail: dict[str, Json], vouched: set[str], others: tuple[str, ...], left: int
) -> None:
    """It is counted by itself; a finding without hosts is about more than what is accepted."""
    found = finding(family_of(kind), kind, "x", "it is so", hosts=["host-7"], detail=detail)
    beside = [finding(family_of(other), other, "y", "z", hosts=["host-7"]) for other in others]
    head = replace(head_of("prod-1", found, *beside), vouched=frozenset(vouched))
    report = build_daily(Day(BEGIN, END, NOW, {}), logs_of(head), EVERYBODY, make_reach(EVERYBODY))
    counts = report["open"]
    assert isinstance(counts, dict)
    listed = counts["listed"]
    assert isinstance(listed, list)
    assert len(listed) == counts["total"] == left + len(others)
    named = counts["accepted_listed"]
    assert isinstance(named, list)
    assert counts["accepted"] == len(named) == 1 - left


@given(
    st.lists(st.integers(0, 1499), max_size=8, unique=True),
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from(["unchanged", "not-looked"])), max_size=12),
)
def test_no_more_checks_are_made_than_were_meant(runs: list[int], checks: list[tuple[int, str]]) -> None:
    """And all are where each run is followed by a look."""
    asked = [
        DayRecord("dispatched", BEGIN + timedelta(minutes=minute), {"prod-1": "prod-1"}, ())
        for minute in sorted(runs)
    ]
    looks = [
        DayRecord(outcome, BEGIN + timedelta(minutes=minute), None, ())  # type: ignore[arg-type]  # an outcome
        for minute, outcome in sorted(checks)
    ]
    day = Day(BEGIN, END, NOW, {("vc01", VCENTER_LOG): asked, ("vc01", "prod-1"): looks})
    report = build_daily(day, logs_of(head_of("prod-1")), EVERYBODY, make_reach(EVERYBODY))
    counted, clusters = report["checks"], report["clusters"]
    assert isinstance(counted, dict)
    assert isinstance(clusters, dict)
    within = [one for one in asked if one.checked_at < END]
    bounds = [*[one.checked_at for one in within[1:]], NOW + timedelta(hours=24)]
    seen = [
        any(one.checked_at <= look.checked_at < end for look in looks if look.outcome == "unchanged")
        for one, end in zip(within, bounds, strict=bool(within))
    ]
    assert counted["made"] == sum(seen)
    late = [NOW - one.checked_at >= timedelta(hours=1) for one in within]
    assert counted["expected"] == sum(a or b for a, b in zip(seen, late, strict=True))
    assert clusters["seen"] == int(any(seen))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001 -- hypothesis wants naive bounds
    st.integers(0, 23),
    st.sampled_from(sorted(available_timezones())),
)
def test_each_moment_has_the_day_that_ended_before_it(naive: datetime, hour: int, name: str) -> None:
    """In whatever zone; a day is about 24 hours."""
    now, zone = naive.replace(tzinfo=UTC), ZoneInfo(name)
    begin, end = find_due(now, hour, zone)
    assert end <= now
    # Samoa and Kiribati left out a day when they changed sides of the date line.
    assert timedelta(hours=21) <= end - begin <= timedelta(hours=49)
    assert now - end <= timedelta(hours=26)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, 6, 30, tzinfo=UTC), 25),
        ("Europe/Berlin", datetime(2027, 3, 28, 5, 30, tzinfo=UTC), 23),
        ("Asia/Kolkata", datetime(2026, 11, 23, 1, 30, tzinfo=UTC), 24),
        ("America/Los_Angeles", datetime(2026, 11, 23, 15, 0, tzinfo=UTC), 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clock_shows(zone: str, now: datetime, hours: int) -> None:
    """It ends at seven o'clock there."""
    begin, end = find_due(now, 7, ZoneInfo(zone))
    assert (end - begin, end.astimezone(ZoneInfo(zone)).hour) == (timedelta(hours=hours), 7)
    assert end.astimezone(ZoneInfo(zone)).date() == now.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize(("until", "lacking"), [(22, 0), (21, 1), (15, 7)])
def test_reports_that_never_came_are_counted(until: int, lacking: int) -> None:
    """By the day that the last one was about."""
    reported = datetime.combine(date(2026, 11, until), END.time(), UTC)
    assert count_lacking(format_time(reported), BEGIN) == lacking


@pytest.mark.parametrize(
    ("kinds", "hears"),
    [
        ((), {"vib", "unread", "drift"}),
        (("orphaned-vib",), {"vib", "drift"}),
        (("orphaned_vib:added",), {"vib", "drift"}),
        (("host-failed",), {"unread", "drift"}),
        (("component:downgraded",), {"drift"}),
    ],
)
def test_what_is_open_is_counted_by_the_kinds_of_a_route(kinds: tuple[str, ...], hears: set[str]) -> None:
    """Whoever heard the beginning; of a drift it is no longer known which change that was."""
    found = {
        "vib": finding("orphaned-vib", "orphaned-vib", "mft(4)", "there is one"),
        "unread": finding("failure", "host-failed", "host-7", "unread"),
        "drift": finding("drift", "drift-unreviewed", "", "differs"),
    }
    head = head_of("prod-1", *found.values())
    chosen = route("chosen", kinds=kinds)
    assert {name for name, one in found.items() if hears_finding(chosen, one, head)} == hears


def test_what_was_told_is_counted_by_the_kinds_of_a_route() -> None:
    """As the notifier goes by them."""
    driver = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
    record = {**told(changes=[driver]).record, "events": build_events(told(changes=[driver]))}
    day = Day(BEGIN, END, NOW, {("vc01", "domain-c9"): [summarize_record(cast("Record", record))]})
    for kinds, number in (((), 1), (("component",), 1), (("host-failed",), 0)):
        chosen = route("chosen", kinds=kinds)
        report = build_daily(day, logs_of(head_of("domain-c9")), chosen, make_reach(chosen))
        assert report["changes_told"] == number
