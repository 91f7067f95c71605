"""Every way out of an extraction; silence is kept for those that end in a look."""

from math import inf
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.checking.collect import MAX_POLL_DELAY_SECONDS
from esx_drift.messages.content import build_content

from tests.simulator.extraction import Pace
from tests.unit.checking.reading import answering, moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest, Record

EXTRACT = "POST *domain-c9/installed-images"
TASK = "GET /api/cis/tasks/*"


def never_ends(world: World) -> None:
    """From now on no extraction comes to an end."""
    world.vcenter.extractions.pace = Pace(None, inf)


def test_a_task_that_succeeds_ends_in_a_look(world: World) -> None:
    """202, then SUCCEEDED: the report is taken, and the record tells the task."""
    record = world.check()
    assert record["outcome"] == "baseline"
    assert record["task"] is not None
    assert record["task"]["status"] == "SUCCEEDED"
    assert record["task"]["end_time"] == record["report"]["completion_time"]  # type: ignore[index]  # it is there
    assert record["coverage"] == {"hosts": 4, "covered": 4, "failed": 0, "unsupported": 0}


def test_a_task_that_still_runs_is_asked_again_ever_more_seldom(world: World) -> None:
    """PENDING, RUNNING, BLOCKED: nothing is recorded, and each pause doubles, up to five minutes."""
    world.vcenter.extractions.pace = Pace(("PENDING", "RUNNING", "BLOCKED", "RUNNING", "RUNNING"), inf)
    record = world.follow(world.request())
    delays = [sent.delay_seconds for sent in world.aws.sent]
    least = [60, 120, 240, 300, 300, 300]
    assert all(low <= delay <= low * 1.1 for low, delay in zip(least, delays, strict=True))
    assert [sent.body["phase"] for sent in world.aws.sent] == ["collect"] * 6
    assert len({sent.body["request_id"] for sent in world.aws.sent}) == 1
    assert record["outcome"] == "baseline"
    assert [found["seq"] for found in world.records()] == [1]


@pytest.mark.parametrize(("first_delay", "deadline"), [(60, 1800), (10, 7200), (900, 7200)])
def test_an_extraction_that_never_ends_is_asked_after_so_often_and_no_more(
    world: World, first_delay: int, deadline: int
) -> None:
    """The chain of messages that docs/operations.md bounds: 6, and one for each 5 minutes of the deadline."""
    world.check()
    world.aws.sent.clear()
    never_ends(world)
    world.set(first_delay_seconds=first_delay, extract_deadline_seconds=deadline)
    record = world.handle(world.request())
    while record is None:
        record = world.handle(world.comes_back())
    assert open_kinds(record) == {"extraction-timeout"}
    assert len(world.aws.sent) <= 6 + deadline / MAX_POLL_DELAY_SECONDS


def test_a_failed_task_is_no_look(world: World) -> None:
    """FAILED with the old report still served: the finding says why, and the baseline stays."""
    first = world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    record = world.check()
    assert record["outcome"] == "same-report"
    assert moved(record) == {("extraction-failed", "opened")}
    assert record["coverage"] is None
    assert record["after"]["coverage"] == first["coverage"]
    assert record["after"]["last_look_at"] == first["checked_at"]
    assert record["events"][0]["data"]["extracted_at"] == first["report"]["completion_time"]  # type: ignore[index]  # it is there
    world.set(extract=False)
    again = world.check()
    assert again["outcome"] == "same-report"
    assert moved(again) == set(), "the old report, read once more, proves nothing"
    world.set(extract=True)
    world.vcenter.inventory.set_outcome(PROD_A)
    assert moved(world.check()) == {("extraction-failed", "resolved")}


def test_a_check_that_read_nothing_counts_no_host(world: World) -> None:
    """Its message says when the last look was, and neither "4 of 4 checked" nor an extraction of before."""
    first = world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    (event,) = world.check()["events"]
    story = build_content(event)
    assert event["data"]["coverage"] is None
    assert [part if isinstance(part, str) else part.time for part in story.when] == [
        "Last checked ",
        first["checked_at"],
        ".",
    ]
    assert story.facts[0] == "not checked"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("UNAVAILABLE", "extraction-unavailable"),
        ("EXTRACT_INSTALLED_IMAGE_FAILURE", "extraction-failed"),
        ("ELIGIBILITY_CHECK_FAILURE", "eligibility-failed"),
    ],
)
@pytest.mark.parametrize("task", ["SUCCEEDED", "FAILED"])
def test_a_report_that_tells_of_its_failure_is_judged(
    world: World, status: str, kind: str, task: str
) -> None:
    """Whatever the task is said to be, a fresh report's status is what counts; no host is covered by it."""
    world.check()
    world.vcenter.inventory.set_outcome(PROD_A, status, task)  # type: ignore[arg-type]  # the words of the API
    record = world.check()
    assert record["outcome"] == "not-covered"
    assert kind in open_kinds(record)
    assert record["coverage"]["covered"] == 0  # type: ignore[index]  # it is there
    assert record["changes"] == []
    world.vcenter.inventory.set_outcome(PROD_A)
    healed = world.check()
    assert open_kinds(healed) == set()
    assert healed["changes"] == []


