"""Changes as headlines and lines for a person.

Longer than 250 lines, because a title and the line below it go by the same rules, side by side.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any, Final, cast

from esx_drift.domain.stored.types import Change, Coverage
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)

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
_VIB_LINE_VERBS: Final[Mapping[str, str]] = {
    "appeared on": "appeared",
    "came with": "came with its host",
    "gone from": "gone",
}
_HOST_STEPS: Final = ("joined", "read for the first time", "moved here", "left", "added again")
"""What hosts do. One that joined unseen is read later; one that moved may have another id, too."""
_HOST_COMPARISONS: Final[Mapping[str, str]] = {
    "": "",  # known from before, or nobody has read it yet
    "alike": "",
    "unlike": ", unlike the others",
    "alone": ", never compared",
}
"""How a host that was never compared before is beside the others, and how a title says it."""
_OTHER_MACHINE: Final = "another machine under a known name"
_OTHER_MACHINES: Final = "other machines under known names"


def render_change_lines(
    changes: Sequence[Change], names: Mapping[str, str], coverage: Coverage | None
) -> list[str]:
    """Render a line for each thing that changed, the worst first.

    A VIB replaced by another version of itself is one line, and so are hosts that came or left alike.

    Args:
        changes: The changes.
        names: The names of hosts by id.
        coverage: How many hosts there are; None: not known.
    """
    pairs = _pair_replaced_vibs(changes)
    paired = {id(change) for pair in pairs for change in pair}
    lines = [(change, _render_change(change, names)) for change in changes if id(change) not in paired]
    lines += [(new, _render_replacement(old, new)) for old, new in pairs]
    hosts: dict[tuple[bool, str], list[str]] = {}
    for change, text in sorted(lines, key=lambda line: line[0]["severity"] != "critical"):
        # Each host that came or left is a change of its own; those with one text are one line.
        hosts.setdefault((change["element"] == "host", text), []).extend(change["hosts"])
    return [f"{text}{_render_hosts(listed, names, coverage)}" for (_, text), listed in hosts.items()]


def render_change_headline(
    changes: Sequence[Change], names: Mapping[str, str], coverage: Coverage | None, *, at_least: bool
) -> str:
    """``Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07``, ``3 of 12 hosts changed``, ``1 host joined, 1 host left``.

    Args:
        changes: The changes, none of them an orphaned VIB.
        names: The names of hosts by id.
        coverage: How many hosts there are; None: not known.
        at_least: There are more changes than the event had room for.
    """
    parts = _list_software_headlines(changes, names, coverage)
    hosts = [change for change in changes if change["element"] == "host"]
    came = Counter((_find_host_step(one), is_replaced_host(one), _find_host_aside(one)) for one in hosts)
    for described in product(_HOST_STEPS, (True, False), dict.fromkeys(_HOST_COMPARISONS.values())):
        (step, is_replaced, aside), number = described, came[described]
        machine = f", {_OTHER_MACHINE if number == 1 else _OTHER_MACHINES}" if is_replaced else ""
        parts += [f"{format_count(number, 'host')} {step}{machine}{aside}"] if number else []
    headline = ", ".join(parts) or format_count(len(changes), "change")
    return f"at least {headline}" if at_least else headline


def _list_software_headlines(
    changes: Sequence[Change], names: Mapping[str, str], coverage: Coverage | None
) -> list[str]:
    """One headline, or none where no host's software changed."""
    software = [change for change in changes if change["element"] != "host"]
    hosts = {host for change in software for host in change["hosts"]}
    if not hosts:
        return []
    where = _name_hosts(hosts, names, coverage)
    base_images = [change for change in software if change["element"] == "base_image"]
    # A new base image brings components along, which its line alone says.
    said = software if len(software) == 1 else base_images
    if len(said) == 1 and set(said[0]["hosts"]) == hosts and not said[0]["alternative_image"]:
        return [f"{_render_change(said[0], names, in_title=True)} on {where}"]
    return [f"{where} changed" if len(hosts) > 1 else f"{format_count(len(software), 'change')} on {where}"]


