"""Hosts that are new in a snapshot: matched with what was known of them, or described where nothing is."""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import replace
from typing import Final, cast

from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.host_history import (
    RememberedHost,
    find_host_label,
    is_same_host_name,
    normalize_host_name,
)
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.types import (
    Change,
    HostDifference,
    Json,
    NewHost,
    Severity,
    Snapshot,
)
from esx_drift.domain.text.versions import sort_naturally

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


def describe_new_hosts(
    changes: Iterable[Change], current: Snapshot, known: Collection[str]
) -> Iterator[Change]:
    """Say of each host that joined, and of which nothing is known, what sets it apart from its cluster.

    It was never compared with anything. That is a warning, unless it runs what other hosts run: hosts come
    and go.

    Args:
        changes: The changes of a check.
        current: The snapshot that was compared.
        known: The ids of the hosts of which it is known what they were before.

    Yields:
        The changes; a new host's ``detail`` has ``compared_with`` (how many hosts run the image that it is
        held against; 0: there are none, or it was not seen), ``differences`` and how many ``more`` there are.
    """
    joined = []
    for change in changes:
        is_joined = (change["element"], change["kind"]) == ("host", "added")
        joined.append((change, is_joined and change["key"] not in known))
    new = {change["key"] for change, is_new in joined if is_new}
    for change, is_new in joined:
        yield _describe_new_host(change, current, new) if is_new else change


def _describe_new_host(change: Change, current: Snapshot, new: Collection[str]) -> Change:
    image, usual = current["hosts"][change["key"]]["image"], _find_usual_image(current, change["key"], new)
    if image is None or usual is None:
        nothing: NewHost = {"compared_with": 0, "differences": [], "more": 0}
        return _add_detail(change, nothing, "info" if image is None else "warning")
    digest, number = usual
    step = ImageTransition(current["images"][digest], current["images"][image], change["hosts"])
    found = build_image_changes([step], {change["key"]: 0}) if digest != image else []
    found.sort(key=lambda each: (ELEMENTS.index(each["element"]), each["key"]))
    differences: list[HostDifference] = [
        {"element": each["element"], "key": each["key"], "from": each["from"], "to": each["to"]}
        for each in found[:MAX_NAMED_DIFFERENCES]
    ]
    more = len(found) - len(differences)
    detail: NewHost = {"compared_with": number, "differences": differences, "more": more}
    return _add_detail(change, detail, "warning" if found else "info")


def _add_detail(change: Change, detail: NewHost, severity: Severity) -> Change:
    return change | {"severity": severity, "detail": cast("dict[str, Json]", detail)}


def _find_usual_image(current: Snapshot, host: str, new: Collection[str]) -> tuple[str, int] | None:
    """Find the image that most hosts run that were there before, or else of the other new ones.

    A witness of vSAN never counts.

    Returns:
        Its digest, and how many of them run it; None if there are no others.
    """
    others = {
        other: known["image"]
        for other, known in sorted(current["hosts"].items())
        if other != host and not known["witness"] and known["image"] is not None
    }
    before = {other: image for other, image in others.items() if other not in new}
    images = Counter((before or others).values())
    return images.most_common(1)[0] if images else None
