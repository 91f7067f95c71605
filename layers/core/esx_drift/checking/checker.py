"""The checker's job: answer one message of the CheckQueue by one record."""

from dataclasses import dataclass

from esx_drift.checking.check_cluster import ClusterCheck
from esx_drift.checking.record_decision import DecisionRecorder
from esx_drift.domain.dispatching.run import build_retry_request, choose_pause_seconds
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.stored.identifiers import make_next_request_id
from esx_drift.domain.stored.types import CheckRequest, Failure, Record
from esx_drift.domain.text.times import format_time
from esx_drift.errors import RequestRefused, VCenterReplaced
from esx_drift.journal import Journal, Reschedule
from esx_drift.ports import Runtime


@dataclass(frozen=True, slots=True)
class Checker:
    """The job."""

    runtime: Runtime

    def handle(self, request: CheckRequest) -> Record | None:
        """The record that answers the request; none if it was sent again, since the vCenter is not done.

        Raises ``RequestRefused`` for a vCenter that the fleet does not know, and ``TransientError`` where AWS
        failed: the same message, delivered again, goes on from there.
        """
        vcenter = self.runtime.fleet.vcenter(request["vcenter"])
        if vcenter is None:
            raise RequestRefused(f"the fleet file has no vCenter called {request['vcenter']!r}")
        if request["action"] != "check":
            return DecisionRecorder(self.runtime, vcenter).handle(request)
        look = ClusterCheck(self.runtime, vcenter, request)
        log = Journal(self.runtime.store, self.runtime.topic, vcenter.name, request["cluster"])
        answer = log.append(
            request["request_id"],
            look,
            lambda answer: self._reschedule_failed(vcenter, request, answer.record),
        )
        if isinstance(answer, Reschedule):
            self.runtime.queue.send_check(answer.request, answer.delay_seconds)
            return None
        return answer.record

    def _reschedule_failed(self, vcenter: VCenterSettings, request: CheckRequest, record: Record) -> None:
        """See to it that a first suspicion is tried again soon; repeated, it asks for the same again.

        What is the vCenter's as a whole is for the dispatcher to look at, at once. Where that finds an outage
        that has ended, it asks for all clusters; where it finds none, just those come back that met one.
        """
        failure, attempt = record["failure"], request["attempt"]
        if failure is None:
            return
        is_wide = failure["at"] == "login" or failure["reason"] == VCenterReplaced.reason
        if is_wide:
            run_id = request["run_id"] or request["request_id"]
            run_id = make_next_request_id(run_id, f"attempt {attempt}") if attempt else run_id
            self.runtime.queue.send_retry(build_retry_request(vcenter.name, run_id, 0, failure["reason"]), 0)
        if (is_wide and attempt == 0) or _is_suspected(record, failure):
            delay = choose_pause_seconds(vcenter.confirm_after_seconds, failure, request["request_id"])
            self.runtime.queue.send_check(self._build_next_attempt(vcenter, request), delay)

    def _build_next_attempt(self, vcenter: VCenterSettings, request: CheckRequest) -> CheckRequest:
        attempt = request["attempt"] + 1
        return {
            **request,
            "request_id": make_next_request_id(request["request_id"], f"attempt {attempt}"),
            "requested_at": format_time(self.runtime.clock()),
            "phase": "extract" if vcenter.extract else "collect",
            "attempt": attempt,
            "task": None,
        }


def _is_suspected(record: Record, failure: Failure) -> bool:
    """Whether the failure is a suspicion of this cluster's own that waits to be met once more."""
    suspected = {suspect["kind"] for suspect in record["after"]["suspects"].values()}
    return failure["told_by"] == "cluster" and failure["reason"] in suspected
