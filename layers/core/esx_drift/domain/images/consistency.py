"""Whether a document contradicts itself, or the rules that its API states."""

from collections.abc import Iterator
from typing import cast

from esx_drift.domain.images.document import (
    Document,
    ImageCategories,
    InstalledImage,
    list_error_texts,
    quote_first,
)
from esx_drift.domain.images.image import ComponentOrder, build_image, group_hosts_by_image
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text

_ELIGIBILITY = "ELIGIBILITY_CHECK"


def list_report_inconsistencies(report: Report) -> list[str]:
    """List what contradicts itself in a report, a sentence each, with hosts by their names."""
    return [
        *_check_unlisted_hosts(report),
        *_check_hosts(report),
        *_check_images(report),
        *_check_status(report),
    ]


def list_document_inconsistencies(document: Document) -> list[str]:
    """List what contradicts itself in a document and can't be seen in the report that is read from it."""
    return [*_check_vibs(document), *_check_categories(document["image_categories"])]


def _check_hosts(report: Report) -> Iterator[str]:
    lists = (report.successful_hosts, report.failed_hosts, report.unsupported_hosts)
    for host in sort_naturally(report.names.keys() | report.found_on.keys()):
        name = clean_text(report.names.get(host, host))
        if sum(host in listed for listed in lists) > 1:
            yield f"{name} is in more than one of the lists of hosts"
        if len(report.found_on.get(host, ())) > 1:
            yield f"{name} is listed under more than one image"
        if host in report.successful_hosts and host not in report.found_on:
            yield f"{name} was read, but is listed under no image"
        if host in report.found_on and host not in report.successful_hosts:
            yield f"{name} is listed under an image, but was not read"


def _check_unlisted_hosts(report: Report) -> Iterator[str]:
    """Check what is reported of hosts that are in no list; the inventory may have them all the same."""
    for host in sort_naturally(report.orphaned_vibs.keys() - report.names.keys()):
        for vib in report.orphaned_vibs[host]:
            where = f"{clean_text(host)}, which is in none of the lists of hosts"
            yield f"{clean_text(vib)} is orphaned on {where}"
    for host in sort_naturally(report.host_notifications.keys() - report.names.keys()):
        errors = list_error_texts(report.host_notifications[host])
        if errors:
            what = f"has an error, but is in none of the lists of hosts{quote_first(errors)}"
            yield f"{clean_text(host)} {what}"


def _check_vibs(document: Document) -> Iterator[str]:
    for vib in sort_naturally(vib for vib, hosts in document["orphaned_vibs"].items() if not hosts):
        yield f"{clean_text(vib)} is called orphaned, but on no host"


def _check_categories(categories: ImageCategories) -> Iterator[str]:
    """Check that the list of images has only those that are neither of the two named ones."""
    names = {"most widely used": "most_widely_used_image", "highest versioned": "highest_versioned_image"}
    others = categories.get("host_image_list") or ()
    listed = {_compute_digest(installed) for installed in others}
    for name, place in names.items() if listed else ():
        named = cast("InstalledImage | None", categories.get(place))
        if named is not None and _compute_digest(named) in listed:
            yield f"the {name} image is listed again among the other images"


def _compute_digest(installed: InstalledImage) -> str:
    return compute_digest(build_image(installed["software_info"], ComponentOrder()))


def _check_images(report: Report) -> Iterator[str]:
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
    if not report.uniform_image and _run_one_image(report):
        yield "the image is called not uniform, but all hosts run the same one"


def _run_one_image(report: Report) -> bool:
    """Tell whether all hosts that are reported on were read, and run one image that has no alternative."""
    images = set(report.runs.values())
    all_read = report.names.keys() == report.runs.keys() == report.found_on.keys()
    return all_read and len(images) == 1 and not report.images[images.pop()]["alternatives"]


def _check_status(report: Report) -> Iterator[str]:
    """Check the notifications of the operations against the status, by what the API's page promises."""
    if report.status == "SUCCESS":
        for operation, notifications in sorted(report.notifications.items()):
            errors = list_error_texts(notifications)
            if errors:
                what = _REPORTS.get(operation, f"{clean_text(operation)} reports")
                yield f"the extraction is called successful, but {what} an error{quote_first(errors)}"
    if report.status == "ELIGIBILITY_CHECK_FAILURE" and not list_error_texts(
        report.notifications.get(_ELIGIBILITY)
    ):
        yield "the eligibility check is called failed, but reports no error"


_REPORTS = {_ELIGIBILITY: "the eligibility check reports", "EXTRACT_INSTALLED_IMAGE": "reports"}
