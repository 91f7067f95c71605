"""What only describes the parts of images: one wording per part and version for a whole cluster.

Where the report words the same version of a part in several ways, the wording that most covered hosts have is
kept, and of equally many the first one in the order of their canonical JSON. An image that says nothing of a
part leaves the wording to the others. A part that only hosts without coverage have keeps its last wording.
"""

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, cast

from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Image, Json, KnownHost, Labels, Snapshot
from esx_drift.domain.text.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esx_drift.domain.images.document import Component, Software, SoftwareInfo
    from esx_drift.domain.images.report import Report

SINGLE_ELEMENTS = ("base_image", "add_on")
"""The elements of which an image has one at most, so that they have no id."""

LABELLED_ELEMENTS = (*SINGLE_ELEMENTS, "component", "removed_component", "solution", "alternative_image")

_TEXTS = {"display_name", "vendor", "display_version", "release_date"}
"""The details that are texts, in which nothing can be null."""

_FIELDS = {"component": "components", "removed_component": "removed_components", "solution": "solutions"}

_BUILD = re.compile(r"(^| )- ?\d+$")
"""The end of a display version: a build behind its own dash. A dash inside of a word is the release's."""

type _Listing = tuple[frozenset[str], SoftwareInfo]
"""An image as the report lists it, and the covered hosts that it lists with it."""


def build_labels(report: "Report", baseline: Snapshot | None, hosts: "Mapping[str, KnownHost]") -> Labels:
    """Build the labels of a snapshot.

    Args:
        report: The report that the snapshot is made of.
        baseline: The snapshot before it; it may be None if the report covers all hosts.
        hosts: The hosts of the snapshot.
    """
    covered = frozenset(hosts.keys() & report.runs.keys())
    listings = list(_list_covered_images(report, covered))
    table = LabelTable()
    for _, info in listings:
        table.add_image(info)
    for element, name, version in table.ambiguous:
        table.labels[element][name][version] = _choose_wording(listings, element, name, version)
    labels = table.build_labels()
    if baseline is not None:
        unseen = [known for host, known in hosts.items() if host not in covered]
        _add_known_labels(labels, baseline, unseen)
    return labels


def _list_covered_images(report: "Report", covered: frozenset[str]) -> "Iterator[_Listing]":
    """List the images as worded for covered hosts; the report may hold others, which say nothing."""
    for digest in {report.runs[host] for host in covered}:
        for listing in report.listings[digest]:
            hosts = covered.intersection(chain.from_iterable(listing.host_lists))
            if hosts:
                yield hosts, listing.info


class LabelTable:
    """The labels of a cluster while they are gathered.

    ``labels``: by element, id and version. ``ambiguous``: what was worded in more than one way.
    """

    def __init__(self) -> None:
        self.labels: dict[str, Labels] = {element: {} for element in LABELLED_ELEMENTS}
        self.ambiguous: set[tuple[str, str, str]] = set()

    def add_image(self, info: "SoftwareInfo") -> None:
        """Add what an image says of its parts, and of those of its alternative images."""
        self._add_software(info)
        for name, image in (info.get("alternative_images") or {}).items():
            self._add_software(image)
            self._add_label("alternative_image", name, "", {"display_name": image["display_name"]})

    def build_labels(self) -> Labels:
        """Build the labels by the names that parts have in an image."""
        # Prefixed only now: the loop over the components of all images is faster with their bare names.
        return {
            element if element in SINGLE_ELEMENTS else f"{element}:{name}": versions
            for element, labels in self.labels.items()
            for name, versions in labels.items()
        }

    def _add_software(self, software: "Software") -> None:
        base, add_on = software["base_image"], software.get("add_on")
        self._add_details("base_image", "", base["version"], base.get("details"))
        if add_on:
            self._add_details("add_on", "", f"{add_on['name']} {add_on['version']}", add_on.get("details"))
        self._add_components(software["components"])
        for name, component in (software.get("removed_components") or {}).items():
            version = component.get("version") or ""
            self._add_details("removed_component", name, version, component.get("details"))
        for name, solution in software["solutions"].items():
            self._add_details("solution", name, solution["version"], solution.get("details"))

    def _add_components(self, components: "Mapping[str, Component]") -> None:
        """Add the longest list of all: what is as in the image before is seen first, and without a call."""
        labels = self.labels["component"]
        for name, component in components.items():
            try:
                if labels[name][component["version"]] == component["details"]:  # type: ignore[index] # null is no key
                    continue
            except KeyError:
                pass
            self._add_component(labels, name, component)

    def _add_component(self, labels: Labels, name: str, component: "Component") -> None:
        version, details = component.get("version") or "", component.get("details")
        if not details:
            return
        if version not in labels.get(name, ()) and None not in details.values() and details.keys() <= _TEXTS:
            labels.setdefault(name, {})[version] = cast("Json", details)
        else:
            self._add_details("component", name, version, details)

    def _add_details(self, element: str, name: str, version: str, details: object) -> None:
        label = build_label(element, details)
        if label is not None:
            self._add_label(element, name, version, label)

    def _add_label(self, element: str, name: str, version: str, label: Json) -> None:
        if self.labels[element].setdefault(name, {}).setdefault(version, label) != label:
            self.ambiguous.add((element, name, version))


