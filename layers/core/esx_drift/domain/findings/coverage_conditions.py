"""Conditions of the hosts that a look did not see, and for how long."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.findings.vcenter_failures import is_blind
from esx_drift.domain.images.document import list_error_texts, quote_first, summarize_messages
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.report import Inventory, InventoryHost, Report, explain_uncovered
from esx_drift.domain.stored.types import FindingKind, Json, Severity, Snapshot
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, format_moment

LAST_IMAGE_DETAIL: Final = "last_image"
"""In a finding's detail: what ESXi a host that is not seen ran when it was seen last."""

_USUAL_STATES: Final = frozenset({"CONNECTED", "POWERED_ON"})


class UncoveredHosts(Struct, frozen=True):
    """A report against the inventory. ``since``: when each uncovered host was last seen, as text."""

    report: Report
    snapshot: Snapshot
    inventory: Inventory
    now: datetime
    since: Mapping[str, str]
    blind_after_seconds: int

    @property
    def hosts(self) -> list[str]:
        """The uncovered hosts of the inventory, in their natural order."""
        return sort_naturally(self.inventory.keys() - self.report.runs.keys())

    def format_name(self, host: str) -> str:
        """The host's name, harmless."""
        return clean_text(self.inventory[host].name)

    def rate(self, hosts: list[str], usual: Severity) -> Severity:
        """Rate critical if any of ``hosts`` (ids) was not seen for too long, else as ``usual``.

        Making a look fail can hide something. What is harmless by itself (``info``) stays so for a host of
        which no image is known.
        """
        blind = [host for host in hosts if self._is_blind(host)]
        if usual == "info":
            blind = [host for host in blind if self.snapshot["hosts"][host]["image"] is not None]
        return "critical" if blind else usual

    def _is_blind(self, host: str) -> bool:
        return is_blind(self.since.get(host), self.now, self.blind_after_seconds)

    def build_detail(self, host: str) -> dict[str, Json]:
        """Build what the inventory and the report say of the host; of an unseen one, what it ran and when."""
        detail = _build_host_detail(self.report, host, self.inventory[host], self.since.get(host))
        return detail if host in self.report.runs else {**detail, **self._describe_last_image(host)}

    def _describe_last_image(self, host: str) -> dict[str, Json]:
        """Describe the last known image of the host by its release; nothing where none is known."""
        digest = self.snapshot["hosts"][host]["image"]
        if digest is None:
            return {}
        image = self.snapshot["images"][digest]
        version, release = image["main"]["base_image"], name_esxi_release(image, self.snapshot["labels"])
        return {LAST_IMAGE_DETAIL: {"version": version, "release": clean_text(release)}}

    def format_unusual_states(self, host: str) -> str:
        """``, NOT_RESPONDING`` and the like, where the host is not as a host should be."""
        entry = self.inventory[host]
        unusual = list_unusual_states(entry.connection_state, entry.power_state)
        return "".join(f", {state}" for state in unusual)

    def format_not_seen_since(self, host: str) -> str:
        """``, not seen since 16 Nov 02:14 UTC`` for a host that was not seen for too long, else nothing."""
        if not self._is_blind(host):
            return ""
        return f", not seen since {format_moment(self.since[host], self.now.year)} UTC"

    def quote_error(self, host: str) -> str:
        """``: "It does not answer."``, the first error that the report has for the host, else nothing."""
        return quote_first(list_error_texts(self.report.host_notifications.get(host)))


def list_unusual_states(*states: str | None) -> list[str]:
    """List those of a host's ``states`` that say that it is not as a host should be: ``NOT_RESPONDING``."""
    return [clean_text(state) for state in states if state and state not in _USUAL_STATES]


def _build_host_detail(report: Report, host: str, entry: InventoryHost, since: str | None) -> dict[str, Json]:
    return {
        "name": clean_text(entry.name),
        "connection_state": entry.connection_state,
        "power_state": entry.power_state,
        "uncovered_since": since,
        "messages": summarize_messages(report.host_notifications.get(host)),
    }


_ELIGIBILITY, _EXTRACT = "ELIGIBILITY_CHECK", "EXTRACT_INSTALLED_IMAGE"

_BY_STATUS: Final[Mapping[str, tuple[FindingKind, str, str]]] = {
    "UNAVAILABLE": ("extraction-unavailable", "vCenter does not know how the extraction went", _EXTRACT),
    "ELIGIBILITY_CHECK_FAILURE": (
        "eligibility-failed",
        "the cluster does not meet vCenter's conditions for reading its images",
        _ELIGIBILITY,
    ),
    "EXTRACT_INSTALLED_IMAGE_FAILURE": ("extraction-failed", "the extraction failed", _EXTRACT),
}
"""By a report's status: the kind, what it means, and the operation whose messages say more."""


