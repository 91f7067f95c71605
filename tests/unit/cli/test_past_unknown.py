"""What is said of what nobody can know: the time after the last look, and what an excerpt does not hold."""

import shlex
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


BLIND = "domain-c404"
"""A cluster that checks were made of, and that none of them saw."""

HISTORY_OF_CHECKS = f"To see what became of its checks: esx-drift history {BLIND} --findings --dir"


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


def test_before_the_first_look_it_is_said_when_that_was(run: Run, story: Story) -> None:
    """With the command that asks for it, which then answers."""
    first = story.records[0]["checked_at"]
    shown, typed = make_times(local=False).format_zoned(first), f"{first[:19]}Z"
    options = ("--host", "esx01", "--vcenter", "vc01", "--dir", str(story.directory))
    told = run("as-of", "prod-a", "2026-11-22", *options)
    again = ("as-of", "prod-a", typed, *options)
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[1] == f"  The first look was {shown}: {shlex.join(('esx-drift', *again))}"
    answered = run(*again)
    assert (answered.code, "record 1" in answered.out) == (0, True)
    told = run("diff", "prod-a@2026-11-22", "prod-a@2026-11-23", "--dir", story.directory)
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[1] == f"  The first look was {shown}: prod-a@{typed}"
    assert run("diff", f"prod-a@{typed}", f"prod-a@{typed}", "--dir", story.directory).code == 0
    told = run("history", "prod-a", "--since", "2026-11-01", "--dir", story.directory)
    assert (told.code, told.err) == (0, "")
    assert f"The first record is of {shown}: nothing is known of the time before it.\n" in told.out
    later = run("history", "prod-a", "--since", "2026-11-24", "--dir", story.directory).out
    assert "The first record" not in later
    assert "The first record" not in run("history", "prod-a", "--dir", story.directory).out


def test_behind_the_last_record_it_is_said_what_can_be_asked(run: Run, story: Story) -> None:
    """Also in the future, which is no other thing: nothing is known of it."""
    last = story.records[-1]["checked_at"]
    told = run("history", "prod-a", "--since", "2030-01-01", "--dir", story.directory)
    again = ("history", "prod-a", "--since", f"{last[:19]}Z", "--dir", str(story.directory))
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[-1] == f"To see that record: {shlex.join(('esx-drift', *again))}"
    assert "in 1 record since" in run(*again).out
    told = run("as-of", "prod-a", "2030-01-01", "--dir", story.directory)
    shown = make_times(local=False).format(last)
    assert f"The last look was {shown}: nothing is known of the time after it." in told.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("as-of", "prod-d", "2026-11-23"), "No check of it is recorded."),
        (("blame", "prod-d"), "No check of it is recorded."),
        (("diff", "prod-d@2026-11-23", "prod-a@2026-11-23"), "Nobody has looked there since either."),
        (("as-of", BLIND, "2026-11-23"), HISTORY_OF_CHECKS),
        (("blame", BLIND), HISTORY_OF_CHECKS),
    ],
)
def test_where_nobody_ever_looked_it_is_said_where_one_sees_why(
    run: Run, story: Story, command: tuple[str, ...], said: str
) -> None:
    """In the records of checks that saw nothing; where there are none, nothing says why."""
    told = run(*command, "--dir", story.directory)
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[-1].startswith(f"  {said}")


def test_the_nearest_names_of_vcenters_and_of_paths_are_named(run: Run, story: Story) -> None:
    """Whatever the command."""
    commands = (("history", "prod-a"), ("as-of", "prod-a", "2026-11-23"), ("blame", "prod-a"), ("orphans",))
    for command in commands:
        told = run(*command, "--vcenter", "vc10", "--dir", story.directory)
        assert (told.code, told.out) == (2, "")
        unknown = "esx-drift: the trail knows no vCenter called vc10: did you mean vc01?"
        assert told.err == f"{unknown}\n  It has vc01.\n"
    told = run("history", "vc01/prod-aa", "--dir", story.directory)
    assert "called vc01/prod-aa on vc01: did you mean vc01/prod-a?" in told.err


@pytest.mark.parametrize("vcenter", [(), ("--vcenter", "vc01")])
def test_of_an_empty_copy_it_is_said_how_it_is_completed(
    run: Run, tmp_path: Path, vcenter: tuple[str, ...]
) -> None:
    """With the folder that was named, to be pasted."""
    (tmp_path / "my copy" / "records").mkdir(parents=True)
    told = run("history", "prod-a", *vcenter, "--dir", tmp_path / "my copy")
    assert (told.code, told.out) == (2, "")
    none, way = told.err.splitlines()
    assert none == "esx-drift: no record is here: nothing was checked yet, or this copy was broken off"
    assert way.endswith(f" This completes it: aws s3 sync s3://AUDIT-BUCKET '{tmp_path / 'my copy'}'")


@pytest.mark.usefixtures("stack", "buckets")
@pytest.mark.parametrize("vcenter", [(), ("--vcenter", "vc01")])
def test_of_a_fresh_stack_nothing_is_said_of_copies(run: Run, vcenter: tuple[str, ...]) -> None:
    """It has no record yet, or it is not the one that was meant."""
    told = run("history", "prod-a", *vcenter)
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines() == [
        "esx-drift: no record is here: nothing was checked yet",
        "  Is it the right stack? To see what it checks: esx-drift status",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("history", "prod-a", "--since", "2030-01-01"),
        ("as-of", "prod-a", "2026-11-22"),
        ("as-of", BLIND, "2026-11-23"),
        ("blame", BLIND),
    ],
)
def test_a_command_to_paste_reads_times_in_the_same_zone(
    run: Run, story: Story, in_zone: InZone, command: tuple[str, ...]
) -> None:
    """That of this machine if that was asked for."""
    in_zone("Asia/Tokyo")
    for local in ((), ("--local",)):
        told = run(*command, *local, "--dir", story.directory)
        (line,) = [each for each in f"{told.out}{told.err}".splitlines() if ": esx-drift " in each]
        assert ("--local" in shlex.split(line)) == bool(local)


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
