"""What is said of a cluster of which a record can't be read: nothing that this record may contradict."""

import csv
import gzip
import json
from io import StringIO
from pathlib import Path
from shutil import copytree

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters.trail_files import DirectoryTrailFiles
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef, make_record_key
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.history import list_parts_since
from esx_drift.domain.trail.hosts import compare_sightings, find_sightings
from esx_drift.trail.past import TrailLogs

from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, World
from tests.unit.cli.conftest import Run
from tests.unit.trail.played import open_watched
from tests.unit.trail.sealed import make_key, seal, write_copy
from tests.unit.trail.test_past import I40EN, CountedFiles, copy_audit_bucket

VCENTER = "vc01.example.com"


@pytest.fixture
def key() -> EllipticCurvePrivateKey:
    """The key that signs."""
    return make_key()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """Three looks: esx02 changed at the second, esx01 at the third, when esx99 came for esx04."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        run_check(world)
        world.vcenter.hosts.set_component("esx02", I40EN, "2.9.2.0")
        run_check(world)
        world.vcenter.hosts.set_component("esx01", I40EN, "2.9.9.9")
        world.vcenter.inventory.remove_host("esx04")
        world.vcenter.inventory.add_host(PROD_A, "esx99")
        run_check(world)
        root = tmp_path_factory.mktemp("played") / "copy"
        copy_audit_bucket(world.aws.s3, root)
        return root, world.records()


def run_check(world: World) -> Record:
    """A run, and a check."""
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    return world.check()


@pytest.fixture
def damaged(played: tuple[Path, list[Record]], tmp_path: Path) -> Path:
    """A copy whose second record is no JSON."""
    copytree(played[0], tmp_path / "damaged")
    (tmp_path / "damaged" / make_record_key(VCENTER, PROD_A, 2)).write_bytes(b"{")
    return tmp_path / "damaged"


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """esx02 and esx03 changed, esx03's is accepted at once; then esx02 changed once more, and is accepted."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        person = Person(world)
        run_check(world)
        world.vcenter.hosts.set_component(["esx02", "esx03"], I40EN, "2.9.2.0")
        run_check(world)
        person.accept({"host-18": person.shown()["host-18"]})
        world.vcenter.hosts.set_component("esx02", I40EN, "2.9.3.0")
        run_check(world)
        person.accept({"host-17": person.shown()["host-17"]})
        root = tmp_path_factory.mktemp("accepted") / "copy"
        copy_audit_bucket(world.aws.s3, root)
        return root


@pytest.mark.parametrize(
    ("spoilt", "expected", "unread"),
    [
        ([], "by alice on esx03: CHG-42", None),
        ([4], "by alice on esx03: CHG-42; else not known: record 4 can't be read", [4, 4]),
        ([3, 4], "not known: records 3 to 4 can't be read", [3, 4]),
    ],
)
def test_who_accepted_a_change_is_unknown_behind_a_damaged_record(
    run: Run, accepted: Path, tmp_path: Path, spoilt: list[int], expected: str, unread: list[int] | None
) -> None:
    """It may say that the host was changed again: what was accepted later is then another change."""
    copytree(accepted, tmp_path / "copy")
    for number in spoilt:
        (tmp_path / "copy" / make_record_key(VCENTER, PROD_A, number)).write_bytes(b"{")
    asked = ("history", "prod-a", "--component", I40EN, "--dir", tmp_path / "copy")
    said = " ".join(run(*asked).out.split())
    assert expected in said
    assert ("not known" in said) is bool(spoilt)
    entries = json.loads(run(*asked, "--format", "json").out)["entries"]
    entry = next(one for one in entries if one["change"]["to"] == "2.9.2.0")
    assert entry["unread_records"] == unread
    assert all(one["hosts"] == ["host-18"] for one in entry["accepted"])
    row = next(csv.DictReader(StringIO(run(*asked, "--format", "csv").out)))
    assert row["unread_records"] == ("" if unread is None else f"{unread[0]}-{unread[1]}")
    period = ("--from", "2026-11-23", "--to", "2026-11-24", "-o", tmp_path / "nov")
    run("evidence", "prod-a", *period, "--dir", tmp_path / "copy")
    report = (tmp_path / "nov" / "report.md").read_text()
    assert ("not known whether it was accepted: record" in report) is bool(spoilt)


