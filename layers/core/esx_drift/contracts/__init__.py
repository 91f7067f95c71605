"""What is believed of data from outside: schemas say what it must look like, and these functions hold them.

``jsonschema`` is the authority: its verdict counts and its errors are what a person reads. In front of it
``jsonschema-rs`` only says yes, a hundred times faster; jsonschema is not even imported until that fails.
"""

from typing import cast

from esx_drift.contracts.notices import unknown_in
from esx_drift.contracts.parsing import json_of, of_any_depth, refuse_deep
from esx_drift.contracts.schemas import gate, tidy_gate
from esx_drift.contracts.wording import violation_lines
from esx_drift.domain.images.document import Document
from esx_drift.errors import ContractViolation

__all__ = ["json_of", "notices_of", "read_document", "require", "violations"]

DOCUMENT_SCHEMA = "installed-images"


def violations(schema: str, instance: object) -> list[str]:
    """What ``schema`` (the stem of a file in ``schemas/``) refuses in ``instance``; empty if it is valid.

    Each line is a JSON Pointer, ``: expected`` what, ``, got`` what; sorted, with little of the data in it.
    """
    return violation_lines(schema, instance)


def require(schema: str, instance: object) -> None:
    """Raise ``ContractViolation`` with every violation unless ``instance`` is valid."""
    if gate(schema).is_valid(instance):
        return
    found = violations(schema, instance)
    if found:
        raise ContractViolation(f"not a valid {schema}: {found[0]}", tuple(found))


def read_document(body: bytes) -> Document:
    """The document in the reply's bytes, to be trusted from here on; else ``ContractViolation``."""
    document = of_any_depth(body)
    # A tidy document has no place for unknown levels, so that one look at it is enough.
    if not tidy_gate(DOCUMENT_SCHEMA).is_valid(document):
        refuse_deep(document)
        _refuse_legacy(document)
        require(DOCUMENT_SCHEMA, document)
    return cast("Document", document)


def _refuse_legacy(document: object) -> None:
    """Say at once what a body in the form of the API's predecessor is, instead of all that it lacks."""
    if isinstance(document, dict) and document.keys() == {"value"}:
        line = ': expected the report itself, got {"value": ...}, the legacy form of /rest: ask /api'
        raise ContractViolation(f"not a valid {DOCUMENT_SCHEMA}{line}", (line,))


def notices_of(document: Document) -> list[str]:
    """What the document holds that no known release of the API does: fields and enum values, once each."""
    return [] if tidy_gate(DOCUMENT_SCHEMA).is_valid(document) else unknown_in(DOCUMENT_SCHEMA, document)
