"""The logs of a trail, to be asked for the past. What is damaged is named, and the rest is answered.

Which log a name means says ``naming``.

Longer than 250 lines, because each way to read a log names what is damaged of it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched, pairwise
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from esx_drift.contracts.unpacking import parse_snapshot, unpack_blob
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    ClusterRef,
    make_numbered_key,
    make_record_key,
    make_record_prefix,
)
from esx_drift.domain.stored.types import LogState, Record, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import parse_record_place
from esx_drift.domain.trail.excerpt import EXCERPT_KEY
from esx_drift.domain.trail.hosts import FormerSelf, find_former_selves
from esx_drift.domain.trail.known_hosts import KnownHosts, list_known_hosts
from esx_drift.errors import TrailDamaged
from esx_drift.ports import TrailFiles
from esx_drift.trail.linked_records import LinkedRecords

RECORDS: Final = "records/"


RECORDS_AT_ONCE: Final = 200
"""So many records are read before the next ones are asked for: a record of a large cluster has 30 kB."""

READ_FOR_A_LOOK: Final = 8
"""So many are read at once for the first look: mostly the first record is of it."""

FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)


class VCenterLog(Struct, frozen=True):
    """The own log of a vCenter, which says what its clusters are called.

    Attributes:
        prefix: What the keys of all records of the vCenter begin with.
        numbers: The numbers of the own log's records, the lowest first.
        record: The newest of them that can be read; none if there is none.
    """

    prefix: str
    numbers: tuple[int, ...]
    record: Record | None

    @property
    def name(self) -> str:
        """What it is called, by the keys of its records: also where none of them can be read."""
        return unquote(self.prefix.removeprefix(f"{RECORDS}vcenter=").removesuffix("/"))

    def list_logs(self) -> list[ClusterRef]:
        """List the logs that the newest record knows: its own, and those of clusters."""
        if self.record is None:
            return []
        name, clusters = self.record["vcenter"], self.record["after"]["clusters"] or {}
        own = ClusterRef(name, VCENTER_LOG, VCENTER_LOG)
        return [own, *(ClusterRef(name, cluster, entry["name"]) for cluster, entry in clusters.items())]


@dataclass(slots=True)
class TrailLogs:
    """All logs of a trail. ``damages`` are the objects that could not be read, in the order they were met.

    ``linked`` reads the records.
    """

    files: TrailFiles
    damages: list[TrailDamaged] = field(default_factory=list)
    linked: LinkedRecords = field(init=False)

    def __post_init__(self) -> None:
        self.linked = LinkedRecords(self.files, self.damages)

    def adopt_digests(self, looked: "TrailLogs") -> None:
        """Adopt what was read of digests by who ``looked`` at the same trail before."""
        self.linked.adopt_heads(looked.linked)

    def list_known_logs(self, vcenter: str | None = None) -> list[ClusterRef]:
        """List the logs of all vCenters, or one ``vcenter``: its own, and each cluster's ever listed."""
        return [
            log
            for own in self.read_vcenters(vcenter)
            for log in (*own.list_logs(), *self.list_forgotten_logs(own))
        ]

    def read_vcenters(self, vcenter: str | None = None) -> list[VCenterLog]:
        """Read the newest record of each vCenter's own log, or of that of one ``vcenter``."""
        only = None if vcenter is None else make_record_prefix(vcenter, "").removesuffix("cluster=/")
        found = []
        for prefix in self._list_vcenter_prefixes() if only is None else (only,):
            own = f"{prefix}cluster={VCENTER_LOG}/"
            numbers = sorted(self._list_numbers(own))
            found.append(VCenterLog(prefix, tuple(numbers), self._read_newest(own, numbers)))
        return found

    def list_forgotten_logs(self, own: VCenterLog) -> Iterator[ClusterRef]:
        """List the logs of a vCenter that its ``own`` log does not know, such as those retired long ago.

        The newest record of each says what it was.
        """
        listed = {f"{own.prefix}cluster={VCENTER_LOG}/", *(log.record_prefix for log in own.list_logs())}
        for folder in self.files.list_folders(own.prefix):
            if not folder.startswith(f"{own.prefix}cluster="):
                self._note_foreign(folder)
            elif folder not in listed and (log := self.read_newest_name(folder)) is not None:
                yield log

    def read_newest_name(self, prefix: str) -> ClusterRef | None:
        """Read what the cluster is called whose records begin with ``prefix``; none if there are none."""
        newest = self._read_newest(prefix, sorted(self._list_numbers(prefix)))
        if newest is None:
            return None
        called = newest["after"]["cluster_name"] or newest["cluster_name"] or newest["cluster"]
        return ClusterRef(newest["vcenter"], newest["cluster"], called)

    def list_numbers(self, log: ClusterRef) -> list[int]:
        """List the numbers of a log's records, the lowest first: one request for a thousand.

        They go up by one from 1, in an excerpt from any: those that are not there are noted as damage. So are
        those behind the last one that the newest signed digest names, which is read once for all logs.
        """
        numbers = list(self._list_numbers(log.record_prefix))
        begins_at = numbers[0] if numbers and numbers[0] > 1 and self.is_excerpt() else 1
        for last, number in pairwise((begins_at - 1, *numbers)):
            if number > last + 1:
                self._note_gap(log, last + 1, number - 1, "a later one of its log is")
        self._note_cut_end(log, numbers[-1] if numbers else 0)
        return numbers

    def _note_cut_end(self, log: ClusterRef, last: int) -> None:
        """Note which records are missing behind the ``last`` one; an excerpt may leave them out."""
        digest, heads = next(self.linked.list_heads(), ("", {}))
        head = heads.get(log.record_prefix)
        if head is not None and head["seq"] > last and not self.is_excerpt():
            self._note_gap(log, last + 1, head["seq"], f"{digest} names number {head['seq']} of its log")

    def read_records(
        self, log: ClusterRef, numbers: Iterable[int], at_once: int = RECORDS_AT_ONCE
    ) -> Iterator[Record]:
        """Read the records of a ``log`` that have these ``numbers``, in their order, without damaged ones.

        Damaged is one, too, that is not what the next one names. So many are read ``at_once``: who may not
        want all of them asks for few.
        """
        for some in batched(numbers, at_once, strict=False):
            yield from self.linked.read(log.record_prefix, some)

    def read_unlinked(self, log: ClusterRef, numbers: Iterable[int]) -> Iterator[Record]:
        """Read records that are only looked at to find others: nothing that is told may rest on them.

        They are those of a ``log`` with these ``numbers``, without damaged ones, and held to nothing.
        """
        for number in numbers:
            record = self.linked.read_alone(make_numbered_key(log.record_prefix, number))
            if record is not None:
                yield record

    def find_last_until(self, log: ClusterRef, numbers: Sequence[int], moment: datetime) -> int:
        """Find how many of the records of a ``log`` are not later than ``moment``: a few of them are read.

        One with a time that somebody rewrote leads to itself: it is one of the two between which ``moment``
        is found, so whoever reads both finds out.

        ``numbers`` are those of all its records, the lowest first.
        """

        def read_time(at: int) -> datetime:
            for number in reversed(numbers[: at + 1]):
                for record in self.read_unlinked(log, [number]):
                    return parse_time(record["checked_at"])
            return FIRST_MOMENT

        return bisect_right(range(len(numbers)), moment, key=read_time)

    def read_left_snapshot(self, records: Sequence[Record]) -> Snapshot | None:
        """Read what the last of the ``records`` of a log left; none if no look was made, or it is damaged."""
        stored = records[-1]["after"]["snapshot"] if records else None
        return self.read_snapshot(stored["key"]) if stored else None

    def read_hosts(self, records: Sequence[Record]) -> KnownHosts:
        """Read what is known of the hosts of a log by its ``records``, and by what the last of them left."""
        return list_known_hosts(records, self.read_left_snapshot(records))

    def restore_former_selves(
        self, snapshot: Snapshot, after: LogState
    ) -> tuple[Snapshot, dict[str, FormerSelf]]:
        """Put into a ``snapshot`` what hosts ran that came back and that nobody saw since.

        Args:
            snapshot: What a record left.
            after: The state that it left.

        Returns:
            The snapshot with that, and what each of these hosts was before, by its id now.
        """
        hosts, images, restored = {**snapshot["hosts"]}, {**snapshot["images"]}, dict[str, FormerSelf]()
        for host, former in find_former_selves(snapshot, after).items():
            kept = self.read_snapshot(former.known["snapshot"])
            image = former.known["image"] or ""
            if kept is not None and image in kept["images"]:
                images[image] = kept["images"][image]
                vibs = former.known["orphaned_vibs"]
                hosts[host] = {**hosts[host], "image": image, "orphaned_vibs": vibs}
                restored[host] = former
        return {**snapshot, "hosts": hosts, "images": images}, restored

    def find_at(self, log: ClusterRef, moment: datetime) -> tuple[Record | None, list[int], list[int]]:
        """Find the last record of a ``log`` until ``moment``; none if there is none.

        Returns:
            The record, the numbers of those until then, and of those after it.
        """
        numbers = self.list_numbers(log)
        known = self.find_last_until(log, numbers, moment)
        each = (found for number in reversed(numbers[:known]) for found in self.read_records(log, [number]))
        found = next(each, None)
        # It is held to what names it: with another time it might be the one that is asked for.
        for _ in self.read_records(log, numbers[known : known + 1]):
            pass
        return found, numbers[:known], numbers[known:]

    def find_first_look(self, log: ClusterRef, numbers: Iterable[int]) -> Record | None:
        """Find the first of the records of a ``log`` with these ``numbers`` that left what hosts run."""
        records = self.read_records(log, numbers, READ_FOR_A_LOOK)
        return next((record for record in records if record["after"]["snapshot"] is not None), None)

    def read_document(self, log: ClusterRef, record: Record) -> bytes | None:
        """Read the document that a ``record`` of a ``log`` was made of, unpacked; none if there is none.

        What a check found unchanged is kept once: by the record that found it first.
        """
        taken = record["after"]["last_taken"]
        if taken is None:
            return None
        for kept in self.read_records(log, [taken["seq"]]):
            stored = kept["document"]
            if stored is not None:
                return self._read_blob(stored["key"])
        return None

    def read_named(self, key: str) -> Record | None:
        """Read the record under ``key``; none if it is damaged."""
        place = parse_record_place(key)
        if place is None:
            self._note_foreign(key)
            return None
        return next(self.linked.read(place.prefix, [place.seq]), None)

    def read_snapshot(self, key: str) -> Snapshot | None:
        """Read the snapshot ``key``; none if it is damaged."""
        try:
            return parse_snapshot(key, unpack_blob(key, self.files.read(key)))
        except TrailDamaged as damage:
            self.damages.append(damage)
            return None

    def is_excerpt(self) -> bool:
        """Tell whether it says that it is a part of a trail."""
        return self.linked.read_bytes(EXCERPT_KEY) is not None

    def _note_gap(self, log: ClusterRef, first: int, last: int, but: str) -> None:
        key = make_record_key(log.vcenter, log.cluster, first)
        rest = "" if first == last else f", nor are those up to {last:010d}.json"
        self.damages.append(TrailDamaged(f"{key} is not there{rest}, and {but}", key))

    def _list_vcenter_prefixes(self) -> Iterator[str]:
        """List what the keys of each vCenter's records begin with: a request each."""
        after = ""
        while True:
            found = next(self.files.list_objects(RECORDS, after), None)
            if found is None:
                return
            if parse_record_place(found.key) is None:
                self._note_foreign(found.key)
                after = found.key
                continue
            folder = "/".join(found.key.split("/")[:2])
            yield f"{folder}/"
            # What sorts behind all keys that begin so: "0" is what follows "/".
            after = f"{folder}0"

    def _list_numbers(self, prefix: str) -> Iterator[int]:
        for found in self.files.list_objects(prefix):
            place = parse_record_place(found.key)
            if place is not None:
                self.linked.ends[prefix] = max(self.linked.ends.get(prefix, 0), place.seq)
                yield place.seq
            else:
                self._note_foreign(found.key)

    def _note_foreign(self, key: str) -> None:
        self.damages.append(TrailDamaged(f"{key} is no record: no record has such a key", key))

    def _read_newest(self, prefix: str, numbers: Sequence[int]) -> Record | None:
        each = (found for number in reversed(numbers) for found in self.linked.read(prefix, [number]))
        return next(each, None)

    def _read_blob(self, key: str) -> bytes | None:
        """Read and unpack what lies under the hash of its bytes; none if it is damaged, which is noted."""
        try:
            return unpack_blob(key, self.files.read(key))
        except TrailDamaged as damage:
            self.damages.append(damage)
            return None
