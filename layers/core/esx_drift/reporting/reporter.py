"""The reporter's job: the fleet's first look, what joined since, a report a day, reminders, dead routes.

What it decides to tell is written into its state before anything is published, so that of two reporters at
once one goes on, and a report that was decided on is published, under the same id, whoever may end where.

    a  read the state; publish what a run before could not
    b  read the logs, and decide what is to be told
    c  keep each report under an id that is made of what it is about
    d  write the state, with the reports in its outbox; refused: somebody else was faster, stop
    e  publish the outbox, write the state with it empty

Longer than 250 lines, because what is due, kept and published is one run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypedDict, cast
from zoneinfo import ZoneInfo

from aws_lambda_powertools import Logger
from msgspec import Struct, field

from esx_drift.domain.fleet.fleet import Fleet, group_by_webhook
from esx_drift.domain.reports.daily import Day, build_daily, count_lacking, find_due, hears_daily
from esx_drift.domain.reports.dead_routes import list_dead_routes, select_unreported
from esx_drift.domain.reports.first_look import (
    build_first_look,
    choose_first_looks,
    hears_first_look,
    list_old_looks,
)
from esx_drift.domain.reports.fleet_logs import (
    EVERYBODY,
    FleetLogs,
    FleetMeasure,
    find_oldest_run,
    make_reach,
    measure_fleet,
)
from esx_drift.domain.reports.reminders import (
    build_reminder,
    is_sweep_due,
    list_open_criticals,
    mark_reminded,
    plan_reminders,
    update_criticals,
)
from esx_drift.domain.reports.report_events import ReportMaker, build_first_state, drop_future_times
from esx_drift.domain.stored.identifiers import compute_digest, make_state_key
from esx_drift.domain.stored.types import Json, ReportState, StoredObject, StoredReport
from esx_drift.domain.text.times import format_time
from esx_drift.errors import EsxDriftError, InternalError, TopicUnavailable, TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import Logs, Reports, RouteStates, Topic
from esx_drift.reporting.reading import LogsReader
from esx_drift.unforeseen import hold_unforeseen

logger = Logger(child=True)

A_DAY = timedelta(days=1)


class ReporterReply(TypedDict):
    """What a run of the reporter did: ``published`` are the keys of reports; ``begun``: it was the first."""

    published: list[str]
    begun: bool


class Reporter(Struct, frozen=True):
    """The job, wired, for the stack named ``stack``.

    ``hour`` and ``zone`` say when the daily report is made, ``check_interval`` how often checks are.
    ``beat`` is called once an hour, behind all that a run had to tell, while runs of the fleet go on.
    """

    fleet: Fleet
    stack: str
    store: Logs
    reports: Reports
    routes: RouteStates
    topic: Topic
    clock: Callable[[], datetime]
    hour: int
    zone: ZoneInfo
    check_interval: timedelta
    beat: Callable[[], None] = lambda: None

    def run(self, asked: str | None = None) -> ReporterReply:
        """Tell what is due.

        Args:
            asked: The id of a request for a daily report of the last 24 hours; None: the schedule's run.

        Raises:
            TopicUnavailable: Reports are decided on and kept, but not all are published; the next run does.
            TrailDamaged: A report that was to be published is not what was kept; it is given up.
            InternalError: A report could not be made, because of a bug; all others are told.
            StoreUnavailable, StoreConflict: S3 failed; the next run does it all.
        """
        stored = self.reports.read_state()
        state, etag = (stored.state, stored.etag) if stored else (None, None)
        earlier = self._publish(state["outbox"] if state else [])
        look = _Look(self, self.clock())
        after, made = look.decide(state, asked)
        kept = [self.reports.keep(report) for report in made]
        after = {**after, "outbox": [*earlier.left, *kept]}
        if after != state:
            etag = self.reports.put_state(after, etag)
        if etag is None:
            logger.info("another reporter was faster")
            return {"published": earlier.published, "begun": False}
        own = self._publish(kept)
        left = [*earlier.left, *own.left]
        if left != after["outbox"]:
            self.reports.put_state({**after, "outbox": left}, etag)
        _require_published(left, [*look.bugs, *earlier.damages, *own.damages])
        if any(measure["is_watched"] for measure in look.measures):
            self.beat()
        return {"published": [*earlier.published, *own.published], "begun": state is None}

    def _publish(self, outbox: Iterable[StoredObject]) -> "_Published":
        """Publish the events of reports."""
        published, left, damages = list[str](), list[StoredObject](), list[TrailDamaged]()
        for stored in outbox:
            try:
                for event in self.reports.read(stored)["events"]:
                    self.topic.publish(event)
            except TopicUnavailable:
                left.append(stored)
            except TrailDamaged as damage:
                damages.append(damage)
            else:
                published.append(stored["key"])
        return _Published(published, left, damages)


class _Published(Struct, frozen=True):
    """The keys of reports that were published, those that were not, and what is damaged and given up."""

    published: list[str]
    left: list[StoredObject]
    damages: list[TrailDamaged]


def _require_published(left: list[StoredObject], failures: Sequence[EsxDriftError]) -> None:
    """Have the run fail, which an alarm tells of, when all else is done."""
    if failures:
        raise failures[0]
    if left:
        keys = ", ".join(stored["key"] for stored in left)
        raise TopicUnavailable(f"not published yet, and tried again by the next run: {keys}")


class _Look(Struct, frozen=True):
    """One run's look at the logs, at the time ``now``; ``bugs`` are what kept reports from being made.

    ``measures``: the fleet in numbers, if all logs were read.
    """

    job: Reporter
    now: datetime
    bugs: list[InternalError] = field(default_factory=list)
    measures: list[FleetMeasure] = field(default_factory=list)

    def decide(self, before: ReportState | None, asked: str | None) -> tuple[ReportState, list[StoredReport]]:
        """Decide what is to be told, and what is told then."""
        begin, end = find_due(self.now, self.job.hour, self.job.zone)
        before = before and drop_future_times(before, begin, self.now)
        keys = self._reader.list_keys()
        is_due = before is not None and before["reported_until"] < format_time(end)
        swept_at = before["swept_at"] if before else None
        is_sweep = is_sweep_due(swept_at, self.now) or is_due or asked is not None
        looked = before["looked"] if before else []
        found = self._reader.read_heads(keys, lambda key: is_sweep or key not in looked)
        state = before or build_first_state(end, list_old_looks(found.logs, self.now), self.now)
        reports = list[StoredReport]()
        with self._hold("the report of first looks"):
            state, reports = self._tell_first_looks(state, found.logs)
        with self._hold("the report of dead routes"):
            state, dead = self._tell_dead_routes(state)
            reports += dead
        if is_due:
            day = Day(begin, end, self.now, {}, count_lacking(state["reported_until"], begin))
            reports += self._report_day(day, found.logs, format_time(end))
            state = {**state, "reported_until": format_time(end)}
        if asked is not None:
            reports += self._report_day(Day(self.now - A_DAY, self.now, self.now, {}), found.logs, asked)
        if is_sweep:
            # The dashboard draws these numbers from the log: as metrics they would cost more than all checks.
            with self._hold("the numbers of the fleet"):
                since = find_oldest_run(self.now, self.job.check_interval)
                logs = self._reader.find_runs(found.logs, since)
                self.measures.append(measure_fleet(logs, self.now, self.job.check_interval))
                logger.info("fleet measured", unread=len(found.unread), **self.measures[0])
            with self._hold("the reminders"):
                state, reminders = self._remind(state, found.logs, found.unread)
                reports += reminders
        return state, reports

    @contextmanager
    def _hold(self, work: str) -> Iterator[None]:
        """Keep what nobody foresaw in one report from ending all others; the run fails when they are told."""
        try:
            with hold_unforeseen(work):
                yield
        except InternalError as bug:
            self.bugs.append(bug)

    def _tell_first_looks(
        self, state: ReportState, logs: FleetLogs
    ) -> tuple[ReportState, list[StoredReport]]:
        looked, is_fleet = state["looked"], state["first_look_at"] is None
        patience = self.job.check_interval
        looks = choose_first_looks(logs, frozenset(looked), self.now, patience, is_fleet=is_fleet)
        if looks is None:
            return state, []
        running = self._reader.count_images(looks.heads)
        keys = sorted(make_state_key(*head.log) for head in looks.heads)
        reports = []
        for route in filter(hears_first_look, logs.recipients):
            facts = build_first_look(looks, logs, running, make_reach(route))
            if facts is not None:
                about = compute_digest(keys)
                reports.append(self._maker.build("first-look", route.name, about, facts))
        first_look_at = state["first_look_at"] or format_time(self.now)
        return {**state, "first_look_at": first_look_at, "looked": sorted([*looked, *keys])}, reports

    def _tell_dead_routes(self, state: ReportState) -> tuple[ReportState, list[StoredReport]]:
        """For subscribers: people hear it in the route's fallback, from the sender."""
        webhooks, reported = group_by_webhook(self.job.fleet.routes), state.get("dead_routes", {})
        read = read_all(lambda routes: self.job.routes.read(routes[0]).state, webhooks)
        dead = list_dead_routes(zip(webhooks, read, strict=True))
        reports = [
            self._maker.build("route-dead", "", f"{one.route.name} {one.since}", one.facts, "warning")
            for one in select_unreported(dead, reported)
        ]
        now_dead = {one.route.name: one.since for one in dead}
        return (state if now_dead == reported else {**state, "dead_routes": now_dead}), reports

    def _report_day(self, day: Day, logs: FleetLogs, about: str) -> list[StoredReport]:
        records = self._reader.read_since(logs.heads.values(), day.begin)
        whole = Day(day.begin, day.end, day.now, records, day.lacking)
        routes = [route for route in logs.recipients if hears_daily(route)] or [EVERYBODY]
        reports, seal = list[StoredReport](), self.job.reports.read_seal()
        sealed: dict[str, Json] = {} if seal is None else {"sealed": cast("Json", seal)}
        for route in routes:
            with self._hold(f"the daily report to {route.name or 'subscribers'}"):
                facts = build_daily(whole, logs, route, make_reach(route))
                reports.append(self._maker.build("daily", route.name, about, {**facts, **sealed}))
        return reports

    def _remind(
        self, state: ReportState, logs: FleetLogs, unread: frozenset[str]
    ) -> tuple[ReportState, list[StoredReport]]:
        found = list_open_criticals(logs.list_heads())
        criticals = update_criticals(state["criticals"], found, unread, state["swept_at"])
        reminders = plan_reminders(logs.recipients, found, criticals, self.now)
        reports = [
            self._maker.build("reminder", one.route.name, one.about, build_reminder(one), "critical")
            for one in reminders
        ]
        marked = mark_reminded(criticals, reminders, self.now)
        return {**state, "criticals": marked, "swept_at": format_time(self.now)}, reports

    @property
    def _reader(self) -> LogsReader:
        return LogsReader(self.job.store, self.job.fleet)

    @property
    def _maker(self) -> ReportMaker:
        return ReportMaker(self.now, self.job.stack, self.job.reports.uri)
