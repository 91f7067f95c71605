"""An event as something to tell a person: the same for every channel, before any channel's form.

Longer than 250 lines, because each type of event has its builder here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

from esx_drift.domain.events import (
    BASELINE_RECORDED,
    FAMILIES,
    MAINTENANCE_ENDED,
    OPENING_TRANSITIONS,
    MessageContent,
    NextStep,
)
from esx_drift.domain.stored.types import (
    Change,
    EndedWindow,
    Event,
    EventData,
    Finding,
    Json,
    rank_severity,
)
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_share,
    join_names,
    name_element,
)
from esx_drift.messages.change_lines import (
    render_change_headline,
    render_change_lines,
    render_put_back_headline,
    render_vib_headline,
)
from esx_drift.messages.event_lines import (
    count_unlisted,
    render_end_headline,
    render_end_line,
    render_facts,
    render_finding_line,
    render_headline,
    render_place,
    render_still_open,
    render_unwatched,
    render_watched_again,
    render_when,
)
from esx_drift.messages.next_action import build_next_step, choose_advice
from esx_drift.messages.report_lines import REPORT_BUILDERS


def has_content(event_type: str) -> bool:
    """Whether events of this type have words for people."""
    return event_type in _BUILDERS


def is_for_chat(event_type: str) -> bool:
    """Whether events of this type are posted. First copies are told once of the fleet, by a report."""
    return has_content(event_type) and event_type != BASELINE_RECORDED


def build_content(event: Event) -> MessageContent:
    """Build what a message says of an event.

    Raises:
        KeyError: People are not told of events of this type.
    """
    return _BUILDERS[event["type"]](event["data"])


def _build_detected(data: EventData) -> MessageContent:
    news = _sort_worst_first(
        [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    )
    begun: EventData = {**data, "changes": [change for change in data["changes"] if "put_back" not in change]}
    # Of what the event had no room for, its severity is left.
    is_critical = any(item["severity"] == "critical" for item in (*begun["changes"], *news)) or (
        data["truncated"] and data["severity"] == "critical"
    )
    advice = choose_advice(begun, news)
    notes = (render_when(data), *render_unwatched(news), advice.note, _render_stays_open(data))
    return MessageContent(
        title=f"{'CRITICAL · ' if is_critical else ''}{render_place(data)}: "
        + _render_detected_headline(begun, news),
        items=tuple(_list_detected_items(begun, data, news)),
        notes=tuple(filter(None, (*notes, render_still_open(data)))),
        next_step=build_next_step(advice, begun, news),
        facts=render_facts(data),
        unlisted=count_unlisted(data),
    )


def _render_detected_headline(data: EventData, news: list[Finding]) -> str:
    changes, at_least = data["changes"], data["truncated"]
    if any(change["element"] == "orphaned_vib" for change in changes):
        return render_vib_headline(changes, data["coverage"], at_least=at_least)
    if changes:
        return render_change_headline(changes, data["host_names"], data["coverage"], at_least=at_least)
    if news:
        return render_headline(news, data)
    # Nothing of it had room in the event: the numbers are exact all the same.
    totals = data["totals"]
    return f"{format_count(totals['changes'], 'change')}, {format_count(totals['findings'], 'finding')}"


def _list_detected_items(begun: EventData, data: EventData, news: list[Finding]) -> list[str]:
    """List what began first, then what was put back, and what has ended."""
    put_back = [change for change in data["changes"] if "put_back" in change]
    return [
        *render_change_lines(begun["changes"], data["host_names"], data["coverage"]),
        *(render_finding_line(finding) for finding in news if not _is_said_by_changes(finding, data)),
        *(
            f"Put back: {line}"
            for line in render_change_lines(put_back, data["host_names"], data["coverage"])
        ),
        *_list_end_lines(data),
    ]


def _build_resolved(data: EventData) -> MessageContent:
    changes = data["changes"]
    removed_vibs = [change for change in changes if change["element"] == "orphaned_vib"]
    notes = (render_when(data), render_watched_again(data), render_still_open(data))
    return MessageContent(
        title=f"{render_place(data)}: {_render_resolved_headline(data, removed_vibs)}",
        items=(
            *render_change_lines(changes, data["host_names"], data["coverage"]),
            *_list_end_lines(data),
        ),
        notes=tuple(filter(None, notes)),
        next_step=build_next_step(choose_advice(data, ()), data, ()) if removed_vibs else None,
        facts=render_facts(data),
        unlisted=count_unlisted(data),
    )


def _render_resolved_headline(data: EventData, removed_vibs: list[Change]) -> str:
    if removed_vibs:
        return render_vib_headline(removed_vibs, data["coverage"], at_least=data["truncated"])
    ended, unreviewed = _sort_worst_first(_list_ended(data)), _list_unreviewed(data)
    if data["changes"]:
        ended = [finding for finding in ended if finding in unreviewed]
        if not ended:
            still = {host for finding in unreviewed for host in finding["hosts"]}
            return render_put_back_headline(data["changes"], data["host_names"], data["coverage"], still)
    return render_end_headline(ended, data) if ended else "resolved"


def _list_end_lines(data: EventData) -> list[str]:
    ended = _sort_worst_first(_list_ended(data))
    return [
        render_end_line(finding, data["checked_at"])
        for finding in ended
        if not _is_said_by_changes(finding, data)
    ]


def _build_baseline(data: EventData) -> MessageContent:
    coverage = data["coverage"]
    read = f", {format_share(coverage['covered'], coverage['hosts'])} read" if coverage else ""
    return MessageContent(
        title=f"{render_place(data)}: first look{read}",
        items=(),
        notes=(
            "Saved as the first copy. From now on you hear only what changes.",
            "Nobody has vouched for what runs there yet.",
        ),
        next_step=NextStep("look over what runs and what was found:", "esx-drift status"),
        facts=render_facts(data),
    )


def _build_maintenance_ended(data: EventData) -> MessageContent:
    windows = cast("list[EndedWindow]", data.get("report", {})["windows"])
    names = join_names([f"{window['name']} ({clean_text(window['reason'])})" for window in windows])
    return MessageContent(
        title=f"{render_place(data)}: maintenance is over",
        items=tuple(line for window in windows for line in _list_ended_lines(window)),
        notes=(f"It was {names}.",),
        next_step=None,
        facts=render_facts(data),
    )


def _list_ended_lines(window: EndedWindow) -> Iterator[str]:
    """List what a window hid, how much of that was accepted, and what is still open."""
    for element, number in window["changes"].items():
        yield f"not told: {format_count(number, 'change')} of {name_element(element)}"
    for kind, number in window["findings"].items():
        yield f"not told: {number} of {kind}"
    if window["accept"]:
        yield f"accepted: {format_count(window['accepted_total'], 'host')}"
    for finding in window["still_open"]:
        yield f"still open: {clean_text(finding['summary'])}"
    if (more := window["still_open_total"] - len(window["still_open"])) > 0:
        yield f"still open: {more} more"


_BUILDERS: Final[Mapping[str, Callable[[EventData], MessageContent]]] = MappingProxyType(
    {
        BASELINE_RECORDED: _build_baseline,
        **REPORT_BUILDERS,
        MAINTENANCE_ENDED: _build_maintenance_ended,
        **{f"esx-drift.{family}.detected": _build_detected for family in FAMILIES},
        **{f"esx-drift.{family}.resolved": _build_resolved for family in FAMILIES},
    }
)


def _sort_worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: -rank_severity(finding["severity"]))


def _list_ended(data: EventData) -> list[Finding]:
    return [finding for finding in data["findings"] if finding["transition"] == "resolved"]


def _list_unreviewed(data: EventData) -> list[Finding]:
    """List what is, or was, not as a person last accepted it."""
    return [finding for finding in data["findings"] if finding["kind"] == "drift-unreviewed"]


def _is_said_by_changes(finding: Finding, data: EventData) -> bool:
    """Whether a change itself says it better: a VIB's coming and going, or that something differs (again)."""
    if finding["kind"] == "drift-unreviewed":
        is_put_back = any("put_back" in change for change in data["changes"])
        return is_put_back if finding["transition"] == "resolved" else bool(data["changes"])
    return any(change["key"] == finding["subject"] for change in data["changes"])


def _render_stays_open(data: EventData) -> str:
    is_open = any(finding["transition"] != "resolved" for finding in _list_unreviewed(data))
    return "Stays open until it is put back or accepted." if data["changes"] and is_open else ""


DRILL_TEXT: Final = (
    "Drill: esx-drift can post here by its route {route}. Nothing happened, and nothing is to be done."
)


def render_fitting(
    render: Callable[[MessageContent, int], dict[str, Json]],
    content: MessageContent,
    max_items: int,
    max_characters: int,
) -> dict[str, Json]:
    """Render as many items as a payload has room for.

    Args:
        render: Renders a content with its first so many items.
        content: The content.
        max_items: How many a message lists at most.
        max_characters: Of the whole payload as JSON.
    """
    payloads = (render(content, shown) for shown in range(min(max_items, len(content.items)), 0, -1))
    fitting = (payload for payload in payloads if len(json.dumps(payload)) <= max_characters)
    return next(fitting, None) or render(content, 0)


def list_lines(content: MessageContent, shown: int) -> list[str]:
    """List the first ``shown`` items of ``content``, and how many more there are."""
    more = len(content.items) - shown + content.unlisted
    return [*content.items[:shown], *([f"and {more} more"] if more else [])]
