"""Which events one message tells: everything that is the same thing, however many clusters it happened on.

Longer than 250 lines, because what is one message, and what is said once in it, go by one description.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from esx_drift.domain.events import (
    MAINTENANCE_ENDED,
    OPENING_TRANSITIONS,
    Level,
    MessageContent,
    Moment,
    list_vanished,
)
from esx_drift.domain.stored.identifiers import make_thread_id
from esx_drift.domain.stored.types import Change, Event, EventData, Finding, Record, is_end, rank_severity
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import make_natural_key
from esx_drift.domain.text.wording import MINUTE_SECONDS, format_duration, format_elapsed, format_moment
from esx_drift.messages.content import (
    LATE_NOTE,
    STAYS_OPEN,
    WINDOW_NOTE,
    begin_title,
    build_fact,
    build_message,
)
from esx_drift.messages.event_lines import is_left_by_window, render_severity
from esx_drift.messages.message_data import MessageData, find_place, merge_data

MAX_GROUPS: Final = 5
"""Messages of one window to one route: a phone that rings more often is put on silent."""

MAX_STORM_GROUPS: Final = 2
STORM_EVENTS: Final = 20
"""Of more events than these in a batch, so many messages. A window comes as several batches where its events
are many or large (SQS hands over 6 MB at most), so that the bound must hold for small ones, too."""

CRITICAL_RANK: Final = rank_severity("critical")
_NONE_CLOSED: Final[Mapping[str, Record]] = MappingProxyType({})


class EventGroup(Struct, frozen=True):
    """The events that one message tells, the worst first, then by time."""

    events: tuple[Event, ...]


def group_events(events: Sequence[Event]) -> tuple[EventGroup, ...]:
    """Group the events of a window by what happened, the worst group first.

    The same transitions on many clusters are one thing; so is one kind of failure of one vCenter's clusters,
    and what began and ended on the same cluster. One thing is one group. Of more things than people can
    follow, what has something critical in it is one group, and the rest another. The order of ``events`` has
    no say.
    """
    things = list_things(sorted(events, key=_rank_event))
    if len(things) > (MAX_GROUPS if len(events) <= STORM_EVENTS else MAX_STORM_GROUPS):
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
    changes, moved = _select_items(event)
    yield describe_event(event)
    if _is_left(event):
        yield "window", event["data"]["check_id"]
    # What began and what ended on one cluster are one thing, if one is the end of the other.
    place = find_place(event["data"])
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


def _is_left(event: Event) -> bool:
    """Whether it says what maintenance leaves open that is over."""
    return event["type"] != MAINTENANCE_ENDED and any(map(is_left_by_window, event["data"]["findings"]))


def part_windows(events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Part what ends maintenance and what that leaves open on the same cluster from all other ``events``."""
    ended = {event["data"]["check_id"] for event in events if event["type"] == MAINTENANCE_ENDED}
    leaving = ended & {event["data"]["check_id"] for event in events if _is_left(event)}
    joined, others = list[Event](), list[Event]()
    for event in events:
        is_of_window = event["type"] == MAINTENANCE_ENDED or _is_left(event)
        is_joined = is_of_window and event["data"]["check_id"] in leaving
        (joined if is_joined else others).append(event)
    return joined, others


def _select_items(event: Event) -> tuple[list[Change], list[Finding]]:
    """Select the changes and transitions that people are told."""
    data = event["data"]
    findings = [finding for finding in data["findings"] if finding["transition"] != "still"]
    changes = [change for change in data["changes"] if "suppressed_by" not in change]
    return changes, [finding for finding in findings if "suppressed_by" not in finding]


def describe_event(event: Event) -> Hashable:
    """Describe what happened, but for where and when: equal for events that one line can tell."""
    changes, moved = _select_items(event)
    if changes:
        return event["type"], frozenset(map(_describe_change, _select_telling(changes)))
    whose = event["data"]["vcenter"] if ".failure." in event["type"] else ""
    return event["type"], whose, frozenset(map(_describe_finding, moved))


def _select_telling(changes: Sequence[Change]) -> list[Change]:
    """Select the changes by which a thing is known: a new base image brings others along."""
    images = [change for change in changes if change["element"] == "base_image"]
    critical = [change for change in changes if change["severity"] == "critical" and change not in images]
    return [*images, *critical] if images else [*changes]


def _describe_change(change: Change) -> Hashable:
    if change["element"] == "host":
        return "host", change["kind"]
    versions = change["from"], change["to"]
    what = change["element"], change["kind"], change["key"], *versions, change["alternative_image"]
    return *what, "put_back" in change


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


