"""What the command line asks of AWS by itself: the stack's outputs, and clients that tell their errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from esx_drift.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient


@contextmanager
def explain_aws_errors(doing: str) -> Iterator[None]:
    """Turn what AWS refuses meanwhile into a sentence for a person."""
    try:
        yield
    except (NoRegionError, NoCredentialsError) as error:
        raise PermanentError(
            f"{doing} failed: {error} Set AWS_PROFILE, or AWS_REGION and credentials, to where it is deployed"
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise PermanentError(f"{doing} failed: {error}") from error


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of the person's own AWS account, each made when it is first needed."""

    s3: "Callable[[], S3Client]"
    secrets: "Callable[[], SecretsManagerClient]"
    sqs: "Callable[[], SQSClient]"
    sts: "Callable[[], STSClient]"


def make_clients() -> Clients:
    """Clients by the environment's credentials and region."""
    return Clients(
        s3=cache(lambda: boto3.client("s3")),
        secrets=cache(lambda: boto3.client("secretsmanager")),
        sqs=cache(lambda: boto3.client("sqs")),
        sts=cache(lambda: boto3.client("sts")),
    )


def read_stack_outputs(stack: str, *keys: str) -> tuple[str, ...]:
    """These outputs of a deployed stack; raises ``PermanentError`` where there is none."""
    with explain_aws_errors(f"Looking for the stack {stack} (another one? --stack NAME)"):
        found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    missing = [key for key in keys if key not in outputs]
    if missing:
        raise PermanentError(
            f"the stack {stack} has no output {missing[0]}: is it esx-drift, and deployed whole?"
        )
    return tuple(outputs[key] for key in keys)
