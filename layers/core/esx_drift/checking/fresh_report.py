"""The draft of a check that took a fresh report: snapshot, changes, findings, and what the log keeps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from esx_drift.checking.baseline import Baseline, BaselineReader, build_blob, describe_blob
from esx_drift.checking.context import CheckContext
from esx_drift.checking.no_observation import build_report_facts, find_last_seen
from esx_drift.domain.findings.kinds import LOOK_KINDS
from esx_drift.domain.findings.look_conditions import list_look_conditions
from esx_drift.domain.findings.update import FindingsUpdate
from esx_drift.domain.host_history import (
    carry_over_accepted,
    update_accepted,
    update_departed,
    update_uncovered_since,
)
from esx_drift.domain.images.report import Report, list_uncovered_hosts, measure_coverage
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_document_key,
    make_snapshot_key,
)
from esx_drift.domain.stored.types import (
    Change,
    Coverage,
    LastTaken,
    LogState,
    Outcome,
    Record,
    ResolvedBecause,
    Snapshot,
    StoredObject,
    UncoveredHost,
)
from esx_drift.domain.text.times import format_time
from esx_drift.journal import Blob, Draft
from esx_drift.ports import InventoryEntry, ReportReply, Store


@dataclass(frozen=True, slots=True)
class ComparedReport:
    """A fresh report against what was known.

    ``state`` is what the check began from, in today's canonical form; ``blobs``: what was converted for it.
    ``baseline`` is none where nothing had to be compared.
    """

    snapshot: Snapshot
    seal: str
    state: LogState
    baseline: Snapshot | None
    blobs: tuple[Blob, ...]
    changes: list[Change]
    coverage: Coverage
    uncovered: list[UncoveredHost]

    @property
    def is_blind(self) -> bool:
        """Whether there are hosts and the report covers none: that is no look."""
        return self.coverage["covered"] == 0 and self.coverage["hosts"] > 0


def compare_report(
    context: CheckContext, store: Store, report: Report, inventory: Mapping[str, InventoryEntry]
) -> ComparedReport:
    """Compare a report with the baseline; snapshots are read only where they are needed."""
    reader = BaselineReader(store, context.vcenter.name, context.request["cluster"])
    known = context.after["snapshot"]
    coverage = measure_coverage(report, inventory)
    partial = coverage["covered"] < coverage["hosts"]
    baseline = reader.read(context.after) if known and partial else None
    names = {host.id: host.name for host in inventory.values()}
    snapshot = build_snapshot(report, baseline.snapshot if baseline else None, names)
    seal = compute_seal(snapshot)
    sees = coverage["covered"] > 0 or coverage["hosts"] == 0
    if known and sees and seal != context.after["seal"]:
        baseline = baseline or reader.read(context.after)
    state = baseline.state if baseline else context.after
    is_new = baseline is not None and sees and seal != state["seal"]
    return ComparedReport(
        snapshot=snapshot,
        seal=seal,
        state=state,
        baseline=baseline.snapshot if baseline else None,
        blobs=baseline.blobs if baseline else (),
        changes=_list_changes(reader, baseline, snapshot, report.runs.keys()) if baseline and is_new else [],
        coverage=coverage,
        uncovered=list_uncovered_hosts(report, inventory),
    )


def _list_changes(
    reader: BaselineReader, baseline: Baseline, snapshot: Snapshot, covered: Collection[str]
) -> list[Change]:
    # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
    from esx_drift.domain.changes.compare import compare_snapshots  # noqa: PLC0415  # see the line above
    from esx_drift.domain.changes.returned_hosts import DepartedHost  # noqa: PLC0415  # see the line above

    names = {host["name"].casefold() for host in snapshot["hosts"].values()}
    departed: dict[str, DepartedHost] = {}
    for host, gone in baseline.state["departed"].items():
        if host in snapshot["hosts"] or gone["name"].casefold() in names:
            images = reader.read_snapshot(baseline, gone["snapshot"])["images"]
            departed[host] = DepartedHost(gone["name"], images[gone["image"]] if gone["image"] else None)
    return compare_snapshots(baseline.snapshot, snapshot, departed, covered)


@dataclass(frozen=True, slots=True)
class FreshReport:
    """A fresh report on its way into the log.

    ``document_inconsistencies``: what contradicts itself in how it is laid out.
    """

    context: CheckContext
    store: Store
    reply: ReportReply
    report: Report
    notices: list[str]
    document_inconsistencies: list[str]

    def build_draft(self) -> Draft:
        """The record of the look, with document and snapshot where something is new."""
        compared = compare_report(self.context, self.store, self.report, self._hosts)
        settled = self._settled(compared)
        outcome = self._outcome(compared, settled)
        document = self._build_blob(make_document_key, self.reply.body)
        snapshot = self._build_blob(make_snapshot_key, encode_canonical_json(compared.snapshot))
        archived = not self._is_same(compared, settled)
        taken = self._last_taken(archived=archived)
        after = self._after(compared, settled, taken, describe_blob(snapshot))
        record: Record = {
            **self.context.build_record(outcome, after, self.notices),
            "report": build_report_facts(self.report, "fresh"),
            "coverage": compared.coverage,
            "uncovered": compared.uncovered,
            "changes": compared.changes,
            "findings": settled.transitions,
            "document": describe_blob(document) if archived else None,
            "snapshot": after["snapshot"],
            "raw_sha256": compute_sha256(self.reply.body),
            "same_as": None if archived else taken["seq"],
        }
        blobs = (document, *(() if compared.is_blind else (snapshot,))) if archived else ()
        return self.context.build_draft(record, self._host_names(compared), (*compared.blobs, *blobs))

    @property
    def _hosts(self) -> Mapping[str, InventoryEntry]:
        return {host.id: host for host in self.context.observations.hosts or ()}

    def _settled(self, compared: ComparedReport) -> FindingsUpdate:
        after = compared.state
        found = list_look_conditions(
            self.report,
            compared.snapshot,
            self._hosts,
            now=self.context.now,
            uncovered_since=self._uncovered_since(compared),
            accepted=carry_over_accepted(after["accepted"], compared.changes),
            first_look=after["seal"] is None,
            blind_after_seconds=self.context.vcenter.blind_after_seconds,
            managed_by_image=self.context.observations.managed_by_image,
            document_inconsistencies=self.document_inconsistencies,
        )
        return self.context.update_findings(found, LOOK_KINDS, self._because(compared))

    def _because(self, compared: ComparedReport) -> dict[str, ResolvedBecause]:
        """A finding about hosts that are all gone ends because they left, not because anything was mended.

        One that is back under a new id did not leave.
        """
        back = {change["from"] for change in compared.changes if change["element"] == "host"}
        there = self._hosts.keys() | back
        return {
            name: "host-left"
            for name, finding in self.context.after["findings"].items()
            if finding["hosts"] and not there & set(finding["hosts"])
        }

    def _outcome(self, compared: ComparedReport, settled: FindingsUpdate) -> Outcome:
        if compared.is_blind:
            return "not-covered"
        if self._is_same(compared, settled):
            return "unchanged"
        return "baseline" if compared.state["seal"] is None else "changed"

    def _is_same(self, compared: ComparedReport, settled: FindingsUpdate) -> bool:
        """Whether there is nothing new to archive."""
        after = compared.state
        same = compared.seal == after["seal"] and compared.coverage == after["coverage"]
        return same and not settled.has_transitions

    def _uncovered_since(self, compared: ComparedReport) -> dict[str, str]:
        return update_uncovered_since(
            self.context.after["uncovered_since"],
            [one["host"] for one in compared.uncovered],
            find_last_seen(self.context),
        )

    def _after(
        self, compared: ComparedReport, settled: FindingsUpdate, taken: LastTaken, snapshot: StoredObject
    ) -> LogState:
        before, about = compared.state, self.context.observations.about
        after: LogState = {
            **before,
            "cluster_name": self.context.request["cluster_name"],
            "instance_uuid": about["instance_uuid"] if about else before["instance_uuid"],
            "last_taken": taken,
            "coverage": compared.coverage,
            "findings": settled.findings,
            "suspects": settled.suspects,
            "uncovered_since": self._uncovered_since(compared),
        }
        if compared.is_blind:
            return {**after, "blind_since": find_last_seen(self.context)}
        return self._seen(after, compared, snapshot)

    def _seen(self, after: LogState, compared: ComparedReport, snapshot: StoredObject) -> LogState:
        """What a look moves: the baseline, and what is kept of single hosts."""
        now, known = format_time(self.context.now), after["snapshot"]
        hosts = compared.snapshot["hosts"]
        covered = self.report.runs.keys() & hosts.keys()
        before = compared.baseline["hosts"] if compared.baseline else {}
        known_key = known["key"] if known else ""
        return {
            **after,
            "seal": compared.seal,
            "snapshot": known if compared.seal == after["seal"] else snapshot,
            "first_look_at": after["first_look_at"] or now,
            "last_look_at": now,
            "blind_since": None,
            "accepted": update_accepted(
                carry_over_accepted(after["accepted"], compared.changes),
                hosts,
                covered,
                snapshot["key"],
                first_look=after["seal"] is None,
            ),
            "departed": update_departed(after["departed"], before, hosts, known_key, self.context.now),
        }

    def _last_taken(self, *, archived: bool) -> LastTaken:
        before, task = self.context.after["last_taken"], self.context.request["task"]
        return {
            "completion_time": format_time(self.report.completion_time),
            "task_id": task["id"] if task else None,
            "raw_sha256": compute_sha256(self.reply.body),
            "seq": before["seq"] if before and not archived else self.context.position.seq,
        }

    def _host_names(self, compared: ComparedReport) -> dict[str, str]:
        names = {host: gone["name"] for host, gone in self.context.after["departed"].items()}
        for snapshot in (compared.baseline, compared.snapshot):
            names |= {host: known["name"] for host, known in snapshot["hosts"].items()} if snapshot else {}
        return names

    def _build_blob(self, make_key: Callable[[str, str, str], str], body: bytes) -> Blob:
        return build_blob(make_key, self.context.vcenter.name, self.context.request["cluster"], body)
