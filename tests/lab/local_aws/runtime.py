"""One handler in an environment as clean as Lambda's: what a layer lacks is missing here.

The local AWS runs functions on its own interpreter, where its own packages hide what our layers forgot.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.local_aws.aws import REGION
from tests.lab.local_aws.place import BUILT, TOOLS, environment
from tests.lab.local_aws.runtime_api import Answer, RuntimeApi

LAYERS = ("DependenciesLayer", "CoreLayer")
OUTCRY = "LAMBDA_RUNTIME Failed to get next invocation"


class HandlerError(Exception):
    """The handler, or its import, failed; the message holds Lambda's error and the log."""


def run_handler(
    function: str, event: object, variables: Mapping[str, str], *, timeout_seconds: int = 60
) -> object:
    """What the built function, by logical id, replies to an event.

    `variables` are its environment: the template's, and what finds AWS.

    Raises:
        HandlerError: it did not end well.
    """
    (reply,) = run_code(BUILT / function, [event], variables, timeout_seconds=timeout_seconds)
    return reply


def run_code(
    folder: Path, events: Sequence[object], variables: Mapping[str, str], *, timeout_seconds: int = 60
) -> list[object]:
    """What `handler` of the `app.py` in a folder replies to each event, one after the other in one process.

    Raises:
        HandlerError: one did not end well.
    """
    deadline_ms = int((time.time() + timeout_seconds) * 1000)
    with RuntimeApi(events, deadline_ms) as api:
        log = _run(folder, _variables(folder, api.address, variables), timeout_seconds)
        answers = api.answers
    for answer in answers or [Answer(failed=True, body=b"no answer")]:
        if answer.failed:
            raise HandlerError(f"{answer.body.decode()}\n{log}")
    return [json.loads(answer.body) for answer in answers]


def make_sqs_record(message: Mapping[str, Any]) -> dict[str, Any]:
    """Make what Lambda makes of a message of the CheckQueue: a record of a function's event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:CheckQueue",
        "awsRegion": "eu-central-1",
    }


def _run(folder: Path, variables: Mapping[str, str], timeout_seconds: int) -> str:
    # Refused one more event, the runtime ends by itself, with an outcry that is none of the handler's.
    log = subprocess.run(
        [TOOLS / "runtime" / "bin" / "python", "-m", "awslambdaric", "app.handler"],
        cwd=folder,
        env=dict(variables),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
    ).stdout
    return log.partition(OUTCRY)[0]


def _variables(folder: Path, address: str, variables: Mapping[str, str]) -> dict[str, str]:
    return {
        **environment(variables),
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": folder.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": REGION,
        "LAMBDA_TASK_ROOT": str(folder),
        "PYTHONPATH": os.pathsep.join(str(BUILT / layer / "python") for layer in LAYERS),
        "TZ": ":UTC",
    }
