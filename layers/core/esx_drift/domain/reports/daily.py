"""The daily report: what was looked at within a day, what was told, and what is open.

Longer than 250 lines, because what is counted and the report that is made of it are one thing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from itertools import zip_longest
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from esx_drift.domain.events import list_moved_kinds, list_vanished, select_for_people
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.reports.first_look import list_with_total
from esx_drift.domain.reports.fleet_logs import (
    FleetLogs,
    LogHead,
    LogName,
    Reach,
    hears_finding,
    is_accepted,
    is_scheduled_run,
)
from esx_drift.domain.reports.reminders import describe_place
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import (
    Change,
    Event,
    EventData,
    Family,
    Finding,
    Json,
    Outcome,
    Record,
    Severity,
    rank_severity,
)
from esx_drift.domain.text.times import convert_to_utc, format_time, parse_time
from esx_drift.domain.text.wording import MAX_SENTENCE_CHARACTERS, clean_text, list_host_names

MADE_OUTCOMES: Final[frozenset[Outcome]] = frozenset({"baseline", "changed", "unchanged", "same-report"})
"""How a check ends that saw the cluster."""

RUNNING: Final = timedelta(hours=1)
"""A check that was asked for so recently may still be under way: it is not expected yet."""

MAX_OPEN_LISTED: Final = 5
"""Open findings, VIBs that have gone, and their hosts, by name; their totals are exact."""

PERSONS_WINDOW: Final = "maintenance:record "
"""What a mark begins with of maintenance that a person began; the number of its record follows."""

YOUNG, OLD = timedelta(days=1), timedelta(days=7)
"""The bounds between the ages of open findings."""


class ToldEvent(Struct, frozen=True):
    """What is kept of an event for the report: whom it could reach, and how much it told.

    ``shown``: as people were told it, without what was suppressed; None if that was all. ``kinds`` and
    ``shown_kinds``: what moved, likewise; None if that is not known. ``vanished``: the orphaned VIBs that
    have gone though nobody had accepted them. ``hosts``: those of the changes that people were told,
    ``hidden_hosts``: those of the suppressed ones.
    """

    family: str
    name: str | None
    severity: Severity
    shown: Severity | None
    changes: int
    failures: int
    suppressed: Mapping[str, int]
    kinds: frozenset[str] | None
    shown_kinds: frozenset[str] | None
    vanished: tuple[Json, ...] = ()
    hosts: frozenset[str] = frozenset()
    hidden_hosts: frozenset[str] = frozenset()


class DayRecord(Struct, frozen=True):
    """What is kept of a record for the report. ``asked``: whom a run by schedule meant to check, by id."""

    outcome: Outcome
    checked_at: datetime
    asked: Mapping[str, str] | None
    events: tuple[ToldEvent, ...]


class Day(Struct, frozen=True):
    """A day of the logs, from ``begin`` to ``end``. ``now``: when the report is made.

    ``records``: those of each log, also of after the day, the oldest first. ``lacking``: how many reports of
    days before were never made.
    """

    begin: datetime
    end: datetime
    now: datetime
    records: Mapping[LogName, Sequence[DayRecord]]
    lacking: int = 0

    def list_told(self) -> Iterable[tuple[LogName, ToldEvent]]:
        """List what was published within the day, and of which log."""
        return (
            (log, event)
            for log, records in self.records.items()
            for record in records
            if self.begin <= record.checked_at < self.end
            for event in record.events
        )

    def list_runs(self, vcenter: str) -> list[DayRecord]:
        """List the runs by schedule within the day on the vCenter named ``vcenter``."""
        return [
            record
            for record in self.records.get((vcenter, VCENTER_LOG), ())
            if record.asked is not None and self.begin <= record.checked_at < self.end
        ]


def find_due(now: datetime, hour: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Find the day that was over last: until ``hour`` o'clock in ``zone``, at or before the time ``now``.

    Returns:
        When it began and ended, in UTC. Where clocks are changed, it has 23 or 25 hours.
    """
    today = now.astimezone(zone).date()
    dates = (today - timedelta(days=back) for back in range(3))
    ends = [convert_to_utc(datetime.combine(date, time(hour), zone)) for date in dates]
    past = [end for end in ends if end <= now]
    return past[1], past[0]


def count_lacking(reported_until: str, begin: datetime) -> int:
    """Count the daily reports that were never made between ``reported_until`` and the day's ``begin``."""
    return max(0, round((begin - parse_time(reported_until)) / timedelta(days=1)))


