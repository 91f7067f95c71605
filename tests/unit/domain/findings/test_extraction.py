"""Why there is no fresh report."""

from copy import replace
from datetime import UTC, datetime, timedelta

import pytest
from esx_drift.domain.findings.extraction import ExtractionState, list_extraction_conditions

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
WELL = ExtractionState(
    asked=True,
    busy=False,
    task_status="SUCCEEDED",
    is_proven=True,
    message=None,
    report_status="SUCCESS",
    last_good_at=NOW - timedelta(hours=1),
    now=NOW,
    max_age_seconds=7200,
    critical=False,
)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, None),
        ({"task_status": "FAILED"}, "extraction-failed"),
        ({"task_status": None}, "extraction-failed"),
        ({"task_status": "CANCELLED"}, "extraction-failed"),
        ({"task_status": "PENDING"}, "extraction-timeout"),
        ({"task_status": "RUNNING"}, "extraction-timeout"),
        ({"task_status": "BLOCKED"}, "extraction-timeout"),
        ({"asked": False, "busy": True, "task_status": None}, "extraction-timeout"),
        ({"task_status": "FAILED", "is_proven": False}, "extraction-timeout"),
        ({"task_status": "SUCCEEDED", "is_proven": False}, "extraction-timeout"),
        ({"task_status": "RUNNING", "is_proven": False}, "extraction-timeout"),
        ({"task_status": None, "is_proven": False}, "extraction-failed"),
        ({"report_status": "UNAVAILABLE"}, "extraction-unavailable"),
        ({"asked": False, "task_status": None}, None),
        ({"last_good_at": None}, "extraction-stale"),
        ({"last_good_at": NOW - timedelta(hours=2)}, None),
        ({"last_good_at": NOW - timedelta(hours=2, seconds=1)}, "extraction-stale"),
    ],
)
def test_each_way_has_its_kind(changes: dict[str, object], kind: str | None) -> None:
    """One at most: what the task says comes before what the old report says."""
    found = list_extraction_conditions(replace(WELL, **changes))  # type: ignore[arg-type]  # real fields
    assert [one.kind for one in found] == ([kind] if kind else [])


@pytest.mark.parametrize(
    "changes",
    [
        {"task_status": "FAILED"},
        {"task_status": "FAILED", "is_proven": False},
        {"task_status": "RUNNING"},
        {"asked": False, "busy": True, "task_status": None},
    ],
)
def test_what_the_vcenter_says_is_told(changes: dict[str, object]) -> None:
    """In its own words, as summary and as fact."""
    outlook = replace(WELL, message="No space left.", **changes)  # type: ignore[arg-type]  # real fields
    (found,) = list_extraction_conditions(outlook)
    assert found.summary.endswith(': "No space left."')
    assert found.detail["message"] == "No space left."


def test_of_a_task_that_nothing_proves_only_that_it_was_named_is_said() -> None:
    """It may be anybody's: neither did the extraction fail by it, nor was a task lost."""
    outlook = replace(WELL, task_status="FAILED", is_proven=False, message="No space left.")
    (failed,) = list_extraction_conditions(outlook)
    assert failed.summary == (
        "no new report came within the extraction's deadline; the task that was named failed:"
        ' "No space left."'
    )
    assert failed.detail == {"task_status": "FAILED", "message": "No space left.", "task_unproven": True}
    (ended,) = list_extraction_conditions(replace(WELL, task_status="SUCC\nEEDED", is_proven=False))
    assert ended.summary.endswith("named ended (SUCC EEDED), and nothing shows that it was this cluster's")
    (lost,) = list_extraction_conditions(replace(WELL, task_status=None, is_proven=False))
    assert (lost.summary, "task_unproven" in lost.detail) == (
        "vCenter lost the extraction's task, and no new report came",
        False,
    )


def test_a_cluster_unseen_for_too_long_is_critical() -> None:
    """Else it is a warning."""
    for critical, severity in ((False, "warning"), (True, "critical")):
        (found,) = list_extraction_conditions(replace(WELL, task_status="FAILED", critical=critical))
        assert found.severity == severity
