"""One check: who asked for it, and while it is being written down, what it saw and the record it becomes."""

from collections.abc import Iterable, Mapping
from copy import replace
from datetime import datetime, timedelta

from msgspec import Struct, field

from esx_drift.checking.collect import Observations, build_task_facts
from esx_drift.domain.dispatching.run import MAX_REQUEST_AGE
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.update import (
    CheckScope,
    FindingsUpdate,
    asks_for_later_look,
    update_findings,
)
from esx_drift.domain.findings.vcenter_failures import keep_lost_hosts
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.host_history import HostIndex
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_attempt_id, make_request_id
from esx_drift.domain.stored.records import (
    RecordHeading,
    build_clock_facts,
    build_empty_state,
    build_record,
    find_dispatched_cluster,
    list_new_notices,
    remember_notices,
)
from esx_drift.domain.stored.types import (
    CheckRequest,
    ClockFacts,
    Finding,
    FindingKind,
    LogState,
    Outcome,
    Record,
    ResolvedBecause,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import HIDDEN_HOSTS_FACT, RequestRefused
from esx_drift.journal import Blob, Draft, Journal, Position
from esx_drift.log_reader import LogReader
from esx_drift.ports import Runtime


class DispatchRecords(Struct, frozen=True):
    """The records by which runs asked for checks. What was read is in ``known``, by vCenter and number."""

    runtime: Runtime
    known: dict[tuple[str, int], Record]

    def require_dispatched(self, request: CheckRequest) -> CheckRequest:
        """Build a request of what the record of its run says: name, run, and when it was asked for.

        Raises:
            RequestRefused: No run asked for it, one of so long ago that others have since, or it is another
                attempt, and the one before asked for none.
            TrailDamaged: The record of its run can't be read any more.
        """
        record = self._find(request)
        expected = find_dispatched_cluster(record, request) if record else None
        if record is None or expected is None:
            raise RequestRefused(
                f"no run asked for check {request['request_id']} of {request['cluster']!r} on"
                f" {request['vcenter']}: whoever sent it is not esx-drift"
            )
        if self.runtime.clock() - parse_time(record["checked_at"]) > MAX_REQUEST_AGE:
            raise RequestRefused(
                f"check {request['request_id']} was asked for at {record['checked_at']}, too long ago: later"
                " runs have asked anew, so that the message may be deleted"
            )
        asked_by = record
        if request["attempt"] > 0:
            asked_by = self._require_attempt_before(request, expected["request_id"], record)
        return {
            **request,
            "cluster_name": expected["name"],
            "run_id": record["run_id"],
            "requested_at": asked_by["checked_at"],
            "dispatch_seq": record["seq"],
        }

    def _require_attempt_before(self, request: CheckRequest, first_id: str, dispatched: Record) -> Record:
        """Find the record of the attempt before, which has to be one that asks for another."""
        journal = Journal(self.runtime.store, self.runtime.topic, request["vcenter"], request["cluster"])
        id_before = make_attempt_id(first_id, request["attempt"] - 1)
        before = journal.find_answer(id_before, parse_time(dispatched["checked_at"]))
        if before is None or not (before["failure"] or asks_for_later_look(before, request["attempt"] - 1)):
            raise RequestRefused(
                f"attempt {request['attempt']} at a check of {request['cluster']!r} on {request['vcenter']}"
                " was never asked for: the attempt before left nothing to look at again"
            )
        return before

    def _find(self, request: CheckRequest) -> Record | None:
        vcenter, seq = request["vcenter"], request.get("dispatch_seq")
        if seq is None:
            run_request = make_request_id(request["run_id"] or "", vcenter, VCENTER_LOG)
            # A message of the version before, which came soon after the record of its run.
            since = parse_time(request["requested_at"]) - timedelta(hours=1)
            return Journal(self.runtime.store, self.runtime.topic, vcenter).find_answer(run_request, since)
        if (vcenter, seq) not in self.known:
            record = LogReader(self.runtime.store, vcenter, VCENTER_LOG).find_record(seq)
            if record is None:
                return None
            self.known[vcenter, seq] = record
        return self.known[vcenter, seq]


def build_heading(runtime: Runtime, request: CheckRequest, seq: int, started_at: datetime) -> RecordHeading:
    """Build the heading of the record that answers a request.

    Args:
        runtime: What the check works with.
        request: The request; one about a vCenter as a whole has no cluster's name.
        seq: The record's number in its log.
        started_at: When the check began.
    """
    cluster = request["cluster"]
    return {
        "vcenter": request["vcenter"],
        "cluster": cluster,
        "cluster_name": None if cluster == VCENTER_LOG else request["cluster_name"],
        "seq": seq,
        "request_id": request["request_id"],
        "run_id": request["run_id"],
        "started_at": format_time(started_at),
        "code_version": runtime.code_version,
        "stack": runtime.stack,
        "fleet_sha256": runtime.fleet_sha256,
    }


def restart_position(position: Position, instance_uuid: str) -> Position:
    """Build the position of a first look in the same log, at the vCenter that was accepted.

    Of ``position`` the number and the answered requests stay; ``instance_uuid`` is the accepted vCenter's.
    """
    answered = position.after["answered"]
    return Position(
        {**build_empty_state(), "answered": answered, "instance_uuid": instance_uuid}, position.seq
    )


def close_former_findings(position: Position) -> tuple[Finding, ...]:
    """Close the findings of the former cluster, without their hosts: the ids now belong to other hosts."""
    return tuple(
        {**finding, "transition": "resolved", "resolved_because": "retired", "hosts": []}
        for finding in position.after["findings"].values()
    )


class CheckContext(Struct, frozen=True):
    """All that the drafts of one check have in common.

    ``former``: findings that end with this check. ``host_index``: what this process read of other logs.
    """

    runtime: Runtime
    vcenter: VCenterSettings
    request: CheckRequest
    position: Position
    observations: Observations
    started_at: datetime
    now: datetime
    former: tuple[Finding, ...] = ()
    host_index: HostIndex = field(default_factory=dict)

    @property
    def after(self) -> LogState:
        """Return the state that the check began from."""
        return self.position.after

    def update_findings(
        self,
        conditions: Iterable[Condition],
        kinds: frozenset[FindingKind],
        because: Mapping[str, ResolvedBecause],
    ) -> FindingsUpdate:
        """Update the findings with the conditions of this check.

        Args:
            conditions: What the check met.
            kinds: The kinds that it looked for; findings of other kinds stay as they are.
            because: Why findings end that end for another reason than being mended, by fingerprint.
        """
        scope = CheckScope(self.now, keep_lost_hosts(kinds, self.after), self.vcenter.confirm_after_seconds)
        held = map(self._hold_back, conditions)
        openings = self.after.get("turns", {})
        return update_findings(self.after["findings"], self.after["suspects"], held, scope, because, openings)

    def _hold_back(self, condition: Condition) -> Condition:
        """Hold what is said of hidden hosts back until a check meets it that was asked for after the first.

        Hosts that left while their cluster was extracted stand in that report, too, and in no list. A report
        that is not of our own extraction decides neither way, but for a host that was gone before it. Where
        nothing is extracted no better one will come: there it decides.
        """
        is_of_host = condition.kind == "host-hidden"
        if not is_of_host and HIDDEN_HOSTS_FACT not in condition.detail:
            return condition
        suspect = self.after["suspects"].get(condition.fingerprint)
        if not self.observations.is_of_own_extraction:
            was_gone = is_of_host and suspect is None
            return replace(condition, is_pending=self.vcenter.extract and not was_gone)
        is_later = suspect is not None and suspect["first_at"] <= self.request["requested_at"]
        return replace(condition, is_pending=not is_later)

    def build_record(self, outcome: Outcome, after: LogState, notices: Iterable[str] = ()) -> Record:
        """Build the record of everything that was observed, with nothing compared yet.

        Args:
            outcome: How the check ended.
            after: The state of the log after it.
            notices: What is worth a notice; only those go in that the log does not know yet.
        """
        before, reported = self.after["notices"], list(notices)
        heading = build_heading(self.runtime, self.request, self.position.seq, self.started_at)
        moved: LogState = {**after, "notices": remember_notices(before, reported)}
        return {
            **build_record(heading, outcome, self.now, moved),
            "about": self.observations.about,
            "task": build_task_facts(self.observations),
            "clock": self._compare_clocks(),
            "notices": list_new_notices(before, reported),
        }

    def build_draft(
        self, record: Record, host_names: Mapping[str, str], blobs: tuple[Blob, ...] = ()
    ) -> Draft:
        """Build the draft of a record, with the former findings that end with this check.

        Args:
            record: The record, without its events.
            host_names: Names of the cluster's hosts by id, for the events; others may be among them.
            blobs: The objects that the record refers to.
        """
        findings = [*record["findings"], *self._list_ended(record["findings"])]
        return Draft({**record, "findings": findings}, self.after["last_look_at"], host_names, blobs)

    def _list_ended(self, findings: Iterable[Finding]) -> list[Finding]:
        """The former findings, but for those that hold anew: under the same name they were never over."""
        names = {finding["fingerprint"] for finding in findings}
        return [finding for finding in self.former if finding["fingerprint"] not in names]

    def _compare_clocks(self) -> ClockFacts | None:
        reply = self.observations.reply
        return None if reply is None else build_clock_facts(reply.date, self.now)
