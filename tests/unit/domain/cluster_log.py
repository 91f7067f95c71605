"""One cluster's log by the pure functions alone: looks and decisions, and what people hear of each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from esx_drift.contracts import list_violations
from esx_drift.domain.acceptance import expire_accepted, list_differing_hosts, list_net_changes
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.decisions import accept_hosts, build_recorded_decision, list_acceptable_hosts
from esx_drift.domain.events import select_for_people
from esx_drift.domain.findings.kinds import LOOK_KINDS
from esx_drift.domain.findings.look_conditions import list_look_conditions, rate_unreviewed_software
from esx_drift.domain.findings.rollouts import RolloutLook
from esx_drift.domain.findings.update import CheckScope, update_findings
from esx_drift.domain.host_history import update_accepted
from esx_drift.domain.images.report import build_inventory, measure_coverage
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.domain.stored.identifiers import make_fingerprint
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import (
    Change,
    Decision,
    Event,
    EventData,
    Finding,
    Image,
    LogState,
    Snapshot,
)
from esx_drift.domain.text.times import format_time

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire, document_of, report_of
from tests.unit.domain.changes.sample import component, software
from tests.unit.events import build_events
from tests.unit.events import told as recorded

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
KEY = "snapshots/vcenter=vc01/cluster=domain-c9/one"
STALL_AFTER = 6 * 3600
I40EN = "Intel-i40en"
OLD_DRIVER, DRIVER, NEW_DRIVER = "1.9.0.0-1", "2.7.2.0-1", "2.9.2.0-1"
U3C, U3D, U3E, U3F = (
    ("8.0.3-0.35.24280767", "8.0 U3c - 24280767"),
    ("8.0.3-0.60.24585383", "8.0 U3d - 24585383"),
    ("8.0.3-0.70.24674464", "8.0 U3e - 24674464"),
    ("8.0.3-0.80.24784735", "8.0 U3f - 24784735"),
)
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


def image(release: tuple[str, str] = U3D, driver: str = DRIVER) -> Wire:
    """What a host runs: a release, and a driver."""
    made = software()
    made["base_image"]["version"], made["base_image"]["details"]["display_version"] = release
    made["components"] = {I40EN: component(driver)}
    return made


def cluster(number: int = 4) -> ClusterModel:
    """So many equal hosts."""
    return ClusterModel({f"host-{at}": HostModel(f"esx{at:02}", image()) for at in range(1, number + 1)})


@dataclass(slots=True)
class Told:
    """What one check or decision published, and what of it people hear."""

    events: list[Event]
    state: LogState

    @property
    def people(self) -> list[EventData]:
        """The events as people are told them."""
        found = [select_for_people(event["data"]) for event in self.events]
        return [data for data in found if data is not None]

    @property
    def changes(self) -> list[Change]:
        """The changes that people hear of."""
        return [change for data in self.people for change in data["changes"]]

    @property
    def moved(self) -> dict[str, str]:
        """The transitions that people hear of, by the kind."""
        return {
            each["kind"]: each["transition"]
            for data in self.people
            for each in data["findings"]
            if each["transition"] != "still"
        }

    @property
    def findings(self) -> list[Finding]:
        """The findings that were published."""
        return [each for event in self.events for each in event["data"]["findings"]]

    def one(self, kind: str) -> Finding:
        """The only one of a kind."""
        (found,) = (each for each in self.findings if each["kind"] == kind)
        return found

    def open(self, kind: str) -> Finding:
        """The one that is open."""
        family = "orphaned-vib" if kind == "orphaned-vib" else "drift"
        return self.state["findings"][make_fingerprint(family, kind, VIB if kind == "orphaned-vib" else "")]


@dataclass(slots=True)
class ClusterLog:
    """A log: what the next look begins from, every image that was ever seen, and the time."""

    state: LogState = field(default_factory=build_empty_state)
    snapshot: Snapshot | None = None
    images: dict[str, Image] = field(default_factory=dict)
    now: datetime = NOW
    looked_at: str | None = None

    def look(self, cluster: ClusterModel, hours: float = 4) -> Told:
        """The check so many hours after the last."""
        self.now += timedelta(hours=hours)
        state = expire_accepted(self.state, self.now)
        report = report_of(document_of(cluster))
        inventory = build_inventory(report)
        names = {host: entry.name for host, entry in inventory.items()}
        snapshot = build_snapshot(report, self.snapshot, names)
        self.images |= snapshot["images"]
        changes = self._compare(snapshot, report.runs, state)
        before = state["findings"].get(make_fingerprint("drift", "image-not-uniform", ""))
        look = RolloutLook(
            snapshot, [*cluster.failed], self.now, STALL_AFTER, before["severity"] if before else "info"
        )
        spreading = look.follow(state["rollout"], changes)
        known = [host for host, entry in snapshot["hosts"].items() if entry["image"] is not None]
        differing = list_differing_hosts(snapshot, known, state["accepted"])
        conditions = list_look_conditions(
            report,
            snapshot,
            inventory,
            now=self.now,
            uncovered_since=dict.fromkeys(cluster.failed, format_time(self.now)),
            accepted=state["accepted"],
            first_look=self.snapshot is None,
            blind_after_seconds=10**9,
            changes=changes,
            unreviewed=rate_unreviewed_software(
                list_net_changes(snapshot, differing, state["accepted"], self.images)
            ),
        )
        update = update_findings(
            state["findings"],
            state["suspects"],
            map(spreading.adjust, conditions),
            CheckScope(self.now, LOOK_KINDS, 0),
            {},
            state.get("turns", {}),
        )
        accepted = update_accepted(
            state["accepted"], snapshot["hosts"], report.runs, KEY, first_look=self.snapshot is None
        )
        self.state = {
            **state,
            "findings": update.findings,
            "suspects": update.suspects,
            "turns": update.openings,
            "rollout": spreading.rollout,
            "accepted": accepted,
            "uncovered_since": dict.fromkeys(cluster.failed, format_time(self.now)),
        }
        self.snapshot = snapshot
        marked, findings = spreading.finish(update.transitions)
        told = self._publish(marked, findings, coverage=measure_coverage(report, inventory))
        self.looked_at = format_time(self.now)
        return told

    def accept(self, hosts: Iterable[str], until_hours: float | None = None, ticket: str = "") -> Told:
        """A person's decision on these hosts, as they were last seen."""
        assert self.snapshot is not None
        shown = list_acceptable_hosts(self.snapshot, self.state["uncovered_since"])
        decision: Decision = {
            "by": "arn:aws:sts::123456789012:assumed-role/Admin/jo",
            "reason": "driver test",
            "shown_at": 1,
            "hosts": {host: shown[host] for host in hosts if host in shown},
            "instance_uuid": None,
        }
        if until_hours is not None:
            decision["until"] = format_time(self.now + timedelta(hours=until_hours))
        if ticket:
            decision["ticket"] = ticket
        self.state = expire_accepted(self.state, self.now)
        effect = accept_hosts(self.state, decision, self.snapshot, KEY, self.now, self.images)
        self.state = effect.after
        recorded_decision = build_recorded_decision(decision, None, effect)
        return self._publish(
            [], effect.findings, outcome="accepted", coverage=None, decision=recorded_decision
        )

    def _compare(self, snapshot: Snapshot, seen: Iterable[str], state: LogState) -> list[Change]:
        if self.snapshot is None:
            return []
        accepted = {
            host: (entry["image"], self.images[entry["image"]])
            for host, entry in state["accepted"].items()
            if entry["image"] is not None and entry["image"] != self.snapshot["hosts"][host]["image"]
        }
        return compare_snapshots(self.snapshot, snapshot, {}, set(seen), accepted)

    def _publish(self, changes: list[Change], findings: list[Finding], **more: object) -> Told:
        names = (
            {host: entry["name"] for host, entry in self.snapshot["hosts"].items()} if self.snapshot else {}
        )
        check = recorded(
            **{
                "changes": changes,
                "findings": findings,
                "checked_at": format_time(self.now),
                "since": self.looked_at,
                "extracted_at": format_time(self.now - timedelta(seconds=40)),
                "host_names": names,
                **more,
            }
        )
        chained = {**check.record, "before_sha256": "0" * 64, "after": self.state}
        assert list_violations("record", chained) == []
        events = build_events(check)
        for event in events:
            assert list_violations("event", event) == []
        return Told(events, self.state)
