"""The adapter that posts to the Slack on loopback."""

from collections.abc import Iterator

import pytest
from esx_drift.channels.slack import SlackChannel, SlackSecret

from tests.simulator.certificates import Authority
from tests.simulator.slack import SlackReceiver

HOSTS = ("127.0.0.1",)


@pytest.fixture
def webhook(slack: SlackReceiver, slack_authority: Authority) -> Iterator[SlackChannel]:
    """The adapter; whatever secret is asked for is this Slack's."""
    with SlackChannel(lambda _: SlackSecret(slack.webhook, slack_authority.pem), HOSTS) as adapter:
        yield adapter
