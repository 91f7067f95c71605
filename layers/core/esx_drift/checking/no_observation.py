"""The drafts of a check that took no report: it could not look, was not believed, or saw nothing new.

Longer than 250 lines, because each way to see nothing ends in the same draft.
"""

from copy import replace
from typing import Literal

from esx_drift.checking.baseline import build_blob, describe_blob
from esx_drift.checking.collect import NO_DOUBT, is_waiting_for_other
from esx_drift.checking.context import CheckContext
from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.coverage_conditions import (
    build_hidden_host_condition,
    build_no_hosts_condition,
)
from esx_drift.domain.findings.extraction import ExtractionState, Freshness, list_extraction_conditions
from esx_drift.domain.findings.kinds import HELD_BACK_KINDS, VCENTER_KINDS
from esx_drift.domain.findings.update import FindingsUpdate
from esx_drift.domain.findings.vcenter_failures import (
    build_failure,
    build_failure_condition,
    is_blind,
    list_kinds_ruled_out,
)
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.identifiers import compute_sha256, make_quarantine_key
from esx_drift.domain.stored.types import (
    KEPT_REPLY_DETAIL,
    Failure,
    FindingKind,
    Json,
    LogState,
    Outcome,
    Record,
    ReportFacts,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text, join_names
from esx_drift.errors import ContractViolation, EsxDriftError, NoReport, NotEligible, VCenterReplaced
from esx_drift.journal import Blob, Draft
from esx_drift.ports import ReportReply

MAX_REPORTED_VIOLATIONS = 5
MAX_OTHER_HOSTS = 3

QUARANTINED_BYTES = 1_000_000
"""Of a report that is refused: enough to see what it is, too little to fill a bucket that keeps it."""


def draft_for_failure(
    context: CheckContext, error: EsxDriftError, told_by: Literal["vcenter", "cluster"]
) -> Draft:
    """Build the draft for a failed call.

    Args:
        context: The check.
        error: What the call raised.
        told_by: Whose log reports the failure; the cluster's log opens nothing if it is the vCenter's.
    """
    failure = build_failure(error, context.observations.at, told_by)
    if told_by == "vcenter":
        return _draft_not_looked(context, failure, [], frozenset())
    condition = _build_failure_condition(context, error)
    return _draft_not_looked(context, failure, [condition], list_kinds_ruled_out(error) | {condition.kind})


def _build_failure_condition(context: CheckContext, error: EsxDriftError) -> Condition:
    if isinstance(error, (NotEligible, NoReport)) and _is_empty(context):
        return build_no_hosts_condition()
    if isinstance(error, NotEligible) and not context.observations.managed_by_image:
        # A cluster managed by baselines that can't be extracted is as it is, unless it could be before.
        was_seen = context.after["seal"] is not None
        return build_failure_condition(error, critical=was_seen and _is_blind(context), otherwise="info")
    condition = build_failure_condition(error, critical=_is_blind(context))
    if isinstance(error, ContractViolation):
        violations: list[Json] = [*error.violations[:MAX_REPORTED_VIOLATIONS]]
        return replace(condition, detail={**condition.detail, "violations": violations})
    # The dispatcher, who found nothing, may be right: what is the vCenter's as a whole must be met once more.
    is_wide = context.observations.at == "login" or isinstance(error, VCenterReplaced)
    return replace(condition, confirm=condition.confirm or is_wide)


def draft_for_invalid_report(context: CheckContext, reply: ReportReply, error: ContractViolation) -> Draft:
    """Build the draft for a report that breaks the API's contract, and keep its beginning in quarantine.

    Args:
        context: The check.
        reply: The report as it came.
        error: What the API's contract refuses in it.
    """
    found = _build_failure_condition(context, error)
    blob = _build_quarantined(context, reply)
    condition = replace(found, detail={**found.detail, KEPT_REPLY_DETAIL: blob.key})
    failure = build_failure(error, "report", "cluster")
    draft = _draft_not_looked(context, failure, [condition], VCENTER_KINDS | {condition.kind})
    return _add_quarantine(blob, reply, draft)


def draft_for_other_report(context: CheckContext, reply: ReportReply, report: Report) -> Draft:
    """Build the draft for a report that is another cluster's.

    Args:
        context: The check.
        reply: The report as it came; its bytes go into quarantine.
        report: What was read of it.
    """
    names = join_names([clean_text(name) for name in sort_naturally(report.names.values())], MAX_OTHER_HOSTS)
    cluster = context.request["cluster"]
    error = ContractViolation(
        f"the report is another cluster's: it names {names}, and none of the hosts of {cluster}",
        ("/host_info: expected a host of the cluster, got others",),
    )
    return draft_for_invalid_report(context, reply, error)


def draft_for_future_report(context: CheckContext, reply: ReportReply, report: Report) -> Draft:
    """Build the draft for a report that was completed after the vCenter's own time, and quarantine it.

    Args:
        context: The check.
        reply: The report as it came; its ``date`` is the vCenter's own time.
        report: The same report, read.
    """
    summary = (
        f"the report says it was completed at {format_time(report.completion_time)},"
        f" and the vCenter's own clock says {format_time(reply.date)}"
    )
    condition = build_condition(
        "document-inconsistent",
        summary,
        severity="critical" if _is_blind(context) else None,
        detail={
            "completion_time": format_time(report.completion_time),
            "vcenter_date": format_time(reply.date),
        },
    )
    failure: Failure = {
        "reason": condition.kind,
        "message": summary,
        "facts": {},
        "at": "report",
        "told_by": "cluster",
    }
    draft = _draft_not_looked(context, failure, [condition], VCENTER_KINDS | {condition.kind})
    blob = _build_quarantined(context, reply)
    return _add_quarantine(blob, reply, draft, build_report_facts(report, "future"))


def draft_for_old_report(
    context: CheckContext, reply: ReportReply, report: Report, freshness: Freshness
) -> Draft:
    """Build the draft for a report that is not newer than the last; the cluster's known state stays.

    Args:
        context: The check.
        reply: The report as it came.
        report: The same report, read.
        freshness: Why it is no look: it is ``same``, ``older`` or ``stale``.
    """
    conditions = (
        [build_no_hosts_condition()]
        if _is_empty(context)
        else list_extraction_conditions(_describe_extraction(context, reply, report))
    )
    # A report that was there before disproves no failure to extract: only a new one does.
    kinds = VCENTER_KINDS | HELD_BACK_KINDS if context.observations.is_compared else VCENTER_KINDS
    conditions += [
        build_hidden_host_condition(report, host.id, host, context.after["uncovered_since"].get(host.id))
        for host in context.observations.hidden_hosts
    ]
    update = context.update_findings(conditions, kinds, {})
    outcome: Outcome = "same-report" if freshness == "same" else "superseded"
    after = _build_unseen_state(context, update)
    record: Record = {
        **context.build_record(outcome, after),
        "report": build_report_facts(report, freshness),
        "findings": update.transitions,
        "raw_sha256": compute_sha256(reply.body),
    }
    return context.build_draft(record, report.names)


def _is_empty(context: CheckContext) -> bool:
    """Whether the cluster has no hosts. Where it had some, a list without any may be a lost permission."""
    before = context.after["coverage"]
    return context.observations.hosts == () and (before is None or before["hosts"] == 0)


def find_last_seen(context: CheckContext) -> str:
    """Find since when the cluster is unseen: since its last look, or the first check that failed."""
    return context.after["blind_since"] or context.after["last_look_at"] or format_time(context.now)


def _build_unseen_state(context: CheckContext, update: FindingsUpdate) -> LogState:
    found: LogState = {**context.after, "findings": update.findings, "suspects": update.suspects}
    return {**found, "turns": update.openings, "blind_since": find_last_seen(context)}


def build_report_facts(report: Report, freshness: Freshness) -> ReportFacts:
    """Build what the record keeps of a report: what ``report`` says of itself, and its ``freshness``."""
    return {
        "completion_time": format_time(report.completion_time),
        "status": report.status,
        "uniform_image": report.uniform_image,
        "freshness": freshness,
    }


def _draft_not_looked(
    context: CheckContext, failure: Failure, conditions: list[Condition], kinds: frozenset[FindingKind]
) -> Draft:
    update = context.update_findings(conditions, kinds, {})
    after = _build_unseen_state(context, update)
    record: Record = {
        **context.build_record("not-looked", after),
        "failure": failure,
        "findings": update.transitions,
    }
    return context.build_draft(record, {host.id: host.name for host in context.observations.hosts or ()})


def _add_quarantine(blob: Blob, reply: ReportReply, draft: Draft, facts: ReportFacts | None = None) -> Draft:
    record: Record = {
        **draft.record,
        "report": facts,
        "quarantine": describe_blob(blob),
        "raw_sha256": None if reply.cut else compute_sha256(reply.body),
    }
    return replace(draft, record=record, blobs=(blob,))


def _build_quarantined(context: CheckContext, reply: ReportReply) -> Blob:
    body = reply.body[:QUARANTINED_BYTES]
    return build_blob(make_quarantine_key, context.vcenter.name, context.request["cluster"], body)


def _describe_extraction(context: CheckContext, reply: ReportReply, report: Report) -> ExtractionState:
    asked, task = context.observations.asked, context.observations.task
    taken = context.after["last_taken"]
    return ExtractionState(
        asked=asked is not None and asked["id"] is not None,
        busy=is_waiting_for_other(asked, context.after, doubt=NO_DOUBT),
        task_status=task.status if task else None,
        is_proven=context.observations.is_proven,
        message=task.message if task else asked["busy"] if asked else None,
        report_status=report.status,
        last_good_at=parse_time(taken["completion_time"]) if taken else None,
        now=reply.date,
        max_age_seconds=context.vcenter.max_age_seconds,
        critical=_is_blind(context),
    )


def _is_blind(context: CheckContext) -> bool:
    last_look_at = context.after["blind_since"] or context.after["last_look_at"]
    return is_blind(last_look_at, context.now, context.vcenter.blind_after_seconds)
