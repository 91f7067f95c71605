"""Reports that no healthy vCenter sends: each edit takes a report's JSON and gives it back spoilt."""

from collections.abc import Callable
from typing import Any

from tests.simulator.legacy import maps_as_lists

type Document = dict[str, Any]


def without_required(document: Document) -> Document:
    """A required field is missing."""
    return {key: value for key, value in document.items() if key != "image_categories"}


def wrong_type(document: Document) -> Document:
    """A list is a string."""
    return document | {"successful_hosts": ",".join(document["successful_hosts"])}


def legacy_maps(document: Document) -> Document:
    """The /rest rendering: {"value": …} with maps as lists."""
    return {"value": maps_as_lists(document)}


def unknown_status(document: Document) -> Document:
    """A status that a later vCenter may know: enumerations are open."""
    return document | {"status": "PARTIAL_SUCCESS"}


def host_in_no_image(document: Document) -> Document:
    """A successful host is in no image."""
    host = min(document["successful_hosts"])
    for image in _images(document):
        image["host_list"] = [other for other in image["host_list"] if other != host]
    return document


def host_in_two_images(document: Document) -> Document:
    """A successful host is in two different images."""
    host = min(document["successful_hosts"])
    other = {"base_image": {"version": "8.0.2-0.0.22380479"}, "components": {}, "solutions": {}}
    image = {"software_info": other, "host_list": [host]}
    document["image_categories"].setdefault("host_image_list", []).append(image)
    return document


def uniform_with_two_images(document: Document) -> Document:
    """`uniform_image` is set although two images are listed."""
    return host_in_two_images(document) | {"uniform_image": True}


def from_the_future(document: Document) -> Document:
    """A completion time far ahead of the vCenter's own Date."""
    return document | {"completion_time": "2099-01-01T00:00:00.000Z"}


def nulls_for_absent(document: Document) -> Document:
    """Optional fields are null where they could be absent: legal."""
    for image in _images(document):
        image["software_info"].setdefault("add_on", None)
        image["software_info"].setdefault("hardware_support", None)
    document["image_categories"].setdefault("host_image_list", None)
    return document


def unknown_fields(document: Document) -> Document:
    """Fields that a later vCenter may add."""
    document["image_categories"]["added_in_10"] = {"a": [1]}
    return document | {"added_in_10": "yes"}


def retriable_without_type(document: Document) -> Document:
    """Each notification of a host says `retriable`, and none its `type`: the API's rules forbid that."""
    for levels in document["host_notifications"].values():
        for notification in (one for listed in levels.values() for one in listed):
            notification["retriable"] = True
    return document


DOCUMENT_EDITS: dict[str, Callable[[Document], Document]] = {
    edit.__name__: edit
    for edit in (
        without_required,
        wrong_type,
        legacy_maps,
        unknown_status,
        host_in_no_image,
        host_in_two_images,
        uniform_with_two_images,
        from_the_future,
        nulls_for_absent,
        unknown_fields,
        retriable_without_type,
    )
}


def _images(document: Document) -> list[Document]:
    categories = document["image_categories"]
    named = [categories.get("most_widely_used_image"), categories.get("highest_versioned_image")]
    return [image for image in [*named, *(categories.get("host_image_list") or [])] if image]
