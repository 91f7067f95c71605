"""Parts of images in words: their names, their versions, and in what two images differ."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from esx_drift.domain.stored.types import Change, NetDifference
from esx_drift.domain.text.wording import clean_text, format_count

_ELEMENTS: Final[Mapping[str, str]] = {
    "base_image": "ESXi",
    "add_on": "Add-on",
    "component": "{key}",
    "solution": "Solution {key}",
    "hardware_support_package": "Hardware support {key}",
    "removed_component": "Removed component {key}",
    "alternative_image": "Alternative image {key}",
}
_REMOVED_LIST_VERBS: Final[Mapping[str, str]] = {"added": "now on", "removed": "no longer on"}
_BUILD: Final = re.compile(r"\.([0-9]{3,})$")
"""The build that ends a version of ESXi."""


def render_difference(change: Change | NetDifference, releases: Mapping[str, str], *, in_title: bool) -> str:
    """Render what changed, or differs, of an image: ``Intel-i40en 2.7.2.0 → 2.9.2.0``.

    Args:
        change: What changed; neither a host nor an orphaned VIB.
        releases: What releases of ESXi are called, by version.
        in_title: Without what vendors write behind their versions.
    """
    if change["element"] == "removed_component" and change["kind"] in _REMOVED_LIST_VERBS:
        verb = _REMOVED_LIST_VERBS[change["kind"]]
        text = f"{clean_text(change['key'])} {verb} the list of removed components"
    elif change["element"] == "base_image":
        text = _render_release(change, releases, in_title=in_title)
    else:
        element = _ELEMENTS[change["element"]].format(key=clean_text(change["key"]))
        text = f"{element} {_render_versions(change, in_title=in_title)}"
    image = change["alternative_image"]
    return f"{text} (alternative image {clean_text(image)})" if image else text


MAX_SAID_DIFFERENCES: Final = 2
"""Of several, the first is named, and the others are counted."""


def describe_differences(
    differences: Sequence[NetDifference], total: int, releases: Mapping[str, str]
) -> str:
    """Describe in what hosts differ from what is accepted: ``Intel-i40en 2.7.2.0 → 2.9.2.0 and 3 more``.

    Args:
        differences: Those that are listed, the worst first.
        total: How many there are.
        releases: What releases of ESXi are called, by version.

    Returns:
        Empty where it is not known in what.
    """
    named = MAX_SAID_DIFFERENCES if total <= MAX_SAID_DIFFERENCES else 1
    said = [render_difference(each, releases, in_title=True) for each in differences[:named]]
    more = f" and {format_count(total - named, 'more part')}" if said and total > named else ""
    return f"{', '.join(said)}{more}"


def _render_versions(change: Change | NetDifference, *, in_title: bool) -> str:
    old, new = format_version(change["from"]), format_version(change["to"])
    if in_title:
        old, new = cut_tails(old, new)
    if change["kind"] in {"added", "removed"}:
        again = " again" if "put_back" in change else ""
        return f"{new if change['kind'] == 'added' else old} {change['kind']}{again}"
    if old == new:
        return f"{new}: same version, other content"
    if "put_back" in change:
        return new if in_title else f"{new} (was {old})"
    return f"{old} → {new}" + (" (downgraded)" if change["kind"] == "downgraded" else "")


def _render_release(change: Change | NetDifference, releases: Mapping[str, str], *, in_title: bool) -> str:
    """``ESXi 8.0 U3e (build 24674464) from U3d``; as a person names releases of ESXi."""
    if change["from"] is None or change["to"] is None:
        version = change["from"] if change["to"] is None else change["to"]
        return f"{format_release(version or '', releases)} {change['kind']}"
    new = format_release(change["to"], releases)
    old = format_earlier_release(format_release(change["from"], releases), new)
    if change["from"] == change["to"]:
        return f"{new}: same version, other content"
    if "put_back" in change:
        return new if in_title else f"{new} (was {old})"
    return f"{new}, downgraded from {old}" if change["kind"] == "downgraded" else f"{new} from {old}"


def format_called_release(version: str, release: str) -> str:
    """Name a release of ESXi by its ``version`` and what it is called: ``release``, or that version."""
    return format_release(version, {} if release.endswith(version) else {version: release})


def format_release(version: str, releases: Mapping[str, str]) -> str:
    """Name a release of ESXi as people do: ``ESXi 8.0 U3e (build 24674464)``.

    Args:
        version: Its version, as a change has it.
        releases: What releases are called, by version; one that is not in it goes by its version.
    """
    found = _BUILD.search(version)
    build = f" (build {found[1]})" if found else ""
    known = releases.get(version)
    if known is None:
        return f"ESXi {clean_text(version[: found.start()].partition('-')[0] if found else version)}{build}"
    return f"{clean_text(known)}{build}"


def format_earlier_release(old: str, new: str) -> str:
    """Shorten ``old`` ``ESXi 8.0 U3d (build 1)`` beside ``new`` ``ESXi 8.0 U3e (build 2)`` to ``U3d``."""
    name, _, build = old.partition(" (build ")
    newer = new.partition(" (build ")[0]
    if name == newer:
        return f"build {build.removesuffix(')')}" if build else name
    line, newer_line = name.rpartition(" ")[0], newer.rpartition(" ")[0]
    # Of "ESXi 8.0", the first release of its line, the last word is the line itself.
    return name.removeprefix(f"{line} ") if line == newer_line and " " in line else name.removeprefix("ESXi ")


def format_version(version: str | None) -> str:
    """Format a version of a change, cleaned; ``(no version)`` where it is present without one."""
    return clean_text(version) if version else "(no version)"


def cut_tail(version: str) -> str:
    """Cut what follows the first dash of a ``version``, which says whom it was built for.

    A name before the version, as an add-on has one, is not cut.
    """
    name, space, number = version.rpartition(" ")
    return f"{name}{space}{number.partition('-')[0]}"


def cut_tails(old: str, new: str) -> tuple[str, str]:
    """Cut the tails of both versions, ``old`` and ``new``; where they differ in nothing else they stay."""
    cut = cut_tail(old), cut_tail(new)
    return cut if len({*cut}) > 1 or old == new else (old, new)


def name_part(element: str, key: str) -> str:
    """Name a part of an image as a person does, by its ``element`` and ``key``: ``Intel-i40en``."""
    return _ELEMENTS.get(element, "{key}").format(key=clean_text(key))
