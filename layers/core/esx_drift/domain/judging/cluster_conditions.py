"""What a report's own status shows, once for the whole cluster."""

from typing import TYPE_CHECKING

from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.told import list_error_texts, quote_first, summarize_messages
from esx_drift.domain.judging.unseen import UncoveredHosts
from esx_drift.domain.telling.wording import clean_text, format_count

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Json, Severity

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
