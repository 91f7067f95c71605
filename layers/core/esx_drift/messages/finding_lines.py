"""Findings as headlines and lines for a person."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

from esx_drift.domain.dispatching.overdue import NOW_KNOWN
from esx_drift.domain.findings.kinds import Advice
from esx_drift.domain.stored.types import EventData, Finding, Json
from esx_drift.domain.text.wording import (
    clean_text,
    end_sentence,
    format_count,
    format_duration,
    format_elapsed,
    format_share,
    list_host_names,
)
from esx_drift.messages.advice import find_advice

MAX_HEADLINE_KINDS: Final = 2
"""How many kinds a title names."""

_REASONS: Final[Mapping[str, str]] = {
    "reverted": "Put back after {time}",
    "removed": "Gone after {time}",
    "host-left": "Closed after {time}, since the host left",
    "accepted": "Closed after {time}, since it was accepted",
    "recovered": "Recovered after {time}",
    "retired": "Closed after {time}, since it is no longer watched",
}
_BY_ITSELF: Final = ("reverted", "removed", "recovered")


def render_headline(findings: Sequence[Finding], data: EventData) -> str:
    """Render what ``findings`` are, by kind: ``esx11 could not be read``; of what was raised, since when.

    ``data`` is that of their event, with its hosts' names and the time of the check.
    """
    headlines = [
        f"{_fill_in(advice.headline, group, data)}{_render_duration(group, data['checked_at'])}"
        for advice, group in _group_by_advice(findings, data)
    ]
    return _join(headlines)


def render_end_headline(findings: Sequence[Finding], data: EventData) -> str:
    """Render what has ended: ``reachable again after 47 min``; ``closed: …`` where a person decided so.

    ``findings`` are those that ended, and ``data`` is that of their event.
    """
    groups = _group_by_advice(findings, data)
    if any(finding["resolved_because"] not in _BY_ITSELF for finding in findings):
        return f"closed: {_join([_fill_in(advice.headline, group, data) for advice, group in groups])}"
    ends = _join([_fill_in(advice.end_headline, group, data) for advice, group in groups])
    times = {format_elapsed(finding["opened_at"], data["checked_at"]) for finding in findings}
    return f"{ends} after {times.pop()}" if len(times) == 1 else ends


def _fill_in(headline: str, findings: Sequence[Finding], data: EventData) -> str:
    return headline.format(**build_placeholders(findings, data))


def _render_duration(findings: Sequence[Finding], checked_at: str) -> str:
    """Render ``, for 3 d now`` for failures that were raised, since they have lasted too long."""
    if any(finding["family"] != "failure" or finding["transition"] != "raised" for finding in findings):
        return ""
    return f", for {format_elapsed(max(finding['opened_at'] for finding in findings), checked_at)} now"


def render_finding_line(finding: Finding) -> str:
    """Render its summary, and that it was raised if it was."""
    raised = f"Now {finding['severity']}: " if finding["transition"] == "raised" else ""
    return f"{raised}{end_sentence(finding['summary'])}"


def render_end_line(finding: Finding, checked_at: str) -> str:
    """Render why ``finding`` ended, after how long by ``checked_at``, and what it was."""
    because = finding["resolved_because"] or "recovered"
    is_uniform_again = finding["kind"] == "image-not-uniform" and because == "reverted"
    reason = "Uniform again after {time}" if is_uniform_again else _REASONS[because]
    time = format_elapsed(finding["opened_at"], checked_at)
    known = finding["detail"].get(NOW_KNOWN)
    ended = f"{reason.format(time=time)}." if known is None else f"Now known: {end_sentence(str(known))}"
    return f"{ended} It was: {end_sentence(finding['summary'])}"


def build_placeholders(findings: Sequence[Finding], data: EventData) -> dict[str, str]:
    """Build what the braces of an ``Advice`` stand for: words about ``findings`` and the event's ``data``."""
    names = [str(finding["detail"].get("name", finding["subject"])) for finding in findings]
    hosts = [host for finding in findings for host in finding["hosts"]]
    return {
        **build_host_placeholders(hosts, data),
        "clusters": clean_text(names[0]) if len(names) == 1 else format_count(len(names), "cluster"),
        "vibs": "orphaned VIB" if len(findings) == 1 else format_count(len(findings), "orphaned VIB"),
        "skew": _render_skew(findings[0]["detail"].get("skew_seconds")) if findings else "",
    }


def build_host_placeholders(hosts: Sequence[str], data: EventData) -> dict[str, str]:
    """Build the same for nothing but hosts, so without ``clusters``, ``vibs`` and ``skew``.

    ``hosts`` are given by id, several times if need be; ``data`` is the event's, with their names.
    """
    cluster, coverage, vcenter = data["cluster"], data["coverage"], clean_text(data["vcenter"])
    place = clean_text(cluster["name"] or cluster["id"]) if cluster else vcenter
    names = list_host_names(list(dict.fromkeys(hosts)), data["host_names"])
    only = names[0] if len(names) == 1 else None
    return {
        "vcenter": vcenter,
        "cluster": place,
        "hosts": only or format_share(len(names), coverage["hosts"] if coverage else None),
        "scope": only or place,
        "first": names[0] if names else "the host",
    }


def _render_skew(seconds: Json) -> str:
    """``7 min ahead of``, ``7 min behind``; a positive number: the vCenter is ahead."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
        return "not the same as"
    return f"{format_duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _group_by_advice(findings: Sequence[Finding], data: EventData) -> list[tuple[Advice, list[Finding]]]:
    groups: dict[Advice, list[Finding]] = {}
    for finding in findings:
        advice = find_advice(finding, of_cluster=data["cluster"] is not None)
        groups.setdefault(advice, []).append(finding)
    return list(groups.items())


def _join(headlines: Sequence[str]) -> str:
    rest = len(headlines) - MAX_HEADLINE_KINDS
    more = f" and {format_count(rest, 'more kind')}" if rest > 0 else ""
    return f"{'; '.join(headlines[:MAX_HEADLINE_KINDS])}{more}"
