"""Asking the deployed functions, which answer when they are done."""

import json
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from esx_drift.cli.aws import told
from esx_drift.contracts import require
from esx_drift.errors import PermanentError

if TYPE_CHECKING:
    from esx_drift.domain.doctor import Line, Reply, Request

ONCE = Config(read_timeout=310, retries={"total_max_attempts": 1})
"""Longer than a checker may run; asked a second time, it would extract and send a second time."""


def answered(function: str, request: "Request") -> "list[Line]":
    """The lines that a function answers; raises ``PermanentError`` with what it failed of."""
    with told(f"Asking {function}"):
        client = boto3.client("lambda", config=ONCE)
        called = client.invoke(FunctionName=function, Payload=json.dumps({"doctor": request}))
        body = json.loads(called["Payload"].read())
    if called.get("FunctionError"):
        raise PermanentError(f"{function} failed: {body.get('errorMessage', 'it did not say why')}")
    require("doctor-reply", body)
    reply: Reply = body
    return reply["lines"]
