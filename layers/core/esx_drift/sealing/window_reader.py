"""What a window holds, found by listing the whole AuditBucket, and hashed as it lies there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched
from typing import Final

from aws_lambda_powertools import Logger
from msgspec import Struct, field

from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.trail.digests import (
    MAX_OBJECTS,
    MAX_OBJECTS_BYTES,
    MAX_OBJECTS_VALUES,
    Digest,
    LogEnds,
    Room,
    Window,
)
from esx_drift.errors import TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import SealedBucket, WrittenObject

logger = Logger(child=True)

BATCH: Final = 250
"""So many objects are hashed before the time is looked at."""

MAX_HASHED_BYTES: Final = 1_000_000_000
"""Of one object, and of a batch but for its last one: 2 GB take some 30 s at what Lambda reads from S3.
Nothing that esx-drift writes has a tenth of it."""


class WindowContent(Struct):
    """What a window holds, up to where a digest is full or the time was over.

    Attributes:
        objects: What was hashed, with what could not be read by runs before.
        unread: The keys of what could not be read.
        gone: The keys of what was listed, and not there when it was read.
        listed_to: The key where that was left off; None: nowhere.
    """

    objects: list[StoredObject] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    listed_to: str | None = None


class WindowReader(Struct, frozen=True):
    """Reads what is in ``window``, behind ``newest``: the last digest, None where there is none.

    It leaves off where ``is_late`` says that the time is over, and where a digest is full. ``read_back``
    reads digests, the newest one first.
    """

    trail: SealedBucket
    newest: Digest | None
    window: Window
    is_late: Callable[[], bool]
    read_back: Callable[[], Iterable[Digest]]

    def collect(self, again: Sequence[str]) -> WindowContent:
        """Collect what the window holds; first ``again`` is tried, what could not be read before."""
        content = WindowContent()
        room = Room(MAX_OBJECTS_BYTES, MAX_OBJECTS_VALUES)
        self._try_again(again, room, content)
        chosen, late, size = list[str](), list[str](), 0
        for found, is_chosen, may_be_late in self._look_through():
            if is_chosen or may_be_late:
                (chosen if is_chosen else late).append(found.key)
                size += min(found.size_bytes, MAX_HASHED_BYTES)
                room.take(_build_widest(found.key))
            if len(chosen) >= BATCH or size >= MAX_HASHED_BYTES:
                self._hash(chosen, content)
                chosen, size = [], 0
            count = len(content.objects) + len(content.unread) + len(chosen) + len(late)
            if count >= MAX_OBJECTS or room.is_full or self.is_late():
                content.listed_to = found.key
                break
        self._hash([*chosen, *self._drop_named(late)], content)
        content.objects.sort(key=lambda one: one["key"])
        content.unread.sort()
        return content

    def find_readable(self, keys: Iterable[str]) -> str | None:
        """Find the first of ``keys`` that can be read, or is gone; None where none can."""
        for key in keys:
            try:
                self.trail.hash_object(key, MAX_HASHED_BYTES)
            except TrailDamaged as error:
                _log_unread(key, error)
            else:
                return key
        return None

    def _try_again(self, keys: Sequence[str], room: Room, content: WindowContent) -> None:
        for batch in batched(keys, BATCH, strict=False):
            if room.is_full or self.is_late():
                content.unread.extend(batch)
                continue
            for key in batch:
                room.take(_build_widest(key))
            self._hash(batch, content)

    def _look_through(self) -> Iterator[tuple[WrittenObject, bool, bool]]:
        """List all keys that no digest may name yet; of each, whether it is of the window, or may be late."""
        ends, waiting = LogEnds(self.newest), set(self.newest.get("unread", []) if self.newest else [])
        jump: str | None = self.window.after_key
        while jump is not None:
            after, jump = jump, None
            for found in self.trail.list_written("", after):
                jump = ends.find_jump(found.key)
                if jump is not None:
                    break
                is_chosen = ends.choose(found.key, found.written_at, self.window)
                if found.key in waiting:
                    is_chosen = False
                yield found, is_chosen, not is_chosen and self.window.may_hold_late(found.written_at)

    def _drop_named(self, late: Sequence[str]) -> list[str]:
        """Drop what digests name already, or wait to name, of what may have come into sight ``late``."""
        left = dict.fromkeys(late)
        for digest in self.read_back() if left else ():
            for key in (*(one["key"] for one in digest["objects"]), *digest.get("unread", [])):
                left.pop(key, None)
        return list(left)

    def _hash(self, keys: Sequence[str], content: WindowContent) -> None:
        """Name each object by the sha256 of what lies there, whatever that is."""

        def read(key: str) -> str | TrailDamaged | None:
            try:
                return self.trail.hash_object(key, MAX_HASHED_BYTES)
            except TrailDamaged as error:
                return error

        for key, found in zip(keys, read_all(read, keys), strict=True):
            if isinstance(found, str):
                content.objects.append({"key": key, "sha256": found})
            elif found is None:
                logger.error("object not sealed", key=key, why="it was listed, and is not there")
                content.gone.append(key)
            else:
                _log_unread(key, found)
                content.unread.append(key)


def _log_unread(key: str, error: TrailDamaged) -> None:
    logger.error("object not sealed", key=key, why=error.message)


def _build_widest(key: str) -> StoredObject:
    """Build what takes in a digest as much room as the object under ``key``."""
    return {"key": key, "sha256": "0" * 64}
