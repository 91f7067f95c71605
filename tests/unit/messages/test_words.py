"""What somebody who never saw the project must be able to answer from a message."""

from typing import Any, cast

import pytest
from esx_drift.domain.events import list_vanished
from esx_drift.domain.stored.types import LEFT_DETAIL, EventData, Finding, Json
from esx_drift.messages.content import NOTHING_NEXT, build_content
from esx_drift.messages.event_lines import list_record_facts
from esx_drift.messages.message_data import reword_summary

from tests.unit.events import VIB, build_ended_window, build_events, change, finding, not_looked, told
from tests.unit.messages.test_advice import of_vcenter, step

STILL = {"transition": "still"}
NEWER = VIB.replace("0005", "0006")
ORPHAN = finding("orphaned-vib", "orphaned-vib", VIB, "it is orphaned", severity="critical", hosts=["host-7"])
GONE = change("orphaned_vib", "removed", VIB, severity="info", hosts=["host-7"])


def _open(number: int, severity: str = "warning") -> Finding:
    summary = f"esx0{number} could not be read"
    return finding("failure", "host-failed", f"host-{number}", summary, severity=severity, **STILL)


def _story(*findings: Finding, **parts: Any) -> Any:  # noqa: ANN401 -- whatever a check may be made of
    (event,) = build_events(told(findings=[*findings], **parts))
    return build_content(event)


def test_what_is_open_from_before_is_named() -> None:
    """The three worst, and how many more; the words are those of all messages."""
    failed = finding("failure", "host-failed", "host-7", "x", hosts=["host-7"])
    content = _story(failed, *(_open(number) for number in range(1, 5)), _open(5, "critical"))
    assert content.notes == (
        (
            "5 earlier findings still open: esx05 not checked (critical); esx01 not checked (warning); "
            "esx02 not checked (warning); 2 more."
        ),
    )


def test_what_an_event_has_no_room_for_is_counted_alone() -> None:
    """Its number is exact."""
    (event,) = build_events(told(findings=[finding("failure", "host-failed", "host-7", "x")]))
    event["data"]["totals"]["still"] = 2
    assert "2 earlier findings still open." in build_content(event).notes


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        ({}, ["record 41", "esx-drift show prod-a 41"]),
        ({"stack": "drift-test"}, ["record 41", "esx-drift show prod-a 41 --stack drift-test"]),
        ({"cluster": {"id": "domain-c9", "name": "$(x)"}}, ["record 41", "esx-drift show domain-c9 41"]),
        ({"cluster": None}, ["record 41", "esx-drift show vc01/@vcenter 41"]),
        ({"cluster": None, "vcenter": "v c"}, ["record 41"]),
        ({"record": "s3://audit/reports/daily/x.json"}, ["record s3://audit/reports/daily/x.json"]),
    ],
)
def test_a_record_is_named_with_the_command_that_shows_it(data: dict[str, Any], facts: list[str]) -> None:
    """Which takes a cluster, or the log of a vCenter, and the number."""
    (event,) = build_events(told(changes=[change("component", "added", "x", to="1")]))
    address = "s3://audit/records/vcenter=vc01/cluster=domain-c9/0000000041.json"
    assert list_record_facts(cast("EventData", {**event["data"], "record": address, **data})) == facts


@pytest.mark.parametrize(
    ("detail", "named"),
    [
        ({"clusters_unwatched": 2, "clusters_unwatched_names": ["edge-1", "edge-2"]}, "edge-1, edge-2"),
        ({"clusters_unwatched": 7, "clusters_unwatched_names": ["a", "b"]}, "a, b and 5 more clusters"),
        ({"clusters_unwatched": 2}, "2 clusters"),
    ],
)
def test_an_outage_names_the_clusters(detail: dict[str, Json], named: str) -> None:
    """Of an earlier version's finding it is known only how many they are."""
    assert of_vcenter("vcenter-unreachable", detail).notes == (
        f"Not checked meanwhile: {named}. Open findings there stay open.",
    )
    over: Any = {"transition": "resolved", "resolved_because": "recovered"}
    assert (
        of_vcenter("vcenter-unreachable", detail, **over).notes[0].startswith(f"Being checked now: {named}.")
    )


OUTAGE = "Since 02:14 (2 tries). Last successful check 01:14."


@pytest.mark.parametrize(
    ("detail", "when"),
    [
        ({}, "Since 02:14. Last successful check 01:14 UTC."),
        (
            {
                "tries": 2,
                "next_try_at": "2026-11-23T02:24:00.000Z",
                "critical_at": "2026-11-26T01:14:00.000Z",
            },
            f"{OUTAGE} Next try 02:24. Critical from 26 Nov 01:14 UTC on.",
        ),
        (
            {"next_try_at": "2026-11-23T02:24:00.000Z", "critical_at": "soon"},
            "Since 02:14. Last successful check 01:14. Next try 02:24 UTC.",
        ),
    ],
)
def test_an_outage_says_what_comes_of_it(detail: dict[str, Json], when: str) -> None:
    """When it is tried again, and from when on it is critical, as far as an event says so."""
    assert of_vcenter("vcenter-unreachable", {"clusters_unwatched": 2, **detail}).when_text == when


