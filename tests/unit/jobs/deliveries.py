"""Messages as AWS delivers them: again and again, until a process is done with one; the world begun anew."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, cast

from esx_drift.checking.checker import Checker
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.stored.identifiers import encode_key_part
from esx_drift.errors import EsxDriftError

from tests.unit.checking.cloud import Sent
from tests.unit.checking.world import OWN_ROLE_IDS, World, find_honest_sender
from tests.unit.processes import Process, watch

HIDDEN_SECONDS = 1801
"""A message that a process had when it ended comes again when its queue's VisibilityTimeout is over."""

MAX_DELIVERIES = 40
"""No job needs nearly as many."""

AUDIT, STATE = "audit", "state"


@dataclass(frozen=True, slots=True)
class Message:
    """What a function is invoked with: by the schedule with a run, else by a queue."""

    queue: Literal["schedule", "check", "retry"]
    body: Any
    due: datetime
    received: int = 0


@dataclass(slots=True)
class Stage:
    """A world in which a job is played again and again, each time from the same beginning."""

    world: World
    follow: Callable[[Message], bool]
    """Which of the messages that are sent are a part of the job."""
    deliveries: int = 0
    _now: datetime = field(init=False)
    _vcenter: Any = field(init=False)
    _events: int = field(init=False)
    _objects: dict[tuple[str, str], bytes] = field(init=False)

    def __post_init__(self) -> None:
        world, extractions = self.world, self.world.vcenter.extractions
        self._now, self._events = world.now, len(world.topic.published)
        known = (extractions.reports, extractions.tasks, extractions.count, *world.vcenter.inventory.saved())
        self._vcenter = deepcopy(known)
        self._objects = {
            (bucket, entry["Key"]): self._read(bucket, entry["Key"])
            for bucket in (AUDIT, STATE)
            for entry in world.aws.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
            if encode_key_part(world.watched.name) in entry["Key"]
        }
        self._forget()

    def begin_anew(self) -> None:
        """Make the world what it was when the stage was made."""
        world, extractions = self.world, self.world.vcenter.extractions
        self._put_back()
        del world.topic.published[self._events :]
        world.now = self._now
        inventory = world.vcenter.inventory
        extractions.reports, extractions.tasks, extractions.count, inventory.clusters, inventory.hosts = (
            deepcopy(self._vcenter)
        )
        world.vcenter.sessions.close_all()
        self._forget()

    def _forget(self) -> None:
        self.world.aws.calls.clear()
        self.world.aws.sent.clear()

    def _list_touched(self) -> Iterator[tuple[str, str]]:
        for key in {key for name, key in self.world.aws.calls if name == "PutObject"}:
            yield STATE if key.startswith(("state/", "breaker/")) else AUDIT, key

    def _put_back(self) -> None:
        s3, touched = self.world.aws.s3, set(self._list_touched())
        for bucket in (AUDIT, STATE):
            made = [key for place, key in touched - self._objects.keys() if place == bucket]
            if made:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in made]})
        for bucket, key in touched & self._objects.keys():
            if bucket == STATE:
                s3.put_object(Bucket=bucket, Key=key, Body=self._objects[bucket, key])

    def _read(self, bucket: str, key: str) -> bytes:
        return self.world.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def read_audit(self) -> dict[str, bytes]:
        """All that lies in the AuditBucket: nothing there is ever written a second time."""
        touched = {key: self._read(AUDIT, key) for bucket, key in self._list_touched() if bucket == AUDIT}
        return {key: body for (bucket, key), body in self._objects.items() if bucket == AUDIT} | touched

    def is_new(self, key: str) -> bool:
        """Whether an object of the AuditBucket was not there at the beginning."""
        return (AUDIT, key) not in self._objects

    def play(self, first: Message, deliver: "Deliver") -> None:
        """Deliver a message and those that follow, each again until it is done with."""
        waiting, self.deliveries = [first], 0
        while waiting:
            self.deliveries += 1
            assert self.deliveries < MAX_DELIVERIES, waiting
            message = min(waiting, key=lambda one: one.due)
            waiting.remove(message)
            self.world.now = max(self.world.now, message.due)
            sent = len(self.world.aws.sent)
            if not deliver(self.world, message):
                waiting.append(self._deliver_again(message))
            waiting += self._list_sent(sent)

    def look(self) -> tuple[int, ...]:
        """How far all has come beside AWS: the deliveries, and what the vCenter was asked to do."""
        vcenter = self.world.vcenter
        polls = sum(task.polls for task in vcenter.extractions.tasks.values())
        return self.deliveries, len(vcenter.sessions.logins), vcenter.extractions.count, polls

    def _deliver_again(self, message: Message) -> Message:
        """The same message, when it comes again."""
        due = self.world.now + timedelta(seconds=HIDDEN_SECONDS)
        return Message(message.queue, message.body, due, message.received + 1)

    def _list_sent(self, since: int) -> list[Message]:
        """The messages of the job that were sent to the queues, but for the first so many of all."""
        sent = [_receive(one, self.world.now) for one in self.world.aws.sent[since:]]
        return [message for message in sent if self.follow(message)]


type Deliver = Callable[[World, Message], bool]
"""Handles one message; whether it is done with."""


def _receive(sent: Sent, now: datetime) -> Message:
    queue = cast("Literal['check', 'retry']", sent.queue)
    return Message(queue, sent.body, now + timedelta(seconds=sent.delay_seconds))


def handle(
    world: World, message: Message, process: Process, pause: Callable[[float], object] = lambda _: None
) -> None:
    """What one invocation makes of one message; where its process ends, nothing is put in order.

    ``pause`` waits for one's turn to log in.
    """
    ending, watched = ExitStack(), partial(watch, process=process)
    actor: Literal["checker", "dispatcher"] = "checker" if message.queue == "check" else "dispatcher"
    sessions = ending.enter_context(world.sessions(actor, watched, pause))
    runtime = world.runtime(sessions, watched=watched)
    try:
        match message.queue:
            case "schedule":
                Dispatcher(runtime).run(message.body)
            case "retry":
                # A third receipt is told, as of a listing that comes to no end: these do.
                Dispatcher(runtime).handle(message.body, receives=min(message.received + 1, 2))
            case "check":
                Checker(runtime, OWN_ROLE_IDS).handle(message.body, find_honest_sender(message.body))
    except EsxDriftError:
        ending.close()
        raise
    ending.close()
