"""The hosts that a look did not see, and for how long."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.images.report import Inventory, Report, explain_uncovered
from esx_drift.domain.images.vcenter_notifications import list_error_texts, quote_first, summarize_messages
from esx_drift.domain.stored.types import Json, Severity, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, format_moment


@dataclass(frozen=True, slots=True)
class UncoveredHosts:
    """A report against the inventory. ``since``: when each uncovered host was last seen, as text."""

    report: Report
    snapshot: Snapshot
    inventory: Inventory
    now: datetime
    since: Mapping[str, str]
    blind_after: timedelta

    @property
    def hosts(self) -> list[str]:
        """The uncovered hosts of the inventory, in their natural order."""
        return sort_naturally(self.inventory.keys() - self.report.runs.keys())

    def host_name(self, host: str) -> str:
        """The host's name, harmless."""
        return clean_text(self.inventory[host].name)

    def rate(self, hosts: list[str], otherwise: Severity = "warning") -> Severity:
        """Critical if any was not seen for too long: making a look fail is how one hides something.

        What is harmless by itself (``info``) is so for ever, unless the host was seen before it began.
        """
        blind = [host for host in hosts if self._is_blind(host)]
        if otherwise == "info":
            blind = [host for host in blind if self.snapshot["hosts"][host]["image"] is not None]
        return "critical" if blind else otherwise

    def format_not_seen_since(self, host: str) -> str:
        """``, not seen since 16 Nov 02:14`` for a host that was not seen for too long, else nothing."""
        return f", not seen since {format_moment(self.since[host])} UTC" if self._is_blind(host) else ""

    def _is_blind(self, host: str) -> bool:
        return host in self.since and self.now - parse_time(self.since[host]) > self.blind_after

    def build_detail(self, host: str) -> dict[str, Json]:
        """What the inventory says of the host, and since when it is unseen."""
        seen = self.inventory[host]
        return {
            "name": clean_text(seen.name),
            "connection_state": seen.connection_state,
            "power_state": seen.power_state,
            "uncovered_since": self.since.get(host),
        }

    def format_unusual_state(self, host: str) -> str:
        """``, NOT_RESPONDING`` and the like, where the host is not as a host should be."""
        seen = self.inventory[host]
        unusual = [
            state for state in (seen.connection_state, seen.power_state) if state not in _USUAL and state
        ]
        return "".join(f", {clean_text(state)}" for state in unusual)


_USUAL = frozenset({"CONNECTED", "POWERED_ON"})


_ELIGIBILITY, _EXTRACT = "ELIGIBILITY_CHECK", "EXTRACT_INSTALLED_IMAGE"


_BY_STATUS = {
    "UNAVAILABLE": ("extraction-unavailable", "vCenter does not know how the extraction went", _EXTRACT),
    "ELIGIBILITY_CHECK_FAILURE": (
        "eligibility-failed",
        "the cluster does not meet vCenter's conditions for reading its images",
        _ELIGIBILITY,
    ),
    "EXTRACT_INSTALLED_IMAGE_FAILURE": ("extraction-failed", "the extraction failed", _EXTRACT),
}


def list_cluster_conditions(unseen: UncoveredHosts, *, managed_by_image: bool | None) -> list[Condition]:
    """At most one. A cluster without hosts, or with only too old ones, is told once, as ``info``."""
    if not unseen.inventory:
        return [build_no_hosts_condition()]
    hosts = sort_naturally(unseen.inventory)
    if unseen.inventory.keys() <= unseen.report.unsupported_hosts:
        summary = f"every host of the cluster ({len(hosts)}) runs a release that is too old to be read"
        severity = unseen.rate(hosts, "info")
        return [Condition("failure", "host-unsupported", "", severity, summary, tuple(hosts))]
    if unseen.report.status == "SUCCESS":
        return []
    return [_by_status(unseen, hosts, managed_by_image=managed_by_image)]


def build_no_hosts_condition() -> Condition:
    """What holds of a cluster whose inventory is empty, whatever its vCenter makes of an extraction."""
    summary = "the cluster has no hosts, so that there is nothing to read"
    return Condition("failure", "extraction-unavailable", "", "info", summary)


def _by_status(unseen: UncoveredHosts, hosts: list[str], *, managed_by_image: bool | None) -> Condition:
    """The status tells of the hosts only where none was read all the same."""
    report, blind = unseen.report, unseen.hosts == hosts
    unknown = f"vCenter calls the report {clean_text(report.status)}, which is not known here"
    kind, what, operation = _BY_STATUS.get(report.status, ("extraction-unavailable", unknown, _EXTRACT))
    # vCenter checks the eligibility only of clusters that are not managed by an image.
    harmless = kind == "eligibility-failed" and not managed_by_image
    otherwise: Severity = "info" if harmless else "warning"
    said = quote_first(list_error_texts(report.notifications.get(operation)))
    read = "" if blind else f", yet {format_count(len(hosts) - len(unseen.hosts), 'host')} could be read"
    detail: dict[str, Json] = {
        "status": clean_text(report.status),
        "messages": summarize_messages(report.notifications.get(operation)),
    }
    severity = unseen.rate(hosts, otherwise) if blind else otherwise
    told = tuple(hosts) if blind else ()
    return Condition("failure", kind, "", severity, f"{what}{read}{said}", told, detail)


_WHY = {
    "in-two-images": "is listed under more than one image, so that it is not known which one it runs",
    "in-no-image": "was read, but is listed under no image",
    "missing": "is missing from the report",
}


def list_host_conditions(unseen: UncoveredHosts) -> Iterator[Condition]:
    """One condition for each host that was not seen, or has an error of its own."""
    for host in unseen.hosts:
        why = explain_uncovered(unseen.report, host)
        if why == "failed":
            yield _failed(unseen, host)
        elif why == "unsupported":
            yield _unsupported(unseen, host)
        else:
            yield _not_covered(unseen, host, why)
    for host in sort_naturally(unseen.inventory.keys() & unseen.report.runs.keys()):
        errors = list_error_texts(unseen.report.host_notifications.get(host))
        if errors:
            summary = f"vCenter reports an error on {unseen.host_name(host)}{quote_first(errors)}"
            yield _condition(unseen, "host-error", host, summary)


def _failed(unseen: UncoveredHosts, host: str) -> Condition:
    said = quote_first(list_error_texts(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.host_name(host)} could not be read{unseen.format_unusual_state(host)}{unseen.format_not_seen_since(host)}{said}"
    return _condition(unseen, "host-failed", host, summary)


def _not_covered(unseen: UncoveredHosts, host: str, why: str) -> Condition:
    said = quote_first(list_error_texts(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.host_name(host)} {_WHY[why]}{unseen.format_unusual_state(host)}{unseen.format_not_seen_since(host)}{said}"
    return _condition(unseen, "host-not-covered", host, summary)


def _unsupported(unseen: UncoveredHosts, host: str) -> Condition:
    summary = f"{unseen.host_name(host)} runs a release that is too old to be read{unseen.format_not_seen_since(host)}"
    return _condition(unseen, "host-unsupported", host, summary)


def _condition(unseen: UncoveredHosts, kind: str, host: str, summary: str) -> Condition:
    otherwise: Severity = "info" if kind == "host-unsupported" else "warning"
    detail: dict[str, Json] = {
        **unseen.build_detail(host),
        "messages": summarize_messages(unseen.report.host_notifications.get(host)),
    }
    severity = unseen.rate([host], otherwise)
    return Condition("failure", kind, host, severity, summary, (host,), detail)
