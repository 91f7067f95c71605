"""Whether a report is a look. The vCenter serves the last extracted report for ever, however old it is.

All times but ``now`` are the vCenter's own clock, so that two clocks are never compared.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from esx_drift.domain.times import format_time, parse_time

type Freshness = Literal["fresh", "same", "older", "stale", "future"]

MAX_AHEAD = timedelta(minutes=5)
"""A report that claims to be later than the reply that carries it, by more than this, is not believed."""


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """What a fresh report must be newer than.

    ``asked_at``: when the extraction began (the task's start, or the ``Date`` of the 202 cut to the second);
    none without an extraction of our own. ``taken_at``: the completion of the report taken last.
    """

    asked_at: datetime | None
    taken_at: datetime | None
    max_age_seconds: int


def judge_freshness(completed_at: datetime, replied_at: datetime, expected: FreshnessLimits) -> Freshness:
    """Judge a report by its completion time and the ``Date`` of the reply.

    fresh: a look. same: the report taken last. older: one before it. stale: newer than the one taken last,
    but not what was asked for, or too old for a first look. future: not possible by the vCenter's own clock.
    """
    completed = parse_time(format_time(completed_at))
    if completed - replied_at > MAX_AHEAD:
        return "future"
    if expected.taken_at is not None and completed <= expected.taken_at:
        return "same" if completed == expected.taken_at else "older"
    if expected.asked_at is not None:
        return "fresh" if completed >= expected.asked_at else "stale"
    if expected.taken_at is not None or replied_at - completed <= timedelta(seconds=expected.max_age_seconds):
        return "fresh"
    return "stale"
