"""``esx-drift diff``: what changed between two documents of a cluster."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.comparison import Comparison, Side, comparison_of, sides_of
from esx_drift.cli.documents import document_in
from esx_drift.cli.terminal import FOUND, fail, warn
from esx_drift.contracts import notices_of


class Format(StrEnum):
    """How the result is written."""

    text = "text"
    json = "json"


def diff(
    baseline: Annotated[Path, typer.Argument(help="The older document, gzipped or not.")],
    current: Annotated[Path, typer.Argument(help="The newer one.")],
    output: Annotated[Format, typer.Option("--format", help="For a person or for a program.")] = Format.text,
) -> None:
    """Tell what changed on every host between two documents of the same cluster.

    Exit code: 0 no change, 1 changes, 2 trouble.
    """
    older, newer = document_in(baseline), document_in(current)
    for notice in notices_of(newer):
        warn(f"{current}: {notice}")
    before, after = sides_of(older, newer)
    _require_sight(before, baseline)
    _require_sight(after, current)
    compared = comparison_of(before, after)
    if output is Format.json:
        _write_json(compared)
    else:
        from esx_drift.cli.diff_text import tell  # noqa: PLC0415 -- tables are for people only

        tell(compared)
    raise typer.Exit(FOUND if compared.changes else 0)


def _require_sight(side: Side, path: Path) -> None:
    """End the command where "no change" would only mean "nothing seen"."""
    if side.is_blind:
        whole = f"{path} shows none of its {side.coverage['hosts']} hosts, so nothing can be compared"
        fail(f"{whole}\nIts status is {side.report.status}")


def _write_json(compared: Comparison) -> None:
    result = {
        "schema_version": 1,
        "drifted": compared.drifted,
        "changes": compared.changes,
        "findings": compared.findings,
    }
    typer.echo(json.dumps(result, indent=2))
