"""Asking the deployed functions, which answer when they are done."""

import json
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from esx_drift.cli.aws import explain_aws_errors
from esx_drift.contracts import require_valid
from esx_drift.errors import PermanentError

if TYPE_CHECKING:
    from esx_drift.doctoring.examination import DoctorReply, DoctorRequest, StepResult

ASK_ONCE_CONFIG = Config(read_timeout=310, retries={"total_max_attempts": 1})
"""Longer than a checker may run; asked a second time, it would extract and send a second time."""


def ask_function(function: str, request: "DoctorRequest") -> "list[StepResult]":
    """The lines that a function answers; raises ``PermanentError`` with what it failed of."""
    with explain_aws_errors(f"Asking {function}"):
        client = boto3.client("lambda", config=ASK_ONCE_CONFIG)
        called = client.invoke(FunctionName=function, Payload=json.dumps({"doctor": request}))
        body = json.loads(called["Payload"].read())
    if called.get("FunctionError"):
        raise PermanentError(f"{function} failed: {body.get('errorMessage', 'it did not say why')}")
    require_valid("doctor-reply", body)
    reply: DoctorReply = body
    return reply["lines"]
