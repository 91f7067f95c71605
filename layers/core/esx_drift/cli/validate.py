"""``esx-drift validate``: whether a document is what the API promises. Reads documents for ``diff``, too.

A document is a raw reply of the API, gzipped or not, as the AuditBucket keeps it; it may be piped in.
"""

import gzip
import sys
import zlib
from collections.abc import Mapping
from io import BytesIO
from os import fstat
from pathlib import Path
from typing import Annotated, Final

import typer

from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_note
from esx_drift.contracts import list_unknown_fields, read_document
from esx_drift.contracts.json_parsing import MAX_BYTES, build_json_refusal, parse_json
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

GZIP_MAGIC = b"\x1f\x8b"
S3_SCHEME = "s3://"
STANDARD_INPUT = "-"
SOURCE_HELP: Final = "a file, - for standard input, or s3://BUCKET/KEY; gzipped or not."

OWN_OBJECTS: Mapping[str, frozenset[str]] = {
    "a snapshot": frozenset({"schema_version", "images", "labels", "hosts"}),
    "a record": frozenset({"schema_version", "check_id", "after", "document"}),
    "an event": frozenset({"specversion", "source", "data"}),
}
"""What else this product stores or publishes, by the fields that each has."""


class OwnObject(ContractViolation):
    """Something of this product's own was given for a document; the message says what, and what to take."""


def validate(
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help=f"What the vCenter answered: {SOURCE_HELP}")
    ],
) -> None:
    """Check a document against the API's contract: one line an error, with its JSON Pointer.

    Exit code: 0 valid, 1 invalid, 2 can't be read.

    Example: esx-drift validate document.json.gz
    """
    try:
        valid = read_document_from(document, strict=True)
    except ContractViolation as error:
        for line in render_violation_lines(error):
            print_line(line)
        if isinstance(error, OwnObject):
            print_note(f"{name_source(document)} is {error.message}")
        raise typer.Exit(EXIT_DIFFERENCES) from None
    print_unknown_fields({document: valid})
    print_line(f"{name_source(document)} is valid")


def name_source(source: str) -> str:
    """Name a ``source`` in a sentence: as it was given, or as standard input."""
    return "standard input" if source == STANDARD_INPUT else source


def read_document_from(source: str, *, strict: bool = False) -> Document:
    """Read a document; ends the command if nothing can be read there.

    Args:
        source: A file's path, ``-`` for standard input, or an object's ``s3://`` address.
        strict: A notification that breaks the API's rules makes the document invalid, too.

    Raises:
        ContractViolation: What is there is no document; ``OwnObject`` if it is something of ours.
        PermanentError: AWS refused it, or could not be reached.
    """
    return parse_document(*_read_body(source), strict=strict)


def parse_document(body: bytes, size: int = 0, *, strict: bool = False) -> Document:
    """Parse a document that was read.

    Args:
        body: Its bytes, or those up to just above the limit.
        size: How many there are in all; 0 where that is not known.
        strict: As for ``read_document_from``.

    Raises:
        ContractViolation: It is no document; ``OwnObject`` if it is something of ours.
    """
    if len(body) > MAX_BYTES:
        actual = f"{size} bytes" if size > MAX_BYTES else "more"
        raise build_json_refusal(f"at most {MAX_BYTES} bytes", actual)
    try:
        return read_document(body, strict=strict)
    except ContractViolation as error:
        own = _describe_own_object(body)
        if own is None:
            raise
        raise OwnObject(own, error.violations) from error


def render_violation_lines(error: ContractViolation) -> list[str]:
    """Its lines for a person. The pointer to the whole document is empty, so it is spelt out."""
    return [f'"" (the whole document){line}' if line.startswith(": ") else line for line in error.violations]


def print_unknown_fields(documents: Mapping[str, Document]) -> None:
    """Note each field that no known release has, once, with the documents (by their source) that hold it."""
    holders: dict[str, list[str]] = {}
    for source, document in documents.items():
        for notice in list_unknown_fields(document):
            holders.setdefault(notice, []).append(name_source(source))
    for notice, sources in holders.items():
        print_note(f"{', '.join(sources)}: {notice}")


def _describe_own_object(body: bytes) -> str | None:
    """What of this product's own a body is, and which document to take instead; None if it is nothing."""
    try:
        value = parse_json(body)
    except ContractViolation:
        return None
    if not isinstance(value, dict):
        return None
    kind = next((kind for kind, fields in OWN_OBJECTS.items() if fields <= value.keys()), None)
    if kind is None:
        return None
    if kind == "a record":
        document = value["document"]
        key = document.get("key") if isinstance(document, dict) else None
        where = f"that check's is {key}" if key else "that check kept none"
    else:
        where = "the record of its check names that under document"
    return f"{kind} of esx-drift, not a document as the vCenter sent it: {where}"


def _read_body(source: str) -> tuple[bytes, int]:
    """The document's bytes, cut off just above the limit, and the file's size; 0 where that says nothing."""
    try:
        packed, size = _read_source(source)
        if not packed.startswith(GZIP_MAGIC):
            return packed, size
        if len(packed) > MAX_BYTES:
            return packed, 0
        with gzip.open(BytesIO(packed)) as unpacked:
            return unpacked.read(MAX_BYTES + 1), 0
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail(f"can't read {name_source(source)}: {reason}")


def _read_source(source: str) -> tuple[bytes, int]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1), 0
    if source.startswith(S3_SCHEME):
        return _read_object(source), 0
    with Path(source).open("rb") as file:
        return file.read(MAX_BYTES + 1), fstat(file.fileno()).st_size


def _read_object(address: str) -> bytes:
    """An object's bytes, cut off just above the limit."""
    import boto3  # noqa: PLC0415 -- boto3 takes long to load

    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    bucket, _, key = address.removeprefix(S3_SCHEME).partition("/")
    if not bucket or not key:
        fail(f"{address} names no object: expected s3://BUCKET/KEY")
    with explain_aws_errors(f"Reading {address}"):
        return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read(MAX_BYTES + 1)
