"""An event as a Slack message. What comes from outside is only in plain and rich text, never in mrkdwn."""

import json
from typing import Final

from esx_drift.domain.shapes import Event, Json
from esx_drift.domain.telling.leading import NextStep
from esx_drift.domain.telling.story import MessageContent, build_content

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
