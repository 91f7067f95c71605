"""What a run of the dispatcher sees of one vCenter, as the draft of a record in the vCenter's own log."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from esx_drift.domain.dispatching.listing import Reconciled, reconcile, retired_by_pattern, unseen
from esx_drift.domain.dispatching.overdue import OVERDUE_INTERVALS, overdue, seen_since
from esx_drift.domain.dispatching.retrying import UNWATCHED, comes_back_after_seconds
from esx_drift.domain.dispatching.run import Run, blank_dispatch, chosen, expected_in
from esx_drift.domain.fleets.fleet import VCenter
from esx_drift.domain.images.release import refuse_old, release_of, upgraded
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.findings import Settled, Tested, settle
from esx_drift.domain.names import VCENTER_LOG, request_id
from esx_drift.domain.record import Heading, blank_record
from esx_drift.domain.shapes import About, After, Dispatch, FailedCluster, Json, Record, ResolvedBecause
from esx_drift.domain.telling.event import Told, events_of
from esx_drift.domain.times import text_of, time_of
from esx_drift.errors import VCENTER_FAILURES, SecretInvalid, VCenterFailure
from esx_drift.failing import condition_of, failure_of, is_blind, refuse_replaced
from esx_drift.log import Draft, Log, Turn
from esx_drift.ports import Store, Topic, VCenters


@dataclass(frozen=True, slots=True)
class Listing:
    """What a vCenter answered; ``clusters`` maps ids to names."""

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
        heading = Heading(
            vcenter=self.vcenter.name,
            cluster=VCENTER_LOG,
            cluster_name=None,
            seq=turn.seq,
            request_id=self.request_id,
            run_id=self.run.id,
            started_at=self.clock(),
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
        refuse_old(self.vcenter.name, about)
        clusters = {cluster.id: cluster.name for cluster in session.clusters()}
        return Listing(about, clusters, session.standalone_hosts())

    def _unlisted(self, turn: Turn, heading: Heading, error: VCenterFailure | SecretInvalid) -> Record:
        """The record of a vCenter that shows nothing to go by: every cluster known is named as failed."""
        before, now = turn.after, self.clock()
        blind_since = before["blind_since"] or text_of(now)
        last_seen = before["last_look_at"] or blind_since
        condition = condition_of(error, critical=is_blind(last_seen, now, self.vcenter.blind_after_seconds))
        unwatched = unseen(before["clusters"] or {}, self.vcenter)
        detail: dict[str, Json] = {UNWATCHED: len(unwatched), "last_look_at": before["last_look_at"]}
        told = replace(condition, detail={**condition.detail, **detail})
        settled = self._settle(before, [told], frozenset({told.kind}), now, {})
        after: After = {**_settled(before, settled), "blind_since": blind_since}
        dispatch: Dispatch = {
            **blank_dispatch(self.run),
            "failed": self._chosen(unwatched),
            "retry_after_seconds": comes_back_after_seconds(
                before, after, self.run.attempt, self.vcenter.confirm_after_seconds
            ),
        }
        return {
            **blank_record(heading, "not-dispatched", now, after),
            "failure": failure_of(error, "listing", "vcenter"),
            "findings": settled.told,
            "dispatch": dispatch,
        }

    def _listed(self, turn: Turn, heading: Heading, listing: Listing) -> Record:
        before, now = turn.after, self.clock()
        reconciled = reconcile(self.vcenter, listing.clusters, before["clusters"] or {}, now)
        seen_at = self._seen_since(before, now)
        conditions = [*reconciled.conditions, *self._overdue(reconciled, before, seen_at, now)]
        retired = retired_by_pattern(reconciled, before["findings"])
        settled = self._settle(before, conditions, reconciled.tested, now, retired)
        after: After = {
            **_settled(before, settled),
            "instance_uuid": listing.about["instance_uuid"],
            "first_look_at": seen_at,
            "last_look_at": text_of(now),
            "blind_since": None if self.run.is_whole else before["blind_since"],
            "clusters": reconciled.known,
            # What a later listing must know to tell of an upgrade.
            "notices": [release_of(listing.about)],
        }
        dispatch: Dispatch = {
            **blank_dispatch(self.run),
            "expected": expected_in(self.run, self.vcenter.name, reconciled.expected, listing.clusters),
            "excluded": reconciled.excluded,
            "missing": reconciled.missing,
            "standalone_hosts": listing.standalone_hosts,
        }
        return {
            **blank_record(heading, "dispatched", now, after),
            "about": listing.about,
            "findings": settled.told,
            "notices": [
                *upgraded(self.vcenter.name, listing.about, before["notices"]),
                *reconciled.notices,
            ],
            "dispatch": dispatch,
        }

    def _seen_since(self, before: After, now: datetime) -> str:
        if self.run.is_whole:
            return seen_since(before, now, timedelta(hours=self.check_interval_hours))
        return before["first_look_at"] or text_of(now)

    def _overdue(self, reconciled: Reconciled, before: After, seen_at: str, now: datetime) -> list[Condition]:
        limit = now - OVERDUE_INTERVALS * timedelta(hours=self.check_interval_hours)
        told = {one["subject"] for one in before["findings"].values() if one["kind"] == "check-overdue"}
        logs = {
            cluster: Log(self.store, self.topic, self.vcenter.name, cluster).after()
            for cluster in reconciled.since(limit)
            if self.run.is_whole and (cluster in told or time_of(seen_at) < limit)
        }
        return overdue(reconciled.expected, logs, limit)

    def _chosen(self, clusters: list[FailedCluster]) -> list[FailedCluster]:
        names = {one["cluster"]: one["name"] for one in clusters}
        wanted = chosen(self.run, self.vcenter.name, names)
        return [one for one in clusters if one["cluster"] in wanted]

    def _settle(
        self,
        before: After,
        conditions: Iterable[Condition],
        kinds: frozenset[str],
        now: datetime,
        because: Mapping[str, ResolvedBecause],
    ) -> Settled:
        """The ledger; a run of chosen clusters only opens what is told at once, and resolves nothing.

        It dispatches just those clusters: the end of an outage is for a run that then dispatches all.
        """
        whole = self.run.is_whole
        tested = Tested(
            now=now,
            kinds=kinds if whole else frozenset(),
            confirm_after_seconds=self.vcenter.confirm_after_seconds,
            counts=whole,
        )
        counted = [one for one in conditions if whole or one.kind != "cluster-missing"]
        return settle(before["findings"], before["suspects"], counted, tested, because)

    def _draft(self, turn: Turn, record: Record) -> Draft:
        told = Told(
            vcenter=self.vcenter.name,
            cluster=None,
            check_id=record["check_id"],
            checked_at=record["checked_at"],
            outcome=record["outcome"],
            record=self.store.uri(self.vcenter.name, VCENTER_LOG, record["seq"]),
            findings=record["findings"],
            since=turn.after["last_look_at"],
        )
        return Draft({**record, "events": events_of(told)})


def _settled(before: After, settled: Settled) -> After:
    return {**before, "findings": settled.findings, "suspects": settled.suspects}
