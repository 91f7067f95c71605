"""A world for the write protocol: two buckets, a topic that remembers, a process that may end anywhere."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid5

import boto3
from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.stored.identifiers import NAMESPACE, compute_digest, make_record_key
from esx_drift.domain.stored.records import RecordHeading, build_record
from esx_drift.domain.stored.types import (
    Coverage,
    Dispatch,
    Event,
    LogPointer,
    LogState,
    Outcome,
    Record,
)
from esx_drift.domain.text.times import format_time
from esx_drift.errors import TopicUnavailable
from esx_drift.journal import Blob, Draft, Journal, Position
from esx_drift.log_reader import LogReader
from esx_drift.ports import Store, Topic

VCENTER, CLUSTER = "vc01", "domain-c9"
NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def buckets() -> S3Store:
    """A store on two empty buckets."""
    client = boto3.client("s3")
    for name in ("audit", "state"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return S3Store(lambda: client, "audit", "state")


@dataclass(slots=True)
class Subscribers:
    """A topic: what was published, and how often; it may refuse for a while."""

    published: list[Event] = field(default_factory=list)
    refusals: int = 0

    def publish(self, event: Event) -> None:
        """Take the event, or refuse it."""
        if self.refusals:
            self.refusals -= 1
            raise TopicUnavailable("no")
        self.published.append(event)

    @property
    def ids(self) -> set[str]:
        """The events that arrived, each once."""
        return {event["id"] for event in self.published}


def request(number: int) -> str:
    """The id of a request."""
    return str(uuid5(NAMESPACE, f"request {number}"))


def heading_of(
    seq: int, request_id: str, vcenter: str = VCENTER, cluster: str = CLUSTER, name: str | None = "prod-a"
) -> RecordHeading:
    """The heading of a record that somebody asked for at the time of these tests."""
    return {
        "vcenter": vcenter,
        "cluster": cluster,
        "cluster_name": name,
        "seq": seq,
        "request_id": request_id,
        "run_id": None,
        "started_at": format_time(NOW),
        "code_version": "test",
        "fleet_sha256": "0" * 64,
    }


def look_of(
    tells: Callable[[Position], bool] = lambda _: True, number: int = 0, at: datetime = NOW
) -> Callable[[Position], Draft]:
    """A look that keeps a document, and tells its seq if it is to tell anything."""

    def look(turn: Position) -> Draft:
        after = {**turn.after, "notices": [*turn.after["notices"], f"look {turn.seq}"]}
        outcome: Outcome = "baseline" if tells(turn) else "unchanged"
        record = build_record(heading_of(turn.seq, request(number)), outcome, at, after)  # type: ignore[arg-type]  # a dict of its fields
        coverage: Coverage = {"hosts": 1, "covered": 1, "failed": 0, "unsupported": 0}
        blobs = (Blob(f"documents/look-{turn.seq}", b"document"),)
        return Draft({**record, "coverage": coverage}, None, {}, blobs)

    return look


def log(store: Store, topic: Topic) -> Journal:
    """The cluster's log."""
    return Journal(store, topic, VCENTER, CLUSTER)


def records(store: S3Store) -> list[Record]:
    """Every record of the log, in order; fails if a number is missing."""
    return read_log(store, VCENTER, CLUSTER)


def read_log(store: S3Store, vcenter: str, cluster: str) -> list[Record]:
    """Every record of any log, in order."""
    seqs = store.list_records(vcenter, cluster, 0)
    return [store.record(vcenter, cluster, seq)[0] for seq in seqs]


def leave_log(
    store: S3Store, vcenter: str, cluster: str, after: LogState, dispatch: Dispatch | None = None
) -> None:
    """Write the next record of a log, which leaves ``after`` to the next check, and the pointer to it."""
    end = LogReader(store, vcenter, cluster).read()
    seq = end.next_seq
    outcome: Outcome = "dispatched" if dispatch else "not-looked"
    record: Record = {
        **build_record(heading_of(seq, str(UUID(int=seq)), vcenter, cluster), outcome, NOW, after),
        "previous": end.head,
        "before_sha256": compute_digest(end.after),
        "dispatch": dispatch,
    }
    sha256 = store.put_record(record)
    assert sha256
    key = make_record_key(vcenter, cluster, seq)
    pointer: LogPointer = {
        "schema_version": 1,
        "vcenter": vcenter,
        "cluster": cluster,
        "head": {"seq": seq, "key": key, "sha256": sha256},
        "outbox": [],
    }
    assert store.put_state(pointer, end.etag)


def ids_of(found: Iterable[Record]) -> set[str]:
    """The ids of all events in these records."""
    return {event["id"] for record in found for event in record["events"]}
