"""Looks, decisions, rules and windows in any order: nothing told twice, forgotten, or wrongly hidden."""

from collections.abc import Iterable
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from esx_drift.domain.fleet.rules import IgnoreRule, MaintenanceWindow, Period, SilencingRules
from esx_drift.domain.host_history import DEPARTED_FOR
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Change, Finding, Json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.domain.changes.clusters import ClusterModel, HostModel
from tests.unit.domain.cluster_log import (
    DRIVER,
    I40EN,
    NEW_DRIVER,
    OLD_DRIVER,
    U3C,
    U3D,
    U3E,
    VIB,
    ClusterLog,
    Told,
    cluster,
    image,
)

NUMBERS = st.integers(0, 5)
"""Each is one of the hosts that are there."""
RUNS = st.sampled_from(
    [(U3D, DRIVER), (U3E, DRIVER), (U3D, NEW_DRIVER), (U3D, OLD_DRIVER), (U3C, DRIVER), (U3E, NEW_DRIVER)]
)
"""As it was, and what is one step from it, or two."""
SOME = st.sets(NUMBERS, min_size=1, max_size=3)
ALMOST_FORGOTTEN = DEPARTED_FOR - timedelta(days=1)
"""A host that is away for longer comes back as one that nobody knows."""
HOURS = st.sampled_from([1, 4, 4, 8, 30, 31 * 24])
IGNORED: list[dict[str, Any]] = [
    {"keys": (I40EN,)},
    {"elements": ("base_image",), "findings": ("image-not-uniform",)},
    {"findings": ("drift-unreviewed",)},
    {"findings": ("host-failed",)},
    {"keys": (VIB,)},
    {"kinds": ("downgraded",), "elements": ("component",)},
]
MAX_RULES = 3
type Runs = tuple[tuple[str, str], str]
type Step = tuple[str, str, str, str | None, str | None]


@dataclass(slots=True)
class AcceptedModel:
    """What a person accepted for a host, for good, and perhaps for a time."""

    lasting: Runs = (U3D, DRIVER)
    temporary: Runs | None = None
    until: datetime | None = None

    def at(self, now: datetime) -> Runs:
        """What holds."""
        return self.temporary if self.temporary and self.until and now < self.until else self.lasting


def _is_own(mark: str | None) -> bool:
    """Whether a rule or a window made the mark."""
    return (mark or "").startswith(("ignore:", "maintenance:"))


def _step(change: Change) -> Step:
    return change["element"], change["key"], change["kind"], change["from"], change["to"]


def _is_beginning(change: Change) -> bool:
    """Whether it is no end, and of software."""
    is_end = "put_back" in change or (change["element"], change["kind"]) == ("orphaned_vib", "removed")
    return not is_end and change["element"] != "host" and change["kind"] != "relabelled"


def _is_for_all_to_see(item: Change | Finding) -> bool:
    """Whether no window may hide it."""
    kinds = {item["kind"], str(item.get("element", ""))}
    return item["severity"] == "critical" or not kinds.isdisjoint(
        {"downgraded", "orphaned_vib", "orphaned-vib"}
    )


@dataclass(slots=True)
class People:
    """What people believe to be open, what comes and goes for them, and what they heard of."""

    open: set[str] = field(default_factory=set)
    flapping: set[str] = field(default_factory=set)
    differing: set[str] = field(default_factory=set)
    steps: set[Step] = field(default_factory=set)
    hidden_steps: set[Step] = field(default_factory=set)
    held_back: set[str] = field(default_factory=set)

    def hear(self, told: Told) -> None:
        """Each opening is heard once, and each end by whoever heard the opening."""
        self._hear_changes(told)
        for data in told.people:
            for finding in data["findings"]:
                if finding["kind"] == "drift-unreviewed":
                    self.differing |= {*finding["hosts"]}
                self._hear_finding(finding)

    def _hear_finding(self, finding: Finding) -> None:
        name, said = finding["fingerprint"], finding["detail"].get("flapping")
        if finding["transition"] == "opened":
            assert name not in self.open or name in self.flapping
            self.open.add(name)
        elif finding["transition"] == "resolved":
            assert name in self.open or name in self.flapping
            self.open.discard(name)
        else:
            assert finding["transition"] == "still" or name in self.open
            return
        self.flapping.discard(name)
        if isinstance(said, dict) and "steady" not in said:
            self.flapping.add(name)

    def _hear_changes(self, told: Told) -> None:
        """What is held back because it only spreads was heard before, or stood in a finding that was."""
        changes = [change for change in told.record["changes"] if _is_beginning(change)]
        for change in changes:
            if change.get("suppressed_by") == "rollout":
                assert _step(change) in self.steps
                self.differing |= {*change["hosts"]}
        self.steps |= {_step(change) for change in told.changes}
        self.differing |= {host for change in told.changes for host in change["hosts"]}
        hidden = [change for change in changes if _is_own(change.get("suppressed_by"))]
        self.hidden_steps |= {_step(change) for change in hidden}
        if any(
            each["family"] == "drift" and each["transition"] in {"opened", "raised"}
            for data in told.people
            for each in data["findings"]
        ):
            self.steps |= self.hidden_steps
            self.hidden_steps.clear()


