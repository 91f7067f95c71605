# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""SenderFunction: deliveries from the DeliveryQueue, each posted to its route.

One message an invocation, so that routes share no invocation's time. Whatever has to wait is sent anew with a
delay; what nobody can post lies in the dead letter queue, with its reason. Here alone are the secrets of
channels: the doctor examines the routes from here.
"""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.audit_store import S3Deliveries, S3Store
from esx_drift.adapters.aws_clients import s3, secrets_manager, sns, sqs
from esx_drift.adapters.messaging import SqsDeliveryQueue
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import FleetFile, S3RouteStates
from esx_drift.channels import ChannelSettings, open_channels
from esx_drift.config import SenderConfig
from esx_drift.contracts import parse_payload
from esx_drift.doctoring.examination import DoctorReply
from esx_drift.notifying.receipts import Receipts
from esx_drift.notifying.sender import Sender
from esx_drift.runtime import SqsBatch, count_metric, has_field

if TYPE_CHECKING:
    from esx_drift.domain.deliveries import DeliveryMessage

TIME_FOR_ONE_MS: Final = 40_000
"""A connection that is not made takes 15 s, an answer that does not come 10, and receipts a few."""

FAILED_METRIC: Final = "DeliveriesFailed"

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> PartialItemFailureResponse | DoctorReply:
    """Post a delivery; the reply names the message if it is to be delivered again. Or answer the doctor.

    Raises:
        ContractViolation: The event is neither.
        FleetInvalid, TransientError: No message can be handled at all.
    """
    if has_field(event, "doctor"):
        from esx_drift.doctoring.doctor import examine_routes  # noqa: PLC0415  # telling starts faster without it

        return examine_routes(cast("dict[str, object]", event), os.environ)
    config = SenderConfig.from_environment(os.environ)
    fleet, _ = FleetFile(s3, config.state_bucket).read()
    inbox = SqsBatch(
        queue_url=config.delivery_queue_url,
        client=sqs,
        logger=logger,
        failed_metric=FAILED_METRIC,
        time_left_ms=context.get_remaining_time_in_millis,
        time_for_one_ms=TIME_FOR_ONE_MS,
    )
    deliveries = S3Deliveries(s3, config.audit_bucket)
    routes = S3RouteStates(s3, config.state_bucket)
    logs = S3Store(s3, config.audit_bucket, config.state_bucket)
    secrets = Secrets(secrets_manager, config.secret_prefix)
    settings = ChannelSettings(secrets, config.webhook_hosts, sns, config.amazon_q_topic_arn)
    with open_channels(settings) as channels:
        sender = Sender(
            fleet,
            channels,
            Receipts(deliveries, routes, logs.read_newest_record),
            deliveries,
            routes,
            SqsDeliveryQueue(sqs, config.delivery_queue_url, config.dead_letter_queue_url),
            clock=_now,
            holder=context.aws_request_id,
        )
        return inbox.process(event, lambda record: _send_record(record, sender))


def _send_record(record: SQSRecord, sender: Sender) -> None:
    """Handle one message.

    Raises:
        EsxDriftError: What keeps the message in the queue.
    """
    body = record.body.encode("utf-8", "surrogatepass")
    message = cast("DeliveryMessage", parse_payload("delivery-message", body))
    result = sender.send(message)
    logger.info(
        "delivery handled",
        route=message["route"],
        delivery_id=message["delivery_id"],
        attempt=message["attempt"],
        outcome=result.outcome,
        posted=result.posted,
        delay_seconds=result.delay_seconds,
        reason=result.reason,
        why=result.why,
    )
    if result.is_failure:
        count_metric(FAILED_METRIC, reason=result.reason)


def _now() -> datetime:
    return datetime.now(UTC)
