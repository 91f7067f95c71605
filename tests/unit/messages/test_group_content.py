"""What one message says of several events, and of what takes its time."""

import json
import re
from collections.abc import Callable, Sequence
from copy import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.channels.slack import render_message
from esx_drift.domain.events import MessageContent
from esx_drift.domain.stored.identifiers import make_event_id
from esx_drift.domain.stored.types import ClusterName, Event, EventData
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.messages.content import SIGNS, build_content, cut_title
from esx_drift.messages.event_lines import render_suppressed
from esx_drift.messages.groups import build_group_content, group_events
from esx_drift.messages.message_data import merge_data
from esx_drift.messages.publication import build_publishable_events
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import GOLDEN
from tests.simulator.slack_limits import violations
from tests.unit.events import (
    CHECKED,
    HOST_NAMES,
    VIB,
    Check,
    build_ended_window,
    build_events,
    change,
    finding,
    not_looked,
    tellings,
    told,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = parse_time(CHECKED) + timedelta(seconds=20)
U3D, U3E = "8.0.3-0.60.24585383", "8.0.3-0.73.24674464"
NAMES = {U3D: "ESXi 8.0 U3d", U3E: "ESXi 8.0 U3e"}
OLD, NEW = "2.7.2.0-1OEM.800.1.0.20613240", "2.9.2.0-1OEM.800.1.0.20613240"
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": OLD, "to": NEW})
BACK = change(
    "component", "downgraded", "Intel-i40en", severity="info", put_back=True, **{"from": NEW, "to": OLD}
)
APPEARED = change("orphaned_vib", "added", VIB, severity="critical", hosts=["host-2", "host-7"])
GONE = change("orphaned_vib", "removed", VIB, severity="info", hosts=["host-2", "host-7"])
UNREVIEWED = finding("drift", "drift-unreviewed", "", "esx07 is not as last accepted", hosts=["host-7"])
ORPHAN = finding(
    "orphaned-vib", "orphaned-vib", VIB, "smntemp is orphaned", severity="critical", hosts=["host-2"]
)


def at(events: list[Event], **data: Any) -> list[Event]:  # noqa: ANN401 -- any field
    """The events with other data."""
    return [{**event, "data": cast("EventData", {**event["data"], **data})} for event in events]


def in_cluster(number: int, vcenter: str = "vc01", **parts: Any) -> list[Event]:  # noqa: ANN401 -- any field
    """The events of one check of a cluster."""
    cluster = {"id": f"domain-c{number}", "name": f"prod-{number}"}
    record = f"s3://audit/records/vcenter={vcenter}/cluster=domain-c{number}/0000000041.json"
    return at(build_events(told(cluster=cluster, vcenter=vcenter, **parts)), record=record)


def later(events: list[Event], seconds: int) -> list[Event]:
    """The same, checked later."""
    return at(events, checked_at=format_time(parse_time(CHECKED) + timedelta(seconds=seconds)))


def one_driver_on_four_clusters() -> list[Event]:
    """On all hosts of one, and on some of the others."""
    hosts = {1: [*HOST_NAMES], 2: ["host-7"], 3: ["host-1", "host-2", "host-3"], 4: [*HOST_NAMES]}
    return [
        event
        for number, listed in hosts.items()
        for event in in_cluster(
            number,
            changes=[{**DRIVER, "hosts": listed}],
            findings=[{**UNREVIEWED, "hosts": listed}],
        )
    ]


def a_release_on_two_vcenters() -> list[Event]:
    """With other parts on each."""
    base = change("base_image", "upgraded", "base_image", **{"from": U3D, "to": U3E})
    parts = [change("component", "upgraded", f"part-{n}", **{"from": "1", "to": "2"}) for n in range(24)]
    events = [
        *in_cluster(1, changes=[base, *parts], findings=[UNREVIEWED]),
        *in_cluster(2, "vc02", changes=[base, *parts[:20]], findings=[UNREVIEWED]),
    ]
    return at(events, release_names=NAMES)


def a_driver_that_was_put_back_at_once() -> list[Event]:
    """Within the window."""
    over = {**UNREVIEWED, "transition": "resolved", "resolved_because": "reverted"}
    return [
        *in_cluster(1, changes=[DRIVER], findings=[UNREVIEWED]),
        *later(in_cluster(1, changes=[BACK], findings=[over]), 40),
    ]


def a_vib_that_came_and_went() -> list[Event]:
    """Within two minutes."""
    gone = {**ORPHAN, "transition": "resolved", "resolved_because": "removed"}
    return [
        *in_cluster(1, changes=[APPEARED], findings=[ORPHAN]),
        *later(in_cluster(1, changes=[GONE], findings=[gone]), 120),
    ]


def three_things() -> list[Event]:
    """Of which none is critical."""
    return [
        *in_cluster(1, changes=[DRIVER]),
        *in_cluster(2, changes=[DRIVER]),
        *in_cluster(3, changes=[change("host", "added", "host-12", hosts=["host-12"], severity="info")]),
        *in_cluster(4, findings=[finding("failure", "extraction-failed", "", "the extraction failed")]),
    ]


def one_failure_of_three_clusters() -> list[Event]:
    """With the same words."""
    said = 'the extraction failed: "A depot is inaccessible."'
    failed = finding("failure", "extraction-failed", "", said, hosts=[*HOST_NAMES])
    return [
        event
        for number in range(1, 4)
        for event in in_cluster(number, findings=[failed], coverage=None, outcome="not-looked")
    ]


def first_looks() -> list[Event]:
    """Of clusters that joined the fleet."""
    return [event for number in range(1, 4) for event in in_cluster(number, outcome="baseline", since=None)]


def told_hours_later() -> list[Event]:
    """Since Slack did not answer."""
    times = {"since": "2026-11-22T17:02:00.000Z", "extracted_at": "2026-11-22T21:01:20.000Z"}
    return at(in_cluster(1, changes=[APPEARED]), checked_at="2026-11-22T21:02:00.000Z", **times)


def maintenance_over_on_three_clusters() -> list[Event]:
    """Of which one has more open than an event lists."""
    window = build_ended_window(
        name="patch-night",
        by="fleet file",
        reason="CHG-3001",
        changes={"base_image": 1, "component": 2},
        findings={"drift-unreviewed": 1, "image-not-uniform": 1},
        accept=True,
        accepted=["host-7"],
        accepted_total=1,
    )
    left = {"kind": "image-not-uniform", "subject": "", "severity": "info", "summary": "esx07 differs"}
    uneven = {**window, "still_open": [left], "still_open_total": 3, "accepted": [], "accepted_total": 0}
    ended = [window, window, uneven]
    return [
        event
        for number, one in enumerate(ended, start=1)
        for event in in_cluster(number, maintenance_ended=[one], outcome="unchanged")
    ]


def maintenance_over_with_what_it_leaves(*clusters: int) -> list[Event]:
    """Two parts differ, on one cluster or more: of one check all of it is one message."""
    left = {"kind": "drift-unreviewed", "subject": "", "severity": "warning", "summary": "esx07 differs"}
    window = build_ended_window(
        name="record 38",
        to=CHECKED,
        changes={"component": 1},
        findings={"drift-unreviewed": 1, "orphaned-vib": 1},
        still_open=[left],
        still_open_total=1,
    )
    held = {"hidden_by": "maintenance:record 38"}
    drift = {**UNREVIEWED, "detail": {**held, "differences": [DIFFERENCE], "total": 1}}
    about: Any = {"maintenance_ended": [window], "outcome": "maintenance", "coverage": None}
    return [
        event
        for number in clusters or (1,)
        for event in in_cluster(number, findings=[drift, {**ORPHAN, "detail": held}], **about)
    ]


def maintenance_over_with_a_drift_on_two_clusters() -> list[Event]:
    """The same on each."""
    events = maintenance_over_with_what_it_leaves(1, 2)
    return [event for event in events if "orphaned" not in event["type"]]


def maintenance_begun_on_two_clusters(*others: str) -> list[Event]:
    """By one command."""
    event: Event = json.loads((GOLDEN / "messages" / "maintenance-started" / "event.json").read_text())
    return [
        {**event, "id": make_event_id(name, event["type"]), "data": {**event["data"], "cluster": cluster}}
        for name in ("prod-1", *(others or ("prod-2",)))
        for cluster in [ClusterName(id=f"domain-{name}", name=name)]
    ]


def one_acceptance_on_two_clusters() -> list[Event]:
    """Of an upgrade, on hosts that have the same ids there."""
    release = {**DIFFERENCE, "element": "base_image", "key": "base_image", "from": U3D, "to": U3E}
    part = {"hosts": ["host-7"], "was": "warning", "differences": [release], "total": 1}
    over = {**UNREVIEWED, "transition": "resolved", "resolved_because": "accepted", "accepted": part}
    about: Any = {"findings": [over], "outcome": "accepted", "coverage": None}
    events = [event for number in (1, 2) for event in in_cluster(number, **about)]
    alice = {"by": "arn:aws:iam::1:user/alice", "reason": "CHG-3202"}
    return at(events, decision=alice, release_names=NAMES)


CASES: list[Callable[[], list[Event]]] = [
    one_driver_on_four_clusters,
    a_release_on_two_vcenters,
    a_driver_that_was_put_back_at_once,
    a_vib_that_came_and_went,
    three_things,
    one_failure_of_three_clusters,
    first_looks,
    told_hours_later,
    maintenance_begun_on_two_clusters,
    maintenance_over_on_three_clusters,
    maintenance_over_with_what_it_leaves,
    maintenance_over_with_a_drift_on_two_clusters,
    one_acceptance_on_two_clusters,
]


def test_no_command_is_made_of_a_name_that_no_shell_may_be_given() -> None:
    """It could do harm there; that the others alone are ended nobody would see."""
    content = build_group_content(maintenance_begun_on_two_clusters("prod $(b)"), parse_time(CHECKED))
    assert content.next_step is not None
    assert content.next_step.command == ""


def test_a_command_that_is_too_long_is_not_there() -> None:
    """Cut, it would end maintenance on some clusters only; the message itself is within all limits."""
    names = [f"cluster-{number:03}-in-a-large-fleet" for number in range(500)]
    content = build_group_content(maintenance_begun_on_two_clusters(*names), parse_time(CHECKED))
    assert content.next_step is not None
    assert (content.next_step.command, len(content.items), content.unlisted) == ("", 20, 481)
    assert "501 clusters" in content.title
    assert violations(render_message(content)) == []


def read_aloud(content: MessageContent) -> str:
    """A message as a text."""
    step = content.next_step
    commands = "".join(f"\n    $ {command}" for command in (step.commands if step else ()))
    lines = [f"{SIGNS[content.level]} {content.title}", *(f"  • {item}" for item in content.items)]
    lines += [f"  {line}" for line in filter(None, (content.when_text, *content.notes))]
    lines += [f"  Next: {step.text}{commands}"] if step else []
    return "\n".join([*lines, f"  {' · '.join(content.facts)}", ""])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_group_reads_as_agreed(case: Callable[[], list[Event]], refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """The message as a text; --refresh-goldens writes it anew."""
    said = read_aloud(build_group_content(case(), NOW))
    golden: Path = GOLDEN / "groups" / f"{case.__name__}.txt"
    if refresh_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said)
    assert golden.read_text() == said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_a_message_says_does_not_hang_on_the_order(case: Callable[[], list[Event]]) -> None:
    """Nor on what came first."""
    events = case()
    assert build_group_content(events[::-1], NOW) == build_group_content(events, NOW)


@given(st.lists(tellings(), min_size=1, max_size=4))
def test_no_event_is_left_out_of_its_message(checks: Sequence[Check]) -> None:
    """All records are counted, and one event alone says what it always said."""
    events = [event for check in checks for event in build_events(check)]
    for group in group_events(events):
        content = build_group_content(group.events, NOW)
        number = len(group.events)
        if number > 1:
            facts = " · ".join(content.facts)
            assert f"and {number - 1} more record" in facts or f"{number} records in all" in facts
    for event in events:
        alone = build_group_content([event], parse_time(event["data"]["checked_at"]))
        assert replace(alone, thread="", event_type="") == build_content(event)
        assert alone.event_type == event["type"]


def test_a_message_of_one_cluster_lists_the_hosts_of_the_command() -> None:
    """Each cluster its own command, with exactly the hosts that the message names of it."""
    content = build_group_content(one_driver_on_four_clusters(), NOW)
    assert content.next_step is not None
    assert content.next_step.commands == (
        "esx-drift accept prod-1 --vcenter vc01 --record 41",
        "esx-drift accept prod-2 --vcenter vc01 --hosts esx07",
        "esx-drift accept prod-3 --vcenter vc01 --hosts esx01,esx02,esx03",
        "esx-drift accept prod-4 --vcenter vc01 --record 41",
    )


def test_too_many_commands_are_none() -> None:
    """Cut, they would be about other hosts than the message."""
    events = [event for number in range(9) for event in in_cluster(number, changes=[DRIVER])]
    step = build_group_content(events, NOW).next_step
    assert step is not None
    assert step.commands == ("esx-drift status",)


@pytest.mark.parametrize(
    ("stack", "command"),
    [
        ("esx-drift", "esx-drift accept prod-1 --vcenter vc01 --hosts esx07"),
        ("drift-test", "esx-drift accept prod-1 --vcenter vc01 --hosts esx07 --stack drift-test"),
        ("$(x)", "esx-drift accept prod-1 --vcenter vc01 --hosts esx07"),
    ],
)
def test_a_command_names_another_stack(stack: str, command: str) -> None:
    """At its end, unless it is the one that is asked without a name."""
    (event,) = at(in_cluster(1, changes=[DRIVER]), stack=stack)
    step = build_content(event).next_step
    assert step is not None
    assert step.command == command


OURS = re.compile(r"esx-drift (?!is |can |wrote )[a-z-]+(?: [a-z]+(?= --))?[^.)`'\n]*")
"""A command of ours, up to where its sentence goes on; what esx-drift itself does is none."""

EXAMPLES = sorted((GOLDEN / "messages").glob("*/event.json"))


@pytest.mark.parametrize(
    "build",
    [*CASES, *(lambda path=path: [json.loads(path.read_text())] for path in EXAMPLES)],
    ids=[*(case.__name__ for case in CASES), *(path.parent.name for path in EXAMPLES)],
)
def test_each_command_names_another_stack_wherever_it_stands(build: Callable[[], list[Event]]) -> None:
    """Also in a note and in the middle of a step: without it the wrong stack is asked, or none is found."""
    aloud = read_aloud(build_group_content(at(build(), stack="drift-test"), NOW))
    assert [found for found in OURS.findall(aloud) if "--stack drift-test" not in found] == []


def test_a_stack_stands_at_the_end_where_nothing_is_to_be_completed() -> None:
    """And not in a command of the host's own shell."""
    refused = finding("failure", "vcenter-authentication", "", "refused", detail={"user": "x"})
    (event,) = at(build_events(not_looked(findings=[refused])), stack="drift-test")
    (vib,) = at(in_cluster(1, changes=[APPEARED]), stack="drift-test")
    steps = [build_content(one).next_step for one in (event, vib)]
    commands = [step.command for step in steps if step]
    assert commands == [
        "esx-drift doctor --reset vc02 --stack drift-test",
        "esxcli software vib get -n smntemp",
    ]


def test_what_people_are_not_told_is_counted_with_its_reason() -> None:
    """And nowhere shown, however often it is left out."""
    hidden = {**change("component", "added", "hidden", to="1"), "suppressed_by": "ignore:tools"}
    (event,) = in_cluster(1, changes=[DRIVER, hidden])
    content = build_content(event)
    assert "1 change not repeated here: left out by the rule tools." in content.notes
    assert "hidden" not in read_aloud(content)
    again = build_content({**event, "data": merge_data([event["data"]], NOW)["parts"][0]})
    assert again.items == content.items


def test_each_reason_has_its_words() -> None:
    """Several of one kind are one sentence."""
    reasons = {"rollout": 3, "flapping": 1, "maintenance:night": 2}
    (event,) = at(in_cluster(1, changes=[DRIVER]), suppressed=reasons)
    assert render_suppressed(merge_data([event["data"]], NOW)) == (
        "3 changes not repeated here: upgrade under way. 1 change not repeated here: it comes and goes. "
        "2 changes not repeated here: maintenance night."
    )


def test_two_decisions_are_nobodys() -> None:
    """Where one person decided on both clusters, he is named; else nobody is."""
    over = {**UNREVIEWED, "transition": "resolved", "resolved_because": "accepted"}
    both = [*in_cluster(1, findings=[over]), *in_cluster(2, findings=[over])]
    alice = {"by": "arn:aws:iam::1:user/alice", "reason": "CHG-1"}
    decided = at(both, decision=alice)
    title = "alice accepted what 2 of 24 hosts now run · 2 clusters · vc01 — “CHG-1”"
    assert build_group_content(decided, NOW).title == title
    other = [*at(decided[:1], decision={**alice, "by": "arn:aws:iam::1:root"}), *decided[1:]]
    assert build_group_content(other, NOW).title == "Accepted: what 2 of 24 hosts now run · 2 clusters · vc01"


DIFFERENCE = {
    "element": "component",
    "kind": "upgraded",
    "key": "Intel-i40en",
    "from": OLD,
    "to": NEW,
    "alternative_image": None,
    "hosts": ["host-7"],
}


@pytest.mark.parametrize(
    ("difference", "total", "said"),
    [
        ({}, 1, "Intel-i40en 2.9.2.0"),
        ({}, 3, "Intel-i40en 2.9.2.0 and 2 more changes"),
        ({"to": None}, 1, "Intel-i40en removed"),
        ({"element": "base_image", "key": "base_image", "to": U3E}, 1, "ESXi 8.0 U3e (build 24674464)"),
        ({"element": "add_on", "key": "add_on", "to": "HPE 1.0-3"}, 1, "Add-on HPE 1.0"),
    ],
)
def test_a_decision_says_what_was_accepted(difference: dict[str, Any], total: int, said: str) -> None:
    """By what hosts have otherwise than it was accepted before."""
    accepted = {
        "hosts": ["host-7"],
        "was": "warning",
        "differences": [DIFFERENCE | difference],
        "total": total,
    }
    still = {**UNREVIEWED, "transition": "resolved", "resolved_because": "accepted"}
    (event,) = in_cluster(1, findings=[still])
    event["data"]["findings"] = [{**still, "accepted": accepted}]  # type: ignore[typeddict-item]
    decision = {"by": "arn:aws:iam::1:user/alice", "reason": "CHG-1", "until": "2026-12-25T00:00:00.000Z"}
    (event,) = at([event], decision=decision, release_names=NAMES)
    assert build_content(event).title == (
        f"alice accepted {said} on esx07, until 2026-12-24 · prod-1 · vc01 — “CHG-1”"
    )


def test_a_decision_names_vibs_and_other_findings() -> None:
    """And what was retired."""
    accepted = {"hosts": ["host-2", "host-7"], "was": "critical", "differences": [], "total": 0}
    vib = finding("orphaned-vib", "orphaned-vib", VIB, "orphaned", hosts=["host-2"], transition="still")
    damage = finding(
        "failure",
        "trail-damaged",
        "x",
        "an object is gone",
        transition="resolved",
        resolved_because="accepted",
    )
    decision = {"by": "arn:aws:iam::1:root", "reason": "ours"}
    (event,) = at(
        in_cluster(1, findings=[damage]),
        decision=decision,
        findings=[{**vib, "accepted": accepted}],
    )
    assert build_content(event).title == (
        "root accepted VIB smntemp 910.1.0.0005 on 2 of 12 hosts · prod-1 · vc01 — “ours”"
    )
    (event,) = at(in_cluster(1, findings=[damage]), decision=decision)
    assert build_content(event).title == "root accepted that an object is gone · prod-1 · vc01 — “ours”"
    (event,) = at(in_cluster(1, findings=[{**damage, "resolved_because": "retired"}]), decision=decision)
    assert build_content(event).title == "root retired prod-1 · vc01 — “ours”"
    (event,) = at([event], findings=[])
    assert build_content(event).title == "root accepted what is open · prod-1 · vc01 — “ours”"


def _rollout(state: str, **parts: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field
    rollout = {"element": "component", "key": "Intel-i40en", "from": OLD, "to": NEW, "done": 7, "of": 12}
    hosts: dict[str, Any] = {"left": ["host-3", "host-5"], "unseen": ["host-5"]}
    return {
        "rollout": {**rollout, **hosts, "started_at": "2026-11-22T20:34:00.000Z", "state": state, **parts}
    }


@pytest.mark.parametrize(
    ("state", "transition", "title", "items"),
    [
        ("moving", "opened", "Upgrade under way: 7 of 12 hosts on Intel-i40en 2.9.2.0 from 2.7.2.0", ()),
        (
            "stalled",
            "raised",
            "Upgrade to Intel-i40en 2.9.2.0 stalled at 7 of 12 hosts after 5 h 40 min",
            ("Still on 2.7.2.0: esx03", "Not checked: esx05"),
        ),
        (
            "moving",
            "raised",
            "Beside the upgrade to Intel-i40en 2.9.2.0 (7 of 12 hosts on it): hosts differ",
            ("Still on 2.7.2.0: esx03", "Not checked: esx05"),
        ),
    ],
)
def test_an_upgrade_of_one_driver_is_told_by_its_name(
    state: str, transition: str, title: str, items: tuple[str, ...]
) -> None:
    """With who is left, and who was not seen."""
    uneven = finding(
        "drift", "image-not-uniform", "", "x", detail=_rollout(state), hosts=["host-3"], transition=transition
    )
    content = build_content(in_cluster(1, findings=[uneven])[0])
    assert content.title == f"{title} · prod-1 · vc01"
    assert content.items == items


def test_an_upgrade_that_goes_elsewhere_says_where() -> None:
    """At once."""
    uneven = finding("drift", "image-not-uniform", "", "x", detail=_rollout("moving"), transition="raised")
    content = build_content(in_cluster(1, changes=[DRIVER], findings=[uneven])[0])
    assert "(7 of 12 hosts on it): Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07" in content.title


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ({"host-5": "NOT_RESPONDING"}, "Not checked: esx05 (NOT_RESPONDING), host-6"),
        ("cut", "Not checked: esx05, host-6"),
    ],
)
def test_a_stall_says_why_a_host_was_not_checked(states: object, line: str) -> None:
    """As far as the vCenter says it."""
    detail = _rollout("stalled", unseen=["host-5", "host-6"], unseen_states=states)
    uneven = finding(
        "drift", "image-not-uniform", "", "x", detail=detail, hosts=["host-3"], transition="raised"
    )
    content = build_content(in_cluster(1, findings=[uneven])[0])
    assert content.items == ("Still on 2.7.2.0: esx03", line)


