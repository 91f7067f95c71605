"""The JSON of the vCenter's REST API, field by field; `NotRequired` is what the API may leave out.

Source: the official bindings and OpenAPI of vSphere 8.0.3 to 9.1 (`com.vmware.esx.settings`).
"""

from typing import Literal, NotRequired, TypedDict

from tests.simulator.wire_software import Software

type ReportStatus = Literal[
    "UNAVAILABLE", "ELIGIBILITY_CHECK_FAILURE", "EXTRACT_INSTALLED_IMAGE_FAILURE", "SUCCESS"
]
type TaskStatus = Literal["PENDING", "RUNNING", "BLOCKED", "SUCCEEDED", "FAILED"]
type Level = Literal["INFO", "WARNING", "ERROR"]


class Message(TypedDict):
    """LocalizableMessage; `localized` is there in practice in what Lifecycle Manager says."""

    id: str
    default_message: str
    args: list[str]
    localized: NotRequired[str]


class Notification(TypedDict):
    """One notification; `retriable` only with type ERROR."""

    id: str
    time: str
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
    host_list: list[str]


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

    completion_time: str
    uniform_image: bool
    status: ReportStatus
    successful_hosts: list[str]
    failed_hosts: list[str]
    unsupported_hosts: list[str]
    image_categories: ImageCategories
    host_notifications: dict[str, Notifications]
    host_info: dict[str, HostInfo]
    orphaned_vibs: dict[str, list[str]]
    notifications: dict[str, Notifications]
