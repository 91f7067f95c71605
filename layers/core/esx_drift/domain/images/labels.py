"""What only describes the parts of images, kept once for all images of a cluster."""

from typing import TYPE_CHECKING, cast

from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Image, Json, Labels
from esx_drift.domain.text.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esx_drift.domain.images.document import Component, Software


ONLY_ONE = ("base_image", "add_on")
"""The elements of which an image has one at most, so that they have no id."""

DESCRIBED = (*ONLY_ONE, "component", "removed_component", "solution", "alternative_image")
"""The elements that are described at all."""

type _Table = dict[str, dict[str, list[Json]]]
"""The labels of one kind of part, by its id and version; null where an image does not describe it."""

_TEXTS = {"display_name", "vendor", "display_version", "release_date"}
"""The details that are texts, in which nothing can be null."""

_FIELDS = {"component": "components", "removed_component": "removed_components", "solution": "solutions"}


class Tables:
    """The labels of a cluster as they are gathered.

    ``several``: the versions in which a part, by element and id, is not described alike everywhere.
    """

    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {element: {} for element in DESCRIBED}
        self.several: dict[tuple[str, str], set[str]] = {}
        self._undescribed: list[tuple[str, str, str]] = []

    def add(self, software: "Software") -> None:
        """Keep what an image, or an alternative image, says of all its parts."""
        base, add_on = software["base_image"], software.get("add_on")
        self._add("base_image", "", base["version"], base.get("details"))
        if add_on:
            self._add("add_on", "", f"{add_on['name']} {add_on['version']}", add_on.get("details"))
        self._add_components(software["components"])
        for name, component in (software.get("removed_components") or {}).items():
            self._add("removed_component", name, component.get("version") or "", component.get("details"))
        for name, solution in software["solutions"].items():
            self._add("solution", name, solution["version"], solution.get("details"))

    def _add_components(self, components: "Mapping[str, Component]") -> None:
        """The longest loop of all: that one is as in the image before is seen first, and without a call."""
        known = self.tables["component"]
        for name, component in components.items():
            version, details = component.get("version") or "", component.get("details")
            if name not in known:
                known[name] = {}
            elif details in known[name].get(version, ()):
                continue
            if (
                details
                and version not in known[name]
                and None not in details.values()
                and details.keys() <= _TEXTS
            ):
                known[name][version] = [cast("Json", details)]
            else:
                self.keep("component", name, version, build_label("component", details))

    def _add(self, element: str, name: str, version: str, details: object) -> None:
        known = self.tables[element]
        if name not in known or details not in known[name].get(version, ()):
            self.keep(element, name, version, build_label(element, details))

    def keep(self, element: str, name: str, version: str, label: Json) -> None:
        """Keep a label, once."""
        variants = self.tables[element].setdefault(name, {}).setdefault(version, [])
        if label in variants:
            return
        variants.append(label)
        if len(variants) > 1:
            self.several.setdefault((element, name), set()).add(version)
        elif label is None:
            self._undescribed.append((element, name, version))

    def labels(self) -> Labels:
        """All of them, several of one version in order; what nobody describes is left out."""
        for element, name, version in self._undescribed:
            if self.tables[element][name][version] == [None]:
                del self.tables[element][name][version]
        for (element, name), versions in self.several.items():
            for version in versions:
                self.tables[element][name][version].sort(key=encode_canonical_json)
        # Prefixed only now: the loop over the components of all images is faster with their bare names.
        return {
            f"{element}:{name}" if element not in ONLY_ONE else element: versions
            for element, table in self.tables.items()
            for name, versions in table.items()
            if versions
        }


def make_part_name(element: str, name: str) -> str:
    """How an image calls a part: ``component:Intel-i40en``, ``add_on``."""
    return element if element in ONLY_ONE else f"{element}:{name}"


def find_label(software: "Software", element: str, name: str) -> tuple[str, Json] | None:
    """The version and the label of a part of an image as the report has it; none if it has no such part."""
    fields = cast("Mapping[str, Mapping[str, object] | None]", software)
    found = fields.get(element) if element in ONLY_ONE else (fields.get(_FIELDS[element]) or {}).get(name)
    part = cast("Mapping[str, object] | None", found)
    if part is None:
        return None
    version = str(part.get("version") or "")
    label = build_label(element, part.get("details"))
    return f"{part['name']} {version}" if element == "add_on" else version, label


def build_label(element: str, details: object) -> Json:
    """The details of a part, as they are kept: without nulls, sets in order, a date in one spelling."""
    if not details:
        return None
    label = cast("dict[str, Json]", details)
    if None in label.values() or not label.keys() <= _TEXTS:
        label = cast("dict[str, Json]", _without_null(label))
    if element == "solution":
        return {**label, "components": _in_order(cast("list[Json]", label["components"]))}
    if element == "base_image":
        return {**label, "release_date": format_time(parse_time(str(label["release_date"])))}
    return label


def _without_null(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_null(inner) for inner in value]
    return value


def _in_order(components: list[Json]) -> list[Json]:
    """The components of a solution, by their names; whole, which takes longer, only if one is there twice."""
    named = {cast("dict[str, str]", one)["component"]: one for one in components}
    if len(named) < len(components):
        return sorted(components, key=encode_canonical_json)
    return [named[name] for name in sorted(named)]


def name_esxi_release(image: Image, labels: Labels) -> str:
    """What people call the image's ESXi: ``ESXi 8.0 U3e``, or the version if the depot does not know it."""
    version = str(image["main"]["base_image"])
    label = next(filter(None, labels.get("base_image", {}).get(version, ())), None)
    if label is None:
        return f"ESXi {version}"
    told = cast("dict[str, Json]", label)
    # The display version ends in the build: "8.0 U3e - 24674464".
    return f"{told['display_name']} {str(told['display_version']).rpartition(' - ')[0] or version}"
