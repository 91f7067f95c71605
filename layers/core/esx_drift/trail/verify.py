"""Verify a trail: everything in it is read, hashed and computed again, on all cores and in bounded memory.

    a  list all objects into an index, and what was written over or deleted
    b  read the digests, one after the other: what each says of which object goes into the index
    c  check the objects in pieces, each in any process; what they say of each other goes into the index
    d  what is named and not there, there and not named, asked for and not answered

What is wrong is named, and the rest is answered all the same.

Longer than 250 lines, because the four steps share what they found.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from typing import Final

from esx_drift.domain.trail.digests import parse_record_place
from esx_drift.domain.trail.verification import (
    EXPIRING,
    LEAST_RETENTION,
    LONGEST_CHECK,
    Problem,
    Retention,
)
from esx_drift.ports import PublicKey, TrailFiles
from esx_drift.trail.digest_chain import ChainResult, DigestChain, ParseKey
from esx_drift.trail.index import IndexedObject, TrailIndex
from esx_drift.trail.piece import PieceResult, check_piece

MAX_WORKERS: Final = 32
"""Processes, also where there are more cores: each takes some 100 MB."""

LEAST_OBJECTS: Final = 2_000
"""So many are checked in this process alone: to start others takes about as long."""

PIECES_AHEAD: Final = 3
"""Of each worker: so many pieces are handed out or done, and not yet looked at."""

MAX_NAMED_MISSING: Final = 100
"""Records missing in a row are named one by one; where more are, what stands behind them stands apart."""

IN_FLIGHT: Final = timedelta(minutes=15)
"""A check keeps documents before it writes the record that names them: what is so young may yet be named.
No function runs longer (Lambda's limit)."""

type OpenTrail = Callable[[], TrailFiles]
"""Opens the trail, in any process: it can be pickled."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be verified, and how.

    Attributes:
        open_trail: Opens the trail.
        parse_key: Parses public keys.
        pinned: The key that must have signed; None: any that is kept with the trail.
        since: What was sealed before then is taken for verified; None: nothing is.
        now: The time; None where the trail is a copy, which may be old.
        retention: How long what expires is kept at least.
        on_progress: Is told how many objects are done, of how many.
    """

    open_trail: OpenTrail
    parse_key: ParseKey
    pinned: PublicKey | None = None
    since: datetime | None = None
    now: datetime | None = None
    retention: timedelta = LEAST_RETENTION
    on_progress: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(slots=True)
class Verification:
    """What came of it. ``index`` lists the problems.

    ``objects``: how many there are; ``records``: how many of those looked at are sound records.
    """

    index: TrailIndex
    chain: ChainResult
    objects: int = 0
    records: int = 0
    not_sealed: int = 0
    newest: datetime | None = None

    @property
    def problems(self) -> Iterator[Problem]:
        """All problems, by the keys of their objects."""
        return self.index.list_problems()

    def note(self, problem: Problem) -> None:
        """Note what is wrong."""
        self.index.add_problems([problem])


@contextmanager
def verify_trail(request: Request) -> Iterator[Verification]:
    """Verify a trail; what came of it may be looked at until the context is left.

    Args:
        request: What is to be verified, and how.

    Raises:
        StoreUnavailable: The trail can't be read.
    """
    with TrailIndex() as index:
        files = request.open_trail()
        objects = index.add_found(files.list_objects(""))
        chain = DigestChain(files, index, request.parse_key, request.pinned, request.since).read()
        found = Verification(index, chain, objects, newest=chain.newest)
        _check_pieces(found, request)
        _list_gaps_in_logs(found)
        found.not_sealed = index.count_not_sealed()
        _judge(found, files, request)
        yield found


def _check_pieces(found: Verification, request: Request) -> None:
    """Check all pieces, and take over what each says."""
    total, done = found.index.count_found(), 0
    request.on_progress(done, total)
    for result, size in _run(found.index, request, total):
        _take(found, result)
        done += size
        request.on_progress(done, total)


def _run(index: TrailIndex, request: Request, total: int) -> Iterator[tuple[PieceResult, int]]:
    workers = min(MAX_WORKERS, os.process_cpu_count() or 1)
    # What comes of a piece is written into the index, which is read for the next one: not by one cursor.
    pieces = iter(list(index.list_pieces()) if total <= LEAST_OBJECTS else index.list_pieces())
    if total <= LEAST_OBJECTS or workers == 1:
        files = request.open_trail()
        yield from ((check_piece(files, piece), len(piece)) for piece in pieces)
        return
    # Started anew: a process that is copied has other threads' locks.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        running: deque[tuple[Future[PieceResult], int]] = deque()
        for piece in pieces:
            running.append((pool.submit(_check_in_worker, request.open_trail, piece), len(piece)))
            if len(running) >= PIECES_AHEAD * workers:
                yield _await(running)
        while running:
            yield _await(running)


def _await(running: "deque[tuple[Future[PieceResult], int]]") -> tuple[PieceResult, int]:
    future, size = running.popleft()
    return future.result(), size


def _check_in_worker(open_trail: OpenTrail, piece: list[IndexedObject]) -> PieceResult:
    return check_piece(_open_once(open_trail), piece)


@cache
def _open_once(open_trail: OpenTrail) -> TrailFiles:
    return open_trail()


def _take(found: Verification, result: PieceResult) -> None:
    index = found.index
    index.add_problems(result.problems)
    for by, keys in result.named:
        index.add_named(by, keys)
    index.add_events(result.events)
    index.add_receipts(result.receipts)
    index.add_answered(result.answered)
    index.add_asked(result.asked)
    for vcenter, clusters, at in result.explained:
        index.add_explained(vcenter, clusters, at)
    found.records += result.records
    times = [at for at in (found.newest, result.newest) if at is not None]
    found.newest = max(times, default=None)


def _list_gaps_in_logs(found: Verification) -> None:
    """Note the numbers that are missing in logs: they go up by one from 1."""
    log, last = "", 0
    for key in list(found.index.list_keys("records/")):
        place = parse_record_place(key)
        if place is None:
            continue
        last = last if place.prefix == log else 0
        log, missing = place.prefix, range(last + 1, place.seq)
        if len(missing) > MAX_NAMED_MISSING:
            text = (
                f"it stands apart: numbers go up by one, and there is none from {last + 1} to {place.seq - 1}"
            )
            found.note(Problem(key, "inserted", text))
        else:
            for seq in missing:
                found.note(Problem(f"{log}{seq:010d}.json", "missing", f"{key} is there"))
        last = place.seq


def _judge(found: Verification, files: TrailFiles, request: Request) -> None:
    """Judge what objects say of each other."""
    newest = max((at for at in (found.newest, request.now) if at is not None), default=None)
    if newest is None:
        newest = datetime.fromtimestamp(0, UTC)

    def explains(key: str, since: datetime) -> bool:
        prefix = next((each for each in EXPIRING if key.startswith(each)), None)
        oldest = None if prefix is None else found.index.find_oldest_kept(prefix)
        return Retention(newest, request.retention, oldest).explains(key, since)

    _note_absent(found, files, explains, is_live=request.now is not None)
    _note_rewritten(found, files, explains)
    _note_unnamed(found, request.now)
    for asked in found.index.list_unanswered(newest - LONGEST_CHECK):
        text = f"it asked for a check of {asked.cluster} ({asked.request_id}), which left no record"
        found.note(Problem(asked.key, "gap", text))


type _Explains = Callable[[str, datetime], bool]
"""Whether lifecycle rules explain that an object is gone that was there since then."""


def _note_absent(found: Verification, files: TrailFiles, explains: _Explains, *, is_live: bool) -> None:
    for absent in list(found.index.list_absent()):
        # It may have been written while the trail was listed.
        is_there = is_live and files.read(absent.key) is not None
        if not is_there and not explains(absent.key, absent.since):
            found.note(Problem(absent.key, "missing", f"{absent.named_by} names it"))


def _note_rewritten(found: Verification, files: TrailFiles, explains: _Explains) -> None:
    for former in files.list_former_versions(""):
        since = found.index.find_sealed_at(former.key) or former.modified_at
        if explains(former.key, since):
            continue
        what = "deleted" if former.is_delete_marker else "written over or deleted: there was a version"
        found.note(
            Problem(former.key, "altered", f"it was {what} at {former.modified_at:%Y-%m-%dT%H:%M:%SZ}")
        )


def _note_unnamed(found: Verification, now: datetime | None) -> None:
    """Note what is there, and nothing says how it came there."""
    limit = None if now is None else now - IN_FLIGHT
    for prefix in ("documents/", "quarantine/", "snapshots/"):
        for key in list(found.index.list_unnamed(prefix, limit)):
            found.note(Problem(key, "inserted", "neither a record nor a digest names it"))
    for key in list(found.index.list_stray_receipts()):
        found.note(Problem(key, "inserted", "no record and no report has what it is the receipt of"))
