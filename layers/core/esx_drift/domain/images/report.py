"""What a document reports: its three places of images are read into one map from host to image."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from esx_drift.domain.images.document import (
    Document,
    ImageCategories,
    InstalledImage,
    Notifications,
    SoftwareInfo,
)
from esx_drift.domain.images.image import ComponentOrder, build_image
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import Coverage, Image, UncoveredHost
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally


class ListedImage(Struct, frozen=True):
    """An image with the details that the report gives, and every list of hosts that it has there."""

    info: SoftwareInfo
    host_lists: list[list[str]]


class Report(Struct, frozen=True):
    """A document in the form that snapshots and conditions are made of.

    Attributes:
        names: Every host that the document reports on, by its id; the id is the name of the ``nameless``.
        nameless: The hosts that ``host_info`` gives no name.
        images: The images, by their digests.
        listings: Each image as the report lists it, once for each wording of its details.
        named_images: The digests of the most widely used and of the highest versioned image, if any.
        found_on: The digests of all images that list a host, by its id.
        runs: The digest of the image of each host that can be covered, by its id: it is reported as
            successful, as nothing else, and in exactly one image.
        orphaned_vibs: The orphaned VIBs of each host that has some, by its id.
    """

    completion_time: datetime
    status: str
    uniform_image: bool
    highest_is_most_used: bool | None
    successful_hosts: frozenset[str]
    failed_hosts: frozenset[str]
    unsupported_hosts: frozenset[str]
    names: Mapping[str, str]
    nameless: frozenset[str]
    witnesses: frozenset[str]
    images: Mapping[str, Image]
    listings: Mapping[str, list[ListedImage]]
    named_images: tuple[str, ...]
    found_on: Mapping[str, frozenset[str]]
    runs: Mapping[str, str]
    orphaned_vibs: Mapping[str, list[str]]
    notifications: Mapping[str, Notifications]
    host_notifications: Mapping[str, Notifications]


def read_report(document: Document) -> Report:
    """Read a document that its schema has accepted. The order of its sets makes no difference."""
    images = _ImageCollector()
    named = tuple(images.add(installed) for installed in _list_named_images(document["image_categories"]))
    for installed in document["image_categories"].get("host_image_list") or ():
        images.add(installed)
    successful, failed = frozenset(document["successful_hosts"]), frozenset(document["failed_hosts"])
    unsupported = frozenset(document["unsupported_hosts"])
    info = document["host_info"]
    nameless = (successful | failed | unsupported) - info.keys()
    return Report(
        completion_time=parse_time(document["completion_time"]),
        status=document["status"],
        uniform_image=document["uniform_image"],
        highest_is_most_used=document["image_categories"].get("is_highest_and_widely_used_image_equal"),
        successful_hosts=successful,
        failed_hosts=failed,
        unsupported_hosts=unsupported,
        names={host: host for host in nameless} | {host: facts["name"] for host, facts in info.items()},
        nameless=nameless,
        witnesses=frozenset(host for host, facts in info.items() if facts.get("is_vsan_witness")),
        images=images.by_digest,
        listings=images.listings,
        named_images=named,
        found_on=images.found_on,
        runs={
            host: digest
            for host, digest in images.list_unambiguous_hosts()
            if host in successful and host not in failed and host not in unsupported
        },
        orphaned_vibs=_group_vibs_by_host(document["orphaned_vibs"]),
        notifications=document["notifications"],
        host_notifications=document["host_notifications"],
    )


def _list_named_images(categories: ImageCategories) -> Iterator[InstalledImage]:
    for installed in (categories.get("most_widely_used_image"), categories.get("highest_versioned_image")):
        if installed is not None:
            yield installed


class _ImageCollector(Struct):
    """Images gathered from wherever the report lists them."""

    by_digest: dict[str, Image] = field(default_factory=dict)
    listings: dict[str, list[ListedImage]] = field(default_factory=dict)
    found_on: dict[str, frozenset[str]] = field(default_factory=dict)
    _first: tuple[ListedImage, str] | None = None
    _order: ComponentOrder = field(default_factory=ComponentOrder)

    def add(self, installed: InstalledImage) -> str:
        """Add an image with its hosts, and return its digest."""
        digest = self._find_digest(installed)
        digests = frozenset((digest,))
        for host in installed["host_list"]:
            self.found_on[host] = self.found_on.get(host, digests) | digests
        return digest

    def list_unambiguous_hosts(self) -> Iterator[tuple[str, str]]:
        """List each host that is in exactly one image, with that image's digest."""
        for host, digests in self.found_on.items():
            if len(digests) == 1:
                yield host, next(iter(digests))

    def _find_digest(self, installed: InstalledImage) -> str:
        """Find an image's digest; that of a uniform cluster comes twice, and then it is only compared."""
        info, hosts = installed["software_info"], installed["host_list"]
        if self._first is not None and self._first[0].info == info:
            self._first[0].host_lists.append(hosts)
            return self._first[1]
        image = build_image(info, self._order)
        digest = compute_digest(image)
        listing = ListedImage(info, [hosts])
        self.by_digest.setdefault(digest, image)
        self.listings.setdefault(digest, []).append(listing)
        self._first = self._first or (listing, digest)
        return digest


def _group_vibs_by_host(orphaned_vibs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    vibs_by_host: dict[str, list[str]] = {}
    for vib in sort_naturally(orphaned_vibs):
        for host in set(orphaned_vibs[vib]):
            vibs_by_host.setdefault(host, []).append(vib)
    return vibs_by_host


class InventoryHost(Protocol):
    """A host as the vCenter's inventory has it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def connection_state(self) -> str | None:
        """As the API spells it; None where no inventory was at hand."""
        ...

    @property
    def power_state(self) -> str | None:
        """As the API spells it; None where it has none."""
        ...


type Inventory = Mapping[str, InventoryHost]


class ReportedHost(Struct, frozen=True):
    """A host that is known from the report only."""

    name: str
    connection_state: str | None = None
    power_state: str | None = None


def build_inventory(report: Report) -> Inventory:
    """Build what stands for the inventory where there is none: every host that the report names."""
    return {host: ReportedHost(name) for host, name in report.names.items()}


def measure_coverage(report: Report, inventory: Inventory) -> Coverage:
    """Measure how much of ``inventory`` is covered by ``report``.

    A covered host is neither failed nor unsupported.
    """
    uncovered = inventory.keys() - report.runs.keys()
    return {
        "hosts": len(inventory),
        "covered": len(inventory) - len(uncovered),
        "failed": len(uncovered & report.failed_hosts),
        "unsupported": len(uncovered & report.unsupported_hosts - report.failed_hosts),
    }


def list_uncovered_hosts(report: Report, inventory: Inventory) -> list[UncoveredHost]:
    """List the hosts of ``inventory`` that ``report`` does not cover, in their natural order."""
    return [
        {
            "host": host,
            "name": inventory[host].name,
            "why": explain_uncovered(report, host),
            "connection_state": inventory[host].connection_state,
            "power_state": inventory[host].power_state,
        }
        for host in sort_naturally(inventory.keys() - report.runs.keys())
    ]


def explain_uncovered(report: Report, host: str) -> str:
    """Say why ``report`` does not cover ``host``, an id.

    Returns:
        ``failed``, ``unsupported``, ``in-two-images``, ``in-no-image``, or ``missing``.
    """
    if host in report.failed_hosts:
        return "failed"
    if host in report.unsupported_hosts:
        return "unsupported"
    if host in report.successful_hosts:
        return "in-no-image" if host not in report.found_on else "in-two-images"
    return "missing"
