"""An event as something to tell a person: the same for every channel, before any channel's form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from esx_drift.domain.judging.findings import rank
from esx_drift.domain.shapes import Event, EventData, Finding
from esx_drift.domain.telling.change_lines import headline_of, lines_of, vib_headline_of
from esx_drift.domain.telling.finding_lines import (
    headline_on,
    line_on,
    over_headline_on,
    over_line_on,
)
from esx_drift.domain.telling.leading import Step, leading, step_of
from esx_drift.domain.telling.setting import also, facts, place, unlisted, unwatched, watched_again, when
from esx_drift.domain.telling.wording import counted, share


@dataclass(frozen=True, slots=True)
class Story:
    """What a message says. Names from outside may be anywhere in it: cleaned, but never to be read as markup.

    ``items`` are lines of a list, ``unlisted`` counts what the event itself had no room for.
    """

    title: str
    items: tuple[str, ...]
    says: tuple[str, ...]
    step: Step | None
    facts: tuple[str, ...]
    unlisted: int = 0


def is_told(event_type: str) -> bool:
    """Whether events of this type have a story."""
    return event_type in _STORIES


def story_of(event: Event) -> Story:
    """The story of an event; raises ``KeyError`` for a type that ``is_told`` does not know."""
    return _STORIES[event["type"]](event["data"])


def _detected(data: EventData) -> Story:
    news = _worst_first([finding for finding in data["findings"] if finding["transition"] in _NEWS])
    changes, at_least = data["changes"], data["truncated"]
    vibs = any(change["element"] == "orphaned_vib" for change in changes)
    headline = vib_headline_of if vibs else headline_of
    said = (
        headline(changes, data["coverage"], at_least=at_least) if changes else _counted_headline(news, data)
    )
    back = _is_put_back(data)
    said = over_headline_on(_unreviewed(data), data) if back else said
    critical = not back and any(item["severity"] == "critical" for item in (*changes, *news))
    lines = lines_of(changes, data["host_names"], data["coverage"])
    lines += [line_on(finding) for finding in news if not _is_said_by_changes(finding, data)]
    lines += [over_line_on(finding, data["checked_at"]) for finding in _ended(data, told_by_changes=False)]
    advice = leading(data, news)
    return Story(
        title=f"{'CRITICAL · ' if critical else ''}{place(data)}: {said}",
        items=tuple(lines),
        says=tuple(filter(None, (*_says(data, "" if back else advice.note, news), also(data)))),
        step=None if back else step_of(advice, data, news),
        facts=facts(data, over=back),
        unlisted=unlisted(data),
    )


def _resolved(data: EventData) -> Story:
    ended = _worst_first(_ended(data, told_by_changes=True))
    return Story(
        title=f"{place(data)}: {over_headline_on(ended, data) if ended else 'resolved'}",
        items=tuple(over_line_on(finding, data["checked_at"]) for finding in ended),
        says=tuple(filter(None, (when(data), watched_again(data), also(data)))),
        step=None,
        facts=facts(data),
        unlisted=unlisted(data),
    )


def _baseline(data: EventData) -> Story:
    coverage = data["coverage"]
    read = f", {share(coverage['covered'], coverage)} read" if coverage else ""
    return Story(
        title=f"{place(data)}: first look{read}",
        items=(),
        says=(
            "Saved as the first copy. From now on you hear only what changes.",
            "Nobody has vouched for what runs there yet.",
        ),
        step=Step("look over what runs and what was found:", "esx-drift status"),
        facts=facts(data),
    )


_NEWS: Final = ("opened", "raised")
_STORIES: Mapping[str, Callable[[EventData], Story]] = MappingProxyType(
    {
        "esx-drift.baseline.recorded": _baseline,
        **{f"esx-drift.{family}.detected": _detected for family in ("drift", "failure", "orphaned-vib")},
        **{f"esx-drift.{family}.resolved": _resolved for family in ("drift", "failure", "orphaned-vib")},
    }
)


def _worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: -rank(finding["severity"]))


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
        return headline_on(news, data)
    # Nothing of it had room in the event: the numbers are exact all the same.
    return f"{counted(data['totals']['changes'], 'change')}, {counted(data['totals']['findings'], 'finding')}"


def _says(data: EventData, note: str, news: list[Finding]) -> tuple[str, ...]:
    return (
        when(data),
        *unwatched(news),
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
