"""What SNS is given of an event: the message for machines and for e-mail, its subject, its attributes."""

import json
import unicodedata
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final, cast

from esx_drift.domain.events import MessageContent, Publication, build_events
from esx_drift.domain.stored.types import Event, EventData, Json, Record
from esx_drift.domain.text.wording import cut_text

MAX_SUBJECT_CHARACTERS: Final = 99
"""ASCII, fewer than 100 (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)."""

MAX_EMAIL_ITEMS: Final = 20

MAX_PUBLISH_BYTES: Final = 240_000
"""For the whole Publish. SNS takes 262,144 (https://docs.aws.amazon.com/general/latest/gr/sns.html)."""

MAX_CUT_CHARACTERS: Final = 1_000
"""Of each text in an event that would be too large: more than a message shows of any."""

MIN_CHANGE_BYTES: Final = 100
"""What a change or a finding takes at least: the names of its fields alone are more."""

_NAMES: Final = ("host_names", "release_names")

WHOLE_VCENTER: Final = "-"
"""The attribute ``cluster`` of an event that is about no cluster."""

WHOLE_FLEET: Final = "-"
"""The attribute ``vcenter`` of a report that is about more than one."""

_ASCII: Final = str.maketrans({"·": "-", "→": ">", "…": "~", "—": "-", "“": '"', "”": '"'})


def build_publication(event: Event) -> Publication:
    """Build what is published of an event: ``default`` is the CloudEvent, ``email`` a text for people."""
    # Imported late: a check that has nothing to publish, as most, must not pay for the words.
    from esx_drift.messages.content import build_content, has_content  # noqa: PLC0415  # see the line above

    content = build_content(event) if has_content(event["type"]) else None
    structure = {"default": json.dumps(event, separators=(",", ":"))}
    structure |= {"email": _render_email(content)} if content else {}
    return Publication(
        subject=_format_subject(content.title if content else event["type"]),
        message=json.dumps(structure, separators=(",", ":")),
        attributes=_build_attributes(event),
    )


def _build_attributes(event: Event) -> dict[str, str | tuple[str, ...]]:
    data = event["data"]
    transitions = tuple(sorted({finding["transition"] for finding in data["findings"]}))
    return {
        "type": event["type"],
        "family": event["type"].split(".")[1],
        "severity": data["severity"],
        "vcenter": data["vcenter"] or WHOLE_FLEET,
        "cluster": _replace_unprintable(data["cluster"]["id"]) if data["cluster"] else WHOLE_VCENTER,
        # An empty list is no attribute: whether SNS takes an empty array is nowhere documented.
        **({"transitions": transitions} if transitions else {}),
    }


def _render_email(content: MessageContent) -> str:
    items = content.items[:MAX_EMAIL_ITEMS]
    more = len(content.items) - len(items) + content.unlisted
    lines = [content.title, "", *(f"- {item}" for item in items)]
    lines += [f"- and {more} more"] if more else []
    lines += [*([""] if items else []), *filter(None, (content.when_text, *content.notes))]
    step = content.next_step
    lines += [f"Next: {' '.join((step.text, *step.commands[:1]))}", *step.more] if step else []
    return "\n".join([*lines, "", " · ".join(content.facts)])


def _format_subject(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII)).encode("ascii", "replace").decode()
    # Some characters become a blank and a mark, and a subject must not begin with a blank.
    return plain.lstrip()[:MAX_SUBJECT_CHARACTERS]


def _replace_unprintable(text: str) -> str:
    """Replace what XML 1.0 has no place for: an attribute's value may not hold it."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def build_publishable_events(
    record: Record,
    address: str,
    since: str | None,
    host_names: Mapping[str, str],
    release_names: Mapping[str, str] = MappingProxyType({}),
) -> list[Event]:
    """Build the events of a record, each small enough for SNS.

    Args:
        record: The record, complete but for its events.
        address: The ``s3://`` address under which the record will lie.
        since: The time of the look before, as text; None if there was none.
        host_names: The names of the cluster's hosts by id; those that an event mentions go into it.
        release_names: The same for releases of ESXi, by version.
    """
    return [fit_event(event) for event in build_events(record, address, since, host_names, release_names)]


def fit_event(event: Event) -> Event:
    """Fit an event into one Publish.

    Its texts are cut first, so that a single long one costs no other change its place; then its lists, to the
    greatest length at which it fits.
    """
    if _is_small_enough(event):
        return event
    event = _cut_texts(event)
    if _is_small_enough(event):
        return event
    return (
        _find_longest_that_fits(event, detailed=True)
        or _find_longest_that_fits(event, detailed=False)
        or _cut_event(event, 0, detailed=False)
    )


def _is_small_enough(event: Event) -> bool:
    """Whether the event fits; one of many thousand changes is not even written to be measured."""
    data = event["data"]
    if (len(data["changes"]) + len(data["findings"])) * MIN_CHANGE_BYTES >= MAX_PUBLISH_BYTES:
        return False
    return build_publication(event).size_bytes < MAX_PUBLISH_BYTES


def _find_longest_that_fits(event: Event, *, detailed: bool) -> Event | None:
    """Find the event with every list cut to the greatest length that fits, by bisection from 1 on."""
    best, low, high = None, 1, _measure_longest(cast("Json", event["data"]))
    while low <= high:
        middle = (low + high) // 2
        shortened = _cut_event(event, middle, detailed=detailed)
        if _is_small_enough(shortened):
            best, low = shortened, middle + 1
        else:
            high = middle - 1
    return best


def _measure_longest(value: Json) -> int:
    if isinstance(value, dict):
        return max(len(value), *map(_measure_longest, value.values())) if value else 0
    if isinstance(value, list):
        return max(len(value), *map(_measure_longest, value)) if value else 0
    return 0


def _cut_texts(event: Event) -> Event:
    data = event["data"]
    long = {name: data.get(name, {}) for name in ("changes", "findings", *_NAMES) if name in data}
    cut = cast("EventData", _cut_json_texts(cast("Json", long)))
    return {**event, "data": {**data, **cut, "truncated": True}}


def _cut_json_texts(value: Json) -> Json:
    if isinstance(value, dict):
        return {cut_text(key, MAX_CUT_CHARACTERS): _cut_json_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_json_texts(item) for item in value]
    return cut_text(value, MAX_CUT_CHARACTERS) if isinstance(value, str) else value


def _cut_event(event: Event, most: int, *, detailed: bool) -> Event:
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
        "truncated": True,
    }
    names = {name: dict(islice(data.get(name, {}).items(), most)) for name in _NAMES if name in data}
    return {**event, "data": cast("EventData", {**cut, **names})}


def _cut_detail(detail: Mapping[str, Json], most: int) -> dict[str, Json]:
    return {key: _cut_json(value, most) for key, value in islice(detail.items(), most)}


def _cut_json(value: Json, most: int) -> Json:
    if isinstance(value, dict):
        return {key: _cut_json(item, most) for key, item in islice(value.items(), most)}
    if isinstance(value, list):
        return [_cut_json(item, most) for item in value[:most]]
    return value
