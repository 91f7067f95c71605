"""The write protocol: whatever happens, the log stays whole and nothing is untold."""

from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from esx_drift import log_reader
from esx_drift.adapters.audit_store import S3Store
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import (
    compute_digest,
    compute_sha256,
    make_record_key,
    make_state_key,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Record
from esx_drift.errors import StoreConflict, TopicUnavailable
from esx_drift.journal import MAX_ANSWERED_REQUESTS, Position, RecordedAnswer, Reschedule

from tests.unit.logs import (
    CLUSTER,
    NOW,
    VCENTER,
    Subscribers,
    ids_of,
    leave_log,
    log,
    look_of,
    records,
    request,
)
from tests.unit.processes import Mortal, ProcessEnd, watch

if TYPE_CHECKING:
    from esx_drift.ports import Store

STEPS_OF_A_CHECK = 10
"""state, two read_record, put_blob, put_record, two put_state, publish: and two to be past the end."""


def assert_whole(store: S3Store, topic: Subscribers, answered: int) -> None:
    """Each request has one record, the chain holds, all is told, and the state is the log's last word."""
    found = records(store)
    assert len(found) == answered
    before, after = None, build_empty_state()
    for record in found:
        assert record["previous"] == before
        assert record["before_sha256"] == compute_digest(after)
        body = (
            store.client()
            .get_object(Bucket="audit", Key=make_record_key(VCENTER, CLUSTER, record["seq"]))["Body"]
            .read()
        )
        before = {
            "seq": record["seq"],
            "key": make_record_key(VCENTER, CLUSTER, record["seq"]),
            "sha256": compute_sha256(body),
        }
        after = record["after"]
        assert list_violations("record", record) == []
    assert topic.ids == ids_of(found)
    state = store.state(VCENTER, CLUSTER)
    assert state is not None
    assert state.pointer is not None
    assert state.pointer["head"] == before
    assert state.pointer["outbox"] == []
    assert list_violations("state", state.pointer) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS_OF_A_CHECK))
@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_a_process_may_end_at_any_call(
    store: S3Store, topic: Subscribers, step: int, earlier: int, *, after: bool
) -> None:
    """The same message, delivered again, finishes what a process that ended began."""
    for number in range(earlier):
        log(store, topic).append(request(number), NOW, look_of())
    process = Mortal(step, after)
    try:
        log(watch(store, process), watch(topic, process)).append(request(earlier), NOW, look_of())
    except ProcessEnd:
        log(store, topic).append(request(earlier), NOW, look_of())
    assert_whole(store, topic, earlier + 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS_OF_A_CHECK))
def test_the_next_check_finishes_what_nobody_repeats(
    store: S3Store, topic: Subscribers, step: int, *, after: bool
) -> None:
    """Even if the message is lost, the next check of the cluster tells what was recorded and not told."""
    log(store, topic).append(request(0), NOW, look_of())
    process = Mortal(step, after)
    with suppress(ProcessEnd):
        log(watch(store, process), watch(topic, process)).append(request(1), NOW, look_of())
    recorded = len(records(store))
    log(store, topic).append(request(2), NOW, look_of())
    assert_whole(store, topic, recorded + 1)


def test_a_repeated_request_looks_at_no_vcenter(store: S3Store, topic: Subscribers) -> None:
    """The record that answers it comes back, and nothing is written or published."""
    first = log(store, topic).append(request(0), NOW, look_of())
    assert isinstance(first, RecordedAnswer)

    def never(_: Position) -> Reschedule:
        raise AssertionError("it looked again")

    again = log(store, topic).append(request(0), NOW, never)
    assert again == RecordedAnswer(first.record, repeated=True)
    assert len(topic.published) == len(first.record["events"])


def test_a_request_is_answered_once_however_late_it_comes_again(store: S3Store, topic: Subscribers) -> None:
    """A record names the last 20 requests; those of before are found in the records of their time."""
    hours = [NOW + timedelta(hours=number) for number in range(MAX_ANSWERED_REQUESTS + 5)]
    for number, at in enumerate(hours):
        log(store, topic).append(request(number), at, look_of(lambda _: False, number, at))
    for number in (0, 1, 4, 5, MAX_ANSWERED_REQUESTS + 4):
        known = log(store, topic).find_answer(request(number), hours[number])
        assert known is not None
        assert known["seq"] == number + 1
    assert log(store, topic).find_answer(request(99), hours[2]) is None
    assert log(store, topic).find_answer(request(99), hours[-1]) is None


