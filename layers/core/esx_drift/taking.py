"""The draft of a check that took a fresh report: snapshot, changes, findings, and what the log keeps."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from esx_drift.domain.assess import conditions
from esx_drift.domain.canonical import seal_of, snapshot_from
from esx_drift.domain.coverage import coverage_of, uncovered_hosts
from esx_drift.domain.findings import Settled
from esx_drift.domain.keeping import accepted_after, departed_after, uncovered_after
from esx_drift.domain.kinds import LOOK_KINDS
from esx_drift.domain.names import canonical_json, document_key, sha256_hex, snapshot_key
from esx_drift.domain.report import Report
from esx_drift.domain.shapes import (
    After,
    Change,
    Coverage,
    LastTaken,
    Outcome,
    Record,
    ResolvedBecause,
    Snapshot,
    Stored,
    UncoveredHost,
)
from esx_drift.domain.times import text_of
from esx_drift.log import Blob, Draft
from esx_drift.ports import Host, Reply, Store
from esx_drift.scene import Scene
from esx_drift.untaken import report_facts


@dataclass(frozen=True, slots=True)
class Compared:
    """A fresh report against what was known. ``baseline`` is none where nothing had to be compared."""

    snapshot: Snapshot
    seal: str
    baseline: Snapshot | None
    changes: list[Change]
    coverage: Coverage
    uncovered: list[UncoveredHost]

    @property
    def blind(self) -> bool:
        """Whether there are hosts and the report covers none: that is no look."""
        return self.coverage["covered"] == 0 and self.coverage["hosts"] > 0


@dataclass(frozen=True, slots=True)
class Taking:
    """A fresh report on its way into the log."""

    scene: Scene
    store: Store
    reply: Reply
    report: Report
    notices: list[str]

    def draft(self) -> Draft:
        """The record of the look, with document and snapshot where something is new."""
        compared = self._compared()
        settled = self._settled(compared)
        outcome = self._outcome(compared, settled)
        document = self._blob(document_key, self.reply.body)
        snapshot = self._blob(snapshot_key, canonical_json(compared.snapshot))
        archived = outcome != "unchanged"
        taken = self._last_taken(outcome)
        after = self._after(compared, settled, taken, _stored(snapshot))
        record: Record = {
            **self.scene.record(outcome, after),
            "report": report_facts(self.report, "fresh"),
            "coverage": compared.coverage,
            "uncovered": compared.uncovered,
            "changes": compared.changes,
            "findings": settled.told,
            "notices": [one for one in self.notices if one not in self.scene.after["notices"]],
            "document": _stored(document) if archived else None,
            "snapshot": after["snapshot"],
            "raw_sha256": sha256_hex(self.reply.body),
            "same_as": None if archived else taken["seq"],
        }
        blobs = (document, *(() if compared.blind else (snapshot,))) if archived else ()
        return self.scene.draft(record, self._host_names(compared), blobs)

    @property
    def _hosts(self) -> Mapping[str, Host]:
        return {host.id: host for host in self.scene.sight.hosts}

    def _compared(self) -> Compared:
        known = self.scene.after["snapshot"]
        coverage = coverage_of(self.report, self._hosts)
        partial = coverage["covered"] < coverage["hosts"]
        baseline = self.store.snapshot(known["key"]) if known and partial else None
        names = {host.id: host.name for host in self.scene.sight.hosts}
        snapshot = snapshot_from(self.report, baseline, names)
        seal = seal_of(snapshot)
        changes: list[Change] = []
        sees = coverage["covered"] > 0 or coverage["hosts"] == 0
        if known and sees and seal != self.scene.after["seal"]:
            baseline = baseline or self.store.snapshot(known["key"])
            changes = self._changes(baseline, snapshot)
        uncovered = uncovered_hosts(self.report, self._hosts)
        return Compared(snapshot, seal, baseline, changes, coverage, uncovered)

    def _changes(self, baseline: Snapshot, snapshot: Snapshot) -> list[Change]:
        # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
        from esx_drift.domain.diff import Former, compare  # noqa: PLC0415  # see the line above

        departed = self.scene.after["departed"]
        names = {host["name"].casefold() for host in snapshot["hosts"].values()}
        formers: dict[str, Former] = {}
        for host, gone in departed.items():
            if gone["image"] is not None and (host in snapshot["hosts"] or gone["name"].casefold() in names):
                image = self.store.snapshot(gone["snapshot"])["images"][gone["image"]]
                formers[host] = Former(gone["name"], image)
        return compare(baseline, snapshot, formers)

    def _settled(self, compared: Compared) -> Settled:
        after = self.scene.after
        found = conditions(
            self.report,
            compared.snapshot,
            self._hosts,
            now=self.scene.now,
            uncovered_since=self._uncovered_since(compared),
            accepted=after["accepted"],
            first_look=after["seal"] is None,
            blind_after_seconds=self.scene.vcenter.blind_after_seconds,
        )
        return self.scene.settle(found, LOOK_KINDS, self._because())

    def _because(self) -> dict[str, ResolvedBecause]:
        """A finding about hosts that are all gone ends because they left, not because anything was mended."""
        return {
            name: "host-left"
            for name, finding in self.scene.after["findings"].items()
            if finding["hosts"] and not self._hosts.keys() & set(finding["hosts"])
        }

    def _outcome(self, compared: Compared, settled: Settled) -> Outcome:
        after = self.scene.after
        first = after["seal"] is None
        same = compared.seal == after["seal"] and compared.coverage == after["coverage"]
        if same and not settled.moved:
            return "unchanged"
        if compared.blind:
            return "not-covered"
        return "baseline" if first else "changed"

    def _uncovered_since(self, compared: Compared) -> dict[str, str]:
        return uncovered_after(
            self.scene.after["uncovered_since"],
            [one["host"] for one in compared.uncovered],
            self.scene.after["last_look_at"],
            self.scene.now,
        )

    def _after(self, compared: Compared, settled: Settled, taken: LastTaken, snapshot: Stored) -> After:
        before, about = self.scene.after, self.scene.sight.about
        after: After = {
            **before,
            "cluster_name": self.scene.request["cluster_name"],
            "instance_uuid": about["instance_uuid"] if about else before["instance_uuid"],
            "last_taken": taken,
            "coverage": compared.coverage,
            "findings": settled.findings,
            "suspects": settled.suspects,
            "uncovered_since": self._uncovered_since(compared),
            "notices": sorted({*before["notices"], *self.notices}),
        }
        return after if compared.blind else self._seen(after, compared, snapshot)

    def _seen(self, after: After, compared: Compared, snapshot: Stored) -> After:
        """What a look moves: the baseline, and what is kept of single hosts."""
        now, known = text_of(self.scene.now), after["snapshot"]
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
            "accepted": accepted_after(after["accepted"], hosts, covered, snapshot["key"], compared.changes),
            "departed": departed_after(after["departed"], before, hosts, known_key, self.scene.now),
        }

    def _last_taken(self, outcome: Outcome) -> LastTaken:
        before, task = self.scene.after["last_taken"], self.scene.request["task"]
        return {
            "completion_time": text_of(self.report.completion_time),
            "task_id": task["id"] if task else None,
            "raw_sha256": sha256_hex(self.reply.body),
            "seq": before["seq"] if before and outcome == "unchanged" else self.scene.turn.seq,
        }

    def _host_names(self, compared: Compared) -> dict[str, str]:
        names = {host: gone["name"] for host, gone in self.scene.after["departed"].items()}
        for snapshot in (compared.baseline, compared.snapshot):
            names |= {host: known["name"] for host, known in snapshot["hosts"].items()} if snapshot else {}
        return names

    def _blob(self, key_of: Callable[[str, str, str], str], body: bytes) -> Blob:
        packed = gzip.compress(body, mtime=0)
        key = key_of(self.scene.vcenter.name, self.scene.request["cluster"], sha256_hex(packed))
        return Blob(key, packed)


def _stored(blob: Blob) -> Stored:
    return {"key": blob.key, "sha256": sha256_hex(blob.body)}
