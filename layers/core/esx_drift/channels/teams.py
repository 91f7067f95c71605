"""Microsoft Teams: how a message looks there, and what the answers of its workflows mean.

A workflow "Send webhook alerts to a channel" gives the URL, and takes Adaptive Cards only:
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using

What comes from outside is only in text runs. A ``TextBlock`` would read Markdown in it, a ``TextRun`` does
not: https://adaptivecards.io/explorer/TextRun.html
"""

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from urllib3.util import Url

from esx_drift.channels.webhook import WebhookAnswer, WebhookService
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.wording import cut_text
from esx_drift.messages.content import DRILL_TEXT, cut_title, list_lines, render_fitting

MAX_CARD_CHARACTERS: Final = 20_000
"""Of the whole payload as JSON. Teams takes 28 KB, and says so in no answer, since a workflow answers before
it posts: https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams"""

MAX_CARD_TITLE_CHARACTERS: Final = 300
"""Above that a title is more than three lines on a phone."""

MAX_RUN_CHARACTERS: Final = 2_000
"""Of one text."""

MAX_CARD_ITEMS: Final = 20

CARD_VERSION: Final = "1.4"
"""Teams on phones shows 1.4: https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards"""


def render_card(content: MessageContent) -> dict[str, Json]:
    """Render the payload for a workflow: as much of the content as the budget allows."""
    return render_fitting(_render, content, MAX_CARD_ITEMS, MAX_CARD_CHARACTERS)


def render_drill_card(route: str) -> dict[str, Json]:
    """Render the payload of a drill of ``route``."""
    text = DRILL_TEXT.format(route=route)
    return _wrap_body(text, [_render_block(_render_run(text))])


def _render(content: MessageContent, shown: int) -> dict[str, Json]:
    title = cut_title(content, MAX_CARD_TITLE_CHARACTERS)
    body: list[Json] = [_render_block(_render_run(title, size="Medium", weight="Bolder"))]
    body += [_render_block(_render_run(f"• {line}"), spacing="Small") for line in list_lines(content, shown)]
    # A text run shows no time in the reader's zone: TextBlock alone has DATE() and TIME().
    notes = (*filter(None, (content.when_text,)), *content.notes)
    body += [_render_block(_render_run(note), spacing="Small") for note in notes]
    body += [_render_step(content.next_step)] if content.next_step else []
    facts = " · ".join(content.facts)
    body += [_render_block(_render_run(facts, size="Small", isSubtle=True))] if facts else []
    return _wrap_body(title, body)


def _wrap_body(summary: str, body: list[Json]) -> dict[str, Json]:
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "msteams": {"width": "Full"},
        "body": body,
    }
    attachment: Json = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "summary": summary, "attachments": [attachment]}


def _render_step(step: NextStep) -> Json:
    gap = "\n" if step.more else " "
    commands = [_render_run(f"{gap}{command}", fontType="Monospace") for command in step.commands]
    return _render_block(_render_run("Next: ", weight="Bolder"), _render_run(step.text), *commands)


def _render_block(*runs: Json, **look: Json) -> Json:
    return {"type": "RichTextBlock", **look, "inlines": list(runs)}


def _render_run(text: str, **look: Json) -> Json:
    return {"type": "TextRun", "text": cut_text(text, MAX_RUN_CHARACTERS), **look}


def _is_posted(answer: WebhookAnswer) -> bool:
    return answer.status == HTTPStatus.ACCEPTED


_ERROR_CODE: Final = re.compile(r'"code"\s*:\s*"([A-Za-z]{1,64})"')
"""Of an answer such as ``{"error": {"code": "WorkflowNotFound", "message": "…"}}``, which may be cut."""


def _find_reason(answer: WebhookAnswer) -> str | None:
    found = _ERROR_CODE.search(answer.body)
    return found[1] if found else None


def _find_url_fault(url: Url) -> str | None:
    if parse_qs(url.query or "").get("sig"):
        return None
    return "that has no sig=; copy the whole URL of the workflow's trigger"


TEAMS: Final = WebhookService(
    title="Teams",
    kind="teams",
    render_message=render_card,
    render_drill=render_drill_card,
    is_posted=_is_posted,
    find_reason=_find_reason,
    find_url_fault=_find_url_fault,
    dead_reasons=frozenset({"WorkflowTriggerIsNotEnabled"}),  # it comes with 400, as an odd card does
)
