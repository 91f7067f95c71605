"""An event's findings as headlines and lines, and what stands around them: where, when, how much was seen.

Longer than 250 lines, because both are worded from the same event, and must not say the same thing twice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from esx_drift.domain.dispatching.overdue import NOW_KNOWN
from esx_drift.domain.dispatching.run import UNWATCHED_DETAIL
from esx_drift.domain.events import OPENING_TRANSITIONS, Moment
from esx_drift.domain.findings.coverage_conditions import build_no_hosts_condition
from esx_drift.domain.findings.kinds import HOST_KINDS, OUTAGE_KINDS, Advice
from esx_drift.domain.stored.types import EventData, Finding, Json, rank_severity
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import (
    MINUTE_SECONDS,
    clean_text,
    end_sentence,
    format_count,
    format_duration,
    format_elapsed,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)
from esx_drift.messages.advice import find_advice
from esx_drift.messages.change_lines import cut_tail
from esx_drift.messages.message_data import LATE_AFTER_SECONDS, MessageData, count_places

MAX_HEADLINE_KINDS: Final = 2
"""How many kinds a title names."""

_REASONS: Final[Mapping[str, str]] = {
    "host-left": "Over, since the host left",
    "accepted": "Accepted",
    "retired": "No longer watched",
}
"""Why something ended that did not end by itself."""

_SUBJECTS: Final = ("{hosts}", "{clusters}", "{vibs}")
"""What a headline begins with that says by itself what it is about. Before all others the place is named."""

_SUPPRESSED: Final[Mapping[str, str]] = {
    "rollout": "upgrade under way",
    "flapping": "it comes and goes",
    "ignore": "left out by the rule {name}",
    "maintenance": "maintenance {name}",
}
"""Why people are not told, by what stands before the colon of a reason."""


def render_headline(findings: Sequence[Finding], data: MessageData) -> str:
    """Render what ``findings`` are, by kind, and where: ``esx11 could not be read · prod-a · vc01``.

    Of what was raised, since when. ``data`` is that of their event.
    """
    groups = _group_by_advice(findings, data)
    parts = [
        f"{_fill_in(advice.headline, group, data)}{_render_duration(group, data['checked_at'])}"
        for advice, group in groups
    ]
    return _add_place(groups[0][0].headline, _join(parts), data)


def render_end_headline(findings: Sequence[Finding], data: MessageData) -> str:
    """Render what has ended, where and after how long: ``vc02: reachable again after 47 min``.

    ``findings`` are those that ended, and ``data`` is that of their event.
    """
    groups = _group_by_advice(findings, data)
    decided = [_REASONS[str(finding["resolved_because"])] for finding in findings if _is_decided(finding)]
    if decided:
        headlines = [_fill_in(advice.headline, group, data) for advice, group in groups]
        return f"{decided[0]}: {_join(headlines)} · {render_place(data)}"
    ends = _join([_fill_in(advice.end_headline, group, data) for advice, group in groups])
    times = {format_elapsed(finding["opened_at"], data["checked_at"]) for finding in findings}
    ended = f"{ends} after {times.pop()}" if len(times) == 1 else ends
    return _add_place(groups[0][0].end_headline, ended, data)


def _is_decided(finding: Finding) -> bool:
    return finding["resolved_because"] in _REASONS


def _add_place(template: str, headline: str, data: MessageData) -> str:
    """Name the place behind what says by itself what it is about, and before all else."""
    place = render_place(data)
    return f"{headline} · {place}" if template.startswith(_SUBJECTS) else f"{place}: {headline}"


def _fill_in(headline: str, findings: Sequence[Finding], data: MessageData) -> str:
    return headline.format(**build_placeholders(findings, data))


def _render_duration(findings: Sequence[Finding], checked_at: str) -> str:
    """Render ``, for 3 d now`` for failures that were raised, since they have lasted too long."""
    if any(finding["family"] != "failure" or finding["transition"] != "raised" for finding in findings):
        return ""
    return f", for {format_elapsed(max(finding['opened_at'] for finding in findings), checked_at)} now"


def list_finding_lines(findings: Sequence[Finding], data: MessageData) -> list[str]:
    """List what a title leaves to say of ``findings``, a line each; ``data`` is that of their event."""
    is_alone = len(findings) == 1
    return _join_alike([_render_finding(finding, data, is_alone=is_alone) for finding in findings], data)


def _join_alike(lines: Sequence[str], data: MessageData) -> list[str]:
    """Leave out empty lines, and say once what is said of several clusters, which are listed elsewhere."""
    said = list(filter(None, lines))
    return [*dict.fromkeys(said)] if count_places(data) > 1 else said


def list_end_lines(findings: Sequence[Finding], data: MessageData) -> list[str]:
    """List what each of ``findings``, which ended, was; ``data`` is that of their event."""
    says_time = len(findings) == 1 and not _is_decided(findings[0])
    lines = [
        _render_end(
            finding, data, format_elapsed(finding["opened_at"], data["checked_at"]), says_time=says_time
        )
        for finding in findings
    ]
    return _join_alike(lines, data)


def _render_end(finding: Finding, data: MessageData, time: str, *, says_time: bool) -> str:
    """Render what it was, and for how long unless the title says so already (``says_time``)."""
    if finding["kind"] == "drift-unreviewed" and finding["resolved_because"] == "accepted":
        return f"It was open for {time}."
    known = finding["detail"].get(NOW_KNOWN)
    now = "" if known is None else f"Now known: {end_sentence(str(known))} "
    headline = _fill_in(_find_advice(finding, data).headline, [finding], data)
    if says_time and known is None and finding["summary"] == headline:
        return ""
    was = "It was" if says_time else f"For {time} it was"
    return f"{now}{was}: {_render_finding(finding, data, is_alone=False)}"


def _render_finding(finding: Finding, data: MessageData, *, is_alone: bool) -> str:
    """Render its summary; of one that ``is_alone`` in a message without what the title says already."""
    raised = f"Now {finding['severity']}: " if finding["transition"] == "raised" else ""
    hosts = join_names(list_host_names(finding["hosts"], data["host_names"]))
    if finding["kind"] == "orphaned-vib":
        vib = " ".join(filter(None, split_vib_key(finding["subject"])))
        return f"{raised}VIB {vib} · {hosts}" if hosts else f"{raised}VIB {vib}"
    summary = _NOT_SEEN_SINCE.sub("", finding["summary"]) if is_alone else finding["summary"]
    if is_alone:
        summary = _leave_out_headline(
            summary, _fill_in(_find_advice(finding, data).headline, [finding], data)
        )
    return f"{raised}{end_sentence(summary)}" if summary else ""


def _leave_out_headline(summary: str, headline: str) -> str:
    """Leave out what the title has said; empty where that is all."""
    if summary == _NO_HOSTS or summary.removeprefix("the vCenter's ") == headline.removeprefix("its "):
        return ""
    return summary[len(headline) :].lstrip(" ,:;.") if summary.startswith(headline) else summary


_NOT_SEEN_SINCE: Final = re.compile(r", not seen since [0-9]+ \w+ [0-9:]+ UTC")
"""What the message says in the reader's own time."""

