"""The checker's other job: write a person's decision into the log, by the same steps as a check."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from esx_drift.domain.deciding import Effect, accept, accept_vcenter, retire, retire_from
from esx_drift.domain.event import Told, events_of
from esx_drift.domain.names import VCENTER_LOG, next_request_id
from esx_drift.domain.record import Heading, blank_record
from esx_drift.domain.shapes import CheckRequest, Decision, Record
from esx_drift.errors import RequestRefused
from esx_drift.log import Draft, Log, Turn
from esx_drift.ports import Store, Topic

type Carry = Callable[[Turn], Effect]


@dataclass(frozen=True, slots=True)
class Decider:
    """The job, with the world it works in."""

    store: Store
    topic: Topic
    fleet_sha256: str
    clock: Callable[[], datetime]
    code_version: str

    def handle(self, request: CheckRequest) -> Record:
        """The record that answers the request; a retired cluster is struck off its vCenter's list as well.

        Raises ``RequestRefused`` for an action that this version does not know.
        """
        decision = request["decision"]
        if decision is None or request["action"] not in {"accept", "retire"}:
            raise RequestRefused(f"this version cannot do {request['action']!r}")
        if request["action"] == "accept":
            return self._append(
                request, request["cluster"], "accepted", decision, self._accept(request, decision)
            )
        record = self._append(
            request, request["cluster"], "retired", decision, lambda turn: retire(turn.after)
        )
        second: CheckRequest = {
            **request,
            "request_id": next_request_id(request["request_id"], "off the vCenter's list"),
        }
        self._append(second, VCENTER_LOG, "retired", decision, self._strike_off(request["cluster"]))
        return record

    def _accept(self, request: CheckRequest, decision: Decision) -> Carry:
        if request["cluster"] == VCENTER_LOG:
            return lambda turn: accept_vcenter(turn.after, decision)

        def carry(turn: Turn) -> Effect:
            stored = turn.after["snapshot"]
            snapshot = self.store.snapshot(stored["key"]) if stored else None
            return accept(turn.after, decision, snapshot, stored["key"] if stored else "")

        return carry

    def _strike_off(self, cluster: str) -> Carry:
        return lambda turn: retire_from(turn.after, cluster, self.clock())

    def _append(
        self,
        request: CheckRequest,
        log: str,
        outcome: Literal["accepted", "retired"],
        decision: Decision,
        carry: Carry,
    ) -> Record:
        def look(turn: Turn) -> Draft:
            effect = carry(turn)
            record = self._record(request, log, outcome, turn, effect)
            return self._told(
                {
                    **record,
                    "findings": effect.findings,
                    "decision": {
                        "by": decision["by"],
                        "reason": decision["reason"],
                        "shown_at": decision["shown_at"],
                        "instance_uuid": decision["instance_uuid"],
                        "taken": effect.taken,
                        "refused": effect.refused,
                    },
                }
            )

        return Log(self.store, self.topic, request["vcenter"], log).append(request["request_id"], look).record

    def _record(
        self,
        request: CheckRequest,
        log: str,
        outcome: Literal["accepted", "retired"],
        turn: Turn,
        effect: Effect,
    ) -> Record:
        now = self.clock()
        heading = Heading(
            vcenter=request["vcenter"],
            cluster=log,
            cluster_name=None if log == VCENTER_LOG else request["cluster_name"],
            seq=turn.seq,
            request_id=request["request_id"],
            run_id=request["run_id"],
            started_at=now,
            code_version=self.code_version,
            fleet_sha256=self.fleet_sha256,
        )
        record = blank_record(heading, outcome, now, effect.after)
        return {**record, "coverage": effect.after["coverage"], "snapshot": effect.after["snapshot"]}

    def _told(self, record: Record) -> Draft:
        name = record["cluster_name"]
        after = record["after"]
        told = Told(
            vcenter=record["vcenter"],
            cluster=None if name is None else {"id": record["cluster"], "name": name},
            check_id=record["check_id"],
            checked_at=record["checked_at"],
            outcome=record["outcome"],
            record=self.store.uri(record["vcenter"], record["cluster"], record["seq"]),
            extracted_at=after["last_taken"]["completion_time"] if after["last_taken"] else None,
            since=after["last_look_at"],
            coverage=record["coverage"],
            findings=record["findings"],
        )
        return Draft({**record, "events": events_of(told)})
