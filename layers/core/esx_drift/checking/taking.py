"""The draft of a check that took a fresh report: snapshot, changes, findings, and what the log keeps."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from esx_drift.checking.comparing import Compared, compare_report
from esx_drift.checking.scene import Scene
from esx_drift.checking.untaken import report_facts, seen_last
from esx_drift.domain.images.report import Report
from esx_drift.domain.judging.assess import conditions
from esx_drift.domain.judging.findings import Settled
from esx_drift.domain.judging.kinds import LOOK_KINDS
from esx_drift.domain.keeping import accepted_after, carried_over, departed_after, uncovered_after
from esx_drift.domain.names import canonical_json, document_key, sha256_hex, snapshot_key
from esx_drift.domain.shapes import (
    After,
    LastTaken,
    Outcome,
    Record,
    ResolvedBecause,
    Stored,
)
from esx_drift.domain.times import text_of
from esx_drift.log import Blob, Draft
from esx_drift.ports import Host, Reply, Store


@dataclass(frozen=True, slots=True)
class Taking:
    """A fresh report on its way into the log. ``of_form``: what contradicts itself in how it is laid out."""

    scene: Scene
    store: Store
    reply: Reply
    report: Report
    notices: list[str]
    of_form: list[str]

    def draft(self) -> Draft:
        """The record of the look, with document and snapshot where something is new."""
        compared = compare_report(self.scene, self.store, self.report, self._hosts)
        settled = self._settled(compared)
        outcome = self._outcome(compared, settled)
        document = self._blob(document_key, self.reply.body)
        snapshot = self._blob(snapshot_key, canonical_json(compared.snapshot))
        archived = not self._is_same(compared, settled)
        taken = self._last_taken(archived=archived)
        after = self._after(compared, settled, taken, _stored(snapshot))
        record: Record = {
            **self.scene.record(outcome, after, self.notices),
            "report": report_facts(self.report, "fresh"),
            "coverage": compared.coverage,
            "uncovered": compared.uncovered,
            "changes": compared.changes,
            "findings": settled.told,
            "document": _stored(document) if archived else None,
            "snapshot": after["snapshot"],
            "raw_sha256": sha256_hex(self.reply.body),
            "same_as": None if archived else taken["seq"],
        }
        blobs = (document, *(() if compared.blind else (snapshot,))) if archived else ()
        return self.scene.draft(record, self._host_names(compared), blobs)

    @property
    def _hosts(self) -> Mapping[str, Host]:
        return {host.id: host for host in self.scene.sight.hosts or ()}

    def _settled(self, compared: Compared) -> Settled:
        after = self.scene.after
        found = conditions(
            self.report,
            compared.snapshot,
            self._hosts,
            now=self.scene.now,
            uncovered_since=self._uncovered_since(compared),
            accepted=carried_over(after["accepted"], compared.changes),
            first_look=after["seal"] is None,
            blind_after_seconds=self.scene.vcenter.blind_after_seconds,
            managed_by_image=self.scene.sight.managed_by_image,
            of_form=self.of_form,
        )
        return self.scene.settle(found, LOOK_KINDS, self._because(compared))

    def _because(self, compared: Compared) -> dict[str, ResolvedBecause]:
        """A finding about hosts that are all gone ends because they left, not because anything was mended.

        One that is back under a new id did not leave.
        """
        back = {change["from"] for change in compared.changes if change["element"] == "host"}
        there = self._hosts.keys() | back
        return {
            name: "host-left"
            for name, finding in self.scene.after["findings"].items()
            if finding["hosts"] and not there & set(finding["hosts"])
        }

    def _outcome(self, compared: Compared, settled: Settled) -> Outcome:
        if compared.blind:
            return "not-covered"
        if self._is_same(compared, settled):
            return "unchanged"
        return "baseline" if self.scene.after["seal"] is None else "changed"

    def _is_same(self, compared: Compared, settled: Settled) -> bool:
        """Whether there is nothing new to archive."""
        after = self.scene.after
        same = compared.seal == after["seal"] and compared.coverage == after["coverage"]
        return same and not settled.moved

    def _uncovered_since(self, compared: Compared) -> dict[str, str]:
        return uncovered_after(
            self.scene.after["uncovered_since"],
            [one["host"] for one in compared.uncovered],
            seen_last(self.scene),
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
        }
        if compared.blind:
            return {**after, "blind_since": seen_last(self.scene)}
        return self._seen(after, compared, snapshot)

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
            "accepted": accepted_after(
                carried_over(after["accepted"], compared.changes),
                hosts,
                covered,
                snapshot["key"],
                first_look=after["seal"] is None,
            ),
            "departed": departed_after(after["departed"], before, hosts, known_key, self.scene.now),
        }

    def _last_taken(self, *, archived: bool) -> LastTaken:
        before, task = self.scene.after["last_taken"], self.scene.request["task"]
        return {
            "completion_time": text_of(self.report.completion_time),
            "task_id": task["id"] if task else None,
            "raw_sha256": sha256_hex(self.reply.body),
            "seq": before["seq"] if before and not archived else self.scene.turn.seq,
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