def list_cluster_conditions(unseen: UncoveredHosts, *, managed_by_image: bool | None) -> list[Condition]:
    """List the condition of the cluster as a whole, at most one.

    A cluster without hosts, or whose hosts are all too old, gives one of severity ``info``.

    Args:
        unseen: The report against the inventory.
        managed_by_image: Whether the cluster is managed by an image; None: not known.
    """
    if not unseen.inventory:
        return [build_no_hosts_condition()]
    hosts = sort_naturally(unseen.inventory)
    if unseen.inventory.keys() <= unseen.report.unsupported_hosts:
        summary = f"every host of the cluster ({len(hosts)}) runs a release that is too old to be read"
        severity = unseen.rate(hosts, FINDING_KINDS["host-unsupported"].severity)
        return [build_condition("host-unsupported", summary, severity=severity, hosts=tuple(hosts))]
    if unseen.report.status == "SUCCESS":
        return []
    return [_build_status_condition(unseen, hosts, managed_by_image=managed_by_image)]


def build_no_hosts_condition() -> Condition:
    """Build what holds of a cluster whose inventory is empty, whatever its vCenter makes of an extraction."""
    summary = "the cluster has no hosts, so that there is nothing to read"
    return build_condition("extraction-unavailable", summary, severity="info")


def _build_status_condition(
    unseen: UncoveredHosts, hosts: list[str], *, managed_by_image: bool | None
) -> Condition:
    """Build it by the report's status. It is about the hosts only where none was read all the same."""
    report, is_blind = unseen.report, unseen.hosts == hosts
    unknown = f"vCenter calls the report {clean_text(report.status)}, which is not known here"
    kind, meaning, operation = _BY_STATUS.get(report.status, ("extraction-unavailable", unknown, _EXTRACT))
    notifications = report.notifications.get(operation)
    # vCenter checks the eligibility only of clusters that are not managed by an image.
    is_harmless = kind == "eligibility-failed" and not managed_by_image
    usual: Severity = "info" if is_harmless else FINDING_KINDS[kind].severity
    read = "" if is_blind else f", yet {format_count(len(hosts) - len(unseen.hosts), 'host')} could be read"
    return build_condition(
        kind,
        f"{meaning}{read}{quote_first(list_error_texts(notifications))}",
        severity=unseen.rate(hosts, usual) if is_blind else usual,
        hosts=tuple(hosts) if is_blind else (),
        detail={"status": clean_text(report.status), "messages": summarize_messages(notifications)},
    )


_NOT_COVERED: Final = {
    "in-two-images": "is listed under more than one image, so that it is not known which one it runs",
    "in-no-image": "was read, but is listed under no image",
    "missing": "is missing from the report",
}


def list_host_conditions(unseen: UncoveredHosts) -> Iterator[Condition]:
    """List one condition for each host that was not seen, or has an error of its own."""
    for host in unseen.hosts:
        why = explain_uncovered(unseen.report, host)
        if why == "failed":
            yield _build_failed_condition(unseen, host)
        elif why == "unsupported":
            yield _build_unsupported_condition(unseen, host)
        else:
            yield _build_not_covered_condition(unseen, host, why)
    for host in sort_naturally(unseen.inventory.keys() & unseen.report.runs.keys()):
        error = unseen.quote_error(host)
        if error:
            summary = f"vCenter reports an error on {unseen.format_name(host)}{error}"
            yield _build_host_condition(unseen, "host-error", host, summary)


def _build_failed_condition(unseen: UncoveredHosts, host: str) -> Condition:
    state = f"{unseen.format_unusual_states(host)}{unseen.format_not_seen_since(host)}"
    summary = f"{unseen.format_name(host)} could not be read{state}{unseen.quote_error(host)}"
    return _build_host_condition(unseen, "host-failed", host, summary)


def _build_not_covered_condition(unseen: UncoveredHosts, host: str, why: str) -> Condition:
    state = f"{unseen.format_unusual_states(host)}{unseen.format_not_seen_since(host)}"
    summary = f"{unseen.format_name(host)} {_NOT_COVERED[why]}{state}{unseen.quote_error(host)}"
    return _build_host_condition(unseen, "host-not-covered", host, summary)


def _build_unsupported_condition(unseen: UncoveredHosts, host: str) -> Condition:
    since = unseen.format_not_seen_since(host)
    summary = f"{unseen.format_name(host)} runs a release that is too old to be read{since}"
    return _build_host_condition(unseen, "host-unsupported", host, summary)


def build_hidden_host_condition(
    report: Report, host: str, entry: InventoryHost, since: str | None
) -> Condition:
    """Build what holds of a host that is in a report, and in no list of the account's.

    Args:
        report: The report.
        host: The host's id.
        entry: What stands for its entry in the inventory.
        since: Since when it is uncovered, as text; None: it is not.
    """
    name = clean_text(entry.name)
    summary = f"{name} is in the cluster's report, and the account no longer sees it in the vCenter"
    detail = _build_host_detail(report, host, entry, since)
    return build_condition("host-hidden", summary, subject=host, hosts=(host,), detail=detail)


def _build_host_condition(unseen: UncoveredHosts, kind: FindingKind, host: str, summary: str) -> Condition:
    severity = unseen.rate([host], FINDING_KINDS[kind].severity)
    detail = unseen.build_detail(host)
    return build_condition(kind, summary, subject=host, severity=severity, hosts=(host,), detail=detail)
