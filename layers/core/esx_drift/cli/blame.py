"""``esx-drift blame``: since when each part of what hosts run is there, and which record says so."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import replace
from typing import Annotated, Final, NoReturn

import typer
from msgspec.structs import asdict

from esx_drift.cli.history import describe_retirement
from esx_drift.cli.options import ClusterArgument, FormatOption, ListFormat, VCenterOption
from esx_drift.cli.past import (
    HostOption,
    LocalOption,
    PastQuestion,
    Times,
    describe_checks,
    describe_nothing,
    end_with_damages,
    fail_unanswered,
    find_log,
    make_times,
    open_logs,
    parse_wanted_host,
    read_hosts_of_then,
    render_host,
    select_host,
)
from esx_drift.cli.terminal import (
    build_table,
    escape_unprintable,
    fail,
    print_line,
    print_table,
    render_csv,
)
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.images.image import format_part
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names, split_vib_key
from esx_drift.domain.trail.history import (
    ORPHANED_VIB,
    PartOrigin,
    PartSince,
    find_retirement,
    list_parts_since,
)
from esx_drift.domain.trail.known_hosts import KnownHosts, KnownMachine, list_known_hosts

_HEADINGS: Final = ("What", "Version", "Hosts", "Since", "Record")
_COLUMNS: Final = ("host", "name", "part", "version", "origin", "after", "found", "record")
ORIGINS: Final[Mapping[PartOrigin, str]] = {
    "first-copy": "the first copy",
    "first-seen": "they were first seen here",
    "earlier": "the first record here, or before it",
    "unknown": "since when is unknown",
}

_BEFORE: Final[Mapping[PartOrigin, str]] = {"earlier": "by ", "unknown": "unknown: by "}

AllOption = Annotated[
    bool, typer.Option("--all", help="In the table also what is there since the first copy.")
]


@with_trail_options
def blame(
    cluster: ClusterArgument,
    host: HostOption = None,
    vcenter: VCenterOption = None,
    output: FormatOption = ListFormat.text,
    whole: AllOption = False,  # noqa: FBT002 -- typer passes it by name
    local: LocalOption = False,  # noqa: FBT002 -- likewise
    *,
    source: TrailSource,
) -> None:
    """Say of each part of what hosts run since when it is there, and by which record that is known.

    JSON and CSV list all parts of all hosts. Exit code: 0 said, 1 said but for what is damaged, 2 trouble.

    Example: esx-drift blame prod-a --host esx07
    """
    times, logs = make_times(local=local), open_logs(source)
    log = find_log(logs, source, cluster, vcenter)
    records = list(logs.read_records(log, logs.list_numbers(log)))
    options = {"--host": host, "--vcenter": vcenter}
    snapshot = logs.read_left_snapshot(records)
    if snapshot is None:
        question = PastQuestion(source, "blame", cluster, options, local)
        checks = describe_checks(logs, log, question)
        nobody = f"nobody has looked at {log.render()} yet\n{checks}"
        fail_unanswered(logs, describe_nothing(logs, log, nobody))
    known = list_known_hosts(records, snapshot)
    wanted = parse_wanted_host(host, times)
    only = select_host(known, wanted, log, then=read_hosts_of_then(logs, log, records, wanted))
    own = only.list_ids_at(known.newest)[-1:] if only else []
    if only is not None and not set(own) & snapshot["hosts"].keys():
        _fail_gone(known, only, times, PastQuestion(source, "history", cluster, options, local))
    names, retired_by = known.newest.newest_names, find_retirement(reversed(records))
    parts = [part for part in list_parts_since(records, snapshot) if only is None or part.host in own]
    if output is ListFormat.json:
        listed = [{"name": names[part.host], **asdict(part)} for part in parts]
        head = {
            "schema_version": 1,
            "vcenter": log.vcenter,
            "retired_at": retired_by["checked_at"] if retired_by else None,
        }
        typer.echo(json.dumps({**head, "parts": listed}, indent=2))
    elif output is ListFormat.csv:
        typer.echo(render_csv(_COLUMNS, (_list_cells(part, names) for part in parts)), nl=False)
    else:
        print_line(f"{log.render()}{f': {render_host(only)}' if only else ''}", "bold")
        for line in filter(None, [describe_retirement(retired_by, times)]):
            print_line(line, "yellow")
        if parts:
            _print_parts(parts, known.newest.distinct_names, times, whole=whole)
        else:
            print_line("Nobody has seen yet what it runs.")
    end_with_damages(logs)


def _fail_gone(known: KnownHosts, host: KnownMachine, times: Times, question: PastQuestion) -> NoReturn:
    own = host.list_ids_at(known.newest)
    left = known.newest.left.get(own[-1]) if own else None
    when = f" since {times.format_zoned(left)}" if left else ""
    where = "this cluster" if own else "this cluster of the vCenter that took the former one's place"
    fail(
        f"{render_host(host)} is not in {where}{when}\n"
        f"To see what happened to it: {question.name_command()}\n"
        f"To see what it ran on a day before: {replace(question, command='as-of').name_command('DATE')}"
    )


def _print_parts(parts: Sequence[PartSince], names: Mapping[str, str], times: Times, *, whole: bool) -> None:
    """Print a line for each part, version and record, the newest first; what was never changed is counted."""
    groups: dict[tuple[str, str, PartOrigin, int], list[PartSince]] = {}
    for part in parts:
        groups.setdefault((part.part, part.version, part.origin, part.seq), []).append(part)
    shown = [group for group in groups.values() if whole or _has_come(group[0])]
    if shown:
        ordered = sorted(shown, key=lambda group: -group[0].seq)
        print_table(build_table(_HEADINGS, (_render_cells(group, names, times) for group in ordered)))
    if not whole:
        print_line("")
        for line in _count_unchanged(parts, times):
            print_line(line)


def _has_come(part: PartSince) -> bool:
    """Tell whether a ``part`` came, so that it has a line of its own."""
    return part.origin == "change" or (part.origin == "unknown" and part.since is not None)


def _render_cells(group: Sequence[PartSince], names: Mapping[str, str], times: Times) -> list[str]:
    first = group[0]
    after = f" (after {times.format(first.since)})" if first.since else ""
    return [
        escape_unprintable(cell)
        for cell in (
            name_kept_part(first.part),
            clean_text(first.version) if first.version else "-",
            join_names(list_host_names([part.host for part in group], names)),
            f"{_BEFORE.get(first.origin, '')}{times.format_zoned(first.at)}{after}",
            f"{first.seq} or later" if first.origin == "unknown" else str(first.seq),
        )
    ]


def name_kept_part(part: str) -> str:
    """Name a part without the version that a VIB has in its name: that has a column of its own."""
    vib = part.removeprefix(f"{ORPHANED_VIB}:")
    return format_part(part) if vib == part else f"orphaned VIB {split_vib_key(vib)[0]}"


def _count_unchanged(parts: Iterable[PartSince], times: Times) -> list[str]:
    counted: dict[tuple[PartOrigin, int, str], int] = {}
    for part in parts:
        if not _has_come(part):
            key = (part.origin, part.seq, part.at)
            counted[key] = counted.get(key, 0) + 1
    return [
        f"{format_count(number, 'part')}{_describe_origin(origin, seq)} {times.format_zoned(at)}"
        f"{'' if origin == 'unknown' else f' (record {seq})'}"
        for (origin, seq, at), number in counted.items()
    ]


def _describe_origin(origin: PartOrigin, seq: int) -> str:
    if origin == "unknown":
        return f", {ORIGINS[origin]}: at or after record {seq}, and by"
    return f" since {ORIGINS[origin]},"


def _list_cells(part: PartSince, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "host": part.host,
        "name": names[part.host],
        "part": part.part,
        "version": part.version,
        "origin": part.origin,
        "after": part.since,
        "found": part.at,
        "record": part.seq,
    }
