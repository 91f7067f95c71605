"""A fleet in virtual time: the product's own jobs, from the schedule to Slack, with AWS in this process.

Dispatcher, checker, reporter, notifier and sender are the real ones, and so are the adapters of AWS and the
channel. S3, SQS, SNS and the vCenters are values in memory, so that a month passes within seconds.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from esx_drift.adapters.audit_store import S3Deliveries, S3Store
from esx_drift.adapters.messaging import SnsTopic, SqsDeliveryQueue, SqsQueue
from esx_drift.adapters.report_store import S3Reports
from esx_drift.adapters.state_bucket import S3RouteStates
from esx_drift.checking.checker import Checker
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.decisions import list_acceptable_hosts
from esx_drift.domain.deliveries import identify_event
from esx_drift.domain.dispatching.run import Run
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.stored.types import (
    CheckRequest,
    ClockFacts,
    Decision,
    Event,
    RetryRequest,
    VCenterIdentity,
)
from esx_drift.domain.text.times import format_time
from esx_drift.errors import VCenterUnreachable
from esx_drift.log_reader import LogReader
from esx_drift.messages.publication import build_publication
from esx_drift.notifying.notifier import Notifier, PublishedEvents
from esx_drift.notifying.receipts import Receipts
from esx_drift.notifying.sender import Sender
from esx_drift.ports import (
    Channel,
    ExtractionTask,
    InventoryEntry,
    ListedCluster,
    ReportReply,
    Runtime,
    SubmittedExtraction,
    VCenterSession,
)
from esx_drift.reporting.reporter import Reporter

from tests.unit.domain.changes.clusters import ClusterModel, document_of
from tests.unit.notifying.world import (
    AUDIT,
    DEAD,
    DELIVERY,
    NOTIFY,
    STATE,
    Clock,
    MemoryS3,
    MemorySns,
    MemorySqs,
    Plan,
    Waiting,
)

if TYPE_CHECKING:
    from esx_drift.domain.deliveries import DeliveryMessage

CHECK, RETRY = "CheckQueue", "RetryQueue"
CHECK_SECONDS = 15
"""Between two checks that end: an extraction takes most of a minute, and three run at once."""
ALICE, ALICE_ID = "arn:aws:sts::123456789012:assumed-role/Admin/alice", "AROAADMINEXAMPLE:alice"
OWN_ROLE_IDS = ("AROADISPATCHEREXAMPLE", "AROACHECKEREXAMPLE")
_MADE_AT = "2000-01-01T00:00:00.000Z"


@dataclass(slots=True)
class VCenterModel:
    """A vCenter as jobs see it.

    Attributes:
        name: Its name in the fleet file.
        now: The time, by its clock too.
        models: Its clusters by name.
        down: What is wrong with it.
        extraction_seconds: How long an extraction takes, that is asked of it.
        extractions: How many were.
    """

    name: str
    now: Callable[[], datetime]
    models: dict[str, ClusterModel] = field(default_factory=dict)
    down: str | None = None
    extraction_seconds: int = 0
    extractions: int = 0
    _begun: dict[str, datetime] = field(default_factory=dict)
    _documents: dict[str, tuple[ClusterModel, bytes]] = field(default_factory=dict)

    def about(self) -> VCenterIdentity:
        """Who it is."""
        self._answer()
        return {
            "instance_uuid": str(uuid5(NAMESPACE_URL, self.name)),
            "version": "8.0.3",
            "build": "24674464",
        }

    def clock(self) -> ClockFacts | None:
        """Its clock is right."""
        return {"vcenter_date": format_time(self.now()), "skew_seconds": 0.0}

    def clusters(self) -> tuple[ListedCluster, ...]:
        """All of them; the id is made of the name."""
        self._answer()
        return tuple(ListedCluster(f"domain-{name}", name) for name in self.models)

    def hosts(self, cluster: str) -> tuple[InventoryEntry, ...]:
        """The inventory of a cluster, with the machines' UUIDs as vCenter 9 has them."""
        return _list_inventory(self._find(cluster))

    def installed_images(self, cluster: str) -> ReportReply:
        """The report: of the last extraction that is done, else completed 40 seconds ago."""
        model = self._find(cluster)
        known = self._documents.get(cluster)
        if known is None or known[0] != model:
            known = model.copy(), json.dumps(document_of(model, time=_MADE_AT)).encode()
            self._documents[cluster] = known
        at = format_time(self._find_end(cluster) or self.now() - timedelta(seconds=40))
        return ReportReply(known[1].replace(_MADE_AT.encode(), at.encode()), self.now())

    def find_hosts(self, hosts: Collection[str]) -> tuple[InventoryEntry, ...]:
        """Those of these hosts that are in any of its clusters."""
        self._answer()
        return tuple(
            entry for model in self.models.values() for entry in _list_inventory(model) if entry.id in hosts
        )

    def host_uuids(self, hosts: Collection[str]) -> dict[str, str]:
        """Nobody asks: the inventory has them."""
        raise NotImplementedError(hosts)

    def standalone_hosts(self) -> int:
        """Each host is in a cluster."""
        return 0

    def extract(self, cluster: str) -> SubmittedExtraction:
        """Begin one; its task is named as the cluster, which has one at a time."""
        self._answer()
        self._begun[cluster] = self.now()
        self.extractions += 1
        return SubmittedExtraction(cluster, self.now())

    def task(self, task_id: str) -> ExtractionTask | None:
        """Whether it is done."""
        self._answer()
        end = self._find_end(task_id)
        status = "RUNNING" if end is None else "SUCCEEDED"
        return ExtractionTask(task_id, status, self._begun[task_id], end, None, task_id)

    def managed_by_image(self, cluster: str) -> bool:
        """Nobody asks: each cluster can be extracted."""
        raise NotImplementedError(cluster)

    def _find_end(self, cluster: str) -> datetime | None:
        """When the last extraction of a cluster was done; None if there was none, or it goes on."""
        begun = self._begun.get(cluster)
        end = None if begun is None else begun + timedelta(seconds=self.extraction_seconds)
        return end if end is not None and end <= self.now() else None

    def _find(self, cluster: str) -> ClusterModel:
        self._answer()
        return self.models[cluster.removeprefix("domain-")]

    def _answer(self) -> None:
        if self.down is not None:
            raise VCenterUnreachable(f"{self.name}: {self.down}")


