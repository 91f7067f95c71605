"""A message that knows the id of a real request says something else of its extraction: no look is lost."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.dispatching.run import MAX_ATTEMPTS
from esx_drift.domain.stored.identifiers import make_attempt_id
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import RequestRefused

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply, json_reply
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from esx_drift.domain.stored.types import CheckRequest, TaskRequest

MADE_UP = "52f9f1b0-160a-25fe-fd1e-e7526df80e0d:com.vmware.esx.settings.clusters.installed_images"
PAST, FUTURE = "1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"
TASK = "GET /api/cis/tasks/*"


def _claim(task_id: str | None, submitted_at: str = PAST, deadline_at: str = PAST) -> "TaskRequest":
    return {
        "id": task_id,
        "submitted_at": submitted_at,
        "deadline_at": deadline_at,
        "polls": 0,
        "busy": None if task_id else "said by nobody",
    }


def _end_task(world: World, cluster: str) -> str:
    """An extraction that the vCenter has done; the id of its task."""
    identity = world.vcenter.extractions.start(cluster, "somebody")
    for _ in range(2):
        world.vcenter.extractions.poll(identity)
    return identity


def _altering(**fields: object) -> Fault:
    """The task's answer with these fields; None takes one off."""

    def alter(reply: Reply) -> Reply:
        body = {**json.loads(reply.body), **fields}
        return json_reply(reply.status, {name: value for name, value in body.items() if value is not None})

    return Fault("altered", alter=alter)


