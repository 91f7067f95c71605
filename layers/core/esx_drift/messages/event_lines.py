"""An event's findings as headlines and lines, and what stands around them: where, when, how much was seen.

Longer than 250 lines, because both are worded from the same event, and must not say the same thing twice.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from esx_drift.config import DEFAULT_SECRET_PREFIX
from esx_drift.domain.dispatching.overdue import NOW_KNOWN
from esx_drift.domain.dispatching.run import (
    CRITICAL_DETAIL,
    NEXT_TRY_DETAIL,
    UNWATCHED_DETAIL,
    UNWATCHED_NAMES_DETAIL,
)
from esx_drift.domain.events import OPENING_TRANSITIONS, Moment, list_vanished
from esx_drift.domain.findings.coverage_conditions import build_no_hosts_condition
from esx_drift.domain.findings.kinds import FINDING_KINDS, HOST_KINDS, OUTAGE_KINDS, Advice
from esx_drift.domain.images.part_words import cut_tail
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import (
    HIDDEN_DETAIL,
    KEPT_REPLY_DETAIL,
    NO_ROLLOUT_DETAIL,
    EventData,
    Finding,
    Json,
    Severity,
    rank_severity,
)
from esx_drift.domain.text.times import is_time, parse_time
from esx_drift.domain.text.wording import (
    MINUTE_SECONDS,
    clean_text,
    end_sentence,
    find_shell_argument,
    format_count,
    format_duration,
    format_elapsed,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)
from esx_drift.errors import SECRET_NAME_FACT
from esx_drift.messages.advice import find_advice
from esx_drift.messages.message_data import (
    LATE_AFTER_SECONDS,
    MessageData,
    add_stack,
    count_places,
    list_ended_acceptances,
    name_summary,
    render_stack_option,
    reword_summary,
)

MAX_HEADLINE_KINDS: Final = 2
"""How many kinds a title names."""

_REASONS: Final[Mapping[str, str]] = {
    "host-left": "Over, since the host left",
    "accepted": "Accepted",
    "retired": "No longer checked",
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
    """Render `` for 3 days`` for failures that were raised, since they have lasted too long."""
    if any(finding["family"] != "failure" or finding["transition"] != "raised" for finding in findings):
        return ""
    return f" for {format_elapsed(max(finding['opened_at'] for finding in findings), checked_at)}"


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
    if says_time and known is None and reword_summary(finding["summary"], data["checked_at"]) == headline:
        return ""
    was = "It was" if says_time else f"For {time} it was"
    return f"{now}{was}: {_render_finding(finding, data, is_alone=False)}"


def _render_finding(finding: Finding, data: MessageData, *, is_alone: bool) -> str:
    """Render its summary; of one that ``is_alone`` in a message without what the title says already."""
    raised = _render_raised(finding)
    hosts = join_names(list_host_names(finding["hosts"], data["host_names"]))
    if finding["kind"] == "orphaned-vib":
        vib = " ".join(filter(None, split_vib_key(finding["subject"])))
        return f"{raised}VIB {vib} · {hosts}" if hosts else f"{raised}VIB {vib}"
    summary = _NOT_SEEN_SINCE.sub("", finding["summary"]) if is_alone else finding["summary"]
    summary = reword_summary(summary, data["checked_at"])
    if is_alone:
        summary = _leave_out_headline(
            summary, _fill_in(_find_advice(finding, data).headline, [finding], data)
        )
    return f"{raised}{end_sentence(summary)}" if summary else ""


def _render_raised(finding: Finding) -> str:
    """Render why a failure is worse than it was, or else that it is."""
    is_late = NO_ROLLOUT_DETAIL in finding["detail"] or is_left_by_window(finding)
    if finding["transition"] != "raised" or is_late or list_ended_acceptances(finding):
        return ""
    why = ", because it has lasted too long" if finding["family"] == "failure" else ""
    return f"Now {finding['severity']}{why}: "


def _leave_out_headline(summary: str, headline: str) -> str:
    """Leave out what the title has said; empty where that is all."""
    if summary == _NO_HOSTS or summary.removeprefix("the vCenter's ") == headline.removeprefix("its "):
        return ""
    return summary[len(headline) :].lstrip(" ,:;.") if summary.startswith(headline) else summary


_NOT_SEEN_SINCE: Final = re.compile(r", not seen since [0-9]+ \w+ (?:[0-9]{4} )?[0-9:]+ UTC")
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
        "secret": name_secret(findings, data["vcenter"]),
        "reply": _name_kept_reply(findings, data["record"] or ""),
    }


def _name_kept_reply(findings: Sequence[Finding], record: str) -> str:
    """Name where a reply is kept that was not used, in the bucket of the ``record``, by its whole address."""
    key = next((finding["detail"].get(KEPT_REPLY_DETAIL) for finding in findings), None)
    bucket, found, _ = record.partition("/records/")
    if not isinstance(key, str) or not found:
        return "which the record names under quarantine"
    return clean_text(f"{bucket}/{key}", MAX_ADDRESS_CHARACTERS)


def name_secret(findings: Sequence[Finding], vcenter: str) -> str:
    """Name the whole secret of ``vcenter``, as the first of ``findings`` has it, or by the usual prefix."""
    detail = findings[0]["detail"] if findings else {}
    named = detail.get(SECRET_NAME_FACT, detail.get("secret"))
    return clean_text(str(named or f"{DEFAULT_SECRET_PREFIX}/vcenter/{vcenter}"), MAX_ADDRESS_CHARACTERS)


def _name_vibs(findings: Sequence[Finding]) -> str:
    subjects = dict.fromkeys(finding["subject"] for finding in findings)
    if len(subjects) != 1:
        return format_count(len(subjects), "orphaned VIB")
    name, version = split_vib_key(next(iter(subjects)))
    return " ".join(filter(None, ("orphaned VIB", name, cut_tail(version))))


def build_host_placeholders(hosts: Sequence[str], data: MessageData) -> dict[str, str]:
    """Build the same for nothing but hosts: what other things are called is not among it.

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
        "listed": join_names(names) if names else place,
        "stack": render_stack_option(data),
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
    """Render between which two checks it happened; of what is not checked, since when, and when it last was.

    Of a person's decision, when it was made.
    """
    since, seen, now = data["since"], data["extracted_at"] or data["checked_at"], data["now"]
    outage = _render_outage(data)
    if outage:
        return outage
    if _is_unseen(data):
        decided = ("Decided ", build_moment(data["checked_at"], now), ". ") if "decision" in data else ()
        begun = _list_opened_in_windows(data)
        opened = ("Open since ", build_moment(min(begun), now), ". ") if begun else ()
        last = ("Last checked ", build_moment(since, now, ends=True), ".") if since else ("Not checked yet.",)
        return (*decided, *opened, *last)
    unread = _list_unread_since(data)
    if unread:
        return ("Not checked since ", build_moment(min(unread), now, ends=True), ".")
    if since is None:
        return ("First checked ", build_moment(seen, now, ends=True), ".")
    # An extraction is timed by the vCenter's clock: where that is behind, our own gives the order.
    until = data["checked_at"] if parse_time(seen) < parse_time(since) else seen
    return (
        f"{_choose_verb(data)} between ",
        *build_interval(since, until, now),
        ".",
    )


