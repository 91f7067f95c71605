"""Hosts that are new in a snapshot: matched with what was known of them, or described where nothing is.

Longer than 250 lines, because which host is which decides what is said of one that is new.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping
from copy import replace
from typing import Final, cast

from msgspec import Struct

from esx_drift.domain.changes.compare import build_bare_change
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.changes.image_changes import ImageTransition, build_image_changes
from esx_drift.domain.host_history import (
    NO_UUIDS,
    RememberedHost,
    Uuids,
    find_host_label,
    is_other_machine,
    is_same_host_name,
    normalize_host_name,
)
from esx_drift.domain.images.image import ImageGroup, group_hosts_by_image
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.identifiers import find_machine
from esx_drift.domain.stored.types import Change, FormerHost, HostDifference, Json, NewHost, Snapshot
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


def list_left_hosts(baseline: Snapshot, current: Snapshot, uuids: Uuids = NO_UUIDS) -> list[RememberedHost]:
    """List the hosts that ``baseline`` has and ``current`` has not, as they were known, ``uuids`` too."""
    return [
        RememberedHost(
            host,
            known["name"],
            find_host_image(baseline, known),
            known["orphaned_vibs"],
            uuid=uuids.get(host),
        )
        for host, known in baseline["hosts"].items()
        if host not in current["hosts"]
    ]


def match_remembered_hosts(
    baseline: Snapshot,
    current: Snapshot,
    remembered: Iterable[RememberedHost],
    uuids: Uuids = NO_UUIDS,
    elsewhere: Container[str] = frozenset(),
) -> dict[str, RememberedHost]:
    """Match the current hosts that the baseline does not know with what is known of them.

    By their id, else by their name, unless the UUIDs say that it is another machine, else by their UUID. One
    that came back unseen, so that the baseline does not know what it runs, still counts as coming back.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        remembered: What is known of hosts that may have come: of those that left since the baseline, as
            ``list_left_hosts`` lists them, and of others. There may be several entries of a host. What is
            known of one is given to the first that matches it, in the natural order of their ids.
            A host that the vCenter still has elsewhere must not be among them, but by its own id.
        uuids: The UUIDs of the machines that the hosts of ``current`` are.
        elsewhere: UUIDs that a host has which the vCenter still has elsewhere. Like those that several hosts
            share, they find no machine; that two differ says all the same that they are two.

    Returns:
        What is known of each host that was found, by its id in ``current``.
    """
    entries, own = [*remembered], find_own_uuids(current["hosts"], uuids)
    shared = _find_shared_uuids(entries)
    taken: dict[str, str] = {}
    left_now = _Memory([entry for entry in entries if entry.seen_at is None], current["hosts"], taken)
    before = _Memory([entry for entry in entries if entry.seen_at is not None], current["hosts"], taken)
    unknown = list_unknown_hosts(baseline, current)
    labels = {host: find_host_label(name) for host, name in unknown.items()}
    numbers = Counter(labels.values())
    returned: dict[str, RememberedHost] = {}
    for by_uuid in (False, True):
        for host in sort_naturally(unknown):
            machine = own.get(host)
            telling = None if machine in shared or machine in elsewhere else machine
            asked = _AskedHost(host, unknown[host], uuids.get(host), telling, numbers[labels[host]] == 1)
            former = returned.get(host) or before.find(host)
            for memory in (before,) if host in baseline["hosts"] else (left_now, before):
                if former is None or former.image is None:
                    former = _complete(former, memory.take(asked, by_uuid=by_uuid))
            if former is not None:
                returned[host] = former
    return returned


def _complete(former: RememberedHost | None, other: RememberedHost | None) -> RememberedHost | None:
    """Complete what is known of a host, but not what it ran, by what is known by its name or its UUID."""
    if former is None or other is None or other.image is None:
        return former or other
    return replace(
        former,
        image=other.image,
        orphaned_vibs=other.orphaned_vibs,
        seen_at=other.seen_at or former.seen_at,
        accepted=former.accepted or other.accepted,
    )


def find_replaced_hosts(
    baseline: Snapshot,
    current: Snapshot,
    remembered: Iterable[RememberedHost],
    uuids: Uuids,
    returned: Collection[str],
) -> dict[str, RememberedHost]:
    """Find the hosts that have the name of a known host and are, by their UUIDs, another machine.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        remembered: What is known of hosts, as ``match_remembered_hosts`` takes it.
        uuids: The UUIDs of the machines that the hosts of ``current`` are.
        returned: The ids of the hosts of which it is known what they were before.

    Returns:
        The host that had the name, by the id of the one that has it now.
    """
    entries = [*remembered]
    replaced: dict[str, RememberedHost] = {}
    for host, name in list_unknown_hosts(baseline, current).items():
        namesakes = [
            entry
            for entry in entries
            if is_same_host_name(entry.name, name) and is_other_machine(entry.uuid, uuids.get(host))
        ]
        if namesakes and host not in returned:
            replaced[host] = max(namesakes, key=_rank)
    return replaced


def mark_replaced_hosts(changes: Iterable[Change], replaced: Mapping[str, RememberedHost]) -> list[Change]:
    """Say of each host that came under the name of another machine which that was: a warning at least.

    Args:
        changes: The changes of a check, as ``describe_new_hosts`` gives them.
        replaced: The host that had the name, by the id of the one that has it now.
    """
    marked: list[Change] = []
    for change in changes:
        former = replaced.get(change["key"])
        if former is None or (change["element"], change["kind"]) != ("host", "added"):
            marked.append(change)
            continue
        known: FormerHost = {"id": former.id, "name": former.name}
        detail = {**(change["detail"] or {}), "other_machine": cast("Json", known)}
        marked.append(change | {"severity": "warning", "detail": detail})
    return marked


def find_own_uuids(hosts: Iterable[str], uuids: Uuids) -> dict[str, str]:
    """Find the UUIDs that each tell one machine of all ``hosts`` (ids) that are there, of those in ``uuids``.

    One that several hosts have at once is none: firmware is often sold with the same.
    """
    machines = {host: find_machine(uuids.get(host)) for host in hosts}
    numbers = Counter(machines.values())
    return {host: machine for host, machine in machines.items() if machine and numbers[machine] == 1}


def _find_shared_uuids(remembered: Iterable[RememberedHost]) -> set[str | None]:
    """Find the UUIDs that several of the ``remembered`` hosts have: such a one finds none of them.

    Several ids of one name are one host: a vCenter has no two hosts of one name at a time, and the logs of
    several clusters may know it by the ids that it had when it was there.
    """
    ids: defaultdict[str | None, set[str]] = defaultdict(set)
    names: defaultdict[str | None, set[str]] = defaultdict(set)
    for entry in remembered:
        machine = find_machine(entry.uuid)
        ids[machine].add(entry.id)
        names[machine].add(normalize_host_name(entry.name))
    return {machine for machine in ids if min(len(ids[machine]), len(names[machine])) > 1}


class _AskedHost(Struct, frozen=True):
    """A host that is looked for. ``uuid``: its machine's; ``own_uuid``: the same, if no other host has it.

    ``is_only``: no other host is asked for whose name begins alike.
    """

    id: str
    name: str
    uuid: str | None
    own_uuid: str | None
    is_only: bool


class _Memory:
    """What is known of hosts, in several entries maybe; ``taken`` says who of those here each is."""

    def __init__(
        self, entries: Iterable[RememberedHost], present: Container[str], taken: dict[str, str]
    ) -> None:
        """Keep ``entries``; one whose id is in ``present`` is that host, whatever others are called."""
        self._by_id: defaultdict[str, list[RememberedHost]] = defaultdict(list)
        self._by_label: defaultdict[str, list[RememberedHost]] = defaultdict(list)
        self._by_machine: defaultdict[str | None, list[RememberedHost]] = defaultdict(list)
        self._taken = taken
        for entry in entries:
            self._by_id[entry.id].append(entry)
            if entry.id not in present:
                self._by_label[find_host_label(entry.name)].append(entry)
                self._by_machine[find_machine(entry.uuid)].append(entry)

    def find(self, host: str) -> RememberedHost | None:
        """Find what is known of the host with this id."""
        return max(self._by_id.get(host, ()), key=_rank, default=None)

    def take(self, asked: _AskedHost, *, by_uuid: bool) -> RememberedHost | None:
        """Take what is known of a host by its name.

        ``by_uuid``: instead, of the one that is this machine.
        """
        found = max(
            self._list_of_machine(asked) if by_uuid else self._list_named(asked), key=_rank, default=None
        )
        if found is not None:
            self._taken[found.id] = asked.id
        return found

    def _list_of_machine(self, asked: _AskedHost) -> list[RememberedHost]:
        machine = find_machine(asked.own_uuid)
        return self._list_free(self._by_machine[machine], asked) if machine else []

    def _list_named(self, asked: _AskedHost) -> list[RememberedHost]:
        """List the entries with this name, or but for the domain, where only one host can be meant."""
        named = self._list_free(self._by_label[find_host_label(asked.name)], asked)
        left = [entry for entry in named if not is_other_machine(entry.uuid, asked.uuid)]
        name = normalize_host_name(asked.name)
        exact = [entry for entry in left if normalize_host_name(entry.name) == name]
        alike = [entry for entry in left if is_same_host_name(entry.name, asked.name)]
        is_clear = asked.is_only and len({normalize_host_name(entry.name) for entry in alike}) == 1
        return exact or (alike if is_clear else [])

    def _list_free(self, entries: Iterable[RememberedHost], asked: _AskedHost) -> list[RememberedHost]:
        """List those ``entries`` that are of no other host here than the one ``asked`` for."""
        return [entry for entry in entries if self._taken.get(entry.id, asked.id) == asked.id]


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
