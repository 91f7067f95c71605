"""The hosts of a log by its records: when each was seen, under which id, and what it was before.

A vCenter gives a host that is taken out and added again another id, under the same name or a new one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import replace
from datetime import datetime
from itertools import takewhile

from msgspec import Struct

from esx_drift.domain.host_history import find_known_machines, is_other_machine, normalize_host_name
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


class Sighting(Struct, frozen=True):
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


class FormerSelf(Struct, frozen=True):
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