_NO_HOSTS: Final = build_no_hosts_condition().summary
"""What the title says in fewer words."""


def build_placeholders(findings: Sequence[Finding], data: MessageData) -> dict[str, str]:
    """Build what the braces of an ``Advice`` stand for: words about ``findings`` and the event's ``data``."""
    names = [str(finding["detail"].get("name", finding["subject"])) for finding in findings]
    hosts = [host for finding in findings for host in finding["hosts"]]
    return {
        **build_host_placeholders(hosts, data),
        "clusters": clean_text(names[0]) if len(names) == 1 else format_count(len(names), "cluster"),
        "vibs": _name_vibs(findings),
        "skew": _render_skew(findings[0]["detail"].get("skew_seconds")) if findings else "",
    }


def _name_vibs(findings: Sequence[Finding]) -> str:
    subjects = dict.fromkeys(finding["subject"] for finding in findings)
    if len(subjects) != 1:
        return format_count(len(subjects), "orphaned VIB")
    name, version = split_vib_key(next(iter(subjects)))
    return " ".join(filter(None, ("orphaned VIB", name, cut_tail(version))))


def build_host_placeholders(hosts: Sequence[str], data: MessageData) -> dict[str, str]:
    """Build the same for nothing but hosts, so without ``clusters``, ``vibs`` and ``skew``.

    ``hosts`` are given by id, several times if need be; ``data`` is the event's, with their names.
    """
    cluster, coverage, vcenter = data["cluster"], data["coverage"], clean_text(data["vcenter"])
    place = clean_text(cluster["name"] or cluster["id"]) if cluster else vcenter
    if count_places(data) > 1:
        place = "each cluster"
    listed = list(dict.fromkeys(hosts))
    names = list_host_names(listed, data["host_names"])
    only = names[0] if len(names) == 1 else None
    number = coverage["hosts"] if coverage else None
    share = f"all {number} hosts" if len(names) == number else format_share(len(names), number)
    return {
        "vcenter": vcenter,
        "cluster": place,
        "hosts": only or share,
        "scope": only or place,
        "first": names[0] if names else "the host",
    }


