"""The last of a vCenter's steps: what only a cluster's own calls show, the extraction above all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from esx_drift.contracts import read_document
from esx_drift.domain.doctor import Examination
from esx_drift.domain.fleets.fleet import VCenter
from esx_drift.domain.images.coverage import coverage_of, uncovered_hosts
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.judging.extraction import SUCCEEDED, UNFINISHED
from esx_drift.domain.judging.freshness import MAX_AHEAD
from esx_drift.domain.telling.next_steps import ADVICE
from esx_drift.domain.telling.wording import clean, lasted, listed
from esx_drift.domain.times import text_of
from esx_drift.errors import ContractViolation, NoReport, NotEligible
from esx_drift.ports import Cluster, Reply, Submitted, Task, VCenterSession

SEE = "System.Read"
SETTINGS = "VcIntegrity.lifecycleSettings.Read"
TASKS = "VcIntegrity.lifecycleGeneral.Read"
PRIVILEGES = {"inventory": SEE, "report": SETTINGS, "tasks": TASKS}
"""By the step that needs it."""

BETWEEN_POLLS_SECONDS = 2.0
QUARANTINED = (
    "Let a check meet it, which keeps the reply in the AuditBucket, and see: esx-drift validate DOCUMENT.json"
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """Examines one cluster by its last report, and by a new one if the fleet file allows extractions."""

    vcenter: VCenter
    session: VCenterSession
    cluster: Cluster
    clock: Callable[[], datetime]
    pause: Callable[[float], object]
    ends_at: datetime

    def examine(self, exam: Examination) -> None:
        """The last three lines: two privileges, and the report that comes of them."""
        last = self._report()
        if not self.vcenter.extract:
            exam.ok(f"{SETTINGS}: may read the report of {self._name}")
            exam.untried("the fleet file says not to extract, so that there is no task to read")
            self._tell(exam, self.session.installed_images(self.cluster.id) if last is None else last)
            return
        submitted = self._submitted(exam)
        if submitted.task_id is None:
            exam.untried(f"{self._name} is busy with another operation: {clean(submitted.busy or '')}")
            self._tell(exam, last, "busy, so that no new report was asked for; ")
            return
        task = self.session.task(submitted.task_id)
        exam.ok(f"{TASKS}: may read the task that it started")
        self._conclude(exam, submitted, self._ended(submitted.task_id, task))

    @property
    def _name(self) -> str:
        return clean(self.cluster.name)

    def _report(self) -> Reply | None:
        try:
            return self.session.installed_images(self.cluster.id)
        except NoReport:
            return None

    def _submitted(self, exam: Examination) -> Submitted:
        try:
            submitted = self.session.extract(self.cluster.id)
        except NotEligible:
            exam.ok(f"{SETTINGS}: may read the report of {self._name}")
            exam.untried("nothing was extracted, so that there is no task to read")
            raise
        exam.ok(f"{SETTINGS}: may read the report of {self._name}, and extract a new one")
        return submitted

    def _ended(self, task_id: str, task: Task | None) -> Task | None:
        """The task once it has ended, or as it is when there is no time left."""
        while task is not None and task.status in UNFINISHED and self.clock() < self.ends_at:
            self.pause(BETWEEN_POLLS_SECONDS)
            task = self.session.task(task_id)
        return task

    def _conclude(self, exam: Examination, submitted: Submitted, task: Task | None) -> None:
        reply = self._report()
        if task is not None and task.status in UNFINISHED:
            self._tell(exam, reply, "still extracting, which may take minutes on a large cluster; ")
        elif task is None or task.status != SUCCEEDED:
            why = "lost its task" if task is None else task.message or task.status
            self._fail(exam, "extraction-failed", f"the extraction failed: {clean(why)}")
        else:
            self._tell(exam, reply, asked_at=task.start_time or submitted.date.replace(microsecond=0))

    def _tell(
        self, exam: Examination, reply: Reply | None, state: str = "", asked_at: datetime | None = None
    ) -> None:
        if reply is None:
            exam.ok(f"{self._name}: {state}no report yet")
            return
        try:
            report = read_report(read_document(reply.body))
        except ContractViolation as error:
            exam.failed(
                f"{self._name}: the report is not what the API promises: {error.message}", QUARANTINED
            )
            return
        if report.completion_time > reply.date + MAX_AHEAD:
            self._fail(
                exam, "document-inconsistent", "the report claims to be of a later time than its reply"
            )
            return
        age = lasted(text_of(report.completion_time), text_of(reply.date))
        if asked_at is not None and report.completion_time < asked_at:
            self._fail(exam, "extraction-stale", f"the task succeeded, but the report is {age} old")
            return
        self._count(exam, report, f"{state}report of {report.completion_time:%H:%M:%S} UTC, {age} old; ")

    def _count(self, exam: Examination, report: Report, said: str) -> None:
        inventory = {host.id: host for host in self.session.hosts(self.cluster.id)}
        coverage = coverage_of(report, inventory)
        missed = [f"{clean(host['name'])} ({host['why']})" for host in uncovered_hosts(report, inventory)]
        unread = f", not {listed(missed)}" if missed else ""
        covered = f"{coverage['covered']} of {coverage['hosts']} hosts covered{unread}"
        if inventory and not coverage["covered"]:
            self._fail(exam, "host-failed", f"{said}{covered}")
        else:
            exam.ok(f"{self._name}: {said}{covered}")

    def _fail(self, exam: Examination, kind: str, said: str) -> None:
        fix = ADVICE[kind].step.format(cluster=self._name, scope=self._name)
        exam.failed(f"{self._name}: {said}", f"{fix[0].upper()}{fix[1:]}")
