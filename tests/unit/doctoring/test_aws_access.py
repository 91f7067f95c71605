"""What the checks need of AWS: tried, told, and left as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from esx_drift.adapters.aws_clients import SDK_FIX, find_sdk_fault
from esx_drift.config import CheckConfig
from esx_drift.doctoring.aws_access import (
    DRILL_EVENT_TYPE,
    AwsDoctor,
    build_drill_event,
    examine_sdk,
    name_action,
)
from esx_drift.doctoring.examination import StepResult

from tests.unit.conftest import aws
from tests.unit.loopback import serving_by
from tests.unit.simulated_aws import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

__all__ = ["aws"]

RUN_ID = "5f1c6b0e-7d1f-4c39-9b6e-0a8d9c1e2f30"
NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def _client(service: str, endpoint: str | None = None) -> object:
    return boto3.client(service, endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))  # type: ignore[call-overload]  # any of three


def _doctor(config: CheckConfig, endpoint: str | None = None) -> AwsDoctor:
    s3, sqs, sns = (_client(service, endpoint) for service in ("s3", "sqs", "sns"))
    return AwsDoctor(
        config,
        lambda: cast("S3Client", s3),
        lambda: cast("SQSClient", sqs),
        lambda: cast("SNSClient", sns),
        None,
    )


@pytest.fixture
def doctor(aws: None) -> AwsDoctor:  # noqa: ARG001 -- the buckets are made in that AWS
    """All that the template makes is there."""
    for bucket in ("state", "audit"):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    url = boto3.client("sqs").create_queue(QueueName="checks")["QueueUrl"]
    arn = boto3.client("sns").create_topic(Name="drift")["TopicArn"]
    return _doctor(CheckConfig("audit", "state", url, url, arn, 4, "esx-drift", "esx-drift"))


def _steps(lines: list[StepResult]) -> dict[str, StepResult]:
    return {line["step"]: line for line in lines}


def test_all_is_well_and_nothing_is_left_behind(doctor: AwsDoctor) -> None:
    """Five lines; no object, no message, no event came of it."""
    lines = doctor.examine()
    assert [line["outcome"] for line in lines] == ["ok"] * 5
    for bucket in ("state", "audit"):
        assert boto3.client("s3").list_object_versions(Bucket=bucket).get("Versions", []) == []
    assert _steps(lines)["CheckQueue"]["said"] == "0 requests waiting"
    assert "--send" in _steps(lines)["DriftTopic"]["said"]


def test_a_drill_is_an_event_that_its_schema_knows(doctor: AwsDoctor) -> None:
    """It reaches whoever subscribes, with attributes to filter by."""
    queue = boto3.client("sqs").create_queue(QueueName="tap")["QueueUrl"]
    arn = doctor.config.drift_topic_arn
    boto3.client("sns").subscribe(
        TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:tap"
    )
    lines = replace(doctor, drill=build_drill_event("vc01", RUN_ID, NOW)).examine()
    assert _steps(lines)["DriftTopic"]["said"] == f"took a drill: {DRILL_EVENT_TYPE}"
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert DRILL_EVENT_TYPE in message["Body"]


def test_what_is_gone_is_told(doctor: AwsDoctor) -> None:
    """Each by itself: one that fails keeps none from being tried."""
    boto3.client("s3").delete_bucket(Bucket="audit")
    boto3.client("sqs").delete_queue(QueueUrl=doctor.config.check_queue_url)
    boto3.client("sns").delete_topic(TopicArn=doctor.config.drift_topic_arn)
    steps = _steps(doctor.examine())
    assert [step["outcome"] for step in steps.values()] == ["ok", "failed", "failed", "failed", "failed"]
    assert "NoSuchBucket" in steps["AuditBucket"]["said"]
    assert steps["AuditBucket"]["fix"].startswith("Deploy the stack again")


def test_a_topic_that_takes_nothing_fails_the_drill(doctor: AwsDoctor) -> None:
    """That it took none is the news, whatever SNS's reason."""
    boto3.client("sns").delete_topic(TopicArn=doctor.config.drift_topic_arn)
    steps = _steps(replace(doctor, drill=build_drill_event("vc01", RUN_ID, NOW)).examine())
    assert "NotFound" in steps["DriftTopic"]["said"]
    assert "policies" in steps["DriftTopic"]["fix"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an AWS of our own answers to everything."""

    status: int
    body: str


FORBIDDEN = Answer(
    403,
    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>"
    "<Code>AccessDenied</Code></ErrorResponse>",
)

FORBIDDEN_AS_JSON = Answer(
    403, '{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "no"}'
)


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[str]:
    """An AWS that answers by the request's method; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = answer(self.command)
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body.encode())

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 -- the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
            """Say nothing."""

    with serving_by(Handler) as url:
        yield url


