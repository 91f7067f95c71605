"""What the sealer reads and keeps: the AuditBucket with its digests, and whose turn it is to seal."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.contracts import parse_payload, require_valid
from esx_drift.domain.stored.identifiers import SEALING_TURN_KEY, encode_canonical_json
from esx_drift.domain.trail.digests import SealingTurn
from esx_drift.errors import ContractViolation
from esx_drift.ports import StoredSealingTurn, WrittenObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3SealedBucket(Struct, frozen=True):
    """``ports.SealedBucket`` on one bucket. Every call may raise ``StoreUnavailable``.

    ``client`` gives the same S3 client each time.
    """

    client: Callable[[], "S3Client"]
    bucket: str

    def list_written(self, prefix: str, start_after: str = "") -> Iterator[WrittenObject]:
        """List objects by S3's own listing, a call for each 1,000."""
        return S3Objects(self.client(), self.bucket).list_written(prefix, start_after)

    def read(self, key: str) -> bytes | None:
        """Read an object's current version."""
        stored = S3Objects(self.client(), self.bucket).read(key)
        return None if stored is None else stored.body

    def hash_object(self, key: str, most: int) -> str | None:
        """Hash an object's current version; of more than ``most`` bytes it refuses ``key``."""
        return S3Objects(self.client(), self.bucket).hash_pieces(key, most)

    def keep(self, key: str, body: bytes) -> bool:
        """Write an object if its key is free."""
        return S3Objects(self.client(), self.bucket).put_once(key, body)


class S3SealingTurns(Struct, frozen=True):
    """``ports.SealingTurns`` in the StateBucket. Every call may raise ``StoreUnavailable``.

    ``client`` gives the same S3 client each time.
    """

    client: Callable[[], "S3Client"]
    bucket: str

    def read(self) -> StoredSealingTurn:
        """Read whose turn it is; what its schema refuses has an ETag to replace it by."""
        stored = S3Objects(self.client(), self.bucket).read(SEALING_TURN_KEY)
        if stored is None:
            return StoredSealingTurn(None, None)
        try:
            turn = cast("SealingTurn", parse_payload("sealing-turn", stored.body))
        except ContractViolation:
            return StoredSealingTurn(None, stored.etag)
        return StoredSealingTurn(turn, stored.etag)

    def write(self, turn: SealingTurn, etag: str | None) -> str | None:
        """Write it if nobody else did since it was read.

        Raises:
            ContractViolation: It could not be read back. It is not written.
        """
        require_valid("sealing-turn", turn)
        objects = S3Objects(self.client(), self.bucket)
        return objects.replace(SEALING_TURN_KEY, encode_canonical_json(turn), etag)
