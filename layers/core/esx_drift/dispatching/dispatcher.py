"""The dispatcher's job: list each vCenter by itself, write down what is to be checked there, then ask for it.

A run of the fleet only sends a message a vCenter to the RetryQueue. Each is answered by an invocation of its
own, so that no answer of a vCenter, however large or slow, ends the look at another one.

The record is the intention and comes before any request: a message that is delivered again after a crash
reads it back and sends the same requests again, under the same ids.

Longer than 250 lines, because what is sent, and what is not sent again, is read together.
"""

from contextlib import suppress
from datetime import datetime
from typing import Final

from aws_lambda_powertools import Logger
from msgspec import Struct

from esx_drift.dispatching.dispatch_vcenter import VCenterDispatch
from esx_drift.domain.dispatching.run import (
    MAX_REQUEST_AGE,
    MAX_SEARCHED_RECORDS,
    DispatchReply,
    Run,
    build_empty_reply,
    build_listing_request,
    build_replacing_run,
    build_retire_requests,
    build_retry_request,
    is_retry_of,
    list_failed_dispatches,
    read_listing_request,
)
from esx_drift.domain.findings.vcenter_failures import build_uncompleted_failure
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.stored.identifiers import VCENTER_LOG, is_derived_id, make_next_request_id
from esx_drift.domain.stored.records import build_check_request
from esx_drift.domain.stored.types import CheckRequest, Dispatch, ExpectedCluster, Record, RetryRequest
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import RequestRefused, TrailDamaged, TransientError
from esx_drift.journal import Journal, RecordedAnswer
from esx_drift.log_reader import LogReader
from esx_drift.ports import Runtime

logger = Logger(child=True)

MAX_UNTOLD_TRIES: Final = 2
"""One try that is not completed may be AWS's own trouble. After two, half an hour apart, it is told."""


