"""What a document holds beyond the schema: accepted, but told once, so that a new release is not missed."""

from collections.abc import Iterator
from typing import cast

from esx_drift.contracts.validators import SUFFIX, Schema, load_schemas
from esx_drift.contracts.violations import abbreviate_value, format_pointer_token
from esx_drift.domain.stored.types import Json

MAX_NOTICES = 50


def walk_unknown_fields(name: str, instance: object) -> list[str]:
    """One line for each place and unknown field or value; ``*`` stands for ids and positions."""
    schema = load_schemas()[name + SUFFIX]
    found = sorted(set(_walk(schema, schema, cast("Json", instance), "")))
    more = len(found) - MAX_NOTICES
    return [*found[:MAX_NOTICES], f"and {more} more"] if more > 0 else found


def _walk(root: Schema, schema: Schema, value: Json, at: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = _resolve_reference(root, str(schema["$ref"]))
    if "else" in schema and value is not None:
        schema = _resolve_reference(root, str(cast("Schema", schema["else"])["$ref"]))
    yield from _find_unknown_value(schema, value, at)
    if isinstance(value, dict):
        yield from _walk_object(root, schema, value, at)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _walk(root, cast("Schema", schema["items"]), item, f"{at}/*")


def _walk_object(root: Schema, schema: Schema, value: dict[str, Json], at: str) -> Iterator[str]:
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    for name, inner in value.items():
        if name in properties:
            yield from _walk(root, properties[name], inner, f"{at}/{name}")
        elif "additionalProperties" in schema:
            yield from _find_unknown_value(cast("Schema", schema.get("propertyNames", {})), name, at)
            yield from _walk(root, cast("Schema", schema["additionalProperties"]), inner, f"{at}/*")
        else:
            yield f"{at}/{format_pointer_token(name)}: a field that is not known"


def _find_unknown_value(schema: Schema, value: Json, at: str) -> Iterator[str]:
    if "x-known" in schema and value not in cast("list[Json]", schema["x-known"]):
        yield f"{at}: a value that is not known: {abbreviate_value(value)}"


def _resolve_reference(root: Schema, reference: str) -> Schema:
    """A ``#/$defs/…`` of the same schema."""
    return cast("dict[str, Schema]", root["$defs"])[reference.removeprefix("#/$defs/")]
