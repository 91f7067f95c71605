"""Which machine a host's id or name means where the vCenter was replaced: never one of the other instance.

Unless the UUID of its firmware says that it is the same machine.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from esx_drift.cli.past import WantedHost, render_host, select_host
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Record
from esx_drift.domain.trail.known_hosts import KnownHosts, list_known_hosts

from tests.lab.demo.timeline import FOOTHOLD
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import INTERVAL_SECONDS, World
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_evidence import now
from tests.unit.cli.test_past_replaced import run_check
from tests.unit.trail.played import open_watched
from tests.unit.trail.test_past import I40EN, copy_audit_bucket

__all__ = ["now"]

ONE, TWO = "4c4c4544-0001-2000-8000-b8ca3af1d2e3", "4c4c4544-0002-2000-8000-b8ca3af1d2e3"

type Played = tuple[Path, list[Record]]


@contextmanager
def reinstalled_world(folder: Path) -> Iterator[World]:
    """A vCenter that is replaced by one that gave the ids and names of before to other hosts.

    host-16 was esx01, and is the machine that was host-17, esx02; host-17 is another machine called esx01;
    host-18 was esx03 and is another machine called esx31.
    """
    with open_watched(folder) as world:
        vcenter, hosts = world.vcenter, world.vcenter.inventory.hosts
        run_check(world)
        vcenter.hosts.set_component("esx01", I40EN, "2.9.2.0")
        run_check(world)
        vcenter.hosts.set_component("esx02", I40EN, "2.6.6.0")
        vcenter.hosts.add_orphaned_vib("esx03", FOOTHOLD)
        run_check(world)
        vcenter.replace()
        one, two, three = (hosts[host] for host in ("host-16", "host-17", "host-18"))
        with vcenter.inventory.changing():
            hosts["host-16"] = replace(two, host="host-16")
            hosts["host-17"] = replace(one, host="host-17", host_uuid=ONE)
            hosts["host-18"] = replace(
                three,
                name="esx31",
                host_uuid="4c4c4544-0002-2000-8000-b8ca3af1d2e3",
                orphaned_vibs=frozenset(),
            )
        vcenter.extract_all()
        world.wait(INTERVAL_SECONDS)
        world.dispatch()
        Person(world).accept_vcenter(vcenter.instance_uuid)
        run_check(world)
        vcenter.hosts.set_component("host-16", I40EN, "2.7.2.0")
        run_check(world)
        vcenter.hosts.set_component("host-17", I40EN, "2.8.0.0")
        run_check(world)
        yield world


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A copy of the trail, and the records of the cluster."""
    with reinstalled_world(tmp_path_factory.mktemp("tls")) as world:
        root = tmp_path_factory.mktemp("reinstalled") / "copy"
        copy_audit_bucket(world.aws.s3, root)
        records = world.records()
        outcomes = ["baseline", "changed", "changed", "baseline", "changed", "changed"]
        assert [record["outcome"] for record in records] == outcomes
        return root, records


def list_changes(run: Run, copy: Path, host: str) -> list[tuple[int, str]]:
    """The changes that history tells of a host: the record of each, and to what it was."""
    said = run("history", "prod-a", "--host", host, "--format", "json", "--dir", copy)
    return [(one["record"], one["change"]["to"]) for one in json.loads(said.out)["entries"] if one["change"]]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("esx02", [(3, "2.6.6.0"), (5, "2.7.2.0")]),
        ("host-16", [(3, "2.6.6.0"), (5, "2.7.2.0")]),
        ("esx01", [(6, "2.8.0.0")]),
        ("host-17", [(6, "2.8.0.0")]),
        ("esx31", []),
        ("host-18", []),
        ("esx03", [(3, FOOTHOLD)]),
    ],
)
def test_history_follows_the_machine_and_not_the_id(
    run: Run, played: Played, host: str, expected: list[tuple[int, str]]
) -> None:
    """An id or a name of the instance that answers now is the one that it has there."""
    found = [(seq, FOOTHOLD if to is None else to) for seq, to in list_changes(run, played[0], host)]
    assert found == expected


