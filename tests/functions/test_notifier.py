import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions.notifier import app
from tests.core.fleets import fleet
from tests.functions.conftest import Context
from tests.simulator.certificates import Authority
from tests.simulator.slack import SlackReceiver

EVENTS = sorted((Path(__file__).parents[2] / "events").glob("notifier-*.json"))
POSTED_AND_FAILED = {
    "notifier-baseline": (1, []),
    "notifier-drift": (1, []),
    "notifier-failure": (2, []),
    "notifier-malformed": (1, [1, 3]),
    "notifier-orphaned-vib": (2, []),
    "notifier-unknown-type": (0, []),
}

type Handle = Callable[[dict[str, Any]], Any]


@pytest.fixture
def handle(
    aws: None,  # noqa: ARG001 -- moto must be on before a client is made
    slack: SlackReceiver,
    slack_authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    context: Context,
) -> Handle:
    """The real handler, with a fleet of one route to a Slack on loopback."""
    environment = {
        "AUDIT_BUCKET": "audit",
        "STATE_BUCKET": "state",
        "WEBHOOK_HOSTS": "hooks.slack.com,127.0.0.1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    for bucket in ("audit", "state"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    document = json.dumps(fleet(routes=[{"name": "ops"}]))
    s3.put_object(Bucket="state", Key="config/fleet.json", Body=document.encode())
    secret = {"url": slack.webhook, "ca_bundle": slack_authority.pem}
    boto3.client("secretsmanager").create_secret(Name="esx-drift/slack/ops", SecretString=json.dumps(secret))
    return lambda event: app.handler(event, context)


def _read(name: str) -> dict[str, Any]:
    (path,) = (path for path in EVENTS if path.stem == name)
    event: dict[str, Any] = json.loads(path.read_text())
    return event


def _failed(reply: dict[str, Any]) -> list[int]:
    return [int(item["itemIdentifier"][-12:]) for item in reply["batchItemFailures"]]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_each_example_ends_as_it_should(path: Path, handle: Handle, slack: SlackReceiver) -> None:
    """So many messages are posted, and just those that are malformed go back to the queue."""
    reply = handle(json.loads(path.read_text()))
    assert (len(slack.accepted), _failed(reply)) == POSTED_AND_FAILED[path.stem]


def test_a_message_delivered_again_is_not_posted_again(handle: Handle, slack: SlackReceiver) -> None:
    """SQS delivers at least once, people read once."""
    for _ in range(2):
        assert _failed(handle(_read("notifier-drift"))) == []
    assert len(slack.accepted) == 1


@pytest.mark.parametrize(
    ("answer", "reason"), [("no_service", "webhook-refused"), ("server_error", "webhook-unavailable")]
)
def test_what_slack_refuses_stays_in_the_queue(
    handle: Handle,
    slack: SlackReceiver,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    reason: str,
) -> None:
    """With a line in the log and a metric that say why, neither of which holds the webhook's address."""
    slack.refuse(answer, times=3)
    assert _failed(handle(_read("notifier-drift"))) == [1]
    assert _logged(caplog)["reason"] == reason
    assert f'"reason":"{reason}"' in capsys.readouterr().out
    assert "/services/" not in str([record.__dict__ for record in caplog.records])


def test_without_time_left_nothing_is_begun(handle: Handle, slack: SlackReceiver, context: Context) -> None:
    """A message that might be cut off in its middle goes back whole."""
    context.remaining_ms = app.TIME_FOR_ONE_MS - 1
    assert _failed(handle(_read("notifier-orphaned-vib"))) == [1, 2]
    assert slack.received == []


def test_a_secret_that_is_missing_is_named(handle: Handle, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the log knows which one to create."""
    document = json.dumps(fleet(routes=[{"name": "ops", "secret": "elsewhere"}]))
    boto3.client("s3").put_object(Bucket="state", Key="config/fleet.json", Body=document.encode())
    assert _failed(handle(_read("notifier-drift"))) == [1]
    assert _logged(caplog)["reason"] == "secret-invalid"
    assert "esx-drift/slack/elsewhere" in _logged(caplog)["why"]


def test_a_bug_shows_where_it_is(
    handle: Handle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is logged with its trace, and the message is kept."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("esx_drift.notify.Notifier.notify", broken)
    assert _failed(handle(_read("notifier-drift"))) == [1]
    assert _logged(caplog)["reason"] == "bug"
    assert _logged(caplog)["exc_info"]


def _logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (error,) = (record for record in caplog.records if record.levelname == "ERROR")
    return error.__dict__
