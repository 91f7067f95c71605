"""What each command asks of AWS, and whether the template's policy for those who use it allows just that."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from tests.paths import ROOT
from tests.unit.checking.decisions.conftest import ca, checking, cloud, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.world import World
from tests.unit.cli.conftest import CloudFormation, Run, Write
from tests.unit.template.application import listed, resources

__all__ = ["ca", "checking", "cloud", "tls", "world"]

type Asked = set[tuple[str, str]]
"""IAM actions, each with what it is done to, as the template names it."""

ACTIONS = {
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
    "DescribeStacks": "cloudformation:DescribeStacks",
    "SendMessage": "sqs:SendMessage",
    "Invoke": "lambda:InvokeFunction",
    "GetCallerIdentity": None,
}
"""By the call; nobody needs a right to ask who he is."""
BUCKETS = {"audit": "AuditBucket", "state": "StateBucket"}


def _find_subject(params: dict[str, Any]) -> str:
    if "Bucket" in params:
        return "/".join(filter(None, (BUCKETS[params["Bucket"]], params.get("Key"))))
    if "QueueUrl" in params:
        return "CheckQueue"
    return str(params.get("FunctionName", "stack"))


@pytest.fixture
def asked() -> Iterator[Asked]:
    """What the command asks of AWS: clients that were made before are not the command's."""
    found: Asked = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 -- botocore's
        action = ACTIONS[model.name]
        if action:
            found.add((action, _find_subject(params)))

    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("provide-client-params", note)
    yield found
    boto3.setup_default_session()


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
    names = {f"{name}FunctionName": f"{name}Function" for name in ("Checker", "Notifier")}
    monkeypatch.setattr(CloudFormation, "outputs", {**CloudFormation.outputs, **names})
    with ThreadingHTTPServer(("127.0.0.1", 0), Functions) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        thread.join()


def _allows(policy: str, action: str, subject: str) -> bool:
    document = resources("AWS::IAM::ManagedPolicy")[policy]["Properties"]["PolicyDocument"]
    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(subject, _spell(one)) for one in listed(statement["Resource"]))
        for statement in document["Statement"]
    )


def _spell(resource: dict[str, Any]) -> str:
    """A resource of the template as `_find_subject` spells it."""
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    text = str(resource["Fn::Sub"])
    return "stack" if ":stack/${AWS::StackName}/" in text else text.replace(".Arn}", "").removeprefix("${")


def _assert_allowed(policy: str, asked: Asked) -> None:
    assert asked
    assert [each for each in sorted(asked) if not _allows(policy, *each)] == []


@pytest.mark.usefixtures("checking")
def test_a_reader_may_ask_for_the_status(world: World, asked: Asked, run: Run) -> None:
    """States, records and snapshots are read, and the fleet file."""
    world.dispatch()
    world.check()
    assert run("status").code == 0
    assert {subject.split("/")[0] for _, subject in asked} == {"stack", "StateBucket", "AuditBucket"}
    _assert_allowed("ReaderPolicy", asked)
    assert not _allows("ReaderPolicy", "sqs:SendMessage", "CheckQueue")


@pytest.mark.usefixtures("checking")
def test_a_decider_may_accept_and_retire(world: World, asked: Asked, run: Run) -> None:
    """And needs what a reader may: what is accepted is shown before."""
    world.dispatch()
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
    """The two functions are asked, and nothing else."""
    assert run("doctor").code == 0
    assert {subject for action, subject in asked if action == "lambda:InvokeFunction"} == {
        "CheckerFunction",
        "NotifierFunction",
    }
    _assert_allowed("OperatorPolicy", asked)
    assert _allows("OperatorPolicy", "lambda:InvokeFunction", "DispatcherFunction")


@pytest.mark.usefixtures("checking")
def test_an_operator_may_replace_the_fleet_file(asked: Asked, run: Run, write: Write) -> None:
    """It is read and written; nothing else in the bucket is."""
    assert run("fleet", "push", write(), "--yes").code in {0, 1}
    assert ("s3:GetObject", "StateBucket/config/fleet.json") in asked
    _assert_allowed("OperatorPolicy", asked)
    assert _allows("OperatorPolicy", "s3:PutObject", "StateBucket/config/fleet.json")
    assert not _allows("OperatorPolicy", "s3:PutObject", "StateBucket/state/vc01/x.json")


def test_nobody_of_them_reads_a_password() -> None:
    """A person who may read secrets is given that right elsewhere, on purpose."""
    for policy in ("ReaderPolicy", "DeciderPolicy", "OperatorPolicy"):
        document = json.dumps(resources("AWS::IAM::ManagedPolicy")[policy])
        assert "secretsmanager" not in document


def test_operations_say_which_command_needs_which_policy() -> None:
    """Each command that asks AWS has its row."""
    page = Path(ROOT / "docs" / "operations.md").read_text()
    for command in ("status", "accept", "retire", "doctor", "fleet push"):
        assert f"| `{command}` |" in page
