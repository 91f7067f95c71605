"""The dispatcher at work in this process: vCenters over TLS, S3 and SQS by moto, a clock to set."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from math import inf
from typing import TYPE_CHECKING, cast

from esx_drift.adapters.messaging import SqsQueue
from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.contracts import list_violations
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.breaker import LoginActor
from esx_drift.domain.dispatching.run import DispatchReply, Run, build_retry_request
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.fleet.fleet import VCenterSettings as Watched
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Dispatch, Finding, Record
from esx_drift.errors import TransientError
from esx_drift.ports import Runtime
from esx_drift.vcenter_sessions import VCenterSessions

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.cloud import Aws, Sent
from tests.unit.logs import Subscribers, read_log

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import RetryRequest
    from esx_drift.ports import Store

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
INTERVAL_HOURS = 4
_NUMBERS = count(1)


@dataclass(slots=True)
class World:
    """vCenters, watched. Each run is one invocation of the function, with sessions of its own."""

    aws: Aws
    tls: Tls
    authority: Authority
    ending: ExitStack
    now: datetime = NOW
    topic: Subscribers = field(default_factory=Subscribers)
    watched: dict[str, Watched] = field(default_factory=dict)
    vcenters: dict[str, VCenter] = field(default_factory=dict)
    servers: dict[str, VCenterServer] = field(default_factory=dict)
    runs: int = 0
    waiting: list[Sent] = field(default_factory=list)
    run_seconds: float = inf
    """How long one invocation lives."""

    def clock(self) -> datetime:
        """The time now, ours and the vCenters'."""
        return self.now

    def wait(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.now += timedelta(hours=hours, seconds=seconds)

    def add(self, *clusters: str, secret: bool = True, **settings: object) -> str:
        """Serve a vCenter with these clusters and watch it; its name, which no other test has."""
        name = f"vc-{next(_NUMBERS):03}"
        vcenter = VCenter(seed=len(self.vcenters), clock=self.clock)
        for cluster in clusters:
            vcenter.inventory.add_cluster(cluster)
        self.vcenters[name] = vcenter
        self.servers[name] = self.ending.enter_context(VCenterServer(vcenter, tls=self.tls))
        self.watched[name] = replace(Watched(name), **settings)  # type: ignore[arg-type]  # tests name real fields
        if secret:
            self.aws.secrets.create_secret(Name=f"esx-drift/vcenter/{name}")
            self.put_secret(name)
        return name

    def put_secret(self, name: str, password: str = PASSWORD) -> None:
        """Write a new version of a vCenter's secret."""
        server = self.servers[name]
        secret = {
            "host": server.host,
            "port": server.port,
            "username": USER,
            "password": password,
            "ca_bundle": self.authority.pem,
        }
        self.aws.secrets.put_secret_value(
            SecretId=f"esx-drift/vcenter/{name}", SecretString=json.dumps(secret)
        )

    def set(self, name: str, **settings: object) -> None:
        """Change a vCenter's settings in the fleet file."""
        self.watched[name] = replace(self.watched[name], **settings)  # type: ignore[arg-type]  # as above

    def sessions(self, actor: LoginActor = "dispatcher") -> VCenterSessions[VCenterSecret]:
        """What one invocation has."""
        ends_at = self.now.timestamp() + self.run_seconds
        return VCenterSessions(
            Secrets(lambda: self.aws.secrets),
            S3Breakers(self.aws.s3, "state"),
            partial(
                open_vcenter, clock=self.clock, time_left_ms=lambda: (ends_at - self.now.timestamp()) * 1000
            ),
            actor,
            self.clock,
            pause=lambda _: None,
        )

    @property
    def queue(self) -> SqsQueue:
        """The two queues."""
        return SqsQueue(lambda: self.aws.sqs, self.aws.check_queue_url, self.aws.retry_queue_url)

    def dispatcher(
        self,
        sessions: VCenterSessions[VCenterSecret],
        store: "Store | None" = None,
    ) -> Dispatcher:
        """The job of one invocation."""
        return Dispatcher(
            Runtime(
                vcenters=sessions,
                store=store or self.aws.store,
                topic=self.topic,
                queue=self.queue,
                fleet=Fleet(tuple(self.watched.values())),
                fleet_sha256="f" * 64,
                check_interval_hours=INTERVAL_HOURS,
                clock=self.clock,
                time_left_ms=lambda: inf,
                code_version="test",
                stack="esx-drift",
            )
        )

    def run(
        self, selected: Mapping[str, tuple[str, ...]] | None = None, run_id: str | None = None
    ) -> DispatchReply:
        """One run of the schedule, or of chosen clusters, until each vCenter was listed; all replies in one.

        Raises what the first listing that failed raised, when all had their turn. Their messages come back:
        ``redeliver`` lets them.
        """
        self.runs += 1
        trigger = run_id or f"run-{self.runs}"
        run = Run(trigger, "schedule" if selected is None else "direct", selected)
        with self.sessions() as sessions:
            reply = self.dispatcher(sessions).run(run)
        assert list_violations("dispatch-reply", reply) == []
        return self._list(reply, self.asked(), redelivered=False)

    def asked(self) -> list[Sent]:
        """The listings that runs have asked for since this was last asked."""
        asked = [one for one in self.aws.sent if one.queue == "retry" and one.body["trigger"] != "retry"]
        self.aws.sent[:] = [one for one in self.aws.sent if one not in asked]
        return asked

    def redeliver(self) -> DispatchReply:
        """Let each message come back whose listing failed."""
        waiting, self.waiting = self.waiting, []
        reply: DispatchReply = {"run_id": "", "asked": [], "dispatched": [], "failed": []}
        return self._list(reply, waiting, redelivered=True)

    def _list(self, reply: DispatchReply, asked: list[Sent], *, redelivered: bool) -> DispatchReply:
        errors: list[TransientError] = []
        for one in asked:
            try:
                part = self.retry(one.body, redelivered=redelivered)
            except TransientError as error:
                self.waiting.append(one)
                errors.append(error)
            else:
                reply["dispatched"] += part["dispatched"]
                reply["failed"] += part["failed"]
        if errors:
            raise errors[0]
        return reply

    def retry(
        self, message: Mapping[str, object], *, redelivered: bool = False, receives: int = 0
    ) -> DispatchReply:
        """What the dispatcher makes of a message of the RetryQueue, in an invocation of its own."""
        with self.sessions() as sessions:
            reply = self.dispatcher(sessions).handle(
                cast("RetryRequest", message), receives=receives or 1 + redelivered
            )
        assert list_violations("dispatch-reply", reply) == []
        return reply

    def checkers_retry(self, name: str, reason: str = "vcenter-unreachable") -> "RetryRequest":
        """What checkers of the last run that asked for checks send, when one meets an outage."""
        record = [one for one in self.records(name) if one["outcome"] == "dispatched"][-1]
        return build_retry_request(name, str(record["run_id"]), 0, reason, record["seq"])

    def sent(self, queue: str) -> list[Sent]:
        """What went to a queue since this was last asked, which a later question does not see."""
        found = [one for one in self.aws.sent if one.queue == queue]
        self.aws.sent[:] = [one for one in self.aws.sent if one.queue != queue]
        return found

    def retries_come(self) -> list[DispatchReply]:
        """Let each retry that waits come when its delay is over; the replies."""
        waiting = self.sent("retry")
        replies = []
        for one in sorted(waiting, key=lambda one: one.delay_seconds):
            self.wait(seconds=one.delay_seconds)
            replies.append(self.retry(one.body))
        return replies

    def records(self, name: str) -> list[Record]:
        """A vCenter's own log."""
        return read_log(self.aws.store, name, VCENTER_LOG)

    def last(self, name: str) -> Record:
        """The newest record of a vCenter's log."""
        return self.records(name)[-1]

    def findings(self, name: str) -> dict[str, Finding]:
        """What is open on a vCenter, by kind; each kind once."""
        found = list(self.last(name)["after"]["findings"].values())
        assert len({one["kind"] for one in found}) == len(found)
        return {one["kind"]: one for one in found}

    def assert_well_told(self) -> None:
        """Records and events keep their schemas, each event is told once, and nobody is left logged in."""
        for name, vcenter in self.vcenters.items():
            for record in self.records(name):
                assert list_violations("record", record) == []
            assert vcenter.sessions.open_count == 0
        ids = [event["id"] for event in self.topic.published]
        assert sorted(ids) == sorted(set(ids))
        for event in self.topic.published:
            assert list_violations("event", event) == []


def dispatch_in(record: Record) -> Dispatch:
    """What a run meant to do."""
    assert record["dispatch"] is not None
    return record["dispatch"]


def names_in(reply: DispatchReply) -> list[str]:
    """The clusters that were dispatched."""
    return [one["name"] for one in reply["dispatched"]]
