"""The DriftTopic, over boto3."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.domain.events import Publication, format_attribute
from esx_drift.domain.stored.types import Event
from esx_drift.errors import TopicUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


@dataclass(frozen=True, slots=True)
class SnsTopic:
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