@pytest.mark.parametrize(
    "spoilt", [{"started_at": "yesterday"}, {"left": "all"}, {"unseen": 3}, {"started_at": None}]
)
def test_what_an_event_had_no_room_for_is_no_rollout(spoilt: dict[str, Any]) -> None:
    """Of a large event the details are cut: then the finding is told as any other."""
    detail = _rollout("stalled", **spoilt)
    uneven = finding("drift", "image-not-uniform", "", "they differ", detail=detail, hosts=["host-3"])
    content = build_content(in_cluster(1, findings=[uneven])[0])
    assert content.title == "prod-1 · vc01: hosts run different images"


@pytest.mark.parametrize(
    ("transition", "title"),
    [
        ("resolved", "Steady again: esx07 checked again after less than a minute"),
        ("opened", "Came and went (3 times in 20 h), and stays now: esx07 not checked"),
    ],
)
def test_what_came_and_went_is_told_again_once_it_is_steady(transition: str, title: str) -> None:
    """Whether it is over or stays."""
    detail = {"flapping": {"times": 3, "since": "2026-11-22T06:14:00.000Z", "steady": True}}
    because = "recovered" if transition == "resolved" else None
    found = finding("failure", "host-failed", "host-7", "x", hosts=["host-7"], detail=detail)
    moved: Any = {**found, "transition": transition, "resolved_because": because}
    assert build_content(in_cluster(1, findings=[moved])[0]).title == f"{title} · prod-1 · vc01"


