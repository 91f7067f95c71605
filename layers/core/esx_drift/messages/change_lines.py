"""Changes as lines for a person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from esx_drift.domain.stored.types import Change, Coverage
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)

_WHAT: Final[Mapping[str, str]] = {
    "base_image": "ESXi",
    "add_on": "Add-on",
    "component": "{key}",
    "solution": "Solution {key}",
    "hardware_support_package": "Hardware support {key}",
    "removed_component": "Removed component {key}",
    "alternative_image": "Alternative image {key}",
}
_ON_THE_LIST: Final[Mapping[str, str]] = {"added": "now on", "removed": "no longer on"}
_VERBS: Final[Mapping[str, str]] = {"added": "appeared on", "removed": "gone from"}


def render_change_lines(
    changes: Sequence[Change], names: Mapping[str, str], coverage: Coverage | None
) -> list[str]:
    """One line a change, the worst first; a VIB replaced by another version of itself is one line."""
    pairs = _replaced(changes)
    paired = {id(change) for pair in pairs for change in pair}
    single = [change for change in changes if id(change) not in paired]
    lines = [(change["severity"], _line(change), change) for change in single]
    lines += [(new["severity"], _replacement(old, new), new) for old, new in pairs]
    worst_first = sorted(lines, key=lambda line: line[0] != "critical")
    return [f"{text}{_on(change, names, coverage)}" for _, text, change in worst_first]


def render_change_headline(changes: Sequence[Change], coverage: Coverage | None, *, at_least: bool) -> str:
    """``1 of 12 hosts changed``, ``3 of 12 hosts: ESXi 8.0.3 → 8.0.4``, ``1 host joined, 1 host left``."""
    software = [change for change in changes if change["element"] != "host"]
    hosts = {host for change in software for host in change["hosts"]}
    parts = []
    if hosts:
        moved = format_share(len(hosts), coverage)
        image = [change for change in software if change["element"] == "base_image"]
        one = len(image) == 1 and set(image[0]["hosts"]) == hosts and not image[0]["alternative_image"]
        parts.append(f"{moved}: {_line(image[0])}" if one else f"{moved} changed")
    for kind, verb in (("added", "joined"), ("removed", "left"), ("changed", "added again")):
        number = sum(change["element"] == "host" and change["kind"] == kind for change in changes)
        parts += [f"{format_count(number, 'host')} {verb}"] if number else []
    said = ", ".join(parts) or format_count(len(changes), "change")
    return f"at least {said}" if at_least else said


def render_vib_headline(changes: Sequence[Change], coverage: Coverage | None, *, at_least: bool) -> str:
    """``VIB smntemp 910.1 appeared on 3 of 12 hosts``, ``2 orphaned VIBs appeared on 3 of 12 hosts``."""
    pairs = _replaced(changes)
    hosts = {host for change in changes for host in change["hosts"]}
    where = f"{'at least ' if at_least else ''}{format_share(len(hosts), coverage)}"
    if len(pairs) == 1 and len(changes) == len(pairs[0]):
        return f"VIB {_replacement(*pairs[0])} on {where}"
    kinds = {change["kind"] for change in changes}
    verb = "changed on" if len(kinds) > 1 else _VERBS[kinds.pop()]
    name, version = split_vib_key(changes[0]["key"])
    # What follows the dash tells whom it was built for: the line below has it, a title has no room for it.
    one = f"VIB {name} {version.partition('-')[0]}".rstrip()
    return f"{one if len(changes) == 1 else format_count(len(changes), 'orphaned VIB')} {verb} {where}"


def _replaced(changes: Sequence[Change]) -> list[tuple[Change, Change]]:
    """VIBs gone and appeared by the same name on the same hosts, one of each."""
    by_name: dict[tuple[str, tuple[str, ...]], list[Change]] = defaultdict(list)
    for change in changes:
        if change["element"] == "orphaned_vib":
            by_name[split_vib_key(change["key"])[0], tuple(change["hosts"])].append(change)
    sorted_pairs = (sorted(pair, key=lambda change: change["kind"]) for pair in by_name.values())
    kinds = ["added", "removed"]
    return [(pair[1], pair[0]) for pair in sorted_pairs if [change["kind"] for change in pair] == kinds]


def _replacement(old: Change, new: Change) -> str:
    name, version = split_vib_key(old["key"])
    return f"{name} {version} → {split_vib_key(new['key'])[1]}"


def _vib(key: str) -> str:
    return " ".join(part for part in split_vib_key(key) if part)


def _line(change: Change) -> str:
    if change["element"] == "orphaned_vib":
        return f"VIB {_vib(change['key'])} {'appeared' if change['kind'] == 'added' else 'gone'}"
    if change["element"] == "host":
        return _host_line(change)
    if change["element"] == "removed_component" and change["kind"] in _ON_THE_LIST:
        return f"{clean_text(change['key'])} {_ON_THE_LIST[change['kind']]} the list of removed components"
    what = _WHAT[change["element"]].format(key=clean_text(change["key"]))
    inside = change["alternative_image"]
    return f"{what} {_moved(change)}" + (f" (alternative image {clean_text(inside)})" if inside else "")


def _host_line(change: Change) -> str:
    if change["kind"] == "changed":
        return f"Host added again, id {_version(change['from'])} → {_version(change['to'])}"
    return "Host joined" if change["kind"] == "added" else "Host left"


def _moved(change: Change) -> str:
    old, new = _version(change["from"]), _version(change["to"])
    if change["kind"] in {"added", "removed"}:
        return f"{new if change['kind'] == 'added' else old} {change['kind']}"
    if old == new:
        return f"{new}: same version, other content"
    return f"{old} → {new}" + (" (downgraded)" if change["kind"] == "downgraded" else "")


def _version(version: str | None) -> str:
    return clean_text(version) if version else "(no version)"


def _on(change: Change, names: Mapping[str, str], coverage: Coverage | None) -> str:
    hosts = change["hosts"]
    if coverage and len(hosts) == coverage["hosts"] > 1:
        return f" · all {len(hosts)} hosts"
    return f" · {join_names(list_host_names(hosts, names))}" if hosts else ""
