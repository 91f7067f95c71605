"""What the commands that ask a trail for the past have in common: times, the log that is meant, damage.

Longer than 250 lines, because what is not known is said by all of them in the same words.
"""

import re
import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from msgspec import Struct

from esx_drift.cli.options import WHICH_CLUSTER, choose_cluster, describe_nearest
from esx_drift.cli.terminal import EXIT_DIFFERENCES, EXIT_TROUBLE, fail, print_note, print_warning
from esx_drift.cli.trail_source import TrailSource
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import FIRST_USABLE_YEAR, LAST_USABLE_YEAR, is_usable, parse_time
from esx_drift.domain.text.wording import clean_text, find_last_day, join_names, replace_times
from esx_drift.domain.trail.known_hosts import InstanceHosts, KnownHosts, KnownMachine

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Times, also given ones, are of this machine's zone; else UTC."),
]
HostOption = Annotated[str | None, typer.Option(metavar="HOST", help="Only this host, by name or id.")]
FromOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATE", help="From then on: 2026-11-23 (from its beginning), or a time: 2026-11-23T02:14."
    ),
]

DATE_HELP: Final = (
    "2026-11-23 means the end of that day, 2026-11-23T02:14 the end of that minute;"
    " with its own zone: 2026-11-23T02:14+01:00"
)

