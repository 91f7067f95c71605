"""Holds a report to its types in `wire.py`, and to the invariants that the documentation states.

The types are held to the schema of documents by `tests/unit/contracts/test_document_types.py`.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeAliasType,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from tests.simulator.wire import Notification, Report
from tests.simulator.wire_software import ImageSelection

SELECTED = {"HOST_UUID": "host_uuids", "HOST_HARDWARE_SPEC": "host_hardware_spec"}
"""The field that an image's selection has, by its type."""


def breaches(report: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """Where the report breaks the rules of its types, or an invariant that the documentation states."""
    return list(_breaches_of(Report, report, "")) or list(_invariants(report))


def _breaches_of(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    """Where the value is not of this type, as `wire.py` writes types."""
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    if is_typeddict(kind):
        yield from _structure(kind, value, at)
    elif get_origin(kind) in _CHECKS:
        yield from _CHECKS[get_origin(kind)](kind, value, at)
    elif kind is not Any and type(value) is not kind:
        yield f"{at}: {value!r} is no {kind.__name__}"


def _structure(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    if not isinstance(value, dict):
        yield f"{at}: no object"
        return
    known = _fields(kind)
    yield from (f"{at}: {name} is missing" for name in sorted(kind.__required_keys__ - value.keys()))
    for name, member in value.items():
        if name in known:
            yield from _breaches_of(known[name], member, f"{at}/{name}")
        else:
            yield f"{at}: {name} is unknown"
    if kind in _RULES:
        yield from _RULES[kind](value, at)


@cache
def _fields(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any type
    return get_type_hints(kind, include_extras=True)


def _optional(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    yield from _breaches_of(get_args(kind)[0], value, at)


def _annotated(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    inner, rule = get_args(kind)
    found = list(_breaches_of(inner, value, at))
    yield from found
    if found:
        return
    if isinstance(rule, re.Pattern) and not rule.fullmatch(value):
        yield f"{at}: {value!r} is not {rule.pattern}"
    if rule == "distinct" and len(set(value)) != len(value):
        yield f"{at}: duplicates"


def _list(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    if not isinstance(value, list):
        yield f"{at}: no list"
        return
    for index, member in enumerate(value):
        yield from _breaches_of(get_args(kind)[0], member, f"{at}/{index}")


def _map(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    if not isinstance(value, dict):
        yield f"{at}: no object"
        return
    of_key, of_member = get_args(kind)
    for name, member in value.items():
        yield from _breaches_of(of_key, name, f"{at}: key")
        yield from _breaches_of(of_member, member, f"{at}/{name}")


def _literal(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    if not isinstance(value, str) or value not in get_args(kind):
        yield f"{at}: {value!r} is none of {', '.join(get_args(kind))}"


def _union(kind: Any, value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any type, any JSON
    found = [list(_breaches_of(one, value, at)) for one in get_args(kind)]
    yield from min(found, key=len)


def _retriable(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if "retriable" in value and value.get("type") != "ERROR":
        yield f"{at}: retriable without type ERROR"


def _selected(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    kind = str(value.get("selection_type"))
    expected = [SELECTED[kind]] if kind in SELECTED else []
    if [name for name in SELECTED.values() if name in value] != expected:
        yield f"{at}: not what {kind} holds"


type Check = Callable[[Any, Any, str], Iterator[str]]

_CHECKS: dict[Any, Check] = {
    NotRequired: _optional,
    Annotated: _annotated,
    list: _list,
    dict: _map,
    Literal: _literal,
    UnionType: _union,
}
"""How a type is checked, by its origin."""

_RULES: dict[Any, Callable[[Any, str], Iterator[str]]] = {
    Notification: _retriable,
    ImageSelection: _selected,
}
"""What the types can't say of an object."""


def _invariants(report: dict[str, Any]) -> Iterator[str]:
    categories = report["image_categories"]
    widest = _orderless(categories.get("most_widely_used_image"))
    highest = _orderless(categories.get("highest_versioned_image"))
    equal = categories["is_highest_and_widely_used_image_equal"]
    if report["uniform_image"] and not (equal and widest == highest and "host_image_list" not in categories):
        yield "uniform_image without equal images"
    if equal != (widest is not None and widest == highest):
        yield "is_highest_and_widely_used_image_equal is wrong"
    named = [widest] if equal else [widest, highest]
    shown = [image for image in [*named, *categories.get("host_image_list", [])] if image]
    listed = [host for image in shown for host in image["host_list"]]
    if sorted(listed) != sorted(report["successful_hosts"]):
        yield "successful_hosts are not each in one image"
    seen = report["successful_hosts"] + report["failed_hosts"] + report["unsupported_hosts"]
    if sorted(seen) != sorted(report["host_info"]):
        yield "host_info does not hold each listed host once"


def _orderless(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON with every list sorted."""
    if isinstance(value, dict):
        return {key: _orderless(member) for key, member in value.items()}
    if isinstance(value, list):
        return sorted(
            (_orderless(member) for member in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value
