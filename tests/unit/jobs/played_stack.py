"""The stack in virtual time: the functions' own handlers, invoked as the template says, with AWS in memory.

Schedules, queues and dead letters are as in the template; what the functions count is kept for its alarms.
The vCenter is a model, as in a month of ``tests/unit/month.py``; Slack is a real socket.

Longer than 250 lines, because what AWS does between two invocations is one thing.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import StringIO
from itertools import count
from typing import Any, Final, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.channels.webhook import WebhookChannel
from esx_drift.notifying.receipts import Post, Receipts
from esx_drift.ports import LoginGuard
from esx_drift.runtime import runtime
from esx_drift.vcenter_sessions import VCenterSessions

from functions.checker import app as checker
from functions.dispatcher import app as dispatcher
from functions.notifier import app as notifier
from functions.reporter import app as reporter
from functions.sealer import app as sealer
from functions.sender import app as sender
from tests.simulator.slack import SlackReceiver
from tests.unit.jobs.alarms import STACK, Metrics, name_metric, read_resources
from tests.unit.jobs.aws_faults import AwsFault
from tests.unit.memory_aws import ListedS3, MemorySecrets
from tests.unit.month import OWN_ROLE_IDS, VCenterModel
from tests.unit.notifying.world import AUDIT, STATE, Clock, MemorySns, MemorySqs, Plan, Waiting
from tests.unit.processes import ProcessEnd
from tests.unit.template.application import target

POISON: Final = "not JSON"

APPS: Final = {
    "dispatcher": dispatcher,
    "checker": checker,
    "notifier": notifier,
    "sender": sender,
    "reporter": reporter,
    "sealer": sealer,
}
FED_BY: Final = {
    "RetryQueue": ("dispatch", "dispatcher", 1),
    "CheckQueue": ("check", "checker", 5),
    "NotifyQueue": ("notify", "notifier", 500),
    "DeliveryQueue": ("send", "sender", 1),
}
"""By queue: what a job of it is called here, the function, and how many messages it gets at most."""

WINDOW: Final = timedelta(seconds=300)
"""NotifyWindowSeconds."""

RUN_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=2))
"""Lambda invokes the dispatcher and the sealer that often again: MaximumRetryAttempts."""

type Invocation = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Context:
    """Lambda's context: there is time for everything."""

    aws_request_id: str
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:function"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class MemoryKms:
    """One key that signs."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def get_public_key(self, KeyId: str) -> dict[str, bytes]:  # noqa: ARG002, N803 -- boto3's name
        """The public key, in DER."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"PublicKey": der}

    def sign(self, Message: bytes, **_: str) -> dict[str, bytes]:  # noqa: N803 -- boto3's name
        """Sign a digest."""
        return {"Signature": self._key.sign(Message, ec.ECDSA(Prehashed(SHA256())))}


class _Client:
    """A client whose calls may meet a fault."""

    def __init__(self, stack: "PlayedStack", service: str, inner: object) -> None:
        self._stack, self._service, self._inner = stack, service, inner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = "".join(part.title() for part in name.split("_"))
        call = getattr(self._inner, name)
        return lambda *args, **params: self._stack.meet(
            self._service, operation, partial(call, *args, **params)
        )


class _FaultyS3(_Client):
    """S3, whose listings are calls when they are read."""

    def get_paginator(self, _operation: str) -> "_FaultyS3":
        return self

    def paginate(self, **params: str) -> Iterator[Any]:
        list_pages = partial(cast("ListedS3", self._inner).paginate, **params)
        yield from self._stack.meet("s3", "ListObjectsV2", list_pages)


@dataclass(slots=True)
class _BrokenBody:
    """The body of an object that breaks off."""

    error: BaseException

    def read(self) -> bytes:
        raise self.error

    def iter_chunks(self, _size: int) -> Iterator[bytes]:
        raise self.error


@dataclass(slots=True)
class _Session:
    """A session of a vCenter's model, with a login that the breaker guards."""

    model: VCenterModel
    guard: LoginGuard

    def login(self) -> None:
        with self.guard():
            self.model.about()

    def close(self) -> None:
        """Nothing is open."""

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)


