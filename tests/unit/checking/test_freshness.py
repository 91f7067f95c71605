"""Whether a report is a look: the vCenter serves the last one for ever, whoever extracted it, however old."""

from contextlib import suppress
from datetime import timedelta
from math import inf

import pytest
from esx_drift.domain.stored.types import Record
from esx_drift.errors import RequestRefused
from esx_drift.messages.content import build_content

from tests.simulator.extraction import Pace
from tests.simulator.fault_kinds import document
from tests.simulator.notices import timestamp
from tests.unit.checking.reading import moved, open_kinds
from tests.unit.checking.world import INTERVAL_SECONDS, NOW, PROD_A, World

REPORT = "GET *domain-c9/installed-images"
HOUR = 3600


def extract_by_hand(world: World) -> None:
    """Somebody extracts, without a task of ours."""
    world.vcenter.extract_all()


def completed(world: World, seconds: float) -> None:
    """Date prod-a's report so many seconds after the beginning."""
    text = timestamp(NOW + timedelta(seconds=seconds))
    world.vcenter.extractions.reports[PROD_A] |= {"completion_time": text}


@pytest.mark.parametrize(
    ("age_seconds", "outcome"), [(3 * 24 * HOUR, "baseline"), (3 * 24 * HOUR + 1, "superseded")]
)
def test_a_first_look_without_extraction_takes_a_young_report(
    world: World, age_seconds: int, outcome: str
) -> None:
    """One as old as max_age is young enough; an older one is told as stale, and moves nothing."""
    world.set(extract=False)
    extract_by_hand(world)
    world.wait(age_seconds)
    record = world.follow(world.request())
    assert record["outcome"] == outcome
    assert open_kinds(record) == (set() if outcome == "baseline" else {"extraction-stale"})
    assert (record["after"]["seal"] is None) == (outcome != "baseline")


def test_without_extraction_any_later_report_is_a_look(world: World) -> None:
    """Later than the one taken last, however old: nobody asked for it."""
    world.set(extract=False)
    world.check()
    extract_by_hand(world)
    world.wait(100 * 24 * HOUR)
    record = world.follow(world.request())
    assert record["outcome"] == "unchanged"
    assert record["report"]["freshness"] == "fresh"  # type: ignore[index]  # it is there


def test_the_same_report_is_no_look(world: World) -> None:
    """What is known of coverage, findings and extraction stands; the record itself saw nothing."""
    world.set(extract=False)
    world.vcenter.hosts.add_orphaned_vib("esx01", "mft(4.25.0.802-0)")
    extract_by_hand(world)
    first = world.check()
    again = world.check()
    assert again["outcome"] == "same-report"
    assert again["coverage"] is None
    assert again["after"]["coverage"] == first["coverage"]
    assert again["findings"] == [{**one, "transition": "still"} for one in first["findings"]]
    assert again["after"]["last_taken"] == first["after"]["last_taken"]
    assert again["after"]["last_look_at"] == first["checked_at"]
    assert again["events"] == []


def test_the_same_report_ages_into_a_finding(world: World) -> None:
    """After max_age the silence is told, and ends with the next report."""
    world.set(extract=False, max_age_seconds=6 * HOUR)
    extract_by_hand(world)
    assert open_kinds(world.check()) == set()
    assert open_kinds(world.check()) == {"extraction-stale"}
    extract_by_hand(world)
    assert moved(world.check()) == {("extraction-stale", "resolved")}


def test_a_report_ages_by_the_vcenters_own_clock(world: World) -> None:
    """One whose clock is four days behind serves no report that is four days old."""
    world.set(extract=False)
    world.vcenter.skew_seconds = -4 * 24 * HOUR
    world.vcenter.extractions.reports.clear()
    extract_by_hand(world)
    assert world.check()["outcome"] == "baseline"
    again = world.check()
    assert again["outcome"] == "same-report"
    assert open_kinds(again) == set()


def test_a_task_that_ends_well_without_a_new_report_ages_too(world: World) -> None:
    """SUCCEEDED, and still the old report: no look, told once max_age is over."""
    world.set(max_age_seconds=6 * HOUR)
    world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    assert world.check()["outcome"] == "same-report"
    assert moved(world.check()) == {("extraction-stale", "opened")}


def test_an_older_report_moves_nothing(world: World) -> None:
    """A vCenter that goes back in time ends no failure to extract, and its report replaces nothing."""
    first = world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    assert moved(world.check()) == {("extraction-failed", "opened")}
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    completed(world, 0)
    record = world.check()
    assert record["outcome"] == "superseded"
    assert record["report"]["freshness"] == "older"  # type: ignore[index]  # it is there
    assert record["coverage"] is None
    assert moved(record) == set()
    assert open_kinds(record) == {"extraction-failed"}
    assert record["after"]["last_taken"] == first["after"]["last_taken"]
    assert record["after"]["seal"] == first["after"]["seal"]


