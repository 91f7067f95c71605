"""The sealer's job: name what was written since the last digest, and sign that.

    a  read the chain: the newest signed digest, and those behind it that nobody signed
    b  take the turn: one sealer works at a time, or the chain would fork
    c  a digest without a signature, which a run left that ended between e and f: made anew, and signed if
       that gives the same bytes. What somebody else put there is never signed
    d  look through all keys for what is new, and hash what lies there, sound or not
    e  keep the digest under its own key
    f  sign it, and keep the signature beside it; then d again, until all is named or the time is over

What is found is found by listing: no state of ours is asked what there is.
"""

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypedDict, cast

from aws_lambda_powertools import Logger

from esx_drift.contracts import parse_payload, require_valid
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    compute_sha256,
    encode_canonical_json,
    make_public_key_key,
    make_signature_key,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.digests import (
    SETTLE,
    Digest,
    Link,
    SealingTurn,
    Window,
    build_digest,
    choose_sealed_at,
    find_digest_key,
    find_newest_signed,
    is_digest_key,
    is_due,
    is_open,
    plan_window,
)
from esx_drift.errors import ContractViolation, OutOfTime, StoreConflict, TrailDamaged, TransientError
from esx_drift.ports import SealedBucket, SealingTurns, Signer
from esx_drift.sealing.window_reader import WindowReader

logger = Logger(child=True)

TIME_TO_FINISH_MS: Final = 90_000
"""What is left for a last batch, the signature, and copies."""

PEM_WIDTH: Final = 64
"""RFC 7468, section 2."""

SEALING_TURN_LENGTH: Final = timedelta(minutes=16)
"""Longer than the function may run (15 minutes, Lambda's limit): who holds the turn longer has ended."""


class SealerReply(TypedDict):
    """What a run of the sealer did.

    ``sealed``: the keys of the digests that it signed; ``complete``: all is named that had settled; ``busy``:
    another run is at work, and this one did nothing; ``refused``: digests without a signature that are not
    what would be sealed.
    """

    sealed: list[str]
    complete: bool
    busy: bool
    refused: list[str]