def summarize_record(record: Record) -> DayRecord:
    """Keep of a record what a daily report needs: thousands of them are read for one."""
    dispatch = record["dispatch"]
    asked = None
    if dispatch is not None and is_scheduled_run(record):
        meant = (*dispatch["expected"], *dispatch["failed"], *dispatch["missing"])
        asked = {one["cluster"]: one["name"] for one in meant}
    events = tuple(map(_summarize_event, record["events"]))
    return DayRecord(record["outcome"], parse_time(record["checked_at"]), asked, events)


def _summarize_event(event: Event) -> ToldEvent:
    family, data = event["type"].split(".")[1], event["data"]
    shown, cluster = select_for_people(data), data["cluster"]
    return ToldEvent(
        family=family,
        name=cluster["name"] if cluster else None,
        severity=data["severity"],
        shown=shown["severity"] if shown else None,
        changes=shown["totals"]["changes"] if shown else 0,
        failures=shown["totals"]["opened"] if shown and family == "failure" else 0,
        suppressed=data["suppressed"],
        kinds=list_moved_kinds(data),
        shown_kinds=list_moved_kinds(shown) if shown else None,
        vanished=tuple(_list_vanished_vibs(shown)) if shown else (),
        hosts=_list_hosts(shown["changes"]) if shown else frozenset(),
        hidden_hosts=_list_hosts(change for change in data["changes"] if "suppressed_by" in change),
    )


def _list_hosts(changes: Iterable[Change]) -> frozenset[str]:
    return frozenset(host for change in changes for host in change["hosts"])


def _list_vanished_vibs(data: EventData) -> Iterator[Json]:
    cluster = data["cluster"]
    for change in list_vanished(data):
        hosts: list[Json] = [*list_host_names(change["hosts"][:MAX_OPEN_LISTED], data["host_names"])]
        yield {
            "vcenter": data["vcenter"],
            "cluster": clean_text(cluster["name"]) if cluster else None,
            "vib": clean_text(change["key"], MAX_SENTENCE_CHARACTERS),
            "hosts": hosts,
            "hosts_total": len(change["hosts"]),
        }


def hears_daily(route: Route) -> bool:
    """Tell whether ``route`` gets daily reports: each does that has not chosen families without reports."""
    return not route.families or "report" in route.families


def build_daily(day: Day, logs: FleetLogs, route: Route, reach: Reach) -> dict[str, Json]:
    """Build the report of a day for one route.

    Args:
        day: The day's records.
        logs: All logs as they are now.
        route: Who hears it: what it was told, and what is open, is by its filters.
        reach: Which logs it is about.
    """
    watched = {log: name for log, name in logs.list_watched() if reach(log, name)}
    expected, made = _count_checks(day, reach)
    heads = [head for head in logs.list_heads() if reach(head.log, head.name)]
    seen = {log for log in watched if made[log]}
    findings = [
        (finding, head) for head in heads for finding in head.findings if hears_finding(route, finding, head)
    ]
    accepted = [one for one in findings if is_accepted(*one)]
    unaccepted = [one for one in findings if not is_accepted(*one)]
    return {
        "from": format_time(day.begin),
        "until": format_time(day.end),
        "reports_lacking": day.lacking,
        "clusters": {"watched": len(watched), "seen": len(seen)},
        "unseen_clusters": list_with_total(f"{watched[log]} ({log[0]})" for log in watched.keys() - seen),
        "checks": {"expected": expected.total(), "made": made.total()},
        "hosts": _count_hosts(heads, watched, seen),
        **_count_told(day, route),
        "open": {
            **_count_open(unaccepted, day.now),
            "accepted": len(accepted),
            "accepted_listed": [
                _describe_open(*one) for one in _sort_worst_first(accepted)[:MAX_OPEN_LISTED]
            ],
        },
    }


def _count_checks(day: Day, reach: Reach) -> tuple[Counter[LogName], Counter[LogName]]:
    """Count the checks that runs by schedule meant to make of each cluster, and those that saw it.

    Each run means one check of each cluster, which is made if the cluster was seen before the next run. So
    one that was put off counts, and a second one does not.
    """
    expected, made = Counter[LogName](), Counter[LogName]()
    vcenters = {vcenter for vcenter, _ in day.records}
    for vcenter in vcenters:
        runs = day.list_runs(vcenter)
        for run, following in zip_longest(runs, runs[1:]):
            end = following.checked_at if following else None
            for cluster, name in (run.asked or {}).items():
                log = (vcenter, cluster)
                if not reach(log, name):
                    continue
                is_made = _was_seen(day.records.get(log, ()), run.checked_at, end)
                made[log] += is_made
                expected[log] += is_made or day.now - run.checked_at >= RUNNING
    return expected, made


