"""A decision or check that comes again after many others: it is answered, and not carried out again."""

from tests.lab.demo.timeline import BY_HAND, I40EN, SHIPPED
from tests.unit.checking.decisions.person import Person, answered
from tests.unit.checking.reading import moved, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

MANY = 21
"""One more than a record names of those that were answered."""


def _check_often(world: World, cluster: str) -> None:
    """Read the last report once more, often."""
    world.set(extract=False)
    for _ in range(MANY):
        assert world.check(cluster)["outcome"] == "same-report"
    world.set(extract=True)


def test_an_accept_that_is_redriven_accepts_nothing_again(world: World, person: Person) -> None:
    """The same change is back, and nobody has approved it this time."""
    world.check()
    world.vcenter.hosts.set_component("esx02", I40EN, BY_HAND)
    world.check()
    request = person.request("accept", hosts=person.shown())
    first = answered(world, request)
    assert moved(first) == {("drift-unreviewed", "resolved")}
    world.vcenter.hosts.set_component("esx02", I40EN, SHIPPED)
    world.check()
    person.accept(person.shown())
    _check_often(world, PROD_A)
    world.vcenter.hosts.set_component("esx02", I40EN, BY_HAND)
    assert "drift-unreviewed" in open_kinds(world.check())
    before = world.records()
    assert first["seq"] not in {one["seq"] for one in before[-1]["after"]["answered"]}
    assert answered(world, request) == first
    assert world.records() == before


def test_a_retire_that_is_redriven_ends_no_watch_again(world: World, person: Person) -> None:
    """The cluster came back and is missing anew: a person has to decide anew."""
    world.dispatch()
    world.check(PROD_B)
    world.vcenter.inventory.hide_cluster(PROD_B)
    world.dispatch()
    request = person.request("retire", PROD_B)
    first = answered(world, request)
    assert first["outcome"] == "retired"
    world.vcenter.inventory.hide_cluster(PROD_B, hidden=False)
    for _ in range(MANY):
        world.dispatch()
    _check_often(world, PROD_B)
    world.vcenter.inventory.hide_cluster(PROD_B)
    assert ("cluster-missing", "opened") in moved(world.dispatch())
    before = world.records(PROD_B)
    assert answered(world, request) == first
    assert world.records(PROD_B) == before
    again = world.dispatch()
    assert "cluster-missing" in open_kinds(again)
    assert again["after"]["clusters"][PROD_B]["retired_at"] is None  # type: ignore[index]  # it is there


def test_a_check_that_is_redriven_looks_at_nothing_again(world: World) -> None:
    """After more checks than a record names, too: it is answered by its own record."""
    request = world.request(PROD_A)
    first = world.follow(request)
    _check_often(world, PROD_A)
    before, calls = world.records(), len(world.vcenter.journal)
    world.vcenter.hosts.set_component("esx02", I40EN, BY_HAND)
    assert world.handle(request) == first
    assert world.records() == before
    assert len(world.vcenter.journal) == calls
