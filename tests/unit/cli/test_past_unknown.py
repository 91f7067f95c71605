"""What is said of what nobody can know: the time after the last look, and what an excerpt does not hold."""

from pathlib import Path
from shutil import rmtree

import pytest
from esx_drift.cli.past import make_times
from esx_drift.domain.stored.identifiers import make_record_key, make_record_prefix
from esx_drift.domain.trail.excerpt import EXCERPT_KEY

from tests.unit.checking.world import PROD_A, PROD_B
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_past import InZone, Story, ca, cloud, copy, in_zone, story, tls

__all__ = ["ca", "cloud", "copy", "in_zone", "story", "tls"]


@pytest.fixture
def excerpt(copy: Path) -> Path:
    """A part of it: without prod-b, and without the first two records of prod-a."""
    rmtree(copy / make_record_prefix("vc01", PROD_B))
    for number in (1, 2):
        (copy / make_record_key("vc01", PROD_A, number)).unlink()
    (copy / EXCERPT_KEY).write_bytes(b"{}")
    return copy


def test_of_the_time_after_the_last_look_nothing_is_said_to_be_the_same(run: Run, story: Story) -> None:
    """Two days of which the later one is to come; and two that mean one record."""
    last = story.records[-1]["checked_at"]
    before = story.records[0]["checked_at"]
    told = run("diff", f"prod-a@{before}", "prod-a@2030-01-01", "--dir", story.directory)
    shown = make_times(local=False).format_zoned(last)
    later = f"info: the last look at prod-a was {shown}: nothing is known of the time after it\n"
    assert (told.code, told.err) == (1, later)
    told = run("diff", f"prod-a@{last}", "prod-a@2030-01-01", "--dir", story.directory)
    both = "info: both dates mean record 6 of prod-a: it is compared with itself, and that says nothing\n"
    assert (told.code, told.err) == (0, f"{later}{both}")
    told = run(
        "diff", f"prod-a@{before}", f"prod-a@{story.records[1]['checked_at']}", "--dir", story.directory
    )
    assert told.err == ""


@pytest.mark.parametrize(
    "command",
    [
        ("as-of", "prod-b", "2026-11-30"),
        ("history", "prod-b"),
        ("blame", "prod-b"),
        ("show", "prod-b"),
        ("orphans", "prod-b"),
        ("diff", "prod-b@2026-11-30", "prod-b@2026-11-30"),
    ],
)
def test_an_excerpt_says_what_it_does_not_hold(run: Run, excerpt: Path, command: tuple[str, ...]) -> None:
    """That nobody looked there it can't know."""
    told = run(*command, "--dir", excerpt)
    assert (told.code, told.out) == (2, "")
    assert f"this excerpt does not hold prod-b ({PROD_B}) on vc01" in told.err
    assert "nobody" not in told.err


def test_an_excerpt_says_where_it_begins(run: Run, story: Story, excerpt: Path) -> None:
    """Of a time before that it says nothing."""
    before = story.records[0]["checked_at"]
    for command in (("as-of", "prod-a", before), ("show", "prod-a", "1")):
        told = run(*command, "--dir", excerpt)
        assert (told.code, told.out) == (2, "")
        assert "This excerpt begins with record 3 of it: of before it says nothing" in told.err


def test_an_excerpt_counts_the_clusters_that_it_holds(run: Run, story: Story, excerpt: Path) -> None:
    """As many as have records; those of a whole trail are all that its vCenter knows."""
    whole = run("orphans", "--dir", story.directory).out.splitlines()[0]
    part = run("orphans", "--dir", excerpt).out.splitlines()[0]
    assert (whole.endswith("of 8 clusters"), part.endswith("of 4 clusters")) == (True, True), (whole, part)


def test_a_host_of_another_cluster_is_one_of_no_other(run: Run, story: Story) -> None:
    """Only of the cluster that is asked about it is said that it had none."""
    for command in (("history",), ("blame",), ("as-of", "2026-11-30")):
        told = run(command[0], "prod-a", *command[1:], "--host", "esx22", "--dir", story.directory)
        assert (told.code, "no host of prod-a was ever called esx22" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Asia/Tokyo", "UTC+09:00"),
        ("America/St_Johns", "UTC-03:30, in summer UTC-02:30"),
        ("Europe/Berlin", "UTC+01:00, in summer UTC+02:00"),
    ],
)
def test_headings_name_the_zone(run: Run, story: Story, in_zone: InZone, zone: str, name: str) -> None:
    """By how far it is from UTC; a time that stands alone has its own offset."""
    in_zone(zone)
    told = run("history", "prod-a", "--local", "--dir", story.directory).out
    assert f"After ({name})" in told
    shown = run("show", "prod-a", "1", "--local", "--dir", story.directory).out
    assert f" {name.partition(',')[0].removeprefix('UTC')} · " in shown
