"""Reminders: each critical finding again after a day, then weekly, and never one message each."""

import itertools
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from esx_drift.domain.reports.reminders import (
    FIRST_REMINDER,
    GATHERED,
    LATER_REMINDERS,
    MAX_REMINDED,
    SCHEDULE_STEP,
    build_reminder,
    is_sweep_due,
    list_open_criticals,
    mark_reminded,
    plan_reminders,
    update_criticals,
)
from esx_drift.domain.stored.identifiers import make_state_key
from esx_drift.domain.stored.types import Finding, OpenCritical
from esx_drift.domain.text.times import format_time
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.reports.test_daily import head_of
from tests.unit.events import finding
from tests.unit.reporting.world import route

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import Route

BEGAN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
OPS, EDGE, DRIFT = route("ops"), route("edge", clusters=("edge-*",)), route("drift", families=("drift",))
PLAYED = timedelta(days=17)


def critical_of(number: int, opened_at: datetime) -> Finding:
    """A critical finding, met first at a time."""
    return finding(
        "orphaned-vib",
        "orphaned-vib",
        f"vib-{number}",
        "there is one",
        severity="critical",
        transition="still",
        opened_at=format_time(opened_at),
    )


lives = st.lists(
    st.tuples(
        st.timedeltas(timedelta(), timedelta(days=9)),
        st.timedeltas(timedelta(hours=1), timedelta(days=20)),
        st.sampled_from(["prod-1", "edge-1"]),
    ),
    max_size=8,
)


def _play(opened: list[tuple[timedelta, timedelta, str]]) -> dict[tuple[str, str], list[datetime]]:
    """When each route was reminded of each finding, by the schedule's runs over days."""
    told: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    known: dict[str, OpenCritical] = {}
    swept_at: str | None = format_time(BEGAN)
    now = BEGAN
    while now < BEGAN + PLAYED:
        now += SCHEDULE_STEP
        if not is_sweep_due(swept_at, now):
            continue
        heads = [
            head_of(
                cluster,
                *(
                    critical_of(number, BEGAN + begin)
                    for number, (begin, length, place) in enumerate(opened)
                    if place == cluster and BEGAN + begin <= now < BEGAN + begin + length
                ),
            )
            for cluster in ("prod-1", "edge-1")
        ]
        found = list_open_criticals(heads)
        known = update_criticals(known, found, (), swept_at)
        assert known.keys() == {one.key for one in found}
        reminders = plan_reminders((OPS, EDGE, DRIFT), found, known, now)
        assert len({one.route.name for one in reminders}) == len(reminders)
        for reminder in reminders:
            for one in reminder.findings:
                told[reminder.route.name, one.finding["subject"]].append(now)
        known = mark_reminded(known, reminders, now)
        swept_at = format_time(now)
    return told


@settings(max_examples=25, deadline=None)
@given(lives)
def test_nothing_critical_is_silent_for_longer_than_promised(
    opened: list[tuple[timedelta, timedelta, str]],
) -> None:
    """Nor told much too soon; each reminder of a route names it once; and routes hear by their filters."""
    told = _play(opened)
    assert not [key for key in told if key[0] == "drift"]
    for number, (begin, length, cluster) in enumerate(opened):
        for name in ("ops", *(["edge"] if cluster == "edge-1" else [])):
            start, end = BEGAN + begin, min(BEGAN + begin + length, BEGAN + PLAYED)
            times = told.pop((name, f"vib-{number}"), [])
            before = start
            for count, at in enumerate([*times, end]):
                limit = LATER_REMINDERS if count else FIRST_REMINDER
                assert at - before <= limit
                assert at == end or at - before >= limit - GATHERED - timedelta(hours=2)
                before = at
    assert told == {}


@settings(max_examples=25, deadline=None)
@given(lives)
def test_a_route_is_reminded_twice_a_day_at_most(opened: list[tuple[timedelta, timedelta, str]]) -> None:
    """However many findings open at whatever times: what falls due soon is told along."""
    told = _play(opened)
    for name in ("ops", "edge"):
        times = sorted({at for (heard, _), several in told.items() if heard == name for at in several})
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert all(pause >= GATHERED - timedelta(hours=2) for pause in pauses)


def test_what_is_over_is_forgotten_and_what_cannot_be_read_is_not() -> None:
    """A log that is damaged does not end what is open there."""
    (open_here,) = list_open_criticals([head_of("prod-1", critical_of(1, BEGAN))])
    known = update_criticals({}, [open_here], (), None)
    assert known[open_here.key] == {"told_at": format_time(BEGAN), "reminded": {}}
    assert update_criticals(known, [], [make_state_key("vc01", "prod-1")], None) == known
    assert update_criticals(known, [], [make_state_key("vc01", "prod-11")], None) == {}


def test_what_became_critical_was_told_since_the_last_sweep() -> None:
    """Though it began long before: as a host that was not seen for days."""
    swept_at = format_time(BEGAN + timedelta(days=3))
    (found,) = list_open_criticals([head_of("prod-1", critical_of(1, BEGAN))])
    assert update_criticals({}, [found], (), swept_at)[found.key]["told_at"] == swept_at


def test_people_are_not_reminded_of_what_they_are_not_told() -> None:
    """Nor of what is no more than a warning."""
    hidden: Finding = {**critical_of(1, BEGAN), "suppressed_by": "ignore:mft"}
    warning: Finding = {**critical_of(2, BEGAN), "severity": "warning"}
    assert list_open_criticals([head_of("prod-1", hidden, warning)]) == []


def test_a_route_that_is_new_hears_at_once_of_what_is_old() -> None:
    """By one message."""
    found = list_open_criticals([head_of("prod-1", critical_of(1, BEGAN), critical_of(2, BEGAN))])
    now = BEGAN + timedelta(days=3)
    known = update_criticals({}, found, (), None)
    known = mark_reminded(known, plan_reminders([OPS], found, known, BEGAN + timedelta(days=2)), now)
    late: Route = route("late")
    (reminder,) = plan_reminders([OPS, late], found, known, now)
    assert (reminder.route, len(reminder.findings)) == (late, 2)


def test_a_reminder_lists_so_many_and_counts_all() -> None:
    """The oldest first."""
    many = [critical_of(number, BEGAN + timedelta(minutes=number)) for number in range(MAX_REMINDED + 5)]
    found = list_open_criticals([head_of("prod-1", *many)])
    known = update_criticals({}, found, (), None)
    (reminder,) = plan_reminders([OPS], found, known, BEGAN + timedelta(days=2))
    report = build_reminder(reminder)
    assert report["total"] == MAX_REMINDED + 5
    assert isinstance(report["findings"], list)
    times = [one["opened_at"] for one in report["findings"] if isinstance(one, dict)]
    assert times == [one["opened_at"] for one in many[:MAX_REMINDED]]
