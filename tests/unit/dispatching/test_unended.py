"""A listing that ends the function each time: nobody is left to say so afterwards, so it is said before."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from esx_drift.domain.dispatching.run import Run, build_listing_request
from esx_drift.domain.findings.vcenter_failures import UNKNOWN_END
from esx_drift.errors import SecretUnavailable, StoreUnavailable
from esx_drift.messages.content import build_content

from tests.simulator import fault_kinds
from tests.unit.checking.cloud import cloud
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.dispatching.world import World, dispatch_in, names_in
from tests.unit.processes import Mortal, ProcessEnd, watch

__all__ = ["cloud"]

RUN = Run("run", "schedule")


def _kill(world: World, name: str, receives: int) -> None:
    """Let the function be killed as it turns to the vCenter; its message comes back in half an hour."""
    with world.sessions() as sessions:
        dispatcher = world.dispatcher(watch(sessions, Mortal(1)))
        with pytest.raises(ProcessEnd):
            dispatcher.handle(build_listing_request(RUN, name), receives=receives)
    world.wait(seconds=1800)


def test_a_listing_that_is_killed_each_time_is_told(world: World, name: str) -> None:
    """At the third try, before it is made; one that ended so by chance, or by AWS, is not."""
    before = world.last(name)
    for receives in (1, 2):
        _kill(world, name, receives)
    assert (world.last(name), world.topic.published) == (before, [])
    _kill(world, name, 3)
    record = world.last(name)
    assert (record["outcome"], record["run_id"]) == ("not-dispatched", "run")
    assert [cluster["name"] for cluster in dispatch_in(record)["failed"]] == ["prod-a", "prod-b"]
    assert dispatch_in(record)["retry_after_seconds"] is None
    assert moved(record) == {("vcenter-error", "opened")}
    assert (
        "was begun 2 times and not completed: the function was killed"
        in one(record["findings"], "vcenter-error")["summary"]
    )
    (event,) = world.topic.published
    story = build_content(event)
    assert "could not be checked: no try was completed" in story.title
    assert story.next_step is not None
    assert "out of memory, timed out" in story.next_step.text


@contextmanager
def _failing(events: object, call: str, code: str) -> Iterator[None]:
    """Let a call of AWS fail in order, each time."""

    def fail(**_: object) -> object:
        return AWSResponse("", 400, HTTPHeaders(), None), {"Error": {"Code": code, "Message": ""}}

    events.register(call, fail)  # type: ignore[attr-defined]  # botocore has no types for it
    try:
        yield
    finally:
        events.unregister(call, fail)  # type: ignore[attr-defined]  # likewise


def test_tries_that_ended_in_order_are_told_with_their_reason(world: World, name: str) -> None:
    """By the second of them, in words that fit: nothing was cut off. What is killed after it says no more."""
    asked = build_listing_request(RUN, name)
    throttled = "before-call.secrets-manager.GetSecretValue"
    before = world.last(name)
    for receives in (1, 2):
        assert world.last(name) == before
        with (
            _failing(world.aws.secrets.meta.events, throttled, "ThrottlingException"),
            pytest.raises(SecretUnavailable),
        ):
            world.retry(asked, receives=receives)
        world.wait(seconds=1800)
    record = world.last(name)
    assert moved(record) == {("vcenter-error", "opened")}
    assert one(record["findings"], "vcenter-error")["summary"] == (
        f"the listing of {name} was begun 2 times and not completed: the last try ended with: Secrets Manager"
        f" did not give esx-drift/vcenter/{name}: ThrottlingException"
    )
    (event,) = world.topic.published
    assert "could not be checked: no try was completed" in build_content(event).title
    _kill(world, name, 3)
    assert world.last(name) == record, "the two tries were told already"
    assert names_in(world.retry(asked, receives=4)) == ["prod-a", "prod-b"]
    assert moved(world.last(name)) == {("vcenter-error", "resolved")}


def test_what_aws_fails_to_keep_is_told_by_the_next_try(world: World, name: str) -> None:
    """Where S3 fails the listing, nothing can be written either: what failed first is what is raised."""
    asked, before = build_listing_request(RUN, name), world.last(name)
    for receives in (1, 2):
        with (
            _failing(world.aws.s3.meta.events, "before-call.s3.GetObject", "SlowDown"),
            pytest.raises(StoreUnavailable),
        ):
            world.retry(asked, receives=receives)
    assert (world.last(name), world.topic.published) == (before, [])
    world.retry(asked, receives=3)
    told = world.records(name)[-2]
    assert UNKNOWN_END in one(told["findings"], "vcenter-error")["summary"]


def test_it_is_told_once_and_ends_with_the_next_listing(world: World, name: str) -> None:
    """Two tries more, and then the next run comes through."""
    for receives in range(1, 6):
        _kill(world, name, receives)
    assert [event["type"] for event in world.topic.published] == ["esx-drift.failure.detected"]
    assert len(world.records(name)) == 1 + 3
    assert names_in(world.run()) == ["prod-a", "prod-b"]
    assert moved(world.last(name)) == {("vcenter-error", "resolved")}
    assert world.topic.published[-1]["type"] == "esx-drift.failure.resolved"
    assert world.sent("retry") == []


def test_the_same_delivery_says_it_once(world: World, name: str) -> None:
    """It may come twice, as any message of SQS."""
    for _ in range(2):
        _kill(world, name, 3)
    assert len(world.records(name)) == 2


def test_a_try_that_left_its_record_came_to_an_end(world: World, name: str) -> None:
    """What it had not sent yet is sent by the next one."""
    world.retry(build_listing_request(RUN, name))
    world.sent("check")
    assert names_in(world.retry(build_listing_request(RUN, name), receives=4)) == ["prod-a", "prod-b"]
    assert [record["outcome"] for record in world.records(name)] == ["dispatched", "dispatched"]


def test_an_outage_behind_it_has_its_chain(world: World, name: str) -> None:
    """The third try comes to its end, and finds the vCenter down: it is tried again within minutes."""
    world.vcenters[name].faults.inject("POST /api/session", fault_kinds.status(503))
    reply = world.retry(build_listing_request(RUN, name), receives=3)
    assert [failed["reason"] for failed in reply["failed"]] == ["vcenter-unavailable"]
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-error", "vcenter-unavailable"}
    world.vcenters[name].faults.clear()
    (healed,) = world.retries_come()
    assert names_in(healed) == ["prod-a", "prod-b"]
    assert open_kinds(world.last(name)) == set()
