"""What brings a host back to what was accepted asks nothing, and is heard by whoever heard it begin."""

from copy import deepcopy

import pytest
from esx_drift.domain.stored.types import Change, Record

from tests.simulator.wire_software import Software
from tests.unit.checking.reading import one
from tests.unit.checking.world import PROD_A, World

NEWER = ("Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
OLDER = ("Intel-i40en", "1.8.6.0-1OEM.800.1.0.20613240")
OTHER = ("acme-tool", "1.0-1")
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


@pytest.fixture
def accepted(world: World) -> Software:
    """The software that was accepted for each host, as its first copy."""
    world.check()
    return deepcopy(world.vcenter.inventory.host("esx03").software)


def put_back(world: World, host: str, software: Software) -> None:
    """By hand, or by the next remediation."""
    world.vcenter.inventory.host(host).software = deepcopy(software)


def in_short(record: Record) -> list[tuple[str, str, tuple[str, ...], str, bool]]:
    """Each change: its kind, what it is of, on whom, how bad it is, and whether it put something back."""
    return [
        (each["kind"], each["key"], tuple(each["hosts"]), each["severity"], "put_back" in each)
        for each in record["changes"]
    ]


def hosts_of(world: World, *names: str) -> tuple[str, ...]:
    """Their ids."""
    return tuple(world.vcenter.inventory.host(name).host for name in names)


@pytest.mark.parametrize(
    ("driver", "began", "severity"), [(NEWER, "upgraded", "warning"), (OLDER, "downgraded", "critical")]
)
def test_its_end_is_as_bad_as_its_beginning(
    world: World, accepted: Software, driver: tuple[str, str], began: str, severity: str
) -> None:
    """In whichever direction it went; the change back is information, and the event an end."""
    world.vcenter.hosts.set_component("esx03", *driver)
    (drift,) = (beginning := world.check())["events"]
    assert drift["data"]["stack"] == "esx-drift"
    assert in_short(beginning) == [(began, driver[0], hosts_of(world, "esx03"), severity, False)]
    assert (drift["type"], drift["data"]["severity"]) == ("esx-drift.drift.detected", severity)
    assert one(beginning["findings"], "drift-unreviewed")["severity"] == severity
    put_back(world, "esx03", accepted)
    (event,) = (end := world.check())["events"]
    back = {"upgraded": "downgraded", "downgraded": "upgraded"}[began]
    assert in_short(end) == [(back, driver[0], hosts_of(world, "esx03"), "info", True)]
    assert (event["type"], event["data"]["severity"]) == ("esx-drift.drift.resolved", severity)


def test_a_host_is_put_back_while_another_is_not(world: World, accepted: Software) -> None:
    """Of the other nothing is said, and nobody is asked to accept it."""
    world.vcenter.hosts.set_component(["esx03", "esx04"], *NEWER)
    world.check()
    put_back(world, "esx03", accepted)
    (event,) = (record := world.check())["events"]
    assert in_short(record) == [("downgraded", NEWER[0], hosts_of(world, "esx03"), "info", True)]
    assert (event["type"], event["data"]["severity"]) == ("esx-drift.drift.resolved", "warning")
    assert one(record["findings"], "drift-unreviewed")["transition"] == "still"


def test_one_is_put_back_while_another_drifts(world: World, accepted: Software) -> None:
    """The same step of a driver is an end on one host, and begins something on the other."""
    other = deepcopy(accepted)
    world.vcenter.hosts.set_component("esx03", *OLDER)
    world.check()
    world.vcenter.hosts.set_component("esx04", *OLDER)
    put_back(world, "esx03", other)
    (event,) = (record := world.check())["events"]
    assert in_short(record) == [
        ("downgraded", OLDER[0], hosts_of(world, "esx04"), "critical", False),
        ("upgraded", OLDER[0], hosts_of(world, "esx03"), "info", True),
    ]
    assert event["type"] == "esx-drift.drift.detected"


def test_what_was_put_back_in_part_is_said_of_that_part(world: World) -> None:
    """What was accepted is read from the trail, since no host runs it any more."""
    everyone = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.check()
    world.vcenter.hosts.set_component(everyone, *NEWER)
    world.vcenter.hosts.set_component(everyone, *OTHER)
    world.check()
    world.vcenter.hosts.uninstall_component(everyone, OTHER[0])
    (event,) = (record := world.check())["events"]
    assert [each[:2] + each[3:] for each in in_short(record)] == [("removed", OTHER[0], "info", True)]
    assert event["type"] == "esx-drift.drift.resolved"
    assert one(record["findings"], "drift-unreviewed")["transition"] == "still"


def test_where_the_accepted_image_can_not_be_read_nothing_counts_as_put_back(world: World) -> None:
    """Rather once too often than a downgrade that nobody hears of; the damage is told."""
    everyone = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    first = world.check()
    world.vcenter.hosts.set_component(everyone, *NEWER)
    world.vcenter.hosts.set_component(everyone, *OTHER)
    world.check()
    assert first["snapshot"] is not None
    world.spoilt.add(first["snapshot"]["key"])
    world.aws.s3.delete_object(Bucket="audit", Key=first["snapshot"]["key"])
    world.vcenter.hosts.uninstall_component(everyone, OTHER[0])
    record = world.check()
    removed: list[Change] = [each for each in record["changes"] if each["key"] == OTHER[0]]
    assert [(each["severity"], "put_back" in each) for each in removed] == [("warning", False)]
    assert one(record["findings"], "trail-damaged")["transition"] == "opened"


def test_an_orphaned_vib_that_goes_is_an_end(world: World) -> None:
    """A pager that rings for critical beginnings does not ring; that it was critical is still said."""
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    world.check()
    world.vcenter.hosts.remove_orphaned_vib("esx02", VIB)
    (event,) = world.check()["events"]
    assert (event["type"], event["data"]["severity"]) == ("esx-drift.orphaned-vib.resolved", "critical")


def test_the_first_drift_costs_no_read_more(world: World) -> None:
    """What was accepted is what ran before: nothing can be put back, and nothing is looked up."""
    world.check()
    world.vcenter.hosts.set_component("esx03", *NEWER)
    before = len(world.aws.calls)
    world.check()
    reads = [
        call
        for call in world.aws.calls[before:]
        if call[0] == "GetObject" and call[1].startswith("snapshots/")
    ]
    assert len(reads) == 1
