"""Notifications of a report. Ids ending in a word after `InstalledImages.` are invented: none is public.

Lifecycle Manager of 8.0.3 leaves `type`, `originator` and `retriable` out, repeats the message's id as the
notification's own, writes the beginning of 1970 as its time, and adds a `resolution` to errors.
"""

from datetime import UTC, datetime

from tests.simulator.errors import message
from tests.simulator.inventory import Host
from tests.simulator.wire import Level, Message, Notification, Notifications, ReportStatus

_LIFECYCLE = "com.vmware.vcIntegrity.lifecycle"
_UNSET_TIME = "1970-01-01T00:00:00.000Z"


def timestamp(at: datetime) -> str:
    """The form in which every real payload spells a time: three digits and Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def notices_of_covered(host: Host) -> Notifications:
    """What is said of a host that was read: its quick boot support, orphaned VIBs."""
    text = "Quick Boot is supported on the host."
    known = message(f"{_LIFECYCLE}.HostScan.QuickBoot.Supported", text, localized=True)
    found: Notifications = {"info": [_notice("INFO", known)]}
    orphans = [_orphan(host.name, vib) for vib in sorted(host.orphaned_vibs)]
    if orphans:
        found["warnings"] = [_notice("WARNING", orphan) for orphan in orphans]
    return found


def notices_of_failed(host: str, error: str) -> Notifications:
    """Why a host could not be read."""
    text = f"Extracting the image of host '{host}' failed: {error}"
    return {"errors": [_notice("ERROR", _invented("ExtractionFailed", text, host, error))]}


def notices_of_unsupported(host: str) -> Notifications:
    """Why a host was skipped."""
    text = f"Host '{host}' was skipped: its ESXi version is older than 7.0.2."
    return {"info": [_notice("INFO", _invented("HostSkipped", text, host))]}


def with_own_notice(host: Host, found: Notifications) -> Notifications:
    """The same, and the notification that a story put on the host."""
    if host.notice is None:
        return found
    level, text, identity = host.notice
    own = _notice(level, message(identity, f"Host '{host.name}': {text}", host.name, localized=True))
    extended = found.copy()
    match level:
        case "INFO":
            extended["info"] = [*found.get("info", []), own]
        case "WARNING":
            extended["warnings"] = [*found.get("warnings", []), own]
        case "ERROR":
            extended["errors"] = [*found.get("errors", []), own]
    return extended


def notices_of_report(
    cluster: str, status: ReportStatus, *, managed_by_image: bool
) -> dict[str, Notifications]:
    """What is said of the cluster, by operation; a cluster managed by an image needs no check."""
    failed = {
        "ELIGIBILITY_CHECK_FAILURE": "ELIGIBILITY_CHECK",
        "EXTRACT_INSTALLED_IMAGE_FAILURE": "EXTRACT_INSTALLED_IMAGE",
    }.get(status)
    if failed:
        text = f"{failed} failed on cluster '{cluster}'."
        return {failed: {"errors": [_notice("ERROR", _invented("OperationFailed", text, cluster))]}}
    if managed_by_image or status == "UNAVAILABLE":
        return {}
    text = f"Cluster '{cluster}' is eligible for images."
    return {"ELIGIBILITY_CHECK": {"info": [_notice("INFO", _invented("Eligible", text, cluster))]}}


def _notice(level: Level, what: Message) -> Notification:
    found: Notification = {"id": what["id"], "time": _UNSET_TIME, "message": what}
    return found | {"resolution": _RESOLUTION} if level == "ERROR" else found


def _orphan(host: str, vib: str) -> Message:
    return _invented("OrphanedVib", f"VIB {vib} on host '{host}' belongs to no component.", vib, host)


def _invented(name: str, text: str, *args: str) -> Message:
    return message(f"{_LIFECYCLE}.InstalledImages.{name}", text, *args, localized=True)


_RESOLUTION = _invented(
    "Resolution", "See the events of the host or cluster, mend what they name, and extract again."
)
