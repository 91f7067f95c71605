"""What SNS is given of an event: the message for machines and for e-mail, its subject, its attributes."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from esx_drift.domain.shapes import Event
from esx_drift.domain.telling.story import MessageContent, build_content, has_content

MAX_SUBJECT_CHARACTERS = 99
"""ASCII, fewer than 100 (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""

MAX_EMAIL_ITEMS = 20
WHOLE_VCENTER: Final = "-"
_ASCII: Final = str.maketrans({"·": "-", "→": ">", "…": "~"})


@dataclass(frozen=True, slots=True)
class Publication:
    """The arguments of one Publish. Lists among the attributes are ``String.Array``."""

    subject: str
    message: str
    attributes: Mapping[str, str | tuple[str, ...]]

    @property
    def size_bytes(self) -> int:
        """What SNS counts: the message and every attribute's name, type and value; and the subject too."""
        parts = [self.subject, self.message]
        for name, value in self.attributes.items():
            parts += [name, *format_attribute(value)]
        return sum(len(part.encode()) for part in parts)


def format_attribute(value: str | tuple[str, ...]) -> tuple[str, str]:
    """An attribute's type and value as SNS wants them."""
    return ("String", value) if isinstance(value, str) else ("String.Array", json.dumps(value))


def build_publication(event: Event) -> Publication:
    """How an event is published: ``default`` is the CloudEvent, ``email`` a text for people."""
    story = build_content(event) if has_content(event["type"]) else None
    structure = {"default": json.dumps(event, separators=(",", ":"))}
    structure |= {"email": _email(story, event)} if story else {}
    return Publication(
        subject=_ascii(story.title if story else event["type"]),
        message=json.dumps(structure, separators=(",", ":")),
        attributes=_attributes(event),
    )


def _attributes(event: Event) -> dict[str, str | tuple[str, ...]]:
    data = event["data"]
    transitions = tuple(sorted({finding["transition"] for finding in data["findings"]}))
    return {
        "type": event["type"],
        "family": event["type"].split(".")[1],
        "severity": data["severity"],
        "vcenter": data["vcenter"],
        "cluster": _printable(data["cluster"]["id"]) if data["cluster"] else WHOLE_VCENTER,
        # An empty list is no attribute: whether SNS takes an empty array is nowhere documented.
        **({"transitions": transitions} if transitions else {}),
    }


def _email(story: MessageContent, event: Event) -> str:
    shown = story.items[:MAX_EMAIL_ITEMS]
    more = len(story.items) - len(shown) + story.unlisted
    lines = [story.title, "", *(f"- {item}" for item in shown)]
    lines += [f"- and {more} more"] if more else []
    lines += [*([""] if shown else []), *story.notes]
    lines += (
        [f"Next: {' '.join(filter(None, (story.next_step.text, story.next_step.command)))}"]
        if story.next_step
        else []
    )
    return "\n".join([*lines, "", " · ".join(story.facts), f"Record: {event['data']['record']}"])


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII)).encode("ascii", "replace").decode()
    # Some characters become a blank and a mark, and a subject must not begin with a blank.
    return plain.lstrip()[:MAX_SUBJECT_CHARACTERS]


def _printable(text: str) -> str:
    """An attribute's value may hold no character that XML 1.0 has no place for."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
