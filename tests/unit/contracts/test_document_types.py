"""The schema of a document, our types of it and the simulated vCenter's: three writings of one API.

The schema decides. What one of the others forgets, spells otherwise or invents fails here.
"""

from collections.abc import Iterator
from types import UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    TypeAliasType,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest
from esx_drift.domain.images.document import Document

from tests.simulator.wire import Report
from tests.unit.domain.changes.sample import SCHEMA, follow

ALLOWED = {
    Document: {
        "message: params has no type",  # not read
    },
    Report: {
        "image_categories: is_highest_and_widely_used_image_equal is required",  # as the bindings have it
    },
}
"""Where the types differ from the schema on purpose, and why."""


def bare(kind: Any) -> Any:  # noqa: ANN401 -- any type
    """The type without whatever says that it may be absent or null, or what its values look like."""
    if isinstance(kind, TypeAliasType):
        return bare(kind.__value__)
    if get_origin(kind) in {NotRequired, Annotated}:
        return bare(get_args(kind)[0])
    if get_origin(kind) is UnionType:
        return bare(next(inner for inner in get_args(kind) if inner is not type(None)))
    return kind


def differences(kind: Any, schema: Any, owner: str = "") -> Iterator[str]:  # noqa: ANN401 -- any type, any JSON
    """What the type says of fields that the schema doesn't, and the other way round."""
    kind = bare(kind)
    schema, owner = follow(schema, owner)
    if is_typeddict(kind):
        fields, known, required = get_type_hints(kind), schema["properties"], set(schema.get("required", ()))
        yield from (f"{owner}: {name} has no type" for name in known.keys() - fields.keys())
        yield from (f"{owner}: {name} is invented" for name in fields.keys() - known.keys())
        yield from (f"{owner}: {name} is required" for name in kind.__required_keys__ - required)
        yield from (f"{owner}: {name} is not required" for name in required - kind.__required_keys__)
        for name in fields.keys() & known.keys():
            yield from differences(fields[name], known[name], owner)
    elif get_origin(kind) is list:
        yield from differences(get_args(kind)[0], schema["items"], owner)
    elif get_origin(kind) is dict and "additionalProperties" in schema:
        yield from differences(get_args(kind)[1], schema["additionalProperties"], owner)


@pytest.mark.parametrize("kind", [Document, Report], ids=["ours", "simulated"])
def test_the_types_have_the_fields_of_the_schema(kind: type) -> None:
    """Each where it is, and required where it is."""
    assert set(differences(kind, SCHEMA)) == ALLOWED[kind]
