"""Records, states, documents, snapshots and deliveries in the two buckets."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.contracts import parse_payload, require_valid
from esx_drift.contracts.unpacking import parse_record, parse_snapshot, unpack_blob
from esx_drift.domain.deliveries import Delivery
from esx_drift.domain.stored.identifiers import (
    STATE_PREFIX,
    compute_sha256,
    encode_canonical_json,
    make_delivery_key,
    make_group_key,
    make_record_key,
    make_record_prefix,
    make_state_key,
    make_state_prefix,
)
from esx_drift.domain.stored.types import LogPointer, Record, Snapshot
from esx_drift.domain.text.times import format_time
from esx_drift.errors import ContractViolation, RequestRefused, StoreConflict, StoreUnavailable, TrailDamaged
from esx_drift.ports import StoredRecord, StoredState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECORD_NAME = re.compile(r"([0-9]{10})\.json")


def _parse_pointer(body: bytes) -> LogPointer | None:
    try:
        return cast("LogPointer", parse_payload("state", body))
    except ContractViolation:
        return None


def _parse_record(body: bytes) -> StoredRecord:
    sha256 = compute_sha256(body)
    try:
        return StoredRecord(sha256, parse_record(body))
    except ContractViolation as error:
        return StoredRecord(sha256, None, str(error))


class S3Store(Struct, frozen=True):
    """``ports.Store`` on an AuditBucket and a StateBucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    audit_bucket: str
    state_bucket: str

    def state(self, vcenter: str, cluster: str) -> StoredState | None:
        """Read the pointer to a log's end; one that its schema refuses has an ETag to replace it by."""
        stored = self._state_objects.read(make_state_key(vcenter, cluster))
        return None if stored is None else StoredState(_parse_pointer(stored.body), stored.etag)

    def put_state(self, pointer: LogPointer, etag: str | None) -> str | None:
        """Write the pointer if nobody else did since it was read. The new ETag; None if somebody did."""
        require_valid("state", pointer)
        key = make_state_key(pointer["vcenter"], pointer["cluster"])
        return self._state_objects.replace(key, encode_canonical_json(pointer), etag)

    def list_pointers(self, vcenter: str) -> Iterator[tuple[str, str]]:
        """List the keys of a vCenter's pointers and their ETags: one request for a thousand."""
        return self._state_objects.list_etags(make_state_prefix(vcenter))

    def list_states(self) -> Iterator[str]:
        """List the keys of all pointers."""
        return self._state_objects.list_keys(STATE_PREFIX)

    def read_newest_record(self, state_key: str) -> Record | None:
        """Read the record that a pointer names; None if one of both is not what it should be."""
        stored = self._state_objects.read(state_key)
        pointer = _parse_pointer(stored.body) if stored else None
        if pointer is None or pointer["head"] is None:
            return None
        head = pointer["head"]
        found = self.read_record(pointer["vcenter"], pointer["cluster"], head["seq"])
        return found.record if found and found.sha256 == head["sha256"] else None

    def list_records(self, vcenter: str, cluster: str, after_seq: int) -> Iterator[int]:
        """List the numbers above ``after_seq``; keys sort like their numbers. Foreign keys don't count."""
        prefix = make_record_prefix(vcenter, cluster)
        after = make_record_key(vcenter, cluster, after_seq) if after_seq else ""
        for key in self._audit_objects.list_keys(prefix, after):
            name = RECORD_NAME.fullmatch(key.removeprefix(prefix))
            if name:
                yield int(name[1])

    def read_record(self, vcenter: str, cluster: str, seq: int) -> StoredRecord | None:
        """Read what lies under a record's key; None if nothing does."""
        stored = self._audit_objects.read(make_record_key(vcenter, cluster, seq))
        return None if stored is None else _parse_record(stored.body)

    def record(self, vcenter: str, cluster: str, seq: int) -> tuple[Record, str]:
        """Read a record and compute the sha256 of its bytes; raises ``TrailDamaged`` if it is none."""
        key, found = make_record_key(vcenter, cluster, seq), self.read_record(vcenter, cluster, seq)
        if found is None or found.record is None:
            why = f"is no record: {found.problem}" if found else "is not there, though the log names it"
            raise TrailDamaged(f"{key} {why}", key)
        return found.record, found.sha256

    def put_record(self, record: Record) -> str | None:
        """Write the record if its number is free.

        Returns:
            The sha256 of its bytes; None if the number is taken.

        Raises:
            ContractViolation: Nobody could read the record back. It is not written: a bug must not block
                the log.
            StoreConflict: Another write of the number was under way (409). The same call may yet succeed.
        """
        require_valid("record", record)
        body = encode_canonical_json(record)
        key = make_record_key(record["vcenter"], record["cluster"], record["seq"])
        return compute_sha256(body) if self._audit_objects.put_once(key, body) else None

    def put_blob(self, key: str, body: bytes) -> None:
        """Keep bytes; that they are there already is success."""
        self._audit_objects.put_once(key, body)

    def snapshot(self, key: str) -> Snapshot:
        """Read a snapshot back; raises ``TrailDamaged`` if what lies there is none."""
        return parse_snapshot(key, self.document(key))

    def document(self, key: str) -> bytes:
        """Read a gzipped object back, whose key is made of the sha256 of its bytes."""
        stored = self._audit_objects.read(key)
        return unpack_blob(key, None if stored is None else stored.body)

    def uri(self, vcenter: str, cluster: str, seq: int) -> str:
        """Where a record lies."""
        return f"s3://{self.audit_bucket}/{make_record_key(vcenter, cluster, seq)}"

    @property
    def _audit_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.audit_bucket)

    @property
    def _state_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.state_bucket)