def test_a_change_that_comes_and_goes_is_named() -> None:
    """With how often and in what time it did."""
    detail = {"flapping": {"times": 3, "since": "2026-11-22T06:14:00.000Z"}}
    (event,) = in_cluster(1, changes=[DRIVER], findings=[{**UNREVIEWED, "detail": detail}])
    assert build_content(event).title == (
        "Comes and goes (3 times in 20 h): Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07 · prod-1 · vc01"
    )


@pytest.mark.parametrize(
    ("detail", "title"),
    [
        ({}, "Not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07 · prod-1 · vc01"),
        (
            {"total": 3},
            "Not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0 and 2 more changes on esx07 · prod-1 · vc01",
        ),
        ({"expired_at": CHECKED}, "Acceptance ended: Intel-i40en 2.9.2.0 on esx07 · prod-1 · vc01"),
        (
            {"expired_at": CHECKED, "hidden_by": "maintenance:night"},
            "Not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07 · prod-1 · vc01",
        ),
        (
            {"expired_at": CHECKED, "rollout_given_up": CHECKED},
            "Not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0 on esx07 · prod-1 · vc01",
        ),
        ({"differences": ["cut"]}, "esx07 no longer as last accepted · prod-1 · vc01"),
        ({"differences": "cut"}, "esx07 no longer as last accepted · prod-1 · vc01"),
    ],
)
def test_what_differs_from_what_was_accepted_is_in_the_title(detail: dict[str, Any], title: str) -> None:
    """Also where nothing changed at this look."""
    found = {**UNREVIEWED, "detail": {"differences": [DIFFERENCE], **detail}}
    assert build_content(in_cluster(1, findings=[found])[0]).title == title


