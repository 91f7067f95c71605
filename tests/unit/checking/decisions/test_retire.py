from typing import TYPE_CHECKING

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.errors import RequestRefused

from tests.lab.demo.timeline import BY_HAND, I40EN
from tests.unit.checking.decisions.person import ALICE, Person, answered, decided, retire_requests
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

INTERVAL_SECONDS = 4 * 3600


def _run(world: World) -> "Record":
    world.wait(INTERVAL_SECONDS)
    return world.dispatch()


def _said_of_prod_b(run: "Record") -> list[str]:
    """What a run opens or ends about prod-b; nobody looks at the other clusters meanwhile."""
    return [
        finding["kind"]
        for finding in run["findings"]
        if finding["subject"] in {PROD_B, ""} and finding["transition"] != "still"
    ]


def _watched(world: World) -> None:
    """Three clusters; prod-b has something open."""
    world.vcenter.inventory.add_cluster("prod-c")
    _run(world)
    world.check(PROD_B)
    host = world.vcenter.inventory.hosts_of(PROD_B)[0].name
    world.vcenter.hosts.set_component(host, I40EN, BY_HAND)
    world.check(PROD_B)
    world.check()


def _gone(world: World) -> None:
    _watched(world)
    world.vcenter.inventory.hide_cluster("prod-b")
    assert ("cluster-missing", "opened") in moved(_run(world))


def test_a_cluster_that_is_gone_is_retired(world: World, person: Person) -> None:
    """Its findings and that it is missing close with the reason, and it is dispatched no more."""
    _gone(world)
    before = world.records(PROD_B)
    record = person.retire(PROD_B)
    assert (record["outcome"], decided(record)["taken"]) == ("retired", [PROD_B])
    assert {one_["resolved_because"] for one_ in record["findings"]} == {"retired"}
    assert record["after"]["findings"] == {}
    assert record["after"]["snapshot"] == before[-1]["after"]["snapshot"]
    told = record["events"][0]["data"]
    assert (told["findings"][0]["detail"]["decided_by"], len(told["host_names"])) == (ALICE, 1)
    struck = world.records(VCENTER_LOG)[-1]
    assert moved(struck) == {("cluster-missing", "resolved")}
    assert one(struck["findings"], "cluster-missing")["resolved_because"] == "retired"
    run = _run(world)
    assert run["dispatch"] is not None
    assert PROD_B not in {one_["cluster"] for one_ in run["dispatch"]["expected"]}
    assert _said_of_prod_b(run) == []
    assert world.records(PROD_B)[: len(before)] == before


def test_a_cluster_that_is_listed_is_not_retired(world: World, person: Person) -> None:
    """Whoever means it says so in the fleet file; else it would be watched again at the next run."""
    _watched(world)
    record = person.retire(PROD_B)
    assert (decided(record)["taken"], decided(record)["refused"]) == ([], [PROD_B])
    assert "drift-unreviewed" in open_kinds(record)
    known = world.records(VCENTER_LOG)[-1]["after"]["clusters"] or {}
    assert known[PROD_B]["retired_at"] is None


def test_a_cluster_that_a_pattern_leaves_out_is_retired_though_listed(world: World, person: Person) -> None:
    """Before the next run does it by itself."""
    _watched(world)
    world.set(exclude=("prod-b",))
    assert decided(person.retire(PROD_B))["taken"] == [PROD_B]


def test_a_cluster_that_nobody_knows_is_refused(world: World, person: Person) -> None:
    """Nor is a log begun for it."""
    _run(world)
    with pytest.raises(RequestRefused, match="never listed a cluster 'domain-c7'"):
        person.retire("domain-c7")
    assert world.records("domain-c7") == []


