"""``esx-drift orphans``: VIBs that belong to nothing known: since when, where, and whether they are gone."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import asdict

from esx_drift.cli.options import FormatOption, ListFormat, OnlyVCenterOption
from esx_drift.cli.past import (
    LocalOption,
    Times,
    describe_nothing,
    end_with_damages,
    fail_unanswered,
    find_log,
    make_times,
    open_logs,
    require_vcenter,
)
from esx_drift.cli.terminal import build_table, escape_unprintable, print_line, print_table, render_csv
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef
from esx_drift.domain.stored.types import ResolvedBecause
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names, split_vib_key
from esx_drift.domain.trail.history import OrphanHistory, list_open_orphans, list_orphans
from esx_drift.domain.trail.known_hosts import InstanceHosts, KnownHosts

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

_HEADINGS: Final = ("VIB", "Version", "Cluster", "There since", "On now")
_FLEET_HEADING: Final = "In the fleet"
_PAST_HEADINGS: Final = ("First seen", "Ever on", "Gone")
_COLUMNS: Final = (
    "vib", "vcenter", "cluster", "cluster_id", "since", "hosts", "host_ids", "first_seen", "first_hosts",
    "ever", "gone_at", "gone_because", "fleet_hosts",
)  # fmt: skip
_WHY_GONE: Final[Mapping[ResolvedBecause | None, str]] = {
    "host-left": ": its host left",
    "retired": ": the cluster was retired",
}

ClusterOption = Annotated[
    str | None, typer.Argument(metavar="CLUSTER", help="Only this cluster; of all of them, if none is named.")
]
GoneOption = Annotated[
    bool, typer.Option("--gone", help="Also those that are gone: each record of each log is read for it.")
]


class _Row(Struct, frozen=True):
    """An orphaned VIB of one cluster, and the hosts that are ``known`` of that.

    ``fleet_hosts``: on how many hosts it is now, of all clusters; none where not all were read.
    """

    log: ClusterRef
    orphan: OrphanHistory
    known: InstanceHosts
    fleet_hosts: int | None = None


@with_trail_options
def orphans(
    cluster: ClusterOption = None,
    gone: GoneOption = False,  # noqa: FBT002 -- typer passes it by name
    vcenter: OnlyVCenterOption = None,
    output: FormatOption = ListFormat.text,
    local: LocalOption = False,  # noqa: FBT002 -- likewise
    *,
    source: TrailSource,
) -> None:
    """List orphaned VIBs: since when each is there and where; of a CLUSTER or with --gone also what was.

    Where all clusters of all vCenters were read, it says on how many hosts of the fleet each is.

    Exit code: 0 listed, 1 listed but for what is damaged, 2 trouble.

    Example: esx-drift orphans --gone
    """
    times, logs = make_times(local=local), open_logs(source)
    chosen = _choose_logs(logs, source, cluster, vcenter)
    whole = gone or cluster is not None
    rows = [row for log in chosen for row in _list_rows(logs, log, whole=whole)]
    # Of a part of the fleet, or where not all was read, there is no such number.
    if cluster is None and vcenter is None and not source.is_excerpt and not logs.damages:
        rows = _count_fleet_hosts(rows)
    rows.sort(key=lambda row: (row.orphan.vib, row.orphan.first_seen or row.orphan.since))
    if output is ListFormat.json:
        listed = [
            {
                "vcenter": row.log.vcenter,
                "cluster": row.log.cluster,
                **asdict(row.orphan),
                "fleet_hosts": row.fleet_hosts,
            }
            for row in rows
        ]
        typer.echo(json.dumps({"schema_version": 1, "orphaned_vibs": listed}, indent=2))
    elif output is ListFormat.csv:
        typer.echo(render_csv(_COLUMNS, (_list_cells(row) for row in rows)), nl=False)
    else:
        _print_rows(rows, times, len(chosen), whole=whole)
    end_with_damages(logs)


def _choose_logs(
    logs: "TrailLogs", source: TrailSource, cluster: str | None, vcenter: str | None
) -> list[ClusterRef]:
    """Choose the log of a ``cluster``, or those of all; of an excerpt those that it holds."""
    if cluster is not None:
        log = find_log(logs, source, cluster, vcenter)
        if source.is_excerpt and not logs.list_numbers(log):
            fail_unanswered(logs, describe_nothing(logs, log, ""))
        return [log]
    if vcenter is not None:
        require_vcenter(logs, source, vcenter)
    known = [log for log in logs.list_known_logs(vcenter) if log.cluster != VCENTER_LOG]
    return [log for log in known if not source.is_excerpt or logs.list_numbers(log)]


def _list_rows(logs: "TrailLogs", log: ClusterRef, *, whole: bool) -> list[_Row]:
    numbers = logs.list_numbers(log)
    if whole:
        records = list(logs.read_records(log, numbers))
        found = list_orphans(records)
    else:
        newest = next(logs.read_records(log, reversed(numbers), 1), None)
        records = [newest] if newest else []
        found = list_open_orphans(newest) if newest else []
    known = logs.read_hosts(records) if found else KnownHosts()
    return [_Row(log, orphan, known.get_at(orphan.since)) for orphan in found]


def _count_fleet_hosts(rows: Sequence[_Row]) -> list[_Row]:
    """Count on how many hosts of all clusters each orphaned VIB is now."""
    counted = Counter[str]()
    for row in rows:
        counted[row.orphan.vib] += len(row.orphan.hosts)
    return [replace(row, fleet_hosts=counted[row.orphan.vib]) for row in rows]


def _print_rows(rows: Sequence[_Row], times: Times, clusters: int, *, whole: bool) -> None:
    open_now = [row for row in rows if row.orphan.hosts]
    hosts = {(row.log.vcenter, host) for row in open_now for host in row.orphan.hosts}
    vibs = {row.orphan.vib for row in open_now}
    gone = len({row.orphan.vib for row in rows} - vibs)
    print_line(
        f"{format_count(len(vibs), 'orphaned VIB')} on {format_count(len(hosts), 'host')}"
        f" of {format_count(clusters, 'cluster')}{f', and {gone} that went from all' if gone else ''}",
        "bold",
    )
    if rows:
        fleet = () if rows[0].fleet_hosts is None else (_FLEET_HEADING,)
        headings = (*_HEADINGS, *fleet, *(_PAST_HEADINGS if whole else ()))
        print_table(build_table(headings, (_render_cells(row, times, whole=whole) for row in rows)))


def _render_cells(row: _Row, times: Times, *, whole: bool) -> list[str]:
    orphan = row.orphan
    name, version = split_vib_key(orphan.vib)
    cells = [
        clean_text(name),
        version or "-",
        clean_text(row.log.name),
        times.format_zoned(orphan.since),
        join_names(list_host_names(orphan.hosts, row.known.distinct_names)) if orphan.hosts else "-",
    ]
    if row.fleet_hosts is not None:
        cells.append(format_count(row.fleet_hosts, "host"))
    if whole and orphan.first_seen:
        why = _WHY_GONE.get(orphan.gone_because, "")
        cells += [
            times.format_zoned(orphan.first_seen),
            format_count(len(orphan.ever), "host"),
            f"{times.format_zoned(orphan.gone_at)}{why}" if orphan.gone_at else "-",
        ]
    return [escape_unprintable(cell) for cell in cells]


def _list_cells(row: _Row) -> dict[str, object]:
    orphan, names = row.orphan, row.known.newest_names
    lists = {"first_hosts": orphan.first_hosts, "hosts": orphan.hosts, "ever": orphan.ever}
    return {
        "vib": orphan.vib,
        "vcenter": row.log.vcenter,
        "cluster": row.log.name,
        "cluster_id": row.log.cluster,
        "since": orphan.since,
        "host_ids": " ".join(orphan.hosts),
        "first_seen": orphan.first_seen,
        **{name: " ".join(names.get(host, host) for host in listed) for name, listed in lists.items()},
        "gone_at": orphan.gone_at,
        "gone_because": orphan.gone_because,
        "fleet_hosts": row.fleet_hosts,
    }