class Lifecycle(RuleBasedStateMachine):
    """A cluster of a few hosts, its log, the fleet file's rules, and who hears of it."""

    @initialize()
    def begin(self) -> None:
        """A first look at equal hosts."""
        self.log, self.model, self.people = ClusterLog(), cluster(), People()
        self.runs: dict[str, Runs] = dict.fromkeys(self.model.hosts, (U3D, DRIVER))
        self.known: dict[str, Runs] = dict(self.runs)
        self.accepted = {host: AcceptedModel() for host in self.model.hosts}
        self.gone: dict[str, str] = {}
        self.away: dict[str, HostModel] = {}
        self.left_at: dict[str, datetime] = {}
        self.ignored: set[str] = set()
        self.names = 4
        self.excepted: set[str] = set()
        self.people.hear(self.log.look(self.model))

    def _pick(self, numbers: Iterable[int]) -> list[str]:
        hosts = list(self.model.hosts)
        return sort_naturally({hosts[number % len(hosts)] for number in numbers})

    @rule(runs=RUNS, waves=st.lists(st.tuples(SOME, HOURS), min_size=1, max_size=4))
    def change_software(self, runs: Runs, waves: list[tuple[set[int], int]]) -> None:
        """By hand, or by a remediation that goes from host to host, with a check after each step."""
        for numbers, hours in waves:
            self.runs |= dict.fromkeys(self._pick(numbers), runs)
            self.look(hours)

    @rule(numbers=SOME, there=st.booleans(), hours=HOURS)
    def change_vib(self, numbers: set[int], hours: int, *, there: bool) -> None:
        """Somebody installs it, or takes it away."""
        for host in self._pick(numbers):
            self.model.hosts[host].vibs = frozenset({VIB} if there else ())
        self.look(hours)

    @rule(numbers=st.sets(NUMBERS, max_size=2), hours=HOURS)
    def lose_sight(self, numbers: set[int], hours: int) -> None:
        """These can't be read from now on; all others can."""
        self.gone = {host: self.model.hosts[host].name for host in self._pick(numbers)}
        self.look(hours)

    @precondition(lambda self: len(self.model.hosts) < 6)
    @rule(runs=RUNS, hours=HOURS)
    def join(self, runs: Runs, hours: int) -> None:
        """A host that nobody knows; what it runs first is accepted."""
        self.names += 1
        host = f"host-{self.names}"
        self.model.hosts[host] = HostModel(f"esx{self.names:02}", image())
        self.runs[host] = self.known[host] = runs
        self.accepted[host] = AcceptedModel(runs)
        self.look(hours)

    @precondition(lambda self: len(self.model.hosts) > 2)
    @rule(number=NUMBERS, hours=HOURS)
    def leave(self, number: int, hours: int) -> None:
        """A host that can be read is taken out of the cluster."""
        (host,) = self._pick([number])
        if host not in self.gone:
            self.away[host] = self.model.hosts.pop(host)
            self.look(hours)
            self.left_at[host] = self.log.now

    @precondition(lambda self: self.away and len(self.model.hosts) < 6)
    @rule(anew=st.booleans(), runs=st.none() | RUNS, hours=HOURS)
    def come_back(self, runs: Runs | None, hours: int, *, anew: bool) -> None:
        """The host that left first, as it was or changed meanwhile, under its id or another."""
        former = next(iter(self.away))
        if self.log.now + timedelta(hours=hours) - self.left_at[former] >= ALMOST_FORGOTTEN:
            self.away.pop(former)
            return
        self.names += anew
        host = f"host-{self.names}" if anew else former
        self.model.hosts[host] = self.away.pop(former)
        self.runs[host] = runs or self.runs[former]
        self.known[host], self.accepted[host] = self.known.pop(former), self.accepted.pop(former)
        self.look(hours)

    @rule(begins=st.sampled_from([-1, 1, 5]), hours=st.sampled_from([2, 6, 12, 40]), accept=st.booleans())
    def plan_window(self, begins: int, hours: int, *, accept: bool) -> None:
        """One more window in the fleet file."""
        self.names += 1
        begins_at = self.log.now + timedelta(hours=begins)
        period = Period(begins_at, begins_at + timedelta(hours=hours))
        window = MaintenanceWindow(f"night {self.names}", "CHG-1", period, accept=accept)
        self._set_rules(maintenance=(*self.log.rules.maintenance, window)[-MAX_RULES:])

    @rule(about=st.sampled_from(IGNORED), hours=st.sampled_from([2, 9, 50]))
    def plan_ignoring(self, about: dict[str, Any], hours: int) -> None:
        """One more rule in the fleet file."""
        self.names += 1
        ignored = IgnoreRule(f"rule {self.names}", "known", self.log.now + timedelta(hours=hours), **about)
        self._set_rules(ignore=(*self.log.rules.ignore, ignored)[-MAX_RULES:])

    @rule()
    def clear_rules(self) -> None:
        """The fleet file says no more of it."""
        self.log.rules = SilencingRules()

    def _set_rules(self, **rules: Any) -> None:  # noqa: ANN401 -- rules or windows
        self.log.rules = replace(self.log.rules, **rules)

    @rule(hours=st.sampled_from([2, 9, None]), accept=st.booleans())
    def maintain(self, hours: int | None, *, accept: bool) -> None:
        """A person begins maintenance, or ends what was begun."""
        self._take(self.log.maintain(hours, accept=accept and hours is not None))

    @rule(hours=HOURS)
    def look(self, hours: int) -> None:
        """The next check."""
        self.gone = {host: name for host, name in self.gone.items() if host in self.model.hosts}
        seen = {host: each for host, each in self.model.hosts.items() if host not in self.gone}
        for host, each in seen.items():
            each.software = image(*self.runs[host])
        before, was_accepted = dict(self.known), dict(self.log.state["accepted"])
        told = self.log.look(ClusterModel(seen, failed=dict(self.gone)), hours)
        self.known |= {host: self.runs[host] for host in seen}
        self._accept_finished_work(told, was_accepted)
        self._check_changes(told, before)
        self._take(told)

    @rule(numbers=SOME, until=st.sampled_from([None, None, 2, 6, 24]))
    def accept(self, numbers: set[int], until: int | None) -> None:
        """A person accepts what he was shown of hosts that were seen."""
        hosts = self._pick(numbers)
        told = self.log.accept(hosts, until)
        assert all(
            event["data"].get("decision") or "report" in event["data"] or event["data"]["totals"]["opened"]
            for event in told.events
        )
        for host in {*hosts} - self.log.state["uncovered_since"].keys():
            entry = self.accepted[host]
            if until is None:
                self.accepted[host] = AcceptedModel(self.known[host])
            else:
                entry.temporary, entry.until = self.known[host], self.log.now + timedelta(hours=until)
        self._take(told)

    def _accept_finished_work(self, told: Told, before: dict[str, Any]) -> None:
        """A window accepts at its end what was done in it, and nothing that it may not hide."""
        maintenance = told.record["after"]["maintenance"] or {"windows": []}
        ended = [window for window in told.record.get("maintenance_ended", ()) if window["accepted"]]
        accepted = {host for window in ended for host in window["accepted"]}
        accepted |= {host for window in maintenance["windows"] for host in window.get("accepted", ())}
        now = told.record["after"]["accepted"]
        moved = {
            host
            for host in accepted
            if host not in before or before[host]["image"] != now[host]["image"] or "until" in before[host]
        }
        assert accepted == moved
        assert accepted.isdisjoint(self.gone)
        for host in accepted:
            assert all(window["accept"] for window in ended)
            assert "until" not in now[host]
            self.accepted[host] = AcceptedModel(self.known[host])
        for change in told.record["changes"]:
            if _is_beginning(change) and _is_for_all_to_see(change):
                assert accepted.isdisjoint(change["hosts"])

    def _take(self, told: Told) -> None:
        self._check_hidden(told)
        self.people.hear(told)
        self._check_open(told)

    def _is_hidden_now(self, mark: str) -> bool:
        """Whether the rule holds that a mark names, or the window is not yet settled."""
        kind, _, name = mark.partition(":")
        if kind == "ignore":
            return any(
                each.name == name and each.is_in_effect(self.log.now) for each in self.log.rules.ignore
            )
        windows = (self.log.state["maintenance"] or {"windows": []})["windows"]
        return any(window["name"] == name for window in windows)

    def _is_in_window(self) -> bool:
        windows = (self.log.state["maintenance"] or {"windows": []})["windows"]
        return any(parse_time(window["to"]) > self.log.now for window in windows)

    def _check_hidden(self, told: Told) -> None:
        """Each mark names what holds; no window hides what it may not, or lets pass what it hides."""
        for change in told.record["changes"]:
            mark = change.get("suppressed_by")
            if mark == "rollout":
                assert change["element"] not in {"host", "orphaned_vib"}
                assert change["kind"] != "downgraded"
                assert "put_back" not in change
            elif _is_own(mark) and _is_beginning(change):
                ended = told.record.get("maintenance_ended", ())
                by_accepting = [f"maintenance:{window['name']}" for window in ended if window["accepted"]]
                assert mark in by_accepting or self._is_hidden_now(str(mark))
                assert not (str(mark).startswith("maintenance:") and _is_for_all_to_see(change))
            elif _is_beginning(change) and self._is_in_window():
                assert _is_for_all_to_see(change)
        for finding in told.record["findings"]:
            mark = finding.get("suppressed_by")
            if str(mark).startswith("maintenance:"):
                assert not _is_for_all_to_see(finding)
            if _is_own(mark) and finding["transition"] != "resolved":
                assert self._is_hidden_now(str(mark))
            elif mark is None and finding["transition"] == "opened" and self._is_in_window():
                assert _is_for_all_to_see(finding) or "steady" in str(finding["detail"].get("flapping"))

    def _check_changes(self, told: Told, before: dict[str, Runs]) -> None:
        """What is published is what changed, host by host."""
        there = self.model.hosts
        changed = {host for host in there if host in before and before[host] != self.known[host]}
        published = [change for event in told.events for change in event["data"]["changes"]]
        software = {
            host
            for change in published
            if change["element"] not in {"orphaned_vib", "host"}
            for host in change["hosts"]
        }
        assert software == changed

    def _check_open(self, told: Told) -> None:
        """Whoever heard everything knows what is open, but for what a rule that holds hides.

        A drift is what differs from what was accepted.
        """
        findings = self.log.state["findings"]
        silent = {
            finding["fingerprint"]
            for finding in told.findings
            if finding.get("suppressed_by") == "rollout" and finding["transition"] == "opened"
        }
        # The end of what goes on names it; where that comes to no end, it is told by itself.
        rollout = self.log.state["rollout"]
        assert not silent or (rollout is not None and rollout["lead"] is not None)
        self.people.open |= silent
        self._check_held_back(told, silent)
        for name, finding in findings.items():
            mark = finding.get("suppressed_by")
            assert "accepted" not in finding
            if mark is None:
                assert name in self.people.open or name in self.people.flapping
            else:
                assert name not in self.people.open
                assert self._is_hidden_now(mark)
        assert self.people.open - self.people.flapping <= findings.keys()
        now, there = self.log.now, self.model.hosts
        if told.record["outcome"] in {"accepted", "maintenance"}:
            return
        differing = sort_naturally(host for host in there if self.accepted[host].at(now) != self.known[host])
        drift = [each for each in findings.values() if each["kind"] == "drift-unreviewed"]
        if any(host not in self.gone for host in differing):
            (finding,) = drift
            assert finding["hosts"] == differing
            assert finding["detail"]["total"] != 0
            self._check_heard(told, finding)
        elif not differing:
            assert drift == []
        self.people.differing &= {*differing}

    def _check_held_back(self, told: Told, silent: set[str]) -> None:
        """What a rollout held back is told when it ends, stalls or is none any more."""
        rollout = self.log.state["rollout"]
        lead = rollout["lead"] if rollout else None
        states = {
            str(cast("dict[str, Json]", finding["detail"]["rollout"])["state"])
            for data in told.people
            for finding in data["findings"]
            if "rollout" in finding["detail"]
        }
        heard = {finding["fingerprint"] for data in told.people for finding in data["findings"]}
        self.people.held_back |= silent
        gone = self.people.held_back - self.log.state["findings"].keys()
        moved = {
            finding["fingerprint"]
            for data in told.people
            for finding in data["findings"]
            if finding["transition"] != "still"
        }
        self.people.held_back -= gone | moved
        if lead is None and told.record["outcome"] not in {"accepted", "maintenance"}:
            is_named = "done" in states and self.people.held_back <= heard
            is_in_window = self.log.state["maintenance"] is not None
            assert not self.people.held_back or is_named or is_in_window
            self.people.held_back.clear()

    def _check_heard(self, told: Told, drift: Finding) -> None:
        """Once no window holds, people have heard of each host that differs, but for what rules ignored."""
        self.ignored |= {
            host
            for change in told.record["changes"]
            if (change.get("suppressed_by") or "").startswith("ignore:")
            for host in change["hosts"]
        }
        if self.log.state["maintenance"] is None and "suppressed_by" not in drift:
            assert {*drift["hosts"]} <= self.people.differing | self.ignored

    @invariant()
    def what_is_kept_is_small(self) -> None:
        """However long it goes on."""
        if hasattr(self, "log"):
            assert len(encode_canonical_json(self.log.state)) < 60_000


Lifecycle.TestCase.settings = settings(stateful_step_count=20, deadline=None)
TestLifecycle = Lifecycle.TestCase
