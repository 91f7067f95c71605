"""When an object came into sight decides nothing, within a quarter of an hour of S3's time of it."""

from datetime import datetime, timedelta

import pytest
from esx_drift.domain.stored.identifiers import make_record_key
from esx_drift.domain.trail.digests import SETTLE
from esx_drift.sealing import window_reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sealing.memory import MemoryWorld
from tests.unit.sealing.world import NOW, counting_down

AT_ONCE = timedelta(0)


@pytest.mark.parametrize("late", ["documents/late", "reports/daily/late.json", make_record_key("a", "b", 1)])
def test_what_s3_shows_only_after_a_sealing_at_once_is_in_the_next_digest(late: str) -> None:
    """It was under way, or the sealer's clock is ahead of S3's. The one after that has nothing left."""
    world = MemoryWorld()
    world.put("documents/a", at=NOW - timedelta(days=2))
    world.put("documents/b", at=NOW - timedelta(seconds=3))
    world.seal(AT_ONCE)
    world.put(late, at=NOW - timedelta(seconds=2))
    world.wait(days=1)
    world.seal()
    digest = world.digests()[1]
    assert [one["key"] for one in digest["objects"]] == [late]
    assert digest["looked_from"] == "2026-11-23T01:59:30.000Z"
    world.wait(days=1)
    world.seal()
    assert world.digests()[2]["objects"] == []
    assert "looked_from" not in world.digests()[2]


def test_a_day_s_digest_looks_for_nothing_that_came_late() -> None:
    """It ends a quarter of an hour ago, and what was in its span is in sight by then."""
    world = MemoryWorld()
    for _ in range(2):
        world.seal()
        world.wait(days=1)
    assert all({"settled_to", "looked_from"}.isdisjoint(digest) for digest in world.digests())


MOMENTS = st.tuples(
    st.integers(0, 3_600),  # S3's time, in seconds
    st.integers(0, int(SETTLE.total_seconds())),  # how much later it came into sight
    st.sampled_from([*"abcdefgh", "records/vcenter=a/cluster=b/0000000007.json"]),
)
SEALINGS = st.lists(
    st.tuples(st.floats(0, 3_600), st.sampled_from([0, 1, 60, 900, None]), st.sampled_from([0, 1, 3, 1_000])),
    max_size=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MOMENTS, max_size=12, unique_by=lambda one: one[2]), SEALINGS)
def test_all_is_sealed_once_whenever_it_is_written_comes_into_sight_and_is_sealed(
    monkeypatch: pytest.MonkeyPatch,
    written: list[tuple[int, int, str]],
    sealings: list[tuple[float, int | None, int]],
) -> None:
    """Sealings at once and by schedule, with and without time enough, in digests of a few objects."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS", 3)
    monkeypatch.setattr(window_reader, "BATCH", 2)
    world = MemoryWorld()

    def show() -> None:
        for seconds, later, key in written:
            at = NOW + timedelta(seconds=seconds)
            if at + timedelta(seconds=later) <= world.now and key not in world.objects:
                world.put(key, at=at)

    world.on_list = show
    for after, settle, looks in sorted(sealings, key=lambda one: one[0]):
        world.now = max(world.now, NOW + timedelta(seconds=after))
        settled = None if settle is None else timedelta(seconds=settle)
        world.seal(settled, time_left_ms=counting_down(*[900_000] * looks, 0))
    for _ in range(2):
        world.wait(days=1)
        while not world.seal()["complete"]:
            world.wait(hours=1)
    assert sorted(world.sealed_keys()) == sorted(key for _, _, key in written)
    for digest in world.digests():
        assert datetime.fromisoformat(digest["until"]) <= datetime.fromisoformat(digest["sealed_at"])
