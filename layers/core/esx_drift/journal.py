"""The write protocol of a log: the records are the truth, and a record's key is the lock.

    a  read the state, or rebuild it from the log
    b  the request is answered already: finish the outbox, touch no vCenter
    c  publish what an earlier check could not
    d  look
    e  keep document and snapshot
    f  write the record under the next number; taken: catch up with who took it, back to b
    g  write the state; refused: somebody is further on, publish our own events and stop
    h  publish the outbox, write the state with it empty

A process may end after any step, and two may run at once: the log stays whole, each request is answered
by one record, and each event is published at least once, always with the record's own bytes and ids.

Longer than 250 lines, because the steps depend on each other and are proven together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import overload

from esx_drift.domain.stored.identifiers import VCENTER_LOG, compute_digest, make_record_key
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Answered, CheckRequest, LogState, Record, StateFile
from esx_drift.errors import StoreConflict, TopicUnavailable
from esx_drift.messages.publication import build_publishable_events
from esx_drift.ports import Store, Topic

MAX_APPEND_ATTEMPTS = 3
"""How often a lost race is run again before the message goes back to its queue."""


MAX_ANSWERED_REQUESTS = 20
"""How many answered requests a log remembers; SQS delivers again within hours, not within 20 checks."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a look begins from: the log's last ``after``, and the number its record will have."""

    after: LogState
    seq: int


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes to keep in the AuditBucket under a key made of their hash."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What a check wants to write: its record, but for its events and what chains it into the log.

    ``since`` is the time of the look before, for the events; ``host_names`` may hold every host of the
    cluster by id; ``blobs`` are the objects that the record refers to.
    """

    record: Record
    since: str | None
    host_names: Mapping[str, str] = field(default_factory=dict)
    blobs: tuple[Blob, ...] = ()


@dataclass(frozen=True, slots=True)
class Reschedule:
    """The look has no result yet: this is what to ask for, and when."""

    request: CheckRequest
    delay_seconds: int


type Observe = Callable[[Position], Draft | Reschedule]


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """The record that answers a request; ``repeated``: it was there before this call."""

    record: Record
    repeated: bool


type OnRecorded = Callable[[RecordedAnswer], None]


@dataclass(slots=True)
class _CachedState:
    """The state as this process knows it. ``etag`` is that of the object in S3, none if there is none."""

    state: StateFile
    etag: str | None
    behind: bool
    """Whether the object in S3 is missing, or older than this."""


@dataclass(frozen=True, slots=True)
class Journal:
    """One cluster's log, or with the name ``@vcenter`` a vCenter's own."""

    store: Store
    topic: Topic
    vcenter: str
    cluster: str = VCENTER_LOG

    @overload
    def append(
        self, request_id: str, observe: Callable[[Position], Draft], on_recorded: OnRecorded = ...
    ) -> RecordedAnswer: ...

    @overload
    def append(
        self, request_id: str, observe: Observe, on_recorded: OnRecorded = ...
    ) -> RecordedAnswer | Reschedule: ...

    def append(
        self, request_id: str, observe: Observe, on_recorded: OnRecorded = lambda _: None
    ) -> RecordedAnswer | Reschedule:
        """Answer a request once, by steps a to h.

        Args:
            request_id: The request's id; where the log has its answer already, that is returned.
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
        cached, record = self._read(), None
        for _ in range(MAX_APPEND_ATTEMPTS):
            answered = self._find_answer(cached.state, request_id)
            if answered is not None:
                # Where the reply to our own PUT was lost, what lies there is ours.
                return self._finish_answer(
                    cached, RecordedAnswer(answered, repeated=answered != record), on_recorded
                )
            cached = self._flush_outbox(cached)
            draft = observe(Position(cached.state["after"], _find_next_seq(cached.state)))
            if isinstance(draft, Reschedule):
                return draft
            for blob in draft.blobs:
                self.store.put_blob(blob.key, blob.body)
            record = _chain_record(self._add_events(draft), cached.state, request_id)
            sha256 = self._put_record(record)
            if sha256 is not None:
                answer = RecordedAnswer(record, repeated=False)
                on_recorded(answer)
                self._advance(cached, record, sha256)
                return answer
            cached = self._catch_up(record["seq"])
        raise StoreConflict(
            f"the log of {self.cluster} on {self.vcenter} was written by others {MAX_APPEND_ATTEMPTS}"
            " times at once"
        )

    def _add_events(self, draft: Draft) -> Record:
        record = draft.record
        address = self.store.uri(record["vcenter"], record["cluster"], record["seq"])
        events = build_publishable_events(record, address, draft.since, draft.host_names)
        return {**record, "events": events}

    def find_answer(self, request_id: str) -> Record | None:
        """Find the record that answers a request, without writing or publishing; None if there is none."""
        return self._find_answer(self._read().state, request_id)

    def read_state(self) -> LogState:
        """Read the state that the next check begins from, without writing."""
        return self._read().state["after"]

    def _read(self) -> _CachedState:
        stored = self.store.state(self.vcenter, self.cluster)
        if stored is not None and stored.state is not None:
            return _CachedState(stored.state, stored.etag, behind=False)
        return _CachedState(self._rebuild(0), None if stored is None else stored.etag, behind=True)

    def _finish_answer(
        self, cached: _CachedState, answer: RecordedAnswer, on_recorded: OnRecorded
    ) -> RecordedAnswer:
        on_recorded(answer)
        self._finish(cached)
        return answer

    def _flush_outbox(self, cached: _CachedState) -> _CachedState:
        """Publish what an earlier check could not, and keep that it is done: a look may be put off often."""
        outbox = cached.state["outbox"]
        left = self._publish(outbox)
        if left == outbox:
            return cached
        state: StateFile = {**cached.state, "outbox": left}
        etag = self.store.put_state(state, cached.etag)
        return _CachedState(state, etag or cached.etag, behind=etag is None)

    def _catch_up(self, taken_seq: int) -> _CachedState:
        """After another writer took this number: his state, or his record where he has not come so far."""
        cached = self._read()
        if _find_next_seq(cached.state) > taken_seq:
            return cached
        return _CachedState(self._rebuild(taken_seq - 1), cached.etag, behind=True)

    def _rebuild(self, after_seq: int) -> StateFile:
        seq = self.store.last_record(self.vcenter, self.cluster, after_seq)
        if seq is None:
            return {
                "schema_version": 1,
                "vcenter": self.vcenter,
                "cluster": self.cluster,
                "head": None,
                "after": build_empty_state(),
                "outbox": [],
            }
        record, sha256 = self.store.record(self.vcenter, self.cluster, seq)
        return _build_state_file(record, sha256, record["unpublished"])

    def _find_answer(self, state: StateFile, request_id: str) -> Record | None:
        for answered in state["after"]["answered"]:
            if answered["request_id"] == request_id:
                return self.store.record(self.vcenter, self.cluster, answered["seq"])[0]
        return None

    def _put_record(self, record: Record) -> str | None:
        for _ in range(MAX_APPEND_ATTEMPTS - 1):
            try:
                return self.store.put_record(record)
            except StoreConflict:
                continue
        return self.store.put_record(record)

    def _advance(self, cached: _CachedState, record: Record, sha256: str) -> None:
        state = _build_state_file(record, sha256, record["unpublished"])
        etag = self.store.put_state(state, cached.etag)
        if etag is None:
            self._raise_unpublished(self._publish([record["seq"]] if record["events"] else []))
            return
        if state["outbox"]:
            self._finish(_CachedState(state, etag, behind=False))

    def _finish(self, cached: _CachedState) -> None:
        left = self._publish(cached.state["outbox"])
        if cached.behind or left != cached.state["outbox"]:
            self.store.put_state({**cached.state, "outbox": left}, cached.etag)
        self._raise_unpublished(left)

    def _publish(self, seqs: list[int]) -> list[int]:
        """Publish the events of these records; what could not be published comes back."""
        return [seq for seq in seqs if not self._publish_record(seq)]

    def _publish_record(self, seq: int) -> bool:
        record, _ = self.store.record(self.vcenter, self.cluster, seq)
        try:
            for event in record["events"]:
                self.topic.publish(event)
        except TopicUnavailable:
            return False
        return True

    def _raise_unpublished(self, left: list[int]) -> None:
        if left:
            raise TopicUnavailable(
                f"the events of record {left[0]} of {self.cluster} on {self.vcenter} could not be published;"
                " they stay in the outbox and are tried again"
            )


def _find_next_seq(state: StateFile) -> int:
    head = state["head"]
    return 1 if head is None else head["seq"] + 1


def _chain_record(record: Record, state: StateFile, request_id: str) -> Record:
    own: Answered = {"request_id": request_id, "seq": record["seq"]}
    answered = [*state["after"]["answered"], own]
    return {
        **record,
        "previous": state["head"],
        "before_sha256": compute_digest(state["after"]),
        "after": {**record["after"], "answered": answered[-MAX_ANSWERED_REQUESTS:]},
        "unpublished": state["outbox"],
    }


def _build_state_file(record: Record, sha256: str, unpublished: list[int]) -> StateFile:
    return {
        "schema_version": 1,
        "vcenter": record["vcenter"],
        "cluster": record["cluster"],
        "head": {
            "seq": record["seq"],
            "key": make_record_key(record["vcenter"], record["cluster"], record["seq"]),
            "sha256": sha256,
        },
        "after": record["after"],
        "outbox": [*unpublished, *([record["seq"]] if record["events"] else [])],
    }
