"""Reports in words: the first look, the day, and what is open for too long.

Longer than 250 lines, because each line of the daily report is worded beside the others.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from esx_drift.domain.events import ROUTE_DEAD, MessageContent, NextStep
from esx_drift.domain.images.part_words import format_called_release
from esx_drift.domain.stored.types import EventData
from esx_drift.domain.text.wording import (
    MAX_SENTENCE_CHARACTERS,
    clean_text,
    end_sentence,
    find_shell_argument,
    format_count,
    format_elapsed,
    format_moment,
    format_share,
    join_names,
    split_vib_key,
)
from esx_drift.messages.message_data import add_stack, name_summary, reword_summary
from esx_drift.messages.route_lines import build_dead_route_content

MAX_LINE_NAMES: Final = 5
"""Names in one line."""

_REASONS: Final = {"rollout": "upgrades under way", "flapping": "what comes and goes"}


def build_first_look_content(data: EventData) -> MessageContent:
    """Build what a message says of the first look at the fleet, or at clusters that joined it."""
    report: Any = data.get("report", {})
    clusters, vcenters, hosts = report["clusters"], report["vcenters"], report["hosts"]
    is_fleet = report["scope"] == "fleet"
    named = clean_text(clusters["listed"][0]) if clusters["total"] == 1 else ""
    what = named or f"{format_count(clusters['total'], 'cluster' if is_fleet else 'new cluster')}"
    where = f" on {format_count(vcenters['total'], 'vCenter')}" if clusters["total"] > 1 else ""
    return MessageContent(
        title=f"First check of {what}{where}: {format_share(hosts['covered'], hosts['hosts'])} checked",
        items=tuple(filter(None, _list_first_look_items(report, has_one=bool(named)))),
        notes=(
            "Saved as the first copy. From now on only what changes is reported.",
            "Nobody has reviewed it: later checks are compared with it until somebody accepts another state.",
            "esx-drift is the project's command; it needs rights on its AWS account.",
        ),
        next_step=_build_step("look over what runs and what was found:", data),
        facts=(f"{format_moment(data['checked_at'])} UTC",),
    )


def _list_first_look_items(report: Mapping[str, Any], *, has_one: bool) -> list[str]:
    """List what was found; of ``has_one`` the title names the cluster already."""
    vibs, uneven, unread = report["orphaned_vibs"], report["not_uniform"], report["unread_hosts"]
    standalone, missing = report["standalone_hosts"], report["missing"]
    return [
        "" if has_one else f"Checked: {_join_listed(report['clusters'])}",
        _render_running(report),
        f"{format_count(vibs['vibs'], 'orphaned VIB')} on {format_count(vibs['hosts'], 'host')}"
        if vibs["vibs"]
        else "",
        _name_all("not uniform", "cluster", uneven),
        _name_all("not checked", "host", unread),
        f"{format_count(standalone, 'host')} in no cluster, which nobody checks" if standalone else "",
        f"Not checked yet: {_join_listed(missing)}" if missing["total"] else "",
    ]


def _render_running(report: Mapping[str, Any]) -> str:
    """Render what runs; reports of versions before this one know no builds, and not how many images."""
    shown = [f"{_name_release(one)} on {format_count(one['hosts'], 'host')}" for one in report["releases"]]
    images = f" {format_count(report['images'], 'image')}" if "images" in report else ""
    return f"Running{images}: {join_names(shown, MAX_LINE_NAMES)}" if shown else ""


def _name_release(one: Mapping[str, Any]) -> str:
    release, version = one["release"], one.get("version")
    if version is None:
        return clean_text(release)
    return format_called_release(version, release)


def _name_all(what: str, noun: str, listed: Mapping[str, Any]) -> str:
    return f"{format_count(listed['total'], noun)} {what}: {_join_listed(listed)}" if listed["total"] else ""


def _join_listed(listed: Mapping[str, Any]) -> str:
    names = [clean_text(name) for name in listed["listed"][:MAX_LINE_NAMES]]
    more = listed["total"] - len(names)
    return f"{', '.join(names)} and {more} more" if more else ", ".join(names)


def build_daily_content(data: EventData) -> MessageContent:
    """Build what a message says of a day; also that all was well, so that its absence means something."""
    report: Any = data.get("report", {})
    clusters, hosts, opened = report["clusters"], report["hosts"], report["open"]
    seen = f"{clusters['seen']} of {format_count(clusters['watched'], 'cluster')}"
    day = f"From {format_moment(report['from'])} to {format_moment(report['until'])} UTC."
    share = f"{seen} and {format_share(hosts['covered'], hosts['hosts'])} checked"
    gone = report.get("vanished_vibs", _NONE)["total"]
    lost = f"{format_count(gone, 'VIB')} gone unexplained" if gone else ""
    found = f"{format_count(opened['total'], 'finding')} open" if opened["total"] else ""
    left = "".join(f"; {said}" for said in (lost, found) if said)
    return MessageContent(
        title=f"{'All quiet' if _is_quiet(report) else 'Daily report'}: {share}{left}",
        items=tuple(filter(None, _list_daily_items(report, data["checked_at"]))),
        notes=tuple(filter(None, [_render_lacking(report["reports_lacking"]), day, _render_seal(report)])),
        next_step=_build_daily_step(gone, opened["total"], data),
        facts=(f"{format_moment(data['checked_at'])} UTC",),
        level="over" if _is_quiet(report) else "info",
    )


def _build_daily_step(gone: int, still_open: int, data: EventData) -> NextStep | None:
    """Build what to do after a day: what may be an attack comes before what is open."""
    first = "make sure that security knows of what is unexplained" if gone else ""
    if not still_open:
        return NextStep(f"{first}.") if first else None
    return _build_step(f"{first}, then look over what is open:" if first else "look over what is open:", data)


def _render_seal(report: Mapping[str, Any]) -> str:
    """Reports of before the sealer say nothing of it."""
    seal = report.get("sealed")
    if seal is None:
        return ""
    key = f"key fingerprint {seal['key_sha256']}"
    return f"All records up to {format_moment(seal['until'])} UTC are sealed (signed), {key}."


def _is_quiet(report: Mapping[str, Any]) -> bool:
    """Whether nothing happened, nothing is open, and nothing was missed."""
    clusters, checks, hosts = report["clusters"], report["checks"], report["hosts"]
    was_all_seen = (clusters["seen"], checks["made"], hosts["covered"]) == (
        clusters["watched"],
        checks["expected"],
        hosts["hosts"],
    )
    happened = report["changes_told"] + report["failures_told"] + report["reports_lacking"]
    happened += report.get("vanished_vibs", _NONE)["total"]
    return was_all_seen and not happened and not report["suppressed"] and not report["open"]["total"]


def _list_daily_items(report: Mapping[str, Any], now: str) -> list[str]:
    unseen = report["unseen_clusters"]
    return [
        *_list_vanished_items(report.get("vanished_vibs", _NONE)),
        f"Not checked within the day: {_join_listed(unseen)}" if unseen["total"] else "",
        _render_checks(report["checks"]),
        _render_reported(report),
        _render_suppressed(report["suppressed"], report.get("changed", {})),
        *_list_open_items(report["open"], now),
    ]


_NONE: Final[Mapping[str, Any]] = {"total": 0, "listed": ()}
"""Reports of versions before this one say nothing of VIBs that have gone."""


def _list_vanished_items(vanished: Mapping[str, Any]) -> list[str]:
    """List the orphaned VIBs that have gone though nobody had accepted them, a line each."""
    lines = []
    for one in vanished["listed"]:
        vib = " ".join(filter(None, split_vib_key(one["vib"])))
        more = one["hosts_total"] - len(one["hosts"])
        hosts = ", ".join([*map(clean_text, one["hosts"]), *([f"{more} more"] if more > 0 else [])])
        lines.append(f"VIB {vib} gone from {hosts} · {_render_place(one)}; unexplained: tell security")
    more = vanished["total"] - len(lines)
    return [*lines, *([f"{format_count(more, 'more VIB')} gone, unexplained"] if more > 0 else [])]


def _render_checks(checks: Mapping[str, int]) -> str:
    """Render how planned checks ended. One that was made up for at a later try succeeded."""
    failed = checks["expected"] - checks["made"]
    lost = f", {failed} failed" if failed > 0 else ""
    return (
        f"Checks that were due: {checks['made']} of {checks['expected']} succeeded{lost}"
        " (each is of one cluster, and may have needed a second try)"
    )


def _render_reported(report: Mapping[str, Any]) -> str:
    """Render what messages of that day said, be it open still or not."""
    changes, failures = report["changes_told"], report["failures_told"]
    changed, failed = format_count(changes, "change"), format_count(failures, "failure")
    said = f"{changed} of software{_render_changed(report)}"
    lost = f"{failed} to check something, or to keep records"
    return f"Reported within the day, also if over by now: {said}; {lost}"


def _render_changed(report: Mapping[str, Any]) -> str:
    """`` (each of one part, such as a driver) on 3 hosts of 2 clusters``; reports of before don't say it."""
    changed = report.get("changed", {"hosts": 0})
    if not changed["hosts"]:
        return ""
    hosts, clusters = format_count(changed["hosts"], "host"), format_count(changed["clusters"], "cluster")
    return f" (each of one part, such as a driver) on {hosts} of {clusters}"