def build_group_content(
    events: Sequence[Event], now: datetime, closed_by: Mapping[str, Record] = _NONE_CLOSED
) -> MessageContent:
    """Build what one message says of events.

    Args:
        events: The events.
        now: When it is posted.
        closed_by: Of events that come late, by id, the record by which what began is no longer open.

    Raises:
        KeyError: People are not told of events of this type.
    """
    ranked = sorted(events, key=_rank_event)
    passed, lasting = _part_passed(ranked)
    joined, others = part_windows(lasting)
    windows = [event for event in joined if event["type"] == MAINTENANCE_ENDED]
    left = [event for event in joined if event["type"] != MAINTENANCE_ENDED]
    things = _list_alike([event for event in others if event["id"] not in closed_by], now)
    closed = _part_alike([event for event in others if event["id"] in closed_by])
    things += [
        _Thing.build_closed(alike, [closed_by[event["id"]] for event in alike], now) for alike in closed
    ]
    things += [_join_window(_list_alike(windows, now), _list_alike(left, now))] if left else []
    things += [_Thing.build_passed(began, ended, now) for began, ended in passed]
    lead, *more = sorted(things, key=lambda thing: _LEVELS.index(thing.content.level))
    content = _join_things(lead, more) if more else lead.content
    return replace(content, thread=_find_thread(ranked), event_type=ranked[0]["type"])


def _list_alike(events: Sequence[Event], now: datetime) -> list["_Thing"]:
    """List what ``events`` tell, the worst first: what is the same on several clusters is one thing."""
    things = [_Thing.build(alike[0]["type"], alike, now) for alike in _part_alike(events)]
    return sorted(things, key=lambda thing: _LEVELS.index(thing.content.level))


def _part_alike(events: Sequence[Event]) -> list[list[Event]]:
    """Part ``events`` by what they tell."""
    same: dict[Hashable, list[Event]] = {}
    for event in events:
        same.setdefault(describe_event(event), []).append(event)
    return [*same.values()]


def _join_window(windows: Sequence["_Thing"], left: Sequence["_Thing"]) -> "_Thing":
    """Join that maintenance is over and what it leaves open: the one explains the other."""
    (window,), (worst, *others) = windows, left
    content = _join_things(worst, others) if others else worst.content
    over = window.fact.partition(";")[0]
    # What a host is called is not changed.
    begun = (
        worst.fact.replace("orphaned", "Orphaned", 1) if worst.fact.startswith("orphaned ") else worst.fact
    )
    fact = f"{over}. {begun}"
    begin, title = content.title.split(worst.fact, 1)
    happened = [item for item in window.content.items if not item.startswith(STAYS_OPEN)]
    joined = replace(
        content,
        title=f"{begin}{fact}{title}",
        items=(*happened, *content.items),
        when=(*window.content.when, *((" ", *content.when) if content.when else ())),
        notes=tuple(note for note in content.notes if note != WINDOW_NOTE),
    )
    return _Thing(fact, joined, sum(thing.records for thing in (window, *left)))


def _find_thread(events: Sequence[Event]) -> str:
    """Find what messages about the worst finding of one cluster have in common; empty for several."""
    places = {find_place(event["data"]) for event in events}
    findings = sorted(
        (finding for event in events for finding in event["data"]["findings"]),
        key=lambda finding: (
            finding["transition"] == "still",
            -rank_severity(finding["severity"]),
            finding["fingerprint"],
        ),
    )
    if len(places) > 1 or not findings:
        return ""
    (place,) = places
    return make_thread_id(*place, findings[0]["fingerprint"])


LATE_AND_CLOSED: Final = "late, and no longer open"
"""What a title says of a beginning that is posted when its end may have been posted already."""

_LEVELS: Final[tuple[Level, ...]] = ("critical", "warning", "info", "over")


class _Thing(Struct, frozen=True):
    """One thing that a message tells: its fact, and what a message of its own would say."""

    fact: str
    content: MessageContent
    records: int

    @classmethod
    def build(cls, event_type: str, events: Sequence[Event], now: datetime) -> "_Thing":
        """Build it of events that tell the same."""
        data = _merge_events(events, now)
        return cls(build_fact(event_type, data), build_message(event_type, data), len(events))

    @classmethod
    def build_closed(cls, events: Sequence[Event], heads: Sequence[Record], now: datetime) -> "_Thing":
        """Build it of a beginning that comes late, and is no longer open by the records ``heads``.

        It stays as bad as it was: why it ended, says the message of its end, or its record.
        """
        event_type, data = events[0]["type"], _merge_events(events, now)
        said, content = build_fact(event_type, data), build_message(event_type, data)
        newest = max(heads, key=lambda head: head["checked_at"])
        found = format_elapsed(data["checked_at"], format_time(now))
        closed = f"{format_moment(newest['checked_at'])} UTC (record {newest['seq']})"
        fact = f"{LATE_AND_CLOSED}: {said}"
        title = content.title.replace(f"late: {said}", said).replace(said, fact, 1)
        late = f"{LATE_NOTE} it was found {found} ago, and was no longer open at {closed}."
        notes = (*(note for note in content.notes if not note.startswith(LATE_NOTE)), late)
        return cls(fact, replace(content, title=title, notes=notes), len(events))

    @classmethod
    def build_passed(cls, began: Event, ended: Event, now: datetime) -> "_Thing":
        """Build it of a beginning and its end."""
        begun, over = (merge_data([event["data"]], now) for event in (began, ended))
        time = _format_time_between(began, ended)
        fact = f"over again after {time}: {build_fact(began['type'], begun)}"
        content = build_message(ended["type"], over)
        title = f"{begin_title('over', over)}{fact[0].upper()}{fact[1:]}"
        ended_with, severity = render_severity(over), f"over (was {begun['severity']})"
        facts = tuple(severity if fact == ended_with else fact for fact in content.facts)
        items = build_message(began["type"], begun).items
        return cls(fact, replace(content, title=title, items=items, facts=facts), 2)


