"""Digests: what lies in the AuditBucket, named by its sha256, each digest naming the one before.

A run of the sealer covers a *window* of S3's own times: all that was written in it, and that no digest names
yet. Its objects are named in the order of their keys; what is too much for one digest goes on in the next one
of the same window, behind the key that this one was ``listed_to``. A window ends with one that was listed to
the end.

Of each log every digest carries the *head*: the newest record that is named, by this digest or by one before.
Numbers go up by one, so that what comes next in a log is known, and a long log is not listed again.

Whatever the bucket holds, a digest can be read back: each of its lists has a room, in bytes and in what the
reader counts as values.

Longer than 250 lines, because what a digest names and what the next one leaves out are the same rules.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NotRequired, TypedDict
from urllib.parse import unquote

from msgspec import Struct

from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    encode_canonical_json,
    make_digest_key,
    make_numbered_key,
    make_signature_key,
)
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.text.times import format_time, parse_time

MAX_OBJECTS: Final = 10_000
"""Of one digest: some 2 MB. A day of 1,000 clusters that are checked every 4 hours writes about 7,000."""

MAX_OBJECTS_BYTES: Final = 3_800_000
MAX_OBJECTS_VALUES: Final = 250_000
"""Of all objects of a digest, of which the last one may go beyond. What is read back as JSON has 8 MB and
500,000 values at most: the rest is for heads and for what could not be read."""

MAX_HEADS_BYTES: Final = 3_700_000
MAX_HEADS_VALUES: Final = 200_000
"""Of all heads of a digest: those of some 10,000 logs. A log for which there is no room is sealed by its
records' times, as all else is."""

MAX_UNREAD_BYTES: Final = 300_000
MAX_UNREAD_VALUES: Final = 30_000
"""Of all keys that could not be read: some 2,500. What is beyond is not tried again, and the log names it."""

LISTED_AT_ONCE: Final = 1_000
"""What one LIST gives: to leave out fewer records of a log saves none."""

SETTLE: Final = timedelta(minutes=15)
"""What was written so lately is left to the next digest: the clocks of S3 and of the sealer may differ by as
much as AWS lets any request's clock differ (RequestTimeTooSkewed, S3's list of error codes)."""

BEHIND_ALL: Final = "\U0010ffff"
"""Sorts behind every key that continues a prefix: no key has a higher character."""

_VALUE_MARKS: Final = (b",", b":", b"[", b"{")
"""By these the reader counts values, also where they stand in a text."""

_DIGEST_KEY: Final = re.compile(r"digests/([0-9]{8}T[0-9]{6}Z)\.json")
_RECORD_KEY: Final = re.compile(r"(records/vcenter=([^/]+)/cluster=([^/]+)/)([0-9]{10})\.json")


class SealedHead(TypedDict):
    """The newest record of a log that is named by a digest; the names are spelt as in the key, decoded."""

    vcenter: str
    cluster: str
    key: str
    sha256: str
    seq: int


class Digest(TypedDict):
    """One digest. ``since`` is null where all is meant that was written before ``until``.

    ``previous`` is null in the first one. ``listed_to``: objects behind that key are left to the next digest,
    which is about the same window; null where there are none. ``unread``: what could not be read, by this run
    or one before, and is tried again; absent where there is nothing. ``settled_to``: what S3 got from then on
    may have come into sight only later; absent: all had settled. ``looked_from``: from then on, before
    ``since``, it was looked for what came so late; absent: from ``since`` on.
    """

    schema_version: int
    sealed_at: str
    since: str | None
    until: str
    previous: StoredObject | None
    heads: list[SealedHead]
    objects: list[StoredObject]
    listed_to: str | None
    unread: NotRequired[list[str]]
    settled_to: NotRequired[str]
    looked_from: NotRequired[str]


class SealingTurn(TypedDict):
    """Who seals, by the id of the invocation, and since when; no ``holder``: nobody does.

    ``made`` is the digest that was made last. It is written before that: what lies in the trail without a
    signature and is this one, byte for byte, is ours.
    """

    schema_version: int
    holder: str | None
    taken_at: str
    made: NotRequired[StoredObject | None]


class Link(Struct, frozen=True):
    """A digest, and the key and sha256 by which the next one names it."""

    stored: StoredObject
    digest: Digest


class Window(Struct, frozen=True):
    """What a digest is about: what was written from ``since`` on and before ``until``, behind a key.

    What S3 got at ``settled_to`` or later may come into sight after its place was looked through: the next
    window looks for that, from its ``looked_from`` on. By default, all has settled.
    """

    since: datetime | None
    until: datetime
    after_key: str
    settled_to: datetime | None = None
    looked_from: datetime | None = None

    def holds(self, written_at: datetime) -> bool:
        """Tell whether what S3 has since ``written_at`` is of this window."""
        return (self.since is None or self.since <= written_at) and written_at < self.until

    def may_hold_late(self, written_at: datetime) -> bool:
        """Tell whether that is of a window before, which named it if it was in sight then."""
        if self.looked_from is None or self.since is None:
            return False
        return self.looked_from <= written_at < self.since


