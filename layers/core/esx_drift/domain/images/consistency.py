"""Whether a document keeps the rules that its own API states."""

from collections.abc import Iterator
from typing import cast

from esx_drift.domain.images.document import Document, ImageCategories, InstalledImage
from esx_drift.domain.images.image import ComponentOrder, build_image
from esx_drift.domain.images.image_groups import group_hosts_by_image
from esx_drift.domain.images.report import Report
from esx_drift.domain.images.vcenter_notifications import list_error_texts, quote_first
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text

_ELIGIBILITY = "ELIGIBILITY_CHECK"


def list_report_inconsistencies(report: Report) -> list[str]:
    """What contradicts itself in the report, a sentence each, hosts by their names."""
    return [*_about_strangers(report), *_about_hosts(report), *_about_images(report), *_about_status(report)]


def list_document_inconsistencies(document: Document) -> list[str]:
    """The same of what only the document itself shows: reading it into a report leaves nothing of that."""
    return [*_about_vibs(document), *_about_places(document["image_categories"])]


def _about_hosts(report: Report) -> Iterator[str]:
    lists = (report.successful_hosts, report.failed_hosts, report.unsupported_hosts)
    for host in sort_naturally(report.names.keys() | report.found_on.keys()):
        name = clean_text(report.names.get(host, host))
        if sum(host in several for several in lists) > 1:
            yield f"{name} is in more than one of the lists of hosts"
        if len(report.found_on.get(host, ())) > 1:
            yield f"{name} is listed under more than one image"
        if host in report.successful_hosts and host not in report.found_on:
            yield f"{name} was read, but is listed under no image"
        if host in report.found_on and host not in report.successful_hosts:
            yield f"{name} is listed under an image, but was not read"


def _about_strangers(report: Report) -> Iterator[str]:
    """What is said of hosts that are in no list and have no name, though the inventory may know them."""
    for host in sort_naturally(report.orphaned_vibs.keys() - report.names.keys()):
        for vib in report.orphaned_vibs[host]:
            where = f"{clean_text(host)}, which is in none of the lists of hosts"
            yield f"{clean_text(vib)} is orphaned on {where}"
    for host in sort_naturally(report.host_notifications.keys() - report.names.keys()):
        errors = list_error_texts(report.host_notifications[host])
        if errors:
            what = f"has an error, but is in none of the lists of hosts{quote_first(errors)}"
            yield f"{clean_text(host)} {what}"


def _about_vibs(document: Document) -> Iterator[str]:
    for vib in sort_naturally(vib for vib, hosts in document["orphaned_vibs"].items() if not hosts):
        yield f"{clean_text(vib)} is called orphaned, but on no host"


def _about_places(categories: ImageCategories) -> Iterator[str]:
    """The list of images is for those that are neither of the two named ones."""
    names = {"most widely used": "most_widely_used_image", "highest versioned": "highest_versioned_image"}
    others = categories.get("host_image_list") or ()
    listed = {_digest(installed) for installed in others}
    for name, place in names.items() if listed else ():
        named = cast("InstalledImage | None", categories.get(place))
        if named is not None and _digest(named) in listed:
            yield f"the {name} image is listed again among the other images"


def _digest(installed: InstalledImage) -> str:
    return compute_digest(build_image(installed["software_info"], ComponentOrder()))


def _about_images(report: Report) -> Iterator[str]:
    both_named = len(report.named_images) > 1
    same = len(set(report.named_images)) == 1
    if report.highest_is_most_used is True and both_named and not same:
        yield "the most widely used and the highest versioned image are called equal, but differ"
    if report.highest_is_most_used is False and both_named and same:
        yield "the most widely used and the highest versioned image are called different, but are equal"
    ordinary = {host: image for host, image in report.runs.items() if host not in report.witnesses}
    if report.uniform_image and len(group_hosts_by_image(report.images, ordinary)) > 1:
        yield "the image is called uniform, but hosts run different images"
    if report.uniform_image and len(report.named_images) < len(("most widely used", "highest versioned")):
        yield "the image is called uniform, but the most widely used or the highest versioned one is missing"
    if report.uniform_image and report.highest_is_most_used is False:
        yield "the image is called uniform, but the most widely used is not the highest versioned one"
    if not report.uniform_image and _all_run_one(report):
        yield "the image is called not uniform, but all hosts run the same one"


def _all_run_one(report: Report) -> bool:
    """Every host that was reported on was read, and runs one image that has no alternative."""
    images = set(report.runs.values())
    everyone = report.names.keys() == report.runs.keys() == report.found_on.keys()
    return everyone and len(images) == 1 and not report.images[images.pop()]["alternatives"]


def _about_status(report: Report) -> Iterator[str]:
    """What the API's page promises of the operations' notifications."""
    if report.status == "SUCCESS":
        for operation, told in sorted(report.notifications.items()):
            errors = list_error_texts(told)
            if errors:
                what = _REPORTS.get(operation, f"{clean_text(operation)} reports")
                yield f"the extraction is called successful, but {what} an error{quote_first(errors)}"
    if report.status == "ELIGIBILITY_CHECK_FAILURE" and not list_error_texts(
        report.notifications.get(_ELIGIBILITY)
    ):
        yield "the eligibility check is called failed, but reports no error"


_REPORTS = {_ELIGIBILITY: "the eligibility check reports", "EXTRACT_INSTALLED_IMAGE": "reports"}
