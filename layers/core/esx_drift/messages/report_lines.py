"""Reports in words: the first look, the day, and what is open for too long."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from esx_drift.config import DEFAULT_STACK
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.types import EventData
from esx_drift.domain.text.wording import (
    clean_text,
    end_sentence,
    find_shell_argument,
    format_count,
    format_elapsed,
    format_moment,
    format_share,
    join_names,
)

MAX_LINE_NAMES: Final = 5
"""Names in one line."""

_REASONS: Final = {"rollout": "rollouts under way", "flapping": "what comes and goes"}


def build_first_look_content(data: EventData) -> MessageContent:
    """Build what a message says of the first look at the fleet, or at clusters that joined it."""
    report: Any = data.get("report", {})
    clusters, vcenters, hosts = report["clusters"], report["vcenters"], report["hosts"]
    is_fleet = report["scope"] == "fleet"
    named = clean_text(clusters["listed"][0]) if clusters["total"] == 1 else ""
    what = named or f"{format_count(clusters['total'], 'cluster' if is_fleet else 'new cluster')}"
    where = f" on {format_count(vcenters['total'], 'vCenter')}" if clusters["total"] > 1 else ""
    return MessageContent(
        title=f"First look at {what}{where}: {format_share(hosts['covered'], hosts['hosts'])} read",
        items=tuple(filter(None, _list_first_look_items(report))),
        notes=(
            "Saved as the first copy. From now on you hear only what changes.",
            "Nobody has confirmed yet that it is as it should be: esx-drift accept does, cluster by cluster.",
        ),
        next_step=_build_step("look over what runs and what was found:", data),
        facts=(f"{format_moment(data['checked_at'])} UTC",),
    )


def _list_first_look_items(report: Mapping[str, Any]) -> list[str]:
    vibs, uneven, unread = report["orphaned_vibs"], report["not_uniform"], report["unread_hosts"]
    standalone, missing = report["standalone_hosts"], report["missing"]
    return [
        _render_releases(report["releases"]),
        f"{format_count(vibs['vibs'], 'orphaned VIB')} on {format_count(vibs['hosts'], 'host')}"
        if vibs["vibs"]
        else "",
        _name_all("not uniform", "cluster", uneven),
        _name_all("could not be read", "host", unread),
        f"{format_count(standalone, 'host')} in no cluster, which nobody watches" if standalone else "",
        f"Not seen yet: {_join_listed(missing)}" if missing["total"] else "",
    ]


def _render_releases(releases: list[Any]) -> str:
    shown = [f"{clean_text(one['release'])} on {format_count(one['hosts'], 'host')}" for one in releases]
    return f"Running: {join_names(shown, MAX_LINE_NAMES)}" if shown else ""


def _name_all(what: str, noun: str, listed: Mapping[str, Any]) -> str:
    return f"{format_count(listed['total'], noun)} {what}: {_join_listed(listed)}" if listed["total"] else ""


def _join_listed(listed: Mapping[str, Any]) -> str:
    names = [clean_text(name) for name in listed["listed"][:MAX_LINE_NAMES]]
    more = listed["total"] - len(names)
    return f"{', '.join(names)} and {more} more" if more else ", ".join(names)


def build_daily_content(data: EventData) -> MessageContent:
    """Build what a message says of a day; also that all was well, so that its absence means something."""
    report: Any = data.get("report", {})
    clusters, checks, hosts, opened = report["clusters"], report["checks"], report["hosts"], report["open"]
    seen = f"{clusters['seen']} of {format_count(clusters['watched'], 'cluster')}"
    made = f"{checks['made']} of {format_count(checks['expected'], 'check')}"
    day = f"From {format_moment(report['from'])} to {format_moment(report['until'])} UTC."
    share = f"{seen}, {made}, {hosts['covered']} of {format_count(hosts['hosts'], 'host')}"
    return MessageContent(
        title=f"{'All quiet' if _is_quiet(report) else 'Daily report'}: {share}",
        items=tuple(filter(None, _list_daily_items(report, data["checked_at"]))),
        notes=tuple(filter(None, [_render_lacking(report["reports_lacking"]), day, _render_seal(report)])),
        next_step=_build_step("look over what is open:", data) if opened["total"] else None,
        facts=(f"{format_moment(data['checked_at'])} UTC",),
        level="over" if _is_quiet(report) else "info",
    )


def _render_seal(report: Mapping[str, Any]) -> str:
    """Reports of before the sealer say nothing of it."""
    seal = report.get("sealed")
    if seal is None:
        return ""
    return f"Trail sealed to {format_moment(seal['until'])} UTC, key fingerprint {seal['key_sha256']}."


def _is_quiet(report: Mapping[str, Any]) -> bool:
    """Whether nothing happened, nothing is open, and nothing was missed."""
    clusters, checks, hosts = report["clusters"], report["checks"], report["hosts"]
    was_all_seen = (clusters["seen"], checks["made"], hosts["covered"]) == (
        clusters["watched"],
        checks["expected"],
        hosts["hosts"],
    )
    happened = report["changes_told"] + report["failures_told"] + report["reports_lacking"]
    return was_all_seen and not happened and not report["suppressed"] and not report["open"]["total"]


def _list_daily_items(report: Mapping[str, Any], now: str) -> list[str]:
    unseen = report["unseen_clusters"]
    counted = [
        format_count(report["changes_told"], "change"),
        format_count(report["failures_told"], "failure"),
    ]
    return [
        f"Not seen within the day: {_join_listed(unseen)}" if unseen["total"] else "",
        f"Told: {' and '.join(counted)}",
        _render_suppressed(report["suppressed"]),
        *_list_open_items(report["open"], now),
    ]


def _list_open_items(opened: Mapping[str, Any], now: str) -> list[str]:
    if not opened["total"]:
        return ["Nothing is open"]
    ages = opened["by_age"]
    counted = [
        (ages["within_a_day"], "for less than a day"),
        (ages["within_a_week"], "for less than a week"),
        (ages["older"], "for longer"),
    ]
    by_age = ", ".join(f"{number} {age}" for number, age in counted if number)
    oldest = _render_open(opened["oldest"], now)
    return [f"{format_count(opened['total'], 'finding')} open: {by_age}", f"The oldest: {oldest}"]


def _render_suppressed(suppressed: Mapping[str, int]) -> str:
    if not suppressed:
        return ""
    reasons = [f"{number} by {_name_reason(reason)}" for reason, number in suppressed.items()]
    return f"Not told: {join_names(reasons)}"


def _name_reason(reason: str) -> str:
    """``the rule mft``, ``the window patch-night``; one that a person began, by the record that says who."""
    kind, _, name = reason.partition(":")
    if kind == "maintenance" and name.startswith("record "):
        return f"maintenance that a person began ({clean_text(name)})"
    words = {"ignore": "the rule", "maintenance": "the window"}
    return f"{words[kind]} {clean_text(name)}" if kind in words and name else _REASONS.get(reason, reason)


def _render_open(finding: Mapping[str, Any], now: str) -> str:
    age = format_elapsed(finding["opened_at"], now)
    return f"{_render_place(finding)}: {end_sentence(finding['summary'])} Open for {age}."


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
    return MessageContent(
        title=f"{_render_place(findings[0])}: still open after {age}"
        if is_one
        else f"Still open: {format_count(total, 'critical finding')}, the oldest for {age}",
        items=(end_sentence(findings[0]["summary"]),)
        if is_one
        else tuple(_render_open(finding, now) for finding in findings),
        notes=("You hear again in a week of what is open then.",),
        next_step=_build_step("look over it:", data, findings[0]["cluster"] if is_one else None),
        facts=(f"{format_moment(now)} UTC",),
        unlisted=total - len(findings),
        level="critical",
    )


def _build_step(text: str, data: EventData, cluster: str | None = None) -> NextStep:
    stack = find_shell_argument(data.get("stack", DEFAULT_STACK)) or DEFAULT_STACK
    words = ["esx-drift status", (cluster and find_shell_argument(cluster)) or ""]
    words += [f"--stack {stack}"] if stack != DEFAULT_STACK else []
    return NextStep(text, " ".join(filter(None, words)))


REPORT_BUILDERS: Final[Mapping[str, Callable[[EventData], MessageContent]]] = MappingProxyType(
    {
        "esx-drift.report.first-look": build_first_look_content,
        "esx-drift.report.daily": build_daily_content,
        "esx-drift.report.reminder": build_reminder_content,
    }
)
