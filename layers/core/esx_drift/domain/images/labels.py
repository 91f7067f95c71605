"""What only describes the parts of images, kept once for all images of a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from esx_drift.domain.images.image import version_of
from esx_drift.domain.names import canonical_json
from esx_drift.domain.shapes import Image, Json, Labels

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Software, SoftwareInfo, SolutionDetails


_ONLY_ONE = ("base_image", "add_on")
_DESCRIBED = (*_ONLY_ONE, "component", "removed_component", "solution", "alternative_image")

type _Table = dict[str, dict[str, list[Json]]]
"""The labels of one kind of part, by its id and version."""


def labels_of(infos: "Iterable[SoftwareInfo]") -> Labels:
    """The labels of all these images."""
    tables: dict[str, _Table] = {element: {} for element in _DESCRIBED}
    for info in infos:
        _add(tables, info)
        for name, image in (info.get("alternative_images") or {}).items():
            _add(tables, image)
            _keep(tables["alternative_image"], name, "", {"display_name": image["display_name"]})
    # Prefixed only now: the loop over the components of all images is faster with their bare names.
    return {
        f"{element}:{name}" if element not in _ONLY_ONE else element: versions
        for element, table in tables.items()
        for name, versions in table.items()
    }


def add_known(labels: Labels, images: Iterable[Image], known: Labels) -> None:
    """Add what ``known`` says of parts of images that nobody describes any more."""
    for part, version in (found for image in images for found in _described(image)):
        if part in known and version in known[part] and version not in labels.get(part, {}):
            labels.setdefault(part, {})[version] = known[part][version]


def _described(image: Image) -> Iterator[tuple[str, str]]:
    for scope in (image["main"], *image["alternatives"].values()):
        yield from ((part, version_of(value)) for part, value in scope.items())
    yield from ((f"alternative_image:{name}", "") for name in image["alternatives"])


def release_of(image: Image, labels: Labels) -> str:
    """What people call the image's ESXi: ``ESXi 8.0 U3e``, or the version if the depot does not know it."""
    version = str(image["main"]["base_image"])
    variants = labels.get("base_image", {}).get(version)
    if not variants:
        return f"ESXi {version}"
    label = cast("dict[str, Json]", variants[0])
    # The display version ends in the build: "8.0 U3e - 24674464".
    return f"{label['display_name']} {str(label['display_version']).rpartition(' - ')[0] or version}"


def _add(tables: dict[str, _Table], software: "Software") -> None:
    base, add_on = software["base_image"], software.get("add_on")
    _keep(tables["base_image"], "", base["version"], base.get("details"))
    if add_on:
        _keep(tables["add_on"], "", f"{add_on['name']} {add_on['version']}", add_on.get("details"))
    components = tables["component"]
    for name, component in software["components"].items():
        version, details = component.get("version") or "", component.get("details")
        # Nearly all are as in the image before: in the longest loop of all, that is seen first.
        if name not in components or details not in components[name].get(version, ()):
            _keep(components, name, version, details)
    for name, component in (software.get("removed_components") or {}).items():
        _keep(tables["removed_component"], name, component.get("version") or "", component.get("details"))
    for name, solution in software["solutions"].items():
        described = solution.get("details")
        _keep(tables["solution"], name, solution["version"], _sorted(described) if described else None)


def _keep(table: _Table, name: str, version: str, details: "Mapping[str, object] | None") -> None:
    if not details:
        return
    label = cast("Json", details)
    if None in details.values():
        label = cast("Json", {field: value for field, value in details.items() if value is not None})
    variants = table.setdefault(name, {}).setdefault(version, [])
    if not variants:
        variants.append(label)
    elif label not in variants:
        variants[:] = sorted([*variants, label], key=canonical_json)


def _sorted(details: "SolutionDetails") -> "Mapping[str, object]":
    return {**details, "components": sorted(details["components"], key=canonical_json)}
