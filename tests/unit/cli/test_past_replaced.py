"""What is said of a cluster whose vCenter was replaced: nothing of before holds of what runs now."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.evidence import build_log_evidence
from esx_drift.domain.trail.excerpt import AuditPeriod
from esx_drift.domain.trail.history import list_orphans, list_parts_since

from tests.lab.demo.timeline import FOOTHOLD
from tests.simulator.fault_kinds import invalid_json
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import INTERVAL_SECONDS, World
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_evidence import now
from tests.unit.trail.played import REPORT, open_watched
from tests.unit.trail.test_past import I40EN, copy_audit_bucket

__all__ = ["now"]


@contextmanager
def replaced_world(folder: Path) -> Iterator[World]:
    """Two looks, another vCenter with other software under the same ids, which is accepted; two more."""
    with open_watched(folder) as world:
        vcenter, person = world.vcenter, Person(world)
        run_check(world)
        vcenter.hosts.set_component("esx02", I40EN, "2.9.2.0")
        vcenter.hosts.add_orphaned_vib("esx03", FOOTHOLD)
        run_check(world)
        vcenter.replace()
        vcenter.hosts.set_component("esx02", I40EN, "2.6.6.0")
        vcenter.extract_all()
        world.wait(INTERVAL_SECONDS)
        world.dispatch()
        person.accept_vcenter(vcenter.instance_uuid)
        run_check(world)
        run_check(world)
        person.accept({"host-17": person.shown()["host-17"]}, ticket="CHG-1")
        yield world


def run_check(world: World) -> Record:
    """A run, and a check."""
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    return world.check()


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A copy of the trail, and the records of the cluster."""
    with replaced_world(tmp_path_factory.mktemp("tls")) as world:
        root = tmp_path_factory.mktemp("replaced") / "copy"
        copy_audit_bucket(world.aws.s3, root)
        records = world.records()
        assert [record["outcome"] for record in records] == [
            "baseline",
            "changed",
            "baseline",
            "unchanged",
            "accepted",
        ]
        snapshot = world.snapshot()
        parts = list_parts_since(records, snapshot)
        assert {(part.origin, part.seq) for part in parts} == {("first-copy", 3)}
        return root, records


def test_what_runs_is_there_since_the_first_copy_of_the_vcenter_that_runs_it(
    run: Run, replaced: tuple[Path, list[Record]]
) -> None:
    """Not since what a host of the same id ran in the vCenter before."""
    copy, records = replaced
    said = run("blame", "prod-a", "--host", "esx02", "--dir", copy)
    assert said.code == 0
    assert "Record" not in said.out
    assert f"parts since the first copy, {records[2]['checked_at'][:10]}" in said.out
    assert "(record 3)" in said.out


def test_a_change_of_before_is_never_accepted(run: Run, replaced: tuple[Path, list[Record]]) -> None:
    """The decision is about what runs in the other vCenter; nor has a look there a look before."""
    copy, _ = replaced
    said = run("history", "prod-a", "--dir", copy).out
    (changed,) = [line for line in said.splitlines() if I40EN in line]
    assert changed.endswith("never: the vCenter was replaced (record 3)")
    (anew,) = [line for line in said.splitlines() if "former one's place" in line]
    assert anew.split()[0] == "-"
    entries = json.loads(run("history", "prod-a", "--format", "json", "--dir", copy).out)["entries"]
    by_record = {entry["record"]: entry for entry in entries if entry["change"] is None}
    assert [entry["accepted"] for entry in entries if entry["change"]] == [[], []]
    assert {entry["replaced_by"] for entry in entries if entry["change"]} == {3}
    assert [by_record[seq]["is_of_new_vcenter"] for seq in (1, 3)] == [False, True]


