"""The command as a person runs it, in this process."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import boto3
import pytest
import yaml
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.cli import main

from tests.paths import GOLDEN
from tests.unit.fleets import fleet
from tests.unit.loopback import serving_by
from tests.unit.simulated_aws import REGION


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


class _Keyboard(io.BytesIO):
    """What a person types; ``at_terminal``: and not a file or a pipe."""

    def __init__(self, typed: bytes, at_terminal: bool) -> None:  # noqa: FBT001 -- one caller
        super().__init__(typed)
        self.at_terminal = at_terminal

    def isatty(self) -> bool:
        """Whether a person can be asked."""
        return self.at_terminal


type Run = Callable[..., Ran]
type Write = Callable[..., Path]


def vcenters(*names: str) -> list[dict[str, str]]:
    """The entries of vCenters that say nothing but their names."""
    return [{"name": name} for name in names]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a fleet file of these parts, as YAML; with a route, so that somebody is told."""

    def written(**parts: object) -> Path:
        path = tmp_path / "fleet.yaml"
        path.write_text(yaml.safe_dump(fleet(**{"routes": [{"name": "admins"}], **parts})))
        return path

    return written


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``esx-drift`` with arguments, and with what the person types."""

    def ran(*arguments: object, typed: str | bytes = "", at_terminal: bool = False) -> Ran:
        monkeypatch.setattr(sys, "argv", ["esx-drift", *map(str, arguments)])
        body = typed.encode() if isinstance(typed, str) else typed
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(_Keyboard(body, at_terminal), "utf-8", "surrogateescape")
        )
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ran(int(ended.value.code or 0), told.out, told.err)

    return ran


@pytest.fixture
def good() -> Path:
    """A document."""
    return GOLDEN / "diff" / "add-on-added" / "baseline.json"


@pytest.fixture
def buckets(aws: None) -> None:  # noqa: ARG001 -- the buckets are made in that AWS
    """A StateBucket ``state`` and an AuditBucket ``audit``."""
    for bucket in ("state", "audit"):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )


@pytest.fixture
def file(buckets: None) -> FleetFile:  # noqa: ARG001 -- it lies in one of them
    """The fleet file of the StateBucket, which has none yet."""
    client = boto3.client("s3")
    return FleetFile(lambda: client, "state")


class CloudFormation(BaseHTTPRequestHandler):
    """Answers DescribeStacks as AWS does, for one stack ``esx-drift``; moto's needs too many libraries."""

    outputs = {"StateBucketName": "state", "AuditBucketName": "audit", "SecretPrefix": "esx-drift"}  # noqa: RUF012 -- never changed
    parameters: dict[str, str] = {}  # noqa: RUF012 -- never changed
    refusal: tuple[str, str] | None = None
    asked_by: str = ""

    def do_POST(self) -> None:
        """Tell the outputs, or that there is no such stack; or refuse, as ``refusal`` says."""
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        CloudFormation.asked_by = self.headers["Authorization"]
        known = "StackName=esx-drift&" in f"{asked}&" and self.refusal is None
        refusal = self.refusal or ("ValidationError", "Stack with id other does not exist")
        body = (_stack(self.outputs, self.parameters) if known else _refuse(*refusal)).encode()
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


def _stack(outputs: dict[str, str], parameters: dict[str, str]) -> str:
    told, given = _members("Output", outputs), _members("Parameter", parameters)
    return (
        '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
        "<DescribeStacksResult><Stacks><member><StackName>esx-drift</StackName>"
        "<CreationTime>2026-11-23T02:14:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>"
        f"<Outputs>{told}</Outputs><Parameters>{given}</Parameters>"
        "</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )


def _members(what: str, values: dict[str, str]) -> str:
    return "".join(
        f"<member><{what}Key>{key}</{what}Key><{what}Value>{value}</{what}Value></member>"
        for key, value in values.items()
    )


def _refuse(code: str, message: str) -> str:
    return (
        '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deployed stack ``esx-drift`` whose outputs name the two buckets."""
    with serving_by(CloudFormation) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", url)
        yield
