"""What the two functions answer, by their real handlers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters.audit_store import S3Store
from esx_drift.config import CheckConfig
from esx_drift.contracts import require_valid
from esx_drift.doctoring.doctor import RunDoctor
from esx_drift.doctoring.examination import StepResult
from esx_drift.domain.dispatching.run import Run
from esx_drift.domain.stored.identifiers import FLEET_KEY
from esx_drift.domain.stored.types import Trigger
from esx_drift.errors import ContractViolation, RequestRefused

from functions.checker import app as checker
from functions.sender import app as sender
from tests.simulator import SlackReceiver, VCenter, VCenterServer
from tests.simulator.certificates import Authority
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.conftest import Pki
from tests.unit.conftest import aws
from tests.unit.dispatches import append_run
from tests.unit.functions.conftest import Context
from tests.unit.logs import Subscribers
from tests.unit.simulated_aws import REGION

__all__ = ["aws"]


def _put_fleet(body: object) -> None:
    boto3.client("s3").put_object(Bucket="state", Key=FLEET_KEY, Body=json.dumps(body).encode())


@pytest.fixture
def _deployed(
    aws: None,  # noqa: ARG001 -- moto must be on before a client is made
    monkeypatch: pytest.MonkeyPatch,
    server: VCenterServer,
    pki: Pki,
    slack: SlackReceiver,
    slack_authority: Authority,
) -> None:
    """A fleet of two vCenters, of which vc02 has no secret, and of one route."""
    for client in (clients.s3, clients.sqs, clients.sns, clients.secrets_manager):
        client.cache_clear()
    for bucket in ("state", "audit"):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    url = boto3.client("sqs").create_queue(QueueName="checks")["QueueUrl"]
    environment = {
        "AUDIT_BUCKET": "audit",
        "STATE_BUCKET": "state",
        "CHECK_QUEUE_URL": url,
        "RETRY_QUEUE_URL": url,
        "NOTIFY_QUEUE_URL": url,
        "DELIVERY_QUEUE_URL": url,
        "DELIVERY_DEAD_LETTER_QUEUE_URL": url,
        "DRIFT_TOPIC_ARN": boto3.client("sns").create_topic(Name="drift")["TopicArn"],
        "CHECK_INTERVAL_HOURS": "4",
        "SECRET_PREFIX": "esx-drift",
        "WEBHOOK_HOSTS": "127.0.0.1",
        "AMAZON_Q_TOPIC_ARN": "",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    vcenter = {"host": server.host, "port": server.port, "username": USER, "password": PASSWORD}
    secrets = {
        "vcenter/vc01": {**vcenter, "ca_bundle": pki.authority.pem},
        "slack/ops": {"url": slack.webhook, "ca_bundle": slack_authority.pem},
    }
    for name, secret in secrets.items():
        boto3.client("secretsmanager").create_secret(
            Name=f"esx-drift/{name}", SecretString=json.dumps(secret)
        )
    _put_fleet(
        {
            "schema_version": 1,
            "vcenters": [{"name": "vc01", "extract": False}, {"name": "vc02"}],
            "routes": [{"name": "ops"}],
        }
    )


pytestmark = pytest.mark.usefixtures("_deployed")


def _ask(app: Any, remaining_ms: int = 300_000, **request: object) -> list[dict[str, str]]:  # noqa: ANN401 -- one of two modules
    reply = app.handler({"doctor": request}, Context(remaining_ms=remaining_ms))
    require_valid("doctor-reply", reply)
    lines: list[dict[str, str]] = reply["lines"]
    return lines


def _about(lines: list[dict[str, str]]) -> dict[str, str]:
    """The outcomes about each thing, a letter each."""
    told: dict[str, str] = {}
    for line in lines:
        told[line["about"]] = told.get(line["about"], "") + line["outcome"][0]
    return told


def test_the_checker_tells_of_aws_and_of_every_vcenter() -> None:
    """In the fleet file's order; a vCenter that is in trouble hides none of the others."""
    assert _about(_ask(checker)) == {"AWS": "ooooooo", "vc01": "oooooooooo" + "so", "vc02": "of" + "u" * 10}


def test_what_can_not_be_ended_in_time_is_not_begun(vcenter: VCenter) -> None:
    """Lambda would end the function in the middle of a call, and leave a session open."""
    lines = _ask(checker, remaining_ms=104_000, vcenters=["vc01"])
    assert _about(lines) == {"AWS": "o", "vc01": "o" + "u" * 11}
    assert {line["said"] for line in lines[2:]} == {"no time left in this run"}
    assert len(vcenter.journal) == 0


def test_one_vcenter_can_be_asked_for() -> None:
    """By its name, or by resetting it."""
    lines = _ask(checker, vcenters=["vc02"])
    assert [*_about(lines)] == ["AWS", "vc02"]
    assert [line["step"] for line in lines if line["about"] == "AWS"] == ["fleet file"]
    assert _about(_ask(checker, reset="vc01")) == {"AWS": "o", "vc01": "oooooooooo" + "so"}


def test_a_reset_concerns_only_the_one_that_is_named(vcenter: VCenter) -> None:
    """Its breaker, and nobody else's."""
    vcenter.sessions.accounts[USER] = "another"
    _ask(checker, vcenters=["vc01"])
    _ask(checker, vcenters=["vc01", "vc02"], reset="vc02")
    assert vcenter.sessions.refused_count == 1


