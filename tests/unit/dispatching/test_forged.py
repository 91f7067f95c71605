"""Whoever may send to the RetryQueue has a vCenter listed once more: no listing is kept away, or put off."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.dispatching.run import (
    MAX_REQUEST_AGE,
    MAX_RETRIES,
    Run,
    build_listing_request,
    build_retry_request,
    make_checker_run_id,
)
from esx_drift.domain.stored.identifiers import make_next_request_id, make_record_key
from esx_drift.errors import RequestRefused

from tests.unit.checking.reading import moved, open_kinds
from tests.unit.dispatching.world import World, dispatch_in, names_in

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import RetryRequest

RUN = Run("run", "schedule")
CLUSTERS = ["prod-a", "prod-b"]


def _send(world: World, message: "RetryRequest", **forged: object) -> bool:
    """Let a forged message come; whether it was done."""
    body = {**message, **forged}
    assert list_violations("retry-request", body) == []
    try:
        world.retry(body)
    except RequestRefused:
        return False
    return True


@pytest.mark.parametrize(
    "forged",
    [
        {"trigger": "direct", "clusters": ["prod-x"]},
        {"trigger": "direct", "clusters": ["prod-a"]},
        {"trigger": "retry", "attempt": 0},
        {"trigger": "retry", "attempt": 1},
        {"trigger": "retry", "attempt": 1, "dispatch_seq": 1},
        {"reason": "whatever"},
    ],
    ids=str,
)
def test_no_message_takes_the_place_of_a_run(world: World, name: str, forged: dict[str, Any]) -> None:
    """It knows the run's id, and comes first: all clusters are asked for all the same."""
    message = build_listing_request(RUN, name)
    _send(world, message, **forged)
    world.retry(message)
    last = dispatch_in(world.last(name))
    assert [one["name"] for one in last["expected"]] == CLUSTERS
    assert {one["request_id"] for one in last["expected"]} <= {
        one.body["request_id"] for one in world.sent("check")
    }


@pytest.mark.parametrize(
    "forged",
    [
        {"attempt": 0},
        {"trigger": "schedule", "attempt": 0},
        {"trigger": "direct", "attempt": 0, "clusters": ["prod-x"]},
        {"attempt": MAX_RETRIES},
        {"dispatch_seq": 1},
        {"dispatch_seq": 9_999_999_999},
        {},
    ],
    ids=str,
)
def test_no_message_breaks_the_chain_of_an_outage(world: World, name: str, forged: dict[str, Any]) -> None:
    """The id of a retry is no secret: whatever comes first under it, the chain lasts to the outage's end."""
    world.servers[name].stop()
    world.run()
    _send(world, world.aws.sent[-1].body, **forged)  # type: ignore[arg-type]  # its schema was held
    for _ in range(3):
        world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-unreachable"}
    world.servers[name].start()
    replies = world.retries_come()
    assert CLUSTERS in [names_in(reply) for reply in replies]
    assert world.sent("retry") == []


def test_a_forged_retry_makes_no_second_chain(world: World, name: str) -> None:
    """Only a failure that is written down is tried again, once, however often it is asked for."""
    world.servers[name].stop()
    world.run()
    (waiting,) = world.sent("retry")
    record = world.last(name)
    forgeries = [
        {**waiting.body, "run_id": make_next_request_id(f"forged {number}", f"retry {name}")}
        for number in range(5)
    ]
    for forged in forgeries:
        with pytest.raises(RequestRefused, match="no record of"):
            world.retry(forged)
    for _ in range(3):
        world.retry(waiting.body)
    assert len(world.records(name)) == record["seq"] + 1
    assert len(world.sent("retry")) == 1


def test_the_most_that_a_forged_run_does_is_an_honest_look(world: World, name: str) -> None:
    """Nothing vouches for a run before its first listing. One message more is one listing, and its checks."""
    before = world.last(name)
    forged = build_listing_request(Run("forged", "schedule"), name)
    for _ in range(3):
        world.retry(forged)
    record = world.last(name)
    assert record["seq"] == before["seq"] + 1
    assert len(world.sent("check")) == len(CLUSTERS)
    assert world.topic.published == []
    told = ("findings", "suspects", "clusters", "blind_since", "first_look_at")
    after = {field: record["after"][field] for field in told}  # type: ignore[literal-required]  # fields of it
    listed = {"last_listed_at": record["checked_at"]}
    known = {key: {**entry, **listed} for key, entry in (before["after"]["clusters"] or {}).items()}
    expected = {field: before["after"][field] for field in told}  # type: ignore[literal-required]  # as above
    assert after == {**expected, "clusters": known}
    assert names_in(world.run()) == CLUSTERS


