"""The checker's other job: write a person's decision into the log, by the same steps as a check."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from esx_drift.checking.baseline import BaselineReader
from esx_drift.domain.decisions import (
    DecisionEffect,
    accept_hosts,
    accept_replaced_vcenter,
    close_retired_cluster,
    is_listed,
    refuse_to_retire,
    strike_off_cluster,
)
from esx_drift.domain.dispatching.follow_up_requests import build_retire_requests
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_next_request_id
from esx_drift.domain.stored.records import RecordHeading, build_blank_record
from esx_drift.domain.stored.types import CheckRequest, Decision, Record
from esx_drift.errors import RequestRefused
from esx_drift.journal import Draft, Journal, Position
from esx_drift.messages.events import CheckResult, build_events
from esx_drift.ports import Queue, Store, Topic

type ApplyDecision = Callable[[Position, datetime], DecisionEffect]
"""What a decision does to a log, at a time."""


@dataclass(frozen=True, slots=True)
class DecisionRecorder:
    """The job, with the world it works in."""

    store: Store
    topic: Topic
    queue: Queue
    vcenter: VCenterSettings
    fleet_sha256: str
    clock: Callable[[], datetime]
    code_version: str

    def handle(self, request: CheckRequest) -> Record:
        """The record that answers the request, in the log that it names.

        A retired cluster is struck off its vCenter's list first; an accepted vCenter has those that it
        replaced retired. Raises ``RequestRefused`` for an action that this version does not know, and for a
        cluster that nobody ever looked at.
        """
        decision = request["decision"]
        if decision is None or request["action"] not in {"accept", "retire"}:
            raise RequestRefused(f"this version cannot do {request['action']!r}")
        writing = _Writing(self, request, decision)
        if request["action"] == "retire":
            return self._retire(writing)
        if request["cluster"] == VCENTER_LOG:
            return self._accept_vcenter(writing)
        return writing.append("accepted", lambda turn, _: self._accepted(turn, request, decision))

    def _accepted(self, turn: Position, request: CheckRequest, decision: Decision) -> DecisionEffect:
        if turn.after["snapshot"] is None:
            raise RequestRefused(f"nobody has looked at {request['cluster']} of {request['vcenter']} yet")
        baseline = BaselineReader(self.store, request["vcenter"], request["cluster"]).read(turn.after)
        for blob in baseline.blobs:
            self.store.put_blob(blob.key, blob.body)
        return accept_hosts(baseline.state, decision, baseline.snapshot, baseline.key)

    def _accept_vcenter(self, writing: "_Writing") -> Record:
        record = writing.append(
            "accepted", lambda turn, now: accept_replaced_vcenter(turn.after, writing.decision, now)
        )
        for request in build_retire_requests(record, self.clock()):
            self.queue.send_check(request, 0)
        return record

    def _retire(self, writing: "_Writing") -> Record:
        cluster, decision = writing.request["cluster"], writing.decision
        struck = self._struck_off(writing)

        def carry(turn: Position, _: datetime) -> DecisionEffect:
            if not struck:
                return refuse_to_retire(turn.after, cluster)
            stored = turn.after["snapshot"]
            snapshot = self.store.snapshot(stored["key"]) if stored and turn.after["findings"] else None
            return close_retired_cluster(turn.after, cluster, decision, snapshot)

        return writing.append("retired", carry)

    def _struck_off(self, writing: "_Writing") -> bool:
        """Whether the vCenter's list no longer has the cluster among those to be watched."""
        cluster, striking = writing.request["cluster"], writing.for_vcenter()
        log = Journal(self.store, self.topic, self.vcenter.name)
        known = log.read_state()["clusters"] or {}
        if cluster not in known:
            raise RequestRefused(f"{self.vcenter.name} never listed a cluster {cluster!r}")
        if known[cluster]["retired_at"] and log.find_answer(striking.request["request_id"]) is None:
            return True
        left_out = find_excluding_pattern(self.vcenter, cluster, known[cluster]["name"]) is not None

        def carry(turn: Position, now: datetime) -> DecisionEffect:
            if is_listed(turn.after, cluster) and not left_out:
                return refuse_to_retire(turn.after, cluster)
            return strike_off_cluster(turn.after, cluster, striking.decision, now)

        record = striking.append("retired", carry)
        return record["decision"] is not None and cluster in record["decision"]["taken"]


@dataclass(frozen=True, slots=True)
class _Writing:
    """One decision on its way into the log that its request names."""

    decider: DecisionRecorder
    request: CheckRequest
    decision: Decision

    def for_vcenter(self) -> "_Writing":
        """The same decision, for the vCenter's own log."""
        why = "off the vCenter's list"
        request: CheckRequest = {
            **self.request,
            "request_id": make_next_request_id(self.request["request_id"], why),
            "cluster": VCENTER_LOG,
        }
        return _Writing(self.decider, request, self.decision)

    def append(self, outcome: Literal["accepted", "retired"], carry: ApplyDecision) -> Record:
        """The record; the one that is there if the request was answered before."""

        def look(turn: Position) -> Draft:
            now = self.decider.clock()
            effect = carry(turn, now)
            return self._told(turn, effect, self._record(turn, outcome, effect, now))

        log = Journal(
            self.decider.store, self.decider.topic, self.request["vcenter"], self.request["cluster"]
        )
        return log.append(self.request["request_id"], look).record

    def _record(
        self, turn: Position, outcome: Literal["accepted", "retired"], effect: DecisionEffect, now: datetime
    ) -> Record:
        heading = RecordHeading(
            vcenter=self.request["vcenter"],
            cluster=self.request["cluster"],
            cluster_name=None if self.request["cluster"] == VCENTER_LOG else self.request["cluster_name"],
            seq=turn.seq,
            request_id=self.request["request_id"],
            run_id=self.request["run_id"],
            started_at=now,
            code_version=self.decider.code_version,
            fleet_sha256=self.decider.fleet_sha256,
        )
        return {
            **build_blank_record(heading, outcome, now, effect.after),
            "findings": effect.findings,
            "snapshot": effect.after["snapshot"],
            "decision": {
                "by": self.decision["by"],
                "reason": self.decision["reason"],
                "shown_at": self.decision["shown_at"],
                "instance_uuid": self.decision["instance_uuid"],
                "taken": effect.taken,
                "refused": effect.refused,
            },
        }

    def _told(self, turn: Position, effect: DecisionEffect, record: Record) -> Draft:
        """With its events. Nobody looked, so that there is no coverage to tell."""
        name, taken = record["cluster_name"], turn.after["last_taken"]
        told = CheckResult(
            vcenter=record["vcenter"],
            cluster=None if name is None else {"id": record["cluster"], "name": name},
            check_id=record["check_id"],
            checked_at=record["checked_at"],
            outcome=record["outcome"],
            record=self.decider.store.uri(record["vcenter"], record["cluster"], record["seq"]),
            extracted_at=taken["completion_time"] if taken else None,
            since=turn.after["last_look_at"],
            findings=record["findings"],
            host_names=effect.host_names,
        )
        return Draft({**record, "events": build_events(told)})
