"""Messages that come twice, and checks that run at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import Any

import pytest
from esx_drift.domain.stored.types import CheckRequest, Record
from esx_drift.errors import RequestRefused, StoreConflict, TopicUnavailable
from esx_drift.journal import MAX_APPEND_ATTEMPTS

from tests.simulator.faults import Fault
from tests.unit.checking.reading import moved
from tests.unit.checking.world import PROD_A, World
from tests.unit.notifying.world import build_refusal

REPORT = "GET *domain-c9/installed-images"


def test_a_message_that_comes_twice_is_answered_once(world: World) -> None:
    """The second reads the record of the first, and touches no vCenter."""
    world.asked()
    request = world.comes_back()
    first = world.handle(request)
    calls = len(world.vcenter.journal)
    assert world.handle(request) == first
    assert len(world.vcenter.journal) == calls
    assert len(world.records()) == 1


def test_an_extract_that_comes_twice_ends_in_one_record(world: World) -> None:
    """The second one is refused as busy and collects without a task: whoever comes first answers both."""
    request = world.request()
    for _ in range(2):
        assert world.handle(request) is None
    mine, other = (sent.body for sent in world.aws.sent)
    assert (mine["task"]["id"] is None, other["task"]["id"] is None) == (False, True)
    world.wait(60)
    record = world.handle(mine)  # type: ignore[arg-type]  # a request as it was sent
    assert record is not None
    assert world.handle(other) == record  # type: ignore[arg-type]  # a request as it was sent
    assert len(world.records()) == 1


def test_two_checks_of_one_cluster_at_once_leave_one_log(world: World) -> None:
    """Both see the change; the one that comes second looks again, and tells nothing twice."""
    world.check()
    world.vcenter.hosts.upgrade("esx01", "8.0 U3e")
    world.wait(3600)
    world.vcenter.extract_all()
    world.set(extract=False)
    requests = [world.request(), world.request()]
    barrier = Barrier(2)

    def together(reply: object) -> object:
        if not barrier.broken and barrier.n_waiting < 2 and len(seen) < 2:
            seen.append(1)
            barrier.wait(10)
        return reply

    seen: list[int] = []
    world.vcenter.faults.inject(REPORT, Fault("together", alter=together))  # type: ignore[arg-type]  # same reply
    answers: list[Record | None] = []

    def run(request: CheckRequest) -> None:
        answers.append(world.handle(request))

    threads = [Thread(target=run, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = world.records()
    assert [record["outcome"] for record in records] == ["baseline", "changed", "same-report"]
    assert [len(record["changes"]) > 0 for record in records] == [False, True, False]
    assert moved(records[2]) == set()
    assert sorted(answer["seq"] for answer in answers if answer is not None) == [2, 3]
    # Whoever was slower may leave the state, only a cache, behind the log: the next check catches up.
    assert world.check()["seq"] == 4


def test_what_could_not_be_published_is_told_by_the_same_message(world: World) -> None:
    """The topic refuses: the message fails, comes again, and nothing is looked at again."""
    world.topic.refusals = 1
    world.asked()
    request = world.comes_back()
    with pytest.raises(TopicUnavailable):
        world.handle(request)
    calls = len(world.vcenter.journal)
    record = world.handle(request)
    assert record is not None
    assert record["outcome"] == "baseline"
    assert len(world.vcenter.journal) == calls
    assert world.topic.ids == {event["id"] for event in record["events"]}


def test_a_vcenter_that_the_fleet_does_not_know_is_refused(world: World) -> None:
    """Nothing is looked at, and nothing written: only the fleet file says where to look."""
    request: CheckRequest = {**world.request(), "vcenter": "another"}
    world.aws.calls.clear()
    with pytest.raises(RequestRefused, match="another"):
        world.handle(request)
    assert world.aws.calls == []


def test_a_renamed_cluster_keeps_its_log(world: World) -> None:
    """The name is only told; the id is what counts."""
    world.check()
    world.vcenter.inventory.rename_cluster(PROD_A, "prod-z")
    record = world.check()
    assert record["outcome"] == "unchanged"
    assert record["after"]["cluster_name"] == "prod-z"


@contextmanager
def meet_other_writes(world: World, key: str, conflicts: int) -> Iterator[None]:
    """So many writes of keys with this part meet another write of the same key in the same moment."""
    left = iter(range(conflicts))

    real = world.aws.s3.put_object

    def put_object(**params: Any) -> object:  # noqa: ANN401 -- boto3's
        if key in params["Key"] and next(left, None) is not None:
            raise build_refusal("ConditionalRequestConflict", "PutObject")
        return real(**params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.aws.s3, "put_object", put_object)
        yield


@pytest.mark.parametrize("key", ["records/", "documents/", "snapshots/"])
@pytest.mark.parametrize("conflicts", [1, 2, 3])
def test_what_meets_another_write_is_put_again(world: World, conflicts: int, key: str) -> None:
    """409 says only that somebody wrote at the same moment: three rounds, then the message comes again."""
    world.asked()
    request = world.comes_back()
    with meet_other_writes(world, key, conflicts):
        if conflicts == MAX_APPEND_ATTEMPTS:
            with pytest.raises(StoreConflict):
                world.handle(request)
        record = world.handle(request)
    assert record is not None
    assert record["outcome"] == "baseline"
