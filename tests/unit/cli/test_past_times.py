"""That times in what a finding says are written as all others are, by the commands that ask for the past."""

from pathlib import Path

import pytest
from esx_drift.cli.past import make_times

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.simulator.fault_kinds import document
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.test_freshness import REPORT
from tests.unit.checking.world import open_world
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_evidence import now
from tests.unit.trail.test_past import copy_audit_bucket

__all__ = ["ca", "cloud", "now", "tls"]

STORED = "2099-"
"""The year of a report from the future, of which the finding speaks."""


@pytest.fixture(scope="module")
def copy(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a trail: a report from the future, which a finding quotes."""
    with open_world(cloud, ca, tls, "vc01") as world:
        world.dispatch()
        world.check()
        world.vcenter.faults.inject(REPORT, document("from_the_future"))
        world.check()
        directory = tmp_path_factory.mktemp("trail")
        copy_audit_bucket(cloud.s3, directory)
        return directory


def test_the_record_and_the_history_write_no_time_as_it_is_stored(run: Run, copy: Path) -> None:
    """The second is kept: this is evidence."""
    shown = run("show", "prod-a", "2", "--dir", copy).out
    told = run("history", "prod-a", "--findings", "--dir", copy).out
    assert shown.count("completed at 2099-01-01 00:00:00 UTC") == 2
    assert "2099-01-01" in told
    assert "2099-01-01T" not in shown + told


@pytest.mark.usefixtures("now")
def test_neither_does_evidence(run: Run, copy: Path, tmp_path: Path) -> None:
    """In what was open."""
    out = tmp_path / "out"
    run("evidence", "prod-a", "--from", "2026-11-23", "--to", "2026-11-25", "-o", out, "--dir", copy)
    text = (out / "report.md").read_text().replace("\\", "")
    assert "2099-01-01 00:00:00 UTC" in text
    assert "2099-01-01T" not in text


def test_what_is_no_time_stays() -> None:
    """And a time has its zone, since it stands in a sentence."""
    said = "at 2026-11-23T02:14:59.123Z, not 2026-99-23T02:14:59.123Z"
    assert make_times(local=False).reword(said) == (
        "at 2026-11-23 02:14:59 UTC, not 2026-99-23T02:14:59.123Z"
    )
