"""What a schema refuses, and what a document holds beyond its schema, as lines for a person."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from esx_drift.contracts.validators import Schema, load_schema, reference_validator
from esx_drift.domain.stored.records import MORE_NOTICES
from esx_drift.domain.stored.types import Json

if TYPE_CHECKING:
    from jsonschema import ValidationError

MAX_VIOLATIONS = 100
MAX_NOTICES = 50
MAX_TOKEN_CHARACTERS = 60
MAX_POINTER_CHARACTERS = 200
MAX_SHOWN_CHARACTERS = 100
LEGACY_MAP = "a list of key and value, as only the legacy /rest API writes a map"
_NOUNS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} fields",
    "maxProperties": "at most {} fields",
    "pattern": "a text that matches {}",
    "format": "a valid {}",
    "const": "{}",
}


def render_violations(schema: str, instance: object) -> list[str]:
    """Render each violation of ``schema`` in ``instance`` as one line.

    Returns:
        The lines, sorted; the search ends with the one after the hundredth. Empty if the instance is valid.
    """
    lines: set[str] = set()
    for line in chain.from_iterable(map(_list_lines, reference_validator(schema).iter_errors(instance))):
        if len(lines) == MAX_VIOLATIONS and line not in lines:
            return [*sorted(lines), "and more"]
        lines.add(line)
    return sorted(lines)


def _list_lines(error: "ValidationError") -> Iterator[str]:
    error = _find_most_specific(error)
    at, schema = format_pointer(error.absolute_path), error.schema
    asked: Any = error.validator_value
    value: Any = error.instance
    if isinstance(schema, Mapping) and "x-expected" in schema:
        yield f"{at}: expected {schema['x-expected']}, got {abbreviate_value(value)}"
    elif error.validator == "required":  # an error each, so that these lines repeat until made a set
        for name in asked:
            if name not in value:
                yield f"{at}/{format_pointer_token(name)}: expected a value, got nothing"
    elif error.validator == "additionalProperties" and isinstance(schema, Mapping):
        known = schema.get("properties", {})
        for name in value.keys() - known.keys():
            field, shown = format_pointer_token(name), abbreviate_value(value[name])
            # Misspelt is only what is not there rightly spelt as well.
            near = _find_nearest(name, known.keys() - value.keys())
            meant = f" (did you mean {near}?)" if near else ""
            yield f"{at}/{field}: expected no such field, got {shown}{meant}"
    else:
        validator = str(error.validator)
        expected, got = _describe_expected(validator, asked), _describe_got(validator, asked, value)
        yield f"{at}: expected {expected}, got {got}"


def _find_nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only refusals pay for it

    # A name from outside may be megabytes long.
    found = get_close_matches(name[:MAX_TOKEN_CHARACTERS], sorted(known), n=1)
    return found[0] if found else None


def _find_most_specific(error: "ValidationError") -> "ValidationError":
    """Of an error about alternatives, the one of the alternative that was probably meant."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - only refusals pay for it

    return (best_match([error]) if error.context else None) or error


def _describe_expected(validator: str, asked: Json) -> str:
    if validator == "type":
        return " or ".join(_NOUNS[str(name)] for name in (asked if isinstance(asked, list) else [asked]))
    if validator == "enum" and isinstance(asked, list):
        return f"one of {', '.join(json.dumps(choice) for choice in asked)}"
    if validator == "uniqueItems":
        return "no item twice"
    bound = _BOUNDS.get(validator, "something else")
    return bound.format(asked if isinstance(asked, str) else json.dumps(asked))


def _describe_got(validator: str, asked: Json, value: Json) -> str:
    if (
        validator == "type"
        and "object" in (asked if isinstance(asked, list) else [asked])
        and _is_legacy_map(value)
    ):
        return LEGACY_MAP
    if validator == "uniqueItems" and isinstance(value, list):
        counts = Counter(json.dumps(item, sort_keys=True) for item in value)
        return f"{abbreviate_value(json.loads(counts.most_common(1)[0][0]))} {max(counts.values())} times"
    return abbreviate_value(value)


def _is_legacy_map(value: Json) -> bool:
    """An empty list may be one, or anything else: it is called what it is."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, dict) and set(item) == {"key", "value"} for item in value)


def abbreviate_value(value: Json) -> str:
    """A value in a few characters: a list or an object only by its size."""
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, list):
        return f"a list of {len(value)} items"
    shown = json.dumps(value[: MAX_SHOWN_CHARACTERS + 1] if isinstance(value, str) else value)
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}…"


def format_pointer(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901), its end cut where names from outside make it too long to read."""
    whole = "".join(f"/{format_pointer_token(part)}" for part in path)
    return whole if len(whole) <= MAX_POINTER_CHARACTERS else f"{whole[:MAX_POINTER_CHARACTERS]}…"


def format_pointer_token(part: object) -> str:
    """One step of a JSON Pointer, without what would break a line or a terminal."""
    start = str(part)[: MAX_TOKEN_CHARACTERS + 1].replace("~", "~0").replace("/", "~1")
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in start)
    return text if len(text) <= MAX_TOKEN_CHARACTERS else f"{text[:MAX_TOKEN_CHARACTERS]}…"


def find_unknown_fields(name: str, instance: object) -> list[str]:
    """Find what ``instance`` holds that the schema ``name`` does not know.

    Returns:
        One line for each place and unknown field or value, where ``*`` stands for ids and positions. Of more
        than 50 the first ones in their order, and that there are more: how many is not counted.
    """
    schema = load_schema(name)
    notices: set[str] = set()
    for notice in _walk(schema, schema, cast("Json", instance), ""):
        notices.add(notice)
        if len(notices) > 2 * MAX_NOTICES:
            # A report may have hundreds of thousands: what sorts behind is dropped as they come.
            notices = {*nsmallest(MAX_NOTICES + 1, notices)}
    shown = sorted(notices)
    return [*shown[:MAX_NOTICES], MORE_NOTICES] if len(shown) > MAX_NOTICES else shown


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
