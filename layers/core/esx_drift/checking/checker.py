"""The checker's job: answer one message of the CheckQueue by one record.

Longer than 250 lines, because what a check comes to, and what is asked for then, is read together.
"""

from copy import replace
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from esx_drift.checking.collect import ClusterReader, Observations
from esx_drift.checking.comparison import seal_report
from esx_drift.checking.context import (
    CheckContext,
    DispatchRecords,
    close_former_findings,
    restart_position,
)
from esx_drift.checking.fresh_report import FreshReport
from esx_drift.checking.no_observation import (
    draft_for_failure,
    draft_for_future_report,
    draft_for_invalid_report,
    draft_for_old_report,
    draft_for_other_report,
)
from esx_drift.contracts import list_unknown_fields, read_document
from esx_drift.domain.acceptance import expire_accepted
from esx_drift.domain.dispatching.run import (
    build_retry_request,
    choose_pause_seconds,
    make_checker_run_id,
)
from esx_drift.domain.findings.extraction import Freshness, FreshnessLimits, judge_freshness
from esx_drift.domain.findings.kinds import HELD_BACK_KINDS
from esx_drift.domain.findings.update import asks_for_later_look, begins_suspicion
from esx_drift.domain.findings.vcenter_failures import (
    build_slow_vcenter_failure,
    find_failure_kind,
    is_reported_by_vcenter,
)
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.host_history import HostIndex, is_of_other_cluster
from esx_drift.domain.images.consistency import list_document_inconsistencies
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.stored.identifiers import compute_sha256, make_next_attempt_id
from esx_drift.domain.stored.types import CheckRequest, Failure, Finding, LogState, Record
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import (
    HIDDEN_HOSTS_FACT,
    VCENTER_FAILURES,
    ContractViolation,
    EsxDriftError,
    InternalError,
    LoginRefused,
    LoginSuspended,
    OutOfTime,
    RequestRefused,
    SecretInvalid,
    TrailDamaged,
    VCenterReplaced,
)
from esx_drift.journal import Draft, Journal, Position, RecordedAnswer, Reschedule
from esx_drift.ports import ReportReply, Runtime
from esx_drift.unforeseen import hold_unforeseen

LOGIN_FAILURES = (LoginRefused, LoginSuspended, SecretInvalid)


