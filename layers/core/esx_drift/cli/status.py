"""``esx-drift status``: the fleet in one table."""

from collections import Counter
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from esx_drift.cli.fleet_rows import Known, Row, by_log, rows_of
from esx_drift.cli.terminal import printable, say, stdout
from esx_drift.domain.times import time_of

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
HEADINGS = ("vCenter", "Cluster", "Image", "Uniform", "Covered", "Last look (UTC)", "Open findings")
NEVER = "never"
UNKNOWN = "-"

Stack = Annotated[str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")]


def status(stack: Stack = "esx-drift") -> None:
    """Show each cluster: its image, if all hosts run it, how many were seen and when, and what is open.

    Exit code 0: shown, whatever is open; 2: trouble.
    """
    rows = rows_of(_known(stack))
    table = Table(box=None)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    stdout().print(table)
    say("")
    say(_summary(rows))


def _known(stack: str) -> Known:
    # boto3 takes long to load: only a command that needs it pays.
    from esx_drift.adapters.fleet_file import FleetFile  # noqa: PLC0415 -- see above
    from esx_drift.adapters.store import S3Store  # noqa: PLC0415 -- see above
    from esx_drift.cli.aws import clients, outputs_of, told  # noqa: PLC0415 -- see above
    from esx_drift.cli.states import snapshots_of, states_in  # noqa: PLC0415 -- see above

    aws = clients()
    with told("Reading the fleet's state"):
        state_bucket, audit_bucket = outputs_of(stack, "StateBucketName", "AuditBucketName")
        fleet, _ = FleetFile(aws.s3, state_bucket).read()
        states = by_log(states_in(aws.s3(), state_bucket))
        return Known(fleet, states, snapshots_of(states, S3Store(aws.s3, audit_bucket, state_bucket)))


def _cells(row: Row) -> list[Text]:
    coverage = row.coverage
    return [
        Text(printable(row.vcenter)),
        Text("(the vCenter)", "dim") if row.cluster is None else Text(printable(row.cluster)),
        Text(printable(row.image or UNKNOWN)),
        {True: Text("yes"), False: Text("no", "yellow"), None: Text(UNKNOWN)}[row.uniform],
        Text(f"{coverage['covered']} of {coverage['hosts']}" if coverage else UNKNOWN),
        Text(_looked(row)),
        _findings(row),
    ]


def _looked(row: Row) -> str:
    if row.last_look_at:
        return f"{time_of(row.last_look_at):%Y-%m-%d %H:%M}"
    return UNKNOWN if row.cluster is None and row.findings else NEVER


def _findings(row: Row) -> Text:
    if not row.findings:
        return Text("none" if row.last_look_at else UNKNOWN)
    counts = Counter((finding["severity"], finding["kind"]) for finding in row.findings)
    told = [
        Text(f"{severity} {kind}" + (f" x{count}" if count > 1 else ""), STYLES[severity])
        for (severity, kind), count in counts.items()
    ]
    return Text(", ").join(told)


def _summary(rows: list[Row]) -> str:
    clusters = [row for row in rows if row.cluster is not None]
    seen = [row.coverage for row in clusters if row.coverage]
    findings = [finding for row in rows for finding in row.findings]
    critical = sum(finding["severity"] == "critical" for finding in findings)
    return (
        f"{len(seen)} of {len(clusters)} clusters looked at, "
        f"{sum(of['covered'] for of in seen)} of {sum(of['hosts'] for of in seen)} hosts covered, "
        f"{len(findings)} findings open, {critical} of them critical"
    )
