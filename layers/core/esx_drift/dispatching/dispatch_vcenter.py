"""What a run of the dispatcher sees of one vCenter, as the draft of a record in the vCenter's own log.

Longer than 250 lines, because what was seen, what was not, and the record of both are read together.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta

from msgspec import Struct

from esx_drift.dispatching.vcenter_listing import ClusterLogs, VCenterListing, list_vcenter
from esx_drift.domain.dispatching.known_clusters import list_unwatched_clusters
from esx_drift.domain.dispatching.listing import ReconciledListing, list_retired_by_pattern, reconcile_listing
from esx_drift.domain.dispatching.overdue import (
    add_explanations,
    find_overdue_limit,
    find_seen_since,
    list_explanations,
    list_overdue_conditions,
)
from esx_drift.domain.dispatching.run import (
    CRITICAL_DETAIL,
    MAX_UNWATCHED_NAMES,
    NEXT_TRY_DETAIL,
    UNWATCHED_DETAIL,
    UNWATCHED_NAMES_DETAIL,
    Run,
    build_blank_dispatch,
    build_expected_clusters,
    choose_pause_seconds,
    is_ailing,
    is_retried,
    select_clusters,
)
from esx_drift.domain.events import OPENING_TRANSITIONS
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.kinds import CLOCK_KINDS, FINDING_KINDS
from esx_drift.domain.findings.update import CheckScope, FindingsUpdate, update_findings
from esx_drift.domain.findings.vcenter_failures import (
    build_failure,
    build_failure_condition,
    build_slow_vcenter_failure,
    is_blind,
    list_clock_conditions,
    list_kinds_ruled_out,
)
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import RecordHeading, build_record
from esx_drift.domain.stored.types import (
    Dispatch,
    FailedCluster,
    Finding,
    FindingKind,
    Json,
    LogState,
    Record,
    ResolvedBecause,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import clean_text
from esx_drift.domain.vcenter_api import list_upgrade_notices, name_vcenter_release
from esx_drift.errors import (
    UNENDED_FACT,
    VCENTER_FAILURES,
    EsxDriftError,
    InternalError,
    OutOfTime,
    SecretInvalid,
    TrailDamaged,
    VCenterError,
    VCenterFailure,
)
from esx_drift.journal import Draft, Position
from esx_drift.ports import Runtime
from esx_drift.unforeseen import hold_unforeseen


class VCenterDispatch(Struct, frozen=True):
    """The look at one vCenter within one run. ``damages``: what was found damaged on the way to it."""

    runtime: Runtime
    vcenter: VCenterSettings
    run: Run
    damages: tuple[TrailDamaged, ...] = ()

    @property
    def request_id(self) -> str:
        """The same for the same run, however often it is repeated."""
        return self.run.make_record_id(self.vcenter.name)

    def __call__(self, position: Position) -> Draft:
        """List the vCenter's clusters; a vCenter that fails makes a draft as well."""
        started_at = self.runtime.clock()
        heading = self._build_heading(position, self.request_id, started_at)
        vcenter, known_uuid = self.vcenter.name, position.after["instance_uuid"]
        logs = ClusterLogs(self.runtime, vcenter)
        try:
            with hold_unforeseen(f"the listing of {vcenter}"):
                listing = list_vcenter(self.runtime.vcenters, vcenter, known_uuid)
                record = self._build_listed_record(position, heading, listing, logs)
        except (*VCENTER_FAILURES, SecretInvalid, InternalError) as error:
            record = self._build_unlisted_record(position, heading, error)
        except OutOfTime as error:
            record = self._build_unlisted_record(
                position, heading, build_slow_vcenter_failure(error, started_at, self.runtime.clock())
            )
        return Draft(record, position.after["last_look_at"], damages=(*self.damages, *logs.damages))

    def draft_uncompleted(self, position: Position, request_id: str, failure: VCenterError) -> Draft:
        """Draft the record that tries to list the vCenter were not completed, before it is tried again.

        Nobody else can say so: a function that is killed writes nothing. It takes no part in the count of
        failures met twice, since the queue counted, and begins no chain of retries, since its message comes
        back by itself.

        Args:
            position: Where the log stands.
            request_id: The request that this record answers.
            failure: How many were not completed, and why.
        """
        heading = self._build_heading(position, request_id, self.runtime.clock())
        record = self._build_unlisted_record(position, heading, failure)
        return Draft(record, position.after["last_look_at"])

    def _build_heading(self, position: Position, request_id: str, started_at: datetime) -> RecordHeading:
        return {
            "vcenter": self.vcenter.name,
            "cluster": VCENTER_LOG,
            "cluster_name": None,
            "seq": position.seq,
            "request_id": request_id,
            "run_id": self.run.id,
            "started_at": format_time(started_at),
            "code_version": self.runtime.code_version,
            "stack": self.runtime.stack,
            "fleet_sha256": self.runtime.fleet_sha256,
        }

    def _build_unlisted_record(
        self,
        position: Position,
        heading: RecordHeading,
        error: VCenterFailure | SecretInvalid | InternalError,
    ) -> Record:
        """Build the record of a vCenter that was not listed: every cluster known is named as failed."""
        before, now = position.after, self.runtime.clock()
        blind_since = before["blind_since"] or format_time(now)
        unwatched = list_unwatched_clusters(before["clusters"] or {}, self.vcenter)
        last_look_at = before["last_look_at"] or blind_since
        is_critical = is_blind(last_look_at, now, self.vcenter.blind_after_seconds)
        condition = _build_unlisted_condition(before, error, unwatched, critical=is_critical)
        ruled_out = list_kinds_ruled_out(error) | {condition.kind}
        update = self._update_findings(before, [condition], ruled_out, now, {})
        after: LogState = {**_apply_update(before, update), "blind_since": blind_since}
        failure = build_failure(error, "listing", "vcenter")
        pause = choose_pause_seconds(self.vcenter.confirm_after_seconds, failure, self.request_id)
        is_tried_again = UNENDED_FACT not in error.facts and is_retried(before, after, self.run.attempt)
        dispatch: Dispatch = {
            **build_blank_dispatch(self.run),
            "failed": self._select_chosen(unwatched),
            "retry_after_seconds": pause if is_tried_again else None,
        }
        outlook = self._build_outlook(
            last_look_at, now, dispatch["retry_after_seconds"], critical=is_critical
        )
        return {
            **build_record(heading, "not-dispatched", now, after),
            "failure": failure,
            "findings": [_add_outlook(finding, condition, outlook) for finding in update.transitions],
            "dispatch": dispatch,
        }

    def _build_outlook(
        self, last_look_at: str, now: datetime, pause: int | None, *, critical: bool
    ) -> dict[str, Json]:
        """Build what comes of a vCenter that stays away: its next try, and when that is critical."""
        outlook: dict[str, Json] = {}
        if pause is not None:
            outlook[NEXT_TRY_DETAIL] = format_time(now + timedelta(seconds=pause))
        if not critical:
            patience = timedelta(seconds=self.vcenter.blind_after_seconds)
            outlook[CRITICAL_DETAIL] = format_time(parse_time(last_look_at) + patience)
        return outlook

    def _list_conditions(
        self,
        before: LogState,
        listing: VCenterListing,
        reconciled: ReconciledListing,
        seen_at: str,
        logs: ClusterLogs,
        now: datetime,
    ) -> tuple[list[Condition], dict[str, str]]:
        """List what the listing, the clock and the clusters' own logs show to be wrong.

        Returns:
            The conditions, and by cluster why it is not looked at where that is known.
        """
        findings = before["findings"]
        reported = logs.drop_already_reported(reconciled.conditions, findings)
        if not self.run.is_whole:
            return [*list_clock_conditions(listing.clock), *reported], {}
        limit = find_overdue_limit(self.vcenter, now, timedelta(hours=self.runtime.check_interval_hours))
        states = logs.read_late_states(reconciled, findings.values(), seen_at, limit)
        overdue = list_overdue_conditions(reconciled.expected, states, limit)
        missing = {one.subject: one.summary for one in reported if one.kind == "cluster-missing"}
        explanations = {**list_explanations(states, limit), **missing}
        return [*list_clock_conditions(listing.clock), *reported, *overdue], explanations

    def _build_listed_record(
        self, position: Position, heading: RecordHeading, listing: VCenterListing, logs: ClusterLogs
    ) -> Record:
        before, now = position.after, self.runtime.clock()
        reconciled = reconcile_listing(self.vcenter, listing.clusters, before["clusters"] or {}, now)
        seen_at = self._find_seen_since(before, now)
        findings = before["findings"]
        conditions, explanations = self._list_conditions(before, listing, reconciled, seen_at, logs, now)
        ruled_out = reconciled.ruled_out_kinds | (CLOCK_KINDS if listing.clock else frozenset())
        retired = list_retired_by_pattern(reconciled, findings)
        update = self._update_findings(before, conditions, ruled_out, now, retired)
        after: LogState = {
            **_apply_update(before, update),
            "instance_uuid": listing.about["instance_uuid"],
            "first_look_at": seen_at,
            "last_look_at": format_time(now),
            "blind_since": None if self.run.is_whole else before["blind_since"],
            "clusters": reconciled.known,
            # What a later listing must know to tell of an upgrade.
            "notices": [name_vcenter_release(listing.about)],
        }
        dispatch: Dispatch = {
            **build_blank_dispatch(self.run),
            "expected": build_expected_clusters(
                self.run, self.vcenter.name, self._select_due(before, reconciled), listing.clusters
            ),
            "excluded": reconciled.excluded,
            "missing": reconciled.missing,
            "standalone_hosts": listing.standalone_hosts,
        }
        return {
            **build_record(heading, "dispatched", now, after),
            "about": listing.about,
            "clock": listing.clock,
            "findings": add_explanations(update.transitions, explanations),
            "notices": [
                *listing.notices,
                *list_upgrade_notices(self.vcenter.name, listing.about, before["notices"]),
                *reconciled.notices,
            ],
            "dispatch": dispatch,
        }

    def _select_due(self, before: LogState, reconciled: ReconciledListing) -> dict[str, str]:
        """The clusters to be checked. Where checkers met an outage of which nothing is seen, only theirs are.

        They come back by themselves. If all were asked for, a vCenter that fails now and then would have to
        extract its whole fleet again and again.
        """
        is_asked_by_checkers = self.run.trigger == "retry" and self.run.attempt == 0
        return {} if is_asked_by_checkers and not is_ailing(before) else reconciled.expected

    def _find_seen_since(self, before: LogState, now: datetime) -> str:
        if self.run.is_whole:
            return find_seen_since(before, now, timedelta(hours=self.runtime.check_interval_hours))
        return before["first_look_at"] or format_time(now)

    def _select_chosen(self, clusters: list[FailedCluster]) -> list[FailedCluster]:
        names = {cluster["cluster"]: cluster["name"] for cluster in clusters}
        wanted = select_clusters(self.run, self.vcenter.name, names)
        return [cluster for cluster in clusters if cluster["cluster"] in wanted]

    def _update_findings(
        self,
        before: LogState,
        conditions: Iterable[Condition],
        kinds: frozenset[FindingKind],
        now: datetime,
        because: Mapping[str, ResolvedBecause],
    ) -> FindingsUpdate:
        """Update the findings; a run of chosen clusters opens only what is told at once, and resolves none.

        It dispatches just those clusters: the end of an outage is for a run that then dispatches all.
        """
        whole = self.run.is_whole
        scope = CheckScope(
            now=now,
            kinds=kinds if whole else frozenset(),
            confirm_after_seconds=self.vcenter.confirm_after_seconds,
            counts=whole,
        )
        counted = [condition for condition in conditions if whole or condition.kind != "cluster-missing"]
        openings = before.get("turns", {})
        return update_findings(before["findings"], before["suspects"], counted, scope, because, openings)


