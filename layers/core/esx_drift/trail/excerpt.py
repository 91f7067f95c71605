"""Copy an excerpt of a trail: some clusters in a period, with all that proves it.

What is there is copied byte for byte, also what is damaged: whether it is sound is for ``verify`` to say.

    a  find the base: the last digest whose span ends before the period
    b  go on from there, digest by digest and record by record, to where the period is sealed
    c  what asked for a check in the period that left no record is followed to the record that says why
    d  copy what all these digests and records name: documents, snapshots, quarantined replies, receipts
    e  copy the newest digest of all, which proves that time has passed, and documents may have expired

Longer than 250 lines, because digests and records say of each other how far to go on.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import replace
from datetime import datetime
from itertools import batched
from typing import Final, cast

from msgspec import Struct, field

from esx_drift.contracts import parse_payload
from esx_drift.contracts.unpacking import parse_record
from esx_drift.domain.dispatching.run import MAX_REQUEST_AGE
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    VCENTER_LOG,
    ClusterRef,
    encode_canonical_json,
    make_numbered_key,
    make_record_prefix,
    make_signature_key,
    parse_fingerprint,
)
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import Digest, is_digest_key, parse_record_place
from esx_drift.domain.trail.excerpt import (
    EXCERPT_KEY,
    AuditPeriod,
    Excerpt,
    ExcerptCluster,
    build_excerpt,
    build_excerpt_manifest,
    find_receipt_id,
    is_receipt_key,
)
from esx_drift.domain.trail.verification import (
    LONGEST_CHECK,
    MAX_CLOCK_DIFFERENCE,
    AskedCheck,
    find_blob_sha256,
    list_dispatched_checks,
    list_explained_clusters,
    list_named_keys,
)
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.log_reader import MAX_PARALLEL_READS, read_all
from esx_drift.ports import PublicKey, TrailCopy, TrailFiles
from esx_drift.trail.log_checker import identify_all
from esx_drift.trail.verify import LONGEST_DELIVERY

KEYS_AT_ONCE: Final = 200
"""So many objects are read before the next ones are asked for."""


class ExcerptRequest(Struct, frozen=True):
    """What is to be copied.

    Attributes:
        clusters: The logs of the clusters.
        period: The time that the excerpt is about.
        made_at: The time now.
        document_days: For how many days documents are kept.
        parse_key: Parses public keys.
        on_progress: Is told how many objects are copied, of how many that are known of.
    """

    clusters: tuple[ClusterRef, ...]
    period: AuditPeriod
    made_at: datetime
    document_days: int
    parse_key: Callable[[bytes], PublicKey]
    on_progress: Callable[[int, int], None] = lambda _done, _total: None


def copy_excerpt(files: TrailFiles, copy: TrailCopy, request: ExcerptRequest) -> Excerpt:
    """Copy an excerpt of a trail, with its manifest.

    Args:
        files: The trail.
        copy: Where it is copied to.
        request: What is to be copied.

    Raises:
        StoreUnavailable: The trail can't be read, or the copy can't be written.
    """
    objects = _ObjectCopier(files, copy, request.on_progress)
    digests = _begin_digest_walk(objects, request)
    logs = _LogWalk(objects, request, digests)
    reached, reach = None, request.period.ends_at
    while reached is None or reach > reached:
        digests.walk_to(reach + LONGEST_CHECK + 2 * MAX_CLOCK_DIFFERENCE)
        logs.walk_to(reach + LONGEST_CHECK + MAX_CLOCK_DIFFERENCE)
        reached, reach = reach, logs.find_explanation(request.period) or reach
    _copy_named(objects, digests, logs)
    clusters = tuple(map(logs.name_cluster, digests.excerpt.clusters))
    excerpt = replace(digests.excerpt, clusters=clusters, newest=digests.copy_newest())
    digests.copy_keys(request.parse_key)
    copy.write(EXCERPT_KEY, encode_canonical_json(build_excerpt_manifest(excerpt)))
    return excerpt


class _ObjectCopier(Struct):
    files: TrailFiles
    to: TrailCopy
    on_progress: Callable[[int, int], None]
    done: int = 0
    known: int = 0

    def copy(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Copy what lies under ``keys``; each with its bytes, None if nothing is there to read."""
        for some in batched(keys, KEYS_AT_ONCE, strict=False):
            self.known += len(some)
            for key, body in zip(some, read_all(self.read, some), strict=True):
                self._keep(key, body)
                yield key, body

    def copy_read(self, key: str, body: bytes | None) -> None:
        """Copy what was read under ``key``: its ``body``, None if nothing is there to read."""
        self.known += 1
        self._keep(key, body)

    def copy_all(self, keys: Iterable[str]) -> None:
        """Copy what lies under ``keys``, whatever it is."""
        for _ in self.copy(keys):
            pass

    def _keep(self, key: str, body: bytes | None) -> None:
        if body is not None:
            self.to.write(key, body)
        self.done += 1
        self.on_progress(self.done, self.known)

    def read(self, key: str) -> bytes | None:
        """Read an object; what is damaged so that it can't be read is left out, and so it is missing then."""
        try:
            return self.files.read(key)
        except TrailDamaged:
            return None


