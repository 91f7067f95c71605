"""Looks, decisions and their ends in any order: nothing told twice, forgotten, or hidden that may not be."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from esx_drift.domain.stored.identifiers import encode_canonical_json
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.domain.changes.clusters import ClusterModel
from tests.unit.domain.cluster_log import (
    DRIVER,
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

HOSTS = [f"host-{number}" for number in range(1, 5)]
RUNS = st.sampled_from(
    [(U3D, DRIVER), (U3E, DRIVER), (U3D, NEW_DRIVER), (U3D, OLD_DRIVER), (U3C, DRIVER), (U3E, NEW_DRIVER)]
)
"""As it was, and what is one step from it, or two."""
SOME = st.sets(st.sampled_from(HOSTS), min_size=1, max_size=3)
HOURS = st.sampled_from([1, 4, 4, 8, 30])
type Runs = tuple[tuple[str, str], str]


@dataclass(slots=True)
class AcceptedModel:
    """What a person accepted for a host, for good, and perhaps for a time."""

    lasting: Runs = (U3D, DRIVER)
    temporary: Runs | None = None
    until: datetime | None = None

    def at(self, now: datetime) -> Runs:
        """What holds."""
        return self.temporary if self.temporary and self.until and now < self.until else self.lasting


@dataclass(slots=True)
class People:
    """What people believe to be open, and what comes and goes for them."""

    open: set[str] = field(default_factory=set)
    flapping: set[str] = field(default_factory=set)

    def hear(self, told: Told) -> None:
        """Each opening is heard once, and each end by whoever heard the opening."""
        for data in told.people:
            for finding in data["findings"]:
                name, said = finding["fingerprint"], finding["detail"].get("flapping")
                if finding["transition"] == "opened":
                    assert name not in self.open or name in self.flapping
                    self.open.add(name)
                elif finding["transition"] == "resolved":
                    assert name in self.open or name in self.flapping
                    self.open.discard(name)
                else:
                    assert finding["transition"] == "still" or name in self.open
                    continue
                self.flapping.discard(name)
                if isinstance(said, dict) and "steady" not in said:
                    self.flapping.add(name)


class Lifecycle(RuleBasedStateMachine):
    """A cluster of four hosts, its log, and who hears of it."""

    @initialize()
    def begin(self) -> None:
        """A first look at equal hosts."""
        self.log, self.model, self.people = ClusterLog(), cluster(), People()
        self.runs: dict[str, Runs] = dict.fromkeys(HOSTS, (U3D, DRIVER))
        self.known: dict[str, Runs] = dict(self.runs)
        self.accepted = {host: AcceptedModel() for host in HOSTS}
        self.gone: dict[str, str] = {}
        self.people.hear(self.log.look(self.model))

    @rule(runs=RUNS, waves=st.lists(st.tuples(SOME, HOURS), min_size=1, max_size=4))
    def change_software(self, runs: Runs, waves: list[tuple[set[str], int]]) -> None:
        """By hand, or by a remediation that goes from host to host, with a check after each step."""
        for hosts, hours in waves:
            self.runs |= dict.fromkeys(hosts, runs)
            self.look(hours)

    @rule(hosts=SOME, there=st.booleans(), hours=HOURS)
    def change_vib(self, hosts: set[str], hours: int, *, there: bool) -> None:
        """Somebody installs it, or takes it away."""
        for host in hosts:
            self.model.hosts[host].vibs = frozenset({VIB} if there else ())
        self.look(hours)

    @rule(hosts=st.sets(st.sampled_from(HOSTS), max_size=2), hours=HOURS)
    def lose_sight(self, hosts: set[str], hours: int) -> None:
        """These can't be read from now on; all others can."""
        self.gone = {host: self.model.hosts[host].name for host in hosts}
        self.look(hours)

    @rule(hours=HOURS)
    def look(self, hours: int) -> None:
        """The next check."""
        seen = {host: each for host, each in self.model.hosts.items() if host not in self.gone}
        for host, each in seen.items():
            each.software = image(*self.runs[host])
        before = dict(self.known)
        told = self.log.look(ClusterModel(seen, failed=dict(self.gone)), hours)
        self.known |= {host: self.runs[host] for host in seen}
        self._check_hidden(told)
        self._check_changes(told, before)
        self.people.hear(told)
        self._check_open(told)

    @rule(hosts=SOME, until=st.sampled_from([None, None, 2, 6, 24]))
    def accept(self, hosts: set[str], until: int | None) -> None:
        """A person accepts what he was shown of hosts that were seen."""
        told = self.log.accept(sorted(hosts), until)
        decided = [event["data"].get("decision") for event in told.events]
        assert None not in decided
        for host in hosts - self.log.state["uncovered_since"].keys():
            entry = self.accepted[host]
            if until is None:
                self.accepted[host] = AcceptedModel(self.known[host])
            else:
                entry.temporary, entry.until = self.known[host], self.log.now + timedelta(hours=until)
        self.people.hear(told)

    def _check_hidden(self, told: Told) -> None:
        """No downgrade, no orphaned VIB and no end is ever held back, nor anything that got worse."""
        for event in told.events:
            for change in event["data"]["changes"]:
                if "suppressed_by" in change:
                    assert change["suppressed_by"] == "rollout"
                    assert change["element"] not in {"host", "orphaned_vib"}
                    assert change["kind"] != "downgraded"
                    assert "put_back" not in change
            for finding in event["data"]["findings"]:
                if "suppressed_by" in finding:
                    assert finding["family"] != "orphaned-vib"
                    assert finding["transition"] in {"opened", "resolved"} or "flapping" in finding["detail"]

    def _check_changes(self, told: Told, before: dict[str, Runs]) -> None:
        """What is published is what changed, host by host."""
        changed = {host for host, runs in self.known.items() if before[host] != runs}
        published = [change for event in told.events for change in event["data"]["changes"]]
        software = {
            host for change in published if change["element"] != "orphaned_vib" for host in change["hosts"]
        }
        assert software == changed

    def _check_open(self, told: Told) -> None:
        """Whoever heard everything knows what is open; a drift is what differs from what was accepted."""
        findings = self.log.state["findings"]
        silent = {
            finding["fingerprint"]
            for finding in told.findings
            if finding.get("suppressed_by") == "rollout" and finding["transition"] == "opened"
        }
        assert not silent or self.log.state["rollout"] is not None
        self.people.open |= silent
        for name, finding in findings.items():
            if finding["family"] != "failure":
                assert name in self.people.open or name in self.people.flapping
            assert "suppressed_by" not in finding
            assert "accepted" not in finding
        assert self.people.open - self.people.flapping <= findings.keys()
        now = self.log.now
        differing = [host for host in HOSTS if self.accepted[host].at(now) != self.known[host]]
        drift = [each for each in findings.values() if each["kind"] == "drift-unreviewed"]
        if any(host not in self.gone for host in differing):
            (finding,) = drift
            assert finding["hosts"] == differing
            assert finding["detail"]["total"] != 0
        elif not differing:
            assert drift == []

    @invariant()
    def what_is_kept_is_small(self) -> None:
        """However long it goes on."""
        if hasattr(self, "log"):
            assert len(encode_canonical_json(self.log.state)) < 40_000


Lifecycle.TestCase.settings = settings(stateful_step_count=20, deadline=None)
TestLifecycle = Lifecycle.TestCase