def test_that_an_id_was_another_host_is_said(run: Run, played: Played) -> None:
    """It is not what is asked about; what became of it is in the whole history."""
    said = run("history", "prod-a", "--host", "host-16", "--dir", played[0])
    assert "esx02 (host-16, was host-17)" in said.out
    assert "esx01 (host-16) was another host" in said.err
    assert "was another host" not in run("history", "prod-a", "--host", "esx02", "--dir", played[0]).err


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("host-16", [(2, "2.9.2.0")]),
        ("esx01", [(2, "2.9.2.0")]),
        ("host-18", [(3, FOOTHOLD)]),
        ("host-17", [(3, "2.6.6.0"), (5, "2.7.2.0")]),
    ],
)
def test_a_host_of_before_is_asked_for_by_what_it_was_called_then(
    run: Run, played: Played, host: str, expected: list[tuple[int, str]]
) -> None:
    """Though its id and its name are another's now; also with the records of that time left out."""
    copy, records = played
    then = f"{host}@{records[1]['checked_at']}"
    found = [(seq, FOOTHOLD if to is None else to) for seq, to in list_changes(run, copy, then)]
    assert found == expected
    late = run("history", "prod-a", "--host", then, "--since", records[3]["checked_at"], "--dir", copy)
    assert late.code == 0
    assert f"{expected[-1][0] == 5:d} change" in late.out


def test_a_host_that_never_changed_is_known_by_what_was_seen_then(run: Run, played: Played) -> None:
    """Of one of the former vCenter no record says a name: the snapshot of then does."""
    copy, records = played
    then = f"esx03@{records[0]['checked_at']}"
    said = run("as-of", "prod-a", records[0]["checked_at"], "--host", then, "--format", "json", "--dir", copy)
    assert [one["host"] for one in json.loads(said.out)["hosts"]] == ["host-18"]
    known = KnownHosts()
    for record in (build_record(1, "a", {}), build_record(2, "b", {"host-1": TWO})):
        known.add_record(record)
    former = list_known_hosts([build_record(1, "a", {"host-1": ONE})], None)
    (machine,) = known.find_machines_of_then("esx-host-1", former)
    assert machine.list_ids_at(known.instances[0]) == ["host-1"]
    (machine,) = known.find_machines("host-1", known.newest)
    assert machine.list_ids_at(known.instances[0]) == []


def test_the_note_says_how_the_other_host_is_asked_for(run: Run, played: Played) -> None:
    """And so it is."""
    copy, records = played
    for command in (("history", "prod-a"), ("as-of", "prod-a", records[5]["checked_at"])):
        said = run(*command, "--host", "host-16", "--dir", copy).err
        (way,) = re.findall(r"About that one: --host (\S+)$", said, re.MULTILINE)
        told = run("history", "prod-a", "--host", way, "--dir", copy)
        assert (told.code, told.err) == (0, "")
        assert " of esx01 (host-16)" in told.out
    gone = run("blame", "prod-a", "--host", way, "--dir", copy)
    assert "esx01 (host-16) is not in this cluster of the vCenter that took" in gone.err
    now = f"host-16@{records[5]['checked_at']}"
    assert list_changes(run, copy, now) == list_changes(run, copy, "host-16")


def test_a_host_that_was_not_there_then(run: Run, played: Played) -> None:
    """It is refused with what was there, and so is what is no date."""
    copy, records = played
    then = records[1]["checked_at"]
    told = run("history", "prod-a", "--host", f"esx31@{then}", "--dir", copy)
    assert (told.code, told.out) == (2, "")
    assert f"no host of prod-a was called esx31 at {then}: did you mean esx03?" in told.err
    told = run("history", "prod-a", "--host", "esx31@then", "--dir", copy)
    assert (told.code, "then is no date" in told.err) == (2, True)


def test_each_change_names_the_host_that_it_was_on(run: Run, played: Played) -> None:
    """By what the id was called at the instance of then; in text, JSON and CSV."""
    expected = {2: "esx01", 5: "esx02", 6: "esx01"}
    entries = json.loads(run("history", "prod-a", "--format", "json", "--dir", played[0]).out)["entries"]
    by_record = {one["record"]: one["hosts"][0] for one in entries if one["change"]}
    assert {seq: by_record[seq]["name"] for seq in expected} == expected
    rows = csv.DictReader(io.StringIO(run("history", "prod-a", "--format", "csv", "--dir", played[0]).out))
    named = {int(row["record"]): row["hosts"] for row in rows if row["change"]}
    assert {seq: named[seq] for seq in expected} == expected
    lines = [line for line in run("history", "prod-a", "--dir", played[0]).out.splitlines() if I40EN in line]
    assert ["esx01" in line for line in lines] == [True, False, False, True]


