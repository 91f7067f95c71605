"""The first look: one message for the fleet, and one for what joins later."""

from datetime import timedelta
from typing import TYPE_CHECKING

from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.messages.content import build_content

from tests.unit.events import VIB, finding
from tests.unit.reporting.world import INTERVAL, World, kinds_of, report_in, route

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import StoredObject


def test_a_fleet_of_which_nothing_is_known_is_silent(world: World) -> None:
    """No run was made yet; and the day before the first is no day to report."""
    assert world.report() == {"published": [], "begun": True}
    assert world.heard() == []
    assert world.report() == {"published": [], "begun": False}


def test_a_fleet_without_clusters_is_silent(world: World) -> None:
    """Its vCenter lists none: the dispatcher tells of that."""
    world.dispatch("vc01")
    world.report()
    world.wait(hours=4)
    world.report()
    assert kinds_of(world.heard()) == []


def test_one_message_when_every_cluster_has_a_record(world: World) -> None:
    """And not one a cluster, nor one before all are looked at."""
    world.dispatch("vc01", "prod-a", "prod-b", standalone=14)
    world.look("vc01", "prod-a", "baseline", hosts=12)
    world.report()
    assert world.heard() == []
    world.wait(minutes=15)
    vib = finding("orphaned-vib", "orphaned-vib", VIB, "there is one", hosts=["host-1", "host-2"])
    uneven = finding("drift", "image-not-uniform", "image", "they differ")
    uncovered = [
        {
            "host": "host-3",
            "name": "esx03",
            "why": "failed",
            "connection_state": "CONNECTED",
            "power_state": None,
        }
    ]
    world.look("vc01", "prod-b", "baseline", 6, 5, (vib, uneven), uncovered=uncovered)
    world.report()
    (event,) = world.heard()
    assert kinds_of([event]) == ["first-look ops"]
    assert event["source"] == "/fleet"
    report = report_in(event)
    assert report["clusters"] == {"total": 2, "listed": ["prod-a (vc01)", "prod-b (vc01)"]}
    assert report["hosts"] == {"hosts": 18, "covered": 17}
    assert report["orphaned_vibs"] == {"vibs": 1, "hosts": 2}
    assert report["not_uniform"] == {"total": 1, "listed": ["prod-b (vc01)"]}
    assert report["unread_hosts"] == {"total": 1, "listed": ["esx03"]}
    assert report["standalone_hosts"] == 14
    assert report["missing"] == {"total": 0, "listed": []}
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


def test_what_is_missing_an_interval_later_is_named(world: World) -> None:
    """A vCenter that is down at the first run, and a cluster that nobody checked."""
    world.vcenters = ("vc01", "vc02")
    world.dispatch("vc01", "prod-a", "prod-b")
    world.dispatch("vc02", failed=True)
    world.look("vc01", "prod-a", "baseline")
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []
    world.wait(seconds=(INTERVAL - timedelta(minutes=15)).total_seconds())
    world.report()
    (event,) = world.heard()
    report = report_in(event)
    assert report["scope"] == "fleet"
    assert report["clusters"]["listed"] == ["prod-a (vc01)"]
    assert report["missing"] == {"total": 2, "listed": ["prod-b (vc01)", "vc02"]}


def test_a_cluster_that_could_not_be_looked_at_keeps_nobody_waiting(world: World) -> None:
    """It has a record, and is named; its first look is told when it is made."""
    world.dispatch("vc01", "prod-a", "prod-b")
    world.look("vc01", "prod-a", "baseline")
    world.look("vc01", "prod-b", "not-looked")
    world.report()
    (event,) = world.heard()
    assert report_in(event)["missing"]["listed"] == ["prod-b (vc01)"]
    world.wait(hours=1)
    world.look("vc01", "prod-b", "baseline")
    world.report()
    (event,) = world.heard()
    assert (report_in(event)["scope"], report_in(event)["clusters"]["listed"]) == (
        "joined",
        ["prod-b (vc01)"],
    )


