"""The vCenter's API as this product uses it: its oldest release, the paths, and the privilege for each.

Beside each path stands how many bytes its answer may have: so many that no vCenter has to be refused, so few
that no answer costs the memory that a function has.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from esx_drift.errors import ApiUnsupported, VCenterError

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import VCenterIdentity

OLDEST_RELEASE: Final = (8, 0, 3)
"""vCenter 8.0 U3: the first that reports installed images."""

RELEASE_NEEDED: Final = "installed images need vCenter 8.0 U3 or later"

PRIVILEGE_READ: Final = "System.Read"
PRIVILEGE_LIFECYCLE_SETTINGS: Final = "VcIntegrity.lifecycleSettings.Read"
PRIVILEGE_LIFECYCLE_GENERAL: Final = "VcIntegrity.lifecycleGeneral.Read"

ABOUT_PATH: Final = "/sdk/vim25/8.0.3.0/ServiceInstance/ServiceInstance/content"
"""Readable without a login. A vCenter older than 8.0 U3 has no such release in its path."""

MAX_ABOUT_BYTES: Final = 256_000
"""Some 60 references to managed objects and the facts of ``about``: a real one has less than 10 kB."""

PROPERTY_COLLECTOR_PATH: Final = "/sdk/vim25/8.0.3.0/PropertyCollector/"
"""Below it, by the collector's id: ``RetrievePropertiesEx``, which shows what the account may see of objects.

https://developer.broadcom.com/xapis/virtual-infrastructure-json-api/8.0.3/ describes it.
"""

PROPERTY_COLLECTOR: Final = "propertyCollector"
"""The id of a vCenter's collector, where ServiceContent does not give another."""

HOST_UUID_PROPERTY: Final = "hardware.systemInfo.uuid"
"""Of a ``HostSystem``: the machine's UUID, as its firmware (SMBIOS) gives it. It may be absent of a host that
is not connected. Since vCenter 9.0, ``GET /api/vcenter/host`` gives the same as ``host_uuid``."""

MAX_HOST_UUIDS_BYTES: Final = 1_000_000
"""``MAX_CLUSTER_HOSTS`` of 5 kB each: one with its UUID has 300 bytes, and one with a fault some 1,000."""

SERVICE_VERSIONS_PATH: Final = "/sdk/vimServiceVersions.xml"
"""Readable without a login, on every release: pyVmomi asks it, too, for the newest version that both know."""

SESSION_PATH: Final = "/api/session"

MAX_TOKEN_BYTES: Final = 4_096
"""The id of a session, or of a task that was started: one JSON string of some 100 characters at most."""

INVENTORY_PATH: Final = "/api/vcenter/"
"""Below it: ``cluster``, ``host``, ``datacenter`` and ``folder``."""

MAX_LISTING_BYTES: Final = 4_000_000
"""1,000 clusters or 2,500 hosts (see ``TOO_MANY_RESULTS``) of 500 bytes each are 1.3 MB."""

TASKS_PATH: Final = "/api/cis/tasks/"

MAX_TASK_BYTES: Final = 2_000_000
"""A task of Lifecycle Manager has a subtask and notifications for each host: 20 kB for each of 96."""

CLUSTER_SETTINGS_PATH: Final = "/api/esx/settings/clusters/"

MAX_ENABLEMENT_BYTES: Final = 4_096
"""One field, true or false."""

MAX_REPORT_BYTES: Final = 8_000_000
"""96 hosts, the most of a cluster, of which each has an image of its own with 120 components, are 2.1 MB.

With 400 components each, three times what ESXi and all add-ons of a vendor bring, it would be 7 MB.
"""

MAX_ERROR_BYTES: Final = 64_000
"""The body of an error, whatever was called: of it, one message of 300 characters is shown."""

MAX_LISTED_CLUSTERS: Final = 5_000
"""A vCenter of 8.0 holds 2,500 hosts (https://configmax.broadcom.com): at most so many clusters have any."""

MAX_STANDALONE_HOSTS: Final = 5_000
"""Twice what a vCenter holds."""

MAX_CLUSTER_HOSTS: Final = 200
"""Twice the 96 hosts that a cluster of 8.0 or 9.0 holds (same source)."""

MAX_LISTED_CHARACTERS: Final = 300
"""Of an id or a name in a listing. Real ids have some 20 characters; names of inventory objects 80, which are
240 where each is escaped, and names of hosts, as DNS has them, 253 (RFC 1035)."""

UNUSABLE_ID: Final = "@unusable"
"""How the id begins that stands for one that can't be used: no id of a vCenter's begins with ``@``."""

