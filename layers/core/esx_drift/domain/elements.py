"""What became of one part of an image, in the words of a change."""

from dataclasses import dataclass
from typing import Literal, cast

from esx_drift.domain.shapes import Change, ChangeKind, Element, Json, Severity
from esx_drift.domain.versions import order

type Edge = Literal["added", "removed", "changed", "relabelled"]

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

    relabelled: the part itself is ``before`` and ``after`` alike, and ``labels`` are what differs.
    """

    part: str
    before: Json
    after: Json
    alternative_image: str | None = None
    labels: tuple[Json, Json] | None = None

    @property
    def element(self) -> Element:
        """The element of the API that the part is."""
        return cast("Element", self.part.partition(":")[0])

    @property
    def key(self) -> str:
        """The part's id, or the element where there is only one."""
        element, colon, name = self.part.partition(":")
        return name if colon else element


def change_of(difference: Difference, edge: Edge, hosts: list[str]) -> Change:
    """The change that a difference means on these hosts."""
    kind = _kind(difference) if edge == "changed" else edge
    return {
        "element": difference.element,
        "kind": kind,
        "key": difference.key,
        "from": _shown(difference.element, difference.before),
        "to": _shown(difference.element, difference.after),
        "hosts": hosts,
        "severity": severity_of(difference.element, kind),
        "alternative_image": difference.alternative_image,
        "detail": _detail(difference, edge),
    }


def severity_of(element: Element, kind: ChangeKind) -> Severity:
    """How bad a change is: what goes back, or belongs to no known component, is worst."""
    if kind == "downgraded" or (element, kind) == ("orphaned_vib", "added"):
        return "critical"
    if kind == "relabelled" or (element, kind) in _HARMLESS:
        return "info"
    return "warning"


def _kind(difference: Difference) -> ChangeKind:
    """Up or down where the versions have an order, and belong to the same name."""
    old, new = difference.before, difference.after
    name = _NAMES.get(difference.element)
    if difference.element == "alternative_image":
        return "changed"
    if name and _field(old, name) != _field(new, name):
        return "changed"
    direction = order(_version(old), _version(new))
    return "upgraded" if direction == "newer" else "downgraded" if direction == "older" else "changed"


def _field(value: Json, name: str) -> str:
    return str(cast("dict[str, Json]", value)[name])


def _version(value: Json) -> str:
    return value if isinstance(value, str) else _field(value, "version")


def _shown(element: Element, value: Json) -> str | None:
    if value is None:
        return None
    name = _NAMES.get(element)
    return f"{_field(value, name)} {_version(value)}" if name else _version(value)


def _detail(difference: Difference, edge: Edge) -> dict[str, Json] | None:
    """Both sides of what differs, where from and to don't say it."""
    if difference.labels:
        return dict(zip(("from", "to"), difference.labels, strict=True))
    if edge != "changed":
        return None
    old, new = (_unsaid(difference.element, value) for value in (difference.before, difference.after))
    if difference.element in _NAMES and _shown(difference.element, old) != _shown(difference.element, new):
        return None
    return {"from": old, "to": new} if old != new else None


def _unsaid(element: Element, value: Json) -> Json:
    """What from or to leaves out; of a name and a version, where one ends and the other begins."""
    if not isinstance(value, dict) or element in _NAMES:
        return value if isinstance(value, dict) else None
    return value["components" if element == "solution" else "selection_criteria"]