def render_put_back_headline(
    changes: Sequence[Change],
    names: Mapping[str, str],
    coverage: Coverage | None,
    unreviewed: Collection[str],
) -> str:
    """``esx03 as accepted again``; ``partly put back`` where it is among the ``unreviewed`` all the same.

    Of the ``changes`` each brought something back; ``names`` and ``coverage`` are the event's.
    """
    hosts = {host for change in changes for host in change["hosts"]}
    state = "as accepted again" if hosts.isdisjoint(unreviewed) else "partly put back"
    return f"{_name_hosts(hosts, names, coverage)} {state}"


def _name_hosts(hosts: Collection[str], names: Mapping[str, str], coverage: Coverage | None) -> str:
    """Name the one host; of several, say how many they are of all."""
    if len(hosts) == 1:
        return list_host_names([*hosts], names)[0]
    return format_share(len(hosts), coverage["hosts"] if coverage else None)


def render_vib_headline(changes: Sequence[Change], coverage: Coverage | None, *, at_least: bool) -> str:
    """``VIB smntemp 910.1 appeared on 3 of 12 hosts``, ``2 orphaned VIBs appeared on 3 of 12 hosts``.

    Args:
        changes: The changes, each of them an orphaned VIB.
        coverage: How many hosts there are; None: not known.
        at_least: There are more changes than the event had room for.
    """
    pairs = _pair_replaced_vibs(changes)
    hosts = {host for change in changes for host in change["hosts"]}
    share = format_share(len(hosts), coverage["hosts"] if coverage else None)
    share = f"at least {share}" if at_least else share
    if len(pairs) == 1 and len(changes) == len(pairs[0]):
        return f"VIB {_render_replacement(*pairs[0])} on {share}"
    verbs = {_choose_vib_verb(change) for change in changes}
    verb = "changed on" if len(verbs) > 1 else verbs.pop()
    name, version = split_vib_key(changes[0]["key"])
    # The line below has all of it, a title has no room for it.
    only = f"VIB {name} {_cut_tail(version)}".rstrip()
    number = len({change["key"] for change in changes})
    vibs = only if number == 1 else format_count(number, "orphaned VIB")
    return f"{vibs} {verb} {share}"


def _pair_replaced_vibs(changes: Sequence[Change]) -> list[tuple[Change, Change]]:
    """Pair VIBs gone and appeared by the same name on the same hosts, one of each: the old, the new."""
    by_name: dict[tuple[str, tuple[str, ...]], list[Change]] = defaultdict(list)
    for change in changes:
        if change["element"] == "orphaned_vib":
            by_name[split_vib_key(change["key"])[0], tuple(change["hosts"])].append(change)
    groups = (sorted(group, key=lambda change: change["kind"]) for group in by_name.values())
    kinds = ["added", "removed"]
    return [(group[1], group[0]) for group in groups if [change["kind"] for change in group] == kinds]


def _render_replacement(old: Change, new: Change) -> str:
    name, version = split_vib_key(old["key"])
    return f"{name} {version} → {split_vib_key(new['key'])[1]}"


def _render_change(change: Change, names: Mapping[str, str], *, in_title: bool = False) -> str:
    """Render what changed; ``in_title`` without what vendors write behind their versions."""
    if change["element"] == "orphaned_vib":
        name = " ".join(part for part in split_vib_key(change["key"]) if part)
        return f"VIB {name} {_VIB_LINE_VERBS[_choose_vib_verb(change)]}"
    if change["element"] == "host":
        return _render_host_change(change, names)
    if change["element"] == "removed_component" and change["kind"] in _REMOVED_LIST_VERBS:
        verb = _REMOVED_LIST_VERBS[change["kind"]]
        return f"{clean_text(change['key'])} {verb} the list of removed components"
    element = _ELEMENTS[change["element"]].format(key=clean_text(change["key"]))
    image = change["alternative_image"]
    inside = f" (alternative image {clean_text(image)})" if image else ""
    return f"{element} {_render_versions(change, in_title=in_title)}{inside}"


def _choose_vib_verb(change: Change) -> str:
    if change["kind"] == "removed":
        return "gone from"
    return "came with" if change["detail"] else "appeared on"


def is_unlike_others(change: Change) -> bool:
    """Tell whether a change is of a host that was never compared before, and no other here runs the same."""
    return change["element"] == "host" and _find_host_comparison(change) in {"unlike", "alone"}


def is_read_at_last(change: Change) -> bool:
    """Tell whether a change says no more than that a host was read for the first time."""
    is_read = change["element"] == "host" and _find_host_step(change) == "read for the first time"
    return is_read and not is_replaced_host(change)