@dataclass(frozen=True, slots=True)
class _Chain:
    """The newest signed digest, the keys of those behind it, and the keys of all below ``digests/``."""

    newest: Link | None
    unsigned: list[str]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sealer:
    """The job, wired. ``holder`` names this run; ``clock`` and ``time_left_ms`` as in ``Runtime``."""

    trail: SealedBucket
    signer: Signer
    turns: SealingTurns
    clock: Callable[[], datetime]
    time_left_ms: Callable[[], float]
    holder: str

    def run(self, settle: timedelta | None = None) -> SealerReply:
        """Seal what is due.

        Args:
            settle: How long ago the last object was written that is to be sealed now; None: the schedule's
                run, which seals once a day, and goes on with what was not ended.

        Raises:
            TrailDamaged: The newest digest can't be read: nothing can follow it.
            StoreUnavailable, StoreConflict, SignerUnavailable: AWS failed; the next run goes on.
            OutOfTime: This run ended before it knew whether to sign what an earlier one left.
        """
        chain = self._read_chain()
        newest = chain.newest.digest if chain.newest else None
        if settle is None and not chain.unsigned and not is_due(newest, self.clock()):
            return {"sealed": [], "complete": True, "busy": False, "refused": []}
        etag = self._take_turn()
        if etag is None:
            return {"sealed": [], "complete": False, "busy": True, "refused": []}
        try:
            return self._seal(SETTLE if settle is None else settle)
        finally:
            # Who can't give it back has it for some minutes longer.
            with suppress(TransientError):
                self.turns.write(self._build_turn(None), etag)

    def _take_turn(self) -> str | None:
        """Take the turn to seal; its ETag, or None where another run has it."""
        stored = self.turns.read()
        if stored.turn is not None and stored.turn["holder"] not in {None, self.holder}:
            ends_at = parse_time(stored.turn["taken_at"]) + SEALING_TURN_LENGTH
            if self.clock() < ends_at:
                return None
        return self.turns.write(self._build_turn(self.holder), stored.etag)

    def _seal(self, settle: timedelta) -> SealerReply:
        # Read again: who had the turn before may have gone on.
        chain = self._read_chain()
        newest, finished, refused = self._finish(chain)
        wanted = (self.clock() - settle).replace(microsecond=0)
        sealed = finished
        while True:
            window = plan_window(newest.digest if newest else None, self.clock(), settle)
            newest = self._seal_window(newest, window, chain.keys)
            sealed = [*sealed, newest.stored["key"]]
            is_behind = is_open(newest.digest) or window.until < wanted
            if not is_behind or self._is_late():
                break
        return {"sealed": sealed, "complete": not is_behind, "busy": False, "refused": refused}

    def _read_chain(self) -> _Chain:
        keys = frozenset(found.key for found in self.trail.list_written(DIGEST_PREFIX))
        signed = find_newest_signed(keys)
        newest = None if signed is None else self._read_link(signed)
        return _Chain(
            newest, sorted(key for key in keys if is_digest_key(key) and key > (signed or "")), keys
        )

    def _read_link(self, key: str) -> Link:
        body = self.trail.read(key) or b""
        try:
            digest = cast("Digest", parse_payload("digest", body))
        except ContractViolation as error:
            raise TrailDamaged(
                f"{key}, the newest digest, is none that this version knows ({error.message}): restore its"
                " former version in S3, or deploy the newer version again. Nothing is sealed until then",
                key,
            ) from error
        return Link({"key": key, "sha256": compute_sha256(body)}, digest)

    def _finish(self, chain: _Chain) -> tuple[Link | None, list[str], list[str]]:
        """Sign what an earlier run left unsigned. The newest digest then; what was signed, and refused."""
        newest, finished, refused = chain.newest, list[str](), list[str]()
        for key in chain.unsigned:
            body = self.trail.read(key) or b""
            if body == self._make_anew(newest, body):
                newest = self._sign(self._read_link(key), body, chain.keys)
                finished.append(key)
            else:
                logger.error("digest not signed", key=key, why="what lies in the trail gives another one")
                refused.append(key)
        return newest, finished, refused

    def _make_anew(self, newest: Link | None, body: bytes) -> bytes | None:
        """Make the digest anew that is said to be in ``body``; None if no digest of ours is."""
        try:
            found = cast("Digest", parse_payload("digest", body))
        except ContractViolation:
            return None
        window = plan_window(newest.digest if newest else None, self.clock(), SETTLE)
        if newest is None or not is_open(newest.digest):
            window = replace(window, until=parse_time(found["until"]))
        objects, listed_to = self._read(newest, window).collect(found["listed_to"])
        if listed_to not in {None, found["listed_to"]}:
            raise OutOfTime(f"no time is left to make {find_digest_key(found)} anew: the next run does")
        anew = build_digest(newest, window, parse_time(found["sealed_at"]), objects, found["listed_to"])
        return encode_canonical_json(anew)

    def _seal_window(self, newest: Link | None, window: Window, known: frozenset[str]) -> Link:
        objects, listed_to = self._read(newest, window).collect()
        sealed_at = choose_sealed_at(newest.digest if newest else None, self.clock())
        digest = build_digest(newest, window, sealed_at, objects, listed_to)
        require_valid("digest", digest)
        key, body = find_digest_key(digest), encode_canonical_json(digest)
        if not self.trail.keep(key, body):
            raise StoreConflict(f"{key} is there already: another sealer was at work")
        logger.info("digest kept", key=key, objects=len(objects), until=digest["until"], listed_to=listed_to)
        return self._sign(Link({"key": key, "sha256": compute_sha256(body)}, digest), body, known)

    def _sign(self, link: Link, body: bytes, known: frozenset[str]) -> Link:
        """Sign a digest, whose bytes are ``body``; ``known`` are keys of what is kept already."""
        public_key = self.signer.read_public_key()
        key_of_public_key = make_public_key_key(compute_sha256(public_key))
        if key_of_public_key not in known:
            self.trail.keep(key_of_public_key, render_public_key(public_key))
        signature = self.signer.sign(sha256(body).digest())
        self.trail.keep(make_signature_key(link.stored["key"]), signature)
        return link

    def _read(self, newest: Link | None, window: Window) -> WindowReader:
        return WindowReader(self.trail, newest.digest if newest else None, window, self._is_late)

    def _is_late(self) -> bool:
        return self.time_left_ms() < TIME_TO_FINISH_MS

    def _build_turn(self, holder: str | None) -> SealingTurn:
        return {"schema_version": 1, "holder": holder, "taken_at": format_time(self.clock())}


def render_public_key(der: bytes) -> bytes:
    """Render a public key (``der``: a SubjectPublicKeyInfo) as the PEM file that OpenSSL reads."""
    text = b64encode(der).decode()
    lines = [text[at : at + PEM_WIDTH] for at in range(0, len(text), PEM_WIDTH)]
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", "")).encode()


def copy_digests(trail: SealedBucket, copy: SealedBucket) -> list[str]:
    """Copy what ``copy`` lacks of the digests in ``trail``, with their signatures and keys; the keys copied.

    Raises:
        StoreUnavailable, StoreConflict: One of the buckets failed; the next run copies the rest.
    """
    there = {found.key for found in copy.list_written(DIGEST_PREFIX)}
    missing = [found.key for found in trail.list_written(DIGEST_PREFIX) if found.key not in there]
    for key in missing:
        copy.keep(key, trail.read(key) or b"")
    return missing
