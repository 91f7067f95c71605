"""What only describes the parts of images, kept once for all images of a cluster."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from esx_drift.domain.image import version_of
from esx_drift.domain.names import canonical_json
from esx_drift.domain.shapes import Image, Json, Labels

if TYPE_CHECKING:
    from esx_drift.domain.document import Component, Software, SoftwareInfo, SolutionDetails


def labels_of(infos: "Iterable[SoftwareInfo]") -> Labels:
    """The labels of all these images."""
    labels: Labels = {}
    for info in infos:
        _add(labels, info)
        for name, image in (info.get("alternative_images") or {}).items():
            _add(labels, image)
            _keep(labels, f"alternative_image:{name}", "", {"display_name": image["display_name"]})
    return labels


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


def _add(labels: Labels, software: "Software") -> None:
    base, add_on = software["base_image"], software.get("add_on")
    _keep(labels, "base_image", base["version"], base.get("details"))
    if add_on:
        _keep(labels, "add_on", f"{add_on['name']} {add_on['version']}", add_on.get("details"))
    _add_components(labels, "component:", software["components"])
    _add_components(labels, "removed_component:", software.get("removed_components") or {})
    for name, solution in software["solutions"].items():
        details = solution.get("details")
        _keep(labels, "solution:" + name, solution["version"], _sorted(details) if details else None)


def _add_components(labels: Labels, prefix: str, components: "Mapping[str, Component]") -> None:
    """The loop that matters: 120 components of each image, nearly all of them described before."""
    for name, component in components.items():
        details = component.get("details")
        if details:
            part, version = prefix + name, component.get("version") or ""
            known = labels.get(part)
            if known is None:
                known = labels[part] = {}
            if version not in known and None not in details.values():
                known[version] = [cast("Json", details)]
            elif version not in known or known[version][0] != details:
                _keep(labels, part, version, details)


def _keep(labels: Labels, part: str, version: str, details: "Mapping[str, object] | None") -> None:
    if not details:
        return
    label = cast("Json", {name: value for name, value in details.items() if value is not None})
    variants = labels.setdefault(part, {}).setdefault(version, [])
    if label not in variants:
        variants.append(label)
        variants.sort(key=canonical_json)


def _sorted(details: "SolutionDetails") -> "Mapping[str, object]":
    return {**details, "components": sorted(details["components"], key=canonical_json)}
