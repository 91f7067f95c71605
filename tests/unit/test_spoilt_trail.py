"""An object of the trail that is not what the log names: looking goes on, and a person hears of it.

Each kind of object is spoilt in each way. What nobody else can mend stays open until a person accepts it.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from esx_drift.adapters.audit_store import S3Store
from esx_drift.contracts import list_violations
from esx_drift.domain.findings.update import MAX_OPEN_DAMAGES
from esx_drift.domain.stored.identifiers import (
    compute_digest,
    encode_canonical_json,
    make_record_key,
    make_state_key,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Finding, Record
from esx_drift.errors import StoreUnavailable, TopicUnavailable
from esx_drift.log_reader import MAX_DAMAGED_RECORDS, LogReader

from tests.unit.logs import (
    CLUSTER,
    NOW,
    VCENTER,
    Subscribers,
    ids_of,
    leave_log,
    log,
    look_of,
    read_log,
    request,
)

STATE_KEY = make_state_key(VCENTER, CLUSTER)

type Spoil = Callable[[bytes], bytes | None]
"""What lies there afterwards; none: nothing."""


def _overwrite(body: bytes) -> bytes:
    return body.replace(b"look 1", b"look 9").replace(b'"seq":2', b'"seq":1')


SPOILT: dict[str, Spoil] = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "no text": lambda _: b"\xff\xfe\x00",
    "no JSON": lambda _: b"<html>",
    "another type": lambda _: b"[]",
    "an empty object": lambda _: b"{}",
    "nested too deep": lambda _: b"[" * 100_000,
    "overwritten": _overwrite,
    "another log's": lambda body: body.replace(CLUSTER.encode(), b"domain-c8"),
}


def _put(store: S3Store, bucket: str, key: str, body: bytes | None) -> None:
    if body is None:
        store.client().delete_object(Bucket=bucket, Key=key)
    else:
        store.client().put_object(Bucket=bucket, Key=key, Body=body)


def _read(store: S3Store, bucket: str, key: str) -> bytes:
    return store.client().get_object(Bucket=bucket, Key=key)["Body"].read()


def _key(seq: int) -> str:
    return make_record_key(VCENTER, CLUSTER, seq)


def _append(store: S3Store, topic: Subscribers, *numbers: int) -> Record:
    """Answer requests; the last one's record."""
    for number in numbers:
        answer = log(store, topic).append(request(number), NOW, look_of(number=number))
    return answer.record


def _damages(record: Record) -> list[Finding]:
    return [finding for finding in record["findings"] if finding["kind"] == "trail-damaged"]


def _assert_reported(record: Record, topic: Subscribers, *keys: str) -> None:
    """The record has a critical finding for each of the objects, and an event that says so was published."""
    damages = _damages(record)
    assert {damage["subject"] for damage in damages} == set(keys)
    assert {(damage["severity"], damage["transition"]) for damage in damages} == {("critical", "opened")}
    assert record["outcome"] != "unchanged"
    assert list_violations("record", record) == []
    events = [event for event in record["events"] if event["type"] == "esx-drift.failure.detected"]
    assert [event["data"]["severity"] for event in events] == ["critical"]
    assert ids_of([record]) <= topic.ids


def _assert_goes_on(store: S3Store, topic: Subscribers, record: Record) -> None:
    """The next check follows the record, finds no more damage, and keeps what is open."""
    after = _append(store, topic, 77)
    assert after["previous"] is not None
    assert (after["previous"]["seq"], after["seq"]) == (record["seq"], record["seq"] + 1)
    assert after["before_sha256"] == compute_digest(record["after"])
    assert LogReader(store, VCENTER, CLUSTER).read().damages == ()
    assert set(after["after"]["findings"]) == set(record["after"]["findings"])


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_pointer(store: S3Store, topic: Subscribers, spoil: Spoil) -> None:
    """The log is found by a LIST. That it is gone is no damage: a process may have ended before it wrote."""
    _append(store, topic, 0, 1)
    spoilt = spoil(_read(store, "state", STATE_KEY))
    _put(store, "state", STATE_KEY, spoilt)
    record = _append(store, topic, 2)
    assert (record["seq"], record["previous"]) == (3, _head(store, 2))
    if spoilt is None:
        assert _damages(record) == []
    else:
        _assert_reported(record, topic, STATE_KEY)
    _assert_goes_on(store, topic, record)