@pytest.mark.parametrize("fresh", [True, False])
def test_a_lost_task_is_judged_by_the_report(world: World, *, fresh: bool) -> None:
    """404 on the task: a report newer than the request is taken; an older one is a failed extraction."""
    world.check()
    world.vcenter.extractions.pace = Pace(None, 30 if fresh else inf)
    world.asked()
    request = world.comes_back()
    world.vcenter.extractions.settle()
    world.vcenter.extractions.tasks.clear()
    record = world.follow(request)
    assert record["outcome"] == ("unchanged" if fresh else "same-report")
    assert moved(record) == (set() if fresh else {("extraction-failed", "opened")})
    assert record["task"]["status"] is None  # type: ignore[index]  # it is there


@pytest.mark.parametrize("taken", [True, False])
def test_at_its_deadline_a_task_is_no_longer_waited_for(world: World, *, taken: bool) -> None:
    """After 30 minutes, and the longest pause, the report is read whatever the task says."""
    world.check()
    never_ends(world)
    world.asked()
    started = world.now
    if taken:
        world.wait(60)
        world.vcenter.extract_all()
    record = world.follow(world.comes_back())
    assert 1800 <= (world.now - started).total_seconds() <= 1800 + 330
    assert record["outcome"] == ("unchanged" if taken else "same-report")
    assert open_kinds(record) == (set() if taken else {"extraction-timeout"})


def test_a_status_that_nobody_knows_is_an_end(world: World) -> None:
    """A newer vCenter's word for a task does not keep the check waiting for ever."""
    world.check()
    world.asked()
    world.vcenter.faults.inject(TASK, answering({"status": "CANCELLED"}))
    record = world.follow(world.comes_back())
    assert record["task"]["status"] == "CANCELLED"  # type: ignore[index]  # it is there
    assert record["outcome"] == "unchanged"


@pytest.mark.parametrize("error", ["NOT_ALLOWED_IN_CURRENT_STATE", "CONCURRENT_CHANGE"])
def test_a_busy_cluster_is_collected_without_a_task(world: World, error: str) -> None:
    """Somebody else extracts (400 or 409): the check waits for his report, and takes it."""
    first = world.check()
    world.vcenter.extractions.busy_error = error  # type: ignore[assignment]  # the words of the API
    world.vcenter.extractions.pace = Pace(None, 600)
    world.wait(3600)
    world.vcenter.extractions.start(PROD_A, "somebody")
    assert world.asked(0)["id"] is None
    record = world.follow(world.comes_back())
    assert record["outcome"] == "unchanged"
    assert record["after"]["last_taken"]["completion_time"] > first["report"]["completion_time"]  # type: ignore[index]  # it is there
    assert record["task"]["id"] is None  # type: ignore[index]  # it is there


def test_two_runs_at_once_are_answered_by_one_report(world: World) -> None:
    """The second is refused as busy; once the first has taken the report, it waits for no newer one."""
    world.check()
    world.vcenter.extractions.pace = Pace(("RUNNING",), 30)
    world.wait(3600)
    assert world.handle(world.request()) is None
    first = cast("CheckRequest", world.aws.sent[-1].body)
    assert world.handle(world.request()) is None
    second = cast("CheckRequest", world.aws.sent[-1].body)
    assert second["task"]["id"] is None  # type: ignore[index]  # it is there
    world.wait(600)
    taken = world.handle(first)
    assert taken is not None
    assert taken["outcome"] == "unchanged"
    record = world.handle(second)
    assert record is not None
    assert (record["outcome"], record["findings"]) == ("same-report", [])


def _take_now(world: World) -> "Record":
    """A check whose report is completed at this very moment, which is a whole second."""
    world.vcenter.extractions.pace = Pace((), 600)
    world.now = world.now.replace(microsecond=0)
    return world.check()


def test_a_report_of_the_second_in_which_the_cluster_was_busy_is_no_answer(world: World) -> None:
    """A Date says whole seconds: the report taken last may be from before the one that is waited for."""
    first = _take_now(world)
    world.vcenter.extractions.pace = Pace(None, 600)
    world.wait(0.3)
    world.vcenter.extractions.start(PROD_A, "somebody")
    assert world.asked(0)["id"] is None
    record = world.follow(world.comes_back())
    assert record["outcome"] == "unchanged"
    assert record["report"]["completion_time"] > first["report"]["completion_time"]  # type: ignore[index]  # it is there


def test_who_came_in_the_second_of_the_last_report_is_not_said_to_be_busy(world: World) -> None:
    """If nothing newer comes, the report may have been the answer after all: that is no finding."""
    _take_now(world)
    never_ends(world)
    world.wait(0.3)
    world.vcenter.extractions.start(PROD_A, "somebody")
    assert world.asked(0)["id"] is None
    record = world.follow(world.comes_back())
    assert (record["outcome"], record["findings"]) == ("same-report", [])


