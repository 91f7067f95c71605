"""What SNS is given of an event: the message for machines and for e-mail, its subject, its attributes."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast

from esx_drift.domain.stored.types import Event, EventData, Json
from esx_drift.messages.content import MessageContent, build_content, has_content

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


MAX_PUBLISH_BYTES = 240_000
"""For the whole Publish. SNS takes 262,144 (https://docs.aws.amazon.com/general/latest/gr/sns.html)."""


MAX_NAME_LENGTH = 200
"""vSphere allows 80 characters for a name (the API's inventory objects); longer ones are an attack."""


def clip_name(text: str) -> str:
    """A name or an id cut to ``MAX_NAME`` characters, so that what can't be cut later is small."""
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 1]}…"


def fit_event(event: Event) -> Event:
    """The event itself if it fits, else one whose lists are cut to the greatest length that does."""
    if _fits(event):
        return event
    for detailed in (True, False):
        cut = _longest_that_fits(event, detailed=detailed)
        if cut is not None:
            return cut
    return _cut(event, 0, detailed=False)


def _fits(event: Event) -> bool:
    return build_publication(event).size_bytes < MAX_PUBLISH_BYTES


def _longest_that_fits(event: Event, *, detailed: bool) -> Event | None:
    """By bisection: the greatest length from 1 on at which every list may be kept."""
    best, low, high = None, 1, _longest(cast("Json", event["data"]))
    while low <= high:
        middle = (low + high) // 2
        tried = _cut(event, middle, detailed=detailed)
        if _fits(tried):
            best, low = tried, middle + 1
        else:
            high = middle - 1
    return best


def _longest(value: Json) -> int:
    if isinstance(value, dict):
        return max(len(value), *map(_longest, value.values())) if value else 0
    if isinstance(value, list):
        return max(len(value), *map(_longest, value)) if value else 0
    return 0


def _cut(event: Event, most: int, *, detailed: bool) -> Event:
    data = event["data"]
    cut: EventData = {
        **data,
        "changes": [
            {
                **change,
                "hosts": change["hosts"][:most],
                "detail": _cut_detail(change["detail"], most) if detailed and change["detail"] else None,
            }
            for change in data["changes"][:most]
        ],
        "findings": [
            {
                **finding,
                "hosts": finding["hosts"][:most],
                "detail": _cut_detail(finding["detail"], most) if detailed else {},
            }
            for finding in data["findings"][:most]
        ],
        "host_names": dict(islice(data["host_names"].items(), most)),
        "truncated": True,
    }
    return {**event, "data": cut}


def _cut_detail(detail: Mapping[str, Json], most: int) -> dict[str, Json]:
    return {key: _cut_json(value, most) for key, value in islice(detail.items(), most)}


def _cut_json(value: Json, most: int) -> Json:
    if isinstance(value, dict):
        return {key: _cut_json(item, most) for key, item in islice(value.items(), most)}
    if isinstance(value, list):
        return [_cut_json(item, most) for item in value[:most]]
    return value
