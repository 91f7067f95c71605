"""``esx-drift status``: the fleet in one table."""

from collections import Counter

from rich.table import Table
from rich.text import Text

from esx_drift.cli.options import StackOptions, with_stack_options
from esx_drift.cli.status_rows import (
    FleetStatus,
    StatusRow,
    build_rows,
    count_standalone_hosts,
    read_newest_records,
    read_snapshots,
)
from esx_drift.cli.terminal import escape_unprintable, make_stdout, print_line
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import format_count

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
HEADINGS = ("vCenter", "Cluster", "Image", "Uniform", "Covered", "Last look (UTC)", "Open findings")
NEVER = "never"
UNKNOWN = "-"


@with_stack_options
def status(*, target: StackOptions) -> None:
    """Show each cluster: its image, if all hosts run it, how many were seen and when, and what is open.

    What its last check did not see is shown as it was, and counted as not covered.

    Exit code 0: shown, whatever is open; 2: trouble.
    """
    rows = build_rows(_read_fleet_status(target))
    table = Table(box=None)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*_render_cells(row))
    make_stdout().print(table)
    print_line("")
    print_line(_summarize(rows))


def _read_fleet_status(target: StackOptions) -> FleetStatus:
    from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    with explain_aws_errors("Reading the fleet's state"):
        store = stack.open_store()
        fleet, _ = stack.read_fleet(store.state_bucket)
        records = list(read_newest_records(store))
        states = {(record["vcenter"], record["cluster"]): record["after"] for record in records}
        return FleetStatus(fleet, states, read_snapshots(states, store), count_standalone_hosts(records))


def _render_cells(row: StatusRow) -> list[Text]:
    return [
        Text(escape_unprintable(row.vcenter)),
        _render_name(row),
        _render_image(row),
        _render_uniform(row),
        _render_covered(row),
        Text(_format_last_look(row)),
        _render_findings(row),
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


def _format_last_look(row: StatusRow) -> str:
    if row.last_look_at:
        return f"{parse_time(row.last_look_at):%Y-%m-%d %H:%M}"
    is_about_looks = row.cluster is not None or not (row.findings or row.standalone)
    return NEVER if is_about_looks else UNKNOWN


def _render_findings(row: StatusRow) -> Text:
    if not row.findings:
        return Text("none" if row.last_look_at and row.seen else UNKNOWN)
    counts = Counter((finding["severity"], finding["kind"]) for finding in row.findings)
    kinds = [
        Text(f"{severity} {kind}" + (f" x{count}" if count > 1 else ""), STYLES[severity])
        for (severity, kind), count in counts.items()
    ]
    return Text(", ").join(kinds)


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