TOO_MANY_RESULTS: Final = "UNABLE_TO_ALLOCATE_RESOURCE"
"""The ``error_type`` of a listing that is too long: 1,000 clusters or 2,500 hosts at most."""

SESSIONS_USED_UP: Final = "MaxUserSessionCountReached"
"""The end of the id of a 503 at login, ``…failedToLoginMaxUserSessionCountReached``: nobody can log in."""

PRIVILEGES_BY_PATH: Final[Mapping[str, str]] = MappingProxyType(
    {
        INVENTORY_PATH: PRIVILEGE_READ,
        PROPERTY_COLLECTOR_PATH: PRIVILEGE_READ,
        TASKS_PATH: PRIVILEGE_LIFECYCLE_GENERAL,
        CLUSTER_SETTINGS_PATH: PRIVILEGE_LIFECYCLE_SETTINGS,
    }
)
"""By the beginning of a call's path: the privilege that the account needs, at the vCenter's root."""


def is_usable_id(identifier: str) -> bool:
    """Whether an id of the vCenter's can stand in a path, a key and a message; ``@`` begins our own names."""
    return (
        is_path_segment(identifier)
        and len(identifier) <= MAX_LISTED_CHARACTERS
        and identifier.isprintable()
        and not identifier.startswith("@")
    )


def is_call_below(operation: str, path: str) -> bool:
    """Say whether ``operation``, such as ``GET /api/vcenter/host``, has a path that begins with ``path``."""
    return operation.partition(" ")[2].startswith(path)


def find_privilege(operation: str) -> str | None:
    """The privilege that an operation needs; None for one that needs none, or is not known."""
    needed = (privilege for path, privilege in PRIVILEGES_BY_PATH.items() if is_call_below(operation, path))
    return next(needed, None)


def build_task_path(task_id: str) -> str:
    """The path of a task."""
    return f"{TASKS_PATH}{_quote_segment(task_id)}"


def build_report_path(cluster: str) -> str:
    """The path of a cluster's report of installed images."""
    return f"{CLUSTER_SETTINGS_PATH}{_quote_segment(cluster)}/installed-images"


def build_enablement_path(cluster: str) -> str:
    """The path that says whether a cluster is managed by a single image."""
    return f"{CLUSTER_SETTINGS_PATH}{_quote_segment(cluster)}/enablement/software"


def build_properties_path(collector: str) -> str:
    """The path that reads properties of managed objects through a property collector."""
    return f"{PROPERTY_COLLECTOR_PATH}{_quote_segment(collector)}/RetrievePropertiesEx"


def is_path_segment(identifier: str) -> bool:
    """Whether an id can stand in a path, quoted: dots alone would climb out of it."""
    return identifier not in {"", ".", ".."}


def _quote_segment(identifier: str) -> str:
    """Quote an id as one segment of a path; raises ``VCenterError``: every such id comes from the vCenter."""
    if not is_path_segment(identifier):
        raise VCenterError(f"the vCenter gave {identifier!r} for an id, with which nothing can be asked for")
    return quote(identifier, safe=":")


def name_vcenter_release(about: "VCenterIdentity") -> str:
    """``vCenter 8.0.3 build 24674346``."""
    return f"vCenter {about['version']} build {about['build']}"


def is_too_old(release: str) -> bool:
    """Whether a release such as ``8.0.2`` or ``vCenter 8.0.2 build 1`` is older than ``OLDEST_RELEASE``."""
    found = re.search(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", release)
    numbers = tuple(int(part) for part in found[0].split(".")[: len(OLDEST_RELEASE)]) if found else ()
    return numbers < OLDEST_RELEASE[: len(numbers)]


def require_supported_release(vcenter: str, about: "VCenterIdentity") -> None:
    """Require that a vCenter's release can report installed images.

    Args:
        vcenter: The vCenter's name in the fleet file.
        about: What the vCenter says of itself.

    Raises:
        ApiUnsupported: Its release is known to be too old.
    """
    if is_too_old(about["version"]):
        raise ApiUnsupported(
            f"{vcenter} is {name_vcenter_release(about)}: {RELEASE_NEEDED}",
            {"version": about["version"], "build": about["build"]},
        )


def list_upgrade_notices(vcenter: str, about: "VCenterIdentity", before: list[str]) -> list[str]:
    """List the notice that a vCenter is another release than before; empty if it is the same.

    Args:
        vcenter: The vCenter's name in the fleet file.
        about: What the vCenter says of itself now.
        before: The release that the log keeps, by ``name_vcenter_release``; empty at the first listing.
    """
    now = name_vcenter_release(about)
    return [f"{vcenter} is now {now}, before {release}" for release in before if release != now]
