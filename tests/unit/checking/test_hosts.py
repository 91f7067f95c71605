"""Hosts that leave, join and come back: taking a host out for a while hides nothing."""

import pytest

from tests.unit.checking.reading import moved, of_host, one, open_kinds, told
from tests.unit.checking.world import World

I40EN = "2.9.2.0-1OEM.800.1.0.20613240"
VIB = "mft(4.25.0.802-0)"


def take_out(world: World, name: str) -> None:
    """Remove a host for now; `bring_back` has it."""
    world.vcenter.inventory.remove_host(name)


def bring_back(world: World, name: str) -> str:
    """Add a host of this name, with what prod-a's hosts run, under a new id."""
    return world.vcenter.inventory.add_host("prod-a", name, world.vcenter.inventory.host("esx01").software)


def test_a_host_joins(world: World) -> None:
    """It is told, its first software stands for what is accepted, and its orphaned VIBs do not."""
    world.check()
    host = bring_back(world, "esx09")
    world.vcenter.hosts.add_orphaned_vib("esx09", VIB)
    record = world.check()
    assert told(record) == {("host", "added", host), ("orphaned_vib", "added", VIB)}
    accepted = record["after"]["accepted"][host]
    assert accepted["image"] == world.snapshot()["hosts"][host]["image"]
    assert accepted["orphaned_vibs"] == []
    assert one(record["findings"], "orphaned-vib")["severity"] == "critical"


def test_a_host_leaves(world: World) -> None:
    """It is told once, and what it ran is kept for the day its name comes back."""
    world.check()
    host = world.vcenter.inventory.host("esx04").host
    before = world.snapshot()["hosts"][host]
    take_out(world, "esx04")
    record = world.check()
    assert told(record) == {("host", "removed", host)}
    departed = record["after"]["departed"][host]
    assert (departed["name"], departed["image"], departed["left_at"]) == (
        "esx04",
        before["image"],
        record["checked_at"],
    )
    assert world.check()["outcome"] == "unchanged"


@pytest.mark.parametrize(("days", "is_known"), [(89, True), (91, False)])
def test_a_host_that_left_is_remembered_for_a_quarter(world: World, days: int, *, is_known: bool) -> None:
    """With what was accepted for it; then both are forgotten, and the same name is a new host."""
    world.check()
    old = world.vcenter.inventory.host("esx04").host
    take_out(world, "esx04")
    world.check()
    world.wait(days * 86_400)
    after = world.check()["after"]
    assert (old in after["departed"]) == (old in after["accepted"]) == is_known
    assert len(after["accepted"]) == 3 + is_known
    new = bring_back(world, "esx04")
    assert told(world.check()) == {("host", "changed" if is_known else "added", new)}


@pytest.mark.parametrize("away", [0, 2])
@pytest.mark.parametrize(("before", "name"), [("esx04", "esx04"), ("esx04", "ESX04"), ("ESX04", "esx04")])
def test_a_host_that_comes_back_changed_is_found_out(world: World, before: str, name: str, away: int) -> None:
    """Under a new id, within one check or after some, in whatever case: its change is named at once."""
    world.vcenter.inventory.host("esx04").name = before
    world.check()
    old = world.vcenter.inventory.host(before).host
    take_out(world, before)
    for _ in range(away):
        world.check()
    new = bring_back(world, name)
    world.vcenter.hosts.set_component(name, "Intel-i40en", I40EN)
    record = world.check()
    assert told(record) == {("host", "changed", new), ("component", "upgraded", "Intel-i40en")}
    assert (of_host(record)["from"], of_host(record)["to"]) == (old, new)
    assert one(record["findings"], "drift-unreviewed")["hosts"] == [new]
    assert record["after"]["departed"] == {}
    assert old not in record["after"]["accepted"]
    assert world.check()["outcome"] == "unchanged"


@pytest.mark.parametrize("away", [0, 1])
def test_a_host_that_comes_back_unseen_is_compared_when_it_is_seen(world: World, away: int) -> None:
    """It can't be read at first, so nothing is known of it; then it is compared with what it ran before."""
    world.check()
    take_out(world, "esx04")
    for _ in range(away):
        world.check()
    new = bring_back(world, "esx04")
    world.vcenter.hosts.set_component("esx04", "Intel-i40en", I40EN)
    world.vcenter.hosts.fail_extraction("esx04")
    assert told(world.check()) == {("host", "changed", new)}
    assert world.check()["changes"] == []
    world.vcenter.hosts.fail_extraction("esx04", None)
    record = world.check()
    assert told(record) == {("component", "upgraded", "Intel-i40en")}
    assert one(record["findings"], "drift-unreviewed")["hosts"] == [new]
    assert record["after"]["departed"] == {}