class Room(Struct):
    """What is left for one list of a digest: bytes, and values, as the reader of JSON counts them."""

    bytes_left: int
    values_left: int

    @property
    def is_full(self) -> bool:
        """Whether nothing is left."""
        return self.bytes_left <= 0 or self.values_left <= 0

    def take(self, value: object) -> bool:
        """Take the room for ``value``; whether there was enough. What there was is taken in any case."""
        body = encode_canonical_json(value)
        self.bytes_left -= len(body) + 1
        self.values_left -= sum(map(body.count, _VALUE_MARKS)) + 1
        return self.bytes_left >= 0 and self.values_left >= 0


class RecordPlace(Struct, frozen=True):
    """Where a key of a record belongs: to the log with the ``prefix``, under the number ``seq``."""

    prefix: str
    vcenter: str
    cluster: str
    seq: int


def parse_record_place(key: str) -> RecordPlace | None:
    """Parse the key of a record; None for any other."""
    found = _RECORD_KEY.fullmatch(key)
    return RecordPlace(found[1], unquote(found[2]), unquote(found[3]), int(found[4])) if found else None


def is_digest_key(key: str) -> bool:
    """Tell whether a digest may lie under a key."""
    return parse_digest_key(key) is not None


def parse_digest_key(key: str) -> datetime | None:
    """Parse when the digest under a ``key`` was made; None for any other key."""
    found = _DIGEST_KEY.fullmatch(key)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def find_newest_signed(keys: Collection[str]) -> str | None:
    """Find the key of the newest digest among ``keys`` that has a signature there; None if none has."""
    return next(iter(list_signed(keys)), None)


def list_signed(keys: Collection[str]) -> list[str]:
    """List the keys of digests among ``keys`` beside which a signature lies, the newest first."""
    return sorted(
        (key for key in keys if is_digest_key(key) and make_signature_key(key) in keys), reverse=True
    )


def is_open(digest: Digest) -> bool:
    """Tell whether its window goes on in the next digest."""
    return digest["listed_to"] is not None


def is_due(newest: Digest | None, now: datetime) -> bool:
    """Tell whether it is time to seal at ``now``: once each day in UTC, and while a window is open.

    ``newest`` is the last digest; None where there is none.
    """
    return newest is None or is_open(newest) or parse_time(newest["sealed_at"]).date() < now.date()


def plan_window(newest: Digest | None, now: datetime, settle: timedelta) -> Window:
    """Plan what the next digest is about: the rest of a window that is open, else a new one.

    Args:
        newest: The last digest; None where there is none.
        now: The time.
        settle: How long ago the last object was written that a new window takes.
    """
    ends_at, settled_to = ((now - each).replace(microsecond=0) for each in (settle, max(settle, SETTLE)))
    if newest is None:
        return Window(None, ends_at, "", settled_to)
    until, before = parse_time(newest["until"]), parse_time(newest.get("settled_to", newest["until"]))
    if newest["listed_to"] is None:
        ends_at = max(until, ends_at)
        return Window(until, ends_at, "", max(before, min(ends_at, settled_to)), before)
    since = None if newest["since"] is None else parse_time(newest["since"])
    looked_from = parse_time(newest["looked_from"]) if "looked_from" in newest else since
    return Window(since, until, newest["listed_to"], before, looked_from)


def choose_sealed_at(newest: Digest | None, now: datetime) -> datetime:
    """Choose the time of the next digest: ``now``, to the second, and later than that of ``newest``.

    Keys are made of it, so that they sort as the digests follow each other.
    """
    at = now.replace(microsecond=0)
    return at if newest is None else max(at, parse_time(newest["sealed_at"]) + timedelta(seconds=1))