def _choose_verb(data: MessageData) -> str:
    """Choose what happened in the interval of a message."""
    if _count_unwatched(data):
        return "Not checked"
    moved = [finding["transition"] for finding in data["findings"] if finding["transition"] != "still"]
    if data["changes"] or not moved:
        return "Changed"
    return "Ended" if set(moved) == {"resolved"} else "Began"


def _list_opened_in_windows(data: MessageData) -> list[str]:
    """List since when that is open which maintenance that is over leaves."""
    return [
        finding["opened_at"]
        for finding in data["findings"]
        if finding["transition"] in OPENING_TRANSITIONS and is_left_by_window(finding)
    ]


def is_left_by_window(finding: Finding) -> bool:
    """Tell whether ``finding`` came within maintenance, and is reported since that is over."""
    return str(finding["detail"].get(HIDDEN_DETAIL, "")).startswith("maintenance:")


def _list_unread_since(data: MessageData) -> list[str]:
    """List since when hosts are not read, where that is all that an event tells."""
    moved = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    if not moved or data["changes"] or any(finding["kind"] not in HOST_KINDS for finding in moved):
        return []
    times = [finding["detail"].get("uncovered_since") for finding in moved]
    known = [time for time in times if isinstance(time, str)]
    return known if len(known) == len(moved) else []


def build_interval(
    since: str, until: str, now: datetime, *, link: str = " and "
) -> tuple[Moment, str, Moment]:
    """Build two times: with seconds where the minutes are the same, with days where they are not one day.

    Args:
        since: The first, as stored.
        until: The second.
        now: When the message is posted.
        link: What stands between them.
    """
    first, last = parse_time(since), parse_time(until)
    has_seconds = last - first < timedelta(seconds=MINUTE_SECONDS)
    is_long = last - first >= timedelta(days=1) or last < first
    begin = build_moment(since, now, has_seconds=has_seconds)
    end = build_moment(until, now, has_date=is_long, has_seconds=has_seconds, ends=True, after=first)
    return begin, link, end


