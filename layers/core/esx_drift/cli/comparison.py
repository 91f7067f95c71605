"""Two documents side by side, with nothing but themselves to go by: no inventory, no log, no acceptance."""

from collections.abc import Mapping
from dataclasses import dataclass

from esx_drift.domain.images.canonical import snapshot_from
from esx_drift.domain.images.consistency import inconsistencies_of_form
from esx_drift.domain.images.coverage import ReportedHost, coverage_of, inventory_of
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.judging.assess import conditions
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.keeping import carried_over
from esx_drift.domain.shapes import Accepted, Change, Coverage, Finding, Snapshot, Transition
from esx_drift.domain.times import text_of


@dataclass(frozen=True, slots=True)
class Side:
    """One document, read."""

    report: Report
    snapshot: Snapshot
    inconsistencies_of_form: list[str]

    @property
    def coverage(self) -> Coverage:
        """How much of the cluster the document shows; ``host_info`` stands for the inventory."""
        return coverage_of(self.report, inventory_of(self.report))

    @property
    def names(self) -> dict[str, str]:
        """Its hosts' names, by id; one that this document does not name is called as in the one before."""
        return {host: known["name"] for host, known in self.snapshot["hosts"].items()}

    @property
    def is_blind(self) -> bool:
        """Whether it shows no host. Only a successful report that names none means that there is none."""
        empty = not self.report.names and self.report.status == "SUCCESS"
        return self.coverage["covered"] == 0 and not empty


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, and what the current document shows."""

    baseline: Side
    current: Side
    changes: list[Change]
    findings: list[Finding]

    @property
    def drifted(self) -> bool:
        """Whether anything but a description changed."""
        return any(change["kind"] != "relabelled" for change in self.changes)

    @property
    def compared(self) -> set[str]:
        """The hosts that both documents show, by id."""
        known = self.baseline.snapshot["hosts"]
        shown = self.current.report.runs.keys() & known.keys()
        return {host for host in shown if known[host]["image"] is not None}

    @property
    def is_empty(self) -> bool:
        """Whether there are hosts, but none that says anything: neither compared, nor come or gone."""
        return bool(self.names) and not self.drifted and not self.compared

    @property
    def names(self) -> dict[str, str]:
        """Every host's name by id, as it was last given; without the domain if all hosts have the same."""
        names = {**self.baseline.names, **self.current.names}
        firsts = {host: name.partition(".")[0] for host, name in names.items()}
        domains = {name.partition(".")[2] for name in names.values()}
        # Addresses have no domain, and an id that stands for a name has no dot.
        common = len(domains) == 1 and any(letter.isalpha() for letter in "".join(domains))
        return firsts if common and len(set(firsts.values())) == len(firsts) else names


def sides_of(baseline: Document, current: Document) -> tuple[Side, Side]:
    """Both documents; a host that the current one does not cover stays as the baseline has it."""
    before, after = read_report(baseline), read_report(current)
    first = Side(before, snapshot_from(before, None), inconsistencies_of_form(baseline))
    return first, Side(after, snapshot_from(after, first.snapshot), inconsistencies_of_form(current))


def comparison_of(baseline: Side, current: Side) -> Comparison:
    """Compare them."""
    # Imported late, because it takes longer than all the rest.
    from esx_drift.domain.changes.diff import compare  # noqa: PLC0415 -- see above

    changes = compare(baseline.snapshot, current.snapshot, {})
    known = {condition.fingerprint for condition in _shown_by(baseline, None)}
    findings = [
        _finding(condition, baseline, current, known=condition.fingerprint in known)
        for condition in _shown_by(current, carried_over(_taken_as_accepted(baseline), changes))
    ]
    return Comparison(baseline, current, changes, findings)


def _shown_by(side: Side, before: Mapping[str, Accepted] | None) -> list[Condition]:
    """What the document alone shows. How bad an orphaned VIB is depends on whether it was there before."""
    found = conditions(
        side.report,
        side.snapshot,
        {host: ReportedHost(name) for host, name in side.names.items()},
        now=side.report.completion_time,
        uncovered_since={},
        accepted=before or {},
        first_look=before is None,
        blind_after_seconds=0,
        of_form=side.inconsistencies_of_form,
    )
    return [condition for condition in found if condition.opens and condition.kind != "drift-unreviewed"]


def _taken_as_accepted(side: Side) -> dict[str, Accepted]:
    return {
        host: {"image": known["image"], "orphaned_vibs": known["orphaned_vibs"] or [], "snapshot": ""}
        for host, known in side.snapshot["hosts"].items()
    }


def _finding(condition: Condition, baseline: Side, current: Side, *, known: bool) -> Finding:
    opened_at = baseline.report.completion_time if known else current.report.completion_time
    transition: Transition = "still" if known else "opened"
    return {
        "fingerprint": condition.fingerprint,
        "family": condition.family,
        "kind": condition.kind,
        "subject": condition.subject,
        "severity": condition.severity,
        "hosts": list(condition.hosts),
        "opened_at": text_of(opened_at),
        "last_seen": text_of(current.report.completion_time),
        "transition": transition,
        "resolved_because": None,
        "summary": condition.summary,
        "detail": dict(condition.detail),
    }
