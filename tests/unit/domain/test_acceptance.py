"""What is accepted for a time and for good, and how what runs differs from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from esx_drift.domain.acceptance import (
    MAX_KEPT_REASON,
    MAX_LISTED_DIFFERENCES,
    MAX_LISTED_ENDS,
    accept_software,
    build_difference_detail,
    expire_accepted,
    find_expiry,
    list_net_changes,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Accepted, EventDecision, LogState
from esx_drift.domain.text.times import format_time
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, snapshot_of
from tests.unit.domain.changes.sample import component, software

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BY = "arn:aws:iam::1:user/alice"
FIRST: Accepted = {"image": "0" * 64, "orphaned_vibs": ["mft(1)"], "snapshot": "first"}

DECISIONS = st.lists(
    st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 72)), st.integers(0, 48)), max_size=12
)
"""Which image is accepted, for how many hours (None: for good), and how long until the next decision."""


@given(DECISIONS)
def test_what_holds_is_the_last_that_is_not_over(decisions: list[tuple[int, int | None, int]]) -> None:
    """For good until the next for good; for a time until that is over, or somebody decides again."""
    accepted, now = {"host-1": FIRST}, NOW
    lasting, temporary, ends = "0" * 64, None, NOW
    for image, hours, pause in decisions:
        until = None if hours is None else now + timedelta(hours=hours)
        text = None if until is None else format_time(until)
        shown = {"host-1": {"image": f"{image}" * 64, "orphaned_vibs": list[str]()}}
        decision: EventDecision | None = None
        if text is not None:
            decision = {"by": BY, "reason": "x" * 999, "until": text}
        accepted = accept_software(accepted, shown, "later", now, decision)  # type: ignore[arg-type]  # a literal
        if until is None:
            lasting, temporary = f"{image}" * 64, None
        else:
            temporary, ends = f"{image}" * 64, until
        now += timedelta(hours=pause)
        state: LogState = {**build_empty_state(), "accepted": accepted}
        accepted = expire_accepted(state, now)["accepted"]
        is_over = temporary is not None and ends <= now
        assert accepted["host-1"]["image"] == (lasting if is_over else temporary or lasting)
        if is_over:
            at, why = format_time(ends), f"{'x' * (MAX_KEPT_REASON - 1)}…"
            ended = [{"at": at, "by": BY, "reason": why, "hosts": ["host-1"]}]
            assert find_expiry(["host-1"], accepted) == {"expired_at": at, "ended": ended}
            temporary = None
        assert accepted["host-1"].get("before", {}).get("image") == (lasting if temporary else None)


def test_where_nothing_was_accepted_before_no_image_is_accepted_afterwards() -> None:
    """Of the host nothing is known that could hold again; its orphaned VIBs are nobody's."""
    shown = {"host-1": {"image": "1" * 64, "orphaned_vibs": ["mft(1)"]}}
    decision: EventDecision = {"by": BY, "reason": "x", "until": format_time(NOW + timedelta(hours=1))}
    accepted = accept_software({}, shown, "key", NOW, decision)  # type: ignore[arg-type]  # a literal
    state: LogState = {**build_empty_state(), "accepted": accepted}
    assert expire_accepted(state, NOW) is state
    over = expire_accepted(state, NOW + timedelta(hours=1))["accepted"]["host-1"]
    assert (over["image"], over["orphaned_vibs"]) == (None, [])
    assert over.get("decision") == decision
    del accepted["host-1"]["decision"]  # as an earlier version left it
    assert "decision" not in expire_accepted(state, NOW + timedelta(hours=1))["accepted"]["host-1"]


def test_acceptances_that_ended_are_named_by_who_decided_them_the_last_first() -> None:
    """The hosts of one decision together; a few of many; an earlier version did not keep who it was."""
    accepted: dict[str, Accepted] = {"host-0": FIRST}
    for number in range(1, MAX_LISTED_ENDS + 4):
        at = format_time(NOW + timedelta(hours=number // 2))
        accepted[f"host-{number}"] = {**FIRST, "expired_at": at}
        if number > 2:
            decision: EventDecision = {"by": BY, "reason": f"{number // 2}", "ticket": "CHG-1", "until": at}
            accepted[f"host-{number}"]["decision"] = decision
    found: Any = find_expiry(["host-2", "host-3", "host-0", "host-99"], accepted)
    assert found["expired_at"] == format_time(NOW + timedelta(hours=1))
    assert found["ended"] == [
        {"at": found["expired_at"], "hosts": ["host-2"]},
        {"at": found["expired_at"], "by": BY, "reason": "1", "ticket": "CHG-1", "hosts": ["host-3"]},
    ]
    every: Any = find_expiry(accepted, accepted)
    assert [each["hosts"] for each in every["ended"]] == [
        ["host-8"],
        ["host-6", "host-7"],
        ["host-4", "host-5"],
        ["host-2"],
        ["host-3"],
    ]
    assert find_expiry(["host-0"], accepted) == {}


def test_net_changes_are_grouped_and_the_worst_are_listed_first() -> None:
    """All of them are counted."""
    before, after = software(), software()
    for at in range(MAX_LISTED_DIFFERENCES + 2):
        before["components"][f"driver-{at:02}"] = component("2.0-1")
        after["components"][f"driver-{at:02}"] = component(
            "1.0-1" if at > MAX_LISTED_DIFFERENCES else "3.0-1"
        )
    former = snapshot_of(ClusterModel({"host-1": HostModel("esx1", before)}))
    now = snapshot_of(ClusterModel({"host-1": HostModel("esx1", after), "host-2": HostModel("esx2", after)}))
    digest = former["hosts"]["host-1"]["image"]
    accepted: dict[str, Accepted] = {
        host: {"image": digest, "orphaned_vibs": [], "snapshot": "key"} for host in ("host-1", "host-2")
    }
    changes = list_net_changes(now, ["host-1", "host-2"], accepted, former["images"])
    detail = build_difference_detail(changes)
    assert detail["total"] == MAX_LISTED_DIFFERENCES + 2
    listed = detail["differences"]
    assert isinstance(listed, list)
    assert len(listed) == MAX_LISTED_DIFFERENCES
    assert listed[0] == {
        "element": "component",
        "kind": "downgraded",
        "key": "driver-11",
        "from": "2.0-1",
        "to": "1.0-1",
        "alternative_image": None,
        "hosts": ["host-1", "host-2"],
    }
    assert list_net_changes(now, ["host-1"], accepted, {}) == []
    assert list_net_changes(now, [], accepted, former["images"]) == []