CONFIG = CheckConfig(
    "audit",
    "state",
    "http://127.0.0.1/checks",
    "http://127.0.0.1/retries",
    f"arn:aws:sns:{REGION}:123456789012:drift",
    4,
    "esx-drift",
    "esx-drift",
)


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.mark.usefixtures("_credentials")
def test_a_role_that_may_do_nothing() -> None:
    """Forbidden is told as such; only topic and RetryQueue only prove that AWS answers."""
    with serving(lambda _: FORBIDDEN) as endpoint, serving(lambda _: FORBIDDEN_AS_JSON) as sqs:
        doctor = replace(_doctor(CONFIG, endpoint), sqs=_doctor(CONFIG, sqs).sqs)
        steps = _steps(doctor.examine())
    outcomes = {step: line["outcome"] for step, line in steps.items()}
    assert outcomes == dict.fromkeys(("StateBucket", "AuditBucket", "CheckQueue"), "failed") | {
        "DriftTopic": "ok",
        "RetryQueue": "ok",
    }
    assert "policies" in steps["StateBucket"]["fix"]


@pytest.mark.usefixtures("_credentials")
def test_a_role_that_may_list_and_not_read() -> None:
    """Only one of the permissions is missing: that it was refused is told all the same."""
    answers = iter((Answer(200, "<ListBucketResult/>"), *(FORBIDDEN for _ in range(5))))
    with serving(lambda _: next(answers)) as endpoint:
        steps = _steps(_doctor(CONFIG, endpoint).examine())
    assert steps["StateBucket"]["said"] == "the checker's role may not s3:GetObject"


@pytest.mark.usefixtures("_credentials")
def test_a_store_that_knows_no_conditions() -> None:
    """The trail's locks would be none: whatever takes such a write is not fit to keep it."""

    def answer(method: str) -> Answer:
        missing = "<Error><Code>NoSuchKey</Code></Error>"
        return Answer(200, "") if method == "PUT" else Answer(404, missing)

    def listing(method: str) -> Answer:
        listings.append(method)
        return Answer(200, "<ListBucketResult/>") if listings.count("GET") % 2 else answer(method)

    listings: list[str] = []
    with serving(listing) as endpoint:
        steps = _steps(_doctor(CONFIG, endpoint).examine())
    assert "whose condition did not hold" in steps["StateBucket"]["said"]
    assert "conditional writes" in steps["StateBucket"]["fix"]


@pytest.mark.usefixtures("_credentials")
def test_no_way_to_aws() -> None:
    """In a VPC without endpoints, nothing answers: that is what is to be mended."""
    steps = _steps(_doctor(CONFIG, "http://127.0.0.1:9").examine())
    assert [step["outcome"] for step in steps.values()] == ["failed"] * 5
    assert steps["CheckQueue"]["said"] == "no answer: EndpointConnectionError"
    assert "endpoints or NAT" in steps["CheckQueue"]["fix"]


@pytest.mark.parametrize(
    ("version", "outcome"),
    [("1.35.68", "failed"), ("1.35.99", "failed"), ("1.36.0", "ok"), ("1.44.5", "ok"), ("2.0.0dev1", "ok")],
)
def test_the_sdk_of_the_runtime(version: str, outcome: str) -> None:
    """AWS chooses it; the doctor and the import of the functions have one and the same floor."""
    (line,) = examine_sdk("AWS", version)
    assert (line["step"], line["outcome"]) == ("SDK", outcome)
    assert f"botocore {version}" in line["said"]
    assert line["fix"] == (f"{SDK_FIX}." if outcome == "failed" else "")
    assert (find_sdk_fault(version) is None) == (outcome == "ok")


def test_the_sdk_that_runs_the_tests() -> None:
    """It is the one that is looked at where none is named."""
    assert examine_sdk("AWS")[0]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("operation", "message", "action"),
    [
        ("ListObjectsV2", "", "s3:ListBucket"),
        ("GetMetricData", "User: arn:x is not authorized to perform: y:Z", "cloudwatch:GetMetricData"),
        (
            "Invoke",
            "User: arn:x is not authorized to perform: lambda:InvokeFunction on z",
            "lambda:InvokeFunction",
        ),
        ("Invoke", "no", "Invoke"),
    ],
)
def test_a_refused_action_by_its_name_in_policies(operation: str, message: str, action: str) -> None:
    """As one writes it into a policy; of a call that is not ours, as AWS names it."""
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, operation)
    assert name_action(error) == action
