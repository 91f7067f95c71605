"""``esx-drift as-of``: what each host of a cluster ran at a time of the past, and how sure that is.

Longer than 250 lines, because how sure it is stands beside what is said of it, as text, JSON and CSV.
"""

import json
from collections.abc import Iterable, Mapping
from copy import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from msgspec import Struct

from esx_drift.cli.blame import name_kept_part
from esx_drift.cli.history import describe_retirement
from esx_drift.cli.options import ClusterArgument, FormatOption, ListFormat, VCenterOption
from esx_drift.cli.past import (
    DATE_HELP,
    HostOption,
    LocalOption,
    PastQuestion,
    Times,
    WantedHost,
    describe_checks,
    describe_first_look,
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
from esx_drift.cli.status_formats import build_software_fields
from esx_drift.cli.status_hosts import HostRow, list_host_rows, list_image_groups
from esx_drift.cli.terminal import (
    build_table,
    escape_unprintable,
    print_line,
    print_table,
    render_csv,
)
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.images.image import (
    ImageGroup,
    format_part,
    format_part_version,
    list_differing_parts,
)
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Json, Record, Snapshot
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import clean_text, format_count, join_names, split_vib_key
from esx_drift.domain.trail.history import ORPHANED_VIB, find_retirement
from esx_drift.domain.trail.hosts import (
    FormerSelf,
    Sighting,
    compare_sightings,
    find_former_ids,
    find_sightings,
    is_new_vcenter,
)

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

FEW_RECORDS: Final = 8
"""So many later records are read at once, until each host was seen again: most are by the next look."""

_HEADINGS: Final = ("Host", "Id", "Release", "Build", "Add-on", "Image", "Orphaned VIBs", "How sure")
_COLUMNS: Final = (
    "host", "name", "release", "build", "base_image", "add_on", "image_group", "orphaned_vibs", "seen_before",
    "seen_before_as", "seen_after", "seen_after_as", "changed_between", "left_at", "replaced_at",
)  # fmt: skip
_PART_HEADINGS: Final = ("What", "Version", "Hosts")
_PART_COLUMNS: Final = (
    "host", "name", "part", "version", "seen_before", "seen_after", "changed_between", "left_at",
    "replaced_at",
)  # fmt: skip
MAX_DIFFERENCES: Final = 10
"""So many parts in which images differ are named; --parts names all."""

DateArgument = Annotated[str, typer.Argument(metavar="DATE", help=f"When: {DATE_HELP}")]

PartsOption = Annotated[
    bool, typer.Option("--parts", help="Also each part that they ran, such as each driver, by its version.")
]


@with_trail_options
def as_of(  # noqa: PLR0913 -- each is an option of the command
    cluster: ClusterArgument,
    date: DateArgument,
    host: HostOption = None,
    parts: PartsOption = False,  # noqa: FBT002 -- typer passes it by name
    vcenter: VCenterOption = None,
    output: FormatOption = ListFormat.text,
    local: LocalOption = False,  # noqa: FBT002 -- likewise
    *,
    source: TrailSource,
) -> None:
    """Show what each host of a cluster ran at a time, by the last look before it and the next one after.

    Exit code: 0 shown, 1 shown but for what is damaged, 2 trouble, such as no look before that time.

    Example: esx-drift as-of prod-a 2026-11-23 --host esx07
    """
    times, logs = make_times(local=local), open_logs(source)
    moment = times.parse_end(date)
    log = find_log(logs, source, cluster, vcenter)
    answer = _find_answer(logs, log, moment, parse_wanted_host(host, times))
    asked = times.format_exactly(moment)
    question = PastQuestion(source, "as-of", cluster, {"--host": host, "--vcenter": vcenter}, local)
    if answer is None:
        there = " at the vCenter that took the former one's place" if _is_replaced(logs, log, moment) else ""
        nobody = f"nobody had looked at {log.render()}{there} by {asked}: nothing is known of that time"
        first = logs.find_first_look(log, logs.find_at(log, moment)[2])
        later = describe_first_look(first, times, question) if first else describe_checks(logs, log, question)
        fail_unanswered(logs, f"{describe_nothing(logs, log, nobody)}\n{later}")
    if not answer.hosts and answer.ids:
        fail_unanswered(
            logs,
            f"{answer.asked_host} was not in this cluster at {asked}\n"
            f"To see when it came and left: {replace(question, command='history').name_command()}",
        )
    _write_answer(answer, output, times, with_parts=parts)
    end_with_damages(logs)


def _is_replaced(logs: "TrailLogs", log: ClusterRef, moment: datetime) -> bool:
    """Tell whether the last record until a moment is of another vCenter than one before it."""
    record, known, _ = logs.find_at(log, moment)
    before = logs.read_records(log, known[::-1], FEW_RECORDS) if record else iter(())
    return any(record and is_new_vcenter(record, each["after"]["instance_uuid"]) for each in before)


class _Answer(Struct, frozen=True):
    """What was known of a cluster at a moment.

    Attributes:
        log: Whose it was.
        moment: What was asked about.
        record: The last record until then.
        snapshot: What it left, with what hosts ran that were not seen since they came back.
        hosts: Its hosts.
        sightings: When each was seen, by id.
        former: What those that were gone, and were not seen since they came back, were before, by id.
        former_ids: The ids under which others were seen that came back unread, by id.
        ids: All ids of the one host that was asked about, the oldest first; none where it was all.
        asked_host: That host in words; empty where it was all.
        retired_by: The record that retired the cluster, after which nobody looked at it; none: none did.
    """

    log: ClusterRef
    moment: datetime
    record: Record
    snapshot: Snapshot
    hosts: tuple[HostRow, ...]
    sightings: Mapping[str, Sighting]
    former: Mapping[str, FormerSelf]
    former_ids: Mapping[str, str]
    ids: list[str] | None
    asked_host: str
    retired_by: Record | None

    def find_id_before(self, host: str) -> str | None:
        """Find the id under which a host was last seen; none if nobody had seen it."""
        if host in self.former:
            return self.former[host].id
        return self.former_ids.get(host, host) if self.sightings[host].before else None


def _find_answer(
    logs: "TrailLogs", log: ClusterRef, moment: datetime, wanted: WantedHost | None
) -> _Answer | None:
    """Find what was known at a moment; none if nothing was, or what is kept of it is damaged.

    Of all hosts, or of the one ``wanted``: by any id or name of it, for which all records are read.
    """
    record, known, following = logs.find_at(log, moment)
    left = logs.read_left_snapshot([record]) if record else None
    if record is None or left is None:
        return None
    snapshot, former = logs.restore_former_selves(left, record["after"])
    rows = list_host_rows(record, snapshot)
    read = [] if wanted is None else [*logs.read_records(log, known + following)]
    every, then = logs.read_hosts(read), read_hosts_of_then(logs, log, read, wanted)
    there = every.get_at(record["checked_at"])
    machine = select_host(every, wanted, log, [row.host for row in rows], there, then)
    own = machine.list_ids_at(there) if machine else []
    hosts = tuple(row for row in rows if machine is None or row.host in own)
    never = [host.host for host in hosts if host.base_image is None or host.host in former]
    later = logs.read_records(log, following, FEW_RECORDS)
    found = find_sightings([host.host for host in hosts], moment, record, later, never)
    sightings = _compare_sightings(logs, snapshot, found)
    look = record["after"]["last_look_at"]
    seen = {host: one.before for host, one in sightings.items() if one.before and one.before != look}
    former_ids = find_former_ids(seen, logs.read_records(log, known[::-1], FEW_RECORDS)) if seen else {}
    asked_host = render_host(machine) if machine else ""
    ids = machine.ids if machine else None
    retired_by = find_retirement(logs.read_records(log, [*known, *following][::-1], 1))
    return _Answer(
        log, moment, record, snapshot, hosts, sightings, former, former_ids, ids, asked_host, retired_by
    )


def _compare_sightings(
    logs: "TrailLogs", snapshot: Snapshot, sightings: Mapping[str, Sighting]
) -> dict[str, Sighting]:
    """Compare hosts with what they ran when they were next seen, where records between can't be read."""
    keys = {one.snapshot_after for one in sightings.values() if one.snapshot_after}
    later = {key: logs.read_snapshot(key) for key in sorted(keys)}
    compared = dict(sightings)
    for host, one in sightings.items():
        if one.snapshot_after:
            other = later[one.snapshot_after]
            changed = compare_sightings(snapshot, other, host, one.id_after or host)
            compared[host] = replace(one, changed_between=changed)
    return compared


def _write_answer(answer: _Answer, output: ListFormat, times: Times, *, with_parts: bool) -> None:
    parts = _list_parts(answer) if with_parts else []
    if output is ListFormat.json:
        listed = {"parts": [_list_part_cells(one, answer) for one in parts]} if with_parts else {}
        typer.echo(json.dumps({**_build_document(answer), **listed}, indent=2))
    elif output is ListFormat.csv and with_parts:
        typer.echo(render_csv(_PART_COLUMNS, (_list_part_cells(one, answer) for one in parts)), nl=False)
    elif output is ListFormat.csv:
        typer.echo(render_csv(_COLUMNS, (_list_cells(host, answer) for host in answer.hosts)), nl=False)
    else:
        _print_answer(answer, times)
        if with_parts:
            print_line("")
            _print_parts(parts)


def _print_answer(answer: _Answer, times: Times) -> None:
    record, look = answer.record, answer.record["after"]["last_look_at"]
    taken = record["after"]["last_taken"]
    extracted = f", report of {times.format(taken['completion_time'])}" if taken else ""
    of = f": {answer.asked_host}" if answer.asked_host else ""
    print_line(f"{answer.log.render()} as of {times.format_exactly(answer.moment)}{of}", "bold")
    print_line(f"  record {record['seq']}, checked {times.format(record['checked_at'])}{extracted}")
    for line in filter(None, [describe_retirement(answer.retired_by, times)]):
        print_line(f"  {line}", "yellow")
    replaced = next((one.replaced_at for one in answer.sightings.values() if one.replaced_at), None)
    is_last = not any(one.after or one.left_at for one in answer.sightings.values())
    if replaced is not None:
        print_line(
            f"  The vCenter was replaced, as the record of {times.format(replaced)} says: what runs now is"
            " another vCenter's, and can't be compared with this."
        )
    # Of one host that nobody saw since, its own line says so: others may have been seen.
    elif look and answer.hosts and answer.ids is None and is_last:
        print_line(f"  The last look was {times.format(look)}: nothing is known of the time after it.")
    print_table(build_table(_HEADINGS, (_render_cells(host, answer, times) for host in answer.hosts)))
    shown, groups = {host.group for host in answer.hosts}, list_image_groups(answer.snapshot)
    for name in (each for each in groups if each in shown and each != "A"):
        print_line(f"Image {name} differs from A in {_describe_difference(groups['A'], groups[name])}")


def _describe_difference(first: ImageGroup, other: ImageGroup) -> str:
    """Describe each part in which other hosts differ from the ``first`` ones, at most ten of them."""
    parts = list_differing_parts(first.image, other.image)
    said = [
        f"{format_part(part)} ({' → '.join(_render_version(group, part) for group in (first, other))})"
        for part in parts[:MAX_DIFFERENCES]
    ]
    more = f", and {len(parts) - MAX_DIFFERENCES} more" if len(parts) > MAX_DIFFERENCES else ""
    number = f"{format_count(len(parts), 'part')}: " if len(parts) != 1 else ""
    return f"{number}{', '.join(said)}{more}"


def _render_version(group: ImageGroup, part: str) -> str:
    value = group.image["main"].get(part)
    return "none" if value is None else clean_text(format_part_version(value))


class _HostPart(Struct, frozen=True):
    """A ``part`` of what a ``host`` ran, and its ``version``; empty where it has none."""

    host: HostRow
    part: str
    version: str


def _list_parts(answer: _Answer) -> list[_HostPart]:
    """List each part of what each host ran, orphaned VIBs as well."""
    return [
        _HostPart(host, part, version)
        for host in answer.hosts
        for part, version in (
            *((part, format_part_version(value)) for part, value in _find_parts(answer, host).items()),
            *((f"{ORPHANED_VIB}:{vib}", split_vib_key(vib)[1]) for vib in host.orphaned_vibs),
        )
    ]


def _find_parts(answer: _Answer, host: HostRow) -> Mapping[str, Json]:
    known = answer.snapshot["hosts"].get(host.host)
    return answer.snapshot["images"][known["image"]]["main"] if known and known["image"] else {}


def _print_parts(parts: Iterable[_HostPart]) -> None:
    """Print a line for each part and version, with the hosts that ran it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in parts:
        groups.setdefault((one.part, one.version), []).append(clean_text(one.host.name))
    rows = (
        (name_kept_part(part), clean_text(version) or "-", join_names(hosts, len(hosts)))
        for (part, version), hosts in groups.items()
    )
    print_table(build_table(_PART_HEADINGS, ([escape_unprintable(cell) for cell in row] for row in rows)))


def _list_part_cells(one: _HostPart, answer: _Answer) -> dict[str, Json]:
    cells = {**_list_cells(one.host, answer), "part": one.part, "version": one.version}
    return {column: cells[column] for column in _PART_COLUMNS}


def _render_cells(host: HostRow, answer: _Answer, times: Times) -> list[str]:
    vibs = " ".join(host.orphaned_vibs)
    cells = (clean_text(host.name), host.host, host.release, host.build, host.add_on, host.group, vibs)
    return [*(escape_unprintable(cell or "-") for cell in cells), _describe(host, answer, times)]


def _describe(host: HostRow, answer: _Answer, times: Times) -> str:
    """Describe how sure it is what a host ran."""
    sighting, former = answer.sightings[host.host], answer.former.get(host.host)
    renewed = f" as {sighting.id_after}" if sighting.id_after else ""
    next_seen = f"next seen {times.format(sighting.after)}{renewed}" if sighting.after else ""
    if former is not None:
        named = f" as {former.id}" if former.id != host.host else ""
        return f"seen {times.format(former.seen_at)}{named}, {next_seen or 'not since'}"
    if sighting.before is None:
        return f"not known: not seen by then{f', {next_seen}' if next_seen else ''}"
    look = answer.record["after"]["last_look_at"]
    missed = f", not read {times.format(look)}" if look and look != sighting.before else ""
    named = f" as {answer.former_ids[host.host]}" if host.host in answer.former_ids else ""
    seen = f"seen {times.format(sighting.before)}{named}{missed}"
    if sighting.left_at is not None:
        return f"{seen}, gone by {times.format(sighting.left_at)}"
    if sighting.after is None:
        lost = ", not known since: records can't be read" if sighting.is_lost else ", not since"
        return f"{seen}{lost}"
    if sighting.changed_between is None:
        return f"{seen}, next {times.format(sighting.after)}{renewed}: changed or not, records can't be read"
    then = "changed by" if sighting.changed_between else "the same"
    return f"{seen}, {then} {times.format(sighting.after)}{renewed}"


def _build_document(answer: _Answer) -> dict[str, Json]:
    return {
        "schema_version": 1,
        "vcenter": answer.log.vcenter,
        "cluster": {"id": answer.log.cluster, "name": answer.log.name},
        "as_of": format_time(answer.moment),
        "record": answer.record["seq"],
        "retired_at": answer.retired_by["checked_at"] if answer.retired_by else None,
        "host_ids": cast("Json", answer.ids),
        "hosts": [
            {**_list_cells(host, answer), "image": {**_find_parts(answer, host)} or None}
            for host in answer.hosts
        ],
    }


def _list_cells(host: HostRow, answer: _Answer) -> dict[str, Json]:
    sighting, former = answer.sightings[host.host], answer.former.get(host.host)
    return {
        **build_software_fields(host),
        "orphaned_vibs": " ".join(host.orphaned_vibs),
        "seen_before": former.seen_at if former else sighting.before,
        "seen_before_as": answer.find_id_before(host.host),
        "seen_after": sighting.after,
        "seen_after_as": sighting.id_after or (host.host if sighting.after else None),
        "changed_between": None if former or not sighting.after else sighting.changed_between,
        "left_at": sighting.left_at,
        "replaced_at": sighting.replaced_at,
    }
