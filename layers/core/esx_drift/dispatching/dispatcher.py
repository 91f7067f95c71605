"""The dispatcher's job: list each vCenter by itself, write down what is to be checked there, then ask for it.

A run of the fleet only sends a message a vCenter to the RetryQueue. Each is answered by an invocation of its
own, so that no answer of a vCenter, however large or slow, ends the look at another one.

The record is the intention and comes before any request: a message that is delivered again after a crash
reads it back and sends the same requests again, under the same ids.
"""

from dataclasses import dataclass

from aws_lambda_powertools import Logger

from esx_drift.dispatching.dispatch_vcenter import VCenterDispatch
from esx_drift.domain.dispatching.run import (
    DispatchReply,
    Run,
    build_listing_request,
    build_retire_requests,
    build_retry_request,
    list_failed_dispatches,
    read_listing_request,
)
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import build_check_request
from esx_drift.domain.stored.types import CheckRequest, Dispatch, ExpectedCluster, Record, RetryRequest
from esx_drift.errors import RequestRefused, TransientError
from esx_drift.journal import Journal, RecordedAnswer
from esx_drift.ports import Runtime

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Asks for checks of the fleet's clusters."""

    runtime: Runtime

    def run(self, run: Run) -> DispatchReply:
        """Ask for each vCenter of a run to be listed by itself; the reply names them in that order.

        Chosen clusters of a single vCenter are dispatched at once: then the reply says what was.

        Raises:
            RequestRefused: The fleet does not know a vCenter; nothing was sent.
            TransientError: AWS failed for a vCenter; all others were tried. The same run finishes it.
        """
        vcenters = self._select_vcenters(run)
        if run.selected is not None and len(vcenters) == 1:
            return self._dispatch(vcenters[0], run, repeat=True)
        reply, broken = _build_empty_reply(run), list[str]()
        for vcenter in vcenters:
            try:
                self.runtime.queue.send_retry(build_listing_request(run, vcenter.name), 0)
            except TransientError as error:
                broken.append(f"{vcenter.name}: {error.message}")
            else:
                reply["asked"].append(vcenter.name)
        if broken:
            raise TransientError("run it again, not all was asked for:\n" + "\n".join(broken))
        return reply

    def handle(self, request: RetryRequest, *, redelivered: bool) -> DispatchReply:
        """List one vCenter and dispatch its clusters, as a run or a retry asks for.

        Many checkers may ask for the same retry at once, and a repeated run for the same listing: the first
        message is answered, and the others are done with it. Only one that was delivered before may have been
        cut off before it sent everything.

        Args:
            request: The vCenter, the run that it failed in, and which attempt this is.
            redelivered: Whether the message was delivered before: then all is sent again.

        Raises:
            RequestRefused: The fleet does not know the vCenter.
            TransientError: AWS failed; the same message, delivered again, goes on from there.
        """
        vcenter = self._require_vcenter(request["vcenter"])
        return self._dispatch(vcenter, read_listing_request(request), repeat=redelivered)

    def _select_vcenters(self, run: Run) -> list[VCenterSettings]:
        if run.selected is None:
            return list(self.runtime.fleet.vcenters)
        return [self._require_vcenter(name) for name in run.selected]

    def _require_vcenter(self, name: str) -> VCenterSettings:
        vcenter = self.runtime.fleet.vcenter(name)
        if vcenter is None:
            raise RequestRefused(f"the fleet file has no vCenter called {name!r}: nothing was dispatched")
        return vcenter

    def _dispatch(self, vcenter: VCenterSettings, run: Run, *, repeat: bool) -> DispatchReply:
        dispatch_vcenter = VCenterDispatch(self.runtime, vcenter, run)
        reply = _build_empty_reply(run)

        def send(answer: RecordedAnswer) -> None:
            dispatch = answer.record["dispatch"]
            if dispatch is not None and (repeat or not answer.repeated):
                _log_dispatch(answer.record, dispatch)
                self._send(vcenter, run, answer.record, dispatch, reply)

        journal = Journal(self.runtime.store, self.runtime.topic, vcenter.name)
        # A run that comes again does so within hours: no message keeps it for longer.
        journal.append(dispatch_vcenter.request_id, self.runtime.clock(), dispatch_vcenter, send)
        return reply

    def _send(
        self, vcenter: VCenterSettings, run: Run, record: Record, dispatch: Dispatch, reply: DispatchReply
    ) -> None:
        for expected in dispatch["expected"]:
            self.runtime.queue.send_check(self._build_request(vcenter, record, expected), 0)
            reply["dispatched"].append(
                {
                    "vcenter": vcenter.name,
                    "cluster": expected["cluster"],
                    "name": expected["name"],
                    "request_id": expected["request_id"],
                }
            )
        if dispatch["retry_after_seconds"] is not None and record["failure"] is not None:
            retry = build_retry_request(vcenter.name, run.id, run.attempt + 1, record["failure"]["reason"])
            self.runtime.queue.send_retry(retry, dispatch["retry_after_seconds"])
        for retirement in build_retire_requests(record, self.runtime.clock()):
            self.runtime.queue.send_check(retirement, 0)
        reply["failed"] += list_failed_dispatches(run, record, dispatch["expected"])

    def _build_request(
        self, vcenter: VCenterSettings, record: Record, expected: ExpectedCluster
    ) -> CheckRequest:
        return build_check_request(
            "check",
            expected["request_id"],
            record["run_id"],
            vcenter.name,
            (expected["cluster"], expected["name"]),
            self.runtime.clock(),
            extract=vcenter.extract,
            dispatch_seq=record["seq"],
        )


def _build_empty_reply(run: Run) -> DispatchReply:
    return {"run_id": run.id, "asked": [], "dispatched": [], "failed": []}


def _log_dispatch(record: Record, dispatch: Dispatch) -> None:
    """One line a vCenter: what the run meant to do, and what is new about the vCenter."""
    failure = record["failure"]
    logger.info(
        "vCenter dispatched" if failure is None else "vCenter not dispatched",
        run_id=record["run_id"],
        vcenter=record["vcenter"],
        cluster=VCENTER_LOG,
        seq=record["seq"],
        expected=len(dispatch["expected"]),
        excluded=len(dispatch["excluded"]),
        missing=len(dispatch["missing"]),
        notices=record["notices"],
        reason=failure["reason"] if failure else None,
        why=failure["message"] if failure else None,
        retry_after_seconds=dispatch["retry_after_seconds"],
    )
