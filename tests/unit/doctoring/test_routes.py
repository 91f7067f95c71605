"""The way to each Slack route."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import WebhookChannel, WebhookSecret
from esx_drift.doctoring.doctor import RouteDoctor
from esx_drift.doctoring.examination import StepResult
from esx_drift.domain.fleet.fleet import Route
from esx_drift.errors import SecretInvalid

from tests.simulator.certificates import Authority, authority
from tests.simulator.slack import SlackReceiver

ROUTE = Route("ops", "slack", "ops", "critical", ("drift",), ("vc01",), ("*",))
HOSTS = ("127.0.0.1",)


def _lines(
    read: Callable[[str], WebhookSecret], *, send: bool = False, hosts: tuple[str, ...] = HOSTS
) -> list[StepResult]:
    with WebhookChannel(SLACK, read, hosts) as webhook:
        return RouteDoctor(ROUTE, webhook, send).examine()


def _outcomes(lines: list[StepResult]) -> str:
    return "".join(line["outcome"][0] for line in lines)


@pytest.fixture
def secret(slack: SlackReceiver, slack_authority: Authority) -> WebhookSecret:
    """The route's secret, right in everything."""
    return WebhookSecret(slack.webhook, slack_authority.pem)


def test_nothing_is_posted_unasked(slack: SlackReceiver, secret: WebhookSecret) -> None:
    """The way is tried as far as it goes without a message."""
    lines = _lines(lambda _: secret)
    assert _outcomes(lines) == "oooos"
    assert slack.received == []


def test_a_drill_says_that_it_is_one(slack: SlackReceiver, secret: WebhookSecret) -> None:
    """One message, whatever the route is narrowed to; the webhook itself is in no line."""
    lines = _lines(lambda _: secret, send=True)
    assert _outcomes(lines) == "ooooo"
    (payload,) = slack.accepted
    assert payload["text"].startswith("Drill: esx-drift can post here by its route ops.")
    assert slack.webhook.rpartition("/")[2] not in str(lines)


def test_slacks_refusal_is_told(slack: SlackReceiver, secret: WebhookSecret) -> None:
    """A webhook that was removed: its way is fine, and it takes nothing."""
    gone = WebhookSecret(f"{slack.url}/services/T0/B0/gone", secret.ca_bundle)
    lines = _lines(lambda _: gone, send=True)
    assert _outcomes(lines) == "oooof"
    assert lines[-1]["fix"].startswith("Make a new webhook")
    assert "gone" not in str(lines)


def test_a_host_that_is_not_allowed(secret: WebhookSecret) -> None:
    """Nothing is even looked up."""
    lines = _lines(lambda _: secret, hosts=("hooks.slack.com",))
    assert _outcomes(lines) == "fuuuu"
    assert "WebhookHosts" in lines[0]["fix"]


def test_a_secret_that_is_not_there() -> None:
    """Which one, and nothing more."""

    def read(name: str) -> WebhookSecret:
        raise SecretInvalid(f"the secret esx-drift/slack/{name} does not exist: create it")

    lines = _lines(read)
    assert _outcomes(lines) == "fuuuu"
    assert "esx-drift/slack/ops" in lines[0]["said"]


def test_a_certificate_that_is_not_trusted(secret: WebhookSecret) -> None:
    """A company that looks into TLS: its CA belongs into the secret."""
    other = WebhookSecret(secret.url, authority(datetime.now(UTC), "Another CA").pem)
    lines = _lines(lambda _: other)
    assert _outcomes(lines) == "ooofu"
    assert "ca_bundle" in lines[3]["fix"]
