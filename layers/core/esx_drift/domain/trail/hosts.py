"""The hosts of a log by its records: which ids are one machine, what each was called, and when it was seen.

A vCenter gives a host that is taken out and added again another id, under the same name or a new one.
Longer than 250 lines, because ids, names and sights are followed through the same records, forwards and back.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

from esx_drift.domain.host_history import find_known_machines, is_other_machine, normalize_host_name
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.stored.types import Change, Departed, LogState, Record, Snapshot
from esx_drift.domain.text.times import parse_time


def is_of_installed_part(change: Change) -> bool:
    """Tell whether a ``change`` is of what hosts run: not of hosts, nor of what an image offers them."""
    is_other = change["element"] in {"host", "alternative_image"} or change["kind"] == "relabelled"
    return not is_other and change["alternative_image"] is None


def list_renewed_ids(record: Record) -> Iterator[tuple[str, str]]:
    """List the hosts that a ``record`` found under another id: the id before, and the one now."""
    for change in record["changes"]:
        old, new = change["from"], change["to"]
        if (change["element"], change["kind"]) == ("host", "changed") and old and new:
            yield old, new


def list_left_ids(record: Record) -> list[str]:
    """List the ids of the hosts that a ``record`` found gone from the cluster."""
    left = ("host", "removed")
    return [change["key"] for change in record["changes"] if (change["element"], change["kind"]) == left]


def is_new_vcenter(record: Record, known_uuid: str | None) -> bool:
    """Tell whether a ``record`` is of another vCenter than that with the instance UUID ``known_uuid``."""
    now = record["after"]["instance_uuid"]
    return known_uuid is not None and now is not None and now != known_uuid


def find_former_ids(seen: Mapping[str, str], records: Iterable[Record]) -> dict[str, str]:
    """Find the ids under which hosts were last seen, where it was another: some may have come back unread.

    Args:
        seen: When each was last seen, by its id of now; at least one.
        records: Those of its cluster, the newest first; no more of them are asked for than it takes.
    """
    ids, times = {host: host for host in seen}, {host: parse_time(time) for host, time in seen.items()}
    oldest = min(times.values())
    for record in takewhile(lambda each: parse_time(each["checked_at"]) > oldest, records):
        former, at = {new: old for old, new in list_renewed_ids(record)}, parse_time(record["checked_at"])
        ids |= {host: former.get(ids[host], ids[host]) for host, time in times.items() if at > time}
    return {host: former for host, former in ids.items() if former != host}


@dataclass(slots=True)
class KnownHosts:
    """What the records of a log say of its hosts, by id.

    Attributes:
        names: All names that each ever had, the newest last.
        renewed: The id that a host had next.
        left: When each was found gone that is not there any more.
        releases: What the releases of ESXi that they ran are called, by version.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    renewed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)

    def add_record(self, record: Record) -> None:
        """Add what a ``record`` says; records are added in their order."""
        for host, gone in record["after"]["departed"].items():
            self._add_name(host, gone["name"])
        for change in record["changes"]:
            for name in list_relabelled_names(change):
                self._add_name(change["key"], name)
        for event in record["events"]:
            for host, name in event["data"]["host_names"].items():
                self._add_name(host, name)
            self.releases |= event["data"].get("release_names", {})
        for unseen in record["uncovered"]:
            self._add_name(unseen["host"], unseen["name"])
        for old, new in list_renewed_ids(record):
            self.renewed[old] = new
            self.renewed.pop(new, None)
            self.left.pop(old, None)
        self.left |= dict.fromkeys(list_left_ids(record), record["checked_at"])

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Add the hosts of the ``snapshot`` that the newest record left: those are there."""
        for host, known in snapshot["hosts"].items():
            self._add_name(host, known["name"])
            self.left.pop(host, None)
        self.releases |= list_release_names(snapshot["labels"])

    @property
    def newest_names(self) -> dict[str, str]:
        """What each host is called now, or was last."""
        return {host: names[-1] for host, names in self.names.items()}

    @property
    def distinct_names(self) -> dict[str, str]:
        """The same, but with its id where another id has the same name: each names one host."""
        newest = self.newest_names
        numbers = Counter(map(normalize_host_name, newest.values()))
        return {
            host: name if numbers[normalize_host_name(name)] == 1 else f"{name} ({host})"
            for host, name in newest.items()
        }

    def list_ids(self, host: str) -> list[str]:
        """List all ids of the machine that had the id ``host``, the oldest first."""
        older = {new: old for old, new in self.renewed.items()}
        found = [host]
        while found[0] in older:
            found.insert(0, older[found[0]])
        while found[-1] in self.renewed:
            found.append(self.renewed[found[-1]])
        return found

    def find_machines(self, wanted: str) -> list[list[str]]:
        """Find which machines a person may mean by ``wanted``: an id, a name, or a name without its domain.

        Returns:
            All ids of each, the oldest first. A name counts that a host ever had.
        """
        if wanted in self.names:
            return [self.list_ids(wanted)]
        name = normalize_host_name(wanted)
        known = {host: {*map(normalize_host_name, names)} for host, names in self.names.items()}
        exact = [host for host, names in known.items() if name in names]
        short = [host for host, names in known.items() if name in {each.partition(".")[0] for each in names}]
        machines = {tuple(self.list_ids(host)): None for host in exact or short}
        return [[*ids] for ids in machines]

    def _add_name(self, host: str, name: str) -> None:
        others = [each for each in self.names.get(host, ()) if each != name]
        self.names[host] = [*others, name]


def list_relabelled_names(change: Change) -> list[str]:
    """List the names that a host had before and after a ``change``; empty where that is another one."""
    is_of_host = (change["element"], change["kind"]) == ("host", "relabelled")
    labels = (change["detail"] or {}).values() if is_of_host else ()
    return [str(label["name"]) for label in labels if isinstance(label, dict) and "name" in label]


def list_known_hosts(records: Iterable[Record], snapshot: Snapshot | None) -> KnownHosts:
    """List what ``records`` of one log say of its hosts; the last of them left ``snapshot``, if any."""
    known = KnownHosts()
    for record in records:
        known.add_record(record)
    if snapshot is not None:
        known.add_snapshot(snapshot)
    return known


@dataclass(frozen=True, slots=True)
class Sighting:
    """How sure it is what a host ran at a moment.

    Attributes:
        before: When it was last seen until then; none if never.
        after: When it was next seen; none if not since, or if it left before that.
        changed_between: Whether it had changed by then: so it may have run either at that moment. None where
            records between can't be read, and none that can says so.
        left_at: When it was found gone from the cluster, without having been seen once more.
        id_after: The id under which it was next seen, where that is another one.
        snapshot_after: The key of what was then known of it, where that alone can say whether it had changed.
        replaced_at: When another vCenter was looked at instead, before it was seen once more: the same id
            means another host there.
        is_lost: Records are missing after which it is not there any more: it left, or has another id.
    """

    before: str | None
    after: str | None = None
    changed_between: bool | None = False
    left_at: str | None = None
    id_after: str | None = None
    snapshot_after: str | None = None
    replaced_at: str | None = None
    is_lost: bool = False


def find_sightings(
    hosts: Iterable[str],
    moment: datetime,
    at: Record,
    later: Iterable[Record],
    never_seen: Collection[str] = (),
) -> dict[str, Sighting]:
    """Find when each of ``hosts`` (ids) was seen before and after ``moment``.

    Args:
        hosts: Their ids.
        moment: The time that is asked about.
        at: The last record until then.
        later: Those after it; no more of them are asked for than it takes until each host was seen.
        never_seen: Those of the hosts that nobody had seen by then.
    """
    after = at["after"]
    found = {
        host: Sighting(
            None if host in never_seen else after["uncovered_since"].get(host, after["last_look_at"])
        )
        for host in hosts
    }
    waiting = {host: host for host in found}
    last = at["seq"]
    for record in later:
        if is_new_vcenter(record, after["instance_uuid"]):
            for host in waiting.values():
                found[host] = replace(found[host], replaced_at=record["checked_at"], changed_between=None)
            return found
        if record["seq"] != last + 1:
            _pass_gap(record, waiting, found)
        last = record["seq"]
        _follow_waiting(record, waiting, found)
        looked, unseen = record["after"]["last_look_at"], record["after"]["uncovered_since"]
        if looked is not None and parse_time(looked) > moment:
            for current in waiting.keys() - unseen.keys():
                host = waiting.pop(current)
                found[host] = _see_again(found[host], record, None if current == host else current)
        if not waiting:
            break
    return found


def _see_again(sighting: Sighting, record: Record, id_after: str | None) -> Sighting:
    """See a host once more in what a ``record`` left: under ``id_after``, if that is another id."""
    left, looked = record["after"]["snapshot"], record["after"]["last_look_at"]
    key = left["key"] if left is not None and sighting.changed_between is None else None
    return replace(sighting, after=looked, id_after=id_after, snapshot_after=key)


def _pass_gap(record: Record, waiting: dict[str, str], found: dict[str, Sighting]) -> None:
    """Pass over records that can't be read, up to ``record``: what they said of hosts is not known."""
    for current, host in [*waiting.items()]:
        if not found[host].changed_between:
            found[host] = replace(found[host], changed_between=None)
        if current in record["after"]["departed"]:
            found[waiting.pop(current)] = replace(found[host], left_at=record["checked_at"])
        elif found[host].before is not None and current not in record["after"]["accepted"]:
            found[waiting.pop(current)] = replace(found[host], is_lost=True)