def test_what_ran_before_is_not_compared_with_another_vcenter(
    run: Run, replaced: tuple[Path, list[Record]]
) -> None:
    """Hosts that have the same ids there are others."""
    copy, records = replaced
    said = run("as-of", "prod-a", records[1]["checked_at"], "--dir", copy).out
    assert "the same" not in said
    assert "The vCenter was replaced" in said
    assert said.count("not since") == 4
    asked = run("as-of", "prod-a", records[1]["checked_at"], "--format", "json", "--dir", copy).out
    hosts = json.loads(asked)["hosts"]
    assert {(host["seen_after"], host["changed_between"], host["replaced_at"]) for host in hosts} == {
        (None, None, records[2]["checked_at"])
    }


def test_a_first_check_there_that_fails_ends_what_was_known(run: Run, tmp_path: Path) -> None:
    """Since then nothing is known, and the look after it is the first copy."""
    with open_watched(tmp_path) as world:
        run_check(world)
        world.vcenter.hosts.set_component("esx02", I40EN, "2.9.2.0")
        run_check(world)
        world.vcenter.replace()
        world.vcenter.extract_all()
        world.wait(INTERVAL_SECONDS)
        world.dispatch()
        Person(world).accept_vcenter(world.vcenter.instance_uuid)
        world.vcenter.faults.inject(REPORT, invalid_json())
        failed = run_check(world)
        world.vcenter.faults.clear()
        assert run_check(world)["outcome"] == "baseline"
        copy_audit_bucket(world.aws.s3, tmp_path / "copy")
    said = run("as-of", "prod-a", failed["checked_at"], "--dir", tmp_path / "copy")
    assert said.code == 2
    assert "vc01.example.com at the vCenter that took the former one's place by" in said.err
    told = run("history", "prod-a", "--dir", tmp_path / "copy").out
    assert f"never: the vCenter was replaced (record {failed['seq']})" in told
    assert "first copy, of the vCenter that took" in told


def test_evidence_says_that_nobody_can_accept_it_any_more(replaced: tuple[Path, list[Record]]) -> None:
    """Nor is it undone by what another vCenter's hosts run; its orphaned VIB ended with it."""
    _, records = replaced
    times = [parse_time(record["checked_at"]) for record in records]
    found = build_log_evidence(records, AuditPeriod(times[0], times[-1] + timedelta(hours=1)))
    assert [(each.entry.replaced_by, each.undone_by) for each in found.changes] == [(3, None)] * 2
    orphan, anew = [each for each in found.orphans if each.vib == FOOTHOLD]
    assert (orphan.gone_at, orphan.gone_because) == (records[2]["checked_at"], "retired")
    assert (anew.gone_at, anew.at_end) == (None, ("host-18",))
    later = build_log_evidence(records, AuditPeriod(times[2] - timedelta(hours=1), times[-1]))
    assert [each.at_start for each in later.orphans if each.vib == FOOTHOLD] == [("host-18",), ()]


def test_an_orphaned_vib_of_both_vcenters_is_two(replaced: tuple[Path, list[Record]]) -> None:
    """One that was gone before stays gone as it was."""
    _, records = replaced
    removed: Record = {
        **records[1],
        "seq": 3,
        "after": {**records[1]["after"], "findings": {}},
        "findings": [],
    }
    found = list_orphans([*records[:2], removed, with_uuid(records[1], "another")])
    both = [each for each in found if each.vib == FOOTHOLD]
    assert [(each.gone_because, each.hosts) for each in both] == [(None, ()), (None, ("host-18",))]
    assert both[0].gone_at == records[1]["checked_at"]


def with_uuid(record: Record, uuid: str) -> Record:
    """The record as if another vCenter had left it."""
    return {**record, "after": {**record["after"], "instance_uuid": uuid}}


@pytest.mark.usefixtures("now")
def test_the_report_of_evidence_says_so_too(
    run: Run, replaced: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    """It counts as not accepted."""
    copy, records = replaced
    span = ("--from", records[0]["checked_at"][:16], "--to", records[-1]["checked_at"][:10])
    run("evidence", "prod-a", *span, "-o", tmp_path / "written", "--dir", copy)
    report = (tmp_path / "written" / "report.md").read_text(encoding="utf-8")
    assert "never accepted: the vCenter was replaced" in report
    (changed,) = [line for line in report.splitlines() if "2.9.2.0 | esx02" in line]
    assert "alice" not in changed
