"""What became of one part of an image, in the words of a change."""

from dataclasses import dataclass
from typing import Literal, cast

from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Json, Parts, Severity
from esx_drift.domain.text.versions import compare_versions

type DifferenceKind = Literal["added", "removed", "changed", "relabelled"]

ELEMENTS: tuple[Element, ...] = (
    "host",
    "base_image",
    "add_on",
    "component",
    "solution",
    "hardware_support_package",
    "removed_component",
    "alternative_image",
    "orphaned_vib",
)
"""The order in which changes are listed."""

_NAMES = {"add_on": "name", "hardware_support_package": "pkg"}
"""The elements that have a name beside their version, and the field with it."""
_HARMLESS = {("host", "added"), ("host", "removed"), ("orphaned_vib", "removed"), ("solution", "upgraded")}


@dataclass(frozen=True, slots=True)
class Difference:
    """One part in two images, none where it is absent; ``alternative_image`` is the id of one that it is in.

    ``labels``: the part itself is ``before`` and ``after`` alike, and these are what differs.
    """

    part: str
    before: Json
    after: Json
    alternative_image: str | None
    labels: tuple[Json, Json] | None = None


def build_alternative(parts: Parts | None) -> Json:
    """Build an alternative image as an element of its own: what it is built on, and whom it is for."""
    if parts is None:
        return None
    return {"version": parts["base_image"], "selection_criteria": parts["alternative_image"]}


def build_change(difference: Difference, edge: DifferenceKind, hosts: list[str]) -> Change:
    """The change that a difference means on these hosts."""
    name, colon, key = difference.part.partition(":")
    element = cast("Element", name)
    kind = _kind(element, difference) if edge == "changed" else edge
    return {
        "element": element,
        "kind": kind,
        "key": key if colon else element,
        "from": _text(difference.before),
        "to": _text(difference.after),
        "hosts": hosts,
        "severity": rate_change(element, kind),
        "alternative_image": difference.alternative_image,
        "detail": _detail(element, difference, edge),
    }


def rate_change(element: Element, kind: ChangeKind) -> Severity:
    """How bad a change is: what goes back, or belongs to no known component, is worst."""
    if kind == "downgraded" or (element, kind) == ("orphaned_vib", "added"):
        return "critical"
    if kind == "relabelled" or (element, kind) in _HARMLESS:
        return "info"
    return "warning"


def _kind(element: Element, difference: Difference) -> ChangeKind:
    """Up or down where the versions have an order, and belong to the same name."""
    old, new = difference.before, difference.after
    name = _NAMES.get(element)
    if element == "alternative_image" or (name and _field(old, name) != _field(new, name)):
        return "changed"
    direction = compare_versions(_version(old), _version(new))
    return "upgraded" if direction == "newer" else "downgraded" if direction == "older" else "changed"


def _field(value: Json, name: str) -> str:
    return str(cast("dict[str, Json]", value)[name])


def _version(value: Json) -> str:
    return value if isinstance(value, str) else _field(value, "version")


def _text(value: Json) -> str | None:
    return None if value is None else format_part_version(value)


def _detail(element: Element, difference: Difference, edge: DifferenceKind) -> dict[str, Json] | None:
    """Both sides of what differs, where from and to don't say it."""
    if difference.labels:
        return dict(zip(("from", "to"), difference.labels, strict=True))
    old, new = difference.before, difference.after
    if edge != "changed" or not isinstance(old, dict) or not isinstance(new, dict):
        return None
    if element in _NAMES:  # whole, where it is not clear where the name ends and the version begins
        return {"from": old, "to": new} if format_part_version(old) == format_part_version(new) else None
    beyond = "components" if element == "solution" else "selection_criteria"
    return {"from": old[beyond], "to": new[beyond]} if old[beyond] != new[beyond] else None