@pytest.mark.parametrize(
    ("record", "host", "expected"),
    [
        (2, "esx01", "host-16"),
        (2, "host-16", "host-16"),
        (2, "esx02", "host-17"),
        (6, "esx01", "host-17"),
        (6, "esx02", "host-16"),
        (6, "host-17", "host-17"),
    ],
)
def test_as_of_asks_about_the_host_of_that_time(
    run: Run, played: Played, record: int, host: str, expected: str
) -> None:
    """Under the id that it had then, whatever has the id or the name now."""
    copy, records = played
    at = records[record - 1]["checked_at"]
    said = run("as-of", "prod-a", at, "--host", host, "--format", "json", "--dir", copy)
    assert [one["host"] for one in json.loads(said.out)["hosts"]] == [expected]


def test_as_of_does_not_know_a_host_of_the_other_vcenter(run: Run, played: Played) -> None:
    """Though its id is in use at that time."""
    copy, records = played
    said = run("as-of", "prod-a", records[1]["checked_at"], "--host", "esx31", "--dir", copy)
    assert said.code == 2
    assert "esx31 (host-18) was not in this cluster" in said.err
    assert said.err.endswith(
        f"  To see when it came and left: esx-drift history prod-a --host esx31 --dir {copy}\n"
    )


def test_blame_is_about_what_runs_now(run: Run, played: Played) -> None:
    """A host of the former vCenter is not there, whatever has its id."""
    copy, _ = played
    parts = json.loads(run("blame", "prod-a", "--host", "esx01", "--format", "json", "--dir", copy).out)
    assert {part["host"] for part in parts["parts"]} == {"host-17"}
    gone = run("blame", "prod-a", "--host", "esx03", "--dir", copy)
    assert gone.code == 2
    assert (
        "esx03 (host-18) is not in this cluster of the vCenter that took the former one's place" in gone.err
    )


def test_diff_compares_no_host_with_another_of_its_id(run: Run, played: Played) -> None:
    """Of the same cluster, before and after: as two clusters are compared, by what most hosts run."""
    copy, records = played
    dates = [records[seq - 1]["checked_at"] for seq in (2, 6, 4)]
    said = run("diff", f"prod-a@{dates[0]}", f"prod-a@{dates[1]}", "--dir", copy)
    assert "the vCenter of prod-a was replaced between both dates" in said.err
    assert f"prod-a@{dates[0]}: ESXi 8.0 U3d on 3 of 4 hosts" in said.out
    assert not any(host in said.out for host in ("esx01", "esx02", "esx31"))
    shown = run("diff", f"prod-a@{dates[2]}", f"prod-a@{dates[1]}", "--dir", copy)
    assert "was replaced" not in shown.err
    assert "esx01" in shown.out


def test_an_orphaned_vib_names_the_hosts_that_it_was_on(run: Run, played: Played) -> None:
    """Not those that have their ids now."""
    said = run("orphans", "prod-a", "--gone", "--format", "csv", "--dir", played[0])
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert (row["first_hosts"], row["ever"]) == ("esx03", "esx03")


@pytest.mark.usefixtures("now")
def test_evidence_names_the_hosts_of_then(run: Run, played: Played, tmp_path: Path) -> None:
    """In changes and orphaned VIBs of before; and those of now in what came later."""
    copy, records = played
    span = ("--from", records[0]["checked_at"][:16], "--to", records[-1]["checked_at"][:10])
    run("evidence", "prod-a", *span, "-o", tmp_path / "written", "--dir", copy)
    report = (tmp_path / "written" / "report.md").read_text(encoding="utf-8")
    rows = [line for line in report.splitlines() if I40EN in line]
    hosts = [next(cell for cell in row.split(" | ") if cell.startswith("esx")) for row in rows[:4]]
    assert hosts == ["esx01", "esx02", "esx02", "esx01"]
    assert "esx31" not in report


def build_record(seq: int, instance: str | None, uuids: dict[str, str]) -> Any:  # noqa: ANN401 -- a part of one
    """What of a record says which hosts are at an instance, each called like its id."""
    after = {
        "instance_uuid": instance,
        "departed": {},
        "machines": {"uuids": uuids, "asked_at": None},
    }
    uncovered = [{"host": host, "name": f"esx-{host}", "why": "failed"} for host in uuids]
    return {
        "seq": seq,
        "checked_at": f"2026-11-23T0{seq}:00:00.000Z",
        "after": after,
        "changes": [],
        "events": [],
        "uncovered": uncovered,
    }


