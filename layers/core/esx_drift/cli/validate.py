"""``esx-drift validate``: whether a document is what the API promises. Reads documents for ``diff``, too.

A document is a raw reply of the API, gzipped or not, as the AuditBucket keeps it.
"""

import gzip
import zlib
from collections.abc import Mapping
from os import fstat
from pathlib import Path
from typing import Annotated

import typer

from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_note
from esx_drift.contracts import list_unknown_fields, read_document
from esx_drift.contracts.json_parsing import MAX_BYTES, build_json_refusal
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

GZIP_MAGIC = b"\x1f\x8b"


def validate(
    document: Annotated[
        Path, typer.Argument(metavar="DOCUMENT", help="What the vCenter answered, gzipped or not.")
    ],
) -> None:
    """Check a document against the API's contract: one line an error, with its JSON Pointer.

    Exit code: 0 valid, 1 invalid, 2 can't be read.

    Example: esx-drift validate document.json.gz
    """
    try:
        valid = read_document_file(document, strict=True)
    except ContractViolation as error:
        for line in render_violation_lines(error):
            print_line(line)
        raise typer.Exit(EXIT_DIFFERENCES) from None
    print_unknown_fields({document: valid})
    print_line(f"{document} is valid")


def read_document_file(path: Path, *, strict: bool = False) -> Document:
    """Read the document in a file; ends the command if the file can't be read.

    Args:
        path: The file.
        strict: A notification that breaks the API's rules makes the document invalid, too.

    Raises:
        ContractViolation: What the file holds is no document.
    """
    body, size = _read_body(path)
    if len(body) > MAX_BYTES:
        actual = f"{size} bytes" if size > MAX_BYTES else "more"
        raise build_json_refusal(f"at most {MAX_BYTES} bytes", actual)
    return read_document(body, strict=strict)


def render_violation_lines(error: ContractViolation) -> list[str]:
    """Its lines for a person. The pointer to the whole document is empty, so it is spelt out."""
    return [f'"" (the whole document){line}' if line.startswith(": ") else line for line in error.violations]


def print_unknown_fields(documents: Mapping[Path, Document]) -> None:
    """Note each field that no known release has, once, with the documents that hold it."""
    holders: dict[str, list[str]] = {}
    for path, document in documents.items():
        for notice in list_unknown_fields(document):
            holders.setdefault(notice, []).append(str(path))
    for notice, paths in holders.items():
        print_note(f"{', '.join(paths)}: {notice}")


def _read_body(path: Path) -> tuple[bytes, int]:
    """The document's bytes, cut off just above the limit, and the file's size; 0 if it is gzipped."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
            if not body.startswith(GZIP_MAGIC):
                return body, fstat(file.fileno()).st_size
            file.seek(0)
            with gzip.open(file) as unpacked:
                return unpacked.read(MAX_BYTES + 1), 0
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail(f"can't read {path}: {reason}")
