"""Checks by the built function in Lambda's own runtime, against the least that any check would do.

Every process speaks to the same two servers, the local AWS and a simulated vCenter, whose own work is in
processes that are not measured. CPU time of a process is measured from its start to its end, or by itself
for each event that it is given.
"""

import json
import resource
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from esx_drift.domain.stored.identifiers import FLEET_KEY, VCENTER_LOG, make_breaker_key, make_state_key

from tests.benchmarks.measuring import Spread, spread
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import BUILT
from tests.lab.local_aws.rig import Rig, rigged
from tests.lab.local_aws.runtime import make_sqs_record, run_code
from tests.lab.local_aws.stack import QUIET, SLACK_ON_LOOPBACK, deploy, package
from tests.simulator import VCenter
from tests.simulator.certificates import authority
from tests.simulator.sessions import PASSWORD, USER

MEASURED = Path(__file__).with_name("measured")
PAIRS = 7
WARM_CHECKS = 4
"""In a process, after its first one."""

CLUSTERS, HOSTS = PAIRS * (WARM_CHECKS + 3), 12
MANY_VCENTERS, MANY_CLUSTERS = 10, 100
LOGIN = ("POST", "/api/session")
MOVED = ("Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
TIMEOUT_SECONDS = 600

type Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Lab:
    """A deployed stack whose checks wait in their queue until somebody takes them from there."""

    rig: Rig
    variables: Mapping[str, str]
    folder: Path

    def add_vcenter(self, name: str, clusters: int) -> None:
        """Serve a vCenter of equal clusters."""
        vcenter = VCenter(len(self.rig.vcenters))
        for number in range(clusters):
            vcenter.inventory.add_cluster(f"cluster-{number:04}")
            for host in range(HOSTS):
                vcenter.inventory.add_host(f"cluster-{number:04}", f"esx{number:04}-{host:02}")
        self.rig.add_vcenter(name, vcenter)

    def take_checks(self, count: int) -> list[dict[str, Any]]:
        """Have each cluster's report made anew and a run begun: the function's events, one a check."""
        for vcenter in self.rig.vcenters.values():
            vcenter.extract_all()
        self.rig.dispatch()
        sqs, url = self.rig.stack.aws.sqs, self.rig.stack.resources["CheckQueue"]
        events: list[dict[str, Any]] = []
        while len(events) < count:
            came = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=5
            )
            events += [{"Records": [make_sqs_record(message)]} for message in came["Messages"]]
        return events

    def run(self, handler: str, events: Events, *, measured: bool) -> list[Any]:
        """What a handler of this folder replies; ``measured``: with the CPU time of each event."""
        variables = {**self.variables, "MEASURED": handler}
        code = self.folder if measured else self.folder / "plain" / handler
        return run_code(code, events, variables, timeout_seconds=TIMEOUT_SECONDS)

    def check(self, events: Events) -> list[float]:
        """Check them all in one process; the seconds of CPU time that each took."""
        replies = self.run("checker", events, measured=True)
        failed = [reply for reply in replies if reply["reply"]["batchItemFailures"]]
        if failed:
            raise RuntimeError(f"{len(failed)} of {len(replies)} checks failed")
        return [reply["cpu_seconds"] for reply in replies]

    def measure_start(self, handler: str, event: Mapping[str, Any]) -> float:
        """The seconds of CPU time of a process that starts, answers one event, and ends."""
        before = _children_seconds()
        (reply,) = self.run(handler, [event], measured=False)
        if isinstance(reply, dict) and reply.get("batchItemFailures"):
            raise RuntimeError("the check failed")
        return _children_seconds() - before

    def list_round_trips(self, checked: Mapping[str, Any]) -> dict[str, Any]:
        """The least that the check just made, of this event, can do: as the event of `round_trips`."""
        rig, request = self.rig, json.loads(checked["Records"][0]["body"])
        vcenter, cluster = request["vcenter"], request["cluster"]
        head = rig.log_end(vcenter, cluster).head
        assert head is not None
        dispatched = rig.log_end(vcenter, VCENTER_LOG).head
        assert dispatched is not None
        journal = [*rig.vcenters[vcenter].journal]
        last = max(number for number, call in enumerate(journal) if (call.method, call.path) == LOGIN)
        return {
            "get": [
                (rig.state_bucket, FLEET_KEY),
                (rig.state_bucket, make_breaker_key(vcenter)),
                (rig.audit_bucket, dispatched["key"]),
                (rig.state_bucket, make_state_key(vcenter, cluster)),
                (rig.audit_bucket, head["key"]),
            ],
            "secrets": [f"esx-drift/vcenter/{vcenter}"],
            "put": [(rig.state_bucket, f"bench/{put}") for put in range(2)],
            "vcenter": {
                "url": rig.servers[vcenter].url,
                "username": USER,
                "password": PASSWORD,
                "ca_bundle": self.variables["AWS_CA_BUNDLE"],
                "calls": [(call.method, call.path) for call in journal[last:]],
            },
        }


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Deploy the built application; what it checks is asked for by `Lab.take_checks` alone."""
    own = authority(datetime.now(UTC), "Benchmark CA")
    with ExitStack() as ending:
        folder = Path(ending.enter_context(TemporaryDirectory()))
        local_aws = ending.enter_context(LocalAws(folder / "aws", own, datetime.now(UTC)))
        stack = deploy(local_aws, package(local_aws), "bench", QUIET | SLACK_ON_LOOPBACK)
        stack.set_sources("CheckerFunction", "NotifierFunction", enabled=False)
        rig = ending.enter_context(rigged(stack, own, folder / "aws"))
        yield Lab(
            rig, local_aws.environment | stack.variables_of("CheckerFunction"), _lay_out(folder / "code")
        )


def _lay_out(folder: Path) -> Path:
    """Put each handler into a folder of its own, as Lambda has it, and all of them beside what measures."""
    for name, code in {
        "checker": BUILT / "CheckerFunction" / "app.py",
        "round_trips": MEASURED / "round_trips.py",
    }.items():
        plain = folder / "plain" / name
        plain.mkdir(parents=True)
        shutil.copy(code, plain / "app.py")
        shutil.copy(code, folder / f"{name}.py")
    shutil.copy(MEASURED / "app.py", folder)
    return folder


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class Invocations:
    """What was measured of invocations: each a ratio, pair by pair."""

    cold_unchanged: Spread
    cold_changed: Spread
    warm_unchanged: Spread
    run_1000: Spread


def measure_invocations() -> Invocations:
    """Measure them all; the first checks of a vCenter, and a changed one, are made on the way."""
    with open_lab() as lab:
        lab.add_vcenter("vc-bench", CLUSTERS)
        lab.rig.put_fleet(lab.rig.fleet(extract=False))
        lab.check(lab.take_checks(CLUSTERS))
        unchanged = iter(lab.take_checks(CLUSTERS))
        cold_unchanged = _measure_starts(lab, unchanged)
        warm, warm_seconds = _measure_warm(lab, unchanged)
        vcenter = lab.rig.vcenters["vc-bench"]
        vcenter.hosts.set_component([host.name for host in vcenter.inventory.hosts.values()], *MOVED)
        cold_changed = _measure_starts(lab, iter(lab.take_checks(CLUSTERS)))
        return Invocations(cold_unchanged, cold_changed, warm, _measure_many(lab, warm_seconds))


def _measure_starts(lab: Lab, checks: Iterator[Mapping[str, Any]]) -> Spread:
    """Measure a process that makes one check over one that reads one object of S3."""
    read_one = {"get": [(lab.rig.state_bucket, FLEET_KEY)], "secrets": [], "put": []}
    pairs = [
        lab.measure_start("checker", next(checks)) / lab.measure_start("round_trips", read_one)
        for _ in range(PAIRS)
    ]
    return spread(pairs)


def _measure_warm(lab: Lab, checks: Iterator[Mapping[str, Any]]) -> tuple[Spread, float]:
    """Measure checks of a process that made one over their bare round trips; the seconds of one, too."""
    pairs, seconds = [], []
    for _ in range(PAIRS):
        events = [next(checks) for _ in range(WARM_CHECKS + 1)]
        ours = median(lab.check(events)[1:])
        trips = [lab.list_round_trips(events[-1])] * len(events)
        replies = lab.run("round_trips", trips, measured=True)
        pairs.append(ours / median(reply["cpu_seconds"] for reply in replies[1:]))
        seconds.append(ours)
    return spread(pairs), median(seconds)


def _measure_many(lab: Lab, warm_seconds: float) -> Spread:
    """Measure the checks of one schedule over many clusters, each over one warm check of a few."""
    for number in range(MANY_VCENTERS):
        lab.add_vcenter(f"vc-{number}", MANY_CLUSTERS)
    lab.rig.put_fleet(lab.rig.fleet(*(f"vc-{number}" for number in range(MANY_VCENTERS)), extract=False))
    for _ in ("the first looks", "the schedule that is measured"):
        seconds = lab.check(lab.take_checks(MANY_VCENTERS * MANY_CLUSTERS))
    parts = [seconds[part::PAIRS] for part in range(PAIRS)]
    return spread([fmean(part) / warm_seconds for part in parts])
