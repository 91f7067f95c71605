"""What is said of the past of hosts that were added again, left, were renamed, or have another's name."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import open_world
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_past import I40EN, SMNTEMP, Story, rows_of
from tests.unit.trail.test_past import copy_audit_bucket

__all__ = ["ca", "cloud", "tls"]


@pytest.fixture(scope="module")
def moves(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """esx01 is host-16 and then 23, esx02 leaves and another machine has its name, esx03 is renamed.

    esx04 comes back as host-25 unseen. At last the renamed one is gone for a look, and comes back as host-26
    unseen.
    """
    with open_world(cloud, ca, tls, "vc02") as world:
        inventory, hosts = world.vcenter.inventory, world.vcenter.hosts
        world.dispatch()
        world.check()
        hosts.set_component("esx01", I40EN, "2.9.2.0")
        world.check()
        hosts.add_orphaned_vib("esx02", SMNTEMP)
        new = inventory.re_add_host("esx01")
        world.check()
        person = Person(world)
        person.accept({new: person.shown()[new]})
        software = deepcopy(inventory.host("esx02").software)
        inventory.remove_host("esx02")
        world.check()
        inventory.add_host("prod-a", "esx02", software, "564d5c1e-3b1a-4a52-9c0e-7d2b1a000002")
        world.check()
        inventory.host("esx03").name = "esx33"
        world.check()
        hosts.disconnect("esx04")
        inventory.re_add_host("esx04")
        world.check()
        hosts.reconnect("esx04")
        world.check()
        software = deepcopy(inventory.host("esx33").software)
        inventory.remove_host("esx33")
        world.check()
        inventory.add_host("prod-a", "esx33", software)
        hosts.disconnect("esx33")
        world.check()
        directory = tmp_path_factory.mktemp("moves")
        copy_audit_bucket(cloud.s3, directory)
        looks = [record for record in world.records() if record["outcome"] != "accepted"]
        yield Story(directory, looks)


def read_entries(run: Run, story: Story, *options: object) -> dict[str, Any]:
    """What the history says for a program."""
    ran = run("history", "prod-a", "--dir", story.directory, "--format", "json", *options)
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_a_host_that_was_added_again_is_one_host(run: Run, moves: Story) -> None:
    """By its name and by each of its ids the same is said, with both ids; also who accepted what it runs."""
    found = [read_entries(run, moves, "--host", named) for named in ("esx01", "host-16", "host-23", "ESX01")]
    assert all(one == found[0] for one in found)
    assert found[0]["host_ids"] == ["host-16", "host-23"]
    (driver,) = [
        entry for entry in found[0]["entries"] if entry["change"] and entry["change"]["key"] == I40EN
    ]
    assert driver["hosts"] == [{"id": "host-16", "name": "esx01"}]
    assert [one["hosts"] for one in driver["accepted"]] == [["host-16"]]
    told = run("history", "prod-a", "--dir", moves.directory, "--host", "esx01")
    assert "of esx01 (host-23, was host-16) in 11 records" in told.out
    assert "esx01 (host-16)" in " ".join(told.out.split())
    rows = rows_of(run("history", "prod-a", "--dir", moves.directory, "--format", "csv").out)
    assert {("esx01", "host-16"), ("esx01", "host-23")} <= {(row["hosts"], row["host_ids"]) for row in rows}
    parts = json.loads(
        run("blame", "prod-a", "--dir", moves.directory, "--host", "host-16", "--format", "json").out
    )["parts"]
    since = {(part["host"], part["seq"]) for part in parts if part["part"] == f"component:{I40EN}"}
    assert since == {("host-23", moves.records[1]["seq"])}
    assert (
        ": esx01 (host-23, was host-16)\n"
        in run("blame", "prod-a", "--dir", moves.directory, "--host", "esx01").out
    )


@pytest.mark.parametrize("command", ["history", "blame"])
def test_a_name_of_two_hosts_is_not_guessed_at(run: Run, moves: Story, command: str) -> None:
    """Both are named by their ids, and one can be asked for by its id."""
    told = run(command, "prod-a", "--dir", moves.directory, "--host", "esx02")
    assert (told.code, told.out) == (2, "")
    assert "esx02 may be esx02 (host-17), esx02 (host-24): they are different hosts" in told.err
    assert told.err.endswith("  Say which: --host host-17 or --host host-24\n")
    assert run(command, "prod-a", "--dir", moves.directory, "--host", "host-24").code == 0


@pytest.mark.parametrize(
    ("look", "named", "expected"),
    [
        (0, "esx02", ["host-17"]),
        (0, "host-17", ["host-17"]),
        (0, "esx03", ["host-18", "host-26"]),
        (0, "host-16", ["host-16", "host-23"]),
        (3, "esx02", ["host-17"]),
        (5, "esx33", ["host-18", "host-26"]),
        (6, "esx03", ["host-18", "host-26"]),
    ],
)
def test_a_host_of_a_day_is_the_one_that_was_called_so_then(
    run: Run, moves: Story, look: int, named: str, expected: list[str]
) -> None:
    """Whoever had the name later; with all that it was and is."""
    at = f"{moves.records[look]['checked_at'][:19]}Z"
    assert read_entries(run, moves, "--host", f"{named}@{at}")["host_ids"] == expected
    since = ("--since", moves.records[-1]["checked_at"])
    assert read_entries(run, moves, "--host", f"{named}@{at}", *since)["host_ids"] == expected
    options = ("--host", f"{named}@{at}", "--dir", moves.directory, "--format", "json")
    shown = run("as-of", "prod-a", moves.records[0]["checked_at"], *options)
    assert json.loads(shown.out)["host_ids"] == expected


@pytest.mark.parametrize(
    "command", [("history", "prod-a"), ("blame", "prod-a"), ("as-of", "prod-a", "2030-01-01")]
)
@pytest.mark.parametrize("named", ["esx33", "host-24", "host-23"])
def test_what_no_host_was_called_then_is_none(
    run: Run, moves: Story, command: tuple[str, ...], named: str
) -> None:
    """Though one has that name or id later."""
    at = f"{moves.records[0]['checked_at'][:19]}Z"
    told = run(*command, "--host", f"{named}@{at}", "--dir", moves.directory)
    assert (told.code, told.out) == (2, "")
    assert f"no host of prod-a was called {named} at {at}" in told.err


@pytest.mark.parametrize(
    "command", [("history", "prod-a"), ("blame", "prod-a"), ("as-of", "prod-a", "2030-01-01")]
)
def test_before_the_first_record_no_host_was_called_anything(
    run: Run, moves: Story, command: tuple[str, ...]
) -> None:
    """Nothing says what hosts were called then."""
    told = run(*command, "--host", "esx33@2020-01-01", "--dir", moves.directory)
    assert (told.code, told.out) == (2, "")
    assert "no record of prod-a is of 2020-01-01 or before: nobody knows its hosts of then" in told.err


def test_of_two_hosts_of_one_name_until_then_each_is_named_by_its_id_of_then(run: Run, moves: Story) -> None:
    """What is to be typed finds one of them."""
    at = f"{moves.records[4]['checked_at'][:19]}Z"
    told = run("history", "prod-a", "--host", f"esx02@{at}", "--dir", moves.directory)
    assert (told.code, told.out) == (2, "")
    assert told.err.endswith(f"  Say which: --host host-17@{at} or --host host-24@{at}\n")
    for host in ("host-17", "host-24"):
        assert read_entries(run, moves, "--host", f"{host}@{at}")["host_ids"] == [host]


def test_a_host_that_left_has_a_past_and_no_present(run: Run, moves: Story) -> None:
    """Blame says since when it is gone."""
    kinds = [entry["kind"] for entry in read_entries(run, moves, "--host", "host-17")["entries"]]
    assert kinds == ["first-copy", "change", "change", "change"]
    gone = run("blame", "prod-a", "--dir", moves.directory, "--host", "host-17")
    assert (gone.code, gone.out) == (2, "")
    assert "esx02 (host-17) is not in this cluster since 2026-11-23 18:" in gone.err
    named = f"--host host-17 --dir {moves.directory}"
    assert gone.err.splitlines()[1:] == [
        f"  To see what happened to it: esx-drift history prod-a {named}",
        f"  To see what it ran on a day before: esx-drift as-of prod-a DATE {named}",
    ]
    known = run("history", "prod-a", "--dir", moves.directory, "--host", "esx2")
    assert "was ever called esx2: did you mean esx02?" in known.err


def test_a_host_is_found_by_a_name_that_it_had(run: Run, moves: Story) -> None:
    """And that it was renamed is said."""
    assert read_entries(run, moves, "--host", "esx03") == read_entries(run, moves, "--host", "esx33")
    told = run("history", "prod-a", "--dir", moves.directory, "--host", "esx03")
    assert "renamed: esx03 -> esx33" in told.out
    unseen = run("blame", "prod-a", "--dir", moves.directory, "--host", "esx03")
    assert unseen.out.splitlines() == [
        "prod-a (domain-c9) on vc02: esx33 (host-26, was host-18)",
        "Nobody has seen yet what it runs.",
    ]


def show_as_of(run: Run, story: Story, look: int) -> dict[str, str]:
    """How sure it is what each host ran at a look, by its id."""
    told = run("as-of", "prod-a", story.records[look]["checked_at"], "--dir", story.directory)
    assert (told.code, told.err) == (0, "")
    rows = [line.split() for line in told.out.splitlines() if line.startswith(" esx")]
    return {row[1]: " ".join(row[row.index("seen") if "seen" in row else 0 :]) for row in rows}


def test_hosts_that_move_ran_what_they_ran(run: Run, moves: Story) -> None:
    """As-of follows a host to its next id, says that one had left, and what one ran before it came back."""
    times = [record["checked_at"][:19].replace("T", " ") for record in moves.records]
    assert show_as_of(run, moves, 0)["host-16"] == f"seen {times[0]}, changed by {times[1]}"
    assert show_as_of(run, moves, 1)["host-16"] == f"seen {times[1]}, the same {times[2]} as host-23"
    assert show_as_of(run, moves, 2)["host-17"] == f"seen {times[2]}, gone by {times[3]}"
    assert show_as_of(run, moves, 4)["host-18"] == f"seen {times[4]}, the same {times[5]}"
    assert show_as_of(run, moves, 5)["host-19"] == f"seen {times[5]}, the same {times[7]} as host-25"
    assert show_as_of(run, moves, 6)["host-25"] == (
        f"seen {times[5]} as host-19, not read {times[6]}, the same {times[7]}"
    )
    assert show_as_of(run, moves, 9)["host-26"] == f"seen {times[7]} as host-18, not since"
    ran = run("as-of", "prod-a", times[6], "--dir", moves.directory, "--format", "json")
    document = json.loads(ran.out)
    assert document["as_of"] == f"{moves.records[6]['checked_at'][:19]}.999Z"
    assert document["cluster"] == {"id": "domain-c9", "name": "prod-a"}
    (back,) = [host for host in document["hosts"] if host["host"] == "host-25"]
    assert back["image"]["base_image"] == back["base_image"]
    assert (back["seen_before"], back["seen_before_as"]) == (moves.records[5]["checked_at"], "host-19")
    assert (back["seen_after_as"], back["changed_between"]) == ("host-25", False)
    gone = json.loads(run("as-of", "prod-a", times[9], "--dir", moves.directory, "--format", "json").out)
    (again,) = [host for host in gone["hosts"] if host["host"] == "host-26"]
    assert (again["seen_before"], again["seen_before_as"]) == (moves.records[7]["checked_at"], "host-18")


def read_as_of(run: Run, story: Story, look: int, host: str) -> dict[str, Any]:
    """What one host ran at a look, for a program."""
    at = story.records[look]["checked_at"]
    ran = run("as-of", "prod-a", at, "--dir", story.directory, "--host", host, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_what_one_host_ran_is_asked_by_whatever_it_was_called(run: Run, moves: Story) -> None:
    """As the history does: by a name or an id of then, of before or of later; the others are left out."""
    found = [read_as_of(run, moves, 1, named) for named in ("esx01", "host-16", "host-23", "ESX01")]
    assert all(one == found[0] for one in found)
    assert found[0]["host_ids"] == ["host-16", "host-23"]
    assert [host["host"] for host in found[0]["hosts"]] == ["host-16"]
    assert [host["host"] for host in read_as_of(run, moves, 4, "esx33")["hosts"]] == ["host-18"]
    at = (moves.records[1]["checked_at"], "--dir", moves.directory)
    told = run("as-of", "prod-a", *at, "--host", "host-23")
    lines = told.out.splitlines()
    assert lines[0].endswith(" UTC: esx01 (host-23, was host-16)")
    assert [line.split()[:2] for line in lines if line.startswith(" esx")] == [["esx01", "host-16"]]
    assert lines[-1].startswith(f"Image B differs from A in component {I40EN} (")
    unseen = run("as-of", "prod-a", "2030-01-01", "--dir", moves.directory, "--host", "host-26")
    assert ("not since" in unseen.out, "The last look" in unseen.out) == (True, False)
    same = run("as-of", "prod-a", *at, "--host", "esx03")
    assert "differs" not in same.out
    rows = rows_of(run("as-of", "prod-a", *at, "--host", "esx03", "--format", "csv").out)
    assert [row["name"] for row in rows] == ["esx03"]


def test_a_host_that_was_not_there_ran_nothing_there(run: Run, moves: Story) -> None:
    """Of two of one name the one is meant that was there; one that came later, or left, is said to be."""
    assert [host["host"] for host in read_as_of(run, moves, 1, "esx02")["hosts"]] == ["host-17"]
    assert [host["host"] for host in read_as_of(run, moves, 4, "esx02")["hosts"]] == ["host-24"]
    at = moves.records[3]["checked_at"]
    told = run("as-of", "prod-a", at, "--dir", moves.directory, "--host", "host-24")
    assert (told.code, told.out) == (2, "")
    assert f"esx02 (host-24) was not in this cluster at {at[:10]} {at[11:19]} UTC" in told.err
    several = run("as-of", "prod-a", at, "--dir", moves.directory, "--host", "esx02")
    assert (several.code, "esx02 may be esx02 (host-17), esx02 (host-24)" in several.err) == (2, True)
    unknown = run("as-of", "prod-a", at, "--dir", moves.directory, "--host", "esx99")
    assert (unknown.code, "was ever called esx99" in unknown.err) == (2, True)


def test_an_orphaned_vib_that_left_with_its_host_was_not_removed(run: Run, moves: Story) -> None:
    """That is said."""
    told = run("orphans", "prod-a", "--dir", moves.directory)
    assert "UTC: its host left" in told.out
    (one,) = json.loads(run("orphans", "--gone", "--dir", moves.directory, "--format", "json").out)[
        "orphaned_vibs"
    ]
    assert (one["gone_at"], one["gone_because"]) == (moves.records[3]["checked_at"], "host-left")
    assert (one["first_seen"], one["ever"]) == (moves.records[2]["checked_at"], ["host-17"])


def test_what_nobody_can_know_is_said(run: Run, moves: Story) -> None:
    """Of a time after the last look."""
    told = run("as-of", "prod-a", "2030-01-01", "--dir", moves.directory)
    assert f"The last look was {moves.records[-1]['checked_at'][:10]}" in told.out
    late = run("history", "prod-a", "--since", "2030-01-01", "--dir", moves.directory)
    assert "0 changes in 0 records since 2030-01-01 00:00:00 UTC" in late.out
    assert "nothing is known of the time after it" in late.out


def test_what_a_host_was_before_may_be_lost(run: Run, moves: Story, tmp_path: Path) -> None:
    """Then it is not known, what is missing is named, and the other hosts are shown."""
    copytree(moves.directory, tmp_path / "copy")
    key = moves.records[9]["after"]["departed"]["host-18"]["snapshot"]
    (tmp_path / "copy" / key).unlink()
    told = run("as-of", "prod-a", moves.records[9]["checked_at"], "--dir", tmp_path / "copy")
    assert told.code == 1
    assert f"{key} is not there, though the log names it" in told.err
    (row,) = [line for line in told.out.splitlines() if " host-26 " in line]
    assert "not known: not seen by then" in row
    assert " host-25  ESXi 8.0 U3d " in told.out


def test_a_host_is_found_by_an_id_of_before_the_time_that_is_asked_about(run: Run, moves: Story) -> None:
    """It is the host that has another id since."""
    since = ("--since", moves.records[-1]["checked_at"][:16])
    old, new = (read_entries(run, moves, "--host", host, *since) for host in ("host-16", "host-23"))
    assert old["entries"] == new["entries"]
    assert old["host_ids"] == ["host-16", "host-23"]
    renamed = run("history", "prod-a", "--dir", moves.directory, *since, "--host", "nobody")
    assert (renamed.code, "was ever called nobody" in renamed.err) == (2, True)