def _head(store: S3Store, seq: int) -> dict[str, object]:
    return {"seq": seq, "key": _key(seq), "sha256": store.record(VCENTER, CLUSTER, seq)[1]}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_newest_record(store: S3Store, topic: Subscribers, spoil: Spoil) -> None:
    """The log goes on after the record before it; its number is never used again."""
    _append(store, topic, 0, 1)
    spoilt = spoil(_read(store, "audit", _key(2)))
    _put(store, "audit", _key(2), spoilt)
    record = _append(store, topic, 2)
    assert record["previous"] == _head(store, 1)
    assert record["seq"] == (2 if spoilt is None else 3)
    _assert_reported(record, topic, STATE_KEY, *(() if spoilt is None else [_key(2)]))
    _assert_goes_on(store, topic, record)


@pytest.mark.parametrize("spoil", [spoil for name, spoil in SPOILT.items() if name != "gone"])
@pytest.mark.parametrize("seq", [3, 17, 9_999_999_999])
def test_a_number_that_somebody_else_took(store: S3Store, topic: Subscribers, seq: int, spoil: Spoil) -> None:
    """The next number is passed over; one that stands apart is never followed."""
    _append(store, topic, 0, 1)
    _put(store, "audit", _key(seq), spoil(_read(store, "audit", _key(2))))
    record = _append(store, topic, 2)
    assert record["previous"] == _head(store, 2)
    if seq == 3:
        assert record["seq"] == 4
        _assert_reported(record, topic, _key(3))
    else:
        # Nobody looks there as long as the pointer is right.
        assert (record["seq"], _damages(record)) == (3, [])
        _put(store, "state", STATE_KEY, None)
        record = _append(store, topic, 3)
        assert record["seq"] == 4
        _assert_reported(record, topic, _key(seq))
    _assert_goes_on(store, topic, record)


@pytest.mark.parametrize("spoil", [spoil for name, spoil in SPOILT.items() if name != "overwritten"])
def test_a_spoilt_record_with_events_to_publish(store: S3Store, topic: Subscribers, spoil: Spoil) -> None:
    """It is named once, and dropped; the other one of the outbox is published."""
    topic.refusals = 3
    for number in (0, 1):
        with pytest.raises(TopicUnavailable):
            _append(store, topic, number)
    first, second = read_log(store, VCENTER, CLUSTER)
    _put(store, "audit", _key(1), spoil(_read(store, "audit", _key(1))))
    record = _append(store, topic, 2)
    assert ids_of([second]) <= topic.ids
    assert not ids_of([first]) & topic.ids
    assert record["unpublished"] == []
    _assert_reported(record, topic, _key(1))
    _assert_goes_on(store, topic, record)


def test_a_record_that_is_spoilt_before_it_is_published(store: S3Store, topic: Subscribers) -> None:
    """The check that wrote it is over all the same; the next one reports it."""
    topic.refusals = 1
    with pytest.raises(TopicUnavailable):
        _append(store, topic, 0)
    _put(store, "audit", _key(1), b"{}")
    repeated = log(store, topic)
    record = _append(store, topic, 1)
    _assert_reported(record, topic, STATE_KEY, _key(1))
    assert repeated.find_answer(request(1), NOW) == record


def test_an_older_record_with_events_that_was_changed(store: S3Store, topic: Subscribers) -> None:
    """The record after it names its sha256: what was put in its place is not published."""
    topic.refusals = 3
    for number in (0, 1):
        with pytest.raises(TopicUnavailable):
            _append(store, topic, number)
    first, _ = read_log(store, VCENTER, CLUSTER)
    forged = json.loads(_read(store, "audit", _key(1)))
    _put(store, "audit", _key(1), encode_canonical_json({**forged, "code_version": "forged"}))
    record = _append(store, topic, 2)
    assert not ids_of([first]) & topic.ids
    _assert_reported(record, topic, _key(1))