def _list_open_items(opened: Mapping[str, Any], now: str) -> list[str]:
    accepted = list(_list_accepted_items(opened, now))
    if not opened["total"]:
        return ["Nothing is open now", *accepted]
    ages = opened["by_age"]
    counted = [
        (ages["within_a_day"], "for less than a day"),
        (ages["within_a_week"], "for 1 to 7 days"),
        (ages["older"], "for longer"),
    ]
    by_age = ", ".join(f"{number} {age}" for number, age in counted if number)
    families = ", ".join(_list_families(opened.get("by_family", {})))
    what = f" ({families})" if families else ""
    # Reports of before name the oldest alone.
    listed = opened.get("listed", [opened["oldest"]])
    more = opened["total"] - len(listed)
    return [
        f"{format_count(opened['total'], 'finding')} open now{what}: {by_age}",
        *(_render_open(finding, now) for finding in listed),
        f"and {more} more open" if more > 0 else "",
        *accepted,
    ]


def _list_accepted_items(opened: Mapping[str, Any], now: str) -> Iterator[str]:
    """List what a person accepted and is still so, by name; reports of before only count it."""
    known, listed = opened.get("accepted", 0), opened.get("accepted_listed", ())
    named = [
        f"{_render_place(one)}: {name_summary(one['summary'], now, MAX_SENTENCE_CHARACTERS)}"
        for one in listed
    ]
    if known == 1 and named:
        yield f"Accepted, and so not counted as open: {named[0]}"
    elif known:
        yield f"Accepted, and so not counted as open: {format_count(known, 'finding')}"
        yield from named
        yield f"and {known - len(named)} more accepted" if 0 < len(named) < known else ""


