"""Whether a report is a look, by the rule alone; `checking/test_freshness` plays it with a vCenter."""

from datetime import UTC, datetime, timedelta

import pytest
from esx_drift.domain.findings.extraction import Freshness, FreshnessLimits, judge_freshness
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
DAY_SECONDS = 86_400
moments = st.integers(-10_000, 10_000).map(lambda milliseconds: NOW + timedelta(milliseconds=milliseconds))


def before(seconds: float) -> datetime:
    """So long before the reply."""
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("completed", "asked", "taken", "verdict"),
    [
        (before(10), before(20), None, "fresh"),
        (before(20), before(20), None, "fresh"),
        (before(21), before(20), None, "stale"),
        (before(10), before(20), before(30), "fresh"),
        (before(25), before(20), before(30), "stale"),
        (before(30), before(20), before(30), "same"),
        (before(31), before(20), before(30), "older"),
        (before(10), before(20), before(10), "same"),
        (before(29), None, before(30), "fresh"),
        (before(30), None, before(30), "same"),
        (before(31), None, before(30), "older"),
        (before(DAY_SECONDS), None, None, "fresh"),
        (before(DAY_SECONDS + 1), None, None, "stale"),
        (before(DAY_SECONDS + 1), None, before(DAY_SECONDS + 2), "fresh"),
        (before(-300), None, None, "fresh"),
        (before(-300.001), None, None, "future"),
        (before(-301), before(20), before(-301), "future"),
        (before(10), None, before(-300), "older"),
        (before(10), None, before(-301), "fresh"),
        (before(10), before(20), before(-301), "fresh"),
        (before(25), before(20), before(-301), "stale"),
    ],
)
def test_the_rule(
    completed: datetime, asked: datetime | None, taken: datetime | None, verdict: Freshness
) -> None:
    """Each case of the design, at its edges."""
    assert judge_freshness(completed, NOW, FreshnessLimits(asked, taken, DAY_SECONDS)) == verdict


def test_only_milliseconds_count() -> None:
    """What was kept of the report taken last was cut to them, so the same report is the same."""
    completed = NOW + timedelta(microseconds=999)
    assert judge_freshness(completed, NOW, FreshnessLimits(None, NOW, DAY_SECONDS)) == "same"


@settings(deadline=None)
@given(moments, st.none() | moments, st.none() | moments)
def test_nothing_is_taken_twice(completed: datetime, asked: datetime | None, taken: datetime | None) -> None:
    """A report that was taken is never fresh again, and none before it."""
    verdict = judge_freshness(completed, NOW, FreshnessLimits(asked, taken, DAY_SECONDS))
    if taken is not None and completed <= taken:
        assert verdict in {"same", "older"}
    if verdict == "fresh":
        assert judge_freshness(completed, NOW, FreshnessLimits(asked, completed, DAY_SECONDS)) == "same"
        assert asked is None or completed >= asked


def test_a_clock_at_the_end_of_time_is_no_crash() -> None:
    """Whatever a vCenter's Date says, a report is judged."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert judge_freshness(end, end, FreshnessLimits(None, None, 60)) == "fresh"
    assert (
        judge_freshness(end, datetime(2026, 11, 23, tzinfo=UTC), FreshnessLimits(None, None, 60)) == "future"
    )
