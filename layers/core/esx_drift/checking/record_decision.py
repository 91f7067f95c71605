"""The checker's other job: write a person's decision into the log, by the same steps as a check.

Longer than 250 lines, because who may decide what, and how it is written, are read together.
"""

from collections.abc import Callable
from copy import replace
from datetime import datetime
from typing import Literal

from msgspec import Struct

from esx_drift.checking.baseline import BaselineReader
from esx_drift.checking.context import build_heading
from esx_drift.domain.acceptance import expire_accepted, list_differing_hosts
from esx_drift.domain.decisions import (
    DecisionEffect,
    accept_hosts,
    accept_replaced_vcenter,
    accept_trail_damage,
    build_recorded_decision,
    close_retired_cluster,
    decide_maintenance,
    find_retired_since,
    find_sender_fault,
    find_until_fault,
    is_listed,
    list_names_by_id,
    refuse_decision,
    strike_off_cluster,
)
from esx_drift.domain.dispatching.run import (
    MAX_REQUEST_AGE,
    MAX_SEARCHED_RECORDS,
    build_retire_requests,
    find_retire_request,
)
from esx_drift.domain.findings.kinds import PERSON_KINDS
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.identifiers import VCENTER_LOG, is_derived_id, make_next_request_id
from esx_drift.domain.stored.records import build_record
from esx_drift.domain.stored.types import CheckRequest, Decision, LogState, Record, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import RequestRefused, TrailDamaged
from esx_drift.journal import Blob, Draft, Journal, Position
from esx_drift.log_reader import LogReader
from esx_drift.ports import Runtime

type ApplyDecision = Callable[[Position, datetime], DecisionEffect]
"""What a decision does to a log, at a time."""


