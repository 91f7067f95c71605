"""The sealer's job: name what was written since the last digest, and sign that.

    a  read the chain: the newest digest that our key signed, and those behind it that it did not
    b  take the turn: one sealer works at a time, or the chain would fork
    c  a digest without a signature, which a run left that ended between g and h: signed, if it is byte for
       byte the one that was written down. What somebody else put there is never signed
    d  try again what could not be read before
    e  look through all keys for what is new, and hash what lies there, sound or not
    f  have KMS sign a digest of it, and write down in the turn which one is made
    g  keep the digest under its own key
    h  keep its signature beside it; then e again, until all is named or the time is over

What is found is found by listing. What can't be read is named as that, and keeps nothing else from being
sealed.

Longer than 250 lines, because the order of its writes is what keeps the chain whole, wherever a run ends.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypedDict, cast

from aws_lambda_powertools import Logger
from msgspec import Struct

from esx_drift.contracts import parse_payload
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    compute_sha256,
    encode_canonical_json,
    make_public_key_key,
    make_signature_key,
)
from esx_drift.domain.stored.types import StoredObject
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
    is_digest_key,
    is_due,
    is_open,
    list_signed,
    plan_window,
)
from esx_drift.errors import ContractViolation, StoreConflict, TrailDamaged, TransientError
from esx_drift.ports import SealedBucket, SealingTurns, Signer, StoredSealingTurn
from esx_drift.sealing.window_reader import WindowReader

logger = Logger(child=True)

TIME_TO_FINISH_MS: Final = 90_000
"""What is left for a last batch of 2 GB at most, the signature, and copies."""

MAX_SIGNATURE_BYTES: Final = 72
"""Of ECDSA on P-256, in DER: two numbers of 33 bytes at most. KMS refuses to look at what is much longer."""

PEM_WIDTH: Final = 64
"""RFC 7468, section 2."""

SEALING_TURN_LENGTH: Final = timedelta(minutes=16)
"""Longer than the function may run (15 minutes, Lambda's limit): who holds the turn longer has ended."""


class SealerReply(TypedDict):
    """What a run of the sealer did.

    ``sealed``: the keys of the digests that it signed; ``complete``: all is named that had settled; ``busy``:
    another run is at work, and this one did nothing; ``refused``: digests without a signature that no run of
    ours made; ``unread``: how many objects can't be read, and so are in no digest.
    """

    sealed: list[str]
    complete: bool
    busy: bool
    refused: list[str]
    unread: int


class _HeldTurn(Struct):
    """The turn that this run has, by its ETag, and the digest that was made last."""

    etag: str
    made: StoredObject | None


class _Chain(Struct, frozen=True):
    """The newest signed digest, the keys of those behind it, and the keys of all below ``digests/``."""

    newest: Link | None
    unsigned: list[str]
    keys: frozenset[str]


class Sealer(Struct, frozen=True):
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
        """
        stored = self.turns.read()
        chain = self._read_chain(_find_made(stored))
        newest = chain.newest.digest if chain.newest else None
        left = bool(chain.unsigned or (newest and newest.get("unread")))
        if settle is None and not left and not is_due(newest, self.clock()):
            return {"sealed": [], "complete": True, "busy": False, "refused": [], "unread": 0}
        turn = self._take_turn(stored)
        if turn is None:
            return {"sealed": [], "complete": False, "busy": True, "refused": [], "unread": 0}
        try:
            return self._seal(settle, turn)
        finally:
            # Who can't give it back has it for some minutes longer.
            with suppress(TransientError):
                self.turns.write(self._build_turn(None, turn.made), turn.etag)

    def _take_turn(self, stored: StoredSealingTurn) -> _HeldTurn | None:
        """Take the turn to seal, which is as ``stored``; None where another run has it."""
        made = _find_made(stored)
        if stored.turn is not None and stored.turn["holder"] not in {None, self.holder}:
            held = self.clock() - parse_time(stored.turn["taken_at"])
            # What is of a later time than clocks can differ by no run of ours wrote.
            if -SETTLE <= held < SEALING_TURN_LENGTH:
                return None
        etag = self.turns.write(self._build_turn(self.holder, made), stored.etag)
        return None if etag is None else _HeldTurn(etag, made)

    def _note_made(self, turn: _HeldTurn, made: StoredObject) -> None:
        """Write down which digest is made, as long as this run has the turn."""
        etag = self.turns.write(self._build_turn(self.holder, made), turn.etag)
        if etag is None:
            raise StoreConflict(f"{made['key']} was not begun: another sealer took the turn")
        turn.etag, turn.made = etag, made

    def _seal(self, settle: timedelta | None, turn: _HeldTurn) -> SealerReply:
        # Read again: who had the turn before may have gone on.
        chain = self._read_chain(turn.made)
        newest, sealed, refused = self._finish(chain, turn)
        is_behind, length = False, SETTLE if settle is None else settle
        wanted = (self.clock() - length).replace(microsecond=0)
        again = newest.digest.get("unread", []) if newest else []
        if settle is not None or self._is_wanted(newest, again):
            while True:
                window = plan_window(newest.digest if newest else None, self.clock(), length)
                newest, again = self._seal_window(newest, window, chain.keys, turn, again), []
                sealed = [*sealed, newest.stored["key"]]
                is_behind = is_open(newest.digest) or window.until < wanted
                if not is_behind or self._is_late():
                    break
        unread = len(newest.digest.get("unread", [])) if newest else 0
        return {
            "sealed": sealed,
            "complete": not is_behind,
            "busy": False,
            "refused": refused,
            "unread": unread,
        }

    def _is_wanted(self, newest: Link | None, again: list[str]) -> bool:
        """Tell whether the schedule's run makes a digest: one is due, or something can be read by now."""
        if is_due(newest.digest if newest else None, self.clock()):
            return True
        window = plan_window(newest.digest if newest else None, self.clock(), SETTLE)
        return self._read(newest, window).find_readable(again) is not None

    def _read_chain(self, made: StoredObject | None) -> _Chain:
        """Read the chain; ``made`` is the digest that a run of ours made last, as far as that is known."""
        keys = frozenset(found.key for found in self.trail.list_written(DIGEST_PREFIX))
        newest = self._find_newest(keys, made)
        signed = newest.stored["key"] if newest else ""
        return _Chain(newest, sorted(key for key in keys if is_digest_key(key) and key > signed), keys)

    def _find_newest(self, keys: frozenset[str], made: StoredObject | None) -> Link | None:
        """Find the newest digest that our key signed; None where nothing is signed.

        Where our key signed none, an older key of this trail did: what follows that is signed by ours.
        """
        newest: tuple[StoredObject, bytes] | None = None
        for key in list_signed(keys):
            body = self.trail.read(key) or b""
            stored: StoredObject = {"key": key, "sha256": compute_sha256(body)}
            newest = newest or (stored, body)
            is_made = made is not None and made["key"] == key
            if is_made or self._is_ours(key, body):
                link = _parse_link(stored, body)
                if is_made and stored != made:
                    text = (
                        f"{key}, the newest digest, is not as it was made: restore its former version in S3."
                    )
                    raise TrailDamaged(f"{text} Nothing is sealed until then", key)
                return link
        return None if newest is None else _parse_link(*newest)

    def _is_ours(self, key: str, body: bytes) -> bool:
        """Have KMS tell whether our key signed the digest under ``key``, whose bytes are ``body``."""
        signature = self.trail.read(make_signature_key(key))
        if signature is None or not 0 < len(signature) <= MAX_SIGNATURE_BYTES:
            return False
        return self.signer.has_signed(sha256(body).digest(), signature)

    def _read_link(self, key: str) -> Link:
        body = self.trail.read(key) or b""
        return _parse_link({"key": key, "sha256": compute_sha256(body)}, body)

    def _finish(self, chain: _Chain, turn: _HeldTurn) -> tuple[Link | None, list[str], list[str]]:
        """Sign what an earlier run left unsigned. The newest digest then; what was signed, and refused."""
        newest, finished, refused = chain.newest, list[str](), list[str]()
        for key in chain.unsigned:
            body = self.trail.read(key) or b""
            if turn.made == {"key": key, "sha256": compute_sha256(body)}:
                newest = self._read_link(key)
                self._keep_signature(key, self._sign(body), chain.keys)
                finished.append(key)
            else:
                logger.error(
                    "digest not signed", key=key, why="no run of the sealer wrote down that it made it"
                )
                refused.append(key)
        return newest, finished, refused

    def _seal_window(
        self, newest: Link | None, window: Window, known: frozenset[str], turn: _HeldTurn, again: list[str]
    ) -> Link:
        """Seal what is in a window, and what can be read of ``again`` by now."""
        found = self._read(newest, window).collect(again)
        if not again and newest is not None:
            found.unread = sorted({*found.unread, *newest.digest.get("unread", [])})
        digest = build_digest(
            newest,
            window,
            choose_sealed_at(newest.digest if newest else None, self.clock()),
            found.objects,
            found.listed_to,
            unread=found.unread,
            gone=found.gone,
        )
        key, body = find_digest_key(digest), encode_canonical_json(digest)
        # What can't be read back would end the sealing for ever.
        parse_payload("digest", body)
        link, signed = Link({"key": key, "sha256": compute_sha256(body)}, digest), self._sign(body)
        self._note_made(turn, link.stored)
        if not self.trail.keep(key, body):
            raise StoreConflict(f"{key} is there already: another sealer was at work")
        logger.info(
            "digest kept",
            key=key,
            objects=len(found.objects),
            unread=len(found.unread),
            until=digest["until"],
            listed_to=found.listed_to,
        )
        self._keep_signature(key, signed, known)
        return link

    def _sign(self, body: bytes) -> tuple[bytes, bytes]:
        """Sign the bytes of a digest: the public key in DER, and the signature."""
        return self.signer.read_public_key(), self.signer.sign(sha256(body).digest())

    def _keep_signature(self, key: str, signed: tuple[bytes, bytes], known: frozenset[str]) -> None:
        """Keep the signature of the digest under ``key``, and the public key, if that is not ``known``."""
        public_key, signature = signed
        key_of_public_key = make_public_key_key(compute_sha256(public_key))
        if key_of_public_key not in known:
            self.trail.keep(key_of_public_key, render_public_key(public_key))
        self.trail.keep(make_signature_key(key), signature)

    def _read(self, newest: Link | None, window: Window) -> WindowReader:
        def read_back() -> Iterator[Digest]:
            link = newest
            while link is not None and parse_time(link.digest["until"]) > (
                window.looked_from or window.until
            ):
                yield link.digest
                before = link.digest["previous"]
                link = None if before is None else self._read_link(before["key"])

        return WindowReader(self.trail, newest.digest if newest else None, window, self._is_late, read_back)

    def _is_late(self) -> bool:
        return self.time_left_ms() < TIME_TO_FINISH_MS

    def _build_turn(self, holder: str | None, made: StoredObject | None) -> SealingTurn:
        turn: SealingTurn = {"schema_version": 1, "holder": holder, "taken_at": format_time(self.clock())}
        return turn if made is None else {**turn, "made": made}


def _parse_link(stored: StoredObject, body: bytes) -> Link:
    """Parse the digest that is ``stored``, with these bytes.

    Raises:
        TrailDamaged: It is none.
    """
    key = stored["key"]
    try:
        return Link(stored, cast("Digest", parse_payload("digest", body)))
    except ContractViolation as error:
        raise TrailDamaged(
            f"{key}, the newest digest, is none that this version knows ({error.message}): restore its"
            " former version in S3, or deploy the newer version again. Nothing is sealed until then",
            key,
        ) from error


def _find_made(stored: StoredSealingTurn) -> StoredObject | None:
    """Find the digest that was made last, by the turn as it is ``stored``; None where that is not known."""
    return None if stored.turn is None else stored.turn.get("made")


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
        # What was listed below digests/ stays: nobody may delete it.
        copy.keep(key, cast("bytes", trail.read(key)))
    return missing
