"""The AWS clients, each made at its first use and kept while the function is warm.

A client may be used by many threads at once, but boto3's session, which makes them, by one only
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients).
"""

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

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
def secrets_manager() -> "SecretsManagerClient":
    """AWS Secrets Manager."""
    with _CREATION_LOCK:
        return boto3.client("secretsmanager", config=AWS_CLIENT_CONFIG)