def _was_seen(records: Iterable[DayRecord], begin: datetime, end: datetime | None) -> bool:
    return any(
        begin <= record.checked_at and (end is None or record.checked_at < end)
        for record in records
        if record.outcome in MADE_OUTCOMES
    )


def _count_hosts(heads: Iterable[LogHead], watched: Mapping[LogName, str], seen: set[LogName]) -> Json:
    """Count hosts, and those that were read by the last look at a cluster that was seen within the day."""
    coverages = [(head.coverage, head.log in seen) for head in heads if head.coverage and head.log in watched]
    return {
        "hosts": sum(coverage["hosts"] for coverage, _ in coverages),
        "covered": sum(coverage["covered"] for coverage, is_seen in coverages if is_seen),
    }


def _count_told(day: Day, route: Route) -> dict[str, Json]:
    changes = failures = 0
    changed, hidden = set[tuple[LogName, str]](), set[tuple[LogName, str]]()
    vanished: list[Json] = []
    suppressed = Counter[str]()
    only = Fleet((), (route,))
    for (vcenter, cluster), event in day.list_told():
        where = (vcenter, None if cluster == VCENTER_LOG else cluster, event.name)
        if select_routes(only, event.family, event.severity, *where, event.kinds):
            suppressed.update(_name_suppressed(event, vcenter))
            hidden |= {((vcenter, cluster), host) for host in event.hidden_hosts}
        if event.shown and select_routes(only, event.family, event.shown, *where, event.shown_kinds):
            changes += event.changes
            failures += event.failures
            changed |= {((vcenter, cluster), host) for host in event.hosts}
            vanished += event.vanished
    kept_back: dict[str, Json] = dict(sorted(suppressed.items()))
    gone: dict[str, Json] = {"total": len(vanished), "listed": vanished[:MAX_OPEN_LISTED]}
    return {
        "changes_told": changes,
        "changed": {
            "hosts": len(changed),
            "clusters": len({log for log, _ in changed}),
            "hidden_hosts": len(hidden - changed),
        },
        "failures_told": failures,
        "vanished_vibs": gone,
        "suppressed": kept_back,
    }


def _name_suppressed(event: ToldEvent, vcenter: str) -> dict[str, int]:
    """Name the log of a record that began maintenance: its number alone says nothing."""
    where = clean_text(event.name or vcenter)
    return {
        f"{reason} of {where}" if reason.startswith(PERSONS_WINDOW) else reason: number
        for reason, number in event.suppressed.items()
    }


def _count_open(findings: Sequence[tuple[Finding, LogHead]], now: datetime) -> dict[str, Json]:
    """Count what is open, by age, and name the worst; ages add up to the total."""
    listed: list[Json] = [_describe_open(*one) for one in _sort_worst_first(findings)[:MAX_OPEN_LISTED]]
    ages = [now - parse_time(finding["opened_at"]) for finding, _ in findings]
    families = Counter[Family](finding["family"] for finding, _ in findings)
    oldest = min(findings, key=lambda one: (one[0]["opened_at"], one[0]["fingerprint"]), default=None)
    return {
        "total": len(findings),
        "critical": sum(finding["severity"] == "critical" for finding, _ in findings),
        "by_age": {
            "within_a_day": sum(age < YOUNG for age in ages),
            "within_a_week": sum(YOUNG <= age < OLD for age in ages),
            "older": sum(age >= OLD for age in ages),
        },
        "by_family": {family: families[family] for family in sorted(families)},
        "oldest": _describe_open(*oldest) if oldest else None,
        "listed": listed,
    }


def _sort_worst_first(findings: Iterable[tuple[Finding, LogHead]]) -> list[tuple[Finding, LogHead]]:
    return sorted(
        findings,
        key=lambda one: (-rank_severity(one[0]["severity"]), one[0]["opened_at"], one[0]["fingerprint"]),
    )


def _describe_open(finding: Finding, head: LogHead) -> dict[str, Json]:
    return {
        **describe_place(head.log, head.name),
        "kind": finding["kind"],
        "severity": finding["severity"],
        "summary": clean_text(finding["summary"], MAX_SENTENCE_CHARACTERS),
        "opened_at": finding["opened_at"],
    }
