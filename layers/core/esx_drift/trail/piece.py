"""One piece of a trail: some objects, read, hashed, and computed again. It runs in any process.

Longer than 250 lines, because what is checked of an object, by its kind, is read together.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from esx_drift.contracts import parse_payload, read_document, require_valid
from esx_drift.contracts.unpacking import unpack_bounded
from esx_drift.domain.deliveries import Delivery, identify_event
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.images.snapshot import list_snapshot_keys
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    make_delivery_key,
    make_group_key,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Event, Head, Image, LogState, Record, Snapshot, StoredReport
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import RecordPlace, parse_record_place
from esx_drift.domain.trail.recomputation import (
    RecordedLook,
    list_needed_snapshots,
    list_recomputed_faults,
)
from esx_drift.domain.trail.verification import (
    AskedCheck,
    Problem,
    ProblemKind,
    find_blob_sha256,
    find_time_fault,
    is_trail_key,
    list_dispatched_checks,
    list_explained_clusters,
    list_link_faults,
    list_record_faults,
)
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import TrailFiles
from esx_drift.trail.index import IndexedObject

MAX_OBJECT_BYTES: Final = 64_000_000
"""Of one object. The largest that is written is a packed report, and unpacked that has 32 MB at most."""

RECEIPT_FIELDS: Final = ("event", "route", "delivered_at")

ROUTE_DEAD: Final = "route-dead/"
"""What a receipt begins with that is of no event: a fallback heard that another route is dead."""

MAX_TEXT: Final = 200
"""Characters of what a schema refuses, in a problem's sentence."""


