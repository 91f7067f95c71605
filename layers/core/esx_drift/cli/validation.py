"""``esx-drift validate``: whether a document is what the API promises."""

from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.documents import body_of
from esx_drift.cli.terminal import FOUND, say, warn
from esx_drift.contracts import notices_of, read_document
from esx_drift.errors import ContractViolation


def validate(
    document: Annotated[Path, typer.Argument(help="What the vCenter answered, gzipped or not.")],
) -> None:
    """Check a document against the API's contract: one line an error, with its JSON Pointer.

    Exit code: 0 valid, 1 invalid, 2 can't be read.
    """
    body = body_of(document)
    try:
        valid = read_document(body)
    except ContractViolation as error:
        for line in error.violations:
            say(line)
        raise typer.Exit(FOUND) from None
    for notice in notices_of(valid):
        warn(notice)
    say(f"{document} is valid")
