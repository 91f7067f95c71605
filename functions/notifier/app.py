# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""NotifierFunction: events from the NotifyQueue, gathered, and sent on as a few messages to each route.

A message is one CloudEvent (the subscription is raw), which counts only if the record that it names holds it.
What fails goes back to the queue alone, and from there to the dead letter queue; what a route has heard is
not posted again.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.aws_clients import s3, sqs
from esx_drift.adapters.messaging import SqsDeliveryQueue
from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.config import NotifierConfig
from esx_drift.errors import EsxDriftError, OutOfTime
from esx_drift.notifying.notifier import Notifier, NotifyResult, PublishedEvents
from esx_drift.runtime import SqsBatch, count_metric

TIME_FOR_A_BATCH_MS: Final = 60_000
"""500 records, 10 at a time, and a few messages to each route."""

TIME_FOR_SENDING_MS: Final = 30_000
"""What is kept of it for what comes after the reading of records: those that took too long come again."""

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> PartialItemFailureResponse:
    """Send on what a batch of events tells; the reply names the messages to be delivered again.

    Raises:
        ContractViolation: The event holds no messages.
        FleetInvalid, TransientError: No message can be handled at all.
    """
    config = NotifierConfig.from_environment(os.environ)
    fleet, _ = FleetFile(s3, config.state_bucket).read()

    def read_record(key: str) -> bytes | None:
        if context.get_remaining_time_in_millis() < TIME_FOR_SENDING_MS:
            raise OutOfTime(f"no time is left in this run to read {key}")
        stored = S3Objects(s3(), config.audit_bucket).read(key)
        return None if stored is None else stored.body

    notifier = Notifier(
        fleet,
        PublishedEvents(config.audit_bucket, read_record),
        S3Deliveries(s3, config.audit_bucket),
        SqsDeliveryQueue(sqs, config.delivery_queue_url),
        clock=_now,
    )
    inbox = SqsBatch(
        queue_url=config.notify_queue_url,
        client=sqs,
        logger=logger,
        failed_metric="EventsFailed",
        time_left_ms=context.get_remaining_time_in_millis,
        time_for_one_ms=TIME_FOR_A_BATCH_MS,
    )

    def notify(bodies: Mapping[str, str]) -> Mapping[str, EsxDriftError]:
        results = notifier.notify(bodies)
        for message, result in results.items():
            _log_result(message, result)
        failed = {message: result.error for message, result in results.items() if result.error is not None}
        count_metric("EventsHandled", len(results) - len(failed))
        return failed

    return inbox.process_together(event, notify)


def _log_result(message: str, result: NotifyResult) -> None:
    event = result.event
    if event is None:
        if result.error is None:
            logger.info("event not told to people", message_id=message)
        return
    cluster = event["data"]["cluster"]
    logger.info(
        "event handled",
        message_id=message,
        vcenter=event["data"]["vcenter"],
        cluster=cluster["id"] if cluster else None,
        event_id=event["id"],
        type=event["type"],
        source=event["source"],
        routes=result.routes,
    )


def _now() -> datetime:
    return datetime.now(UTC)