@pytest.mark.parametrize(("early_seconds", "fresh"), [(0.0, True), (0.001, False)])
def test_a_report_must_not_be_older_than_the_task(world: World, early_seconds: float, *, fresh: bool) -> None:
    """Newer than the one taken last, but from before the task's start: not what was asked for."""
    world.check()
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    world.asked()
    started = (world.now - NOW).total_seconds()
    completed(world, started - early_seconds)
    record = world.follow(world.comes_back())
    assert record["report"]["freshness"] == ("fresh" if fresh else "stale")  # type: ignore[index]  # it is there
    assert record["outcome"] == ("unchanged" if fresh else "superseded")


def test_a_task_counts_from_its_start_and_not_from_the_request(world: World) -> None:
    """It waited in a queue: a report from before it began shows what ran before."""
    world.check()
    world.vcenter.extractions.pace = Pace(("PENDING", "RUNNING"), inf)
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    world.asked()
    completed(world, (world.now - NOW).total_seconds() + 1)
    record = world.follow(world.comes_back())
    assert record["report"]["freshness"] == "stale"  # type: ignore[index]  # it is there
    assert record["task"]["start_time"] > record["report"]["completion_time"]  # type: ignore[index,operator]  # likewise


@pytest.mark.parametrize(("after_seconds", "fresh"), [(0.3, True), (-0.001, False)])
def test_without_the_task_the_date_of_the_202_counts(
    world: World, after_seconds: float, *, fresh: bool
) -> None:
    """Cut to the second, as HTTP tells it: a report of the same second is not mistaken for an old one."""
    world.check()
    world.wait(0.7)
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    world.asked()
    second = int((world.now - NOW).total_seconds())
    world.vcenter.extractions.tasks.clear()
    completed(world, second + after_seconds)
    record = world.follow(world.comes_back())
    assert record["report"]["freshness"] == ("fresh" if fresh else "stale")  # type: ignore[index]  # it is there


@pytest.mark.parametrize("skew_seconds", [86_400.0, -86_400.0])
def test_two_clocks_are_never_compared(world: World, skew_seconds: float) -> None:
    """A vCenter a day ahead, or behind, is checked like any other."""
    world.vcenter.skew_seconds = skew_seconds
    world.vcenter.extractions.reports.clear()
    assert world.check()["outcome"] == "baseline"
    assert world.check()["outcome"] == "unchanged"


def test_a_report_from_the_future_is_not_believed(world: World) -> None:
    """Five minutes ahead of the reply's own Date is the most; it is kept apart, and replaces nothing."""
    first = world.check()
    world.vcenter.faults.inject(REPORT, document("from_the_future"))
    record = world.check()
    assert record["outcome"] == "not-looked"
    assert record["report"]["freshness"] == "future"  # type: ignore[index]  # it is there
    assert moved(record) == {("document-inconsistent", "opened")}
    assert build_content(record["events"][0]).title.endswith(
        "the report is from the future, and was not used"
    )
    assert b"2099" in world.stored(record["quarantine"]["key"])  # type: ignore[index]  # it is there
    assert record["after"]["seal"] == first["after"]["seal"]
    world.vcenter.faults.clear()
    healed = world.check()
    assert healed["outcome"] == "changed"
    assert moved(healed) == {("document-inconsistent", "resolved")}


def test_a_report_within_five_minutes_ahead_is_believed(world: World) -> None:
    """So much may lie between two of a vCenter's services."""
    world.set(extract=False)
    for ahead, outcome in ((300.0, "baseline"), (301.0 + 4 * HOUR, "not-looked")):
        completed(world, 4 * HOUR + ahead)
        assert world.check()["outcome"] == outcome


def test_an_extraction_that_never_ends_leaves_the_report_of_another(world: World) -> None:
    """Ours hangs, and somebody's newer report is what was asked for: it is a look."""
    world.check()
    world.vcenter.extractions.pace = Pace(None, inf)
    world.asked()
    world.wait(10)
    extract_by_hand(world)
    assert world.follow(world.comes_back())["outcome"] == "unchanged"


@pytest.mark.parametrize("extract", [True, False])
@pytest.mark.parametrize("back_hours", [5, 24, 24 * 365])
def test_a_clock_that_was_set_back_keeps_nothing_from_being_seen(
    world: World, back_hours: int, *, extract: bool
) -> None:
    """The vCenter's own Date shows it: its times of before say nothing of now. There is a notice, once."""
    world.check()
    world.set(extract=extract)
    world.vcenter.skew_seconds -= back_hours * HOUR
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    extract_by_hand(world)
    record = world.check()
    assert [change["key"] for change in record["changes"]] == ["Intel-i40en"]
    assert [notice for notice in record["notices"] if "it was set back" in notice] != []
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    extract_by_hand(world)
    record = world.check()
    assert [change["key"] for change in record["changes"]] == ["Intel-i40en"]
    assert record["notices"] == []


