"""Why there is no fresh report, as conditions; and whether a report is fresh."""

from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.stored.types import FindingKind, Json
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import clean_text

TASK_SUCCEEDED, TASK_FAILED = "SUCCEEDED", "FAILED"

UNPROVEN_DETAIL: Final = "task_unproven"
"""The detail of a finding of which the task that was named ended, and nothing shows that it was ours."""

UNFINISHED_TASK_STATUSES = frozenset({"PENDING", "RUNNING", "BLOCKED"})
"""Cis.Task.Status of the vSphere Automation API; whatever else it may say is an end."""

UNAVAILABLE = "UNAVAILABLE"

ELIGIBILITY_CHECK_FAILURE = "ELIGIBILITY_CHECK_FAILURE"
"""These two are values of a report's status."""


class ExtractionState(Struct, frozen=True):
    """What is known of an extraction that left no fresh report.

    Attributes:
        asked: We started an extraction.
        busy: The cluster was busy with somebody else's operation.
        task_status: The task's status; None if the vCenter no longer has the task.
        is_proven: The vCenter says that the task is of this extraction. Else how it ended says nothing of
            it, and no report came until the deadline.
        message: What the task says of its failure; None: nothing.
        report_status: The status of the old report.
        last_good_at: When the report taken last was completed, by the vCenter's clock; None: there is none.
        now: The ``Date`` of the reply, by the same clock.
        max_age_seconds: How old a report may be.
        critical: The cluster has not been seen for too long.
    """

    asked: bool
    busy: bool
    task_status: str | None
    is_proven: bool
    message: str | None
    report_status: str
    last_good_at: datetime | None
    now: datetime
    max_age_seconds: int
    critical: bool


def list_extraction_conditions(state: ExtractionState) -> list[Condition]:
    """List the condition that explains why there is no fresh report; none while the old one is young."""
    explanation = _explain(state)
    if explanation is None:
        return []
    kind, summary = explanation
    return [
        build_condition(
            kind,
            summary,
            severity="critical" if state.critical else None,
            detail=_build_detail(state),
        )
    ]


def _build_detail(state: ExtractionState) -> dict[str, Json]:
    detail: dict[str, Json] = {"task_status": state.task_status, "message": state.message}
    return {**detail, UNPROVEN_DETAIL: True} if _is_ended_unproven(state) else detail


def _is_ended_unproven(state: ExtractionState) -> bool:
    """Whether a task ended of which nothing shows that it is the extraction's."""
    has_ended = state.task_status is not None and state.task_status not in UNFINISHED_TASK_STATUSES
    return state.asked and has_ended and not state.is_proven


def _explain(state: ExtractionState) -> tuple[FindingKind, str] | None:
    quote = f': "{state.message}"' if state.message else ""
    if state.busy:
        return "extraction-timeout", f"the cluster stayed busy with another operation{quote}"
    if _is_ended_unproven(state):
        return "extraction-timeout", _word_unproven_end(clean_text(state.task_status or ""), quote)
    if state.asked and state.task_status != TASK_SUCCEEDED:
        return _explain_task(state.task_status, quote)
    if state.report_status == UNAVAILABLE:
        return "extraction-unavailable", "vCenter has no report of this cluster"
    age = None if state.last_good_at is None else state.now - state.last_good_at
    if age is None or age > timedelta(seconds=state.max_age_seconds):
        return "extraction-stale", "vCenter serves only a report that is too old to tell what runs now"
    return None


def _explain_task(status: str | None, quote: str) -> tuple[FindingKind, str]:
    if status is None:
        return "extraction-failed", "vCenter lost the extraction's task, and no new report came"
    if status in UNFINISHED_TASK_STATUSES:
        return "extraction-timeout", f"the extraction did not end within its deadline{quote}"
    return "extraction-failed", f"the extraction failed{quote}"


def _word_unproven_end(status: str, quote: str) -> str:
    """Word that a task ended which nobody vouches for: what is known is that no report came in time."""
    other = f"ended ({status}), and nothing shows that it was this cluster's"
    ended = f"failed{quote}" if status == TASK_FAILED else other
    return f"no new report came within the extraction's deadline; the task that was named {ended}"


type Freshness = Literal["fresh", "same", "older", "stale", "future"]

MAX_AHEAD = timedelta(minutes=5)
"""A report is not believed if it was completed later than this after the ``Date`` of the reply."""


class FreshnessLimits(Struct, frozen=True):
    """What a fresh report must be newer than.

    Attributes:
        asked_at: When our extraction began (the task's start, or the ``Date`` of the 202 cut to the second);
            None: we asked for none.
        taken_at: When the report taken last was completed; None: none was taken yet.
        max_age_seconds: How old the first report may be.
    """

    asked_at: datetime | None
    taken_at: datetime | None
    max_age_seconds: int

    def is_set_back(self, replied_at: datetime) -> bool:
        """Tell whether the vCenter's clock says less now, ``replied_at``, than when a report was taken.

        Then it was set back since, or was ahead before, and its times of before say nothing of now. A report
        may be dated ``MAX_AHEAD`` after the reply in any case.
        """
        return self.taken_at is not None and self.taken_at - replied_at > MAX_AHEAD


def judge_freshness(completed_at: datetime, replied_at: datetime, limits: FreshnessLimits) -> Freshness:
    """Judge how fresh a report is.

    Args:
        completed_at: When the report was completed, by the vCenter's clock.
        replied_at: The ``Date`` of the reply, by the same clock.
        limits: What a fresh report must be newer than.

    Returns:
        fresh: it can be taken. same: it is the report taken last. older: it came before that. stale: it is
        newer than that, but not what was asked for, or it is too old for a first look. future: it is not
        possible by the vCenter's own clock.
    """
    completed = parse_time(format_time(completed_at))
    if completed - replied_at > MAX_AHEAD:
        return "future"
    if limits.taken_at == completed:
        return "same"
    if limits.taken_at is not None and completed < limits.taken_at and not limits.is_set_back(replied_at):
        return "older"
    if limits.asked_at is not None:
        return "fresh" if completed >= limits.asked_at else "stale"
    if limits.taken_at is not None or replied_at - completed <= timedelta(seconds=limits.max_age_seconds):
        return "fresh"
    return "stale"
