"""The S3 of a played fleet with its objects in a file: the memory of the process is the product's own."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from threading import Lock
from typing import Any

from tests.unit.notifying.world import MemoryS3

type Address = tuple[str, str]
_LAST = "\U0010ffff"


class FiledObjects(MutableMapping[Address, bytes]):
    """Objects by bucket and key, in a database on disk."""

    def __init__(self, path: Path) -> None:
        # Several threads of a job read at once, and a connection has one statement of each kind.
        self._lock = Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._run("PRAGMA journal_mode = OFF")
        self._run("PRAGMA synchronous = OFF")
        self._run("CREATE TABLE objects (bucket, key, body, PRIMARY KEY (bucket, key)) WITHOUT ROWID")

    def __getitem__(self, address: Address) -> bytes:
        found = self._run("SELECT body FROM objects WHERE bucket = ? AND key = ?", *address)
        if not found:
            raise KeyError(address)
        return bytes(found[0][0])

    def __setitem__(self, address: Address, body: bytes) -> None:
        self._run("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", *address, body)

    def __delitem__(self, address: Address) -> None:
        self._run("DELETE FROM objects WHERE bucket = ? AND key = ?", *address)

    def __iter__(self) -> Iterator[Address]:
        yield from self._run("SELECT bucket, key FROM objects")

    def __len__(self) -> int:
        ((number,),) = self._run("SELECT count(*) FROM objects")
        return int(number)

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys of a bucket that begin so, in their order."""
        rows = self._run(
            "SELECT key FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key",
            bucket,
            prefix,
            prefix + _LAST,
        )
        return [key for (key,) in rows]

    def read_last(self, bucket: str, prefix: str) -> bytes:
        """The object whose key is the last of those that begin so."""
        ((body,),) = self._run(
            "SELECT body FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key DESC LIMIT 1",
            bucket,
            prefix,
            prefix + _LAST,
        )
        return bytes(body)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _run(self, statement: str, *values: object) -> list[Any]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


class FiledS3(MemoryS3):
    """Counts its calls by operation, and the keys that its listings gave."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.filed = FiledObjects(path)
        self.objects = self.filed
        self.calls: Counter[str] = Counter()

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys of a bucket that begin so."""
        return self.filed.list_keys(bucket, prefix)

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        """An object, or NoSuchKey; the counts by key, which would grow, are dropped."""
        self.calls["GET"] += 1
        self.reads.clear()
        return super().get_object(Bucket, Key)

    def put_object(self, Bucket: str, Key: str, Body: bytes, **conditions: str) -> dict[str, Any]:  # noqa: N803
        """Write an object, if the conditions hold."""
        self.calls["PUT"] += 1
        return super().put_object(Bucket, Key, Body, **conditions)

    def paginate(self, Bucket: str, Prefix: str, StartAfter: str) -> list[dict[str, Any]]:  # noqa: N803
        """All that a prefix and a key to begin after leave: S3 gives a thousand keys a call."""
        pages = super().paginate(Bucket, Prefix, StartAfter)
        listed = sum(len(page["Contents"]) for page in pages)
        self.calls["LIST"] += max(1, -(-listed // 1000))
        self.calls["keys listed"] += listed
        return pages