def test_clocks_that_are_all_set_back_keep_nothing_from_being_seen(world: World) -> None:
    """The vCenter's and ours: what changes is told at the next check, findings open and end as always."""
    world.check()
    world.wait(-5 * HOUR - INTERVAL_SECONDS)
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    record = world.check()
    assert record["checked_at"] < world.records()[0]["checked_at"]
    assert [change["key"] for change in record["changes"]] == ["Intel-i40en"]
    assert [notice for notice in record["notices"] if "it was set back" in notice] != []
    world.vcenter.hosts.add_orphaned_vib("esx03", "mft(4.25.0.802-0)")
    assert ("orphaned-vib", "opened") in moved(world.check())
    world.vcenter.hosts.remove_orphaned_vib("esx03", "mft(4.25.0.802-0)")
    assert ("orphaned-vib", "resolved") in moved(world.check())


MINUTE, DAY = 60, 24 * HOUR
JUMPS = [
    *(-365 * DAY, -DAY, -5 * HOUR, -6 * MINUTE, -4 * MINUTE),
    *(4 * MINUTE, 6 * MINUTE, 5 * HOUR, 365 * DAY),
]


def _jump(world: World, whose: str, seconds: float) -> None:
    if whose != "the vCenter's":
        world.wait(seconds)
    world.vcenter.skew_seconds += {"the vCenter's": seconds, "ours": -seconds, "both": 0}[whose]


def _says_set_back(records: list[Record]) -> bool:
    return any("it was set back" in notice for record in records for notice in record["notices"])


@pytest.mark.parametrize("seconds", JUMPS)
@pytest.mark.parametrize("whose", ["the vCenter's", "ours", "both"])
@pytest.mark.parametrize("is_asked", [False, True])
def test_whatever_clock_jumps_the_next_but_one_check_has_seen_what_changed(
    world: World, whose: str, seconds: float, *, is_asked: bool
) -> None:
    """Between two checks or while the cluster is extracted, and back again. That they differ is told."""
    world.check()
    for step, way in enumerate((seconds, -seconds)):
        world.vcenter.hosts.set_component("esx02", "Intel-i40en", f"{step + 1}.9.2.0-1OEM.800.1.0.20613240")
        is_under_way = is_asked and not step
        if is_under_way:
            world.asked()
        _jump(world, whose, way)
        records = list[Record]()
        for _ in range(2):
            # A message of years ago is refused.
            with suppress(RequestRefused):
                records.append(world.follow(world.comes_back()) if is_under_way else world.check())
            is_under_way = False
        assert [change["key"] for record in records for change in record["changes"]] == ["Intel-i40en"]
        is_skewed = abs(world.vcenter.skew_seconds) > 5 * MINUTE
        assert ("clock-skewed" in open_kinds(world.dispatch())) == is_skewed
        if whose == "both" and way < -INTERVAL_SECONDS and not (is_asked and not step):
            # Nothing else shows it.
            assert _says_set_back(records)


@pytest.mark.parametrize("ahead_days", [1, 365, 3650])
def test_a_clock_that_was_ahead_for_one_check_keeps_nothing_from_being_seen(
    world: World, ahead_days: int
) -> None:
    """The report taken then is dated in what is the future afterwards."""
    world.check()
    world.vcenter.skew_seconds = ahead_days * 24 * HOUR
    assert world.check()["outcome"] == "unchanged"
    world.vcenter.skew_seconds = 0
    world.vcenter.hosts.add_orphaned_vib("esx02", "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)")
    assert ("orphaned-vib", "opened") in moved(world.check())
    assert world.check()["outcome"] == "unchanged"


def test_other_bytes_of_the_same_moment_decide(world: World) -> None:
    """A report that shows other software is another one, whatever its time says; another order is none."""
    world.set(extract=False)
    extract_by_hand(world)
    world.check()
    reports = world.vcenter.extractions.reports
    before = reports[PROD_A]["completion_time"]
    reports[PROD_A] |= {"successful_hosts": list(reversed(reports[PROD_A]["successful_hosts"]))}
    assert world.check()["outcome"] == "same-report"
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    extract_by_hand(world)
    reports[PROD_A] |= {"completion_time": before}
    assert [change["key"] for change in world.check()["changes"]] == ["Intel-i40en"]
    assert world.check()["outcome"] == "same-report"