def list_ids(known: KnownHosts, wanted: str) -> list[list[str]]:
    """The ids of each machine that may be meant."""
    return [machine.ids for machine in known.find_machines(wanted)]


def test_an_instance_that_comes_back_has_the_hosts_that_it_had() -> None:
    """A vCenter is restored, found wrong, and put back: its ids are still its own."""
    records = [
        build_record(1, None, {}),
        build_record(2, "a", {"host-1": ONE}),
        build_record(3, "b", {"host-1": TWO}),
        build_record(4, None, {"host-2": ONE}),
        build_record(5, "a", {"host-1": ONE}),
    ]
    known = list_known_hosts(records, None)
    assert [hosts.instance_uuid for hosts in known.instances] == ["a", "b"]
    assert known.newest is known.instances[0]
    assert known.get_at("2026-11-23T04:30:00.000Z") is known.instances[1]
    assert known.get_at("2026-11-23T01:00:00.000Z") is known.instances[0]
    assert list_ids(known, "host-1") == [["host-1", "host-2"], ["host-1"]]
    assert list_ids(known, "host-2") == [["host-1", "host-2"]]


def rename(record: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 -- a part of one
    """The same, with hosts that are called otherwise."""
    uncovered = [{"host": host, "name": name, "why": "failed"} for host, name in names.items()]
    return {**record, "uncovered": uncovered}


def test_a_machine_is_called_what_it_is_now_where_an_instance_came_back() -> None:
    """Not what the instance of in between called it."""
    records = [
        rename(build_record(1, "a", {"host-1": ONE}), {"host-1": "esx01"}),
        rename(build_record(2, "b", {"host-7": ONE}), {"host-7": "tmp-esx"}),
        rename(build_record(3, "a", {"host-1": ONE}), {"host-1": "esx01-new"}),
    ]
    (machine,) = list_known_hosts(records, None).find_machines("host-7")
    assert render_host(machine) == "esx01-new (host-1, was host-7)"
    (machine,) = list_known_hosts(records[:2], None).find_machines("host-7")
    assert render_host(machine) == "tmp-esx (host-7, was host-1)"


def test_an_id_that_came_back_is_the_one_of_now() -> None:
    """Also where another id was given in between by another instance, and the first again by a third."""
    records = [
        build_record(1, "a", {"host-1": ONE}),
        build_record(2, "b", {"host-7": ONE}),
        build_record(3, "c", {"host-1": ONE}),
    ]
    (machine,) = list_known_hosts(records, None).find_machines("host-7")
    assert render_host(machine) == "esx-host-1 (host-1, was host-7)"


def test_which_of_two_is_said_by_the_id_at_the_instance_asked_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The newest id may be that of another machine there."""
    both = {"host-1": "esx01", "host-2": "esx01"}
    records = [
        rename(build_record(1, "a", {"host-1": ONE, "host-2": TWO}), both),
        rename(build_record(2, "b", {"host-2": ONE, "host-1": TWO}), {"host-2": "esx01", "host-1": "esx02"}),
    ]
    known, log = list_known_hosts(records, None), ClusterRef("vc01", "domain-c9", "prod-a")
    first = known.instances[0]
    with pytest.raises(typer.Exit):
        select_host(known, WantedHost("esx01"), log, hosts=first)
    assert capsys.readouterr().err.rstrip().endswith("Say which: --host host-1 or --host host-2")
    chosen = select_host(known, WantedHost("host-1"), log, hosts=first)
    assert chosen is not None
    assert chosen.list_ids_at(first) == ["host-1"]


def test_copies_with_one_uuid_are_no_same_machine() -> None:
    """Nested ESXi that was cloned has its firmware's UUID, too."""
    records = [
        build_record(1, "a", {"host-1": ONE, "host-2": ONE, "host-3": TWO}),
        build_record(2, "b", {"host-11": ONE, "host-12": TWO}),
        build_record(3, "c", {"host-21": TWO, "host-22": TWO}),
    ]
    known = list_known_hosts(records, None)
    assert list_ids(known, "host-11") == [["host-11"]]
    assert list_ids(known, "host-12") == [["host-3", "host-12"]]
    assert list_ids(known, "host-21") == [["host-21"]]
