"""Everything in a report has a bound: at it the report is valid, beyond it the refusal says where."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import batched
from typing import Any

import pytest
from esx_drift.contracts import MAX_PARTS, list_violations, read_document
from esx_drift.contracts.validators import fast_validator, load_schema
from esx_drift.contracts.violations import format_pointer
from esx_drift.errors import ContractViolation

from tests.unit.domain.changes.clusters import Wire
from tests.unit.domain.changes.sample import follow, sample

SCHEMA_NAME = "installed-images"
SCHEMA = load_schema(SCHEMA_NAME)

type Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of what stands at a place: ``build`` makes a value of any size for it."""

    place: Place
    most: int
    what: str
    build: Callable[[int], object]


def whole() -> Wire:
    """The sample with its image where there may be many, and no list empty."""
    document = sample()
    image = document["image_categories"]["most_widely_used_image"]
    return document | {"image_categories": {"host_image_list": [image]}}


def list_bounds(schema: Any, value: Any, at: Place) -> Iterator[Bound]:  # noqa: ANN401 -- any JSON
    """Every bound of a schema, at a place of the sample that it holds for."""
    schema, _ = follow(schema)
    if isinstance(value, str):
        yield Bound(at, schema["maxLength"], "characters", time_of if "format" in schema else text_of)
    elif isinstance(value, list):
        yield Bound(
            at, schema["maxItems"], "items", lambda size: [numbered(value[0], n) for n in range(size)]
        )
        yield from list_bounds(schema["items"], value[0], (*at, 0))
    elif isinstance(value, dict) and "additionalProperties" in schema:
        name, inner = next(iter(value.items()))
        yield Bound(at, schema["maxProperties"], "fields", lambda size: {f"{n}": inner for n in range(size)})
        longest = schema["propertyNames"]["maxLength"]
        yield Bound(at, longest, "characters", lambda size: {text_of(size): inner})
        yield from list_bounds(schema["additionalProperties"], inner, (*at, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from list_bounds(schema["properties"][name], inner, (*at, name))


def text_of(size: int) -> str:
    """A text of so many characters, each of several bytes."""
    return "ü" * size


def time_of(size: int) -> str:
    """A time of so many characters."""
    return "2026-11-23T02:13:20.Z".replace(".Z", f".{'0' * (size - 21)}Z")


def numbered(item: object, number: int) -> object:
    """An item of a list that may have to be another one than those before."""
    return f"{item}-{number}" if isinstance(item, str) else item


BOUNDS = list(list_bounds(SCHEMA, whole(), ()))


@pytest.mark.parametrize("bound", BOUNDS, ids=[f"{format_pointer(one.place)} {one.what}" for one in BOUNDS])
def test_a_bound_holds_and_is_named(bound: Bound) -> None:
    """The quick validator and the one whose errors count agree on it."""
    most = put(bound.place, bound.build(bound.most))
    assert list_violations(SCHEMA_NAME, most) == []
    assert fast_validator(SCHEMA_NAME).is_valid(most)
    more = put(bound.place, bound.build(bound.most + 1))
    assert not fast_validator(SCHEMA_NAME).is_valid(more)
    (line,) = list_violations(SCHEMA_NAME, more)
    assert line.startswith(f"{format_pointer(bound.place)}: expected at most {bound.most} {bound.what}, got ")
    assert len(line) < 500


def put(place: Place, value: object) -> Wire:
    """The sample with another value at a place."""
    document = whole()
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return document


def list_unbounded(schema: Any, at: str) -> Iterator[str]:  # noqa: ANN401 -- any JSON
    """What in a schema may be of any size; conditions add nothing to what is bounded elsewhere."""
    if isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from list_unbounded(part, f"{at}/{number}")
    if not isinstance(schema, dict):
        return
    types = schema.get("type", ())
    types = [types] if isinstance(types, str) else types
    needed = {"string": "maxLength", "array": "maxItems"}
    needed |= {"object": "maxProperties"} if "additionalProperties" in schema else {}
    yield from (f"{at}: {needed[name]}" for name in types if name in needed and needed[name] not in schema)
    if "additionalProperties" in schema and "maxLength" not in schema.get("propertyNames", {}):
        yield f"{at}: propertyNames"
    for name, part in schema.items():
        if name not in {"if", "then", "not"}:
            yield from list_unbounded(part, f"{at}/{name}")


def test_nothing_is_without_a_bound() -> None:
    """A field of a later release gets one too."""
    assert list(list_unbounded(SCHEMA, "")) == []
    assert list(
        list_unbounded({"type": ["object", "null"], "additionalProperties": {"type": "string"}}, "")
    ) == [
        ": maxProperties",
        ": propertyNames",
        "/additionalProperties: maxLength",
    ]


@pytest.mark.parametrize("kind", ["components", "removed_components", "solutions", "hardware_support"])
def test_all_images_together_have_a_bound(kind: str) -> None:
    """Of whatever kind a part is, and also in alternative images: no schema adds up."""
    names = [str(number) for number in range(100)]
    parts: dict[str, Wire] = {
        "components": {name: {} for name in names},
        "removed_components": {name: {} for name in names},
        "solutions": {name: {"version": "1", "components": []} for name in names},
        "hardware_support": {"packages": {name: {"pkg": "p", "version": "1"} for name in names}},
    }
    base: Wire = {"base_image": {"version": "8.0.3-0.0.24022510"}, "components": {}, "solutions": {}}
    image = base | {kind: parts[kind]}
    alternative = image | {"display_name": "", "selection_criteria": {"selection_type": "UNKNOWN"}}
    alternatives = {str(number): alternative for number in range(MAX_PARTS // 100 - 1)}
    listed: list[Wire] = [
        {"software_info": base | {"alternative_images": dict(some)}, "host_list": []}
        for some in batched(alternatives.items(), 100, strict=False)
    ]
    listed.append({"software_info": image, "host_list": []})
    document = sample() | {"image_categories": {"host_image_list": listed}}
    read_document(json.dumps(document).encode())
    listed[0]["software_info"] |= {"components": {"one more": {}}}
    with pytest.raises(ContractViolation) as refused:
        read_document(json.dumps(document).encode())
    (line,) = refused.value.violations
    assert line.startswith(
        f"/image_categories: expected at most {MAX_PARTS} components and other parts, got "
    )
