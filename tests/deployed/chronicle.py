"""Every scenario, each on a vCenter of its own, played to one deployed stack; and what came of it."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_prefix

from tests.deployed.messages import Message, read
from tests.lab.local_aws.rig import PATIENCE_SECONDS, ROUTE, Rig
from tests.lab.local_aws.tap import Tap
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter
from tests.simulator.certificates import Authority, authority, bad_certificates
from tests.simulator.extraction import Pace
from tests.simulator.scenario import Scenario
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.slack import PATH

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

CLUSTERS = {"prod-a": "domain-c9", "prod-b": "domain-c1008"}
EXTRA = {"prod-c": "domain-c1016", "prod-d": "domain-c1024", "prod-e": "domain-c1032"}
"""Clusters that only some of the vCenters have."""

LOGS = {**CLUSTERS, **EXTRA, VCENTER_LOG: VCENTER_LOG}
"""The name and the id of each log of a vCenter."""

OF_THEIR_OWN = {"check-overdue", "vcenter-authentication"}
"""These take hours of the schedule's time, and minutes of a lockout's: tests of their own turn the clock."""

PLAYED = [name for name in SCENARIOS if name not in OF_THEIR_OWN]

SHOWING_ANOTHER = ["certificate-expired", "certificate-of-another-name", "certificate-authority-unfit"]
KEPT_DOWN = [
    "vcenter-unreachable",
    "vcenter-reset",
    "vcenter-unavailable",
    "vcenter-redirect",
    "vcenter-behind-a-page",
    "vcenter-another-server",
    "vcenter-behind-a-balancer",
    "vcenter-sessions-used-up",
    "vcenter-overloaded",
    *SHOWING_ANOTHER,
]
"""These can't even be listed: the dispatcher comes back to them by itself, also when they are healed."""

PATIENT = {"extract_deadline_seconds": 11}
"""Where an extraction never ends, its deadline is waited for."""

OWN = {
    "extraction-timeout": PATIENT,
    "cluster-stays-busy": PATIENT,
    "unseen-for-long": {"blind_after_seconds": 2},
}
"""What the fleet file says of single vCenters."""

ROUTES = 12
WORK, TALK, POSTS, RETRIES = "CheckQueue", "NotifyQueue", "DeliveryQueue", "RetryQueue"


@dataclass(slots=True)
class Chronicle:
    """What is left of all the stories. `before` counts a log's records that were there before the healing."""

    rig: Rig
    tap: Tap
    logs: "dict[tuple[str, str], list[Record]]" = field(default_factory=dict)
    before: dict[tuple[str, str], int] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    left_open: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    """Each that Slack took."""
    alone: frozenset[str] = frozenset()
    """The ids of the events that came in a message of their own."""

    def log(self, scenario: str, log: str) -> "list[Record]":
        """A whole log of a scenario's vCenter, by the cluster's name or `@vcenter`."""
        return self.logs[scenario, LOGS[log]]

    def story(self, scenario: str, log: str) -> "list[Record]":
        """The part before the healing."""
        return self.log(scenario, log)[: self.before[scenario, LOGS[log]]]

    def records(self) -> "list[Record]":
        """Every record."""
        return [record for log in self.logs.values() for record in log]


