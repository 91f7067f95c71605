"""What is said of the ticket of a decision: where it is the reason, once; beside a reason, with it."""

import csv
import io
import json
from pathlib import Path

import pytest
from esx_drift.domain.stored.types import Record
from esx_drift.messages.content import build_content

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import open_world
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_evidence import now
from tests.unit.trail.test_past import I40EN, copy_audit_bucket

__all__ = ["ca", "cloud", "now", "tls"]


@pytest.fixture(scope="module")
def trail(
    cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Record]]:
    """A copy of a trail, and its records of prod-a: accepted for a ticket alone, and maintenance with one."""
    with open_world(cloud, ca, tls, "vc01") as world:
        world.dispatch()
        world.check()
        world.vcenter.hosts.set_component(["esx01"], I40EN, "2.9.2.0")
        world.check()
        person = Person(world)
        # The reason is CHG-42, as that of all that this person decides.
        person.accept(person.shown(), ticket="CHG-42")
        person.maintain(12 * 3600, accept=True, ticket="CHG-9")
        world.vcenter.hosts.set_component(["esx02"], I40EN, "2.9.2.0")
        world.check()
        person.maintain(None, ticket="CHG-9")
        world.check()
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        return directory, world.records()


def test_a_ticket_alone_stands_once(run: Run, trail: tuple[Path, list[Record]]) -> None:
    """In the history, in the record, and in chat."""
    copy, records = trail
    told = " ".join(run("history", "prod-a", "--dir", copy).out.split())
    assert "accepted by alice: CHG-42" in told
    assert "by alice on esx01: CHG-42" in told or "by alice: CHG-42" in told
    shown = run("show", "prod-a", "3", "--dir", copy).out
    assert "decided by alice: CHG-42, for " in shown
    for said in (told, shown, build_content(records[2]["events"][0]).title):
        assert "CHG-42" in said
        assert "CHG-42, CHG-42" not in said
        assert "CHG-42 · CHG-42" not in said


@pytest.mark.usefixtures("now")
def test_evidence_says_it_once_and_fills_its_column(
    run: Run, trail: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    """Of what a person accepted, and of what his maintenance accepted at its end."""
    out = tmp_path / "out"
    period = ("--from", "2026-11-23", "--to", "2026-11-25")
    ran = run("evidence", "prod-a", *period, "-o", out, "--dir", trail[0])
    assert ran.err == ""
    text = (out / "report.md").read_text().replace("\\", "")
    assert "alice: CHG-42 (record 3)" in text
    assert "| CHG-42 | CHG-42 |" in text
    assert "| CHG-42 | CHG-9 |" in text
    assert "alice: CHG-9 · CHG-42 (record" in text


def test_maintenance_has_a_ticket_as_an_acceptance_has(run: Run, trail: tuple[Path, list[Record]]) -> None:
    """Where it begins, ends, and accepts what was done; for a person and for programs."""
    begun, ended, over = (run("show", "prod-a", seq, "--dir", trail[0]).out for seq in (4, 6, 7))
    assert "accepts at its end what was done: CHG-9 · CHG-42\n" in begun
    assert "decided by alice: CHG-9 · CHG-42\n" in ended
    assert "kept from chat: CHG-9 · CHG-42\n" in over
    told = " ".join(run("history", "prod-a", "--dir", trail[0]).out.split())
    assert "maintenance ended by alice: CHG-9 · CHG-42" in told
    rows = list(
        csv.DictReader(io.StringIO(run("history", "prod-a", "--dir", trail[0], "--format", "csv").out))
    )
    assert [row["ticket"] for row in rows if row["maintenance"]] == ["CHG-9", "CHG-9"]
    entries = json.loads(run("history", "prod-a", "--dir", trail[0], "--format", "json").out)["entries"]
    tickets = [one["ticket"] for entry in entries for one in entry["accepted"]]
    assert tickets == ["CHG-42", "CHG-9"]
    (accepted,) = [
        finding
        for finding in trail[1][-1]["findings"]
        if finding["resolved_because"] == "accepted" and finding["kind"] == "drift-unreviewed"
    ]
    assert accepted["detail"]["reason"] == "maintenance record 4: CHG-9 · CHG-42"


def test_chat_is_told_the_ticket_of_maintenance(trail: tuple[Path, list[Record]]) -> None:
    """At its beginning and at its end."""
    titles = [
        build_content(event).title
        for record in trail[1]
        for event in record["events"]
        if "report.maintenance" in event["type"]
    ]
    assert titles[0].endswith("— “CHG-9 · CHG-42”")
    assert titles[1].startswith("Maintenance “CHG-9 · CHG-42” is over")


def test_such_a_trail_is_intact(run: Run, trail: tuple[Path, list[Record]]) -> None:
    """By the schemas of records and events, too."""
    ran = run("verify", "--dir", trail[0])
    problems = {line.partition(" ")[0] for line in ran.out.splitlines() if "records/" in line}
    # prod-b was never checked, which is no matter here.
    assert problems == {"gap"}
