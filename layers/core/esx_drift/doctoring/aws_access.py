"""The AWS access that checks need, tried with the function's own role and network; nothing is written."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

import boto3
import botocore
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.adapters.aws_clients import SDK_FIX, find_sdk_fault
from esx_drift.adapters.messaging import SnsTopic
from esx_drift.adapters.s3_objects import NO_SUCH_KEY, PRECONDITION_FAILED, get_error_code
from esx_drift.config import CheckConfig
from esx_drift.contracts import require_valid
from esx_drift.doctoring.examination import AWS_FIX, Examination, StepResult, find_fix
from esx_drift.domain.events import build_cloud_event
from esx_drift.domain.stored.identifiers import make_event_id
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import format_count
from esx_drift.errors import FIX_FACT, EsxDriftError, PermanentError
from esx_drift.messages.publication import build_publication

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

    from esx_drift.domain.stored.types import Event, EventData

STATE_KEYS = ("state/@doctor", "breaker/@doctor")
AUDIT_KEYS = ("records/@doctor", "documents/@doctor", "snapshots/@doctor", "quarantine/@doctor")
"""Keys that never exist, one below each prefix that a check writes to."""

AWS_STEPS = ("StateBucket", "AuditBucket", "DriftTopic", "CheckQueue", "RetryQueue")
DRILL_EVENT_TYPE = "esx-drift.report.drill"
POLICY_FIX = "Compare the role's, the bucket's and the endpoint's policies with the template's."
DEPLOY_FIX = "Deploy the stack again: what it names is not there, or not in order."
NO_ETAG = '"esx-drift-doctor"'
NO_OBJECT_CODES = frozenset({NO_SUCH_KEY, PRECONDITION_FAILED})
FORBIDDEN_CODES = frozenset({"AuthorizationError", "AccessDenied", "AccessDeniedException"})

ACTIONS: Mapping[str, str] = {
    "DescribeAlarms": "cloudwatch:DescribeAlarms",
    "DescribeQueryDefinitions": "logs:DescribeQueryDefinitions",
    "DescribeStacks": "cloudformation:DescribeStacks",
    "GetDashboard": "cloudwatch:GetDashboard",
    "GetEventSourceMapping": "lambda:GetEventSourceMapping",
    "GetFunctionConfiguration": "lambda:GetFunctionConfiguration",
    "GetMetricData": "cloudwatch:GetMetricData",
    "GetObject": "s3:GetObject",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetSchedule": "scheduler:GetSchedule",
    "ListObjectsV2": "s3:ListBucket",
    "ListStackResources": "cloudformation:ListStackResources",
    "ListSubscriptionsByTopic": "sns:ListSubscriptionsByTopic",
    "Publish": "sns:Publish",
    "PutObject": "s3:PutObject",
}
"""What IAM calls the calls of the doctor, the functions' and the person's own."""


class AwsDoctor(Struct, frozen=True):
    """Examines both buckets, the topic and both queues. ``drill``: publish one event, or none."""

    config: CheckConfig
    s3: "Callable[[], S3Client]"
    sqs: "Callable[[], SQSClient]"
    sns: "Callable[[], SNSClient]"
    drill: "Event | None"

    def examine(self) -> list[StepResult]:
        """Take each step, whether or not another one failed. Returns a line for each."""
        exam = Examination("AWS", AWS_STEPS)
        for step in (
            lambda: self._try_bucket(self.config.state_bucket, STATE_KEYS),
            lambda: self._try_bucket(self.config.audit_bucket, AUDIT_KEYS),
            self._try_topic,
            self._try_check_queue,
            self._try_retry_queue,
        ):
            _take_step(exam, step)
        return exam.finish()

    def examine_topic(self) -> list[StepResult]:
        """Take the step of the topic alone. Returns its line."""
        exam = Examination("AWS", ("DriftTopic",))
        _take_step(exam, self._try_topic)
        return exam.finish()

    def _try_bucket(self, bucket: str, keys: tuple[str, ...]) -> str:
        self.s3().list_objects_v2(Bucket=bucket, MaxKeys=1)
        for key in keys:
            _is_refused(partial(self.s3().get_object, Bucket=bucket, Key=key))
            # If-Match on a key that isn't there: S3 asks whether the role may write, and then writes nothing.
            if not _is_refused(
                partial(self.s3().put_object, Bucket=bucket, Key=key, Body=b"", IfMatch=NO_ETAG)
            ):
                sentence = f"{bucket} took a write to {key} whose condition did not hold"
                fix = "Use Amazon S3: the trail rests on conditional writes."
                raise PermanentError(sentence, {FIX_FACT: fix})
        return f"{bucket}: may be read and written to, on conditions"

    def _try_check_queue(self) -> str:
        return self._count_waiting(self.config.check_queue_url)

    def _try_retry_queue(self) -> str:
        try:
            return self._count_waiting(self.config.retry_queue_url)
        except ClientError as error:
            # The role may send, and need not be allowed to read: that SQS answered is what counts here.
            if _read_code(error) not in FORBIDDEN_CODES:
                raise
        return "SQS answers; only runs, and checks that meet an outage, send to it"

    def _count_waiting(self, url: str) -> str:
        name: Literal["ApproximateNumberOfMessages"] = "ApproximateNumberOfMessages"
        attributes = self.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
        return f"{format_count(int(attributes[name]), 'request')} waiting"

    def _try_topic(self) -> str:
        arn = self.config.drift_topic_arn
        if self.drill is not None:
            SnsTopic(self.sns, arn, build_publication).publish(self.drill)
            return f"took a drill: {DRILL_EVENT_TYPE}"
        try:
            self.sns().get_topic_attributes(TopicArn=arn)
        except ClientError as error:
            # The role may publish, and need not be allowed to read: that SNS answered is what counts here.
            if _read_code(error) not in FORBIDDEN_CODES:
                raise
        return "SNS answers; only --send tries to publish"


def _take_step(exam: Examination, step: Callable[[], str]) -> None:
    try:
        exam.add_ok(step())
    except ClientError as error:
        code = _read_code(error)
        if code in FORBIDDEN_CODES:
            exam.add_failed(f"the checker's role may not {name_action(error)}", POLICY_FIX)
        else:
            exam.add_failed(f"{name_action(error)} failed: {code}", DEPLOY_FIX)
    except BotoCoreError as error:
        exam.add_failed(f"no answer: {type(error).__name__}", AWS_FIX)
    except EsxDriftError as error:
        exam.add_failed(error.message, find_fix(error, {}))


def _is_refused(call: Callable[[], object]) -> bool:
    """Whether S3 answers that there is no such object, or not with that ETag; other errors are raised."""
    try:
        call()
    except ClientError as error:
        if _read_code(error) in NO_OBJECT_CODES:
            return True
        raise
    return False


def _read_code(error: ClientError) -> str:
    # Of an answer that is not AWS's, botocore can tell nothing.
    return get_error_code(error) or "no reason given"


def name_action(error: ClientError) -> str:
    """Name what AWS refused as policies name it, such as ``sqs:GetQueueAttributes``."""
    message = error.response.get("Error", {}).get("Message", "")
    named = re.search(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)", message)
    return ACTIONS.get(error.operation_name) or (named[1] if named else error.operation_name)


def examine_sdk(about: str, version: str = botocore.__version__) -> list[StepResult]:
    """Examine AWS's SDK in this function's runtime, which AWS chooses.

    Args:
        about: What the line is about.
        version: botocore's own version.
    """
    exam = Examination(about, ("SDK",))
    sentence = f"boto3 {boto3.__version__}, botocore {version}"
    fault = find_sdk_fault(version)
    if fault is None:
        exam.add_ok(sentence)
    else:
        exam.add_failed(f"{sentence}: {fault}", f"{SDK_FIX}.")
    return exam.finish()


def build_drill_event(vcenter: str, run_id: str, now: datetime) -> "Event":
    """Build an event that is only a drill; consumers ignore types that they don't know.

    It is about ``vcenter``, of the time ``now``, and its id is made of ``run_id``, the doctor's run.
    """
    data: EventData = {
        "schema_version": 1,
        "vcenter": vcenter,
        "cluster": None,
        "check_id": run_id,
        "checked_at": format_time(now),
        "extracted_at": None,
        "since": None,
        "coverage": None,
        "severity": "info",
        "changes": [],
        "findings": [],
        "host_names": {},
        "totals": {"changes": 0, "findings": 0, "opened": 0, "raised": 0, "still": 0, "resolved": 0},
        "suppressed": {},
        "record": None,
        "truncated": False,
        "report": {"drill": "esx-drift drill"},
    }
    event_id = make_event_id(run_id, DRILL_EVENT_TYPE)
    event = build_cloud_event(event_id, DRILL_EVENT_TYPE, vcenter, f"/vcenters/{vcenter}", data)
    require_valid("event", event)
    return event
