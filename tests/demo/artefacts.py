"""What the demo leaves behind: each message, each event, and a copy of the trail."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.stack.rig import Rig
from tests.stack.waiting import until

QUEUE = "demo-events"


class Tap:
    """A subscriber of the DriftTopic like any other: every CloudEvent, as it was published."""

    def __init__(self, rig: Rig) -> None:
        self._sqs = rig.stack.aws.sqs
        topic = rig.stack.outputs["DriftTopicArn"]
        self._url = self._sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        rig.stack.aws.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        self.events: list[dict[str, Any]] = []

    def await_events(self, number: int) -> list[dict[str, Any]]:
        """The next events, at least so many of them, each once."""
        before = len(self.events)
        until(lambda: self._take() >= before + number, f"{number} events on the topic", 30)
        return self.events[before:]

    def _take(self) -> int:
        received = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        known = {event["id"] for event in self.events}
        for message in received.get("Messages", []):
            event = json.loads(message["Body"])
            if event["id"] not in known:
                self.events.append(event)
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.events)


def leave(directory: Path, rig: Rig, events: list[dict[str, Any]]) -> None:
    """Write slack.jsonl, events.jsonl and audit/."""
    directory.mkdir(parents=True, exist_ok=True)
    bodies = [received.body.decode() for received in rig.slack.received]
    (directory / "slack.jsonl").write_text("".join(f"{body}\n" for body in bodies))
    (directory / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    audit = directory / "audit"
    shutil.rmtree(audit, ignore_errors=True)
    for key, body in rig.audit():
        path = audit / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def summary(rig: Rig, events: Sequence[Mapping[str, Any]]) -> str:
    """What was left, in one line."""
    records = sum(1 for key, _ in rig.audit("records/"))
    return f"{len(rig.slack.accepted)} messages, {len(events)} events, {records} records"
