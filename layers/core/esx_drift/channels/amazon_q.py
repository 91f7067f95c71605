"""Amazon Q Developer in chat applications: custom notifications, by a topic that it is subscribed to.

Their form: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html. Amazon Q shows them in
Slack or Teams, as that one's own Markdown, and nothing says which one: so what comes from outside is written
without any character that means something to either.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.adapters.s3_objects import get_error_code
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.identifiers import compute_digest, encode_canonical_json
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.wording import cut_text
from esx_drift.errors import FIX_FACT, WebhookRefused, WebhookUnavailable
from esx_drift.messages.content import DRILL_TEXT, cut_title, list_lines, render_fitting
from esx_drift.ports import ChannelAddress

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAX_NOTIFICATION_CHARACTERS: Final = 3_600
"""Of the whole notification. Its page names no limit, and SNS takes 256 KiB; but Slack takes 3,000 a text."""

MAX_NOTIFICATION_TITLE_CHARACTERS: Final = 150
"""As much as a header in Slack: https://docs.slack.dev/reference/block-kit/blocks/header-block"""

MAX_DESCRIPTION_CHARACTERS: Final = 2_900
"""Under the 3,000 of a text in Slack: https://docs.slack.dev/reference/block-kit/composition-objects/text-object"""

MAX_NOTIFICATION_ITEMS: Final = 20

FIX_TOPIC: Final = (
    "Deploy with AmazonQTopicArn=ARN, a standard topic that is there, whose key and policy take messages of"
    " the sender's role: docs/operations.md, Amazon Q."
)
FIX_LATER: Final = "Try again in a few minutes."

THROTTLING_CODES: Final = frozenset({"Throttled", "Throttling", "ThrottlingException", "KMSThrottling"})
"""SNS's words for too much at once: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""

_MARKUP: Final = "*~`<>&[]#@|\\"
"""What Slack's and Teams's Markdown act on, wherever it stands:
https://docs.slack.dev/messaging/formatting-message-text,
https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-format"""

_OUTER_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""One within a word, as in vmw_ahci, means nothing to either."""

_NAMED_COLON: Final = re.compile(
    r"(?<=http):|(?<=https):|(?<=ftp):|(?<=mailto):|(?<=tel):|:(?=[\w+'-]*[a-z][\w+'-]*:)", re.IGNORECASE
)
"""The one that makes a link, or begins the name of an emoji: none in a time."""

_UNSAFE_IN_CODE: Final = re.compile(r"[`<>&\n]")
"""What Slack acts on in code, too."""


def _widen(text: str) -> str:
    """Write ASCII in its full-width forms (Unicode, U+FF01 to U+FF5E), which a person reads as the same."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


_WIDE: Final = {ord(character): _widen(character) for character in _MARKUP}


def escape_markdown(text: str) -> str:
    """Write ``text`` so that neither Slack nor Teams reads Markdown, a link, a mention or an emoji in it."""
    plain = _OUTER_UNDERSCORE.sub(_widen("_"), text.translate(_WIDE))
    return _NAMED_COLON.sub(_widen(":"), plain)


def render_notification(content: MessageContent) -> dict[str, Json]:
    """Render a custom notification: as much of ``content`` as the bounds allow."""
    return render_fitting(_render, content, MAX_NOTIFICATION_ITEMS, MAX_NOTIFICATION_CHARACTERS)


def render_drill_notification(route: str) -> dict[str, Json]:
    """Render the notification of a drill of ``route``."""
    text = DRILL_TEXT.format(route=route)
    return _build_notification(
        {"title": "esx-drift: drill", "description": escape_markdown(text)}, {"summary": text}
    )


def _render(content: MessageContent, shown: int) -> dict[str, Json]:
    title = escape_markdown(cut_title(content, MAX_NOTIFICATION_TITLE_CHARACTERS))
    lines = [f"• {line}" for line in list_lines(content, shown)]
    lines += [*filter(None, (content.when_text,)), *content.notes, " · ".join(content.facts)]
    description = cut_text(escape_markdown("\n".join(filter(None, lines))), MAX_DESCRIPTION_CHARACTERS)
    said: dict[str, Json] = {"title": title, "keywords": ["esx-drift", content.level]}
    said |= {"description": description} if description else {}
    said |= {"nextSteps": _render_step(content.next_step)} if content.next_step else {}
    about: dict[str, Json] = {
        "summary": escape_markdown(cut_text(content.title, MAX_NOTIFICATION_TITLE_CHARACTERS))
    }
    about |= {"threadId": content.thread} if content.thread else {}
    about |= {"eventType": content.event_type} if content.event_type else {}
    about |= {"relatedResources": [escape_markdown(content.place)]} if content.place else {}
    return _build_notification(said, {**about, "additionalContext": {"level": content.level}})


def _render_step(step: NextStep) -> list[Json]:
    """Render what to do, then each command in a line."""
    return [escape_markdown(step.text), *map(_render_command, step.commands)]


def _render_command(command: str) -> str:
    """Render a command as code; one that code can't show unchanged would do something else."""
    if _UNSAFE_IN_CODE.search(command):
        return "its command holds a name that chat would change: it is left out"
    return f"`{command}`"


def _build_notification(said: dict[str, Json], about: dict[str, Json]) -> dict[str, Json]:
    content: dict[str, Json] = {"textType": "client-markdown", **said}
    known = compute_digest([content, about])[:32]
    return {"version": "1.0", "source": "custom", "id": known, "content": content, "metadata": about}


class AmazonQChannel(Struct, frozen=True):
    """``ports.Channel`` on one topic for all routes: none has a secret, and ``secret`` counts for nothing.

    ``sns`` gives the same client each time; ``topic_arn`` is the stack's parameter, empty where it has none.
    """

    sns: Callable[[], "SNSClient"]
    topic_arn: str
    title: str = "Amazon Q's topic"

    def post(self, _secret: str, content: MessageContent) -> None:
        """Publish one notification; that Amazon Q shows it, SNS can't say."""
        self._publish(render_notification(content))

    def post_drill(self, _secret: str, route: str) -> None:
        """Publish a notification that says that it is a drill."""
        self._publish(render_drill_notification(route))

    def find_address(self, _secret: str) -> ChannelAddress | None:
        """Find that there is a topic; the way to SNS is AWS's own."""
        self._require_topic()
        return None

    def _require_topic(self) -> None:
        if not self.topic_arn:
            raise WebhookRefused("the stack has no topic for Amazon Q", {FIX_FACT: FIX_TOPIC})

    def _publish(self, notification: dict[str, Json]) -> None:
        self._require_topic()
        try:
            self.sns().publish(TopicArn=self.topic_arn, Message=encode_canonical_json(notification).decode())
        except BotoCoreError as error:
            sentence = f"SNS gave no answer: {type(error).__name__}"
            raise WebhookUnavailable(sentence, {FIX_FACT: FIX_LATER}) from error
        except ClientError as error:
            code = get_error_code(error)
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            sentence = f"SNS answered {status} {code} for Amazon Q's topic"
            if code in THROTTLING_CODES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise WebhookUnavailable(sentence, {FIX_FACT: FIX_LATER}) from error
            raise WebhookRefused(sentence, {FIX_FACT: FIX_TOPIC}) from error


def open_amazon_q(sns: Callable[[], "SNSClient"], topic_arn: str) -> AbstractContextManager[AmazonQChannel]:
    """Open the channel to ``topic_arn``; the client that ``sns`` gives outlives an invocation."""
    return nullcontext(AmazonQChannel(sns, topic_arn))
