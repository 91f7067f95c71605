"""The commands that ask a trail for the past, on a copy of one that the product's own jobs wrote."""

import csv
import gzip
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from esx_drift.cli.past import make_times
from esx_drift.cli.terminal import render_csv
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    encode_canonical_json,
    make_record_key,
    make_record_prefix,
    make_snapshot_key,
)
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import format_time
from esx_drift.domain.trail.excerpt import EXCERPT_KEY

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import PROD_A, PROD_B, open_world
from tests.unit.cli.conftest import Run
from tests.unit.trail.test_past import copy_audit_bucket

__all__ = ["ca", "cloud", "tls"]

I40EN, SMNTEMP, MFT = "Intel-i40en", "smntemp(910.1.0.0005)", "=mft(4.25.0)"


CLUSTERS = {
    "domain-c30": "prod-c",
    "domain-c31": "prod-c",
    "domain-c40": "prod-d",
    "domain-c50": "prod-e",
    "domain-c60": "prod-f",
}
"""Two of one name, one that is never checked, one like prod-a, and one without hosts."""


type InZone = Callable[[str], None]


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[InZone]:
    """Puts this machine into a time zone."""

    def put(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@dataclass(frozen=True, slots=True)
class Story:
    """A copy of a trail, and the records of prod-a in it: the first of 06:15, the second of 02:19."""

    directory: Path
    records: list[Record]


@pytest.fixture(scope="module")
def story(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A driver by hand, accepted on one of two hosts; a foothold that comes and goes; a host not seen."""
    with open_world(cloud, ca, tls, "vc01") as world:
        vcenter = world.vcenter
        for cluster, name in CLUSTERS.items():
            vcenter.inventory.add_cluster(name, cluster)
        vcenter.inventory.add_host("domain-c50", "esx60", deepcopy(vcenter.inventory.host("esx03").software))
        vcenter.hosts.disconnect("esx07")
        world.dispatch()
        for cluster in (PROD_A, PROD_B, "domain-c50", "domain-c60", "domain-c404"):
            world.check(cluster)
        vcenter.hosts.set_component(["esx01", "esx02"], I40EN, "2.9.2.0")
        world.check()
        person = Person(world)
        person.accept({"host-16": person.shown()["host-16"]}, ticket="CHG-7")
        vcenter.hosts.add_orphaned_vib("esx01", SMNTEMP)
        vcenter.hosts.add_orphaned_vib("esx03", MFT)
        world.check()
        vcenter.hosts.remove_orphaned_vib("esx01", SMNTEMP)
        vcenter.hosts.disconnect("esx04")
        vcenter.hosts.set_component("esx02", I40EN, "2.7.2.0")
        world.check()
        vcenter.hosts.reconnect("esx04")
        world.check()
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        yield Story(directory, world.records())


def rows_of(text: str) -> list[dict[str, str]]:
    """The lines of a CSV, by column."""
    return list(csv.DictReader(io.StringIO(text)))


def test_the_history_says_what_when_where_and_who(run: Run, story: Story) -> None:
    """Each change with the looks around it, its hosts, and who accepted it on which of them."""
    told = run("history", "prod-a", "--dir", story.directory)
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0] == "prod-a (domain-c9) on vc01: 5 changes in 6 records"
    (driver,) = [line for line in lines if "2.9.2.0" in line and "esx01, esx02" in line]
    assert "2026-11-23 06:15" in driver
    assert "2026-11-24 02:19" in driver
    assert "by alice on esx01: CHG-7 · CHG-42" in " ".join(told.out.split())
    assert any("accepted by alice: CHG-7 · CHG-42" in line for line in lines)
    assert any("first copy" in line for line in lines)
    assert "host-failed" not in told.out
    assert run("history", "@vcenter", "--dir", story.directory).out.startswith("the vCenter vc01: 0 changes")


def test_where_nothing_changed_what_opened_and_ended_is_counted(run: Run, story: Story) -> None:
    """Else an outage would read as a quiet time."""
    question = ("history", "prod-a", "--host", "esx04", "--dir", story.directory)
    plain, whole = run(*question), run(*question, "--findings")
    said = "A finding, such as an outage, opened, grew or ended 3 times: --findings lists them."
    assert (plain.out.splitlines()[1], said in whole.out) == (said, False)
    assert said not in run("history", "prod-a", "--dir", story.directory).out


def test_the_history_of_one_host_component_or_time(run: Run, story: Story) -> None:
    """Only what is about it."""
    at = ("--dir", story.directory, "--format", "json")
    entries = json.loads(run("history", "prod-a", *at, "--host", "esx03").out)["entries"]
    assert [entry["kind"] for entry in entries] == ["first-copy", "change"]
    for named in ("smntemp", SMNTEMP):
        entries = json.loads(run("history", "prod-a", *at, "--component", named).out)["entries"]
        assert [entry["change"]["kind"] for entry in entries] == ["added", "removed"]
        assert {entry["hosts"][0]["name"] for entry in entries} == {"esx01"}
    since = json.loads(run("history", PROD_A, *at, "--since", story.records[3]["checked_at"]).out)["entries"]
    assert [entry["record"] for entry in since] == [4, 4, 5, 5]
    assert since[0]["after"] == story.records[2]["after"]["last_look_at"]
    findings = json.loads(run("history", "prod-a", *at, "--findings").out)["entries"]
    kinds = {entry["finding"]["kind"] for entry in findings if entry["kind"] == "finding"}
    assert "orphaned-vib" in kinds
    assert {entry["severity"] for entry in findings if entry["kind"] == "finding"} >= {"critical"}
    assert "opened: " in run("history", "prod-a", "--findings", "--dir", story.directory).out
    none = run("history", "prod-a", "--component", "none", "--dir", story.directory)
    assert none.out.splitlines() == ["prod-a (domain-c9) on vc01: 0 changes in 6 records"]


def test_a_spreadsheet_computes_nothing(run: Run, story: Story) -> None:
    """A cell that begins like a formula is text."""
    told = run("history", "prod-a", "--dir", story.directory, "--format", "csv", "--findings")
    rows = rows_of(told.out)
    assert f"'{MFT}" in {row["key"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    (decided,) = [row for row in rows if row["kind"] == "decision"]
    assert (decided["reason"], decided["ticket"], decided["hosts"]) == ("CHG-42", "CHG-7", "esx01")
    orphans = run("orphans", "prod-a", "--dir", story.directory, "--format", "csv")
    assert {row["vib"] for row in rows_of(orphans.out)} == {f"'{MFT}", SMNTEMP}


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\t=1"),
        ("\r=1", "\\r=1"),
        ("\n=1", "\\n=1"),
        ("esx01", "esx01"),
    ],
)
def test_no_cell_begins_like_a_formula(cell: str, written: str) -> None:
    """Nor with a character that a spreadsheet leaves out before it looks for one."""
    assert list(csv.reader(io.StringIO(render_csv(("name",), [{"name": cell}])))) == [["name"], [written]]


def test_what_hosts_ran_is_told_with_how_sure_it_is(run: Run, story: Story) -> None:
    """By the looks before and after; a change in between is said; and a host that was not seen."""
    first, third = story.records[0], story.records[4]
    told = run("as-of", "prod-a", first["checked_at"], "--dir", story.directory)
    assert told.code == 0
    rows = {line.split()[0]: line for line in told.out.splitlines() if line.strip().startswith("esx0")}
    assert "changed by 2026-11-24 02:19" in rows["esx01"]
    second = run("as-of", "prod-a", story.records[1]["checked_at"], "--dir", story.directory)
    step = "2.9.2.0 → 2.7.2.0-1OEM.800.1.0.20613240"
    assert second.out.splitlines()[-1] == f"Image B differs from A in component {I40EN} ({step})"
    assert "the same 2026-11-24 02:19" in rows["esx03"]
    document = json.loads(
        run("as-of", "prod-a", third["checked_at"], "--dir", story.directory, "--format", "json").out
    )
    hosts = {host["name"]: host for host in document["hosts"]}
    before, missed, next_seen = (story.records[number]["checked_at"] for number in (3, 4, 5))
    shown = [at[:19].replace("T", " ") for at in (before, missed, next_seen)]
    unread = run("as-of", "prod-a", third["checked_at"], "--dir", story.directory).out
    assert f"seen {shown[0]}, not read {shown[1]}, the same {shown[2]}" in unread
    assert hosts["esx04"]["seen_before"] == story.records[3]["after"]["last_look_at"]
    assert hosts["esx04"]["seen_after"] == story.records[5]["after"]["last_look_at"]
    assert hosts["esx01"]["image"][f"component:{I40EN}"] == {"version": "2.9.2.0"} or "2.9.2.0" in str(
        hosts["esx01"]["image"][f"component:{I40EN}"]
    )
    rows_csv = rows_of(run("as-of", "prod-a", "2026-11-24", "--dir", story.directory, "--format", "csv").out)
    assert [row["seen_after"] for row in rows_csv] == [""] * len(rows_csv)
    never = run("as-of", "prod-b", "2026-11-24", "--dir", story.directory)
    assert "not known: not seen by then" in never.out
    late = run("as-of", "prod-a", "2026-11-30", "--dir", story.directory)
    assert "not since" in late.out
    early = run("as-of", "prod-a", "2026-11-22", "--dir", story.directory)
    assert (early.code, early.out) == (2, "")
    assert "nobody had looked at prod-a (domain-c9) on vc01 by 2026-11-22 23:59:59 UTC" in early.err


def test_each_part_that_hosts_ran_is_listed(run: Run, story: Story) -> None:
    """Which driver ran on which host at a time: for a person by version, for programs by host."""
    asked = ("as-of", "prod-a", story.records[1]["checked_at"], "--parts", "--dir", story.directory)
    table = [line.split() for line in run(*asked).out.splitlines()]
    drivers = {line[2]: line[3:] for line in table if line[:2] == ["component", I40EN]}
    assert drivers["2.9.2.0"] == ["esx01,", "esx02"]
    assert drivers["2.7.2.0-1OEM.800.1.0.20613240"] == ["esx03,", "esx04"]
    rows = rows_of(run(*asked, "--format", "csv", "--host", "esx01").out)
    assert {row["name"] for row in rows} == {"esx01"}
    (driver,) = [row for row in rows if row["part"] == f"component:{I40EN}"]
    assert (driver["version"], driver["changed_between"]) == ("2.9.2.0", "yes")
    listed = json.loads(run(*asked, "--format", "json", "--host", "esx01").out)["parts"]
    assert [part["part"] for part in listed] == [row["part"] for row in rows]
    later = ("as-of", "prod-a", "2026-11-30", "--parts", "--dir", story.directory)
    assert any(line.split()[:3] == ["orphaned", "VIB", "=mft"] for line in run(*later).out.splitlines())
    never = ("as-of", "prod-b", "2026-11-30", "--host", "esx07", "--parts", "--format", "csv")
    assert rows_of(run(*never, "--dir", story.directory).out) == []


def test_of_many_parts_that_differ_ten_are_named(run: Run, story: Story, tmp_path: Path) -> None:
    """The rest is counted; a part that is not there has no version."""
    stored = story.records[-1]["after"]["snapshot"]
    assert stored is not None
    snapshot = json.loads(gzip.decompress((story.directory / stored["key"]).read_bytes()))
    image = deepcopy(snapshot["images"][snapshot["hosts"]["host-16"]["image"]])
    image["main"] |= {f"component:Zoo-{number:02}": {"version": "1"} for number in range(12)}
    snapshot["images"]["f" * 64] = image
    snapshot["hosts"]["host-16"]["image"] = "f" * 64
    forge_newest_snapshot(story, tmp_path / "copy", encode_canonical_json(snapshot))
    told = run("as-of", "prod-a", "2026-11-30", "--host", "esx01", "--dir", tmp_path / "copy")
    assert "component Zoo-00 (none → 1), component Zoo-01 (none → 1), " in told.out, told.out
    assert re.search(r"differs from A in 13 parts: .*, and 3 more$", told.out, re.MULTILINE)


def test_blame_says_since_when_parts_are_there(run: Run, story: Story) -> None:
    """In the table what changed, the rest counted; all of it with --all, and for programs."""
    told = run("blame", "prod-a", "--dir", story.directory)
    assert "Intel-i40en" in told.out
    assert "since the first copy, 2026-11-23 06:15:01 UTC (record 1)" in told.out
    everything = run("blame", "prod-a", "--dir", story.directory, "--all", "--host", "esx01")
    assert "base image" in everything.out
    assert "esx02" not in everything.out
    (mft,) = [line for line in told.out.splitlines() if "mft" in line]
    assert mft.split()[:5] == ["orphaned", "VIB", "=mft", "4.25.0", "esx03"]
    parts = json.loads(run("blame", "prod-a", "--dir", story.directory, "--format", "json").out)["parts"]
    driver = {part["name"]: part["seq"] for part in parts if part["part"] == f"component:{I40EN}"}
    assert driver == {"esx01": 2, "esx02": 5, "esx03": 1, "esx04": 1}
    rows = rows_of(run("blame", "prod-a", "--dir", story.directory, "--format", "csv").out)
    assert len(rows) == len(parts)
    unchanged = run("blame", "prod-b", "--dir", story.directory)
    assert len(unchanged.out.splitlines()) == 3
    unknown = run("blame", "prod-a", "--dir", story.directory, "--host", "esx9")
    assert (unknown.code, "no host of prod-a was ever called esx9" in unknown.err) == (2, True)


def test_orphaned_vibs_are_listed_with_their_spread(run: Run, story: Story) -> None:
    """What is there now of all clusters; with --gone what was, too."""
    now = run("orphans", "--dir", story.directory)
    assert now.out.startswith("1 orphaned VIB on 1 host of 8 clusters")
    assert "smntemp" not in now.out
    gone = run("orphans", "--gone", "--dir", story.directory)
    assert "smntemp" in gone.out
    listed: list[dict[str, Any]] = json.loads(
        run("orphans", "--gone", "--dir", story.directory, "--format", "json").out
    )["orphaned_vibs"]
    ended = {one["vib"]: one["gone_at"] for one in listed}
    assert ended == {MFT: None, SMNTEMP: story.records[4]["checked_at"]}
    assert {one["vib"]: one["fleet_hosts"] for one in listed} == {MFT: 1, SMNTEMP: 0}
    assert now.out.splitlines()[2].split()[-4:] == ["now", "In", "the", "fleet"]
    assert now.out.splitlines()[3].split()[-2:] == ["1", "host"]
    assert gone.out.startswith("1 orphaned VIB on 1 host of 8 clusters, and 1 that went from all\n")
    own = run("orphans", "prod-a", "--dir", story.directory)
    assert "In the fleet" not in own.out
    assert "0 orphaned VIBs" in run("orphans", "prod-b", "--dir", story.directory).out


@pytest.mark.parametrize("part", ["vcenter", "excerpt", "damaged"])
def test_of_a_part_of_the_fleet_no_number_of_its_hosts_is_said(
    run: Run, story: Story, tmp_path: Path, part: str
) -> None:
    """Of one vCenter, of an excerpt, and where not all could be read: the others may have it, too."""
    copy = tmp_path / "copy"
    copytree(story.directory, copy)
    if part == "excerpt":
        (copy / EXCERPT_KEY).write_text("{}")
    if part == "damaged":
        numbers = sorted((copy / make_record_key("vc01", PROD_B, 1)).parent.iterdir())
        numbers[-1].write_bytes(b"{")
    which = ("--vcenter", "vc01") if part == "vcenter" else ()
    said = run("orphans", *which, "--dir", copy)
    assert (said.code, said.out.splitlines()[0][:24]) == (int(part == "damaged"), "1 orphaned VIB on 1 host")
    assert "In the fleet" not in said.out
    shown = json.loads(run("orphans", *which, "--dir", copy, "--format", "json").out)["orphaned_vibs"]
    assert [one["fleet_hosts"] for one in shown] == [None]


def test_a_record_is_shown_by_number_key_and_address(run: Run, story: Story) -> None:
    """Whole for a program; what a person looks for in it."""
    key = make_record_key("vc01", PROD_A, 3)
    shown = [
        run("show", *which, "--dir", story.directory)
        for which in (("prod-a", 3), (key,), (f"s3://audit/{key}",))
    ]
    assert {told.code for told in shown} == {0}
    assert len({told.out for told in shown}) == 1
    assert "Record 3 of prod-a (domain-c9) on vc01: accepted" in shown[0].out
    assert "decided by alice: CHG-7 · CHG-42, for esx01" in shown[0].out
    newest = json.loads(run("show", "prod-a", "--dir", story.directory, "--format", "json").out)
    assert newest == story.records[-1]
    for vcenter in ("vc01/@vcenter", "@vc01"):
        assert "Record 1 of the vCenter vc01: " in run("show", vcenter, 1, "--dir", story.directory).out
    unseen = run("show", "prod-a", 5, "--dir", story.directory).out
    assert "Not read" in unseen
    assert "Changes" in unseen
    assert "follows record 4" in unseen
    assert "Asked for checks of" in run("show", "@vcenter", "--dir", story.directory).out
    failed = run("show", make_record_key("vc01", "domain-c404", 1), "--dir", story.directory)
    assert "could not look: " in failed.out
    missing = run("show", "prod-a", 99, "--dir", story.directory)
    assert (missing.code, "there is no such record: prod-a 99\n  Its newest is " in missing.err) == (2, True)
    gone = run("show", make_record_key("vc01", PROD_A, 99), "--dir", story.directory)
    assert (gone.code, "is not there any more" in gone.err) == (2, True)


def test_two_dates_are_compared_like_two_documents(run: Run, story: Story) -> None:
    """And two clusters by what most of their hosts run."""
    times = [story.records[number]["checked_at"] for number in (0, 1)]
    same = run("diff", f"prod-a@{times[0]}", f"prod-a@{times[0]}", "--dir", story.directory)
    assert (same.code, same.out.splitlines()[0]) == (0, "Nothing changed.")
    changed = run(
        "diff", f"prod-a@{times[0]}", f"vc01/prod-a@{times[1]}", "--dir", story.directory, "--format", "json"
    )
    assert changed.code == 1
    assert [change["key"] for change in json.loads(changed.out)["changes"]] == [I40EN]
    two = ("diff", "prod-a@2026-11-24", "prod-b@2026-11-24", "--dir", story.directory)
    other = run(*two)
    assert other.code == 1
    assert "They differ in" in other.out
    listed = json.loads(run(*two, "--format", "json").out)
    assert listed["drifted"]
    assert {host for change in listed["changes"] for host in change["hosts"]} <= {
        "host-20",
        "host-21",
        "host-22",
    }
    like = run("diff", f"prod-a@{times[0]}", "prod-e@2026-11-24", "--dir", story.directory)
    assert (like.code, like.out.splitlines()[-1]) == (0, "Most hosts of both run the same.")
    empty = run("diff", f"prod-a@{times[0]}", "prod-f@2026-11-24", "--dir", story.directory)
    assert (empty.code, "no host of prod-f@2026-11-24 was read" in empty.err) == (2, True)
    early = run("diff", "prod-a@2026-11-01", "prod-a@2026-11-24", "--dir", story.directory)
    assert (early.code, "keeps no document of prod-a" in early.err) == (2, True)


def test_what_is_damaged_is_named_and_the_rest_told(run: Run, story: Story, tmp_path: Path) -> None:
    """With an exit code that says that not all is well."""
    copy = tmp_path / "copy"
    copytree(story.directory, copy)
    (copy / make_record_key("vc01", PROD_A, 2)).write_bytes(b"{}")
    told = run("history", "prod-a", "--dir", copy)
    assert told.code == 1
    assert "0000000002.json is no record" in told.err
    assert "smntemp" in told.out
    for path in (copy / make_record_prefix("vc01", PROD_A)).iterdir():
        path.write_bytes(b"")
    for command in (("blame", "prod-a"), ("as-of", "prod-a", "2026-11-24"), ("show", "prod-a")):
        broken = run(*command, "--dir", copy)
        assert (broken.code, "is no record" in broken.err) == (2, True), command


def forge_newest_snapshot(story: Story, copy: Path, body: bytes) -> str:
    """Let the newest record of a copy name these bytes as what it left; their key."""
    copytree(story.directory, copy)
    record = deepcopy(story.records[-1])
    packed = gzip.compress(body, mtime=0)
    key = make_snapshot_key("vc01", PROD_A, compute_sha256(packed))
    record["after"]["snapshot"] = {"key": key, "sha256": compute_sha256(packed)}
    (copy / key).write_bytes(packed)
    (copy / make_record_key("vc01", PROD_A, record["seq"])).write_text(json.dumps(record))
    return key


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "it has another form"),
        (b'{"a":' * 60_000 + b"1" + b"}" * 60_000, "it is nested too deep"),
        (b"{}", "it has another form"),
    ],
)
def test_a_snapshot_of_another_form_is_named(
    run: Run, story: Story, tmp_path: Path, body: bytes, said: str
) -> None:
    """What needs it is trouble; the rest is answered without it."""
    key = forge_newest_snapshot(story, tmp_path / "copy", body)
    at = ("--dir", tmp_path / "copy")
    for command in (("as-of", "prod-a", "2026-12-01"), ("blame", "prod-a")):
        ran = run(*command, *at)
        assert (ran.code, ran.out) == (2, ""), command
        assert f"{key} is no snapshot: {said}" in ran.err
    for command in (("history", "prod-a"), ("show", "prod-a"), ("orphans", "prod-a")):
        ran = run(*command, *at)
        assert ran.code == 1, command
        assert f"{key} is no snapshot: {said}" in ran.err
        assert "prod-a" in ran.out
    before = run("as-of", "prod-a", story.records[0]["checked_at"], *at)
    assert (before.code, "esx01" in before.out) == (0, True)


def test_two_days_of_a_damaged_log_are_not_said_to_be_the_same(
    run: Run, story: Story, tmp_path: Path
) -> None:
    """An older record stands in for the damaged one: what is compared is shown, and the end is trouble."""
    copytree(story.directory, tmp_path / "copy")
    (tmp_path / "copy" / make_record_key("vc01", PROD_A, 4)).write_bytes(b"[]")
    ran = run(
        "diff",
        f"prod-a@{story.records[1]['checked_at']}",
        f"prod-a@{story.records[3]['checked_at']}",
        "--dir",
        tmp_path / "copy",
    )
    assert (ran.code, ran.out.splitlines()[:1]) == (2, ["Nothing changed."]), ran.err
    assert "0000000004.json is no record" in ran.err


def test_a_document_that_was_changed_is_named(run: Run, story: Story, tmp_path: Path) -> None:
    """There is nothing to be compared without it."""
    copytree(story.directory, tmp_path / "copy")
    stored = story.records[0]["document"]
    assert stored is not None
    (tmp_path / "copy" / stored["key"]).write_bytes(b"x")
    days = [f"prod-a@{story.records[number]['checked_at']}" for number in (0, 1)]
    ran = run("diff", *days, "--dir", tmp_path / "copy")
    assert (ran.code, ran.out) == (2, "")
    assert f"{stored['key']} was changed" in ran.err


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("0001-01-01T00:00+05:00", "0001-01-01T00:00+05:00 is too far away"),
        ("9999-12-31", "9999-12-31 is too far away"),
        ("2026-11-23T25:00", "is no date"),
        ("2026-11-23T02:14+99:00", "is no date"),
        ("2026-W48", "is no date"),
        ("1969-12-31", "nobody had looked at prod-a"),
    ],
)
@pytest.mark.parametrize("local", [(), ("--local",)])
def test_a_date_that_cannot_be_answered_is_refused(
    run: Run, story: Story, date: str, said: str, local: tuple[str, ...]
) -> None:
    """In a sentence, whatever the zone."""
    ran = run("as-of", "prod-a", date, "--dir", story.directory, *local)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-11-23", "2026-11-23T00:00:00.000Z", "2026-11-23T23:59:59.999Z"),
        ("2026-11-23T02:14", "2026-11-23T02:14:00.000Z", "2026-11-23T02:14:59.999Z"),
        ("2026-11-23 02:14 UTC", "2026-11-23T02:14:00.000Z", "2026-11-23T02:14:59.999Z"),
        ("2026-11-23T02:14:07", "2026-11-23T02:14:07.000Z", "2026-11-23T02:14:07.999Z"),
        ("2026-11-23T02:14:07.250Z", "2026-11-23T02:14:07.250Z", "2026-11-23T02:14:07.250Z"),
        ("2026-11-23T02:14+01:00", "2026-11-23T01:14:00.000Z", "2026-11-23T01:14:59.999Z"),
        ("2026-11-23T02:14-01:30", "2026-11-23T03:44:00.000Z", "2026-11-23T03:44:59.999Z"),
        ("8999-12-31", "8999-12-31T00:00:00.000Z", "8999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_has_a_beginning_and_an_end(text: str, begins: str, ends: str) -> None:
    """Of the day, the minute or the second that it names."""
    times = make_times(local=False)
    assert format_time(times.parse_beginning(text)) == begins
    assert format_time(times.parse_end(text)) == ends


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T22:59:59.999Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00.000Z", "2026-10-25T01:30:59.999Z"),
        ("2026-03-29T02:30", "2026-03-29T00:30:00.000Z", "2026-03-29T01:30:59.999Z"),
        ("2026-03-29", "2026-03-28T23:00:00.000Z", "2026-03-29T21:59:59.999Z"),
    ],
)
def test_clocks_that_are_turned_lose_no_hour(in_zone: InZone, text: str, begins: str, ends: str) -> None:
    """A day has 23 or 25 hours; of an hour that comes twice the end is the later, the beginning the first."""
    in_zone("Europe/Berlin")
    times = make_times(local=True)
    assert format_time(times.parse_beginning(text)) == begins
    assert format_time(times.parse_end(text)) == ends


def test_a_time_at_the_end_of_the_calendar_is_shown(in_zone: InZone) -> None:
    """No check is of it; somebody may have written it."""
    in_zone("America/New_York")
    times = make_times(local=True)
    assert times.format("0001-01-01T00:00:00.000Z") == "0001-01-01 00:00:00"
    assert times.format("2026-11-23T02:14:00.000Z") == "2026-11-22 21:14:00"


def test_the_day_that_an_acceptance_ends_with_is_one_of_utc(in_zone: InZone) -> None:
    """Among local times that is said; a time within a day is moved as all others."""
    in_zone("Asia/Tokyo")
    times = make_times(local=True)
    assert times.format_end("2026-12-25T00:00:00.000Z") == "2026-12-24 UTC"
    assert times.format_end("2026-12-24T18:00:00.000Z") == "2026-12-25 03:00:00"
    assert make_times(local=False).format_end("2026-12-25T00:00:00.000Z") == "2026-12-24"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("history", "prod-x"), "the trail knows no cluster called prod-x on vc01: did you mean prod-"),
        (("history", "prod-a", "--vcenter", "vc09"), "the trail knows no vCenter called vc09"),
        (("history", "prod-c"), "prod-c may be prod-c (domain-c30) on vc01"),
        (("diff", "prod-c@2026-11-24", "prod-a@2026-11-24"), "Say which: vc01/domain-c30 or vc01/domain-c31"),
        (("blame", "prod-d"), "nobody has looked at prod-d (domain-c40) on vc01 yet"),
        (("history", "prod-a", "--since", "yesterday"), "yesterday is no date"),
        (("as-of", "prod-a", "2026-13-01"), "2026-13-01 is no date"),
    ],
)
def test_what_is_asked_wrongly_is_said(run: Run, story: Story, command: tuple[str, ...], said: str) -> None:
    """With what there is instead."""
    told = run(*command, "--dir", story.directory)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_times_are_local_where_one_wants(run: Run, story: Story, in_zone: InZone) -> None:
    """Those that are printed, and those that are given."""
    in_zone("Asia/Tokyo")
    told = run("as-of", "prod-a", "2026-11-23T15:16", "--local", "--dir", story.directory)
    assert "as of 2026-11-23 15:16:59 +09:00" in told.out
    assert "checked 2026-11-23 15:15" in told.out


def test_a_time_that_was_printed_finds_its_record(run: Run, story: Story) -> None:
    """Though it is printed to the minute, and the check was later in it."""
    times = make_times(local=False)
    last = {times.format(record["checked_at"]): record["seq"] for record in story.records}
    for record in story.records:
        shown = times.format(record["checked_at"])
        told = run("as-of", "prod-a", shown, "--dir", story.directory, "--format", "json")
        assert json.loads(told.out)["record"] == last[shown]
        since = run("history", "prod-a", "--since", shown, "--dir", story.directory, "--format", "json")
        numbers = {entry["record"] for entry in json.loads(since.out)["entries"]}
        assert all(times.format(story.records[number - 1]["checked_at"]) >= shown for number in numbers)


@pytest.fixture
def copy(story: Story, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    copytree(story.directory, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_cluster_that_its_vcenter_forgot_has_a_past(run: Run, story: Story, copy: Path) -> None:
    """One that was retired long ago, by its name and its id; also where the vCenter's own log is gone."""
    own = sorted((copy / make_record_prefix("vc01", VCENTER_LOG)).iterdir())
    record = json.loads(own[-1].read_bytes())
    del record["after"]["clusters"][PROD_A]
    own[-1].write_bytes(encode_canonical_json(record))
    commands = (("history",), ("history", "--vcenter", "vc01"), ("blame",), ("show",))
    for lost in (False, True):
        if lost:
            for path in own:
                path.unlink()
        for command, *rest in commands:
            for name in ("prod-a", PROD_A):
                asked = (command, name, *rest, "--dir")
                assert run(*asked, copy).out == run(*asked, story.directory).out
    assert SMNTEMP.partition("(")[0] in run("orphans", "--gone", "--dir", copy).out
    other = run("history", "prod-a", "--dir", copy, "--vcenter", "vc02")
    assert (other.code, "no vCenter called vc02: did you mean vc01?" in other.err) == (2, True)


@pytest.mark.parametrize("gone", [[1], [2], [2, 3], [1, 2, 3]])
def test_records_that_are_not_there_are_named(run: Run, copy: Path, gone: list[int]) -> None:
    """What is between those that are there, and before the first one: it may have said anything."""
    for number in gone:
        (copy / make_record_key("vc01", PROD_A, number)).unlink()
    rest = f", nor are those up to {gone[-1]:010d}.json" if len(gone) > 1 else ""
    first = make_record_key("vc01", PROD_A, gone[0])
    line = f"warning: {first} is not there{rest}, and a later one of its log is\n"
    for command in (("history", "prod-a"), ("blame", "prod-a"), ("as-of", "prod-a", "2026-11-24")):
        told = run(*command, "--dir", copy)
        assert (told.code, told.err) == (1, line), command
    told = run("orphans", "--dir", copy)
    assert (told.code, told.err) == (1, line)


def test_an_excerpt_says_that_it_is_one(run: Run, copy: Path) -> None:
    """What is since its first record may be of before; no record is missed before that."""
    for number in (1, 2):
        (copy / make_record_key("vc01", PROD_A, number)).unlink()
    (copy / EXCERPT_KEY).write_bytes(b"{}")
    note = f"info: {copy} is an excerpt: of other clusters, and of what was before, it says nothing\n"
    told = run("history", "prod-a", "--dir", copy)
    assert (told.code, told.err) == (0, note)
    told = run("blame", "prod-a", "--dir", copy)
    assert (told.code, told.err) == (0, note)
    assert " since the first record here, or before it, 2026-11-2" in told.out
    assert "first seen here" not in told.out
    told = run("blame", "prod-a", "--all", "--dir", copy)
    assert " by 2026-11-2" in told.out
    listed = json.loads(run("blame", "prod-a", "--dir", copy, "--format", "json").out)["parts"]
    assert {part["origin"] for part in listed} == {"earlier", "change"}


def test_a_component_is_found_however_it_is_spelt(run: Run, story: Story) -> None:
    """And one that is nowhere is no component that never changed."""
    asked = ("history", "prod-a", "--dir", story.directory, "--component")
    assert run(*asked, I40EN.upper()).out == run(*asked, I40EN).out
    assert run(*asked, I40EN).err == run(*asked, "base_image").err == run(*asked, SMNTEMP).err == ""
    unknown = run(*asked, "i40en")
    assert (unknown.code, unknown.err) == (
        0,
        "warning: nothing here is called i40en: did you mean Intel-i40en?\n",
    )
    # Of a cluster that no vCenter listed, and that nobody could look at.
    told = run("history", "domain-c404", "--dir", story.directory, "--component", "driver-x")
    assert (told.code, told.err) == (0, "warning: nothing here is called driver-x\n")


def test_a_cluster_that_was_never_checked_has_no_past(run: Run, story: Story) -> None:
    """That nothing is recorded is not that nothing changed."""
    told = run("history", "prod-d", "--dir", story.directory)
    assert (told.code, told.out) == (2, "")
    assert "nothing is recorded here of prod-d (domain-c40) on vc01" in told.err
