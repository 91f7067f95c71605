"""Reminders: a critical finding that stays open is told again, in one message a route."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.reports.fleet_logs import LogHead, LogName, hears_finding
from esx_drift.domain.stored.identifiers import VCENTER_LOG, compute_digest, make_state_key
from esx_drift.domain.stored.types import Finding, Json, OpenCritical
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import MAX_SENTENCE_CHARACTERS, clean_text

FIRST_REMINDER: Final = timedelta(hours=24)
"""After a critical finding was told: whoever was off duty then is back."""

LATER_REMINDERS: Final = timedelta(days=7)

SWEEP_PAUSE: Final = timedelta(hours=1)
"""Between two readings of all logs, which cost two GETs a cluster each time."""

SCHEDULE_STEP: Final = timedelta(minutes=15)
"""Between two runs of the reporter, as the template has it."""

GATHERED: Final = timedelta(hours=12)
"""What falls due so soon is told along: at most two reminders a day, however many findings there are."""

MAX_REMINDED: Final = 30
"""Findings that a reminder lists; its total is exact."""


class CriticalFinding(Struct, frozen=True):
    """A critical finding that is open, and where. ``key`` names it among all of the fleet."""

    key: str
    head: LogHead
    finding: Finding


class Reminder(Struct, frozen=True):
    """What one route is reminded of, the oldest first. ``about`` makes its id: the same for the same."""

    route: Route
    findings: tuple[CriticalFinding, ...]
    about: str


def is_sweep_due(swept_at: str | None, now: datetime) -> bool:
    """Tell whether all logs are to be read again at the time ``now``; ``swept_at``: when they last were."""
    return swept_at is None or now >= parse_time(swept_at) + SWEEP_PAUSE


def list_open_criticals(heads: Iterable[LogHead]) -> list[CriticalFinding]:
    """List what is open and critical, but for what people are not to hear of."""
    return [
        CriticalFinding(f"{make_state_key(*head.log)}#{finding['fingerprint']}", head, finding)
        for head in heads
        for finding in head.findings
        if finding["severity"] == "critical" and "suppressed_by" not in finding
    ]


def update_criticals(
    known: Mapping[str, OpenCritical],
    found: Iterable[CriticalFinding],
    unread: Iterable[str],
    swept_at: str | None,
) -> dict[str, OpenCritical]:
    """Update since when people know of what is critical; what is over is forgotten.

    One that was not known was told after the last sweep, or when it was met first if that was later.

    Args:
        known: What was known of, by key.
        found: What is open now.
        unread: Keys of the states of logs that could not be read: what is open there stays so.
        swept_at: When all logs were last read; None: never.
    """
    kept = tuple(f"{key}#" for key in unread)
    updated = {key: one for key, one in known.items() if key.startswith(kept)}
    for critical in found:
        opened_at = critical.finding["opened_at"]
        new: OpenCritical = {"told_at": max(opened_at, swept_at or opened_at), "reminded": {}}
        updated[critical.key] = known.get(critical.key, new)
    return updated


def plan_reminders(
    routes: Iterable[Route],
    found: Iterable[CriticalFinding],
    criticals: Mapping[str, OpenCritical],
    now: datetime,
) -> list[Reminder]:
    """Plan who is to be reminded of what.

    A reminder comes at the last run before it is late; what falls due soon after is told along.

    Args:
        routes: Who hears; each of what its own filters let through.
        found: What is open and critical.
        criticals: Since when people know of each, and when they were reminded.
        now: The time.
    """
    oldest_first = sorted(found, key=lambda one: (one.finding["opened_at"], one.key))
    reminders = []
    for route in routes:
        due = {
            one.key: _find_due(criticals[one.key], route)
            for one in oldest_first
            if hears_finding(route, one.finding, one.head)
        }
        if any(at <= now + SWEEP_PAUSE + SCHEDULE_STEP for at in due.values()):
            chosen = tuple(one for one in oldest_first if one.key in due and due[one.key] <= now + GATHERED)
            about = compute_digest([[one.key, _find_last(criticals[one.key], route)] for one in chosen])
            reminders.append(Reminder(route, chosen, about))
    return reminders


def mark_reminded(
    criticals: Mapping[str, OpenCritical], reminders: Iterable[Reminder], now: datetime
) -> dict[str, OpenCritical]:
    """Mark in ``criticals`` what ``reminders`` tell at the time ``now``."""
    marked = dict(criticals)
    for reminder in reminders:
        for one in reminder.findings:
            known = marked[one.key]
            reminded = {**known["reminded"], reminder.route.name: format_time(now)}
            marked[one.key] = {**known, "reminded": reminded}
    return marked


def build_reminder(reminder: Reminder) -> dict[str, Json]:
    """Build what is reported of findings that are open for too long."""
    return {
        "total": len(reminder.findings),
        "findings": [
            {
                **describe_place(one.head.log, one.head.name),
                "kind": one.finding["kind"],
                "fingerprint": one.finding["fingerprint"],
                "summary": clean_text(one.finding["summary"], MAX_SENTENCE_CHARACTERS),
                "opened_at": one.finding["opened_at"],
            }
            for one in reminder.findings[:MAX_REMINDED]
        ],
    }


def describe_place(log: LogName, name: str | None) -> dict[str, Json]:
    """Describe what ``log`` is about: its vCenter, and its cluster's ``name`` if it is about one."""
    vcenter, cluster = log
    return {"vcenter": vcenter, "cluster": None if cluster == VCENTER_LOG else clean_text(name or cluster)}


def _find_due(critical: OpenCritical, route: Route) -> datetime:
    reminded = critical["reminded"].get(route.name)
    if reminded is not None:
        return parse_time(reminded) + LATER_REMINDERS
    return parse_time(critical["told_at"]) + FIRST_REMINDER


def _find_last(critical: OpenCritical, route: Route) -> str:
    return critical["reminded"].get(route.name, critical["told_at"])
