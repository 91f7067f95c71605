"""``esx-drift diff``: what changed between two documents of a cluster."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.comparison import Comparison, Side, comparison_of, sides_of
from esx_drift.cli.documents import document_in, lines_of, tell_notices
from esx_drift.cli.terminal import FOUND, fail
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.versions import sorted_naturally
from esx_drift.domain.judging.told import errors_of, quoted
from esx_drift.domain.telling.wording import clean, counted, listed, named
from esx_drift.errors import ContractViolation


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
    older, newer = _required(baseline), _required(current)
    tell_notices({baseline: older, current: newer})
    before, after = sides_of(older, newer)
    _require_sight(before, baseline)
    _require_sight(after, current)
    compared = comparison_of(before, after)
    _require_something_compared(compared, baseline, current)
    if output is Format.json:
        _write_json(compared)
    else:
        from esx_drift.cli.diff_text import tell  # noqa: PLC0415 -- tables are for people only

        tell(compared)
    raise typer.Exit(FOUND if compared.changes else 0)


def _required(path: Path) -> Document:
    """The document in a file; ends the command if there is none."""
    try:
        return document_in(path)
    except ContractViolation as error:
        fail("\n".join((f"{path} is no installed-images document", *lines_of(error))))


def _require_sight(side: Side, path: Path) -> None:
    """End the command where "no change" or "all left" would only mean "nothing seen"."""
    if side.is_blind:
        hosts = side.coverage["hosts"]
        what = f"shows none of its {counted(hosts, 'host')}" if hosts else "names no host"
        why = quoted([text for told in side.report.notifications.values() for text in errors_of(told)])
        fail(f"{path} {what}, so nothing can be compared\nIts status is {clean(side.report.status)}{why}")


def _require_something_compared(compared: Comparison, baseline: Path, current: Path) -> None:
    """End the command where two documents show hosts, but no host twice."""
    if compared.is_empty:
        whom = [
            f"{path} shows {listed(named(sorted_naturally(side.report.runs), compared.names))}"
            for path, side in ((baseline, compared.baseline), (current, compared.current))
        ]
        fail("\n".join(("no host was read in both documents, so nothing can be compared", *whom)))


def _write_json(compared: Comparison) -> None:
    result = {
        "schema_version": 1,
        "drifted": compared.drifted,
        "changes": compared.changes,
        "findings": compared.findings,
    }
    typer.echo(json.dumps(result, indent=2))