class ClusterCheck(Struct, frozen=True):
    """One check of one cluster: the look that answers one request."""

    runtime: Runtime
    vcenter: VCenterSettings
    request: CheckRequest
    former: tuple[Finding, ...] = ()
    """What was open before this log began anew."""
    host_index: HostIndex = field(default_factory=dict)
    """What this process has read of other logs."""

    def __call__(self, position: Position) -> Draft | Reschedule:
        """Look at the cluster: the draft of a record, or what to ask for when the vCenter is not done."""
        started_at, observations = self.runtime.clock(), Observations()
        reader = ClusterReader(self.runtime, self.vcenter, self.request)
        try:
            with hold_unforeseen(f"the look at {self.request['cluster']} on {self.vcenter.name}"):
                reply = reader.collect(position.after, observations)
                if isinstance(reply, Reschedule):
                    return reply
                context = self._build_context(position, observations, started_at)
                return self._draft_report(context, reader, reply)
        except (*VCENTER_FAILURES, SecretInvalid, ContractViolation, InternalError) as error:
            if isinstance(error, VCenterReplaced) and self._is_accepted(error.facts["now"]):
                anew = replace(self, former=close_former_findings(position))
                return anew(restart_position(position, error.facts["now"]))
            return self._draft_failure(self._build_context(position, observations, started_at), error)
        except OutOfTime as error:
            slow = build_slow_vcenter_failure(error, started_at, self.runtime.clock())
            return self._draft_failure(self._build_context(position, observations, started_at), slow)

    def _draft_failure(self, context: CheckContext, error: EsxDriftError) -> Draft:
        return draft_for_failure(context, error, self._choose_log(context, error))

    def _draft_report(
        self, context: CheckContext, reader: ClusterReader, reply: ReportReply
    ) -> Draft | Reschedule:
        """Draft the record of a report, or ask again where a fresh one may yet come.

        Raises:
            VCENTER_FAILURES: The vCenter was asked more about it, and that failed.
        """
        later = reader.reschedule_unproven(context.observations, context.after)
        try:
            document = _read_reply(reply)
        except ContractViolation as error:
            return later or draft_for_invalid_report(context, reply, error)
        report = read_report(document)
        if is_of_other_cluster(report, context.observations.inventory):
            return later or draft_for_other_report(context, reply, report)
        freshness = self._judge_freshness(context, reply, report)
        if freshness == "fresh" or (freshness == "same" and self._shows_otherwise(context, reply, report)):
            reader.follow_up(report, context.after, context.observations)
            clock_notices = self._list_clock_notices(context, reply)
            notices = [*list_unknown_fields(document), *clock_notices, *context.observations.notices]
            inconsistencies = list_document_inconsistencies(document)
            return FreshReport(context, reply, report, notices, inconsistencies).build_draft()
        if freshness == "future":
            return later or draft_for_future_report(context, reply, report)
        if later is None and freshness == "same" and self._is_decided_by_list(context):
            reader.follow_up(report, context.after, context.observations)
        return later or draft_for_old_report(context, reply, report, freshness)

    def _shows_otherwise(self, context: CheckContext, reply: ReportReply, report: Report) -> bool:
        """Whether a report of the same moment as the last one shows other software: the time may be forged.

        The order in which a vCenter lists hosts and parts may differ, and says nothing.
        """
        taken = context.after["last_taken"]
        if taken is None or taken["raw_sha256"] == compute_sha256(reply.body):
            return False
        return seal_report(context, report).shows_otherwise

    def _is_decided_by_list(self, context: CheckContext) -> bool:
        """Whether hosts are suspected to be hidden, and no report will come that shows it better."""
        kinds = {suspect["kind"] for suspect in context.after["suspects"].values()}
        return not self.vcenter.extract and not HELD_BACK_KINDS.isdisjoint(kinds)

    def _build_context(
        self, position: Position, observations: Observations, started_at: datetime
    ) -> CheckContext:
        now = self.runtime.clock()
        current = replace(position, after=expire_accepted(position.after, now))
        return CheckContext(
            self.runtime,
            self.vcenter,
            self.request,
            current,
            observations,
            started_at,
            now,
            self.former,
            self.host_index,
        )

    def _open_vcenter_journal(self) -> Journal:
        return Journal(self.runtime.store, self.runtime.topic, self.vcenter.name)

    def _is_accepted(self, instance_uuid: str) -> bool:
        """Whether the vCenter that answers is the one that its own log knows."""
        return self._open_vcenter_journal().read_state()["instance_uuid"] == instance_uuid

    def _choose_log(self, context: CheckContext, error: EsxDriftError) -> Literal["vcenter", "cluster"]:
        """What is the vCenter's as a whole is left to its own log, which the dispatcher keeps.

        Unless a second try meets it again, and that log knows nothing: then it would go untold. From then on
        every check that meets it counts, also where the message of the next try is lost.
        """
        observations = context.observations
        vcenter_state = self._open_vcenter_journal().read_state()
        is_reported = is_reported_by_vcenter(error, self.request["cluster"], vcenter_state)
        if isinstance(error, LOGIN_FAILURES):
            # A token that expired is replaced by a login, in the middle of any call.
            observations.at = "login"
        if observations.at == "login" or isinstance(error, VCenterReplaced):
            kind = find_failure_kind(error)
            is_reported = is_reported or _is_first_meeting(context.after, kind, self.request)
        return "vcenter" if is_reported else "cluster"

    def _judge_freshness(self, context: CheckContext, reply: ReportReply, report: Report) -> Freshness:
        return judge_freshness(report.completion_time, reply.date, self._build_limits(context))

    def _build_limits(self, context: CheckContext) -> FreshnessLimits:
        taken = context.after["last_taken"]
        return FreshnessLimits(
            asked_at=context.observations.began_at,
            taken_at=parse_time(taken["completion_time"]) if taken else None,
            max_age_seconds=self.vcenter.max_age_seconds,
        )

    def _list_clock_notices(self, context: CheckContext, reply: ReportReply) -> list[str]:
        """List the notice that the vCenter's clock was set back, where it was."""
        taken = context.after["last_taken"]
        if taken is None or not self._build_limits(context).is_set_back(reply.date):
            return []
        said = (
            f"the vCenter's clock says {format_time(reply.date)}, and said {taken['completion_time']} before"
        )
        return [f"{said}, when a report was completed: it was set back, or was ahead then"]


def _read_reply(reply: ReportReply) -> Document:
    if reply.cut:
        most = len(reply.body)
        raise ContractViolation(
            f"the report is too large: more than {most} bytes. Its beginning is kept in quarantine",
            (f": expected at most {most} bytes, got more",),
        )
    return read_document(reply.body)


