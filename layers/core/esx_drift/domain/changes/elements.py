"""One part of an image that differs, as a change."""

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
_TOLD_ALONE = {"solution": "components", "alternative_image": "selection_criteria"}
"""The elements of which one value is told beside the version, by itself, and the field with it."""
_IN_TEXTS = frozenset({"version", *_NAMES.values()})
"""What stands in the texts of from and to. Whatever else a part has is told in the detail."""
_HARMLESS = {("host", "added"), ("host", "removed"), ("orphaned_vib", "removed"), ("solution", "upgraded")}


@dataclass(frozen=True, slots=True)
class Difference:
    """One part in two images.

    Attributes:
        part: Its element and id.
        before: What it is in the old image; None where it is absent.
        after: What it is in the new image; None where it is absent.
        alternative_image: The id of the alternative image that it is in; None for the image itself.
        labels: How it is labelled before and now, where that is all that differs.
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


def build_change(difference: Difference, difference_kind: DifferenceKind, hosts: list[str]) -> Change:
    """Build the change that a difference is on these hosts.

    Args:
        difference: The part as it is in both images.
        difference_kind: How it differs; ``changed`` becomes an upgrade or a downgrade where the versions
            have an order.
        hosts: The ids of the hosts that show it, in the order in which the change lists them.
    """
    name, colon, key = difference.part.partition(":")
    element = cast("Element", name)
    kind = _find_direction(element, difference) if difference_kind == "changed" else difference_kind
    return {
        "element": element,
        "kind": kind,
        "key": key if colon else element,
        "from": _format_value(difference.before),
        "to": _format_value(difference.after),
        "hosts": hosts,
        "severity": rate_change(element, kind),
        "alternative_image": difference.alternative_image,
        "detail": _build_detail(element, difference, difference_kind),
    }


def rate_change(element: Element, kind: ChangeKind) -> Severity:
    """Rate how bad a change of this ``kind`` to an ``element`` is.

    A downgrade is worst, and so is a new VIB of no known component.
    """
    if kind == "downgraded" or (element, kind) == ("orphaned_vib", "added"):
        return "critical"
    if kind == "relabelled" or (element, kind) in _HARMLESS:
        return "info"
    return "warning"


def _find_direction(element: Element, difference: Difference) -> ChangeKind:
    """Find whether it was upgraded or downgraded: changed if its name differs or versions have no order."""
    old, new = difference.before, difference.after
    name = _NAMES.get(element)
    if element == "alternative_image" or (name and _get_field(old, name) != _get_field(new, name)):
        return "changed"
    direction = compare_versions(_get_version(old), _get_version(new))
    return "upgraded" if direction == "newer" else "downgraded" if direction == "older" else "changed"


def _get_field(value: Json, name: str) -> str:
    return str(cast("dict[str, Json]", value)[name])


def _get_version(value: Json) -> str:
    return value if isinstance(value, str) else _get_field(value, "version")


def _format_value(value: Json) -> str | None:
    return None if value is None else format_part_version(value)


def _build_detail(element: Element, difference: Difference, kind: DifferenceKind) -> dict[str, Json] | None:
    """Build both sides of what differs; None where from and to say it all."""
    if difference.labels:
        return dict(zip(("from", "to"), difference.labels, strict=True))
    if kind != "changed":
        return None
    old, new = _build_values(difference.before), _build_values(difference.after)
    field = _TOLD_ALONE.get(element)
    if field is not None:
        return {"from": old[field], "to": new[field]} if old[field] != new[field] else None
    # Whole: where the name ends and the version begins, or what else differs, is not clear from the texts.
    texts_say_all = _format_value(difference.before) != _format_value(difference.after)
    has_more = any(old.get(name) != new.get(name) for name in (old.keys() | new.keys()) - _IN_TEXTS)
    return {"from": old, "to": new} if has_more or not texts_say_all else None


def _build_values(value: Json) -> dict[str, Json]:
    """Build the values of a part by their names; one that is a text is its version."""
    return value if isinstance(value, dict) else {"version": value}