def _render_skew(seconds: Json) -> str:
    """``7 min ahead of``, ``7 min behind``; a positive number: the vCenter is ahead."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
        return "not the same as"
    return f"{format_duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _group_by_advice(findings: Sequence[Finding], data: MessageData) -> list[tuple[Advice, list[Finding]]]:
    groups: dict[Advice, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_find_advice(finding, data), []).append(finding)
    return list(groups.items())


def _find_advice(finding: Finding, data: EventData) -> Advice:
    return find_advice(finding, of_cluster=data["cluster"] is not None)


def _join(headlines: Sequence[str]) -> str:
    rest = len(headlines) - MAX_HEADLINE_KINDS
    more = f" and {format_count(rest, 'more kind')}" if rest > 0 else ""
    return f"{'; '.join(headlines[:MAX_HEADLINE_KINDS])}{more}"


def render_place(data: MessageData) -> str:
    """``prod-a · vc01``; the vCenter alone where it is meant as a whole; ``4 clusters · vc01``."""
    vcenters = {clean_text(part["vcenter"]) for part in data["parts"]}
    vcenter = vcenters.pop() if len(vcenters) == 1 else format_count(len(vcenters), "vCenter")
    if data["cluster"] is None:
        return vcenter
    places = count_places(data)
    return f"{_name_cluster(data) if places == 1 else format_count(places, 'cluster')} · {vcenter}"


def _name_cluster(data: EventData) -> str:
    cluster = data["cluster"]
    return clean_text(cluster["name"] or cluster["id"]) if cluster else clean_text(data["vcenter"])


def name_place(data: EventData) -> str:
    """Name the cluster and its vCenter: ``prod-a · vc01``."""
    return f"{_name_cluster(data)} · {clean_text(data['vcenter'])}"


def list_part_lines(data: MessageData) -> list[str]:
    """List each cluster with its hosts, where a message is about several: ``prod-a · vc01: esx02, esx07``."""
    vcenters = {part["vcenter"] for part in data["parts"]}
    lines: dict[str, None] = {}
    for part in data["parts"]:
        moved = [finding for finding in part["findings"] if finding["transition"] != "still"]
        # What of a failure is about a cluster is about all of its hosts.
        about_hosts = [item for item in moved if item["family"] != "failure" or item["kind"] in HOST_KINDS]
        hosts = list(
            dict.fromkeys(host for item in (*part["changes"], *about_hosts) for host in item["hosts"])
        )
        coverage = part["coverage"]
        every = coverage is not None and len(hosts) == coverage["hosts"] > 1
        listed = (
            f"all {len(hosts)} hosts" if every else join_names(list_host_names(hosts, part["host_names"]))
        )
        where = _name_cluster(part) + (f" · {clean_text(part['vcenter'])}" if len(vcenters) > 1 else "")
        lines[f"{where}: {listed}" if listed else where] = None
    return [*lines]


def render_when(data: MessageData) -> tuple[str | Moment, ...]:
    """Render between which two looks it happened; of what is not seen, since when, and when it last was."""
    since, seen, now = data["since"], data["extracted_at"] or data["checked_at"], data["now"]
    outage = _render_outage(data)
    if outage:
        return outage
    if _is_unseen(data):
        return ("Last look ", _build_moment(since, now, ends=True), ".") if since else ("Not read yet.",)
    unread = _list_unread_since(data)
    if unread:
        return ("Last read ", _build_moment(min(unread), now, ends=True), ".")
    if since is None:
        return ("First look ", _build_moment(seen, now, ends=True), ".")
    # An extraction is timed by the vCenter's clock: where that is behind, our own gives the order.
    until = data["checked_at"] if parse_time(seen) < parse_time(since) else seen
    return (
        "Not seen between " if _count_unwatched(data) else "Between ",
        *_build_interval(since, until, now),
        ".",
    )


def _list_unread_since(data: MessageData) -> list[str]:
    """List since when hosts are not read, where that is all that an event tells."""
    moved = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    if not moved or data["changes"] or any(finding["kind"] not in HOST_KINDS for finding in moved):
        return []
    times = [finding["detail"].get("uncovered_since") for finding in moved]
    known = [time for time in times if isinstance(time, str)]
    return known if len(known) == len(moved) else []


def _build_interval(since: str, until: str, now: datetime) -> tuple[Moment, str, Moment]:
    """Build two times: with seconds where the minutes are the same, with days where they are not one day."""
    first, last = parse_time(since), parse_time(until)
    has_seconds = last - first < timedelta(seconds=MINUTE_SECONDS)
    is_long = last - first >= timedelta(days=1) or last < first
    begin = _build_moment(since, now, has_seconds=has_seconds)
    end = _build_moment(until, now, has_date=is_long, has_seconds=has_seconds, ends=True, after=first)
    return begin, " and ", end


def _build_moment(
    time: str,
    now: datetime,
    *,
    has_date: bool = True,
    has_seconds: bool = False,
    ends: bool = False,
    after: datetime | None = None,
) -> Moment:
    """Build a time; ``after``: the one that stands before it, whose day need not be said again."""
    moment = parse_time(time)
    text = f"{moment:%H:%M:%S}" if has_seconds else f"{moment:%H:%M}"
    said = after.date() if after is not None else now.date()
    if moment.date() != said:
        day = f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != now.year else "")
        text = f"{day} {text}"
    return Moment(time, f"{text} UTC" if ends else text, has_date, has_seconds)


def _render_outage(data: MessageData) -> tuple[str | Moment, ...]:
    """Render since when a vCenter is away, how often it was tried, and when it was last seen."""
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    away = [finding for finding in news if isinstance(finding["detail"].get(UNWATCHED_DETAIL), int)]
    if not away:
        return ()
    tries = away[0]["detail"].get("tries")
    tried = f" ({tries} tries)" if isinstance(tries, int) else ""
    begun = _build_moment(away[0]["opened_at"], data["now"], ends=data["since"] is None)
    if data["since"] is None:
        return ("Since ", begun, f"{tried}. Never read before.")
    return (
        "Since ",
        begun,
        f"{tried}. Last look ",
        _build_moment(data["since"], data["now"], ends=True),
        ".",
    )


def render_unwatched(news: Sequence[Finding]) -> str:
    """Render how many clusters nobody watches while a vCenter is away, by ``news``; empty where none is."""
    for finding in news:
        clusters = finding["detail"].get(UNWATCHED_DETAIL)
        if isinstance(clusters, int):
            return (
                f"{format_count(clusters, 'cluster')} not watched."
                if clusters
                else "None of its clusters is known yet."
            )
    return ""


def render_watched_again(data: MessageData) -> str:
    """Render what happens now to the clusters of a vCenter that is back; empty where none was away."""
    clusters = _count_unwatched(data)
    if not clusters:
        return ""
    return f"{format_count(clusters, 'cluster')} checked again now; you hear what changed meanwhile."


def render_still_open(data: MessageData) -> str:
    """Render what is open from before; empty if nothing."""
    # What a decision was about is told by itself.
    still = data["totals"]["still"] - sum(
        "accepted" in finding and finding["transition"] == "still" for finding in data["findings"]
    )
    return f"{format_count(still, 'earlier finding')} still open." if still > 0 else ""


def render_suppressed(data: MessageData) -> str:
    """Render what is left out on purpose, and why: ``3 changes not repeated here: upgrade under way``."""
    by_kind: dict[str, int] = {}
    for reason, number in data["suppressed"].items():
        kind, _, name = reason.partition(":")
        words = _SUPPRESSED[kind].format(name=clean_text(name))
        by_kind[words] = by_kind.get(words, 0) + number
    return " ".join(
        f"{format_count(number, 'change')} not repeated here: {words}." for words, number in by_kind.items()
    )


def find_lateness(data: MessageData) -> str:
    """Find how late a message comes, in words; empty where it is in time."""
    age = (data["now"] - parse_time(data["checked_at"])).total_seconds()
    return format_duration(age) if age >= LATE_AFTER_SECONDS else ""


def render_facts(data: MessageData) -> tuple[str, ...]:
    """Render how much was seen, how bad it is or was, and where it is kept."""
    more = len(data["parts"]) - 1
    record = f"record {clean_text(data['parts'][0]['record'] or '', MAX_ADDRESS_CHARACTERS)}"
    records = f"{record} and {format_count(more, 'more record')}" if more else record
    facts = (*_list_seen(data), _render_severity(data), records)
    return (*facts, "shortened: the record has it all") if data["truncated"] else facts


MAX_ADDRESS_CHARACTERS: Final = 400
"""Of a record: a bucket's name has 63 characters at most, and each name in a key 138."""


