"""One software image in its keyed form, and hosts in groups by it.

The form is flat maps: no order, and nothing that only describes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from msgspec import Struct, field

from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import Image, Json, Parts
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, name_element

if TYPE_CHECKING:
    from esx_drift.domain.images.document import (
        AlternativeImage,
        Document,
        HostHardware,
        SelectionCriteria,
        Software,
        SoftwareInfo,
    )


class ComponentOrder:
    """Sorts the names of components, from one image of a report to the next: nearly always the same names.

    Canonical JSON of parts that are in order takes a third less time.
    """

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}

    def sort_components(self, names: "Mapping[str, object]") -> "Iterable[tuple[str, str]]":
        """Sort the names, each with the part that it names."""
        if names.keys() != self._parts.keys():
            self._parts = {name: f"component:{name}" for name in sorted(names)}
        return self._parts.items()


def build_image(info: "SoftwareInfo", order: ComponentOrder) -> Image:
    """Build the keyed form of the software image ``info``; all images of one report share one ``order``."""
    alternatives = info.get("alternative_images") or {}
    return {
        "main": _build_parts(info, order),
        "alternatives": {name: _build_alternative(image, order) for name, image in alternatives.items()},
    }


def format_part_version(value: Json) -> str:
    """Format the version of a part, with its name where it has one; its label is kept under it."""
    if isinstance(value, dict):
        name = value.get("name", value.get("pkg"))
        version = str(value.get("version", ""))
        return version if name is None else f"{name} {version}"
    return str(value)


def _build_parts(software: "Software", order: ComponentOrder) -> Parts:
    """Build everything that is installed, by element and id: ``component:Intel-i40en`` and the like."""
    parts: Parts = {}
    add_on = software.get("add_on")
    if add_on is not None:
        parts["add_on"] = {"name": add_on["name"], "version": add_on["version"]}
    parts["base_image"] = software["base_image"]["version"]
    components = software["components"]
    for name, part in order.sort_components(components):
        parts[part] = components[name].get("version") or ""
    for name, component in (software.get("removed_components") or {}).items():
        parts["removed_component:" + name] = component.get("version") or ""
    for name, solution in software["solutions"].items():
        inside: list[Json] = [*sorted({part["component"] for part in solution["components"]})]
        parts["solution:" + name] = {"version": solution["version"], "components": inside}
    support = software.get("hardware_support")
    for name, package in (support["packages"] if support else {}).items():
        parts["hardware_support_package:" + name] = {"pkg": package["pkg"], "version": package["version"]}
    return parts


def _build_alternative(image: "AlternativeImage", order: ComponentOrder) -> Parts:
    return _build_parts(image, order) | {"alternative_image": _build_criteria(image["selection_criteria"])}


def _build_criteria(criteria: "SelectionCriteria") -> Json:
    built: dict[str, Json] = {"selection_type": criteria["selection_type"]}
    uuids, hardware = criteria.get("host_uuids"), criteria.get("host_hardware_spec")
    if uuids is not None:
        built["host_uuids"] = [*sorted(uuids)]
    if hardware is not None:
        built["host_hardware_spec"] = _build_hardware(hardware)
    return built


def _build_hardware(hardware: "HostHardware") -> Json:
    vendor: dict[str, Json] = {"vendor": hardware["vendor"]}
    sets = {
        "models": hardware.get("models"),
        "families": hardware.get("families"),
        "oem_strings": hardware.get("oem_strings"),
    }
    return vendor | {name: [*sorted(values)] for name, values in sets.items() if values}


_DASHED_BASE_IMAGE = re.compile(r"((?:9|[1-9][0-9]+)\.[0-9]+\.[0-9]+)-([0-9]+\.[0-9]+)")


def spell_base_image(version: str) -> str:
    """Spell a base image's version in the one way: ``9.0.1.0101.24957456`` for ``9.0.1-0101.24957456``.

    From 9.0 on one release is found in both spellings (https://knowledge.broadcom.com/external/article/395110);
    before, there always is a dash: ``8.0.3-0.35.24280767``.
    """
    dashed = _DASHED_BASE_IMAGE.fullmatch(version)
    return version if dashed is None else ".".join(dashed.groups())


def spell_base_images(document: "Document") -> None:
    """Spell every base image of a document in the one way; the document itself is changed."""
    for software in _list_software(document):
        software["base_image"]["version"] = spell_base_image(software["base_image"]["version"])


def spell_image(image: Image) -> Image:
    """Spell the base images of an image and its alternatives in the one way, in a new one."""

    def spell(parts: Parts) -> Parts:
        return {**parts, "base_image": spell_base_image(str(parts["base_image"]))}

    alternatives = {name: spell(parts) for name, parts in image["alternatives"].items()}
    return {"main": spell(image["main"]), "alternatives": alternatives}


def count_parts(document: "Document") -> int:
    """Count the components and other parts of all images and alternative images that a document lists."""
    return sum(
        len(software["components"])
        + len(software["solutions"])
        + len(software.get("removed_components") or ())
        + len((software.get("hardware_support") or {"packages": {}})["packages"])
        for software in _list_software(document)
    )


def _list_software(document: "Document") -> "Iterator[Software]":
    categories = document["image_categories"]
    for installed in (
        categories.get("most_widely_used_image"),
        categories.get("highest_versioned_image"),
        *(categories.get("host_image_list") or ()),
    ):
        if installed is not None:
            info = installed["software_info"]
            yield from (info, *(info.get("alternative_images") or {}).values())


class ImageGroup(Struct, frozen=True):
    """Hosts that run the same software, in their natural order."""

    image: Image
    hosts: tuple[str, ...]


def group_hosts_by_image(images: Mapping[str, Image], runs: Mapping[str, str]) -> list[ImageGroup]:
    """Group hosts by the software that they run, the group that the others differ from first.

    That is the largest; of equally large ones the one that offers another as an alternative image, or else
    has the newest release. A host that runs an alternative which that largest group offers is as it should
    be, so it is in no group; what a smaller group offers excuses nobody, or one host could excuse all the
    others. Nor do two images differ by the alternatives that they offer.

    Args:
        images: The images by their digests; there may be more than these hosts run.
        runs: The digest of each host's image, by the host's id.
    """
    used = set(runs.values())
    offering = any(images[digest]["alternatives"] for digest in used)
    # What the hosts themselves run; where nobody offers alternatives, the whole image's digest will do.
    main = {digest: compute_digest(images[digest]["main"]) if offering else digest for digest in used}
    groups: dict[str, _HostCollector] = {}
    for host in sort_naturally(runs):
        group = groups.setdefault(main[runs[host]], _HostCollector())
        group.hosts.append(host)
        group.images[runs[host]] = images[runs[host]]
    ranked = sorted(groups.items(), key=lambda entry: _rank(entry[0], entry[1], groups.keys()), reverse=True)
    excused = ranked[0][1].offered - {ranked[0][0]} if ranked else set()
    return [group.group for digest, group in ranked if digest not in excused]


class _HostCollector(Struct):
    """Hosts with the same main parts, and their images by digest: they may offer different alternatives."""

    hosts: list[str] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        return next(iter(self.images.values()))

    @property
    def group(self) -> ImageGroup:
        return ImageGroup(self.image, tuple(self.hosts))

    @property
    def offered(self) -> set[str]:
        return {
            compute_digest({part: value for part, value in parts.items() if part != "alternative_image"})
            for image in self.images.values()
            for parts in image["alternatives"].values()
        }


def _rank(digest: str, group: _HostCollector, digests: AbstractSet[str]) -> tuple[object, ...]:
    offers = not group.offered.isdisjoint(digests - {digest})
    return len(group.hosts), offers, make_natural_key(str(group.image["main"]["base_image"])), digest


def describe_difference(first: Image, other: Image) -> str:
    """Describe in what ``first`` and ``other`` differ.

    One part is named, ``component Intel-i40en``; several, or none, are counted: ``3 parts``.
    """
    parts = list_differing_parts(first, other)
    return format_part(parts[0]) if len(parts) == 1 else format_count(len(parts), "part")


def list_differing_parts(first: Image, other: Image) -> list[str]:
    """List the parts in which ``first`` and ``other`` differ, without the alternatives that they offer."""
    left = first["main"]
    right = other["main"]
    return sort_naturally(part for part in left.keys() | right.keys() if left.get(part) != right.get(part))


def format_part(part: str) -> str:
    """Format a part as a person reads it: ``component Intel-i40en``, ``add-on``."""
    element, _, name = part.partition(":")
    return clean_text(f"{name_element(element)} {name}".strip())