_DATE: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?P<second>:\d\d(?P<part>\.\d{1,6})?)?) ?(?P<zone>Z|UTC|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
"""Also as times are printed here, so that one can be pasted: ``2026-11-23 02:14:59 UTC``."""

_SHOWN: Final = "2026-11-23, 2026-11-23T02:14, or with its own zone: 2026-11-23T02:14+01:00"


class Times(Struct, frozen=True):
    """How a command reads and writes times: in ``zone``, none for that of this machine."""

    zone: tzinfo | None

    def format(self, text: str) -> str:
        """Format a time of a record, ``text``, to the second, as ``2026-11-23 02:14:59``."""
        return self._move(parse_time(text)).isoformat(" ", "seconds")[: len("2026-11-23 02:14:59")]

    def format_exactly(self, moment: datetime) -> str:
        """Format a ``moment`` with its second and its zone, as what was asked for is repeated."""
        moved = self._move(moment)
        zone = "UTC" if self.zone is UTC else moved.isoformat()[-len("+01:00") :]
        return f"{moved.isoformat(' ', 'seconds')[: len('2026-11-23 02:14:59')]} {zone}"

    def format_end(self, text: str) -> str:
        """Format when something ends, a time of a record, ``text``: the day alone if all of it counts.

        It is a day of UTC, which is said where the other times are of another zone.
        """
        day = find_last_day(text)
        if day is None:
            return self.format(text)
        return day if self.zone is UTC else f"{day} UTC"

    def reword(self, text: str) -> str:
        """Reword each time of a record in a ``text``, such as a finding's summary."""
        return replace_times(text, self.format_zoned)

    def format_zoned(self, text: str) -> str:
        """Format a time of a record, ``text``, with its zone: one that stands alone, in a sentence."""
        return self.format_exactly(parse_time(text))

    @property
    def name(self) -> str:
        """What the times are called in a heading: how far they are from UTC, and how far in summer."""
        if self.zone is UTC:
            return "UTC"
        winter, summer = (_format_offset(-seconds) for seconds in (time.timezone, time.altzone))
        return f"{winter}, in summer {summer}" if time.daylight else winter

    def parse_beginning(self, text: str) -> datetime:
        """Parse what a person typed, ``text``: the beginning of that day, minute or second.

        Ends the command if it is no time.
        """
        return self._parse(text, is_end=False)

    def parse_end(self, text: str) -> datetime:
        """Parse what a person typed, ``text``: the end of that day, minute or second, to the millisecond.

        Ends the command if it is no time.
        """
        return self._parse(text, is_end=True)

    def _parse(self, text: str, *, is_end: bool) -> datetime:
        """Parse a date. Of an hour that a clock shows twice the end is the later, the beginning the first."""
        found = _DATE.fullmatch(text)
        if found is None:
            fail(f"{text} is no date\nExpected {_SHOWN}")
        try:
            begun = datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00'}")
            zone = self._find_zone(found["zone"])
        except ValueError:
            fail(f"{text} is no date\nExpected {_SHOWN}")
        if not is_usable(begun):
            fail(f"{text} is too far away\nExpected a year from {FIRST_USABLE_YEAR} to {LAST_USABLE_YEAR}")
        meant = begun + _find_span(found) if is_end else begun
        both = [meant.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        return max(both) if is_end else min(both)

    def _find_zone(self, named: str | None) -> tzinfo | None:
        if named is None:
            return self.zone
        if named in {"Z", "UTC"}:
            return UTC
        hours, minutes = named[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if named.startswith("-") else offset)

    def _move(self, moment: datetime) -> datetime:
        """Move a moment to the zone; one at the end of the calendar, which no check is of, stays in UTC."""
        return moment.astimezone(self.zone) if is_usable(moment) else moment


def _format_offset(seconds: int) -> str:
    """Format how many ``seconds`` a zone is ahead of UTC, as ``UTC+01:00``."""
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _find_span(date: re.Match[str]) -> timedelta:
    """Find how far the end of a ``date`` is from its beginning; a part of a second is a moment."""
    if date["part"]:
        return timedelta()
    whole = timedelta(seconds=1) if date["second"] else timedelta(minutes=1 if date["time"] else 24 * 60)
    return whole - timedelta(milliseconds=1)


def make_times(*, local: bool) -> Times:
    """Make the times of a command: in this machine's zone if they are to be ``local``, else in UTC."""
    return Times(None if local else UTC)


def open_logs(source: TrailSource) -> "TrailLogs":
    """Open the logs of the trail that ``source`` names.

    Raises:
        PermanentError: There is no such trail.
    """
    from esx_drift.trail.past import TrailLogs  # noqa: PLC0415 -- the help needs none of it

    logs = TrailLogs(source.open())
    if source.is_excerpt:
        print_note(
            f"{source.directory} is an excerpt: of other clusters, and of what was before, it says nothing"
        )
    return logs


def find_log(logs: "TrailLogs", cluster: str, vcenter: str | None, advice: str = WHICH_CLUSTER) -> ClusterRef:
    """Find the one log that a person means; ends the command if it is not just one.

    Args:
        logs: Those of the trail.
        cluster: A name or an id.
        vcenter: The vCenter to look in; none for all of the trail.
        advice: How the person can say which, where it may be several.
    """
    from esx_drift.trail.naming import find_named_logs  # noqa: PLC0415 -- the help needs none of it

    named = find_named_logs(logs, cluster, vcenter)
    found = choose_cluster(cluster, named.found, advice)
    if found is None:
        names = sorted({log.vcenter for log in named.known})
        where = (
            f"on {join_names(names)}" if names else f"on a vCenter called {vcenter}" if vcenter else "at all"
        )
        nearest = describe_nearest(cluster, (name for log in named.known for name in (log.name, log.cluster)))
        end_with_damages(logs, code=None)
        fail(
            f"the trail knows no cluster called {cluster} {where}{nearest}\n"
            "Names of before were looked for, too; by its id each cluster is found."
        )
    for sentence in dict.fromkeys(damage.message for damage in named.aside):
        print_note(f"{sentence}. It is no part of {found.render_name()}: esx-drift verify names all such")
    if found.former is not None:
        print_note(f"{found.render_name()} is {found.cluster} on {found.vcenter}")
    return found


class PastCluster(Struct, frozen=True):
    """A cluster at a time, as a person names both: ``prod-a@2026-11-23``."""

    cluster: str
    date: str


def parse_past_cluster(named: str) -> PastCluster | None:
    """Parse what a person ``named``; none if it is a file, or means anything else."""
    cluster, at, date = named.rpartition("@")
    is_other = "://" in named or Path(named).exists()
    return None if is_other or not at or not cluster else PastCluster(cluster, date)


def select_host(
    known: KnownHosts,
    wanted: str | None,
    log: ClusterRef,
    there: Collection[str] = (),
    hosts: InstanceHosts | None = None,
) -> KnownMachine | None:
    """Select the host that a person means; none where all are wanted.

    Ends the command where no host ever had that id or name, or several had it at one instance of the vCenter.
    Of two at two instances the one is meant that is asked about, and a note says that there is another.

    Args:
        known: The hosts that there ever were.
        wanted: What the person said: an id or a name; none for all.
        log: Whose hosts they are.
        there: The ids that are asked about: of several machines of a name, the one among them is meant.
        hosts: At which instance they are; none for the newest.
    """
    if wanted is None:
        return None
    asked = known.newest if hosts is None else hosts
    every = known.find_machines(wanted)
    own = known.find_machines(wanted, asked)
    present = [machine for machine in own if not set(machine.list_ids_at(asked)).isdisjoint(there)]
    found = present or own or every
    if not found:
        names = (name for each in known.instances for names in each.names.values() for name in names)
        fail(f"no host of {log.render_name()} was ever called {wanted}{describe_nearest(wanted, names)}")
    if len(found) > 1:
        which = join_names([render_host(machine) for machine in found], len(found))
        # Another of its ids may be another machine's there.
        ids = found[0].list_ids_at(asked) or [found[0].newest_id]
        say = f"Say which by its id: --host {ids[-1]}"
        fail(f"{wanted} may be {which}: they are different hosts.\n{say}")
    for machine in (each for each in every if own and each not in own):
        print_note(
            f"{render_host(machine)} was another host, at the vCenter before it was replaced or after:"
            " this is not about it"
        )
    return found[0]


def render_host(machine: KnownMachine) -> str:
    """Render which host a ``machine`` is: ``esx02 (host-23, was host-17)``."""
    newest = machine.newest_id
    former = [host for host in machine.ids if host != newest]
    was = f", was {' and '.join(reversed(former))}" if former else ""
    return f"{clean_text(machine.name)} ({newest}{was})"


def describe_nothing(logs: "TrailLogs", log: ClusterRef, otherwise: str) -> str:
    """Describe why nothing is known of a ``log`` at a time: ``otherwise``, but in an excerpt what that lacks.

    The excerpt is all that there is of the trail ``logs``: what it does not hold may have been all the same.
    """
    if not logs.is_excerpt():
        return otherwise
    numbers = logs.list_numbers(log)
    if not numbers:
        return f"this excerpt does not hold {log.render()}: no record of it is here"
    return f"{otherwise}\nThis excerpt begins with record {numbers[0]} of it: of before it says nothing"


def end_with_damages(logs: "TrailLogs", code: int | None = EXIT_DIFFERENCES) -> None:
    """Name what of the trail ``logs`` is damaged; if anything is, end with ``code``, unless that is none."""
    for sentence in dict.fromkeys(damage.message for damage in logs.damages):
        print_warning(sentence)
    if logs.damages and code is not None:
        raise typer.Exit(code)


def fail_unanswered(logs: "TrailLogs", message: str) -> NoReturn:
    """End with trouble: by what of the trail ``logs`` is damaged, or if nothing is, by a ``message``."""
    end_with_damages(logs, EXIT_TROUBLE)
    fail(message)


def list_ids(hosts: Iterable[str], names: "dict[str, str]") -> list[Json]:
    """List ``hosts`` for a program: each with its id and what ``names`` calls it."""
    return [{"id": host, "name": names.get(host, host)} for host in hosts]