def is_replaced_host(change: Change) -> bool:
    """Tell whether a change is of a host that has a known name and is, by its UUID, another machine."""
    return change["element"] == "host" and "other_machine" in (change["detail"] or {})


def _find_host_step(change: Change) -> str:
    detail = change["detail"] or {}
    if change["kind"] == "removed":
        return "left"
    if "moved_from" in detail:
        return "moved here"
    if change["kind"] == "changed":
        return "added again"
    return "read for the first time" if "was_unseen" in detail else "joined"


def _find_host_comparison(change: Change) -> str:
    detail = change["detail"] or {}
    if "compared_with" not in detail:
        return ""
    if not detail["compared_with"]:
        # A version before this one said so of a host that nobody had read yet, too.
        return "" if change["severity"] == "info" else "alone"
    return "unlike" if detail["differences"] else "alike"


def _find_host_aside(change: Change) -> str:
    """Find what a title says of how a host is beside the others."""
    return _HOST_COMPARISONS[_find_host_comparison(change)]


def _render_host_change(change: Change, names: Mapping[str, str]) -> str:
    detail = cast("dict[str, Any]", change["detail"] or {})
    step, comparison = _find_host_step(change), _find_host_comparison(change)
    parts = ["New host" if step == "joined" and comparison else f"Host {step}"]
    if step == "moved here":
        parts[0] += f" from {clean_text(detail['moved_from']['name'])}"
    if change["kind"] == "changed":
        parts.append(f"id {_format_version(change['from'])} → {_format_version(change['to'])}")
        old, new = (clean_text(names.get(change[side] or "", "")) for side in ("from", "to"))
        parts += [f"called {old} before"] if old and new and old != new else []
    if is_replaced_host(change):
        parts = [_OTHER_MACHINE.capitalize()] if step == "joined" else [*parts, _OTHER_MACHINE]
    if comparison in {"unlike", "alone"} and step != "read for the first time":
        parts.append("never compared before")
    parts += [_render_comparison(detail, comparison)] if comparison else []
    return ", ".join(parts)


def _render_comparison(detail: Mapping[str, Any], comparison: str) -> str:
    """What sets a host apart that was never compared with anything."""
    if comparison == "alone":
        return "and there is nothing to compare it with"
    number = detail["compared_with"]
    others = format_count(number, "other host")
    if comparison == "alike":
        return f"runs what {others} here {'runs' if number == 1 else 'run'}"
    parts = [_render_difference(difference) for difference in detail["differences"]]
    parts += [f"{detail['more']} more"] if detail["more"] else []
    return f"unlike {others}: {', '.join(parts)}"


def _render_difference(difference: Mapping[str, Any]) -> str:
    element = _ELEMENTS[difference["element"]].format(key=clean_text(difference["key"]))
    theirs, own = difference["from"], difference["to"]
    if own is None:
        return f"no {element}"
    if theirs is None or theirs == own:
        return f"{element} {_format_version(own)}{'' if theirs is None else ' with other content'}"
    return f"{element} {_format_version(own)} instead of {_format_version(theirs)}"


def _render_versions(change: Change, *, in_title: bool) -> str:
    old, new = _format_version(change["from"]), _format_version(change["to"])
    if in_title and change["element"] != "base_image" and len({_cut_tail(old), _cut_tail(new)}) > 1:
        old, new = _cut_tail(old), _cut_tail(new)
    if change["kind"] in {"added", "removed"}:
        return f"{new if change['kind'] == 'added' else old} {change['kind']}"
    if old == new:
        return f"{new}: same version, other content"
    return f"{old} → {new}" + (" (downgraded)" if change["kind"] == "downgraded" else "")


def _cut_tail(version: str) -> str:
    """Cut what follows the dash, which says whom it was built for; where two differ in it alone it stays."""
    return version.partition("-")[0]


def _format_version(version: str | None) -> str:
    return clean_text(version) if version else "(no version)"


def _render_hosts(hosts: Sequence[str], names: Mapping[str, str], coverage: Coverage | None) -> str:
    if coverage and len(hosts) == coverage["hosts"] > 1:
        return f" · all {len(hosts)} hosts"
    return f" · {join_names(list_host_names(hosts, names))}" if hosts else ""
