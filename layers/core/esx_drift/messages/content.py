"""An event as something to tell a person: the same for every channel, before any channel's form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from esx_drift.domain.stored.types import Event, EventData, Finding, rank_severity
from esx_drift.domain.text.wording import format_count, format_share
from esx_drift.messages.change_lines import render_change_headline, render_change_lines, render_vib_headline
from esx_drift.messages.context_lines import (
    count_unlisted,
    render_facts,
    render_place,
    render_still_open,
    render_unwatched,
    render_watched_again,
    render_when,
)
from esx_drift.messages.finding_lines import (
    render_end_headline,
    render_end_line,
    render_finding_line,
    render_headline,
)
from esx_drift.messages.next_action import NextStep, build_next_step, choose_advice


@dataclass(frozen=True, slots=True)
class MessageContent:
    """What a message says. Names from outside may be anywhere in it: cleaned, but never to be read as markup.

    ``items`` are lines of a list, ``unlisted`` counts what the event itself had no room for.
    """

    title: str
    items: tuple[str, ...]
    notes: tuple[str, ...]
    next_step: NextStep | None
    facts: tuple[str, ...]
    unlisted: int = 0


def has_content(event_type: str) -> bool:
    """Whether events of this type have a story."""
    return event_type in _STORIES


def build_content(event: Event) -> MessageContent:
    """The story of an event; raises ``KeyError`` for a type that ``is_told`` does not know."""
    return _STORIES[event["type"]](event["data"])


def _detected(data: EventData) -> MessageContent:
    news = _worst_first([finding for finding in data["findings"] if finding["transition"] in _NEWS])
    changes, at_least = data["changes"], data["truncated"]
    vibs = any(change["element"] == "orphaned_vib" for change in changes)
    headline = render_vib_headline if vibs else render_change_headline
    said = (
        headline(changes, data["coverage"], at_least=at_least) if changes else _counted_headline(news, data)
    )
    back = _is_put_back(data)
    said = render_end_headline(_unreviewed(data), data) if back else said
    critical = not back and any(item["severity"] == "critical" for item in (*changes, *news))
    lines = render_change_lines(changes, data["host_names"], data["coverage"])
    lines += [render_finding_line(finding) for finding in news if not _is_said_by_changes(finding, data)]
    lines += [render_end_line(finding, data["checked_at"]) for finding in _ended(data, told_by_changes=False)]
    advice = choose_advice(data, news)
    return MessageContent(
        title=f"{'CRITICAL · ' if critical else ''}{render_place(data)}: {said}",
        items=tuple(lines),
        notes=tuple(filter(None, (*_says(data, "" if back else advice.note, news), render_still_open(data)))),
        next_step=None if back else build_next_step(advice, data, news),
        facts=render_facts(data, over=back),
        unlisted=count_unlisted(data),
    )


def _resolved(data: EventData) -> MessageContent:
    ended = _worst_first(_ended(data, told_by_changes=True))
    return MessageContent(
        title=f"{render_place(data)}: {render_end_headline(ended, data) if ended else 'resolved'}",
        items=tuple(render_end_line(finding, data["checked_at"]) for finding in ended),
        notes=tuple(filter(None, (render_when(data), render_watched_again(data), render_still_open(data)))),
        next_step=None,
        facts=render_facts(data),
        unlisted=count_unlisted(data),
    )


def _baseline(data: EventData) -> MessageContent:
    coverage = data["coverage"]
    read = f", {format_share(coverage['covered'], coverage)} read" if coverage else ""
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


_NEWS: Final = ("opened", "raised")
_STORIES: Mapping[str, Callable[[EventData], MessageContent]] = MappingProxyType(
    {
        "esx-drift.baseline.recorded": _baseline,
        **{f"esx-drift.{family}.detected": _detected for family in ("drift", "failure", "orphaned-vib")},
        **{f"esx-drift.{family}.resolved": _resolved for family in ("drift", "failure", "orphaned-vib")},
    }
)


def _worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: -rank_severity(finding["severity"]))


def _ended(data: EventData, *, told_by_changes: bool) -> list[Finding]:
    ended = [finding for finding in data["findings"] if finding["transition"] == "resolved"]
    return [finding for finding in ended if told_by_changes or not _is_said_by_changes(finding, data)]


def _is_said_by_changes(finding: Finding, data: EventData) -> bool:
    """The change itself says it better: a VIB's coming and going, and that something differs."""
    if finding["kind"] == "drift-unreviewed":
        return bool(data["changes"]) and (finding["transition"] == "opened" or _is_put_back(data))
    return any(change["key"] == finding["subject"] for change in data["changes"])


def _counted_headline(news: list[Finding], data: EventData) -> str:
    if news:
        return render_headline(news, data)
    # Nothing of it had room in the event: the numbers are exact all the same.
    return f"{format_count(data['totals']['changes'], 'change')}, {format_count(data['totals']['findings'], 'finding')}"


def _says(data: EventData, note: str, news: list[Finding]) -> tuple[str, ...]:
    return (
        render_when(data),
        *render_unwatched(news),
        note,
        _stays_open(data),
    )


def _unreviewed(data: EventData) -> list[Finding]:
    """What is, or was, not as a person last accepted it."""
    return [one for one in data["findings"] if one["kind"] == "drift-unreviewed"]


def _stays_open(data: EventData) -> str:
    open_still = any(one["transition"] != "resolved" for one in _unreviewed(data))
    return "Stays open until it is put back or accepted." if data["changes"] and open_still else ""


def _is_put_back(data: EventData) -> bool:
    """Whether the change only brought back what was accepted: said as such, and nothing is left to do."""
    return (
        bool(data["changes"])
        and [one["transition"] for one in _unreviewed(data)] == ["resolved"]
        and all(one["transition"] in {"resolved", "still"} for one in data["findings"])
    )