def test_a_request_that_comes_again_is_done_with_though_another_record_is_spoilt(
    store: S3Store, topic: Subscribers
) -> None:
    """Its own record stands; the damage is for the next record to report."""
    topic.refusals = 3
    for number in (0, 1):
        with pytest.raises(TopicUnavailable):
            _append(store, topic, number)
    _put(store, "audit", _key(1), b"{}")
    assert _append(store, topic, 1)["seq"] == 2
    _assert_reported(_append(store, topic, 2), topic, _key(1))


def _forge(store: S3Store, seq: int, **changes: Any) -> None:  # noqa: ANN401 -- fields of a record
    record = json.loads(_read(store, "audit", _key(2)))
    _put(store, "audit", _key(seq), encode_canonical_json({**record, "seq": seq, **changes}))


@pytest.mark.parametrize(
    "previous",
    [
        pytest.param(None, id="it begins the log anew"),
        pytest.param({"seq": 1, "key": _key(1), "sha256": "0" * 64}, id="no such record"),
        pytest.param({"seq": 3, "key": _key(3), "sha256": "0" * 64}, id="it follows itself"),
    ],
)
def test_a_record_that_follows_no_other_is_not_believed(
    store: S3Store, topic: Subscribers, previous: object
) -> None:
    """Neither at the next number nor, once the pointer is lost, at the end of the log."""
    _append(store, topic, 0, 1)
    _forge(store, 3, previous=previous)
    _put(store, "state", STATE_KEY, None)
    record = _append(store, topic, 2)
    assert (record["seq"], record["previous"]) == (4, _head(store, 2))
    _assert_reported(record, topic, _key(3))


def test_a_record_that_follows_an_older_one_is_not_believed(store: S3Store, topic: Subscribers) -> None:
    """Sound records lie between them."""
    _append(store, topic, 0, 1)
    _forge(store, 3, previous=_head(store, 1))
    _put(store, "state", STATE_KEY, None)
    record = _append(store, topic, 2)
    assert (record["seq"], record["previous"]) == (4, _head(store, 2))
    _assert_reported(record, topic, _key(3))


def test_a_log_that_passed_over_damage_is_found_again_without_its_pointer(
    store: S3Store, topic: Subscribers
) -> None:
    """Its newest record follows one further back, with nothing but damage between them."""
    _put(store, "audit", _key(1), b"{}")
    assert _append(store, topic, 0)["seq"] == 2
    _put(store, "audit", _key(3), b"{}")
    assert _append(store, topic, 1)["seq"] == 4
    _put(store, "state", STATE_KEY, None)
    record = _append(store, topic, 2)
    assert (record["seq"], record["previous"]) == (5, _head(store, 4))
    assert len(record["after"]["findings"]) == 2


def test_many_planted_objects_make_no_large_record(store: S3Store, topic: Subscribers) -> None:
    """One finding for all that stand apart, and never more than some open at a time."""
    _append(store, topic, 0)
    for seq in range(2, 2 + MAX_OPEN_DAMAGES + 5):
        _put(store, "audit", _key(seq), b"{}")
    for seq in range(500, 510):
        _put(store, "audit", _key(seq), b"{}")
    record = _append(store, topic, 1)
    assert len(_damages(record)) == MAX_OPEN_DAMAGES
    assert any("and 9 more" in damage["summary"] for damage in _damages(record))
    _put(store, "state", STATE_KEY, b"{}")
    assert len(_append(store, topic, 2)["after"]["findings"]) == MAX_OPEN_DAMAGES


def _flood(store: S3Store, first: int) -> int:
    """Plant more damaged records than are read; the number behind them."""
    behind = first + MAX_DAMAGED_RECORDS + 1
    for seq in range(first, behind):
        _put(store, "audit", _key(seq), b"{}")
    return behind


