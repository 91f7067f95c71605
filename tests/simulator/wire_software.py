"""The JSON of software as the vCenter's REST API tells it: SoftwareInfo and all that it holds.

A type may say what its values look like: a pattern that texts and keys match, "distinct" for a list without
duplicates. `specification.py` holds what is served to it.
"""

import re
from typing import Annotated, Literal, NotRequired, TypedDict

type Name = Annotated[str, re.compile(r".+")]
type Time = Annotated[str, re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")]
type TextSet = Annotated[list[str], "distinct"]


class BaseImageDetails(TypedDict):
    """What the depot knows of a base image."""

    display_name: str
    display_version: str
    release_date: Time
    quick_patch_compatible_versions: NotRequired[dict[Name, str]]


class BaseImage(TypedDict):
    """An ESXi release."""

    version: str
    details: NotRequired[BaseImageDetails]


class AddOnDetails(TypedDict):
    """What the depot knows of an add-on."""

    display_name: str
    vendor: str
    display_version: str


class AddOn(TypedDict):
    """A vendor's add-on."""

    name: str
    version: str
    details: NotRequired[AddOnDetails]


class ComponentDetails(TypedDict):
    """What the depot knows of a component."""

    display_name: str
    vendor: str
    display_version: NotRequired[str]


class Component(TypedDict):
    """A component; without version when none is specified or it was removed."""

    version: NotRequired[str]
    details: NotRequired[ComponentDetails]


class SolutionComponent(TypedDict):
    """Names one component of a solution."""

    component: str


class SolutionComponentDetails(TypedDict):
    """What the depot knows of a solution's component."""

    component: str
    display_name: str
    vendor: str
    display_version: NotRequired[str]


class SolutionDetails(TypedDict):
    """What the depot knows of a solution."""

    display_name: str
    display_version: str
    components: list[SolutionComponentDetails]


class Solution(TypedDict):
    """A solution that a VMware product put on the hosts."""

    version: str
    components: list[SolutionComponent]
    details: NotRequired[SolutionDetails]


class HardwareSupportPackage(TypedDict):
    """One package of a hardware support manager."""

    pkg: str
    version: str


class HardwareSupport(TypedDict):
    """Packages by the id of their hardware support manager."""

    packages: dict[Name, HardwareSupportPackage]


class HostHardware(TypedDict):
    """Which hardware an alternative image is for."""

    vendor: str
    models: NotRequired[TextSet]
    families: NotRequired[TextSet]
    oem_strings: NotRequired[TextSet]


class ImageSelection(TypedDict):
    """Which hosts an alternative image is for: a union on `selection_type`."""

    selection_type: Literal["HOST_UUID", "HOST_HARDWARE_SPEC", "UNKNOWN"]
    host_uuids: NotRequired[TextSet]
    host_hardware_spec: NotRequired[HostHardware]


class Image(TypedDict):
    """What a cluster's image and an alternative image have in common."""

    base_image: BaseImage
    components: dict[Name, Component]
    solutions: dict[Name, Solution]
    add_on: NotRequired[AddOn]
    hardware_support: NotRequired[HardwareSupport]
    removed_components: NotRequired[dict[Name, Component]]


class AlternativeImage(Image):
    """Another image for some hosts of the cluster (vSphere 9.0)."""

    display_name: str
    selection_criteria: ImageSelection


class Software(Image):
    """SoftwareInfo: an image, here also what one host runs."""

    alternative_images: NotRequired[dict[Name, AlternativeImage]]
