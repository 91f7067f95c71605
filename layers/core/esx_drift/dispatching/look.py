"""What a run of the dispatcher sees of one vCenter, as the draft of a record in the vCenter's own log."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from esx_drift.dispatching.asking import Listing, ask
from esx_drift.dispatching.clusters import ClusterLogs
from esx_drift.domain.dispatching.known import unseen
from esx_drift.domain.dispatching.listing import Reconciled, reconcile, retired_by_pattern
from esx_drift.domain.dispatching.overdue import seen_since
from esx_drift.domain.dispatching.retrying import UNWATCHED, comes_back, is_ailing, pause_seconds
from esx_drift.domain.dispatching.run import Run, blank_dispatch, chosen, expected_in
from esx_drift.domain.fleets.fleet import VCenter
from esx_drift.domain.images.release import release_of, upgraded
from esx_drift.domain.judging.clock import CLOCK_SKEWED, skewed
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.findings import Settled, Tested, settle
from esx_drift.domain.names import VCENTER_LOG, request_id
from esx_drift.domain.record import Heading, blank_record
from esx_drift.domain.shapes import After, Dispatch, FailedCluster, Json, Record, ResolvedBecause
from esx_drift.domain.telling.event import Told, events_of
from esx_drift.domain.times import text_of
from esx_drift.errors import VCENTER_FAILURES, OutOfTime, SecretInvalid, VCenterFailure
from esx_drift.failing import condition_of, disproved_by, failure_of, is_blind, too_slow
from esx_drift.log import Draft, Turn
from esx_drift.ports import Store, Topic, VCenters


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
            listing = ask(self.vcenters, self.vcenter.name, turn.after["instance_uuid"])
        except (*VCENTER_FAILURES, SecretInvalid) as error:
            record = self._unlisted(turn, heading, error)
        except OutOfTime as error:
            record = self._unlisted(turn, heading, too_slow(error, heading.started_at, self.clock()))
        else:
            record = self._listed(turn, heading, listing)
        return self._draft(turn, record)

    def _unlisted(self, turn: Turn, heading: Heading, error: VCenterFailure | SecretInvalid) -> Record:
        """The record of a vCenter that shows nothing to go by: every cluster known is named as failed."""
        before, now = turn.after, self.clock()
        blind_since = before["blind_since"] or text_of(now)
        last_seen = before["last_look_at"] or blind_since
        condition = condition_of(error, critical=is_blind(last_seen, now, self.vcenter.blind_after_seconds))
        unwatched = unseen(before["clusters"] or {}, self.vcenter)
        detail: dict[str, Json] = {UNWATCHED: len(unwatched), "last_look_at": before["last_look_at"]}
        told = replace(condition, detail={**condition.detail, **detail})
        settled = self._settle(before, [told], disproved_by(error) | {told.kind}, now, {})
        after: After = {**_settled(before, settled), "blind_since": blind_since}
        failure, confirm_after = failure_of(error, "listing", "vcenter"), self.vcenter.confirm_after_seconds
        pause = pause_seconds(confirm_after, failure, self.request_id)
        dispatch: Dispatch = {
            **blank_dispatch(self.run),
            "failed": self._chosen(unwatched),
            "retry_after_seconds": pause if comes_back(before, after, self.run.attempt) else None,
        }
        return {
            **blank_record(heading, "not-dispatched", now, after),
            "failure": failure,
            "findings": settled.told,
            "dispatch": dispatch,
        }

    def _listed(self, turn: Turn, heading: Heading, listing: Listing) -> Record:
        before, now = turn.after, self.clock()
        reconciled = reconcile(self.vcenter, listing.clusters, before["clusters"] or {}, now)
        seen_at = self._seen_since(before, now)
        logs, findings = ClusterLogs(self.store, self.topic, self.vcenter.name), before["findings"]
        late = logs.overdue(reconciled, findings.values(), seen_at, now, self.check_interval_hours)
        conditions = [
            *skewed(listing.clock),
            *logs.untold(reconciled.conditions, findings),
            *(late if self.run.is_whole else ()),
        ]
        tested = reconciled.tested | ({CLOCK_SKEWED} if listing.clock else frozenset())
        retired = retired_by_pattern(reconciled, findings)
        settled = self._settle(before, conditions, tested, now, retired)
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
            "expected": expected_in(
                self.run, self.vcenter.name, self._due(before, reconciled), listing.clusters
            ),
            "excluded": reconciled.excluded,
            "missing": reconciled.missing,
            "standalone_hosts": listing.standalone_hosts,
        }
        return {
            **blank_record(heading, "dispatched", now, after),
            "about": listing.about,
            "clock": listing.clock,
            "findings": settled.told,
            "notices": [
                *listing.notices,
                *upgraded(self.vcenter.name, listing.about, before["notices"]),
                *reconciled.notices,
            ],
            "dispatch": dispatch,
        }

    def _due(self, before: After, reconciled: Reconciled) -> dict[str, str]:
        """The clusters to be checked. Where checkers met an outage of which nothing is seen, only theirs are.

        They come back by themselves. If all were asked for, a vCenter that fails now and then would have to
        extract its whole fleet again and again.
        """
        is_asked_by_checkers = self.run.trigger == "retry" and self.run.attempt == 0
        return {} if is_asked_by_checkers and not is_ailing(before) else reconciled.expected

    def _seen_since(self, before: After, now: datetime) -> str:
        if self.run.is_whole:
            return seen_since(before, now, timedelta(hours=self.check_interval_hours))
        return before["first_look_at"] or text_of(now)

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
