"""The records of one log, each held to the one before it and computed again.

Longer than 250 lines, because what a record is held to is read together.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, cast

from msgspec import Struct, field

from esx_drift.contracts import read_document, require_valid
from esx_drift.contracts.json_parsing import require_shallow
from esx_drift.contracts.unpacking import unpack_bounded
from esx_drift.domain.deliveries import identify_event
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    encode_canonical_json,
    make_numbered_key,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Event, Head, Image, Json, LogState, Record, Snapshot
from esx_drift.domain.text.times import is_usable, parse_time
from esx_drift.domain.trail.digests import RecordPlace, parse_record_place
from esx_drift.domain.trail.recomputation import (
    RecordedLook,
    list_needed_snapshots,
    list_recomputed_faults,
)
from esx_drift.domain.trail.verification import (
    find_blob_sha256,
    find_time_fault,
    list_dispatched_checks,
    list_explained_clusters,
    list_kept,
    list_link_faults,
    list_named_keys,
    list_record_faults,
)
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.ports import TrailFiles
from esx_drift.trail.index import IndexedObject, PieceResult

MAX_TEXT: Final = 200
"""Characters of what a schema refuses, in a problem's sentence."""

MAX_SNAPSHOTS: Final = 4
"""Held while the records of a log are gone through: most records name the one of the record before."""

_MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What comes of computing with JSON of another form: snapshots have no schema."""


class _KnownRecord(Struct):
    """A record that was read: number, key and sha256, and the state that it left; none if it is no record.

    ``is_sealed``: a digest names it, with just these bytes.
    """

    head: Head
    after: LogState | None
    is_sealed: bool = False


class LogChecker(Struct):
    """Checks records in their order; what they show goes into ``result``.

    ``files`` is the trail, and ``before_sha256`` what a digest says of the record before the first one.
    """

    files: TrailFiles
    before_sha256: str | None
    result: PieceResult
    last: _KnownRecord | None = None
    is_known: bool = False
    snapshots: dict[str, Snapshot | None] = field(default_factory=dict)

    def check(self, found: IndexedObject, body: bytes) -> datetime:
        """Check the record ``found``, whose bytes are ``body``; when it says that it was written.

        Raises:
            ContractViolation, ValueError: It is no record.
        """
        place = cast("RecordPlace", parse_record_place(found.key))
        if not self.is_known:
            self.last, self.is_known = self._read_before(place), True
        record = parse_canonical_record(body)
        head: Head = {"seq": place.seq, "key": found.key, "sha256": compute_sha256(body)}
        faults = list(list_record_faults(record, found.key))
        is_sealed = found.sealed_sha256 == head["sha256"]
        before = self._hold_to_before(record, found.key, place, is_sealed=is_sealed)
        if not faults:
            faults += self._recompute(record, before)
            self._collect(record, found.key, is_sealed=is_sealed)
        if found.modified_at is not None:
            faults += filter(None, [find_time_fault(record, found.modified_at)])
        for fault in faults:
            self.result.note(found.key, "altered", fault)
        self.last = _KnownRecord(head, record["after"], is_sealed)
        return parse_time(record["checked_at"])

    def forget(self, key: str, body: bytes | None) -> None:
        """Forget the record before: of what lies under ``key`` only its ``body`` is known, or nothing."""
        place = parse_record_place(key)
        if place is None:
            return
        self.is_known, self.last = True, None
        if body is not None:
            self.last = _KnownRecord({"seq": place.seq, "key": key, "sha256": compute_sha256(body)}, None)

    def _read_before(self, place: RecordPlace) -> _KnownRecord | None:
        """Read the record before the piece's first one; None if it is none, or not there."""
        if place.seq == 1:
            return None
        key = make_numbered_key(place.prefix, place.seq - 1)
        try:
            body = self.files.read(key)
        except TrailDamaged:
            return None
        if body is None:
            return None
        head: Head = {"seq": place.seq - 1, "key": key, "sha256": compute_sha256(body)}
        is_sealed = head["sha256"] == self.before_sha256
        try:
            return _KnownRecord(head, parse_canonical_record(body)["after"], is_sealed)
        except (ContractViolation, ValueError):
            return _KnownRecord(head, None, is_sealed)

    def _hold_to_before(
        self, record: Record, key: str, place: RecordPlace, *, is_sealed: bool
    ) -> LogState | None:
        """Hold a record to the one before it; the state that it began from, None where that is not known."""
        last, first = self.last, place.seq == 1
        if not first and (last is None or last.head["seq"] != place.seq - 1):
            return None
        head, before = (last.head, last.after) if last is not None else (None, build_empty_state())
        faults = list(list_link_faults(record, head, None if first else before))
        if last is not None and faults and not last.is_sealed:
            self.result.note(last.head["key"], "altered", f"is not what {key} names as the record before it")
        if last is None or last.is_sealed or not is_sealed:
            for fault in faults:
                self.result.note(key, "altered", fault)
        return None if faults else before

    def _recompute(self, record: Record, before: LogState | None) -> Iterator[str]:
        report = None
        if record["document"] is not None:
            report, faults = self._read_report(record)
            yield from faults
        if before is None:
            return
        old, new = (self._find_snapshot(state) for state in (before, record["after"]))
        look = RecordedLook(record, before, old, new, report)
        images: dict[str, Image] = {}
        try:
            for key in sorted(list_needed_snapshots(look)):
                images |= (self._read_snapshot(key) or {"images": {}})["images"]
            yield from list(list_recomputed_faults(look, images))
        except _MALFORMED as error:
            yield f"its snapshots are none that anything can be computed of ({type(error).__name__})"

    def _read_report(self, record: Record) -> tuple[Report | None, list[str]]:
        """Read the archived document of a record; None where it is gone, or not what it should be."""
        key = record["document"]["key"] if record["document"] else ""
        body = self._read_blob(key)
        if body is None:
            return None, []
        if compute_sha256(body) != record["raw_sha256"]:
            return None, [f"its raw_sha256 is not that of {key}"]
        try:
            return read_report(read_document(body)), []
        except ContractViolation as error:
            return None, [f"its document {key} is refused: {str(error)[:MAX_TEXT]}"]

    def _find_snapshot(self, state: LogState) -> Snapshot | None:
        return None if state["snapshot"] is None else self._read_snapshot(state["snapshot"]["key"])

    def _read_snapshot(self, key: str) -> Snapshot | None:
        if key not in self.snapshots:
            body = self._read_blob(key)
            if len(self.snapshots) >= MAX_SNAPSHOTS:
                self.snapshots.pop(next(iter(self.snapshots)))
            self.snapshots[key] = _find_snapshot(body)
        return self.snapshots[key]

    def _read_blob(self, key: str) -> bytes | None:
        """Read what a record names; None where it is not there or not sound, which is noted elsewhere."""
        sha256 = find_blob_sha256(key)
        try:
            packed = None if sha256 is None else self.files.read(key)
            return unpack_bounded(packed) if packed is not None and sha256 == compute_sha256(packed) else None
        except (TrailDamaged, ValueError):
            return None

    def _collect(self, record: Record, key: str, *, is_sealed: bool) -> None:
        """Collect what a record says of other objects."""
        at = parse_time(record["checked_at"])
        result = self.result
        result.named.append((key, at, is_sealed, sorted(list_named_keys(record))))
        for each in list_kept(record):
            if find_blob_sha256(each["key"]) != each["sha256"]:
                self.result.note(
                    key, "altered", f"it names {each['key']} by another sha256 than that of its bytes"
                )
        result.events += identify_all(record["events"], at)
        if record["cluster"] != VCENTER_LOG:
            name = record["cluster_name"] or record["cluster"]
            result.clusters.add((record["vcenter"], record["cluster"], name, is_sealed))
        result.answered.append(record["request_id"])
        result.asked += list_dispatched_checks(record, key)
        if record["cluster"] == VCENTER_LOG:
            result.explained.append((record["vcenter"], list_explained_clusters(record), at))
        result.records += 1
        result.newest = max(result.newest or at, at)
        result.oldest = min(result.oldest or at, at)