def _build_unlisted_condition(
    before: LogState, error: EsxDriftError, unwatched: Sequence[FailedCluster], *, critical: bool
) -> Condition:
    """What holds of a vCenter that was not listed. Tries that were not completed were counted by their queue.

    Those are no reason for a chain of retries, as ``UNWATCHED_DETAIL`` would be: their message comes back.
    """
    condition = build_failure_condition(error, critical=critical)
    detail = {**condition.detail, "last_look_at": before["last_look_at"]}
    if UNENDED_FACT in error.facts:
        return replace(condition, detail=detail, confirm=False)
    names: list[Json] = [clean_text(cluster["name"]) for cluster in unwatched[:MAX_UNWATCHED_NAMES]]
    counted: dict[str, Json] = {UNWATCHED_DETAIL: len(unwatched), UNWATCHED_NAMES_DETAIL: names}
    return replace(condition, detail={**detail, **counted})


def _add_outlook(finding: Finding, condition: Condition, outlook: Mapping[str, Json]) -> Finding:
    """Add what comes of it to the finding of an outage that is news; what only a person ends, has none."""
    is_news = finding["fingerprint"] == condition.fingerprint and finding["transition"] in OPENING_TRANSITIONS
    if not is_news or FINDING_KINDS[condition.kind].severity != "warning":
        return finding
    return {**finding, "detail": {**finding["detail"], **outlook}}


def _apply_update(before: LogState, update: FindingsUpdate) -> LogState:
    return {**before, "findings": update.findings, "suspects": update.suspects, "turns": update.openings}
