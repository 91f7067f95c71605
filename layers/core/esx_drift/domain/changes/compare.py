"""The changes between two snapshots of a cluster: found per host, equal ones as one change."""

from collections.abc import Container, Iterable, Iterator, Mapping

from esx_drift.domain.changes.elements import ELEMENTS, rate_change
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.changes.relabelled import ImagePair, build_relabelled_changes
from esx_drift.domain.changes.returned_hosts import (
    DepartedHost,
    ReturnedHost,
    find_host_image,
    match_returned_hosts,
)
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Json, KnownHost, Snapshot
from esx_drift.domain.text.versions import sort_naturally


def compare_snapshots(
    baseline: Snapshot,
    current: Snapshot,
    departed: Mapping[str, DepartedHost],
    covered: Container[str] | None = None,
) -> list[Change]:
    """Compare two snapshots of the same canonical form.

    A host is not compared where one side does not know what it runs.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        departed: The hosts that left before ``baseline``, by id; of several with one name the last counts.
        covered: The hosts that were seen for ``current``, which alone can be relabelled; None: all of them.

    Returns:
        Every difference, in an order that depends on nothing else.
    """
    hosts = sort_naturally(baseline["hosts"].keys() | current["hosts"].keys())
    returned = match_returned_hosts(baseline, current, departed, hosts)
    seen = [host for host in hosts if covered is None or host in covered]
    transitions = _build_transitions(baseline, current, returned)
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


type _Returned = dict[str, ReturnedHost]


def _list_host_changes(
    before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]
) -> Iterator[Change]:
    """List the hosts that joined, left, came back under a new id, or have another name or witness flag."""
    old_ids = {former.old_id for former in returned.values()}
    for host in hosts:
        if host not in after:
            if host not in old_ids:
                yield _build_change("host", "removed", host, [host])
        elif host not in before:
            old_id = returned[host].old_id if host in returned else host
            yield (
                _build_change("host", "added", host, [host])
                if old_id == host
                else _build_readded_change(old_id, host)
            )
        elif _build_host_label(before[host]) != _build_host_label(after[host]):
            detail: dict[str, Json] = {
                "from": _build_host_label(before[host]),
                "to": _build_host_label(after[host]),
            }
            yield _build_change("host", "relabelled", host, [host]) | {"detail": detail}


def _build_host_label(known: KnownHost) -> Json:
    return {"name": known["name"], "is_vsan_witness": known["witness"]}


def _build_readded_change(old_id: str, host: str) -> Change:
    return _build_change("host", "changed", host, [host]) | {"from": old_id, "to": host}


def _build_change(element: Element, kind: ChangeKind, key: str, hosts: list[str]) -> Change:
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


def _build_transitions(baseline: Snapshot, current: Snapshot, returned: _Returned) -> list[ImageTransition]:
    """Build each distinct step from one image to another, with the hosts that made it."""
    steps: dict[tuple[str, str], ImageTransition] = {}
    for host, after in current["hosts"].items():
        known = baseline["hosts"].get(host)
        if host in returned:
            origin, image = f"left:{returned[host].old_id}", returned[host].image
        elif known is not None:
            origin, image = known["image"] or "", find_host_image(baseline, known)
        else:
            continue
        new_image = find_host_image(current, after)
        if image is None or new_image is None:
            continue
        step = origin, after["image"] or ""
        if step not in steps:
            steps[step] = ImageTransition(image, new_image, [])
        steps[step].hosts.append(host)
    return list(steps.values())


def _group_by_images(
    baseline: Snapshot, current: Snapshot, returned: _Returned, hosts: Iterable[str]
) -> dict[ImagePair, list[str]]:
    """Group the hosts that both snapshots know by the images there; one that came back counts as before."""
    groups: dict[ImagePair, list[str]] = {}
    for host in hosts:
        old_id = returned[host].old_id if host in returned else host
        before, after = baseline["hosts"].get(old_id), current["hosts"].get(host)
        if before and after and before["image"] is not None and after["image"] is not None:
            groups.setdefault((before["image"], after["image"]), []).append(host)
    return groups


def _list_orphaned_vib_changes(
    before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]
) -> Iterator[Change]:
    """List the VIBs that appeared on hosts or are gone from them; a host brings and takes its own with it."""
    old_ids = {former.old_id for former in returned.values()}
    appeared: dict[str, list[str]] = {}
    vanished: dict[str, list[str]] = {}
    for host in hosts:
        old = _find_known_vibs(before.get(host), returned.get(host))
        new = after[host]["orphaned_vibs"] if host in after else [] if host not in old_ids else None
        if old is None or new is None or old == new:
            continue
        for vib in set(new) - set(old):
            appeared.setdefault(vib, []).append(host)
        for vib in set(old) - set(new):
            vanished.setdefault(vib, []).append(host)
    for vib in sort_naturally(appeared.keys() | vanished.keys()):
        if vib in appeared:
            yield _build_change("orphaned_vib", "added", vib, appeared[vib])
        if vib in vanished:
            yield _build_change("orphaned_vib", "removed", vib, vanished[vib])


def _find_known_vibs(known: KnownHost | None, former: ReturnedHost | None) -> list[str] | None:
    """Find the orphaned VIBs of a host before: None if they are unknown, empty if there was no such host."""
    if former is not None:
        return former.orphaned_vibs
    return [] if known is None else known["orphaned_vibs"]