def test_a_retired_cluster_that_is_listed_again_is_watched_again(world: World, person: Person) -> None:
    """With a notice, compared with what it last ran, and not late at once."""
    _gone(world)
    person.retire(PROD_B)
    world.wait(10 * INTERVAL_SECONDS)
    world.vcenter.inventory.hide_cluster("prod-b", hidden=False)
    run = _run(world)
    assert [notice for notice in run["notices"] if "prod-b (domain-c1008) is watched again" in notice]
    assert run["dispatch"] is not None
    assert PROD_B in {one_["cluster"] for one_ in run["dispatch"]["expected"]}
    assert _said_of_prod_b(run) == []
    record = world.check(PROD_B)
    assert (record["outcome"], record["changes"]) == ("changed", [])
    assert ("drift-unreviewed", "opened") in moved(record)


def test_nothing_is_decided_on_a_retired_cluster(world: World, person: Person) -> None:
    """Until it is listed again: nobody would look at it. Its log says who was refused."""
    _gone(world)
    shown = person.shown(PROD_B)
    person.retire(PROD_B)
    state = world.records(PROD_B)[-1]["after"]
    for record in (
        answered(world, person.request("accept", PROD_B, hosts=shown)),
        person.maintain(3600, PROD_B),
        person.maintain(None, PROD_B),
    ):
        decision = decided(record)
        hosts = [*shown] if record["outcome"] == "accepted" else [PROD_B]
        assert (decision["taken"], decision["refused"]) == ([], hosts)
        assert (record["events"], record["findings"]) == ([], [])
        assert {**record["after"], "answered": []} == {**state, "answered": []}
    world.vcenter.inventory.hide_cluster("prod-b", hidden=False)
    _run(world)
    world.check(PROD_B)
    assert decided(person.maintain(3600, PROD_B))["taken"] == [PROD_B]
    accepted = answered(world, person.request("accept", PROD_B, hosts=person.shown(PROD_B)))
    assert decided(accepted)["taken"] == [*shown]


def test_what_a_pattern_leaves_out_is_retired_once(world: World) -> None:
    """The dispatcher asks for it, in the fleet file's name; its log is closed, and no run asks again."""
    _gone(world)
    world.set(exclude=("prod-b",))
    run = _run(world)
    assert one(run["findings"], "cluster-missing")["resolved_because"] == "retired"
    assert run["dispatch"] is not None
    assert run["dispatch"]["excluded"] == [
        {"cluster": PROD_B, "name": "prod-b", "pattern": "exclude: prod-b"}
    ]
    (request,) = retire_requests(world)
    record = answered(world, request)
    assert (decided(record)["by"], decided(record)["reason"]) == ("the fleet file", "exclude: prod-b")
    assert record["after"]["findings"] == {}
    _run(world)
    assert len(retire_requests(world)) == 1
    world.set(exclude=())
    assert _said_of_prod_b(_run(world)) == []


def test_what_is_listed_and_left_out_is_named_each_time(world: World) -> None:
    """And what was left out from the start has no log to close."""
    world.set(exclude=("prod-b",))
    for _ in range(2):
        run = _run(world)
        assert run["dispatch"] is not None
        assert [one_["cluster"] for one_ in run["dispatch"]["excluded"]] == [PROD_B]
        assert [one_["cluster"] for one_ in run["dispatch"]["expected"]] == [PROD_A]
    assert retire_requests(world) == []
    world.set(exclude=())
    assert "cluster prod-b (domain-c1008) is watched again" in _run(world)["notices"][0]


def test_a_pattern_that_was_taken_back_meanwhile_retires_nothing(world: World) -> None:
    """The request comes late: the cluster is watched again."""
    _watched(world)
    world.set(exclude=("prod-b",))
    _run(world)
    (late,) = retire_requests(world)
    world.set(exclude=())
    _run(world)
    record = answered(world, late)
    assert decided(record)["refused"] == [PROD_B]
    assert "drift-unreviewed" in open_kinds(record)


def test_clusters_that_a_pattern_leaves_out_are_not_lost(world: World) -> None:
    """Most clusters deleted, and left out in the fleet file: that is no lost permission."""
    _watched(world)
    world.set(exclude=("prod-[bc]",))
    world.vcenter.inventory.remove_cluster("prod-b")
    world.vcenter.inventory.remove_cluster("prod-c")
    assert _said_of_prod_b(_run(world)) == []
