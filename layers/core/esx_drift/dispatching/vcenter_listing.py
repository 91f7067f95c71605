"""What the dispatcher asks a vCenter, and the clusters' own logs as far as a listing needs them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field

from esx_drift.domain.dispatching.listing import ReconciledListing
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.kinds import HIDING_KINDS
from esx_drift.domain.findings.vcenter_failures import require_same_vcenter
from esx_drift.domain.stored.identifiers import make_state_key
from esx_drift.domain.stored.types import ClockFacts, Finding, LogState, VCenterIdentity
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.vcenter_api import require_supported_release
from esx_drift.errors import VCENTER_FAILURES, LogUnusable, TrailDamaged
from esx_drift.journal import Journal
from esx_drift.ports import Runtime, VCenters, VCenterSession


class VCenterListing(Struct, frozen=True):
    """What a vCenter answered. ``clusters`` maps ids to names; hosts in no cluster may be left uncounted."""

    about: VCenterIdentity
    clock: ClockFacts | None
    clusters: dict[str, str]
    standalone_hosts: int | None
    notices: list[str]


def list_vcenter(vcenters: VCenters, vcenter: str, known_uuid: str | None) -> VCenterListing:
    """List a vCenter's clusters, unless it is not the instance known: then nothing more is asked of it.

    Args:
        vcenters: The sessions of this invocation.
        vcenter: The vCenter's name in the fleet file.
        known_uuid: The instance UUID that its log knows; None if it was never listed.

    Raises:
        VCENTER_FAILURES, SecretInvalid, TransientError: A call failed, or the session can't be opened.
    """
    session = vcenters.session(vcenter)
    about = session.about()
    require_same_vcenter(vcenter, known_uuid, about)
    require_supported_release(vcenter, about)
    clusters = {cluster.id: cluster.name for cluster in session.clusters()}
    standalone_hosts, notices = _count_standalone_hosts(session)
    return VCenterListing(about, session.clock(), clusters, standalone_hosts, notices)


def _count_standalone_hosts(session: VCenterSession) -> tuple[int | None, list[str]]:
    """Nobody watches them anyway: that they can't be counted keeps no cluster from being checked."""
    try:
        return session.standalone_hosts(), []
    except VCENTER_FAILURES as error:
        return None, [f"hosts in no cluster were not counted: {error.message}"]


class ClusterLogs(Struct, frozen=True):
    """The logs of one vCenter's clusters. They are read only where something may be wrong.

    ``damages`` collects those that can't be gone on from: none of them keeps the others from being checked.
    """

    runtime: Runtime
    vcenter: str
    damages: list[TrailDamaged] = field(default_factory=list)

    def find_state(self, cluster: str) -> LogState | None:
        """Find the state that the next check of ``cluster`` begins from; None if its log is beyond use."""
        try:
            return Journal(self.runtime.store, self.runtime.topic, self.vcenter, cluster).read_state()
        except LogUnusable as error:
            self.damages.append(TrailDamaged(error.message, make_state_key(self.vcenter, cluster)))
            return None

    def drop_already_reported(
        self, conditions: Iterable[Condition], findings: Mapping[str, Finding]
    ) -> list[Condition]:
        """Drop clusters that a check met as gone or hidden before the listing did: their own logs report it.

        Args:
            conditions: What the listing shows.
            findings: What is open in the vCenter's own log, by fingerprint; that log goes on reporting it.
        """
        return [
            condition
            for condition in conditions
            if condition.kind != "cluster-missing"
            or condition.fingerprint in findings
            or not self._reports_hiding(condition.subject)
        ]

    def read_late_states(
        self,
        reconciled: ReconciledListing,
        findings: Iterable[Finding],
        seen_at: str,
        limit: datetime,
    ) -> dict[str, LogState]:
        """Read the states of the listed clusters that nobody may have looked at since ``limit``.

        Args:
            reconciled: The listing, put together with the clusters known.
            findings: What is open in the vCenter's own log; clusters overdue by it are examined in any case.
            seen_at: Since when the vCenter is seen without an outage.
            limit: The time that is compared.
        """
        already_overdue = {finding["subject"] for finding in findings if finding["kind"] == "check-overdue"}
        return {
            cluster: state
            for cluster in reconciled.list_listed_before(limit)
            if (cluster in already_overdue or parse_time(seen_at) < limit)
            and (state := self.find_state(cluster)) is not None
        }

    def _reports_hiding(self, cluster: str) -> bool:
        state = self.find_state(cluster)
        return state is not None and any(
            finding["kind"] in HIDING_KINDS for finding in state["findings"].values()
        )
