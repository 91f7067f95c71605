"""The sealer at work in this process: S3 and KMS by moto, a clock to set, and who checks what was signed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from esx_drift.adapters.seal_store import S3SealedBucket, S3SealingTurns
from esx_drift.adapters.signing import KmsSigner
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import compute_sha256, make_record_key, make_signature_key
from esx_drift.domain.trail.digests import Digest, is_digest_key
from esx_drift.sealing.sealer import Sealer, SealerReply
from moto.s3.models import s3_backends

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import StoredObject
    from esx_drift.ports import SealedBucket, SealingTurns, Signer

NOW: Final = datetime(2026, 11, 23, 2, 14, 30, tzinfo=UTC)
ALL_THE_TIME: Final = 900_000
ACCOUNT: Final = "123456789012"


def make_key() -> str:
    """A new key in KMS that signs."""
    made = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return made["KeyMetadata"]["KeyId"]


@dataclass
class World:
    """Two buckets, one of them with objects, a key, and a clock. ``plain`` is the key that signs."""

    key_id: str = field(default_factory=make_key)
    now: datetime = NOW
    runs: int = 0

    def __post_init__(self) -> None:
        self.s3 = boto3.client("s3")
        for bucket in ("audit", "state", "copy"):
            self.s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
            )
        kms = boto3.client("kms")
        self.trail: SealedBucket = S3SealedBucket(lambda: self.s3, "audit")
        self.copy: SealedBucket = S3SealedBucket(lambda: self.s3, "copy")
        self.turns: SealingTurns = S3SealingTurns(lambda: self.s3, "state")
        self.signer: Signer = KmsSigner(lambda: kms, self.key_id)

    def wait(self, **length: float) -> None:
        """Let time pass."""
        self.now += timedelta(**length)

    def put(self, key: str, body: bytes | None = None, at: datetime | None = None) -> str:
        """Write an object, now or at another time of S3's clock; its key."""
        self.s3.put_object(Bucket="audit", Key=key, Body=key.encode() if body is None else body)
        stored = s3_backends[ACCOUNT]["aws"].buckets["audit"].keys[key]
        stored.last_modified = (at or self.now).replace(tzinfo=None)
        return key

    def record(self, seq: int, cluster: str = "domain-c9", at: datetime | None = None) -> str:
        """Write a record of a log; its key."""
        return self.put(make_record_key("vc01", cluster, seq), at=at)

    def seal(
        self,
        settle: timedelta | None = None,
        time_left_ms: Callable[[], float] = lambda: ALL_THE_TIME,
        **ports: Any,  # noqa: ANN401 -- any port
    ) -> SealerReply:
        """One run of the sealer."""
        self.runs += 1
        own: dict[str, Any] = {"trail": self.trail, "signer": self.signer, "turns": self.turns, **ports}
        return Sealer(
            **own, clock=lambda: self.now, time_left_ms=time_left_ms, holder=f"run-{self.runs}"
        ).run(settle)

    def keys(self, prefix: str = "", bucket: str = "audit") -> list[str]:
        """The keys in a bucket."""
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]

    def body(self, key: str, bucket: str = "audit") -> bytes:
        """An object."""
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def remove(self, *keys: str) -> None:
        """Remove objects, as if they had never been there."""
        for key in keys:
            self.s3.delete_object(Bucket="audit", Key=key)

    def digests(self) -> list[Digest]:
        """All digests in their order, once all that they promise was checked."""
        found, before = [], None
        for key in filter(is_digest_key, self.keys("digests/")):
            body = self.body(key)
            digest: Digest = json.loads(body)
            assert list_violations("digest", digest) == []
            assert digest["previous"] == before
            self.check_signature(key)
            keys = [one["key"] for one in digest["objects"]]
            assert keys == sorted(set(keys))
            before = {"key": key, "sha256": compute_sha256(body)}
            found.append(digest)
        return found

    def check_signature(self, key: str) -> None:
        """The signature beside a digest, by the one key that is kept."""
        (kept,) = self.keys("digests/keys/")
        public = load_pem_public_key(self.body(kept))
        assert isinstance(public, EllipticCurvePublicKey)
        public.verify(self.body(make_signature_key(key)), self.body(key), ECDSA(SHA256()))

    def sealed(self) -> list["StoredObject"]:
        """All objects that digests name."""
        return [one for digest in self.digests() for one in digest["objects"]]

    def sealed_keys(self) -> list[str]:
        """Their keys."""
        return [one["key"] for one in self.sealed()]


def counting_down(*left_ms: float) -> Callable[[], float]:
    """Time that is left, by what is answered each time that it is asked for; the last answer stays."""
    answers: Iterator[float] = iter(left_ms)
    last = left_ms[-1]
    return lambda: next(answers, last)
