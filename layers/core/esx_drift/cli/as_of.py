"""``esx-drift as-of``: what each host of a cluster ran at a time of the past, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from esx_drift.cli.options import ClusterArgument, FormatOption, ListFormat, VCenterOption
from esx_drift.cli.past import (
    DATE_HELP,
    LocalOption,
    Times,
    end_with_damages,
    find_log,
    make_times,
    open_logs,
    render_log,
)
from esx_drift.cli.status_hosts import HostRow, list_host_rows
from esx_drift.cli.terminal import (
    EXIT_TROUBLE,
    build_table,
    escape_unprintable,
    fail,
    print_line,
    print_table,
    render_csv,
)
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.stored.types import Json, Snapshot
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import clean_text
from esx_drift.domain.trail.history import Sighting, find_sightings

FEW_RECORDS: Final = 8
"""So many later records are read at once, until each host was seen again: most are by the next look."""

_HEADINGS: Final = ("Host", "Release", "Build", "Add-on", "Image", "Orphaned VIBs", "How sure")
_COLUMNS: Final = (
    "host", "name", "release", "build", "base_image", "add_on", "image_group", "orphaned_vibs", "seen_before",
    "seen_after", "changed_between",
)  # fmt: skip

DateArgument = Annotated[str, typer.Argument(metavar="DATE", help=f"When: {DATE_HELP}")]


@with_trail_options
def as_of(
    cluster: ClusterArgument,
    date: DateArgument,
    vcenter: VCenterOption = None,
    output: FormatOption = ListFormat.text,
    local: LocalOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    source: TrailSource,
) -> None:
    """Show what each host of a cluster ran at a time, by the last look before it and the next one after.

    Exit code: 0 shown, 1 shown but for what is damaged, 2 trouble, such as no look before that time.

    Example: esx-drift as-of prod-a 2026-11-23
    """
    times, logs = make_times(local=local), open_logs(source)
    moment = times.parse(date, ends_day=True)
    log = find_log(logs, cluster, vcenter)
    record, following = logs.find_at(log, moment)
    stored = record["after"]["snapshot"] if record else None
    snapshot = logs.read_snapshot(stored["key"]) if stored else None
    if record is None or snapshot is None:
        end_with_damages(logs, EXIT_TROUBLE)
        asked = times.format(format_time(moment))
        fail(f"nobody had looked at {render_log(log)} by {asked} {times.name}: nothing is known of that time")
    later = logs.read_records(log, following, FEW_RECORDS)
    hosts = list_host_rows(record, snapshot)
    sightings = find_sightings([host.host for host in hosts], moment, record, later)
    if output is ListFormat.json:
        typer.echo(
            json.dumps(_build_document(log.vcenter, record["seq"], snapshot, hosts, sightings), indent=2)
        )
    elif output is ListFormat.csv:
        typer.echo(
            render_csv(_COLUMNS, (_list_cells(host, sightings[host.host]) for host in hosts)), nl=False
        )
    else:
        print_line(f"{render_log(log)} as of {times.format(format_time(moment))} {times.name}", "bold")
        print_line(f"  by record {record['seq']}, checked {times.format(record['checked_at'])}")
        print_table(
            build_table(_HEADINGS, (_render_cells(host, sightings[host.host], times) for host in hosts))
        )
    end_with_damages(logs)


def _render_cells(host: HostRow, sighting: Sighting, times: Times) -> list[str]:
    vibs = " ".join(host.orphaned_vibs)
    cells = (clean_text(host.name), host.release, host.build, host.add_on, host.group, vibs)
    return [*(escape_unprintable(cell or "-") for cell in cells), _describe(host, sighting, times)]


def _describe(host: HostRow, sighting: Sighting, times: Times) -> str:
    if sighting.before is None or host.base_image is None:
        return "not known: nobody had seen it"
    seen = f"seen {times.format(sighting.before)}"
    if sighting.after is None:
        return f"{seen}, not since"
    then = "changed by" if sighting.changed_between else "the same"
    return f"{seen}, {then} {times.format(sighting.after)}"


def _build_document(
    vcenter: str,
    seq: int,
    snapshot: Snapshot,
    hosts: Sequence[HostRow],
    sightings: Mapping[str, Sighting],
) -> Json:
    return {
        "schema_version": 1,
        "vcenter": vcenter,
        "record": seq,
        "hosts": [
            {**_list_cells(host, sightings[host.host]), "image": _find_image(snapshot, host.host)}
            for host in hosts
        ],
    }


def _find_image(snapshot: Snapshot, host: str) -> Json:
    known = snapshot["hosts"].get(host)
    return {**snapshot["images"][known["image"]]["main"]} if known and known["image"] else None


def _list_cells(host: HostRow, sighting: Sighting) -> dict[str, Json]:
    return {
        "host": host.host,
        "name": host.name,
        "release": host.release,
        "build": host.build,
        "base_image": host.base_image,
        "add_on": host.add_on,
        "image_group": host.group,
        "orphaned_vibs": " ".join(host.orphaned_vibs),
        "seen_before": sighting.before,
        "seen_after": sighting.after,
        "changed_between": sighting.changed_between,
    }