class _DigestWalk(Struct):
    """The digests from the base on, copied one after the other.

    ``heads`` are the numbers to which logs are sealed, by the log's prefix, and ``starts`` those of the base;
    ``named`` is what of the logs must be there, ``receipts`` all receipts by what stands for their event.
    """

    objects: _ObjectCopier
    request: ExcerptRequest
    excerpt: Excerpt
    waiting: list[str]
    copied: list[str] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    receipts: dict[str, list[str]] = field(default_factory=dict)
    until: datetime | None = None
    has_reached: bool = False

    @property
    def is_at_end(self) -> bool:
        """Whether there is no later digest."""
        return not self.waiting

    def walk_to(self, moment: datetime) -> None:
        """Copy digests until all that was written before ``moment`` is named, or there are no more."""
        self.has_reached = False
        while self.waiting and not self._reaches(moment):
            key = self.waiting.pop(0)
            self.objects.copy_all([make_signature_key(key)])
            for _, body in self.objects.copy([key]):
                digest = _find_digest(body)
                if digest is not None:
                    self._take(key, digest)
            self.copied.append(key)
        self.has_reached = self._reaches(moment)

    def copy_newest(self) -> str | None:
        """Copy the newest signed digest of those that were not walked to; its key, None if there is none."""
        for key in reversed(self.waiting):
            place = make_signature_key(key)
            digest, signature = self.objects.read(key), self.objects.read(place)
            if digest is not None and signature is not None:
                self.objects.copy_read(key, digest)
                self.objects.copy_read(place, signature)
                self.copied.append(key)
                return key
        return None

    def copy_keys(self, parse_key: Callable[[bytes], PublicKey]) -> None:
        """Copy the public keys that signed what was copied; ``parse_key`` parses them."""
        for found in self.objects.files.list_objects(f"{DIGEST_PREFIX}keys/"):
            body = self.objects.read(found.key) if parse_fingerprint(found.key) else None
            if body is not None and self._has_signed(parse_key, body):
                self.objects.to.write(found.key, body)

    def _has_signed(self, parse_key: Callable[[bytes], PublicKey], pem: bytes) -> bool:
        try:
            parsed = parse_key(pem)
        except ContractViolation:
            return False
        read = self.objects.read
        pairs = ((read(key), read(make_signature_key(key))) for key in self.copied)
        return any(body and signature and parsed.has_signed(body, signature) for body, signature in pairs)

    def _reaches(self, moment: datetime) -> bool:
        return self.until is not None and self.until >= moment

    def _take(self, key: str, digest: Digest) -> None:
        is_base = key == self.excerpt.base
        for each in self.excerpt.select_named(digest, is_base=is_base):
            if is_receipt_key(each["key"]):
                self.receipts.setdefault(find_receipt_id(each["key"]), []).append(each["key"])
            elif parse_record_place(each["key"]) is None:
                self.named.add(each["key"])
        for head in digest["heads"]:
            place = parse_record_place(head["key"])
            if place is not None and self.excerpt.holds(head["key"]):
                self.heads[place.prefix] = place.seq
        if is_base:
            self.starts = dict(self.heads)
        # One that was cut off left what sorts behind to the next: only the last of a span is about all of it.
        self.until = parse_time(digest["until"]) if digest["listed_to"] is None else self.until


