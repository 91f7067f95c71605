"""Digests: what lies in the AuditBucket, named by its sha256, each digest naming the one before.

A run of the sealer covers a *window* of S3's own times: all that was written in it, and that no digest names
yet. Its objects are named in the order of their keys; what is too much for one digest goes on in the next one
of the same window, behind the key that this one was ``listed_to``. A window ends with one that was listed to
the end.

Of each log every digest carries the *head*: the newest record that is named, by this digest or by one before.
Numbers go up by one, so that what comes next in a log is known, and nothing that is named already is listed.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypedDict
from urllib.parse import unquote

from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    make_digest_key,
    make_signature_key,
)
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.text.times import format_time, parse_time

MAX_OBJECTS: Final = 10_000
"""Of one digest: some 2 MB. A day of 1,000 clusters that are checked every 4 hours writes about 7,000."""

MAX_OBJECTS_BYTES: Final = 4_000_000
"""Of all objects of a digest: half of what is read back as JSON. The other half is for some 10,000 heads."""

SETTLE: Final = timedelta(minutes=15)
"""What was written so lately is left to the next digest: the clocks of S3 and of the sealer may differ by as
much as AWS lets any request's clock differ (RequestTimeTooSkewed, S3's list of error codes)."""

BEHIND_ALL: Final = "\U0010ffff"
"""Sorts behind every key that continues a prefix: no key has a higher character."""

_DIGEST_KEY: Final = re.compile(r"digests/[0-9]{8}T[0-9]{6}Z\.json")
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
    which is about the same window; null where there are none.
    """

    schema_version: int
    sealed_at: str
    since: str | None
    until: str
    previous: StoredObject | None
    heads: list[SealedHead]
    objects: list[StoredObject]
    listed_to: str | None


class SealingTurn(TypedDict):
    """Who seals, by the id of the invocation, and since when; no ``holder``: nobody does."""

    schema_version: int
    holder: str | None
    taken_at: str


@dataclass(frozen=True, slots=True)
class Link:
    """A digest, and the key and sha256 by which the next one names it."""

    stored: StoredObject
    digest: Digest


@dataclass(frozen=True, slots=True)
class Window:
    """What a digest is about: what was written from ``since`` on and before ``until``, behind a key."""

    since: datetime | None
    until: datetime
    after_key: str


@dataclass(frozen=True, slots=True)
class RecordPlace:
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
    return _DIGEST_KEY.fullmatch(key) is not None


def find_newest_signed(keys: Collection[str]) -> str | None:
    """Find the key of the newest digest among ``keys`` that has a signature there; None if none has."""
    return max((key for key in keys if is_digest_key(key) and make_signature_key(key) in keys), default=None)


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
    ends_at = (now - settle).replace(microsecond=0)
    if newest is None:
        return Window(None, ends_at, "")
    until = parse_time(newest["until"])
    if newest["listed_to"] is None:
        return Window(until, max(until, ends_at), "")
    since = None if newest["since"] is None else parse_time(newest["since"])
    return Window(since, until, newest["listed_to"])


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

    def find_jump(self, key: str) -> str | None:
        """Find the key behind which a listing goes on, where ``key`` is named already; None if it isn't.

        Digests don't name digests' own signatures and keys: each names the digest before.
        """
        if key.startswith(DIGEST_PREFIX):
            return DIGEST_PREFIX + BEHIND_ALL
        place = parse_record_place(key)
        if place is None or place.seq > self._seqs.get(place.prefix, 0):
            return None
        return f"{place.prefix}{self._seqs[place.prefix]:010d}.json"

    def choose(self, key: str, written_at: datetime, window: Window) -> bool:
        """Choose whether the object under ``key``, which S3 has since ``written_at``, is of the ``window``.

        What comes next in its log is, however old: a window never ends in the middle of what it left out.
        """
        place = parse_record_place(key)
        if place is not None and place.seq == self._seqs.get(place.prefix, 0) + 1:
            if written_at < window.until:
                self._seqs[place.prefix] = place.seq
                return True
            return False
        return (window.since is None or window.since <= written_at) and written_at < window.until

    def list_heads(self, objects: Iterable[StoredObject]) -> list[SealedHead]:
        """List the heads of all logs once ``objects``, in the order of their keys, are named too."""
        heads = dict(self._heads)
        for one in objects:
            place = parse_record_place(one["key"])
            if place is not None and place.seq == _read_seq(heads, place.prefix) + 1:
                heads[place.prefix] = {
                    "vcenter": place.vcenter,
                    "cluster": place.cluster,
                    "key": one["key"],
                    "sha256": one["sha256"],
                    "seq": place.seq,
                }
        return sorted(heads.values(), key=lambda head: head["key"])


def _read_seq(heads: Mapping[str, SealedHead], prefix: str) -> int:
    return heads[prefix]["seq"] if prefix in heads else 0


def build_digest(
    newest: Link | None,
    window: Window,
    sealed_at: datetime,
    objects: list[StoredObject],
    listed_to: str | None,
) -> Digest:
    """Build a digest of what was found.

    Args:
        newest: The digest before; None where there is none.
        window: What it is about.
        sealed_at: When it is made.
        objects: What was found in the window, in the order of the keys.
        listed_to: The key up to which the window was looked through; None: to its end.
    """
    return {
        "schema_version": 1,
        "sealed_at": format_time(sealed_at),
        "since": None if window.since is None else format_time(window.since),
        "until": format_time(window.until),
        "previous": newest.stored if newest else None,
        "heads": LogEnds(newest.digest if newest else None).list_heads(objects),
        "objects": objects,
        "listed_to": listed_to,
    }


def find_digest_key(digest: Digest) -> str:
    """Find the key of a digest."""
    return make_digest_key(parse_time(digest["sealed_at"]))
