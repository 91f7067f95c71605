"""Slack: how a message looks there, and what its answers mean.

What comes from outside is only in plain and rich text, never in mrkdwn. What Slack answers:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from urllib3.util import Url

from esx_drift.channels.webhook import WebhookAnswer, WebhookService
from esx_drift.domain.events import MessageContent, Moment, NextStep
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import cut_text
from esx_drift.messages.content import DRILL_TEXT, cut_title, list_lines, render_fitting

MAX_MESSAGE_CHARACTERS = 10_000
"""Of the whole payload. Slack names no figure and answers ``msg_blocks_too_long`` somewhere above 13,000."""


MAX_HEADER_CHARACTERS = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""


MAX_PLAIN_TEXT_CHARACTERS = 2_000
"""Under the 3,000 of a text object (https://docs.slack.dev/reference/block-kit/composition-objects/text-object)."""


MAX_LIST_ITEMS: Final = 20
"""Of a list: more is no message but a table."""

MAX_BLOCKS: Final = 50
"""https://docs.slack.dev/reference/block-kit/blocks; a message of ours has three."""

MAX_CONTEXT_ELEMENTS: Final = 10
"""https://docs.slack.dev/reference/block-kit/blocks/context-block; ours has one."""

DAY_FORMAT: Final = "{date_short_pretty} at "
"""Today, yesterday, or the day: https://docs.slack.dev/messaging/formatting-message-text#date-formatting"""


_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""The characters that mean something to Slack: https://docs.slack.dev/messaging/formatting-message-text"""


def render_message(content: MessageContent) -> dict[str, Json]:
    """Render the payload for an incoming webhook: as much of the content as the budget allows."""
    return render_fitting(_render, content, MAX_LIST_ITEMS, MAX_MESSAGE_CHARACTERS)


def render_drill(route: str) -> dict[str, Json]:
    """Render the payload of a drill: a route's name has no character that Slack would act on."""
    return {"text": DRILL_TEXT.format(route=route), "mrkdwn": False, "unfurl_links": False}


def _render(content: MessageContent, shown: int) -> dict[str, Json]:
    title = cut_title(content, MAX_HEADER_CHARACTERS)
    body: list[Json] = [_render_list(content, shown)] if content.items or content.unlisted else []
    body += _render_sentences(content)
    body += [_render_step(content.next_step)] if content.next_step else []
    blocks: list[Json] = [{"type": "header", "text": _render_plain_text(title, MAX_HEADER_CHARACTERS)}]
    blocks += [{"type": "rich_text", "elements": body}] if body else []
    if content.facts:
        facts = _render_plain_text(" · ".join(content.facts), MAX_PLAIN_TEXT_CHARACTERS)
        blocks.append({"type": "context", "elements": [facts]})
    return {
        # What a notification shows. "mrkdwn" says not to parse it; escaped, parsing it does no harm either.
        "text": title.translate(_ESCAPES),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def _render_sentences(content: MessageContent) -> list[Json]:
    """One section, or none: when it happened, and the notes, each on a line."""
    when = [_render_text(part) if isinstance(part, str) else _render_date(part) for part in content.when]
    notes = "\n".join(content.notes)
    lines = [*when, *([_render_text(f"\n{notes}" if when else notes)] if notes else [])]
    return [_render_section(*lines)] if lines else []


def _render_date(moment: Moment) -> Json:
    """A time that Slack shows in the reader's own zone."""
    day = DAY_FORMAT if moment.has_date else ""
    return {
        "type": "date",
        "timestamp": int(parse_time(moment.time).timestamp()),
        "format": f"{day}{'{time_secs}' if moment.has_seconds else '{time}'}",
        "fallback": moment.fallback,
    }


def _render_list(content: MessageContent, shown: int) -> Json:
    return {
        "type": "rich_text_list",
        "style": "bullet",
        "elements": [_render_section(_render_text(line)) for line in list_lines(content, shown)],
    }


def _render_step(step: NextStep) -> Json:
    elements = [_render_text("\nNext: ", "bold"), _render_text(step.text)]
    gap = "\n" if step.more else " "
    for command in step.commands:
        elements += [_render_text(gap), _render_text(command, "code")]
    return _render_section(*elements)


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


DEAD_REASONS: Final = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "posting_to_general_channel_denied",
        "team_disabled",
        "user_not_found",
    }
)
"""What is about the webhook: only ``user_not_found`` comes with 400, as what is about the message does."""

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
    dead_reasons=DEAD_REASONS,
)
