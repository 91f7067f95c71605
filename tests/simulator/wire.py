"""The JSON of the vCenter's REST API, field by field; `NotRequired` is what the API may leave out.

This and `wire_software.py` are the only places that say so: `specification.py` holds what is served to them.

Source: the official bindings and OpenAPI of vSphere 8.0.3 to 9.1 (`com.vmware.esx.settings`).
"""

import re
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from tests.simulator.wire_software import Name, Software, Time

type ReportStatus = Literal[
    "UNAVAILABLE", "ELIGIBILITY_CHECK_FAILURE", "EXTRACT_INSTALLED_IMAGE_FAILURE", "SUCCESS"
]
type TaskStatus = Literal["PENDING", "RUNNING", "BLOCKED", "SUCCEEDED", "FAILED"]
type Level = Literal["INFO", "WARNING", "ERROR"]
type HostId = Annotated[str, re.compile(r"host-\d+")]
type HostSet = Annotated[list[HostId], "distinct"]
type Vib = Annotated[str, re.compile(r".+\(.+\)")]
type Operation = Annotated[str, re.compile("ELIGIBILITY_CHECK|EXTRACT_INSTALLED_IMAGE")]


class Message(TypedDict):
    """LocalizableMessage; `localized` is there in practice in what Lifecycle Manager says."""

    id: str
    default_message: str
    args: list[str]
    localized: NotRequired[str]
    params: NotRequired[dict[Name, dict[str, Any]]]


class Notification(TypedDict):
    """One notification; `retriable` only with type ERROR."""

    id: str
    time: Time
    message: Message
    type: NotRequired[Level]
    resolution: NotRequired[Message]
    originator: NotRequired[str]
    retriable: NotRequired[bool]


class Notifications(TypedDict):
    """Notifications by level; each list only where there is one."""

    info: NotRequired[list[Notification]]
    warnings: NotRequired[list[Notification]]
    errors: NotRequired[list[Notification]]


class InstalledImage(TypedDict):
    """An image and the hosts that run it."""

    software_info: Software
    host_list: HostSet


class ImageCategories(TypedDict):
    """The three places where a report puts its images."""

    is_highest_and_widely_used_image_equal: bool
    most_widely_used_image: NotRequired[InstalledImage]
    highest_versioned_image: NotRequired[InstalledImage]
    host_image_list: NotRequired[list[InstalledImage]]


class HostInfo(TypedDict):
    """A host's name; `is_vsan_witness` only on witnesses."""

    name: str
    is_vsan_witness: NotRequired[bool]


class Report(TypedDict):
    """InstalledImageInfo: the body of GET …/installed-images."""

    completion_time: Time
    uniform_image: bool
    status: ReportStatus
    successful_hosts: HostSet
    failed_hosts: HostSet
    unsupported_hosts: HostSet
    image_categories: ImageCategories
    host_notifications: dict[HostId, Notifications]
    host_info: dict[HostId, HostInfo]
    orphaned_vibs: dict[Vib, HostSet]
    notifications: dict[Operation, Notifications]
