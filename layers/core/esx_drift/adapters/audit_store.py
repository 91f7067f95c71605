"""The two buckets, over boto3. Conditional writes are S3's own: ``If-None-Match: *`` and ``If-Match``.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html: 412 means that the condition
does not hold, 409 ``ConditionalRequestConflict`` that another write ran at the same moment, and 404 that an
``If-Match`` met no object.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.contracts import list_violations, require_valid
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_record_key,
    make_record_prefix,
    make_state_key,
)
from esx_drift.domain.stored.types import Record, Snapshot, StateFile
from esx_drift.errors import StoreConflict, StoreUnavailable
from esx_drift.ports import StoredState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PRECONDITION_FAILED = "PreconditionFailed"
CONFLICT = "ConditionalRequestConflict"
MISSING = frozenset({"NoSuchKey", "404"})
RECORD = re.compile(r"([0-9]{10})\.json")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Say what failed in our words; S3's answers to conditions pass."""
    try:
        yield
    except ClientError as error:
        if _code(error) == CONFLICT:
            raise StoreConflict(f"another write met {what}") from error
        if _code(error) == PRECONDITION_FAILED or _code(error) in MISSING:
            raise
        raise StoreUnavailable(f"S3 could not serve {what}: {_code(error)}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"S3 could not be reached for {what}: {type(error).__name__}") from error


def _state_from(body: bytes) -> StateFile | None:
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
        key = make_state_key(vcenter, cluster)
        try:
            with _translated(key):
                reply = self.client().get_object(Bucket=self.state_bucket, Key=key)
                body = reply["Body"].read()
        except ClientError:
            return None
        return StoredState(_state_from(body), reply["ETag"])

    def put_state(self, state: StateFile, etag: str | None) -> str | None:
        """Write the state if nobody did since; the new ETag, or none."""
        key = make_state_key(state["vcenter"], state["cluster"])
        body = encode_canonical_json(state)
        try:
            with _translated(key):
                if etag is None:
                    reply = self.client().put_object(
                        Bucket=self.state_bucket, Key=key, Body=body, IfNoneMatch="*"
                    )
                else:
                    reply = self.client().put_object(
                        Bucket=self.state_bucket, Key=key, Body=body, IfMatch=etag
                    )
        except (ClientError, StoreConflict):
            return None
        return reply["ETag"]

    def last_record(self, vcenter: str, cluster: str, after_seq: int) -> int | None:
        """The highest number above ``after_seq``; keys sort like their numbers. Foreign keys don't count."""
        prefix = make_record_prefix(vcenter, cluster)
        start = make_record_key(vcenter, cluster, after_seq) if after_seq else ""
        last = None
        with _translated(prefix):
            pages = (
                self.client()
                .get_paginator("list_objects_v2")
                .paginate(Bucket=self.audit_bucket, Prefix=prefix, StartAfter=start)
            )
            for page in pages:
                for found in page.get("Contents", []):
                    number = RECORD.fullmatch(found["Key"].removeprefix(prefix))
                    last = int(number[1]) if number else last
        return last

    def record(self, vcenter: str, cluster: str, seq: int) -> tuple[Record, str]:
        """A record and the sha256 of its bytes; raises ``StoreUnavailable`` if it is not there."""
        body = self._get(make_record_key(vcenter, cluster, seq))
        record = json.loads(body)
        require_valid("record", record)
        return cast("Record", record), compute_sha256(body)

    def put_record(self, record: Record) -> str | None:
        """Write the record if its number is free; the sha256 of its bytes, or none.

        Raises ``ContractViolation`` for one that nobody could read back: a log is never blocked by a bug.
        """
        require_valid("record", record)
        body = encode_canonical_json(record)
        key = make_record_key(record["vcenter"], record["cluster"], record["seq"])
        return compute_sha256(body) if self._put_once(key, body) else None

    def put_blob(self, key: str, body: bytes) -> None:
        """Keep bytes; that they are there already is success."""
        self._put_once(key, body)

    def snapshot(self, key: str) -> Snapshot:
        """Read a snapshot back."""
        return cast("Snapshot", json.loads(self.document(key)))

    def document(self, key: str) -> bytes:
        """Read an archived document back; raises ``StoreUnavailable`` if it is not there any more."""
        return gzip.decompress(self._get(key))

    def uri(self, vcenter: str, cluster: str, seq: int) -> str:
        """Where a record lies."""
        return f"s3://{self.audit_bucket}/{make_record_key(vcenter, cluster, seq)}"

    def _get(self, key: str) -> bytes:
        try:
            with _translated(key):
                return self.client().get_object(Bucket=self.audit_bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise StoreUnavailable(f"{key} is not in the AuditBucket, though the log names it") from error

    def _put_once(self, key: str, body: bytes) -> bool:
        try:
            with _translated(key):
                self.client().put_object(Bucket=self.audit_bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError:
            return False
        return True
