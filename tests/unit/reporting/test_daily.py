"""The daily report: one a route at its hour, also when all is well."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.reports.daily import Day, build_daily
from esx_drift.domain.reports.fleet_logs import FleetLogs, FleetMeasure, Reach
from esx_drift.domain.stored.identifiers import make_record_key, make_state_key
from esx_drift.domain.stored.types import Json
from esx_drift.errors import InternalError
from esx_drift.messages.content import build_content

from tests.unit.events import VIB, change, finding
from tests.unit.reporting.world import World, change_of, kinds_of, report_in, route

BEGAN = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
STILL = {"transition": "still", "opened_at": "2026-11-11T02:00:00.000Z"}


@pytest.fixture(name="world")
def watched(world: World) -> World:
    """prod-a and prod-b, whose first look was told yesterday, half an hour after the hour of reports."""
    world.now = BEGAN
    world.dispatch("vc01", "prod-a", "prod-b")
    world.look("vc01", "prod-a", "baseline", hosts=12)
    world.look("vc01", "prod-b", "baseline", hosts=6)
    world.report()
    assert kinds_of(world.heard()) == ["first-look ops"]
    return world


def _pass_day(world: World, runs: int = 5) -> None:
    """So many runs more, each of which sees both clusters; then it is half past seven."""
    for _ in range(runs):
        world.wait(hours=4)
        world.dispatch("vc01", "prod-a", "prod-b")
        world.wait(minutes=1)
        world.look("vc01", "prod-a", hosts=12)
        world.look("vc01", "prod-b", hosts=6)
    world.now = BEGAN.replace(day=23)


def test_all_quiet_is_told_once_at_its_hour(world: World) -> None:
    """Not before, and not again a quarter of an hour later."""
    _pass_day(world)
    world.now = BEGAN.replace(day=23, hour=6, minute=59)
    world.report()
    assert world.heard() == []
    world.wait(minutes=1)
    world.report()
    (event,) = world.heard()
    assert kinds_of([event]) == ["daily ops"]
    report = report_in(event)
    assert (report["from"], report["until"]) == ("2026-11-22T07:00:00.000Z", "2026-11-23T07:00:00.000Z")
    assert report["clusters"] == {"watched": 2, "seen": 2}
    assert report["checks"] == {"expected": 12, "made": 12}
    assert report["hosts"] == {"hosts": 18, "covered": 18}
    assert (report["changes_told"], report["failures_told"], report["suppressed"]) == (0, 0, {})
    assert report["open"]["total"] == 0
    assert report["reports_lacking"] == 0
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


def test_an_hour_s_look_logs_the_fleet_in_numbers(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The dashboard draws them: how much is watched and seen, what is open, how old what is known is."""
    caplog.set_level("INFO")
    _pass_day(world)
    caplog.clear()
    world.report()
    (line,) = [one for one in caplog.records if one.message == "fleet measured"]
    shown = {name: getattr(line, name) for name in (*FleetMeasure.__annotations__, "unread")}
    assert shown == {
        "vcenters": 1,
        "clusters": 2,
        "hosts": 18,
        "covered": 18,
        "findings": 0,
        "critical": 0,
        "oldest_report_seconds": None,
        "is_watched": True,
        "unread": 0,
    }
    world.wait(minutes=15)
    caplog.clear()
    world.report()
    assert "fleet measured" not in caplog.text