def test_acceptances_that_end_on_several_clusters_are_one_message() -> None:
    """With all their hosts."""
    found = {**UNREVIEWED, "detail": {"differences": [DIFFERENCE], "expired_at": CHECKED}}
    events = [event for number in (1, 2) for event in in_cluster(number, findings=[found])]
    assert build_group_content(events, NOW).title == (
        "Acceptance ended: Intel-i40en 2.9.2.0 on 2 of 24 hosts · 2 clusters · vc01"
    )


ALICE = "arn:aws:iam::1:user/alice"


def _end_acceptance(**detail: Any) -> list[Event]:  # noqa: ANN401 -- any detail
    """Two hosts differ, and somebody had accepted a part of that until a moment ago."""
    held = {"expired_at": CHECKED, "differences": [DIFFERENCE], "total": 4, **detail}
    found = {**UNREVIEWED, "hosts": ["host-7", "host-8"], "detail": held}
    return in_cluster(1, findings=[found])


ENDED = {"at": CHECKED, "by": ALICE, "reason": "until the fix", "ticket": "CHG-1", "hosts": ["host-7"]}
OF_ANOTHER = {**ENDED, "by": "arn:aws:iam::1:user/bob", "hosts": ["host-8"]}
ODD_ENDS: tuple[dict[str, Any], ...] = ({"hosts": ["host-99"]}, {"at": "once"}, {"hosts": "cut"})
BEGIN, WHY = "The acceptance", "(“CHG-1 · until the fix”)"
OTHER_DIFFERENCE = {**DIFFERENCE, "hosts": ["host-8"], "key": "lsi"}


