# ruff: noqa: INP001 -- the folder is what Lambda unpacks, and no package
"""SealerFunction: signs what was written to the trail, once a day, also when nothing was.

Invoked by its schedule with ``{}``, every hour, so that what failed or was not ended goes on; or by a person
with what ``seal-request.schema.json`` says. It alone may sign.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from esx_drift.adapters.aws_clients import kms, s3
from esx_drift.adapters.seal_store import S3SealedBucket, S3SealingTurns
from esx_drift.adapters.signing import KmsSigner
from esx_drift.config import SealerConfig
from esx_drift.contracts import read_payload
from esx_drift.errors import TrailDamaged
from esx_drift.runtime import count_metric
from esx_drift.sealing.sealer import Sealer, SealerReply, copy_digests

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> SealerReply:
    """Seal what is due; the reply names the digests that were signed.

    Raises:
        ContractViolation: The event is malformed.
        TrailDamaged: A digest lies in the trail that no run of the sealer can have made, or none can be read.
        TransientError: AWS failed; Lambda tries again, and so does the schedule's next run.
    """
    request = cast("dict[str, Any]", read_payload("seal-request", event))
    config = SealerConfig.from_environment(os.environ)
    trail = S3SealedBucket(s3, config.audit_bucket)
    sealer = Sealer(
        trail=trail,
        signer=KmsSigner(kms, config.signing_key_id),
        turns=S3SealingTurns(s3, config.state_bucket),
        clock=_now,
        time_left_ms=context.get_remaining_time_in_millis,
        holder=context.aws_request_id,
    )
    settle_seconds = request.get("settle_seconds")
    reply = sealer.run(None if settle_seconds is None else timedelta(seconds=settle_seconds))
    logger.info("trail sealed", **reply)
    # The alarm on missing seals counts these.
    if reply["sealed"] and reply["complete"]:
        count_metric("TrailsSealed")
    # The alarm on what can't be read counts these, each hour until it is sealed.
    if reply["unread"]:
        count_metric("ObjectsNotSealed", reply["unread"])
    if config.copy_bucket and not reply["busy"]:
        copied = copy_digests(trail, S3SealedBucket(s3, config.copy_bucket))
        logger.info("digests copied", keys=copied)
    if reply["refused"]:
        keys = ", ".join(reply["refused"])
        raise TrailDamaged(f"not signed, since no run of the sealer made them: {keys}", reply["refused"][0])
    return reply


def _now() -> datetime:
    return datetime.now(UTC)
