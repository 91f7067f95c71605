"""What each command asks of AWS, and whether the template's policy for those who use it allows just that."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from esx_drift.cli.app import app
from esx_drift.doctoring.deployed_stack import StackDoctor

from tests.lab.demo.timeline import FOOTHOLD
from tests.lab.local_aws.aws import REGION
from tests.paths import ROOT
from tests.test_readme import walk
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.world import PROD_A, World
from tests.unit.cli.conftest import CloudFormation, Run, Write
from tests.unit.doctoring.test_deployed_stack import Deployed, deployed
from tests.unit.loopback import serving_by
from tests.unit.rights import Asked, allows, list_managed_statements
from tests.unit.template.application import resources

__all__ = ["ca", "checking", "cloud", "deployed", "tls", "world"]

ACTIONS = {
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "DescribeStacks": "cloudformation:DescribeStacks",
    "SendMessage": "sqs:SendMessage",
    "Invoke": "lambda:InvokeFunction",
    "GetCallerIdentity": None,
    "DescribeSecret": "secretsmanager:DescribeSecret",
    "ListStackResources": "cloudformation:ListStackResources",
    "GetSchedule": "scheduler:GetSchedule",
    "GetFunctionConfiguration": "lambda:GetFunctionConfiguration",
    "GetEventSourceMapping": "lambda:GetEventSourceMapping",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetMetricData": "cloudwatch:GetMetricData",
    "DescribeAlarms": "cloudwatch:DescribeAlarms",
    "GetDashboard": "cloudwatch:GetDashboard",
    "DescribeQueryDefinitions": "logs:DescribeQueryDefinitions",
    "ListSubscriptionsByTopic": "sns:ListSubscriptionsByTopic",
}
"""By the call; nobody needs a right to ask who he is."""
BUCKETS = {"audit": "AuditBucket", "state": "StateBucket"}


def _find_subject(params: dict[str, Any]) -> str:
    match params:
        case {"Bucket": bucket}:
            return "/".join(filter(None, (BUCKETS[bucket], params.get("Key"))))
        case {"QueueUrl": url}:
            queue = str(url).rpartition("/")[2]
            subject = queue if queue.endswith("Queue") else "CheckQueue"
        case {"SecretId": secret}:
            subject = f"secret:{secret}"
        case {"AlarmNames": [*names]}:
            subject = f"alarm:{names[0]}"
        case {"DashboardName": name}:
            subject = f"dashboard/{name}"
        case {"GroupName": _, "Name": name}:
            subject = f"schedule/RunsGroup/{name}"
        case {"TopicArn": topic}:
            subject = str(topic).rpartition(":")[2]
        case {"FunctionName": function}:
            subject = f"{str(function).rpartition(':')[2].removesuffix('Function')}Function"
        case _:
            subject = "stack" if "StackName" in params else "anything"
    return subject


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the command asks of AWS, in a session of its own."""
    found: Asked = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 -- botocore's
        action = ACTIONS[model.name]
        if action:
            found.add((action, _find_subject(params)))

    class Session(boto3.Session):
        def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- boto3's
            super().__init__(**options)
            self.events.register("provide-client-params", note)

    monkeypatch.setattr(boto3, "Session", Session)
    return found


class Functions(BaseHTTPRequestHandler):
    """Answers Invoke as a function does whose doctor found nothing to say."""

    def do_POST(self) -> None:
        """Reply."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"schema_version": 1, "code_version": "test", "lines": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch, world: World, checking: Consumer) -> Iterator[None]:  # noqa: ARG001 -- they are there first
    """Lambda, with the two functions that the doctor asks."""
    names = {f"{name}FunctionName": f"{name}Function" for name in ("Dispatcher", "Checker", "Sender")}
    monkeypatch.setattr(CloudFormation, "outputs", {**CloudFormation.outputs, **names})
    with serving_by(Functions) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield


def _allows(policy: str, action: str, subject: str) -> bool:
    return allows(list_managed_statements(policy), action, subject)


def _assert_allowed(policy: str, asked: Asked) -> None:
    assert asked
    assert [each for each in sorted(asked) if not _allows(policy, *each)] == []


@pytest.mark.usefixtures("checking")
def test_a_reader_may_ask_for_the_status(
    world: World, asked: Asked, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States, records and snapshots are read, and the fleet file; and whether people are told."""
    dead = [name for name in resources("AWS::SQS::Queue") if name.endswith("DeadLetterQueue")]
    urls = {f"{name}Url": boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in dead}
    monkeypatch.setattr(CloudFormation, "outputs", {**CloudFormation.outputs, **urls})
    world.dispatch()
    world.check()
    for command in (("status",), ("status", "prod-a"), ("inventory",), ("fleet", "show")):
        assert run(*command).code == 0
    assert {subject.split("/")[0] for _, subject in asked} == {"stack", "StateBucket", "AuditBucket", *dead}
    for policy in ("ReaderPolicy", "DeciderPolicy", "OperatorPolicy"):
        _assert_allowed(policy, {*asked, ("s3:GetObject", "StateBucket/routes/slack/admins.json")})
    assert not _allows("ReaderPolicy", "sqs:SendMessage", "CheckQueue")


@pytest.mark.usefixtures("checking")
def test_a_reader_may_ask_for_the_past_and_verify_it(world: World, asked: Asked, run: Run) -> None:
    """The trail is listed, its former versions too, and read."""
    world.dispatch()
    world.check()
    cluster, now = f"{world.watched.name}/prod-a", f"{world.now:%Y-%m-%dT%H:%M:%SZ}"
    for command in (
        ("history", cluster),
        ("as-of", cluster, now),
        ("blame", cluster),
        ("orphans", cluster),
        ("show", cluster, "1"),
        ("verify",),
    ):
        assert run(*command).code in {0, 1}, command
    assert ("s3:ListBucketVersions", "AuditBucket") in asked
    assert {subject.split("/")[0] for _, subject in asked} == {"stack", "AuditBucket"}
    _assert_allowed("ReaderPolicy", asked)


