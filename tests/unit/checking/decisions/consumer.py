"""A checker at work on the CheckQueue in a thread of its own, while a command waits for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from types import TracebackType
from typing import Self

import boto3
from esx_drift.domain.stored.identifiers import FLEET_KEY
from esx_drift.domain.stored.types import CheckRequest

from tests.unit.checking.world import World
from tests.unit.fleets import fleet


@dataclass(slots=True)
class Consumer:
    """Answers decisions until it is left. ``before``: what happens in the world just before the next ones.

    SQS names a sender by the id that STS tells him; moto's SQS names everybody the same.
    """

    world: World
    asleep: bool = False
    before: list[Callable[[], object]] = field(default_factory=list)
    handled: list[CheckRequest] = field(default_factory=list)
    _ended: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def put_fleet(self, *more: str) -> None:
        """Write the fleet file that the command line reads, with this world's vCenter and whatever more."""
        own = {"name": self.world.watched.name, "clusters": {"exclude": list(self.world.watched.exclude)}}
        body = json.dumps(fleet(vcenters=[own, *({"name": name} for name in more)])).encode()
        self.world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=body)

    def _work(self) -> None:
        sqs, url = self.world.aws.sqs, self.world.aws.check_queue_url
        sender_id = boto3.client("sts").get_caller_identity()["UserId"]
        while not self._ended.wait(0.02):
            if self.asleep:
                continue
            for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
                request: CheckRequest = json.loads(message["Body"])
                mine = request["vcenter"] == self.world.watched.name
                if mine and request["action"] != "check":
                    self.handled.append(request)
                    if self.before:
                        self.before.pop()()
                    self.world.handle_from(sender_id, request)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
