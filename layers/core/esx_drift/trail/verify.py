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
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import batched
from multiprocessing import get_context
from typing import Final, cast

from msgspec import Struct

from esx_drift.contracts import parse_payload
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    compute_sha256,
    make_digest_key,
    make_numbered_key,
)
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import join_names
from esx_drift.domain.trail.digests import parse_record_place
from esx_drift.domain.trail.excerpt import (
    EXCERPT_KEY,
    Excerpt,
    ExcerptCluster,
    ExcerptManifest,
    find_receipt_id,
    is_receipt_key,
    read_excerpt_manifest,
)
from esx_drift.domain.trail.verification import (
    DEFAULT_RETENTION,
    EXPIRING,
    LONGEST_CHECK,
    MAX_CLOCK_DIFFERENCE,
    SEALER_PATIENCE,
    AskedCheck,
    Problem,
    Retention,
    SealedTime,
    find_blob_sha256,
    find_late_seal,
)
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import PublicKey, TrailFiles
from esx_drift.trail.digest_chain import ChainResult, DigestChain, ParseKey
from esx_drift.trail.index import Piece, PieceResult, TrailIndex
from esx_drift.trail.piece import check_piece, list_events

MAX_WORKERS: Final = 32
"""Processes, also where there are more cores: each takes some 100 MB."""

LEAST_OBJECTS: Final = 2_000
"""So many are checked in this process alone: to start others takes about as long."""

PIECES_AHEAD: Final = 3
"""Of each worker: so many pieces are handed out or done, and not yet looked at."""

MAX_NAMED_MISSING: Final = 100
"""Records missing in a row are named one by one; where more are, what stands behind them stands apart."""

NEEDED_AT_ONCE: Final = 50
"""Objects that were verified before are read so many at once, as far as they are needed."""

IN_FLIGHT: Final = timedelta(minutes=15)
"""A check keeps documents before it writes the record that names them: what is so young may yet be named.
No function runs longer (Lambda's limit)."""

LONGEST_DELIVERY: Final = timedelta(days=60)
"""Receipts of events that are older are not looked for: an event waits in four queues at most, the notifier's
and the sender's with their dead letters, and SQS keeps a message for 14 days
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html)."""

EPOCH: Final = datetime.fromtimestamp(0, UTC)
"""The time of a trail in which nothing has one."""

type OpenTrail = Callable[[], TrailFiles]
"""Opens the trail, in any process: it can be pickled."""


class Request(Struct, frozen=True):
    """What is to be verified, and how.

    Attributes:
        open_trail: Opens the trail.
        parse_key: Parses public keys.
        pinned: The keys of which one must have signed each digest; none: any that is kept with the trail.
        since: What was sealed before then is taken for verified; None: nothing is.
        now: The time; None where the trail is a copy, which may be old.
        clock: The time where it is verified: no copy is of later. None: what a copy says of its own time
            explains nothing.
        retention: How long what expires is kept; None: for as long as an excerpt says, else 400 days.
        whole: The trail is no excerpt, whatever lies in it.
        on_progress: Is told how many objects are done, of how many.
    """

    open_trail: OpenTrail
    parse_key: ParseKey
    pinned: tuple[PublicKey, ...] = ()
    since: datetime | None = None
    now: datetime | None = None
    clock: datetime | None = None
    retention: timedelta | None = None
    whole: bool = False
    on_progress: Callable[[int, int], None] = lambda _done, _total: None


