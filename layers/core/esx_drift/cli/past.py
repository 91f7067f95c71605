"""What the commands that ask a trail for the past have in common: times, the log that is meant, damage.

Longer than 250 lines, because what is not known is said by all of them in the same words.
"""

import re
import shlex
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from msgspec import Struct, field

from esx_drift.cli.options import choose_cluster, describe_nearest
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_note, print_warning
from esx_drift.cli.trail_source import TrailSource
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef
from esx_drift.domain.stored.types import Json, Record
from esx_drift.domain.text.times import (
    FIRST_USABLE_YEAR,
    LAST_USABLE_YEAR,
    is_usable,
    parse_time,
)
from esx_drift.domain.text.wording import clean_text, find_last_day, join_names, replace_times
from esx_drift.domain.trail.known_hosts import InstanceHosts, KnownHosts, KnownMachine

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Times, also given ones, are of this machine's zone; else UTC."),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST", help="Only this host, by name or id; HOST@DATE: the one that was called so then."
    ),
]
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


def find_log(logs: "TrailLogs", source: TrailSource, cluster: str, vcenter: str | None) -> ClusterRef:
    """Find the one log that a person means; ends the command if it is not just one.

    Args:
        logs: Those of the trail.
        source: The trail.
        cluster: A name or an id; ``@vc01`` is the vCenter vc01 itself, as for ``accept``.
        vcenter: The vCenter to look in; none for all of the trail.
    """
    from esx_drift.trail.naming import find_named_logs  # noqa: PLC0415 -- the help needs none of it

    if cluster.startswith("@") and cluster != VCENTER_LOG:
        cluster = f"{cluster[1:]}/{VCENTER_LOG}"
    named = find_named_logs(logs, cluster, vcenter)
    if vcenter is not None and not named.known:
        require_vcenter(logs, source, vcenter)
    found = choose_cluster(cluster, named.found)
    if found is None:
        names = sorted({log.vcenter for log in named.known})
        if not names and not logs.read_vcenters():
            _fail_empty(logs, source)
        where = f"on {join_names(names)}" if names else "at all"
        ways = (
            (f"{log.vcenter}/{log.name}",) if "/" in cluster else (log.name, log.cluster)
            for log in named.known
        )
        nearest = describe_nearest(cluster, (name for each in ways for name in each))
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


def require_vcenter(logs: "TrailLogs", source: TrailSource, vcenter: str) -> None:
    """End the command if the trail has no vCenter called so: with the nearest one.

    Args:
        logs: Those of the trail.
        source: The trail.
        vcenter: What a person called it.
    """
    known = sorted(own.name for own in logs.read_vcenters())
    if not known:
        _fail_empty(logs, source)
    if vcenter not in known:
        end_with_damages(logs, code=None)
        nearest = describe_nearest(vcenter, known)
        fail(f"the trail knows no vCenter called {vcenter}{nearest}\nIt has {join_names(known)}.")


def _fail_empty(logs: "TrailLogs", source: TrailSource) -> NoReturn:
    """End the command because the ``logs`` of the trail ``source`` have no record: with what may be wrong."""
    end_with_damages(logs, code=None)
    broken_off = ", or this copy was broken off" if source.copy_advice else ""
    fail(f"no record is here: nothing was checked yet{broken_off}\n{source.empty_advice}")


class PastQuestion(Struct, frozen=True):
    """What was asked, so that it can be asked again about another time.

    Attributes:
        source: The trail.
        command: The name of the command.
        cluster: What the cluster was called by the person.
        options: What else was said that is to be said again, by the names of the options.
        local: Whether the times are of this machine's zone.
    """

    source: TrailSource
    command: str
    cluster: str
    options: Mapping[str, str | None] = field(default_factory=dict)
    local: bool = False

    def name_command(self, *more: str) -> str:
        """Name the command with ``more`` arguments, to be pasted."""
        said = [word for name, value in self.options.items() if value is not None for word in (name, value)]
        zone = ["--local"] if self.local else []
        return self.source.name_command(shlex.join([self.command, self.cluster, *more, *said, *zone]))


def format_argument(time: str) -> str:
    """Format a ``time`` of a record as it is typed, so that the record is found by it in whatever zone."""
    return f"{time[: len('2026-11-23T02:14:59')]}Z"


def describe_first_look(first: Record, times: Times, question: PastQuestion) -> str:
    """Describe in ``times`` when the ``first`` look was, a record, and how to ask the ``question`` of it."""
    ask = question.name_command(format_argument(first["checked_at"]))
    return f"The first look was {times.format_zoned(first['checked_at'])}: {ask}"


def describe_checks(logs: "TrailLogs", log: ClusterRef, question: PastQuestion) -> str:
    """Describe where it stands why nobody saw the cluster of a ``log``: in the records of checks, if any.

    Args:
        logs: Those of the trail.
        log: Of which no look is known.
        question: What was asked.
    """
    if not logs.list_numbers(log):
        return "No check of it is recorded."
    options = {"--vcenter": question.options.get("--vcenter")}
    history = replace(question, command="history", options=options)
    return f"To see what became of its checks: {history.name_command('--findings')}"


class PastCluster(Struct, frozen=True):
    """A cluster at a time, as a person names both: ``prod-a@2026-11-23``."""

    cluster: str
    date: str


def parse_past_cluster(named: str) -> PastCluster | None:
    """Parse what a person ``named``; none if it is a file, or means anything else."""
    cluster, at, date = named.rpartition("@")
    is_other = "://" in named or Path(named).exists()
    return None if is_other or not at or not cluster else PastCluster(cluster, date)


