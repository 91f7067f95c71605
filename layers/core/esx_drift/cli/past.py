"""What the commands that ask a trail for the past have in common: times, the log that is meant, damage."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from esx_drift.cli.options import describe_nearest
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_warning
from esx_drift.cli.trail_source import TrailSource
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import clean_text, join_names

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLog, TrailLogs

LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Times, also given ones, are of this machine's zone; else UTC."),
]
HostOption = Annotated[str | None, typer.Option(metavar="HOST", help="Only this host, by name or id.")]
FromOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="From then on: 2026-11-23, or 2026-11-23T02:14.")
]

DATE_HELP: Final = "2026-11-23 (its end), 2026-11-23T02:14, or with its own zone: 2026-11-23T02:14+01:00"


@dataclass(frozen=True, slots=True)
class Times:
    """How a command reads and writes times: in ``zone``, none for that of this machine."""

    zone: tzinfo | None

    def format(self, text: str) -> str:
        """Format a time of a record, ``text``, as ``2026-11-23 02:14``."""
        return f"{parse_time(text).astimezone(self.zone):%Y-%m-%d %H:%M}"

    @property
    def name(self) -> str:
        """What the times are called in a heading."""
        return "local" if self.zone is None else "UTC"

    def parse(self, text: str, *, ends_day: bool) -> datetime:
        """Parse what a person typed; ends the command if it is no time.

        Args:
            text: A day, or a time with or without a zone.
            ends_day: Whether a day alone means its end; else its beginning.
        """
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            fail(f"{text} is no date\nExpected {DATE_HELP}")
        if len(text) <= len("2026-11-23") and ends_day:
            moment += timedelta(days=1) - timedelta(milliseconds=1)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone) if self.zone else moment.astimezone()
        return moment.astimezone(UTC)


def make_times(*, local: bool) -> Times:
    """Make the times of a command: in this machine's zone if they are to be ``local``, else in UTC."""
    return Times(None if local else UTC)


def open_logs(source: TrailSource) -> "TrailLogs":
    """Open the logs of the trail that ``source`` names.

    Raises:
        PermanentError: There is no such trail.
    """
    from esx_drift.trail.past import TrailLogs  # noqa: PLC0415 -- the help needs none of it

    return TrailLogs(source.open())


def find_log(logs: "TrailLogs", cluster: str, vcenter: str | None) -> "TrailLog":
    """Find the one log that ``cluster``, a name or an id, means; ends the command if it is not just one.

    ``vcenter`` is the one to look in; none for all of the trail ``logs``.
    """
    known = logs.list_known_logs(vcenter)
    matches = [log for log in known if log.is_called(cluster)]
    if not matches:
        names = sorted({log.vcenter for log in known})
        where = (
            f"on {join_names(names)}" if names else f"on a vCenter called {vcenter}" if vcenter else "at all"
        )
        nearest = describe_nearest(cluster, (name for log in known for name in (log.name, log.cluster)))
        end_with_damages(logs, code=None)
        fail(f"the trail knows no cluster called {cluster} {where}{nearest}")
    if len(matches) > 1:
        which = join_names([render_log(match) for match in matches])
        fail(f"{cluster} may be {which}.\nSay which: by --vcenter NAME, or by its id.")
    return matches[0]


@dataclass(frozen=True, slots=True)
class PastCluster:
    """A cluster at a time, as a person names both: ``prod-a@2026-11-23``."""

    cluster: str
    date: str


def parse_past_cluster(named: str) -> PastCluster | None:
    """Parse what a person ``named``; none if it is a file, or means anything else."""
    cluster, at, date = named.rpartition("@")
    is_other = "://" in named or Path(named).exists()
    return None if is_other or not at or not cluster else PastCluster(cluster, date)


def render_log(log: "TrailLog") -> str:
    """Render which ``log`` it is: ``prod-a (domain-c9) on vc01``."""
    if log.cluster == VCENTER_LOG:
        return f"the vCenter {log.vcenter}"
    return f"{clean_text(log.name)} ({log.cluster}) on {log.vcenter}"


def select_host(names: "dict[str, str]", wanted: str | None) -> str | None:
    """Select the id of the host that a person ``wanted``, by its id or name; none where he wants all.

    Ends the command where ``names``, by id, has no such host.
    """
    if wanted is None or wanted in names:
        return wanted
    found = [host for host, name in names.items() if wanted in {name, name.partition(".")[0]}]
    if len(found) != 1:
        nearest = describe_nearest(wanted, names.values())
        fail(f"{'more than one host is' if found else 'no host was ever'} called {wanted}{nearest}")
    return found[0]


def end_with_damages(logs: "TrailLogs", code: int | None = EXIT_DIFFERENCES) -> None:
    """Name what of the trail ``logs`` is damaged; if anything is, end with ``code``, unless that is none."""
    for sentence in dict.fromkeys(damage.message for damage in logs.damages):
        print_warning(sentence)
    if logs.damages and code is not None:
        raise typer.Exit(code)


def list_ids(hosts: Iterable[str], names: "dict[str, str]") -> list[Json]:
    """List ``hosts`` for a program: each with its id and what ``names`` calls it."""
    return [{"id": host, "name": names.get(host, host)} for host in hosts]
