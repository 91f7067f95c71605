"""``esx-drift show``: one record of the trail, whole for a program, readable for a person."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from esx_drift.cli.diff import OutputFormat
from esx_drift.cli.history import describe_window_step, name_person, render_end, render_reason
from esx_drift.cli.options import VCenterOption
from esx_drift.cli.past import (
    LocalOption,
    Times,
    describe_nothing,
    end_with_damages,
    fail_unanswered,
    find_log,
    make_times,
    open_logs,
)
from esx_drift.cli.terminal import fail, print_line
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.cli.validate import S3_SCHEME
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    format_count,
    format_share,
    join_names,
    list_host_names,
)
from esx_drift.domain.trail.history import MaintenanceStep, list_windows
from esx_drift.domain.trail.known_hosts import InstanceHosts
from esx_drift.messages.change_lines import ChangeWords, render_change_lines

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

RecordArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECORD", help="Its key or s3:// address, as messages name it; or a cluster, with the number."
    ),
]
NumberArgument = Annotated[
    int | None,
    typer.Argument(metavar="NUMBER", min=1, help="The number; without one, the newest."),
]


@with_trail_options
def show_record(
    record: RecordArgument,
    number: NumberArgument = None,
    vcenter: VCenterOption = None,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="For a person, or all of it for a program.")
    ] = OutputFormat.text,
    local: LocalOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    source: TrailSource,
) -> None:
    """Show one record: what a check saw, what it found changed and open, and what a person decided.

    Exit code: 0 shown, 1 shown but for what is damaged, 2 trouble.

    Example: esx-drift show prod-a 41
    """
    logs = open_logs(source)
    found = _find_record(logs, source, record, number, vcenter)
    if found is None:
        fail_unanswered(logs, f"there is no such record: {record}")
    if output is OutputFormat.json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print_record(found, logs.read_hosts([found]).newest, make_times(local=local))
    end_with_damages(logs)


def _find_record(
    logs: "TrailLogs", source: TrailSource, record: str, number: int | None, vcenter: str | None
) -> Record | None:
    bucket, _, key = record.removeprefix(S3_SCHEME).partition("/")
    if not record.startswith(S3_SCHEME):
        key = record
    elif not logs.files.is_of(bucket):
        fail(f"{record} is in another bucket than that of this stack\nSay which stack: --stack NAME")
    if key.startswith("records/"):
        return logs.read_named(key)
    log = find_log(logs, source, record, vcenter)
    numbers = logs.list_numbers(log)
    wanted = [number] if number is not None else numbers[-1:]
    if not set(wanted) & set(numbers):
        none = f"there is no such record: {record}{f' {number}' if number else ''}"
        none += f"\nIts newest is {numbers[-1]}." if numbers else ""
        fail_unanswered(logs, describe_nothing(logs, log, none))
    return next(logs.read_records(log, wanted), None)


def _print_record(record: Record, known: InstanceHosts, times: Times) -> None:
    names = known.distinct_names
    log = ClusterRef(record["vcenter"], record["cluster"], record["cluster_name"] or record["cluster"])
    print_line(f"Record {record['seq']} of {log.render()}: {record['outcome']}", "bold")
    coverage = record["coverage"]
    report, before = record["report"], record["previous"]
    facts = [
        f"checked {times.format_zoned(record['checked_at'])}",
        f"extracted {times.format(report['completion_time'])}" if report else "",
        f"{format_share(coverage['covered'], coverage['hosts'])} read" if coverage else "",
        f"follows record {before['seq']}" if before else "the first of its log",
    ]
    print_line(f"  {' · '.join(fact for fact in facts if fact)}")
    if record["failure"] is not None:
        print_line(f"  could not look: {clean_sentence(times.reword(record['failure']['message']))}")
    _print_decision(record, names, times)
    ended = [MaintenanceStep(window, is_end=True) for window in record.get("maintenance_ended", [])]
    begun = [MaintenanceStep(window, is_end=False) for window in list_windows(record)]
    _print_list("Maintenance", [describe_window_step(step, times) for step in (*ended, *begun)])
    _print_list(
        "Changes", render_change_lines(record["changes"], ChangeWords(names, coverage, known.releases))
    )
    for transition in ("opened", "raised", "still", "resolved"):
        found = [one for one in record["findings"] if one["transition"] == transition]
        lines = [
            f"{one['severity']} {one['kind']}: {clean_sentence(times.reword(one['summary']))}"
            for one in found
        ]
        _print_list(f"Findings {transition}", lines)
    _print_list("Not read", [f"{clean_text(one['name'])}: {one['why']}" for one in record["uncovered"]])
    kept = [
        ("document", record["document"]),
        ("snapshot", record["snapshot"]),
        ("quarantine", record["quarantine"]),
    ]
    _print_list("Kept", [f"{what} {one['key']}" for what, one in kept if one is not None])
    _print_list("Published", [f"{event['type']} {event['id']}" for event in record["events"]])
    if record["dispatch"] is not None:
        asked = format_count(len(record["dispatch"]["expected"]), "cluster")
        print_line(f"Asked for checks of {asked}, by {record['dispatch']['trigger']}")


def _print_decision(record: Record, names: dict[str, str], times: Times) -> None:
    decision = record["decision"]
    if decision is not None:
        until = render_end(decision.get("until"), times)
        where = join_names(list_host_names(decision["taken"], names))
        is_of_hosts = decision["taken"] and record["outcome"] != "maintenance"
        hosts = f", for {where}" if is_of_hosts else ""
        refused = join_names(list_host_names(decision["refused"], names))
        hosts += f"; refused for {refused}" if refused else ""
        why = f"{render_reason(decision)}{hosts}"
        print_line(f"  decided by {name_person(decision['by'])}{until}: {why}")


def _print_list(heading: str, lines: list[str]) -> None:
    if lines:
        print_line(heading, "bold")
    for line in lines:
        print_line(f"  {line}")
