from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.fleet import build_fleet
from esx_drift.domain.fleet.rules import (
    MAX_IGNORED,
    MAX_REPEATED_WINDOW,
    MAX_WINDOW,
    IgnoreRule,
    MaintenanceWindow,
    Period,
    Recurrence,
)
from esx_drift.domain.text.times import parse_duration
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleets import fleet

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONCE = {"name": "w", "reason": "CHG-1", "from": "2026-12-05T20:00:00Z", "to": "2026-12-06T06:00:00Z"}
NIGHTLY = {"name": "n", "reason": "CHG-1", "cron": "0 22 * * *", "timezone": "Europe/Berlin", "for": "4h"}


def _windows(*entries: dict[str, Any]) -> tuple[MaintenanceWindow, ...]:
    document = fleet(maintenance=[*entries])
    assert list_fleet_errors(document) == []
    return build_fleet(cast("FleetDocument", document)).rules.maintenance


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("4h", 4 * HOUR),
        ("90m", 1.5 * HOUR),
        ("1d12h", 36 * HOUR),
        ("2d", 48 * HOUR),
        ("1d2h3m", timedelta(days=1, hours=2, minutes=3)),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, duration: timedelta) -> None:
    """Days, hours and minutes, the larger first."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "4", "h", "0h", "4 h", "4h1d", "-4h", "4s", "4h\n", "99999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_a_rule_holds_until_its_end_and_no_longer_than_a_year() -> None:
    """One without an end, or one that ends too late, hides nothing."""
    rule = IgnoreRule("a", "known", NOW, keys=("mft(1)",))
    assert rule.is_in_effect(NOW - HOUR)
    assert rule.is_in_effect(NOW - MAX_IGNORED)
    assert not rule.is_in_effect(NOW)
    assert not rule.is_in_effect(NOW - MAX_IGNORED - HOUR)
    assert not IgnoreRule("a", "known", None, keys=("mft(1)",)).is_in_effect(NOW)


@pytest.mark.parametrize(
    ("fields", "is_narrow"),
    [
        ({"keys": ("a*",)}, True),
        ({"keys": ("a", "**")}, False),
        ({"keys": ("?*",)}, False),
        ({"hosts": ("esx01",)}, False),
        ({"elements": ("host",)}, True),
        ({"kinds": ("upgraded",)}, True),
        ({"findings": ("host-failed",)}, True),
        ({"elements": ("host",), "findings": ("host-failed",)}, True),
        ({"kinds": ("added", "removed", "upgraded", "downgraded", "changed", "relabelled")}, False),
    ],
)
def test_a_rule_that_names_nothing_hides_nothing(
    fields: dict[str, tuple[str, ...]], *, is_narrow: bool
) -> None:
    """An element, a kind, a finding or a key has to narrow it."""
    rule = IgnoreRule("a", "known", NOW + HOUR, **fields)
    assert (rule.is_narrow, rule.is_in_effect(NOW)) == (is_narrow, is_narrow)


def test_a_window_is_met_from_its_beginning_until_before_its_end() -> None:
    """Or if it was since the last time that somebody looked."""
    (window,) = _windows(ONCE)
    assert window.period is not None
    begins, ends = window.period.begins_at, window.period.ends_at
    assert window.find_period(begins - HOUR, begins - HOUR) is None
    assert window.find_period(begins, begins) == window.period
    assert window.find_period(ends - HOUR, ends + HOUR) == window.period
    assert window.find_period(ends, ends) is None


def test_a_window_that_is_too_long_ends_when_the_longest_would() -> None:
    """What was pushed by hand is no way to be silent for years."""
    once, nightly = _windows({**ONCE, "to": "2036-12-06T06:00:00Z"}, {**NIGHTLY, "for": "99d"})
    assert once.period is not None
    assert once.period.ends_at - once.period.begins_at == MAX_WINDOW
    assert nightly.recurrence is not None
    assert nightly.recurrence.length == MAX_REPEATED_WINDOW


def test_a_window_comes_again_by_the_clocks_of_its_place() -> None:
    """At ten in the evening in summer and in winter."""
    (nightly,) = _windows(NIGHTLY)
    winter, summer = datetime(2026, 12, 1, 21, 30, tzinfo=UTC), datetime(2026, 7, 1, 20, 30, tzinfo=UTC)
    assert nightly.find_period(winter, winter) == Period(winter - HOUR / 2, winter + 3.5 * HOUR)
    assert nightly.find_period(summer, summer) == Period(summer - HOUR / 2, summer + 3.5 * HOUR)
    assert nightly.find_period(winter - HOUR, winter - HOUR) is None


def test_a_time_that_the_clocks_leave_out_or_show_twice_begins_one_window() -> None:
    """Half past two in the night in which the clocks of Berlin are put."""
    nightly = Recurrence("30 2 * * *", "Europe/Berlin", HOUR)
    spring = [
        period.begins_at for period in islice(nightly.list_periods(datetime(2026, 3, 28, tzinfo=UTC)), 3)
    ]
    assert spring == [
        datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]
    autumn = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for minutes in (0, 59, 61, 119):
        last = nightly.find_last(autumn + timedelta(minutes=minutes))
        assert last is not None
        assert last.begins_at == autumn


@given(
    st.sampled_from(["0 22 * * *", "30 2 * * SUN", "0 */6 * * *", "15 3 L * *", "0 1 * * SAT#2"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- the zone is beside it
)
def test_the_last_period_is_the_last_that_began(cron: str, timezone: str, now: datetime) -> None:
    """Found backwards, and the next one that is found forwards from there begins later than now."""
    recurrence = Recurrence(cron, timezone, HOUR)
    last = recurrence.find_last(now)
    assert last is not None
    assert last.begins_at <= now
    following = next(recurrence.list_periods(now))
    assert following.begins_at > now
    assert following.begins_at - last.begins_at > HOUR


@pytest.mark.parametrize(
    ("window", "error"),
    [
        ({"cron": "0 22 * * *"}, ": expected either from and to, or cron, timezone and for"),
        ({"from": "2026-12-05T20:00:00Z"}, ": expected either from and to, or cron, timezone and for"),
        (
            {**NIGHTLY, "to": "2026-12-05T20:00:00Z"},
            ": expected either from and to, or cron, timezone and for",
        ),
        ({**NIGHTLY, "cron": "61 22 * * *"}, "/cron: expected a line that cron takes (Bad minute)"),
        ({**NIGHTLY, "cron": "0 0 30 2 *"}, "/cron: expected a line that cron takes (Bad day-of-month)"),
        ({**NIGHTLY, "cron": "0 0 22 * * *"}, "/cron: expected minute, hour, day, month and day of the week"),
        ({**NIGHTLY, "timezone": "Berlin"}, "/timezone: expected a time zone such as Europe/Berlin"),
        ({**NIGHTLY, "timezone": "America"}, "/timezone: expected a time zone such as Europe/Berlin"),
        ({**NIGHTLY, "timezone": "../UTC"}, "/timezone: expected a time zone such as Europe/Berlin"),
        ({**NIGHTLY, "for": "soon"}, '/for: expected a duration such as 4h or 1d12h, got "soon"'),
    ],
)
def test_a_window_that_never_is_is_refused(window: dict[str, Any], error: str) -> None:
    """And one that says two things at once."""
    (line,) = list_fleet_errors(fleet(maintenance=[{"name": "w", "reason": "r", **window}]))
    assert line.startswith(f"/maintenance/0{error}")