def test_a_host_that_comes_back_unseen_and_leaves_again_is_still_known(world: World) -> None:
    """What was seen of it last is not replaced by nothing."""
    world.check()
    take_out(world, "esx04")
    world.check()
    bring_back(world, "esx04")
    world.vcenter.hosts.fail_extraction("esx04")
    world.check()
    take_out(world, "esx04")
    world.check()
    new = bring_back(world, "esx04")
    world.vcenter.hosts.set_component("esx04", "Intel-i40en", I40EN)
    assert told(world.check()) == {("host", "changed", new), ("component", "upgraded", "Intel-i40en")}


def test_a_host_that_was_never_seen_comes_back_as_the_same(world: World) -> None:
    """Nothing is known to compare it with; its return is told all the same."""
    world.vcenter.hosts.fail_extraction("esx04")
    world.check()
    take_out(world, "esx04")
    world.check()
    new = bring_back(world, "esx04")
    assert told(world.check()) == {("host", "changed", new)}


def test_what_was_accepted_follows_a_host_to_its_new_id(world: World) -> None:
    """An orphaned VIB that was there at the first look is no worse on the same host under another id."""
    world.vcenter.hosts.add_orphaned_vib("esx04", VIB)
    world.check()
    new = world.vcenter.inventory.re_add_host("esx04")
    record = world.check()
    assert told(record) == {("host", "changed", new)}
    assert one(record["findings"], "orphaned-vib")["severity"] == "warning"
    assert record["after"]["accepted"][new]["orphaned_vibs"] == [VIB]
    assert open_kinds(record) == {"orphaned-vib"}


def test_a_host_that_moves_away_and_back_under_its_id(world: World) -> None:
    """It left this cluster and joined it again: compared with what it ran here."""
    world.check()
    world.vcenter.hosts.move("esx04", "prod-b")
    assert {kind for _, kind, _ in told(world.check())} == {"removed"}
    world.vcenter.hosts.set_component("esx04", "Intel-i40en", I40EN)
    world.vcenter.hosts.move("esx04", "prod-a")
    host = world.vcenter.inventory.host("esx04").host
    record = world.check()
    assert told(record) == {("host", "added", host), ("component", "upgraded", "Intel-i40en")}
    assert ("drift-unreviewed", "opened") in moved(record)


def test_a_host_that_drifted_and_is_not_seen_any_more_was_not_put_back(world: World) -> None:
    """Unknown is not resolved: what is open on it stays, and closes only when it is seen as it was."""
    world.check()
    before = world.vcenter.inventory.host("esx02").software["components"]["Intel-i40en"]["version"]
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", I40EN)
    assert open_kinds(world.check()) == {"drift-unreviewed", "image-not-uniform"}
    world.vcenter.hosts.fail_extraction("esx02")
    blind = world.check()
    assert open_kinds(blind) == {"drift-unreviewed", "image-not-uniform", "host-failed"}
    assert {event["type"] for event in blind["events"]} == {"esx-drift.failure.detected"}
    world.vcenter.hosts.fail_extraction("esx02", None)
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", before)
    assert open_kinds(world.check()) == set()


def test_a_host_that_is_not_seen_opens_nothing(world: World) -> None:
    """What it ran last differs from what the others run now, and nobody knows what it runs now."""
    world.check()
    world.vcenter.hosts.fail_extraction("esx02")
    world.check()
    others = [host.name for host in world.vcenter.inventory.hosts_of("domain-c9") if host.name != "esx02"]
    world.vcenter.hosts.set_component(others, "Intel-i40en", I40EN)
    record = world.check()
    assert open_kinds(record) == {"drift-unreviewed", "host-failed"}
    assert one(record["findings"], "drift-unreviewed")["hosts"] == [
        world.vcenter.inventory.host(name).host for name in others
    ]


def test_a_host_that_is_back_under_a_new_id_did_not_leave(world: World) -> None:
    """What was put back on it by the way was put back: that is how its findings end."""
    world.check()
    before = world.vcenter.inventory.host("esx03").software
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    assert "drift-unreviewed" in open_kinds(world.check())
    world.vcenter.inventory.re_add_host("esx03")
    world.vcenter.inventory.host("esx03").software = before
    record = world.check()
    assert ("host", "changed") in {(change["element"], change["kind"]) for change in record["changes"]}
    because = {finding["resolved_because"] for finding in record["findings"]}
    assert because == {"reverted"}
