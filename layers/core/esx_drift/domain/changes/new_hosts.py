"""Hosts that are new in a snapshot: matched with what was known of them, or described where nothing is."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import Final, cast

from esx_drift.domain.changes.compare import build_bare_change
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.host_history import (
    RememberedHost,
    find_host_label,
    is_same_host_name,
    normalize_host_name,
)
from esx_drift.domain.images.image import ImageGroup, group_hosts_by_image
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.types import Change, HostDifference, Json, NewHost, Snapshot
from esx_drift.domain.text.versions import make_natural_key, sort_naturally

MAX_NAMED_DIFFERENCES: Final = 5
"""How many differences of a new host are named; the others are counted."""


def list_unknown_hosts(baseline: Snapshot, current: Snapshot) -> dict[str, str]:
    """List the hosts of ``current`` of which ``baseline`` can't say what they ran, by id: their names.

    Those are the hosts that joined, and those that are seen for the first time.
    """
    known = baseline["hosts"]
    return {
        host: entry["name"]
        for host, entry in current["hosts"].items()
        if host not in known or (known[host]["image"] is None and entry["image"] is not None)
    }


def list_left_hosts(baseline: Snapshot, current: Snapshot) -> list[RememberedHost]:
    """List the hosts that ``baseline`` has and ``current`` has not, as they were known."""
    return [
        RememberedHost(host, known["name"], find_host_image(baseline, known), known["orphaned_vibs"])
        for host, known in baseline["hosts"].items()
        if host not in current["hosts"]
    ]


def match_remembered_hosts(
    baseline: Snapshot, current: Snapshot, remembered: Iterable[RememberedHost]
) -> dict[str, RememberedHost]:
    """Match the current hosts that the baseline does not know with what is known of them.

    One that came back unseen, so that the baseline does not know what it runs, still counts as coming back.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        remembered: What is known of hosts that may have come: of those that left since the baseline, as
            ``list_left_hosts`` lists them, and of others. There may be several entries of a host. What is
            known of one is given to the first that matches it, in the natural order of their ids.
            A host that the vCenter still has elsewhere must not be among them, but by its own id.

    Returns:
        What is known of each host that was found, by its id in ``current``.
    """
    entries = [*remembered]
    taken: dict[str, str] = {}
    left_now = _Memory([entry for entry in entries if entry.seen_at is None], current["hosts"], taken)
    before = _Memory([entry for entry in entries if entry.seen_at is not None], current["hosts"], taken)
    unknown = list_unknown_hosts(baseline, current)
    labels = Counter(find_host_label(name) for name in unknown.values())
    returned: dict[str, RememberedHost] = {}
    for host in sort_naturally(unknown):
        is_only = labels[find_host_label(unknown[host])] == 1
        former = before.find(host)
        for memory in (before,) if host in baseline["hosts"] else (left_now, before):
            if former is None or former.image is None:
                former = _complete(former, memory.take(host, unknown[host], is_only=is_only))
        if former is not None:
            returned[host] = former
    return returned


def _complete(former: RememberedHost | None, named: RememberedHost | None) -> RememberedHost | None:
    """Complete what is known of a host, but not what it ran, by what is known by its name."""
    if former is None or named is None or named.image is None:
        return former or named
    return replace(
        former,
        image=named.image,
        orphaned_vibs=named.orphaned_vibs,
        seen_at=named.seen_at or former.seen_at,
        accepted=former.accepted or named.accepted,
    )


class _Memory:
    """What is known of hosts, in several entries maybe; ``taken`` says who of those here each is."""

    def __init__(
        self, entries: Iterable[RememberedHost], present: Container[str], taken: dict[str, str]
    ) -> None:
        """Keep ``entries``; one whose id is in ``present`` is that host, whatever others are called."""
        self._by_id: defaultdict[str, list[RememberedHost]] = defaultdict(list)
        self._by_label: defaultdict[str, list[RememberedHost]] = defaultdict(list)
        self._taken = taken
        for entry in entries:
            self._by_id[entry.id].append(entry)
            if entry.id not in present:
                self._by_label[find_host_label(entry.name)].append(entry)

    def find(self, host: str) -> RememberedHost | None:
        """Find what is known of the host with this id."""
        return max(self._by_id.get(host, ()), key=_rank, default=None)

    def take(self, host: str, name: str, *, is_only: bool) -> RememberedHost | None:
        """Take what is known of a host by its name, or but for the domain, where only one can be meant.

        ``is_only``: no other host is asked for whose name begins alike.
        """
        alike = self._by_label[find_host_label(name)]
        left = [entry for entry in alike if self._taken.get(entry.id, host) == host]
        exact = [entry for entry in left if normalize_host_name(entry.name) == normalize_host_name(name)]
        alike = [entry for entry in left if is_same_host_name(entry.name, name)]
        is_clear = is_only and len({normalize_host_name(entry.name) for entry in alike}) == 1
        found = max(exact or (alike if is_clear else []), key=_rank, default=None)
        if found is not None:
            self._taken[found.id] = host
        return found


def _rank(entry: RememberedHost) -> tuple[bool, float]:
    """What was seen is worth more than what was not, and of that the newest is."""
    return entry.image is not None, entry.seen_at.timestamp() if entry.seen_at else 0.0


def list_new_hosts(
    baseline: Snapshot, current: Snapshot, returned: Mapping[str, RememberedHost]
) -> list[str]:
    """List the hosts that are seen for the first time, so that they were never compared with anything.

    A witness of vSAN is not among them: it is not meant to be like the others.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        returned: What is known of hosts that came, as ``match_remembered_hosts`` finds it. It may be that
            nothing ever saw what such a one ran.
    """
    hosts = current["hosts"]
    return [
        host
        for host in sort_naturally(list_unknown_hosts(baseline, current))
        if hosts[host]["image"] is not None and not hosts[host]["witness"]
        if host not in returned or returned[host].image is None
    ]


def describe_new_hosts(changes: Iterable[Change], current: Snapshot, new: Iterable[str]) -> list[Change]:
    """Say of each host that is seen for the first time what sets it apart from its cluster.

    That is a warning, unless it runs what other hosts run: hosts come and go. One that joined at a look which
    could not see it has a change of its own now. What an alternative image of the others allows is no
    difference.

    Args:
        changes: The changes of a check.
        current: The snapshot that was compared.
        new: The ids of those hosts, as ``list_new_hosts`` lists them.

    Returns:
        The changes; a new host's ``detail`` is a ``NewHost``.
    """
    came: dict[str, Change] = {}
    others: list[Change] = []
    for change in changes:
        if change["element"] == "host" and change["kind"] in {"added", "changed"}:
            came[change["key"]] = change
        else:
            others.append(change)
    hosts = frozenset(new)
    for host in hosts:
        detail = _describe_new_host(current, host, hosts)
        if detail is not None:
            change = came.get(host) or build_bare_change("host", "added", host, [host])
            seen_late: NewHost = {**detail, "was_unseen": True}
            came[host] = _add_detail(change, detail if host in came else seen_late)
    of_hosts = [change for change in others if change["element"] == "host"]
    in_order = sorted([*of_hosts, *came.values()], key=lambda change: make_natural_key(change["key"]))
    return [*in_order, *(change for change in others if change["element"] != "host")]


def _add_detail(change: Change, detail: NewHost) -> Change:
    is_like_others = bool(detail["compared_with"]) and not detail["differences"]
    return change | {
        "severity": change["severity"] if is_like_others else "warning",
        "detail": {**(change["detail"] or {}), **cast("dict[str, Json]", detail)},
    }


def _describe_new_host(current: Snapshot, host: str, new: Container[str]) -> NewHost | None:
    """Describe how a host differs from the others; None where it runs an alternative that they offer."""
    usual, images = _find_usual_group(current, host, new), current["images"]
    if usual is None:
        return {"compared_with": 0, "differences": [], "more": 0}
    own = cast("str", current["hosts"][host]["image"])
    runs = {other: cast("str", current["hosts"][other]["image"]) for other in usual.hosts}
    groups = group_hosts_by_image(images, {**runs, host: own})
    group = next((group for group in groups if host in group.hosts), None)
    if group is None:
        return None
    found: list[Change] = []
    if usual.hosts[0] not in group.hosts:
        step = ImageTransition(usual.image, images[own], [host])
        found = [each for each in build_image_changes([step], {host: 0}) if _is_of_image_itself(each)]
    found.sort(key=lambda each: (ELEMENTS.index(each["element"]), each["key"]))
    differences: list[HostDifference] = [
        {"element": each["element"], "key": each["key"], "from": each["from"], "to": each["to"]}
        for each in found[:MAX_NAMED_DIFFERENCES]
    ]
    return {
        "compared_with": len(usual.hosts),
        "differences": differences,
        "more": len(found) - len(differences),
    }


def _is_of_image_itself(change: Change) -> bool:
    """Two images do not differ by the alternatives that they offer."""
    return change["element"] != "alternative_image" and change["alternative_image"] is None


def _find_usual_group(current: Snapshot, host: str, new: Container[str]) -> ImageGroup | None:
    """Find what most hosts run that were there before, or else most of the other new ones.

    Of equally many, those that run the same as ``host``. A witness of vSAN never counts.
    """
    runs = {
        other: known["image"]
        for other, known in current["hosts"].items()
        if other != host and not known["witness"] and known["image"] is not None
    }
    before = {other: image for other, image in runs.items() if other not in new}
    groups = group_hosts_by_image(current["images"], before or runs)
    most = [group for group in groups if len(group.hosts) == len(groups[0].hosts)]
    own = current["images"][cast("str", current["hosts"][host]["image"])]["main"]
    return next((group for group in most if group.image["main"] == own), most[0] if most else None)