@pytest.mark.parametrize(
    ("detail", "title", "when", "hosts"),
    [
        (
            {"ended": [ENDED], "differences": [DIFFERENCE, OTHER_DIFFERENCE], "total": 2},
            "Intel-i40en 2.9.2.0 on esx07",
            "The acceptance by alice (“CHG-1 · until the fix”) ended 02:14 UTC.",
            "esx07",
        ),
        (
            # Of 40 differences ten are listed: how many of the others are esx07's, nobody can say.
            {"ended": [ENDED], "differences": [DIFFERENCE] * 3 + [OTHER_DIFFERENCE] * 7, "total": 40},
            "Intel-i40en 2.9.2.0 and at least 2 more changes on esx07",
            "The acceptance by alice (“CHG-1 · until the fix”) ended 02:14 UTC.",
            "esx07",
        ),
        (
            {"ended": [ENDED], "differences": [DIFFERENCE], "total": 2},
            "Intel-i40en 2.9.2.0 and maybe more changes on esx07",
            "The acceptance by alice (“CHG-1 · until the fix”) ended 02:14 UTC.",
            "esx07",
        ),
        (
            {"ended": [ENDED, OF_ANOTHER], "differences": [{**DIFFERENCE, "hosts": ["host-7", "host-8"]}]},
            "Intel-i40en 2.9.2.0 and 3 more changes on 2 of 12 hosts",
            " ".join(
                f"{BEGIN} for {each} {WHY} ended 02:14 UTC." for each in ("esx07 by alice", "esx08 by bob")
            ),
            "esx07,esx08",
        ),
        (
            {"ended": [ENDED], "differences": [OTHER_DIFFERENCE]},
            "esx07 no longer as last accepted",
            "The acceptance by alice (“CHG-1 · until the fix”) ended 02:14 UTC.",
            "esx07",
        ),
        (
            {
                "ended": [
                    {**ENDED, "hosts": ["host-99"]},
                    {**ENDED, "at": "once"},
                    {**ENDED, "hosts": "cut"},
                    7,
                ]
            },
            "Intel-i40en 2.9.2.0 and 3 more changes on 2 of 12 hosts",
            "The acceptance ended 02:14 UTC.",
            "esx07,esx08",
        ),
        ({"ended": "cut"}, None, "The acceptance ended 02:14 UTC.", "esx07,esx08"),
    ],
)
def test_an_acceptance_that_ended_is_told_with_its_person_and_its_hosts(
    detail: dict[str, Any], title: str | None, when: str, hosts: str
) -> None:
    """The command names the hosts whose acceptance ended, and no other that differs."""
    content = build_group_content(_end_acceptance(**detail), NOW)
    assert title is None or content.title == f"Acceptance ended: {title} · prod-1 · vc01"
    assert content.when_text == when
    assert content.next_step is not None
    assert content.next_step.commands == (f"esx-drift accept prod-1 --vcenter vc01 --hosts {hosts}",)