def test_a_name_that_the_fleet_file_does_not_know() -> None:
    """Refused whole: half an answer would look like a whole one."""
    with pytest.raises(RequestRefused, match=r"no vCenter called vc99. It has: vc01, vc02$"):
        _ask(checker, vcenters=["vc01", "vc99"])
    with pytest.raises(RequestRefused, match="vc99"):
        _ask(checker, vcenters=["vc01"], reset="vc99")


@pytest.mark.parametrize("app", [checker, sender])
def test_a_malformed_request_is_refused(app: Any) -> None:  # noqa: ANN401 -- one of two modules
    """By its schema, in either function."""
    with pytest.raises(ContractViolation):
        _ask(app, vcenter="vc01")


def test_a_fleet_file_that_is_wrong_is_a_line() -> None:
    """What else can be examined still is."""
    _put_fleet({"schema_version": 1, "vcenters": []})
    lines = _ask(checker, send=True)
    assert _about(lines) == {"AWS": "foooooo"}
    assert "esx-drift fleet push" in lines[0]["fix"]


def test_a_drill_is_sent_only_when_asked_for(slack: SlackReceiver) -> None:
    """One event on the topic, one message a route."""
    _ask(checker, vcenters=["vc02"])
    assert _about(_ask(sender)) == {"sender": "o", "route ops": "oooos"}
    assert slack.received == []
    assert "took a drill" in _ask(checker, vcenters=["vc02"], send=True)[3]["said"]
    assert _about(_ask(sender, send=True)) == {"sender": "o", "route ops": "ooooo"}
    assert len(slack.accepted) == 1


def test_a_drill_alone_is_all_that_is_sent_and_looked_at(slack: SlackReceiver) -> None:
    """No vCenter is asked; a route that was named is the only one."""
    lines = _ask(checker, drill=True)
    assert [(line["about"], line["step"], line["outcome"]) for line in lines] == [
        ("AWS", "fleet file", "ok"),
        ("AWS", "DriftTopic", "ok"),
    ]
    assert "took a drill" in lines[1]["said"]
    assert _about(_ask(sender, drill=True, routes=["ops"])) == {"sender": "o", "route ops": "ooooo"}
    assert len(slack.accepted) == 1
    with pytest.raises(RequestRefused, match=r"no route called oops\. It has: ops"):
        _ask(sender, drill=True, routes=["oops"])


def test_no_drill_is_sent_by_a_fleet_file_that_is_wrong() -> None:
    """It says what is wrong with it."""
    _put_fleet({"schema_version": 1, "vcenters": []})
    assert _about(_ask(checker, drill=True)) == {"AWS": "f"}


NOW = datetime.now(UTC)
CONFIG = CheckConfig("audit", "state", "", "", "", 4, "esx-drift", "esx-drift")


def _run(hours_ago: float, trigger: Trigger = "schedule", selected: tuple[str, ...] | None = None) -> None:
    store = S3Store(clients.s3, "audit", "state")
    at = NOW - timedelta(hours=hours_ago)
    run = Run(str(uuid4()), trigger, {"vc01": selected} if selected else None)
    append_run(store, Subscribers(), "vc01", run, {"domain-c9": "prod-a"}, at)


def _last_run(hours_later: float = 0) -> StepResult:
    (line,) = RunDoctor("vc01", CONFIG, NOW + timedelta(hours=hours_later)).examine()
    assert line["step"] == "last run"
    return line


@pytest.mark.parametrize(
    ("hours_later", "outcome", "said"),
    [
        (0, "ok", "by schedule 1 h ago; one every 4 hours"),
        (7.9, "ok", "by schedule 8 h 54 min ago; one every 4 hours"),
        (8.1, "failed", None),
    ],
)
def test_when_a_run_by_schedule_last_came(hours_later: float, outcome: str, said: str | None) -> None:
    """Two of them may be missing, and an hour: then nobody watches."""
    _run(20)
    _run(1)
    line = _last_run(hours_later)
    assert line["outcome"] == outcome
    assert said is None or line["said"] == said
    assert ("DispatcherDeadLetterQueue" in line["fix"]) == (outcome == "failed")


def test_a_run_by_hand_is_none_of_the_schedules() -> None:
    """Nor is a retry: whoever runs it by hand each day may miss for weeks that the schedule is dead."""
    _run(10)
    _run(2, "direct")
    _run(1, "retry")
    assert _last_run()["outcome"] == "failed"


def test_a_run_of_chosen_clusters_is_no_whole_one() -> None:
    """The others may not have been looked at for weeks, whoever asked for it."""
    _run(10)
    _run(1, selected=("prod-a",))
    line = _last_run()
    assert (line["outcome"], line["said"].startswith("none by schedule since ")) == ("failed", True)


def test_a_vcenter_that_is_new() -> None:
    """Its first run comes with the next beat of the schedule; if it does not, that is told."""
    line = _last_run(1)
    assert line["outcome"] == "ok"
    assert line["said"].startswith("none since the fleet file was pushed, ")
    assert _last_run(10)["outcome"] == "failed"


def test_a_log_that_can_not_be_read() -> None:
    """S3's own words."""
    _run(1)
    boto3.client("s3").delete_objects(
        Bucket="state", Delete={"Objects": [{"Key": key["Key"]} for key in _list_objects("state")]}
    )
    boto3.client("s3").delete_bucket(Bucket="state")
    line = _last_run()
    assert line["outcome"] == "failed"
    assert "NoSuchBucket" in line["said"]


def _list_objects(bucket: str) -> list[Any]:
    found: Any = boto3.client("s3").list_objects_v2(Bucket=bucket)
    return list(found["Contents"])