def _list_inventory(model: ClusterModel) -> tuple[InventoryEntry, ...]:
    names = {host: entry.name for host, entry in model.hosts.items()} | model.failed
    return tuple(
        InventoryEntry(host, name, "CONNECTED", "POWERED_ON", str(uuid5(NAMESPACE_URL, name)))
        for host, name in names.items()
    )


@dataclass(slots=True)
class PlayedFleet:
    """A fleet, watched; ``gathered_seconds`` is the template's NotifyWindowSeconds."""

    fleet: Fleet
    channels: Mapping[str, Channel]
    begins: datetime
    interval_hours: int
    gathered_seconds: int
    clock: Clock = field(init=False)
    sqs: MemorySqs = field(init=False)
    s3: MemoryS3 = field(default_factory=MemoryS3)
    vcenters: dict[str, VCenterModel] = field(init=False)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _planned: Plan = field(init=False)
    _checks_free_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.begins)
        self.sqs, self._planned = MemorySqs(self.clock), Plan(self._numbers)
        self._checks_free_at = self.begins
        self.vcenters = {one.name: VCenterModel(one.name, self.clock) for one in self.fleet.vcenters}

    def session(self, vcenter: str) -> VCenterSession:
        """A session of a vCenter: one for all invocations."""
        return self.vcenters[vcenter]

    @property
    def store(self) -> S3Store:
        """The two buckets."""
        return S3Store(self._get_s3, AUDIT, STATE)

    def plan(self, at: datetime, action: Callable[[], None]) -> None:
        """Have something happen at a time."""
        self._planned.add(at, action)

    def play(self, until: datetime) -> None:
        """Let everything happen in its order, and nothing of what is due later."""
        while (following := self._find_next()) is not None and following[0] <= until:
            at, act = following
            self.clock.now = max(self.clock.now, at)
            act()

    def run_schedule(self) -> None:
        """One run of the dispatcher's schedule."""
        Dispatcher(self._runtime).run(Run(f"run-{next(self._numbers)}", "schedule"))

    def report(self) -> None:
        """One run of the reporter's schedule."""
        Reporter(
            fleet=self.fleet,
            stack="esx-drift",
            store=self.store,
            reports=S3Reports(self._get_s3, AUDIT, STATE),
            routes=S3RouteStates(self._get_s3, STATE),
            topic=self._topic,
            clock=self.clock,
            hour=7,
            zone=ZoneInfo("UTC"),
            check_interval=timedelta(hours=self.interval_hours),
        ).run()

    def accept(self, vcenter: str, cluster: str, reason: str) -> None:
        """A person accepts all hosts of a cluster as they are."""
        after = LogReader(self.store, vcenter, f"domain-{cluster}").read().after
        assert after["snapshot"] is not None
        shown = list_acceptable_hosts(self.store.snapshot(after["snapshot"]["key"]), after["uncovered_since"])
        decision: Decision = {
            "by": ALICE,
            "user_id": ALICE_ID,
            "reason": reason,
            "shown_at": 1,
            "hosts": shown,
            "instance_uuid": None,
        }
        request: Any = {
            "schema_version": 1,
            "action": "accept",
            "request_id": str(UUID(int=next(self._numbers))),
            "run_id": None,
            "vcenter": vcenter,
            "cluster": f"domain-{cluster}",
            "cluster_name": cluster,
            "requested_at": format_time(self.clock.now),
            "phase": "collect",
            "attempt": 0,
            "task": None,
            "decision": decision,
        }
        record = Checker(self._runtime, OWN_ROLE_IDS).handle(request, ALICE_ID)
        assert record is not None

    def list_events(self) -> Iterator[Event]:
        """List every event that was published, as the records and reports hold them."""
        for bucket, key in [*self.s3.objects]:
            if bucket == AUDIT and key.startswith(("records/", "reports/")):
                yield from json.loads(self.s3.objects[bucket, key])["events"]

    def has_heard(self, route: str, event: Event) -> bool:
        """Tell whether there is a receipt of an event."""
        return self._deliveries.delivered(identify_event(event), route)

    def _find_next(self) -> tuple[datetime, Callable[[], None]] | None:
        """What comes next: a message when it may be handed out, or what was planned."""
        found = self._planned.list_next()
        first: dict[str, Waiting] = {}
        for message in self.sqs.messages:
            known = first.get(message.queue)
            if known is None or message.due < known.due:
                first[message.queue] = message
        handlers = {NOTIFY: self._gather, DELIVERY: self._send, RETRY: self._list, CHECK: self._check}
        for rank, (queue, handle) in enumerate(handlers.items(), start=1):
            if queue in first:
                due = self._find_due(first[queue])
                found.append((due, rank, lambda message=first[queue], handle=handle: handle(message)))  # type: ignore[misc]
        if not found:
            return None
        at, _, act = min(found, key=lambda one: one[:2])
        return at, act

    def _find_due(self, message: Waiting) -> datetime:
        if message.queue == NOTIFY:
            return message.due + timedelta(seconds=self.gathered_seconds)
        return max(message.due, self._checks_free_at) if message.queue == CHECK else message.due

    def _gather(self, _: Waiting) -> None:
        waiting = self.sqs.of(NOTIFY)[:500]
        self._drop(*waiting)
        notifier = Notifier(
            self.fleet,
            PublishedEvents(AUDIT, self._read),
            self._deliveries,
            self._queue_of_deliveries,
            self.clock,
        )
        results = notifier.notify({message.id: message.body for message in waiting})
        assert [result.error for result in results.values() if result.error] == []

    def _send(self, message: Waiting) -> None:
        self._drop(message)
        routes = S3RouteStates(self._get_s3, STATE)
        sender = Sender(
            self.fleet,
            self.channels,
            Receipts(self._deliveries, routes, S3Store(self._get_s3, AUDIT, STATE).read_newest_record),
            self._deliveries,
            routes,
            self._queue_of_deliveries,
            self.clock,
            "sender",
        )
        sender.send(cast("DeliveryMessage", message.fields))

    def _list(self, message: Waiting) -> None:
        self._drop(message)
        Dispatcher(self._runtime).handle(cast("RetryRequest", message.fields), receives=1)

    def _check(self, message: Waiting) -> None:
        self._drop(message)
        Checker(self._runtime, OWN_ROLE_IDS).handle(cast("CheckRequest", message.fields), OWN_ROLE_IDS[1])
        self._checks_free_at = self.clock.now + timedelta(seconds=CHECK_SECONDS)

    def _drop(self, *messages: Waiting) -> None:
        gone = {message.id for message in messages}
        self.sqs.messages = [message for message in self.sqs.messages if message.id not in gone]

    def _read(self, key: str) -> bytes | None:
        return self.s3.objects.get((AUDIT, key))

    def _get_s3(self) -> Any:  # noqa: ANN401 -- it stands for boto3's
        return self.s3

    def _get_sqs(self) -> Any:  # noqa: ANN401 -- likewise
        return self.sqs

    @property
    def _topic(self) -> SnsTopic:
        return SnsTopic(cast("Any", lambda: MemorySns(self.sqs)), "DriftTopic", build_publication)

    @property
    def _deliveries(self) -> S3Deliveries:
        return S3Deliveries(self._get_s3, AUDIT)

    @property
    def _queue_of_deliveries(self) -> SqsDeliveryQueue:
        return SqsDeliveryQueue(self._get_sqs, DELIVERY, DEAD)

    @property
    def _runtime(self) -> Runtime:
        return Runtime(
            fleet=self.fleet,
            fleet_sha256="f" * 64,
            vcenters=self,
            store=self.store,
            topic=self._topic,
            queue=SqsQueue(self._get_sqs, CHECK, RETRY),
            clock=self.clock,
            time_left_ms=lambda: inf,
            code_version="test",
            stack="esx-drift",
            check_interval_hours=self.interval_hours,
        )