class Verification(Struct):
    """What came of it.

    Attributes:
        index: It lists the problems.
        chain: What the digests show.
        objects: How many there are.
        records: How many of those looked at are sound records.
        not_sealed: How many no digest names.
        looked: How many were looked at, digests left out: with ``since`` not all.
        unnamed: How many documents, snapshots and quarantined replies a digest names, and no record.
        expired: How many are gone by lifecycle rules.
        unexplained: How many more are gone that lifecycle rules may have removed after the newest seal.
        newest: The newest time in its records.
        oldest: The oldest one.
        excerpt: Which part of a trail it is; None: the whole.
    """

    index: TrailIndex
    chain: ChainResult
    objects: int = 0
    records: int = 0
    not_sealed: int = 0
    looked: int = 0
    unnamed: int = 0
    expired: int = 0
    unexplained: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None
    excerpt: Excerpt | None = None

    @property
    def problems(self) -> Iterator[Problem]:
        """All problems, by the keys of their objects."""
        return self.index.list_problems()

    def list_unknown_clusters(self) -> list[ExcerptCluster]:
        """List the clusters that it is said to be an excerpt of, and of which no record is here."""
        named = () if self.excerpt is None else self.excerpt.clusters
        return [each for each in named if not self.index.list_names(each["vcenter"], each["cluster"])]

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
        # The AuditBucket itself is whole, whatever lies in it.
        may_be_excerpt = request.now is None and not request.whole
        excerpt = _find_excerpt(files, index) if may_be_excerpt else None
        listed = files.list_objects("")
        objects = index.add_found(each for each in listed if excerpt is None or each.key != EXCERPT_KEY)
        chain = DigestChain(files, index, request.parse_key, request.pinned, request.since, excerpt).read()
        found = Verification(index, chain, objects, excerpt=excerpt)
        _check_pieces(found, request)
        found.looked = index.count_found() - sum(1 for _ in index.list_keys(DIGEST_PREFIX))
        _check_needed(found, files)
        if chain.base_at is not None:
            _recall_events(found, files, chain.base_at)
        _list_gaps_in_logs(found)
        found.not_sealed = index.count_not_sealed()
        _judge(found, files, request)
        yield found


def _find_excerpt(files: TrailFiles, index: TrailIndex) -> Excerpt | None:
    """Find which part of a trail it is; None: the whole, for all that anything says that can be read."""
    try:
        body = files.read(EXCERPT_KEY)
        if body is None:
            return None
        return read_excerpt_manifest(cast("ExcerptManifest", parse_payload("excerpt", body)))
    except (ContractViolation, ValueError, TrailDamaged) as error:
        why = str(error).removeprefix(f"{EXCERPT_KEY} ")
        index.add_problems([Problem(EXCERPT_KEY, "altered", f"does not say what it is an excerpt of: {why}")])
        return None


def _check_pieces(found: Verification, request: Request) -> None:
    """Check all pieces, and take over what each says."""
    total, done = found.index.count_found(), 0
    request.on_progress(done, total)
    for result, size in _run(found, request, total):
        found.index.take(result)
        found.records += result.records
        found.newest = max((at for at in (found.newest, result.newest) if at is not None), default=None)
        found.oldest = min((at for at in (found.oldest, result.oldest) if at is not None), default=None)
        done += size
        request.on_progress(done, total)


def _check_needed(found: Verification, files: TrailFiles) -> None:
    """Check what was verified before, as far as what was looked at rests on it: its name says its bytes."""

    def read(key: str) -> str | None:
        try:
            body = files.read(key)
        except TrailDamaged as damage:
            return damage.message.removeprefix(f"{key} ")
        is_sound = body is None or find_blob_sha256(key) in {None, compute_sha256(body)}
        return None if is_sound else "has other bytes than its name says"

    for some in batched(found.index.list_needed(), NEEDED_AT_ONCE, strict=False):
        for key, fault in zip(some, read_all(read, some), strict=True):
            if fault is not None:
                found.note(Problem(key, "altered", fault))


def _run(found: Verification, request: Request, total: int) -> Iterator[tuple[PieceResult, int]]:
    workers = min(MAX_WORKERS, os.process_cpu_count() or 1)
    sealed = found.chain.sealed
    pieces = found.index.list_pieces()
    if total <= LEAST_OBJECTS or workers == 1:
        files = request.open_trail()
        yield from ((check_piece(files, piece, sealed), len(piece.objects)) for piece in pieces)
        return
    # Started anew: a process that is copied has other threads' locks.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        running: deque[tuple[Future[PieceResult], int]] = deque()
        for piece in pieces:
            future = pool.submit(_check_in_worker, request.open_trail, piece, sealed)
            running.append((future, len(piece.objects)))
            if len(running) >= PIECES_AHEAD * workers:
                yield _await(running)
        while running:
            yield _await(running)


def _await(running: "deque[tuple[Future[PieceResult], int]]") -> tuple[PieceResult, int]:
    future, size = running.popleft()
    return future.result(), size


def _check_in_worker(open_trail: OpenTrail, piece: Piece, sealed: SealedTime | None) -> PieceResult:
    return check_piece(_open_once(open_trail), piece, sealed)


@cache
def _open_once(open_trail: OpenTrail) -> TrailFiles:
    return open_trail()


def _recall_events(found: Verification, files: TrailFiles, sealed_at: datetime) -> None:
    """Look for what receipts are of in what was sealed before ``sealed_at``, the newest first, as needed."""
    for piece in found.index.list_old_pieces(make_digest_key(sealed_at - LONGEST_DELIVERY)):
        if next(found.index.list_stray_receipts(EPOCH), None) is None:
            return
        found.index.add_events(list_events(files, piece))


