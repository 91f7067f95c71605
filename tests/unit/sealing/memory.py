"""The sealer at work on a bucket in memory, for properties that need hundreds of buckets."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from esx_drift.contracts import parse_payload
from esx_drift.domain.stored.identifiers import compute_sha256, make_signature_key
from esx_drift.domain.trail.digests import Digest, SealingTurn, is_digest_key
from esx_drift.errors import TrailDamaged
from esx_drift.ports import StoredSealingTurn, WrittenObject
from esx_drift.sealing.sealer import Sealer, SealerReply

from tests.unit.sealing.world import ALL_THE_TIME, NOW

KEY = generate_private_key(SECP256R1())


class MemorySigner:
    """``ports.Signer`` with a key of this process."""

    def read_public_key(self) -> bytes:
        """In DER."""
        return KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, sha256: bytes) -> bytes:
        """In DER."""
        return KEY.sign(sha256, ECDSA(Prehashed(SHA256())))

    def has_signed(self, sha256: bytes, signature: bytes) -> bool:
        """By the public half."""
        try:
            KEY.public_key().verify(signature, sha256, ECDSA(Prehashed(SHA256())))
        except InvalidSignature:
            return False
        return True


@dataclass
class MemoryTurns:
    """``ports.SealingTurns``."""

    turn: SealingTurn | None = None
    writes: int = 0

    def read(self) -> StoredSealingTurn:
        """The turn, by the number of its write."""
        return StoredSealingTurn(self.turn, str(self.writes) if self.turn else None)

    def write(self, turn: SealingTurn, etag: str | None) -> str | None:
        """If nobody else did."""
        if etag != self.read().etag:
            return None
        self.turn, self.writes = turn, self.writes + 1
        return str(self.writes)


@dataclass
class MemoryWorld:
    """``ports.SealedBucket``, a clock, and what must hold of all digests.

    ``refused`` can't be read; ``on_list`` is called before each listing of all.
    """

    now: datetime = NOW
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    turns: MemoryTurns = field(default_factory=MemoryTurns)
    on_list: Callable[[], None] = lambda: None
    runs: int = 0

    def list_written(self, prefix: str, start_after: str = "") -> Iterator[WrittenObject]:
        """In the order of the keys."""
        if not prefix:
            self.on_list()
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > start_after:
                body, at = self.objects[key]
                yield WrittenObject(key, len(body), at.replace(microsecond=0))

    def read(self, key: str) -> bytes | None:
        """None if there is none."""
        return self.objects[key][0] if key in self.objects else None

    def hash_object(self, key: str, most: int) -> str | None:
        """None if there is none."""
        if key in self.refused:
            raise TrailDamaged(f"S3 refuses {key}: InvalidObjectState", key)
        body = self.read(key)
        if body is not None and len(body) > most:
            raise TrailDamaged(f"{key} has {len(body)} bytes", key)
        return None if body is None else compute_sha256(body)

    def keep(self, key: str, body: bytes) -> bool:
        """If it is free."""
        if key in self.objects:
            return False
        self.objects[key] = (body, self.now)
        return True

    def put(self, key: str, at: datetime | None = None) -> str:
        """Write an object at a time of S3's clock."""
        self.objects[key] = (key.encode(), at or self.now)
        return key

    def wait(self, **length: float) -> None:
        """Let time pass."""
        self.now += timedelta(**length)

    def seal(
        self,
        settle: timedelta | None = None,
        time_left_ms: Callable[[], float] = lambda: ALL_THE_TIME,
        **ports: Any,  # noqa: ANN401 -- any port
    ) -> SealerReply:
        """One run of the sealer."""
        self.runs += 1
        own: dict[str, Any] = {"trail": self, "signer": MemorySigner(), "turns": self.turns, **ports}
        return Sealer(
            **own, clock=lambda: self.now, time_left_ms=time_left_ms, holder=f"run-{self.runs}"
        ).run(settle)

    def digests(self) -> list[Digest]:
        """All digests, each of which can be read back, follows the one before, and is signed."""
        found, before = list[Digest](), None
        for key in sorted(filter(is_digest_key, self.objects)):
            body = self.objects[key][0]
            digest: Digest = parse_payload("digest", body)  # type: ignore[assignment] # it is valid
            assert json.loads(body) == digest
            assert digest["previous"] == before
            KEY.public_key().verify(self.objects[make_signature_key(key)][0], body, ECDSA(SHA256()))
            keys = [one["key"] for one in digest["objects"]]
            assert keys == sorted(set(keys))
            before = {"key": key, "sha256": compute_sha256(body)}
            found.append(digest)
        return found

    def sealed_keys(self) -> list[str]:
        """The keys of all objects that digests name, each with the hash of what lies there."""
        named = [one for digest in self.digests() for one in digest["objects"]]
        for one in named:
            body = self.read(one["key"])
            assert body is None or one["sha256"] == compute_sha256(body)
        return [one["key"] for one in named]

    def written_keys(self) -> list[str]:
        """The keys of all objects but digests."""
        return sorted(key for key in self.objects if not key.startswith("digests/"))
