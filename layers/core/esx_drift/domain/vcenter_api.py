"""Which release a vCenter is: one that is too old has no report, and a new one is worth a notice."""

import re
from typing import TYPE_CHECKING, Final

from esx_drift.errors import ApiUnsupported

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import VCenterIdentity


OLDEST_RELEASE: Final = [8, 0, 3]
"""vCenter 8.0 U3: the first that reports installed images."""


def name_vcenter_release(about: "VCenterIdentity") -> str:
    """``vCenter 8.0.3 build 24674346``."""
    return f"vCenter {about['version']} build {about['build']}"


def require_supported_release(vcenter: str, about: "VCenterIdentity") -> None:
    """Raise ``ApiUnsupported`` for a release that is known to be too old."""
    numbers = [int(part) for part in re.findall(r"[0-9]+", about["version"])[: len(OLDEST_RELEASE)]]
    if len(numbers) == len(OLDEST_RELEASE) and numbers < OLDEST_RELEASE:
        raise ApiUnsupported(
            f"{vcenter} is {name_vcenter_release(about)}: installed images need vCenter 8.0 U3 or later",
            {"version": about["version"], "build": about["build"]},
        )


def list_upgrade_notices(vcenter: str, about: "VCenterIdentity", before: list[str]) -> list[str]:
    """The notice that a vCenter is another release than ``before``, which is empty if nobody looked yet."""
    now = name_vcenter_release(about)
    return [f"{vcenter} is now {now}, before {old}" for old in before if old != now]


PRIVILEGE_READ: Final = "System.Read"


PRIVILEGE_LIFECYCLE_SETTINGS: Final = "VcIntegrity.lifecycleSettings.Read"


PRIVILEGE_LIFECYCLE_GENERAL: Final = "VcIntegrity.lifecycleGeneral.Read"