def test_an_accepted_vib_whose_time_is_over_asks_for_a_decision_and_not_for_security() -> None:
    """On two clusters, by two persons: who, when, and a command for the hosts of each."""
    events = []
    for number, by in enumerate(("alice", "bob"), start=1):
        ended = {"at": CHECKED, "by": f"arn:aws:iam::1:user/{by}", "reason": "CHG-1", "hosts": ["host-2"]}
        detail = {"not_accepted_on": ["host-2"], "expired_at": CHECKED, "ended": [ended]}
        found = {**ORPHAN, "transition": "raised", "hosts": ["host-2", "host-3"], "detail": detail}
        events += in_cluster(number, findings=[found])
    content = build_group_content(events, NOW)
    assert content.level == "critical"
    assert content.when_text == (
        "The acceptance by alice (“CHG-1”) ended 02:14 UTC. The acceptance by bob (“CHG-1”) ended 02:14 UTC."
    )
    assert content.next_step is not None
    assert "security" not in content.next_step.text
    assert content.next_step.commands == tuple(
        f"esx-drift accept prod-{number} --vcenter vc01 --hosts esx02" for number in (1, 2)
    )


def test_an_end_of_before_is_not_the_end_of_what_began_since() -> None:
    """Nor is one of another cluster: what holds is told as what holds."""
    over = {**UNREVIEWED, "transition": "resolved", "resolved_because": "reverted"}
    ended = in_cluster(1, changes=[BACK], findings=[over])
    began = later(in_cluster(1, changes=[DRIVER], findings=[UNREVIEWED]), 40)
    content = build_group_content([*ended, *began], NOW)
    assert (content.level, content.title.endswith(" more")) == ("warning", False)
    assert any(item.startswith("Also: ") for item in content.items)
    elsewhere = build_group_content(
        [*in_cluster(2, changes=[DRIVER], findings=[UNREVIEWED]), *later(ended, 40)], NOW
    )
    assert elsewhere.level == "warning"