def build_moment(
    time: str,
    now: datetime,
    *,
    has_date: bool = True,
    has_seconds: bool = False,
    ends: bool = False,
    after: datetime | None = None,
) -> Moment:
    """Build a time for a sentence.

    Args:
        time: The time, as stored; raises ``ValueError`` for what is none.
        now: When the message is posted: a day that is another one is said.
        has_date: The day is shown.
        has_seconds: Seconds are shown.
        ends: It ends the sentence, and says that it is in UTC.
        after: The one that stands before it, whose day need not be said again.
    """
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
    said: list[tuple[str, object, str]] = [("Since ", away[0]["opened_at"], f"{tried}.")]
    said.append(
        (" Last successful check ", data["since"], ".")
        if data["since"]
        else (" Never checked before.", None, "")
    )
    detail = away[0]["detail"]
    said.append((" Next try ", detail.get(NEXT_TRY_DETAIL), "."))
    said.append((" Critical from ", detail.get(CRITICAL_DETAIL), " on."))
    times = [str(time) for _, time, _ in said if is_time(time)]
    parts: list[str | Moment] = []
    for begin, time, end in said:
        if is_time(time):
            parts += [begin, build_moment(str(time), data["now"], ends=str(time) == times[-1]), end]
        elif not end:
            parts.append(begin)
    return tuple(parts)


def render_unwatched(news: Sequence[Finding]) -> str:
    """Render which clusters are not checked while a vCenter is away, by ``news``; empty where none is."""
    for finding in news:
        clusters = finding["detail"].get(UNWATCHED_DETAIL)
        if isinstance(clusters, int):
            if not clusters:
                return "None of its clusters is known yet."
            return (
                f"Not checked meanwhile: {_name_unwatched(finding, clusters)}. Open findings there stay open."
            )
    return ""


def _name_unwatched(finding: Finding, number: int) -> str:
    """Name the clusters, as many as the finding names; of an earlier version's only how many they are."""
    held = finding["detail"].get(UNWATCHED_NAMES_DETAIL)
    names = [clean_text(str(name)) for name in held] if isinstance(held, list) else []
    more = number - len(names)
    if not names:
        return format_count(number, "cluster")
    return f"{', '.join(names)}{f' and {more} more clusters' if more > 0 else ''}"


def render_watched_again(data: MessageData) -> str:
    """Render what happens now to the clusters of a vCenter that is back; empty where none was away."""
    back = [finding for finding in data["findings"] if _count_unwatched_of(finding)]
    if not back:
        return ""
    worst = max(back, key=_count_unwatched_of)
    named = _name_unwatched(worst, _count_unwatched_of(worst))
    return (
        f"Being checked now: {named}. What changed meanwhile, or can't be checked, is reported next;"
        " if nothing is, all is as it was."
    )


def render_still_open(data: MessageData) -> str:
    """Render what is open from before, the worst by name; empty if nothing."""
    still = [
        (part, finding)
        for part in data["parts"]
        for finding in part["findings"]
        if finding["transition"] == "still" and "accepted" not in finding
    ]
    accepted = [finding for part, finding in still if _is_accepted_difference(part, finding)]
    still = [one for one in still if not _is_accepted_difference(*one)]
    # What a decision was about is said by itself.
    decided = sum("accepted" in finding and finding["transition"] == "still" for finding in data["findings"])
    number = data["totals"]["still"] - decided - len(accepted)
    differing = [
        end_sentence(f"Still so, and accepted: {clean_text(finding['summary'], MAX_STILL_CHARACTERS)}")
        for finding in accepted[:MAX_NAMED_STILL]
    ]
    if number <= 0:
        return " ".join(differing)
    worst = sorted(still, key=lambda one: -rank_severity(one[1]["severity"]))[:MAX_NAMED_STILL]
    named = [_name_still(part, finding, is_one=count_places(data) == 1) for part, finding in worst]
    more = [f"{number - len(named)} more"] if number > len(named) else []
    said = f": {'; '.join([*named, *more])}" if named else ""
    return " ".join([f"{format_count(number, 'earlier finding')} still open{said}.", *differing])


def _is_accepted_difference(data: EventData, finding: Finding) -> bool:
    """Say whether the event tells that a person accepted all in which the hosts of ``finding`` differ."""
    return finding["kind"] == "image-not-uniform" and any(
        (other["kind"], other["resolved_because"]) == ("drift-unreviewed", "accepted")
        for other in data["findings"]
    )


