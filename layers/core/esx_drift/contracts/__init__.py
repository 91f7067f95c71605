"""What is believed of data from outside: schemas say what it must look like, and these functions hold them.

``jsonschema`` is the authority: its verdict counts and its errors are what a person reads. In front of it
``jsonschema-rs`` only says yes, a hundred times faster; jsonschema is not even imported until that fails.
"""

from typing import cast

from esx_drift.contracts.json_parsing import parse_json, parse_json_of_any_depth, require_shallow
from esx_drift.contracts.unknown_fields import walk_unknown_fields
from esx_drift.contracts.validators import closed_validator, fast_validator
from esx_drift.contracts.violations import render_violations
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

__all__ = ["list_unknown_fields", "list_violations", "parse_json", "read_document", "require_valid"]

DOCUMENT_SCHEMA = "installed-images"


def list_violations(schema: str, instance: object) -> list[str]:
    """What ``schema`` (the stem of a file in ``schemas/``) refuses in ``instance``; empty if it is valid.

    Each line is a JSON Pointer, ``: expected`` what, ``, got`` what; sorted, with little of the data in it.
    """
    return render_violations(schema, instance)


def require_valid(schema: str, instance: object) -> None:
    """Raise ``ContractViolation`` with every violation unless ``instance`` is valid."""
    if fast_validator(schema).is_valid(instance):
        return
    found = list_violations(schema, instance)
    if found:
        raise ContractViolation(f"not a valid {schema}: {found[0]}", tuple(found))


def read_document(body: bytes) -> Document:
    """The document in the reply's bytes, to be trusted from here on; else ``ContractViolation``."""
    document = parse_json_of_any_depth(body)
    # A tidy document has no place for unknown levels, so that one look at it is enough.
    if not closed_validator(DOCUMENT_SCHEMA).is_valid(document):
        require_shallow(document)
        _refuse_legacy(document)
        require_valid(DOCUMENT_SCHEMA, document)
    return cast("Document", document)


def _refuse_legacy(document: object) -> None:
    """Say at once what a body in the form of the API's predecessor is, instead of all that it lacks."""
    if isinstance(document, dict) and document.keys() == {"value"}:
        line = ': expected the report itself, got {"value": ...}, the legacy form of /rest: ask /api'
        raise ContractViolation(f"not a valid {DOCUMENT_SCHEMA}{line}", (line,))


def list_unknown_fields(document: Document) -> list[str]:
    """What the document holds that no known release of the API does: fields and enum values, once each."""
    return (
        []
        if closed_validator(DOCUMENT_SCHEMA).is_valid(document)
        else walk_unknown_fields(DOCUMENT_SCHEMA, document)
    )
