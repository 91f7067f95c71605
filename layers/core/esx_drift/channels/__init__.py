"""Where people are told: one module a channel, with all that is its own.

A channel is its module, its entry here, its name in the schema of routes, and a permission in the template:
docs/code.md. A route names it in its field ``channel``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from esx_drift.adapters.secrets import Secrets
from esx_drift.channels.amazon_q import open_amazon_q
from esx_drift.channels.slack import SLACK
from esx_drift.channels.teams import TEAMS
from esx_drift.channels.webhook import WebhookChannel, WebhookService, read_webhook_secret
from esx_drift.ports import Channel

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class ChannelSettings(Struct, frozen=True):
    """What channels are opened with: each takes what it needs.

    Attributes:
        secrets: Reads the secrets of the routes.
        webhook_hosts: The only hosts that webhooks may be on, in small letters.
        sns: Gives the same SNS client each time.
        amazon_q_topic_arn: The topic that Amazon Q is subscribed to; empty where there is none.
    """

    secrets: Secrets
    webhook_hosts: tuple[str, ...]
    sns: Callable[[], "SNSClient"]
    amazon_q_topic_arn: str


type OpenChannel = Callable[[ChannelSettings], AbstractContextManager[Channel]]


def _open_webhooks(service: WebhookService, settings: ChannelSettings) -> WebhookChannel:
    read_secret = partial(read_webhook_secret, settings.secrets, service)
    return WebhookChannel(service, read_secret, settings.webhook_hosts)


def _open_amazon_q(settings: ChannelSettings) -> AbstractContextManager[Channel]:
    return open_amazon_q(settings.sns, settings.amazon_q_topic_arn)


CHANNELS: dict[str, OpenChannel] = {
    "amazon-q": _open_amazon_q,
    "slack": partial(_open_webhooks, SLACK),
    "teams": partial(_open_webhooks, TEAMS),
}
"""By the name that routes give: how the channel is opened."""


@contextmanager
def open_channels(settings: ChannelSettings) -> Iterator[Mapping[str, Channel]]:
    """Open every channel for one invocation by ``settings``; all their connections end with it."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(opened(settings)) for name, opened in CHANNELS.items()}