def parse_canonical_record(body: bytes) -> Record:
    """Parse a record.

    Raises:
        ContractViolation: It is none by its schema.
        ValueError: It is no JSON, or written otherwise than esx-drift writes: readers may differ about it.
    """
    record = parse_stored_json(body)
    require_valid("record", record)
    found = cast("Record", record)
    if not is_usable(parse_time(found["checked_at"])):
        raise ValueError(f"{found['checked_at']} is a time at which nothing can have been checked")
    return found


def parse_stored_json(body: bytes) -> object:
    """Parse JSON in the canonical form, in which all JSON of the trail is written.

    Raises:
        ValueError: It is none: nested too deep, with a field twice, with a number that is none.
    """
    try:
        value = json.loads(body)
        is_canonical = encode_canonical_json(value) == body
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not is_canonical:
        raise ValueError("it is written otherwise than esx-drift writes JSON")
    return value


def parse_canonical_snapshot(body: bytes) -> object:
    """Parse a snapshot, of which no schema says what it has to hold.

    Raises:
        ContractViolation, ValueError: It is no JSON that esx-drift writes, or nested too deep.
    """
    value = parse_stored_json(body)
    require_shallow(cast("Json", value))
    return value


def _find_snapshot(body: bytes | None) -> Snapshot | None:
    """Find the snapshot in ``body``; None where there is none, which is noted where it lies."""
    try:
        return None if body is None else cast("Snapshot", parse_canonical_snapshot(body))
    except (ContractViolation, ValueError):
        return None


def identify_all(events: Iterable[Event], since: datetime) -> list[tuple[str, datetime]]:
    """Identify ``events`` as receipts do, each with ``since`` when it is there.

    Version 0.1 did it by their ids alone.
    """
    return [(name, since) for event in events for name in (event["id"], identify_event(event))]
