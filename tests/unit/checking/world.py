"""The checker at work in this process: a simulated vCenter over TLS, S3 and SQS by moto, a clock to set."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from typing import Any, cast

from esx_drift.adapters.messaging import SqsQueue
from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.checking.checker import Checker
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.breaker import LoginActor
from esx_drift.domain.dispatching.run import Run, build_listing_request
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.fleet.fleet import VCenterSettings as Watched
from esx_drift.domain.fleet.rules import NO_RULES, SilencingRules
from esx_drift.domain.host_history import HostIndex
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import CheckRequest, LogState, Record, Snapshot, TaskRequest
from esx_drift.log_reader import LogReader
from esx_drift.ports import Runtime, Store, VCenters
from esx_drift.vcenter_sessions import VCenterSessions

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority
from tests.simulator.scenario import two_clusters
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.cloud import Aws
from tests.unit.dispatches import append_dispatch, request_of
from tests.unit.logs import Subscribers, read_log

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
PROD_A, PROD_B = "domain-c9", "domain-c1008"
FLEET_SHA256 = "f" * 64
INTERVAL_SECONDS = 4 * 3600
OWN_ROLE_IDS = ("AROADISPATCHEREXAMPLE", "AROACHECKEREXAMPLE")
OWN_SENDER = f"{OWN_ROLE_IDS[1]}:checker"
"""Whom SQS names where the checker itself sent a message."""

type Watch = Callable[[Any], Any]
"""Gives what stands before a port to AWS: to count its calls, or to end with one of them."""

MAX_TIMES = 30
"""More than any extraction is asked after: half an hour in steps of five minutes."""


def find_honest_sender(request: CheckRequest) -> str:
    """Whom SQS names for a message: the person who says that he decided; else a function."""
    decision = request["decision"]
    return OWN_SENDER if decision is None else decision.get("user_id", OWN_SENDER)


@dataclass(slots=True)
class World:
    """One vCenter, watched. Each `handle` is one invocation of the function, with sessions of its own."""

    aws: Aws
    vcenter: VCenter
    watched: Watched
    now: datetime = NOW
    topic: Subscribers = field(default_factory=Subscribers)
    spoilt: set[str] = field(default_factory=set)
    """The keys of objects that a test deleted or replaced."""
    others: tuple[Watched, ...] = ()
    """More vCenters of the fleet, at the same address."""
    rules: SilencingRules = NO_RULES
    """What the fleet file keeps from people."""
    host_index: HostIndex = field(default_factory=dict)
    """What the process that answers messages keeps from one invocation to the next."""
    requests: int = 0
    ends_at: datetime | None = None

    def clock(self) -> datetime:
        """The time now, ours and the vCenter's."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def run_ends_after(self, seconds: float) -> None:
        """From now on, that is as long as the function lives."""
        self.ends_at = self.now + timedelta(seconds=seconds)

    def time_left_ms(self) -> float:
        """For what is called now."""
        return inf if self.ends_at is None else (self.ends_at - self.now).total_seconds() * 1000

    def add_others(self, number: int) -> None:
        """Watch more vCenters, which answer at this one's address: as long as nobody asks who they are."""
        own = f"esx-drift/vcenter/{self.watched.name}"
        secret = self.aws.secrets.get_secret_value(SecretId=own)["SecretString"]
        self.others = tuple(replace(self.watched, name=f"{self.watched.name}-{n}") for n in range(number))
        for other in self.others:
            self.aws.secrets.create_secret(Name=f"esx-drift/vcenter/{other.name}", SecretString=secret)

    def set(self, **changes: object) -> None:
        """Change the vCenter's settings in the fleet file."""
        self.watched = replace(self.watched, **changes)  # type: ignore[arg-type]  # the tests name real fields

    def put_secret(self, port: int, ca_bundle: str, password: str = PASSWORD) -> None:
        """Write a new version of the vCenter's secret."""
        secret = {
            "host": "127.0.0.1",
            "port": port,
            "username": USER,
            "password": password,
            "ca_bundle": ca_bundle,
        }
        self.aws.secrets.create_secret(
            Name=f"esx-drift/vcenter/{self.watched.name}", SecretString=json.dumps(secret)
        )

    def sessions(
        self,
        actor: LoginActor = "checker",
        watched: Watch = lambda port: port,
        pause: Callable[[float], object] = time.sleep,
    ) -> VCenterSessions[VCenterSecret]:
        """What one invocation has; ``watched`` stands before each port to AWS."""
        return VCenterSessions(
            watched(Secrets(lambda: self.aws.secrets)),
            watched(S3Breakers(self.aws.s3, "state")),
            partial(open_vcenter, clock=self.clock, time_left_ms=self.time_left_ms),
            actor,
            self.clock,
            pause,
        )

    @property
    def queue(self) -> SqsQueue:
        """The two queues."""
        return SqsQueue(lambda: self.aws.sqs, self.aws.check_queue_url, self.aws.retry_queue_url)

    def runtime(
        self, vcenters: VCenters, store: Store | None = None, watched: Watch = lambda port: port
    ) -> Runtime:
        """What a job is handed; ``watched`` as for the sessions."""
        return Runtime(
            fleet=Fleet((self.watched, *self.others), rules=self.rules),
            fleet_sha256=FLEET_SHA256,
            vcenters=vcenters,
            store=watched(store or self.aws.store),
            topic=watched(self.topic),
            queue=watched(self.queue),
            clock=self.clock,
            time_left_ms=self.time_left_ms,
            code_version="test",
            stack="esx-drift",
            check_interval_hours=4,
        )

    def handle(self, request: CheckRequest) -> Record | None:
        """What one invocation makes of one message, where nobody lies about who sent it."""
        return self.handle_from(find_honest_sender(request), request)

    def handle_from(self, sender_id: str | None, request: CheckRequest) -> Record | None:
        """What one invocation makes of one message, of which SQS says that this one sent it."""
        with self.sessions() as sessions:
            return Checker(self.runtime(sessions), OWN_ROLE_IDS, self.host_index).handle(request, sender_id)

    def dispatch(self) -> Record:
        """One scheduled run of the dispatcher; its record."""
        self.requests += 1
        with self.sessions("dispatcher") as sessions:
            asked = build_listing_request(Run(f"run-{self.requests}", "schedule"), self.watched.name)
            Dispatcher(self.runtime(sessions)).handle(asked, receives=1)
        return self.records(VCENTER_LOG)[-1]

    def request(self, cluster: str = PROD_A, run_id: str | None = None) -> CheckRequest:
        """A message as the dispatcher sends it, with the record that it writes before.

        The run asks for every cluster, and for this one whatever it is.
        """
        self.requests += 1
        names = {key: known.name for key, known in self.vcenter.inventory.clusters.items()}
        dispatched = append_dispatch(
            self.aws.store,
            self.topic,
            self.watched.name,
            run_id or f"run-{self.requests}",
            {cluster: "gone", **names},
            self.now,
        )
        return request_of(dispatched, cluster, self.now, extract=self.watched.extract)

    def follow(self, request: CheckRequest) -> Record:
        """The record that answers a request, which has to come back until the vCenter is done."""
        record = self.handle(request)
        for _ in range(MAX_TIMES):
            if record is not None:
                return record
            record = self.handle(self.comes_back())
        raise AssertionError(f"not answered after {MAX_TIMES} times")

    def comes_back(self) -> CheckRequest:
        """The request that was sent last, when its delay is over."""
        last = self.aws.sent[-1]
        assert last.queue == "check"
        self.wait(last.delay_seconds)
        return cast("CheckRequest", last.body)

    def check(self, cluster: str = PROD_A) -> Record:
        """A whole check, four hours after whatever was before; its record."""
        self.wait(INTERVAL_SECONDS)
        return self.follow(self.request(cluster))

    def asked(self, after_seconds: float = INTERVAL_SECONDS) -> TaskRequest:
        """Ask for an extraction of prod-a; what the request to collect it says of it."""
        self.wait(after_seconds)
        assert self.handle(self.request()) is None
        return cast("TaskRequest", self.aws.sent[-1].body["task"])

    def after(self, cluster: str = PROD_A) -> LogState:
        """What a log leaves to the next check."""
        return LogReader(self.aws.store, self.watched.name, cluster).read().after

    def records(self, cluster: str = PROD_A) -> list[Record]:
        """A whole log."""
        return read_log(self.aws.store, self.watched.name, cluster)

    def stored(self, key: str) -> bytes:
        """An archived object, unpacked."""
        return gzip.decompress(self.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read())

    def snapshot(self, cluster: str = PROD_A) -> Snapshot:
        """The baseline."""
        known = self.after(cluster)["snapshot"]
        assert known is not None
        return self.aws.store.snapshot(known["key"])


@contextmanager
def open_world(cloud: Aws, ca: Authority, tls: Tls, name: str) -> Iterator[World]:
    """prod-a (HPE, managed by an image) and prod-b (Dell, by baselines) on a vCenter of this name."""
    vcenter = VCenter()
    made = World(cloud, vcenter, Watched(name))
    vcenter._clock = made.clock  # noqa: SLF001  # both must go by the same time
    two_clusters(vcenter)
    with VCenterServer(vcenter, tls=tls) as server:
        made.put_secret(server.port, ca.pem)
        yield made
