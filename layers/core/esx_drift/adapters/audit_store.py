"""Records, states, documents, snapshots and deliveries in the two buckets."""

import gzip
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.contracts import list_violations, require_valid
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_delivery_key,
    make_record_key,
    make_record_prefix,
    make_state_key,
)
from esx_drift.domain.stored.types import Record, Snapshot, StateFile
from esx_drift.domain.text.times import format_time
from esx_drift.errors import StoreConflict, StoreUnavailable
from esx_drift.ports import StoredState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RECORD_NAME = re.compile(r"([0-9]{10})\.json")


def _parse_state(body: bytes) -> StateFile | None:
    try:
        state = json.loads(body)
    except ValueError:
        return None
    return None if list_violations("state", state) else cast("StateFile", state)


@dataclass(frozen=True, slots=True)
class S3Store:
    """``ports.Store`` on an AuditBucket and a StateBucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    audit_bucket: str
    state_bucket: str

    def state(self, vcenter: str, cluster: str) -> StoredState | None:
        """The cached state of a log; one that its schema refuses is none, with an ETag to replace it by."""
        stored = self._state_objects.read(make_state_key(vcenter, cluster))
        return None if stored is None else StoredState(_parse_state(stored.body), stored.etag)

    def put_state(self, state: StateFile, etag: str | None) -> str | None:
        """Write the state if nobody else did since it was read. The new ETag; None if somebody did."""
        key = make_state_key(state["vcenter"], state["cluster"])
        return self._state_objects.replace(key, encode_canonical_json(state), etag)

    def last_record(self, vcenter: str, cluster: str, after_seq: int) -> int | None:
        """The highest number above ``after_seq``; keys sort like their numbers. Foreign keys don't count."""
        prefix = make_record_prefix(vcenter, cluster)
        after = make_record_key(vcenter, cluster, after_seq) if after_seq else ""
        last_seq = None
        for key in self._audit_objects.list_keys(prefix, after):
            name = RECORD_NAME.fullmatch(key.removeprefix(prefix))
            last_seq = int(name[1]) if name else last_seq
        return last_seq

    def record(self, vcenter: str, cluster: str, seq: int) -> tuple[Record, str]:
        """Read a record and compute the sha256 of its bytes.

        Raises:
            StoreUnavailable: The record is not there.
            ContractViolation: What is there breaks the schema of records.
        """
        body = self._read_named_object(make_record_key(vcenter, cluster, seq))
        record = json.loads(body)
        require_valid("record", record)
        return cast("Record", record), compute_sha256(body)

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
        """Read a snapshot back."""
        return cast("Snapshot", json.loads(self.document(key)))

    def document(self, key: str) -> bytes:
        """Read an archived document back.

        Raises:
            StoreUnavailable: The document is not there any more.
        """
        return gzip.decompress(self._read_named_object(key))

    def uri(self, vcenter: str, cluster: str, seq: int) -> str:
        """Where a record lies."""
        return f"s3://{self.audit_bucket}/{make_record_key(vcenter, cluster, seq)}"

    def _read_named_object(self, key: str) -> bytes:
        stored = self._audit_objects.read(key)
        if stored is None:
            raise StoreUnavailable(f"{key} is not in the AuditBucket, though the log names it")
        return stored.body

    @property
    def _audit_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.audit_bucket)

    @property
    def _state_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.state_bucket)


@dataclass(frozen=True, slots=True)
class S3Deliveries:
    """``ports.Deliveries`` in the AuditBucket: which event reached which route, an object each, written once.

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
        delivery = {"schema_version": 1, "event": event_id, "route": route, "delivered_at": format_time(at)}
        # A conflict is a write of the same delivery at the same moment.
        with suppress(StoreConflict):
            self._objects.put_once(make_delivery_key(event_id, route), encode_canonical_json(delivery))

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)