def test_a_cluster_that_stays_busy_is_told(world: World) -> None:
    """At the deadline there is still no newer report: that is a timeout, and the baseline stays."""
    world.check()
    never_ends(world)
    world.vcenter.extractions.start(PROD_A, "somebody")
    record = world.check()
    assert record["outcome"] == "same-report"
    finding = one(record["findings"], "extraction-timeout")
    said = record["task"]["message"]  # type: ignore[index]  # it is there
    assert said
    assert finding["summary"] == f'the cluster stayed busy with another operation: "{said}"'


def test_a_first_look_waits_for_the_extraction_that_runs(world: World) -> None:
    """An old report is there, and a newer one is on its way: that is the first copy."""
    world.wait(3600)
    world.vcenter.extractions.pace = Pace(None, 600)
    world.vcenter.extractions.start(PROD_A, "somebody")
    assert world.asked(0)["id"] is None
    record = world.follow(world.comes_back())
    assert record["outcome"] == "baseline"
    assert record["report"]["completion_time"] > record["started_at"][:13]  # type: ignore[index]  # it is there


def test_a_first_look_takes_what_is_there_if_the_cluster_stays_busy(world: World) -> None:
    """At the deadline, a report that is young enough is better than none."""
    never_ends(world)
    world.vcenter.extractions.start(PROD_A, "somebody")
    started = world.now
    record = world.check()
    assert record["outcome"] == "baseline"
    assert (world.now - started).total_seconds() >= 1800


def test_a_first_report_that_somebody_else_extracts_is_waited_for(world: World) -> None:
    """Until his extraction ends, the GET answers 404: that is no failure, his report is about to come."""
    world.vcenter.extractions.reports.clear()
    world.vcenter.extractions.occupy(PROD_A, 600)
    assert world.asked()["id"] is None
    assert world.handle(world.comes_back()) is None
    record = world.follow(world.comes_back())
    assert record["outcome"] == "baseline"
    assert [found["seq"] for found in world.records()] == [1]


def test_a_first_report_that_never_comes_is_told_at_the_deadline(world: World) -> None:
    """Somebody's operation never ends, so that nobody has seen the cluster: that is told, once."""
    world.vcenter.extractions.reports.clear()
    world.vcenter.extractions.occupy(PROD_A, inf)
    started = world.now
    record = world.follow(world.request())
    assert 1800 <= (world.now - started).total_seconds() <= 1800 + 330
    assert record["outcome"] == "not-looked"
    assert moved(record) == {("extraction-unavailable", "opened")}
    assert record["task"]["message"] is not None  # type: ignore[index]  # it says who is in the way


def test_any_other_404_is_no_report(world: World) -> None:
    """Nothing was ever extracted, and nothing is: there is nothing to judge."""
    world.set(extract=False)
    world.vcenter.extractions.reports.clear()
    record = world.check()
    assert record["outcome"] == "not-looked"
    assert moved(record) == {("extraction-unavailable", "opened")}
    world.vcenter.extract_all()
    healed = world.check()
    assert healed["outcome"] == "baseline"
    assert moved(healed) == {("extraction-unavailable", "resolved")}


def test_a_404_on_extract_itself_is_no_report_either(world: World) -> None:
    """It is told as such, at the call that met it."""
    world.vcenter.faults.inject(EXTRACT, answering({"error_type": "NOT_FOUND", "messages": []}, 404))
    record = world.check()
    assert record["failure"]["at"] == "extract"  # type: ignore[index]  # it is there
    assert moved(record) == {("extraction-unavailable", "opened")}


def test_a_host_that_is_not_eligible_is_told(world: World) -> None:
    """400 Unsupported: on a cluster managed by an image it is a warning, by baselines it is how it is."""
    for cluster, severity in ((PROD_A, "warning"), (PROD_B, "info")):
        world.vcenter.inventory.set_outcome(cluster, None, refused=True)
        record = world.check(cluster)
        assert record["outcome"] == "not-looked"
        assert record["failure"]["reason"] == "eligibility-failed"  # type: ignore[index]  # it is there
        assert one(record["findings"], "eligibility-failed")["severity"] == severity
        world.vcenter.inventory.set_outcome(cluster)
        assert moved(world.check(cluster)) == {("eligibility-failed", "resolved")}


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({}, 200, "vcenter-error"),
        ([], 200, "vcenter-error"),
        ({"enabled": "yes"}, 200, "vcenter-error"),
        ({"error_type": "UNAUTHORIZED", "messages": []}, 403, "vcenter-authorization"),
    ],
)
def test_a_question_that_is_not_answered_is_a_failure_like_any_other(
    world: World, answer: object, status: int, kind: str
) -> None:
    """How a cluster is managed is asked only where it can't be extracted; nothing is guessed."""
    world.vcenter.inventory.set_outcome(PROD_A, None, refused=True)
    world.vcenter.faults.inject("GET */enablement/software", answering(answer, status))
    record = world.check()
    assert record["failure"]["reason"] == kind  # type: ignore[index]  # it is there
    assert "eligibility-failed" not in open_kinds(record)
