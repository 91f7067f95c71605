"""The intention comes first: a process may end at any call, and the run, repeated, asks for the same."""

import pytest
from esx_drift.domain.dispatching.run import Run, build_listing_request

from tests.unit.dispatching.world import World, dispatch_in, names_in
from tests.unit.logs import Mortal, ProcessEnd

RUN = Run("run", "schedule")
CALLS_OF_STORE = 3
"""state, put_record, put_state."""


def _end_at(world: World, name: str, part: str, at: int, *, after: bool) -> None:
    """Let an invocation that lists a vCenter end there; its message comes back."""
    life: list[str] = []
    inner = world.aws.store if part == "store" else world.queue
    mortal = Mortal(inner, life, at=at, after=after)
    message = build_listing_request(RUN, name)
    with world.sessions() as sessions, pytest.raises(ProcessEnd):
        world.dispatcher(sessions, **{part: mortal}).handle(message, redelivered=False)


def _come_back(world: World, name: str) -> list[str]:
    return names_in(world.retry(build_listing_request(RUN, name), redelivered=True))


def _requests(world: World) -> set[str]:
    return {one.body["request_id"] for one in world.sent("check")}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS_OF_STORE + 1))
def test_nothing_is_sent_before_it_is_written_down(world: World, call: int, *, after: bool) -> None:
    """A process that ends while it writes has sent nothing; the next try sends what the record says."""
    name = world.add("prod-a", "prod-b")
    _end_at(world, name, "store", call, after=after)
    assert world.sent("check") == []
    assert _come_back(world, name) == ["prod-a", "prod-b"]
    (record,) = world.records(name)
    assert {one["request_id"] for one in dispatch_in(record)["expected"]} == _requests(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_process_may_end_at_any_send(world: World, call: int, *, after: bool) -> None:
    """The next try sends all again under the same ids: no cluster is left out, and none is two."""
    name = world.add("prod-a", "prod-b", "prod-c")
    _end_at(world, name, "queue", call, after=after)
    early = _requests(world)
    world.wait(seconds=60)
    assert _come_back(world, name) == ["prod-a", "prod-b", "prod-c"]
    again = _requests(world)
    assert early < again or early == again
    assert len(again) == 3
    assert len(world.records(name)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_run_that_ends_at_any_message_asks_for_the_same_again(
    world: World, call: int, *, after: bool
) -> None:
    """Lambda repeats it: each vCenter has one record of the run, and each cluster is asked for once."""
    names = [world.add("prod-a") for _ in range(3)]
    mortal = Mortal(world.queue, [], at=call, after=after)
    with world.sessions() as sessions, pytest.raises(ProcessEnd):
        world.dispatcher(sessions, queue=mortal).run(RUN)
    early = [one.body for one in world.asked()]
    assert [one["vcenter"] for one in early] == names[: call - 1 + after]
    for one in early:
        world.retry(one)
    world.run(run_id=RUN.id)
    assert [[record["run_id"] for record in world.records(name)] for name in names] == [[RUN.id]] * 3
    assert len(world.sent("check")) == len(names)


def test_a_run_that_is_repeated_touches_no_vcenter(world: World) -> None:
    """What it asks for was decided; the vCenter may have changed since."""
    name = world.add("prod-a")
    chosen = {name: ("prod-a",)}
    first = world.run(chosen, run_id="run")
    world.vcenters[name].inventory.add_cluster("prod-b")
    world.servers[name].stop()
    assert world.run(chosen, run_id="run") == first


def test_an_outage_that_is_repeated_comes_back_once(world: World) -> None:
    """The retry is part of the intention: the same run asks for the same retry."""
    name = world.add("prod-a")
    world.servers[name].stop()
    world.run(run_id="run")
    world.retry(build_listing_request(RUN, name), redelivered=True)
    first, second = world.sent("retry")
    assert first.body == second.body
    world.retry(first.body)
    world.retry(second.body)
    assert len(world.records(name)) == 2
    assert len(world.sent("retry")) == 1


def test_a_retry_that_was_cut_off_sends_all_when_it_is_delivered_again(world: World) -> None:
    """The message's second receipt says that the first may not have come to its end."""
    name = world.add("prod-a", "prod-b")
    world.servers[name].stop()
    world.run()
    (retry,) = world.sent("retry")
    world.servers[name].start()
    dying = Mortal(world.queue, [], at=2, after=False)
    with world.sessions() as sessions, pytest.raises(ProcessEnd):
        world.dispatcher(sessions, queue=dying).handle(
            retry.body,  # type: ignore[arg-type]  # its schema was held when it was sent
            redelivered=False,
        )
    early = _requests(world)
    assert names_in(world.retry(retry.body, redelivered=True)) == ["prod-a", "prod-b"]
    assert early < _requests(world)
