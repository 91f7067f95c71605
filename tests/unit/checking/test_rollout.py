"""A rollout and a host that comes and goes, through the real checks: what is recorded, and what is heard."""

from esx_drift.domain.events import select_for_people
from esx_drift.domain.stored.types import EventData, Record
from esx_drift.messages.content import build_content
from esx_drift.messages.rollout_lines import HEARD_AGAIN

from tests.lab.demo.timeline import BY_HAND, I40EN
from tests.unit.checking.reading import moved, one
from tests.unit.checking.world import PROD_A, World

U3E = "8.0 U3e"


def heard(record: Record) -> list[EventData]:
    """What people are told of a check."""
    found = [select_for_people(event["data"]) for event in record["events"]]
    return [data for data in found if data is not None]


def test_a_rollout_is_told_when_it_begins_stalls_and_ends(world: World) -> None:
    """Host by host it is only recorded, also while one can't be read."""
    world.check()
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.upgrade(names[0], U3E)
    begin = world.check()
    assert moved(begin) == {("image-not-uniform", "opened"), ("drift-unreviewed", "opened")}
    assert one(begin["findings"], "image-not-uniform")["severity"] == "info"
    assert [data["suppressed"] for data in heard(begin)] == [{}]
    world.vcenter.hosts.upgrade(names[1], U3E)
    quiet = world.check()
    assert {change.get("suppressed_by") for change in quiet["changes"]} == {"rollout"}
    assert (heard(quiet), quiet["events"] != []) == ([], True)
    world.vcenter.hosts.fail_extraction(names[3])
    assert ("image-not-uniform", "raised") not in moved(world.check())
    stalled = world.check()
    assert ("image-not-uniform", "raised") in moved(stalled)
    rollout = one(stalled["findings"], "image-not-uniform")["detail"]["rollout"]
    assert isinstance(rollout, dict)
    assert (rollout["state"], rollout["done"], rollout["of"]) == ("stalled", 2, len(names))
    (unseen,) = (host.host for host in world.vcenter.inventory.hosts_of(PROD_A) if host.name == names[3])
    assert rollout["unseen"] == [unseen]
    world.vcenter.hosts.fail_extraction(names[3], None)
    world.vcenter.hosts.upgrade(names[2:], U3E)
    end = world.check()
    ended = one(end["findings"], "image-not-uniform")
    assert (ended["transition"], ended["severity"]) == ("resolved", "warning")
    (drift,) = (
        data for data in heard(end) if "drift-unreviewed" in {each["kind"] for each in data["findings"]}
    )
    assert drift["changes"] == []
    assert [each["kind"] for each in drift["findings"] if each["transition"] == "resolved"] == [
        "image-not-uniform"
    ]
    assert end["after"]["rollout"] is not None


def test_what_was_accepted_keeps_its_name_when_no_host_runs_it_any_more(world: World) -> None:
    """The labels of a release go with the last host that runs it; what people read must not change then."""
    world.check()
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.upgrade(names, U3E)
    said = one(world.check()["after"]["findings"].values(), "drift-unreviewed")["summary"]
    assert "not as last accepted: ESXi 8.0 U3e (build 24674464) from U3" in said
    assert one(world.check()["after"]["findings"].values(), "drift-unreviewed")["summary"] == said
    world.vcenter.hosts.add_orphaned_vib(names[0], "x(1)")
    assert one(world.check()["after"]["findings"].values(), "drift-unreviewed")["summary"] == said


def test_a_host_that_comes_and_goes_is_said_once(world: World) -> None:
    """And told again when it is read for a day."""
    world.check()
    name = world.vcenter.inventory.hosts_of(PROD_A)[0].name
    told = []
    for _ in range(4):
        world.vcenter.hosts.fail_extraction(name)
        told.append(len(heard(world.check())))
        world.vcenter.hosts.fail_extraction(name, None)
        told.append(len(heard(world.check())))
    assert told == [1, 1, 1, 1, 1, 0, 0, 0]
    steady = [heard(world.check()) for _ in range(7)]
    assert [len(each) for each in steady] == [0, 0, 0, 0, 0, 1, 0]
    (finding,) = steady[5][0]["findings"]
    assert finding["transition"] == "resolved"
    said = finding["detail"]["flapping"]
    assert isinstance(said, dict)
    assert (said["times"], said["steady"]) == (4, True)
    assert world.after().get("turns") == {}


def test_an_upgrade_of_hosts_that_differed_before_is_told_as_one(world: World) -> None:
    """When it begins and when it is done, though that they differ is neither news nor over."""
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.set_component(names[-1], I40EN, BY_HAND)
    world.check()
    world.vcenter.hosts.upgrade(names[0], U3E)
    begin = world.check()
    assert ("image-not-uniform", "still") in {
        (finding["kind"], finding["transition"]) for finding in begin["findings"]
    }
    (content,) = map(build_content, begin["events"])
    assert content.title.startswith(f"Upgrade under way: 1 of {len(names)} hosts on ESXi 8.0 U3e")
    assert HEARD_AGAIN in content.notes
    where, *others = content.items
    assert (where, len(others)) == (f"On {names[0]}", 2)
    assert not any("ESXi 8.0 U3e" in line or names[0] in line for line in others)
    world.vcenter.hosts.set_component(names[1], I40EN, BY_HAND)
    (other,) = map(build_content, world.check()["events"])
    assert other.title.startswith(I40EN)
    world.vcenter.hosts.upgrade(names[1:], U3E)
    (done,) = map(build_content, world.check()["events"])
    assert done.title.startswith(f"Upgrade done: {len(names)} of {len(names)} hosts on ESXi 8.0 U3e")
    assert "uniform again" not in done.title
    assert "In other parts the hosts still differ." in done.notes


def test_what_else_changed_as_an_upgrade_began_is_listed_with_its_hosts(world: World) -> None:
    """A driver on another host is no part of it."""
    world.check()
    first, second, *_ = (host.name for host in world.vcenter.inventory.hosts_of(PROD_A))
    world.vcenter.hosts.upgrade(first, U3E)
    world.vcenter.hosts.set_component(second, I40EN, BY_HAND)
    (content,) = map(build_content, world.check()["events"])
    assert content.title.startswith("Upgrade under way: 1 of ")
    assert any(I40EN in line and line.endswith(f" · {second}") for line in content.items)
