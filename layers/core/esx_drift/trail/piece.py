"""One piece of a trail: some objects, read, hashed, and checked by their kinds. It runs in any process."""

from datetime import datetime
from typing import Final, TypedDict, cast

from msgspec import Struct

from esx_drift.contracts import parse_payload
from esx_drift.contracts.unpacking import unpack_bounded
from esx_drift.domain.deliveries import Delivery
from esx_drift.domain.stored.identifiers import (
    ROUTE_DEAD_PREFIX,
    compute_sha256,
    make_delivery_key,
    make_group_key,
)
from esx_drift.domain.stored.types import StoredReport
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.verification import SealedTime, find_blob_sha256, is_trail_key
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import TrailFiles
from esx_drift.trail.index import IndexedObject, Piece, PieceResult
from esx_drift.trail.log_checker import (
    MAX_TEXT,
    LogChecker,
    identify_all,
    parse_canonical_record,
    parse_canonical_snapshot,
)

_SNAPSHOT_PARTS: Final = ("hosts", "images", "labels")


class _Receipt(TypedDict):
    event: str
    route: str
    delivered_at: str


def check_piece(files: TrailFiles, piece: Piece, sealed: SealedTime | None) -> PieceResult:
    """Check the objects of one piece.

    Args:
        files: The trail.
        piece: The objects.
        sealed: Of which times all is named by digests; None: of none.

    Raises:
        StoreUnavailable: The trail can't be read.
    """
    result = PieceResult()
    checker = _PieceChecker(files, sealed, result, LogChecker(files, piece.before_sha256, result))
    bodies = read_all(checker.read, piece.objects)
    for found, body in zip(piece.objects, bodies, strict=True):
        if body is not None and checker.check_bytes(found, body):
            checker.check_content(found, body)
        elif found.key.startswith("records/"):
            checker.log.forget(found.key, body)
    return result


def list_events(files: TrailFiles, piece: Piece) -> list[tuple[str, datetime]]:
    """List what stands in receipts for what a piece has that was verified before, and since when it is there.

    Args:
        files: The trail.
        piece: The objects. What is not as a digest names it has none.
    """
    checker = _PieceChecker(files, None, PieceResult(), LogChecker(files, None, PieceResult()))
    bodies = read_all(checker.read, piece.objects)
    return [
        event
        for found, body in zip(piece.objects, bodies, strict=True)
        if body is not None and compute_sha256(body) == found.sealed_sha256
        for event in _find_events(found.key, body)
    ]


def _find_events(key: str, body: bytes) -> list[tuple[str, datetime]]:
    """Find what stands in receipts for what an object holds; nothing where it holds no events."""
    try:
        if key.startswith("records/"):
            record = parse_canonical_record(body)
            return identify_all(record["events"], parse_time(record["checked_at"]))
        if key.startswith("reports/"):
            report = cast("StoredReport", parse_payload("report", body))
            return identify_all(report["events"], parse_time(report["made_at"]))
        delivery = cast("Delivery", parse_payload("delivery", body))
        return [(delivery["delivery_id"], parse_time(delivery["created_at"]))]
    except (ContractViolation, ValueError):
        return []


