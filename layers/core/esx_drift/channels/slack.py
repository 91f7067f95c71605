"""Slack: how a message looks there, and what its answers mean.

What comes from outside is only in plain and rich text, never in mrkdwn. What Slack answers:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from urllib3.util import Url

from esx_drift.channels.webhook import WebhookAnswer, WebhookService
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.wording import cut_text
from esx_drift.messages.content import DRILL_TEXT, list_lines, render_fitting

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
    return render_fitting(_render, content, MAX_ITEMS, MAX_MESSAGE_CHARACTERS)


def render_drill(route: str) -> dict[str, Json]:
    """Render the payload of a drill: a route's name has no character that Slack would act on."""
    return {"text": DRILL_TEXT.format(route=route), "mrkdwn": False, "unfurl_links": False}


def _render(content: MessageContent, shown: int) -> dict[str, Json]:
    body: list[Json] = [_render_list(content, shown)] if content.items or content.unlisted else []
    body += [_render_section(_render_text("\n".join(content.notes)))]
    body += [_render_step(content.next_step)] if content.next_step else []
    return {
        # What a notification shows. "mrkdwn" says not to parse it; escaped, parsing it does no harm either.
        "text": cut_text(content.title, MAX_HEADER_CHARACTERS).translate(_ESCAPES),
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
    return {
        "type": "rich_text_list",
        "style": "bullet",
        "elements": [_render_section(_render_text(line)) for line in list_lines(content, shown)],
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
    return {"type": "plain_text", "text": cut_text(text, most), "emoji": False}


def _is_posted(answer: WebhookAnswer) -> bool:
    return answer.status == HTTPStatus.OK and answer.body == "ok"


def _find_reason(answer: WebhookAnswer) -> str | None:
    # Slack's reasons are single words; anything else may echo what was sent.
    return answer.body if answer.body.replace("_", "").isalpha() and answer.body.isascii() else None


_WORKFLOWS: Final = {"triggers", "workflows"}
"""What the path of a workflow's webhook begins with. It takes other payloads, and answers 200 to any."""


def _find_url_fault(url: Url) -> str | None:
    first = unquote(url.path or "").strip("/").partition("/")[0]
    if first.casefold() not in _WORKFLOWS:
        return None
    return "that is a workflow's; use an incoming webhook (https://hooks.slack.com/services/…)"


SLACK: Final = WebhookService(
    title="Slack",
    kind="slack",
    render_message=render_message,
    render_drill=render_drill,
    is_posted=_is_posted,
    find_reason=_find_reason,
    find_url_fault=_find_url_fault,
)
