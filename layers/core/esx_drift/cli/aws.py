"""What the command line needs of AWS: clients, a deployed stack, and errors explained for a person.

One session serves a command: the region and the profile that the person named count for every call.

Longer than 250 lines, because whatever asks AWS for a person finds here how.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from msgspec import Struct

from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.aws_clients import read_outputs
from esx_drift.adapters.s3_objects import S3Object
from esx_drift.adapters.state_bucket import FleetFile, parse_fleet
from esx_drift.cli.options import StackOptions
from esx_drift.domain.stored.identifiers import FLEET_KEY
from esx_drift.domain.text.wording import join_names
from esx_drift.errors import FleetInvalid, PermanentError
from esx_drift.log_reader import LogReader

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

    from esx_drift.domain.fleet.fleet import Fleet
    from esx_drift.domain.stored.types import Record

FUNCTION_TIMEOUT_SECONDS: Final = 310
"""How long a function may take to answer: longer than a checker may run."""

MAX_LISTED_PROFILES: Final = 10

SAY_WHERE = (
    "Say where it is deployed: --region REGION or AWS_REGION, or a profile that has one: --profile NAME"
)
SAY_WHO = (
    "Log in to AWS (aws sso login, aws configure), or name a profile: AWS_PROFILE, or --profile NAME of a"
    " command that asks a stack"
)

EXPIRED: Final = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "UnrecognizedClientException",
}
"""Codes for credentials that AWS does not know, or no longer.
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"""


@contextmanager
def explain_aws_errors(action: str) -> Iterator[None]:
    """Explain AWS's errors in the block; ``action`` is what it does, such as ``Reading the fleet file``.

    Raises:
        PermanentError: AWS refused it or could not be reached.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        said = f"{action} failed: {error}"
        advice = _choose_advice(error)
        raise PermanentError(f"{said}\n{advice}" if advice else said) from error


def _choose_advice(error: ClientError | BotoCoreError) -> str | None:
    """Choose what to do about it, where AWS's own words don't say that."""
    match error:
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError() | SSOError():
            return SAY_WHO
        case InvalidRegionError() | EndpointConnectionError():
            return "Is the region spelt right (--region, AWS_REGION), and can this machine reach AWS?"
        case ClientError() if error.response["Error"]["Code"] in EXPIRED:
            return f"The credentials are unknown to AWS, or have expired. {SAY_WHO}"
        case _:
            return None


class Clients(Struct, frozen=True):
    """Clients of the person's own AWS account, each made when it is first needed."""

    cloudformation: "Callable[[], CloudFormationClient]"
    functions: "Callable[[], LambdaClient]"
    s3: "Callable[[], S3Client]"
    secrets: "Callable[[], SecretsManagerClient]"
    sqs: "Callable[[], SQSClient]"
    sts: "Callable[[], STSClient]"


def _make_clients(session: boto3.Session) -> Clients:
    # Asked a second time, a function would do a second time what it does.
    # For minutes nothing is sent: a firewall in between must not take the connection for dead.
    once = Config(
        read_timeout=FUNCTION_TIMEOUT_SECONDS, retries={"total_max_attempts": 1}, tcp_keepalive=True
    )
    return Clients(
        cloudformation=cache(lambda: session.client("cloudformation")),
        functions=cache(lambda: session.client("lambda", config=once)),
        s3=cache(lambda: session.client("s3")),
        secrets=cache(lambda: session.client("secretsmanager")),
        sqs=cache(lambda: session.client("sqs")),
        sts=cache(lambda: session.client("sts")),
    )


class Schedule(Struct, frozen=True):
    """How often the stack checks by itself, and whether it does at all."""

    interval_hours: int
    enabled: bool


