"""``esx-drift status``: the fleet in one table, or one cluster host by host.

Longer than 250 lines, because what is read and the table that is made of it are one command.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from msgspec import Struct
from rich.text import Text

from esx_drift.cli.history import name_person, render_reason
from esx_drift.cli.options import (
    ClusterFinder,
    FormatOption,
    ListFormat,
    OnlyVCenterOption,
    StackOptions,
    with_stack_options,
)
from esx_drift.cli.status_formats import build_status_document, render_clusters_csv, render_hosts_csv
from esx_drift.cli.status_hosts import ClusterStatus, build_cluster_status, print_cluster_status
from esx_drift.cli.status_rows import (
    FleetStatus,
    RetiredMaintenance,
    StatusRow,
    build_rows,
    count_standalone_hosts,
    list_asked_checks,
    list_retired_maintenance,
    read_newest_records,
    read_snapshots,
)
from esx_drift.cli.status_telling import Telling, read_telling, render_telling
from esx_drift.cli.terminal import (
    EXIT_DIFFERENCES,
    EXIT_TROUBLE,
    build_table,
    escape_unprintable,
    fail,
    make_stdout,
    print_line,
    print_warning,
    read_clock,
)
from esx_drift.domain.decisions import find_retired_since
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef, make_state_key
from esx_drift.domain.stored.types import (
    SEVERITIES,
    Finding,
    OpenWindow,
    Record,
    rank_severity,
    rank_worst,
)
from esx_drift.domain.suppression import Log, list_running_windows
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    find_shell_argument,
    format_count,
    format_elapsed,
    format_moment,
    join_names,
    reword_times,
)

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store
    from esx_drift.cli.aws import DeployedStack, Schedule

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
HEADINGS = ("vCenter", "Cluster", "Image", "Uniform", "Covered", "Last look", "Open")
NEVER = "never"
UNKNOWN = "-"
MAX_LISTED_FINDINGS: Final = 20
MAX_LISTED_WINDOWS: Final = 20
MAX_NAMED_CLUSTERS: Final = 5

ShownCluster = Annotated[
    str | None,
    typer.Argument(metavar="CLUSTER", help="The name or id of one cluster, to be shown host by host."),
]
ExitCodeOption = Annotated[
    bool,
    typer.Option(
        "--exit-code",
        help="End in 1 if anything of warning or higher is open, a cluster was not seen, a route is dead, or"
        " messages lie in a dead letter queue; else in 2 if that could not be read.",
    ),
]


@with_stack_options
def status(
    cluster: ShownCluster = None,
    vcenter: OnlyVCenterOption = None,
    output: FormatOption = ListFormat.text,
    exit_code: ExitCodeOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    target: StackOptions,
) -> None:
    """Show each cluster: its image, if all hosts run it, how many were seen and when, and what is open.

    What its last check did not see is shown as it was, and counted as not covered. A single cluster is shown
    host by host. Routes that are dead, and messages in dead letter queues, are shown with each. Exit code 0:
    shown, whatever is open; 1 only with --exit-code; 2: trouble.

    Example: esx-drift status prod-a --format csv
    """
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    view = _read_view(stack, cluster, vcenter)
    untold = [*render_telling(view.telling, view.now, target.name_command("doctor"))]
    if output is ListFormat.json:
        document = build_status_document(view.rows, view.now, view.cluster, view.telling, view.retired)
        typer.echo(json.dumps(document, indent=2))
    elif output is ListFormat.csv:
        in_csv = render_hosts_csv(view.cluster) if view.cluster else render_clusters_csv(view.rows)
        typer.echo(in_csv, nl=False)
        for line in untold:
            print_warning(line)
    elif view.cluster:
        _print_heading(view.cluster.row, view.now)
        print_cluster_status(view.cluster, view.now)
        for line in _list_vcenter_lines(view):
            print_line(line, "yellow")
        _print_untold(untold)
    else:
        _print_fleet(view, untold, stack.read_schedule())
    worst = rank_worst(finding for row in view.rows for finding in row.findings)
    is_unseen = any(row.cluster_id is not None and not row.seen for row in view.rows)
    if exit_code and (is_unseen or view.telling.is_failing or worst >= rank_severity("warning")):
        raise typer.Exit(EXIT_DIFFERENCES)
    if exit_code and not view.telling.is_known:
        raise typer.Exit(EXIT_TROUBLE)


class StatusView(Struct, frozen=True):
    """What was asked about. ``cluster`` is none for the fleet; ``scheduled_at``: the last run by schedule.

    ``telling``: what does not reach people, whichever cluster was asked about. ``retired``: the retired
    clusters on which maintenance runs; ``options``: of the stack that was asked.
    """

    now: datetime
    rows: list[StatusRow]
    cluster: ClusterStatus | None
    scheduled_at: datetime | None
    telling: Telling
    retired: tuple[RetiredMaintenance, ...]
    options: StackOptions


def _read_view(stack: "DeployedStack", cluster: str | None, vcenter: str | None) -> StatusView:
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    with explain_aws_errors("Reading the fleet's state"):
        store = stack.open_store()
        fleet = stack.read_fleet(store.state_bucket)
        finder = ClusterFinder(stack.options, fleet, store)
        ref = finder.find(cluster, vcenter) if cluster is not None else None
        wanted = finder.select_vcenters(ref.vcenter if ref else vcenter)
        keys = _list_keys(store, ref)
        records = list(read_newest_records(store, keys))
        states = {(record["vcenter"], record["cluster"]): record["after"] for record in records}
        snapshots = read_snapshots(states, store)
        known = FleetStatus(
            fleet, states, snapshots, count_standalone_hosts(records), list_asked_checks(records)
        )
    now, telling = read_clock(), read_telling(stack, fleet)
    rows = [_add_maintenance(row, known, now) for row in build_rows(known) if row.vcenter in wanted]
    if ref is None:
        retired = tuple(
            each for each in list_retired_maintenance(known, now) if each.cluster.vcenter in wanted
        )
        scheduled_at = _find_last_scheduled(records)
        return StatusView(now, rows, None, scheduled_at, telling, retired, stack.options)
    row = next((row for row in rows if row.cluster_id == ref.cluster), None)
    if row is None:
        _fail_unwatched(ref, known, now, stack.options)
    record = next((record for record in records if record["cluster"] == ref.cluster), None)
    shown = build_cluster_status(row, record, snapshots.get((ref.vcenter, ref.cluster)))
    # What is open on its vCenter is why it is not seen.
    own = [each for each in rows if each.cluster_id is None and not each.standalone]
    return StatusView(now, [row, *own], shown, None, telling, (), stack.options)


def _fail_unwatched(ref: ClusterRef, known: FleetStatus, now: datetime, options: StackOptions) -> NoReturn:
    """End the command: nobody looks at the cluster, and which maintenance runs there all the same."""
    own = known.states.get((ref.vcenter, VCENTER_LOG))
    since = find_retired_since(own, ref.cluster) if own else None
    if since is None:
        fail(f"{ref.render()} is not watched: a pattern of the fleet file leaves it out")
    lines = [f"{ref.render()} is not watched: it is retired since {format_moment(since, now.year)} UTC"]
    for retired in list_retired_maintenance(known, now):
        lines += _render_retired(retired, now, options)
    fail("\n".join(lines))


def _render_retired(retired: RetiredMaintenance, now: datetime, options: StackOptions) -> Iterator[str]:
    """Say which maintenance runs on a retired cluster, what that means, and how it is ended."""
    cluster, since = retired.cluster, format_moment(retired.retired_at, now.year)
    name = find_shell_argument(cluster.name) or shlex.quote(cluster.cluster)
    end = options.name_command(f"maintenance end {name} --vcenter {cluster.vcenter}")
    for window in retired.windows:
        yield (
            f"{clean_text(cluster.name)} on {cluster.vcenter}, retired since {since} UTC, is in maintenance"
            f" {_describe_window(window, now)}. It ends by itself. If the cluster is listed again before,"
            f" chat is spared what it changes; this ends it then: {end}"
        )


def _add_maintenance(row: StatusRow, known: FleetStatus, now: datetime) -> StatusRow:
    """Add the maintenance windows in which a cluster is now."""
    after = known.states.get((row.vcenter, row.cluster_id)) if row.cluster_id else None
    if after is None or row.cluster_id is None:
        return row
    log = Log(row.vcenter, (row.cluster_id, row.cluster or row.cluster_id))
    return replace(row, maintenance=tuple(list_running_windows(log, after, known.fleet.rules, now)))


def _list_keys(store: "S3Store", ref: ClusterRef | None) -> list[str]:
    """List the pointers to read: of all logs, or of one cluster's and its vCenter's."""
    if ref is None:
        return list(store.list_states())
    return [make_state_key(ref.vcenter, name) for name in (VCENTER_LOG, ref.cluster)]


def _find_last_scheduled(records: Sequence[Record]) -> datetime | None:
    times = (
        parse_time(record["started_at"])
        for record in records
        if record["dispatch"] is not None and record["dispatch"]["trigger"] == "schedule"
    )
    return max(times, default=None)


def _list_vcenter_lines(view: StatusView) -> Iterator[str]:
    """List what is open on the vCenter of the one cluster that is shown."""
    own = (row for row in view.rows if row.cluster_id is None)
    return (_render_finding(row, finding, view.now) for row in own for finding in row.findings)


def _print_heading(row: StatusRow, now: datetime) -> None:
    print_line(f"{clean_text(str(row.cluster))} ({row.cluster_id}) on {row.vcenter}", "bold")
    parts = [
        _render_image(row).plain if row.image else "",
        f"{_render_covered(row).plain} covered" if row.coverage else "",
        f"last look {format_moment(row.last_look_at, now.year)} UTC, {_format_last_look(row, now)}"
        if row.last_look_at
        else f"never looked at{_format_asked(row, now)}",
    ]
    print_line(f"  {' · '.join(part for part in parts if part)}")
    for window in row.maintenance:
        print_line(f"  In maintenance {_describe_window(window, now)}", "yellow")


def _describe_window(window: OpenWindow, now: datetime) -> str:
    """Describe a maintenance window that runs ``now``: until when, who began it, and why."""
    until = format_moment(window["to"], now.year)
    return f"until {until} UTC, by {name_person(window['by'])}: {render_reason(window)}"


def _print_untold(untold: Sequence[str]) -> None:
    for line in untold:
        print_line(line, STYLES["critical"])


def _print_fleet(view: StatusView, untold: Sequence[str], schedule: "Schedule | None") -> None:
    make_stdout().print(build_table(HEADINGS, (_render_cells(row, view.now) for row in view.rows)))
    print_line("")
    for line in _render_findings(view):
        print_line(line)
    for retired in view.retired:
        for line in _render_retired(retired, view.now, view.options):
            print_line(line)
    _print_untold(untold)
    print_line(_summarize(view.rows))
    if schedule is not None:
        print_line(_render_schedule(view, schedule))


def _render_cells(row: StatusRow, now: datetime) -> list[Text]:
    return [
        Text(escape_unprintable(row.vcenter)),
        _render_name(row),
        _render_image(row),
        _render_uniform(row),
        _render_covered(row),
        Text(_format_last_look(row, now)),
        _render_open(row),
    ]


def _render_name(row: StatusRow) -> Text:
    if row.cluster is not None:
        return Text(escape_unprintable(row.cluster))
    return Text("(hosts in no cluster)" if row.standalone else "(the vCenter)", "dim")


def _render_image(row: StatusRow) -> Text:
    if row.image is None:
        return Text(UNKNOWN)
    return (
        Text(escape_unprintable(row.image))
        if row.seen
        else Text(f"was {escape_unprintable(row.image)}", "dim")
    )


def _render_uniform(row: StatusRow) -> Text:
    """Whether all hosts run the same; unknown where they were not seen."""
    coverage = row.coverage
    if coverage is None or row.uniform is None or not row.seen:
        return Text(UNKNOWN)
    if not row.uniform:
        return Text("no", "yellow")
    return Text("yes" if coverage["covered"] == coverage["hosts"] else "of those seen")


def _render_covered(row: StatusRow) -> Text:
    coverage = row.coverage
    if coverage is None:
        return Text(UNKNOWN)
    share = f"{coverage['covered']} of {coverage['hosts']}"
    if coverage["covered"] and not row.seen:
        return Text(f"not seen, was {share}", "yellow")
    return Text(share, "" if coverage["covered"] == coverage["hosts"] else "yellow")


def _format_last_look(row: StatusRow, now: datetime) -> str:
    if row.last_look_at:
        return f"{_format_ago(row.last_look_at, now)}{_format_asked(row, now)}"
    is_about_looks = row.cluster is not None or not (row.findings or row.standalone)
    return f"{NEVER}{_format_asked(row, now)}" if is_about_looks else UNKNOWN


def _format_ago(time: str, now: datetime) -> str:
    return f"{format_elapsed(time, format_time(now))} ago"


def _format_asked(row: StatusRow, now: datetime) -> str:
    """Say that a check was asked for that is not answered yet: it runs, or waits for its turn."""
    return f" (check asked for {_format_ago(row.asked_at, now)})" if row.asked_at else ""


def _render_open(row: StatusRow) -> Text:
    if not row.findings:
        return Text("none" if row.last_look_at and row.seen else UNKNOWN)
    counts = Counter(finding["severity"] for finding in row.findings)
    parts = [Text(f"{counts[name]} {name}", STYLES[name]) for name in reversed(SEVERITIES) if counts[name]]
    return Text(", ").join(parts)


def _render_findings(view: StatusView) -> Iterator[str]:
    """The worst findings, a line each, and how many more there are."""
    found = [(row, finding) for row in view.rows for finding in row.findings]
    found.sort(key=lambda pair: -rank_severity(pair[1]["severity"]))
    for row, finding in found[:MAX_LISTED_FINDINGS]:
        yield _render_finding(row, finding, view.now)
    if len(found) > MAX_LISTED_FINDINGS:
        yield f"and {len(found) - MAX_LISTED_FINDINGS} more: name a cluster, or take --format json"
    if found:
        yield ""
    yield from _render_windows(view)


def _render_windows(view: StatusView) -> Iterator[str]:
    """The maintenance that runs, a line for all clusters that it is of: that of most of them first."""
    places: dict[str, dict[str, None]] = {}
    for row in view.rows:
        for window in row.maintenance:
            where = f"{clean_text(str(row.cluster))} on {row.vcenter}"
            places.setdefault(_describe_window(window, view.now), {})[where] = None
    windows = sorted(places.items(), key=lambda pair: -len(pair[1]))
    for described, clusters in windows[:MAX_LISTED_WINDOWS]:
        named = join_names([*clusters], MAX_NAMED_CLUSTERS)
        if len(clusters) == 1:
            yield f"{named} is in maintenance {described}"
        else:
            yield f"{len(clusters)} clusters are in maintenance {described} ({named})"
    if (more := len(windows) - MAX_LISTED_WINDOWS) > 0:
        yield f"and {format_count(more, 'more maintenance window')}: name a cluster, or take --format json"


def _render_finding(row: StatusRow, finding: Finding, now: datetime) -> str:
    where = f"{clean_text(row.cluster)} on {row.vcenter}" if row.cluster is not None else row.vcenter
    elapsed = format_elapsed(finding["opened_at"], format_time(now))
    summary = clean_sentence(reword_times(finding["summary"], now.year))
    return f"{finding['severity']:<8}  {where}: {summary} ({finding['kind']}, {elapsed})"


def _render_schedule(view: StatusView, schedule: "Schedule") -> str:
    if not schedule.enabled:
        return "The schedule is DISABLED: nothing is checked by itself."
    every = f"Checked every {format_count(schedule.interval_hours, 'hour')}"
    if view.scheduled_at is None:
        return f"{every}."
    due = view.scheduled_at + timedelta(hours=schedule.interval_hours)
    late = "is overdue since" if due < view.now else "is due about"
    return f"{every}; the next run {late} {format_moment(format_time(due), view.now.year)} UTC."


def _summarize(rows: list[StatusRow]) -> str:
    """The last line. Hosts that the last check did not see do not count as covered."""
    clusters = [row for row in rows if row.cluster is not None]
    covered = sum(row.coverage["covered"] for row in rows if row.coverage and row.seen)
    hosts = sum(row.coverage["hosts"] for row in rows if row.coverage)
    findings = [finding for row in rows for finding in row.findings]
    critical = sum(finding["severity"] == "critical" for finding in findings)
    seen = f"{sum(row.seen for row in clusters)} of {format_count(len(clusters), 'cluster')}"
    return (
        f"{seen} seen by the last check, "
        f"{covered} of {format_count(hosts, 'known host')} covered, "
        f"{format_count(len(findings), 'finding')} open, {critical} of them critical"
    )
