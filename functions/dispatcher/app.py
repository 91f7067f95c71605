# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""DispatcherFunction: asks for a check of each cluster of each vCenter.

Invoked by the schedule with ``{}``, by a person with ``{"clusters": [{"vcenter": ..., "cluster": ...}]}``
(``dispatch-request.schema.json``), or by the RetryQueue with vCenters that did not answer before.
"""

import os
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.contracts import json_of, require
from esx_drift.dispatch import Dispatcher, Reply
from esx_drift.dispatch_look import Run
from esx_drift.looking import looking

if TYPE_CHECKING:
    from esx_drift.domain.shapes import RetryRequest

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Reply | PartialItemFailureResponse:
    """Dispatch what the event asks for; the reply says what was sent and what failed.

    Raises ``FleetInvalid`` naming every fault before anything is sent, ``RequestRefused`` for what the fleet
    does not know, and ``TransientError`` after all vCenters had their turn, where AWS failed.
    """
    with looking(os.environ, "dispatcher") as world:
        dispatcher = Dispatcher(
            vcenters=world.vcenters,
            store=world.store,
            topic=world.topic,
            queue=world.queue,
            fleet=world.fleet,
            fleet_sha256=world.fleet_sha256,
            check_interval_hours=world.config.check_interval_hours,
            clock=world.clock,
            code_version=world.code_version,
        )
        if "Records" in event:
            return _retries(event, dispatcher)
        return _told(dispatcher.run(_run(event, context.aws_request_id)))


def _run(event: dict[str, Any], run_id: str) -> Run:
    require("dispatch-request", event)
    if "clusters" not in event:
        return Run(run_id, "schedule")
    selected: dict[str, tuple[str, ...]] = {}
    for one in event["clusters"]:
        selected[one["vcenter"]] = (*selected.get(one["vcenter"], ()), one["cluster"])
    return Run(run_id, "direct", selected)


def _retries(event: dict[str, Any], dispatcher: Dispatcher) -> PartialItemFailureResponse:
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    with processor(event["Records"], lambda record: _retry(record, dispatcher)):
        processor.process()
    for _, error, _ in processor.exceptions:
        logger.error("retry failed", why=str(error))
    return processor.response()


def _retry(record: SQSRecord, dispatcher: Dispatcher) -> None:
    request = json_of(record.body.encode())
    require("retry-request", request)
    redelivered = int(record.attributes.approximate_receive_count) > 1
    _told(dispatcher.retry(cast("RetryRequest", request), redelivered=redelivered))


def _told(reply: Reply) -> Reply:
    logger.info(
        "dispatched",
        run_id=reply["run_id"],
        dispatched=len(reply["dispatched"]),
        failed=reply["failed"],
    )
    metrics.add_metric("ChecksDispatched", MetricUnit.Count, len(reply["dispatched"]))
    metrics.add_metric("DispatchesFailed", MetricUnit.Count, len(reply["failed"]))
    return reply
