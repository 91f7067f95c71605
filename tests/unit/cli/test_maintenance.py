import pytest

from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.world import PROD_A, World
from tests.unit.cli.conftest import Run

__all__ = ["ca", "checking", "cloud", "tls", "world"]

SAYS = ("--reason", "CHG-2042")


@pytest.fixture
def seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clusters were listed, and prod-a was looked at; the command has the checker's clock."""
    monkeypatch.setattr("esx_drift.cli.maintenance.read_clock", world.clock)
    world.dispatch()
    world.check()


@pytest.mark.usefixtures("seen", "checking")
def test_maintenance_is_begun_and_ended(world: World, run: Run) -> None:
    """On several clusters at once, after it was confirmed; ended, it is gone."""
    ran = run("maintenance", "start", "prod-a", "prod-b", "--for", "4h", *SAYS, "--accept", typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    where = f"prod-a ({PROD_A}) on {world.watched.name}"
    assert ran.out.splitlines()[0] == where
    assert "Begin maintenance of 2 clusters until" in ran.out
    assert "accept what is done in it" in ran.out
    assert f"Begun (record 2): {where}, for 4 h" in ran.out
    assert ran.out.endswith("It ends by itself, or by: esx-drift maintenance end prod-a prod-b\n")
    maintenance = world.after()["maintenance"]
    assert maintenance is not None
    assert [(window["name"], window["accept"]) for window in maintenance["windows"]] == [("record 2", True)]
    ended = run("maintenance", "end", "prod-a", "-y")
    assert (ended.code, ended.err) == (0, "")
    assert "CHG-2042" in ended.out
    assert f"Ended (record 3): {where}" in ended.out


@pytest.mark.usefixtures("seen")
def test_who_does_not_mean_it_begins_nothing(checking: Consumer, run: Run) -> None:
    """Exit code 1."""
    ran = run("maintenance", "start", "prod-a", "--for", "4h", *SAYS, typed="\n")
    assert (ran.code, ran.err) == (1, "esx-drift: nothing was sent\n")
    none = run("maintenance", "end", "prod-a", "-y")
    assert (none.code, checking.handled) == (1, [])
    assert "has no maintenance that a person began" in none.err


@pytest.mark.usefixtures("seen")
def test_what_ended_meanwhile_is_not_ended_again(world: World, checking: Consumer, run: Run) -> None:
    """The checker refuses it."""
    run("maintenance", "start", "prod-a", "--for", "1h", "-y", *SAYS)
    checking.before.append(lambda: world.wait(7200))
    ran = run("maintenance", "end", "prod-a", "-y")
    assert ran.code == 1
    assert "refused (record 3)" in ran.err


@pytest.mark.usefixtures("seen")
def test_what_is_over_is_not_ended(world: World, checking: Consumer, run: Run) -> None:
    """Though no check closed it yet: nobody is asked whether to end it, and nothing is sent."""
    run("maintenance", "start", "prod-a", "--for", "1h", "-y", *SAYS)
    world.wait(3601)
    ran = run("maintenance", "end", "prod-a", "-y")
    assert (ran.code, ran.out, len(checking.handled)) == (1, "", 1)
    assert "has no maintenance that a person began" in ran.err


@pytest.mark.parametrize(("length", "error"), [("soon", "not soon"), ("8d", "at most 7 days")])
def test_a_time_that_is_none_or_too_long_is_refused(length: str, error: str, run: Run) -> None:
    """Before anything is asked of AWS."""
    ran = run("maintenance", "start", "prod-a", "--for", length, *SAYS)
    assert ran.code == 2
    assert error in ran.err


def test_maintenance_alone_explains_itself(run: Run) -> None:
    """As every group of commands."""
    ran = run("maintenance")
    assert (ran.code, "start" in ran.out, "end" in ran.out) == (0, True, True)
