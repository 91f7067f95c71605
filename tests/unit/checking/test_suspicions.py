"""Met once is a suspicion; met again, long enough after, it is told."""

import pytest

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

EXTRACT = "POST *domain-c9/installed-images"
REPORT = "GET *domain-c9/installed-images"
TRANSIENT = [
    pytest.param(fault_kinds.connection("close"), "vcenter-unreachable", id="unreachable"),
    pytest.param(fault_kinds.no_healthy_upstream(), "vcenter-unavailable", id="unavailable"),
    pytest.param(fault_kinds.status(500), "vcenter-error", id="error"),
]


@pytest.mark.parametrize(("fault", "kind"), TRANSIENT)
def test_twice_running_opens(world: World, fault: Fault, kind: str) -> None:
    """The first try is a suspicion and comes back by itself; the second opens, dated from the first."""
    world.check()
    world.vcenter.faults.inject(EXTRACT, fault)
    request = world.request()
    first = world.handle(request)
    assert first is not None
    assert first["outcome"] == "not-looked"
    assert first["events"] == []
    again = world.aws.sent[-1]
    assert 600 <= again.delay_seconds <= 660
    assert (again.body["attempt"], again.body["phase"], again.body["task"]) == (1, "extract", None)
    assert again.body["request_id"] != request["request_id"]
    second = world.handle(world.comes_back())
    assert second is not None
    assert moved(second) == {(kind, "opened")}
    assert one(second["findings"], kind)["opened_at"] == first["checked_at"]
    assert world.aws.sent[-1] == again, "nothing more is sent"
    world.vcenter.faults.clear()
    assert moved(world.check()) == {(kind, "resolved")}


@pytest.mark.parametrize(
    "route", [EXTRACT, REPORT, "GET /api/cis/tasks/*", "GET /api/vcenter/host", "GET /sdk/*"]
)
def test_one_bad_moment_tells_nothing(world: World, route: str) -> None:
    """Whichever call meets it: the second try looks, and the suspicion is gone."""
    world.check()
    world.vcenter.faults.inject(route, fault_kinds.status(503), times=1)
    suspected = world.check()
    assert suspected["outcome"] == "not-looked"
    assert list(suspected["after"]["suspects"]) != []
    record = world.follow(world.comes_back())
    assert record["outcome"] == "unchanged"
    assert record["after"]["suspects"] == {}
    assert all(event["type"] == "esx-drift.baseline.recorded" for event in world.topic.published)


def test_a_long_confirmation_is_waited_for_in_steps(world: World) -> None:
    """SQS delays by 15 minutes at most: the request comes back until the time is over."""
    world.set(confirm_after_seconds=2000)
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503))
    world.handle(world.request())
    started, tries = world.now, 0
    while not world.topic.published:
        world.handle(world.comes_back())
        tries += 1
    assert (world.now - started).total_seconds() == 2700
    assert tries == 3


def test_a_long_confirmation_has_one_chain(world: World) -> None:
    """Checks by schedule that meet the same meanwhile count, and ask for no tries of their own."""
    world.set(confirm_after_seconds=86_400)
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503))
    started = world.now
    world.handle(world.request())
    for tries in range(1, 97):
        assert [sent.body["attempt"] for sent in world.aws.sent] == [*range(1, tries + 1)]
        assert world.topic.published == []
        if tries % 16 == 0:
            world.handle(world.request())
        world.handle(world.comes_back())
    assert (world.now - started).total_seconds() == 86_400
    assert len(world.aws.sent) == 96
    (event,) = world.topic.published
    assert event["data"]["findings"][0]["kind"] == "vcenter-unavailable"


def test_a_repeated_message_asks_for_the_same_again(world: World) -> None:
    """The process may have ended after its record: the same second try is sent, under the same id."""
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503))
    request = world.request()
    assert world.handle(request) == world.handle(request)
    first, second = world.aws.sent
    assert first.body["request_id"] == second.body["request_id"]
    assert len(world.records()) == 1


def test_other_failures_open_at_once(world: World) -> None:
    """A privilege does not come back by waiting: told at the first meeting, and nothing is sent."""
    world.check()
    world.vcenter.grant_all()
    world.vcenter.inventory.hide_cluster(PROD_A)
    sent = len(world.aws.sent)
    record = world.check()
    assert moved(record) == {("vcenter-authorization", "opened")}
    assert one(record["findings"], "vcenter-authorization")["severity"] == "critical"
    assert len(world.aws.sent) == sent


def test_a_deleted_cluster_is_missing(world: World) -> None:
    """404 EntityNotFound: told, open, and never retired by itself."""
    world.check(PROD_B)
    world.vcenter.inventory.remove_cluster(PROD_B)
    assert moved(world.check(PROD_B)) == {("cluster-missing", "opened")}
    assert moved(world.check(PROD_B)) == set()


def test_a_second_try_without_extraction_collects(world: World) -> None:
    """A vCenter that is only read is never asked to extract, at no try."""
    world.set(extract=False)
    world.vcenter.faults.inject(REPORT, fault_kinds.status(503), times=1)
    world.handle(world.request())
    again = world.comes_back()
    assert (again["phase"], again["task"]) == ("collect", None)
    assert world.follow(again)["outcome"] == "baseline"
    assert world.vcenter.extractions.count == 2, "those of the preparation"


def test_a_suspicion_and_a_finding_of_other_kinds_stay_apart(world: World) -> None:
    """Unreachable, then 500: each is met once, so nothing is told."""
    world.check()
    world.vcenter.faults.inject(EXTRACT, fault_kinds.connection("close"), times=1)
    world.check()
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(500), times=1)
    second = world.handle(world.comes_back())
    assert second is not None
    assert moved(second) == set()
    assert sorted(one["kind"] for one in second["after"]["suspects"].values()) == [
        "vcenter-error",
        "vcenter-unreachable",
    ]


def test_what_a_vcenter_answers_proves_that_it_is_there(world: World) -> None:
    """An outage that ends in a cluster which can't be extracted has ended."""
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503))
    world.handle(world.request())
    world.handle(world.comes_back())
    assert open_kinds(world.records()[-1]) == {"vcenter-unavailable"}
    world.vcenter.faults.clear()
    world.vcenter.inventory.set_outcome(PROD_A, None, refused=True)
    assert moved(world.check()) == {("vcenter-unavailable", "resolved"), ("eligibility-failed", "opened")}


def test_a_check_that_comes_again_asks_for_no_try_that_was_made(world: World) -> None:
    """Before that it does: whoever had the message may have ended before he sent anything."""
    world.check()
    world.vcenter.faults.inject("POST *domain-c9/installed-images", fault_kinds.status(503))
    request = world.request()
    world.handle(request)
    world.handle(request)
    first, again = (sent.body for sent in world.aws.sent if sent.body["attempt"] == 1)
    assert first["request_id"] == again["request_id"]
    world.handle(world.comes_back())
    sent = len(world.aws.sent)
    world.handle(request)
    assert len(world.aws.sent) == sent
