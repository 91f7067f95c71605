# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""CheckerFunction: one cluster a message (``check-request.schema.json``), one record a check.

What fails goes back to the queue alone, and from there to the dead letter queue.
"""

import os
from typing import cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.aws_clients import sqs
from esx_drift.checking.checker import Checker
from esx_drift.config import read_own_role_ids
from esx_drift.contracts import parse_payload
from esx_drift.doctoring.examination import DoctorReply
from esx_drift.domain.host_history import HostIndex
from esx_drift.domain.stored.types import CheckRequest, Record
from esx_drift.errors import ContractViolation, OutOfTime
from esx_drift.ports import Queue
from esx_drift.runtime import SqsBatch, count_metric, has_field
from esx_drift.runtime.runtime import open_runtime

TIME_FOR_ONE_MS = 120_000
"""A check whose vCenter is slow at each call, and its session's end. With less time, it is put off."""

HOST_INDEX: HostIndex = {}
"""Which hosts the logs know that this process has read, in whatever invocation. What S3 has decides."""

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> PartialItemFailureResponse | DoctorReply:
    """Check a batch; the reply names the messages to be delivered again. Or answer the doctor.

    Raises:
        ContractViolation: The event is neither.
        FleetInvalid, TransientError: No message can be handled at all.
    """
    if has_field(event, "doctor"):
        from esx_drift.doctoring.doctor import examine_vcenters  # noqa: PLC0415  # a check starts faster without it

        remaining_ms = context.get_remaining_time_in_millis()
        return examine_vcenters(
            cast("dict[str, object]", event), os.environ, context.aws_request_id, remaining_ms
        )
    with open_runtime(os.environ, "checker", context.get_remaining_time_in_millis) as invocation:
        checker = Checker(invocation.runtime, read_own_role_ids(os.environ), HOST_INDEX)
        batch = SqsBatch(
            queue_url=invocation.config.check_queue_url,
            client=sqs,
            logger=logger,
            failed_metric="ChecksFailed",
            time_left_ms=context.get_remaining_time_in_millis,
            time_for_one_ms=TIME_FOR_ONE_MS,
            put_off=lambda message: _put_off(message, invocation.runtime.queue),
            comes_first=_is_decision,
        )
        return batch.process(event, lambda record: _handle_message(record, checker))


def _parse_request(message: SQSRecord) -> CheckRequest:
    return cast("CheckRequest", parse_payload("check-request", message.body.encode()))


def _is_decision(message: SQSRecord) -> bool:
    """Whether somebody waits for the answer, for which no vCenter is asked."""
    try:
        return _parse_request(message)["action"] != "check"
    except ContractViolation:
        return False


def _put_off(message: SQSRecord, queue: Queue) -> None:
    """Ask anew for a check. A decision would be sent by this function then, and no longer by who decided.

    It comes again by itself, half an hour later, as often as ``maxReceiveCount`` says: 5 times. As decisions
    come first in their batch and ask no vCenter, one run would have to lose three minutes on S3.
    """
    request = _parse_request(message)
    if request["action"] != "check":
        raise OutOfTime("no time is left in this run; the decision comes again by itself")
    queue.send_check(request, 0)


def _handle_message(message: SQSRecord, checker: Checker) -> None:
    request = _parse_request(message)
    logger.append_keys(run_id=request["run_id"], vcenter=request["vcenter"], cluster=request["cluster"])
    record = checker.handle(request, message.attributes.get("SenderId"))
    if record is None:
        logger.info("check asked for again", request_id=request["request_id"])
    else:
        _log_record(record)


def _log_record(record: Record) -> None:
    failure = record["failure"]
    logger.info(
        "cluster checked",
        request_id=record["request_id"],
        seq=record["seq"],
        outcome=record["outcome"],
        coverage=record["coverage"],
        changes=len(record["changes"]),
        failure=failure["message"] if failure else None,
        notices=record["notices"],
        events=[event["type"] for event in record["events"]],
    )
    count_metric("Checks", outcome=record["outcome"])
