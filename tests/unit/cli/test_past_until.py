"""What the commands that ask a trail for the past say of an acceptance that ends."""

import csv
import io
import json
from pathlib import Path

import pytest

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

UNTIL = "2026-12-25T00:00:00.000Z"


@pytest.fixture(scope="module")
def copy(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a trail: a driver on two hosts, accepted on one for a time, and on the other for good."""
    with open_world(cloud, ca, tls, "vc01") as world:
        world.dispatch()
        world.check()
        world.vcenter.hosts.set_component(["esx01", "esx02"], I40EN, "2.9.2.0")
        world.check()
        person = Person(world)
        shown = person.shown()
        person.accept({"host-16": shown["host-16"]}, until=UNTIL, ticket="CHG-7")
        person.accept({"host-17": shown["host-17"]})
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        return directory


def test_the_history_says_until_when_something_is_accepted(run: Run, copy: Path) -> None:
    """Of the decision and of the change; for a person and for programs."""
    shown = " ".join(run("history", "prod-a", "--dir", copy).out.split())
    assert shown.count("until 2026-12-24") == 2
    assert "accepted by alice until 2026-12-24: CHG-7 · CHG-42" in shown
    entries = json.loads(run("history", "prod-a", "--dir", copy, "--format", "json").out)["entries"]
    (change,) = [entry for entry in entries if entry["kind"] == "change"]
    assert [one["until"] for one in change["accepted"]] == [UNTIL, None]
    rows = list(csv.DictReader(io.StringIO(run("history", "prod-a", "--dir", copy, "--format", "csv").out)))
    assert [row["until"] for row in rows if row["kind"] == "decision"] == [UNTIL, ""]
    assert {row["accepted_until"] for row in rows} == {""}


@pytest.mark.usefixtures("now")
def test_evidence_says_until_when_something_is_accepted(run: Run, copy: Path, tmp_path: Path) -> None:
    """In what persons decided, and beside the change; in both forms."""
    out = tmp_path / "out"
    run("evidence", "prod-a", "--from", "2026-11-23", "--to", "2026-11-25", "-o", out, "--dir", copy)
    text, page = (out / "report.md").read_text(), (out / "report.html").read_text()
    assert "| accepted until 2026-12-24 |" in text
    assert "| accepted |" in text
    assert "on esx01 until 2026-12-24: CHG-7 · CHG-42 (record 3)" in text
    assert page.count("until 2026-12-24") == text.count("until 2026-12-24")
