"""The drafts of a check that took no report: it could not look, was not believed, or saw nothing new."""

import gzip
from dataclasses import replace
from typing import Literal

from esx_drift.checking.scene import Scene
from esx_drift.checking.sight import is_waiting
from esx_drift.domain.images.report import Report
from esx_drift.domain.judging.cluster_conditions import no_hosts
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.extraction import Outlook, unfinished
from esx_drift.domain.judging.freshness import Freshness
from esx_drift.domain.judging.kinds import VCENTER_KINDS
from esx_drift.domain.names import quarantine_key, sha256_hex
from esx_drift.domain.shapes import After, Failure, Json, Outcome, Record, ReportFacts, Severity, Stored
from esx_drift.domain.times import text_of, time_of
from esx_drift.errors import ContractViolation, EsxDriftError, NoReport, NotEligible, VCenterReplaced
from esx_drift.failing import condition_of, disproved_by, failure_of, is_blind
from esx_drift.log import Blob, Draft
from esx_drift.ports import Reply

VIOLATIONS_TOLD = 5

CUT_KEPT_BYTES = 1_000_000
"""Of a report that is too large: enough to see what it is, too little to fill a bucket that keeps it."""


def failed(scene: Scene, error: EsxDriftError, told_by: Literal["vcenter", "cluster"]) -> Draft:
    """A call failed. Where the vCenter's own log tells it, this log opens nothing."""
    failure = failure_of(error, scene.sight.at, told_by)
    if told_by == "vcenter":
        return _not_looked(scene, failure, [], frozenset())
    condition = _failing(scene, error)
    return _not_looked(scene, failure, [condition], disproved_by(error) | {condition.kind})


def _failing(scene: Scene, error: EsxDriftError) -> Condition:
    if isinstance(error, (NotEligible, NoReport)) and _is_empty(scene):
        return no_hosts()
    if isinstance(error, NotEligible) and not scene.sight.managed_by_image:
        # A cluster managed by baselines that can't be extracted is as it is, unless it could be before.
        was_seen = scene.after["seal"] is not None
        return condition_of(error, critical=was_seen and _blind(scene), otherwise="info")
    condition = condition_of(error, critical=_blind(scene))
    if isinstance(error, ContractViolation):
        violations: list[Json] = [*error.violations[:VIOLATIONS_TOLD]]
        return replace(condition, detail={**condition.detail, "violations": violations})
    # The dispatcher, who found nothing, may be right: what is the vCenter's as a whole must be met once more.
    is_wide = scene.sight.at == "login" or isinstance(error, VCenterReplaced)
    return replace(condition, confirm=condition.confirm or is_wide)


def refused(scene: Scene, reply: Reply, error: ContractViolation) -> Draft:
    """The report is not what the API promises. It is kept, apart from the documents."""
    condition = _failing(scene, error)
    failure = failure_of(error, "report", "cluster")
    draft = _not_looked(scene, failure, [condition], VCENTER_KINDS | {condition.kind})
    return _quarantined(scene, reply, draft)


def not_possible(scene: Scene, reply: Reply, report: Report) -> Draft:
    """The report claims to be from the future."""
    summary = (
        f"the report says it was completed at {text_of(report.completion_time)},"
        f" and the vCenter's own clock says {text_of(reply.date)}"
    )
    severity: Severity = "critical" if _blind(scene) else "warning"
    detail: dict[str, Json] = {
        "completion_time": text_of(report.completion_time),
        "vcenter_date": text_of(reply.date),
    }
    condition = Condition("failure", "document-inconsistent", "", severity, summary, detail=detail)
    failure: Failure = {
        "reason": condition.kind,
        "message": summary,
        "facts": {},
        "at": "report",
        "told_by": "cluster",
    }
    draft = _not_looked(scene, failure, [condition], VCENTER_KINDS | {condition.kind})
    return _quarantined(scene, reply, draft, report_facts(report, "future"))


def not_fresh(scene: Scene, reply: Reply, report: Report, freshness: Freshness) -> Draft:
    """The vCenter still serves an old report: what was known of the cluster stands."""
    conditions = [no_hosts()] if _is_empty(scene) else unfinished(_outlook(scene, reply, report))
    # A report that was there before disproves no failure to extract: only a new one does.
    settled = scene.settle(conditions, VCENTER_KINDS, {})
    outcome: Outcome = "same-report" if freshness == "same" else "superseded"
    after: After = {
        **scene.after,
        "findings": settled.findings,
        "suspects": settled.suspects,
        "blind_since": seen_last(scene),
    }
    record: Record = {
        **scene.record(outcome, after),
        "report": report_facts(report, freshness),
        "findings": settled.told,
        "raw_sha256": sha256_hex(reply.body),
    }
    return scene.draft(record, report.names)


def _is_empty(scene: Scene) -> bool:
    """Whether the cluster has no hosts. Where it had some, a list without any may be a lost permission."""
    known = scene.after["coverage"]
    return scene.sight.hosts == () and (known is None or known["hosts"] == 0)


def seen_last(scene: Scene) -> str:
    """Since when the cluster is not seen: its last look, or the first check that could not look."""
    return scene.after["blind_since"] or scene.after["last_look_at"] or text_of(scene.now)


def report_facts(report: Report, freshness: Freshness) -> ReportFacts:
    """What the report says of itself."""
    return {
        "completion_time": text_of(report.completion_time),
        "status": report.status,
        "uniform_image": report.uniform_image,
        "freshness": freshness,
    }


def _not_looked(scene: Scene, failure: Failure, conditions: list[Condition], kinds: frozenset[str]) -> Draft:
    settled = scene.settle(conditions, kinds, {})
    after: After = {
        **scene.after,
        "findings": settled.findings,
        "suspects": settled.suspects,
        "blind_since": seen_last(scene),
    }
    record: Record = {
        **scene.record("not-looked", after),
        "failure": failure,
        "findings": settled.told,
    }
    return scene.draft(record, {host.id: host.name for host in scene.sight.hosts or ()})


def _quarantined(scene: Scene, reply: Reply, draft: Draft, facts: ReportFacts | None = None) -> Draft:
    body = gzip.compress(reply.body[:CUT_KEPT_BYTES] if reply.cut else reply.body, mtime=0)
    digest = sha256_hex(body)
    stored: Stored = {
        "key": quarantine_key(scene.vcenter.name, scene.request["cluster"], digest),
        "sha256": digest,
    }
    record: Record = {
        **draft.record,
        "report": facts,
        "quarantine": stored,
        "raw_sha256": None if reply.cut else sha256_hex(reply.body),
    }
    return Draft(record, (Blob(stored["key"], body),))


def _outlook(scene: Scene, reply: Reply, report: Report) -> Outlook:
    asked, task = scene.request["task"], scene.sight.task
    taken = scene.after["last_taken"]
    return Outlook(
        asked=asked is not None and asked["id"] is not None,
        busy=is_waiting(scene.request, scene.after),
        task_status=task.status if task else None,
        message=task.message if task else asked["busy"] if asked else None,
        report_status=report.status,
        last_good_at=time_of(taken["completion_time"]) if taken else None,
        now=reply.date,
        max_age_seconds=scene.vcenter.max_age_seconds,
        critical=_blind(scene),
    )


def _blind(scene: Scene) -> bool:
    last_look_at = scene.after["blind_since"] or scene.after["last_look_at"]
    return is_blind(last_look_at, scene.now, scene.vcenter.blind_after_seconds)
