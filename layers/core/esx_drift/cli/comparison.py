"""Two documents of a cluster compared with nothing but themselves: no inventory, no log, no acceptance."""

from collections.abc import Mapping

from msgspec import Struct

from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import list_left_hosts, match_remembered_hosts
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.look_conditions import list_look_conditions
from esx_drift.domain.findings.update import build_finding
from esx_drift.domain.host_history import carry_over_accepted
from esx_drift.domain.images.consistency import list_document_inconsistencies
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.report import (
    Report,
    ReportedHost,
    build_inventory,
    measure_coverage,
    read_report,
)
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.domain.stored.types import Accepted, Change, Coverage, Finding, Snapshot
from esx_drift.domain.text.times import format_time


class ComparedDocument(Struct, frozen=True):
    """One document, read."""

    report: Report
    snapshot: Snapshot
    document_inconsistencies: list[str]

    @property
    def coverage(self) -> Coverage:
        """How much of the cluster the document shows; ``host_info`` stands for the inventory."""
        return measure_coverage(self.report, build_inventory(self.report))

    @property
    def names(self) -> dict[str, str]:
        """Its hosts' names, by id; one that this document does not name is called as in the one before."""
        return {host: entry["name"] for host, entry in self.snapshot["hosts"].items()}

    @property
    def is_blind(self) -> bool:
        """Whether it shows no host. Only a successful report that names none means that there is none."""
        empty = not self.report.names and self.report.status == "SUCCESS"
        return self.coverage["covered"] == 0 and not empty


class Comparison(Struct, frozen=True):
    """What differs, and what the current document shows."""

    baseline: ComparedDocument
    current: ComparedDocument
    changes: list[Change]
    findings: list[Finding]

    @property
    def drifted(self) -> bool:
        """Whether anything but a description changed."""
        return any(change["kind"] != "relabelled" for change in self.changes)

    @property
    def compared_hosts(self) -> set[str]:
        """The hosts that both documents show, by id."""
        before = self.baseline.snapshot["hosts"]
        both = self.current.report.runs.keys() & before.keys()
        return {host for host in both if before[host]["image"] is not None}

    @property
    def is_empty(self) -> bool:
        """Whether there are hosts, but none that says anything: neither compared, nor come or gone."""
        return bool(self.names) and not self.drifted and not self.compared_hosts

    @property
    def names(self) -> dict[str, str]:
        """Every host's name by id, as it was last given; without the domain if all hosts have the same."""
        names = {**self.baseline.names, **self.current.names}
        firsts = {host: name.partition(".")[0] for host, name in names.items()}
        domains = {name.partition(".")[2] for name in names.values()}
        # Addresses have no domain, and an id that stands for a name has no dot.
        common = len(domains) == 1 and any(letter.isalpha() for letter in "".join(domains))
        return firsts if common and len(set(firsts.values())) == len(firsts) else names


def read_both(baseline: Document, current: Document) -> tuple[ComparedDocument, ComparedDocument]:
    """Read both documents; a host that ``current`` does not cover stays as ``baseline`` has it."""
    before, after = read_report(baseline), read_report(current)
    first = ComparedDocument(before, build_snapshot(before, None), list_document_inconsistencies(baseline))
    return first, ComparedDocument(
        after, build_snapshot(after, first.snapshot), list_document_inconsistencies(current)
    )


def compare_documents(baseline: ComparedDocument, current: ComparedDocument) -> Comparison:
    """List the changes from ``baseline`` to ``current``, and what ``current`` shows beside them."""
    left = list_left_hosts(baseline.snapshot, current.snapshot)
    returned = match_remembered_hosts(baseline.snapshot, current.snapshot, left)
    changes = compare_snapshots(baseline.snapshot, current.snapshot, returned, current.report.runs.keys())
    earlier = {condition.fingerprint for condition in _list_conditions(baseline, None)}
    findings = [
        _build_finding(condition, baseline, current, seen_before=condition.fingerprint in earlier)
        for condition in _list_conditions(current, carry_over_accepted(_build_accepted(baseline), returned))
    ]
    return Comparison(baseline, current, changes, findings)


def _list_conditions(side: ComparedDocument, before: Mapping[str, Accepted] | None) -> list[Condition]:
    """The conditions that the document alone shows.

    Args:
        side: The document.
        before: What the hosts ran before, by id; none if unknown. An orphaned VIB of then is less severe.
    """
    conditions = list_look_conditions(
        side.report,
        side.snapshot,
        {host: ReportedHost(name) for host, name in side.names.items()},
        now=side.report.completion_time,
        uncovered_since={},
        accepted=before or {},
        first_look=before is None,
        blind_after_seconds=0,
        document_inconsistencies=side.document_inconsistencies,
    )
    return [condition for condition in conditions if condition.opens and condition.kind != "drift-unreviewed"]


def _build_accepted(side: ComparedDocument) -> dict[str, Accepted]:
    return {
        host: {"image": entry["image"], "orphaned_vibs": entry["orphaned_vibs"] or [], "snapshot": ""}
        for host, entry in side.snapshot["hosts"].items()
    }


def _build_finding(
    condition: Condition, baseline: ComparedDocument, current: ComparedDocument, *, seen_before: bool
) -> Finding:
    opened_at = baseline.report.completion_time if seen_before else current.report.completion_time
    return build_finding(
        condition,
        format_time(opened_at),
        format_time(current.report.completion_time),
        "still" if seen_before else "opened",
    )
