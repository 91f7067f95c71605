from datetime import UTC, datetime

import pytest

from tests.lab.demo.timeline import BY_HAND, I40EN
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.decisions.person import Person, decided
from tests.unit.checking.world import PROD_B, World
from tests.unit.cli.conftest import Run

__all__ = ["ca", "checking", "cloud", "tls", "world"]

SAYS = ("--reason", "decommissioned")
INTERVAL_SECONDS = 4 * 3600


def _run(world: World) -> None:
    world.wait(INTERVAL_SECONDS)
    world.dispatch()


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("retire", "decision_client"):
        monkeypatch.setattr(f"esx_drift.cli.{module}.read_clock", world.clock)


@pytest.fixture
def gone(world: World) -> None:
    """prod-b had something open, and is listed no more."""
    world.vcenter.inventory.add_cluster("prod-c")
    world.dispatch()
    world.check(PROD_B)
    world.vcenter.hosts.set_component(world.vcenter.inventory.hosts_of(PROD_B)[0].name, I40EN, BY_HAND)
    world.check(PROD_B)
    world.vcenter.inventory.hide_cluster("prod-b")
    _run(world)


@pytest.mark.usefixtures("gone", "checking")
def test_a_cluster_that_is_gone_is_retired(world: World, run: Run) -> None:
    """What that closes is shown first; done twice, it is said to be done."""
    ran = run("retire", "prod-b", "--vcenter", world.watched.name, *SAYS, typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    shown = ran.out.splitlines()
    where = f"prod-b (domain-c1008) on {world.watched.name}"
    assert shown[0] == f"{where} was last listed 23 Nov 02:14 UTC"
    assert [line.split(":")[0] for line in shown[1:-1]] == [
        "  closes drift-unreviewed",
        "  closes image-not-uniform",
    ]
    assert shown[-1].endswith(
        "Retired (record 3), 2 findings closed. If it is listed again, it is watched again."
    )
    again = run("retire", "prod-b", *SAYS)
    assert (again.code, again.out) == (0, f"{where} is retired already, since 23 Nov 14:16 UTC.\n")


@pytest.mark.usefixtures("gone")
def test_who_does_not_mean_it_sends_nothing(checking: Consumer, run: Run) -> None:
    """Exit code 1, and the log stays as it is."""
    ran = run("retire", "prod-b", *SAYS, typed="\n")
    assert (ran.code, ran.err) == (1, "esx-drift: nothing was sent\n")
    assert checking.handled == []


@pytest.mark.usefixtures("gone")
def test_a_cluster_that_is_listed_is_not_retired(world: World, checking: Consumer, run: Run) -> None:
    """It says what to do instead; where the fleet file leaves it out, it may be."""
    ran = run("retire", "prod-c", "-y", *SAYS)
    assert ran.code == 1
    assert "exclude it in the fleet file" in ran.err
    assert checking.handled == []
    world.set(exclude=("prod-c",))
    checking.put_fleet()
    ran = run("retire", "prod-c", "-y", *SAYS)
    assert (ran.code, ran.err) == (0, "")
    assert "Retired (record 1), 0 findings closed." in ran.out


@pytest.mark.usefixtures("gone")
def test_a_cluster_that_comes_back_meanwhile_is_not_retired(
    world: World, checking: Consumer, run: Run
) -> None:
    """The checker refuses it, whatever the person was shown."""

    def back() -> None:
        world.vcenter.inventory.hide_cluster("prod-b", hidden=False)
        _run(world)

    checking.before.append(back)
    ran = run("retire", "prod-b", "-y", *SAYS)
    assert (ran.code, ran.err) == (1, f"esx-drift: refused (record 3): {world.watched.name} lists it again\n")


DECIDED = [
    ("accept", "prod-b"),
    ("maintenance", "start", "prod-c", "prod-b", "--for", "1h"),
    ("maintenance", "end", "prod-b"),
]


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("command", DECIDED)
def test_nothing_is_decided_on_a_retired_cluster(
    world: World, checking: Consumer, run: Run, command: tuple[str, ...]
) -> None:
    """It says since when it is retired, and when it is looked at again; nothing is sent, of none of them."""
    run("retire", "prod-b", "-y", *SAYS)
    checking.handled.clear()
    ran = run(*command, "-y", *SAYS)
    assert ran.code == 1
    assert ran.err == (
        f"esx-drift: prod-b (domain-c1008) on {world.watched.name} is retired since 23 Nov 14:16 UTC: nobody"
        " looks at it, and nothing is decided on it\n"
        f"  It is looked at again once {world.watched.name} lists it and no pattern leaves it out.\n"
    )
    assert checking.handled == []


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("command", DECIDED[:2])
def test_what_is_retired_meanwhile_is_refused(
    world: World, checking: Consumer, run: Run, command: tuple[str, ...]
) -> None:
    """By the checker, and said in the same words."""
    checking.before.append(lambda: Person(world).retire(PROD_B))
    ran = run(*(part for part in command if part != "prod-c"), "-y", *SAYS)
    assert (ran.code, "is retired since 23 Nov 14:16 UTC: nobody looks at it" in ran.err) == (1, True)
    assert decided(world.records(PROD_B)[-1])["taken"] == []


def test_a_vcenter_as_a_whole_is_not_retired(checking: Consumer, run: Run) -> None:
    """It says what is to be done instead, for the stack that was asked."""
    ran = run("retire", "@vc01", "-y", *SAYS, "--region", "eu-central-1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "esx-drift: @vc01 is a vCenter as a whole: only its clusters are retired, one by one.\n"
        "  To watch none of it any more, take it out of the fleet file:"
        " esx-drift fleet push FILE --region eu-central-1\n"
    )
    assert checking.handled == []


@pytest.mark.usefixtures("gone", "checking")
def test_a_time_of_another_year_has_its_year(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it was listed last, and since when it is retired."""
    for module in ("retire", "decision_client"):
        monkeypatch.setattr(f"esx_drift.cli.{module}.read_clock", lambda: datetime(2027, 1, 2, tzinfo=UTC))
    assert "was last listed 23 Nov 2026 02:14 UTC" in run("retire", "prod-b", *SAYS, typed="y\n").out
    assert "is retired already, since 23 Nov 2026 " in run("retire", "prod-b", *SAYS).out
    assert "is retired since 23 Nov 2026 " in run("accept", "prod-b", *SAYS).err
    assert world.records(PROD_B)[-1]["outcome"] == "retired"


@pytest.mark.usefixtures("gone", "checking")
def test_maintenance_ends_with_the_cluster(world: World, run: Run) -> None:
    """It is shown before, and told as ended; nothing of a cluster that comes back is hidden by it."""
    Person(world).maintain(12 * 3600, PROD_B, accept=True, ticket="CHG-9")
    ran = run("retire", "prod-b", "-y", *SAYS)
    assert "  ends maintenance until 24 Nov 02:16 UTC, by alice: CHG-9 · CHG-42\n" in ran.out
    record = world.records(PROD_B)[-1]
    assert record["after"]["maintenance"] is None
    (ended,) = record["maintenance_ended"]
    assert (ended["to"], ended["accept"], ended["accepted"]) == (record["checked_at"], True, [])
    assert "esx-drift.report.maintenance-ended" in {event["type"] for event in record["events"]}