@dataclass(slots=True)
class Trouble:
    """What is wrong, and where.

    Attributes:
        phase: The job that meets it; no other does.
        fault: What its calls of AWS meet.
        clock_ahead: How far its clock is ahead.
        is_doubled: Whether each of its messages comes twice.
        late: By how much its messages come later that are sent until ``late_until``.
        late_until: Till then.
        is_poisoned: Whether a message that nobody can handle comes before each of the good ones.
        hits: How often it was met.
    """

    phase: str
    fault: AwsFault | None = None
    clock_ahead: timedelta = timedelta()
    is_doubled: bool = False
    late: timedelta = timedelta()
    late_until: datetime | None = None
    is_poisoned: bool = False
    hits: int = 0


@dataclass(slots=True)
class PlayedStack:
    """The stack.

    Attributes:
        told: When, by receipt, the route took what it was posted: once each.
        calls: What each job asks of AWS while there is trouble anywhere.
    """

    clock: Clock
    model: VCenterModel
    slack: SlackReceiver
    s3: ListedS3 = field(init=False)
    sqs: MemorySqs = field(init=False)
    sns: MemorySns = field(init=False)
    kms: MemoryKms = field(default_factory=MemoryKms)
    secrets: MemorySecrets = field(default_factory=MemorySecrets)
    metrics: Metrics = field(default_factory=Metrics)
    told: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    trouble: Trouble | None = None
    calls: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _phase: str = ""
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _planned: Plan = field(init=False)
    _doubled: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _dead: set[str] = field(default_factory=set)
    _sent_at: dict[str, datetime] = field(default_factory=dict)
    _posts: dict[int, Post] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.s3, self.sqs = ListedS3(self.clock), MemorySqs(self.clock)
        self.sns, self._planned = MemorySns(self.sqs), Plan(self._numbers)

    @property
    def store(self) -> S3Store:
        """The two buckets, as they are."""
        return S3Store(cast("Any", lambda: self.s3), AUDIT, STATE)

    @property
    def clusters(self) -> list[str]:
        """The ids of the clusters."""
        return [f"domain-{name}" for name in self.model.models]

    @property
    def own_trouble(self) -> Trouble | None:
        """What is wrong with the job that is at work."""
        trouble = self.trouble
        return trouble if trouble is not None and trouble.phase == self._phase else None

    def meet(self, service: str, operation: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 -- any reply
        """Make a call of AWS, or have it meet what is wrong."""
        trouble = self.own_trouble
        if self.trouble is not None:
            self.calls[self._phase].add(f"{service} {operation}")
        fault = trouble.fault if trouble else None
        if trouble is None or fault is None or not fault.meets(service, operation):
            return call()
        trouble.hits += 1
        if fault.is_late:
            return {**call(), "Body": _BrokenBody(fault.build_error(operation))}
        if fault.is_done:
            call()
        raise fault.build_error(operation)

    def read_clock(self) -> datetime:
        """The clock of the function that is at work."""
        trouble = self.own_trouble
        if trouble is None or not trouble.clock_ahead:
            return self.clock.now
        trouble.hits += 1
        return self.clock.now + trouble.clock_ahead

    def schedule(self, phase: str, at: datetime) -> None:
        """Have a schedule invoke its function: ``phase`` is ``run``, ``report`` or ``seal``."""
        function = {"run": "dispatcher", "report": "reporter", "seal": "sealer"}[phase]
        retries = () if phase == "report" else RUN_RETRIES
        self.plan(at, partial(self._run, phase, function, f"run-{next(self._numbers)}", retries))

    def play(self, until: datetime) -> None:
        """Let everything happen in its order, and nothing of what is due later."""
        while (following := self._find_next()) is not None and following[0] <= until:
            at, act = following
            self.clock.now = max(self.clock.now, at)
            act()
        self.clock.now = max(self.clock.now, until)

    def list_dead(self) -> list[Waiting]:
        """List the dead letters."""
        return [one for one in self.sqs.messages if one.queue.endswith("DeadLetterQueue")]

    def redrive(self) -> None:
        """Do with dead letters as the runbook says: a lost run is made up for by the next one."""
        for message in self.list_dead():
            if message.queue == "DispatcherDeadLetterQueue" or message.body == POISON:
                self.sqs.messages.remove(message)
                continue
            message.queue = message.queue.replace("DeadLetter", "")
            message.due, message.received = self.clock.now, 0
            self._sent_at[message.id] = self.clock.now

    def plan(self, at: datetime, action: Callable[[], None]) -> None:
        """Have something happen at a time."""
        self._planned.add(at, action)

    def _find_next(self) -> tuple[datetime, Callable[[], None]] | None:
        self._count_dead()
        found = self._planned.list_next()
        for rank, queue in enumerate(FED_BY, start=1):
            waiting = self.sqs.of(queue)
            for message in waiting:
                self._arrange(message)
            if waiting:
                first = min(one.due for one in waiting)
                at = first + WINDOW if queue == "NotifyQueue" else first
                found.append((at, rank, partial(self._feed, queue)))
        return min(found, key=lambda one: one[:2])[::2] if found else None

    def _arrange(self, message: Waiting) -> None:
        """Have a message that was just sent be as late as trouble wants it, and poison beside it."""
        if message.id in self._seen:
            return
        self._seen.add(message.id)
        self._sent_at[message.id] = self.clock.now
        trouble = self.trouble
        if trouble is None or trouble.phase != FED_BY[message.queue][0]:
            return
        if trouble.late_until is not None and self.clock.now < trouble.late_until:
            trouble.hits += 1
            message.due += trouble.late
        if trouble.is_poisoned and message.body != POISON:
            trouble.hits += 1
            self.sqs.send_message(message.queue, POISON, MessageGroupId="odd")
            poison = self.sqs.messages.pop()
            poison.due = message.due
            self.sqs.messages.insert(0, poison)
            self._seen.add(poison.id)
            self._sent_at[poison.id] = self.clock.now

    def _feed(self, queue: str) -> None:
        """Invoke a queue's function with what may be handed out."""
        phase, function, most = FED_BY[queue]
        settings = read_resources()[queue]["Properties"]
        hidden, redrive = settings["VisibilityTimeout"], settings["RedrivePolicy"]
        due = [one for one in self.sqs.of(queue) if one.due <= self.clock.now]
        for message in due:
            if message.received >= redrive["maxReceiveCount"]:
                message.queue = target(redrive["deadLetterTargetArn"])
        batch = [one for one in due if one.queue == queue][:most]
        if not batch:
            return
        for message in batch:
            message.received += 1
            message.due = self.clock.now + timedelta(seconds=hidden)
            age = (self.clock.now - self._sent_at[message.id]).total_seconds()
            oldest = name_metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue})
            self.metrics.count(self.clock.now, age, oldest)
        reply = self._invoke(phase, function, {"Records": [one.as_record() for one in batch]})
        failed = None if reply is None else {one["itemIdentifier"] for one in reply["batchItemFailures"]}
        for message in batch:
            if failed is not None and message.id not in failed:
                self._end(phase, message)

    def _end(self, phase: str, message: Waiting) -> None:
        """Delete a message, which SQS may hand out once more all the same."""
        trouble = self.trouble
        if trouble and trouble.phase == phase and trouble.is_doubled and message.id not in self._doubled:
            trouble.hits += 1
            self._doubled.add(message.id)
            return
        self.sqs.messages.remove(message)

    def _run(self, phase: str, function: str, run_id: str, retries: Sequence[timedelta]) -> None:
        """An invocation by schedule, which Lambda repeats."""
        if self._invoke(phase, function, {}, run_id) is not None:
            return
        if retries:
            self.plan(self.clock.now + retries[0], partial(self._run, phase, function, run_id, retries[1:]))
        elif phase == "run":
            self.sqs.send_message("DispatcherDeadLetterQueue", "{}", MessageGroupId="runs")

    def _invoke(self, phase: str, function: str, event: Invocation, run_id: str | None = None) -> Any:  # noqa: ANN401
        """What a function replies; None where it failed."""
        self._phase, output = phase, StringIO()
        context = _Context(run_id or f"{function}-{next(self._numbers)}")
        os.environ["POWERTOOLS_SERVICE_NAME"] = function
        try:
            with redirect_stdout(output):
                return APPS[function].handler(event, context)
        except (Exception, ProcessEnd):  # noqa: BLE001 -- whatever ends an invocation, Lambda counts it
            name = f"{function.title()}Function"
            self.metrics.count(self.clock.now, 1, name_metric("AWS/Lambda", "Errors", {"FunctionName": name}))
            return None
        finally:
            self._phase = ""
            self._take_metrics(output.getvalue())

    def _take_metrics(self, output: str) -> None:
        """Take what a function wrote in CloudWatch's embedded metric format."""
        for line in filter(lambda line: '"CloudWatchMetrics"' in line, output.splitlines()):
            said = json.loads(line)
            for one in said["_aws"]["CloudWatchMetrics"]:
                dimensions = {name: said[name] for name in one["Dimensions"][0]}
                (metric,) = (each["Name"] for each in one["Metrics"])
                (value,) = said[metric] if isinstance(said[metric], list) else (said[metric],)
                self.metrics.count(self.clock.now, value, name_metric(one["Namespace"], metric, dimensions))

    def _count_dead(self) -> None:
        """Count each dead letter when it comes to lie there: nobody takes it away meanwhile."""
        dead = self.list_dead()
        for message in dead:
            if message.id not in self._dead:
                seen = name_metric(
                    "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": message.queue}
                )
                self.metrics.count(self.clock.now, 1, seen)
        self._dead = {message.id for message in dead}

    def wire(self, patch: pytest.MonkeyPatch) -> None:
        """Put everything in its place."""
        clients = {
            "s3": _FaultyS3(self, "s3", self.s3),
            "sqs": _Client(self, "sqs", self.sqs),
            "sns": _Client(self, "sns", self.sns),
            "kms": _Client(self, "kms", self.kms),
            "secrets_manager": _Client(self, "secrets", self.secrets),
        }
        for module in (*APPS.values(), runtime):
            for name, client in clients.items():
                if hasattr(module, name):
                    patch.setattr(module, name, lambda client=client: client)
            if hasattr(module, "_now"):
                patch.setattr(module, "_now", self.read_clock)
        patch.setattr(runtime, "open_vcenter", self._open_vcenter)
        patch.setattr(VCenterSessions.__init__, "__defaults__", (self.clock.wait,))
        find_post, post = Receipts.find_post, WebhookChannel.post

        def note_post(receipts: Receipts, *arguments: Any) -> Post | None:  # noqa: ANN401 -- its own
            found = find_post(receipts, *arguments)
            if found is not None:
                self._posts[id(found.content)] = found
            return found

        def count_told(channel: WebhookChannel, secret: str, content: Any) -> None:  # noqa: ANN401 -- its own
            post(channel, secret, content)
            for receipt in self._posts[id(content)].receipts:
                self.told[receipt].append(self.clock.now)

        patch.setattr(Receipts, "find_post", note_post)
        patch.setattr(WebhookChannel, "post", count_told)
        for name, value in {**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "put back in the end"}.items():
            patch.setenv(name, value)

    def _open_vcenter(self, _secret: VCenterSecret, guard: LoginGuard, *_: object) -> _Session:
        return _Session(self.model, guard)


ENVIRONMENT: Final = {
    "AUDIT_BUCKET": AUDIT,
    "STATE_BUCKET": STATE,
    "CHECK_QUEUE_URL": "CheckQueue",
    "RETRY_QUEUE_URL": "RetryQueue",
    "NOTIFY_QUEUE_URL": "NotifyQueue",
    "DELIVERY_QUEUE_URL": "DeliveryQueue",
    "DELIVERY_DEAD_LETTER_QUEUE_URL": "DeliveryDeadLetterQueue",
    "DRIFT_TOPIC_ARN": "DriftTopic",
    "CHECK_INTERVAL_HOURS": "4",
    "OWN_ROLE_IDS": ",".join((*OWN_ROLE_IDS, "AROATEST")),
    "SECRET_PREFIX": STACK,
    "WEBHOOK_HOSTS": "127.0.0.1",
    "AMAZON_Q_TOPIC_ARN": "",
    "DAILY_REPORT_HOUR": "7",
    "REPORT_TIME_ZONE": "UTC",
    "HEARTBEAT": "DISABLED",
    "SIGNING_KEY_ID": "key",
    "SEAL_COPY_BUCKET": "",
}
