"""The whole product at work: a deployed stack, simulated vCenters to look at, and a Slack to tell."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.dispatching.run import Run
from esx_drift.domain.events import select_for_people
from esx_drift.domain.stored.identifiers import (
    FLEET_KEY,
    VCENTER_LOG,
    compute_digest,
    make_breaker_key,
    make_delivery_key,
    make_receipt_id,
    make_record_key,
    make_record_prefix,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.log_reader import LogEnd, LogReader
from esx_drift.messages.content import is_for_chat

from tests.lab.local_aws.stack import Stack
from tests.lab.local_aws.waiting import until
from tests.simulator import SlackReceiver, Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority
from tests.simulator.sessions import PASSWORD, USER

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Event, Record

ROUTE = "vsphere-admins"
QUICK = {"confirm_after_seconds": 1, "first_delay_seconds": 10, "extract_deadline_seconds": 30}
"""Settings that make in seconds what takes minutes elsewhere. The emulator hurries extractions."""

LOCKOUT = timedelta(minutes=3)
"""vCenter's own window for failed logins: so long a password that was refused is left alone."""

WORKING = ("DispatcherFunction", "CheckerFunction", "NotifierFunction", "SenderFunction")
"""What takes messages from queues."""

PATIENCE_SECONDS = 180
"""For what takes a second, or ten where the machine is busy: only a failure waits so long."""