@pytest.mark.parametrize(
    ("detail", "secret"),
    [
        ({"user": "svc"}, "esx-drift/vcenter/vc02"),
        ({"user": "svc", "secret_name": "corp/drift/vcenter/vc02"}, "corp/drift/vcenter/vc02"),
    ],
)
def test_a_secret_is_named_whole(detail: dict[str, Json], secret: str) -> None:
    """Whatever the stack's prefix is."""
    assert f"into the secret {secret}, and" in step(of_vcenter("vcenter-authentication", detail))


def test_a_secret_that_a_shell_would_obey_is_left_to_the_reader() -> None:
    """As any other name."""
    story = of_vcenter("vcenter-authentication", {"secret": "esx-drift/vcenter/$(x)"})
    assert story.next_step is not None
    assert story.next_step.command == "SECRET"


def test_a_vib_that_has_gone_is_no_good_news() -> None:
    """Nobody accepted it: it is evidence, with the hosts by name and their logs to be saved."""
    over: Finding = {**ORPHAN, "transition": "resolved", "resolved_because": "removed"}
    content = _story(over, changes=[GONE])
    assert content.level == "critical"
    assert "gone from esx07 after less than a minute; unexplained" in content.title
    assert step(content).endswith("vm-support")
    assert "critical" in content.facts


def test_so_is_one_that_has_gone_from_one_of_its_hosts() -> None:
    """While it is open on another."""
    content = _story({**ORPHAN, **STILL}, changes=[GONE])  # type: ignore[typeddict-item]  # a transition
    assert content.level == "critical"
    assert "gone from esx07; unexplained" in content.title
    assert "critical" in content.facts


def test_one_that_left_with_one_of_its_hosts_has_not_vanished() -> None:
    """It is open on another: nothing is over, nobody removed it, and no host is left to look at."""
    stays: Any = {**ORPHAN, **STILL, "hosts": ["host-2"], "detail": {LEFT_DETAIL: True}}
    content = _story(stays, changes=[GONE])
    assert (content.level, content.facts[1]) == ("info", "info")
    assert content.title.startswith("VIB smntemp 910.1.0.0005 left with esx07 · ")
    assert step(content).startswith("nothing, if it was meant; ")


def test_one_that_left_with_its_only_host_is_over() -> None:
    """In the same words."""
    over: Finding = {**ORPHAN, "transition": "resolved", "resolved_because": "host-left"}
    content = _story(over, changes=[GONE])
    assert (content.level, content.facts[1]) == ("over", "over (was critical)")
    assert content.title.startswith("VIB smntemp 910.1.0.0005 left with esx07 after")


def test_many_hosts_of_it_are_counted_in_the_title() -> None:
    """A title names five; the list has more."""
    hosts = [f"host-{number}" for number in range(1, 7)]
    over: Finding = {**ORPHAN, "hosts": hosts, "transition": "resolved", "resolved_because": "removed"}
    assert "gone from 6 of 12 hosts after" in _story(over, changes=[{**GONE, "hosts": hosts}]).title


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"element": "component", "key": "x", "from": None, "to": "2-1"}, "x 2"),
        ({"element": "component", "key": "x", "from": "1-1", "to": "2-1"}, "x 1 → 2"),
        ({"element": "component", "key": "x", "from": "1-1", "to": None}, "x removed"),
        (
            {"element": "base_image", "key": "base_image", "from": "8.0.3-0.35.2", "to": "8.0.3-0.70.2467"},
            "ESXi 8.0.3 (build 2467) from 8.0.3-0.35.2",
        ),
    ],
)
def test_what_is_not_as_accepted_says_from_which_version(difference: dict[str, Json], said: str) -> None:
    """As far as there was one."""
    detail: Any = {"differences": [{**difference, "hosts": ["host-7"]}], "total": 1}
    found = finding("drift", "drift-unreviewed", "", "x", hosts=["host-7"], detail=detail)
    assert _story(found).title == f"Not as last accepted: {said} on esx07 · prod-a · vc01"


def test_an_accepted_vib_that_has_gone_is_over() -> None:
    """Its severity says that somebody accepted it."""
    over: Finding = {**ORPHAN, "severity": "warning", "transition": "resolved", "resolved_because": "removed"}
    content = _story(over, changes=[GONE])
    assert content.level == "over"
    assert "unexplained" not in content.title


def test_a_vib_that_gave_way_to_another_version_goes_on() -> None:
    """It refers to the message before, and is not gone."""
    over: Finding = {**ORPHAN, "transition": "resolved", "resolved_because": "removed"}
    newer: Finding = {**ORPHAN, "subject": NEWER, "fingerprint": "f" * 32}
    came = change("orphaned_vib", "added", NEWER, severity="critical", hosts=["host-7"])
    (event,) = build_events(told(changes=[GONE, came], findings=[newer, over]))
    assert list_vanished(event["data"]) == []
    content = build_content(event)
    assert "Follows the message on smntemp 910.1.0.0005 of " in content.when_text
    assert not any("belongs to no known component" in note for note in content.notes)