class DecisionRecorder(Struct, frozen=True):
    """Writes decisions about one vCenter and its clusters into their logs.

    ``own_role_ids``: the unique ids of the functions' roles. What they send decides nothing by itself.
    """

    runtime: Runtime
    vcenter: VCenterSettings
    own_role_ids: tuple[str, ...]

    def handle(self, request: CheckRequest, sender_id: str | None) -> Record:
        """Write a decision into the log that the request names, and return its record.

        A retired cluster is struck off its vCenter's list first; an accepted vCenter has those that it
        replaced retired.

        Args:
            request: The decision as it was sent.
            sender_id: Who sent it, as SQS says; None if SQS does not say.

        Raises:
            RequestRefused: The decision is not of that action, nobody ever looked at the cluster, or somebody
                else sent it than who is said to have decided.
            TrailDamaged: The record that asks for it can't be read any more.
        """
        decision = request["decision"]
        if decision is None or (request["action"] == "maintenance") is not ("maintenance" in decision):
            raise RequestRefused(f"its decision does not say what {request['action']!r} needs")
        request = self._require_vouched(request, decision, sender_id)
        writing = _Writing(self.runtime, request, decision, sender_id)
        if request["action"] == "retire":
            return self._retire(writing)
        if request["action"] == "maintenance":
            return self._maintain(writing)
        if request["cluster"] == VCENTER_LOG:
            return self._accept_vcenter(writing)
        return writing.append("accepted", lambda position, now: self._accept_hosts(position, writing, now))

    def _require_vouched(
        self, request: CheckRequest, decision: Decision, sender_id: str | None
    ) -> CheckRequest:
        """Give a request for which its sender answers, or one that a record asks for, whoever sent it."""
        asked = None if "user_id" in decision else self._find_retirement(request)
        if asked is not None:
            return asked
        fault = find_sender_fault(decision, sender_id, self.own_role_ids)
        if fault is None and is_derived_id(request["request_id"]):
            fault = "its id may be a check's, which would count as answered by it. Decide again"
        if fault is None:
            accepts_hosts = request["action"] == "accept" and request["cluster"] != VCENTER_LOG
            fault = find_until_fault(decision, self.runtime.clock(), accepts_hosts=accepts_hosts)
        if fault is not None:
            raise RequestRefused(
                f"{request['action']} {request['request_id']} of {request['cluster']!r} on"
                f" {self.vcenter.name} is not carried out: {fault}"
            )
        return request

    def _find_retirement(self, request: CheckRequest) -> CheckRequest | None:
        """Find what a record of the vCenter's own log asks for, where that is what the request is.

        Of the request nothing is believed but which record it means. One of long ago is done with.

        Raises:
            TrailDamaged: That record can't be read any more.
        """
        reader = LogReader(self.runtime.store, self.vcenter.name, VCENTER_LOG)
        records = reader.list_named(request.get("dispatch_seq"), MAX_SEARCHED_RECORDS)
        oldest = self.runtime.clock() - MAX_REQUEST_AGE
        recent = (record for record in records if parse_time(record["checked_at"]) >= oldest)
        found = (find_retire_request(record, request) for record in recent)
        return next((asked for asked in found if asked is not None), None)

    def _accept_hosts(self, position: Position, writing: "_Writing", now: datetime) -> DecisionEffect:
        request, decision = writing.request, writing.decision
        if writing.is_of_retired_cluster:
            return refuse_decision(position.after, decision["hosts"])
        if position.after["snapshot"] is None:
            raise RequestRefused(f"nobody has looked at {request['cluster']} of {request['vcenter']} yet")
        reader = BaselineReader(self.runtime.store, request["vcenter"], request["cluster"])
        baseline = reader.read(expire_accepted(position.after, now))
        if baseline is None:
            raise RequestRefused(f"{reader.damages[0].message}: restore its former version in S3 first")
        after, snapshot = baseline.state, baseline.snapshot
        differing = list_differing_hosts(snapshot, snapshot["hosts"], after["accepted"])
        images = reader.find_images([after["accepted"][host] for host in differing], snapshot["images"])
        shown = writing.list_shown_findings(position.after)
        effect = accept_hosts(after, decision, snapshot, baseline.key, now, shown, images)
        return replace(effect, objects={blob.key: blob.body for blob in baseline.blobs})

    def _accept_vcenter(self, writing: "_Writing") -> Record:
        decision = writing.decision
        if decision["instance_uuid"] is None:
            return writing.append(
                "accepted",
                lambda position, _: accept_trail_damage(
                    position.after, decision, writing.list_shown_findings(position.after)
                ),
            )
        record = writing.append(
            "accepted", lambda position, now: accept_replaced_vcenter(position.after, decision, now)
        )
        for request in build_retire_requests(record, self.runtime.clock()):
            self.runtime.queue.send_check(request, 0)
        return record

    def _maintain(self, writing: "_Writing") -> Record:
        cluster, decision = writing.request["cluster"], writing.decision

        def apply(position: Position, now: datetime) -> DecisionEffect:
            if writing.is_of_retired_cluster:
                return refuse_decision(position.after, [cluster])
            effect = decide_maintenance(position.after, cluster, decision, position.seq, now)
            snapshot = self._find_snapshot(position, cluster)
            return replace(effect, host_names=list_names_by_id(snapshot)) if snapshot else effect

        return writing.append("maintenance", apply)

    def _find_snapshot(self, position: Position, cluster: str) -> Snapshot | None:
        """Find the newest snapshot of a cluster, for its hosts' names; None where nothing is open on them."""
        reader = BaselineReader(self.runtime.store, self.vcenter.name, cluster)
        stored = position.after["snapshot"] if position.after["findings"] else None
        return reader.find_snapshot(stored["key"]) if stored else None

    def _retire(self, writing: "_Writing") -> Record:
        cluster, decision = writing.request["cluster"], writing.decision
        is_struck_off = self._strike_off(writing)

        def apply(position: Position, _: datetime) -> DecisionEffect:
            if not is_struck_off:
                return refuse_decision(position.after, [cluster])
            snapshot = self._find_snapshot(position, cluster)
            return close_retired_cluster(position.after, cluster, decision, snapshot)

        return writing.append("retired", apply)

    def _strike_off(self, writing: "_Writing") -> bool:
        """Whether the vCenter's list no longer has the cluster among those to be watched."""
        cluster, striking = writing.request["cluster"], writing.for_vcenter()
        clusters = striking.read_state()["clusters"] or {}
        if cluster not in clusters:
            raise RequestRefused(f"{self.vcenter.name} never listed a cluster {cluster!r}")
        if clusters[cluster]["retired_at"] and striking.find_answer() is None:
            return True
        left_out = find_excluding_pattern(self.vcenter, cluster, clusters[cluster]["name"]) is not None

        def apply(position: Position, now: datetime) -> DecisionEffect:
            if is_listed(position.after, cluster) and not left_out:
                return refuse_decision(position.after, [cluster])
            return strike_off_cluster(position.after, cluster, striking.decision, now)

        record = striking.append("retired", apply)
        return record["decision"] is not None and cluster in record["decision"]["taken"]


