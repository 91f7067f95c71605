"""The draft of a check that took a fresh report: its outcome, findings, and what the log keeps."""

from collections.abc import Callable, Mapping
from copy import replace

from msgspec import Struct

from esx_drift.checking.baseline import build_blob, describe_blob
from esx_drift.checking.comparison import ComparedReport, compare_report, describe_unreviewed, follow_rollout
from esx_drift.checking.context import CheckContext
from esx_drift.checking.no_observation import build_report_facts, find_last_seen
from esx_drift.domain.findings.kinds import LOOK_KINDS
from esx_drift.domain.findings.look_conditions import list_look_conditions
from esx_drift.domain.findings.rollouts import RolloutUpdate
from esx_drift.domain.findings.update import FindingsUpdate
from esx_drift.domain.host_history import (
    carry_over_accepted,
    forget_accepted,
    update_accepted,
    update_departed,
    update_uncovered_since,
)
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.images.report import Report, list_uncovered_hosts
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_document_key,
    make_snapshot_key,
)
from esx_drift.domain.stored.types import (
    LastTaken,
    LogState,
    Outcome,
    Record,
    ResolvedBecause,
    StoredObject,
    UncoveredHost,
)
from esx_drift.domain.suppression import Log, Work, accept_finished_work
from esx_drift.domain.text.times import format_time
from esx_drift.journal import Blob, Draft
from esx_drift.ports import InventoryEntry, ReportReply