@dataclass(slots=True)
class PieceResult:
    """What came of a piece: problems, and what it says of other objects.

    Attributes:
        problems: What is wrong.
        named: What its records name, by the record's key: keys, each with the time since when it is there.
        events: What stands for its events and deliveries in receipts.
        receipts: Receipts that no digest names, each with what it is of.
        answered: Requests that it answers.
        asked: Checks that it asks for.
        explained: Clusters of which it says why they are not checked, with vCenter and time.
        records: How many of its objects are sound records.
        newest: The newest time that it has.
    """

    problems: list[Problem] = field(default_factory=list)
    named: list[tuple[str, list[tuple[str, datetime]]]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    receipts: list[tuple[str, str]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    asked: list[AskedCheck] = field(default_factory=list)
    explained: list[tuple[str, set[str], datetime]] = field(default_factory=list)
    records: int = 0
    newest: datetime | None = None


def check_piece(files: TrailFiles, piece: list[IndexedObject]) -> PieceResult:
    """Check the objects of one piece.

    Args:
        files: The trail.
        piece: The objects, in the order of their keys; records are of one log.

    Raises:
        StoreUnavailable: The trail can't be read.
    """
    checker = _PieceChecker(files)
    bodies = read_all(checker.read, piece)
    for found, body in zip(piece, bodies, strict=True):
        if body is not None and checker.check_bytes(found, body):
            checker.check_content(found, body)
        elif found.key.startswith("records/"):
            checker.forget_record(found.key, body)
    return checker.result


@dataclass(slots=True)
class _KnownRecord:
    """A record that was read: number, key and sha256, and the state that it left; none if it is no record.

    ``is_sealed``: a digest names it, with just these bytes.
    """

    head: Head
    after: LogState | None
    is_sealed: bool = False


@dataclass(slots=True)
class _PieceChecker:
    files: TrailFiles
    result: PieceResult = field(default_factory=PieceResult)
    last: _KnownRecord | None = None
    is_known: bool = False
    snapshots: dict[str, Snapshot | None] = field(default_factory=dict)

    def note(self, key: str, kind: ProblemKind, text: str) -> None:
        self.result.problems.append(Problem(key, kind, text))

    def read(self, found: IndexedObject) -> bytes | None:
        """Read an object that was listed; what can't be read is noted."""
        if found.size_bytes > MAX_OBJECT_BYTES:
            self.note(
                found.key, "altered", f"has {found.size_bytes} bytes, and nothing of a trail is so large"
            )
            return None
        try:
            body = self.files.read(found.key)
        except TrailDamaged as damage:
            self.note(found.key, "altered", damage.message.removeprefix(f"{found.key} "))
            return None
        if body is None:
            self.note(found.key, "missing", "was listed, and is gone now")
        return body

    def check_bytes(self, found: IndexedObject, body: bytes) -> bool:
        """Check an object's bytes against its name and its digest; whether it is worth looking into."""
        if not is_trail_key(found.key):
            if found.sealed_sha256 is None:
                self.note(found.key, "inserted", "is nothing that esx-drift writes")
            elif found.sealed_sha256 != compute_sha256(body):
                self.note(found.key, "altered", f"has other bytes than {found.digest_key} names")
            return False
        if found.key.startswith("digests/"):
            return False
        sha256, named = compute_sha256(body), find_blob_sha256(found.key)
        if named is not None and named != sha256:
            self.note(found.key, "altered", "has other bytes than its name says")
            return False
        if found.sealed_sha256 is not None and found.sealed_sha256 != sha256:
            self.note(found.key, "altered", f"has other bytes than {found.digest_key} names")
        return True

    def check_content(self, found: IndexedObject, body: bytes) -> None:
        """Check what an object says, by its kind."""
        kind = found.key.partition("/")[0]
        try:
            if kind == "records":
                self._check_record(found, body)
            elif kind == "reports":
                self._check_report(found, body)
            elif found.key.startswith("deliveries/groups/"):
                self._check_delivery(found, cast("Delivery", parse_payload("delivery", body)))
            elif kind == "deliveries":
                self._check_receipt(found, _parse_receipt(body))
            else:
                unpack_bounded(body)
        except (ContractViolation, ValueError) as error:
            what = {"records": "record", "reports": "report", "deliveries": "delivery"}.get(kind, "object")
            self.note(found.key, "altered", f"is no {what} that can be read: {str(error)[:MAX_TEXT]}")
            if kind == "records":
                self.forget_record(found.key, body)

    def _check_report(self, found: IndexedObject, body: bytes) -> None:
        report = cast("StoredReport", parse_payload("report", body))
        if found.key != f"reports/{report['kind']}/{report['report_id']}.json":
            self.note(found.key, "altered", f"is the report {report['report_id']}")
        self.result.events += _identify_all(report["events"])

    def _check_delivery(self, found: IndexedObject, delivery: Delivery) -> None:
        if found.key != make_group_key(delivery["route"], delivery["delivery_id"]):
            self.note(found.key, "altered", f"it is the delivery {delivery['delivery_id']}")
        self.result.events.append(delivery["delivery_id"])

    def _check_receipt(self, found: IndexedObject, receipt: dict[str, str]) -> None:
        if found.key != make_delivery_key(receipt["event"], receipt["route"]):
            self.note(found.key, "altered", f"it is the receipt of {receipt['event']} to {receipt['route']}")
        elif found.sealed_sha256 is None and not receipt["event"].startswith(ROUTE_DEAD):
            self.result.receipts.append((found.key, receipt["event"]))

    def forget_record(self, key: str, body: bytes | None) -> None:
        """Forget the record before: of what lies under ``key`` only its bytes are known, or nothing."""
        place = parse_record_place(key)
        self.is_known, self.last = True, None
        if place is not None and body is not None:
            self.last = _KnownRecord({"seq": place.seq, "key": key, "sha256": compute_sha256(body)}, None)

    def _check_record(self, found: IndexedObject, body: bytes) -> None:
        place = cast("RecordPlace", parse_record_place(found.key))
        if not self.is_known:
            self.last, self.is_known = self._read_before(place), True
        record = _parse_record(body)
        head: Head = {"seq": place.seq, "key": found.key, "sha256": compute_sha256(body)}
        faults = list(list_record_faults(record, found.key))
        is_sealed = found.sealed_sha256 == head["sha256"]
        before = self._hold_to_before(record, found.key, place, is_sealed=is_sealed)
        if not faults:
            faults += self._recompute(record, before)
            self._collect(record, found.key)
        if found.modified_at is not None:
            faults += filter(None, [find_time_fault(record, found.modified_at)])
        for fault in faults:
            self.note(found.key, "altered", fault)
        self.last = _KnownRecord(head, record["after"], is_sealed)

    def _read_before(self, place: RecordPlace) -> _KnownRecord | None:
        """Read the record before the piece's first one; None if it is none, or not there."""
        if place.seq == 1:
            return None
        key = f"{place.prefix}{place.seq - 1:010d}.json"
        try:
            body = self.files.read(key)
        except TrailDamaged:
            return None
        if body is None:
            return None
        head: Head = {"seq": place.seq - 1, "key": key, "sha256": compute_sha256(body)}
        try:
            return _KnownRecord(head, _parse_record(body)["after"])
        except (ContractViolation, ValueError):
            return _KnownRecord(head, None)

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
            self.note(last.head["key"], "altered", f"is not what {key} names as the record before it")
        if last is None or last.is_sealed or not is_sealed:
            for fault in faults:
                self.note(key, "altered", fault)
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
            self.snapshots[key] = _parse_snapshot(body) if body is not None else None
        return self.snapshots[key]

    def _read_blob(self, key: str) -> bytes | None:
        """Read what a record names; None where it is not there or not sound, which is noted elsewhere."""
        try:
            packed = self.files.read(key)
            sound = packed is not None and find_blob_sha256(key) == compute_sha256(packed)
            return unpack_bounded(packed) if packed is not None and sound else None
        except (TrailDamaged, ValueError):
            return None

    def _collect(self, record: Record, key: str) -> None:
        """Collect what a record says of other objects."""
        at = parse_time(record["checked_at"])
        kept = [record["document"], record["snapshot"], record["quarantine"], record["after"]["snapshot"]]
        names = [each for each in kept if each is not None]
        result = self.result
        others = list_snapshot_keys(record["after"]) if record["after"]["snapshot"] else []
        result.named.append((key, [(each, at) for each in {*others, *(one["key"] for one in names)}]))
        for each in names:
            if find_blob_sha256(each["key"]) != each["sha256"]:
                self.note(key, "altered", f"it names {each['key']} by another sha256 than that of its bytes")
        result.events += _identify_all(record["events"])
        result.answered.append(record["request_id"])
        result.asked += list_dispatched_checks(record, key)
        if record["cluster"] == VCENTER_LOG:
            result.explained.append((record["vcenter"], list_explained_clusters(record), at))
        result.records += 1
        result.newest = max(result.newest or at, at)


_MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What comes of computing with JSON of another form: snapshots have no schema."""

MAX_SNAPSHOTS: Final = 4
"""Held while the records of a log are gone through: most records name the one of the record before."""


def _parse_record(body: bytes) -> Record:
    try:
        record = json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    require_valid("record", record)
    return cast("Record", record)


def _parse_snapshot(body: bytes) -> Snapshot | None:
    try:
        return cast("Snapshot", json.loads(body))
    except (ValueError, RecursionError):
        return None


def _parse_receipt(body: bytes) -> dict[str, str]:
    try:
        receipt = json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    fields = [receipt.get(name) for name in RECEIPT_FIELDS] if isinstance(receipt, dict) else [None]
    if not all(isinstance(value, str) for value in fields):
        raise ValueError("it does not say what was delivered, to whom and when")
    return cast("dict[str, str]", receipt)


def _identify_all(events: Iterable[Event]) -> list[str]:
    """Identify events as receipts do; version 0.1 did it by their ids alone."""
    return [name for event in events for name in (event["id"], identify_event(event))]
