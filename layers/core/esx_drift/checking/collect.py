"""What a check sees of a cluster, call by call; where it ends early, how far it came.

Longer than 250 lines, because the calls of a check and what is asked for after each are read together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from esx_drift.domain.findings.extraction import ELIGIBILITY_CHECK_FAILURE, UNFINISHED_TASK_STATUSES
from esx_drift.domain.findings.vcenter_failures import require_same_vcenter
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.host_history import list_missing_hosts
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.types import (
    CallName,
    CheckRequest,
    LogState,
    TaskFacts,
    TaskRequest,
    VCenterIdentity,
)
from esx_drift.domain.text.times import add_jitter, format_time, parse_time
from esx_drift.errors import HIDDEN_HOSTS_FACT, NoReport, NotAuthorized, NotEligible
from esx_drift.journal import Reschedule
from esx_drift.ports import (
    ExtractionTask,
    InventoryEntry,
    ReportReply,
    Runtime,
    SubmittedExtraction,
    VCenterSession,
)

MAX_POLL_DELAY_SECONDS = 300
"""The longest pause between two looks at a task: each doubles the one before."""

MAX_POLL_DOUBLINGS = 9
"""So often even a pause of one second may be doubled, before it is longer than the longest."""


@dataclass(slots=True)
class Observations:
    """What was seen so far, none where it was not asked. ``at`` is the call that was made last.

    ``hidden_hosts``: in the report, and not in the inventory.
    """

    at: CallName = "login"
    about: VCenterIdentity | None = None
    task: ExtractionTask | None = None
    hosts: tuple[InventoryEntry, ...] | None = None
    hidden_hosts: tuple[InventoryEntry, ...] = ()
    reply: ReportReply | None = None
    managed_by_image: bool | None = None

    @property
    def inventory(self) -> dict[str, InventoryEntry]:
        """Return the hosts of the cluster by id, those that only the report has among them."""
        return {host.id: host for host in (*(self.hosts or ()), *self.hidden_hosts)}


@dataclass(frozen=True, slots=True)
class ClusterReader:
    """The calls of one request, in their order."""

    runtime: Runtime
    vcenter: VCenterSettings
    request: CheckRequest

    def collect(self, after: LogState, observations: Observations) -> ReportReply | Reschedule:
        """Collect the report, and fill ``observations`` on the way.

        Args:
            after: The log's state that the check began from.
            observations: Takes what each call answered; ``observations.at`` is the call made last.

        Returns:
            The report, or what to ask for later.

        Raises:
            VCENTER_FAILURES, SecretInvalid: A call failed; ``observations.at`` says which.
        """
        session = self.runtime.vcenters.session(self.vcenter.name)
        observations.at = "about"
        observations.about = session.about()
        require_same_vcenter(self.vcenter.name, after["instance_uuid"], observations.about)
        cluster = self.request["cluster"]
        if self.request["phase"] == "extract":
            observations.at = "extract"
            return self._reschedule_collect(self._extract(session, observations))
        task = self.request["task"]
        if task is not None and task["id"] is not None:
            observations.at = "task"
            observations.task = session.task(task["id"])
            if (
                observations.task is not None
                and observations.task.status in UNFINISHED_TASK_STATUSES
                and not self.is_deadline_over
            ):
                return self._reschedule_poll(task)
        observations.at = "hosts"
        observations.hosts = session.hosts(cluster)
        observations.at = "report"
        return self._read_report(session, after, observations)

    def _read_report(
        self, session: VCenterSession, after: LogState, observations: Observations
    ) -> ReportReply | Reschedule:
        """There is none before the first extraction ended: while somebody else's runs, it is waited for."""
        try:
            observations.reply = session.installed_images(self.request["cluster"])
        except NoReport:
            later = self.reschedule_while_busy(after)
            if later is None:
                raise
            return later
        return observations.reply

    def follow_up(self, report: Report, after: LogState, observations: Observations) -> None:
        """Ask the vCenter what a fresh report leaves open.

        Args:
            report: The report.
            after: The log's state that the check began from.
            observations: Takes what the vCenter answers.

        Raises:
            NotAuthorized: The inventory lacks over half of the hosts that the report names. They have not
                left: a lost permission shortens a list without an error.
            VCENTER_FAILURES: A call failed.
        """
        cluster = self.request["cluster"]
        listed = {host.id for host in observations.hosts or ()}
        hidden = report.names.keys() - listed
        if len(hidden) * 2 > len(report.names):
            observations.at = "hosts"
            raise NotAuthorized(
                f"{self.vcenter.name} lists {len(listed)} hosts of {cluster}, and its report names"
                f" {len(hidden)} more: the account seems to have lost its permission on them",
                {HIDDEN_HOSTS_FACT: str(len(hidden))},
            )
        session = self.runtime.vcenters.session(self.vcenter.name)
        asked_at = find_extraction_start(self.request, observations.task)
        missing = list_missing_hosts(report, listed, after, asked=asked_at is not None)
        if missing:
            observations.at = "hosts"
            moved = {host.id for host in session.find_hosts(missing)}
            observations.hidden_hosts = tuple(
                InventoryEntry(host, report.names[host], "", None) for host in missing if host not in moved
            )
        if report.status == ELIGIBILITY_CHECK_FAILURE:
            observations.managed_by_image = session.managed_by_image(cluster)

    def _extract(self, session: VCenterSession, observations: Observations) -> SubmittedExtraction:
        """How bad it is that a cluster can't be extracted depends on its hosts, and on how it is managed."""
        cluster = self.request["cluster"]
        try:
            return session.extract(cluster)
        except (NotEligible, NoReport) as error:
            observations.hosts = session.hosts(cluster)
            if isinstance(error, NotEligible):
                observations.managed_by_image = session.managed_by_image(cluster)
            raise

    @property
    def is_deadline_over(self) -> bool:
        """Tell whether the extraction's deadline has passed, or there is none to wait for."""
        task = self.request["task"]
        return task is None or self.runtime.clock() >= parse_time(task["deadline_at"])

    def reschedule_while_busy(self, after: LogState) -> Reschedule | None:
        """Build the request to try again while another extraction runs; None after its deadline."""
        task = self.request["task"]
        if task is None or self.is_deadline_over or not is_waiting_for_other(self.request, after):
            return None
        return self._reschedule_poll(task)

    def reschedule_first_look(self, after: LogState, completed_at: datetime) -> Reschedule | None:
        """Build the request to try a first look again while its report is older than the running extraction.

        Args:
            after: The log's state; this is a first look if no report was taken yet.
            completed_at: When the report was completed, by the vCenter's clock.

        Returns:
            The request; None if there is nothing to wait for.
        """
        task = self.request["task"]
        if (
            after["last_taken"] is not None
            or task is None
            or completed_at >= parse_time(task["submitted_at"])
        ):
            return None
        return self.reschedule_while_busy(after)

    def _reschedule_collect(self, submitted: SubmittedExtraction) -> Reschedule:
        deadline = self.runtime.clock() + timedelta(seconds=self.vcenter.extract_deadline_seconds)
        task: TaskRequest = {
            "id": submitted.task_id,
            "submitted_at": format_time(submitted.date.replace(microsecond=0)),
            "deadline_at": format_time(deadline),
            "polls": 0,
            "busy": submitted.busy,
        }
        delay = add_jitter(self.vcenter.first_delay_seconds, self.request["request_id"])
        return Reschedule({**self.request, "phase": "collect", "task": task}, delay)

    def _reschedule_poll(self, task: TaskRequest) -> Reschedule:
        """Build the request to ask again. No deadline is further away than that of a new extraction.

        So a message can't have a task asked after without end.
        """
        polls = task["polls"] + 1
        latest = self.runtime.clock() + timedelta(seconds=self.vcenter.extract_deadline_seconds)
        deadline_at = format_time(min(parse_time(task["deadline_at"]), latest))
        delay = self.vcenter.first_delay_seconds * 2 ** min(polls, MAX_POLL_DOUBLINGS)
        seed = f"{self.request['request_id']} {polls}"
        return Reschedule(
            {**self.request, "task": {**task, "polls": polls, "deadline_at": deadline_at}},
            add_jitter(min(max(1, delay), MAX_POLL_DELAY_SECONDS), seed),
        )


