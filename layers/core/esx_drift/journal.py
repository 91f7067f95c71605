"""The write protocol of a log: the records are the truth, and a record's key is the lock.

    a  read the pointer and the record that it names, or find the log's end by a LIST (``log_reader``)
    b  the request is answered already: finish the outbox, touch no vCenter
    c  publish what an earlier check could not
    d  look
    e  keep document and snapshot
    f  write the record under the next number; taken: catch up with who took it, back to b
    g  write the pointer; refused: somebody is further on, publish our own events and stop
    h  publish the outbox, write the pointer with it empty

A process may end after any step, and two may run at once: the log stays whole, each request is answered
by one record, and each event is published at least once, always with the record's own bytes and ids.
What was found damaged on the way is reported by the record, as a finding.

Longer than 250 lines, because the steps depend on each other and are proven together.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import replace
from datetime import datetime
from functools import partial
from typing import overload

from msgspec import Struct, field

from esx_drift.domain.findings.update import add_trail_damages
from esx_drift.domain.fleet.rules import NO_RULES, SilencingRules
from esx_drift.domain.stored.identifiers import VCENTER_LOG, compute_digest, make_record_key
from esx_drift.domain.stored.types import Answered, CheckRequest, Head, LogPointer, LogState, Record
from esx_drift.domain.suppression import apply_rules
from esx_drift.errors import StoreConflict, TopicUnavailable, TrailDamaged
from esx_drift.log_reader import LogEnd, LogReader, build_end
from esx_drift.messages.publication import build_publishable_events
from esx_drift.ports import Store, Topic

MAX_APPEND_ATTEMPTS = 3
"""How often a lost race is run again before the message goes back to its queue."""


MAX_ANSWERED_REQUESTS = 20
"""How many answered requests each record names; those of before are looked up in the records themselves."""


class Position(Struct, frozen=True):
    """What a look begins from: the log's last ``after``, and the number its record will have."""

    after: LogState
    seq: int


class Blob(Struct, frozen=True):
    """Bytes to keep in the AuditBucket under a key made of their hash."""

    key: str
    body: bytes


class Draft(Struct, frozen=True):
    """What a check wants to write: its record, but for its events and what chains it into the log.

    ``since`` is the time of the look before, for the events; ``host_names`` may hold every host of the
    cluster by id, and ``release_names`` what releases of ESXi are called by version; ``blobs`` are the
    objects that the record refers to; ``damages`` are those that it wanted to read and could not.
    """

    record: Record
    since: str | None
    host_names: Mapping[str, str] = field(default_factory=dict)
    blobs: tuple[Blob, ...] = ()
    damages: tuple[TrailDamaged, ...] = ()
    release_names: Mapping[str, str] = field(default_factory=dict)


class Reschedule(Struct, frozen=True):
    """The look has no result yet: this is what to ask for, and when."""

    request: CheckRequest
    delay_seconds: int


type Observe = Callable[[Position], Draft | Reschedule]


class RecordedAnswer(Struct, frozen=True):
    """The record that answers a request; ``repeated``: it was there before this call."""

    record: Record
    repeated: bool


type OnRecorded = Callable[[RecordedAnswer], None]


