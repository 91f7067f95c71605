"""Why there is no fresh report, as conditions: the extraction was asked for and this is what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.text.times import format_time, parse_time

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Json, Severity


TASK_SUCCEEDED = "SUCCEEDED"


UNFINISHED_TASK_STATUSES = frozenset({"PENDING", "RUNNING", "BLOCKED"})
"""Cis.Task.Status of the vSphere Automation API; whatever else it may say is an end."""


UNAVAILABLE = "UNAVAILABLE"


ELIGIBILITY_CHECK_FAILURE = "ELIGIBILITY_CHECK_FAILURE"
"""Of a report's status."""


@dataclass(frozen=True, slots=True)
class ExtractionState:
    """What is known of an extraction that left no fresh report.

    ``asked``: we started one; ``busy``: the cluster was busy with somebody else's. ``task_status`` is none
    for a task that the vCenter no longer has. ``report_status`` is the old report's. ``last_good_at``: the
    completion of the report taken last, ``now`` the ``Date`` of the reply: both by the vCenter's own clock.
    ``critical``: the cluster has not been seen for too long.
    """

    asked: bool
    busy: bool
    task_status: str | None
    message: str | None
    report_status: str
    last_good_at: datetime | None
    now: datetime
    max_age_seconds: int
    critical: bool


def list_extraction_conditions(outlook: ExtractionState) -> list[Condition]:
    """The condition that explains it, if one does: a cluster that is merely early is none."""
    severity: Severity = "critical" if outlook.critical else "warning"
    kind_and_summary = _explained(outlook)
    if kind_and_summary is None:
        return []
    kind, summary = kind_and_summary
    detail: dict[str, Json] = {"task_status": outlook.task_status, "message": outlook.message}
    return [Condition("failure", kind, "", severity, summary, detail=detail)]


def _explained(outlook: ExtractionState) -> tuple[str, str] | None:
    said = f': "{outlook.message}"' if outlook.message else ""
    if outlook.busy:
        return "extraction-timeout", f"the cluster stayed busy with another operation{said}"
    if outlook.asked and outlook.task_status != TASK_SUCCEEDED:
        return _task_explained(outlook.task_status, said)
    if outlook.report_status == UNAVAILABLE:
        return "extraction-unavailable", "vCenter has no report of this cluster"
    age = None if outlook.last_good_at is None else outlook.now - outlook.last_good_at
    if age is None or age > timedelta(seconds=outlook.max_age_seconds):
        return "extraction-stale", "vCenter serves only a report that is too old to tell what runs now"
    return None


def _task_explained(status: str | None, said: str) -> tuple[str, str]:
    if status is None:
        return "extraction-failed", "vCenter lost the extraction's task, and no new report came"
    if status in UNFINISHED_TASK_STATUSES:
        return "extraction-timeout", f"the extraction did not end within its deadline{said}"
    return "extraction-failed", f"the extraction failed{said}"


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
