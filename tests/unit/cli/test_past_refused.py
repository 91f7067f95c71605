"""What the commands that ask a trail for the past say of a decision that was refused, in part or whole."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import open_world
from tests.unit.cli.conftest import Run
from tests.unit.trail.test_past import I40EN, copy_audit_bucket

__all__ = ["ca", "cloud", "tls"]

IN_PART, AS_A_WHOLE = 4, 5


@pytest.fixture(scope="module")
def copy(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a trail: two hosts differ, one changes once more before both are accepted, then it alone is."""
    with open_world(cloud, ca, tls, "vc01") as world:
        world.dispatch()
        world.check()
        world.vcenter.hosts.set_component(["esx01", "esx02"], I40EN, "2.9.2.0")
        world.check()
        person = Person(world)
        shown = person.shown()
        world.vcenter.hosts.set_component(["esx02"], I40EN, "2.9.9.9")
        world.check()
        differing = {host: shown[host] for host in ("host-16", "host-17")}
        assert person.accept(differing)["seq"] == IN_PART
        assert person.accept({"host-17": shown["host-17"]})["seq"] == AS_A_WHOLE
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        yield directory


def test_the_history_calls_nothing_accepted_that_was_refused(run: Run, copy: Path) -> None:
    """For a person, and for programs."""
    shown = " ".join(run("history", "prod-a", "--dir", copy).out.split())
    assert "accepted by alice: CHG-42; refused for esx02" in shown
    assert "alice was refused, nothing is accepted: CHG-42" in shown
    rows = list(csv.DictReader(io.StringIO(run("history", "prod-a", "--dir", copy, "--format", "csv").out)))
    assert [(row["record"], row["hosts"], row["refused"]) for row in rows if row["kind"] == "decision"] == [
        (str(IN_PART), "esx01", "esx02"),
        (str(AS_A_WHOLE), "", "esx02"),
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (IN_PART, "decided by alice: CHG-42, for esx01; refused for esx02"),
        (AS_A_WHOLE, "decided by alice: CHG-42; refused for esx02"),
    ],
)
def test_a_record_says_for_whom_it_was_refused(run: Run, copy: Path, number: int, said: str) -> None:
    """Beside for whom it was carried out."""
    assert said in run("show", "prod-a", str(number), "--dir", copy).out