def test_clusters_that_join_later_are_one_message(world: World) -> None:
    """Those of a vCenter that came back, all together."""
    world.vcenters = ("vc01", "vc02")
    world.dispatch("vc01", "prod-a")
    world.look("vc01", "prod-a", "baseline")
    world.wait(hours=4)
    world.report()
    assert kinds_of(world.heard()) == ["first-look ops"]
    world.dispatch("vc02", "edge-1", "edge-2")
    world.look("vc02", "edge-1", "baseline")
    world.report()
    assert world.heard() == []
    world.look("vc02", "edge-2", "baseline")
    world.report()
    (event,) = world.heard()
    report = report_in(event)
    assert (report["scope"], report["clusters"]["total"], report["standalone_hosts"]) == ("joined", 2, None)


def test_a_route_hears_of_its_own_clusters(world: World) -> None:
    """And a route that wants only what is critical, or other families, hears nothing of a first look."""
    world.vcenters = ("vc01", "vc02")
    world.routes = (
        route("ops"),
        route("edge", clusters=("edge-*",)),
        route("lab", vcenters=("vc03",)),
        route("pager", min_severity="critical"),
        route("drift", families=("drift",)),
        route("news", families=("baseline",)),
    )
    world.dispatch("vc01", "prod-a")
    world.dispatch("vc02", "edge-1")
    world.look("vc01", "prod-a", "baseline", hosts=12)
    world.look("vc02", "edge-1", "baseline", hosts=3)
    world.report()
    hosts = {report_in(event)["route"]: report_in(event)["hosts"]["hosts"] for event in world.heard()}
    assert hosts == {"ops": 15, "edge": 3, "news": 15}


def test_without_a_route_the_subscribers_hear(world: World) -> None:
    """Of the whole fleet, once."""
    world.routes = ()
    world.dispatch("vc01", "prod-a")
    world.look("vc01", "prod-a", "baseline")
    world.report()
    (event,) = world.heard()
    assert "route" not in report_in(event)


def test_what_was_looked_at_long_ago_is_no_news(world: World) -> None:
    """As when this version takes over a fleet that one before it watched: only a new cluster is told."""
    world.dispatch("vc01", "prod-a", "prod-b")
    world.look("vc01", "prod-a", "baseline")
    world.wait(days=3)
    world.look("vc01", "prod-b", "baseline")
    world.report()
    (event,) = world.heard()
    assert (report_in(event)["scope"], report_in(event)["clusters"]["listed"]) == (
        "joined",
        ["prod-b (vc01)"],
    )


def test_what_a_pattern_leaves_out_is_neither_told_nor_awaited(world: World) -> None:
    """Though the vCenter knows it."""
    world.settings["vc01"] = VCenterSettings("vc01", exclude=("lab-*",))
    world.dispatch("vc01", "prod-a")
    world.look("vc01", "lab-1", "baseline")
    world.look("vc01", "prod-a", "baseline")
    world.report()
    (event,) = world.heard()
    assert report_in(event)["clusters"]["listed"] == ["prod-a (vc01)"]


def test_another_vcenter_s_logs_are_not_read(world: World) -> None:
    """One that is not in the fleet file any more, or whose name begins like one that is."""
    world.dispatch("vc01", "prod-a")
    world.look("vc01", "prod-a", "baseline")
    world.look("vc011", "other", "baseline")
    world.report()
    (event,) = world.heard()
    assert report_in(event)["clusters"]["listed"] == ["prod-a (vc01)"]


def test_it_says_what_runs(world: World) -> None:
    """By release, build and number of hosts; a snapshot that can't be read leaves its cluster out."""
    world.dispatch("vc01", "prod-a", "prod-b", "prod-c")
    one = world.keep_snapshot("vc01", "prod-a", "8.0.3-0.70.24674464", "8.0.3-0.60.24414501")
    two = world.keep_snapshot("vc01", "prod-b", "8.0.3-0.70.24674464")
    gone: StoredObject = {**two, "key": two["key"].replace("prod-b", "prod-c")}
    for cluster, snapshot in (("prod-a", one), ("prod-b", two), ("prod-c", gone)):
        world.look("vc01", cluster, "baseline", snapshot=snapshot)
    world.report()
    (event,) = world.heard()
    report = report_in(event)
    assert report["images"] == 2
    assert [(one["version"], one["hosts"]) for one in report["releases"]] == [
        ("8.0.3-0.70.24674464", 2),
        ("8.0.3-0.60.24414501", 1),
    ]
    said = "Running 2 images: ESXi 8.0.3 (build 24674464) on 2 hosts, ESXi 8.0.3 (build 24414501) on 1 host"
    assert said in build_content(event).items