def compare_sightings(before: Snapshot, after: Snapshot | None, host: str, id_after: str) -> bool | None:
    """Compare what two snapshots say of one host.

    Args:
        before: The one.
        after: The other; none if that is damaged.
        host: The host's id.
        id_after: The id that it has in the other.

    Returns:
        Whether that differs; none where it can't be compared.
    """
    if after is None or before["schema_version"] != after["schema_version"]:
        return None
    runs = [snapshot["hosts"].get(known) for snapshot, known in ((before, host), (after, id_after))]
    ran = [(one["image"], sorted(one["orphaned_vibs"] or [])) for one in runs if one and one["image"]]
    return ran[0] != ran[1] if len(ran) == len(runs) else None


def _follow_waiting(record: Record, waiting: dict[str, str], found: dict[str, Sighting]) -> None:
    """Follow hosts that were not seen again yet: ``waiting`` has the ids of today, and those of then."""
    for current in waiting.keys() & {*list_left_ids(record)}:
        host = waiting.pop(current)
        found[host] = replace(found[host], left_at=record["checked_at"])
    for old, new in list_renewed_ids(record):
        if old in waiting:
            waiting[new] = waiting.pop(old)
    for change in record["changes"]:
        if is_of_installed_part(change):
            for host in (waiting[each] for each in change["hosts"] if each in waiting):
                found[host] = replace(found[host], changed_between=True)


@dataclass(frozen=True, slots=True)
class FormerSelf:
    """What a host was before it left: under which ``id``, and what of it is ``known``."""

    id: str
    known: Departed

    @property
    def seen_at(self) -> str:
        """When it was last seen; a version before did not keep it, and so when it was found gone."""
        return self.known.get("seen_at", self.known["left_at"])


def find_former_selves(snapshot: Snapshot, after: LogState) -> dict[str, FormerSelf]:
    """Find what is known of hosts that came back, mostly under another id, and that nobody saw since.

    Args:
        snapshot: What a record left of the hosts.
        after: The state that it left, with those that were gone.

    Returns:
        What each was before, by the id of now.
    """
    uuids = find_known_machines(after)["uuids"]
    unseen = {host: known["name"] for host, known in snapshot["hosts"].items() if known["image"] is None}
    return {
        host: FormerSelf(old, gone)
        for host, name in unseen.items()
        for old, gone in after["departed"].items()
        if gone["image"] is not None
        and (old == host or normalize_host_name(gone["name"]) == normalize_host_name(name))
        and not is_other_machine(gone.get("uuid"), uuids.get(host))
    }
