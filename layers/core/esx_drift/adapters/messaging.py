"""What is sent, over boto3: messages to CheckQueue, RetryQueue and DeliveryQueue, events to the DriftTopic.

They are standard queues with fair queueing: ``MessageGroupId`` is the vCenter, or the route, so that SQS
favours the others while one is slow or large
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.domain.deliveries import MAX_DELIVERY_DELAY_SECONDS, DeliveryMessage
from esx_drift.domain.dispatching.run import MAX_SQS_DELAY_SECONDS
from esx_drift.domain.events import Publication, format_attribute
from esx_drift.domain.stored.identifiers import encode_canonical_json, encode_key_part
from esx_drift.domain.stored.types import CheckRequest, Event, RetryRequest
from esx_drift.errors import QueueUnavailable, TopicUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef
    from mypy_boto3_sqs import SQSClient

MAX_WHY_CHARACTERS: Final = 1_000
"""Of the sentence that goes with a dead letter."""


class SqsQueue(Struct, frozen=True):
    """``ports.Queue`` on two queues; ``client`` gives the same SQS client each time."""

    client: Callable[[], "SQSClient"]
    check_queue_url: str
    retry_queue_url: str

    def send_check(self, request: CheckRequest, delay_seconds: int) -> None:
        """Ask for a check."""
        self._send(self.check_queue_url, request, delay_seconds)

    def send_retry(self, request: RetryRequest, delay_seconds: int) -> None:
        """Ask for a vCenter to be listed again."""
        self._send(self.retry_queue_url, request, delay_seconds)

    def _send(self, url: str, request: Mapping[str, object], delay_seconds: int) -> None:
        vcenter = str(request["vcenter"])
        try:
            self.client().send_message(
                QueueUrl=url,
                MessageBody=encode_canonical_json(request).decode(),
                DelaySeconds=max(0, min(delay_seconds, MAX_SQS_DELAY_SECONDS)),
                MessageGroupId=encode_key_part(vcenter),
            )
        except (ClientError, BotoCoreError) as error:
            raise QueueUnavailable(f"SQS did not take a message about {vcenter}: {error}") from error


class SqsDeliveryQueue(Struct, frozen=True):
    """``ports.DeliveryQueue`` on two queues; ``client`` gives the same SQS client each time.

    ``dead_letter_url`` is None for whoever only sends.
    """

    client: Callable[[], "SQSClient"]
    url: str
    dead_letter_url: str | None = None

    def send_delivery(self, message: DeliveryMessage, delay_seconds: int) -> None:
        """Have a delivery posted."""
        self._send(self.url, message, delay_seconds, {})

    def park_delivery(self, message: DeliveryMessage, reason: str, why: str) -> None:
        """Put a delivery among the dead letters, with both texts as attributes."""
        texts = {"reason": reason, "why": why[:MAX_WHY_CHARACTERS]}
        self._send(str(self.dead_letter_url), message, 0, texts)

    def _send(self, url: str, message: DeliveryMessage, delay_seconds: int, texts: Mapping[str, str]) -> None:
        route = message["route"]
        try:
            self.client().send_message(
                QueueUrl=url,
                MessageBody=encode_canonical_json(message).decode(),
                DelaySeconds=max(0, min(delay_seconds, MAX_DELIVERY_DELAY_SECONDS)),
                MessageGroupId=encode_key_part(route),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": text} for name, text in texts.items()
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise QueueUnavailable(f"SQS did not take a delivery to {route}: {error}") from error


class SnsTopic(Struct, frozen=True):
    """``ports.Topic`` on one topic.

    ``client`` gives the same SNS client each time; ``build_publication`` says what is published of an event.
    """

    client: Callable[[], "SNSClient"]
    topic_arn: str
    build_publication: Callable[[Event], Publication]

    def publish(self, event: Event) -> None:
        """Publish one event.

        Raises:
            TopicUnavailable: SNS did not take it, whatever its reason: the event stays in the outbox, and a
                topic that is gone or forbidden must not keep the checks from looking.
        """
        publication = self.build_publication(event)
        try:
            self.client().publish(
                TopicArn=self.topic_arn,
                Subject=publication.subject,
                Message=publication.message,
                MessageStructure="json",
                MessageAttributes={
                    name: _build_attribute(value) for name, value in publication.attributes.items()
                },
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise TopicUnavailable(f"SNS did not take event {event['id']}: {code}") from error
        except BotoCoreError as error:
            raise TopicUnavailable(f"SNS did not take event {event['id']}: {error}") from error


def _build_attribute(value: str | tuple[str, ...]) -> "MessageAttributeValueTypeDef":
    data_type, text = format_attribute(value)
    return {"DataType": data_type, "StringValue": text}
