"""A check is made only if the record of a run asks for it; what a message says beside is not believed."""

from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.checking.checker import Checker
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    make_attempt_id,
    make_next_request_id,
    make_record_key,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import RequestRefused, StoreUnavailable
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator import fault_kinds
from tests.simulator.extraction import Pace
from tests.unit.checking.world import OWN_ROLE_IDS, OWN_SENDER, PROD_A, PROD_B, World
from tests.unit.test_spoilt_trail import SPOILT, Spoil

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest
    from esx_drift.ports import Store

UUID = "00000000-0000-4000-8000-000000000001"
FORGERIES: dict[str, dict[str, Any]] = {
    "another id": {"request_id": UUID},
    "another cluster": {"cluster": PROD_B},
    "a cluster that nobody listed": {"cluster": "domain-c404", "cluster_name": "prod-x"},
    "an attempt that nobody made": {"attempt": 1},
    "a record that is not there": {"dispatch_seq": 9_999_999_999},
    "the record of another run": {"dispatch_seq": 1},
    "no record, and no run": {"dispatch_seq": ..., "run_id": None},
    "no record, and another run": {"dispatch_seq": ..., "run_id": "run-404"},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_what_no_run_asked_for_is_refused(world: World, forged: dict[str, Any]) -> None:
    """No vCenter is asked, and neither a log nor a state is made."""
    world.request(PROD_B, "another run")
    fields = {**world.request(), **forged}
    request = cast("CheckRequest", {name: value for name, value in fields.items() if value is not ...})
    before = world.aws.written(world.watched.name)
    world.aws.sent.clear()
    with pytest.raises(RequestRefused, match="no run asked for check"):
        world.handle(request)
    assert world.aws.written(world.watched.name) == before
    assert [call for call in world.aws.calls if call[0] == "PutObject" and PROD_A in call[1]] == []
    assert world.aws.sent == []
    assert len(world.vcenter.journal) == 0


@pytest.mark.parametrize("spoil", [spoil for name, spoil in SPOILT.items() if name != "overwritten"])
def test_a_spoilt_record_of_a_run_asks_for_nothing(world: World, spoil: Spoil) -> None:
    """No vCenter is asked. One without the cluster vouches for none; for a damaged one it is listed anew."""
    request = world.request()
    key = make_record_key(world.watched.name, VCENTER_LOG, request["dispatch_seq"])
    whole = world.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read()
    spoilt = spoil(whole)
    _replace(world, key, spoilt)
    world.aws.sent.clear()
    is_silent = spoilt is None or (PROD_A.encode() not in spoilt and b"domain-c8" in spoilt)
    if is_silent:
        with pytest.raises(RequestRefused, match="no run asked for check"):
            world.handle(request)
    else:
        assert world.handle(request) is None
    assert [(one.queue, one.body["reason"]) for one in world.aws.sent] == (
        [] if is_silent else [("retry", "trail-damaged")]
    )
    assert len(world.vcenter.journal) == 0
    _replace(world, key, whole)


def _replace(world: World, key: str, body: bytes | None) -> None:
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    if body is not None:
        world.aws.s3.put_object(Bucket="audit", Key=key, Body=body, IfNoneMatch="*")


def test_names_come_from_the_record(world: World) -> None:
    """The name decides who hears of a cluster: a message can't choose another one."""
    world.set(extract=False)
    world.vcenter.extract_all()
    request = world.request()
    record = world.handle({**request, "cluster_name": "lab-1", "run_id": "forged"})
    assert record is not None
    assert (record["cluster_name"], record["run_id"]) == ("prod-a", request["run_id"])
    (event,) = record["events"]
    assert event["data"]["cluster"] == {"id": PROD_A, "name": "prod-a"}


def test_a_later_attempt_is_vouched_for_by_the_same_record(world: World) -> None:
    """As often as it comes back: each id is made of the one before."""
    world.vcenter.faults.inject("GET *domain-c9/installed-images", fault_kinds.status(503))
    request = world.request()
    world.follow(request)
    again = world.comes_back()
    assert (again["attempt"], again["request_id"]) == (1, make_attempt_id(request["request_id"], 1))
    assert world.follow(again)["outcome"] == "not-looked"


@given(st.uuids().map(str), st.integers(0, 30))
def test_the_id_of_an_attempt_is_made_of_the_one_before(request_id: str, attempt: int) -> None:
    """So that the record of the first vouches for each later one."""
    after = make_attempt_id(request_id, attempt + 1)
    assert after == make_next_request_id(make_attempt_id(request_id, attempt), f"attempt {attempt + 1}")


@pytest.mark.parametrize(("days", "answered"), [(3.9, True), (4.1, False)])
def test_a_request_of_long_ago_is_refused(world: World, days: float, *, answered: bool) -> None:
    """Runs since have asked anew; and what was answered long ago is not answered again."""
    request = world.request()
    world.wait(timedelta(days=days).total_seconds())
    if answered:
        assert world.follow(request)["outcome"] == "baseline"
    else:
        with pytest.raises(RequestRefused, match="later runs have asked anew"):
            world.handle(request)


def test_a_record_that_cannot_be_read_now_refuses_nothing(world: World) -> None:
    """S3 may answer the next time: the message comes back."""
    request = world.request()

    class Away:
        """A store that does not serve one record."""

        def read_record(self, *_: object) -> None:
            """Fail as S3 may."""
            raise StoreUnavailable("S3 could not be reached")

        def __getattr__(self, name: str) -> object:
            return getattr(world.aws.store, name)

    with world.sessions() as sessions, pytest.raises(StoreUnavailable):
        Checker(world.runtime(sessions, cast("Store", Away())), OWN_ROLE_IDS).handle(request, OWN_SENDER)
    assert len(world.vcenter.journal) == 0


def test_a_request_of_the_version_before_is_found_by_its_run(world: World) -> None:
    """It named the run alone."""
    request = world.request()
    request.pop("dispatch_seq")
    assert world.follow(request)["outcome"] == "baseline"
    assert len(world.records(VCENTER_LOG)) == 1


def test_no_message_has_a_task_asked_after_without_end(world: World) -> None:
    """However far away its deadline is: it comes no later than that of an extraction begun now."""
    world.vcenter.extractions.pace = Pace(None, inf)
    task = world.asked(0)
    forged: CheckRequest = {**world.comes_back(), "task": {**task, "deadline_at": "9999-12-31T23:59:59.000Z"}}
    assert world.handle(forged) is None
    again = world.comes_back()
    assert again["task"] is not None
    latest = world.now + timedelta(seconds=world.watched.extract_deadline_seconds)
    assert parse_time(again["task"]["deadline_at"]) <= latest
    assert world.follow(again)["task"]["status"] == "RUNNING"  # type: ignore[index]  # it is there


@pytest.mark.parametrize(
    ("field", "value"),
    [("attempt", 10**9), ("attempt", -1), ("polls", 10**9), ("polls", 0.5), ("dispatch_seq", 0)],
)
def test_numbers_without_bounds_are_refused_by_the_schema(world: World, field: str, value: float) -> None:
    """Nobody computes with them."""
    now = format_time(world.now)
    task = {"id": "t", "submitted_at": now, "deadline_at": now, "polls": 0, "busy": None}
    request: dict[str, Any] = {**world.request(), "phase": "collect", "task": task}
    assert list_violations("check-request", request) == []
    forged = {**request, "task": {**task, field: value}} if field == "polls" else {**request, field: value}
    assert len(list_violations("check-request", forged)) >= 1


def test_the_most_polls_that_the_schema_allows_are_done_at_once(world: World) -> None:
    """A pause doubles until it is the longest, and then stays so."""
    world.vcenter.extractions.pace = Pace(None, inf)
    task = world.asked(0)
    world.handle({**world.comes_back(), "task": {**task, "polls": 100_000 - 1}})
    assert 300 <= world.aws.sent[-1].delay_seconds <= 330
