"""Which events of a window are one message."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any, cast

import pytest
from esx_drift.domain.stored.types import Event
from esx_drift.messages.groups import MAX_GROUPS, STORM_EVENTS, EventGroup, group_events, rank_thing
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import VIB, Check, build_events, change, finding, not_looked, tellings, told

DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "2.7.2.0-1", "to": "2.9.2.0-1"})
BACK = change(
    "component",
    "downgraded",
    "Intel-i40en",
    severity="info",
    put_back=True,
    **{"from": "2.9.2.0-1", "to": "2.7.2.0-1"},
)
APPEARED = change("orphaned_vib", "added", VIB, severity="critical")


def _of_cluster(number: int, **parts: object) -> list[Event]:
    return build_events(told(cluster={"id": f"domain-c{number}", "name": f"prod-{number}"}, **parts))


def _sizes(groups: Sequence[EventGroup]) -> list[int]:
    return [len(group.events) for group in groups]


@given(st.lists(tellings(), max_size=5), st.randoms())
def test_each_event_is_in_exactly_one_group(checks: list[Check], random: object) -> None:
    """None is invented, none is in two, the order has no say, and there are five messages at most."""
    events = [event for check in checks for event in build_events(check)]
    groups = group_events(events)
    grouped = [event for group in groups for event in group.events]
    assert Counter(map(repr, grouped)) == Counter(map(repr, events))
    assert len(groups) <= MAX_GROUPS
    assert all(group.events for group in groups)
    shuffled = [*events]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert group_events(shuffled) == groups


@given(st.lists(tellings(), max_size=5))
def test_the_worst_comes_first(checks: list[Check]) -> None:
    """Among the groups, and among the events of each."""
    groups = group_events([event for check in checks for event in build_events(check)])
    ranks = [rank_thing(group.events) for group in groups]
    assert ranks == sorted(ranks, reverse=True)
    for group in groups:
        inside = [rank_thing([event]) for event in group.events]
        assert inside == sorted(inside, reverse=True)


def test_one_change_on_many_clusters_is_one_message() -> None:
    """Whatever else differs between them: hosts, times, records."""
    events = [
        event for number in range(40) for event in _of_cluster(number, changes=[DRIVER], seq=number + 1)
    ]
    assert _sizes(group_events(events)) == [40]


def test_a_new_release_is_one_thing_whatever_comes_with_it() -> None:
    """Other hardware has other components; a downgrade beside it is something else."""
    release = change("base_image", "upgraded", "base_image", **{"from": "8.0.3-0.1.1", "to": "8.0.3-0.2.2"})
    down = change("component", "downgraded", "tool", severity="critical", **{"from": "2", "to": "1"})
    plain = _of_cluster(1, changes=[release, DRIVER])
    other = _of_cluster(2, changes=[release])
    worse = _of_cluster(3, changes=[release, down])
    assert group_events([*plain, *other, *worse]) == (
        EventGroup(tuple(worse)),
        EventGroup(tuple(sorted((*plain, *other), key=lambda event: event["id"]))),
    )


def test_each_thing_is_a_message_and_too_many_are_parted_by_urgency() -> None:
    """What is critical leads, and is in no message with what can wait."""
    driver, vib = _of_cluster(1, changes=[DRIVER]), _of_cluster(2, changes=[APPEARED])
    joined = _of_cluster(3, changes=[change("host", "added", "host-12", severity="info")])
    assert _sizes(group_events([*driver, *joined])) == [1, 1]
    three = group_events([*driver, *vib, *joined])
    assert [(rank_thing(group.events), len(group.events)) for group in three] == [(2, 1), (1, 1), (0, 1)]
    tools = [change("component", "added", f"tool-{number}", to="1") for number in range(4)]
    added = [event for number, tool in enumerate(tools, 4) for event in _of_cluster(number, changes=[tool])]
    assert _sizes(group_events([*vib, *added])) == [1] * MAX_GROUPS
    assert _sizes(group_events([*vib, *added, *driver])) == [1, 5]
    assert _sizes(group_events([*joined, *added, *driver])) == [6]


def test_of_a_storm_what_is_critical_is_one_message_and_the_rest_another() -> None:
    """However few things it is: windows follow each other, and each would ring so often."""
    many = [event for number in range(STORM_EVENTS) for event in _of_cluster(number, changes=[DRIVER])]
    joined = _of_cluster(STORM_EVENTS, changes=[change("host", "added", "host-12", severity="info")])
    vib = _of_cluster(STORM_EVENTS + 1, changes=[APPEARED])
    assert _sizes(group_events([*many[2:], *joined, *vib])) == [1, STORM_EVENTS - 2, 1]
    assert _sizes(group_events([*many, *joined, *vib])) == [1, STORM_EVENTS + 1]
    assert _sizes(group_events([*many, *vib])) == [1, STORM_EVENTS]


def test_failures_are_grouped_by_vcenter() -> None:
    """One vCenter's trouble is not another's, though both have the same name."""
    failed = finding("failure", "extraction-failed", "", "it failed")
    here = [event for number in range(3) for event in _of_cluster(number, findings=[failed])]
    there = build_events(not_looked(findings=[finding("failure", "vcenter-error", "", "500")]))
    assert _sizes(group_events([*here, *there])) == [3, 1]


def test_what_began_and_ended_is_one_thing() -> None:
    """On the same cluster: a change and its put-back, a finding opened and resolved."""
    opened = finding("failure", "host-failed", "host-7", "unread", hosts=["host-7"])
    over = {**opened, "transition": "resolved", "resolved_because": "recovered"}
    pairs = [({"changes": [DRIVER]}, {"changes": [BACK]}), ({"findings": [opened]}, {"findings": [over]})]
    for begin, end in cast("list[tuple[dict[str, Any], dict[str, Any]]]", pairs):
        events = [*_of_cluster(1, **begin, seq=1), *_of_cluster(1, **end, seq=2)]
        elsewhere = _of_cluster(2, **end)
        assert {_sizes(group_events(order))[0] for order in map(list, permutations(events))} == {2}
        assert len(group_events([events[0], *elsewhere])) == 2


TOOL = change("component", "added", "tool", to="1")
FAILED = finding("failure", "host-failed", "host-7", "unread", hosts=["host-7"])
ORPHAN = finding("orphaned-vib", "orphaned-vib", VIB, "an orphan", severity="critical")
OVER: dict[str, Any] = {**FAILED, "transition": "resolved", "resolved_because": "recovered"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"findings": [FAILED]}, {"findings": [FAILED], "vcenter": "vc02"}),
        ({"changes": [DRIVER, TOOL]}, {"changes": [{**DRIVER, "put_back": True}, TOOL]}),
        ({"findings": [ORPHAN]}, {"findings": [{**ORPHAN, "subject": "mft(4.26)", "fingerprint": "0" * 32}]}),
        (
            {"findings": [{**FAILED, **OVER}]},
            {"findings": [{**FAILED, **OVER, "resolved_because": "host-left"}]},
        ),
    ],
    ids=["another vCenter's failure", "put back", "another VIB", "ended for another reason"],
)
def test_what_is_not_the_same_is_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    """On different clusters, in the same window."""
    assert _sizes(group_events([*_of_cluster(1, **one), *_of_cluster(2, **other)])) == [1, 1]


def test_what_maintenance_leaves_on_a_cluster_is_one_thing() -> None:
    """Also where its end comes in another batch: what drifted and what failed, of one check."""
    hidden = {"detail": {"hidden_by": "maintenance:night"}}
    failed = finding("failure", "host-failed", "host-7", "unread", hosts=["host-7"], **hidden)
    differs = finding("drift", "image-not-uniform", "", "esx07 differs", hosts=["host-7"], **hidden)
    events = _of_cluster(2, outcome="unchanged", findings=[failed, differs])
    assert _sizes(group_events(events)) == [len(events)] == [2]


def test_what_merely_holds_parts_nothing() -> None:
    """Neither what is still open, nor what is marked."""
    still = finding("failure", "host-not-covered", "host-8", "missing", transition="still")
    hidden = {**finding("failure", "host-error", "host-8", "an error"), "suppressed_by": "ignore:x"}
    events = [
        *_of_cluster(1, findings=[FAILED]),
        *_of_cluster(2, findings=[FAILED, still]),
        *_of_cluster(3, findings=[FAILED, hidden]),
    ]
    assert _sizes(group_events(events)) == [3]


def test_what_an_event_had_no_room_for_is_as_bad_as_it_says() -> None:
    """Its lists were cut, its severity was not."""
    (event,) = _of_cluster(1, changes=[DRIVER])
    cut: Any = {**event, "data": {**event["data"], "changes": [], "severity": "critical", "truncated": True}}
    assert rank_thing([cut]) == 2


def test_what_people_are_not_told_parts_nothing() -> None:
    """Neither what a thing is nor how bad it is goes by what is marked."""
    marked = {**APPEARED, "suppressed_by": "ignore:tools"}
    plain, other = _of_cluster(1, changes=[DRIVER]), _of_cluster(2, changes=[DRIVER])
    hidden = [{**event, "data": {**event["data"], "changes": [DRIVER, marked]}} for event in other]
    (group,) = group_events([*plain, *hidden])  # type: ignore[list-item]  # a mark is no key of a literal
    assert rank_thing(group.events) == 1


def test_no_events_are_no_messages() -> None:
    """An empty window is silent."""
    assert group_events([]) == ()
