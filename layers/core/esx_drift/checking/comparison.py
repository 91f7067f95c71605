"""A fresh report compared with what was known of its cluster, and of its hosts elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from esx_drift.checking.baseline import Baseline, BaselineReader
from esx_drift.checking.context import CheckContext
from esx_drift.checking.host_memory import HostMemory
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.images.report import Report, list_uncovered_hosts, measure_coverage
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Change, Coverage, LogState, Snapshot, UncoveredHost
from esx_drift.errors import TrailDamaged
from esx_drift.journal import Blob
from esx_drift.ports import InventoryEntry, Store


@dataclass(frozen=True, slots=True)
class ComparedReport:
    """A fresh report against what was known.

    ``state`` is what the check began from, in today's canonical form; ``blobs``: what was converted for it.
    ``baseline`` is none where nothing had to be compared, or it is damaged; ``damages``: what is.
    ``returned``: what was known of the hosts that came, by the id that they have now.
    """

    snapshot: Snapshot
    seal: str
    state: LogState
    baseline: Snapshot | None
    blobs: tuple[Blob, ...]
    changes: list[Change]
    returned: Mapping[str, RememberedHost]
    coverage: Coverage
    uncovered: list[UncoveredHost]
    damages: tuple[TrailDamaged, ...]

    @property
    def is_blind(self) -> bool:
        """Tell whether the cluster has hosts and the report covers none of them."""
        return self.coverage["covered"] == 0 and self.coverage["hosts"] > 0


def compare_report(
    context: CheckContext, store: Store, report: Report, inventory: Mapping[str, InventoryEntry]
) -> ComparedReport:
    """Compare a report with the baseline; snapshots are read only where they are needed.

    Args:
        context: The check; the state that it began from refers to the baseline.
        store: Where the snapshots are.
        report: The fresh report.
        inventory: The hosts that the vCenter lists in the cluster, by id.
    """
    reader = BaselineReader(store, context.vcenter.name, context.request["cluster"])
    has_baseline = context.after["snapshot"] is not None
    coverage = measure_coverage(report, inventory)
    partial = coverage["covered"] < coverage["hosts"]
    baseline = reader.read(context.after) if has_baseline and partial else None
    names = {host.id: host.name for host in inventory.values()}
    snapshot = build_snapshot(report, baseline.snapshot if baseline else None, names)
    seal = compute_seal(snapshot)
    sees = coverage["covered"] > 0 or coverage["hosts"] == 0
    if has_baseline and sees and not partial and seal != context.after["seal"]:
        baseline = reader.read(context.after)
    state = baseline.state if baseline else context.after
    memory, found = HostMemory(context, store), _Differences()
    if sees and (baseline is not None or not has_baseline) and seal != state["seal"]:
        found = _list_differences(memory, reader, baseline, snapshot, report)
    return ComparedReport(
        snapshot=snapshot,
        seal=seal,
        state=state,
        baseline=baseline.snapshot if baseline else None,
        blobs=(*(baseline.blobs if baseline else ()), *memory.blobs.values()),
        changes=found.changes,
        returned=found.returned,
        coverage=coverage,
        uncovered=list_uncovered_hosts(report, inventory),
        damages=tuple(reader.damages),
    )


@dataclass(frozen=True, slots=True)
class _Differences:
    """The changes of a check, and what was known of the hosts that came, by the id that they have now."""

    changes: list[Change] = field(default_factory=list)
    returned: Mapping[str, RememberedHost] = field(default_factory=dict)


def _list_differences(
    memory: HostMemory, reader: BaselineReader, baseline: Baseline | None, snapshot: Snapshot, report: Report
) -> _Differences:
    """List what differs from the baseline; a host that is not in it is compared with what it ran elsewhere.

    Without a baseline it is the first look at a cluster, which says nothing of hosts that nobody knows.
    """
    # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
    from esx_drift.domain.changes.compare import compare_snapshots  # noqa: PLC0415  # see the line above
    from esx_drift.domain.changes.new_hosts import (  # noqa: PLC0415  # see the line above
        describe_new_hosts,
        list_unknown_hosts,
        match_remembered_hosts,
    )

    before: Snapshot = (
        baseline.snapshot if baseline else {**snapshot, "images": {}, "labels": {}, "hosts": {}}
    )
    unknown = list_unknown_hosts(before, snapshot)
    remembered = memory.find(unknown, reader, baseline) if unknown else []
    returned = match_remembered_hosts(before, snapshot, remembered)
    if baseline is None:
        snapshot = {**snapshot, "hosts": {host: snapshot["hosts"][host] for host in returned}}
    changes = compare_snapshots(before, snapshot, returned, report.runs.keys())
    return _Differences([*describe_new_hosts(changes, snapshot, returned.keys())], returned)
