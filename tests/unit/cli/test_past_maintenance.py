"""What the commands that ask a trail for the past say of maintenance: who, why, until when, and its end."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from esx_drift.cli.history import describe_maintenance
from esx_drift.cli.past import make_times
from esx_drift.domain.stored.types import Record
from esx_drift.domain.trail.history import HistoryEntry, list_history

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.decisions.person import ALICE, Person
from tests.unit.checking.world import open_world
from tests.unit.cli.conftest import Run
from tests.unit.trail.test_past import I40EN, copy_audit_bucket

__all__ = ["ca", "cloud", "tls"]


@pytest.fixture(scope="module")
def copy(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a trail: maintenance of half a day, a driver in it, and its end before its time."""
    with open_world(cloud, ca, tls, "vc01") as world:
        world.dispatch()
        world.check()
        person = Person(world)
        person.maintain(12 * 3600)
        world.vcenter.hosts.set_component(["esx01"], "Intel-i40en", "2.9.2.0")
        world.check()
        person.maintain(None)
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        yield directory


def test_the_history_says_who_began_maintenance_until_when_and_what_it_hid(run: Run, copy: Path) -> None:
    """And who ended it; for a person and for programs."""
    shown = " ".join(run("history", "prod-a", "--dir", copy).out.split())
    assert "maintenance begun by alice, until 2026-11-23 " in shown
    assert "maintenance ended by alice: CHG-42" in shown
    assert "1 change and 2 findings kept from chat" in shown
    document = json.loads(run("history", "prod-a", "--dir", copy, "--format", "json").out)
    steps = [entry for entry in document["entries"] if entry["maintenance"]]
    assert [(entry["kind"], entry["maintenance"]["ended"]) for entry in steps] == [
        ("decision", False),
        ("maintenance", True),
    ]
    rows = list(csv.DictReader(io.StringIO(run("history", "prod-a", "--dir", copy, "--format", "csv").out)))
    begun, ended = (row for row in rows if row["maintenance"])
    assert (begun["maintenance"], begun["by"], begun["reason"]) == ("begun", ALICE, "CHG-42")
    assert (ended["maintenance"], ended["by"], ended["maintenance_from"]) == ("ended", ALICE, begun["found"])
    later = json.loads(
        run("history", "prod-a", "--since", rows[-1]["found"], "--dir", copy, "--format", "json").out
    )
    assert [entry["maintenance"]["ended"] for entry in later["entries"] if entry["maintenance"]] == [True]


def test_a_record_shows_the_maintenance_that_it_was_made_in(run: Run, copy: Path) -> None:
    """From its beginning to its end."""
    for number in (2, 3):
        assert (
            "  maintenance begun by alice, until 2026-11-23 "
            in run("show", "prod-a", number, "--dir", copy).out
        )
    ended = run("show", "prod-a", 4, "--dir", copy).out
    assert "  maintenance of alice over, 2026-11-23 " in ended
    assert "begun" not in ended


def make_record(seq: int, windows: list[dict[str, object]]) -> Record:
    """A record that leaves these windows open, as far as it is read."""
    said = {"seq": seq, "checked_at": "2026-11-23T06:00:00.000Z", "outcome": "unchanged", "decision": None}
    after = {"maintenance": {"windows": windows}, "last_look_at": None, "instance_uuid": None}
    return cast("Record", {**said, "changes": [], "findings": [], "after": after})


def test_a_window_of_the_fleet_file_begins_once() -> None:
    """With nobody's decision; what was open before the first record that was read began before it."""
    window = {
        "name": "patch-day", "by": "fleet file", "reason": "CHG-1", "from": "2026-11-23T05:00:00.000Z",
        "to": "2026-11-23T09:00:00.000Z", "accept": True, "changes": {}, "findings": {},
    }  # fmt: skip
    (entry,) = list_history([make_record(1, []), make_record(2, [window]), make_record(3, [window])])
    assert (entry.kind, entry.seq, entry.severity) == ("maintenance", 2, "info")
    assert describe_maintenance(entry, make_times(local=False)) == (
        "maintenance begun by fleet file, until 2026-11-23 09:00:00, which"
        " accepts at its end what was done: CHG-1"
    )
    assert list_history([make_record(2, [window]), make_record(3, [window])]) == []


def test_an_end_of_no_maintenance_is_said() -> None:
    """Somebody else was faster."""
    decision = {"by": ALICE, "reason": "done", "taken": [], "refused": ["domain-c9"]}
    entry = HistoryEntry(3, "", None, (), "maintenance", decision=cast("Any", decision))
    assert describe_maintenance(entry, make_times(local=False)) == (
        "alice was refused, no maintenance was begun or ended: done"
    )


def test_evidence_tells_begin_and_end_apart_and_what_changed_between(
    run: Run, copy: Path, tmp_path: Path
) -> None:
    """Of what a person decided, and of a change that nobody was told of."""
    period = ("--from", "2026-11-23", "--to", "2026-11-24")
    told = run("evidence", "prod-a", *period, "-o", tmp_path / "nov", "--dir", copy)
    assert told.err == ""
    text = (tmp_path / "nov" / "report.md").read_text().replace("\\", "")
    table = text.partition("### What persons decided")[2].partition("###")[0]
    assert [line.split(" | ")[2] for line in table.splitlines() if ALICE in line] == [
        "maintenance begun",
        "maintenance ended",
    ]
    changes = text.partition("### Changes")[2].partition("###")[0]
    assert f"{I40EN} upgraded, within maintenance (record 2) |" in changes, changes
