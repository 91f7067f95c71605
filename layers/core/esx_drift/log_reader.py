"""Read where a log ends. The records are the truth; the pointer to the newest one only saves a LIST.

Whatever is read is hashed. What is not as the log names it is damage: it is reported, and never keeps a log
from going on after its newest sound record.

Longer than 250 lines, because how a log is read past what is damaged is one rule for all who read it.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import replace
from datetime import datetime

from msgspec import Struct

from esx_drift.domain.stored.identifiers import make_record_key, make_state_key
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Head, LogPointer, LogState, Record
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import LogUnusable, TrailDamaged
from esx_drift.ports import Store, StoredRecord

MAX_PARALLEL_READS = 8
"""Reads in flight: below the ten connections that a botocore client keeps."""

MAX_DAMAGED_RECORDS = 100
"""So many damaged records at a log's end are read. Behind more, it goes on from what the pointer names."""

MAX_LOOKED_BACK = 500
"""So many records are read to find whether an old request was answered: a sender's clock may be years behind.
At a check every 4 hours these are 83 days, and no queue keeps a message for so long."""


class LogEnd(Struct, frozen=True):
    """Where a log ends.

    Attributes:
        head: The newest sound record; None where there is none.
        after: What that record leaves to the next check.
        next_seq: The number of the next record: the lowest free one above the head.
        outbox: The numbers of records whose events are not published yet.
        etag: The ETag of the stored pointer; None if there is none.
        is_behind: Whether the stored pointer is missing or wrong.
        damages: What was found damaged on the way, each object once.
    """

    head: Head | None
    after: LogState
    next_seq: int
    outbox: list[int]
    etag: str | None
    is_behind: bool
    damages: tuple[TrailDamaged, ...] = ()

    def add_damages(self, damages: Iterable[TrailDamaged]) -> "LogEnd":
        """Add damages; an object that is known to be damaged is not named twice."""
        by_key = {damage.key: damage for damage in (*damages, *self.damages)}
        return replace(self, damages=tuple(by_key.values()))