def test_since_when_a_part_is_there_is_unknown_behind_a_damaged_record(run: Run, damaged: Path) -> None:
    """That record may have brought it: no part is said to be there since the first copy."""
    said = run("blame", "prod-a", "--host", "esx02", "--dir", damaged)
    assert said.code == 1
    assert "first copy" not in said.out
    assert "parts, since when is unknown: at or after record 1, and by" in said.out
    cells = run("blame", "prod-a", "--host", "esx02", "--format", "csv", "--dir", damaged).out
    assert {(row["origin"], row["record"]) for row in csv.DictReader(StringIO(cells))} == {("unknown", "1")}


def test_what_the_next_record_brought_is_known(run: Run, damaged: Path) -> None:
    """A change that it names, and a host that it says came."""
    asked = run("blame", "prod-a", "--format", "json", "--dir", damaged).out
    parts = {(part["name"], part["part"]): part for part in json.loads(asked)["parts"]}
    changed, came = parts["esx01", f"component:{I40EN}"], parts["esx99", "base_image"]
    assert [(part["origin"], part["seq"]) for part in (changed, came)] == [
        ("change", 3),
        ("first-seen", 3),
    ]


def test_what_was_brought_before_the_damage_has_a_line(played: tuple[Path, list[Record]]) -> None:
    """It came then, or since."""
    copy, records = played
    later: Record = {**records[2], "seq": 4, "changes": []}
    snapshot = json.loads(run_snapshot(copy, records[2]))
    found = {(one.host, one.part): one for one in list_parts_since([*records[:2], later], snapshot)}
    of_change = found["host-17", f"component:{I40EN}"]
    assert (of_change.origin, of_change.seq) == ("unknown", 2)
    assert (of_change.since, of_change.at) == (records[0]["checked_at"], later["checked_at"])
    (came,) = {one for (host, part), one in found.items() if host not in HOSTS and part == "base_image"}
    assert (came.origin, came.seq, came.since) == ("unknown", 1, None)


HOSTS = ("host-16", "host-17", "host-18", "host-19")


def run_snapshot(copy: Path, record: Record) -> bytes:
    """The snapshot that a record left."""
    left = record["after"]["snapshot"]
    assert left is not None
    return gzip.decompress((copy / left["key"]).read_bytes())