@dataclass(frozen=True)
class DeployedStack:
    """A deployed stack, as the person reaches it; it is described once."""

    options: StackOptions
    region: str
    session: boto3.Session
    clients: Clients

    def read_outputs(self, *keys: str) -> tuple[str, ...]:
        """Read outputs of the stack, in the order of ``keys``.

        Raises:
            PermanentError: There is no such stack in that region, or it lacks one of the outputs.
        """
        outputs = read_outputs(self._description)
        missing = [key for key in keys if key not in outputs]
        if missing:
            raise PermanentError(
                f"the stack {self.options.stack} in {self.region} has no output {missing[0]}:"
                " is it esx-drift, deployed whole, and of this version?"
            )
        return tuple(outputs[key] for key in keys)

    def list_dead_letter_queues(self) -> list[tuple[str, str]]:
        """List the dead letter queues that the stack says it has, each with its address."""
        suffix = "DeadLetterQueueUrl"
        outputs = read_outputs(self._description)
        return [(key.removesuffix("Url"), url) for key, url in outputs.items() if key.endswith(suffix)]

    def read_schedule(self) -> Schedule | None:
        """Read when the stack checks by itself; none where it says nothing of it."""
        hours = self._parameters.get("CheckIntervalHours", "")
        if not hours.isdecimal():
            return None
        return Schedule(int(hours), enabled=self._parameters.get("ScheduleState") != "DISABLED")

    def read_document_days(self) -> int | None:
        """Read for how many days the stack keeps documents; none where it says nothing of it."""
        days = self._parameters.get("DocumentRetentionDays", "")
        return int(days) if days.isdecimal() else None

    def open_store(self) -> S3Store:
        """Open the two buckets that hold the logs."""
        state, audit = self.read_outputs("StateBucketName", "AuditBucketName")
        return S3Store(self.clients.s3, audit, state)

    def read_fleet(self, bucket: str) -> "Fleet":
        """Read the fleet from the StateBucket called ``bucket``.

        Raises:
            FleetInvalid: There is none yet, or it has faults.
            PermanentError: AWS refused it or could not be reached.
        """
        return parse_fleet(self.require_fleet_file(bucket).body)

    def require_fleet_file(self, bucket: str) -> S3Object:
        """Read the fleet file as it is stored in the StateBucket called ``bucket``.

        Raises:
            FleetInvalid: There is none yet.
            PermanentError: AWS refused it or could not be reached.
        """
        with explain_aws_errors("Reading the fleet file"):
            stored = FleetFile(self.clients.s3, bucket).read_stored()
        if stored is None:
            push = self.options.name_command("fleet push FILE")
            raise FleetInvalid(
                f"there is no fleet file at s3://{bucket}/{FLEET_KEY} yet\nWrite one, then: {push}"
            )
        return stored

    @property
    def _parameters(self) -> dict[str, str]:
        described = self._description.get("Parameters", ())
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in described}

    @cached_property
    def _description(self) -> "StackTypeDef":
        name = self.options.stack
        with explain_aws_errors(f"Looking for the stack {name} in {self.region}"):
            try:
                return self.clients.cloudformation().describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in error.response["Error"]["Message"]:
                    raise PermanentError(self._describe_missing()) from error
                raise

    def _describe_missing(self) -> str:
        name, profile, usual = self.options.stack, self.options.profile, StackOptions().stack
        account = f" of the account of profile {profile}" if profile else ""
        other = "Has it another name? --stack NAME or ESX_DRIFT_STACK. " if name == usual else ""
        return (
            f"there is no stack {name} in the region {self.region}{account}\n"
            f"{other}Is it in another region or account? --region REGION or AWS_REGION, --profile NAME"
        )


def find_answer(store: S3Store, vcenter: str, cluster: str, request_id: str) -> "Record | None":
    """Find the record that answers ``request_id``, one of a moment ago, among the last that were answered.

    ``cluster`` and ``vcenter`` name the log, in the buckets of ``store``.
    """
    for answer in LogReader(store, vcenter, cluster).read().after["answered"]:
        if answer["request_id"] == request_id:
            return store.record(vcenter, cluster, answer["seq"])[0]
    return None


def open_stack(options: StackOptions) -> DeployedStack:
    """Open a stack with the person's own session; nothing is asked of AWS yet.

    Raises:
        PermanentError: There is no such profile, or no region is said anywhere.
    """
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
    except ProfileNotFound as error:
        raise PermanentError(_describe_missing_profile(error)) from error
    if session.region_name is None:
        raise PermanentError(f"no AWS region is set\n{SAY_WHERE}")
    return DeployedStack(options, session.region_name, session, _make_clients(session))


def _describe_missing_profile(error: ProfileNotFound) -> str:
    known = botocore.session.Session().available_profiles
    listed = f"It has {join_names(known, MAX_LISTED_PROFILES)}" if known else "It has none"
    return (
        f"the AWS settings of this machine have no profile {error.kwargs['profile']}\n"
        f"{listed}. Is --profile or AWS_PROFILE spelt right?"
    )
