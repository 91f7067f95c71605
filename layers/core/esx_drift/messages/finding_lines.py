"""Findings as headlines and lines for a person."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

from esx_drift.domain.findings.kind_entry import Advice
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

MAX_HEADLINE_KINDS = 2
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
    """What the findings are, by kind: ``esx11 could not be read``; of what was raised, since when."""
    return _joined(
        [
            f"{advice.headline.format(**build_placeholders(of, data))}{_for_long(of, data['checked_at'])}"
            for advice, of in _by_advice(findings, data)
        ]
    )


def render_end_headline(findings: Sequence[Finding], data: EventData) -> str:
    """What has ended: ``reachable again after 47 min``; ``closed: …`` where it ended by a decision."""
    if any(finding["resolved_because"] not in _BY_ITSELF for finding in findings):
        said = [
            advice.headline.format(**build_placeholders(of, data))
            for advice, of in _by_advice(findings, data)
        ]
        return f"closed: {_joined(said)}"
    said = [
        advice.end_headline.format(**build_placeholders(of, data))
        for advice, of in _by_advice(findings, data)
    ]
    times = {format_elapsed(finding["opened_at"], data["checked_at"]) for finding in findings}
    return f"{_joined(said)} after {times.pop()}" if len(times) == 1 else _joined(said)


def _for_long(findings: Sequence[Finding], checked_at: str) -> str:
    """A failure is raised when it has lasted too long."""
    if any(one["family"] != "failure" or one["transition"] != "raised" for one in findings):
        return ""
    return f", for {format_elapsed(max(one['opened_at'] for one in findings), checked_at)} now"


def render_finding_line(finding: Finding) -> str:
    """Its summary, and that it was raised if it was."""
    raised = f"Now {finding['severity']}: " if finding["transition"] == "raised" else ""
    return f"{raised}{end_sentence(finding['summary'])}"


def render_end_line(finding: Finding, checked_at: str) -> str:
    """Why and after how long it ended, and what it was."""
    because = finding["resolved_because"] or "recovered"
    same_again = finding["kind"] == "image-not-uniform" and because == "reverted"
    reason = "Uniform again after {time}" if same_again else _REASONS[because]
    time = format_elapsed(finding["opened_at"], checked_at)
    return f"{reason.format(time=time)}. It was: {end_sentence(finding['summary'])}"


def build_placeholders(items: Sequence[Finding], data: EventData) -> dict[str, str]:
    """What the braces of an ``Advice`` stand for."""
    names = [str(item["detail"].get("name", item["subject"])) for item in items]
    clusters = clean_text(names[0]) if len(names) == 1 else format_count(len(names), "cluster")
    hosts = [host for item in items for host in item["hosts"]]
    skew = _skew(items[0]["detail"].get("skew_seconds")) if items else ""
    return {
        **build_host_placeholders(hosts, data),
        "clusters": clusters,
        "vibs": _vibs(len(items)),
        "skew": skew,
    }


def build_host_placeholders(hosts: Sequence[str], data: EventData) -> dict[str, str]:
    """The same with nothing but hosts to speak of, so without ``clusters``, ``vibs`` and ``skew``."""
    cluster, once = data["cluster"], list(dict.fromkeys(hosts))
    vcenter = clean_text(data["vcenter"])
    where = clean_text(cluster["name"] or cluster["id"]) if cluster else vcenter
    one = list_host_names(once, data["host_names"])[0] if len(once) == 1 else None
    return {
        "vcenter": vcenter,
        "cluster": where,
        "hosts": one or format_share(len(once), data["coverage"]),
        "scope": one or where,
        "first": list_host_names(once, data["host_names"])[0] if once else "the host",
    }


def _vibs(number: int) -> str:
    return "orphaned VIB" if number == 1 else format_count(number, "orphaned VIB")


def _skew(seconds: Json) -> str:
    """``7 min ahead of``, ``7 min behind``; a positive number: the vCenter is ahead."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
        return "not the same as"
    return f"{format_duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _by_advice(findings: Sequence[Finding], data: EventData) -> list[tuple[Advice, list[Finding]]]:
    of_cluster = data["cluster"] is not None
    found: dict[Advice, list[Finding]] = {}
    for finding in findings:
        found.setdefault(find_advice(finding, of_cluster=of_cluster), []).append(finding)
    return list(found.items())


def _joined(headlines: Sequence[str]) -> str:
    more = (
        f" and {format_count(len(headlines) - MAX_HEADLINE_KINDS, 'more kind')}"
        if len(headlines) > MAX_HEADLINE_KINDS
        else ""
    )
    return f"{'; '.join(headlines[:MAX_HEADLINE_KINDS])}{more}"
