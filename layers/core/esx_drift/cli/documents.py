"""Documents in files: raw replies of the API, gzipped or not, as the AuditBucket keeps them."""

import gzip
import zlib
from pathlib import Path

from esx_drift.cli.terminal import fail
from esx_drift.contracts import read_document
from esx_drift.contracts.parsing import MAX_BYTES
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

GZIP_MAGIC = b"\x1f\x8b"


def body_of(path: Path) -> bytes:
    """The document's bytes, of too many just enough to refuse them; ends the command if there are none."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
            if not body.startswith(GZIP_MAGIC):
                return body
            file.seek(0)
            with gzip.open(file) as unpacked:
                return unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail(f"can't read {path}: {reason}")


def document_in(path: Path) -> Document:
    """The document in a file; ends the command if there is none."""
    try:
        return read_document(body_of(path))
    except ContractViolation as error:
        fail("\n".join((f"{path} is no installed-images document", *error.violations)))
