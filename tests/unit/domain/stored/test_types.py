"""The types of what is stored say the same as the schemas: a field in one is a field in the other."""

import json
from collections.abc import Iterator
from typing import Any, cast, get_args, get_type_hints, is_typeddict

import pytest
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.stored import types as shapes

from tests.paths import SCHEMAS


def _load(stem: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((SCHEMAS / f"{stem}.schema.json").read_text()))


def _objects(schema: object, stem: str) -> Iterator[tuple[frozenset[str], str]]:
    """The fields of every closed object in a schema, and where it is."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield frozenset(schema["properties"]), f"{stem}: {schema.get('description', '')[:60]}"
        for value in schema.values():
            yield from _objects(value, stem)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value, stem)


SINCE_0_1_0 = {
    "retry-request": {"trigger", "clusters", "dispatch_seq"},
    "check-request": {"dispatch_seq"},
    "record": {"stack", "maintenance_ended"},
    "report-state": {"dead_routes"},
}
"""Fields that version 0.1.0 did not write, and of messages, which may wait in a queue, did not send."""

ONLY_0_1_0 = {"state": {"after"}}
"""Fields that version 0.1.0 alone wrote, and that are not read."""

STORED = ("record", "state", "event", "check-request", "retry-request", "report", "report-state")
TYPES = {
    frozenset(get_type_hints(value)): name for name, value in vars(shapes).items() if is_typeddict(value)
}


@pytest.mark.parametrize("stem", STORED)
def test_each_object_of_a_schema_has_its_type(stem: str) -> None:
    """A field added to a schema alone would be one that no code can write."""
    for fields, where in _objects(_load(stem), stem):
        assert fields in TYPES, where


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("record", "Record"),
        ("state", "LogPointer"),
        ("event", "Event"),
        ("report", "StoredReport"),
        ("report-state", "ReportState"),
        ("check-request", "CheckRequest"),
        ("retry-request", "RetryRequest"),
    ],
)
def test_every_field_is_required(stem: str, name: str) -> None:
    """What is unknown is null; only what an older version did not write, or alone wrote, may be missing."""
    schema, form = _load(stem), getattr(shapes, name)
    assert set(schema["properties"]) == set(get_type_hints(form))
    assert set(schema["required"]) == form.__required_keys__
    assert set(form.__optional_keys__) == SINCE_0_1_0.get(stem, set()) | ONLY_0_1_0.get(stem, set())


def test_the_elements_of_a_change_are_the_same_everywhere() -> None:
    """In the type, in the order that changes are listed in, and in the schema."""
    elements = set(get_args(shapes.Element.__value__))
    assert elements == set(ELEMENTS)
    assert elements == set(_load("event")["$defs"]["change"]["properties"]["element"]["enum"])
