"""A fresh report compared with what was known of its cluster, and of its hosts elsewhere."""

from collections.abc import Mapping, Sequence
from copy import replace
from typing import TYPE_CHECKING

from msgspec import Struct, field

from esx_drift.checking.baseline import Baseline, BaselineReader
from esx_drift.checking.context import CheckContext
from esx_drift.checking.host_memory import HostMemory
from esx_drift.domain.acceptance import list_differing_hosts, list_net_changes
from esx_drift.domain.findings.coverage_conditions import list_unusual_states
from esx_drift.domain.findings.look_conditions import (
    UnreviewedSoftware,
    rate_unreviewed_software,
    repeat_unreviewed_software,
)
from esx_drift.domain.findings.rollouts import RolloutLook, RolloutUpdate
from esx_drift.domain.host_history import RememberedHost, carry_over_accepted
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.images.report import Report, measure_coverage
from esx_drift.domain.images.snapshot import add_host_ids, build_snapshot, compute_seal
from esx_drift.domain.stored.identifiers import make_fingerprint
from esx_drift.domain.stored.types import Accepted, Change, Coverage, LogState, Snapshot, UncoveredHost
from esx_drift.errors import TrailDamaged
from esx_drift.journal import Blob

if TYPE_CHECKING:
    from esx_drift.domain.changes.compare import AcceptedImage


class SealedReport(Struct, frozen=True):
    """A fresh report in the canonical form, beside what was known of its cluster; not compared yet.

    ``state`` is what the check began from, in today's canonical form. ``baseline`` is none where nothing has
    to be compared, or it is damaged; ``reader`` knows what is.
    """

    snapshot: Snapshot
    seal: str
    state: LogState
    baseline: Baseline | None
    reader: BaselineReader
    coverage: Coverage

    @property
    def is_blind(self) -> bool:
        """Tell whether the cluster has hosts and the report covers none of them."""
        return self.coverage["covered"] == 0 and self.coverage["hosts"] > 0

    @property
    def shows_otherwise(self) -> bool:
        """Tell whether hosts were seen, and all that is known is not as it was known before."""
        return not self.is_blind and self.seal != self.state["seal"]


def seal_report(context: CheckContext, report: Report) -> SealedReport:
    """Bring a report into the canonical form; the baseline is read only where it is needed.

    Args:
        context: The check; the state that it began from refers to the baseline.
        report: The fresh report.
    """
    reader = BaselineReader(context.runtime.store, context.vcenter.name, context.request["cluster"])
    inventory, has_baseline = context.observations.inventory, context.after["snapshot"] is not None
    coverage = measure_coverage(report, inventory)
    partial = coverage["covered"] < coverage["hosts"]
    baseline = reader.read(context.after) if has_baseline and partial else None
    names = {host.id: host.name for host in inventory.values()}
    snapshot = build_snapshot(report, baseline.snapshot if baseline else None, names)
    seal = compute_seal(snapshot)
    if has_baseline and not partial and seal != context.after["seal"]:
        baseline = reader.read(context.after)
    state = baseline.state if baseline else context.after
    return SealedReport(snapshot, seal, state, baseline, reader, coverage)


class ComparedReport(Struct, frozen=True):
    """A fresh report against what was known.

    ``returned``: what was known of the hosts that came, by the id that they have now. ``blobs``: what was
    converted for the comparison, and is stored by nobody yet; ``damages``: what could not be read.
    """

    sealed: SealedReport
    changes: list[Change] = field(default_factory=list)
    returned: Mapping[str, RememberedHost] = field(default_factory=dict)
    blobs: tuple[Blob, ...] = ()

    @property
    def damages(self) -> tuple[TrailDamaged, ...]:
        """Return what of the cluster's own log could not be read."""
        return tuple(self.sealed.reader.damages)


def compare_report(context: CheckContext, report: Report) -> ComparedReport:
    """Compare a report with what was known of the cluster and its hosts.

    Args:
        context: The check; the state that it began from refers to the baseline.
        report: The fresh report.
    """
    sealed, memory = seal_report(context, report), HostMemory(context)
    own_blobs = sealed.baseline.blobs if sealed.baseline else ()
    is_comparable = sealed.baseline is not None or sealed.state["snapshot"] is None
    if not sealed.shows_otherwise or not is_comparable:
        return ComparedReport(sealed, blobs=own_blobs)
    compared = _compare_hosts(memory, sealed, report)
    return replace(compared, blobs=(*own_blobs, *memory.blobs.values()))


