"""The schemas, read once from ``esx_drift/schemas``, and compiled for both validators when first needed."""

import json
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import jsonschema_rs

from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft202012Validator

type Schema = dict[str, Json]

SCHEMA_SUFFIX = ".schema.json"
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_date_time(value: object) -> bool:
    """Whether a text is an RFC 3339 time with a zone that can be converted to UTC."""
    return not isinstance(value, str) or _is_rfc_3339(value)


@lru_cache(maxsize=256)  # a report repeats the time of its extraction in each notification
def _is_rfc_3339(value: str) -> bool:
    if not _RFC_3339.fullmatch(value):
        return False
    try:
        parse_time(value)
    except (ValueError, OverflowError):  # a 30 February; a year 1 that UTC would put before year 1
        return False
    return True


def is_uuid(value: object) -> bool:
    """Whether a text is a UUID in its usual spelling."""
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None


FORMATS = {"date-time": is_date_time, "uuid": is_uuid}


@cache
def load_schemas() -> dict[str, Schema]:
    """Every schema by its file's name; a ``$ref`` from one to another is by that name."""
    folder = files("esx_drift") / "schemas"
    entries = [entry for entry in folder.iterdir() if entry.name.endswith(SCHEMA_SUFFIX)]
    return {entry.name: cast("Schema", json.loads(entry.read_bytes())) for entry in entries}


def load_schema(schema: str) -> Schema:
    """The schema in ``schemas/<schema>.schema.json``."""
    return load_schemas()[schema + SCHEMA_SUFFIX]


@cache
def fast_validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """The fast validator: what it accepts is valid; what it refuses is examined by the other one."""
    return _compile(load_schema(schema))


@cache
def closed_validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """A fast validator that also refuses unknown fields, unknown values, and what nests without a limit."""
    return _compile(cast("Schema", _close_schema(load_schema(schema))))


@cache
def part_validator(schema: str, name: str) -> jsonschema_rs.Draft202012Validator:
    """The fast validator of what ``schema`` defines under ``name`` in its ``$defs``."""
    return _compile({"$ref": f"{schema}{SCHEMA_SUFFIX}#/$defs/{name}"})


def _compile(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    registry = jsonschema_rs.Registry(list(load_schemas().items()))
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, formats=FORMATS, registry=registry
    )


@cache
def reference_validator(schema: str) -> "Draft202012Validator":
    """The validator whose verdict and errors count."""
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415 - only refusals pay for it
    from referencing import Registry, Resource  # noqa: PLC0415 - same

    registry: Registry[bool | Mapping[str, Any]] = Registry().with_resources(
        (name, Resource.from_contents(content)) for name, content in load_schemas().items()
    )
    checker = FormatChecker(formats=())
    for name, holds in FORMATS.items():
        checker.checks(name)(holds)
    return Draft202012Validator(load_schema(schema), registry=registry, format_checker=checker)


def _close_schema(schema: Json) -> Json:
    """Close each object that lists its fields, each ``x-known`` list, and what may nest in itself."""
    if isinstance(schema, list):
        return [_close_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-tidy" in schema:
        return schema["x-tidy"]
    # What only adds a condition to an object that is described elsewhere must stay open.
    closed = {
        name: part if name in {"if", "then", "allOf"} else _close_schema(part)
        for name, part in schema.items()
    }
    if "x-known" in schema:
        closed["enum"] = schema["x-known"]
    if "type" in schema and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
