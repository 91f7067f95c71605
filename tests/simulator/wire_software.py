"""The JSON of software as the vCenter's REST API tells it: SoftwareInfo and all that it holds."""

from typing import Literal, NotRequired, TypedDict


class BaseImageDetails(TypedDict):
    """What the depot knows of a base image."""

    display_name: str
    display_version: str
    release_date: str
    quick_patch_compatible_versions: NotRequired[dict[str, str]]


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

    packages: dict[str, HardwareSupportPackage]


class HostHardware(TypedDict):
    """Which hardware an alternative image is for."""

    vendor: str
    models: NotRequired[list[str]]
    families: NotRequired[list[str]]
    oem_strings: NotRequired[list[str]]


class ImageSelection(TypedDict):
    """Which hosts an alternative image is for: a union on `selection_type`."""

    selection_type: Literal["HOST_UUID", "HOST_HARDWARE_SPEC", "UNKNOWN"]
    host_uuids: NotRequired[list[str]]
    host_hardware_spec: NotRequired[HostHardware]


class AlternativeImage(TypedDict):
    """Another image for some hosts of the cluster (vSphere 9.0)."""

    base_image: BaseImage
    components: dict[str, Component]
    solutions: dict[str, Solution]
    display_name: str
    selection_criteria: ImageSelection
    add_on: NotRequired[AddOn]
    hardware_support: NotRequired[HardwareSupport]
    removed_components: NotRequired[dict[str, Component]]


class Software(TypedDict):
    """SoftwareInfo: an image, here also what one host runs."""

    base_image: BaseImage
    components: dict[str, Component]
    solutions: dict[str, Solution]
    add_on: NotRequired[AddOn]
    hardware_support: NotRequired[HardwareSupport]
    removed_components: NotRequired[dict[str, Component]]
    alternative_images: NotRequired[dict[str, AlternativeImage]]
