"""``esx-drift validate``: whether a document is what the API promises."""

from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.documents import document_in, lines_of, tell_notices
from esx_drift.cli.terminal import FOUND, say
from esx_drift.errors import ContractViolation


def validate(
    document: Annotated[Path, typer.Argument(help="What the vCenter answered, gzipped or not.")],
) -> None:
    """Check a document against the API's contract: one line an error, with its JSON Pointer.

    Exit code: 0 valid, 1 invalid, 2 can't be read.
    """
    try:
        valid = document_in(document)
    except ContractViolation as error:
        for line in lines_of(error):
            say(line)
        raise typer.Exit(FOUND) from None
    tell_notices({document: valid})
    say(f"{document} is valid")
