"""What a window holds, found by listing the whole AuditBucket, and hashed as it lies there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools import Logger

from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.trail.digests import (
    MAX_OBJECTS,
    MAX_OBJECTS_BYTES,
    Digest,
    LogEnds,
    Window,
)
from esx_drift.log_reader import read_all
from esx_drift.ports import SealedBucket

logger = Logger(child=True)

BATCH: Final = 250
"""So many objects are read before the time is looked at; ``MAX_OBJECTS`` is a multiple of it."""


@dataclass(frozen=True, slots=True)
class WindowReader:
    """Reads what is in ``window``, behind ``newest``: the last digest, None where there is none.

    It leaves off where ``is_late`` says that the time is over, and where a digest is full.
    """

    trail: SealedBucket
    newest: Digest | None
    window: Window
    is_late: Callable[[], bool]

    def collect(self, to: str | None = None) -> tuple[list[StoredObject], str | None]:
        """Collect what the window holds up to the key ``to``, and the key where that was left off, if any."""
        objects, chosen, size = list[StoredObject](), list[str](), 0
        for key, is_chosen in self._look_through(to):
            if is_chosen:
                chosen.append(key)
                size += _measure_object(key)
            if len(chosen) == BATCH:
                objects += self._hash(chosen)
                chosen.clear()
            if len(objects) >= MAX_OBJECTS or size >= MAX_OBJECTS_BYTES or self.is_late():
                return [*objects, *self._hash(chosen)], key
        return [*objects, *self._hash(chosen)], None

    def _look_through(self, to: str | None) -> Iterator[tuple[str, bool]]:
        """List all keys that no digest may name yet, up to ``to``, and whether each is of the window."""
        ends = LogEnds(self.newest)
        jump: str | None = self.window.after_key
        while jump is not None:
            after, jump = jump, None
            for found in self.trail.list_written("", after):
                if to is not None and found.key > to:
                    return
                jump = ends.find_jump(found.key)
                if jump is not None:
                    break
                yield found.key, ends.choose(found.key, found.written_at, self.window)

    def _hash(self, keys: list[str]) -> list[StoredObject]:
        """Name each object by the sha256 of what lies there, whatever that is."""

        def read(key: str) -> StoredObject | None:
            body = self.trail.read(key)
            if body is None:
                logger.error("object not sealed", key=key, why="it was listed, and is not there")
                return None
            return {"key": key, "sha256": compute_sha256(body)}

        return [found for found in read_all(read, keys) if found is not None]


def _measure_object(key: str) -> int:
    """Measure how many bytes the object under ``key`` takes in a digest."""
    return len(encode_canonical_json({"key": key, "sha256": "0" * 64})) + 1
