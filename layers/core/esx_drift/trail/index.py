"""What is known of every object while a trail is verified: on disk beyond a few megabytes, in keys' order.

Longer than 250 lines, because all that is asked of the tables stands beside them.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from esx_drift.domain.trail.verification import AskedCheck, Problem
from esx_drift.ports import TrailObject

MAX_CACHE_KILOBYTES: Final = 32_000
"""What SQLite holds in memory; all else lies in a file that is gone when it is closed."""

MAX_LINES: Final = 200
"""Of one piece of work: so many objects are handed to a worker at once."""

MAX_PIECE_BYTES: Final = 16_000_000
"""Of the objects of one piece of work, unless a single one is larger."""

_TABLES: Final = """
    CREATE TABLE found (key BLOB PRIMARY KEY, size INTEGER, at REAL) WITHOUT ROWID;
    CREATE TABLE sealed (key BLOB PRIMARY KEY, sha256 TEXT, digest TEXT, at REAL, old INTEGER) WITHOUT ROWID;
    CREATE TABLE named (key BLOB PRIMARY KEY, at REAL, by BLOB) WITHOUT ROWID;
    CREATE TABLE events (receipt TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE receipts (key BLOB PRIMARY KEY, receipt TEXT) WITHOUT ROWID;
    CREATE TABLE answered (request TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE asked
        (request TEXT PRIMARY KEY, vcenter TEXT, cluster TEXT, key BLOB, at REAL) WITHOUT ROWID;
    CREATE TABLE explained
        (vcenter TEXT, cluster TEXT, at REAL, PRIMARY KEY (vcenter, cluster)) WITHOUT ROWID;
    CREATE TABLE problems (key BLOB, kind TEXT, text TEXT, PRIMARY KEY (key, kind, text)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class IndexedObject:
    """An object to look at. ``sealed_sha256``: what the digest under ``digest_key`` says of its bytes."""

    key: str
    size_bytes: int
    modified_at: datetime | None
    sealed_sha256: str | None
    digest_key: str | None


@dataclass(frozen=True, slots=True)
class Absence:
    """A key under which nothing is, since when something was there, and what says so."""

    key: str
    since: datetime
    named_by: str


@dataclass(slots=True)
class TrailIndex:
    """The index. It is closed when it is left as a context."""

    _base: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect("", isolation_level=None))

    def __enter__(self) -> Self:
        self._base.execute(f"PRAGMA cache_size = -{MAX_CACHE_KILOBYTES}")
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.executescript(_TABLES)
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def add_found(self, objects: Iterable[TrailObject]) -> int:
        """Add the ``objects`` that were listed; how many."""
        rows = ((_pack(each.key), each.size_bytes, _stamp(each.modified_at)) for each in objects)
        self._base.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", rows)
        return self._count("SELECT count(*) FROM found")

    def add_sealed(self, key: str, sha256: str, digest_key: str, at: datetime, *, old: bool) -> str | None:
        """Add what a digest says of an object.

        Args:
            key: The object's key.
            sha256: Of its bytes.
            digest_key: The digest.
            at: When it was made.
            old: The object is of a part of the trail that was verified before.

        Returns:
            What a digest before says of the same object, if that is another sha256.
        """
        row = (_pack(key), sha256, digest_key, at.timestamp(), old)
        done = self._base.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?, ?, ?)", row)
        if done.rowcount:
            return None
        (known,) = self._base.execute("SELECT sha256 FROM sealed WHERE key = ?", row[:1]).fetchone()
        return None if known == sha256 else str(known)

    def add_named(self, by: str, keys: Iterable[tuple[str, datetime]]) -> None:
        """Add that the object ``by`` names ``keys``, each with the time since when it is there."""
        rows = [(_pack(key), at.timestamp(), _pack(by)) for key, at in keys]
        self._base.executemany(
            "INSERT INTO named VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)", rows
        )

    def add_events(self, receipts: Iterable[str]) -> None:
        """Add what stands for events in their ``receipts``."""
        self._base.executemany("INSERT OR IGNORE INTO events VALUES (?)", ((each,) for each in receipts))

    def add_receipts(self, receipts: Iterable[tuple[str, str]]) -> None:
        """Add ``receipts``: keys, each with what it is of."""
        rows = ((_pack(key), receipt) for key, receipt in receipts)
        self._base.executemany("INSERT OR IGNORE INTO receipts VALUES (?, ?)", rows)

    def add_answered(self, requests: Iterable[str]) -> None:
        """Add ``requests`` that left a record."""
        self._base.executemany("INSERT OR IGNORE INTO answered VALUES (?)", ((each,) for each in requests))

    def add_asked(self, checks: Iterable[AskedCheck]) -> None:
        """Add ``checks`` that were asked for."""
        rows = (
            (each.request_id, each.vcenter, each.cluster, _pack(each.key), each.at.timestamp())
            for each in checks
        )
        self._base.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?, ?, ?, ?)", rows)

    def add_explained(self, vcenter: str, clusters: Iterable[str], at: datetime) -> None:
        """Add that a record of ``vcenter`` said ``at`` a time why these ``clusters`` are not checked."""
        rows = ((vcenter, cluster, at.timestamp()) for cluster in clusters)
        self._base.executemany(
            "INSERT INTO explained VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", rows
        )

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Add ``problems``; one that is known counts once."""
        rows = ((_pack(each.key), each.kind, each.text) for each in problems)
        self._base.executemany("INSERT OR IGNORE INTO problems VALUES (?, ?, ?)", rows)

    def list_problems(self) -> Iterator[Problem]:
        """List all problems, by the keys of their objects."""
        for key, kind, text in self._base.execute("SELECT * FROM problems"):
            yield Problem(_unpack(key), kind, text)

    def count_problems(self) -> int:
        """Count all problems."""
        return self._count("SELECT count(*) FROM problems")

    def list_pieces(self) -> Iterator[list[IndexedObject]]:
        """List all objects to look at in pieces of one folder each: of the same log, if they are records."""
        piece, folder, size = list[IndexedObject](), "", 0
        for found in self._list_found():
            place = found.key.rpartition("/")[0]
            full = len(piece) == MAX_LINES or size + found.size_bytes > MAX_PIECE_BYTES
            if piece and (full or (place != folder and found.key.startswith("records/"))):
                yield piece
                piece, size = [], 0
            piece.append(found)
            folder, size = place, size + found.size_bytes
        if piece:
            yield piece

    def count_found(self) -> int:
        """Count the objects to look at."""
        return self._count("SELECT count(*) FROM found LEFT JOIN sealed USING (key) WHERE ifnull(old, 0) = 0")

    def _list_found(self) -> Iterator[IndexedObject]:
        asked = (
            "SELECT key, size, found.at, sha256, digest FROM found LEFT JOIN sealed USING (key)"
            " WHERE ifnull(old, 0) = 0 ORDER BY key"
        )
        for key, size, at, sha256, digest in self._base.execute(asked):
            yield IndexedObject(_unpack(key), size, _read_time(at) if at else None, sha256, digest)

    def list_keys(self, prefix: str) -> Iterator[str]:
        """List the keys of all objects that begin with ``prefix``, in their order."""
        asked = "SELECT key FROM found WHERE key BETWEEN ? AND ? ORDER BY key"
        for (key,) in self._base.execute(asked, (_pack(prefix), _pack(prefix) + b"\xff")):
            yield _unpack(key)

    def find_sealed_at(self, key: str) -> datetime | None:
        """Find when the first digest was made that names ``key``."""
        row = self._base.execute("SELECT at FROM sealed WHERE key = ?", (_pack(key),)).fetchone()
        return None if row is None else _read_time(row[0])

    def has(self, key: str) -> bool:
        """Tell whether something was found under ``key``."""
        return bool(self._count("SELECT count(*) FROM found WHERE key = ?", _pack(key)))

    def list_absent(self) -> Iterator[Absence]:
        """List what digests or records name, and was not found."""
        asked = (
            "SELECT key, at, CAST(digest AS BLOB) FROM sealed"
            " WHERE old = 0 AND key NOT IN (SELECT key FROM found)"
            " UNION ALL SELECT key, at, by FROM named"
            " WHERE key NOT IN (SELECT key FROM found) AND key NOT IN (SELECT key FROM sealed)"
        )
        for key, at, by in self._base.execute(asked):
            yield Absence(_unpack(key), _read_time(at), _unpack(by))

    def find_oldest_kept(self, prefix: str) -> datetime | None:
        """Find since when the oldest object is there that begins with ``prefix`` and was not removed."""
        low, high = _pack(prefix), _pack(prefix) + b"\xff"
        asked = (
            "SELECT min(at) FROM (SELECT key, at FROM sealed UNION ALL SELECT key, at FROM named)"
            " WHERE key BETWEEN ? AND ? AND key IN (SELECT key FROM found)"
        )
        (at,) = self._base.execute(asked, (low, high)).fetchone()
        return None if at is None else _read_time(at)

    def list_unnamed(self, prefix: str, newest: datetime | None) -> Iterator[str]:
        """List what begins with ``prefix``, and neither a digest nor a record names.

        What S3 got at ``newest`` or later is left out.
        """
        asked = (
            "SELECT key FROM found WHERE key BETWEEN ? AND ? AND key NOT IN (SELECT key FROM sealed)"
            " AND key NOT IN (SELECT key FROM named) AND ifnull(at < ?, 1)"
        )
        low, high = _pack(prefix), _pack(prefix) + b"\xff"
        for (key,) in self._base.execute(asked, (low, high, _stamp(newest))):
            yield _unpack(key)

    def count_not_sealed(self) -> int:
        """Count the objects, but for digests themselves, that no digest names yet."""
        return self._count(
            "SELECT count(*) FROM found WHERE key NOT IN (SELECT key FROM sealed)"
            " AND NOT key BETWEEN CAST('digests/' AS BLOB) AND CAST('digests0' AS BLOB)"
        )

    def list_stray_receipts(self) -> Iterator[str]:
        """List the receipts of what no record and no report has."""
        asked = "SELECT key FROM receipts WHERE receipt NOT IN (SELECT receipt FROM events)"
        for (key,) in self._base.execute(asked):
            yield _unpack(key)

    def list_unanswered(self, until: datetime) -> Iterator[AskedCheck]:
        """List the checks asked for before ``until`` that left no record, and that nothing later explains."""
        asked = (
            "SELECT request, vcenter, cluster, key, asked.at FROM asked"
            " LEFT JOIN explained USING (vcenter, cluster)"
            " WHERE asked.at < ? AND request NOT IN (SELECT request FROM answered)"
            " AND ifnull(explained.at <= asked.at, 1)"
        )
        for request, vcenter, cluster, key, at in self._base.execute(asked, (until.timestamp(),)):
            yield AskedCheck(request, vcenter, cluster, _unpack(key), _read_time(at))

    def _count(self, asked: str, *values: object) -> int:
        (number,) = self._base.execute(asked, values).fetchone()
        return int(number)


def _pack(key: str) -> bytes:
    """Keys sort by their bytes; a copy may have names that are no UTF-8."""
    return key.encode("utf-8", "surrogateescape")


def _unpack(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _stamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _read_time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
