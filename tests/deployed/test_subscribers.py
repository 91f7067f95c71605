"""The filter policies of docs/events.md, on a topic of the local AWS: what passes is what the page says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from esx_drift.adapters.messaging import SnsTopic
from esx_drift.messages.publication import build_publication

from tests.lab.local_aws.aws import Aws
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.waiting import until
from tests.unit.messages.test_events_page import PAGE, read_examples, read_filters, read_passes

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

RAW: Mapping[str, str] = {"RawMessageDelivery": "true"}
PATIENCE_SECONDS = 60


@dataclass(slots=True)
class Subscriber:
    """A queue behind the topic, with attributes of its subscription, and all that came to it."""

    aws: Aws
    topic: str
    name: str
    attributes: Mapping[str, str]
    came: "list[MessageTypeDef]" = field(default_factory=list)

    @property
    def url(self) -> str:
        """The queue's address."""
        return self.aws.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]

    def subscribe(self) -> None:
        """Make the queue, let the topic send to it, and subscribe it: as the page says."""
        url = self.aws.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        shown = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = shown["Attributes"]["QueueArn"]
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.aws.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=dict(self.attributes)
        )

    def take(self) -> int:
        """Take what waits; how many messages came so far."""
        while received := self.aws.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", []):
            self.came += received
            for message in received:
                self.aws.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.came)


@pytest.fixture(scope="module")
def subscribers(local_aws: LocalAws) -> dict[str, Subscriber]:
    """A subscriber of each policy, one of everything and one without raw delivery; every example was sent."""
    aws = local_aws.aws
    topic = aws.sns.create_topic(Name="subscribed")["TopicArn"]
    policies = {name: {**RAW, "FilterPolicy": json.dumps(policy)} for name, policy in read_filters().items()}
    made = {
        name: Subscriber(aws, topic, name, attributes)
        for name, attributes in {**policies, "everything": RAW, "wrapped": {}}.items()
    }
    for subscriber in made.values():
        subscriber.subscribe()
    published = SnsTopic(lambda: aws.sns, topic, build_publication)
    examples = read_examples()
    for event in examples.values():
        published.publish(event)
    unfiltered = (made["everything"], made["wrapped"])
    until(
        lambda: all(subscriber.take() >= len(examples) for subscriber in unfiltered),
        "every example at whoever filters nothing",
        PATIENCE_SECONDS,
    )
    for subscriber in made.values():
        subscriber.take()
    return made


def test_everything_arrives_where_nothing_is_filtered(subscribers: dict[str, Subscriber]) -> None:
    """As the CloudEvent and nothing else, with its attributes as those of the message."""
    examples = read_examples()
    came = [json.loads(message["Body"]) for message in subscribers["everything"].came]
    assert len(came) == len(examples)
    assert all(event in came for event in examples.values())
    for message in subscribers["everything"].came:
        given = message.get("MessageAttributes", {})
        wanted = build_publication(json.loads(message["Body"])).attributes
        types = {
            name: "String" if isinstance(value, str) else "String.Array" for name, value in wanted.items()
        }
        assert {name: value["DataType"] for name, value in given.items()} == types


def test_without_raw_delivery_the_event_is_in_the_envelope_of_the_page(
    subscribers: dict[str, Subscriber],
) -> None:
    """Its fields are those that the page shows, and the message in it is the CloudEvent."""
    examples = read_examples()
    (block,) = PAGE.read_text().split("<!-- envelope -->\n```json\n")[1:]
    shown = json.loads(block.partition("```")[0])
    envelopes = [json.loads(message["Body"]) for message in subscribers["wrapped"].came]
    assert all(event in [json.loads(one["Message"]) for one in envelopes] for event in examples.values())
    (same,) = [one for one in envelopes if json.loads(one["Message"]) == examples["orphaned-vib-appeared"]]
    assert same.keys() == shown.keys()
    assert (same["Subject"], same["MessageAttributes"]) == (shown["Subject"], shown["MessageAttributes"])


@pytest.mark.parametrize("name", [*read_filters()])
def test_a_policy_lets_pass_what_the_page_says(name: str, subscribers: dict[str, Subscriber]) -> None:
    """Those examples, each once, and no others."""
    examples = read_examples()
    came = [json.loads(message["Body"]) for message in subscribers[name].came]
    passed = [example for example, event in examples.items() if event in came]
    assert sorted(passed) == sorted(read_passes()[name])
    assert len(came) == len(passed)