class WantedHost(Struct, frozen=True):
    """A host as a person names it: by the id or name ``named``, of now or, with a ``date``, of ``moment``."""

    named: str
    date: str = ""
    moment: datetime | None = None


def parse_wanted_host(text: str | None, times: Times) -> WantedHost | None:
    """Parse which host a person wants: ``esx02``, or ``esx02@2026-11-23``, with a time in ``times``.

    Ends the command if what stands there is no time. None for no ``text``: all are wanted.
    """
    if text is None:
        return None
    named, at, date = text.rpartition("@")
    return WantedHost(named, date, times.parse_end(date)) if at else WantedHost(text)


def read_hosts_of_then(
    logs: "TrailLogs", log: ClusterRef, records: Sequence[Record], wanted: WantedHost | None
) -> KnownHosts | None:
    """Read which hosts there were at the time that a person named with a host; none if that is no time.

    Ends the command if no record is of then or before, or none of those gives a host that id or name.

    Args:
        logs: Those of the trail.
        log: Whose hosts they are.
        records: All that it has.
        wanted: What the person said; none for all hosts.
    """
    if wanted is None or wanted.moment is None:
        return None
    until = [record for record in records if parse_time(record["checked_at"]) <= wanted.moment]
    if not until:
        none = (
            f"no record of {log.render_name()} is of {wanted.date} or before: nobody knows its hosts of then"
        )
        fail_unanswered(logs, describe_nothing(logs, log, none))
    then = logs.read_hosts(until)
    if not then.find_machines(wanted.named, then.newest):
        nearest = describe_nearest(wanted.named, _list_names(then.newest))
        called = f"no host of {log.render_name()} was called {wanted.named} at {wanted.date}{nearest}"
        fail_unanswered(logs, describe_nothing(logs, log, called))
    return then


def select_host(
    known: KnownHosts,
    wanted: WantedHost | None,
    log: ClusterRef,
    there: Collection[str] = (),
    hosts: InstanceHosts | None = None,
    then: KnownHosts | None = None,
) -> KnownMachine | None:
    """Select the host that a person means; none where all are wanted.

    Ends the command where no host ever had that id or name, or several had it at one instance of the vCenter.
    Of two at two instances the one is meant that is asked about, and a note says how to ask for the other.

    Args:
        known: The hosts that there ever were.
        wanted: What the person said; none for all.
        log: Whose hosts they are.
        there: The ids that are asked about: of several machines of a name, the one among them is meant.
        hosts: At which instance they are; none for the newest.
        then: The hosts that there were at the time that the person named; none if that is no time.
    """
    if wanted is None:
        return None
    if then is not None:
        found = known.find_machines_of_then(wanted.named, then)
        of_then = then.find_machines(wanted.named, then.newest)
        ids = [machine.list_ids_at(then.newest)[-1] for machine in of_then]
        _require_one(found, wanted, [f"{host}@{wanted.date}" for host in ids])
        return found[0]
    asked = known.newest if hosts is None else hosts
    own, every = known.find_machines(wanted.named, asked), known.find_machines(wanted.named)
    present = [machine for machine in own if not set(machine.list_ids_at(asked)).isdisjoint(there)]
    found = present or own or every
    if not found:
        names = (name for each in known.instances for name in _list_names(each))
        nearest = describe_nearest(wanted.named, names)
        fail(f"no host of {log.render_name()} was ever called {wanted.named}{nearest}")
    _require_one(found, wanted, [_name_exactly(machine, asked) for machine in found])
    for machine in (each for each in every if own and each not in own):
        print_note(
            f"{render_host(machine)} was another host, at the vCenter before it was replaced or after:"
            f" this is not about it. About that one: --host {_name_exactly(machine, asked)}"
        )
    return found[0]


def _list_names(hosts: InstanceHosts) -> list[str]:
    """List all names that ``hosts`` ever had."""
    return [name for names in hosts.names.values() for name in names]


def _require_one(found: Sequence[KnownMachine], wanted: WantedHost, names: Sequence[str]) -> None:
    """End the command if several machines were ``found`` that may be ``wanted``: with ``names`` to say."""
    if len(found) > 1:
        which = join_names([render_host(machine) for machine in found], len(found))
        ways = " or ".join(f"--host {name}" for name in names)
        fail(f"{wanted.named} may be {which}: they are different hosts.\nSay which: {ways}")


def _name_exactly(machine: KnownMachine, asked: InstanceHosts) -> str:
    """Name a ``machine`` so that no other is meant, though its name or its id may be another's elsewhere.

    ``asked``: of which instance of the vCenter an id is that stands alone.
    """
    own = machine.list_ids_at(asked)
    # Another of its ids may be another machine's there.
    return own[-1] if own else f"{machine.newest_id}@{format_argument(machine.newest.hosts.last_checked_at)}"


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
    end_with_damages(logs, code=None)
    fail(NOT_ANSWERED if logs.damages else message)


NOT_ANSWERED: Final = (
    "not answered: it rests on what is damaged\n"
    "To see all that is: esx-drift verify. What to do says docs/operations.md, When the trail is damaged."
)


def list_ids(hosts: Iterable[str], names: "dict[str, str]") -> list[Json]:
    """List ``hosts`` for a program: each with its id and what ``names`` calls it."""
    return [{"id": host, "name": names.get(host, host)} for host in hosts]
