"""The digests of a trail, one after the other: each signed, each naming the one before, none twice.

Longer than 250 lines, because how digests hang together and what they name is read at once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Final, cast

from msgspec import Struct, field

from esx_drift.contracts import parse_payload
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    SIGNATURE_SUFFIX,
    compute_sha256,
    make_public_key_key,
    make_signature_key,
)
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.text.times import is_usable, parse_time
from esx_drift.domain.trail.digests import Digest, find_digest_key, is_digest_key, parse_record_place
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, Excerpt, count_clusters, get_stored_head
from esx_drift.domain.trail.verification import MAX_CLOCK_DIFFERENCE, Problem, ProblemKind, SealedTime
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.ports import PublicKey, TrailFiles
from esx_drift.trail.index import TrailIndex

KEYS_PREFIX: Final = f"{DIGEST_PREFIX}keys/"

type ParseKey = Callable[[bytes], PublicKey]


class ChainResult(Struct):
    """What the digests show.

    Attributes:
        digests: How many there are.
        signers: The fingerprints of the keys that signed them, each with the first and the last one.
        time_signers: Those of the keys that signed the newest digest beside an excerpt, which proves a time.
        unused: The fingerprints of the keys given that signed nothing here.
        is_of_other_key: Keys were given, and others signed all digests that are signed: these are of another
            trail, or somebody signed all of this one anew.
        newest: When the newest one that counts was made; None: there is none.
        proved_at: The newest time that a signature proves: that, or when the trail's newest digest was made,
            which an excerpt holds beside its own. None: nothing is signed.
        unread: The keys of what the sealer could not read, by the newest one that counts.
        sealed_until: Everything that was written before is named by those that count; None: nothing is.
        sealed_by: The key of the digest that says so.
        holes: The spans of which not all digests count, from a time to another; None: from the beginning.
        base: The key of the digest that a later part of the trail was held to; None: all was verified.
        base_at: When the last digest was made of that part that was not looked at.
        clusters: How many clusters ever left a record, by the newest digest.
        left_out: How many of the objects that digests name are no part of this excerpt.
        starts: The numbers at which logs begin in this excerpt, by the log's prefix; others begin at 1.
    """

    digests: int = 0
    signers: dict[str, tuple[str, str]] = field(default_factory=dict)
    time_signers: set[str] = field(default_factory=set)
    unused: list[str] = field(default_factory=list)
    is_of_other_key: bool = False
    newest: datetime | None = None
    proved_at: datetime | None = None
    unread: list[str] = field(default_factory=list)
    sealed_until: datetime | None = None
    sealed_by: str | None = None
    holes: list[tuple[datetime | None, datetime]] = field(default_factory=list)
    base: str | None = None
    base_at: datetime | None = None
    clusters: int = 0
    left_out: int = 0
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def sealed(self) -> SealedTime | None:
        """Of which times all is named; None: of none."""
        return None if self.sealed_until is None else SealedTime(self.sealed_until, tuple(self.holes))

    def covers(self, moment: datetime) -> bool:
        """Tell whether digests name all that was written at a ``moment``, by a clock that may be wrong."""
        return self.sealed is not None and self.sealed.covers(moment)


class DigestChain(Struct):
    """Reads the digests of ``files`` into the ``index``.

    ``pinned``: the keys of which one must have signed; none: any that is kept with the trail. ``since``: what
    was sealed before then is taken for verified. ``excerpt``: which part of a trail it is; None: the whole.
    """

    files: TrailFiles
    index: TrailIndex
    parse_key: ParseKey
    pinned: tuple[PublicKey, ...]
    since: datetime | None
    excerpt: Excerpt | None = None
    result: ChainResult = field(default_factory=ChainResult)
    _last: StoredObject | None = None
    _waiting: list[tuple[StoredObject, StoredObject | None]] = field(default_factory=list)
    _keys: list[tuple[str, str]] = field(default_factory=list)
    """The fingerprints of the keys that signed, as one followed the other, each with its first digest."""

    def read(self) -> ChainResult:
        """Read all digests; whatever is wrong with them becomes problems of the index.

        Raises:
            StoreUnavailable: The trail can't be read.
        """
        keys = [found.key for found in self.files.list_objects(DIGEST_PREFIX)]
        known = self._read_keys([key for key in keys if key.startswith(KEYS_PREFIX)])
        digests = [key for key in keys if is_digest_key(key)]
        self._find_base(digests)
        named: dict[str, str] = {}
        previous: StoredObject | None = None
        newest = self._find_newest(digests)
        for key in digests if newest is None else digests[:-1]:
            previous = self._read_digest(key, previous, known, named)
        if newest is not None:
            self._read_time(newest, known)
        for key in keys:
            if key.endswith(f".json{SIGNATURE_SUFFIX}") and key.removesuffix(SIGNATURE_SUFFIX) not in digests:
                self._note(key.removesuffix(SIGNATURE_SUFFIX), "missing", "its signature is there without it")
        self._judge_keys(known)
        self.index.add_unread(self.result.unread)
        # No key can prove what was not sealed yet; where it should have been, the index's times show it.
        if self.pinned and self.result.digests and not self._has_pinned(self.result.signers):
            given = "the key given" if len(self.pinned) == 1 else "any key given"
            self._note(DIGEST_PREFIX, "missing", f"no digest is signed by {given}: nothing here is proved")
        used = self.result.signers.keys() | self.result.time_signers
        self.result.unused = [each.fingerprint for each in self.pinned if each.fingerprint not in used]
        self.result.is_of_other_key = bool(used) and bool(self.pinned) and not self._has_pinned(used)
        return self.result

    def _read_keys(self, keys: list[str]) -> dict[str, PublicKey]:
        """Read the public keys that are kept with the trail, by their objects' keys."""
        known: dict[str, PublicKey] = {}
        for key in keys:
            body = self._read(key)
            if body is None:
                continue
            try:
                parsed = self.parse_key(body)
            except ContractViolation as error:
                self._note(key, "altered", error.message)
                continue
            if body != parsed.pem or key != make_public_key_key(parsed.fingerprint):
                self._note(key, "altered", f"it is the key {parsed.fingerprint[:16]}, written otherwise")
            known[key] = parsed
        return known

    def _find_base(self, digests: list[str]) -> None:
        """Find the last digest before ``since``: only what it and those before don't name is looked at."""
        if self.since is not None:
            limit = f"{DIGEST_PREFIX}{self.since:%Y%m%dT%H%M%SZ}.json"
            self.result.base = max((key for key in digests if key < limit), default=None)

    def _read_digest(
        self, key: str, previous: StoredObject | None, known: dict[str, PublicKey], named: dict[str, str]
    ) -> StoredObject | None:
        """Read one digest, which must follow ``previous``; what the next one must name."""
        body = self._read(key)
        if body is None:
            return previous
        own: StoredObject = {"key": key, "sha256": compute_sha256(body)}
        self.result.digests += 1
        is_signed = self._check_signature(key, body, known)
        digest = self._parse(key, body)
        if digest is None:
            return own
        if previous is not None or not self._is_base(key):
            self._check_link(key, digest, previous, named)
        if is_signed:
            self._add_vouched(digest["previous"])
            self._add(own, digest)
        else:
            self._waiting.append((own, digest["previous"]))
        return own

    def _find_newest(self, digests: list[str]) -> str | None:
        """Find the digest that is there to prove when an excerpt was made; None if there is none."""
        newest = None if self.excerpt is None else self.excerpt.newest
        if newest is None:
            return None
        if newest not in digests:
            self._note(newest, "missing", f"{EXCERPT_KEY} names it as the newest digest")
            return None
        if newest != digests[-1]:
            said = f"it names {newest} as the newest digest, and {digests[-1]} is"
            self._note(EXCERPT_KEY, "altered", said)
            return None
        return newest

    def _read_time(self, key: str, known: dict[str, PublicKey]) -> None:
        """Read when a digest was made, which is no part of what the others say one of the other.

        It signs nothing of the excerpt. Of what it names it vouches for what is here. By another key than
        the one given it proves no time: trails outlive their keys.
        """
        place = make_signature_key(key)
        body, signature = self._read(key), self._read(place)
        if body is None or signature is None:
            if body is not None:
                self._note(place, "missing", f"{EXCERPT_KEY} names its digest as the newest one")
            return
        self.result.digests += 1
        keys = (*known.values(), *self.pinned)
        self.result.time_signers = {each.fingerprint for each in keys if each.has_signed(body, signature)}
        if not self.result.time_signers:
            self._note_foreign(key, place)
            return
        former = self._find_former(self.result.time_signers)
        if former is not None:
            self._note(key, "altered", former)
            return
        digest = self._parse(key, body)
        if digest is None or (self.pinned and not self._has_pinned(self.result.time_signers)):
            return
        sealed_at = parse_time(digest["sealed_at"])
        self.result.proved_at = max(self.result.proved_at or sealed_at, sealed_at)
        named = cast("Excerpt", self.excerpt).select_named(digest, is_base=False)
        self._add_named(key, digest, [each for each in named if self.index.has(each["key"])])

    def _parse(self, key: str, body: bytes) -> Digest | None:
        """Parse the digest under ``key``; None if it is none that anything can be said of."""
        try:
            digest = cast("Digest", parse_payload("digest", body))
        except ContractViolation as error:
            self._note(key, "altered", f"is no digest that this version knows: {error.message}")
            return None
        if not all(map(is_usable, _list_times(digest))):
            self._note(key, "altered", "is of a time at which nothing can have been sealed")
            return None
        if find_digest_key(digest) != key:
            self._note(key, "altered", f"it says that it was made at {digest['sealed_at']}")
        return digest

    def _is_old(self, key: str) -> bool:
        """Tell whether the digest ``key`` is of what is taken for verified."""
        return self.result.base is not None and key <= self.result.base

    def _is_base(self, key: str) -> bool:
        """Tell whether the digest ``key`` is that which an excerpt begins with."""
        return self.excerpt is not None and self.excerpt.base == key

    def _add_vouched(self, before: StoredObject | None) -> None:
        """Add those without a signature whose bytes are named, one by the other, by one that has it.

        ``before`` is what that one names as the digest before it.
        """
        vouched = list[StoredObject]()
        for own, previous in reversed(self._waiting):
            if own == before:
                vouched.insert(0, own)
                before = previous
        self._waiting.clear()
        for own in vouched:
            # Read again: held, all digests of years might be waiting.
            body = self._read(own["key"])
            if body is not None and compute_sha256(body) == own["sha256"]:
                self._add(own, cast("Digest", parse_payload("digest", body)))

    def _check_link(
        self, key: str, digest: Digest, previous: StoredObject | None, named: dict[str, str]
    ) -> None:
        """Check that a digest names the one before, and nobody else did."""
        before = digest["previous"]
        if before is not None and before["key"] in named:
            self._note(key, "forked", f"it follows {before['key']}, and so does {named[before['key']]}")
        elif before is not None and previous is not None and before["key"] == previous["key"]:
            if before["sha256"] != previous["sha256"]:
                self._note(before["key"], "altered", f"{key} names other bytes of it")
        elif before is not None and not self.index.has(before["key"]):
            self._note(before["key"], "missing", f"{key} follows it")
        elif before != previous:
            self._note(key, "forked", f"it does not follow {previous['key'] if previous else 'none'}")
        if before is not None:
            named.setdefault(before["key"], key)

    def _check_signature(self, key: str, body: bytes, known: dict[str, PublicKey]) -> bool:
        """Check the signature of a digest; whether what it says counts."""
        place = make_signature_key(key)
        signature = self._read(place)
        if signature is None:
            self._note(place, "missing", f"{key} is not signed. The next run of the sealer signs it")
            return not self.pinned
        keys = self._list_signers(self.pinned, body, signature)
        is_pinned, keys = bool(keys), keys or self._list_signers(known.values(), body, signature)
        if not keys:
            self._note_foreign(key, place)
            return False
        if is_pinned or not self.pinned:
            former = self._find_former(keys)
            if former is not None and not self._is_old(key):
                self._note(key, "altered", former)
                return False
            self._follow_key(key, keys)
        for each in keys:
            first, _ = self.result.signers.get(each, (key, key))
            self.result.signers[each] = (first, key)
        # What is taken for verified may be of another key: it counts as far as a later digest names it.
        if self.pinned and not is_pinned and not self._is_old(key):
            others = "the key given" if len(self.pinned) == 1 else "any key given"
            self._note(key, "altered", f"it is signed by {keys[0]}, and not by {others}")
        return is_pinned or not self.pinned

    def _find_former(self, signers: Collection[str]) -> str | None:
        """Find whether only former keys are among the ``signers``: one that was changed never signs again.

        Returns:
            What is wrong then; None: nothing is.
        """
        former = [fingerprint for fingerprint, _ in self._keys[:-1]]
        if not former or not all(each in former for each in signers):
            return None
        newer, first = self._keys[-1]
        return f"it is signed by {next(iter(signers))}, a former key: {newer} followed it with {first}"

    def _follow_key(self, key: str, signers: Collection[str]) -> None:
        """Note a key that is new among the ``signers`` of the digest ``key``: it follows the one before."""
        seen = {fingerprint for fingerprint, _ in self._keys}
        if seen.isdisjoint(signers):
            self._keys.append((next(iter(signers)), key))

    @staticmethod
    def _list_signers(keys: Iterable[PublicKey], body: bytes, signature: bytes) -> list[str]:
        """List the fingerprints of those of some ``keys`` that signed the digest ``body``."""
        return [each.fingerprint for each in keys if each.has_signed(body, signature)]

    def _has_pinned(self, fingerprints: Collection[str]) -> bool:
        """Tell whether one of the ``fingerprints`` is of a key given."""
        return any(each.fingerprint in fingerprints for each in self.pinned)

    def _note_foreign(self, key: str, place: str) -> None:
        """Note that what lies at ``place`` is no signature of the digest ``key`` by any known key."""
        why = "it was altered, it or its signature, or its key was removed from digests/keys/"
        self._note(key, "altered", f"its signature is of no key that is kept here: {why}")
        self._note(place, "altered", f"it is not the signature of {key}")

    def _judge_keys(self, known: dict[str, PublicKey]) -> None:
        """Name keys that signed nothing, and those that signed and are gone."""
        for key, parsed in known.items():
            if parsed.fingerprint not in self.result.signers.keys() | self.result.time_signers:
                self._note(key, "inserted", "it signed none of the digests")
        kept = {parsed.fingerprint for parsed in known.values()}
        for fingerprint in sorted(self.result.signers.keys() - kept):
            self._note(make_public_key_key(fingerprint), "missing", "it signed digests")
        if self.result.digests and not known and not self.pinned:
            self._note(f"{KEYS_PREFIX}", "missing", "no public key is kept here, and digests are signed")

    def _add(self, own: StoredObject, digest: Digest) -> None:
        """Add what a digest names to the index."""
        key, result, sealed_at = own["key"], self.result, parse_time(digest["sealed_at"])
        result.newest = max(result.newest or sealed_at, sealed_at)
        result.proved_at = max(result.proved_at or sealed_at, sealed_at)
        result.unread = [
            each for each in digest.get("unread", []) if self.excerpt is None or self.excerpt.holds(each)
        ]
        until = parse_time(digest["until"])
        if digest["previous"] is not None and digest["previous"] != self._last:
            result.holes.append((result.sealed_until, until))
        is_start = self._last is None and self._is_base(key)
        self._last = own
        # One that was cut off left what sorts behind to the next: only the last of a span is about all of it.
        if digest["listed_to"] is None and (result.sealed_until is None or until >= result.sealed_until):
            result.sealed_until, result.sealed_by = until, key
        result.base_at = sealed_at if self._is_old(key) else result.base_at
        self._add_named(key, digest, self._select_named(digest, is_start=is_start))

    def _add_named(self, key: str, digest: Digest, named: list[StoredObject]) -> None:
        """Add the ``named`` objects of the digest under ``key`` to the index."""
        at = parse_time(digest["since"] or digest["sealed_at"])
        is_old = self._is_old(key)
        for each in named:
            # A head is of the digest that named it, and every later one names it again.
            other = self.index.add_sealed(each["key"], each["sha256"], key, at, old=is_old)
            if other is not None:
                self._note(each["key"], "forked", f"{key} names other bytes of it than a digest before")

    def _select_named(self, digest: Digest, *, is_start: bool) -> list[StoredObject]:
        """Select what of all that a digest names has to be there."""
        self.result.clusters = count_clusters(digest)
        if self.excerpt is None:
            return [*digest["objects"], *map(get_stored_head, digest["heads"])]
        selected = self.excerpt.select_named(digest, is_base=is_start)
        # What an excerpt need not hold, such as messages, is as a digest says all the same.
        here = [
            each
            for each in digest["objects"]
            if not self.excerpt.needs(each["key"]) and self.index.has(each["key"])
        ]
        if not is_start:
            known = {each["key"] for each in (*selected, *here)}
            self.result.left_out += sum(each["key"] not in known for each in digest["objects"])
            return [*selected, *here]
        if parse_time(digest["until"]) + MAX_CLOCK_DIFFERENCE >= self.excerpt.period.begins_at:
            self._note(EXCERPT_KEY, "altered", "it begins with a digest that is of the time it is about")
        places = filter(None, (parse_record_place(each["key"]) for each in selected))
        self.result.starts = {place.prefix: place.seq for place in places}
        return [*selected, *here]

    def _read(self, key: str) -> bytes | None:
        try:
            return self.files.read(key)
        except TrailDamaged as damage:
            self._note(key, "altered", damage.message.removeprefix(f"{key} "))
            return None

    def _note(self, key: str, kind: ProblemKind, text: str) -> None:
        self.index.add_problems([Problem(key, kind, text)])


def _list_times(digest: Digest) -> Iterator[datetime]:
    return map(parse_time, filter(None, (digest["sealed_at"], digest["since"], digest["until"])))
