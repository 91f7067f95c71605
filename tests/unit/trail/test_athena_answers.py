"""What the template's questions in SQL answer is what the domain says of the same trail."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from shutil import copytree

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG, encode_key_part
from esx_drift.domain.stored.types import Record, Snapshot
from esx_drift.domain.trail.history import list_open_orphans

from tests.paths import ROOT
from tests.unit.checking.world import PROD_A, PROD_B, World
from tests.unit.trail.athena import Athena, Row, hold_rows_to_files, list_questions, parse_question
from tests.unit.trail.played import open_watched, read_trail
from tests.unit.trail.sealed import MemoryTrail, check, write_copy
from tests.unit.trail.test_past import play

STORED = ROOT / "tests" / "golden" / "stored" / "v0.1.0" / "audit"


def play_with_gaps(world: World, seed: int) -> None:
    """What comes to a cluster, and then runs whose checks are made or lost, some of them just now."""
    play(world, seed, 8)
    random = Random(seed)
    world.vcenter.hosts.add_orphaned_vib("esx02", "smntemp(910.1.0.0005)")
    for _ in range(5):
        world.wait(random.choice((600, 4 * 3600)))
        before = len(world.aws.sent)
        world.dispatch()
        for sent in world.aws.sent[before:]:
            if sent.queue == "check" and random.random() < 0.5:
                world.follow(sent.body)  # type: ignore[arg-type] # it is a request
    world.wait(random.choice((0, 600, 7200)))


@pytest.fixture(scope="module", params=[1, 2, 3])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a past."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        play_with_gaps(world, request.param)
        yield world


@pytest.fixture(scope="module")
def copied(played: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its trail, as a copy on disk."""
    return write_copy(read_trail(played), tmp_path_factory.mktemp("trail"))


@pytest.fixture(scope="module")
def athena(copied: Path) -> Athena:
    """Its trail, to be asked."""
    return Athena(copied)


def list_records(world: World) -> list[Record]:
    """Those of all logs."""
    return [each for log in (VCENTER_LOG, PROD_A, PROD_B) for each in world.records(log)]


def list_newest(world: World) -> list[Record]:
    """The last record of each cluster."""
    return [records[-1] for log in (PROD_A, PROD_B) if (records := world.records(log))]


def name_hosts(world: World, record: Record) -> dict[str, str]:
    """What hosts are called, by id, in the snapshot that a record left."""
    stored = record["after"]["snapshot"]
    found = world.aws.store.snapshot(stored["key"])["hosts"] if stored else {}
    return {host: known["name"] for host, known in found.items()}


def test_the_changes_of_all_days_are_those_of_all_records(played: World, athena: Athena) -> None:
    """Each once, on its day, with its hosts by name."""
    records = list_records(played)
    days = sorted({record["checked_at"][:10] for record in records})
    answered = [row for day in days for row in athena.ask("changes of a day", day)]
    expected = [
        {
            "checked_at": record["checked_at"],
            "cluster_name": record["cluster_name"],
            "cluster": record["cluster"],
            "seq": record["seq"],
            "element": change["element"],
            "kind": change["kind"],
            "key": change["key"],
            "was": change["from"],
            "became": change["to"],
            "severity": change["severity"],
            "alternative_image": change["alternative_image"],
            "hosts": ", ".join(name_hosts(played, record).get(host, host) for host in change["hosts"]),
            "put_back": change.get("put_back"),
            "suppressed_by": change.get("suppressed_by"),
        }
        for record in records
        for change in record["changes"]
    ]
    assert len(days) > 1
    assert expected
    assert _sort(_without_vcenter(answered)) == _sort(expected)
    assert athena.ask("changes of a day", "2020-01-01") == []


