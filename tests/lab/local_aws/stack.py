"""Our template as a stack in a local AWS, and what a test asks of it."""

import json
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from tests.lab.local_aws.aws import REGION, Aws
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import TOOLS, NotReadyError, build_app

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

CODE_BUCKET = "code"

PACKAGING_SECONDS = 600
MADE_WITHIN_SECONDS = 300
"""Both end only what hangs: they take 20 and 3 seconds, and many times that where all else is busy."""

# A message that waits for others tests nothing; no schedule fires by itself in the local AWS.
QUIET = {"ScheduleState": "DISABLED", "NotifyWindowSeconds": "1"}
SLACK_ON_LOOPBACK = {"WebhookHosts": "127.0.0.1"}


class FunctionError(Exception):
    """A function ended in an error; the message holds its type, its text and its log."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    aws: Aws
    name: str

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The template's outputs."""
        (stack,) = self.aws.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical id of each resource (for a queue its URL), by logical id."""
        found = self.aws.cloudformation.describe_stack_resources(StackName=self.name)
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found["StackResources"]}

    def invoke(self, function: str, event: object) -> object:
        """The reply of a function, by logical id, to an event.

        Raises:
            FunctionError: the function did not end well.
        """
        answer = self.aws.functions.invoke(
            FunctionName=self.resources[function], Payload=json.dumps(event).encode()
        )
        reply = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            log = "\n".join(self.log_of(function))
            raise FunctionError(f"{reply['errorType']}: {reply['errorMessage']}\n{log}")
        return reply

    def as_user(self, *actions: str, name: str | None = None) -> Aws:
        """The same AWS as a new person sees it, who may do these actions to everything."""
        iam, name = self.aws.iam, name or f"{self.name}-{uuid4()}"
        iam.create_user(UserName=name)
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.aws.with_key(key["AccessKeyId"], key["SecretAccessKey"])

    def variables_of(self, function: str) -> dict[str, str]:
        """The environment variables that the template gives a function, by logical id."""
        shown = self.aws.functions.get_function_configuration(FunctionName=self.resources[function])
        return shown["Environment"]["Variables"]

    def log_of(self, function: str) -> list[str]:
        """Every line that a function logged, oldest first."""
        group = self.resources[f"{function.removesuffix('Function')}LogGroup"]
        pages = self.aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def waiting(self, queue: str) -> int:
        """Messages of a queue, by logical id, that nobody has taken yet."""
        shown = self.aws.sqs.get_queue_attributes(
            QueueUrl=self.resources[queue], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(shown["Attributes"]["ApproximateNumberOfMessages"])

    def await_message(self, queue: str, bound_seconds: int = 60) -> "MessageTypeDef":
        """The next message of a queue, by logical id, which is hidden from others from then on.

        Raises:
            TimeoutError: none came within the bound.
        """
        ends = time.monotonic() + bound_seconds
        while time.monotonic() < ends:
            came = self.aws.sqs.receive_message(QueueUrl=self.resources[queue], WaitTimeSeconds=5)
            if came.get("Messages"):
                return came["Messages"][0]
        raise TimeoutError(f"no message came to {queue} within {bound_seconds} s")

    def set_sources(self, *functions: str, enabled: bool) -> None:
        """Have these functions, by logical id, handed messages of their queues, or none from now on."""
        api = self.aws.functions
        for function in functions:
            name = self.resources[function]
            for source in api.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
                api.update_event_source_mapping(UUID=source["UUID"], Enabled=enabled)

    def retry_after(self, queue: str, seconds: int) -> None:
        """Let a queue hand out a failed message again after so many seconds, not after half an hour."""
        self.aws.sqs.set_queue_attributes(
            QueueUrl=self.resources[queue], Attributes={"VisibilityTimeout": str(seconds)}
        )


def package(local_aws: LocalAws) -> Path:
    """Put the application, built if needed, into a local AWS; the template that says where it lies there.

    As `sam deploy` does it: what follows there takes 3 s more, for a change set. What SAM put there once is
    kept beside the build, which empties its folder when it is done anew, and is put into the next local AWS.

    Raises:
        NotReadyError: with SAM's own output.
    """
    template, s3 = build_app(), local_aws.aws.s3
    s3.create_bucket(Bucket=CODE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    kept = template.with_name("packaged")
    if not kept.exists():
        _keep_packaged(local_aws, template, kept)
    for file in (kept / CODE_BUCKET).iterdir():
        s3.put_object(Bucket=CODE_BUCKET, Key=file.name, Body=file.read_bytes())
    return kept / template.name


def _keep_packaged(local_aws: LocalAws, template: Path, kept: Path) -> None:
    """Have SAM package the application, and keep what came of it; of two at once the first counts."""
    s3 = local_aws.aws.s3
    with TemporaryDirectory(prefix="packaged-", dir=kept.parent.parent) as name:
        made = Path(name) / kept.name
        (made / CODE_BUCKET).mkdir(parents=True)
        command: list[str | Path]
        command = [TOOLS / "sam" / "bin" / "sam", "package", "--no-progressbar", "--s3-bucket", CODE_BUCKET]
        packaging = subprocess.run(
            [*command, "--template-file", template, "--output-template-file", made / template.name],
            env=local_aws.environment | {"SAM_CLI_TELEMETRY": "0"},
            check=False,
            capture_output=True,
            text=True,
            timeout=PACKAGING_SECONDS,
        )
        if packaging.returncode:
            raise NotReadyError(
                f"SAM could not package the application:\n{packaging.stdout}{packaging.stderr}"
            )
        for entry in s3.list_objects_v2(Bucket=CODE_BUCKET)["Contents"]:
            body = s3.get_object(Bucket=CODE_BUCKET, Key=entry["Key"])["Body"].read()
            (made / CODE_BUCKET / entry["Key"]).write_bytes(body)
        # Another one was faster: what it kept is the same, and no folder takes the place of one with files.
        with suppress(OSError):
            made.rename(kept)


def upload(local_aws: LocalAws, packaged: Path) -> str:
    """Where CloudFormation reads what `package` gave, which is larger than a call may be."""
    local_aws.aws.s3.put_object(Bucket=CODE_BUCKET, Key=packaged.name, Body=packaged.read_bytes())
    return f"{local_aws.url}/{CODE_BUCKET}/{packaged.name}"


def deploy(local_aws: LocalAws, packaged: Path, name: str, parameters: Mapping[str, str]) -> Stack:
    """A new stack of what `package` gave, ready for events.

    Raises:
        botocore.exceptions.WaiterError: it could not be made; the local AWS's log says why.
    """
    aws = local_aws.aws
    aws.cloudformation.create_stack(
        StackName=name,
        TemplateURL=upload(local_aws, packaged),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    made = aws.cloudformation.get_waiter("stack_create_complete")
    made.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": MADE_WITHIN_SECONDS})
    stack = Stack(aws, name)
    _mend_concurrency(stack)
    _mend_lock(stack)
    return stack


def upgrade(local_aws: LocalAws, packaged: Path, old: Stack, parameters: Mapping[str, str]) -> Stack:
    """The stack as it is once what `package` gave takes the place of what it was made of.

    Raises:
        botocore.exceptions.WaiterError: it could not be changed; the local AWS's log says why.
    """
    cloudformation = old.aws.cloudformation
    cloudformation.update_stack(
        StackName=old.name,
        TemplateURL=upload(local_aws, packaged),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    updated = cloudformation.get_waiter("stack_update_complete")
    updated.wait(StackName=old.name, WaiterConfig={"Delay": 1, "MaxAttempts": MADE_WITHIN_SECONDS})
    stack = Stack(old.aws, old.name)
    _mend_concurrency(stack)
    _mend_lock(stack)
    return stack


def _mend_concurrency(stack: Stack) -> None:
    # The emulator keeps a parameter as a string, where AWS makes a number of it, and stumbles in every poll.
    sources = stack.aws.functions.list_event_source_mappings()["EventSourceMappings"]
    for source in sources:
        limit = int(source["ScalingConfig"]["MaximumConcurrency"])
        stack.aws.functions.update_event_source_mapping(
            UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": limit}
        )


def _mend_lock(stack: Stack) -> None:
    # The emulator leaves a bucket's Object Lock out of a template, and then refuses to lock a single object.
    (made,) = stack.aws.cloudformation.describe_stacks(StackName=stack.name)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in made["Parameters"]}
    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    mode = "COMPLIANCE" if values["AuditLockMode"] == "COMPLIANCE" else "GOVERNANCE"
    stack.aws.s3.put_object_lock_configuration(
        Bucket=stack.outputs["AuditBucketName"],
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": mode, "Days": int(values["AuditLockDays"])}},
        },
    )