class Checker(Struct, frozen=True):
    """Answers requests of the CheckQueue, each by one record in its cluster's log.

    Attributes:
        runtime: What it works with.
        own_role_ids: The unique ids of the functions' roles, whose sessions decide nothing.
        host_index: What this process has read of logs, to be handed to the next invocation's checker.
        dispatches: The records by which runs asked for checks, each read once an invocation.
    """

    runtime: Runtime
    own_role_ids: tuple[str, ...]
    host_index: HostIndex = field(default_factory=dict)
    dispatches: dict[tuple[str, int], Record] = field(default_factory=dict)

    def handle(self, request: CheckRequest, sender_id: str | None) -> Record | None:
        """Answer a request.

        Args:
            request: The message.
            sender_id: Who sent it, as SQS says; None if SQS does not say. It counts for a decision alone:
                of a check the record of its run says all.

        Returns:
            The record; None if the check is asked for again: the vCenter is not done, or the record of its
            run can't be read any more, so that the dispatcher lists the vCenter anew.

        Raises:
            RequestRefused: The fleet does not know the vCenter, no run asked for the check, or somebody else
                sent the decision than who is said to have decided.
            TransientError: AWS failed; the same message, delivered again, goes on from there.
        """
        vcenter = self.runtime.fleet.vcenter(request["vcenter"])
        if vcenter is None:
            raise RequestRefused(f"the fleet file has no vCenter called {request['vcenter']!r}")
        if request["action"] != "check":
            from esx_drift.checking.record_decision import (  # noqa: PLC0415  # a check starts faster without it
                DecisionRecorder,
            )

            return DecisionRecorder(self.runtime, vcenter, self.own_role_ids).handle(request, sender_id)
        try:
            request = DispatchRecords(self.runtime, self.dispatches).require_dispatched(request)
        except TrailDamaged:
            # Nothing vouches for the message. Which clusters there are, and their names, says the vCenter.
            self._ask_for_listing(request, 1, TrailDamaged.reason)
            return None
        check = ClusterCheck(self.runtime, vcenter, request, host_index=self.host_index)
        rules = self.runtime.fleet.rules
        journal = Journal(self.runtime.store, self.runtime.topic, vcenter.name, request["cluster"], rules)
        answer = journal.append(
            request["request_id"],
            parse_time(request["requested_at"]),
            check,
            lambda answer: self._try_again(vcenter, request, answer, journal),
        )
        if isinstance(answer, Reschedule):
            self.runtime.queue.send_check(answer.request, answer.delay_seconds)
            return None
        return answer.record

    def _try_again(
        self, vcenter: VCenterSettings, request: CheckRequest, answer: RecordedAnswer, journal: Journal
    ) -> None:
        """See to it that a first suspicion is tried again soon; repeated, it asks for what was not answered.

        What is the vCenter's as a whole is for the dispatcher to look at, at once. Where that finds an outage
        that has ended, it asks for all clusters; where it finds none, just those come back that met one.
        """
        record, following = answer.record, self._build_next_attempt(vcenter, request)
        failure = record["failure"]
        if failure is not None and _is_wide(failure):
            self._ask_for_listing(request, 0, failure["reason"])
        is_asked = failure is not None and _is_suspected(record, failure, request)
        if is_asked or asks_for_later_look(record, request["attempt"]):
            pause = choose_pause_seconds(vcenter.confirm_after_seconds, failure, request["request_id"])
            # Whether hosts are hidden, a look shows as soon as it is one of an extraction after the first.
            delay = 0 if begins_suspicion(record) else pause
            asked_at = parse_time(record["checked_at"])
            if not answer.repeated or journal.find_answer(following["request_id"], asked_at) is None:
                self.runtime.queue.send_check(following, delay)

    def _ask_for_listing(self, request: CheckRequest, attempt: int, reason: str) -> None:
        """Ask the dispatcher to list the vCenter at once; ``attempt`` is 0 where a check of it failed."""
        run_id = make_checker_run_id(request["run_id"] or "", request["attempt"])
        self.runtime.queue.send_retry(
            build_retry_request(request["vcenter"], run_id, attempt, reason, request["dispatch_seq"]), 0
        )

    def _build_next_attempt(self, vcenter: VCenterSettings, request: CheckRequest) -> CheckRequest:
        attempt = request["attempt"] + 1
        return {
            **request,
            "request_id": make_next_attempt_id(request["request_id"], attempt),
            "requested_at": format_time(self.runtime.clock()),
            "phase": "extract" if vcenter.extract else "collect",
            "attempt": attempt,
            "task": None,
        }


def _is_first_meeting(log: LogState, kind: str, request: CheckRequest) -> bool:
    """Whether what is the vCenter's as a whole is met by a check by schedule, and nothing of it is known.

    Where the ``log`` of the cluster suspects or tells the ``kind``, there is a chain of tries already, or one
    came to its end.
    """
    known = (*log["suspects"].values(), *log["findings"].values())
    return request["attempt"] == 0 and all(one["kind"] != kind for one in known)


def _is_wide(failure: Failure) -> bool:
    """Whether the failure is the vCenter's as a whole."""
    return failure["at"] == "login" or failure["reason"] == VCenterReplaced.reason


def _is_suspected(record: Record, failure: Failure, request: CheckRequest) -> bool:
    """Whether the failure is a suspicion that waits to be met once more.

    One that a check before has met already is being tried again: it takes no second chain of attempts.
    """
    if _is_wide(failure) and _is_first_meeting(record["after"], failure["reason"], request):
        return True
    if failure["told_by"] == "vcenter" or HIDDEN_HOSTS_FACT in failure["facts"]:
        return False
    suspects = [one for one in record["after"]["suspects"].values() if one["kind"] == failure["reason"]]
    return any(request["attempt"] or one["count"] == 1 for one in suspects)
