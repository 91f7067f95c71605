"""A reporter may end anywhere, and two may run at once: each report is told, under one id."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from esx_drift.adapters.report_store import S3Reports
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import REPORT_STATE_KEY, compute_sha256
from esx_drift.domain.stored.types import Event, ReportState, StoredObject, StoredReport, TrailSeal
from esx_drift.errors import ContractViolation, TopicUnavailable, TrailDamaged
from esx_drift.ports import StoredReportState

from tests.unit.events import VIB, finding
from tests.unit.logs import Subscribers
from tests.unit.reporting.world import World, kinds_of, route

DUE = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


class Ended(BaseException):
    """The process is no more."""


@dataclass
class Steps:
    """Counts what a reporter does to the world, and does something at one of these steps."""

    at: int
    act: Callable[[], None]
    before: bool
    taken: int = 0

    def take[Done](self, step: Callable[[], Done]) -> Done:
        """One step."""
        self.taken += 1
        if self.taken == self.at and self.before:
            self.act()
        done = step()
        if self.taken == self.at and not self.before:
            self.act()
        return done


@dataclass
class SteppedReports:
    """Where reports are, step by step."""

    real: S3Reports
    steps: Steps

    def read_state(self) -> StoredReportState | None:
        """As it is."""
        return self.real.read_state()

    def put_state(self, state: ReportState, etag: str | None) -> str | None:
        """A step."""
        return self.steps.take(lambda: self.real.put_state(state, etag))

    def keep(self, report: StoredReport) -> StoredObject:
        """A step."""
        return self.steps.take(lambda: self.real.keep(report))

    def read(self, stored: StoredObject) -> StoredReport:
        """As it is."""
        return self.real.read(stored)

    def read_seal(self) -> TrailSeal | None:
        """As it is."""
        return self.real.read_seal()

    def uri(self, key: str) -> str:
        """As it is."""
        return self.real.uri(key)


@dataclass
class SteppedTopic:
    """The topic, step by step."""

    real: Subscribers
    steps: Steps
    published: list[Event] = field(default_factory=list)

    def publish(self, event: Event) -> None:
        """A step."""
        self.steps.take(lambda: self.real.publish(event))


def _die() -> None:
    raise Ended


def _prepare(world: World) -> None:
    """A first look, a daily report and a reminder are due for two routes at once."""
    world.routes = (route("ops"), route("edge"))
    world.now = DUE.replace(day=22, hour=5)
    world.report()
    world.dispatch("vc01", "prod-a", "prod-b")
    vib = finding(
        "orphaned-vib", "orphaned-vib", VIB, "there is one", severity="critical", transition="still"
    )
    vib = {**vib, "opened_at": "2026-11-20T02:00:00.000Z"}
    world.look("vc01", "prod-a", "baseline", findings=(vib,))
    world.look("vc01", "prod-b", "baseline")
    world.now = DUE
    assert world.heard() == []


EXPECTED = sorted(
    f"{kind} {name}" for kind in ("first-look", "daily", "reminder") for name in ("ops", "edge")
)
STEPS = 14
"""Six reports kept, the state written, six published, the state written."""


def _assert_told_once(world: World) -> None:
    heard = world.heard()
    by_id = {event["id"]: event for event in heard}
    assert all(by_id[event["id"]] == event for event in heard)
    assert sorted(kinds_of([*by_id.values()])) == EXPECTED
    assert [one for event in heard for one in list_violations("event", event)] == []


def test_all_that_is_due_is_told_in_so_many_steps(world: World) -> None:
    """The next run has nothing to do."""
    _prepare(world)
    steps = Steps(0, _die, before=True)
    assert isinstance(world.topic, Subscribers)
    world.report(topic=SteppedTopic(world.topic, steps), reports=SteppedReports(world.reports, steps))
    assert steps.taken == STEPS
    _assert_told_once(world)
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_a_reporter_that_ends_anywhere_loses_nothing(world: World, at: int, before: bool) -> None:  # noqa: FBT001
    """The next run, a quarter of an hour later, tells what is left; nothing comes twice under two ids."""
    _prepare(world)
    steps = Steps(at, _die, before)
    assert isinstance(world.topic, Subscribers)
    with pytest.raises(Ended):
        world.report(
            topic=SteppedTopic(world.topic, steps),
            reports=SteppedReports(world.reports, steps),
        )
    world.wait(minutes=15)
    world.report()
    _assert_told_once(world)
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


@pytest.mark.parametrize("at", range(1, STEPS + 1))
def test_two_reporters_at_once_tell_each_report_once(world: World, at: int) -> None:
    """Wherever the second one comes in: one of both decides, and what both publish is the same."""
    _prepare(world)
    steps = Steps(at, lambda: _run_another(world), before=True)
    assert isinstance(world.topic, Subscribers)
    world.report(
        topic=SteppedTopic(world.topic, steps),
        reports=SteppedReports(world.reports, steps),
    )
    _assert_told_once(world)
    world.wait(minutes=15)
    world.report()
    assert world.heard() == []


def _run_another(world: World) -> None:
    world.wait(seconds=7)
    world.report()


def test_what_the_topic_refuses_is_told_by_the_next_run(world: World) -> None:
    """And the run fails, so that an alarm rings."""
    _prepare(world)
    assert isinstance(world.topic, Subscribers)
    world.topic.refusals = 4
    with pytest.raises(TopicUnavailable, match="tried again by the next run"):
        world.report()
    world.topic.refusals = 1
    world.wait(minutes=15)
    with pytest.raises(TopicUnavailable):
        world.report()
    world.wait(minutes=15)
    reply = world.report()
    assert len(reply["published"]) == 1
    _assert_told_once(world)


def test_a_report_that_was_changed_is_given_up_and_all_others_are_told(world: World) -> None:
    """The run fails once, so that an alarm rings, and no run after it does."""
    _prepare(world)
    assert isinstance(world.topic, Subscribers)
    world.topic.refusals = 100
    with pytest.raises(TopicUnavailable):
        world.report()
    world.topic.refusals = 0
    stored = world.reports.read_state()
    assert stored is not None
    assert stored.state is not None
    spoilt = stored.state["outbox"][0]["key"]
    world.store.client().put_object(Bucket="audit", Key=spoilt, Body=b"{}")
    with pytest.raises(TrailDamaged, match=spoilt):
        world.report()
    assert len(world.heard()) == len(EXPECTED) - 1
    assert world.report()["published"] == []


@pytest.mark.parametrize("body", [b"no", b"{}", b'{"schema_version": 2}'])
def test_a_state_that_is_none_is_begun_anew(world: World, body: bytes) -> None:
    """What was told long ago is not told again."""
    _prepare(world)
    world.report()
    world.heard()
    world.wait(days=2)
    world.look("vc01", "prod-a")
    world.store.client().put_object(Bucket="state", Key=REPORT_STATE_KEY, Body=body)
    assert world.report()["begun"]
    assert world.heard() == []


def test_a_report_is_kept_once(world: World) -> None:
    """The one that is there stays, whatever another run would have said."""
    _prepare(world)
    world.report()
    kept = [
        one["Key"]
        for one in world.store.client().list_objects_v2(Bucket="audit", Prefix="reports/")["Contents"]
    ]
    assert len(kept) == len(EXPECTED)
    body = world.store.client().get_object(Bucket="audit", Key=kept[0])["Body"].read()
    report: Any = json.loads(body)
    assert list_violations("report", report) == []
    other: Any = {**report, "made_at": "2026-11-24T00:00:00.000Z"}
    stored = world.reports.keep(other)
    assert world.reports.read(stored) == report


@pytest.mark.parametrize(
    ("stored", "problem"), [(b"{}", "is no report"), (b"no", "is no report"), (None, "is not there")]
)
def test_what_is_no_report_is_not_read_as_one(world: World, stored: bytes | None, problem: str) -> None:
    """Though its bytes are those that were named."""
    key, body = "reports/daily/00000000-0000-0000-0000-000000000001.json", stored or b""
    if stored:
        world.store.client().put_object(Bucket="audit", Key=key, Body=body)
    with pytest.raises(TrailDamaged, match=problem):
        world.reports.read({"key": key, "sha256": compute_sha256(body)})


def test_what_nobody_could_read_back_is_not_written(world: World) -> None:
    """A bug must not leave what the next run stumbles over."""
    with pytest.raises(ContractViolation):
        world.reports.put_state(cast("ReportState", {"schema_version": 2}), None)
    spoilt: Any = {"kind": "daily", "report_id": "1"}
    with pytest.raises(ContractViolation):
        world.reports.keep(spoilt)
    assert world.reports.read_state() is None
