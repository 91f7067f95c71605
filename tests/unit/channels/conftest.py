"""The adapter that posts to the Slack on loopback."""

from collections.abc import Iterator

import pytest
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import WebhookChannel, WebhookSecret

from tests.simulator.certificates import Authority
from tests.simulator.slack import SlackReceiver

HOSTS = ("127.0.0.1",)


@pytest.fixture
def webhook(slack: SlackReceiver, slack_authority: Authority) -> Iterator[WebhookChannel]:
    """The adapter; whatever secret is asked for is this Slack's."""
    with WebhookChannel(SLACK, lambda _: WebhookSecret(slack.webhook, slack_authority.pem), HOSTS) as adapter:
        yield adapter
