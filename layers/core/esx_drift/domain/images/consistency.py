"""Whether a document keeps the rules that its own API states."""

from collections.abc import Iterator

from esx_drift.domain.images.report import Report
from esx_drift.domain.images.versions import sorted_naturally
from esx_drift.domain.judging.told import errors_of, quoted
from esx_drift.domain.judging.uniformity import groups_of
from esx_drift.domain.telling.wording import clean

OPERATION = "EXTRACT_INSTALLED_IMAGE"


def inconsistencies(report: Report) -> list[str]:
    """What contradicts itself in the report, a sentence each, hosts by their names."""
    return [*_about_hosts(report), *_about_images(report), *_about_status(report)]


def _about_hosts(report: Report) -> Iterator[str]:
    lists = (report.successful_hosts, report.failed_hosts, report.unsupported_hosts)
    for host in sorted_naturally(report.names.keys() | report.found_on.keys()):
        name = clean(report.names.get(host, host))
        if sum(host in several for several in lists) > 1:
            yield f"{name} is in more than one of the lists of hosts"
        if len(report.found_on.get(host, ())) > 1:
            yield f"{name} is listed under more than one image"
        if host in report.successful_hosts and host not in report.found_on:
            yield f"{name} was read, but is listed under no image"
        if host in report.found_on and host not in report.successful_hosts:
            yield f"{name} is listed under an image, but was not read"


def _about_images(report: Report) -> Iterator[str]:
    both_named = len(report.named_images) > 1
    same = len(set(report.named_images)) == 1
    if report.highest_is_most_used is True and both_named and not same:
        yield "the most widely used and the highest versioned image are called equal, but differ"
    if report.highest_is_most_used is False and both_named and same:
        yield "the most widely used and the highest versioned image are called different, but are equal"
    ordinary = {host: image for host, image in report.runs.items() if host not in report.witnesses}
    if report.uniform_image and len(groups_of(report.images, ordinary)) > 1:
        yield "the image is called uniform, but hosts run different images"
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
    errors = errors_of(report.notifications.get(OPERATION))
    if report.status == "SUCCESS" and errors:
        yield f"the extraction is called successful, but reports an error{quoted(errors)}"
