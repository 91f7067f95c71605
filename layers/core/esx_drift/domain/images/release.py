"""Which release a vCenter is: one that is too old has no report, and a new one is worth a notice."""

import re
from typing import TYPE_CHECKING, Final

from esx_drift.errors import ApiUnsupported

if TYPE_CHECKING:
    from esx_drift.domain.shapes import About

OLDEST: Final = [8, 0, 3]
"""vCenter 8.0 U3: the first that reports installed images."""


def release_of(about: "About") -> str:
    """``vCenter 8.0.3 build 24674346``."""
    return f"vCenter {about['version']} build {about['build']}"


def refuse_old(vcenter: str, about: "About") -> None:
    """Raise ``ApiUnsupported`` for a release that is known to be too old."""
    numbers = [int(part) for part in re.findall(r"[0-9]+", about["version"])[: len(OLDEST)]]
    if len(numbers) == len(OLDEST) and numbers < OLDEST:
        raise ApiUnsupported(
            f"{vcenter} is {release_of(about)}: installed images need vCenter 8.0 U3 or later",
            {"version": about["version"], "build": about["build"]},
        )


def upgraded(vcenter: str, about: "About", before: list[str]) -> list[str]:
    """The notice that a vCenter is another release than ``before``, which is empty if nobody looked yet."""
    now = release_of(about)
    return [f"{vcenter} is now {now}, before {old}" for old in before if old != now]
