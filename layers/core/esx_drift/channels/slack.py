"""Slack: how a message looks there, how it is posted, and what Slack's answers mean.

What comes from outside is only in plain and rich text, never in mrkdwn. The URL of a webhook is the secret:
it never reaches an error or a log. What Slack answers:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors

Longer than 250 lines, because all that is Slack's stands in one place.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import requests
from urllib3 import Retry
from urllib3.util import parse_url

from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.tls import TlsTransport, build_tls_context
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.types import Json
from esx_drift.errors import FIX_FACT, SecretInvalid, WebhookRefused, WebhookThrottled, WebhookUnavailable
from esx_drift.ports import ChannelAddress

SECRET_PREFIX: Final = "esx-drift/slack/"  # noqa: S105 -- how the secrets are named
HTTPS_PORT: Final = 443
FIX_REFUSED: Final = "Make a new webhook in Slack and put its URL into the secret."
FIX_UNAVAILABLE: Final = "Try again in a few minutes; Slack's own state is told at its status page."
FIX_HOST: Final = "Add the host to the stack's parameter WebhookHosts, or correct the secret's url."

MAX_MESSAGE_CHARACTERS = 10_000
"""Of the whole payload. Slack names no figure and answers ``msg_blocks_too_long`` somewhere above 13,000."""


MAX_HEADER_CHARACTERS = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""


MAX_PLAIN_TEXT_CHARACTERS = 2_000
"""Under the 3,000 of a text object (https://docs.slack.dev/reference/block-kit/composition-objects/text-object)."""


MAX_ITEMS: Final = 20


_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""The characters that mean something to Slack: https://docs.slack.dev/messaging/formatting-message-text"""


def render_message(content: MessageContent) -> dict[str, Json]:
    """Render the payload for an incoming webhook: as much of the content as the budget allows."""
    payloads = (_render(content, shown) for shown in range(min(MAX_ITEMS, len(content.items)), 0, -1))
    fitting = (payload for payload in payloads if len(json.dumps(payload)) <= MAX_MESSAGE_CHARACTERS)
    return next(fitting, None) or _render(content, 0)


def render_drill(route: str) -> dict[str, Json]:
    """Render the payload of a drill: a route's name has no character that Slack would act on."""
    text = (
        f"Drill: esx-drift can post here by its route {route}. Nothing happened, and nothing is to be done."
    )
    return {"text": text, "mrkdwn": False, "unfurl_links": False}


def _render(content: MessageContent, shown: int) -> dict[str, Json]:
    body: list[Json] = [_render_list(content, shown)] if content.items or content.unlisted else []
    body += [_render_section(_render_text("\n".join(content.notes)))]
    body += [_render_step(content.next_step)] if content.next_step else []
    return {
        # What a notification shows. "mrkdwn" says not to parse it; escaped, parsing it does no harm either.
        "text": _cut(content.title, MAX_HEADER_CHARACTERS).translate(_ESCAPES),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _render_plain_text(content.title, MAX_HEADER_CHARACTERS)},
            {"type": "rich_text", "elements": body},
            {
                "type": "context",
                "elements": [_render_plain_text(" · ".join(content.facts), MAX_PLAIN_TEXT_CHARACTERS)],
            },
        ],
    }


def _render_list(content: MessageContent, shown: int) -> Json:
    more = len(content.items) - shown + content.unlisted
    lines = [*content.items[:shown], *([f"and {more} more"] if more else [])]
    return {
        "type": "rich_text_list",
        "style": "bullet",
        "elements": [_render_section(_render_text(line)) for line in lines],
    }


def _render_step(step: NextStep) -> Json:
    command: list[Json] = [_render_text(" "), _render_text(step.command, "code")] if step.command else []
    return _render_section(_render_text("\nNext: ", "bold"), _render_text(step.text), *command)


def _render_section(*elements: Json) -> Json:
    return {"type": "rich_text_section", "elements": list(elements)}


def _render_text(text: str, *styles: str) -> Json:
    styled: dict[str, Json] = {"style": dict.fromkeys(styles, True)} if styles else {}
    return {"type": "text", "text": text, **styled}


def _render_plain_text(text: str, most: int) -> Json:
    return {"type": "plain_text", "text": _cut(text, most), "emoji": False}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


WEBHOOK_CONNECT_SECONDS = 5.0


WEBHOOK_READ_SECONDS = 10.0
"""Slack answers within a second."""


MAX_WAIT_HERE_SECONDS = 5
"""What is waited for here; a longer wait is the queue's, since waiting here is paid for."""


DEFAULT_RETRY_AFTER_SECONDS = 30


MAX_ANSWER_BYTES = 100


SERVER_ERRORS: Final = range(500, 600)


RETRY: Final = Retry(
    total=2,
    read=False,  # the message may have been posted: only the queue takes the risk of posting it twice
    other=0,  # a certificate that is refused stays refused
    redirect=0,
    status_forcelist=frozenset({HTTPStatus.TOO_MANY_REQUESTS, 500, 502, 503, 504}),
    allowed_methods=frozenset({"POST"}),
    backoff_factor=0.2,
    backoff_jitter=0.2,
    raise_on_status=False,
    retry_after_max=MAX_WAIT_HERE_SECONDS,
)


