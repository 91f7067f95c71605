"""Which hosts a look really saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from esx_drift.domain.images.report import Report
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.shapes import Coverage, UncoveredHost


class InventoryHost(Protocol):
    """A host as the vCenter lists it, whatever the report says."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def connection_state(self) -> str | None:
        """The API's word; none where no inventory was at hand."""
        ...

    @property
    def power_state(self) -> str | None:
        """The API's word, if it has one."""
        ...


type Inventory = Mapping[str, InventoryHost]


@dataclass(frozen=True, slots=True)
class ReportedHost:
    """A host of which only the report tells."""

    name: str
    connection_state: str | None = None
    power_state: str | None = None


def build_inventory(report: Report) -> Inventory:
    """What stands for the inventory where there is none: every host that the report names."""
    return {host: ReportedHost(name) for host, name in report.names.items()}


def measure_coverage(report: Report, inventory: Inventory) -> Coverage:
    """How much of the inventory the report covers. A covered host is neither failed nor unsupported."""
    uncovered = inventory.keys() - report.runs.keys()
    return {
        "hosts": len(inventory),
        "covered": len(inventory) - len(uncovered),
        "failed": len(uncovered & report.failed_hosts),
        "unsupported": len(uncovered & report.unsupported_hosts - report.failed_hosts),
    }


def list_uncovered_hosts(report: Report, inventory: Inventory) -> list[UncoveredHost]:
    """The hosts of the inventory that the report does not cover, in their natural order."""
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
    """failed, unsupported, in-two-images, in-no-image, or missing from the report."""
    if host in report.failed_hosts:
        return "failed"
    if host in report.unsupported_hosts:
        return "unsupported"
    if host in report.successful_hosts:
        return "in-no-image" if host not in report.found_on else "in-two-images"
    return "missing"
