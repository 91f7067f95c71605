"""S3 and SQS in this process and in virtual time, for the real adapters, handlers and sockets."""

import json
import math
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from heapq import heappop, heappush
from io import BytesIO
from itertools import count
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

START = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
AUDIT, STATE = "audit", "state"
NOTIFY, DELIVERY, DEAD = "NotifyQueue", "DeliveryQueue", "DeliveryDeadLetterQueue"
MAX_RECEIVES = 5
HIDDEN_SECONDS = 300
"""As the template has it of the DeliveryQueue."""


@dataclass(slots=True)
class Clock:
    """The time of a test."""

    now: datetime = START

    def __call__(self) -> datetime:
        """It is now."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Plan:
    """What is to happen at times; of one time, in the order of the ``numbers`` that it is given."""

    numbers: "count[int]"
    _actions: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)

    def add(self, at: datetime, action: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heappush(self._actions, (at, next(self.numbers), action))

    def list_next(self) -> list[tuple[datetime, int, Callable[[], None]]]:
        """When the first of it is due, before all else that is due then, and what does it."""
        return [(self._actions[0][0], 0, self._act)] if self._actions else []

    def _act(self) -> None:
        _, _, action = heappop(self._actions)
        action()


class MemoryS3:
    """Objects with ETags and conditional writes, as S3 answers; counts its calls by key."""

    def __init__(self) -> None:
        """No object yet."""
        self.objects: MutableMapping[tuple[str, str], bytes] = {}
        self.reads: dict[str, int] = {}
        self.failing: Callable[[str, str], bool] = lambda _operation, _key: False
        self._lock = Lock()

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        """An object, or NoSuchKey."""
        with self._lock:
            self.reads[Key] = self.reads.get(Key, 0) + 1
            self._fail("GetObject", Key)
            if (Bucket, Key) not in self.objects:
                raise build_refusal("NoSuchKey", "GetObject")
            body = self.objects[Bucket, Key]
            return {"Body": BytesIO(body), "ETag": _etag(body)}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **conditions: str) -> dict[str, Any]:  # noqa: N803
        """Write an object, if the conditions hold."""
        with self._lock:
            self._fail("PutObject", Key)
            known = self.objects.get((Bucket, Key))
            if "IfNoneMatch" in conditions and known is not None:
                raise build_refusal("PreconditionFailed", "PutObject")
            if "IfMatch" in conditions and (known is None or conditions["IfMatch"] != _etag(known)):
                raise build_refusal("PreconditionFailed", "PutObject")
            self.objects[Bucket, Key] = Body
            return {"ETag": _etag(Body)}

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys of a bucket that begin so."""
        return sorted(key for place, key in self.objects if place == bucket and key.startswith(prefix))

    def get_paginator(self, operation: str) -> "MemoryS3":
        """What pages through a listing."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, StartAfter: str) -> list[dict[str, Any]]:  # noqa: N803
        """All that a prefix and a key to begin after leave, as one page."""
        keys = [key for key in self.list_keys(Bucket, Prefix) if key > StartAfter]
        page = [
            {
                "Key": key,
                "Size": len(self.objects[Bucket, key]),
                "LastModified": START,
                "ETag": _etag(self.objects[Bucket, key]),
            }
            for key in keys
        ]
        return [{"Contents": page}]

    def _fail(self, operation: str, key: str) -> None:
        if self.failing(operation, key):
            raise build_refusal("InternalError", operation)


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def build_refusal(code: str, operation: str) -> ClientError:
    """Build what boto3 raises where AWS refuses an operation."""
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@dataclass(slots=True)
class Waiting:
    """A message in a queue, to be handed out when it is due."""

    id: str
    queue: str
    body: str
    due: datetime
    attributes: Mapping[str, str]
    received: int = 0

    @property
    def fields(self) -> Any:  # noqa: ANN401 -- JSON
        """What the body says."""
        return json.loads(self.body)

    def as_record(self) -> dict[str, Any]:
        """What Lambda makes of it."""
        attributes = {"ApproximateReceiveCount": str(self.received), "SenderId": "AROATEST:function"}
        return {"messageId": self.id, "receiptHandle": self.id, "body": self.body, "attributes": attributes}


@dataclass(slots=True)
class MemorySqs:
    """Standard queues whose delays are of the test's time."""

    clock: Clock
    messages: list[Waiting] = field(default_factory=list)
    sent: int = 0
    failing: bool = False
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def send_message(
        self,
        QueueUrl: str,  # noqa: N803 -- boto3's names
        MessageBody: str,  # noqa: N803
        DelaySeconds: int = 0,  # noqa: N803
        MessageGroupId: str = "",  # noqa: N803
        MessageAttributes: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> None:
        """Take a message."""
        if self.failing:
            raise build_refusal("ServiceUnavailable", "SendMessage")
        assert 0 <= DelaySeconds <= 900
        assert MessageGroupId
        self.sent += 1
        due = self.clock.now + timedelta(seconds=DelaySeconds)
        texts = {name: one["StringValue"] for name, one in (MessageAttributes or {}).items()}
        self.messages.append(Waiting(f"m{next(self._numbers)}", QueueUrl, MessageBody, due, texts))

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """Hand a message out again sooner."""
        (message,) = [one for one in self.messages if (one.queue, one.id) == (QueueUrl, ReceiptHandle)]
        message.due = self.clock.now + timedelta(seconds=VisibilityTimeout)

    def of(self, queue: str) -> list[Waiting]:
        """The messages of a queue, the next one first."""
        return sorted((one for one in self.messages if one.queue == queue), key=lambda one: one.due)


@dataclass(slots=True)
class MemorySns:
    """A topic that the NotifyQueue is subscribed to."""

    sqs: MemorySqs
    published: list[str] = field(default_factory=list)

    def publish(self, Message: str, **_: object) -> None:  # noqa: N803 -- boto3's name
        """Take an event; subscribers get what is for queues."""
        body = json.loads(Message)["default"]
        self.published.append(json.loads(body)["id"])
        self.sqs.send_message(NOTIFY, body, MessageGroupId="events")


@dataclass(slots=True)
class World:
    """The clock, the clients and how the DeliveryQueue invokes the sender."""

    clock: Clock = field(default_factory=Clock)
    s3: MemoryS3 = field(default_factory=MemoryS3)
    sqs: MemorySqs = field(init=False)

    def __post_init__(self) -> None:
        self.sqs = MemorySqs(self.clock)

    def dead(self) -> list[Waiting]:
        """The dead letters of deliveries."""
        return self.sqs.of(DEAD)

    def run(
        self, handle: Callable[[Waiting], bool], *, most: int = 10_000, until: datetime | None = None
    ) -> int:
        """Hand out each message when it is due, until none is left; how many invocations that took.

        ``handle`` says whether it is done with the message; else it comes again, and at last lies among the
        dead letters.
        """
        for invocations in range(most):
            waiting = self.sqs.of(DELIVERY)
            if not waiting or (until is not None and waiting[0].due > until):
                return invocations
            message = waiting[0]
            self.clock.now = max(self.clock.now, message.due)
            message.received += 1
            message.due = self.clock.now + timedelta(seconds=HIDDEN_SECONDS)
            if handle(message):
                self.sqs.messages.remove(message)
            elif message.received >= MAX_RECEIVES:
                message.queue = DEAD
        raise AssertionError("it comes to no end")


@dataclass(slots=True)
class Limit:
    """A service that takes one message a second, and after a refusal none for ``hold_seconds``.

    Each request in that time is refused too, and begins it anew.
    """

    clock: Clock
    hold_seconds: int = 1
    taken_at: datetime | None = None
    held_until: datetime | None = None
    refused: int = 0

    def judge(self) -> int | None:
        """None if the message is taken; else how long to wait, in seconds."""
        now = self.clock.now
        is_held = self.held_until is not None and now < self.held_until
        if is_held or (self.taken_at is not None and now < self.taken_at + timedelta(seconds=1)):
            self.refused += 1
            self.held_until = now + timedelta(seconds=self.hold_seconds)
            return math.ceil(self.hold_seconds)
        self.taken_at = now
        return None