def test_a_sender_whose_clock_is_years_behind_costs_so_many_reads(
    store: S3Store, topic: Subscribers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No queue keeps a message for as long as that many checks take."""
    monkeypatch.setattr(log_reader, "MAX_LOOKED_BACK", 3)
    for number in range(MAX_ANSWERED_REQUESTS + 5):
        log(store, topic).append(request(number), NOW, look_of(lambda _: False, number))
    long_ago = NOW - timedelta(days=3650)
    assert log(store, topic).find_answer(request(2), long_ago) is not None
    assert log(store, topic).find_answer(request(1), long_ago) is None


def test_a_log_of_the_version_before_remembers_what_it_did(store: S3Store, topic: Subscribers) -> None:
    """It did not write down when it answered: then only the last 20 requests are known."""
    log(store, topic).append(request(0), NOW, look_of())
    after = log(store, topic).read_state()
    bare = [{"request_id": request(number), "seq": 1} for number in range(1, MAX_ANSWERED_REQUESTS + 1)]
    leave_log(store, VCENTER, CLUSTER, {**after, "answered": bare})  # type: ignore[typeddict-item]  # as it was
    assert log(store, topic).find_answer(request(0), NOW) is None
    assert log(store, topic).find_answer(request(1), NOW) is not None


def test_a_lost_pointer_is_made_again(store: S3Store, topic: Subscribers) -> None:
    """It only saves a LIST: without it the log goes on, and nobody needs to know."""
    log(store, topic).append(request(0), NOW, look_of())
    store.client().delete_object(Bucket="state", Key=make_state_key(VCENTER, CLUSTER))
    log(store, topic).append(request(1), NOW, look_of())
    assert_whole(store, topic, 2)


def test_an_unpublished_event_is_tried_again(store: S3Store, topic: Subscribers) -> None:
    """A topic that refuses fails the message, so that it comes again; the event then goes out once."""
    topic.refusals = 1
    with pytest.raises(TopicUnavailable, match="record 1"):
        log(store, topic).append(request(0), NOW, look_of())
    assert topic.published == []
    log(store, topic).append(request(0), NOW, look_of())
    assert_whole(store, topic, 1)
    assert len(topic.published) == 1


def test_an_outbox_survives_checks_that_cannot_publish(store: S3Store, topic: Subscribers) -> None:
    """Each record names those before it that are still untold, so that no lost state can lose an event."""
    topic.refusals = 100
    for number in range(3):
        with pytest.raises(TopicUnavailable):
            log(store, topic).append(request(number), NOW, look_of())
    assert [record["unpublished"] for record in records(store)] == [[], [1], [1, 2]]
    store.client().delete_object(Bucket="state", Key=make_state_key(VCENTER, CLUSTER))
    topic.refusals = 0
    log(store, topic).append(request(3), NOW, look_of())
    assert_whole(store, topic, 4)


def test_a_look_that_is_not_done_leaves_nothing(store: S3Store, topic: Subscribers) -> None:
    """What is asked for later comes back, and no record or state is written."""
    later = Reschedule({}, 60)  # type: ignore[typeddict-item]  # the log hands it through unread
    assert log(store, topic).append(request(0), NOW, lambda _: later) is later
    assert records(store) == []
    assert store.state(VCENTER, CLUSTER) is None


def test_a_check_overtaken_while_it_looks_runs_again(store: S3Store, topic: Subscribers) -> None:
    """It loses its number to the other, and looks again from where the other left off."""
    seen: list[int] = []

    def slow(turn: Position) -> object:
        seen.append(turn.seq)
        if len(seen) == 1:
            log(store, topic).append(request(1), NOW, look_of())
        return look_of()(turn)

    log(store, topic).append(request(0), NOW, slow)  # type: ignore[arg-type]  # it returns what look_of does
    assert seen == [1, 2]
    assert_whole(store, topic, 2)


def test_a_check_always_overtaken_gives_up(store: S3Store, topic: Subscribers) -> None:
    """After three rounds the message goes back to its queue."""
    others = iter(range(1, 10))

    def slow(turn: Position) -> object:
        log(store, topic).append(request(next(others)), NOW, look_of())
        return look_of()(turn)

    with pytest.raises(StoreConflict, match="3 times"):
        log(store, topic).append(request(0), NOW, slow)  # type: ignore[arg-type]  # it returns what look_of does
    assert_whole(store, topic, 3)


def test_many_at_once_leave_one_log(store: S3Store, topic: Subscribers) -> None:
    """Two processes with the same message, started together, leave one record."""
    barrier = Barrier(2)
    failures: list[BaseException] = []

    def run() -> None:
        def look(turn: Position) -> object:
            if not barrier.broken and turn.seq == 1:
                barrier.wait(10)
            return look_of()(turn)

        try:
            log(store, topic).append(request(0), NOW, look)  # type: ignore[arg-type]  # it returns what look_of does
        except BaseException as error:  # noqa: BLE001  # told by the test
            failures.append(error)

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_whole(store, topic, 1)


def test_what_follows_from_a_record_does_not_wait_for_the_topic(store: S3Store, topic: Subscribers) -> None:
    """A topic that refuses keeps no check from being asked for; the request that comes again asks again."""
    topic.refusals = 1
    followed: list[RecordedAnswer] = []
    with pytest.raises(TopicUnavailable):
        log(store, topic).append(request(0), NOW, look_of(), followed.append)
    log(store, topic).append(request(0), NOW, look_of(), followed.append)
    assert [answer.repeated for answer in followed] == [False, True]
    assert_whole(store, topic, 1)


def test_an_outbox_is_told_once_however_often_a_look_is_put_off(store: S3Store, topic: Subscribers) -> None:
    """While an extraction runs, each turn would else publish it again."""
    topic.refusals = 1
    with pytest.raises(TopicUnavailable):
        log(store, topic).append(request(0), NOW, look_of())
    later = Reschedule({}, 60)  # type: ignore[typeddict-item]  # the log hands it through unread
    for _ in range(3):
        assert log(store, topic).append(request(1), NOW, lambda _: later) is later
    assert len(topic.published) == 1
    log(store, topic).append(request(1), NOW, look_of())
    assert_whole(store, topic, 2)


class _LosesReplies:
    """A store that writes the first record, and whose reply to it is lost."""

    def __init__(self, inner: S3Store) -> None:
        self._inner = inner
        self._lost = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # it stands for the store
        return getattr(self._inner, name)

    def put_record(self, record: Record) -> str | None:
        """Written; and the first time, the library's own second try finds it there."""
        sha256 = self._inner.put_record(record)
        if self._lost:
            return sha256
        self._lost = True
        return None


def test_a_record_whose_reply_was_lost_is_ours(store: S3Store, topic: Subscribers) -> None:
    """It is no repetition: what follows from it was not done by anybody else."""
    lossy: Store = _LosesReplies(store)
    followed: list[RecordedAnswer] = []
    log(lossy, topic).append(request(0), NOW, look_of(), followed.append)
    assert [answer.repeated for answer in followed] == [False]
    assert_whole(store, topic, 1)


def test_a_state_that_somebody_else_wrote_meanwhile_stops_nothing(store: S3Store, topic: Subscribers) -> None:
    """Our own events are published all the same, and the next check catches up with whoever wrote it."""
    log(store, topic).append(request(0), NOW, look_of())

    def overtaken(turn: Position) -> object:
        known = store.state(VCENTER, CLUSTER)
        assert known is not None
        assert known.pointer is not None
        assert store.put_state({**known.pointer, "outbox": [1]}, known.etag) is not None
        return look_of()(turn)

    log(store, topic).append(request(1), NOW, overtaken)  # type: ignore[arg-type]  # it returns what look_of does
    assert topic.ids == ids_of(records(store))
    log(store, topic).append(request(2), NOW, look_of())
    assert_whole(store, topic, 3)
