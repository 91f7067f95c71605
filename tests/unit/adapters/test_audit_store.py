"""The two buckets: conditions that S3 keeps, and each answer of S3 as an error of our own or a plain no."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError
from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.stored.identifiers import (
    compute_sha256,
    encode_canonical_json,
    make_record_key,
    make_snapshot_key,
    make_state_key,
)
from esx_drift.domain.stored.records import build_empty_state, build_record
from esx_drift.domain.stored.types import LogPointer, Record, Snapshot
from esx_drift.errors import ContractViolation, StoreConflict, StoreUnavailable, TrailDamaged

from tests.unit.logs import CLUSTER, VCENTER, heading_of, request

pytestmark = pytest.mark.usefixtures("aws")
NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def record(seq: int = 1) -> Record:
    """A record that its schema accepts."""
    return {
        **build_record(heading_of(seq, request(seq)), "not-looked", NOW, build_empty_state()),
        "before_sha256": "0" * 64,
    }


def state(outbox: list[int]) -> LogPointer:
    """A pointer that its schema accepts."""
    return {
        "schema_version": 1,
        "vcenter": VCENTER,
        "cluster": CLUSTER,
        "head": {"seq": 1, "key": make_record_key(VCENTER, CLUSTER, 1), "sha256": "0" * 64},
        "outbox": outbox,
    }


class Trouble:
    """S3 answers the next calls of an operation with an error, or not at all."""

    def __init__(self, store: S3Store, operation: str, answers: list[tuple[int, str]]) -> None:
        self.answers = iter(answers)
        store.client().meta.events.register(f"before-call.s3.{operation}", self.answer)

    def answer(self, **_: object) -> Any:  # noqa: ANN401  # what botocore takes in place of a call
        """An answer as botocore parses it; none lets the call go on."""
        status, code = next(self.answers, (0, ""))
        if code == "unreachable":
            raise EndpointConnectionError(endpoint_url="https://s3.test")
        if not code:
            return None
        return AWSResponse("", status, HTTPHeaders(), None), {"Error": {"Code": code, "Message": ""}}


def test_a_state_is_replaced_only_by_whoever_read_it(store: S3Store) -> None:
    """If-None-Match for the first, If-Match after that; who comes too late is told so and changes nothing."""
    assert store.state(VCENTER, CLUSTER) is None
    first = store.put_state(state([1]), None)
    assert first is not None
    assert store.put_state(state([2]), None) is None
    second = store.put_state(state([2]), first)
    assert second not in {None, first}
    assert store.put_state(state([3]), first) is None
    stored = store.state(VCENTER, CLUSTER)
    assert stored is not None
    assert (stored.pointer, stored.etag) == (state([2]), second)


def test_a_state_that_is_gone_is_not_replaced(store: S3Store) -> None:
    """If-Match on a missing key is 404 at S3: refused like any other."""
    etag = store.put_state(state([]), None)
    store.client().delete_object(Bucket="state", Key=make_state_key(VCENTER, CLUSTER))
    assert store.put_state(state([]), etag) is None


def test_pointers_are_listed_with_the_etags_that_a_read_gives(store: S3Store) -> None:
    """Those of this vCenter: not those of one whose name begins alike."""
    assert list(store.list_pointers(VCENTER)) == []
    store.put_state(state([1]), None)
    store.put_state({**state([1]), "vcenter": f"{VCENTER}0"}, None)
    stored = store.state(VCENTER, CLUSTER)
    assert stored is not None
    assert list(store.list_pointers(VCENTER)) == [(make_state_key(VCENTER, CLUSTER), stored.etag)]


@pytest.mark.parametrize("body", [b"not json", b"{}", b"[]", b"\xff", b'{"schema_version": 2}'])
def test_what_is_no_state_can_be_replaced(store: S3Store, body: bytes) -> None:
    """It counts as lost, with the ETag that a new one must match."""
    store.client().put_object(Bucket="state", Key=make_state_key(VCENTER, CLUSTER), Body=body)
    stored = store.state(VCENTER, CLUSTER)
    assert stored is not None
    assert stored.pointer is None
    assert store.put_state(state([]), stored.etag) is not None


def test_a_record_is_written_once(store: S3Store) -> None:
    """The key is the lock; what comes back is what was written, and the sha256 of its bytes."""
    digest = store.put_record(record())
    assert digest == compute_sha256(encode_canonical_json(record()))
    assert store.put_record({**record(), "run_id": "another"}) is None
    assert store.record(VCENTER, CLUSTER, 1) == (record(), digest)


def test_a_record_that_nobody_could_read_is_not_written(store: S3Store) -> None:
    """A bug fails its own check; it never blocks the log."""
    with pytest.raises(ContractViolation, match="record"):
        store.put_record({**record(), "outcome": "splendid"})  # type: ignore[typeddict-item]  # that is tested
    assert list(store.list_records(VCENTER, CLUSTER, 0)) == []


def test_a_record_that_is_no_record_is_not_believed(store: S3Store) -> None:
    """Whoever wrote it."""
    store.client().put_object(Bucket="audit", Key=make_record_key(VCENTER, CLUSTER, 1), Body=b"{}")
    with pytest.raises(TrailDamaged, match="is no record"):
        store.record(VCENTER, CLUSTER, 1)


def test_records_are_listed_by_their_numbers(store: S3Store) -> None:
    """Above any number, over several pages, and only in the own log."""
    for seq in (1, 2, 9, 10, 11):
        store.put_record(record(seq))
    store.client().put_object(Bucket="audit", Key=make_record_key(VCENTER, f"{CLUSTER}1", 99), Body=b"")
    store.client().put_object(Bucket="audit", Key=f"{make_record_key(VCENTER, CLUSTER, 2)}.bak", Body=b"")
    store.client().meta.events.register("provide-client-params.s3.ListObjectsV2", _small_pages)
    assert list(store.list_records(VCENTER, CLUSTER, 0)) == [1, 2, 9, 10, 11]
    assert list(store.list_records(VCENTER, CLUSTER, 9)) == [10, 11]
    assert list(store.list_records(VCENTER, CLUSTER, 11)) == []
    assert list(store.list_records("another", CLUSTER, 0)) == []


def _small_pages(params: dict[str, Any], **_: object) -> None:
    params["MaxKeys"] = 2


def test_a_blob_is_kept_once(store: S3Store) -> None:
    """That it is there already is success: its key is its hash."""
    snapshot: Snapshot = {"schema_version": 1, "images": {}, "labels": {}, "hosts": {}}
    body = gzip.compress(json.dumps(snapshot).encode())
    key = make_snapshot_key(VCENTER, CLUSTER, compute_sha256(body))
    store.put_blob(key, body)
    store.put_blob(key, b"something else")
    assert store.snapshot(key) == snapshot
    versions = store.client().list_object_versions(Bucket="audit", Prefix=key)["Versions"]
    assert len(versions) == 1


def test_a_blob_that_was_changed_is_not_read(store: S3Store) -> None:
    """Whatever was put there, a bomb or another cluster's snapshot: its key says which bytes it had."""
    key = make_snapshot_key(VCENTER, CLUSTER, compute_sha256(b"what it was"))
    store.put_blob(key, gzip.compress(b"{}"))
    with pytest.raises(TrailDamaged, match="was changed") as raised:
        store.snapshot(key)
    assert raised.value.key == key