def test_a_record_that_a_digest_names_is_missed_at_the_end(
    run: Run, played: tuple[Path, list[Record]], key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """By each question. Where the digest can't be read, that is said."""
    copy, records = played
    files = DirectoryTrailFiles(copy)
    objects = {found.key: files.read(found.key) or b"" for found in files.list_objects("")}
    sealed = write_copy(seal(objects, key), tmp_path / "sealed")
    at = records[0]["checked_at"]
    questions = [("history", "prod-a"), ("as-of", "prod-a", at), ("blame", "prod-a"), ("orphans", "prod-a")]
    for asked in questions:
        assert (run(*asked, "--dir", sealed).code, run(*asked, "--dir", sealed).err) == (0, "")
    last = make_record_key(VCENTER, PROD_A, 3)
    (sealed / last).unlink()
    (digest,) = (sealed / "digests").glob("*.json")
    for asked in questions:
        told = run(*asked, "--dir", sealed)
        assert told.code == 1
        assert f"{last} is not there, and digests/{digest.name} names number 3 of its log" in told.err
    digest.write_bytes(b"{}")
    assert (
        f"digests/{digest.name} is no digest that this version knows"
        in run(*questions[0], "--dir", sealed).err
    )
    digest.unlink()
    digest.symlink_to(sealed / last)
    assert run(*questions[0], "--dir", sealed).code == 1


def test_the_newest_digest_is_read_once(
    played: tuple[Path, list[Record]], key: EllipticCurvePrivateKey
) -> None:
    """For all logs that are asked: one listing, and one object."""
    files = DirectoryTrailFiles(played[0])
    objects = {found.key: files.read(found.key) or b"" for found in files.list_objects("")}
    counted = CountedFiles(seal(objects, key))
    logs = TrailLogs(counted)
    for cluster in (PROD_A, VCENTER_LOG, PROD_A):
        assert logs.list_numbers(ClusterRef(VCENTER, cluster, cluster))
    assert len(counted.read_keys) == 1
    assert logs.damages == []


def test_hosts_are_the_same_only_if_both_snapshots_say_so(
    run: Run, damaged: Path, played: tuple[Path, list[Record]]
) -> None:
    """esx02 changed by the record that can't be read; of esx04, which left meanwhile, nothing is known."""
    _, records = played
    said = run("as-of", "prod-a", records[0]["checked_at"], "--dir", damaged)
    assert said.code == 1
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.startswith(" esx")}
    next_look = records[2]["checked_at"][:19].replace("T", " ")
    assert lines["esx01"].endswith(f"changed by {next_look}")
    assert lines["esx02"].endswith(f"changed by {next_look}")
    assert lines["esx03"].endswith(f"the same {next_look}")
    assert "gone by" in lines["esx04"]


def test_without_the_later_snapshot_nothing_is_the_same(
    run: Run, damaged: Path, played: tuple[Path, list[Record]]
) -> None:
    """Programs get null."""
    _, records = played
    left = records[2]["after"]["snapshot"]
    assert left is not None
    (damaged / left["key"]).write_bytes(b"no gzip")
    at = records[0]["checked_at"]
    said = run("as-of", "prod-a", at, "--dir", damaged).out
    assert "the same" not in said
    assert "changed or not, records can't be read" in said
    hosts = json.loads(run("as-of", "prod-a", at, "--format", "json", "--dir", damaged).out)["hosts"]
    assert {host["name"]: host["changed_between"] for host in hosts} == {
        "esx01": True,
        "esx02": None,
        "esx03": None,
        "esx04": None,
    }


def test_a_host_that_is_not_there_behind_missing_records_is_lost(
    played: tuple[Path, list[Record]],
) -> None:
    """It left, or has another id: none of both is said. Of one that nobody had seen nothing is lost."""
    copy, records = played
    later: Record = {**records[2], "seq": 4, "changes": []}
    moment = parse_time(records[0]["checked_at"])
    found = find_sightings([*HOSTS, "host-98"], moment, records[0], [later], ["host-98"])
    assert [(found[host].after is None, found[host].is_lost) for host in HOSTS] == [
        (False, False),
        (False, False),
        (False, False),
        (True, False),
    ]
    assert found["host-19"].left_at == later["checked_at"]
    # What changed before records are missing changed, whatever these say.
    unseen = {"uncovered_since": {"host-17": records[0]["checked_at"]}}
    changed: Record = {**records[1], "after": {**records[1]["after"], **unseen}}  # type: ignore[typeddict-item] # as stored
    known = find_sightings(["host-17"], moment, records[0], [changed, later])
    assert (known["host-17"].changed_between, known["host-17"].snapshot_after) == (True, None)
    after = {**later["after"], "accepted": {}, "departed": {}}
    renamed = find_sightings(HOSTS[:1], moment, records[0], [{**later, "after": after}])  # type: ignore[typeddict-item] # as stored
    assert (renamed["host-16"].after, renamed["host-16"].is_lost) == (None, True)
    assert not found["host-98"].is_lost
    snapshot = json.loads(run_snapshot(copy, records[0]))
    assert compare_sightings(snapshot, snapshot, "host-16", "host-16") is False
    assert compare_sightings(snapshot, snapshot, "host-16", "host-99") is None
