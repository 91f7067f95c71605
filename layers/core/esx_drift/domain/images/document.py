"""The document's JSON, as types: what ``GET /api/esx/settings/clusters/{cluster}/installed-images`` answers.

Field by field as the official OpenAPI 9.1 and the bindings 8.0.3 to 9.1 have it. Whatever is not required may
be absent or null, which mean the same. ``schemas/installed-images.schema.json`` says it with bounds.
"""

from typing import TYPE_CHECKING, NotRequired, TypedDict

from esx_drift.domain.text.wording import clean_text

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Json


class Message(TypedDict):
    """LocalizableMessage, as far as it is read."""

    id: str
    default_message: str
    args: list[str]
    localized: NotRequired[str | None]


class Notification(TypedDict):
    """One notification."""

    id: str
    time: str
    message: Message
    type: NotRequired[str | None]
    resolution: NotRequired[Message | None]
    originator: NotRequired[str | None]
    retriable: NotRequired[bool | None]


class Notifications(TypedDict):
    """Notifications by level."""

    info: NotRequired[list[Notification] | None]
    warnings: NotRequired[list[Notification] | None]
    errors: NotRequired[list[Notification] | None]


class BaseImage(TypedDict):
    """An ESXi release; ``details`` only where the depot has it, here and below."""

    version: str
    details: NotRequired[dict[str, str | dict[str, str] | None] | None]


class AddOn(TypedDict):
    """A vendor's add-on."""

    name: str
    version: str
    details: NotRequired[dict[str, str] | None]


class Component(TypedDict):
    """A component; without a version where none is specified, or it was removed."""

    version: NotRequired[str | None]
    details: NotRequired[dict[str, str | None] | None]


class SolutionComponent(TypedDict):
    """Names one component of a solution."""

    component: str


class SolutionComponentDetails(TypedDict):
    """What the depot knows of one component of a solution."""

    component: str
    display_name: str
    vendor: str
    display_version: NotRequired[str | None]


class SolutionDetails(TypedDict):
    """What the depot knows of a solution."""

    display_name: str
    display_version: str
    components: list[SolutionComponentDetails]


class Solution(TypedDict):
    """What a VMware product put on the hosts."""

    version: str
    components: list[SolutionComponent]
    details: NotRequired[SolutionDetails | None]


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
    models: NotRequired[list[str] | None]
    families: NotRequired[list[str] | None]
    oem_strings: NotRequired[list[str] | None]


class SelectionCriteria(TypedDict):
    """Which hosts an alternative image is for."""

    selection_type: str
    host_uuids: NotRequired[list[str] | None]
    host_hardware_spec: NotRequired[HostHardware | None]


class Software(TypedDict):
    """What the image of a cluster and an alternative image have in common."""

    base_image: BaseImage
    components: dict[str, Component]
    solutions: dict[str, Solution]
    add_on: NotRequired[AddOn | None]
    hardware_support: NotRequired[HardwareSupport | None]
    removed_components: NotRequired[dict[str, Component] | None]


class AlternativeImage(Software):
    """Another image for some of the cluster's hosts (vSphere 9.0)."""

    display_name: str
    selection_criteria: SelectionCriteria


class SoftwareInfo(Software):
    """A whole software image."""

    alternative_images: NotRequired[dict[str, AlternativeImage] | None]


class InstalledImage(TypedDict):
    """An image and the hosts that run it."""

    software_info: SoftwareInfo
    host_list: list[str]


class ImageCategories(TypedDict):
    """The three places of images. They only categorise: the same image may move between them."""

    is_highest_and_widely_used_image_equal: NotRequired[bool | None]
    most_widely_used_image: NotRequired[InstalledImage | None]
    highest_versioned_image: NotRequired[InstalledImage | None]
    host_image_list: NotRequired[list[InstalledImage] | None]


class HostInfo(TypedDict):
    """A host's name; ``is_vsan_witness`` only on witnesses."""

    name: str
    is_vsan_witness: NotRequired[bool | None]


class Document(TypedDict):
    """The whole report."""

    completion_time: str
    uniform_image: bool
    status: str
    successful_hosts: list[str]
    failed_hosts: list[str]
    unsupported_hosts: list[str]
    image_categories: ImageCategories
    host_notifications: dict[str, Notifications]
    host_info: dict[str, HostInfo]
    orphaned_vibs: dict[str, list[str]]
    notifications: dict[str, Notifications]


MAX_TEXT_CHARACTERS = 300


MAX_MESSAGES = 10


def summarize_messages(notifications: "Notifications | None") -> "list[Json]":
    """Summarize the ten worst messages with what tells them apart; a text has one line of 300 characters."""
    messages: list[Json] = []
    for level, listed in _group_by_level(notifications):
        messages += [_summarize(level, entry) for entry in listed[: MAX_MESSAGES - len(messages)]]
    return messages


def list_error_texts(notifications: "Notifications | None") -> list[str]:
    """List the texts of the errors, cut like those of ``summarize_messages``."""
    return [_clean_message(error["message"]) for error in (notifications or {}).get("errors") or ()]


def quote_first(texts: list[str]) -> str:
    """Quote the first text, to end a sentence: ``: "…"``; an empty text where there is none."""
    return f': "{texts[0]}"' if texts else ""


def _group_by_level(notifications: "Notifications | None") -> "list[tuple[str, list[Notification]]]":
    lists = notifications or {}
    levels = ("error", lists.get("errors")), ("warning", lists.get("warnings")), ("info", lists.get("info"))
    return [(level, listed or []) for level, listed in levels]


def _summarize(level: str, notification: "Notification") -> "Json":
    resolution = notification.get("resolution")
    facts: dict[str, Json] = {
        "type": notification.get("type"),
        "resolution": _build_text(resolution) if resolution else None,
        "originator": notification.get("originator"),
        "retriable": notification.get("retriable"),
    }
    summary: dict[str, Json] = {"level": level, **_build_text(notification["message"])}
    return summary | {name: value for name, value in facts.items() if value is not None}


def _build_text(message: "Message") -> "dict[str, Json]":
    return {"id": message["id"], "text": _clean_message(message)}


def _clean_message(message: "Message") -> str:
    return clean_text(message.get("localized") or message["default_message"], MAX_TEXT_CHARACTERS)
