"""Findings as headlines and lines for a person."""

from collections.abc import Mapping, Sequence
from typing import Final

from esx_drift.domain.shapes import EventData, Finding
from esx_drift.domain.telling.next_steps import ADVICE
from esx_drift.domain.telling.wording import clean, counted, lasted, named, sentence, share

HEADLINES = 2
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


def headline_on(findings: Sequence[Finding], data: EventData) -> str:
    """What the findings are, by kind: ``esx11 could not be read``, ``not reachable``."""
    return _joined([ADVICE[kind].headline.format(**places(of, data)) for kind, of in _by_kind(findings)])


def over_headline_on(findings: Sequence[Finding], data: EventData) -> str:
    """What has ended: ``reachable again after 47 min``; ``closed: …`` where it ended by a decision."""
    if any(finding["resolved_because"] not in _BY_ITSELF for finding in findings):
        return f"closed: {headline_on(findings, data)}"
    said = _joined([ADVICE[kind].over.format(**places(of, data)) for kind, of in _by_kind(findings)])
    times = {lasted(finding["opened_at"], data["checked_at"]) for finding in findings}
    return f"{said} after {times.pop()}" if len(times) == 1 else said


def line_on(finding: Finding) -> str:
    """Its summary, and that it was raised if it was."""
    raised = f"Now {finding['severity']}: " if finding["transition"] == "raised" else ""
    return f"{raised}{sentence(finding['summary'])}"


def over_line_on(finding: Finding, checked_at: str) -> str:
    """Why and after how long it ended, and what it was."""
    reason = _REASONS[finding["resolved_because"] or "recovered"]
    time = lasted(finding["opened_at"], checked_at)
    return f"{reason.format(time=time)}: {sentence(finding['summary'])}"


def places(items: Sequence[Finding], data: EventData) -> dict[str, str]:
    """What the braces of an ``Advice`` stand for."""
    names = [str(item["detail"].get("name", item["subject"])) for item in items]
    clusters = clean(names[0]) if len(names) == 1 else counted(len(names), "cluster")
    hosts = [host for item in items for host in item["hosts"]]
    return {**places_of(hosts, data), "clusters": clusters, "vibs": _vibs(len(items))}


def places_of(hosts: Sequence[str], data: EventData) -> dict[str, str]:
    """The same, but for ``clusters`` and ``vibs``, with nothing but hosts to speak of."""
    cluster, once = data["cluster"], list(dict.fromkeys(hosts))
    vcenter = clean(data["vcenter"])
    where = clean(cluster["name"] or cluster["id"]) if cluster else vcenter
    one = named(once, data["host_names"])[0] if len(once) == 1 else None
    return {
        "vcenter": vcenter,
        "cluster": where,
        "hosts": one or share(len(once), data["coverage"]),
        "scope": one or where,
    }


def _vibs(number: int) -> str:
    return "orphaned VIB" if number == 1 else counted(number, "orphaned VIB")


def _by_kind(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    kinds = dict.fromkeys(finding["kind"] for finding in findings)
    return [(kind, [finding for finding in findings if finding["kind"] == kind]) for kind in kinds]


def _joined(headlines: Sequence[str]) -> str:
    more = f" and {counted(len(headlines) - HEADLINES, 'more kind')}" if len(headlines) > HEADLINES else ""
    return f"{'; '.join(headlines[:HEADLINES])}{more}"
