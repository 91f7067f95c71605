"""An event's findings as headlines and lines, and what stands around them: where, when, how much was seen.

Longer than 250 lines, because both are worded from the same event, and must not say the same thing twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

from esx_drift.domain.dispatching.overdue import NOW_KNOWN
from esx_drift.domain.dispatching.run import UNWATCHED_DETAIL
from esx_drift.domain.events import OPENING_TRANSITIONS
from esx_drift.domain.findings.kinds import OUTAGE_KINDS, Advice
from esx_drift.domain.stored.types import EventData, Finding, Json, rank_severity
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import (
    clean_text,
    end_sentence,
    format_between,
    format_count,
    format_duration,
    format_elapsed,
    format_moment,
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


def render_place(data: EventData) -> str:
    """``prod-a · vc01``; the vCenter alone where it is meant as a whole."""
    vcenter, cluster = clean_text(data["vcenter"]), data["cluster"]
    return f"{clean_text(cluster['name'] or cluster['id'])} · {vcenter}" if cluster else vcenter


def render_when(data: EventData) -> str:
    """Render between which two looks it happened; of what is not seen, when it last was. In UTC."""
    since, seen = data["since"], data["extracted_at"] or data["checked_at"]
    if _is_unseen(data):
        return f"Last look: {format_moment(since)} UTC." if since else "Never looked at before."
    if since is None:
        return f"First look, {format_moment(seen)} UTC."
    # An extraction is timed by the vCenter's clock: where that is behind, our own gives the order.
    until = data["checked_at"] if parse_time(seen) < parse_time(since) else seen
    return (
        f"{'Not seen between' if _count_unwatched(data) else 'Between'} {format_between(since, until)} UTC."
    )


def render_unwatched(news: Sequence[Finding]) -> tuple[str, ...]:
    """Render since when a vCenter is away, how often it was tried, and how many clusters nobody watches.

    Returns:
        One sentence, or nothing where no vCenter is away.
    """
    for finding in news:
        clusters, tries = finding["detail"].get(UNWATCHED_DETAIL), finding["detail"].get("tries")
        if isinstance(clusters, int):
            tried = f" ({tries} tries)" if isinstance(tries, int) else ""
            unwatched = (
                f"{format_count(clusters, 'cluster')} unwatched"
                if clusters
                else "none of its clusters known yet"
            )
            return (f"Since {format_moment(finding['opened_at'])} UTC{tried}: {unwatched}.",)
    return ()


def render_watched_again(data: EventData) -> str:
    """Render what happens now to the clusters of a vCenter that is back; empty where none was away."""
    clusters = _count_unwatched(data)
    if not clusters:
        return ""
    return f"{format_count(clusters, 'cluster')} checked again now; you hear what changed meanwhile."


def render_still_open(data: EventData) -> str:
    """Render what is open from before, and what is left out on purpose; empty if nothing."""
    still, suppressed = data["totals"]["still"], sum(data["suppressed"].values())
    sentences = [f"{format_count(still, 'earlier finding')} still open."] if still else []
    sentences += [f"{format_count(suppressed, 'change')} not repeated here."] if suppressed else []
    return " ".join(sentences)


def render_facts(data: EventData) -> tuple[str, ...]:
    """Render how much was seen, when, how bad it is or was, and where it is kept."""
    facts = (*_list_seen(data), _render_severity(data), f"record {_format_number(data['record'])}")
    return (*facts, "shortened: the record has it all") if data["truncated"] else facts


def _list_seen(data: EventData) -> Iterator[str]:
    coverage, extracted = data["coverage"], data["extracted_at"]
    if coverage:
        share = format_share(coverage["covered"], coverage["hosts"])
        yield f"{share} checked" if coverage["hosts"] else "no hosts in it"
    if not _is_unseen(data):
        yield from (f"extracted {format_moment(extracted)} UTC",) if extracted else ()
    elif not coverage:
        yield "no new look" if _is_decision(data) else "not seen"


def _render_severity(data: EventData) -> str:
    """Render ``was critical`` where all that was so bad is over, and what holds now is milder."""
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    holding = [rank_severity(item["severity"]) for item in (*data["changes"], *news)]
    over = not data["truncated"] and max(holding, default=0) < rank_severity(data["severity"])
    return f"was {data['severity']}" if over else data["severity"]


def count_unlisted(data: EventData) -> int:
    """Count the changes and findings that the event itself had no room for."""
    totals = data["totals"]
    return max(0, totals["changes"] + totals["findings"] - len(data["changes"]) - len(data["findings"]))


def _is_unseen(data: EventData) -> bool:
    """Whether nothing was seen. Of a vCenter as a whole there is no coverage, so its open findings decide."""
    coverage = data["coverage"]
    if coverage:
        return coverage["covered"] == 0 < coverage["hosts"]
    return data["cluster"] is not None or _is_decision(data) or any(map(_is_outage, data["findings"]))


def _is_outage(finding: Finding) -> bool:
    """Whether it keeps a vCenter from being listed; one that is listed in part was looked at."""
    is_listed = "listed" in finding["detail"]
    return finding["transition"] != "resolved" and finding["kind"] in OUTAGE_KINDS and not is_listed


def _is_decision(data: EventData) -> bool:
    """Whether all of it is a person's decision: then nobody looked, and nothing failed."""
    reasons = {
        finding["resolved_because"] for finding in data["findings"] if finding["transition"] != "still"
    }
    return bool(reasons) and reasons <= {"accepted", "retired"} and data["coverage"] is None


def _count_unwatched(data: EventData) -> int:
    """Count the clusters that a vCenter left unwatched that is back now."""
    recovered = [finding for finding in data["findings"] if finding["resolved_because"] == "recovered"]
    counts = [finding["detail"].get(UNWATCHED_DETAIL) for finding in recovered]
    return max((number for number in counts if isinstance(number, int)), default=0)


def _format_number(record: str | None) -> str:
    name = (record or "").rpartition("/")[2].removesuffix(".json")
    return f"{int(name):06d}" if name.isdecimal() else clean_text(name)