class _PieceChecker(Struct):
    files: TrailFiles
    sealed: SealedTime | None
    result: PieceResult
    log: LogChecker

    def read(self, found: IndexedObject) -> bytes | None:
        """Read an object that was listed; what can't be read is noted."""
        try:
            body = self.files.read(found.key)
        except TrailDamaged as damage:
            self.result.note(found.key, "altered", damage.message.removeprefix(f"{found.key} "))
            return None
        if body is None:
            self.result.note(found.key, "missing", "was listed, and is gone now")
        return body

    def check_bytes(self, found: IndexedObject, body: bytes) -> bool:
        """Check an object's bytes against its name and its digest; whether it is worth looking into."""
        if not is_trail_key(found.key):
            # Sealing says that it was there that day, and not whose it is.
            self.result.note(found.key, "inserted", "is nothing that esx-drift writes")
            if found.sealed_sha256 not in {None, compute_sha256(body)}:
                self.result.note(found.key, "altered", f"has other bytes than {found.digest_key} names")
            return False
        if found.key.startswith("digests/"):
            return False
        sha256, named = compute_sha256(body), find_blob_sha256(found.key)
        if named is not None and named != sha256:
            self.result.note(found.key, "altered", "has other bytes than its name says")
            return False
        if found.sealed_sha256 is not None and found.sealed_sha256 != sha256:
            self.result.note(found.key, "altered", f"has other bytes than {found.digest_key} names")
        return True

    def check_content(self, found: IndexedObject, body: bytes) -> None:
        """Check what an object says, by its kind."""
        kind = found.key.partition("/")[0]
        try:
            written_at = self._check_kind(kind, found, body)
        except (ContractViolation, ValueError) as error:
            self.result.note(
                found.key, "altered", f"is no {_KINDS[kind]} that can be read: {str(error)[:MAX_TEXT]}"
            )
            written_at = None
            if kind == "records":
                self.log.forget(found.key, body)
        if found.sealed_sha256 is None:
            self._hold_to_seals(found, written_at)

    def _check_kind(self, kind: str, found: IndexedObject, body: bytes) -> datetime | None:
        """Check an object of a kind; when it says that it was written, None where it doesn't."""
        if kind == "records":
            return self.log.check(found, body)
        if kind == "reports":
            return self._check_report(found, cast("StoredReport", parse_payload("report", body)))
        if found.key.startswith("deliveries/groups/"):
            return self._check_delivery(found, cast("Delivery", parse_payload("delivery", body)))
        if kind == "deliveries":
            return self._check_receipt(found, cast("_Receipt", parse_payload("receipt", body)))
        unpacked = unpack_bounded(body)
        if kind == "snapshots":
            _require_snapshot(unpacked)
        return None

    def _hold_to_seals(self, found: IndexedObject, written_at: datetime | None) -> None:
        """Note what no digest names, though it is older than what all is sealed up to."""
        times = [at for at in (written_at, found.modified_at) if at is not None]
        if self.sealed is None or not times or not self.sealed.covers(min(times)) or found.is_unread:
            return
        text = f"no digest names it, and it is of {format_time(min(times))}: what is so old is sealed"
        self.result.note(found.key, "inserted", text)

    def _check_report(self, found: IndexedObject, report: StoredReport) -> datetime:
        if found.key != f"reports/{report['kind']}/{report['report_id']}.json":
            self.result.note(found.key, "altered", f"is the report {report['report_id']}")
        made_at = parse_time(report["made_at"])
        self.result.events += identify_all(report["events"], made_at)
        return made_at

    def _check_delivery(self, found: IndexedObject, delivery: Delivery) -> datetime:
        if found.key != make_group_key(delivery["route"], delivery["delivery_id"]):
            self.result.note(found.key, "altered", f"it is the delivery {delivery['delivery_id']}")
        created_at = parse_time(delivery["created_at"])
        self.result.events.append((delivery["delivery_id"], created_at))
        return created_at

    def _check_receipt(self, found: IndexedObject, receipt: _Receipt) -> datetime:
        delivered_at = parse_time(receipt["delivered_at"])
        if found.key != make_delivery_key(receipt["event"], receipt["route"]):
            text = f"it is the receipt of {receipt['event']} to {receipt['route']}"
            self.result.note(found.key, "altered", text)
        elif not receipt["event"].startswith(ROUTE_DEAD_PREFIX):
            is_sealed = found.sealed_sha256 is not None
            self.result.receipts.append((found.key, receipt["event"], delivered_at, is_sealed))
        return delivered_at


_KINDS: Final = {
    "records": "record",
    "reports": "report",
    "deliveries": "delivery",
    "snapshots": "snapshot",
    "documents": "document",
    "quarantine": "document",
}


def _require_snapshot(body: bytes) -> None:
    """Raise ``ContractViolation`` or ``ValueError`` if ``body`` is no snapshot."""
    snapshot = parse_canonical_snapshot(body)
    if not isinstance(snapshot, dict) or not all(
        isinstance(snapshot.get(part), dict) for part in _SNAPSHOT_PARTS
    ):
        raise ValueError("it has no hosts, images and labels")
