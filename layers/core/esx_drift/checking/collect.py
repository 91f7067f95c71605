"""What a check sees of a cluster, call by call; where it ends early, how far it came.

Longer than 250 lines, because the calls of a check and what is asked for after each are read together.
"""

from datetime import datetime, timedelta

from msgspec import Struct, field

from esx_drift.domain.findings.extraction import ELIGIBILITY_CHECK_FAILURE, UNFINISHED_TASK_STATUSES
from esx_drift.domain.findings.vcenter_failures import require_same_vcenter
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.host_history import (
    UNREAD_UUIDS,
    describe_unasked_uuids,
    find_known_machines,
    list_hosts_to_ask,
    list_missing_hosts,
)
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.types import (
    CallName,
    CheckRequest,
    ClockFacts,
    KnownMachines,
    LogState,
    TaskFacts,
    TaskRequest,
    VCenterIdentity,
)
from esx_drift.domain.text.times import add_jitter, format_time, parse_time
from esx_drift.domain.text.wording import MAX_SENTENCE_CHARACTERS, clean_text, join_names
from esx_drift.errors import (
    HIDDEN_HOSTS_FACT,
    VCENTER_FAILURES,
    InternalError,
    NoReport,
    NotAuthorized,
    NotEligible,
    OutOfTime,
)
from esx_drift.journal import Reschedule
from esx_drift.ports import (
    ExtractionTask,
    InventoryEntry,
    ReportReply,
    Runtime,
    SubmittedExtraction,
    VCenterSession,
)
from esx_drift.unforeseen import hold_unforeseen

MAX_POLL_DELAY_SECONDS = 300
"""The longest pause between two looks at a task: each doubles the one before."""

MAX_POLL_DOUBLINGS = 5
"""So often even a pause of 10 seconds, the shortest, may be doubled before it is longer than the longest."""

MAX_CLOCK_STEP = timedelta(minutes=5)
"""So far a vCenter's clock may be moved during a check, before a time that it gave is called another run's.
As much as it may be off ours before that is a finding."""

NO_DOUBT = timedelta(0)
DATE_RESOLUTION = timedelta(seconds=1)
"""An HTTP Date says whole seconds (RFC 9110, 5.6.7): what is of one second may be before or after."""


class Observations(Struct):
    """What was seen so far, none where it was not asked.

    Attributes:
        at: The call that was made last.
        asked: The extraction that is waited for: of what the message says, as much as is believed.
        task: Its task, as the vCenter tells it.
        is_proven: The vCenter says that this task extracts this cluster, and began since the run asked.
        began_at: What a fresh report must not be older than, by the vCenter's clock: when the extraction
            began. None: nobody asked for one, or it is waited for no longer.
        hidden_hosts: In the report, and not in the inventory.
        is_compared: The report was compared with the inventory: it shows which hosts are hidden.
        machines: What is known of the machines that the hosts are, those that left since among them.
        notices: What was in the way, and keeps nobody from looking.
    """

    at: CallName = "login"
    about: VCenterIdentity | None = None
    asked: TaskRequest | None = None
    task: ExtractionTask | None = None
    is_proven: bool = False
    began_at: datetime | None = None
    hosts: tuple[InventoryEntry, ...] | None = None
    hidden_hosts: tuple[InventoryEntry, ...] = ()
    is_compared: bool = False
    reply: ReportReply | None = None
    managed_by_image: bool | None = None
    machines: KnownMachines = field(default_factory=lambda: KnownMachines(uuids={}, asked_at=None))
    notices: list[str] = field(default_factory=list)

    @property
    def is_of_own_extraction(self) -> bool:
        """Tell whether the report is of an extraction of ours: somebody else's may have begun before."""
        return self.asked is not None and self.asked["id"] is not None

    @property
    def inventory(self) -> dict[str, InventoryEntry]:
        """Return the hosts of the cluster by id, those that only the report has among them."""
        return {host.id: host for host in (*(self.hosts or ()), *self.hidden_hosts)}