@dataclass(slots=True)
class Rig:
    """What a test or the demo drives. `vcenters` are the models, `servers` what serves them."""

    stack: Stack
    authority: Authority
    tls: Tls
    slack: SlackReceiver
    vcenters: dict[str, VCenter] = field(default_factory=dict)
    servers: dict[str, VCenterServer] = field(default_factory=dict)

    def add_vcenter(self, name: str, vcenter: VCenter, password: str = PASSWORD) -> None:
        """Serve a vCenter and give its secret to the product."""
        self.vcenters[name] = vcenter
        self.servers[name] = VCenterServer(vcenter, tls=self.tls)
        self.servers[name].__enter__()
        self.put_secret(f"vcenter/{name}", self.vcenter_secret(name, password=password))

    def vcenter_secret(self, name: str, **changes: object) -> dict[str, object]:
        """What the vCenter's secret says."""
        server = self.servers[name]
        return {
            "host": server.host,
            "port": server.port,
            "username": USER,
            "password": PASSWORD,
            "ca_bundle": self.authority.pem,
            **changes,
        }

    def put_secret(self, name: str, value: Mapping[str, object]) -> None:
        """Make the secret `esx-drift/<name>`, or its next version."""
        secrets = self.stack.aws.secrets
        text = json.dumps(value)
        try:
            secrets.create_secret(Name=f"esx-drift/{name}", SecretString=text)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=f"esx-drift/{name}", SecretString=text)

    def take_down(self, name: str) -> None:
        """End a vCenter's server: connections are refused."""
        self.servers[name].__exit__(None, None, None)

    def bring_up(self, name: str) -> None:
        """Serve it again, on the same port."""
        self.servers[name].__enter__()

    def let_lockout_pass(self, name: str) -> None:
        """Let all logins that a vCenter refused have been refused three minutes earlier."""
        s3, key = self.stack.aws.s3, make_breaker_key(name)
        breaker = json.loads(s3.get_object(Bucket=self.state_bucket, Key=key)["Body"].read())
        for tried in ("refused_at", "tried_at"):
            if breaker[tried] is not None:
                breaker[tried] = format_time(parse_time(breaker[tried]) - LOCKOUT)
        s3.put_object(Bucket=self.state_bucket, Key=key, Body=json.dumps(breaker).encode())

    def put_fleet(self, document: object) -> None:
        """Put a fleet file where the functions read it, valid or not."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.stack.aws.s3.put_object(Bucket=self.state_bucket, Key=FLEET_KEY, Body=body)

    def end_work(self) -> None:
        """Have the stack, which stays, take no more messages.

        It shares its secrets with the next one, whose Slack would hear what it still tells.
        """
        self.stack.set_sources(*WORKING, enabled=False)

    def fleet(self, *names: str, **settings: object) -> dict[str, Any]:
        """A fleet file of these vCenters (none given: of all) that tells everything to one route."""
        return {
            "schema_version": 1,
            "settings": {**QUICK, **settings},
            "vcenters": [{"name": name} for name in names or self.vcenters],
            "routes": [{"name": ROUTE}],
        }

    def dispatch(self, event: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The dispatcher's reply; the event is the schedule's if none is given.

        vCenters that are listed in invocations of their own are waited for, and what they say added.
        """
        reply = self.stack.invoke("DispatcherFunction", event or {})
        assert isinstance(reply, dict)
        for vcenter in reply["asked"]:
            record = self._await_listing(vcenter, _read_run(reply["run_id"], event or {}))
            assert record["dispatch"] is not None
            reply["dispatched"] += [{"vcenter": vcenter, **one} for one in record["dispatch"]["expected"]]
            if record["failure"] is not None:
                reply["failed"].append({"vcenter": vcenter, "cluster": None, **record["failure"]})
        return reply

    def _await_listing(self, vcenter: str, run: Run) -> "Record":
        """The record of a run in a vCenter's own log."""
        request_id = run.make_record_id(vcenter)
        with self._showing_log("DispatcherFunction"):
            (seq,) = until(
                lambda: self._answers(vcenter, VCENTER_LOG, request_id),
                f"{vcenter} to be listed",
                PATIENCE_SECONDS,
            )
        return self.record(vcenter, VCENTER_LOG, seq)

    @contextmanager
    def _showing_log(self, function: str) -> Iterator[None]:
        """Show the end of a function's log with what was waited for in vain."""
        try:
            yield
        except TimeoutError as error:
            error.add_note("\n".join(self.stack.log_of(function)[-30:]))
            raise

    def _answers(self, vcenter: str, cluster: str, request_id: str) -> list[int]:
        answered = self.log_end(vcenter, cluster).after["answered"]
        return [one["seq"] for one in answered if one["request_id"] == request_id]

    def check(self, event: Mapping[str, object] | None = None) -> "list[Record]":
        """Dispatch, and wait until each request is answered and told. The records, by vCenter and cluster."""
        reply = self.dispatch(event)
        return [
            self.await_answer(one["vcenter"], one["cluster"], one["request_id"])
            for one in sorted(reply["dispatched"], key=lambda one: (one["vcenter"], one["cluster"]))
        ]

    def await_answer(self, vcenter: str, cluster: str, request_id: str) -> "Record":
        """The record that answers a request, once all its events are delivered."""

        def answered() -> list[int]:
            end = self.log_end(vcenter, cluster)
            if end.outbox:
                return []
            return self._answers(vcenter, cluster, request_id)

        with self._showing_log("CheckerFunction"):
            (seq,) = until(answered, f"an answer about {cluster} on {vcenter}", PATIENCE_SECONDS)
        record = self.record(vcenter, cluster, seq)
        self.await_told(record["events"])
        return record

    def report(self, event: Mapping[str, object] | None = None) -> list[str]:
        """Let the reporter tell what is due, and wait until it is told; the keys of its reports."""
        reply = self.stack.invoke("ReporterFunction", event or {})
        assert isinstance(reply, dict)
        keys: list[str] = reply["published"]
        for key in keys:
            body = self.stack.aws.s3.get_object(Bucket=self.audit_bucket, Key=key)["Body"].read()
            self.await_told(json.loads(body)["events"])
        return keys

    def seal(self) -> list[str]:
        """Seal all that is kept, once S3's clock is past the second of the last write; the digests' keys."""
        s3 = self.stack.aws.s3
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.audit_bucket)
        last = max((one["LastModified"] for page in pages for one in page.get("Contents", [])), default=None)
        if last is not None:
            until(lambda: datetime.now(UTC) - last > timedelta(seconds=1), "the second to be over", 5)
        reply = self.stack.invoke("SealerFunction", {"settle_seconds": 0})
        assert isinstance(reply, dict)
        keys: list[str] = reply["sealed"]
        return keys

    @contextmanager
    def without_checker(self) -> Iterator[None]:
        """As if each checker hung until Lambda ended it: the requests stay in the queue."""
        self.stack.set_sources("CheckerFunction", enabled=False)
        try:
            yield
        finally:
            self.stack.set_sources("CheckerFunction", enabled=True)

    def await_quiet(self, *queues: str, bound_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until these queues, by logical id, hold nothing: neither waiting, nor delayed, nor in work.

        What a message causes is sent before that message is done with: looking twice misses nothing.
        """
        until(
            lambda: not any(self.count_held(queue) for queue in queues * 2),
            f"{', '.join(queues)} to be empty",
            bound_seconds,
        )

    def await_told(self, events: "Iterable[Event]") -> None:
        """Wait until Slack has heard each event that people are told."""
        for event in events:
            if is_for_chat(event["type"]) and select_for_people(event["data"]) is not None:
                until(partial(self._delivered, event), f"{event['type']} in Slack", PATIENCE_SECONDS)

    def log_end(self, vcenter: str, cluster: str = VCENTER_LOG) -> LogEnd:
        """Where a log ends, and what it leaves to the next check."""
        return LogReader(self.store, vcenter, cluster).read()

    @property
    def store(self) -> S3Store:
        """The two buckets."""
        return S3Store(lambda: self.stack.aws.s3, self.audit_bucket, self.state_bucket)

    def record(self, vcenter: str, cluster: str, seq: int) -> "Record":
        """One record of a log."""
        return self.read_record(make_record_key(vcenter, cluster, seq))

    def read_record(self, key: str) -> "Record":
        """The record that lies under a key."""
        reply = self.stack.aws.s3.get_object(Bucket=self.audit_bucket, Key=key)
        record: Record = json.loads(reply["Body"].read())
        return record

    def records(self, vcenter: str, cluster: str = VCENTER_LOG) -> "list[Record]":
        """A whole log."""
        return [json.loads(body) for _, body in self.audit(make_record_prefix(vcenter, cluster))]

    def audit(self, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Keys and bytes of the AuditBucket, in the order of the keys."""
        for key in self.audit_keys(prefix):
            reply = self.stack.aws.s3.get_object(Bucket=self.audit_bucket, Key=key)
            yield key, reply["Body"].read()

    def audit_keys(self, prefix: str = "") -> Iterator[str]:
        """The keys of the AuditBucket, in their order."""
        listing = self.stack.aws.s3.get_paginator("list_objects_v2")
        for page in listing.paginate(Bucket=self.audit_bucket, Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", []))

    @property
    def audit_bucket(self) -> str:
        """The AuditBucket's name."""
        return self.stack.outputs["AuditBucketName"]

    @property
    def state_bucket(self) -> str:
        """The StateBucket's name."""
        return self.stack.outputs["StateBucketName"]

    def count_held(self, queue: str) -> int:
        """Count the messages of a queue, by logical id: those that wait, are delayed, or are in work."""
        url = self.stack.resources[queue]
        shown = self.stack.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(many) for name, many in shown.items() if name.startswith("ApproximateNumber"))

    def _delivered(self, event: "Event") -> bool:
        s3 = self.stack.aws.s3
        prefix = make_delivery_key(make_receipt_id(event["id"], compute_digest(event)), ROUTE)
        return s3.list_objects_v2(Bucket=self.audit_bucket, Prefix=prefix)["KeyCount"] == 1


@contextmanager
def rigged(stack: Stack, authority: Authority, directory: Path) -> Iterator[Rig]:
    """A rig on a stack, with a Slack and no vCenter yet; what it serves ends with it."""
    tls = authority.issue(directory, datetime.now(UTC))
    with ExitStack() as ending:
        slack = ending.enter_context(SlackReceiver(tls=tls))
        rig = Rig(stack, authority, tls, slack)
        rig.put_secret(f"slack/{ROUTE}", {"url": slack.webhook, "ca_bundle": authority.pem})
        try:
            yield rig
        finally:
            for name in rig.servers:
                rig.take_down(name)


type NewRig = Callable[[Mapping[str, str]], AbstractContextManager[Rig]]
"""Makes a rig on a stack of its own, which has these parameters."""


def _read_run(run_id: str, event: Mapping[str, Any]) -> Run:
    """The run that the dispatcher makes of an event."""
    selected: dict[str, tuple[str, ...]] = {}
    for chosen in event.get("clusters", []):
        selected[chosen["vcenter"]] = (*selected.get(chosen["vcenter"], ()), chosen["cluster"])
    return Run(run_id, "direct" if selected else "schedule", selected or None)
