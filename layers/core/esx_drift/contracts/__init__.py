"""Validation of data from outside by the JSON Schemas in ``schemas/``.

The verdict and the errors are those of ``jsonschema``. ``jsonschema-rs``, a hundred times faster, is asked
first: what it accepts is valid, and only what it refuses is examined by jsonschema, which is imported then.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from esx_drift.contracts.json_parsing import parse_json, parse_json_of_any_depth, require_shallow
from esx_drift.contracts.validators import closed_validator, fast_validator, part_validator
from esx_drift.contracts.violations import find_unknown_fields, render_violations
from esx_drift.domain.fleet.review import list_fleet_problems
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.image import count_parts, spell_base_images
from esx_drift.domain.stored.types import Json
from esx_drift.errors import ContractViolation

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument

__all__ = [
    "UNREADABLE_TEXT",
    "list_fleet_errors",
    "list_unknown_fields",
    "list_violations",
    "parse_json",
    "parse_payload",
    "parse_sent_json",
    "read_document",
    "read_payload",
    "read_whole_numbers",
    "require_valid",
]

DOCUMENT_SCHEMA = "installed-images"

MAX_PARTS = 16_000
"""Of all images of a report. 96 hosts, each with an image of its own with 150 components, have 14,400. Each
may become two changes, one gone and one new, and a change costs kilobytes on its way."""


def list_violations(schema: str, instance: object) -> list[str]:
    """What ``schema`` (the stem of a file in ``schemas/``) refuses in ``instance``; empty if it is valid.

    Each line is a JSON Pointer, ``: expected`` what, ``, got`` what; sorted, with little of the data in it.
    """
    return render_violations(schema, instance)


def _find_violations(schema: str, instance: object) -> list[str]:
    """What ``list_violations`` lists, but for what is valid without the cost of jsonschema."""
    return [] if fast_validator(schema).is_valid(instance) else list_violations(schema, instance)


def require_valid(schema: str, instance: object) -> None:
    """Require that ``instance`` is valid by ``schema`` (the stem of a file in ``schemas/``).

    Raises:
        ContractViolation: It is not; every violation is named.
    """
    violations = _find_violations(schema, instance)
    if violations:
        raise ContractViolation(f"not a valid {schema}: {violations[0]}", tuple(violations))


UNREADABLE_TEXT = "vCenter sent a notification here that can't be read"
_UNREADABLE: dict[str, Json] = {"id": "esx-drift.unreadable", "default_message": UNREADABLE_TEXT, "args": []}


def read_document(body: bytes, *, strict: bool = False) -> Document:
    """Parse and validate a document.

    Args:
        body: The document as it came.
        strict: A notification that breaks the API's rules makes the document invalid. Else it costs itself
            alone: what runs on the hosts stands elsewhere.

    Raises:
        ContractViolation: The bytes are no JSON, or no valid document.
    """
    document = parse_json_of_any_depth(body)
    # A closed schema has no place for unknown levels: what it accepts can't be nested too deep.
    if not closed_validator(DOCUMENT_SCHEMA).is_valid(document):
        require_shallow(document)
        _refuse_legacy(document)
        if not strict:
            _mend_notifications(document)
        require_valid(DOCUMENT_SCHEMA, document)
    trusted = cast("Document", document)
    _require_few_parts(trusted)
    spell_base_images(trusted)
    return trusted


def _mend_notifications(document: Json) -> None:
    """Mend each notification that the schema would refuse. It stays on its list: an error stays an error."""
    fields = document if isinstance(document, dict) else {}
    for lists in _list_objects([fields.get("notifications"), fields.get("host_notifications")]):
        for listed in _list_objects(lists.values()):
            for level, notifications in listed.items():
                if isinstance(notifications, list):
                    listed[level] = [_mend_notification(each) for each in notifications]


def _list_objects(values: Iterable[Json]) -> list[dict[str, Json]]:
    return [value for value in values if isinstance(value, dict)]


def _mend_notification(notification: Json) -> Json:
    """Make of one that is broken a sound one with its text, or with ours where that can't be read either."""
    if part_validator(DOCUMENT_SCHEMA, "notification").is_valid(notification):
        return notification
    message = notification.get("message") if isinstance(notification, dict) else None
    if not part_validator(DOCUMENT_SCHEMA, "message").is_valid(message):
        message = _UNREADABLE
    return {
        "id": cast("dict[str, Json]", message)["id"],
        "time": "1970-01-01T00:00:00.000Z",
        "message": message,
    }


def _require_few_parts(document: Document) -> None:
    """Refuse what each image by itself may hold, and all together can't: no schema adds up."""
    parts = count_parts(document)
    if parts > MAX_PARTS:
        line = f"/image_categories: expected at most {MAX_PARTS} components and other parts, got {parts}"
        raise ContractViolation(f"not a valid {DOCUMENT_SCHEMA}: {line}", (line,))


def _refuse_legacy(document: object) -> None:
    """Refuse a body in the form of the API's predecessor with one line, instead of all that it lacks."""
    if isinstance(document, dict) and document.keys() == {"value"}:
        line = ': expected the report itself, got {"value": ...}, the legacy form of /rest: ask /api'
        raise ContractViolation(f"not a valid {DOCUMENT_SCHEMA}{line}", (line,))


def read_whole_numbers(value: Json) -> Json:
    """Read each whole number as one, however it is spelt: JSON Schema takes 60.0 and 6e2 for integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [read_whole_numbers(inner) for inner in value]
    if isinstance(value, dict):
        return {name: read_whole_numbers(inner) for name, inner in value.items()}
    return value


def parse_sent_json(body: bytes) -> Json:
    """Parse JSON that was sent to us or stored, each whole number as one.

    Raises:
        ContractViolation: ``body`` is no JSON that ``parse_json`` takes.
    """
    return read_whole_numbers(parse_json(body))


def parse_payload(schema: str, body: bytes) -> Json:
    """Parse ``body``, which was sent to us, as JSON that is valid by ``schema``.

    Raises:
        ContractViolation: The body is anything else.
    """
    payload = parse_sent_json(body)
    require_valid(schema, payload)
    return payload


def read_payload(schema: str, payload: object) -> Json:
    """Read what somebody else has parsed already as strictly as ``parse_payload`` reads bytes.

    Args:
        schema: The stem of a file in ``schemas/``.
        payload: Any JSON value, as Lambda hands it to a function.

    Raises:
        ContractViolation: It is anything else than the schema says.
    """
    try:
        body = json.dumps(payload).encode()
    except RecursionError:
        raise ContractViolation(f"not a valid {schema}: it is nested far too deeply") from None
    return parse_payload(schema, body)


def list_unknown_fields(document: Document) -> list[str]:
    """What the document holds that no known release of the API does: fields and enum values, once each."""
    if closed_validator(DOCUMENT_SCHEMA).is_valid(document):
        return []
    return find_unknown_fields(DOCUMENT_SCHEMA, document)


def list_fleet_errors(document: object) -> list[str]:
    """Each fault of a fleet document, by its schema or beyond, a line each; empty if it may be used."""
    return _find_violations("fleet", document) or list_fleet_problems(cast("FleetDocument", document))