class ClusterReader(Struct, frozen=True):
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
        claimed, cluster = self.request["task"], self.request["cluster"]
        observations.asked = claimed and self._bound_task(claimed, None)
        session = self.runtime.vcenters.session(self.vcenter.name)
        observations.at = "about"
        observations.about = session.about()
        require_same_vcenter(self.vcenter.name, after["instance_uuid"], observations.about)
        # Whether to extract, the fleet file says, and not the message.
        if claimed is None and self.vcenter.extract:
            observations.at = "extract"
            return self._reschedule_collect(self._extract(session, observations))
        if claimed is not None:
            asked = observations.asked = self._bound_task(claimed, session.clock())
            self._read_task(session, asked, observations)
            status = observations.task.status if observations.task else None
            if status in UNFINISHED_TASK_STATUSES and not self._is_deadline_over(asked):
                return self._reschedule_poll(asked)
        observations.at = "hosts"
        observations.hosts = session.hosts(cluster)
        observations.at = "report"
        try:
            observations.reply = session.installed_images(cluster)
        except NoReport:
            later = self.reschedule_unproven(observations, after)
            if later is None:
                raise
            return later
        return observations.reply

    def follow_up(self, report: Report, after: LogState, observations: Observations) -> None:
        """Compare a report with the inventory, and ask the vCenter what it leaves open.

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
        missing = list_missing_hosts(report, listed, after, asked=observations.is_of_own_extraction)
        if missing:
            observations.at = "hosts"
            moved = {host.id for host in session.find_hosts(missing)}
            observations.hidden_hosts = tuple(
                InventoryEntry(host, report.names[host], "", None) for host in missing if host not in moved
            )
        observations.is_compared = True
        if report.status == ELIGIBILITY_CHECK_FAILURE:
            observations.managed_by_image = session.managed_by_image(cluster)
        self._read_machines(session, after, observations)

    def _read_machines(self, session: VCenterSession, after: LogState, observations: Observations) -> None:
        """Read which machines the hosts are, so that each is known before it leaves.

        The list of hosts says it since vCenter 9.0. Else it is asked for as seldom as ``list_hosts_to_ask``
        says; what is read then counts more than what was known. Whatever fails, a check can do without; a
        notice says so.
        """
        known, hosts = find_known_machines(after), observations.hosts or ()
        uuids = known["uuids"] | {host.id: host.uuid for host in hosts if host.uuid is not None}
        observations.machines = {**known, "uuids": uuids}
        now = self.runtime.clock()
        unlisted = (host.id for host in hosts if host.uuid is None)
        asked = list_hosts_to_ask(observations.machines, unlisted, now)
        if not asked:
            return
        read: dict[str, str] = {}
        try:
            with hold_unforeseen(f"the reading of UUIDs of hosts on {self.vcenter.name}"):
                read = session.host_uuids(asked)
            silent = [host.name for host in hosts if host.id in {*asked} - read.keys() and host.is_connected]
            why = f"the vCenter gives none of {join_names(silent)}" if silent else ""
        except OutOfTime:
            observations.notices.append(describe_unasked_uuids(known))
            return  # They are due all the same at the next check.
        except (*VCENTER_FAILURES, InternalError) as error:
            why = error.message
        observations.machines = {
            "uuids": uuids | {host: read.get(host, uuids.get(host)) for host in asked},
            "asked_at": format_time(now),
        }
        if why:
            observations.notices.append(f"{UNREAD_UUIDS}: {why}")

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

    def _read_task(self, session: VCenterSession, asked: TaskRequest, observations: Observations) -> None:
        """Read the task that is waited for, and judge from when on a report is what was asked for.

        The message may name any task. Only the vCenter can say that one extracts this cluster and began
        since the run asked for it: that it is ours, or as good as ours. If it does not say so, the task's
        start can only make the report that is waited for newer.
        """
        submitted_at = parse_time(asked["submitted_at"])
        if asked["id"] is None:
            observations.began_at = None if self._is_deadline_over(asked) else submitted_at
            return
        observations.at = "task"
        task = observations.task = session.task(asked["id"])
        start = task.start_time if task else None
        is_own = task is not None and task.extracts == self.request["cluster"]
        observations.is_proven = is_own and start is not None and start >= self._find_floor(session.clock())
        is_later = observations.is_proven or (start is not None and start > submitted_at)
        observations.began_at = start if is_later else submitted_at

    def _find_floor(self, clock: ClockFacts | None) -> datetime:
        """Find the time by the vCenter's clock (``clock``, as it is now) before which nobody had asked."""
        ahead = timedelta(seconds=clock["skew_seconds"] if clock else 0)
        return min(parse_time(self.request["requested_at"]), self.runtime.clock()) + ahead - MAX_CLOCK_STEP

    def _bound_task(self, claimed: TaskRequest, clock: ClockFacts | None) -> TaskRequest:
        """Bound what a message says of its extraction by the record of its run.

        It was submitted after the run asked for it, and is not waited for longer than one that begins now,
        nor less long than one that began when the run asked: who ends the wait early has no answer yet. If
        the run asked in what is the future by now, our clock was set back: then so many tries are made.
        """
        now, limit = self.runtime.clock(), timedelta(seconds=self.vcenter.extract_deadline_seconds)
        asked_at, floor = parse_time(self.request["requested_at"]), self._find_floor(clock)
        ceiling = floor + max(now - asked_at, timedelta(0)) + 2 * MAX_CLOCK_STEP
        submitted_at, deadline_at = parse_time(claimed["submitted_at"]), parse_time(claimed["deadline_at"])
        busy = claimed["busy"]
        latest = max(asked_at + limit, min(deadline_at, now + limit))
        if asked_at - now > MAX_CLOCK_STEP:
            latest = now if claimed["polls"] >= MAX_POLL_DOUBLINGS else now + limit
        return {
            **claimed,
            "submitted_at": format_time(submitted_at if floor <= submitted_at <= ceiling else floor),
            "deadline_at": format_time(latest),
            "busy": busy and clean_text(busy, MAX_SENTENCE_CHARACTERS),
        }

    def _is_deadline_over(self, asked: TaskRequest) -> bool:
        return self.runtime.clock() >= parse_time(asked["deadline_at"])

    def reschedule_unproven(self, observations: Observations, after: LogState) -> Reschedule | None:
        """Build the request to look again, as long as no fresh report came and nothing proves that none will.

        What proves it is the end of the extraction's own task, or the deadline. A message that names no
        such task would else have its request answered without a look, before the extraction is done.

        Args:
            observations: What was seen.
            after: The log's state that the check began from.

        Returns:
            The request; None if there is nothing to wait for.
        """
        asked = observations.asked
        if asked is None or observations.is_proven or self._is_deadline_over(asked):
            return None
        if asked["id"] is None and not is_waiting_for_other(asked, after):
            return None
        return self._reschedule_poll(asked)

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
        """Build the request to ask again after ``task``, which is bounded; each pause is longer."""
        polls = task["polls"] + 1
        delay = self.vcenter.first_delay_seconds * 2 ** min(polls, MAX_POLL_DOUBLINGS)
        seed = f"{self.request['request_id']} {polls}"
        return Reschedule(
            {**self.request, "phase": "collect", "task": {**task, "polls": polls}},
            add_jitter(min(delay, MAX_POLL_DELAY_SECONDS), seed),
        )


def is_waiting_for_other(
    asked: TaskRequest | None, after: LogState, doubt: timedelta = DATE_RESOLUTION
) -> bool:
    """Say whether another extraction kept the cluster busy and its report was not taken since.

    If that is another run of ours, its report serves both.

    Args:
        asked: The extraction that is waited for; it has no id where the cluster was busy.
        after: The log's state, which says when the report taken last was completed.
        doubt: A report that was completed so soon after counts as one from before. ``NO_DOUBT``
            where somebody is to be told that the cluster stayed busy.
    """
    taken = after["last_taken"]
    if asked is None or asked["id"] is not None:
        return False
    return taken is None or parse_time(taken["completion_time"]) < parse_time(asked["submitted_at"]) + doubt


def build_task_facts(observations: Observations) -> TaskFacts | None:
    """Build what the record keeps of the extraction that was waited for; None if there was none."""
    asked, task = observations.asked, observations.task
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