@pytest.mark.usefixtures("checking")
def test_a_reader_may_write_evidence(
    world: World, asked: Asked, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trail is listed and read, and nothing else is asked for."""
    monkeypatch.setattr("esx_drift.cli.evidence.read_clock", lambda: world.now)
    world.dispatch()
    day = f"{world.now:%Y-%m-%d}"
    world.check()
    ran = run(
        "evidence",
        f"{world.watched.name}/prod-a",
        "--from",
        day,
        "--to",
        f"{world.now:%Y-%m-%d}",
        "-o",
        tmp_path / "out",
    )
    assert ran.code in {0, 1}
    assert {subject.split("/")[0] for _, subject in asked} == {"stack", "AuditBucket"}
    _assert_allowed("ReaderPolicy", asked)


@pytest.mark.usefixtures("checking")
def test_a_decider_may_accept_and_retire(world: World, asked: Asked, run: Run) -> None:
    """And needs what a reader may: what is accepted is shown before."""
    world.dispatch()
    world.check()
    host = world.vcenter.inventory.hosts_of(PROD_A)[0].name
    world.vcenter.hosts.add_orphaned_vib(host, FOOTHOLD)
    world.check()
    assert run("accept", "prod-a", "--reason", "CHG-42", "--yes").code == 0
    world.vcenter.inventory.hide_cluster("prod-a")
    world.wait(4 * 3600)
    world.dispatch()
    assert run("retire", "prod-a", "--reason", "gone", "--yes").code == 0
    assert ("sqs:SendMessage", "CheckQueue") in asked
    _assert_allowed("DeciderPolicy", asked)


@pytest.mark.usefixtures("functions")
def test_an_operator_may_examine(asked: Asked, run: Run) -> None:
    """With one vCenter, and drills sent, the two functions are asked, and nothing else."""
    assert run("doctor", "--vcenter", "vc01", "--send").code == 0
    assert {subject for action, subject in asked if action == "lambda:InvokeFunction"} == {
        "CheckerFunction",
        "SenderFunction",
    }
    _assert_allowed("OperatorPolicy", asked)
    assert _allows("OperatorPolicy", "lambda:InvokeFunction", "DispatcherFunction")


def test_an_operator_may_examine_each_part_of_the_stack(asked: Asked, deployed: Deployed) -> None:
    """A queue with messages has its age asked for, too."""
    queue = deployed.own("CheckQueue")
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="{}", DelaySeconds=900)
    lines = StackDoctor(boto3.Session(region_name=REGION), "esx-drift", datetime.now(UTC)).examine()
    assert "untried" not in {line["outcome"] for line in lines}
    examined = set(ACTIONS.values()) & {action for action, _ in asked}
    assert {"scheduler:GetSchedule", "cloudwatch:GetMetricData", "sns:ListSubscriptionsByTopic"} <= examined
    for queue in resources("AWS::SQS::Queue"):
        assert _allows("OperatorPolicy", "sqs:GetQueueAttributes", queue)
    _assert_allowed("OperatorPolicy", asked)
    assert not _allows("ReaderPolicy", "scheduler:GetSchedule", "schedule/RunsGroup/x")


@pytest.mark.usefixtures("functions")
def test_an_operator_may_have_the_fleet_checked(world: World, asked: Asked, run: Run) -> None:
    """The dispatcher is invoked, and the records tell what came of it."""
    world.dispatch()
    world.check()
    assert run("check", "prod-a").code == 0
    assert run("check", "prod-a", "--wait", "--timeout", "0").code == 2
    assert ("lambda:InvokeFunction", "DispatcherFunction") in asked
    assert "AuditBucket" in {subject.split("/")[0] for _, subject in asked}
    _assert_allowed("OperatorPolicy", asked)


@pytest.mark.usefixtures("checking")
def test_an_operator_may_replace_the_fleet_file(asked: Asked, run: Run, write: Write) -> None:
    """It is read and written; nothing else in the bucket is."""
    assert run("fleet", "push", write(), "--yes").code in {0, 1}
    assert ("s3:GetObject", "StateBucket/config/fleet.json") in asked
    assert {"s3:PutObject", "secretsmanager:DescribeSecret"} <= {action for action, _ in asked}
    _assert_allowed("OperatorPolicy", asked)
    assert _allows("OperatorPolicy", "s3:PutObject", "StateBucket/config/fleet.json")
    assert not _allows("OperatorPolicy", "s3:PutObject", "StateBucket/state/vc01/x.json")


def test_nobody_of_them_reads_a_password() -> None:
    """A person who may read secrets is given that right elsewhere, on purpose."""
    for policy in ("ReaderPolicy", "DeciderPolicy", "OperatorPolicy"):
        document = json.dumps(resources("AWS::IAM::ManagedPolicy")[policy])
        assert "secretsmanager:" not in document.replace("secretsmanager:DescribeSecret", "").replace(
            "arn:${AWS::Partition}:secretsmanager:", ""
        )


def test_operations_say_which_command_needs_which_policy() -> None:
    """Each command there is has its row."""
    page = Path(ROOT / "docs" / "operations.md").read_text()
    table = page.partition("## Who may do what")[2].partition("\n## ")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`([a-z -]+)`", row.partition(" | ")[0])
    }
    commands = {" ".join(path) for path, _ in walk(typer.main.get_command(app), ())}
    assert named == commands