def is_waiting_for_other(request: CheckRequest, after: LogState) -> bool:
    """Say whether another extraction kept the cluster busy and its report was not taken since.

    If that is another run of ours, its report serves both.

    Args:
        request: The request; its task has no id where the cluster was busy.
        after: The log's state, which says when the report taken last was completed.
    """
    task, taken = request["task"], after["last_taken"]
    if task is None or task["id"] is not None:
        return False
    return taken is None or parse_time(taken["completion_time"]) < parse_time(task["submitted_at"])


def find_extraction_start(request: CheckRequest, task: ExtractionTask | None) -> datetime | None:
    """Find when our own extraction began, by the vCenter's clock; None if there is none.

    Args:
        request: The request; its task says when the extraction was asked for.
        task: The task as last read, whose own start counts; None if it was not read, or is gone.
    """
    asked = request["task"]
    if asked is None or asked["id"] is None:
        return None
    if task is not None and task.start_time is not None:
        return task.start_time
    return parse_time(asked["submitted_at"])


def build_task_facts(request: CheckRequest, task: ExtractionTask | None) -> TaskFacts | None:
    """Build what the record keeps of the extraction that ``request`` waits for; None if there was none.

    ``task`` is its task as last read; None if it was not read, or is gone.
    """
    asked = request["task"]
    if asked is None:
        return None
    return {
        "id": asked["id"],
        "submitted_at": asked["submitted_at"],
        "status": task.status if task else None,
        "start_time": format_time(task.start_time) if task and task.start_time else None,
        "end_time": format_time(task.end_time) if task and task.end_time else None,
        "message": task.message if task else asked["busy"],
    }