def _list_gaps_in_logs(found: Verification) -> None:
    """Note the numbers that are missing in logs: they go up by one from 1."""
    log, last = "", 0
    for key in found.index.list_keys("records/"):
        place = parse_record_place(key)
        if place is None:
            continue
        if found.excerpt is not None and not found.excerpt.holds(key):
            found.note(Problem(key, "inserted", f"it is of no cluster of which {EXCERPT_KEY} says this is"))
            continue
        last = last if place.prefix == log else found.chain.starts.get(place.prefix, 1) - 1
        log, missing = place.prefix, range(last + 1, place.seq)
        if len(missing) > MAX_NAMED_MISSING:
            text = (
                f"it stands apart: numbers go up by one, and there is none from {last + 1} to {place.seq - 1}"
            )
            found.note(Problem(key, "inserted", text))
        else:
            for seq in missing:
                found.note(Problem(make_numbered_key(log, seq), "missing", f"{key} is there"))
        last = place.seq


def _judge(found: Verification, files: TrailFiles, request: Request) -> None:
    """Judge what objects say of each other."""
    now, sealed_at, excerpt = request.now or found.newest, found.chain.newest, found.excerpt
    newest = max((at for at in (now, sealed_at) if at is not None), default=EPOCH)
    retention = _build_retention(found, request, newest)
    _note_absent(found, files, retention, is_live=request.now is not None)
    _note_rewritten(found, files, retention)
    _note_unnamed(found, request.now, newest - retention.length)
    # An excerpt of a time of which no record is here was to be sealed as well.
    ends_at = None if excerpt is None or now is None else max(now, excerpt.period.ends_at)
    late = find_late_seal(sealed_at, found.index.find_oldest() or found.oldest, ends_at or now)
    if late is not None:
        found.note(Problem(DIGEST_PREFIX, "missing", late))
    # An excerpt holds what answers its checks, however long after its end that was.
    latest = newest if excerpt is None else _judge_excerpt(found, excerpt)
    for asked in found.index.list_unanswered(latest - LONGEST_CHECK):
        if not _is_of_excerpt(excerpt, asked):
            continue
        text = f"it asked for a check of {asked.cluster} ({asked.request_id}), which left no record"
        found.note(Problem(asked.key, "gap", text))


def _judge_excerpt(found: Verification, excerpt: Excerpt) -> datetime:
    """Judge what an excerpt says of itself; until when checks are answered in it."""
    for each in excerpt.clusters:
        names = found.index.list_names(each["vcenter"], each["cluster"])
        if names and each["name"] not in names:
            text = f"it calls {each['cluster']} {each['name']}, and its records call it {join_names(names)}"
            found.note(Problem(EXCERPT_KEY, "altered", text))
    for key in found.index.list_not_sealed():
        if excerpt.newest is not None:
            text = (
                f"no digest names it, and all of an excerpt is sealed that has a later one ({excerpt.newest})"
            )
            found.note(Problem(key, "inserted", text))
        elif not excerpt.needs(key):
            found.note(Problem(key, "inserted", "no digest names it, and it is no part of an excerpt"))
    return _judge_excerpt_time(found, excerpt)


def _judge_excerpt_time(found: Verification, excerpt: Excerpt) -> datetime:
    """Judge when an excerpt says that it was made; until when checks are answered in it."""
    signed_at, ends_at = found.chain.proved_at, excerpt.period.ends_at
    if excerpt.made_at < ends_at:
        text = f"it is about a time up to {format_time(ends_at)}, and made at {format_time(excerpt.made_at)}"
        found.note(Problem(EXCERPT_KEY, "altered", text))
    if excerpt.newest is not None and not found.chain.covers(ends_at):
        text = f"{excerpt.newest} is later, and the digests up to {format_time(ends_at)} are not all here"
        found.note(Problem(DIGEST_PREFIX, "missing", text))
    if signed_at is None or signed_at - excerpt.made_at <= MAX_CLOCK_DIFFERENCE:
        return excerpt.made_at
    text = f"it says that it was made at {format_time(excerpt.made_at)}: a digest in it is of"
    found.note(Problem(EXCERPT_KEY, "altered", f"{text} {format_time(signed_at)}"))
    return signed_at


