"""``esx-drift validate``: whether a document is what the API promises."""

from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.documents import print_unknown_fields, read_document_file, render_violation_lines
from esx_drift.cli.terminal import EXIT_DIFFERENCES, print_line
from esx_drift.errors import ContractViolation


def validate(
    document: Annotated[Path, typer.Argument(help="What the vCenter answered, gzipped or not.")],
) -> None:
    """Check a document against the API's contract: one line an error, with its JSON Pointer.

    Exit code: 0 valid, 1 invalid, 2 can't be read.
    """
    try:
        valid = read_document_file(document)
    except ContractViolation as error:
        for line in render_violation_lines(error):
            print_line(line)
        raise typer.Exit(EXIT_DIFFERENCES) from None
    print_unknown_fields({document: valid})
    print_line(f"{document} is valid")