class LogEnds:
    """How far each log is named by digests; it moves on with each record that is chosen."""

    def __init__(self, newest: Digest | None) -> None:
        """``newest`` is the last digest; None where there is none."""
        heads = newest["heads"] if newest else []
        self._heads = {head["key"].rpartition("/")[0] + "/": head for head in heads}
        self._seqs = {prefix: head["seq"] for prefix, head in self._heads.items()}
        self._pass_over(newest.get("unread", []) if newest else [], self._seqs)

    def find_jump(self, key: str) -> str | None:
        """Find the key behind which a listing goes on, where ``key`` needs no look; None if it does.

        Digests don't name digests' own signatures and keys: each names the digest before. Of a long log,
        what lies between records that are named already is passed over.
        """
        if key.startswith(DIGEST_PREFIX) and key < DIGEST_PREFIX + BEHIND_ALL:
            return DIGEST_PREFIX + BEHIND_ALL
        place = parse_record_place(key)
        known = 0 if place is None else self._seqs.get(place.prefix, 0)
        if place is None or known <= LISTED_AT_ONCE or not 1 <= place.seq <= known:
            return None
        return make_numbered_key(place.prefix, known)

    def choose(self, key: str, written_at: datetime, window: Window) -> bool:
        """Choose whether the object under ``key``, which S3 has since ``written_at``, is of the ``window``.

        What comes next in its log is, however old: a window never ends in the middle of what it left out.
        So a record that stood apart from its log, and was named, is named again when the log reaches it.
        """
        place = parse_record_place(key)
        known = 0 if place is None else self._seqs.get(place.prefix, 0)
        if place is None or place.seq == 0 or place.seq > known + 1:
            return window.holds(written_at)
        if place.seq <= known or written_at >= window.until:
            return False
        if place.prefix not in self._heads and not window.holds(written_at):
            return False
        self._seqs[place.prefix] = place.seq
        return True

    def list_heads(self, objects: Iterable[StoredObject], passed: Iterable[str] = ()) -> list[SealedHead]:
        """List the heads of all logs once ``objects`` are named too, as many as there is room for.

        The numbers of records go on behind those that could not be read, whose keys are ``passed``. Logs that
        have a head keep it: nobody takes its room by beginning other logs.
        """
        heads, seqs = dict(self._heads), {prefix: head["seq"] for prefix, head in self._heads.items()}
        found: dict[str, StoredObject | None] = {
            **dict.fromkeys(passed),
            **{one["key"]: one for one in objects},
        }
        for key in sorted(found):
            self._move_head(key, found[key], heads, seqs)
        room = Room(MAX_HEADS_BYTES, MAX_HEADS_VALUES)
        by_age = sorted(heads, key=lambda prefix: (prefix not in self._heads, prefix))
        return sorted(
            (heads[prefix] for prefix in by_age if room.take(heads[prefix])), key=lambda head: head["key"]
        )

    def _move_head(
        self, key: str, one: StoredObject | None, heads: dict[str, SealedHead], seqs: dict[str, int]
    ) -> None:
        """Move the head of the log of ``key``, if that comes next in it; ``one`` is None if it is not read.

        ``heads`` and ``seqs``, how far the numbers go, are changed.
        """
        place = parse_record_place(key)
        if place is None or place.seq != seqs.get(place.prefix, 0) + 1:
            return
        seqs[place.prefix] = place.seq
        if one is not None:
            heads[place.prefix] = {
                "vcenter": place.vcenter,
                "cluster": place.cluster,
                "key": key,
                "sha256": one["sha256"],
                "seq": place.seq,
            }

    @staticmethod
    def _pass_over(unread: Iterable[str], seqs: dict[str, int]) -> None:
        for key in unread:
            place = parse_record_place(key)
            if place is not None and place.seq == seqs.get(place.prefix, 0) + 1:
                seqs[place.prefix] = place.seq


def build_digest(
    newest: Link | None,
    window: Window,
    sealed_at: datetime,
    objects: list[StoredObject],
    listed_to: str | None,
    *,
    unread: Sequence[str] = (),
    gone: Collection[str] = (),
) -> Digest:
    """Build a digest of what was found.

    Args:
        newest: The digest before; None where there is none.
        window: What it is about.
        sealed_at: When it is made.
        objects: What was found in the window, in the order of the keys.
        listed_to: The key up to which the window was looked through; None: to its end.
        unread: The keys of what could not be read, in their order.
        gone: The keys of what was listed, and not there when it was read.
    """
    digest: Digest = {
        "schema_version": 1,
        "sealed_at": format_time(sealed_at),
        "since": None if window.since is None else format_time(window.since),
        "until": format_time(window.until),
        "previous": newest.stored if newest else None,
        "heads": LogEnds(newest.digest if newest else None).list_heads(objects, {*unread, *gone}),
        "objects": objects,
        "listed_to": listed_to,
    }
    room = Room(MAX_UNREAD_BYTES, MAX_UNREAD_VALUES)
    kept = [key for key in unread if room.take(key)]
    if kept:
        digest["unread"] = kept
    if window.settled_to is not None and window.settled_to < window.until:
        digest["settled_to"] = format_time(window.settled_to)
    if window.looked_from is not None and window.looked_from != window.since:
        digest["looked_from"] = format_time(window.looked_from)
    return digest


def find_digest_key(digest: Digest) -> str:
    """Find the key of a digest."""
    return make_digest_key(parse_time(digest["sealed_at"]))
