# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""DispatcherFunction: asks for a check of each cluster of each vCenter.

Invoked by the schedule with ``{}``, or by a person with what ``dispatch-request.schema.json`` says (by
``esx-drift check``), it sends a message a vCenter to the RetryQueue. Invoked by that queue, it lists the one
vCenter that a message names.
"""

import os
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.aws_clients import sqs
from esx_drift.contracts import parse_payload, read_payload
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.dispatching.run import DispatchReply, Run, build_empty_reply
from esx_drift.errors import FleetMissing
from esx_drift.runtime import SqsBatch, count_metric, has_field
from esx_drift.runtime.runtime import open_runtime

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import RetryRequest

TIME_FOR_ONE_MS = 120_000
"""A listing whose vCenter is slow at each call, and its session's end. With less time, it goes back."""

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> DispatchReply | PartialItemFailureResponse:
    """Dispatch what the event asks for; the reply says what was asked for or sent, and what failed.

    A schedule fires for the first time as soon as it is deployed. A run of the fleet that finds no fleet file
    says so in the log and ends well: nothing is wrong yet, and nothing would come of trying it again.

    Raises:
        FleetInvalid: The fleet file has faults, or is missing for what only it can say; nothing was sent.
        ContractViolation: The event is malformed.
        RequestRefused: The fleet does not know what the event asks for.
        TransientError: AWS failed. If it failed for one vCenter, the others were tried all the same.
    """
    time_left_ms = context.get_remaining_time_in_millis
    if has_field(event, "Records"):
        with open_runtime(os.environ, "dispatcher", time_left_ms) as invocation:
            dispatcher = Dispatcher(invocation.runtime)
            batch = SqsBatch(
                queue_url=invocation.config.retry_queue_url,
                client=sqs,
                logger=logger,
                failed_metric="RetriesFailed",
                time_left_ms=time_left_ms,
                time_for_one_ms=TIME_FOR_ONE_MS,
            )
            return batch.process(event, lambda record: _handle_message(record, dispatcher))
    run = _parse_run(event, context.aws_request_id)
    try:
        with open_runtime(os.environ, "dispatcher", time_left_ms) as invocation:
            reply = _log_reply(Dispatcher(invocation.runtime).run(run))
            if run.is_whole:
                # The alarm on missing runs counts these: nothing may be left to do here.
                count_metric("RunsEnded", trigger=run.trigger)
            return reply
    except FleetMissing as error:
        if not run.is_whole:
            raise
        logger.warning("nothing is watched yet", why=error.message)
        return build_empty_reply(run)


def _parse_run(event: object, invocation_id: str) -> Run:
    request = cast("dict[str, Any]", read_payload("dispatch-request", event))
    # An invocation that Lambda repeats has the same id, and the same payload.
    run_id = request.get("run_id", invocation_id)
    logger.append_keys(run_id=run_id)
    selected: dict[str, tuple[str, ...]] = {}
    for chosen in request.get("clusters", ()):
        vcenter = chosen["vcenter"]
        selected[vcenter] = (*selected.get(vcenter, ()), chosen["cluster"])
    vcenters = tuple(dict.fromkeys(request["vcenters"])) if "vcenters" in request else None
    return Run(run_id, "direct" if request else "schedule", selected or None, vcenters=vcenters)


def _handle_message(record: SQSRecord, dispatcher: Dispatcher) -> None:
    request = cast("RetryRequest", parse_payload("retry-request", record.body.encode()))
    logger.append_keys(run_id=request["run_id"], vcenter=request["vcenter"])
    receives = int(record.attributes.approximate_receive_count)
    _log_reply(dispatcher.handle(request, receives=receives))


def _log_reply(reply: DispatchReply) -> DispatchReply:
    if reply["asked"]:
        logger.info("run asked for", vcenters=reply["asked"])
        count_metric("ListingsAsked", len(reply["asked"]))
        return reply
    logger.info("run ended", dispatched=len(reply["dispatched"]), failed=reply["failed"])
    count_metric("ChecksDispatched", len(reply["dispatched"]))
    count_metric("DispatchesFailed", len(reply["failed"]))
    refused = sum("needs_password" in failed for failed in reply["failed"])
    if refused:
        count_metric("LoginsRefused", refused)
    return reply