@pytest.mark.parametrize(
    "body", [b"no gzip", gzip.compress(bytes(200_000_000), 9)], ids=["no gzip", "a bomb"]
)
def test_a_blob_that_cannot_be_unpacked_is_damage(store: S3Store, body: bytes) -> None:
    """Also under its own sha256: whoever may write there may choose the key."""
    key = make_snapshot_key(VCENTER, CLUSTER, compute_sha256(body))
    store.put_blob(key, body)
    with pytest.raises(TrailDamaged, match="can't be unpacked"):
        store.snapshot(key)


def test_a_uri_leads_to_the_record(store: S3Store) -> None:
    """So that a person can read it."""
    assert store.uri(VCENTER, CLUSTER, 41) == f"s3://audit/{make_record_key(VCENTER, CLUSTER, 41)}"


def test_what_the_log_names_must_be_there(store: S3Store) -> None:
    """A record or a snapshot that is gone is damage; it is not taken for a first look."""
    with pytest.raises(TrailDamaged, match="though the log names it"):
        store.record(VCENTER, CLUSTER, 7)
    with pytest.raises(TrailDamaged, match="though the log names it"):
        store.snapshot("snapshots/none")


@pytest.mark.parametrize(
    ("answer", "says"), [((403, "AccessDenied"), "AccessDenied"), ((0, "unreachable"), "reached")]
)
def test_an_s3_that_fails_is_no_empty_bucket(store: S3Store, answer: tuple[int, str], says: str) -> None:
    """Every call says what it was about; none mistakes it for a no."""
    key = make_state_key(VCENTER, CLUSTER)
    Trouble(store, "GetObject", [answer] * 3)
    Trouble(store, "PutObject", [answer] * 3)
    Trouble(store, "ListObjectsV2", [answer])
    for call in (
        lambda: store.state(VCENTER, CLUSTER),
        lambda: store.record(VCENTER, CLUSTER, 1),
        lambda: store.snapshot(key),
        lambda: store.put_state(state([]), None),
        lambda: store.put_record(record()),
        lambda: store.put_blob("a", b""),
        lambda: list(store.list_records(VCENTER, CLUSTER, 0)),
    ):
        with pytest.raises(StoreUnavailable, match=says):
            call()


def test_a_bucket_that_is_gone_is_no_first_look(store: S3Store) -> None:
    """NoSuchBucket is a 404 as well."""
    elsewhere = S3Store(store.client, "audit", "gone")
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        elsewhere.state(VCENTER, CLUSTER)


def test_a_write_at_the_same_moment_may_be_tried_again(store: S3Store) -> None:
    """409: for a record it is said, for a state it is a plain no, since it is read again anyway."""
    conflict = (409, "ConditionalRequestConflict")
    Trouble(store, "PutObject", [conflict, conflict, conflict])
    with pytest.raises(StoreConflict):
        store.put_record(record())
    with pytest.raises(StoreConflict):
        store.put_blob("a", b"")
    assert store.put_state(state([]), None) is None
    assert store.put_record(record()) is not None
