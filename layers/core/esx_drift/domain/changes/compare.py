"""The changes between two snapshots of a cluster: found per host, equal ones as one change."""

from collections.abc import Container, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from esx_drift.domain.changes.elements import ELEMENTS, ImagePair, build_relabelled_changes, rate_change
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Image, Json, KnownHost, Snapshot
from esx_drift.domain.text.versions import sort_naturally

type AcceptedImage = tuple[str, Image]
"""The digest of an image that was accepted, and the image."""


def compare_snapshots(
    baseline: Snapshot,
    current: Snapshot,
    returned: Mapping[str, RememberedHost],
    covered: Container[str] | None = None,
    accepted: Mapping[str, AcceptedImage] = MappingProxyType({}),
) -> list[Change]:
    """Compare two snapshots of the same canonical form.

    A host is not compared where one side does not know what it runs.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        returned: What was known of the hosts that ``baseline`` does not know, by id, as
            ``match_remembered_hosts`` finds it.
        covered: The hosts that were seen for ``current``, which alone can be relabelled; None: all of them.
        accepted: What was accepted for hosts that ran something else, by id: a part that is so again was put
            back.

    Returns:
        Every difference, in an order that depends on nothing else.
    """
    hosts = sort_naturally(baseline["hosts"].keys() | current["hosts"].keys())
    seen = [host for host in hosts if covered is None or host in covered]
    transitions = _build_transitions(baseline, current, returned, accepted)
    ranks = {host: rank for rank, host in enumerate(hosts)}
    image_changes = build_image_changes(transitions, ranks)
    if baseline["labels"] != current["labels"]:
        pairs = _group_by_images(baseline, current, returned, seen)
        image_changes += build_relabelled_changes(baseline, current, pairs)
    return [
        *_list_host_changes(baseline["hosts"], current["hosts"], returned, hosts),
        *sorted(image_changes, key=_rank),
        *_list_orphaned_vib_changes(baseline["hosts"], current["hosts"], returned, hosts),
    ]


def _rank(change: Change) -> tuple[object, ...]:
    return (
        ELEMENTS.index(change["element"]),
        change["key"],
        change["alternative_image"] or "",
        change["kind"],
        change["from"] or "",
        change["to"] or "",
        change["hosts"],
    )


type _Hosts = dict[str, KnownHost]


type _Returned = Mapping[str, RememberedHost]


def _list_host_changes(
    before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]
) -> Iterator[Change]:
    """List the hosts that joined, left, came back under a new id, or have another name or witness flag."""
    old_ids = {former.id for former in returned.values()}
    for host in hosts:
        if host not in after:
            if host not in old_ids:
                yield build_bare_change("host", "removed", host, [host])
        elif host not in before:
            yield _build_joined_change(host, returned.get(host))
        elif _build_host_label(before[host]) != _build_host_label(after[host]):
            detail: dict[str, Json] = {
                "from": _build_host_label(before[host]),
                "to": _build_host_label(after[host]),
            }
            yield build_bare_change("host", "relabelled", host, [host]) | {"detail": detail}


def _build_host_label(known: KnownHost) -> Json:
    return {"name": known["name"], "is_vsan_witness": known["witness"]}


def _build_joined_change(host: str, former: RememberedHost | None) -> Change:
    """It joined; under another id than before it was added again. Where it was tells the detail."""
    if former is None:
        return build_bare_change("host", "added", host, [host])
    detail: dict[str, Json] | None = None
    if former.cluster is not None:
        detail = {"moved_from": {"id": former.cluster["id"], "name": former.cluster["name"]}}
    if former.id == host:
        return build_bare_change("host", "added", host, [host]) | {"detail": detail}
    return build_bare_change("host", "changed", host, [host]) | {
        "from": former.id,
        "to": host,
        "detail": detail,
    }


def build_bare_change(element: Element, kind: ChangeKind, key: str, hosts: list[str]) -> Change:
    """Build a change of a host or a VIB, which says no more than what came or went, and where.

    Args:
        element: A host or an orphaned VIB.
        kind: What became of it.
        key: The host's id, or the VIB.
        hosts: The ids of the hosts that show it.
    """
    return {
        "element": element,
        "kind": kind,
        "key": key,
        "from": None,
        "to": None,
        "hosts": hosts,
        "severity": rate_change(element, kind),
        "alternative_image": None,
        "detail": None,
    }


