"""The changes between two snapshots of a cluster: per host, grouped, each named once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.changes.elements import ELEMENTS, rate_change
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.images.description import Description, Descriptions
from esx_drift.domain.stored.types import Change, ChangeKind, Element, Image, Json, KnownHost, Snapshot
from esx_drift.domain.text.versions import sort_naturally


@dataclass(frozen=True, slots=True)
class DepartedHost:
    """A host that left in an earlier check: its name, its last known image, and how that was described."""

    name: str
    image: Image | None
    description: Description


@dataclass(frozen=True, slots=True)
class ReturnedHost:
    """A host that came back: under which id it was known, and as what."""

    old_id: str
    image: Image | None
    description: Description
    orphaned_vibs: list[str] | None


def find_host_image(snapshot: Snapshot, known: KnownHost) -> Image | None:
    """What the host runs, as far as the snapshot knows."""
    return None if known["image"] is None else snapshot["images"][known["image"]]


def match_returned_hosts(
    baseline: Snapshot, current: Snapshot, departed: Mapping[str, DepartedHost], hosts: Iterable[str]
) -> dict[str, ReturnedHost]:
    """The current hosts that had left, by id; ``hosts`` gives the order in which they are looked for.

    A host is known by its name, which DNS reads in any case.

    One that came back unseen, so that the baseline does not know what it runs, still counts as coming back.
    """
    left_before = _Left(
        {host: ReturnedHost(host, former.image, former.description, []) for host, former in departed.items()},
        {host: former.name for host, former in departed.items()},
    )
    gone = {host: baseline["hosts"][host] for host in baseline["hosts"].keys() - current["hosts"].keys()}
    words = Descriptions(baseline)
    left_now = _Left(
        {
            host: ReturnedHost(host, find_host_image(baseline, known), words.of(host), known["orphaned_vibs"])
            for host, known in gone.items()
        },
        {host: known["name"] for host, known in gone.items()},
    )
    found: dict[str, ReturnedHost] = {}
    for host in hosts:
        if host not in current["hosts"]:
            continue
        name, known_host = current["hosts"][host]["name"], baseline["hosts"].get(host)
        former = None
        if known_host is None:
            former = left_now.taken(host, name) or left_before.taken(host, name)
        elif known_host["image"] is None:
            former = left_before.taken(host, name)
        if former is not None:
            found[host] = former
    return found


class _Left:
    """Hosts that left, each of which can come back once."""

    def __init__(self, hosts: dict[str, ReturnedHost], names: Mapping[str, str]) -> None:
        self.by_id = hosts
        self.by_name = {name.casefold(): host for host, name in names.items()}

    def taken(self, host: str, name: str) -> ReturnedHost | None:
        """The one with this name, or else with this id; it is not given again."""
        old_id = self.by_name.pop(name.casefold(), host)
        return self.by_id.pop(old_id, None)


__all__ = ["DepartedHost", "compare_snapshots"]


def compare_snapshots(
    baseline: Snapshot, current: Snapshot, departed: Mapping[str, DepartedHost]
) -> list[Change]:
    """Every difference between two snapshots, in an order that depends on nothing else.

    ``departed`` are hosts that left before ``baseline``, by id; of several with one name the last counts.
    A host is not compared where one side does not know what it runs.
    """
    hosts = sort_naturally(baseline["hosts"].keys() | current["hosts"].keys())
    returned = match_returned_hosts(baseline, current, departed, hosts)
    transitions = _transitions(baseline, current, returned)
    ranks = {host: rank for rank, host in enumerate(hosts)}
    return [
        *_host_changes(baseline["hosts"], current["hosts"], returned, hosts),
        *sorted(build_image_changes(transitions, ranks), key=_rank),
        *_orphaned_vib_changes(baseline["hosts"], current["hosts"], returned, hosts),
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


def _host_changes(before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]) -> Iterator[Change]:
    """Hosts that joined, left, came back under a new id, or are called otherwise."""
    old_ids = {former.old_id for former in returned.values()}
    for host in hosts:
        if host not in after:
            if host not in old_ids:
                yield _change("host", "removed", host, [host])
        elif host not in before:
            old_id = returned[host].old_id if host in returned else host
            yield _change("host", "added", host, [host]) if old_id == host else _readded(old_id, host)
        elif _labels(before[host]) != _labels(after[host]):
            detail: dict[str, Json] = {"from": _labels(before[host]), "to": _labels(after[host])}
            yield _change("host", "relabelled", host, [host]) | {"detail": detail}


def _labels(known: KnownHost) -> Json:
    return {"name": known["name"], "is_vsan_witness": known["witness"]}


def _readded(old_id: str, host: str) -> Change:
    return _change("host", "changed", host, [host]) | {"from": old_id, "to": host}


def _change(element: Element, kind: ChangeKind, key: str, hosts: list[str]) -> Change:
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


def _transitions(baseline: Snapshot, current: Snapshot, returned: _Returned) -> list[ImageTransition]:
    """Each distinct step from one image to another, in words as in parts, with the hosts that made it."""
    found: dict[tuple[str, ...], ImageTransition] = {}
    old, new = Descriptions(baseline), Descriptions(current)
    for host, after in current["hosts"].items():
        known = baseline["hosts"].get(host)
        if host in returned:
            former = returned[host]
            origin, image, description = f"left:{former.old_id}", former.image, former.description
        elif known is not None:
            origin, image, description = known["image"] or "", find_host_image(baseline, known), old.of(host)
        else:
            continue
        now, says = find_host_image(current, after), new.of(host)
        if image is None or now is None:
            continue
        step = (origin, description.key, after["image"] or "", says.key)
        if step not in found:
            found[step] = ImageTransition(image, now, (description, says), [])
        found[step].hosts.append(host)
    return list(found.values())


def _orphaned_vib_changes(
    before: _Hosts, after: _Hosts, returned: _Returned, hosts: list[str]
) -> Iterator[Change]:
    """VIBs that appeared on hosts, or are gone from them. A host brings its own, and takes them with it."""
    old_ids = {former.old_id for former in returned.values()}
    appeared: dict[str, list[str]] = {}
    vanished: dict[str, list[str]] = {}
    for host in hosts:
        old = _known_vibs(before.get(host), returned.get(host))
        new = after[host]["orphaned_vibs"] if host in after else [] if host not in old_ids else None
        if old is None or new is None or old == new:
            continue
        for vib in set(new) - set(old):
            appeared.setdefault(vib, []).append(host)
        for vib in set(old) - set(new):
            vanished.setdefault(vib, []).append(host)
    for vib in sort_naturally(appeared.keys() | vanished.keys()):
        if vib in appeared:
            yield _change("orphaned_vib", "added", vib, appeared[vib])
        if vib in vanished:
            yield _change("orphaned_vib", "removed", vib, vanished[vib])


def _known_vibs(known: KnownHost | None, former: ReturnedHost | None) -> list[str] | None:
    """What was known of a host before: none if unknown, empty if there was no such host."""
    if former is not None:
        return former.orphaned_vibs
    return [] if known is None else known["orphaned_vibs"]
