"""Reports in the AuditBucket, and in the StateBucket what they have told so far."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.contracts import parse_payload, require_valid
from esx_drift.contracts.unpacking import require_unchanged
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    REPORT_STATE_KEY,
    compute_sha256,
    encode_canonical_json,
    make_report_key,
    parse_fingerprint,
)
from esx_drift.domain.stored.types import ReportState, StoredObject, StoredReport, TrailSeal
from esx_drift.domain.trail.digests import Digest, find_newest_signed
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.ports import StoredReportState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Reports(Struct, frozen=True):
    """``ports.Reports`` in two buckets. Every call may raise ``StoreUnavailable``.

    ``client`` gives the same S3 client each time.
    """

    client: Callable[[], "S3Client"]
    audit_bucket: str
    state_bucket: str

    def read_state(self) -> StoredReportState | None:
        """Read what reports have told; what its schema refuses has an ETag to replace it by."""
        stored = self._state_objects.read(REPORT_STATE_KEY)
        if stored is None:
            return None
        try:
            state = cast("ReportState", parse_payload("report-state", stored.body))
        except ContractViolation:
            return StoredReportState(None, stored.etag)
        return StoredReportState(state, stored.etag)

    def put_state(self, state: ReportState, etag: str | None) -> str | None:
        """Write it if nobody else did since it was read. The new ETag; None if somebody did.

        Raises:
            ContractViolation: It could not be read back. It is not written.
        """
        require_valid("report-state", state)
        return self._state_objects.replace(REPORT_STATE_KEY, encode_canonical_json(state), etag)

    def keep(self, report: StoredReport) -> StoredObject:
        """Keep a report. One of the same id that is there already stays: its events may be published.

        Raises:
            ContractViolation: Nobody could read it back. It is not written.
        """
        require_valid("report", report)
        key, body = make_report_key(report["kind"], report["report_id"]), encode_canonical_json(report)
        written = self._audit_objects.put_once(key, body)
        earlier = None if written else self._audit_objects.read(key)
        return {"key": key, "sha256": compute_sha256(earlier.body if earlier else body)}

    def read(self, stored: StoredObject) -> StoredReport:
        """Read a report back, by its key and the sha256 of its bytes."""
        key, found = stored["key"], self._audit_objects.read(stored["key"])
        body = require_unchanged(key, None if found is None else found.body, stored["sha256"])
        try:
            return cast("StoredReport", parse_payload("report", body))
        except ContractViolation as error:
            raise TrailDamaged(f"{key} is no report: {error.message}", key) from error

    def read_seal(self) -> TrailSeal | None:
        """Read the newest signed digest, and the name of the key that was kept last."""
        kept = sorted(self._audit_objects.list_written(DIGEST_PREFIX), key=lambda found: found.written_at)
        fingerprints = [name for name in (parse_fingerprint(found.key) for found in kept) if name]
        newest = find_newest_signed({found.key for found in kept})
        stored = None if newest is None else self._audit_objects.read(newest)
        if stored is None or not fingerprints:
            return None
        try:
            digest = cast("Digest", parse_payload("digest", stored.body))
        except ContractViolation:
            return None
        return {"until": digest["until"], "key_sha256": fingerprints[-1]}

    def uri(self, key: str) -> str:
        """Where a report lies."""
        return f"s3://{self.audit_bucket}/{key}"

    @property
    def _audit_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.audit_bucket)

    @property
    def _state_objects(self) -> S3Objects:
        return S3Objects(self.client(), self.state_bucket)
