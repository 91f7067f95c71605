"""What a run of the dispatcher sees of one vCenter, as the draft of a record in the vCenter's own log."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from esx_drift.domain.condition import Condition
from esx_drift.domain.event import Told, events_of
from esx_drift.domain.findings import Settled, Tested, settle
from esx_drift.domain.fleet import VCenter
from esx_drift.domain.kinds import LISTING_KINDS
from esx_drift.domain.listing import Reconciled, overdue, reconcile, unseen
from esx_drift.domain.names import VCENTER_LOG, request_id
from esx_drift.domain.record import Heading, blank_record
from esx_drift.domain.shapes import (
    About,
    After,
    Dispatch,
    ExpectedCluster,
    Json,
    Outcome,
    Record,
)
from esx_drift.domain.times import text_of
from esx_drift.errors import VCENTER_FAILURES, SecretInvalid, VCenterFailure
from esx_drift.failing import condition_of, failure_of, is_blind, refuse_replaced
from esx_drift.log import Draft, Log, Turn
from esx_drift.ports import Store, Topic, VCenters

type Trigger = Literal["schedule", "retry", "direct"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the dispatcher. ``selected``: just these clusters (ids or names), by vCenter.

    ``attempt`` counts the dispatcher's own retries of a vCenter; a retry that a checker asks for is number 0.
    """

    id: str
    trigger: Trigger
    selected: Mapping[str, tuple[str, ...]] | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a vCenter answered."""

    about: About
    clusters: dict[str, str]
    standalone_hosts: int


@dataclass(frozen=True, slots=True)
class DispatchLook:
    """The look at one vCenter within one run."""

    vcenters: VCenters
    store: Store
    topic: Topic
    vcenter: VCenter
    run: Run
    fleet_sha256: str
    check_interval_hours: int
    clock: Callable[[], datetime]
    code_version: str

    @property
    def request_id(self) -> str:
        """The same for the same run, however often it is repeated."""
        return request_id(self.run.id, self.vcenter.name, VCENTER_LOG)

    def __call__(self, turn: Turn) -> Draft:
        """List the vCenter's clusters; a vCenter that fails makes a draft as well."""
        started_at = self.clock()
        heading = Heading(
            vcenter=self.vcenter.name,
            cluster=VCENTER_LOG,
            cluster_name=None,
            seq=turn.seq,
            request_id=self.request_id,
            run_id=self.run.id,
            started_at=started_at,
            code_version=self.code_version,
            fleet_sha256=self.fleet_sha256,
        )
        try:
            listing = self._list(turn.after["instance_uuid"])
        except (*VCENTER_FAILURES, SecretInvalid) as error:
            record = self._unlisted(turn, heading, error)
        else:
            record = self._listed(turn, heading, listing)
        return self._draft(turn, record)

    def _list(self, known_uuid: str | None) -> Listing:
        session = self.vcenters.session(self.vcenter.name)
        about = session.about()
        refuse_replaced(self.vcenter.name, known_uuid, about)
        clusters = {cluster.id: cluster.name for cluster in session.clusters()}
        return Listing(about, clusters, session.standalone_hosts())

    def _unlisted(self, turn: Turn, heading: Heading, error: VCenterFailure | SecretInvalid) -> Record:
        """The record of a vCenter that shows nothing to go by: every cluster known is named as failed."""
        now = self.clock()
        blind = is_blind(turn.after["last_look_at"], now, self.vcenter.blind_after_seconds)
        condition = condition_of(error, critical=blind)
        failed = unseen(turn.after["clusters"] or {}, self.vcenter)
        unwatched: dict[str, Json] = {
            "clusters_unwatched": len(failed),
            "last_look_at": turn.after["last_look_at"],
        }
        told = replace(condition, detail={**condition.detail, **unwatched})
        settled = self._settle(turn.after, [told], frozenset({told.kind}), now)
        after: After = {**turn.after, "findings": settled.findings, "suspects": settled.suspects}
        record = blank_record(heading, "not-dispatched", now, after)
        dispatch = self._dispatch(expected=[], standalone_hosts=None)
        comes_back = self.run.attempt > 0 or (self.run.selected is None and not _ailing(turn.after))
        retry = min(self.vcenter.confirm_after_seconds, 900) if comes_back else None
        return {
            **record,
            "failure": failure_of(error, "listing", "vcenter"),
            "findings": settled.told,
            "dispatch": {**dispatch, "failed": failed, "retry_after_seconds": retry},
        }

    def _listed(self, turn: Turn, heading: Heading, listing: Listing) -> Record:
        now = self.clock()
        reconciled = reconcile(self.vcenter, listing.clusters, turn.after["clusters"] or {}, now)
        conditions = [*reconciled.conditions, *self._overdue(reconciled, now)]
        settled = self._settle(turn.after, conditions, LISTING_KINDS, now)
        after: After = {
            **turn.after,
            "instance_uuid": listing.about["instance_uuid"],
            "first_look_at": turn.after["first_look_at"] or text_of(now),
            "last_look_at": text_of(now),
            "clusters": reconciled.known,
            "findings": settled.findings,
            "suspects": settled.suspects,
        }
        record = blank_record(heading, "dispatched", now, after)
        dispatch = self._dispatch(self._expected(reconciled, listing), listing.standalone_hosts)
        return {
            **record,
            "about": listing.about,
            "findings": settled.told,
            "notices": reconciled.notices,
            "dispatch": {**dispatch, "excluded": reconciled.excluded, "missing": reconciled.missing},
        }

    def _expected(self, reconciled: Reconciled, listing: Listing) -> list[ExpectedCluster]:
        chosen = self._chosen(reconciled.expected)
        return [
            {
                "cluster": cluster,
                "name": name,
                "request_id": request_id(self.run.id, self.vcenter.name, cluster),
                "listed": cluster in listing.clusters,
            }
            for cluster, name in chosen.items()
        ]

    def _chosen(self, expected: Mapping[str, str]) -> Mapping[str, str]:
        if self.run.selected is None:
            return expected
        wanted = self.run.selected[self.vcenter.name]
        return {cluster: name for cluster, name in expected.items() if cluster in wanted or name in wanted}

    def _overdue(self, reconciled: Reconciled, now: datetime) -> list[Condition]:
        limit = timedelta(hours=3 * self.check_interval_hours)
        logs = {
            cluster: Log(self.store, self.topic, self.vcenter.name, cluster).after()
            for cluster in reconciled.expected
            if self.run.selected is None
        }
        return overdue(reconciled, logs, now - limit)

    def _settle(
        self, after: After, conditions: Iterable[Condition], kinds: frozenset[str], now: datetime
    ) -> Settled:
        chosen = self.run.selected is not None
        tested = Tested(
            now=now,
            kinds=kinds - {"cluster-missing", "check-overdue"} if chosen else kinds,
            confirm_after_seconds=self.vcenter.confirm_after_seconds,
            counts=not chosen,
        )
        counted = [one for one in conditions if not chosen or one.kind != "cluster-missing"]
        return settle(after["findings"], after["suspects"], counted, tested, {})

    def _dispatch(self, expected: list[ExpectedCluster], standalone_hosts: int | None) -> Dispatch:
        return {
            "run_id": self.run.id,
            "trigger": self.run.trigger,
            "selected": self.run.selected is not None,
            "expected": expected,
            "excluded": [],
            "missing": [],
            "failed": [],
            "standalone_hosts": standalone_hosts,
            "retry_after_seconds": None,
        }

    def _draft(self, turn: Turn, record: Record) -> Draft:
        outcome: Outcome = record["outcome"]
        told = Told(
            vcenter=self.vcenter.name,
            cluster=None,
            check_id=record["check_id"],
            checked_at=record["checked_at"],
            outcome=outcome,
            record=self.store.uri(self.vcenter.name, VCENTER_LOG, record["seq"]),
            findings=record["findings"],
            since=turn.after["last_look_at"],
        )
        return Draft({**record, "events": events_of(told)})


def _ailing(after: After) -> bool:
    """Whether the vCenter failed before already, so that a retry of it is under way."""
    suspected = {suspect["kind"] for suspect in after["suspects"].values()}
    open_kinds = {finding["kind"] for finding in after["findings"].values()}
    return bool((suspected | open_kinds) & (LISTING_KINDS - {"cluster-missing", "check-overdue"}))