@pytest.mark.parametrize(
    ("rules", "note"),
    [
        (["ignore:mft"], "The rule mft of the fleet file left it out until now."),
        (["ignore:mft", "ignore:lsi"], None),
        (["ignore:mft", ""], None),
    ],
)
def test_what_a_rule_left_out_until_now_does_not_blame_maintenance(
    rules: list[str], note: str | None
) -> None:
    """The rule is named, where it is one."""
    found = [
        finding("failure", "host-failed", f"host-{number}", "x", detail={"hidden_by": rule} if rule else {})
        for number, rule in enumerate(rules)
    ]
    notes = build_content(build_events(told(findings=found))[0]).notes
    assert [each for each in notes if "rule" in each] == [note] * (note is not None)
    assert not any("maintenance" in each for each in notes)


def test_what_is_left_of_a_window_says_so_where_it_stands_alone() -> None:
    """A route may not hear of the window itself."""
    found = finding(
        "drift", "drift-unreviewed", "", "x", hosts=["host-7"], detail={"hidden_by": "maintenance:x"}
    )
    assert "It came within maintenance that is over now." in _story(found).notes
    opened: Finding = {**found, "opened_at": "2026-11-22T23:30:00.000Z"}
    left = _story(opened, outcome="maintenance", coverage=None)
    assert left.when_text == "Open since 22 Nov 23:30. Last checked 01:14 UTC."


def test_a_decision_says_when_it_was_made() -> None:
    """Beside when it was last checked."""
    over = finding(
        "drift",
        "drift-unreviewed",
        "",
        "x",
        hosts=["host-7"],
        transition="resolved",
        resolved_because="accepted",
    )
    (event,) = build_events(not_looked(findings=[over], outcome="accepted"))
    event["data"]["decision"] = {"by": "arn:aws:iam::1:user/alice", "reason": "CHG-1"}
    assert build_content(event).when_text == "Decided 02:14. Last checked 01:14 UTC."


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("esx07 could not be read", "esx07 not checked"),
        ('esx07 could not be read, NOT_RESPONDING: "x."', 'esx07 not checked, NOT_RESPONDING: "x."'),
        (
            "esx07 could not be read, not seen since 16 Nov 02:14 UTC",
            "esx07 not checked since 16 Nov 02:14 UTC",
        ),
        ("the secret could not be readable", "the secret could not be readable"),
    ],
)
def test_messages_have_one_word_for_it(stored: str, said: str) -> None:
    """Also for what was stored in others."""
    assert reword_summary(stored, "2026-11-23T09:14:00.000Z") == said


WINDOW = build_ended_window()
LEFT = {"kind": "drift-unreviewed", "subject": "", "severity": "critical", "summary": "esx07 differs"}


@pytest.mark.parametrize(
    ("windows", "level", "title", "command"),
    [
        (
            [WINDOW],
            "over",
            "Maintenance “CHG-2050” is over; nothing seen in it is open · prod-a · vc01",
            "",
        ),
        (
            [{**WINDOW, "still_open": [LEFT], "still_open_total": 1}],
            "critical",
            "CRITICAL · Maintenance “CHG-2050” is over; still open: 1 finding · prod-a · vc01",
            "esx-drift status prod-a",
        ),
        (
            [WINDOW, {**WINDOW, "reason": "CHG-1", "by": "fleet file", "name": "night"}],
            "over",
            "Maintenance is over; nothing seen in it is open · prod-a · vc01",
            "",
        ),
    ],
)
def test_the_end_of_maintenance_says_what_it_was(
    windows: list[dict[str, Any]], level: str, title: str, command: str
) -> None:
    """Its name, when it was, by whom, what stays, and what to do about that."""
    (event,) = build_events(told(maintenance_ended=windows, outcome="unchanged"))
    content = build_content(event)
    assert (content.level, content.title) == (level, title)
    assert content.when_text == "It was from 22 Nov 22:00 to 23 Nov 02:00 UTC, begun by alice."
    assert content.items[0] == "Nothing changed within it"
    assert content.next_step is not None
    assert (content.next_step.command, content.next_step == NOTHING_NEXT) == (command, not command)


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ("smntemp(910.1.0.5-5vmw) is orphaned on esx02", "VIB smntemp 910.1.0.5-5vmw is orphaned on esx02"),
        ("completed at 2026-11-23T09:13:20.000Z", "completed at 23 Nov 09:13 UTC"),
        ("completed at 2025-11-23T09:13:20.000Z", "completed at 23 Nov 2025 09:13 UTC"),
        ("completed at 2026-13-23T09:13:20.000Z", "completed at 2026-13-23T09:13:20.000Z"),
    ],
)
def test_a_summary_is_reworded_as_people_say_it(summary: str, said: str) -> None:
    """What is stored stays as it is: ids are made of it."""
    assert reword_summary(summary, "2026-11-23T09:14:00.000Z") == said
