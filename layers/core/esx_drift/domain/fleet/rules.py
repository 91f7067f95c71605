"""What keeps people from being told, as the fleet file states it: its JSON as types, and as values."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NotRequired, TypedDict, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec import Struct

from esx_drift.domain.stored.types import ChangeKind, Element, FindingKind
from esx_drift.domain.text.times import parse_duration, parse_time

EVERYTHING: Final = ("*",)


MAX_IGNORED: Final = timedelta(days=366)
"""How far ahead a rule may end: whoever wrote it looks at it again within a year."""


MAX_WINDOW: Final = timedelta(days=31)
"""The longest window with a beginning and an end in the file: a move of a data centre, no way of life."""


MAX_REPEATED_WINDOW: Final = timedelta(days=7)
"""The longest window that comes again, or that a command starts."""


class ScopeDocument(TypedDict):
    """Where a route, a rule or a window holds."""

    name: str
    vcenters: NotRequired[list[str]]
    clusters: NotRequired[list[str]]


class IgnoreDocument(ScopeDocument):
    """A rule as the file states it."""

    reason: str
    elements: NotRequired[list[str]]
    kinds: NotRequired[list[str]]
    findings: NotRequired[list[str]]
    keys: NotRequired[list[str]]
    hosts: NotRequired[list[str]]
    until: NotRequired[str]


MaintenanceTimes = TypedDict(  # the functional form, because "from" and "for" are keywords
    "MaintenanceTimes",
    {
        "from": NotRequired[str],
        "to": NotRequired[str],
        "cron": NotRequired[str],
        "timezone": NotRequired[str],
        "for": NotRequired[str],
    },
)
"""When a window holds: from and to, or by a cron line of a time zone, each time for so long."""


class MaintenanceDocument(ScopeDocument, MaintenanceTimes):
    """A time of planned work as the file states it."""

    reason: str
    accept: NotRequired[bool]


class Period(Struct, frozen=True):
    """A time from ``begins_at`` on, until before ``ends_at``."""

    begins_at: datetime
    ends_at: datetime


class Recurrence(Struct, frozen=True):
    """When a window begins, again and again, and how long it is each time.

    ``cron`` is a line of five fields, which goes by the clocks of ``timezone`` as cron of Debian does: a time
    that those leave out when they are put forward is made up for at once, and one that comes twice is taken
    once.
    """

    cron: str
    timezone: str
    length: timedelta

    def list_problems(self) -> Iterator[str]:
        """List what keeps it from ever beginning, the field first: each field is looked at by itself."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield f"timezone: expected a time zone such as Europe/Berlin, got {self.timezone}"
        if len(self.cron.split()) != CRON_FIELDS:
            yield f"cron: expected minute, hour, day, month and day of the week, got {self.cron}"
            return
        try:
            next(CronSim(self.cron, _ANY_DAY))
        except (CronSimError, StopIteration) as error:
            yield f"cron: expected a line that cron takes ({error or 'it never comes'}), got {self.cron}"

    def list_periods(self, after: datetime) -> Iterator[Period]:
        """List its periods that begin after a time, without an end."""
        return map(self._build_period, CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))))

    def find_last(self, now: datetime) -> Period | None:
        """Find its last period that has begun ``now``; None if there was none."""
        local = (now + _LONGEST_SHIFT).astimezone(ZoneInfo(self.timezone))
        begun = (self._build_period(begins_at) for begins_at in CronSim(self.cron, local, reverse=True))
        return next((period for period in begun if period.begins_at <= now), None)

    def _build_period(self, begins_at: datetime) -> Period:
        begins_at = begins_at.astimezone(UTC)
        return Period(begins_at, begins_at + self.length)


CRON_FIELDS: Final = 5


_LONGEST_SHIFT: Final = timedelta(hours=2)
"""Clocks are put by an hour at most. A time that they show twice begins a window the first time only: whoever
looks back from the second has to begin further on."""


_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class IgnoreRule(Struct, frozen=True):
    """What people are not told of, until when. Empty fields narrow nothing."""

    name: str
    reason: str
    until: datetime | None
    vcenters: tuple[str, ...] = EVERYTHING
    clusters: tuple[str, ...] = EVERYTHING
    elements: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def is_in_effect(self, now: datetime) -> bool:
        """Say whether it holds ``now``: not if it has no end, or one of more than a year ahead."""
        return self.is_narrow and self.until is not None and now < self.until <= now + MAX_IGNORED

    @property
    def is_narrow(self) -> bool:
        """Whether some changes, and some findings, are surely not what it is about."""
        by_key = bool(self.keys) and all(key.strip("*?") for key in self.keys)
        some_elements = 0 < len(self.elements) < len(get_args(Element.__value__))
        some_kinds = 0 < len(self.kinds) < len(get_args(ChangeKind.__value__))
        some_findings = 0 < len(self.findings) < len(get_args(FindingKind.__value__))
        return by_key or (
            (some_elements or some_kinds or not self.is_of_changes)
            and (some_findings or not self.is_of_findings)
        )

    @property
    def is_of_changes(self) -> bool:
        """Whether it may be about changes: it names some, or does not name findings."""
        return bool(self.elements or self.kinds or not self.findings)

    @property
    def is_of_findings(self) -> bool:
        """Whether it may be about findings: it names some, or does not name changes."""
        return bool(self.findings or not (self.elements or self.kinds))


class MaintenanceWindow(Struct, frozen=True):
    """Planned work. ``accept``: what is done in it is accepted at its end."""

    name: str
    reason: str
    period: Period | None = None
    recurrence: Recurrence | None = None
    vcenters: tuple[str, ...] = EVERYTHING
    clusters: tuple[str, ...] = EVERYTHING
    accept: bool = False

    def find_period(self, since: datetime, now: datetime) -> Period | None:
        """Find its last period that has begun ``now`` and had not ended by ``since``; None: there is none."""
        period = self.recurrence.find_last(now) if self.recurrence else self.period
        is_met = period is not None and period.begins_at <= now and period.ends_at > since
        return period if is_met else None


class SilencingRules(Struct, frozen=True):
    """All that the fleet file keeps from being repeated to people, in its order."""

    ignore: tuple[IgnoreRule, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()


NO_RULES: Final = SilencingRules()


def build_ignore_rule(entry: IgnoreDocument) -> IgnoreRule:
    """Build the rule that the file states."""
    until = entry.get("until")
    return IgnoreRule(
        entry["name"],
        entry["reason"],
        None if until is None else parse_time(until),
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
        tuple(entry.get("elements", ())),
        tuple(entry.get("kinds", ())),
        tuple(entry.get("findings", ())),
        tuple(entry.get("keys", ())),
        tuple(entry.get("hosts", ())),
    )


def build_window(entry: MaintenanceDocument) -> MaintenanceWindow:
    """Build the window that the file states. One that is too long ends when the longest would."""
    period = recurrence = None
    if "cron" in entry:
        length = min(parse_duration(entry["for"]), MAX_REPEATED_WINDOW)
        recurrence = Recurrence(entry["cron"], entry["timezone"], length)
    else:
        begins_at = parse_time(entry["from"])
        period = Period(begins_at, min(parse_time(entry["to"]), begins_at + MAX_WINDOW))
    return MaintenanceWindow(
        entry["name"],
        entry["reason"],
        period,
        recurrence,
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
        entry.get("accept", False),
    )
