# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""NotifierFunction: events from the NotifyQueue, posted by the fleet file's routes.

A message is one CloudEvent (the subscription is raw), posted only if the record that it names holds it. What
fails goes back to the queue alone, and from there to the dead letter queue; a route that has heard an event
is not told again.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.aws_clients import s3, secrets_manager, sqs
from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.channels import open_channels
from esx_drift.config import NotifierConfig
from esx_drift.doctoring.examination import DoctorReply
from esx_drift.errors import EsxDriftError, TransientError
from esx_drift.notifying.notifier import Notifier, PublishedEvents, parse_event
from esx_drift.runtime import SqsBatch, count_metric, has_field

TIME_FOR_ONE_MS = 40_000
"""Three tries of one message, with what Slack asks to wait between them. With less time, it goes back."""

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> PartialItemFailureResponse | DoctorReply:
    """Post a batch of events; the reply names the messages to be delivered again. Or answer the doctor.

    Raises:
        ContractViolation: The event is neither.
        FleetInvalid, TransientError: No message can be handled at all.
    """
    if has_field(event, "doctor"):
        from esx_drift.doctoring.doctor import examine_routes  # noqa: PLC0415  # telling starts faster without it

        return examine_routes(cast("dict[str, object]", event), os.environ)
    config = NotifierConfig.from_environment(os.environ)
    fleet, _ = FleetFile(s3, config.state_bucket).read()
    inbox = SqsBatch(
        queue_url=config.notify_queue_url,
        client=sqs,
        logger=logger,
        failed_metric="EventsFailed",
        time_left_ms=context.get_remaining_time_in_millis,
        time_for_one_ms=TIME_FOR_ONE_MS,
    )
    with open_channels(Secrets(secrets_manager, config.secret_prefix), config.webhook_hosts) as channels:
        published = PublishedEvents(config.audit_bucket, partial(_read_audit, config.audit_bucket))
        deliveries = S3Deliveries(s3, config.audit_bucket)
        notifier = Notifier(fleet, channels, published, deliveries, clock=lambda: datetime.now(UTC))
        response = inbox.process(event, lambda record: _notify_record(record, notifier))
    messages = cast("dict[str, list[object]]", event)["Records"]
    count_metric("EventsHandled", len(messages) - len(response["batchItemFailures"]))
    return response


def _read_audit(bucket: str, key: str) -> bytes | None:
    stored = S3Objects(s3(), bucket).read(key)
    return None if stored is None else stored.body


def _notify_record(record: SQSRecord, notifier: Notifier) -> None:
    """Handle one message.

    Raises:
        EsxDriftError: What keeps the message in the queue.
    """
    event = parse_event(record.body)
    if event is None:
        logger.info("event not told to people")
        return
    cluster = event["data"]["cluster"]
    logger.append_keys(vcenter=event["data"]["vcenter"], cluster=cluster["id"] if cluster else None)
    notified = notifier.notify(event)
    logger.info(
        "event handled",
        event_id=event["id"],
        type=event["type"],
        source=event["source"],
        posted=notified.posted,
        repeated=notified.repeated,
        failed={route: error.message for route, error in notified.failed.items()},
    )
    if notified.failed:
        raise _find_most_hopeful(notified.failed.values())


def _find_most_hopeful(errors: Iterable[EsxDriftError]) -> EsxDriftError:
    return min(errors, key=lambda error: not isinstance(error, TransientError))
