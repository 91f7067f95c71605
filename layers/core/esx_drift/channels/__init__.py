"""Where people are told: one module a channel, with all that is its own.

A channel is its module, its entry here, its name in the schema of routes, and a permission in the template:
docs/code.md. A route names it in its field ``channel``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from esx_drift.adapters.secrets import Secrets
from esx_drift.channels.slack import SLACK
from esx_drift.channels.teams import TEAMS
from esx_drift.channels.webhook import WebhookChannel, WebhookService, read_webhook_secret
from esx_drift.ports import Channel

type OpenChannel = Callable[[Secrets, tuple[str, ...]], AbstractContextManager[Channel]]


def _open_webhooks(
    service: WebhookService, secrets: Secrets, allowed_hosts: tuple[str, ...]
) -> WebhookChannel:
    return WebhookChannel(service, partial(read_webhook_secret, secrets, service), allowed_hosts)


CHANNELS: dict[str, OpenChannel] = {
    "slack": partial(_open_webhooks, SLACK),
    "teams": partial(_open_webhooks, TEAMS),
}
"""By the name that routes give: how the channel is opened with the secrets and the allowed hosts."""


@contextmanager
def open_channels(secrets: Secrets, allowed_hosts: tuple[str, ...]) -> Iterator[Mapping[str, Channel]]:
    """Open every channel for one invocation; all their connections end with it.

    Args:
        secrets: Reads the secrets of the routes.
        allowed_hosts: The only hosts that webhooks may be on, in small letters.
    """
    with ExitStack() as stack:
        yield {name: stack.enter_context(opened(secrets, allowed_hosts)) for name, opened in CHANNELS.items()}