def test_hosts_are_on_the_version_that_their_snapshot_says(played: World, athena: Athena) -> None:
    """By the last record of each cluster, which may name an older snapshot."""
    answered = athena.ask("hosts on a version", "8.0.3-0.60")
    expected = [
        (record["cluster"], host, known["name"], _find_version(snapshot, known["image"]))
        for record in list_newest(played)
        if (stored := record["after"]["snapshot"])
        for snapshot in [played.aws.store.snapshot(stored["key"])]
        for host, known in snapshot["hosts"].items()
    ]
    found = [(row["cluster"], row["host_id"], row["host"], row["version"]) for row in answered]
    assert sorted(found) == sorted(each for each in expected if (each[3] or "").startswith("8.0.3-0.60"))
    assert found
    all_versions = athena.ask("hosts on a version", "")
    assert len(all_versions) == len([each for each in expected if each[3] is not None])
    unseen = {row["host_id"]: row["not_seen_since"] for row in all_versions if row["cluster"] == PROD_A}
    after = played.after(PROD_A)
    assert unseen == {host: after["uncovered_since"].get(host) for host in unseen}
    assert {row["looked_at"] for row in all_versions if row["cluster"] == PROD_A} == {after["last_look_at"]}


def _find_version(snapshot: Snapshot, image: str | None) -> str | None:
    return None if image is None else str(snapshot["images"][image]["main"]["base_image"])


def test_orphaned_vibs_are_those_that_are_open(played: World, athena: Athena) -> None:
    """As the command lists them: since when, and where they are now."""
    expected = [
        (
            record["cluster"],
            orphan.vib,
            orphan.since,
            ", ".join(names.get(host, host) for host in orphan.hosts),
        )
        for record in list_newest(played)
        for names in [name_hosts(played, record)]
        for orphan in list_open_orphans(record)
    ]
    answered = athena.ask("orphaned VIBs")
    found = [(row["cluster"], row["vib"], row["since"], row["hosts"]) for row in answered]
    assert found
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=1), timedelta(days=3)])
def test_gaps_are_those_that_verifying_finds(played: World, athena: Athena, later: timedelta) -> None:
    """Whatever the time: what is young may yet be answered, and what a later run explains is none."""
    now = played.now + later
    problems = check(MemoryTrail(read_trail(played)), now=now).problems
    expected = sorted(problem.text for problem in problems if problem.kind == "gap")
    answered = athena.ask("gaps", now=now)
    assert answered
    text = "it asked for a check of {cluster} ({request_id}), which left no record"
    assert sorted(text.format(**row) for row in answered) == expected
    assert {row["asked_at"] for row in answered} <= {
        record["checked_at"] for record in played.records(VCENTER_LOG)
    }


def _without_vcenter(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "vcenter"} for row in rows]


def _sort(rows: list[Row]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_columns_hold_what_is_written(played: World, copied: Path) -> None:
    """Each file is one line, and one row of the columns' types."""
    trail = read_trail(played)
    expected = [key for key in trail if key.startswith(("records/", "snapshots/"))]
    dispatches = [key for key in expected if f"/cluster={VCENTER_LOG}/" in key]
    assert hold_rows_to_files(copied) == len(expected) + len(dispatches)


def test_a_question_is_about_the_vcenters_that_it_names(
    played: World, copied: Path, athena: Athena, tmp_path: Path
) -> None:
    """Another vCenter's records change no answer; one that is not there has none."""
    both = Athena(copytree(STORED, copytree(copied, tmp_path / "both"), dirs_exist_ok=True))
    own = encode_key_part(played.watched.name)
    assert {*both.vcenters} == {own, "vc-stored"}
    for name in list_questions():
        marks = parse_question(name, ["vc"]).sql().count("?")
        for value in ("8", played.records()[-1]["checked_at"][:10])[: 2 if marks else 1]:
            values = [value] * marks
            assert both.ask(name, *values, vcenters=[own]) == athena.ask(name, *values)
            assert both.ask(name, *values, vcenters=["vc99"]) == []
    assert len(both.ask("hosts on a version", "")) > len(athena.ask("hosts on a version", ""))