def _compare_hosts(memory: HostMemory, sealed: SealedReport, report: Report) -> ComparedReport:
    """List what differs from the baseline; a host that is not in it is compared with what it ran elsewhere.

    Without a baseline it is the first look at a cluster, which says nothing of hosts that nobody knows.
    """
    # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
    from esx_drift.domain.changes.compare import compare_snapshots  # noqa: PLC0415  # see the line above
    from esx_drift.domain.changes.new_hosts import (  # noqa: PLC0415  # see the line above
        describe_new_hosts,
        find_replaced_hosts,
        list_left_hosts,
        list_new_hosts,
        list_unknown_hosts,
        mark_replaced_hosts,
        match_remembered_hosts,
    )

    baseline, snapshot = sealed.baseline, sealed.snapshot
    before: Snapshot = (
        baseline.snapshot if baseline else {**snapshot, "images": {}, "labels": {}, "hosts": {}}
    )
    unknown = list_unknown_hosts(before, snapshot)
    uuids = memory.context.observations.machines["uuids"]
    left = list_left_hosts(before, snapshot, uuids)
    remembered = memory.find(unknown, left, uuids, sealed.reader, baseline) if unknown else []
    returned = match_remembered_hosts(before, snapshot, remembered, uuids, memory.taken)
    if baseline is not None:
        sealed = _carry_over_unseen(sealed, report, baseline.snapshot, returned)
        snapshot = sealed.snapshot
    compared = snapshot
    if baseline is None:
        compared = {**snapshot, "hosts": {host: snapshot["hosts"][host] for host in returned}}
    accepted = _find_accepted_images(sealed, before, compared, returned)
    changes = compare_snapshots(before, compared, returned, report.runs.keys(), accepted)
    described = describe_new_hosts(changes, snapshot, list_new_hosts(before, compared, returned))
    replaced = find_replaced_hosts(before, snapshot, remembered, uuids, returned)
    return ComparedReport(sealed, mark_replaced_hosts(described, replaced), returned)


def _carry_over_unseen(
    sealed: SealedReport, report: Report, before: Snapshot, returned: Mapping[str, RememberedHost]
) -> SealedReport:
    """Keep what was known of hosts that came back under a new id and that this report does not cover."""
    hosts = sealed.snapshot["hosts"]
    former_ids = {
        host: former.id
        for host, former in returned.items()
        if former.cluster is None and hosts[host]["image"] is None
    }
    if not former_ids:
        return sealed
    names = {host: entry["name"] for host, entry in hosts.items()}
    snapshot = build_snapshot(report, add_host_ids(before, former_ids), names)
    return replace(sealed, snapshot=snapshot, seal=compute_seal(snapshot))


def _find_accepted_images(
    sealed: SealedReport, before: Snapshot, snapshot: Snapshot, returned: Mapping[str, RememberedHost]
) -> "dict[str, AcceptedImage]":
    """Find what was accepted for the hosts that run another image than before, if it was none of these.

    It is read from the trail only where no host runs it, before or now: one GET for each snapshot that holds
    such images. What can't be read is left out: then nothing counts as put back.
    """
    needed: dict[str, Accepted] = {}
    for host, entry in carry_over_accepted(sealed.state["accepted"], returned).items():
        digest, now = entry["image"], snapshot["hosts"].get(host)
        old = before["hosts"][host]["image"] if host in before["hosts"] else None
        if digest is not None and now is not None and old not in {digest, now["image"]}:
            needed[host] = entry
    images = sealed.reader.find_images(needed.values(), before["images"] | snapshot["images"])
    digests = {host: str(entry["image"]) for host, entry in needed.items()}
    return {host: (digest, images[digest]) for host, digest in digests.items() if digest in images}


def describe_unreviewed(
    context: CheckContext, comparison: ComparedReport, accepted: Mapping[str, Accepted]
) -> UnreviewedSoftware:
    """Describe how hosts differ from what was accepted for them; as the check before did if nothing moved.

    Args:
        context: The check, and the findings that it began from.
        comparison: The report, compared with what was known.
        accepted: What is accepted, by the host's id.
    """
    sealed = comparison.sealed
    seen = [host for host, entry in sealed.snapshot["hosts"].items() if entry["image"] is not None]
    differing = list_differing_hosts(sealed.snapshot, seen, accepted)
    before = context.after["findings"].get(make_fingerprint("drift", "drift-unreviewed", ""))
    is_same = before is not None and before["hosts"] == differing and sealed.seal == sealed.state["seal"]
    repeated = repeat_unreviewed_software(before) if before is not None else None
    if repeated is not None and is_same:
        return repeated
    known = sealed.snapshot["images"] | (sealed.baseline.snapshot["images"] if sealed.baseline else {})
    images = sealed.reader.find_images([accepted[host] for host in differing], known)
    labels = sealed.baseline.snapshot["labels"] if sealed.baseline else {}
    releases = list_release_names(labels) | list_release_names(sealed.snapshot["labels"])
    software = rate_unreviewed_software(
        list_net_changes(sealed.snapshot, differing, accepted, images), releases
    )
    # What it differs from is called as it was when hosts ran it still.
    is_known = repeated is not None and repeated.detail == software.detail
    return replace(software, said=repeated.said) if repeated and is_known else software


def follow_rollout(
    context: CheckContext, comparison: ComparedReport, unseen: Sequence[UncoveredHost]
) -> RolloutUpdate:
    """Follow what spreads over the cluster.

    Args:
        context: The check, and the state that it began from.
        comparison: The report, compared with what was known.
        unseen: The hosts that the report does not cover.
    """
    before = context.after["findings"].get(make_fingerprint("drift", "image-not-uniform", ""))
    stall_after_seconds, alarm = context.vcenter.stall_after_seconds, before["severity"] if before else "info"
    states = {
        host["host"]: ", ".join(list_unusual_states(host["connection_state"], host["power_state"]))
        for host in unseen
    }
    look = RolloutLook(comparison.sealed.snapshot, states, context.now, stall_after_seconds, alarm)
    return look.follow(context.after["rollout"], comparison.changes)