def test_each_thing_has_its_time() -> None:
    """Of several in one message, those of another time than the first say theirs."""
    failed = finding("failure", "extraction-failed", "", "it failed")
    joined = change("host", "added", "host-12", hosts=["host-12"], severity="info")
    early = at(in_cluster(3, changes=[joined]), since="2026-11-22T22:14:00.000Z")
    content = build_group_content([*in_cluster(1, findings=[failed]), *early], NOW)
    assert content.when_text == "Began between 01:14 and 02:13 UTC."
    assert content.items[-1] == "· Changed between 22 Nov 22:14 and 23 Nov 02:13 UTC."


def test_what_is_over_before_it_was_told_says_how_long_it_was() -> None:
    """An end that undoes something else is none of it."""
    over = {**UNREVIEWED, "transition": "resolved", "resolved_because": "reverted"}
    began = in_cluster(1, changes=[DRIVER], findings=[UNREVIEWED])
    ended = later(in_cluster(1, changes=[BACK], findings=[over]), 60)
    assert "over again after 1 min: " in build_group_content([*began, *ended], NOW).title.lower()
    others = [
        later(in_cluster(1, changes=[{**BACK, "key": "tool"}], findings=[over]), 60),
        later(in_cluster(1, changes=[BACK], findings=[{**over, "fingerprint": "0" * 32}]), 60),
    ]
    for other in others:
        assert "over again" not in build_group_content([*began, *other], NOW).title.lower()
    cut = at(began, truncated=True)
    assert "over again" not in build_group_content([*cut, *ended], NOW).title.lower()