class LogReader(Struct, frozen=True):
    """Reads one log, and writes nothing."""

    store: Store
    vcenter: str
    cluster: str

    def read(self) -> LogEnd:
        """Find where the log ends: by the pointer and the record that it names, else by a LIST.

        Raises:
            StoreUnavailable: S3 did not answer.
            LogUnusable: The newest record is of a newer version of this product; or too many are damaged, and
                no pointer names a sound one.
        """
        return self.find_end() or self._follow(_build_start(None))

    def find_end(self) -> LogEnd | None:
        """Find where the log ends, as ``read`` does; None, without a LIST, where there is no pointer."""
        stored = self.store.state(self.vcenter, self.cluster)
        if stored is None:
            return None
        key, pointer = make_state_key(self.vcenter, self.cluster), stored.pointer
        own = pointer is not None and (pointer["vcenter"], pointer["cluster"]) == (self.vcenter, self.cluster)
        if pointer is None or pointer["head"] is None or not own:
            damage = TrailDamaged(f"{key} does not point into the log", key)
            return self._follow(_build_start(stored.etag).add_damages([damage]))
        return self._read_head(pointer, pointer["head"], stored.etag)

    def _read_head(self, pointer: LogPointer, head: Head, etag: str) -> LogEnd:
        """Read the record that the pointer names; where it is another one, find the end by a LIST."""
        found = self.store.read_record(self.vcenter, self.cluster, head["seq"])
        if found is None or found.sha256 != head["sha256"]:
            damage = self._describe_wrong_pointer(head, found)
            return self._follow(_build_start(etag).add_damages([damage]))
        if found.record is None:
            raise LogUnusable(
                f"{head['key']} is not a record that this version knows ({found.problem}): deploy the newer"
                " version again"
            )
        return LogEnd(head, found.record["after"], head["seq"] + 1, pointer["outbox"], etag, is_behind=False)

    def catch_up(self, end: LogEnd) -> LogEnd:
        """Find where the log ends after the number ``end.next_seq`` turned out to be taken.

        Whoever took it may not have written his pointer yet, and what lies there may be no record at all.
        """
        fresh = self.read().add_damages(end.damages)
        return fresh if fresh.next_seq > end.next_seq else self._follow(fresh)

    def find_answer(self, end: LogEnd, request_id: str, requested_at: datetime) -> Record | None:
        """Find the record that answers a request, however many checks ago that was.

        Args:
            end: Where the log ends.
            request_id: The request.
            requested_at: When it was made: no record of before answers it.
        """
        answered = end.after["answered"]
        for answer in answered:
            if answer["request_id"] == request_id:
                return self._read_sound(answer["seq"])
        # A version before this one did not keep when it answered; what it answered is soon forgotten.
        if not answered or "at" not in answered[0] or requested_at > parse_time(answered[0]["at"]):
            return None
        oldest = answered[0]["seq"]
        for seq in range(oldest - 1, max(0, oldest - 1 - MAX_LOOKED_BACK), -1):
            record = self._read_sound(seq)
            if record is not None and record["request_id"] == request_id:
                return record
            if record is not None and parse_time(record["checked_at"]) < requested_at:
                break
        return None

    def find_record(self, seq: int) -> Record | None:
        """Find the record ``seq``, wherever the log ends; None if nothing lies there.

        Raises:
            TrailDamaged: What lies there is no record of this log.
        """
        found = self.store.read_record(self.vcenter, self.cluster, seq)
        if found is None:
            return None
        if found.record is None or not self._is_own(found.record, seq):
            raise self._describe_unsound(seq, found)
        return found.record

    def list_newest(self, most: int) -> Iterator[Record]:
        """List the sound records among the ``most`` newest, the newest first."""
        newest = self.read().next_seq - 1
        found = map(self._read_sound, range(newest, max(0, newest - most), -1))
        return (record for record in found if record is not None)

    def list_named(self, seq: int | None, most: int) -> Iterator[Record]:
        """List the record ``seq``; where none is named, the sound ones among the ``most`` newest.

        Raises:
            TrailDamaged: What lies under the number is no record of this log.
        """
        if seq is None:
            return self.list_newest(most)
        found = self.find_record(seq)
        return iter([found] if found else [])

    def require_record(self, end: LogEnd, seq: int) -> Record:
        """Read the record ``seq`` of the log; ``end`` is where the log ends.

        Raises:
            TrailDamaged: It is not there, is no record, or is not what the log names.
        """
        key, found = self._make_key(seq), self.store.read_record(self.vcenter, self.cluster, seq)
        if found is None or found.record is None or not self._is_own(found.record, seq):
            raise TrailDamaged(f"{key} {_describe_problem(found)}", key)
        named = end.head if end.head and end.head["seq"] == seq else self._find_name_of(seq)
        if named is not None and named["seq"] == seq and named["sha256"] != found.sha256:
            raise TrailDamaged(f"{key} was changed: the log names another sha256", key)
        return found.record

    def _find_name_of(self, seq: int) -> Head | None:
        following = self._read_sound(seq + 1)
        return following["previous"] if following else None

    def _read_sound(self, seq: int) -> Record | None:
        found = self.store.read_record(self.vcenter, self.cluster, seq)
        return found.record if found and found.record and self._is_own(found.record, seq) else None

    def _is_own(self, record: Record, seq: int) -> bool:
        return (record["vcenter"], record["cluster"], record["seq"]) == (self.vcenter, self.cluster, seq)

    def _follow(self, base: LogEnd) -> LogEnd:
        """Follow the log by a LIST from where it was known to end.

        Numbers go up by one: what stands apart from them was not written by this product.
        """
        numbers = list(self.store.list_records(self.vcenter, self.cluster, base.next_seq - 1))
        run = [seq for at, seq in enumerate(numbers) if seq == base.next_seq + at]
        damages = [self._describe_stray(numbers[len(run) :])] if len(run) < len(numbers) else []
        for seq in reversed(run):
            found = self.store.read_record(self.vcenter, self.cluster, seq)
            if found and found.record and self._is_chained(found.record, seq, base):
                end = self._build_end(found.record, found.sha256, base.etag)
                return replace(end, next_seq=run[-1] + 1).add_damages([*base.damages, *damages])
            damages.append(self._describe_unsound(seq, found))
            if len(damages) > MAX_DAMAGED_RECORDS:
                return self._pass_over(base, run).add_damages([*base.damages, *damages])
        return replace(base, next_seq=base.next_seq + len(run), is_behind=True).add_damages(damages)

    def _pass_over(self, base: LogEnd, run: list[int]) -> LogEnd:
        """Go on behind more damage than is read: from the record that the pointer names by its sha256.

        The pointer may be older than sound records that follow on that one: the last of them counts.

        Args:
            base: Where the log is known to end.
            run: The numbers that follow on it; those at the end are damaged.

        Raises:
            LogUnusable: No pointer names a record. Then nobody knows where the damage begins.
        """
        if base.head is None:
            raise LogUnusable(
                f"more than {MAX_DAMAGED_RECORDS} records at the end of the log of {self.cluster} on"
                f" {self.vcenter} are damaged, and no pointer names a sound one: restore the former version"
                f" of {make_state_key(self.vcenter, self.cluster)} in S3, or those of the records"
            )
        end, seq = base, run[0]
        found = self.store.read_record(self.vcenter, self.cluster, seq)
        while found and found.record and self._is_chained(found.record, seq, end):
            end, seq = self._build_end(found.record, found.sha256, base.etag), seq + 1
            found = self.store.read_record(self.vcenter, self.cluster, seq)
        return replace(end, next_seq=run[-1] + 1, is_behind=True)

    def _build_end(self, record: Record, sha256: str, etag: str | None) -> LogEnd:
        """Build the end of a log whose pointer, of this ``etag``, does not name its newest ``record`` yet."""
        head: Head = {"seq": record["seq"], "key": self._make_key(record["seq"]), "sha256": sha256}
        return build_end(record, head, etag, is_behind=True)

    def _is_chained(self, record: Record, seq: int, base: LogEnd) -> bool:
        """Whether a record follows a sound one that it names, with nothing but damage between them."""
        previous = record["previous"]
        if not self._is_own(record, seq) or (previous and previous["seq"] >= seq):
            return False
        if previous is not None and previous != base.head:
            named = self.store.read_record(self.vcenter, self.cluster, previous["seq"])
            if named is None or named.sha256 != previous["sha256"]:
                return False
        between = range(previous["seq"] + 1 if previous else 1, seq)
        return not any(self._read_sound(number) for number in between)

    def _make_key(self, seq: int) -> str:
        return make_record_key(self.vcenter, self.cluster, seq)

    def _describe_wrong_pointer(self, head: Head, found: StoredRecord | None) -> TrailDamaged:
        state_key = make_state_key(self.vcenter, self.cluster)
        if found is None:
            return TrailDamaged(f"{state_key} points to {head['key']}, which is not there", state_key)
        return TrailDamaged(
            f"{state_key} and {head['key']} name two different sha256: one of both was changed", state_key
        )

    def _describe_stray(self, numbers: list[int]) -> TrailDamaged:
        key = self._make_key(numbers[0])
        more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
        return TrailDamaged(f"{key}{more} can't be of this log: its numbers only go up by one", key)

    def _describe_unsound(self, seq: int, found: StoredRecord | None) -> TrailDamaged:
        key = self._make_key(seq)
        if found and found.record and self._is_own(found.record, seq):
            return TrailDamaged(f"{key} does not follow the record before it", key)
        return TrailDamaged(f"{key} {_describe_problem(found)}", key)


def _describe_problem(found: StoredRecord | None) -> str:
    if found is None:
        return "is not there, though the log names it"
    return f"is no record: {found.problem}" if found.record is None else "is the record of another log"


def _build_start(etag: str | None) -> LogEnd:
    """A log of which nothing is known yet."""
    return LogEnd(None, build_empty_state(), 1, [], etag, is_behind=True)


def build_end(record: Record, head: Head, etag: str | None, *, is_behind: bool) -> LogEnd:
    """Build the end of a log from its newest record.

    Args:
        record: The record.
        head: Its number, key and sha256.
        etag: The ETag of the stored pointer; None if there is none.
        is_behind: Whether that pointer does not name this record yet.
    """
    outbox = [*record["unpublished"], *([record["seq"]] if record["events"] else [])]
    return LogEnd(head, record["after"], record["seq"] + 1, outbox, etag, is_behind)


def read_all[Name, Found](read: Callable[[Name], Found], names: Iterable[Name]) -> list[Found]:
    """Read what ``read`` gives for each of ``names``, several at once; in the order of the names."""
    with ThreadPoolExecutor(MAX_PARALLEL_READS) as pool:
        return list(pool.map(read, names))