def _list_seen(data: MessageData) -> Iterator[str]:
    coverage = data["coverage"]
    if coverage:
        share = format_share(coverage["covered"], coverage["hosts"])
        yield f"{share} checked" if coverage["hosts"] else "no hosts in it"
    elif _is_unseen(data):
        failures = [finding for finding in data["findings"] if finding["family"] == "failure"]
        yield "not seen" if failures and not _is_decision(data) else "no new look"


def _render_severity(data: MessageData) -> str:
    """Render ``was critical`` where all that was so bad is over, and what holds now is milder."""
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    holding = [rank_severity(item["severity"]) for item in (*data["changes"], *news)]
    over = not data["truncated"] and max(holding, default=0) < rank_severity(data["severity"])
    return f"was {data['severity']}" if over else data["severity"]


def count_unlisted(data: MessageData) -> int:
    """Count the changes and findings that the events themselves had no room for."""
    return sum(map(_count_unlisted_of_part, data["parts"]))


def _count_unlisted_of_part(part: EventData) -> int:
    totals = part["totals"]
    return max(0, totals["changes"] + totals["findings"] - len(part["changes"]) - len(part["findings"]))


def _is_unseen(data: MessageData) -> bool:
    """Whether nothing was seen. Of a vCenter as a whole there is no coverage, so its open findings decide."""
    coverage = data["coverage"]
    if coverage:
        return coverage["covered"] == 0 < coverage["hosts"]
    return data["cluster"] is not None or _is_decision(data) or any(map(_is_outage, data["findings"]))


def _is_outage(finding: Finding) -> bool:
    """Whether it keeps a vCenter from being listed; one that is listed in part was looked at."""
    is_listed = "listed" in finding["detail"]
    return finding["transition"] != "resolved" and finding["kind"] in OUTAGE_KINDS and not is_listed


def _is_decision(data: MessageData) -> bool:
    """Whether all of it is a person's decision: then nobody looked, and nothing failed."""
    reasons = {
        finding["resolved_because"] for finding in data["findings"] if finding["transition"] != "still"
    }
    is_decided = "decision" in data or bool(reasons)
    return is_decided and reasons <= {"accepted", "retired"} and data["coverage"] is None


def _count_unwatched(data: MessageData) -> int:
    """Count the clusters that a vCenter left unwatched that is back now."""
    recovered = [finding for finding in data["findings"] if finding["resolved_because"] == "recovered"]
    return _find_most(finding["detail"].get(UNWATCHED_DETAIL) for finding in recovered)


def _find_most(counts: Iterable[Json]) -> int:
    return max((number for number in counts if isinstance(number, int)), default=0)
