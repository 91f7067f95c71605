"""What the command line needs of AWS: clients, the stack's outputs, and errors explained for a person."""

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
def explain_aws_errors(action: str) -> Iterator[None]:
    """Explain AWS's errors in the block; ``action`` is what it does, such as ``Reading the fleet file``.

    Raises:
        PermanentError: AWS refused it or could not be reached.
    """
    try:
        yield
    except (NoRegionError, NoCredentialsError) as error:
        raise PermanentError(
            f"{action} failed: {error} "
            "Set AWS_PROFILE, or AWS_REGION and credentials, to where it is deployed"
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise PermanentError(f"{action} failed: {error}") from error


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of the person's own AWS account, each made when it is first needed."""

    s3: "Callable[[], S3Client]"
    secrets: "Callable[[], SecretsManagerClient]"
    sqs: "Callable[[], SQSClient]"
    sts: "Callable[[], STSClient]"


def make_clients() -> Clients:
    """The clients, with the environment's credentials and region."""
    return Clients(
        s3=cache(lambda: boto3.client("s3")),
        secrets=cache(lambda: boto3.client("secretsmanager")),
        sqs=cache(lambda: boto3.client("sqs")),
        sts=cache(lambda: boto3.client("sts")),
    )


def read_stack_outputs(stack: str, *keys: str) -> tuple[str, ...]:
    """Read outputs of a deployed stack, in the order of ``keys``.

    Raises:
        PermanentError: There is no such stack, or it lacks one of the outputs.
    """
    with explain_aws_errors(f"Looking for the stack {stack} (another one? --stack NAME)"):
        described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
    missing = [key for key in keys if key not in outputs]
    if missing:
        raise PermanentError(
            f"the stack {stack} has no output {missing[0]}: is it esx-drift, and deployed whole?"
        )
    return tuple(outputs[key] for key in keys)