def _choose_wording(listings: "list[_Listing]", element: str, name: str, version: str) -> Json:
    """Choose the wording that most hosts have; whatever order the report lists its images in."""
    hosts_by_wording: dict[bytes, set[str]] = {}
    for hosts, info in listings:
        for label in _find_wordings(info, element, name, version):
            hosts_by_wording.setdefault(encode_canonical_json(label), set()).update(hosts)
    chosen = min(hosts_by_wording, key=lambda wording: (-len(hosts_by_wording[wording]), wording))
    return cast("Json", json.loads(chosen))


def _find_wordings(info: "SoftwareInfo", element: str, name: str, version: str) -> "Iterator[Json]":
    """Find what one image and its alternatives say of one version of a part."""
    inside = info.get("alternative_images") or {}
    if element == "alternative_image":
        if name in inside:
            yield {"display_name": inside[name]["display_name"]}
        return
    for software in (info, *inside.values()):
        fields = cast("Mapping[str, Mapping[str, object] | None]", software)
        held = (
            fields.get(element)
            if element in SINGLE_ELEMENTS
            else (fields.get(_FIELDS[element]) or {}).get(name)
        )
        part = cast("Mapping[str, Json] | None", held)
        label = None if part is None else build_label(element, part.get("details"))
        if part is not None and label is not None and _format_version(element, part) == version:
            yield label


def _format_version(element: str, part: "Mapping[str, Json]") -> str:
    """The same as ``format_part_version``, of a part as the report has it."""
    version = str(part.get("version") or "")
    return f"{part['name']} {version}" if element == "add_on" else version


def _add_known_labels(labels: Labels, baseline: Snapshot, unseen: list[KnownHost]) -> None:
    """Add the last wording of what only these hosts have, as far as it is known."""
    for digest in {known["image"] for known in unseen} - {None}:
        image = baseline["images"][cast("str", digest)]
        versions = [(f"alternative_image:{name}", "") for name in image["alternatives"]]
        for parts in (image["main"], *image["alternatives"].values()):
            versions += [(part, format_part_version(value)) for part, value in parts.items()]
        for part, version in versions:
            label = baseline["labels"].get(part, {}).get(version)
            if label is not None:
                labels.setdefault(part, {}).setdefault(version, label)


def build_label(element: str, details: object) -> Json:
    """Build the label of a part from its ``details``: without nulls, sets in order, a date in one spelling.

    ``element`` says what the part is: a solution has a set, a base image a date.

    Returns:
        None where there are no details.
    """
    if not details:
        return None
    label = cast("dict[str, Json]", details)
    if None in label.values() or not label.keys() <= _TEXTS:
        label = cast("dict[str, Json]", _drop_null(label))
    if element == "solution":
        return {**label, "components": _sort_components(cast("list[Json]", label["components"]))}
    if element == "base_image":
        return {**label, "release_date": format_time(parse_time(str(label["release_date"])))}
    return label


def _drop_null(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _drop_null(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_drop_null(inner) for inner in value]
    return value


def _sort_components(components: list[Json]) -> list[Json]:
    """Sort a solution's components by their names; by all they say if one is there twice."""
    named = {cast("dict[str, str]", component)["component"]: component for component in components}
    if len(named) < len(components):
        return sorted(components, key=encode_canonical_json)
    return [named[name] for name in sorted(named)]


def name_esxi_release(image: Image, labels: Labels) -> str:
    """Name the ESXi of ``image`` as people do, ``ESXi 8.0 U3e``.

    ``labels`` are those of its snapshot. What the depot does not know has none: then its version is the name.
    """
    version = str(image["main"]["base_image"])
    kept = labels.get("base_image", {}).get(version)
    # Form 1 kept every wording of a label.
    label = cast("dict[str, Json] | None", kept[0] if isinstance(kept, list) else kept)
    if label is None:
        return f"ESXi {version}"
    # The display version ends in the build: "8.0 U3e - 24674464", "8.0  - 20764643".
    release = _BUILD.sub("", " ".join(str(label["display_version"]).split()))
    return f"{label['display_name']} {release or version}"


def list_release_names(labels: Labels) -> dict[str, str]:
    """List the names of all releases of ESXi that the ``labels`` of a snapshot know, by their versions."""
    versions = labels.get("base_image", {})
    return {
        version: name_esxi_release({"main": {"base_image": version}, "alternatives": {}}, labels)
        for version in versions
    }
