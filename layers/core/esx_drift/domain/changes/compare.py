"""The changes between two snapshots of a cluster: per host, grouped, each named once."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.changes.elements import ELEMENTS, rate_change
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.changes.relabelled import ImagePair, build_relabelled_changes
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Image, Json, KnownHost, Snapshot
from esx_drift.domain.text.versions import sort_naturally


@dataclass(frozen=True, slots=True)
class DepartedHost:
    """A host that left in an earlier check: its name, and its last known image."""

    name: str
    image: Image | None


@dataclass(frozen=True, slots=True)
class ReturnedHost:
    """A host that came back: under which id it was known, and as what."""

    old_id: str
    image: Image | None
    orphaned_vibs: list[str] | None


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


def find_host_image(snapshot: Snapshot, known: KnownHost) -> Image | None:
    """Find what the host runs; None where the snapshot does not know it."""
    return None if known["image"] is None else snapshot["images"][known["image"]]


def match_returned_hosts(
    baseline: Snapshot, current: Snapshot, departed: Mapping[str, DepartedHost], hosts: Iterable[str]
) -> dict[str, ReturnedHost]:
    """Match the current hosts that had left with what is known of them, by id.

    A host is known by its name, which DNS reads in any case. One that came back unseen, so that the baseline
    does not know what it runs, still counts as coming back. ``hosts`` gives the order of looking for them.
    """
    left_before = _LeftHosts(
        {host: ReturnedHost(host, former.image, []) for host, former in departed.items()},
        {host: former.name for host, former in departed.items()},
    )
    gone = {host: baseline["hosts"][host] for host in baseline["hosts"].keys() - current["hosts"].keys()}
    left_now = _LeftHosts(
        {
            host: ReturnedHost(host, find_host_image(baseline, known), known["orphaned_vibs"])
            for host, known in gone.items()
        },
        {host: known["name"] for host, known in gone.items()},
    )
    returned: dict[str, ReturnedHost] = {}
    for host in hosts:
        if host not in current["hosts"]:
            continue
        name, known_host = current["hosts"][host]["name"], baseline["hosts"].get(host)
        former = None
        if known_host is None:
            former = left_now.take(host, name) or left_before.take(host, name)
        elif known_host["image"] is None:
            former = left_before.take(host, name)
        if former is not None:
            returned[host] = former
    return returned


class _LeftHosts:
    """Hosts that left, each of which can come back once."""

    def __init__(self, hosts: dict[str, ReturnedHost], names: Mapping[str, str]) -> None:
        self.by_id = hosts
        self.by_name = {name.casefold(): host for host, name in names.items()}

    def take(self, host: str, name: str) -> ReturnedHost | None:
        """Take the one with this name, or else with this id; it is not given again."""
        old_id = self.by_name.pop(name.casefold(), host)
        return self.by_id.pop(old_id, None)


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
    """Hosts that joined, left, came back under a new id, or are called otherwise."""
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
    """VIBs that appeared on hosts, or are gone from them. A host brings its own, and takes them with it."""
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
    """What was known of a host before: none if unknown, empty if there was no such host."""
    if former is not None:
        return former.orphaned_vibs
    return [] if known is None else known["orphaned_vibs"]
