"""A host that was never compared with anything is described once: when a look first sees what it runs."""

import pytest

from tests.unit.checking.reading import moved, of_host, one, open_kinds, told
from tests.unit.checking.world import PROD_A, PROD_B, World

I40EN = "Intel-i40en"
OLDER = "1.8.6.0-1OEM.700.1.0.15843807"
VIB = "mft(4.25.0.802-0)"


def join_unread(world: World, *, differs: bool = True) -> str:
    """A host joins prod-a, and can't be read yet; its id."""
    software = world.vcenter.inventory.host("esx01").software
    host = world.vcenter.inventory.add_host("prod-a", "esx77", software)
    if differs:
        world.vcenter.hosts.set_component("esx77", I40EN, OLDER)
    world.vcenter.hosts.fail_extraction("esx77")
    return host


@pytest.mark.parametrize("differs", [False, True])
@pytest.mark.parametrize("looks", [1, 2])
def test_a_host_that_joins_unread_is_described_when_it_is_read(
    world: World, looks: int, *, differs: bool
) -> None:
    """However many looks later. That it joined is told at once, and no more than that."""
    world.check()
    host = join_unread(world, differs=differs)
    record = world.check()
    assert told(record) == {("host", "added", host)}
    assert (of_host(record)["severity"], of_host(record)["detail"]) == ("info", None)
    for _ in range(looks - 1):
        assert world.check()["changes"] == []
    world.vcenter.hosts.fail_extraction("esx77", None)
    world.vcenter.hosts.add_orphaned_vib("esx77", VIB)
    record = world.check()
    assert told(record) == {("host", "added", host)}
    change = of_host(record)
    detail = change["detail"] or {}
    assert change["severity"] == ("warning" if differs else "info")
    assert (detail["compared_with"], detail["was_unseen"]) == (4, True)
    assert bool(detail["differences"]) == differs
    assert moved(record) >= {("host-failed", "resolved"), ("orphaned-vib", "opened")}
    assert [event["type"] for event in record["events"] if event["data"]["changes"]] == [
        "esx-drift.drift.detected"
    ]
    assert world.check()["changes"] == []


def test_a_host_of_the_first_look_that_it_could_not_read_is_described_too(world: World) -> None:
    """Nobody knows since when it differs."""
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.vcenter.hosts.fail_extraction("esx04")
    assert world.check()["outcome"] == "baseline"
    world.vcenter.hosts.fail_extraction("esx04", None)
    record = world.check()
    host = world.vcenter.inventory.host("esx04").host
    assert told(record) == {("host", "added", host)}
    assert of_host(record)["severity"] == "warning"
    assert "image-not-uniform" in open_kinds(record)
    assert record["after"]["accepted"][host]["image"] == world.snapshot()["hosts"][host]["image"]


def test_a_host_that_nobody_read_where_it_was_before_is_described(world: World) -> None:
    """It is told where it was, too; at a first look as well, where it is held against all that run there."""
    world.vcenter.hosts.fail_extraction("esx04")
    world.check(PROD_A)
    world.vcenter.hosts.fail_extraction("esx04", None)
    world.vcenter.hosts.move("esx04", "prod-b")
    change = of_host(world.check(PROD_B))
    detail = change["detail"] or {}
    assert detail["moved_from"] == {"id": PROD_A, "name": "prod-a"}
    assert (change["kind"], change["severity"], detail["compared_with"]) == ("added", "warning", 3)


def test_a_host_that_was_removed_unread_is_described_when_it_is_added_again(world: World) -> None:
    """Nobody knows what it ran before: that it is back is no comparison."""
    world.vcenter.hosts.fail_extraction("esx04")
    world.check()
    old = world.vcenter.inventory.host("esx04").host
    new = world.vcenter.inventory.re_add_host("esx04")
    world.vcenter.hosts.fail_extraction("esx04", None)
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    change = of_host(world.check())
    assert (change["kind"], change["from"], change["to"]) == ("changed", old, new)
    assert (change["detail"] or {})["compared_with"] == 3


def test_a_host_that_is_added_again_while_unread_is_compared_with_what_it_ran(world: World) -> None:
    """It came back unread, and is added again: what was known of it before counts, and what was accepted."""
    world.check()
    world.vcenter.inventory.re_add_host("esx04")
    world.vcenter.hosts.fail_extraction("esx04")
    world.check()
    unread = world.vcenter.inventory.host("esx04").host
    new = world.vcenter.inventory.re_add_host("esx04")
    world.vcenter.hosts.fail_extraction("esx04", None)
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    record = world.check()
    assert told(record) == {("host", "changed", new), ("component", "downgraded", I40EN)}
    assert of_host(record)["from"] == unread
    assert one(record["findings"], "drift-unreviewed")["hosts"] == [new]
    assert record["after"]["departed"] == {}


def test_a_new_witness_is_not_held_against_the_others(world: World) -> None:
    """It is an appliance with an image of its own."""
    world.check()
    world.vcenter.inventory.add_host("prod-a", "witness")
    world.vcenter.hosts.make_witness("witness")
    record = world.check()
    assert (of_host(record)["severity"], of_host(record)["detail"]) == ("info", None)
    assert "image-not-uniform" not in open_kinds(record)
