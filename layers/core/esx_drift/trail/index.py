"""What is known of every object while a trail is verified: on disk beyond a few megabytes, in keys' order.

Longer than 250 lines, because all that is asked of the tables stands beside them.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from msgspec import Struct, field

from esx_drift.domain.stored.identifiers import make_numbered_key
from esx_drift.domain.trail.digests import parse_record_place
from esx_drift.domain.trail.verification import AskedCheck, Problem, ProblemKind
from esx_drift.ports import TrailObject

MAX_CACHE_KILOBYTES: Final = 32_000
"""What SQLite holds in memory; all else lies in a file that is gone when it is closed."""

MAX_LINES: Final = 200
"""Of one piece of work: so many objects are handed to a worker at once."""

MAX_PIECE_BYTES: Final = 16_000_000
"""Of the objects of one piece of work, unless a single one is larger."""

_TABLES: Final = """
    CREATE TABLE found (key BLOB PRIMARY KEY, size INTEGER, at REAL) WITHOUT ROWID;
    CREATE TABLE sealed (key BLOB PRIMARY KEY, sha256 TEXT, digest BLOB, at REAL, old INTEGER) WITHOUT ROWID;
    CREATE TABLE named (key BLOB PRIMARY KEY, at REAL, by BLOB, sealed INTEGER) WITHOUT ROWID;
    CREATE TABLE unread (key BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE events (receipt BLOB PRIMARY KEY, at REAL) WITHOUT ROWID;
    CREATE TABLE receipts (key BLOB PRIMARY KEY, receipt BLOB, at REAL, sealed INTEGER) WITHOUT ROWID;
    CREATE TABLE clusters
        (vcenter BLOB, cluster BLOB, name BLOB, sealed INTEGER, PRIMARY KEY (vcenter, cluster, name))
        WITHOUT ROWID;
    CREATE TABLE answered (request BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE asked
        (request BLOB PRIMARY KEY, vcenter BLOB, cluster BLOB, key BLOB, at REAL) WITHOUT ROWID;
    CREATE TABLE explained
        (vcenter BLOB, cluster BLOB, at REAL, PRIMARY KEY (vcenter, cluster)) WITHOUT ROWID;
    CREATE TABLE problems (key BLOB, kind TEXT, text BLOB, PRIMARY KEY (key, kind, text)) WITHOUT ROWID;
    CREATE VIEW not_sealed AS
        SELECT key FROM found WHERE key NOT IN (SELECT key FROM sealed)
            AND key NOT IN (SELECT key FROM named WHERE sealed)
            AND NOT key BETWEEN CAST('digests/' AS BLOB) AND CAST('digests0' AS BLOB);
    CREATE VIEW objects AS
        SELECT found.key AS key, size, found.at AS at, sha256, digest, ifnull(old, 0) AS old,
            found.key IN (SELECT key FROM unread) AS unread
        FROM found LEFT JOIN sealed ON found.key = sealed.key;
    CREATE VIEW names AS
        SELECT key, at, digest AS by, 1 AS sealed, old FROM sealed
        UNION ALL SELECT key, at, by, sealed, 0 FROM named;
"""
"""Texts from outside are BLOBs: SQLite's own texts can hold no half of a surrogate pair, and JSON can."""


class IndexedObject(Struct, frozen=True):
    """An object to look at.

    ``sealed_sha256``: what the digest under ``digest_key`` says of its bytes. ``is_unread``: a digest says
    that the sealer could not read it.
    """

    key: str
    size_bytes: int
    modified_at: datetime | None
    sealed_sha256: str | None
    digest_key: str | None
    is_unread: bool = False


class Piece(Struct, frozen=True):
    """Some objects in the order of their keys; records are all of one log.

    ``before_sha256``: what a digest says of the record before the first one; None if none names it.
    """

    objects: list[IndexedObject]
    before_sha256: str | None = None


class PieceResult(Struct):
    """What came of a piece: problems, and what it says of other objects.

    Attributes:
        problems: What is wrong.
        named: What its records name: the record's key, the time since when what it names is there, whether
            a digest names the record, and the keys that it names.
        events: What stands for its events and deliveries in receipts, and since when these are there.
        receipts: Receipts, each with what it is of, its time, and whether a digest names it.
        clusters: The clusters of its records, by vCenter, id and name, and whether a digest names the record.
        answered: Requests that it answers.
        asked: Checks that it asks for.
        explained: Clusters of which it says why they are not checked, with vCenter and time.
        records: How many of its objects are sound records.
        newest: The newest time that its records have.
        oldest: The oldest one.
    """

    problems: list[Problem] = field(default_factory=list)
    named: list[tuple[str, datetime, bool, list[str]]] = field(default_factory=list)
    events: list[tuple[str, datetime]] = field(default_factory=list)
    receipts: list[tuple[str, str, datetime, bool]] = field(default_factory=list)
    clusters: set[tuple[str, str, str, bool]] = field(default_factory=set)
    answered: list[str] = field(default_factory=list)
    asked: list[AskedCheck] = field(default_factory=list)
    explained: list[tuple[str, set[str], datetime]] = field(default_factory=list)
    records: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None

    def note(self, key: str, kind: ProblemKind, text: str) -> None:
        """Note what is wrong with the object under ``key``: its ``kind``, and a ``text`` that goes on."""
        self.problems.append(Problem(key, kind, text))


class NamedObject(Struct, frozen=True):
    """A key that a digest or a record names.

    Attributes:
        key: The key.
        since: Since when something is there.
        named_by: What says so.
        is_sealed: A digest names it, or the record that does.
    """

    key: str
    since: datetime
    named_by: str
    is_sealed: bool


class TrailIndex(Struct):
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
            at: Since when the object is there, as far as the digest says.
            old: The object is of a part of the trail that was verified before.

        Returns:
            What a digest before says of the same object, if that is another sha256.
        """
        row = (_pack(key), sha256, _pack(digest_key), at.timestamp(), old)
        done = self._base.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?, ?, ?)", row)
        if done.rowcount:
            return None
        (known,) = self._base.execute("SELECT sha256 FROM sealed WHERE key = ?", row[:1]).fetchone()
        return None if known == sha256 else str(known)

    def take(self, result: PieceResult) -> None:
        """Take over what came of a piece."""
        self.add_problems(result.problems)
        for by, at, is_sealed, keys in result.named:
            self._add_named(by, at, keys, is_sealed=is_sealed)
        self.add_events(result.events)
        receipts = (
            (_pack(key), _pack(receipt), at.timestamp(), is_sealed)
            for key, receipt, at, is_sealed in result.receipts
        )
        self._base.executemany("INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?)", receipts)
        named = ((*map(_pack, names), is_sealed) for *names, is_sealed in result.clusters)
        self._base.executemany(
            "INSERT INTO clusters VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET sealed = max(sealed, excluded.sealed)",
            named,
        )
        answered = ((_pack(request),) for request in result.answered)
        self._base.executemany("INSERT OR IGNORE INTO answered VALUES (?)", answered)
        asked = (
            (*map(_pack, (each.request_id, each.vcenter, each.cluster, each.key)), each.at.timestamp())
            for each in result.asked
        )
        self._base.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?, ?, ?, ?)", asked)
        for vcenter, clusters, at in result.explained:
            self._add_explained(vcenter, clusters, at)

    def _add_named(self, by: str, at: datetime, keys: Iterable[str], *, is_sealed: bool) -> None:
        rows = [(_pack(key), at.timestamp(), _pack(by), is_sealed) for key in keys]
        self._base.executemany(
            "INSERT INTO named VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET at = min(at, excluded.at), sealed = max(sealed, excluded.sealed)",
            rows,
        )

    def _add_explained(self, vcenter: str, clusters: Iterable[str], at: datetime) -> None:
        rows = ((_pack(vcenter), _pack(cluster), at.timestamp()) for cluster in clusters)
        self._base.executemany(
            "INSERT INTO explained VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", rows
        )

    def add_events(self, events: Iterable[tuple[str, datetime]]) -> None:
        """Add what stands for ``events`` in their receipts, each with the time since when it is there."""
        rows = ((_pack(receipt), at.timestamp()) for receipt, at in events)
        self._base.executemany("INSERT OR IGNORE INTO events VALUES (?, ?)", rows)

    def add_unread(self, keys: Iterable[str]) -> None:
        """Add the ``keys`` of what the sealer could not read."""
        self._base.executemany("INSERT OR IGNORE INTO unread VALUES (?)", ((_pack(key),) for key in keys))

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Add ``problems``; one that is known counts once."""
        rows = ((_pack(each.key), each.kind, _pack(each.text)) for each in problems)
        self._base.executemany("INSERT OR IGNORE INTO problems VALUES (?, ?, ?)", rows)

    def list_problems(self) -> Iterator[Problem]:
        """List all problems, by the keys of their objects."""
        for key, kind, text in self._base.execute("SELECT * FROM problems"):
            yield Problem(_unpack(key), kind, _unpack(text))

    def count_problems(self) -> int:
        """Count all problems."""
        return self._count("SELECT count(*) FROM problems")

    def list_pieces(self) -> Iterator[Piece]:
        """List all objects to look at in pieces of one folder each: of the same log, if they are records."""
        return self._cut("SELECT * FROM objects WHERE old = 0 ORDER BY key")

    def list_old_pieces(self, oldest: str) -> Iterator[Piece]:
        """List what was sealed before, is not looked at, and has events: by the newest digests first.

        ``oldest`` is the key of the last digest that is of interest.
        """
        digests = "SELECT DISTINCT digest FROM sealed WHERE old AND digest >= ? ORDER BY digest DESC"
        having_events = (
            "SELECT * FROM objects WHERE old AND digest = ? AND CAST(substr(key, 1, 8) AS TEXT) IN"
            " ('records/', 'reports/', 'deliveri') ORDER BY key"
        )
        for (digest,) in self._base.execute(digests, (_pack(oldest),)):
            yield from self._cut(having_events, digest)

    def _cut(self, asked: str, *values: object) -> Iterator[Piece]:
        piece, folder, size = list[IndexedObject](), "", 0
        for found in map(_read_object, self._base.execute(asked, values)):
            place = found.key.rpartition("/")[0]
            full = len(piece) == MAX_LINES or size + found.size_bytes > MAX_PIECE_BYTES
            if piece and (full or (place != folder and found.key.startswith("records/"))):
                yield self._build_piece(piece)
                piece, size = [], 0
            piece.append(found)
            folder, size = place, size + found.size_bytes
        if piece:
            yield self._build_piece(piece)

    def _build_piece(self, objects: list[IndexedObject]) -> Piece:
        place = next(filter(None, (parse_record_place(each.key) for each in objects)), None)
        if place is None:
            return Piece(objects)
        asked = "SELECT sha256 FROM sealed WHERE key = ?"
        key = make_numbered_key(place.prefix, place.seq - 1)
        before = self._base.execute(asked, (_pack(key),)).fetchone()
        return Piece(objects, None if before is None else before[0])

    def count_found(self) -> int:
        """Count the objects to look at."""
        return self._count("SELECT count(*) FROM objects WHERE old = 0")

    def find_oldest(self) -> datetime | None:
        """Find when S3 got the oldest object; None in a copy, or where there is none."""
        return self._find_time("SELECT min(at) FROM found")

    def list_keys(self, prefix: str) -> Iterator[str]:
        """List the keys of all objects that begin with ``prefix``, in their order."""
        asked = "SELECT key FROM found WHERE key BETWEEN ? AND ? ORDER BY key"
        for (key,) in self._base.execute(asked, (_pack(prefix), _pack(prefix) + b"\xff")):
            yield _unpack(key)

    def find_since(self, key: str) -> datetime | None:
        """Find since when ``key`` is there, as far as digests and records say; None if none names it."""
        return self._find_time("SELECT min(at) FROM names WHERE key = ?", _pack(key))

    def has(self, key: str) -> bool:
        """Tell whether something was found under ``key``."""
        return bool(self._count("SELECT count(*) FROM found WHERE key = ?", _pack(key)))

    def list_absent(self) -> Iterator[NamedObject]:
        """List what digests or records name, and was not found; one by one, however many there are."""
        asked = (
            "SELECT key, min(at), min(by), max(sealed) FROM names"
            " WHERE key NOT IN (SELECT key FROM found) GROUP BY key HAVING min(old) = 0"
        )
        for key, at, by, is_sealed in self._base.execute(asked):
            yield NamedObject(_unpack(key), _read_time(at), _unpack(by), bool(is_sealed))

    def find_oldest_kept(self, prefix: str) -> datetime | None:
        """Find since when the oldest object is there that begins with ``prefix`` and was not removed."""
        return self._find_time(
            "SELECT min(at) FROM names WHERE key BETWEEN ? AND ? AND key IN (SELECT key FROM found)",
            _pack(prefix),
            _pack(prefix) + b"\xff",
        )

    def list_left_out(self, until: datetime) -> Iterator[NamedObject]:
        """List what is there, no digest names, and a record of before ``until`` does."""
        asked = (
            "SELECT key, at, by FROM named WHERE at < ? AND key IN (SELECT key FROM found)"
            " AND key NOT IN (SELECT key FROM sealed) AND key NOT IN (SELECT key FROM unread)"
        )
        for key, at, by in self._base.execute(asked, (until.timestamp(),)):
            yield NamedObject(_unpack(key), _read_time(at), _unpack(by), is_sealed=False)

    def list_unnamed(self, prefix: str, newest: datetime | None) -> Iterator[str]:
        """List what begins with ``prefix``, and neither a digest nor a record names.

        What S3 got at ``newest`` or later is left out.
        """
        asked = (
            "SELECT key FROM found WHERE key BETWEEN ? AND ? AND key NOT IN (SELECT key FROM sealed)"
            " AND key NOT IN (SELECT key FROM named) AND key NOT IN (SELECT key FROM unread)"
            " AND ifnull(at < ?, 1)"
        )
        low, high = _pack(prefix), _pack(prefix) + b"\xff"
        for (key,) in self._base.execute(asked, (low, high, _stamp(newest))):
            yield _unpack(key)

    def has_problems(self, prefix: str) -> bool:
        """Tell whether anything is wrong with an object whose key begins with ``prefix``."""
        asked = "SELECT count(*) FROM problems WHERE key BETWEEN ? AND ?"
        return bool(self._count(asked, _pack(prefix), _pack(prefix) + b"\xff"))

    def list_needed(self) -> Iterator[str]:
        """List what was sealed before, is not looked at, and what is looked at rests on."""
        asked = (
            "SELECT key FROM named WHERE key IN (SELECT key FROM sealed WHERE old)"
            " AND key IN (SELECT key FROM found) ORDER BY key"
        )
        for (key,) in self._base.execute(asked):
            yield _unpack(key)

    def count_sealed_only(self, prefix: str) -> int:
        """Count what begins with ``prefix``, a digest names, and no record."""
        asked = (
            "SELECT count(*) FROM found WHERE key BETWEEN ? AND ? AND key IN (SELECT key FROM sealed)"
            " AND key NOT IN (SELECT key FROM named)"
        )
        return self._count(asked, _pack(prefix), _pack(prefix) + b"\xff")

    def count_not_sealed(self) -> int:
        """Count what neither digests name nor records that they name; digests themselves don't count."""
        return self._count("SELECT count(*) FROM not_sealed")

    def list_not_sealed(self) -> Iterator[str]:
        """List the keys of what neither digests name nor records that they name, also not as unread."""
        asked = "SELECT key FROM not_sealed WHERE key NOT IN (SELECT key FROM unread) ORDER BY key"
        for (key,) in self._base.execute(asked):
            yield _unpack(key)

    def list_names(self, vcenter: str, cluster: str) -> list[str]:
        """List the names that records have for a ``cluster`` on a ``vcenter``: sealed ones, if any are."""
        asked = (
            "SELECT name, sealed FROM clusters WHERE vcenter = ? AND cluster = ? ORDER BY sealed DESC, name"
        )
        found = self._base.execute(asked, (_pack(vcenter), _pack(cluster))).fetchall()
        return [_unpack(name) for name, is_sealed in found if is_sealed == found[0][1]]

    def has_event(self, receipt: str) -> bool:
        """Tell whether a record or a report has the event that ``receipt`` stands for."""
        return bool(self._count("SELECT count(*) FROM events WHERE receipt = ?", _pack(receipt)))

    def list_stray_receipts(self, oldest: datetime | None) -> Iterator[str]:
        """List the receipts of what no record and no report has.

        ``oldest``: those that a digest names are listed only if they are of later; None: they are not listed.
        """
        asked = (
            "SELECT key FROM receipts WHERE (sealed = 0 OR at > ?)"
            " AND receipt NOT IN (SELECT receipt FROM events)"
        )
        for (key,) in self._base.execute(asked, (_stamp(oldest),)):
            yield _unpack(key)

    def list_early_receipts(self, margin: timedelta) -> Iterator[str]:
        """List the receipts that say to be older than what they are of, by more than a ``margin``."""
        asked = (
            "SELECT key FROM receipts JOIN events USING (receipt)"
            " WHERE sealed = 0 AND receipts.at < events.at - ?"
        )
        for (key,) in self._base.execute(asked, (margin.total_seconds(),)):
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
            yield AskedCheck(
                _unpack(request), _unpack(vcenter), _unpack(cluster), _unpack(key), _read_time(at)
            )

    def _find_time(self, asked: str, *values: object) -> datetime | None:
        (at,) = self._base.execute(asked, values).fetchone()
        return None if at is None else _read_time(at)

    def _count(self, asked: str, *values: object) -> int:
        (number,) = self._base.execute(asked, values).fetchone()
        return int(number)


def _pack(text: str) -> bytes:
    """Keys sort by their bytes. Names of a copy that are no UTF-8 and JSON's escapes give half pairs."""
    return text.encode("utf-8", "surrogatepass")


def _unpack(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _read_object(row: tuple[bytes, int, float | None, str | None, bytes | None, int, int]) -> IndexedObject:
    key, size, at, sha256, digest, _, unread = row
    named_by = None if digest is None else _unpack(digest)
    modified_at = None if at is None else _read_time(at)
    return IndexedObject(_unpack(key), size, modified_at, sha256, named_by, bool(unread))


def _stamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _read_time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
