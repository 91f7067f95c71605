"""A small real trail as a mapping of keys to bytes, sealed as the sealer does, and what is found in it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from esx_drift.adapters.public_keys import EcPublicKey, parse_public_key
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_public_key_key,
    make_record_key,
    make_signature_key,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import Link, Window, build_digest, find_digest_key, is_digest_key
from esx_drift.domain.trail.verification import Problem
from esx_drift.errors import TrailDamaged
from esx_drift.ports import FormerVersion, TrailObject
from esx_drift.trail.verify import Request, verify_trail

SEALED_AT: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(frozen=True)
class MemoryTrail:
    """``ports.TrailFiles`` on a mapping. ``times`` are S3's, of those keys that have one."""

    objects: Mapping[str, bytes]
    times: Mapping[str, datetime] = field(default_factory=dict)
    former: tuple[FormerVersion, ...] = ()
    unreadable: tuple[str, ...] = ()

    def is_of(self, bucket: str) -> bool:
        """Of any."""
        return bool(bucket)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Each once."""
        rests = (key.removeprefix(prefix) for key in sorted(self.objects) if key.startswith(prefix))
        return iter(dict.fromkeys(f"{prefix}{rest.partition('/')[0]}/" for rest in rests if "/" in rest))

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """In the order of the keys' bytes."""
        keys = sorted(self.objects, key=lambda key: key.encode("utf-8", "surrogateescape"))
        return iter(
            TrailObject(key, len(self.objects[key]), self.times.get(key))
            for key in keys
            if key.startswith(prefix) and key > start_after
        )

    def read(self, key: str) -> bytes | None:
        """None if there is none."""
        if key in self.unreadable:
            raise TrailDamaged(f"{key} is a link", key)
        return self.objects.get(key)

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """As they were given."""
        return iter(each for each in self.former if each.key.startswith(prefix))


def make_key() -> EllipticCurvePrivateKey:
    """A key that signs."""
    return generate_private_key(SECP256R1())


def public_key(key: EllipticCurvePrivateKey) -> EcPublicKey:
    """Its public half."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return parse_public_key(pem)


def seal(
    objects: Mapping[str, bytes], key: EllipticCurvePrivateKey, at: datetime = SEALED_AT
) -> dict[str, bytes]:
    """The trail with one more digest, which names all that none before does."""
    digests = sorted(filter(is_digest_key, objects))
    newest = _link(objects, digests[-1]) if digests else None
    known = {one["key"] for each in digests for one in _link(objects, each).digest["objects"]}
    new = sorted(one for one in objects if one not in known and not one.startswith("digests/"))
    named = [{"key": one, "sha256": compute_sha256(objects[one])} for one in new]
    window = Window(None, at - timedelta(minutes=15), "")
    digest = build_digest(newest, window, at, named, None)  # type: ignore[arg-type] # of its two fields
    return sign({**objects, find_digest_key(digest): encode_canonical_json(digest)}, key)


def seal_in_steps(
    objects: Mapping[str, bytes], key: EllipticCurvePrivateKey, moments: Iterable[datetime]
) -> dict[str, bytes]:
    """The trail as it is once it was sealed at each of these moments, by when its objects were written."""
    written_at = _find_times(objects)
    sealed: dict[str, bytes] = {}
    for moment in sorted(moments):
        until = moment - timedelta(minutes=15)
        there = {one: body for one, body in objects.items() if written_at[one] < until}
        sealed = seal({**there, **sealed}, key, moment)
    return {**objects, **sealed}


def _find_times(objects: Mapping[str, bytes]) -> dict[str, datetime]:
    """When each object was written, as far as it or a record says; what nobody names, in the end."""
    found: dict[str, datetime] = {}
    records = [json.loads(body) for one, body in sorted(objects.items()) if one.startswith("records/")]
    for record in sorted(records, key=lambda each: str(each["checked_at"])):
        at = parse_time(record["checked_at"])
        found[make_record_key(record["vcenter"], record["cluster"], record["seq"])] = at
        for each in (record["document"], record["snapshot"], record["quarantine"]):
            if each is not None:
                found.setdefault(each["key"], at)
    for one, body in objects.items():
        if one.startswith("deliveries/"):
            said = json.loads(body)
            found[one] = parse_time(said.get("delivered_at") or said["created_at"])
    return {one: found.get(one, max(found.values())) for one in objects}


def sign(
    objects: Mapping[str, bytes], key: EllipticCurvePrivateKey, *, anew: bool = False
) -> dict[str, bytes]:
    """The trail with each digest signed that is not; or each, with ``anew``."""
    public = public_key(key)
    signed = dict(objects)
    for digest in filter(is_digest_key, objects):
        place = make_signature_key(digest)
        if anew or place not in objects:
            signed[place] = key.sign(objects[digest], ECDSA(SHA256()))
    return {**signed, make_public_key_key(public.fingerprint): public.pem}


def _link(objects: Mapping[str, bytes], key: str) -> Link:
    return Link({"key": key, "sha256": compute_sha256(objects[key])}, json.loads(objects[key]))


@dataclass(frozen=True, slots=True)
class Found:
    """What verifying found.

    ``is_open``: an excerpt that is not sealed up to its end. ``unknown``: its clusters without a record.
    ``unexplained``: how much is gone that may have expired after the newest seal. ``unused``: keys that were
    given and signed nothing. ``unnamed``: how much a digest names, and no record.
    """

    problems: list[Problem]
    records: int
    not_sealed: int
    expired: int
    signers: set[str]
    base: str | None
    is_open: bool
    unknown: list[str]
    unexplained: int
    unused: list[str]
    unnamed: int

    @property
    def keys(self) -> set[str]:
        """The keys of the objects that are named."""
        return {problem.key for problem in self.problems}

    @property
    def kinds(self) -> set[tuple[str, str]]:
        """What is said of which object."""
        return {(problem.kind, problem.key) for problem in self.problems}


def check(objects: Mapping[str, bytes] | MemoryTrail, **options: object) -> Found:
    """Verify a trail, with what else a request has."""
    files = objects if isinstance(objects, MemoryTrail) else MemoryTrail(objects)
    pinned = options.get("pinned", ())
    options["pinned"] = pinned if isinstance(pinned, tuple) else (pinned,)
    request = Request(lambda: files, parse_public_key, **options)  # type: ignore[arg-type] # a test names real ones
    with verify_trail(request) as found:
        chain = found.chain
        is_open = found.excerpt is not None and not chain.covers(found.excerpt.period.ends_at)
        unknown = [each["cluster"] for each in found.list_unknown_clusters()]
        numbers = (found.records, found.not_sealed, found.expired)
        last = (found.unexplained, chain.unused, found.unnamed)
        return Found([*found.problems], *numbers, {*chain.signers}, chain.base, is_open, unknown, *last)


def write_copy(objects: Mapping[str, bytes], root: Path) -> Path:
    """Write a trail as a copy on disk."""
    for key, body in objects.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(body)
    return root