def test_only_the_schedule_s_runs_say_that_the_fleet_is_watched(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what a person asks for nor a retry does; of a vCenter that is new there may be no run yet."""
    caplog.set_level("INFO")

    def is_watched() -> bool:
        caplog.clear()
        world.report()
        (line,) = [one for one in caplog.records if one.message == "fleet measured"]
        return bool(getattr(line, "is_watched"))  # noqa: B009 -- a field of the line

    world.wait(hours=8)
    world.dispatch("vc01", "prod-a", failed=True, trigger="retry")
    assert is_watched()
    world.wait(hours=2)
    world.dispatch("vc01", "prod-a", trigger="direct")
    assert not is_watched()
    world.dispatch("vc01", "prod-a")
    world.vcenters = ("vc01", "vc02")
    world.wait(hours=1)
    world.dispatch("vc02", "other", trigger="direct")
    assert is_watched()
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a")
    world.dispatch("vc02", "other", trigger="direct")
    world.wait(hours=6)
    assert not is_watched()


def test_each_route_gets_one_whatever_it_hears(world: World) -> None:
    """Also one that hears only what is critical, or whose patterns match nothing; but not one of families."""
    world.routes = (
        route("ops"),
        route("pager", min_severity="critical"),
        route("lab", vcenters=("vc99",)),
        route("drift", families=("drift",)),
        route("news", families=("drift", "report")),
    )
    _pass_day(world)
    world.report()
    reports = {report_in(event)["route"]: report_in(event) for event in world.heard()}
    assert set(reports) == {"ops", "pager", "lab", "news"}
    assert reports["lab"]["clusters"] == {"watched": 0, "seen": 0}
    assert reports["lab"]["checks"] == {"expected": 0, "made": 0}


@pytest.mark.parametrize("routes", [(), (route("drift", families=("drift",)),)])
def test_where_no_route_wants_it_the_subscribers_get_it(world: World, routes: tuple[()]) -> None:
    """So its absence is an alarm everywhere."""
    world.routes = routes
    _pass_day(world)
    world.report()
    (event,) = world.heard()
    assert "route" not in report_in(event)


def test_what_each_route_was_told_is_counted_by_its_filters(world: World) -> None:
    """And what was kept from it, by rule."""
    world.routes = (
        route("ops"),
        route("pager", min_severity="critical"),
        route("edge", clusters=("edge-*",)),
    )
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a", "prod-b")
    changes = [
        change_of(),
        change_of(key="mft", suppressed_by="ignore:mft"),
        change_of(key="esx-update", suppressed_by="rollout", hosts=["host-1", "host-8"]),
    ]
    world.look("vc01", "prod-a", "changed", 12, changes=changes)
    failure = finding("failure", "host-failed", "host-3", "esx03 could not be read", severity="critical")
    world.look("vc01", "prod-b", "changed", 6, 5, findings=(failure,), changes=[change_of("critical")])
    world.now = BEGAN.replace(day=23)
    world.report()
    reports = {report_in(event)["route"]: report_in(event) for event in world.heard()}
    told = {
        name: (report["changes_told"], report["failures_told"], report["suppressed"])
        for name, report in reports.items()
    }
    assert told == {
        "ops": (2, 1, {"ignore:mft": 1, "rollout": 1}),
        "pager": (1, 1, {}),
        "edge": (0, 0, {}),
    }
    changed = {name: report["changed"] for name, report in reports.items()}
    assert changed == {
        "ops": {"hosts": 2, "clusters": 2, "hidden_hosts": 1},
        "pager": {"hosts": 1, "clusters": 1, "hidden_hosts": 0},
        "edge": {"hosts": 0, "clusters": 0, "hidden_hosts": 0},
    }


def test_a_check_that_was_put_off_counts_and_a_second_one_does_not(world: World) -> None:
    """A run means one check of each cluster, made by whoever saw the cluster before the next run."""
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a", "prod-b", failed=True)
    world.wait(minutes=20)
    world.look("vc01", "prod-a", hosts=12)
    world.look("vc01", "prod-a", hosts=12)
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a", "prod-b")
    world.look("vc01", "prod-a", "not-looked")
    world.look("vc01", "prod-b", "same-report", hosts=6)
    world.now = BEGAN.replace(day=23)
    world.report()
    (event,) = world.heard()
    # The run of the first look made two, the second one of two, and so did the third.
    assert report_in(event)["checks"] == {"expected": 6, "made": 4}
    assert report_in(event)["clusters"] == {"watched": 2, "seen": 2}


def test_what_was_not_seen_within_the_day_is_named(world: World) -> None:
    """Its hosts are not counted as read, though a look of before read them."""
    _pass_day(world)
    world.report()
    world.heard()
    for _ in range(6):
        world.dispatch("vc01", "prod-a", "prod-b")
        world.look("vc01", "prod-a", hosts=12)
        world.look("vc01", "prod-b", "not-looked")
        world.wait(hours=4)
    world.report()
    (event,) = world.heard()
    report = report_in(event)
    assert report["unseen_clusters"] == {"total": 1, "listed": ["prod-b (vc01)"]}
    assert report["clusters"] == {"watched": 2, "seen": 1}
    assert report["hosts"] == {"hosts": 18, "covered": 12}


def test_a_check_under_way_is_not_expected_yet(world: World) -> None:
    """Asked for just before the report is made; what it saw already counts."""
    world.now = BEGAN.replace(day=23, hour=6, minute=50)
    world.dispatch("vc01", "prod-a", "prod-b")
    world.look("vc01", "prod-a", hosts=12)
    world.wait(minutes=15)
    world.report()
    (event,) = world.heard()
    assert report_in(event)["checks"] == {"expected": 3, "made": 3}


def test_what_is_open_is_told_by_age(world: World) -> None:
    """With the oldest by name; a vCenter's own findings are among them."""
    _pass_day(world)
    old = finding("failure", "host-failed", "host-3", "esx03 could not be read", **STILL)
    week = finding("orphaned-vib", "orphaned-vib", VIB, "there is one", severity="critical", **STILL)
    week = {**week, "opened_at": "2026-11-20T02:00:00.000Z"}
    new = finding("failure", "vcenter-unreachable", "vc01", "vc01 is away", transition="still")
    new = {**new, "opened_at": "2026-11-23T05:00:00.000Z"}
    world.look("vc01", "prod-b", hosts=6, findings=(old, week))
    world.dispatch("vc01", "prod-a", "prod-b", findings={new["fingerprint"]: new})
    world.report()
    event, reminder = world.heard()
    assert kinds_of([reminder]) == ["reminder ops"]
    opened = report_in(event)["open"]
    assert opened["by_age"] == {"within_a_day": 1, "within_a_week": 1, "older": 1}
    assert (opened["total"], opened["critical"]) == (3, 1)
    assert opened["by_family"] == {"failure": 2, "orphaned-vib": 1}
    assert (opened["oldest"]["cluster"], opened["oldest"]["summary"]) == ("prod-b", "esx03 could not be read")


def test_a_vib_that_has_gone_unexplained_is_a_line_of_the_day(world: World) -> None:
    """With its hosts; to whoever hears of it."""
    world.routes = (route("ops"), route("edge", clusters=("edge-*",)))
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a", "prod-b")
    hosts = [f"host-{number}" for number in range(1, 8)]
    gone = change("orphaned_vib", "removed", VIB, severity="info", hosts=hosts)
    over = finding("orphaned-vib", "orphaned-vib", VIB, "x", severity="critical", hosts=hosts)
    over |= {"transition": "resolved", "resolved_because": "removed"}
    world.look("vc01", "prod-a", "changed", 12, findings=(over,), changes=[gone])
    world.now = BEGAN.replace(day=23)
    world.report()
    events = {report_in(event)["route"]: event for event in world.heard()}
    vanished = report_in(events["ops"])["vanished_vibs"]
    assert (vanished["total"], vanished["listed"][0]["hosts_total"]) == (1, 7)
    assert len(vanished["listed"][0]["hosts"]) == 5
    assert report_in(events["edge"])["vanished_vibs"] == {"total": 0, "listed": []}
    (line, *_) = build_content(events["ops"]).items
    assert line.endswith(", 2 more · prod-a · vc01; unexplained: tell security")


def test_maintenance_is_named_with_its_log(world: World) -> None:
    """A record's number alone says nothing."""
    world.wait(hours=4)
    world.dispatch("vc01", "prod-a", "prod-b")
    hidden = change_of(suppressed_by="maintenance:record 2")
    world.look("vc01", "prod-a", "changed", 12, changes=[hidden])
    world.now = BEGAN.replace(day=23)
    world.report()
    (event,) = world.heard()
    assert report_in(event)["suppressed"] == {"maintenance:record 2 of prod-a": 1}


def test_days_without_a_report_are_told(world: World) -> None:
    """As after an outage of the reporter itself: what the day was like is told of the last one alone."""
    world.now = BEGAN.replace(day=26)
    world.dispatch("vc01", "prod-a", "prod-b")
    world.report()
    (event,) = world.heard()
    assert report_in(event)["reports_lacking"] == 3
    assert report_in(event)["until"] == "2026-11-26T07:00:00.000Z"


def test_a_time_in_the_future_silences_no_report(world: World) -> None:
    """Forged, or by a clock that was ahead: the day is reported, and what is critical is told again."""
    critical = finding("orphaned-vib", "orphaned-vib", VIB, "so it is", severity="critical", **STILL)
    world.look("vc01", "prod-a", hosts=12, findings=(critical,))
    world.wait(hours=1)
    world.report()
    world.heard()
    stored = world.reports.read_state()
    assert stored is not None
    assert stored.state is not None
    (known,) = stored.state["criticals"]
    far = "2999-01-01T00:00:00.000Z"
    world.reports.put_state(
        {
            **stored.state,
            "reported_until": far,
            "swept_at": far,
            "criticals": {known: {"told_at": far, "reminded": {"ops": far}}},
        },
        stored.etag,
    )
    heard = list[str]()
    for _ in range(27):
        world.wait(hours=1)
        world.report()
        heard += kinds_of(world.heard())
    assert sorted(heard) == ["daily ops", "daily ops", "reminder ops"]


def test_a_person_gets_a_report_at_once(world: World) -> None:
    """Of the last 24 hours; the one at its hour comes all the same."""
    world.wait(hours=1)
    world.report("00000000-0000-0000-0000-000000000001")
    (event,) = world.heard()
    assert report_in(event)["until"] == "2026-11-22T08:30:00.000Z"
    assert report_in(event)["checks"] == {"expected": 2, "made": 2}
    world.now = BEGAN.replace(day=23)
    world.report()
    assert kinds_of(world.heard()) == ["daily ops"]


def test_a_damaged_record_is_passed_over(world: World) -> None:
    """One in the middle of a log; and a log whose newest record is no record is left out."""
    _pass_day(world, runs=2)
    world.store.client().put_object(Bucket="audit", Key=make_record_key("vc01", "prod-a", 2), Body=b"no")
    world.store.client().put_object(Bucket="state", Key=make_state_key("vc01", "prod-b"), Body=b"no")
    world.report()
    (event,) = world.heard()
    assert report_in(event)["checks"] == {"expected": 6, "made": 2}
    assert report_in(event)["clusters"] == {"watched": 2, "seen": 1}


def test_a_bug_in_one_report_keeps_no_other_from_being_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run fails when all else is published, which an alarm tells of; the next one goes on."""
    world.routes = (route("odd"), route("ops"))

    def stumble(day: Day, logs: FleetLogs, to: Route, reach: Reach) -> dict[str, Json]:
        if to.name == "odd":
            raise ZeroDivisionError("nobody foresaw this")
        return build_daily(day, logs, to, reach)

    monkeypatch.setattr("esx_drift.reporting.reporter.build_daily", stumble)
    _pass_day(world)
    with pytest.raises(InternalError, match="daily report to odd: ZeroDivisionError"):
        world.report()
    assert kinds_of(world.heard()) == ["daily ops"]
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


SEALED: dict[str, Any] = {
    "schema_version": 1,
    "sealed_at": "2026-11-23T00:05:00.000Z",
    "since": None,
    "until": "2026-11-22T23:50:00.000Z",
    "previous": None,
    "heads": [],
    "objects": [],
    "listed_to": None,
}
KEY_SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("objects", "seal"),
    [
        ({}, None),
        ({"20261123T000500Z.json": SEALED}, None),
        ({"20261123T000500Z.json": SEALED, "20261123T000500Z.json.sig": 1}, None),
        (
            {"20261123T000500Z.json": SEALED, "20261123T000500Z.json.sig": 1, f"keys/{KEY_SHA256}.pem": 1},
            {"until": SEALED["until"], "key_sha256": KEY_SHA256},
        ),
        ({"20261123T000500Z.json": 1, "20261123T000500Z.json.sig": 1, f"keys/{KEY_SHA256}.pem": 1}, None),
    ],
    ids=["none yet", "not signed yet", "no key", "sealed", "damaged"],
)
def test_a_report_says_up_to_when_the_trail_is_sealed(
    world: World, objects: dict[str, Any], seal: dict[str, str] | None
) -> None:
    """And which key signed; or nothing, where that is not known."""
    for name, body in objects.items():
        world.store.client().put_object(Bucket="audit", Key=f"digests/{name}", Body=json.dumps(body).encode())
    world.report("asked")
    (event,) = [event for event in world.heard() if event["type"].endswith(".daily")]
    assert report_in(event).get("sealed") == seal
    notes = build_content(event).notes
    line = f"All records up to 22 Nov 23:50 UTC are sealed (signed), key fingerprint {KEY_SHA256}."
    assert (line in notes) == (seal is not None), notes