_FAMILIES: Final = {
    "drift": ("{} of drift", "{} of drift"),
    "orphaned-vib": ("{} orphaned VIB", "{} orphaned VIBs"),
    "failure": ("{} failure to check or to keep records", "{} failures to check or to keep records"),
}
"""One, and several."""

_OTHERS: Final = ("{} of another kind", "{} of another kind")


def _list_families(families: Mapping[str, int]) -> list[str]:
    """List of which kind the open findings are: ``2 orphaned VIBs``."""
    return [_FAMILIES.get(family, _OTHERS)[number != 1].format(number) for family, number in families.items()]


def _render_suppressed(suppressed: Mapping[str, int], changed: Mapping[str, int]) -> str:
    """Render what was held back, and on how many hosts that nothing else of the report counts."""
    if not suppressed:
        return ""
    hosts = changed.get("hidden_hosts", 0)
    more = f"; they changed {format_count(hosts, 'more host')}" if hosts else ""
    reasons = [f"{number} because of {_name_reason(reason)}" for reason, number in suppressed.items()]
    what = "Changes and findings within the day that were not reported one by one"
    return f"{what}: {join_names(reasons)}{more}"


def _name_reason(reason: str) -> str:
    """``the rule a``, ``the maintenance window b``; one that a person began, by the record that says who."""
    kind, _, name = reason.partition(":")
    if kind == "maintenance" and name.startswith("record "):
        return f"maintenance that a person began ({clean_text(name)})"
    words = {"ignore": "the rule", "maintenance": "the maintenance window"}
    return f"{words[kind]} {clean_text(name)}" if kind in words and name else _REASONS.get(reason, reason)


def _render_open(finding: Mapping[str, Any], now: str) -> str:
    age = format_elapsed(finding["opened_at"], now)
    severity = f"{clean_text(finding['severity'])}, " if "severity" in finding else ""
    said = name_summary(finding["summary"], now, MAX_SENTENCE_CHARACTERS)
    return f"{_render_place(finding)}: {said} ({severity}open for {age})"


def _render_place(finding: Mapping[str, Any]) -> str:
    return " · ".join(clean_text(name) for name in (finding["cluster"], finding["vcenter"]) if name)


def _render_lacking(reports: int) -> str:
    return f"{format_count(reports, 'daily report')} before this one did not come." if reports else ""


def build_reminder_content(data: EventData) -> MessageContent:
    """Build what a message says of critical findings that nobody ended."""
    report: Any = data.get("report", {})
    findings, total, now = report["findings"], report["total"], data["checked_at"]
    age = format_elapsed(findings[0]["opened_at"], now)
    is_one = total == 1
    whole = reword_summary(findings[0]["summary"], now)
    what, place = clean_text(whole), _render_place(findings[0])
    # The title says it whole, or else the list does.
    only = () if clean_text(whole, MAX_SENTENCE_CHARACTERS) == what else (end_sentence(whole),)
    return MessageContent(
        title=f"Still open after {age}: {what} · {place}"
        if is_one
        else f"{format_count(total, 'critical finding')} still open, the oldest for {age}: {what}",
        items=only if is_one else tuple(_render_open(finding, now) for finding in findings),
        notes=(f"If {'it' if is_one else 'any of it'} is still open in a week, you hear of it again.",),
        next_step=_build_step(
            "see in detail what is open, and mend or accept it:",
            data,
            findings[0]["cluster"] if is_one else None,
        ),
        facts=(f"{format_moment(now)} UTC",),
        unlisted=total - len(findings),
        level="critical",
    )


def _build_step(text: str, data: EventData, cluster: str | None = None) -> NextStep:
    words = ["esx-drift status", (cluster and find_shell_argument(cluster)) or ""]
    return NextStep(text, add_stack(" ".join(filter(None, words)), data))


REPORT_BUILDERS: Final[Mapping[str, Callable[[EventData], MessageContent]]] = MappingProxyType(
    {
        "esx-drift.report.first-look": build_first_look_content,
        "esx-drift.report.daily": build_daily_content,
        "esx-drift.report.reminder": build_reminder_content,
        ROUTE_DEAD: build_dead_route_content,
    }
)