MAX_NAMED_STILL: Final = 3
MAX_STILL_CHARACTERS: Final = 200
"""Of each finding that is open from before: the message is not about it."""


def _name_still(part: EventData, finding: Finding, *, is_one: bool) -> str:
    """Name it, with its severity, and its cluster where a message is about several."""
    where = "" if is_one else f"{name_place(part)}: "
    said = name_summary(finding["summary"], part["checked_at"], MAX_STILL_CHARACTERS)
    return f"{where}{said} ({finding['severity']})"


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
    records = list_record_facts(data["parts"][0])
    records[0] += f" and {format_count(more, 'more record')}" if more else ""
    facts = (*_list_seen(data), render_severity(data), *records)
    return (*facts, "shortened: the record has it all") if data["truncated"] else facts


_RECORD_NUMBER: Final = re.compile(r"/records/vcenter=[^/]+/cluster=[^/]+/0*([1-9]\d*)\.json$")


def find_record_number(data: EventData) -> str | None:
    """Find the number of the record that an event is of; None: it is in no log."""
    found = _RECORD_NUMBER.search(data["record"] or "")
    return found[1] if found else None


def list_record_facts(data: EventData) -> list[str]:
    """List which record has all of it, and the command that shows it; of what is in no log, its address."""
    number = find_record_number(data)
    if number is None:
        return [f"record {clean_text(data['record'] or '', MAX_ADDRESS_CHARACTERS)}"]
    cluster = data["cluster"]
    vcenter = find_shell_argument(data["vcenter"])
    log = f"{vcenter}/{VCENTER_LOG}" if vcenter else None
    if cluster is not None:
        log = find_shell_argument(cluster["name"]) or find_shell_argument(cluster["id"])
    shown = [add_stack(f"esx-drift show {log} {number}", data)] if log else []
    return [f"record {number}", *shown]


MAX_ADDRESS_CHARACTERS: Final = 400
"""Of a record: a bucket's name has 63 characters at most, and each name in a key 138."""


def _list_seen(data: MessageData) -> Iterator[str]:
    coverage = data["coverage"]
    if coverage:
        share = format_share(coverage["covered"], coverage["hosts"])
        yield f"{share} checked" if coverage["hosts"] else "no hosts in it"
    elif _is_unseen(data):
        failures = [finding for finding in data["findings"] if finding["family"] == "failure"]
        yield "not checked" if failures and not _is_decision(data) else "no new check"


def render_severity(data: MessageData) -> str:
    """Render ``critical (was warning)``, ``over (was critical)``: how bad ``data`` is, and how bad it was."""
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    left = [finding for finding in data["findings"] if _is_left(finding, data)]
    if list_vanished(data):
        return data["severity"]
    holding: list[Severity] = [item["severity"] for item in (*data["changes"], *news, *left)]
    worst: Severity = max(holding, key=rank_severity, default="info")
    if left and not news and all("put_back" in change for change in data["changes"]):
        return _render_left(left, data)
    if data["truncated"] or rank_severity(worst) >= rank_severity(data["severity"]):
        usual = {FINDING_KINDS[item["kind"]].severity for item in news if item["transition"] == "raised"}
        milder = [each for each in usual if rank_severity(each) < rank_severity(data["severity"])]
        return f"{data['severity']} (was {milder[0]})" if milder else data["severity"]
    return f"{worst if news or left else 'over'} (was {data['severity']})"


def _render_left(left: Sequence[Finding], data: MessageData) -> str:
    """Render how bad is what stays open of what is over otherwise: ``warning for the rest``."""
    if all(is_accepted_everywhere(finding) for finding in left):
        return f"accepted (was {data['severity']})"
    return f"{max((finding['severity'] for finding in left), key=rank_severity)} for the rest"


def is_accepted_everywhere(finding: Finding) -> bool:
    """Tell whether a person accepted all of a ``finding`` that stays open: an orphaned VIB is still there."""
    return finding["kind"] == "orphaned-vib" and finding["detail"].get("not_accepted_on") == []


def _is_left(finding: Finding, data: MessageData) -> bool:
    """Whether it stays open of what a message says is over: accepted in part, or put back in part."""
    is_put_back = any("put_back" in change for change in data["changes"])
    is_about = "accepted" in finding or (is_put_back and finding["kind"] == "drift-unreviewed")
    return finding["transition"] == "still" and is_about


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
    return max(map(_count_unwatched_of, data["findings"]), default=0)


def _count_unwatched_of(finding: Finding) -> int:
    number = finding["detail"].get(UNWATCHED_DETAIL)
    return number if isinstance(number, int) and finding["resolved_because"] == "recovered" else 0