FORGED: "dict[str, Callable[[World], TaskRequest | None]]" = {
    "no task": lambda _: None,
    "a made-up one": lambda _: _claim(MADE_UP),
    "a made-up one of later": lambda _: _claim(MADE_UP, FUTURE, FUTURE),
    "the one of the run before": lambda world: _claim(world.records()[-1]["task"]["id"]),  # type: ignore[index]  # it is there
    "one of another cluster": lambda world: _claim(_end_task(world, PROD_B)),
    "a busy cluster": lambda _: _claim(None),
    "a busy cluster, for ever": lambda _: _claim(None, FUTURE, FUTURE),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("first", [True, False], ids=["before the real one", "while it waits"])
def test_a_forged_task_takes_no_look_away(
    world: World, forge: "Callable[[World], TaskRequest | None]", *, first: bool
) -> None:
    """A driver was changed since the last look. Whatever comes first, that request's record tells of it."""
    world.check()
    world.wait(4 * 3600)
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    request = world.request()
    forged: CheckRequest = {**request, "phase": "collect", "task": forge(world)}
    assert first is False or world.handle(forged) is None
    assert world.handle(request) is None
    real = world.aws.sent[-1]
    assert world.handle(forged) is None
    world.wait(real.delay_seconds)
    record = world.follow(cast("CheckRequest", real.body))
    assert (record["request_id"], record["outcome"]) == (request["request_id"], "changed")
    assert [change["key"] for change in record["changes"]] == ["Intel-i40en"]
    assert moved(record) == {("drift-unreviewed", "opened"), ("image-not-uniform", "opened")}
    assert world.handle(forged) == record, "the forged one is done with by the same record"


def test_whether_to_extract_the_fleet_file_says(world: World) -> None:
    """No message has an extraction begun where none is wanted; and none is left out where one is."""
    world.set(extract=False)
    world.vcenter.extract_all()
    record = world.handle({**world.request(), "phase": "extract"})
    assert record is not None
    assert record["outcome"] == "baseline"
    assert world.vcenter.extractions.tasks == {}
    world.set(extract=True)
    assert world.handle({**world.request(), "phase": "collect"}) is None
    assert len(world.vcenter.extractions.tasks) == 1


@pytest.mark.parametrize("ours", ["is made up", "is of the run before", "scans only", "has another target"])
def test_what_nothing_proves_is_told_at_the_deadline_and_no_sooner(world: World, ours: str) -> None:
    """Nor kept silent: that another's task succeeded does not mean that this cluster was extracted."""
    before = world.check()
    world.wait(4 * 3600)
    request = world.request()
    identity = before["task"]["id"] if ours == "is of the run before" else MADE_UP  # type: ignore[index]  # it is there
    if ours in {"scans only", "has another target"}:
        identity = _end_task(world, PROD_A)
        world.vcenter.extractions.reports[PROD_A] |= {
            "completion_time": before["report"]["completion_time"]  # type: ignore[index]  # it is there
        }
        scan = {"operation": "scan$task"}
        host = {"target": {"type": "HostSystem", "id": PROD_A}}
        world.vcenter.faults.inject(TASK, _altering(**(scan if ours == "scans only" else host)))
    asked_at = world.now
    record = world.follow({**request, "phase": "collect", "task": _claim(identity)})
    waited = (world.now - asked_at).total_seconds()
    assert 0 <= waited - world.watched.extract_deadline_seconds <= 330
    assert record["outcome"] == "same-report"
    kind = "extraction-failed" if ours == "is made up" else "extraction-timeout"
    assert moved(record) == {(kind, "opened")}
    assert record["task"] is not None
    submitted = parse_time(record["task"]["submitted_at"])
    assert asked_at - timedelta(minutes=6) <= submitted <= asked_at, "as the record of the run says, not 1970"


@pytest.mark.parametrize(
    "answer",
    [
        {"target": None},
        {"operation": None},
        {"operation": "extract"},
        {"target": "domain-c9"},
        {"target": {"type": "ClusterComputeResource", "id": 9}},
        {"target": {"type": "ClusterComputeResource", "id": "domain-c9:7a1c"}},
        {"start_time": None},
    ],
    ids=str,
)
def test_a_vcenter_that_says_less_of_its_tasks_is_looked_at_as_ever(
    world: World, answer: dict[str, Any]
) -> None:
    """No source shows such a task whole: what it lacks may cost a wait, and never a look."""
    world.vcenter.faults.inject(TASK, _altering(**answer))
    assert world.check()["outcome"] == "baseline"
    started = world.now
    assert world.check()["outcome"] == "unchanged"
    assert (world.now - started).total_seconds() < 4 * 3600 + 600


def test_a_task_that_fails_is_told_at_once_and_one_that_is_not_ours_is_not(world: World) -> None:
    """An extraction of this cluster that began since the run asked is as good as ours, whoever began it."""
    world.check()
    world.wait(4 * 3600)
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    request = world.request()
    record = world.handle({**request, "phase": "collect", "task": _claim(_end_task(world, PROD_A))})
    assert record is not None
    assert one(record["findings"], "extraction-failed")["transition"] == "opened"


def test_a_task_that_failed_and_is_not_shown_to_be_ours_is_not_called_lost(world: World) -> None:
    """As of a vCenter that names no target: its words are told at the deadline, as of the task named."""
    world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    world.vcenter.faults.inject(TASK, _altering(target=None))
    record = world.check()
    assert moved(record) == {("extraction-timeout", "opened")}
    said = record["task"]["message"]  # type: ignore[index]  # it is there
    assert said
    assert one(record["findings"], "extraction-timeout")["summary"] == (
        f'no new report came within the extraction\'s deadline; the task that was named failed: "{said}"'
    )


def test_a_report_that_is_of_no_use_is_waited_out_too(world: World) -> None:
    """The extraction that runs may leave a better one: broken, another cluster's, or none at all so far."""
    world.check()
    for name in ("without_required", "from_the_future"):
        world.wait(4 * 3600)
        request = world.request()
        world.vcenter.faults.inject("GET *domain-c9/installed-images", fault_kinds.document(name), times=1)
        assert world.handle({**request, "phase": "collect", "task": _claim(MADE_UP)}) is None
        assert world.follow(request)["outcome"] == "unchanged"
    world.vcenter.extractions.reports.pop(PROD_B, None)
    asked = world.request(PROD_B)
    assert world.handle({**asked, "phase": "collect", "task": _claim(MADE_UP)}) is None
    late: CheckRequest = {**asked, "phase": "collect", "task": _claim(MADE_UP)}
    world.wait(world.watched.extract_deadline_seconds)
    record = world.handle(late)
    assert record is not None
    assert moved(record) == {("extraction-unavailable", "opened")}


def test_what_a_message_says_of_a_busy_cluster_is_one_bounded_line(world: World) -> None:
    """The vCenter's own words come so: these may be anybody's, and stand in a finding at the deadline."""
    world.check()
    world.wait(4 * 3600)
    request = world.request()
    task: TaskRequest = {**_claim(None, format_time(world.now)), "busy": "a\nb\u202e" + "x" * 9_000}
    record = world.follow({**request, "phase": "collect", "task": task})
    assert record["task"] is not None
    text = str(record["task"]["message"])
    assert text.startswith("a b\ufffdx")
    assert len(text) == 400
    assert open_kinds(record) == {"extraction-timeout"}


def test_another_attempt_is_made_only_where_one_was_asked_for(world: World) -> None:
    """Its id can be made by anybody who knows the first one's: the log says whether it was asked for."""
    request = world.request()
    second: CheckRequest = {
        **request,
        "attempt": 1,
        "request_id": make_attempt_id(request["request_id"], 1),
    }
    for _ in range(2):
        with pytest.raises(RequestRefused, match="the attempt before left nothing"):
            world.handle(second)
        assert world.follow(request)["outcome"] == "baseline"
    assert len(world.records()) == 1


def test_when_it_was_asked_for_the_record_says(world: World) -> None:
    """However many checks ago it was answered, and whenever the message says that it was made."""
    world.set(extract=False)
    world.vcenter.extract_all()
    request = world.request()
    first = world.handle(request)
    for _ in range(21):
        world.handle(world.request())
    again = world.handle({**request, "requested_at": FUTURE})
    assert again == first
    assert len(world.records()) == 22


def test_no_more_attempts_are_made_than_the_schema_has(world: World) -> None:
    """What vouches for a checker's retry counts as far."""
    request: dict[str, Any] = {**world.request(), "attempt": MAX_ATTEMPTS}
    assert list_violations("check-request", request) == []
    assert list_violations("check-request", {**request, "attempt": MAX_ATTEMPTS + 1}) != []


@pytest.mark.parametrize("skew_seconds", [-3600.0, 200.0, 3600.0])
def test_a_clock_that_is_moved_while_the_vcenter_extracts_costs_one_look_at_most(
    world: World, skew_seconds: float
) -> None:
    """By over five minutes: then no time of before says anything, and the check says that it saw nothing."""
    world.check()
    world.wait(4 * 3600)
    assert world.handle(world.request()) is None
    world.vcenter.skew_seconds = skew_seconds
    record = world.follow(world.comes_back())
    is_small = abs(skew_seconds) < 300
    assert record["outcome"] == ("unchanged" if is_small else "superseded")
    assert open_kinds(record) <= {"extraction-timeout"}
    healed = world.check()
    assert healed["coverage"] is not None
    assert open_kinds(healed) == set()
