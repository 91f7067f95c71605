"""A subscriber of the DriftTopic like any other: each CloudEvent as published, with its attributes."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.lab.local_aws.stack import Stack
from tests.lab.local_aws.waiting import until

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Event

PATIENCE_SECONDS = 120
"""For what takes a second, or thirty where the machine is busy: only a failure waits so long."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery. The attributes are what a filter policy sees: a String, or a String.Array as JSON."""

    event: "Event"
    attributes: dict[str, str]


@dataclass(slots=True)
class Tap:
    """A queue of its own behind the topic. `heard` holds every delivery, also of an event heard before."""

    stack: Stack
    url: str
    heard: list[Heard] = field(default_factory=list)

    @property
    def events(self) -> "list[Event]":
        """Each event once, in the order in which they came."""
        return list({heard.event["id"]: heard.event for heard in self.heard}.values())

    def await_events(self, number: int) -> "list[Event]":
        """The next events, at least so many of them."""
        known = len(self.events)

        def came() -> bool:
            self.take()
            return len(self.events) >= known + number

        until(came, f"{number} events on the topic", PATIENCE_SECONDS)
        return self.events[known:]

    def take(self) -> int:
        """Take up to ten deliveries that wait; how many there were."""
        sqs = self.stack.aws.sqs
        received = sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in received:
            given = message.get("MessageAttributes", {})
            values = {name: value["StringValue"] for name, value in given.items()}
            self.heard.append(Heard(json.loads(message["Body"]), values))
            sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(received)

    def drain(self) -> None:
        """Take all that waits."""
        while self.take():
            pass


def tapped(stack: Stack) -> Tap:
    """A new tap on a stack's topic."""
    sqs, topic = stack.aws.sqs, stack.outputs["DriftTopicArn"]
    url = sqs.create_queue(QueueName=f"{stack.name}-tap")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.aws.sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    return Tap(stack, url)