def test_no_number_of_planted_records_ends_the_looking(store: S3Store, topic: Subscribers) -> None:
    """The pointer names the sound record to go on from; of the others the next record tells."""
    record = _append(store, topic, 0)
    for number in (1, 2):
        head = _head(store, record["seq"])
        behind = _flood(store, record["seq"] + 1)
        record = _append(store, topic, number)
        assert (record["seq"], record["previous"]) == (behind, head)
        assert len(record["after"]["findings"]) == MAX_OPEN_DAMAGES
    _assert_goes_on(store, topic, record)


@pytest.mark.parametrize("newer", [0, 1, 3])
def test_sound_records_before_a_flood_are_followed(store: S3Store, topic: Subscribers, newer: int) -> None:
    """Whoever floods the log may have put back an older pointer as well."""
    _append(store, topic, 0)
    old = _read(store, "state", STATE_KEY)
    for number in range(newer):
        _append(store, topic, 1 + number)
    head = _head(store, 1 + newer)
    behind = _flood(store, 2 + newer)
    _put(store, "state", STATE_KEY, old)
    record = _append(store, topic, 9)
    assert (record["seq"], record["previous"]) == (behind, head)


def test_too_many_damaged_records_are_no_log_to_go_on_from(store: S3Store, topic: Subscribers) -> None:
    """Where no pointer says what was sound; a person restores it, and no check is taken for a first look."""
    _append(store, topic, 0)
    _flood(store, 2)
    _put(store, "state", STATE_KEY, None)
    with pytest.raises(StoreUnavailable, match="restore the former version"):
        _append(store, topic, 1)


def test_a_record_of_a_newer_version_is_no_damage(store: S3Store, topic: Subscribers) -> None:
    """After a rollback of this product the pointer vouches for it: nothing is written until it is back."""
    _append(store, topic, 0)
    record = json.loads(_read(store, "audit", _key(1)))
    body = encode_canonical_json({**record, "of_a_later_version": True})
    _put(store, "audit", _key(1), body)
    pointer = json.loads(_read(store, "state", STATE_KEY))
    pointer["head"]["sha256"] = compute_digest({**record, "of_a_later_version": True})
    _put(store, "state", STATE_KEY, encode_canonical_json(pointer))
    with pytest.raises(StoreUnavailable, match="deploy the newer version again"):
        _append(store, topic, 1)


def test_an_older_pointer_is_caught_up_with(store: S3Store, topic: Subscribers) -> None:
    """A state that was rolled back names a sound record, so that the rest is found; that is no damage."""
    _append(store, topic, 0)
    old = _read(store, "state", STATE_KEY)
    _append(store, topic, 1, 2)
    _put(store, "state", STATE_KEY, old)
    record = _append(store, topic, 3)
    assert (record["seq"], _damages(record)) == (4, [])


def test_an_answer_that_is_damaged_is_given_anew(store: S3Store, topic: Subscribers) -> None:
    """Looking twice does no harm."""
    _append(store, topic, 0, 1)
    _put(store, "audit", _key(1), b"{}")
    assert log(store, topic).find_answer(request(0), NOW) is None


def test_a_forged_state_changes_nothing(store: S3Store, topic: Subscribers) -> None:
    """Versions before kept the state beside the pointer; what it says there is not read."""
    record = _append(store, topic, 0)
    pointer = json.loads(_read(store, "state", STATE_KEY))
    pointer["after"] = {**build_empty_state(), "notices": ["nothing ever happened"]}
    _put(store, "state", STATE_KEY, encode_canonical_json(pointer))
    assert log(store, topic).read_state() == record["after"]


def test_what_is_open_is_not_reported_again(store: S3Store, topic: Subscribers) -> None:
    """The same object, met by two checks."""
    _append(store, topic, 0)
    _put(store, "state", STATE_KEY, b"{}")
    first = _append(store, topic, 1)
    _put(store, "state", STATE_KEY, b"[]")
    second = _append(store, topic, 2)
    _assert_reported(first, topic, STATE_KEY)
    assert [damage["transition"] for damage in _damages(second)] in ([], ["still"])
    leave_log(store, VCENTER, CLUSTER, {**second["after"], "findings": {}})
    _put(store, "state", STATE_KEY, b"{}")
    _assert_reported(_append(store, topic, 3), topic, STATE_KEY)
