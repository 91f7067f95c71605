"""An event as a Slack message. What comes from outside is only in plain and rich text, never in mrkdwn."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import requests
from urllib3 import Retry
from urllib3.util import parse_url

from esx_drift.adapters.secrets import SlackSecret
from esx_drift.adapters.tls import TlsTransport, build_tls_context
from esx_drift.domain.stored.types import Event, Json
from esx_drift.errors import SecretInvalid, WebhookRefused, WebhookThrottled, WebhookUnavailable
from esx_drift.messages.content import MessageContent, build_content
from esx_drift.messages.next_action import NextStep

MAX_MESSAGE_CHARACTERS = 10_000
"""Of the whole payload. Slack names no figure and answers ``msg_blocks_too_long`` somewhere above 13,000."""


MAX_HEADER_CHARACTERS = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""


MAX_PLAIN_TEXT_CHARACTERS = 2_000
"""Under the 3,000 of a text object (https://docs.slack.dev/reference/block-kit/composition-objects/text-object)."""


MAX_ITEMS: Final = 20


_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""The characters that mean something to Slack: https://docs.slack.dev/messaging/formatting-message-text"""


def render_message(event: Event) -> dict[str, Json]:
    """The payload for an incoming webhook: as much of the event's story as the budget allows.

    Raises ``KeyError`` for a type that ``story.is_told`` does not know.
    """
    story = build_content(event)
    payloads = (_payload(story, shown) for shown in range(min(MAX_ITEMS, len(story.items)), 0, -1))
    fitting = (payload for payload in payloads if len(json.dumps(payload)) <= MAX_MESSAGE_CHARACTERS)
    return next(fitting, None) or _payload(story, 0)


def _payload(story: MessageContent, shown: int) -> dict[str, Json]:
    body: list[Json] = [_list(story, shown)] if story.items or story.unlisted else []
    body += [_section(_text("\n".join(story.notes)))]
    body += [_step(story.next_step)] if story.next_step else []
    return {
        # What a notification shows. "mrkdwn" says not to parse it; escaped, parsing it does no harm either.
        "text": _cut(story.title, MAX_HEADER_CHARACTERS).translate(_ESCAPES),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain(story.title, MAX_HEADER_CHARACTERS)},
            {"type": "rich_text", "elements": body},
            {"type": "context", "elements": [_plain(" · ".join(story.facts), MAX_PLAIN_TEXT_CHARACTERS)]},
        ],
    }


def _list(story: MessageContent, shown: int) -> Json:
    more = len(story.items) - shown + story.unlisted
    lines = [*story.items[:shown], *([f"and {more} more"] if more else [])]
    return {
        "type": "rich_text_list",
        "style": "bullet",
        "elements": [_section(_text(line)) for line in lines],
    }


def _step(step: NextStep) -> Json:
    command: list[Json] = [_text(" "), _text(step.command, "code")] if step.command else []
    return _section(_text("\nNext: ", "bold"), _text(step.text), *command)


def _section(*elements: Json) -> Json:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(text: str, *styles: str) -> Json:
    styled: dict[str, Json] = {"style": dict.fromkeys(styles, True)} if styles else {}
    return {"type": "text", "text": text, **styled}


def _plain(text: str, most: int) -> Json:
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


WEBHOOK_OK: Final = 200


TIMED_OUT: Final = 408


TOO_MANY_REQUESTS: Final = 429


SERVER_ERRORS: Final = range(500, 600)


RETRY: Final = Retry(
    total=2,
    read=False,  # the message may have been posted: only the queue takes the risk of posting it twice
    other=0,  # a certificate that is refused stays refused
    redirect=0,
    status_forcelist=frozenset({TOO_MANY_REQUESTS, 500, 502, 503, 504}),
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


class SlackWebhook:
    """``ports.Webhook``: each secret is read once, each connection kept, until the context ends."""

    def __init__(self, read: Callable[[str], SlackSecret], hosts: tuple[str, ...]) -> None:
        """``read`` gives a route's secret, ``hosts`` are the only ones that are ever posted to."""
        self._read = read
        self._hosts = hosts
        self._open: dict[str, tuple[str, requests.Session]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def post(self, secret: str, payload: Mapping[str, object]) -> None:
        """Post one message to the webhook of a secret; success is 200 and ``ok``.

        Raises ``WebhookUnavailable``, ``WebhookThrottled``, ``WebhookRefused``, or what reading a secret
        raises; ``SecretInvalid`` too for a webhook on a host that is not allowed.
        """
        if secret not in self._open:
            self._open[secret] = self._opened(secret)
        url, session = self._open[secret]
        answer = _answer_of(session, url, payload)
        if isinstance(answer, str):
            raise WebhookUnavailable(f"the webhook of {secret} gave no answer: {answer}")
        _judge(secret, answer)

    def _opened(self, name: str) -> tuple[str, requests.Session]:
        secret = self._read(name)
        # urllib3's own parser, since it decides where the request goes: others read odd URLs differently.
        url = parse_url(secret.url)
        if url.scheme != "https" or url.host not in self._hosts:
            raise SecretInvalid(
                f"the secret esx-drift/slack/{name} has a url that is not https on a host in WEBHOOK_HOSTS"
            )
        session = self._stack.enter_context(requests.Session())
        session.trust_env = False
        session.mount("https://", TlsTransport(build_tls_context(secret.ca_bundle, strict=True), RETRY))
        return secret.url, session


def _answer_of(session: requests.Session, url: str, payload: Mapping[str, object]) -> _Answer | str:
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
    if status == WEBHOOK_OK and body == "ok":
        return
    # Slack's reasons are single words; anything else may echo what was sent.
    said = f"{status} {body}" if body.replace("_", "").isalpha() and body.isascii() else str(status)
    if status == TOO_MANY_REQUESTS:
        seconds = int(answer.retry_after) if answer.retry_after.isdecimal() else DEFAULT_RETRY_AFTER_SECONDS
        raise WebhookThrottled(f"the webhook of {secret} asks to wait {seconds} s", seconds)
    if status == TIMED_OUT or status in SERVER_ERRORS:
        raise WebhookUnavailable(f"the webhook of {secret} answered {said}")
    raise WebhookRefused(f"the webhook of {secret} answered {said}")