def test_a_content_of_a_title_alone_is_a_message() -> None:
    """Slack takes no empty block."""
    bare = MessageContent("Title", (), (), None, ())
    assert [block["type"] for block in cast("Any", render_message(bare)["blocks"])] == ["header"]


def test_an_event_names_the_releases_that_it_mentions() -> None:
    """Those of changes, and those that a new host is held against; no others."""
    base = change("base_image", "upgraded", "base_image", **{"from": U3D, "to": U3E})
    check = told(changes=[base])
    (event,) = build_publishable_events(
        check.record, check.address, check.since, HOST_NAMES, {**NAMES, "7.0.3-0.1.2": "ESXi 7.0 U3"}
    )
    assert event["data"]["release_names"] == NAMES


def test_an_add_on_under_way_has_its_name_once() -> None:
    """The dash of a name is no vendor's tail."""
    versions = {"from": "HPE-Custom-AddOn 803.0.0.11.7.0-23", "to": "HPE-Custom-AddOn 803.0.0.11.8.0-6"}
    detail = _rollout("moving", element="add_on", key="add_on", **versions)
    uneven = finding("drift", "image-not-uniform", "", "x", detail=detail)
    assert build_content(in_cluster(1, findings=[uneven])[0]).title == (
        "Upgrade under way: 7 of 12 hosts on Add-on HPE-Custom-AddOn 803.0.0.11.8.0 from 803.0.0.11.7.0"
        " · prod-1 · vc01"
    )


@pytest.mark.parametrize("place", ["prod-1 · vc01", "p" * 100, ""])
def test_a_title_that_is_cut_keeps_its_place(place: str) -> None:
    """Unless the place alone would fill it."""
    content = MessageContent(f"{'x' * 200} · {place}", (), (), None, (), place=place)
    cut = cut_title(content, 150)
    assert len(cut) == 150
    assert cut.endswith(" · prod-1 · vc01") == (place == "prod-1 · vc01")
    assert "…" in cut


def test_an_upgrade_that_is_put_back_is_told_as_put_back() -> None:
    """With its host, whatever became of the upgrade."""
    over = {"transition": "resolved", "resolved_because": "reverted"}
    uneven = finding("drift", "image-not-uniform", "", "x", detail=_rollout("done"), **over)
    content = build_content(in_cluster(1, changes=[BACK], findings=[uneven])[0])
    assert content.title == "Put back: Intel-i40en 2.7.2.0 on esx07 · prod-1 · vc01"
    assert content.notes == ("All hosts run the same image again, after less than a minute.",)
