"""The AWS clients, each made at its first use and kept while the function is warm.

A client may be used by many threads at once, but boto3's session, which makes them, by one only
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients).
"""

import logging
import re
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

import boto3
import botocore
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# At DEBUG it writes down every answer of AWS, those of Secrets Manager too.
logging.getLogger("botocore").setLevel(logging.INFO)

LEAST_BOTOCORE: Final = (1, 36, 0)
"""Conditional writes by ``If-Match`` are known from 1.35.69 on, and the checksum that Object Lock asks for is
sent by default from 1.36.0 on (https://github.com/boto/botocore/blob/develop/CHANGELOG.rst)."""

SDK_FIX: Final = "Let Lambda update the runtime of this function (its runtime management: Auto)"


def find_sdk_fault(version: str) -> str | None:
    """Find what keeps botocore of that ``version`` from writing to the trail; none if it can."""
    if tuple(map(int, re.findall(r"[0-9]+", version)[:3])) >= LEAST_BOTOCORE:
        return None
    least = ".".join(map(str, LEAST_BOTOCORE))
    return f"botocore {version} is too old to write to the trail: {least} is needed"


def require_botocore(version: str) -> None:
    """Refuse to work with an SDK that can't write to the trail; ``version`` is botocore's.

    The functions use the one that Lambda's runtime brings, which AWS renews by itself.

    Raises:
        ImportError: It is too old, so that no function starts, and its alarm rings.
    """
    fault = find_sdk_fault(version)
    if fault is not None:
        raise ImportError(f"{fault}. {SDK_FIX}")


require_botocore(botocore.__version__)

AWS_CLIENT_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
)
"""Well below any function's timeout: what AWS does not answer by then goes back to its queue."""

_CREATION_LOCK = Lock()


@cache
def s3() -> "S3Client":
    """Amazon S3."""
    with _CREATION_LOCK:
        return boto3.client("s3", config=AWS_CLIENT_CONFIG)


@cache
def sqs() -> "SQSClient":
    """Amazon SQS."""
    with _CREATION_LOCK:
        return boto3.client("sqs", config=AWS_CLIENT_CONFIG)


@cache
def sns() -> "SNSClient":
    """Amazon SNS."""
    with _CREATION_LOCK:
        return boto3.client("sns", config=AWS_CLIENT_CONFIG)


@cache
def kms() -> "KMSClient":
    """AWS Key Management Service."""
    with _CREATION_LOCK:
        return boto3.client("kms", config=AWS_CLIENT_CONFIG)


@cache
def secrets_manager() -> "SecretsManagerClient":
    """AWS Secrets Manager."""
    with _CREATION_LOCK:
        return boto3.client("secretsmanager", config=AWS_CLIENT_CONFIG)


def read_outputs(stack: "StackTypeDef") -> dict[str, str]:
    """Read the outputs of a ``stack`` as CloudFormation describes it."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