def test_a_forged_run_of_chosen_clusters_marks_none_as_missing(world: World, name: str) -> None:
    """Names that nobody listed are in no log, and neither open nor end anything."""
    forged = build_listing_request(Run("forged", "direct", {name: ("prod-x", "domain-c404")}), name)
    world.retry(forged)
    record = world.last(name)
    assert (dispatch_in(record)["expected"], dispatch_in(record)["missing"]) == ([], [])
    assert record["findings"] == []
    assert world.sent("check") == []


@pytest.mark.parametrize("attempt", [0, 1, 7])
def test_checkers_ask_once_an_attempt(world: World, name: str, attempt: int) -> None:
    """Each attempt at the checks of a run may meet an outage; the record of the run vouches for all."""
    asked = build_retry_request(name, make_checker_run_id("run-1", attempt), 0, "vcenter-error", 1)
    seq = world.last(name)["seq"]
    assert _send(world, asked)
    assert _send(world, asked)
    assert world.last(name)["seq"] == seq + 1
    assert not _send(world, asked, run_id=make_next_request_id("run-1", "retry another"))


def test_a_decision_vouches_for_no_retry(world: World, name: str) -> None:
    """It asks for nothing: neither has it a dispatch."""
    asked = build_retry_request(name, "run-1", 0, "vcenter-error", 2)
    world.run({name: ("prod-x",)})
    assert not _send(world, asked), "a run that asked for no check has none that could fail"


def test_a_retry_of_long_ago_is_refused(world: World, name: str) -> None:
    """As a check is: later runs have listed the vCenter, and the message may be deleted."""
    world.servers[name].stop()
    world.run()
    (waiting,) = world.sent("retry")
    world.wait(seconds=(MAX_REQUEST_AGE + timedelta(seconds=1)).total_seconds())
    with pytest.raises(RequestRefused, match="more than 4 days ago"):
        world.retry(waiting.body)


def test_a_retry_of_the_version_before_is_found_among_the_newest_records(world: World, name: str) -> None:
    """It names no record: during a deployment, the chain of an outage goes on."""
    world.servers[name].stop()
    world.run()
    (waiting,) = world.sent("retry")
    world.servers[name].start()
    world.run({name: ("prod-a",)})
    fields = ("trigger", "clusters", "dispatch_seq")
    before = {key: value for key, value in waiting.body.items() if key not in fields}
    assert names_in(world.retry(before)) == CLUSTERS


def test_a_record_that_cannot_be_read_is_replaced_by_one_run(world: World, name: str) -> None:
    """Whatever messages name it, and whatever they say: one listing, which tells the damage."""
    world.servers[name].stop()
    world.run()
    (waiting,) = world.sent("retry")
    seq = world.last(name)["seq"]
    world.servers[name].start()
    world.run({name: ("prod-a",)})
    world.sent("check")
    key = make_record_key(name, "@vcenter", seq)
    good = world.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read()
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=b"{}", IfNoneMatch="*")
    assert names_in(world.retry(waiting.body)) == CLUSTERS
    for number in range(3):
        forged = cast("RetryRequest", {**waiting.body, "run_id": f"forged {number}", "attempt": number})
        assert names_in(world.retry(forged)) == []
    (number,) = world.aws.store.list_records(name, "@vcenter", seq + 1)
    told = world.aws.store.record(name, "@vcenter", number)[0]
    assert ("trail-damaged", "opened") in moved(told)
    assert {one["subject"] for one in told["findings"] if one["kind"] == "trail-damaged"} == {key}
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=good, IfNoneMatch="*")


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger": "schedule", "attempt": 1},
        {"trigger": "schedule", "clusters": ["prod-a"]},
        {"trigger": "direct", "attempt": 1, "clusters": ["prod-a"]},
        {"trigger": "direct", "clusters": []},
        {"trigger": "retry", "clusters": ["prod-a"]},
        {"trigger": "retry", "attempt": MAX_RETRIES + 1},
        {"trigger": "retry", "dispatch_seq": 0},
        {"trigger": "another"},
    ],
    ids=str,
)
def test_what_no_part_of_us_sends_is_refused_by_the_schema(fields: dict[str, Any]) -> None:
    """A run of all has no chosen clusters, and nobody but a retry counts."""
    assert list_violations("retry-request", {**build_listing_request(RUN, "vc01"), **fields}) != []