class Dispatcher(Struct, frozen=True):
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
            dispatch = VCenterDispatch(self.runtime, vcenters[0], run)
            return self._dispatch(dispatch, self.runtime.clock(), repeat=True)
        reply, broken = build_empty_reply(run), list[str]()
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

    def handle(self, request: RetryRequest, *, receives: int) -> DispatchReply:
        """List one vCenter and dispatch its clusters, as a run or a retry asks for.

        Many checkers may ask for the same retry at once, and a repeated run for the same listing: the first
        message is answered, and the others are done with it. Only of one that was delivered before a try may
        have ended before it sent everything. Where two tries or more were not completed, that is told: by the
        last of them, with its reason, if it ended in order, else before the next.

        Args:
            request: The vCenter, the run that it failed in, and which attempt this is.
            receives: How often the message was delivered, this time included.

        Raises:
            RequestRefused: The fleet does not know the vCenter, or no record vouches for a retry.
            TransientError: AWS failed; the same message, delivered again, goes on from there.
        """
        vcenter = self._require_vcenter(request["vcenter"])
        dispatch, since = self._read_request(vcenter, request)
        if receives > MAX_UNTOLD_TRIES:
            self._tell_uncompleted(dispatch, since, receives - 1, None)
        try:
            return self._dispatch(dispatch, since, repeat=receives > 1)
        except TransientError as error:
            if receives >= MAX_UNTOLD_TRIES:
                # Where AWS fails this, too, the next try tells it: without the reason.
                with suppress(TransientError):
                    self._tell_uncompleted(dispatch, since, receives, error.message)
            raise

    def _read_request(
        self, vcenter: VCenterSettings, request: RetryRequest
    ) -> tuple[VCenterDispatch, datetime]:
        """Read which listing a message asks for, and since when its answer may be in the log.

        A run has no record before its vCenters are listed: that it is asked for, only its message says. It
        can't take the place of a retry, whose id is made of another.
        """
        run, now = read_listing_request(request), self.runtime.clock()
        if run.trigger != "retry":
            if is_derived_id(run.id):
                raise RequestRefused(f"{run.id} is no run's own id, but one that a retry would have")
            return VCenterDispatch(self.runtime, vcenter, run), now
        try:
            record = self._find_asking_record(vcenter.name, request)
        except TrailDamaged as damage:
            lost = build_replacing_run(vcenter.name, request["dispatch_seq"])
            return VCenterDispatch(self.runtime, vcenter, lost, (damage,)), now - MAX_REQUEST_AGE
        asked_at = parse_time(record["checked_at"]) if record else None
        if asked_at is None or now - asked_at > MAX_REQUEST_AGE:
            raise RequestRefused(
                f"no record of {vcenter.name} asks for the retry {run.id}, or one of more than"
                f" {MAX_REQUEST_AGE.days} days ago: later runs have listed it anew"
            )
        return VCenterDispatch(self.runtime, vcenter, run), asked_at

    def _find_asking_record(self, vcenter: str, request: RetryRequest) -> Record | None:
        """Find the record that asks for a retry: the one that it names, else one of the newest.

        Raises:
            TrailDamaged: The one that it names can't be read any more.
        """
        reader = LogReader(self.runtime.store, vcenter, VCENTER_LOG)
        records = reader.list_named(request.get("dispatch_seq"), MAX_SEARCHED_RECORDS)
        return next((record for record in records if is_retry_of(record, request)), None)

    def _tell_uncompleted(
        self, dispatch: VCenterDispatch, since: datetime, tries: int, reason: str | None
    ) -> None:
        """Write down, and tell, that tries to list a vCenter were not completed, if none left its record."""
        journal = self._open_journal(dispatch.vcenter)
        if journal.find_answer(dispatch.request_id, since) is None:
            # One record for so many tries, whoever tells it first.
            request_id = make_next_request_id(dispatch.request_id, f"unended {tries}")
            failure = build_uncompleted_failure(dispatch.vcenter.name, tries, reason)
            journal.append(
                request_id, since, lambda position: dispatch.draft_uncompleted(position, request_id, failure)
            )

    def _open_journal(self, vcenter: VCenterSettings) -> Journal:
        rules = self.runtime.fleet.rules
        return Journal(self.runtime.store, self.runtime.topic, vcenter.name, rules=rules)

    def _select_vcenters(self, run: Run) -> list[VCenterSettings]:
        chosen = run.vcenters if run.selected is None else tuple(run.selected)
        if chosen is None:
            return list(self.runtime.fleet.vcenters)
        return [self._require_vcenter(name) for name in chosen]

    def _require_vcenter(self, name: str) -> VCenterSettings:
        vcenter = self.runtime.fleet.vcenter(name)
        if vcenter is None:
            raise RequestRefused(f"the fleet file has no vCenter called {name!r}: nothing was dispatched")
        return vcenter

    def _dispatch(self, dispatch: VCenterDispatch, since: datetime, *, repeat: bool) -> DispatchReply:
        vcenter, run = dispatch.vcenter, dispatch.run
        reply = build_empty_reply(run)

        def send(answer: RecordedAnswer) -> None:
            intention = answer.record["dispatch"]
            if intention is not None and (repeat or not answer.repeated):
                _log_dispatch(answer.record, intention)
                self._send(vcenter, run, answer, intention, reply)

        # A run that comes again does so within hours: no message keeps it for longer.
        self._open_journal(vcenter).append(dispatch.request_id, since, dispatch, send)
        return reply

    def _send(
        self,
        vcenter: VCenterSettings,
        run: Run,
        answer: RecordedAnswer,
        dispatch: Dispatch,
        reply: DispatchReply,
    ) -> None:
        record = answer.record
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
            reason = record["failure"]["reason"]
            retry = build_retry_request(vcenter.name, run.id, run.attempt + 1, reason, record["seq"])
            if not (answer.repeated and self._is_answered(vcenter, retry, record)):
                self.runtime.queue.send_retry(retry, dispatch["retry_after_seconds"])
        for retirement in build_retire_requests(record, self.runtime.clock()):
            self.runtime.queue.send_check(retirement, 0)
        reply["failed"] += list_failed_dispatches(run, record, dispatch["expected"])

    def _is_answered(self, vcenter: VCenterSettings, retry: RetryRequest, asking: Record) -> bool:
        """Tell whether a retry came already: sent by each message that comes again, it would become many."""
        request_id = VCenterDispatch(self.runtime, vcenter, read_listing_request(retry)).request_id
        asked_at = parse_time(asking["checked_at"])
        return self._open_journal(vcenter).find_answer(request_id, asked_at) is not None

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