class FreshReport(Struct, frozen=True):
    """A fresh report on its way into the log.

    ``document_inconsistencies``: what contradicts itself in how it is laid out.
    """

    context: CheckContext
    reply: ReportReply
    report: Report
    notices: list[str]
    document_inconsistencies: list[str]

    def build_draft(self) -> Draft:
        """Build the record of the report; archive document and snapshot where something is new."""
        comparison = self._accept_finished_work(compare_report(self.context, self.report))
        spreading = follow_rollout(self.context, comparison, self._uncovered)
        update = self._update_findings(comparison, spreading)
        changes, transitions = spreading.finish(update.transitions)
        outcome = self._choose_outcome(comparison, update)
        snapshot = self._build_blob(make_snapshot_key, encode_canonical_json(comparison.sealed.snapshot))
        archived = not self._is_same(comparison, update)
        # Packing a large report takes long, and nearly every check finds nothing to keep.
        document = self._build_blob(make_document_key, self.reply.body) if archived else None
        taken = self._build_last_taken(archived=archived)
        after = self._build_state(comparison, update, taken, describe_blob(snapshot))
        after["rollout"] = spreading.rollout
        record: Record = {
            **self.context.build_record(outcome, after, self.notices),
            "report": build_report_facts(self.report, "fresh"),
            "coverage": comparison.sealed.coverage,
            "uncovered": self._uncovered,
            "changes": changes,
            "findings": transitions,
            "document": describe_blob(document) if document else None,
            "snapshot": after["snapshot"],
            "raw_sha256": taken["raw_sha256"],
            "same_as": None if archived else taken["seq"],
        }
        blobs = (document, *(() if comparison.sealed.is_blind else (snapshot,))) if document else ()
        draft = self.context.build_draft(
            record, self._collect_host_names(comparison), (*comparison.blobs, *blobs)
        )
        sealed = comparison.sealed
        names = list_release_names(sealed.baseline.snapshot["labels"]) if sealed.baseline else {}
        names |= list_release_names(sealed.snapshot["labels"])
        return replace(draft, release_names=names, damages=comparison.damages)

    def _accept_finished_work(self, comparison: ComparedReport) -> ComparedReport:
        """Accept what was done in maintenance that has ended and says so, before findings are looked for."""
        context, sealed = self.context, comparison.sealed
        if sealed.is_blind:
            return comparison
        stored, hosts = sealed.state["snapshot"], sealed.snapshot["hosts"]

        def make_key() -> str:
            if stored and sealed.seal == sealed.state["seal"]:
                return stored["key"]
            return self._build_blob(make_snapshot_key, encode_canonical_json(sealed.snapshot)).key

        covered = {host: hosts[host] for host in self.report.runs if host in hosts}
        work = Work(covered, make_key, comparison.changes)
        log = Log(context.vcenter.name, (context.request["cluster"], context.request["cluster_name"]))
        state = accept_finished_work(sealed.state, log, context.runtime.fleet.rules, context.now, work)
        return replace(comparison, sealed=replace(sealed, state=state))

    @property
    def _inventory(self) -> Mapping[str, InventoryEntry]:
        return self.context.observations.inventory

    @property
    def _uncovered(self) -> list[UncoveredHost]:
        return list_uncovered_hosts(self.report, self._inventory)

    def _update_findings(self, comparison: ComparedReport, spreading: RolloutUpdate) -> FindingsUpdate:
        after = comparison.sealed.state
        accepted = carry_over_accepted(after["accepted"], comparison.returned)
        conditions = list_look_conditions(
            self.report,
            comparison.sealed.snapshot,
            self._inventory,
            now=self.context.now,
            uncovered_since=self._update_uncovered_since(comparison),
            accepted=accepted,
            first_look=after["seal"] is None,
            blind_after_seconds=self.context.vcenter.blind_after_seconds,
            managed_by_image=self.context.observations.managed_by_image,
            document_inconsistencies=self.document_inconsistencies,
            hidden=[host.id for host in self.context.observations.hidden_hosts],
            changes=comparison.changes,
            unreviewed=describe_unreviewed(self.context, comparison, accepted),
        )
        adjusted = map(spreading.adjust, conditions)
        update = self.context.update_findings(adjusted, LOOK_KINDS, self._find_reasons(comparison))
        return replace(update, transitions=spreading.report_held_back(update.transitions))

    def _find_reasons(self, comparison: ComparedReport) -> dict[str, ResolvedBecause]:
        """A finding about hosts that are all gone ends because they left, not because anything was mended.

        One that is back under a new id did not leave.
        """
        back = {change["from"] for change in comparison.changes if change["element"] == "host"}
        there = self._inventory.keys() | back
        open_findings = self.context.after["findings"]
        windows = (comparison.sealed.state["maintenance"] or {"windows": []})["windows"]
        accepted = {host for window in windows for host in window.get("accepted", ())}
        because: dict[str, ResolvedBecause] = {
            name: "accepted"
            for name, finding in open_findings.items()
            if finding["kind"] == "drift-unreviewed" and accepted & set(finding["hosts"])
        }
        left: dict[str, ResolvedBecause] = {
            name: "host-left"
            for name, finding in open_findings.items()
            if finding["hosts"] and not there & set(finding["hosts"])
        }
        return because | left

    def _choose_outcome(self, comparison: ComparedReport, update: FindingsUpdate) -> Outcome:
        if comparison.sealed.is_blind:
            return "not-covered"
        if self._is_same(comparison, update):
            return "unchanged"
        return "baseline" if comparison.sealed.state["seal"] is None else "changed"

    def _is_same(self, comparison: ComparedReport, update: FindingsUpdate) -> bool:
        """Whether there is nothing new to archive."""
        sealed, after = comparison.sealed, comparison.sealed.state
        same = sealed.seal == after["seal"] and sealed.coverage == after["coverage"]
        return same and not update.has_transitions

    def _update_uncovered_since(self, comparison: ComparedReport) -> dict[str, str]:
        """A host that came back under a new id is unseen as long as it was under its old one."""
        since = self.context.after["uncovered_since"]
        back = {host: since[former.id] for host, former in comparison.returned.items() if former.id in since}
        unseen, seen_last_at = [host["host"] for host in self._uncovered], find_last_seen(self.context)
        is_blind = comparison.sealed.is_blind
        return update_uncovered_since(since | back, unseen, seen_last_at, is_blind=is_blind)

    def _build_state(
        self, comparison: ComparedReport, update: FindingsUpdate, taken: LastTaken, snapshot: StoredObject
    ) -> LogState:
        before, about = comparison.sealed.state, self.context.observations.about
        after: LogState = {
            **before,
            "cluster_name": self.context.request["cluster_name"],
            "instance_uuid": about["instance_uuid"] if about else before["instance_uuid"],
            "last_taken": taken,
            "coverage": comparison.sealed.coverage,
            "findings": update.findings,
            "suspects": update.suspects,
            "turns": update.openings,
            "uncovered_since": self._update_uncovered_since(comparison),
            "machines": self.context.observations.machines,
        }
        if comparison.sealed.is_blind:
            return {**after, "blind_since": find_last_seen(self.context)}
        return self._move_baseline(after, comparison, snapshot)

    def _move_baseline(self, after: LogState, comparison: ComparedReport, snapshot: StoredObject) -> LogState:
        """What a look moves: the baseline, and what is kept of single hosts."""
        now, stored = format_time(self.context.now), after["snapshot"]
        sealed, hosts = comparison.sealed, comparison.sealed.snapshot["hosts"]
        covered = self.report.runs.keys() & hosts.keys()
        before = sealed.baseline.snapshot["hosts"] if sealed.baseline else {}
        machines = self.context.observations.machines
        uuids = machines["uuids"]
        departed = update_departed(sealed.state, before, hosts, comparison.returned, self.context.now, uuids)
        accepted = update_accepted(
            carry_over_accepted(after["accepted"], comparison.returned),
            hosts,
            covered,
            snapshot["key"],
            first_look=after["seal"] is None,
        )
        return {
            **after,
            "seal": sealed.seal,
            "snapshot": stored if sealed.seal == after["seal"] else snapshot,
            "first_look_at": after["first_look_at"] or now,
            "last_look_at": now,
            "blind_since": None,
            "accepted": forget_accepted(accepted, hosts, departed),
            "departed": departed,
            "machines": {**machines, "uuids": {host: uuids[host] for host in uuids if host in hosts}},
        }

    def _build_last_taken(self, *, archived: bool) -> LastTaken:
        before, task = self.context.after["last_taken"], self.context.request["task"]
        return {
            "completion_time": format_time(self.report.completion_time),
            "task_id": task["id"] if task else None,
            "raw_sha256": compute_sha256(self.reply.body),
            "seq": before["seq"] if before and not archived else self.context.position.seq,
        }

    def _collect_host_names(self, comparison: ComparedReport) -> dict[str, str]:
        names = {host: gone["name"] for host, gone in self.context.after["departed"].items()}
        names |= {former.id: former.name for former in comparison.returned.values()}
        baseline = comparison.sealed.baseline
        for snapshot in (*((baseline.snapshot,) if baseline else ()), comparison.sealed.snapshot):
            names |= {host: entry["name"] for host, entry in snapshot["hosts"].items()}
        return names

    def _build_blob(self, make_key: Callable[[str, str, str], str], body: bytes) -> Blob:
        return build_blob(make_key, self.context.vcenter.name, self.context.request["cluster"], body)
