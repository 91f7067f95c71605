"""``esx-drift orphans``: VIBs that belong to nothing known: since when, where, and whether they are gone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from esx_drift.cli.options import FormatOption, ListFormat, OnlyVCenterOption
from esx_drift.cli.past import LocalOption, Times, end_with_damages, find_log, make_times, open_logs
from esx_drift.cli.terminal import build_table, escape_unprintable, print_line, print_table, render_csv
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names, split_vib_key
from esx_drift.domain.trail.history import OrphanHistory, list_open_orphans, list_orphans

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLog, TrailLogs

_HEADINGS: Final = ("VIB", "Version", "Cluster", "First seen", "On now", "Ever on", "Gone")
_COLUMNS: Final = (
    "vib", "vcenter", "cluster", "cluster_id", "first_seen", "first_hosts", "hosts", "ever", "gone_at",
)  # fmt: skip

ClusterOption = Annotated[
    str | None, typer.Argument(metavar="CLUSTER", help="Only this cluster; of all of them, if none is named.")
]
GoneOption = Annotated[
    bool, typer.Option("--gone", help="Also those that are gone: each record of each log is read for it.")
]


@dataclass(frozen=True, slots=True)
class _Row:
    """An orphaned VIB of one cluster; ``names``: its hosts, by id."""

    log: "TrailLog"
    orphan: OrphanHistory
    names: dict[str, str]


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
    """List orphaned VIBs: when each was first seen, on how many hosts it is, and when it had gone.

    Exit code: 0 listed, 1 listed but for what is damaged, 2 trouble.

    Example: esx-drift orphans --gone
    """
    times, logs = make_times(local=local), open_logs(source)
    if cluster is not None:
        chosen = [find_log(logs, cluster, vcenter)]
    else:
        chosen = [log for log in logs.list_known_logs(vcenter) if log.cluster != VCENTER_LOG]
    rows = [row for log in chosen for row in _list_rows(logs, log, whole=gone or cluster is not None)]
    rows.sort(key=lambda row: (row.orphan.vib, row.orphan.first_seen))
    if output is ListFormat.json:
        listed = [
            {"vcenter": row.log.vcenter, "cluster": row.log.cluster, **asdict(row.orphan)} for row in rows
        ]
        typer.echo(json.dumps({"schema_version": 1, "orphaned_vibs": listed}, indent=2))
    elif output is ListFormat.csv:
        typer.echo(render_csv(_COLUMNS, (_list_cells(row) for row in rows)), nl=False)
    else:
        _print_rows(rows, times, len(chosen))
    end_with_damages(logs)


def _list_rows(logs: "TrailLogs", log: "TrailLog", *, whole: bool) -> list[_Row]:
    numbers = logs.list_numbers(log)
    if whole:
        records = list(logs.read_records(log, numbers))
        found = list_orphans(records)
    else:
        newest = next(logs.read_records(log, reversed(numbers)), None)
        records = [newest] if newest else []
        found = list_open_orphans(newest) if newest else []
    names = logs.read_host_names(records) if found else {}
    return [_Row(log, orphan, names) for orphan in found]


def _print_rows(rows: Sequence[_Row], times: Times, clusters: int) -> None:
    open_now = [row for row in rows if row.orphan.hosts]
    hosts = {(row.log.vcenter, host) for row in open_now for host in row.orphan.hosts}
    vibs = {row.orphan.vib for row in open_now}
    print_line(
        f"{format_count(len(vibs), 'orphaned VIB')} on {format_count(len(hosts), 'host')}"
        f" of {format_count(clusters, 'cluster')}",
        "bold",
    )
    if rows:
        print_table(build_table(_HEADINGS, (_render_cells(row, times) for row in rows)))


def _render_cells(row: _Row, times: Times) -> list[str]:
    orphan = row.orphan
    name, version = split_vib_key(orphan.vib)
    gone = f"{times.format(orphan.gone_at)} {times.name}" if orphan.gone_at else "-"
    cells = (
        clean_text(name),
        version or "-",
        clean_text(row.log.name),
        f"{times.format(orphan.first_seen)} {times.name}",
        join_names(list_host_names(orphan.hosts, row.names)) if orphan.hosts else "-",
        format_count(len(orphan.ever), "host"),
        gone,
    )
    return [escape_unprintable(cell) for cell in cells]


def _list_cells(row: _Row) -> dict[str, object]:
    orphan = row.orphan
    lists = {"first_hosts": orphan.first_hosts, "hosts": orphan.hosts, "ever": orphan.ever}
    return {
        "vib": orphan.vib,
        "vcenter": row.log.vcenter,
        "cluster": row.log.name,
        "cluster_id": row.log.cluster,
        "first_seen": orphan.first_seen,
        **{name: " ".join(row.names.get(host, host) for host in listed) for name, listed in lists.items()},
        "gone_at": orphan.gone_at,
    }
