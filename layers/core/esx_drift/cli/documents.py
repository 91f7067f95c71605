"""Documents in files: raw replies of the API, gzipped or not, as the AuditBucket keeps them."""

import gzip
import zlib
from collections.abc import Mapping
from os import fstat
from pathlib import Path

from esx_drift.cli.terminal import fail, print_note
from esx_drift.contracts import list_unknown_fields, read_document
from esx_drift.contracts.json_parsing import MAX_BYTES, build_json_refusal
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

GZIP_MAGIC = b"\x1f\x8b"


def read_document_file(path: Path) -> Document:
    """The document in a file; ``ContractViolation`` if it is none; ends the command if it can't be read."""
    body, size = _body_of(path)
    if len(body) > MAX_BYTES:
        raise build_json_refusal(
            f"at most {MAX_BYTES} bytes", f"{size} bytes" if size > MAX_BYTES else "more"
        )
    return read_document(body)


def render_violation_lines(error: ContractViolation) -> list[str]:
    """Its lines for a person: the pointer to the whole document is empty, and would read as missing."""
    return [f'"" (the whole document){line}' if line.startswith(": ") else line for line in error.violations]


def print_unknown_fields(documents: Mapping[Path, Document]) -> None:
    """What the documents hold that no known release does, each once, with those that hold it."""
    holders: dict[str, list[str]] = {}
    for path, document in documents.items():
        for notice in list_unknown_fields(document):
            holders.setdefault(notice, []).append(str(path))
    for notice, paths in holders.items():
        print_note(f"{', '.join(paths)}: {notice}")


def _body_of(path: Path) -> tuple[bytes, int]:
    """The document's bytes, of too many just enough to refuse them, and the size of the file."""
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
