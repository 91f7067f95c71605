"""Which events one message tells: everything that is the same thing, however many clusters it happened on."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from esx_drift.domain.events import OPENING_TRANSITIONS, MessageContent
from esx_drift.domain.stored.types import Change, Event, Finding, is_end, rank_severity
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import build_content

MAX_GROUPS: Final = 2
"""Messages of one window to one route: a phone that rings more often is put on silent."""

CRITICAL_RANK: Final = rank_severity("critical")


@dataclass(frozen=True, slots=True)
class EventGroup:
    """The events that one message tells, the worst first, then by time."""

    events: tuple[Event, ...]


def group_events(events: Sequence[Event]) -> tuple[EventGroup, ...]:
    """Group the events of a window by what happened, the worst group first.

    The same transitions on many clusters are one thing; so is one kind of failure of one vCenter's clusters,
    and what began and ended on the same cluster. One thing is one group, and two things are two. Of more,
    what has something critical in it is one group, and the rest another. The order of ``events`` has no say.
    """
    things = list_things(sorted(events, key=_rank_event))
    if len(things) > MAX_GROUPS:
        critical = [thing for thing in things if rank_thing(thing) == CRITICAL_RANK]
        others = [thing for thing in things if rank_thing(thing) < CRITICAL_RANK]
        parts = [[event for thing in part for event in thing] for part in (critical, others)]
        things = [sorted(part, key=_rank_event) for part in parts if part]
    return tuple(EventGroup(tuple(thing)) for thing in things)


def list_things(events: Sequence[Event]) -> list[list[Event]]:
    """Sort ``events`` into things that happened, in the order in which their first events stand."""
    things, first_with = [*range(len(events))], dict[Hashable, int]()
    for number, event in enumerate(events):
        for mark in _list_marks(event):
            one, other = _find_thing(things, first_with.setdefault(mark, number)), _find_thing(things, number)
            things[max(one, other)] = min(one, other)
    grouped: dict[int, list[Event]] = {}
    for number, event in enumerate(events):
        grouped.setdefault(_find_thing(things, number), []).append(event)
    return [*grouped.values()]


def _find_thing(things: list[int], number: int) -> int:
    """Find the first event of the thing that event ``number`` belongs to, and shorten the way to it."""
    while things[number] != number:
        things[number] = things[things[number]]
        number = things[number]
    return number


def _list_marks(event: Event) -> Iterator[Hashable]:
    """List what an event has in common with those that tell the same thing."""
    data = event["data"]
    family = event["type"].split(".")[1]
    place = data["vcenter"], data["cluster"]["id"] if data["cluster"] else None
    moved = [finding for finding in data["findings"] if finding["transition"] != "still"]
    moved = [finding for finding in moved if "suppressed_by" not in finding]
    changes = [change for change in data["changes"] if "suppressed_by" not in change]
    if changes:
        yield family, frozenset(map(_describe_change, _select_telling(changes)))
    else:
        whose = data["vcenter"] if family == "failure" else ""
        yield family, whose, frozenset(map(_describe_finding, moved))
    # What began and what ended on one cluster are one thing, if one is the end of the other.
    yield from ((*place, finding["fingerprint"]) for finding in moved)
    for change in changes:
        versions = frozenset((change["from"], change["to"]))
        yield (
            *place,
            change["element"],
            change["key"],
            change["alternative_image"],
            versions,
            *change["hosts"],
        )


def _select_telling(changes: Sequence[Change]) -> list[Change]:
    """Select the changes by which a thing is known: a new base image brings others along."""
    images = [change for change in changes if change["element"] == "base_image"]
    critical = [change for change in changes if change["severity"] == "critical" and change not in images]
    return [*images, *critical] if images else [*changes]


def _describe_change(change: Change) -> Hashable:
    if change["element"] == "host":
        return "host", change["kind"]
    versions = change["from"], change["to"]
    return change["element"], change["kind"], change["key"], *versions, change["alternative_image"]


def _describe_finding(finding: Finding) -> Hashable:
    subject = finding["subject"] if finding["family"] == "orphaned-vib" else ""
    return finding["kind"], subject, finding["transition"] == "resolved", finding["resolved_because"]


def rank_thing(events: Sequence[Event]) -> int:
    """Rank a thing by the worst that began in its ``events``; ends count for nothing."""
    return max(map(_rank_beginning, events))


def _rank_beginning(event: Event) -> int:
    data = event["data"]
    findings = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    items = [*(change for change in data["changes"] if not is_end(change)), *findings]
    begun = [item["severity"] for item in items if "suppressed_by" not in item]
    # Of what the event had no room for, its severity is left.
    begun += [data["severity"]] if data["truncated"] else []
    return max(map(rank_severity, begun), default=0)


def _rank_event(event: Event) -> tuple[int, str, str, str]:
    """Rank by how bad it is, then by time; what is left is the same for equal events only."""
    return -_rank_beginning(event), event["data"]["checked_at"], event["id"], repr(event)


def build_group_content(events: Sequence[Event], now: datetime) -> MessageContent:
    """Build what one message says of ``events``, posted at ``now``.

    Raises:
        KeyError: People are not told of events of this type.
    """
    contents = [build_content(event) for event in events]
    if len(contents) == 1:
        return contents[0]
    late = f"Told at {format_time(now)}."
    titles = tuple(content.title for content in contents)
    title = f"{titles[0]}, and {len(titles) - 1} more"
    return replace(contents[0], title=title, items=titles, notes=(late,), next_step=None)
