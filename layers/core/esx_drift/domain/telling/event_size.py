"""Making an event small enough for SNS: the longest lists are cut first, the totals stay exact."""

from collections.abc import Mapping
from itertools import islice
from typing import cast

from esx_drift.domain.shapes import Event, EventData, Json
from esx_drift.domain.telling.publication import build_publication

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
