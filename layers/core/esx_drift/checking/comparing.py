"""A fresh report against what was known of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

from esx_drift.checking.scene import CheckContext
from esx_drift.domain.images.canonical import build_snapshot, compute_seal
from esx_drift.domain.images.coverage import list_uncovered_hosts, measure_coverage
from esx_drift.domain.images.description import Descriptions
from esx_drift.domain.images.report import Report
from esx_drift.domain.shapes import Change, Coverage, Departed, Snapshot, UncoveredHost
from esx_drift.ports import InventoryEntry, Store


@dataclass(frozen=True, slots=True)
class ComparedReport:
    """A fresh report against what was known. ``baseline`` is none where nothing had to be compared."""

    snapshot: Snapshot
    seal: str
    baseline: Snapshot | None
    changes: list[Change]
    coverage: Coverage
    uncovered: list[UncoveredHost]

    @property
    def is_blind(self) -> bool:
        """Whether there are hosts and the report covers none: that is no look."""
        return self.coverage["covered"] == 0 and self.coverage["hosts"] > 0


def compare_report(
    scene: CheckContext, store: Store, report: Report, inventory: Mapping[str, InventoryEntry]
) -> ComparedReport:
    """The report's snapshot, and what is different in it; snapshots are read only where they are needed."""
    known = scene.after["snapshot"]
    coverage = measure_coverage(report, inventory)
    partial = coverage["covered"] < coverage["hosts"]
    baseline = store.snapshot(known["key"]) if known and partial else None
    names = {host.id: host.name for host in inventory.values()}
    snapshot = build_snapshot(report, baseline, names)
    seal = compute_seal(snapshot)
    changes: list[Change] = []
    sees = coverage["covered"] > 0 or coverage["hosts"] == 0
    if known and sees and seal != scene.after["seal"]:
        baseline = baseline or store.snapshot(known["key"])
        changes = _changes(store, baseline, snapshot, scene.after["departed"])
    return ComparedReport(
        snapshot, seal, baseline, changes, coverage, list_uncovered_hosts(report, inventory)
    )


def _changes(
    store: Store, baseline: Snapshot, snapshot: Snapshot, departed: Mapping[str, Departed]
) -> list[Change]:
    # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
    from esx_drift.domain.changes.diff import DepartedHost, compare_snapshots  # noqa: PLC0415  # see the line above

    names = {host["name"].casefold() for host in snapshot["hosts"].values()}
    formers: dict[str, DepartedHost] = {}
    for host, gone in departed.items():
        if host in snapshot["hosts"] or gone["name"].casefold() in names:
            then = store.snapshot(gone["snapshot"])
            image = then["images"][gone["image"]] if gone["image"] else None
            formers[host] = DepartedHost(gone["name"], image, Descriptions(then).of(host))
    return compare_snapshots(baseline, snapshot, formers)
