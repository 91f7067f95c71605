"""One cluster's log by the pure functions alone: looks and decisions, and what people hear of each."""

from collections.abc import Container, Iterable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from esx_drift.contracts import list_violations
from esx_drift.domain.acceptance import expire_accepted, list_differing_hosts, list_net_changes
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import list_left_hosts, match_remembered_hosts
from esx_drift.domain.decisions import (
    accept_hosts,
    build_recorded_decision,
    decide_maintenance,
    list_acceptable_hosts,
)
from esx_drift.domain.events import select_for_people
from esx_drift.domain.findings.kinds import LOOK_KINDS
from esx_drift.domain.findings.look_conditions import list_look_conditions, rate_unreviewed_software
from esx_drift.domain.findings.rollouts import RolloutLook
from esx_drift.domain.findings.update import CheckScope, update_findings
from esx_drift.domain.fleet.rules import NO_RULES, SilencingRules
from esx_drift.domain.host_history import (
    RememberedHost,
    carry_over_accepted,
    forget_accepted,
    update_accepted,
    update_departed,
)
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.images.report import build_inventory, measure_coverage
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.domain.stored.identifiers import make_fingerprint
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import (
    Answered,
    Change,
    Decision,
    Event,
    EventData,
    Finding,
    Image,
    LogState,
    Record,
    ResolvedBecause,
    Snapshot,
)
from esx_drift.domain.suppression import Log, Work, accept_finished_work, apply_rules
from esx_drift.domain.text.times import format_time, parse_time

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
    record: Record

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
    rules: SilencingRules = NO_RULES
    windows: int = 0

    def look(self, cluster: ClusterModel, hours: float = 4) -> Told:
        """The check so many hours after the last."""
        self.now += timedelta(hours=hours)
        state = expire_accepted(self.state, self.now)
        report = report_of(document_of(cluster))
        inventory = build_inventory(report)
        names = {host: entry.name for host, entry in inventory.items()}
        snapshot = build_snapshot(report, self.snapshot, names)
        self.images |= snapshot["images"]
        returned = self._match_returned(snapshot, state)
        changes = self._compare(snapshot, report.runs, state, returned)
        work = Work({host: snapshot["hosts"][host] for host in report.runs}, lambda: KEY, changes)
        former, log = state, Log("vc01", ("domain-c9", "prod-a"))
        state = accept_finished_work(state, log, self.rules, self.now, work)
        state = {**state, "accepted": carry_over_accepted(state["accepted"], returned)}
        before = state["findings"].get(make_fingerprint("drift", "image-not-uniform", ""))
        look = RolloutLook(
            snapshot,
            dict.fromkeys(cluster.failed, "NOT_RESPONDING"),
            self.now,
            STALL_AFTER,
            before["severity"] if before else "info",
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
                list_net_changes(snapshot, differing, state["accepted"], self.images),
                list_release_names((self.snapshot or snapshot)["labels"])
                | list_release_names(snapshot["labels"]),
            ),
        )
        update = update_findings(
            state["findings"],
            state["suspects"],
            map(spreading.adjust, conditions),
            CheckScope(self.now, LOOK_KINDS, 0),
            find_reasons(state, changes, inventory),
            state.get("turns", {}),
        )
        accepted = update_accepted(
            state["accepted"], snapshot["hosts"], report.runs, KEY, first_look=self.snapshot is None
        )
        departed = update_departed(
            former, self.snapshot["hosts"] if self.snapshot else {}, snapshot["hosts"], returned, self.now
        )
        accepted = forget_accepted(accepted, snapshot["hosts"], departed)
        after: LogState = {
            **state,
            "departed": departed,
            "last_look_at": format_time(self.now),
            "findings": update.findings,
            "suspects": update.suspects,
            "turns": update.openings,
            "rollout": spreading.rollout,
            "accepted": accepted,
            "uncovered_since": dict.fromkeys(cluster.failed, format_time(self.now)),
        }
        self.snapshot = snapshot
        marked, findings = spreading.finish(spreading.report_held_back(update.transitions))
        told = self._publish(after, marked, findings, coverage=measure_coverage(report, inventory))
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
        state = expire_accepted(self.state, self.now)
        open_now = self.state["findings"].keys()
        effect = accept_hosts(state, decision, self.snapshot, KEY, self.now, open_now, self.images)
        recorded_decision = build_recorded_decision(decision, None, effect)
        return self._publish(
            effect.after, [], effect.findings, outcome="accepted", coverage=None, decision=recorded_decision
        )

    def maintain(self, hours: float | None, *, accept: bool = False) -> Told:
        """A person begins maintenance for so many hours; without them he ends it."""
        self.windows += 1
        seconds = None if hours is None else int(hours * 3600)
        decision: Decision = {
            "by": "arn:aws:sts::123456789012:assumed-role/Admin/jo",
            "reason": "CHG-2042",
            "shown_at": None,
            "hosts": {},
            "instance_uuid": None,
            "maintenance": {"for_seconds": seconds, "accept": accept},
        }
        effect = decide_maintenance(self.state, "domain-c9", decision, self.windows, self.now)
        recorded_decision = build_recorded_decision(decision, None, effect)
        return self._publish(
            effect.after,
            [],
            effect.findings,
            outcome="maintenance",
            coverage=None,
            decision=recorded_decision,
        )

    def _match_returned(self, snapshot: Snapshot, state: LogState) -> dict[str, RememberedHost]:
        """Match hosts that came with those that left, now or before."""
        if self.snapshot is None:
            return {}
        left = list_left_hosts(self.snapshot, snapshot)
        departed = [
            RememberedHost(
                host,
                gone["name"],
                self.images.get(str(gone["image"])),
                gone["orphaned_vibs"],
                parse_time(gone.get("seen_at", gone["left_at"])),
            )
            for host, gone in state["departed"].items()
        ]
        return dict(match_remembered_hosts(self.snapshot, snapshot, [*left, *departed]))

    def _compare(
        self,
        snapshot: Snapshot,
        seen: Iterable[str],
        state: LogState,
        returned: Mapping[str, RememberedHost],
    ) -> list[Change]:
        if self.snapshot is None:
            return []
        before = self.snapshot["hosts"]
        accepted = {
            host: (entry["image"], self.images[entry["image"]])
            for host, entry in carry_over_accepted(state["accepted"], returned).items()
            if entry["image"] is not None and (host not in before or entry["image"] != before[host]["image"])
        }
        return compare_snapshots(self.snapshot, snapshot, returned, set(seen), accepted)

    def _publish(
        self, after: LogState, changes: list[Change], findings: list[Finding], **more: object
    ) -> Told:
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
        after = {**after, "last_taken": check.record["after"]["last_taken"]}
        marked = apply_rules({**check.record, "after": after}, self.state, self.rules, names)
        at = {"request_id": check.record["request_id"], "seq": 41, "at": format_time(self.now)}
        self.state = {**marked["after"], "answered": [cast("Answered", at)]}
        chained = {**marked, "before_sha256": "0" * 64, "after": self.state}
        assert list_violations("record", chained) == []
        events = build_events(replace(check, record=marked))
        for event in events:
            assert list_violations("event", event) == []
        return Told(events, self.state, marked)


def find_reasons(
    state: LogState, changes: Iterable[Change], inventory: Container[str]
) -> dict[str, ResolvedBecause]:
    """Why findings end, as a check says it: accepted by a window, or all hosts gone."""
    windows = (state["maintenance"] or {"windows": []})["windows"]
    accepted = {host for window in windows for host in window.get("accepted", ())}
    back = {change["from"] for change in changes if change["element"] == "host"}
    reasons: dict[str, ResolvedBecause] = {}
    for name, finding in state["findings"].items():
        if finding["kind"] == "drift-unreviewed" and accepted & {*finding["hosts"]}:
            reasons[name] = "accepted"
        if finding["hosts"] and not any(host in inventory or host in back for host in finding["hosts"]):
            reasons[name] = "host-left"
    return reasons