class Journal(Struct, frozen=True):
    """One cluster's log, or with the name ``@vcenter`` a vCenter's own."""

    store: Store
    topic: Topic
    vcenter: str
    cluster: str = VCENTER_LOG
    rules: SilencingRules = NO_RULES
    """What the fleet file keeps from people."""

    @overload
    def append(
        self,
        request_id: str,
        requested_at: datetime,
        observe: Callable[[Position], Draft],
        on_recorded: OnRecorded = ...,
    ) -> RecordedAnswer: ...

    @overload
    def append(
        self, request_id: str, requested_at: datetime, observe: Observe, on_recorded: OnRecorded = ...
    ) -> RecordedAnswer | Reschedule: ...

    def append(
        self,
        request_id: str,
        requested_at: datetime,
        observe: Observe,
        on_recorded: OnRecorded = lambda _: None,
    ) -> RecordedAnswer | Reschedule:
        """Answer a request once, by steps a to h.

        Args:
            request_id: The request's id; where the log has its answer already, that is returned.
            requested_at: When it was made: no record of before answers it.
            observe: Looks (step d), from the position that it is given. It is called again, with a new
                position, where another writer took the number.
            on_recorded: Does what follows from the record, as soon as it is there: a topic that refuses an
                event must not keep checks from being asked for. A request that comes again does it again.

        Returns:
            The record that answers the request; or what ``observe`` wants asked for later: then no record
            is written.

        Raises:
            StoreConflict: Other writers won each round.
            TopicUnavailable: The record is written, but an event is not published yet; the same call again
                publishes it.
            EsxDriftError: What ``observe`` or ``on_recorded`` raises.
        """
        end, record = self._reader.read(), None
        for _ in range(MAX_APPEND_ATTEMPTS):
            answered = self._reader.find_answer(end, request_id, requested_at)
            if answered is not None:
                # Where the reply to our own PUT was lost, what lies there is ours.
                answer = RecordedAnswer(answered, repeated=answered != record)
                on_recorded(answer)
                self._finish(end)
                return answer
            end = self._flush_outbox(end)
            draft = observe(Position(end.after, end.next_seq))
            if isinstance(draft, Reschedule):
                return draft
            for blob in draft.blobs:
                _insist(partial(self.store.put_blob, blob.key, blob.body))
            record = self._build_record(draft, end.add_damages(draft.damages), request_id)
            sha256 = _insist(partial(self.store.put_record, record))
            if sha256 is not None:
                answer = RecordedAnswer(record, repeated=False)
                on_recorded(answer)
                self._advance(end, record, sha256)
                return answer
            end = self._reader.catch_up(end)
        raise StoreConflict(
            f"the log of {self.cluster} on {self.vcenter} was written by others {MAX_APPEND_ATTEMPTS}"
            " times at once"
        )

    def find_answer(self, request_id: str, requested_at: datetime) -> Record | None:
        """Find the record that answers ``request_id``, made at ``requested_at``; None if there is none.

        Whoever wrote it may have ended before he wrote the pointer: then it is found by a LIST.
        """
        end = self._reader.read()
        found = self._reader.find_answer(end, request_id, requested_at)
        return found or self._reader.find_answer(self._reader.catch_up(end), request_id, requested_at)

    def read_state(self) -> LogState:
        """Read the state that the next check begins from, without writing."""
        return self._reader.read().after

    @property
    def _reader(self) -> LogReader:
        return LogReader(self.store, self.vcenter, self.cluster)

    def _build_record(self, draft: Draft, end: LogEnd, request_id: str) -> Record:
        """Build the record of a draft; what is damaged becomes findings, and the events tell of those."""
        damaged = add_trail_damages(draft.record, end.damages)
        record = apply_rules(damaged, end.after, self.rules, draft.host_names)
        address = self.store.uri(record["vcenter"], record["cluster"], record["seq"])
        events = build_publishable_events(record, address, draft.since, draft.host_names, draft.release_names)
        return _chain_record({**record, "events": events}, end, request_id)

    def _flush_outbox(self, end: LogEnd) -> LogEnd:
        """Publish what an earlier check could not, and keep that it is done: a look may be put off often.

        What is damaged stays as it is, until a record reports it: this look may yet be put off.
        """
        left, damages = self._publish(end, end.outbox)
        after = replace(end, outbox=left).add_damages(damages)
        if left == end.outbox or after.damages:
            return after
        etag = self.store.put_state(self._build_pointer(after), end.etag)
        return replace(after, etag=etag or end.etag, is_behind=etag is None)

    def _advance(self, before: LogEnd, record: Record, sha256: str) -> None:
        seq = record["seq"]
        head: Head = {"seq": seq, "key": make_record_key(self.vcenter, self.cluster, seq), "sha256": sha256}
        end = build_end(record, head, before.etag, is_behind=False)
        etag = self.store.put_state(self._build_pointer(end), end.etag)
        if etag is None:
            self._raise_unpublished(self._publish(end, [seq] if record["events"] else []))
        elif end.outbox:
            self._finish(replace(end, etag=etag))

    def _finish(self, end: LogEnd) -> None:
        left, damages = self._publish(end, end.outbox)
        if end.is_behind or left != end.outbox:
            self.store.put_state(self._build_pointer(replace(end, outbox=left)), end.etag)
        self._raise_unpublished((left, damages))

    def _build_pointer(self, end: LogEnd) -> LogPointer:
        return {
            "schema_version": 1,
            "vcenter": self.vcenter,
            "cluster": self.cluster,
            "head": end.head,
            "outbox": end.outbox,
        }

    def _publish(self, end: LogEnd, seqs: list[int]) -> "_Unpublished":
        """Publish the events of these records, and list what is left of them."""
        left, damages = list[int](), list[TrailDamaged]()
        for seq in seqs:
            try:
                for event in self._reader.require_record(end, seq)["events"]:
                    self.topic.publish(event)
            except TopicUnavailable:
                left.append(seq)
            except TrailDamaged as damage:
                left.append(seq)
                damages.append(damage)
        return left, damages

    def _raise_unpublished(self, unpublished: "_Unpublished") -> None:
        """Have the message come again for what the topic refused; damage is for the next record to report."""
        left, damages = unpublished
        damaged = {damage.key for damage in damages}
        for seq in left:
            if make_record_key(self.vcenter, self.cluster, seq) not in damaged:
                raise TopicUnavailable(
                    f"the events of record {seq} of {self.cluster} on {self.vcenter} could not be published;"
                    " they stay in the outbox and are tried again"
                )


type _Unpublished = tuple[list[int], list[TrailDamaged]]
"""The numbers of records with events that are not published, and what is damaged among those records."""


def _chain_record(record: Record, end: LogEnd, request_id: str) -> Record:
    own: Answered = {"request_id": request_id, "seq": record["seq"], "at": record["checked_at"]}
    answered = [*end.after["answered"], own]
    damaged = {damage.key for damage in end.damages}
    keys = {seq: make_record_key(record["vcenter"], record["cluster"], seq) for seq in end.outbox}
    return {
        **record,
        "previous": end.head,
        "before_sha256": compute_digest(end.after),
        "after": {**record["after"], "answered": answered[-MAX_ANSWERED_REQUESTS:]},
        "unpublished": [seq for seq in end.outbox if keys[seq] not in damaged],
    }


def _insist[T](put: Callable[[], T]) -> T:
    """Write once more where S3 met another write of the same key at the same moment."""
    for _ in range(MAX_APPEND_ATTEMPTS - 1):
        with suppress(StoreConflict):
            return put()
    return put()
