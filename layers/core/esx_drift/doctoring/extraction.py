"""The last steps of a vCenter's examination: one cluster's report and, where allowed, an extraction."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from esx_drift.contracts import read_document
from esx_drift.doctoring.examination import Examination
from esx_drift.domain.findings.extraction import (
    ELIGIBILITY_CHECK_FAILURE,
    MAX_AHEAD,
    TASK_SUCCEEDED,
    UNFINISHED_TASK_STATUSES,
)
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.images.report import Report, list_uncovered_hosts, measure_coverage, read_report
from esx_drift.domain.stored.types import FindingKind
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import clean_text, format_elapsed, join_names
from esx_drift.domain.vcenter_api import (
    PRIVILEGE_LIFECYCLE_GENERAL,
    PRIVILEGE_LIFECYCLE_SETTINGS,
    PRIVILEGE_READ,
)
from esx_drift.errors import ContractViolation, NoReport, NotEligible
from esx_drift.ports import ExtractionTask, ListedCluster, ReportReply, SubmittedExtraction, VCenterSession

PRIVILEGES_BY_STEP = {
    "inventory": PRIVILEGE_READ,
    "report": PRIVILEGE_LIFECYCLE_SETTINGS,
    "tasks": PRIVILEGE_LIFECYCLE_GENERAL,
}

NOT_ELIGIBLE_NOTE = "can't be extracted, which on a cluster managed by baselines is told once, as info"
TASK_POLL_SECONDS = 2.0
SEE_QUARANTINE_FIX = (
    "Let a check meet it, which keeps the reply in the AuditBucket, and see: esx-drift validate DOCUMENT.json"
)


class AwaitedReport(Struct, frozen=True):
    """A new report, completed after ``since``. If none came: the kind of finding, and a sentence."""

    since: datetime
    kind: FindingKind
    sentence: str


class ExtractionDoctor(Struct, frozen=True):
    """Examines one cluster by its last report, and by a new one if the fleet file allows extractions."""

    vcenter: VCenterSettings
    session: VCenterSession
    cluster: ListedCluster
    clock: Callable[[], datetime]
    pause: Callable[[float], object]
    ends_at: datetime

    def examine(self, exam: Examination) -> None:
        """Add the last three lines: two privileges, and the report."""
        last_report = self._read_report()
        if not self.vcenter.extract:
            self._examine_last_report(exam, last_report)
            return
        try:
            submitted = self.session.extract(self.cluster.id)
        except NotEligible as error:
            self._add_not_eligible(exam, error)
            return
        exam.add_ok(
            f"{PRIVILEGE_LIFECYCLE_SETTINGS}: may read the report of {self._name}, and extract a new one"
        )
        if submitted.task_id is None:
            operation = clean_text(submitted.busy or "")
            exam.add_skipped(f"{self._name} is busy with another operation: {operation}")
            self._add_report(exam, last_report, "busy, so that no new report was asked for; ")
            return
        self._examine_extraction(exam, submitted, submitted.task_id)

    def _examine_last_report(self, exam: Examination, last_report: ReportReply | None) -> None:
        exam.add_ok(f"{PRIVILEGE_LIFECYCLE_SETTINGS}: may read the report of {self._name}")
        exam.add_skipped("the fleet file says not to extract, so that there is no task to read")
        # Where nothing was ever extracted, the call fails once more, and says so.
        report = self.session.installed_images(self.cluster.id) if last_report is None else last_report
        self._add_report(exam, report)

    def _examine_extraction(self, exam: Examination, submitted: SubmittedExtraction, task_id: str) -> None:
        task = self.session.task(task_id)
        if task is None:
            exam.add_skipped("the vCenter has no such task any more, so that reading one is not proven")
        else:
            exam.add_ok(f"{PRIVILEGE_LIFECYCLE_GENERAL}: may read the task that it started")
        self._add_outcome(exam, submitted, self._wait_for_task(task_id, task))

    @property
    def _name(self) -> str:
        return clean_text(self.cluster.name)

    def _read_report(self) -> ReportReply | None:
        try:
            return self.session.installed_images(self.cluster.id)
        except NoReport:
            return None

    def _add_not_eligible(self, exam: Examination, error: NotEligible) -> None:
        """Add that the cluster can't be extracted: no failure on one that is managed by baselines."""
        exam.add_ok(f"{PRIVILEGE_LIFECYCLE_SETTINGS}: may read the report of {self._name}")
        exam.add_skipped("nothing was extracted, so that there is no task to read")
        if self.session.managed_by_image(self.cluster.id):
            raise error
        reason = clean_text(error.facts.get("vcenter_message") or error.message)
        exam.add_ok(f"{self._name}: {NOT_ELIGIBLE_NOTE}: {reason}")

    def _wait_for_task(self, task_id: str, task: ExtractionTask | None) -> ExtractionTask | None:
        """Wait until the task has ended, or no time is left. Returns it as last read."""
        while task is not None and task.status in UNFINISHED_TASK_STATUSES and self.clock() < self.ends_at:
            self.pause(TASK_POLL_SECONDS)
            task = self.session.task(task_id)
        return task

    def _add_outcome(
        self, exam: Examination, submitted: SubmittedExtraction, task: ExtractionTask | None
    ) -> None:
        reply = self._read_report()
        if task is not None and task.status in UNFINISHED_TASK_STATUSES:
            self._add_report(exam, reply, "still extracting, which may take minutes on a large cluster; ")
            return
        since = (task.start_time if task else None) or submitted.date.replace(microsecond=0)
        self._add_report(exam, reply, awaited=_build_awaited_report(since, task))

    def _add_report(
        self,
        exam: Examination,
        reply: ReportReply | None,
        state: str = "",
        awaited: AwaitedReport | None = None,
    ) -> None:
        if reply is None:
            self._add_missing_report(exam, state, awaited)
            return
        if reply.cut:
            sentence = f"{self._name}: the report is too large: more than {len(reply.body)} bytes"
            exam.add_failed(sentence, SEE_QUARANTINE_FIX)
            return
        try:
            report = read_report(read_document(reply.body))
        except ContractViolation as error:
            sentence = f"{self._name}: the report is not what the API promises: {error.message}"
            exam.add_failed(sentence, SEE_QUARANTINE_FIX)
            return
        if report.completion_time - reply.date > MAX_AHEAD:
            self._add_failure(
                exam, "document-inconsistent", "the report claims to be of a later time than its reply"
            )
            return
        age = format_elapsed(format_time(report.completion_time), format_time(reply.date))
        if awaited is not None and report.completion_time < awaited.since:
            self._add_failure(exam, awaited.kind, f"{awaited.sentence}, and the last report is {age} old")
            return
        self._add_coverage(
            exam, report, f"{state}report of {report.completion_time:%H:%M:%S} UTC, {age} old; "
        )

    def _add_missing_report(self, exam: Examination, state: str, awaited: AwaitedReport | None) -> None:
        """Add that there is no report: a failure where one was awaited and the cluster has hosts."""
        if awaited is not None and self.session.hosts(self.cluster.id):
            self._add_failure(exam, awaited.kind, f"{awaited.sentence}, and there is no earlier report")
        else:
            exam.add_ok(f"{self._name}: {state}no report yet")

    def _add_coverage(self, exam: Examination, report: Report, age: str) -> None:
        inventory = {host.id: host for host in self.session.hosts(self.cluster.id)}
        coverage = measure_coverage(report, inventory)
        uncovered = [
            f"{clean_text(host['name'])} ({host['why']})" for host in list_uncovered_hosts(report, inventory)
        ]
        exceptions = f", not {join_names(uncovered)}" if uncovered else ""
        coverage_text = f"{coverage['covered']} of {coverage['hosts']} hosts covered{exceptions}"
        if not inventory or coverage["covered"]:
            exam.add_ok(f"{self._name}: {age}{coverage_text}")
        elif report.status != ELIGIBILITY_CHECK_FAILURE:
            self._add_failure(exam, "host-failed", f"{age}{coverage_text}")
        elif self.session.managed_by_image(self.cluster.id):
            self._add_failure(exam, "eligibility-failed", f"{age}{coverage_text}")
        else:
            exam.add_ok(f"{self._name}: {NOT_ELIGIBLE_NOTE}; {age}{coverage_text}")

    def _add_failure(self, exam: Examination, kind: FindingKind, sentence: str) -> None:
        fix = FINDING_KINDS[kind].advice.step.format(cluster=self._name, scope=self._name)
        exam.add_failed(f"{self._name}: {sentence}", f"{fix[0].upper()}{fix[1:]}")


def _build_awaited_report(since: datetime, task: ExtractionTask | None) -> AwaitedReport:
    if task is None:
        return AwaitedReport(since, "extraction-failed", "the vCenter lost its task, no new report came")
    if task.status == TASK_SUCCEEDED:
        return AwaitedReport(since, "extraction-stale", "the task succeeded, no new report came")
    return AwaitedReport(
        since, "extraction-failed", f"the extraction failed: {clean_text(task.message or task.status)}"
    )
