"""A vCenter that is never asked to extract: its report is as old as somebody else left it."""

from datetime import timedelta

from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import parse_time

from tests.unit.checking.reading import open_kinds
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, PROD_B, World

HOUR = 3600


def _pass_interval(world: World) -> None:
    """Dispatcher first, then the checks, as they run."""
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    for cluster in (PROD_A, PROD_B):
        world.check(cluster)


def test_an_old_report_is_told_as_that_and_never_as_overdue(world: World) -> None:
    """By whoever looks, when it is too old; the dispatcher is silent before and after."""
    world.set(extract=False, max_age_seconds=24 * HOUR)
    world.vcenter.extract_all()
    world.dispatch()
    for cluster in (PROD_A, PROD_B):
        assert world.check(cluster)["outcome"] == "baseline"
    seen = set()
    for _ in range(18):
        _pass_interval(world)
        assert open_kinds(world.records(VCENTER_LOG)[-1]) == set()
        record = world.records(PROD_A)[-1]
        assert record["report"] is not None
        age = world.now - parse_time(record["report"]["completion_time"])
        is_stale = "extraction-stale" in open_kinds(record)
        assert is_stale == (age > timedelta(hours=24))
        seen.add(is_stale)
    assert seen == {False, True}
    world.vcenter.extract_all()
    _pass_interval(world)
    assert "extraction-stale" not in open_kinds(world.records(PROD_A)[-1])
    told = {event["type"] for event in world.topic.published if event["data"]["cluster"] is None}
    assert told == set()