class _Writing(Struct, frozen=True):
    """One decision on its way into the log that its request names."""

    runtime: Runtime
    request: CheckRequest
    decision: Decision
    sender_id: str | None

    def for_vcenter(self) -> "_Writing":
        """The same decision, for the vCenter's own log."""
        why = "off the vCenter's list"
        request: CheckRequest = {
            **self.request,
            "request_id": make_next_request_id(self.request["request_id"], why),
            "cluster": VCENTER_LOG,
        }
        return _Writing(self.runtime, request, self.decision, self.sender_id)

    @property
    def is_of_retired_cluster(self) -> bool:
        """Whether the cluster is retired: nobody would look at what is decided on it."""
        state = self.for_vcenter().read_state()
        return find_retired_since(state, self.request["cluster"]) is not None

    @property
    def _journal(self) -> Journal:
        return Journal(
            self.runtime.store,
            self.runtime.topic,
            self.request["vcenter"],
            self.request["cluster"],
            self.runtime.fleet.rules,
        )

    @property
    def _requested_at(self) -> datetime:
        return parse_time(self.request["requested_at"])

    def read_state(self) -> LogState:
        """Read the state of the log that it goes into."""
        return self._journal.read_state()

    def list_shown_findings(self, after: LogState) -> frozenset[str]:
        """List the fingerprints of what was open in the record that the person was shown.

        It is read only where ``after``, the newest state, has damage open: what else is open is judged by
        the hosts. A record that can't be read showed nothing.
        """
        seq, findings = self.decision["shown_at"], after["findings"].values()
        if seq is None or all(finding["kind"] not in PERSON_KINDS for finding in findings):
            return frozenset()
        try:
            shown = LogReader(
                self.runtime.store, self.request["vcenter"], self.request["cluster"]
            ).find_record(seq)
        except TrailDamaged:
            return frozenset()
        return frozenset(shown["after"]["findings"]) if shown else frozenset()

    def find_answer(self) -> Record | None:
        """Find the record that it became; None if it was not written yet."""
        return self._journal.find_answer(self.request["request_id"], self._requested_at)

    def append(self, outcome: Literal["accepted", "retired", "maintenance"], apply: ApplyDecision) -> Record:
        """Append the record; one that answered the request before is returned as it is."""

        def observe(position: Position) -> Draft:
            now = self.runtime.clock()
            effect = apply(position, now)
            record = self._build_record(position, outcome, effect, now)
            return Draft(
                record,
                position.after["last_look_at"],
                effect.host_names,
                tuple(Blob(key, body) for key, body in effect.objects.items()),
                release_names=effect.release_names,
            )

        return self._journal.append(self.request["request_id"], self._requested_at, observe).record

    def _build_record(
        self,
        position: Position,
        outcome: Literal["accepted", "retired", "maintenance"],
        effect: DecisionEffect,
        now: datetime,
    ) -> Record:
        heading = build_heading(self.runtime, self.request, position.seq, now)
        return {
            **build_record(heading, outcome, now, effect.after),
            "findings": effect.findings,
            "snapshot": effect.after["snapshot"],
            "decision": build_recorded_decision(self.decision, self.sender_id, effect),
        }