def _build_transitions(
    baseline: Snapshot, current: Snapshot, returned: _Returned, accepted: Mapping[str, AcceptedImage]
) -> list[ImageTransition]:
    """Build each distinct step from one image to another, with the hosts that made it.

    Hosts for which different images were accepted make different steps.
    """
    steps: dict[tuple[str, str, str | None], ImageTransition] = {}
    for host, after in current["hosts"].items():
        known = baseline["hosts"].get(host)
        if host in returned:
            origin, image = f"left:{returned[host].id}", returned[host].image
        elif known is not None:
            origin, image = known["image"] or "", find_host_image(baseline, known)
        else:
            continue
        new_image = find_host_image(current, after)
        if image is None or new_image is None:
            continue
        digest, accepted_image = accepted.get(host, (None, None))
        step = origin, after["image"] or "", digest
        if step not in steps:
            steps[step] = ImageTransition(image, new_image, [], accepted_image)
        steps[step].hosts.append(host)
    return list(steps.values())


def _group_by_images(
    baseline: Snapshot, current: Snapshot, returned: _Returned, hosts: Iterable[str]
) -> dict[ImagePair, list[str]]:
    """Group the hosts that both snapshots know by the images there; one that came back counts as before."""
    groups: dict[ImagePair, list[str]] = {}
    for host in hosts:
        old_id = returned[host].id if host in returned else host
        before, after = baseline["hosts"].get(old_id), current["hosts"].get(host)
        if before and after and before["image"] is not None and after["image"] is not None:
            groups.setdefault((before["image"], after["image"]), []).append(host)
    return groups


def _list_orphaned_vib_changes(
    before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]
) -> Iterator[Change]:
    """List the VIBs that appeared on hosts or are gone from them; a host brings and takes its own with it.

    What a host brings that it was known to have is told apart: its software is as it was.
    """
    old_ids = {former.id for former in returned.values() if former.seen_at is None}
    groups: dict[_VibChange, dict[str, list[str]]] = {"appeared": {}, "brought": {}, "gone": {}}
    for host in hosts:
        old = _find_known_vibs(before.get(host), returned.get(host))
        new = after[host]["orphaned_vibs"] if host in after else [] if host not in old_ids else None
        if old is not None and new is not None:
            for vib, what in _compare_vibs(old, new, returned.get(host)):
                groups[what].setdefault(vib, []).append(host)
    for vib in sort_naturally({vib for group in groups.values() for vib in group}):
        if vib in groups["appeared"]:
            yield build_bare_change("orphaned_vib", "added", vib, groups["appeared"][vib])
        if vib in groups["brought"]:
            detail: dict[str, Json] = {"brought_along": True}
            change = build_bare_change("orphaned_vib", "added", vib, groups["brought"][vib])
            yield change | {"severity": "info", "detail": detail}
        if vib in groups["gone"]:
            yield build_bare_change("orphaned_vib", "removed", vib, groups["gone"][vib])


type _VibChange = Literal["appeared", "brought", "gone"]


def _compare_vibs(
    old: list[str], new: list[str], former: RememberedHost | None
) -> Iterator[tuple[str, _VibChange]]:
    """Compare a host's VIBs; those of one that had left before were told gone then, and come back with it."""
    is_back = former is not None and former.seen_at is not None
    for vib in new:
        if vib not in old:
            yield vib, "appeared"
        elif is_back:
            yield vib, "brought"
    if not is_back:
        for vib in set(old) - set(new):
            yield vib, "gone"


def _find_known_vibs(known: KnownHost | None, former: RememberedHost | None) -> list[str] | None:
    """Find the orphaned VIBs of a host before: None if they are unknown, empty if there was no such host."""
    if former is not None:
        return former.orphaned_vibs if former.seen_at is None else former.orphaned_vibs or []
    return [] if known is None else known["orphaned_vibs"]
