"""An event as something to tell a person: the same for every channel, before any channel's form.

Longer than 250 lines, because each kind of event is a message of its own, and all are made of the same parts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast

from msgspec import Struct

from esx_drift.domain.events import (
    BASELINE_RECORDED,
    FAMILIES,
    MAINTENANCE_ENDED,
    MAINTENANCE_STARTED,
    OPENING_TRANSITIONS,
    ROUTE_DEAD,
    Level,
    MessageContent,
    Moment,
    NextStep,
    list_left_vibs,
    list_vanished,
)
from esx_drift.domain.findings.coverage_conditions import LAST_IMAGE_DETAIL
from esx_drift.domain.findings.kinds import VCENTER_NOT_SEEN_NOTE, Advice
from esx_drift.domain.images.part_words import cut_tail, format_called_release
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import (
    HIDDEN_DETAIL,
    NO_ROLLOUT_DETAIL,
    Change,
    EndedWindow,
    Event,
    EventData,
    EventDecision,
    Finding,
    Json,
    OpenAtEnd,
    Severity,
    rank_severity,
)
from esx_drift.domain.suppression import FLEET_FILE
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import (
    clean_text,
    cut_text,
    end_sentence,
    find_shell_argument,
    format_count,
    format_elapsed,
    format_end,
    format_moment,
    format_share,
    join_names,
    join_reason,
    name_element,
    split_vib_key,
)
from esx_drift.messages.change_lines import (
    ChangeWords,
    list_change_lines,
    list_rest_lines,
    render_accepted,
    render_change_line,
    render_change_lines,
    render_change_title,
)
from esx_drift.messages.event_lines import (
    build_interval,
    build_moment,
    count_unlisted,
    find_lateness,
    is_accepted_everywhere,
    is_left_by_window,
    list_end_lines,
    list_finding_lines,
    list_part_lines,
    list_record_facts,
    name_place,
    render_end_headline,
    render_facts,
    render_headline,
    render_place,
    render_still_open,
    render_suppressed,
    render_unwatched,
    render_watched_again,
    render_when,
)
from esx_drift.messages.message_data import (
    MessageData,
    add_stack,
    count_places,
    list_ended_acceptances,
    list_hosts_to_renew,
    merge_data,
    name_summary,
    render_stack_option,
)
from esx_drift.messages.next_action import (
    MAX_COMMAND_CHARACTERS,
    PLANNED,
    build_next_step,
    build_rest_step,
    choose_advice,
    has_rest_of_vib,
)
from esx_drift.messages.report_lines import REPORT_BUILDERS
from esx_drift.messages.rollout_lines import (
    RolloutWords,
    find_flapping,
    find_release_names,
    find_rollout_words,
    find_steady_rollouts,
)

MAX_SHOWN_REASON_CHARACTERS: Final = 60
NOTHING_NEXT: Final = NextStep("nothing.")
"""Of what is over: whoever reads it at night must not look for what to do."""

MAX_STARTED_PLACES: Final = 20
"""Of the clusters that maintenance begins on by one message."""

NEVER_HIDDEN: Final = "New orphaned VIBs, downgrades and refused logins are reported at once all the same."

SIGNS: Final[Mapping[Level, str]] = MappingProxyType(
    {"critical": "🔴", "warning": "🟠", "info": "🔵", "over": "✅"}
)
"""What a channel puts before a title, so that a list of messages is read at a glance."""


def has_content(event_type: str) -> bool:
    """Whether events of this type have words for people."""
    return event_type in _BUILDERS


def is_for_chat(event_type: str) -> bool:
    """Whether events of this type are posted.

    First copies are told once of the fleet, by a report; of a dead route its fallback hears from the sender.
    """
    return has_content(event_type) and event_type not in {BASELINE_RECORDED, ROUTE_DEAD}


def build_content(event: Event) -> MessageContent:
    """Build what a message says of an event that is posted as soon as it is known.

    Raises:
        KeyError: People are not told of events of this type.
    """
    return build_message(event["type"], merge_data([event["data"]], parse_time(event["data"]["checked_at"])))


def build_message(event_type: str, data: MessageData) -> MessageContent:
    """Build what a message says of events of ``event_type``, whose ``data`` is that of one or of several.

    Raises:
        KeyError: People are not told of events of this type.
    """
    content = _BUILDERS[event_type](data)
    place = "" if event_type in REPORT_BUILDERS else render_place(data)
    step = content.next_step
    if step is None and content.level == "over" and ACCEPTED_NOTE not in content.notes:
        step = NOTHING_NEXT
    return replace(
        content, title=f"{begin_title(content.level, data)}{content.title}", place=place, next_step=step
    )


def build_fact(event_type: str, data: MessageData) -> str:
    """Build the title of that message without what stands before the fact itself.

    ``event_type`` and ``data`` are those of the message; raises ``KeyError`` as ``build_message`` does.
    """
    return _BUILDERS[event_type](data).title


def begin_title(level: Level, data: MessageData) -> str:
    """Begin a title with what must not hang on a sign alone: that it is critical, and that it is no news.

    ``level`` and ``data`` are the message's.
    """
    return ("CRITICAL · " if level == "critical" else "") + ("late: " if find_lateness(data) else "")


class _Parts(Struct, frozen=True):
    """What the builders share: an event's data, and what of it began, ended and was put back."""

    data: MessageData

    @property
    def begun(self) -> list[Change]:
        """The changes that are news, the VIBs that have gone among them."""
        return [change for change in self.data["changes"] if "put_back" not in change]

    @property
    def put_back(self) -> list[Change]:
        """The changes that brought back what was accepted."""
        return [change for change in self.data["changes"] if "put_back" in change]

    @property
    def news(self) -> list[Finding]:
        """The findings that opened or were raised, the worst first."""
        return _sort_worst_first(
            [finding for finding in self.data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
        )

    @property
    def ended(self) -> list[Finding]:
        """The findings that ended, the worst first."""
        return _sort_worst_first(
            [finding for finding in self.data["findings"] if finding["transition"] == "resolved"]
        )

    @property
    def words(self) -> ChangeWords:
        """What changes are worded with."""
        data = self.data
        return ChangeWords(
            data["host_names"],
            data["coverage"],
            {**data.get("release_names", {}), **find_release_names([*self.news, *self.ended])},
            at_least=data["truncated"],
            counts_hosts=count_places(data) > 1,
            left_vibs=list_left_vibs(data),
        )

    @property
    def change_title(self) -> str:
        """What a title says of the changes that are news, or else of all; empty where there is none."""
        lines = list_change_lines(self.begun or self.data["changes"], self.words)
        return render_change_title(lines, self.words) if lines else ""

    @property
    def rollout(self) -> RolloutWords | None:
        """The words for an upgrade under way; what was put back is told as that."""
        if self.put_back and not self.begun:
            return None
        steady = find_steady_rollouts(self.data["findings"], self.begun)
        hosts = [host for item in self.news if item["kind"] == "drift-unreviewed" for host in item["hosts"]]
        unaccepted = self.words.name_hosts(list(dict.fromkeys(hosts))) if hosts else ""
        findings = [*self.news, *self.ended, *steady]
        return find_rollout_words(findings, self.data, self.change_title, unaccepted)

    def list_cluster_lines(self) -> list[str]:
        """List the clusters with their hosts, where the message is about several."""
        return list_part_lines(self.data) if count_places(self.data) > 1 else []

    def is_said_elsewhere(self, finding: Finding) -> bool:
        """Whether changes say it better: that a VIB came or went, or that something differs (again)."""
        changes = self.data["changes"]
        if "rollout" in finding["detail"] or "accepted" in finding:
            return True
        if finding["kind"] == "drift-unreviewed":
            return bool(self.put_back) if finding["transition"] == "resolved" else bool(changes)
        if finding["kind"] == "image-not-uniform":
            return bool(changes)
        return any(change["key"] == finding["subject"] for change in changes)


def _build_detected(data: MessageData) -> MessageContent:
    parts = _Parts(data)
    begun: MessageData = {**data, "changes": parts.begun}
    advice, rollout = choose_advice(begun, parts.news), parts.rollout
    unwatched, replaced = render_unwatched(parts.news), _list_replaced(parts)
    is_said = bool(replaced) or (unwatched and advice.note == VCENTER_NOT_SEEN_NOTE)
    notes = (
        unwatched,
        "" if is_said else advice.note.format(stack=render_stack_option(data)),
        _render_uniformity(parts),
        rollout.note if rollout else _render_stays_open(parts),
        find_flapping(parts.news, data)[1],
        _render_late_note(parts.news),
        *_list_common_notes(data, is_over=bool(rollout and rollout.is_over)),
    )
    level = _find_level(parts)
    return MessageContent(
        title=rollout.title if rollout else _render_detected_title(parts),
        items=tuple(_list_detected_items(parts)),
        notes=tuple(filter(None, notes)),
        next_step=_build_step(parts, advice, begun),
        facts=render_facts(data),
        unlisted=count_unlisted(data),
        level="over" if rollout and rollout.is_over and not _has_other_news(parts) else level,
        when=(rollout.when if rollout else ()) or _list_ends(parts) or (*render_when(data), *replaced),
    )


def _build_step(parts: _Parts, advice: Advice, begun: MessageData) -> NextStep | None:
    """An upgrade under way asks for nothing; one that is done, for somebody who accepts it."""
    rollout = parts.rollout
    if rollout and rollout.step:
        return NextStep(rollout.step)
    if rollout is None or not rollout.is_calm:
        return build_next_step(advice, begun, parts.news)
    is_open = any(finding["kind"] == "drift-unreviewed" for finding in parts.data["findings"])
    return build_next_step(PLANNED, begun, parts.news) if rollout.is_over and is_open else None


def _has_other_news(parts: _Parts) -> bool:
    """Whether more than an upgrade's end is news; where it is told by its changes, those are no others."""
    is_told_by_finding = any("rollout" in item["detail"] for item in (*parts.news, *parts.ended))
    others = any("rollout" not in item["detail"] for item in parts.news)
    return others or (is_told_by_finding and bool(parts.begun))


def _list_ends(parts: _Parts) -> tuple[str | Moment, ...]:
    """List whose acceptances ended, and when, where that is all that is news."""
    if parts.begun or not all(map(list_ended_acceptances, parts.news)):
        return ()
    ends = [each for finding in parts.news for each in list_ended_acceptances(finding)]
    names = {each: parts.words.name_hosts(each.hosts) for each in ends}
    # Which hosts it is about, the title says, unless they are not the same.
    said: dict[tuple[str, str], None] = {}
    for each, hosts in names.items():
        of_hosts = f" for {hosts}" if len({*names.values()}) > 1 else ""
        by = f" by {_name_person(each.by)}" if each.by else ""
        why = f" (“{clean_text(each.why, MAX_SHOWN_REASON_CHARACTERS)}”)" if each.why else ""
        said[f"The acceptance{of_hosts}{by}{why} ended ", each.at] = None
    moments = [(begin, build_moment(at, parts.data["now"], ends=True)) for begin, at in said]
    sentences = [(" " if number else "", *each, ".") for number, each in enumerate(moments)]
    return tuple(part for sentence in sentences for part in sentence if part)


WINDOW_NOTE: Final = "It came within maintenance that is over now."


NO_ROLLOUT_NOTE: Final = "It came with an upgrade that did not reach all hosts and is no longer followed."


def _render_late_note(news: Sequence[Finding]) -> str:
    """Render why all of it is reported now: maintenance, a rule or an upgrade kept it back until now."""
    if news and all(map(is_left_by_window, news)):
        return WINDOW_NOTE
    if any(NO_ROLLOUT_DETAIL in finding["detail"] for finding in news):
        return NO_ROLLOUT_NOTE
    rules = {str(finding["detail"].get(HIDDEN_DETAIL, "")).partition("ignore:")[2] for finding in news}
    if len(rules) != 1 or "" in rules:
        return ""
    return f"The rule {clean_text(rules.pop())} of the fleet file left it out until now."


def _list_replaced(parts: _Parts) -> tuple[str | Moment, ...]:
    """List when a VIB was reported in whose place another version of it came."""
    came = {split_vib_key(item["subject"])[0] for item in parts.news if item["kind"] == "orphaned-vib"}
    gone = [
        item
        for item in parts.ended
        if item["kind"] == "orphaned-vib" and split_vib_key(item["subject"])[0] in came
    ]
    if not gone:
        return ()
    before = build_moment(gone[0]["opened_at"], parts.data["now"], ends=True)
    name, version = split_vib_key(gone[0]["subject"])
    return (f" Follows the message on {' '.join((name, cut_tail(version)))} of ", before, ".")


def _find_level(parts: _Parts) -> Severity:
    """Find how bad it is by what is news; of what the event had no room for, its severity is left."""
    severities = [item["severity"] for item in (*parts.begun, *parts.news)]
    severities += [parts.data["severity"]] if parts.data["truncated"] or not severities else []
    return max(severities, key=rank_severity)


LATE_NOTE: Final = "This message is late:"


def _list_common_notes(data: MessageData, *, is_over: bool = False) -> tuple[str, ...]:
    """What may stand below any message; of an upgrade that ``is_over`` nothing is under way."""
    late = find_lateness(data)
    return (
        render_still_open(data),
        "" if is_over else render_suppressed(data),
        f"{LATE_NOTE} it was found {late} ago." if late else "",
    )


def _render_detected_title(parts: _Parts) -> str:
    data = parts.data
    flapping, _ = find_flapping(parts.news, data)
    if parts.begun:
        return f"{flapping}{parts.change_title} · {render_place(data)}"
    if parts.news:
        return f"{flapping}{_render_net_headline(parts) or render_headline(parts.news, data)}"
    # Nothing of it had room in the event: the numbers are exact all the same.
    totals = data["totals"]
    counts = f"{format_count(totals['changes'], 'change')}, {format_count(totals['findings'], 'finding')}"
    return f"{counts} · {render_place(data)}"


def _find_unreviewed_differences(finding: Finding) -> list[Mapping[str, Any]]:
    return _find_differences(finding) if finding["kind"] == "drift-unreviewed" else []


def _render_net_headline(parts: _Parts) -> str:
    """``Acceptance ended: Intel-i40en 2.9.2.0 on esx07``, where nothing changed; empty where it is not so."""
    worst, ended, is_least = parts.news[0], list_hosts_to_renew(parts.news[0]), False
    differences = _find_unreviewed_differences(worst)
    total = worst["detail"].get("total")
    if ended and count_places(parts.data) == 1:
        # Others may have differed before, and in something else.
        own = [each for each in differences if not {*ended}.isdisjoint(each.get("hosts", ended))]
        is_cut = isinstance(total, int) and total > len(differences)
        # Whose those are that are not listed is known only where it ended for all hosts.
        is_least = is_cut and {*ended} != {*worst["hosts"]}
        differences, total = own, total if is_cut and not is_least else len(own)
    if not differences:
        about = render_headline([{**worst, "hosts": ended}], parts.data)
        return f"Acceptance ended: {about}" if ended else ""
    what = "Acceptance ended" if ended else "Not as last accepted"
    # Its hosts are those of one cluster: of several, each has its own.
    hosts = (ended or worst["hosts"]) if count_places(parts.data) == 1 else _list_news_hosts(parts)
    named = [{**difference, "hosts": hosts} for difference in differences]
    number = total if isinstance(total, int) else len(differences)
    accepted = render_accepted(named, number, parts.words, says_from=not ended, is_least=is_least)
    return f"{what}: {accepted} · {render_place(parts.data)}"


def _find_differences(finding: Finding) -> list[Mapping[str, Any]]:
    """Find in what hosts differ from what was accepted; none where a large event was cut."""
    held: Any = finding["detail"].get("differences")
    whole = isinstance(held, list) and all(
        isinstance(each, dict) and {"element", "key", "to"} <= each.keys() for each in held
    )
    return held if whole else []


def _list_news_hosts(parts: _Parts) -> list[str]:
    hosts = [list_hosts_to_renew(finding) or finding["hosts"] for finding in parts.news]
    return [*dict.fromkeys(host for each in hosts for host in each)]


def _list_detected_items(parts: _Parts) -> list[str]:
    """List what began first, then what was put back, and what has ended."""
    rollout, words = parts.rollout, parts.words
    if rollout:
        begun = [*rollout.items, *_list_rollout_items(parts)]
    else:
        begun = list_rest_lines(list_change_lines(parts.begun, words), words) if parts.begun else []
    news = [finding for finding in parts.news if not parts.is_said_elsewhere(finding)]
    if news and _is_said_by_title(news[0]):
        news = news[1:]
    if rollout and rollout.is_over:
        # The title names a single host that is not as accepted.
        news = [item for item in news if item["kind"] != "drift-unreviewed" or len(item["hosts"]) > 1]
    return [
        *begun,
        *list_finding_lines(news, parts.data),
        *_list_last_images(parts),
        *(f"Put back: {line}" for line in render_change_lines(parts.put_back, words)),
        *list_end_lines([item for item in parts.ended if not parts.is_said_elsewhere(item)], parts.data),
        *parts.list_cluster_lines(),
    ]


def _is_said_by_title(finding: Finding) -> bool:
    """Whether a title names the one host that is not as accepted, and all in which it differs."""
    is_one = len(finding["hosts"]) == len(_find_unreviewed_differences(finding)) == 1
    return is_one and finding["detail"].get("total", 1) == 1 and not list_ended_acceptances(finding)


def _list_last_images(parts: _Parts) -> Iterator[str]:
    """List what the hosts ran that are not seen now: the title says since when."""
    running: dict[str, list[str]] = {}
    for finding in parts.news:
        held: Any = finding["detail"].get(LAST_IMAGE_DETAIL)
        if isinstance(held, dict) and {"version", "release"} <= held.keys():
            version, release = str(held["version"]), str(held["release"])
            running.setdefault(format_called_release(version, release), []).extend(finding["hosts"])
    is_one = len(running) == 1 and len(parts.news) == 1
    for name, hosts in running.items():
        yield f"Last known image: {name}{'' if is_one else f' · {parts.words.list_hosts(hosts)}'}"


def _list_rollout_items(parts: _Parts) -> list[str]:
    """List the changes below a title that says already where an upgrade goes."""
    lines = list_change_lines(parts.begun, parts.words)
    if not lines or not parts.rollout or not parts.rollout.is_calm:
        return [render_change_line(line, parts.words) for line in lines]
    if any(line.hosts != lines[0].hosts for line in lines):
        return [render_change_line(line, parts.words) for line in lines]
    if len(lines) == 1 and lines[0].rest:
        return [render_change_line(replace(lines[0], long=lines[0].rest), parts.words)]
    title = parts.rollout.title
    return [
        f"On {parts.words.list_hosts(lines[0].hosts)}",
        *(line.long for line in lines if line.long not in title),
    ]


def _build_resolved(data: MessageData) -> MessageContent:
    parts = _Parts(data)
    removed_vibs = [change for change in data["changes"] if change["element"] == "orphaned_vib"]
    rollout, vanished = parts.rollout, list_vanished(data)
    is_in_part = _is_partly_put_back(parts) or _is_accepted_in_part(parts)
    is_over = not is_in_part and not (removed_vibs and not parts.ended)
    level: Level = "over" if is_over else "info"
    notes = (
        VANISHED_NOTE if vanished else "",
        render_watched_again(data),
        _render_uniformity(parts),
        *(list(_list_accepted_notes(parts)) or _list_nothing_to_do(parts)),
        *_list_common_notes(data),
    )
    return MessageContent(
        title=rollout.title if rollout else _render_resolved_title(parts),
        items=(*(rollout.items if rollout else ()), *_list_resolved_items(parts)),
        notes=tuple(filter(None, notes)),
        next_step=build_next_step(choose_advice(data, ()), data, ())
        if removed_vibs
        else (build_rest_step(data) if is_in_part else None),
        facts=render_facts(data),
        unlisted=count_unlisted(data),
        level="critical" if vanished or has_rest_of_vib(data) else level,
        when=render_when(data),
    )


VANISHED_NOTE: Final = (
    "Nobody had accepted it or said why it was there. That it has gone is no all-clear: it was evidence."
)


def _list_resolved_items(parts: _Parts) -> list[str]:
    lines = list_change_lines(parts.data["changes"], parts.words)
    ended = [finding for finding in parts.ended if not parts.is_said_elsewhere(finding)]
    return [
        *(list_rest_lines(lines, parts.words) if lines else ()),
        *_list_accepted_hosts(parts),
        *list_end_lines(ended, parts.data),
        *parts.list_cluster_lines(),
    ]


def _list_accepted_hosts(parts: _Parts) -> Iterator[str]:
    """List several hosts of what was accepted, which the title counts."""
    for finding in parts.data["findings"]:
        hosts = finding["accepted"]["hosts"] if "accepted" in finding else []
        if len(hosts) > 1 and count_places(parts.data) == 1:
            yield f"On {parts.words.list_hosts(hosts)}"


def _render_resolved_title(parts: _Parts) -> str:
    data = parts.data
    if data["changes"] and list_vanished(data):
        lines = list_change_lines(data["changes"], parts.words)
        gone = render_change_title(lines, parts.words, names_few=True)
        return f"{gone}{_render_after(parts)}; unexplained · {render_place(data)}"
    if data["changes"]:
        return f"{_render_put_back(parts)}{parts.change_title}{_render_after(parts)} · {render_place(data)}"
    if "decision" in data:
        return _render_decision(parts, data["decision"])
    if parts.ended and all(finding["resolved_because"] == "accepted" for finding in parts.ended):
        return f"Accepted: {_name_decided(parts)} · {render_place(data)}"
    flapping, _ = find_flapping(parts.ended, data)
    ended = render_end_headline(parts.ended, data) if parts.ended else f"{render_place(data)}: over"
    return f"{flapping}{ended}"


def _render_put_back(parts: _Parts) -> str:
    """``Put back after 1 h: ``; in part, where one of the hosts is not as accepted all the same."""
    if not parts.put_back:
        return ""
    if _is_partly_put_back(parts):
        return "Partly put back: "
    ended = [finding for finding in parts.ended if finding["kind"] == "drift-unreviewed"]
    times = {format_elapsed(finding["opened_at"], parts.data["checked_at"]) for finding in ended}
    return f"Put back after {times.pop()}: " if len(times) == 1 else "Put back: "


def _render_after(parts: _Parts) -> str:
    """`` after 2 days``, of VIBs that have gone."""
    ended = [finding for finding in parts.ended if finding["kind"] == "orphaned-vib"]
    times = {format_elapsed(finding["opened_at"], parts.data["checked_at"]) for finding in ended}
    return f" after {times.pop()}" if len(times) == 1 else ""


def _is_partly_put_back(parts: _Parts) -> bool:
    """Whether one of the hosts is not as accepted all the same."""
    findings = [finding for finding in parts.data["findings"] if finding["kind"] == "drift-unreviewed"]
    differing = {
        host for finding in findings if finding["transition"] != "resolved" for host in finding["hosts"]
    }
    return any(not differing.isdisjoint(change["hosts"]) for change in parts.put_back)


def _render_decision(parts: _Parts, decision: EventDecision) -> str:
    """``alice accepted Intel-i40en 2.9.2.0 on esx07 · prod-a · vc01 — “CHG-2042”``."""
    place = render_place(parts.data)
    ended = parts.ended
    is_retired = bool(ended) and all(item["resolved_because"] == "retired" for item in ended)
    what = f"retired {place}" if is_retired else f"accepted {_name_decided(parts)}"
    why = clean_text(join_reason(decision["reason"], decision.get("ticket")), MAX_SHOWN_REASON_CHARACTERS)
    until = f", until {format_end(decision['until'])}" if "until" in decision else ""
    return f"{_name_person(decision['by'])} {what}{until}{'' if is_retired else f' · {place}'} — “{why}”"


def _name_person(arn: str) -> str:
    """Name who decided by the last part of the ``arn``: ``alice``."""
    return clean_text(arn.replace("/", ":").rpartition(":")[2])


def _is_accepted_in_part(parts: _Parts) -> bool:
    """Whether of what a decision was about something is not accepted."""
    return any(
        "accepted" in finding and finding["transition"] != "resolved" and not is_accepted_everywhere(finding)
        for finding in parts.data["findings"]
    )


def _list_accepted_notes(parts: _Parts) -> Iterator[str]:
    """What a decision left open of what it was about."""
    for finding in parts.data["findings"]:
        if "accepted" not in finding or finding["transition"] == "resolved":
            continue
        if finding["kind"] == "orphaned-vib":
            yield f"It stays open, with severity {finding['severity']}: the VIB is still there."
        else:
            yield f"Still not as accepted: {parts.words.list_hosts(finding['hosts'])}."


def _list_nothing_to_do(parts: _Parts) -> list[str]:
    """Say that nothing is left to do of what was accepted for good."""
    is_for_a_time = "until" in parts.data.get("decision", {})
    is_accepted = any(
        (finding["kind"], finding["resolved_because"]) == ("drift-unreviewed", "accepted")
        for finding in parts.ended
    )
    return [ACCEPTED_NOTE] if is_accepted and not is_for_a_time else []


ACCEPTED_NOTE: Final = "Nothing is left to do about it: any other change is reported as before."


def _name_decided(parts: _Parts) -> str:
    """What was accepted: the parts that differed, a VIB, or else what the finding is called."""
    held = [(finding, cast("Any", finding).get("accepted")) for finding in parts.data["findings"]]
    accepted = _join_accepted([(finding, part) for finding, part in held if part])
    names = [
        render_accepted(part["differences"], part["total"], parts.words)
        if part["differences"]
        else _name_found({**finding, "hosts": part["hosts"]}, parts)
        for finding, part in accepted
    ]
    names = names or [_name_found(finding, parts) for finding in _join_unreviewed(parts.ended)]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "what is open"


def _join_accepted(accepted: Sequence[tuple[Finding, Any]]) -> list[tuple[Finding, Any]]:
    """Join what was accepted in the same words on several clusters into one, with all its hosts."""
    joined: dict[str, tuple[Finding, Any]] = {}
    for finding, part in accepted:
        said = [[each["element"], each["key"], each["to"]] for each in part["differences"]]
        what = compute_digest([said, part["total"], "" if said else finding["fingerprint"]])
        known = joined.setdefault(what, (finding, {**part, "hosts": [], "differences": []}))[1]
        known["hosts"] = [*dict.fromkeys((*known["hosts"], *part["hosts"]))]
        known["differences"] = [*known["differences"], *part["differences"]]
    return [*joined.values()]


def _join_unreviewed(findings: Sequence[Finding]) -> list[Finding]:
    """Join what is not as accepted on several clusters into one finding."""
    unreviewed = [finding for finding in findings if finding["kind"] == "drift-unreviewed"]
    others = [finding for finding in findings if finding["kind"] != "drift-unreviewed"]
    hosts = [*dict.fromkeys(host for finding in unreviewed for host in finding["hosts"])]
    joined: list[Finding] = [{**finding, "hosts": hosts} for finding in unreviewed[:1]]
    return [*joined, *others]


def _name_found(finding: Finding, parts: _Parts) -> str:
    hosts = parts.words.name_hosts(finding["hosts"])
    if finding["kind"] == "drift-unreviewed":
        return f"what {hosts} now {'runs' if len(finding['hosts']) == 1 else 'run'}"
    if finding["kind"] == "orphaned-vib":
        name, version = split_vib_key(finding["subject"])
        return f"{' '.join(filter(None, ('VIB', name, cut_tail(version))))} on {hosts}"
    return f"that {end_sentence(finding['summary']).removesuffix('.')}"


def _build_baseline(data: MessageData) -> MessageContent:
    coverage = data["coverage"]
    read = f": {format_share(coverage['covered'], coverage['hosts'])} checked" if coverage else ""
    return MessageContent(
        title=f"First check of {render_place(data)}{read}",
        items=tuple(_Parts(data).list_cluster_lines()),
        notes=(
            "Saved as the first copy. From now on only what changes is reported.",
            f"Nobody has approved it yet. After looking it over: esx-drift accept{render_stack_option(data)}",
        ),
        next_step=NextStep(
            "look over what runs there and what was found:", add_stack("esx-drift status", data)
        ),
        facts=render_facts(data),
        when=render_when(data),
    )


def _build_maintenance_ended(data: MessageData) -> MessageContent:
    windows = [(part, window) for part in data["parts"] for window in _list_windows(part)]
    left, total = _list_left_open(data), sum(window["still_open_total"] for _, window in windows)
    open_still = [finding for _, window in windows for finding in window["still_open"]]
    worst: Severity = max((item["severity"] for item in open_still), key=rank_severity, default="info")
    stays = f"still open: {format_count(total, 'finding')}" if total else "nothing seen in it is open"
    unseen = [part["since"] for part in data["parts"] if part["coverage"] is None and part["since"]]
    return MessageContent(
        title=f"{render_window_title(data)}; {stays} · {render_place(data)}",
        items=(*_list_ended_lines([window for _, window in windows]), *_list_stays_lines(left, total)),
        notes=(_render_unseen_note(min(unseen)),) if unseen else (),
        next_step=_build_window_step(data) if total else None,
        facts=(*((worst,) if total else ("over",)), *list_record_facts(data["parts"][0])),
        level=worst if total else "over",
        when=_render_window_time([window for _, window in windows], data["now"]),
    )


def _render_unseen_note(since: str) -> str:
    """Say up to when was looked, where maintenance ended by a command: that looks at nothing."""
    return f"Last checked {format_moment(since)} UTC: what was done since is found by the next check."


def _build_maintenance_started(data: MessageData) -> MessageContent:
    parts = [cast("Any", part)["report"]["window"] for part in data["parts"]]
    window, is_one = parts[0], count_places(data) == 1
    why = clean_text(join_reason(window["reason"], window.get("ticket")), MAX_SHOWN_REASON_CHARACTERS)
    length = format_elapsed(window["from"], window["to"])
    places = [] if is_one else [name_place(part) for part in data["parts"]]
    end = "is accepted when it ends" if window["accept"] else "is reported only when it ends"
    return MessageContent(
        title=f"{_name_person(window['by'])} began maintenance for {length} · {render_place(data)} — “{why}”",
        items=tuple(places[:MAX_STARTED_PLACES]),
        notes=(f"No host is touched by this: what changes meanwhile {end}. {NEVER_HIDDEN}",),
        next_step=_build_end_step(data),
        facts=("info", *list_record_facts(data["parts"][0])),
        unlisted=max(0, len(places) - MAX_STARTED_PLACES),
        level="info",
        when=("It lasts from ", *build_interval(window["from"], window["to"], data["now"], link=" to "), "."),
    )


def _build_end_step(data: MessageData) -> NextStep:
    names = [find_shell_argument(part["cluster"]["name"]) for part in data["parts"] if part["cluster"]]
    clusters = " ".join(filter(None, names)) if None not in names else ""
    vcenters = {find_shell_argument(part["vcenter"]) for part in data["parts"]}
    vcenter = next(iter(vcenters)) if len(vcenters) == 1 else None
    option = f" --vcenter {vcenter}" if vcenter else ""
    command = add_stack(f"esx-drift maintenance end {clusters}{option}", data) if clusters else ""
    if len(command) > MAX_COMMAND_CHARACTERS:
        # Cut, it would end it on some of them.
        command = ""
    who = _name_person(cast("Any", data["parts"][0])["report"]["window"]["by"])
    return NextStep(f"nothing, if it is planned; if nobody else knows of it, ask {who}, or end it:", command)


def render_window_title(data: MessageData) -> str:
    """Render ``Maintenance “CHG-2050” is over``: by why it was begun, or else by its name in the file."""
    names = dict.fromkeys(_name_window(window) for part in data["parts"] for window in _list_windows(part))
    return f"Maintenance {next(iter(names))} is over" if len(names) == 1 else "Maintenance is over"


def _name_window(window: EndedWindow) -> str:
    why = join_reason(window["reason"], window.get("ticket"))
    reason = f"“{clean_text(why, MAX_SHOWN_REASON_CHARACTERS)}”"
    return f"{clean_text(window['name'])} ({reason})" if window["by"] == FLEET_FILE else reason


def _render_window_time(windows: Sequence[EndedWindow], now: datetime) -> tuple[str | Moment, ...]:
    """Render from when to when it was, and who began it."""
    begin, end = min(window["from"] for window in windows), max(window["to"] for window in windows)
    persons = dict.fromkeys(_name_person(window["by"]) for window in windows if window["by"] != FLEET_FILE)
    by = f", begun by {join_names([*persons])}" if persons else ""
    return "It was from ", *build_interval(begin, end, now, link=" to "), f"{by}."


def _build_window_step(data: MessageData) -> NextStep:
    cluster = data["cluster"] if count_places(data) == 1 else None
    name = find_shell_argument(cluster["name"]) if cluster else None
    command = f"esx-drift status {name}" if name else "esx-drift status"
    return NextStep("look over what stays open, and put it back or accept it:", add_stack(command, data))


def _list_windows(data: EventData) -> list[EndedWindow]:
    report: Any = data.get("report", {})
    return cast("list[EndedWindow]", report["windows"])


def _list_left_open(data: MessageData) -> list[str]:
    """List what is open still, with its cluster where there are several."""
    is_one = count_places(data) == 1
    return [
        f"{'' if is_one else f'{name_place(part)}: '}{_name_left(finding, part)}"
        for part in data["parts"]
        for window in _list_windows(part)
        for finding in window["still_open"]
    ]


def _name_left(finding: OpenAtEnd, part: EventData) -> str:
    return f"{name_summary(finding['summary'], part['checked_at'])} ({finding['severity']})"


def _list_stays_lines(left: Sequence[str], total: int) -> list[str]:
    more = [f"{STAYS_OPEN}{total - len(left)} more"] if total > len(left) else []
    return [*(f"{STAYS_OPEN}{line}" for line in left), *more]


STAYS_OPEN: Final = "Stays open: "


def _list_ended_lines(windows: Sequence[EndedWindow]) -> Iterator[str]:
    """List what happened within windows and was not reported, and how much of that was accepted."""
    changes, findings = Counter[str](), 0
    for window in windows:
        changes.update(window["changes"])
        findings += sum(window["findings"].values())
    counted = [
        f"{format_count(number, 'change')} of {name_element(element)}" for element, number in changes.items()
    ]
    counted += [format_count(findings, "finding")] if findings else []
    yield (
        f"Within it, and not reported then: {join_names(counted)}" if counted else "Nothing changed within it"
    )
    if any(window["accept"] for window in windows):
        accepted = sum(window["accepted_total"] for window in windows)
        yield (
            f"Accepted what it changed on {format_count(accepted, 'host')}"
            if accepted
            else "Nothing of it was accepted"
        )


_BUILDERS: Final[Mapping[str, Callable[[MessageData], MessageContent]]] = MappingProxyType(
    {
        **REPORT_BUILDERS,
        BASELINE_RECORDED: _build_baseline,
        MAINTENANCE_STARTED: _build_maintenance_started,
        MAINTENANCE_ENDED: _build_maintenance_ended,
        **{f"esx-drift.{family}.detected": _build_detected for family in FAMILIES},
        **{f"esx-drift.{family}.resolved": _build_resolved for family in FAMILIES},
    }
)


def _sort_worst_first(findings: list[Finding]) -> list[Finding]:
    """Sort by severity; in what hosts differ from what was accepted says more than that they differ."""
    return sorted(
        findings,
        key=lambda finding: (-rank_severity(finding["severity"]), not _find_unreviewed_differences(finding)),
    )


def _render_uniformity(parts: _Parts) -> str:
    """Render that hosts began or ceased to differ, where changes say in what."""
    moved = [finding for finding in (*parts.news, *parts.ended) if finding["kind"] == "image-not-uniform"]
    if not moved or not parts.data["changes"] or parts.rollout is not None:
        return ""
    if moved[0]["transition"] == "resolved":
        time = format_elapsed(moved[0]["opened_at"], parts.data["checked_at"])
        return f"All hosts run the same image again, after {time}."
    hosts = moved[0]["hosts"]
    majority = cast("Any", moved[0]["detail"].get("majority"))
    others = len(majority["hosts"]) if isinstance(majority, dict) else 0
    if not others or count_places(parts.data) > 1:
        return "The hosts no longer all run the same image."
    verb = "runs" if len(hosts) == 1 else "run"
    rest = "the one other host" if others == 1 else f"the other {others} hosts"
    return f"{parts.words.name_hosts(hosts)} no longer {verb} the same image as {rest}."


def _render_stays_open(parts: _Parts) -> str:
    is_open = any(
        finding["kind"] == "drift-unreviewed" and finding["transition"] != "resolved"
        for finding in parts.data["findings"]
    )
    return "Stays open until it is put back or accepted." if parts.data["changes"] and is_open else ""


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


def cut_title(content: MessageContent, most: int) -> str:
    """Cut the title of ``content``, with its sign, to ``most`` characters; the place at its end stays."""
    title = f"{SIGNS[content.level]} {content.title}"
    end = f" · {content.place}"
    if not content.place or not title.endswith(end) or len(end) > most // 2:
        return cut_text(title, most)
    return f"{cut_text(title.removesuffix(end), most - len(end))}{end}"


def list_lines(content: MessageContent, shown: int) -> list[str]:
    """List the first ``shown`` items of ``content``, and how many more there are."""
    more = len(content.items) - shown + content.unlisted
    return [*content.items[:shown], *([f"and {more} more"] if more else [])]
