"""A batch of a queue's messages, one by one: what fails goes back to the queue alone, and is told of.

A message that nobody can ever handle is handed out again at once: it has used up its tries within seconds and
lies in the dead letter queue, where an alarm tells of it, instead of coming back for hours.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, ExceptionInfo, FailureResponse
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.contracts import read_payload
from esx_drift.errors import ContractViolation, EsxDriftError, OutOfTime, RequestRefused

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


MESSAGE_ERRORS = (ContractViolation, RequestRefused)
"""Errors of the message. A secret or a webhook that is wrong is mended by a person: that is waited for."""


STACK_DIMENSION = "stack"
"""Several stacks of one account and region count apart."""


MESSAGE_LOG_KEYS = ("message_id", "run_id", "vcenter", "cluster")
"""What a handler may append to each line of the log about one message."""


def has_field(event: object, name: str) -> bool:
    """Tell whether an invocation's ``event``, which may be any JSON, is an object with the field ``name``."""
    return isinstance(event, dict) and name in event


class SqsBatch(Struct, frozen=True):
    """A queue that feeds a function. ``failed_metric`` counts what it could not handle, by reason.

    With less time left than one message may take, none is begun: nothing is cut off in its middle, and
    whatever is open is ended in order. ``put_off`` asks anew for what there was no time for, so that a queue
    behind something slow uses up no message's tries; without it, or where it raises ``OutOfTime``, the
    message itself comes again. Those that ``comes_first`` picks are handled before the others of their batch.
    """

    queue_url: str
    client: Callable[[], "SQSClient"]
    logger: Logger
    failed_metric: str
    time_left_ms: Callable[[], int]
    time_for_one_ms: int
    put_off: Callable[[SQSRecord], None] | None = None
    comes_first: Callable[[SQSRecord], bool] = lambda _: False

    def process(self, event: object, handle: Callable[[SQSRecord], None]) -> PartialItemFailureResponse:
        """Handle each message of an invocation; the reply names those to be delivered again.

        Args:
            event: What the function was invoked with.
            handle: Handles one message; whatever it raises is reported, and the message delivered again.
                After ``OutOfTime`` it is put off instead, where ``put_off`` is set.

        Raises:
            ContractViolation: The event holds no messages of a queue; none was handled.
        """
        messages = sorted(_read_messages(event), key=lambda message: not self.comes_first(SQSRecord(message)))

        def handle_one(record: SQSRecord) -> None:
            self.logger.remove_keys(MESSAGE_LOG_KEYS)
            self.logger.append_keys(message_id=record.message_id)
            try:
                self._require_time()
                handle(record)
            except OutOfTime as error:
                if self.put_off is None:
                    raise
                self.put_off(record)
                self.logger.info("message put off", why=error.message)

        batch = _Batch(self._report_failure)
        with batch(messages, handle_one):
            batch.process()
        self.logger.remove_keys(MESSAGE_LOG_KEYS)
        return batch.response()

    def process_together(
        self, event: object, handle: Callable[[Mapping[str, str]], Mapping[str, EsxDriftError]]
    ) -> PartialItemFailureResponse:
        """Handle all messages of an invocation at once; the reply names those to be delivered again.

        Args:
            event: What the function was invoked with.
            handle: Given the messages by their ids, says which failed, and why.

        Raises:
            ContractViolation: The event holds no messages of a queue; none was handled.
        """
        records = [SQSRecord(message) for message in _read_messages(event)]
        try:
            self._require_time()
        except OutOfTime as error:
            failed: Mapping[str, EsxDriftError] = {record.message_id: error for record in records}
        else:
            failed = handle({record.message_id: record.body for record in records})
        again = [record for record in records if record.message_id in failed]
        for record in again:
            self.logger.append_keys(message_id=record.message_id)
            self._report_failure(record, failed[record.message_id])
            self.logger.remove_keys(MESSAGE_LOG_KEYS)
        return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in again]}

    def _require_time(self) -> None:
        if self.time_left_ms() < self.time_for_one_ms:
            raise OutOfTime("no time is left in this run")

    def _report_failure(self, record: SQSRecord, error: BaseException | None) -> None:
        # A foreseen failure says it all in its sentence; anything else is a bug, and shows where it is.
        unforeseen = None if isinstance(error, EsxDriftError) else error
        reason = _find_reason(error)
        self.logger.error("message not handled", reason=reason, why=str(error), exc_info=unforeseen)
        count_metric(self.failed_metric, reason=reason)
        if isinstance(error, MESSAGE_ERRORS):
            self._hand_out_again(record)

    def _hand_out_again(self, record: SQSRecord) -> None:
        """End the message's time out of sight; if SQS does not, it comes back later all the same."""
        try:
            self.client().change_message_visibility(
                QueueUrl=self.queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=0
            )
        except (ClientError, BotoCoreError) as error:
            self.logger.warning("message stays out of sight", why=str(error))


def _read_messages(event: object) -> list[dict[str, Any]]:
    """Read the messages of an invocation: held to their form, but for what their bodies hold.

    Lambda has parsed the event, and each body is judged by itself: all together they may be larger than
    anything that is taken for JSON here.
    """
    received = event.get("Records") if isinstance(event, dict) else None
    envelope: object = event
    if isinstance(received, list):
        envelope = {"Records": [_hide_body(message) for message in received]}
    read_payload("queue-event", envelope)
    return cast("list[dict[str, Any]]", received)


def _hide_body(message: object) -> object:
    if isinstance(message, dict) and isinstance(message.get("body"), str):
        return {**message, "body": ""}
    return message


def _find_reason(error: BaseException | None) -> str:
    if isinstance(error, MESSAGE_ERRORS):
        # Not a document of a vCenter's, whose failures are the checks' own.
        return RequestRefused.reason
    return error.reason if isinstance(error, EsxDriftError) else "bug"


class _Batch(BatchProcessor):
    """Powertools' batch, told of each failure while the log still has the message's keys."""

    def __init__(self, failed: Callable[[SQSRecord, BaseException | None], None]) -> None:
        super().__init__(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self._failed = failed

    def failure_handler(self, record: SQSRecord, exception: ExceptionInfo) -> FailureResponse:
        """Powertools' own hook."""
        self._failed(record, exception[1])
        return super().failure_handler(record, exception)


def count_metric(metric: str, value: int = 1, **dimensions: str) -> None:
    """Add ``value`` to the metric ``metric`` of this function (dimensions ``stack`` and ``service``).

    It is written at once: also if the function fails afterwards. With ``dimensions``, which are further ones,
    it is counted both with them and without: an alarm can watch no metric whose dimensions it can't name.
    """
    for further in ({}, dimensions) if dimensions else ({},):
        with single_metric(name=metric, unit=MetricUnit.Count, value=value) as emitted:
            for name, dimension in {STACK_DIMENSION: os.environ["STACK_NAME"], **further}.items():
                emitted.add_dimension(name, dimension)