def _merge_events(events: Sequence[Event], now: datetime) -> MessageData:
    """Merge the data of ``events`` that tell the same, in the order in which people list clusters."""
    return merge_data(sorted((event["data"] for event in events), key=_rank_place), now)


def _rank_place(data: EventData) -> tuple[object, ...]:
    """Rank clusters as people list them."""
    name = data["cluster"]["name"] if data["cluster"] else ""
    return data["vcenter"], make_natural_key(name), find_place(data)[1] or "", data["checked_at"]


def _format_time_between(began: Event, ended: Event) -> str:
    since, until = (parse_time(event["data"]["checked_at"]) for event in (began, ended))
    seconds = (until - since).total_seconds()
    return f"{seconds:.0f} s" if seconds < MINUTE_SECONDS else format_duration(seconds)


def _join_things(lead: _Thing, others: Sequence[_Thing]) -> MessageContent:
    """Join several things into one message, which the worst of them leads."""
    contents = [lead.content, *(other.content for other in others)]
    items = [*lead.content.items]
    for other in others:
        items += [f"Also: {other.fact}", *(f"· {item}" for item in other.content.items)]
        items += [f"· {other.content.when_text}"] if _has_own_time(other, lead) else []
    records = sum(thing.records for thing in (lead, *others))
    # What is over is no further thing that is wrong.
    news = [other for other in others if other.content.level != "over" or lead.content.level == "over"]
    return replace(
        lead.content,
        title=f"{lead.content.title}{f', and {len(news)} more' if news else ''}",
        items=tuple(items),
        notes=tuple(dict.fromkeys(note for content in contents for note in content.notes)),
        # How much was seen is not said of one of them only.
        facts=(
            *(fact for fact in lead.content.facts if not fact.endswith("checked")),
            f"{records} records in all",
        ),
        unlisted=sum(content.unlisted for content in contents),
    )


def _has_own_time(thing: _Thing, lead: _Thing) -> bool:
    """Whether the time of the message, which is its ``lead``'s, is not that of the ``thing``."""
    own, said = (_list_times(each.content) for each in (thing, lead))
    return bool(own) and own != said


def _list_times(content: MessageContent) -> list[str]:
    return [part.time for part in content.when if isinstance(part, Moment)]


def _part_passed(events: Sequence[Event]) -> tuple[list[tuple[Event, Event]], list[Event]]:
    """Part beginnings whose end is among the events, each with its end, from what lasts."""
    lasting = sorted(events, key=lambda event: event["data"]["checked_at"])
    passed: list[tuple[Event, Event]] = []
    for began in [event for event in lasting if event["type"].endswith(".detected")]:
        ended = next((event for event in lasting if _is_end_of(event, began)), None)
        if ended is not None:
            passed.append((began, ended))
            lasting = [event for event in lasting if event not in (began, ended)]
    return passed, [event for event in events if event in lasting]


def _is_end_of(event: Event, began: Event) -> bool:
    """Whether an event tells the end of all that another began, and of nothing else."""
    # What is told at once may be hundreds of events, each held against each: what costs least is asked first.
    if not event["type"].endswith(".resolved") or find_place(event["data"]) != find_place(began["data"]):
        return False
    if list_vanished(event["data"]):
        return False  # It is evidence that has gone.
    if event["data"]["checked_at"] < began["data"]["checked_at"] or began["data"]["truncated"]:
        return False
    (changes, opened), (undone, resolved) = _select_items(began), _select_items(event)
    steps = {_describe_step(change, backwards=False) for change in changes}
    back = {_describe_step(change, backwards=True) for change in undone}
    fingerprints = {finding["fingerprint"] for finding in opened}
    return steps == back and fingerprints == {finding["fingerprint"] for finding in resolved}


def _describe_step(change: Change, *, backwards: bool) -> Hashable:
    """Describe from what to what hosts went; ``backwards``: what the step would be that this one undoes."""
    kind = change["kind"] if change["element"] in {"orphaned_vib", "host"} else ""
    versions = [kind and str(kind == "added"), change["from"], change["to"]]
    if backwards:
        versions = [kind and str(kind != "added"), change["to"], change["from"]]
    return change["element"], change["key"], change["alternative_image"], *versions, *change["hosts"]