def _is_of_excerpt(excerpt: Excerpt | None, asked: AskedCheck) -> bool:
    """Tell whether a check was ``asked`` for of a cluster of this excerpt, and not after it; if it is one."""
    return excerpt is None or (
        excerpt.is_about(asked.vcenter, asked.cluster) and asked.at <= excerpt.period.ends_at
    )


def _is_left_out(found: Verification, key: str) -> bool:
    """Tell whether under ``key`` lies the receipt of an event that is not of this excerpt, if it is one."""
    is_receipt = found.excerpt is not None and is_receipt_key(key)
    return is_receipt and not found.index.has_event(find_receipt_id(key))


def _build_retention(found: Verification, request: Request, newest: datetime) -> Retention:
    """Build the rule by which objects may be gone; ``newest`` is the newest time of a copy."""
    # When a copy was made says nobody whom to believe: before the next digest than the newest that is signed.
    sealed_at = found.chain.proved_at
    made_at = newest if sealed_at is None else sealed_at + SEALER_PATIENCE
    kept = {prefix: found.index.find_oldest_kept(prefix) for prefix in EXPIRING}
    oldest_kept = {prefix: at for prefix, at in kept.items() if at is not None}
    length = find_retention(found.excerpt, request)
    if request.now is not None or request.clock is None:
        return Retention(request.now or made_at, length, oldest_kept)
    claimed = newest if found.excerpt is None else found.excerpt.made_at
    return Retention(made_at, length, oldest_kept, min(claimed, request.clock))


def find_retention(excerpt: Excerpt | None, request: Request) -> timedelta:
    """Find how long what expires is kept: as a ``request`` says, an ``excerpt`` does, or by default."""
    if request.retention is not None:
        return request.retention
    return DEFAULT_RETENTION if excerpt is None else excerpt.retention


def _note_absent(found: Verification, files: TrailFiles, retention: Retention, *, is_live: bool) -> None:
    for absent in found.index.list_absent():
        if _is_left_out(found, absent.key):
            found.chain.left_out += 1
        elif absent.is_sealed and retention.explains(absent.key, absent.since):
            found.expired += 1
        elif absent.is_sealed and retention.may_explain(absent.key, absent.since):
            found.unexplained += 1
        # It may have been written while the trail was listed.
        elif not is_live or not _is_there(files, absent.key):
            found.note(Problem(absent.key, "missing", f"{absent.named_by} names it"))


def _is_there(files: TrailFiles, key: str) -> bool:
    try:
        return files.read(key) is not None
    except TrailDamaged:
        return True


def _note_rewritten(found: Verification, files: TrailFiles, retention: Retention) -> None:
    for former in files.list_former_versions(""):
        since = found.index.find_since(former.key)
        gone_at = former.modified_at if former.is_delete_marker else None
        is_expired = since is not None and retention.explains(former.key, since, gone_at)
        if is_expired and not found.index.has(former.key):
            continue
        what = "deleted" if former.is_delete_marker else "written over or deleted: there was a version"
        found.note(
            Problem(former.key, "altered", f"it was {what} at {former.modified_at:%Y-%m-%dT%H:%M:%SZ}")
        )


def _note_unnamed(found: Verification, now: datetime | None, oldest: datetime) -> None:
    """Note what is there, and nothing says how it came there; or no digest, and it is old.

    What was delivered before ``oldest`` may be gone by lifecycle rules, and its receipts stay. Where a record
    or a report can't be read, it may have what a receipt is of.
    """
    limit = None if now is None else now - IN_FLIGHT
    for prefix in ("documents/", "quarantine/", "snapshots/"):
        for key in found.index.list_unnamed(prefix, limit):
            found.note(Problem(key, "inserted", "neither a record nor a digest names it"))
        if found.excerpt is None and found.chain.base is None:
            found.unnamed += found.index.count_sealed_only(prefix)
    is_whole = found.excerpt is None and not any(map(found.index.has_problems, ("records/", "reports/")))
    for key in found.index.list_stray_receipts(oldest if is_whole else None):
        found.note(Problem(key, "inserted", "no record and no report has what it is the receipt of"))
    for key in found.index.list_early_receipts(MAX_CLOCK_DIFFERENCE):
        found.note(Problem(key, "inserted", "it is older than what it is the receipt of"))
    sealed = found.chain.sealed
    # What an excerpt's records name may be sealed by a digest from before it.
    if sealed is not None and found.excerpt is None:
        for left in found.index.list_left_out(sealed.until):
            if sealed.covers(left.since):
                text = f"no digest names it, though {left.named_by} does, and what is so old is sealed"
                found.note(Problem(left.key, "inserted", text))
