# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""ReporterFunction: tells of the fleet as a whole: its first look, each day, and what stays open too long.

Invoked by its schedule with ``{}``, or by a person with what ``report-request.schema.json`` says.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.aws_clients import s3, secrets_manager, sns
from esx_drift.adapters.messaging import SnsTopic
from esx_drift.adapters.report_store import S3Reports
from esx_drift.adapters.state_bucket import FleetFile, S3RouteStates
from esx_drift.config import ReporterConfig
from esx_drift.contracts import read_payload
from esx_drift.errors import EsxDriftError, FleetMissing
from esx_drift.messages.publication import build_publication
from esx_drift.reporting.reporter import Reporter, ReporterReply
from esx_drift.runtime import count_metric

DAILY_PREFIX = "reports/daily/"

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> ReporterReply:
    """Tell what is due; the reply names the reports that were published.

    A schedule fires for the first time as soon as it is deployed: without a fleet file there is nothing to
    tell yet, which is no error.

    Raises:
        ContractViolation: The event is malformed.
        FleetInvalid: The fleet file has faults.
        TransientError: AWS failed; the schedule's next run does what was not done.
    """
    is_asked = "report" in cast("dict[str, Any]", read_payload("report-request", event))
    config = ReporterConfig.from_environment(os.environ)
    try:
        fleet, _ = FleetFile(s3, config.state_bucket).read()
    except FleetMissing as error:
        logger.warning("nothing is reported yet", why=error.message)
        return {"published": [], "begun": False}
    reporter = Reporter(
        fleet=fleet,
        stack=config.stack_name,
        store=S3Store(s3, config.audit_bucket, config.state_bucket),
        reports=S3Reports(s3, config.audit_bucket, config.state_bucket),
        routes=S3RouteStates(s3, config.state_bucket),
        topic=SnsTopic(sns, config.drift_topic_arn, build_publication),
        clock=_now,
        hour=config.daily_report_hour,
        zone=config.report_time_zone,
        check_interval=timedelta(hours=config.check_interval_hours),
        beat=lambda: _send_heartbeat(config),
    )
    reply = reporter.run(context.aws_request_id if is_asked else None)
    logger.info("reports made", published=reply["published"])
    # The alarm on missing reports counts these. Before the first one is due there is a day in which none is.
    if reply["begun"] or any(key.startswith(DAILY_PREFIX) for key in reply["published"]):
        count_metric("DailyReports")
    return reply


def _send_heartbeat(config: ReporterConfig) -> None:
    """Tell whoever listens outside of this account that runs go on. Nothing hangs on it but that."""
    if not config.has_heartbeat:
        return
    # Requests takes long to load, for a call an hour.
    from esx_drift.adapters.heartbeat import send_heartbeat  # noqa: PLC0415
    from esx_drift.adapters.secrets import Secrets  # noqa: PLC0415

    try:
        why = send_heartbeat(Secrets(secrets_manager, config.secret_prefix))
    except EsxDriftError as error:
        why = error.message
    if why is None:
        logger.info("heartbeat sent")
        count_metric("HeartbeatsSent")
        return
    logger.warning("heartbeat not taken", why=why)
    count_metric("HeartbeatsFailed")


def _now() -> datetime:
    return datetime.now(UTC)
