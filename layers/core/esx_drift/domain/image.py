"""One software image in its keyed form: flat maps, no order, what is only descriptive apart."""

from typing import TYPE_CHECKING, cast

from esx_drift.domain.names import canonical_json, digest_of
from esx_drift.domain.shapes import Image, Json, Parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esx_drift.domain.document import (
        AlternativeImage,
        Component,
        HostHardware,
        SelectionCriteria,
        Software,
        SoftwareInfo,
        SolutionDetails,
    )

VOLATILE = frozenset(
    {
        "installed_image_info.completion_time",  # when the vCenter looked; freshness is judged by it
        "notification.id",
        "notification.time",
        "message.args",  # the message's text holds them already
        "message.params",  # same
    }
)
"""Fields, as ``<structure of the schema>.<field>``, that differ between two looks at the same cluster.

So does the order of everything that is a set, and the place in ``image_categories`` where an image is.
"""

DESCRIPTIVE = frozenset(
    {
        "base_image.details",
        "add_on.details",
        "components.details",
        "solutions.details",
        "alternative_image.display_name",
        "host_info.name",
    }
)
"""Fields that only describe: compared, but a difference is never more than ``relabelled``."""


def image_of(info: "SoftwareInfo") -> Image:
    """The keyed form of a software image."""
    alternatives = info.get("alternative_images") or {}
    return {
        "software": {
            "main": _parts(info),
            "alternatives": {name: _alternative(image) for name, image in alternatives.items()},
        },
        "labels": {
            "main": _labels(info),
            "alternatives": {name: _alternative_labels(image) for name, image in alternatives.items()},
        },
    }


def image_digest(image: Image) -> str:
    """What makes two images the same: their software, whatever the labels say."""
    return digest_of(image["software"])


def _parts(software: "Software") -> Parts:
    """Everything that is installed, by element and id: ``component:Intel-i40en`` and the like."""
    parts: Parts = {"base_image": software["base_image"]["version"]}
    add_on = software.get("add_on")
    if add_on is not None:
        parts["add_on"] = {"name": add_on["name"], "version": add_on["version"]}
    for name, component in software["components"].items():
        parts["component:" + name] = component.get("version") or ""
    for name, component in (software.get("removed_components") or {}).items():
        parts["removed_component:" + name] = component.get("version") or ""
    for name, solution in software["solutions"].items():
        components: list[Json] = [*sorted({part["component"] for part in solution["components"]})]
        parts["solution:" + name] = {"version": solution["version"], "components": components}
    support = software.get("hardware_support")
    for name, package in (support["packages"] if support else {}).items():
        parts["hardware_support_package:" + name] = {"pkg": package["pkg"], "version": package["version"]}
    return parts


def _labels(software: "Software") -> Parts:
    """The descriptive rest, under the same keys; only where there is any."""
    base, add_on = software["base_image"].get("details"), software.get("add_on")
    labels: Parts = {}
    if base:
        labels["base_image"] = _present(base)
    if add_on and (details := add_on.get("details")):
        labels["add_on"] = _present(details)
    _label_components(labels, "component:", software["components"])
    _label_components(labels, "removed_component:", software.get("removed_components") or {})
    for name, solution in software["solutions"].items():
        if described := solution.get("details"):
            labels["solution:" + name] = _solution_labels(described)
    return labels


def _label_components(labels: Parts, prefix: str, components: "Mapping[str, Component]") -> None:
    for name, component in components.items():
        details = component.get("details")
        if details:
            labels[prefix + name] = _present(details)


def _solution_labels(details: "SolutionDetails") -> Json:
    components: list[Json] = [_present(part) for part in details["components"]]
    return {
        "display_name": details["display_name"],
        "display_version": details["display_version"],
        "components": sorted(components, key=canonical_json),
    }


def _alternative(image: "AlternativeImage") -> Parts:
    return _parts(image) | {"alternative_image": _criteria(image["selection_criteria"])}


def _alternative_labels(image: "AlternativeImage") -> Parts:
    return _labels(image) | {"alternative_image": {"display_name": image["display_name"]}}


def _criteria(criteria: "SelectionCriteria") -> Json:
    found: dict[str, Json] = {"selection_type": criteria["selection_type"]}
    uuids, hardware = criteria.get("host_uuids"), criteria.get("host_hardware_spec")
    if uuids is not None:
        found["host_uuids"] = [*sorted(uuids)]
    if hardware is not None:
        found["host_hardware_spec"] = _hardware(hardware)
    return found


def _hardware(hardware: "HostHardware") -> Json:
    found: dict[str, Json] = {"vendor": hardware["vendor"]}
    sets = {
        "models": hardware.get("models"),
        "families": hardware.get("families"),
        "oem_strings": hardware.get("oem_strings"),
    }
    return found | {name: [*sorted(values)] for name, values in sets.items() if values}


def _present(details: "Mapping[str, object]") -> Json:
    """The details without what is null, which is the same as absent."""
    if None in details.values():
        return cast("Json", {name: value for name, value in details.items() if value is not None})
    return cast("Json", details)