class S3Deliveries(Struct, frozen=True):
    """``ports.Deliveries`` in the AuditBucket: messages, and what reached which route, an object each.

    Each is written once.

    ``client`` gives the same S3 client each time.
    """

    client: Callable[[], "S3Client"]
    bucket: str

    def delivered(self, event_id: str, route: str) -> bool:
        """Say whether the event reached the route before.

        Raises:
            StoreUnavailable: S3 could not say.
        """
        return self._objects.read(make_delivery_key(event_id, route)) is not None

    def record(self, event_id: str, route: str, at: datetime) -> None:
        """Record that it did; succeed also if that is recorded already.

        Raises:
            StoreUnavailable: S3 did not take it.
        """
        receipt = {"schema_version": 1, "event": event_id, "route": route, "delivered_at": format_time(at)}
        require_valid("receipt", receipt)
        # A conflict is a write of the same receipt at the same moment.
        with suppress(StoreConflict):
            self._objects.put_once(make_delivery_key(event_id, route), encode_canonical_json(receipt))

    def put_delivery(self, delivery: Delivery) -> str:
        """Keep what a message tells; the sha256 of the bytes that lie there, whoever wrote them.

        Raises:
            ContractViolation: Nobody could read it back: a bug.
            StoreUnavailable, StoreConflict: S3 did not take it.
        """
        require_valid("delivery", delivery)
        key, body = (
            make_group_key(delivery["route"], delivery["delivery_id"]),
            encode_canonical_json(delivery),
        )
        if self._objects.put_once(key, body):
            return compute_sha256(body)
        # Its id is made of what it tells; only when it was made may differ.
        stored = self._objects.read(key)
        if stored is None:
            raise StoreUnavailable(f"S3 has {key}, and does not show it")
        return compute_sha256(stored.body)

    def read_delivery(self, route: str, delivery_id: str, sha256: str) -> Delivery:
        """Read what a message tells back; raises ``RequestRefused`` if other bytes lie there, or none."""
        key = make_group_key(route, delivery_id)
        stored = self._objects.read(key)
        if stored is None or compute_sha256(stored.body) != sha256:
            raise RequestRefused(f"{key} is not what the message says: it was changed, or the message forged")
        return cast("Delivery", json.loads(stored.body))

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)