# With each retry urllib3 logs the request's path as a warning, and here the path is the secret.
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    retry_after: str


@dataclass(frozen=True, slots=True)
class SlackSecret:
    """The secret ``esx-drift/slack/<name>``. Whoever has ``url`` can post."""

    url: str = field(repr=False)
    ca_bundle: str | None = field(repr=False)


def read_slack_secret(secrets: Secrets, name: str) -> SlackSecret:
    """Read a route's secret by the name that the route gives it; raises what reading a secret raises."""
    fields, _ = secrets.read(SECRET_PREFIX + name)
    secret = SlackSecret(fields.https_url("url"), fields.ca_bundle("ca_bundle"))
    fields.refuse_others()
    return secret


class SlackChannel:
    """``ports.Channel``: each secret is read once, each connection kept, until the context ends."""

    title = "Slack"

    def __init__(self, read_secret: Callable[[str], SlackSecret], allowed_hosts: tuple[str, ...]) -> None:
        """``allowed_hosts`` are the only ones that are ever posted to."""
        self._read_secret = read_secret
        self._allowed_hosts = allowed_hosts
        self._open: dict[str, tuple[str, requests.Session]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def post(self, secret: str, content: MessageContent) -> None:
        """Post one message."""
        self.post_payload(secret, render_message(content))

    def post_drill(self, secret: str, route: str) -> None:
        """Post a message that says that it is a drill."""
        self.post_payload(secret, render_drill(route))

    def post_payload(self, secret: str, payload: Mapping[str, object]) -> None:
        """Post one payload to the webhook of a secret; success is 200 and ``ok``.

        Raises ``WebhookUnavailable``, ``WebhookThrottled``, ``WebhookRefused``, or what reading a secret
        raises; ``SecretInvalid`` too for a webhook on a host that is not allowed.
        """
        if secret not in self._open:
            self._open[secret] = self._connect(secret)
        url, session = self._open[secret]
        answer = _post(session, url, payload)
        if isinstance(answer, str):
            raise WebhookUnavailable(
                f"the webhook of {secret} gave no answer: {answer}", {FIX_FACT: FIX_UNAVAILABLE}
            )
        _judge(secret, answer)

    def find_address(self, secret: str) -> ChannelAddress:
        """Where the messages of a secret go; raises ``WebhookRefused`` for a host that is not allowed."""
        stored = self._read_secret(secret)
        url = parse_url(stored.url)
        if url.host is None or url.host not in self._allowed_hosts:
            raise WebhookRefused(
                "the secret's url is on a host that is not in WebhookHosts", {FIX_FACT: FIX_HOST}
            )
        return ChannelAddress(url.host, url.port or HTTPS_PORT, stored.ca_bundle)

    def _connect(self, name: str) -> tuple[str, requests.Session]:
        secret = self._read_secret(name)
        # urllib3's own parser, since it decides where the request goes: others read odd URLs differently.
        url = parse_url(secret.url)
        if url.scheme != "https" or url.host not in self._allowed_hosts:
            raise SecretInvalid(
                f"the secret {SECRET_PREFIX}{name} has a url that is not https on a host in WEBHOOK_HOSTS"
            )
        session = self._stack.enter_context(requests.Session())
        session.trust_env = False
        session.mount("https://", TlsTransport(build_tls_context(secret.ca_bundle, strict=True), RETRY))
        return secret.url, session


def open_slack(secrets: Secrets, allowed_hosts: tuple[str, ...]) -> SlackChannel:
    """Open the channel for one invocation, to be entered."""
    return SlackChannel(partial(read_slack_secret, secrets), allowed_hosts)


def _post(session: requests.Session, url: str, payload: Mapping[str, object]) -> _Answer | str:
    """The answer, or why there is none; nothing that carries the URL gets out of here."""
    try:
        with session.post(
            url,
            json=payload,
            timeout=(WEBHOOK_CONNECT_SECONDS, WEBHOOK_READ_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = next(response.iter_content(MAX_ANSWER_BYTES), b"")
            retry_after = response.headers.get("Retry-After", "")
            return _Answer(response.status_code, body.decode("utf-8", "replace"), retry_after)
    except requests.exceptions.SSLError:
        return (
            "TLS failed; if a company's own CA signed its certificate, put that into the secret's ca_bundle"
        )
    except requests.Timeout:
        return "it took too long"
    except requests.RequestException as error:
        return type(error).__name__


def _judge(secret: str, answer: _Answer) -> None:
    status, body = answer.status, answer.body.strip()
    if status == HTTPStatus.OK and body == "ok":
        return
    # Slack's reasons are single words; anything else may echo what was sent.
    reason = f"{status} {body}" if body.replace("_", "").isalpha() and body.isascii() else str(status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = int(answer.retry_after) if answer.retry_after.isdecimal() else DEFAULT_RETRY_AFTER_SECONDS
        raise WebhookThrottled(f"the webhook of {secret} asks to wait {seconds} s", seconds)
    if status == HTTPStatus.REQUEST_TIMEOUT or status in SERVER_ERRORS:
        raise WebhookUnavailable(f"the webhook of {secret} answered {reason}", {FIX_FACT: FIX_UNAVAILABLE})
    raise WebhookRefused(f"the webhook of {secret} answered {reason}", {FIX_FACT: FIX_REFUSED})
