"""``esx-drift diff``: what changed between two documents of a cluster."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.comparison import ComparedDocument, Comparison, compare_documents, read_both
from esx_drift.cli.documents import print_unknown_fields, read_document_file, render_violation_lines
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.vcenter_notifications import list_error_texts, quote_first
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names
from esx_drift.errors import ContractViolation


class OutputFormat(StrEnum):
    """How the result is written."""

    text = "text"
    json = "json"


def diff(
    baseline: Annotated[Path, typer.Argument(help="The older document, gzipped or not.")],
    current: Annotated[Path, typer.Argument(help="The newer one.")],
    output: Annotated[
        OutputFormat, typer.Option("--format", help="For a person or for a program.")
    ] = OutputFormat.text,
) -> None:
    """Tell what changed on every host between two documents of the same cluster.

    Exit code: 0 no change, 1 changes, 2 trouble.
    """
    older, newer = _required(baseline), _required(current)
    print_unknown_fields({baseline: older, current: newer})
    before, after = read_both(older, newer)
    _require_sight(before, baseline)
    _require_sight(after, current)
    compared = compare_documents(before, after)
    _require_something_compared(compared, baseline, current)
    if output is OutputFormat.json:
        _write_json(compared)
    else:
        from esx_drift.cli.diff_text import print_comparison  # noqa: PLC0415 -- tables are for people only

        print_comparison(compared)
    raise typer.Exit(EXIT_DIFFERENCES if compared.changes else 0)


def _required(path: Path) -> Document:
    """The document in a file; ends the command if there is none."""
    try:
        return read_document_file(path)
    except ContractViolation as error:
        fail("\n".join((f"{path} is no installed-images document", *render_violation_lines(error))))


def _require_sight(side: ComparedDocument, path: Path) -> None:
    """End the command where "no change" or "all left" would only mean "nothing seen"."""
    if side.is_blind:
        hosts = side.coverage["hosts"]
        what = f"shows none of its {format_count(hosts, 'host')}" if hosts else "names no host"
        why = quote_first(
            [text for told in side.report.notifications.values() for text in list_error_texts(told)]
        )
        fail(
            f"{path} {what}, so nothing can be compared\nIts status is {clean_text(side.report.status)}{why}"
        )


def _require_something_compared(compared: Comparison, baseline: Path, current: Path) -> None:
    """End the command where two documents show hosts, but no host twice."""
    if compared.is_empty:
        whom = [
            f"{path} shows {join_names(list_host_names(sort_naturally(side.report.runs), compared.names))}"
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
