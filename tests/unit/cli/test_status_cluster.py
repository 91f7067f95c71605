"""``esx-drift status CLUSTER`` on what real checks of a simulated vCenter left behind."""

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.acceptance import MAX_LISTED_DIFFERENCES
from esx_drift.domain.stored.identifiers import FLEET_KEY
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import format_end, format_moment

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN
from tests.paths import GOLDEN
from tests.simulator import fault_kinds
from tests.simulator.sessions import USER
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.decisions.person import ALICE, Person
from tests.unit.checking.world import PROD_A, World
from tests.unit.cli.conftest import Run
from tests.unit.fleets import fleet

__all__ = ["ca", "checking", "cloud", "tls", "world"]

SCREEN = GOLDEN / "status"


@pytest.fixture
def drifted(world: World, checking: Consumer, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 -- the stack
    """prod-a was looked at: one driver by hand, a VIB on two hosts, one host not read; two hours ago."""
    world.dispatch()
    world.check()
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.set_component(names[0], I40EN, BY_HAND)
    world.vcenter.hosts.add_orphaned_vib(names[1:3], FOOTHOLD)
    world.vcenter.hosts.fail_extraction(names[3])
    world.check()
    world.wait(7200)
    monkeypatch.setattr("esx_drift.cli.status.read_clock", world.clock)
    # As on a terminal of 80 columns.
    monkeypatch.setattr("esx_drift.cli.terminal.PIPE_WIDTH", 80)
    return world


@pytest.mark.parametrize(("golden", "arguments"), [("cluster.txt", ("prod-a",)), ("fleet.txt", ())])
def test_what_a_person_sees_on_80_columns(
    drifted: World, run: Run, golden: str, arguments: tuple[str, ...], *, refresh_goldens: bool
) -> None:
    """Host by host with release, build, add-on and image group, and each finding in full; or the table."""
    ran = run("status", *arguments)
    assert (ran.code, ran.err) == (0, "")
    name = drifted.watched.name
    lines = ran.out.replace(f"{name}:", "vc01:").replace(name, "vc01".ljust(len(name))).splitlines()
    shown = "".join(f"{line.rstrip()}\n" for line in lines)
    path = Path(SCREEN / golden)
    if refresh_goldens:
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text()


def test_a_cluster_is_json_and_csv_as_well(drifted: World, run: Run) -> None:
    """The cluster with its hosts, by the schema; a line a host."""
    ran = run("status", PROD_A, "--vcenter", drifted.watched.name, "--format", "json", "--exit-code")
    assert ran.code == 1
    shown = json.loads(ran.out)
    assert list_violations("status", shown) == []
    (cluster,) = shown["clusters"]
    by_hand, *_, unread = cluster["hosts"]
    assert (by_hand["name"], by_hand["image_group"], by_hand["seen"]) == ("esx01", "B", True)
    assert (unread["name"], unread["seen"], unread["unseen_because"]) == (
        "esx04", False, "could not be read (connected, powered on)",
    )  # fmt: skip
    lines = list(csv.DictReader(run("status", PROD_A, "--format", "csv").out.splitlines()))
    assert [(line["name"], line["build"], line["orphaned_vibs"]) for line in lines][:2] == [
        ("esx01", "24585383", ""),
        ("esx02", "24585383", FOOTHOLD),
    ]


def test_hosts_that_were_never_seen_are_listed(world: World, checking: Consumer, run: Run) -> None:  # noqa: ARG001 -- the stack
    """A first look that reads nobody; and a cluster that nobody looked at yet."""
    world.dispatch()
    assert "never looked at" in run("status", "prod-a").out
    for host in world.vcenter.inventory.hosts_of(PROD_A):
        world.vcenter.hosts.fail_extraction(host.name)
    world.check()
    ran = run("status", "prod-a")
    assert ran.code == 0
    assert "never" in ran.out
    assert "esx01" in ran.out


def test_a_cluster_that_is_left_out_is_said_to_be(drifted: World, checking: Consumer, run: Run) -> None:
    """It is known, and no row of the table."""
    drifted.set(exclude=("prod-a",))
    checking.put_fleet()
    ran = run("status", "prod-a")
    assert (ran.code, ran.out) == (2, "")
    assert "is not watched: a pattern of the fleet file leaves it out" in ran.err


def test_what_was_met_once_is_said_too(drifted: World, run: Run) -> None:
    """It is no finding yet; whatever is shown beside it is from before."""
    drifted.vcenter.faults.inject("GET /api/vcenter/host", fault_kinds.status(503), times=1)
    assert drifted.check()["outcome"] == "not-looked"
    ran = run("status", "prod-a")
    assert ran.code == 0
    assert ran.out.endswith("\nMet once, and told if it is met again: vcenter-unavailable\n")
    assert "not seen, was 3 of 4 covered" in ran.out
    (cluster,) = json.loads(run("status", "prod-a", "--format", "json").out)["clusters"]
    assert cluster["suspected"] == ["vcenter-unavailable"]


def test_what_is_accepted_for_a_time_says_until_when(drifted: World, run: Run) -> None:
    """Of each such host, for a person and for programs."""
    assert "Accepted for a time" not in run("status", "prod-a").out
    host = drifted.vcenter.inventory.hosts_of(PROD_A)[0].host
    person, until = Person(drifted), "2026-12-25T00:00:00.000Z"
    person.accept({host: person.shown()[host]}, until=until)
    assert "\nAccepted for a time: esx01 until 2026-12-24\n" in run("status", "prod-a").out
    document = json.loads(run("status", "prod-a", "--format", "json").out)
    assert not list_violations("status", document)
    (cluster,) = document["clusters"]
    assert [each["accepted_until"] for each in cluster["hosts"]] == [until, None, None, None]


def test_an_acceptance_that_ended_is_not_called_one_before_the_next_check(drifted: World, run: Run) -> None:
    """It holds no more, though no check has met its end."""
    first, second = (host.host for host in drifted.vcenter.inventory.hosts_of(PROD_A)[:2])
    person, until = Person(drifted), format_time(drifted.now + timedelta(hours=1))
    person.accept({first: person.shown()[first]}, until=until)
    person.accept({second: person.shown()[second]}, until="2026-12-25T00:00:00.000Z")
    drifted.wait(3600)
    lines = run("status", "prod-a").out.splitlines()
    assert f"No longer accepted, as the next check will report: esx01 until {format_end(until)}" in lines
    assert "Accepted for a time: esx02 until 2026-12-24" in lines


def test_what_was_accepted_for_a_time_says_so_once_that_is_over(drifted: World, run: Run) -> None:
    """With how it differs from what is accepted again: the worst of it, and how much more there is."""
    host = drifted.vcenter.inventory.hosts_of(PROD_A)[0]
    for number in range(MAX_LISTED_DIFFERENCES + 1):
        drifted.vcenter.hosts.set_component(host.name, f"acme-{number:02}", "1.0-1")
    drifted.check()
    person, until = Person(drifted), format_time(drifted.now + timedelta(hours=1))
    person.accept({host.host: person.shown()[host.host]}, until=until)
    drifted.check()
    shown = [line.strip() for line in run("status", "prod-a").out.splitlines()]
    first = "esx01 is not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0 and 11 more parts"
    begin = shown.index(first) + 1
    lines = shown[begin : begin + MAX_LISTED_DIFFERENCES + 2]
    assert lines[-2:] == ["and 2 more differences", f"it was accepted until {format_end(until)}"]
    assert all("esx01" in line for line in lines[:-2])


def test_of_a_replaced_vcenter_no_host_was_seen(drifted: World, run: Run) -> None:
    """Neither above nor below: what is shown of each is from before, and says from when."""
    drifted.vcenter.replace()
    drifted.wait(4 * 3600)
    drifted.dispatch()
    lines = run("status", "prod-a").out.splitlines()
    assert "not seen, was 3 of 4 covered" in lines[1]
    hosts = [line for line in lines if line.startswith(" esx")]
    assert [line.split()[0] for line in hosts if "not since" in line] == ["esx01", "esx02", "esx03"]
    assert not any("yes" in line for line in hosts)
    shown = list(csv.DictReader(run("status", PROD_A, "--format", "csv").out.splitlines()))
    assert {line["cluster_seen"] for line in shown} == {"no"}


def test_maintenance_that_runs_is_shown(drifted: World, checking: Consumer, run: Run) -> None:
    """Who began it, until when and why: in both tables, and for programs; once it is over, it is gone."""
    Person(drifted).maintain(3600, accept=True)
    until = format_time(drifted.now + timedelta(hours=1))
    said = f"n maintenance until {format_moment(until)} UTC, by alice: CHG-42"
    assert f"  I{said}" in run("status", "prod-a").out.splitlines()
    assert f"prod-a on {drifted.watched.name} is i{said}" in run("status").out
    for arguments in ((), ("prod-a",)):
        shown = json.loads(run("status", *arguments, "--format", "json").out)
        assert list_violations("status", shown) == []
        (window,) = shown["clusters"][0]["maintenance"]
        assert (window["by"], window["to"], window["reason"], window["accept"]) == (
            ALICE, until, "CHG-42", True,
        )  # fmt: skip
        line = next(csv.DictReader(run("status", *arguments, "--format", "csv").out.splitlines()))
        assert (line["maintenance_by"], line["maintenance_until"]) == (ALICE, until)
        assert line["maintenance_reason"] == "CHG-42"
    drifted.wait(3600)
    assert "maintenance" not in run("status").out
    assert "maintenance" not in run("status", "prod-a").out
    put_window(checking, drifted)
    assert f"until {format_moment(until)}" not in run("status", "prod-a").out
    assert "UTC, by fleet file: patch night" in run("status", "prod-a").out


def put_window(checking: Consumer, world: World) -> None:
    """A window of the fleet file that began since the last check."""
    window = {
        "name": "patches",
        "reason": "patch night",
        "from": format_time(world.now - timedelta(minutes=1)),
        "to": format_time(world.now + timedelta(hours=2)),
    }
    own = {"name": world.watched.name}
    body = json.dumps(fleet(vcenters=[own], maintenance=[window])).encode()
    checking.world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=body)


@pytest.mark.usefixtures("checking")
def test_a_cluster_that_nobody_can_see_is_not_called_well(drifted: World, run: Run) -> None:
    """What is open on its vCenter is why; a monitor hears of it by the exit code."""
    drifted.vcenter.sessions.accounts[USER] = "another"
    drifted.vcenter.sessions.close_all()
    for _ in range(2):
        drifted.wait(600)
        drifted.dispatch()
    ran = run("status", "prod-a", "--exit-code")
    assert ran.code == 1
    assert f"critical  {drifted.watched.name}: " in ran.out
    document = json.loads(run("status", "prod-a", "--format", "json").out)
    assert [finding["kind"] for finding in document["vcenters"][0]["findings"]] == ["vcenter-authentication"]