def _begin_digest_walk(objects: _ObjectCopier, request: ExcerptRequest) -> _DigestWalk:
    """Begin at the base, or at the first digest where there is none."""
    keys = [found.key for found in objects.files.list_objects(DIGEST_PREFIX)]
    digests = [key for key in keys if is_digest_key(key)]
    base = _find_base(objects, digests, request.period.begins_at - MAX_CLOCK_DIFFERENCE)
    clusters: list[ExcerptCluster] = [
        {"vcenter": log.vcenter, "cluster": log.cluster, "name": log.name} for log in request.clusters
    ]
    excerpt = build_excerpt(
        period=request.period,
        made_at=request.made_at,
        document_days=request.document_days,
        clusters=clusters,
        base=base,
    )
    return _DigestWalk(objects, request, excerpt, digests[0 if base is None else digests.index(base) :])


def _find_base(objects: _ObjectCopier, digests: list[str], limit: datetime) -> str | None:
    """Find the last digest whose span ends so long before the period that no record of it is named."""
    for key in reversed(digests):
        body = objects.read(key)
        digest = _find_digest(body)
        if digest is not None and parse_time(digest["until"]) < limit:
            return key
    return None


class _LogWalk(Struct):
    """The records of the logs, copied one after the other, and what they say."""

    objects: _ObjectCopier
    request: ExcerptRequest
    digests: _DigestWalk
    waiting: dict[str, list[int]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    events: dict[str, datetime] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    asked: list[AskedCheck] = field(default_factory=list)
    explained: dict[tuple[str, str], datetime] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def walk_to(self, moment: datetime) -> None:
        """Copy records of each log: those that the digests name, and others not later than ``moment``."""
        own = {log.record_prefix for log in self.request.clusters}
        vcenters = {log.vcenter for log in self.request.clusters}
        own |= {ClusterRef(name, VCENTER_LOG, VCENTER_LOG).record_prefix for name in vcenters}
        for prefix in sorted(own):
            if prefix not in self.waiting:
                self.waiting[prefix] = self._list_numbers(prefix)
            self._walk_log(prefix, moment)

    def find_explanation(self, period: AuditPeriod) -> datetime | None:
        """Find until when records have to be copied so that each check asked for in ``period`` is explained.

        Returns:
            The time of the next record that says why one left no record; None if none is left to be found.
        """
        for asked in self.asked:
            said = self.explained.get((asked.vcenter, asked.cluster))
            is_open = asked.request_id not in self.answered and (said is None or said <= asked.at)
            if is_open and period.begins_at <= asked.at <= period.ends_at:
                found = self._look_ahead(asked)
                if found is not None:
                    return found
        return None

    def name_cluster(self, cluster: ExcerptCluster) -> ExcerptCluster:
        """Name a ``cluster`` as its newest record here does; as before, where there is none."""
        name = self.names.get((cluster["vcenter"], cluster["cluster"]), cluster["name"])
        return {**cluster, "name": name}

    def _list_numbers(self, prefix: str) -> list[int]:
        places = (parse_record_place(found.key) for found in self.objects.files.list_objects(prefix))
        first = self.digests.starts.get(prefix, 1)
        return [place.seq for place in places if place is not None and place.seq >= first]

    def _walk_log(self, prefix: str, moment: datetime) -> None:
        waiting, head = self.waiting[prefix], self.digests.heads.get(prefix, 0)
        sealed = [number for number in waiting if number <= head]
        del waiting[: len(sealed)]
        keys = [make_numbered_key(prefix, number) for number in sealed]
        for key, body in self.objects.copy(keys):
            self._take(key, _find_sound_record(body))
        while waiting and not self.digests.has_reached:
            key = make_numbered_key(prefix, waiting[0])
            body = self.objects.read(key)
            record = _find_sound_record(body)
            if record is not None and parse_time(record["checked_at"]) > moment:
                return
            del waiting[0]
            self.objects.copy_read(key, body)
            self._take(key, record)

    def _look_ahead(self, asked: AskedCheck) -> datetime | None:
        """Look in records not copied yet for what answers a check ``asked`` for, or says why not."""
        for record in self._read_waiting(asked.vcenter, asked.cluster):
            at = parse_time(record["checked_at"])
            if record["request_id"] == asked.request_id:
                return at
            if at > asked.at + MAX_REQUEST_AGE:
                break
        explaining = (
            parse_time(record["checked_at"])
            for record in self._read_waiting(asked.vcenter, VCENTER_LOG)
            if asked.cluster in list_explained_clusters(record)
        )
        return next(explaining, None)

    def _read_waiting(self, vcenter: str, cluster: str) -> Iterator[Record]:
        prefix = make_record_prefix(vcenter, cluster)
        for some in batched(self.waiting[prefix], MAX_PARALLEL_READS, strict=False):
            found = read_all(self._find_record, [make_numbered_key(prefix, number) for number in some])
            yield from (record for record in found if record is not None)

    def _find_record(self, key: str) -> Record | None:
        return _find_sound_record(self.objects.read(key))

    def _take(self, key: str, record: Record | None) -> None:
        if record is None:
            return
        at = parse_time(record["checked_at"])
        self.named |= list_named_keys(record)
        self.events |= dict(identify_all(record["events"], at))
        self.names[record["vcenter"], record["cluster"]] = record["cluster_name"] or record["cluster"]
        self.answered.add(record["request_id"])
        asked = list_dispatched_checks(record, key)
        self.asked += [each for each in asked if self.digests.excerpt.is_about(each.vcenter, each.cluster)]
        if record["cluster"] == VCENTER_LOG:
            self.explained |= {(record["vcenter"], each): at for each in list_explained_clusters(record)}


def _copy_named(objects: _ObjectCopier, digests: _DigestWalk, logs: _LogWalk) -> None:
    """Copy what digests and records name beside records."""
    # A record may name anything: what is not named by its own bytes is no key of ours, and may be a path.
    objects.copy_all(sorted(key for key in digests.named | logs.named if find_blob_sha256(key) is not None))
    sealed = {key for event in logs.events for key in digests.receipts.get(event, ())}
    fresh = _list_fresh_receipts(objects, digests, logs) if digests.is_at_end else set()
    objects.copy_all(sorted(sealed | fresh))


def _list_fresh_receipts(objects: _ObjectCopier, digests: _DigestWalk, logs: _LogWalk) -> set[str]:
    """List the receipts that no digest may name yet: those of the newest events."""
    limit = None if digests.until is None else digests.until - LONGEST_DELIVERY
    first = {make_numbered_key(prefix, number) for prefix, number in digests.starts.items()}
    skipped = {event for key in first for event in _list_events(objects, key)}
    return {
        found.key
        for event, at in logs.events.items()
        if (limit is None or at >= limit) and event not in skipped
        for found in objects.files.list_objects(f"deliveries/{event}/")
    }


def _list_events(objects: _ObjectCopier, key: str) -> list[str]:
    """List what stands for the events of the record under ``key``."""
    record = _find_sound_record(objects.read(key))
    if record is None:
        return []
    return [event for event, _ in identify_all(record["events"], parse_time(record["checked_at"]))]


def _find_digest(body: bytes | None) -> Digest | None:
    try:
        return None if body is None else cast("Digest", parse_payload("digest", body))
    except ContractViolation:
        return None


def _find_sound_record(body: bytes | None) -> Record | None:
    try:
        return None if body is None else parse_record(body)
    except (ContractViolation, ValueError):
        return None