def told(rig: Rig, tap: Tap) -> Chronicle:
    """Play them all at once: prepare, look, change, look (as often as there are changes), heal, look."""
    chronicle, certificates = Chronicle(rig, tap), Certificates(rig)
    for seed, name in enumerate(PLAYED):
        rig.add_vcenter(name, _prepared(SCENARIOS[name], seed))
        chronicle.names[name] = {}
    certificates.trust(SHOWING_ANOTHER)
    rig.put_fleet(_fleet(rig))
    _change(chronicle, [name for name in PLAYED if SCENARIOS[name].at_once], 0)
    certificates.show(SHOWING_ANOTHER)
    _look(chronicle, None)
    _change(chronicle, [name for name in PLAYED if not SCENARIOS[name].at_once], 0)
    _look(chronicle, None)
    for number in range(1, max(len(SCENARIOS[name].changes) for name in PLAYED)):
        longer = [name for name in PLAYED if len(SCENARIOS[name].changes) > number]
        _change(chronicle, longer, number)
        _look(chronicle, longer)
    until(lambda: all(_is_told_of(rig, name) for name in KEPT_DOWN), "what is down to be told", 30)
    chronicle.before = {place: len(keys) for place, keys in _list_record_keys(rig).items()}
    _heal(rig, KEPT_DOWN)
    certificates.show(SHOWING_ANOTHER)
    rig.await_quiet(RETRIES, WORK, TALK, POSTS)
    _heal(rig, [name for name in PLAYED if name not in KEPT_DOWN])
    _look(chronicle, None)
    chronicle.logs = {
        place: [rig.read_record(key) for key in keys] for place, keys in _list_record_keys(rig).items()
    }
    # Read once: a hundred scenarios ask for it, and it is hundreds of objects.
    chronicle.messages = [read(payload) for payload in rig.slack.accepted]
    chronicle.alone = frozenset(_list_alone(rig))
    tap.drain()
    return chronicle


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a vCenter can show. Its secret trusts both authorities: it is the certificate that is at fault."""

    rig: Rig
    unfit: Authority = field(default_factory=lambda: authority(datetime.now(UTC), "Unfit CA", strict=False))

    def trust(self, names: Iterable[str]) -> None:
        """Write it into the secrets of these vCenters."""
        bundle = self.rig.authority.pem + self.unfit.pem
        for name in names:
            self.rig.put_secret(f"vcenter/{name}", self.rig.vcenter_secret(name, ca_bundle=bundle))

    def show(self, names: Iterable[str]) -> None:
        """Let each of these vCenters show what its story says."""
        directory = self.rig.tls.certificate.parent
        bad = bad_certificates(self.rig.authority, self.unfit, directory, datetime.now(UTC))
        for name in names:
            kind = self.rig.vcenters[name].certificate
            self.rig.servers[name].show(bad.get(kind, self.rig.tls))


def _prepared(scenario: Scenario, seed: int) -> VCenter:
    vcenter = VCenter(seed)
    scenario.prepare(vcenter)
    # The first poll ends a task: what polling is like is tested elsewhere.
    vcenter.extractions.pace = Pace(())
    vcenter.remember()
    return vcenter


def _fleet(rig: Rig) -> dict[str, Any]:
    fleet = rig.fleet()
    for entry in fleet["vcenters"]:
        entry.update(OWN.get(entry["name"], {}))
    # A webhook takes a message a second, and the local AWS gathers none: side by side they take minutes less.
    names = [entry["name"] for entry in fleet["vcenters"]]
    fleet["routes"] = [
        {"name": _add_webhook(rig, number), "vcenters": names[number::ROUTES]} for number in range(ROUTES)
    ]
    return fleet


def _add_webhook(rig: Rig, number: int) -> str:
    """Another webhook of the same Slack: the name of its secret, and of its route."""
    name, path = f"{ROUTE}-{number}", f"{PATH}{number}"
    rig.slack.paths += (path,)
    rig.put_secret(f"slack/{name}", {"url": rig.slack.webhook_of(path), "ca_bundle": rig.authority.pem})
    return name


def _change(chronicle: Chronicle, names: Iterable[str], number: int) -> None:
    for name in names:
        _note_names(chronicle, name)
        SCENARIOS[name].change(chronicle.rig.vcenters[name], number)
        _note_names(chronicle, name)


def _note_names(chronicle: Chronicle, name: str) -> None:
    hosts = chronicle.rig.vcenters[name].inventory.hosts
    chronicle.names[name] |= {key: host.name for key, host in hosts.items()}


def _look(chronicle: Chronicle, names: list[str] | None) -> None:
    """Look at the whole fleet, or at prod-a of the named; then nobody may be left logged in."""
    rig = chronicle.rig
    chosen = [{"vcenter": name, "cluster": "prod-a"} for name in names or ()]
    rig.dispatch({"clusters": chosen} if names else None)
    rig.await_quiet(WORK, TALK, POSTS)
    try:
        # Whoever is retried meanwhile may just be logged in, but not for long.
        until(lambda: not _open(rig), "every session to be ended", PATIENCE_SECONDS)
    except TimeoutError:
        chronicle.left_open += _open(rig)


def _open(rig: Rig) -> list[str]:
    return [name for name, vcenter in rig.vcenters.items() if vcenter.sessions.open_count]


def _is_told_of(rig: Rig, name: str) -> bool:
    return bool(rig.log_end(name).after["findings"])


def _heal(rig: Rig, names: Iterable[str]) -> None:
    for name in names:
        SCENARIOS[name].heal(rig.vcenters[name])


def _list_record_keys(rig: Rig) -> dict[tuple[str, str], list[str]]:
    """The keys of each log, by one listing of all: most vCenters have few of these logs."""
    found = defaultdict[str, list[str]](list)
    for key in rig.audit_keys("records/"):
        found[key.rpartition("/")[0] + "/"].append(key)
    return {(name, log): found[make_record_prefix(name, log)] for name in PLAYED for log in LOGS.values()}


def _list_alone(rig: Rig) -> Iterator[str]:
    for _, body in rig.audit("deliveries/groups/"):
        events = json.loads(body)["events"]
        if len(events) == 1:
            yield events[0]["id"]
