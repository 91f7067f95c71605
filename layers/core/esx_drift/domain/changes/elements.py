"""One part of an image that differs, as a change: it, or only how the report words it."""

from collections.abc import Iterator, Mapping
from typing import Literal, cast

from msgspec import Struct

from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Image, Json, Parts, Severity, Snapshot
from esx_drift.domain.text.versions import compare_versions, sort_naturally

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


class Difference(Struct, frozen=True):
    """One part in two images.

    Attributes:
        part: Its element and id.
        before: What it is in the old image; None where it is absent.
        after: What it is in the new image; None where it is absent.
        alternative_image: The id of the alternative image that it is in; None for the image itself.
        labels: How it is labelled before and now, where that is all that differs.
        put_back: Whether it is again as it was accepted for the hosts.
    """

    part: str
    before: Json
    after: Json
    alternative_image: str | None
    labels: tuple[Json, Json] | None = None
    put_back: bool = False


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
    change: Change = {
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
    return {**change, "severity": "info", "put_back": True} if difference.put_back else change


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


type ImagePair = tuple[str, str]
"""The digests of an image in the baseline and of one in the current snapshot."""


class Rewording(Struct, frozen=True):
    """A version of a part with its labels before and now; null where it is not described."""

    part: str
    version: str
    before: Json
    after: Json


def build_relabelled_changes(
    baseline: Snapshot, current: Snapshot, hosts_by_images: Mapping[ImagePair, list[str]]
) -> list[Change]:
    """Build a change of each part whose wording is another one now.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        hosts_by_images: The hosts that may be relabelled, by what they ran and run. Of these a change lists
            those that had the version before and have it still.
    """
    changes = []
    for rewording in list_rewordings(baseline, current):
        places: dict[tuple[str | None, str, str], tuple[Difference, list[str]]] = {}
        for (old, new), hosts in hosts_by_images.items():
            difference = _find_difference(rewording, baseline["images"][old], current["images"][new])
            if difference is not None:
                versions = format_part_version(difference.before), format_part_version(difference.after)
                place = difference.alternative_image, *versions
                places.setdefault(place, (difference, []))[1].extend(hosts)
        changes += [
            build_change(difference, "relabelled", sort_naturally(hosts))
            for difference, hosts in places.values()
        ]
    return changes


def list_rewordings(baseline: Snapshot, current: Snapshot) -> list[Rewording]:
    """List the versions of parts that ``baseline`` and ``current`` both have and label differently."""
    before, after = baseline["labels"], current["labels"]
    rewordings, added, removed = [], [], []
    for part in before.keys() | after.keys():
        old, new = before.get(part, {}), after.get(part, {})
        if old != new:
            added += [(part, version) for version in new.keys() - old.keys()]
            removed += [(part, version) for version in old.keys() - new.keys()]
            both = [version for version in old.keys() & new.keys() if old[version] != new[version]]
            rewordings += [Rewording(part, version, old[version], new[version]) for version in both]
    # A version without a label may be in the snapshot all the same.
    for part, version in _select_present(baseline, added):
        rewordings.append(Rewording(part, version, None, after[part][version]))
    for part, version in _select_present(current, removed):
        rewordings.append(Rewording(part, version, before[part][version], None))
    return rewordings


def _select_present(snapshot: Snapshot, versions: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Select the versions of parts that some image of the snapshot has."""
    images = snapshot["images"].values()
    scopes = [parts for image in images for parts in (image["main"], *image["alternatives"].values())]
    return {
        (part, version)
        for part, version in versions
        for parts in scopes
        if (value := parts.get(part)) == version
        or (isinstance(value, dict) and format_part_version(value) == version)
    }


def _find_difference(rewording: Rewording, old: Image, new: Image) -> Difference | None:
    """Find where both images have the part: in themselves, or else in the first such alternative image.

    Returns:
        None where they don't both have it, in the version that is meant.
    """
    labels = rewording.before, rewording.after
    if rewording.part.startswith("alternative_image:"):
        before, after = (_find_alternative(rewording.part, image) for image in (old, new))
        same = before and after and before["alternative_image"] == after["alternative_image"]
        sides = build_alternative(before), build_alternative(after)
        return Difference(rewording.part, *sides, None, labels) if same else None
    for alternative, before, after in _list_scopes(old, new):
        value = before.get(rewording.part)
        same = value is not None and value == after.get(rewording.part)
        if same and format_part_version(value) == rewording.version:
            return Difference(rewording.part, value, value, alternative, labels)
    return None


def _find_alternative(part: str, image: Image) -> Parts | None:
    return image["alternatives"].get(part.partition(":")[2])


def _list_scopes(old: Image, new: Image) -> Iterator[tuple[str | None, Parts, Parts]]:
    """List both images themselves, and each alternative image that both have, by its id."""
    yield None, old["main"], new["main"]
    for name in sorted(old["alternatives"].keys() & new["alternatives"].keys()):
        yield name, old["alternatives"][name], new["alternatives"][name]
