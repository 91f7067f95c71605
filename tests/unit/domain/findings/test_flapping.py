"""What comes and goes is said once, and again when it is steady; and no turn of it is lost for automation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.flapping import MAX_REMEMBERED
from esx_drift.domain.findings.update import CheckScope, FindingsUpdate, update_findings
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Finding, FindingKind, Severity
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import build_events
from tests.unit.events import told as recorded

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
KINDS: frozenset[FindingKind] = frozenset({"host-error", "orphaned-vib"})
NOTHING = FindingsUpdate([], {}, {})


def unread(severity: Severity = "warning") -> Condition:
    """A host that can't be read, told at once."""
    return build_condition("host-error", "esx11 could not be read", subject="host-11", severity=severity)


def step(
    before: FindingsUpdate,
    hours: float,
    *met: Condition,
    kinds: frozenset[FindingKind] = KINDS,
) -> FindingsUpdate:
    """The check so many hours after the first."""
    scope = CheckScope(NOW + timedelta(hours=hours), kinds, 0)
    return update_findings(before.findings, before.suspects, met, scope, {}, before.openings)


def heard(update: FindingsUpdate) -> list[str]:
    """What people hear of one check."""
    moved = [each for each in update.transitions if each["transition"] != "still"]
    return [each["transition"] for each in moved if "suppressed_by" not in each]


def play(*turns: tuple[float, Condition | None]) -> list[tuple[FindingsUpdate, list[str]]]:
    """Check after check, at these hours, with what was met; and what people heard of each."""
    update, seen = NOTHING, []
    for hours, met in turns:
        update = step(update, hours, *([met] if met else []))
        seen.append((update, heard(update)))
    return seen


def flap(*hours: float) -> list[tuple[float, Condition | None]]:
    """It opens at each of these hours, and is gone an hour later."""
    return [turn for hour in hours for turn in ((hour, unread()), (hour + 1, None))]


def only(update: FindingsUpdate) -> Finding:
    """The one finding that a check speaks of."""
    (finding,) = update.transitions
    return finding


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ((0, 4, 8, 12), 2),
        ((0, 24, 48, 72), 2),
        ((0, 36, 72), 2),
        ((0, 20, 50), 2),
        ((0, 40, 80), None),
        ((0, 4, 48, 52), None),
        ((0, 4), None),
    ],
)
def test_the_third_time_within_a_day_or_on_three_days_is_said(
    hours: tuple[float, ...], said: int | None
) -> None:
    """That opening says since when; nothing after it is told, and nothing before it is held back."""
    seen = play(*flap(*hours))
    openings, ends = seen[::2], seen[1::2]
    for number, ((opening, told), (end, told_end)) in enumerate(zip(openings, ends, strict=True)):
        is_before = said is None or number < said
        assert told == (["opened"] if is_before or number == said else [])
        assert told_end == (["resolved"] if is_before else [])
        assert [only(opening)["transition"], only(end)["transition"]] == ["opened", "resolved"]
        assert ("flapping" in only(opening)["detail"]) == (not is_before)
        if not is_before:
            since = "2026-11-23T02:00:00.000Z"
            assert only(opening)["detail"]["flapping"] == {"times": number + 1, "since": since}
            assert ("suppressed_by" in only(opening)) == (number != said)


def test_what_was_open_for_a_day_is_told_again() -> None:
    """As an opening that says so; then it is a finding as any other, and its end is told."""
    seen = play(*flap(0, 4, 8), (12, unread()), (20, unread()), (36, unread()), (40, unread()), (44, None))
    assert [told for _, told in seen[5:]] == [[], [], [], ["opened"], [], ["resolved"]]
    steady = only(seen[8][0])
    assert steady["detail"]["flapping"] == {
        "times": 4,
        "since": "2026-11-23T02:00:00.000Z",
        "steady": True,
    }
    assert steady["opened_at"] == "2026-11-23T14:00:00.000Z"
    assert only(seen[9][0])["detail"] == {}
    assert seen[8][0].openings == {}


def test_what_was_gone_for_a_day_is_told_again() -> None:
    """As an end, with the severity that was said of it: whoever heard of it hears that it is over."""
    flapping = [(hour, unread("critical") if met else None) for hour, met in flap(0, 4, 8)]
    seen = play(*flapping, (20, None), (33, None), (37, None))
    assert [told for _, told in seen[5:]] == [[], [], ["resolved"], []]
    steady = only(seen[7][0])
    assert (steady["severity"], steady["resolved_because"]) == ("critical", "recovered")
    assert steady["detail"]["flapping"] == {
        "times": 3,
        "since": "2026-11-23T02:00:00.000Z",
        "steady": True,
    }
    assert seen[7][0].openings == {}
    assert seen[7][0].findings == {}


def test_a_check_that_can_not_tell_says_nothing_of_steadiness() -> None:
    """Unknown is neither open nor gone."""
    update = play(*flap(0, 4, 8))[-1][0]
    blind = step(update, 60, kinds=frozenset())
    assert (heard(blind), blind.transitions, blind.openings) == ([], [], update.openings)
    assert heard(step(blind, 64)) == ["resolved"]


def test_what_gets_worse_is_told_though_it_comes_and_goes() -> None:
    """Once; as bad again is no news."""
    seen = play(
        *flap(0, 4, 8),
        (12, unread()),
        (16, unread("critical")),
        (17, None),
        (18, unread("critical")),
        (19, None),
        (20, unread()),
        (21, unread("critical")),
    )
    assert [told for _, told in seen[5:]] == [[], [], ["raised"], [], [], [], [], []]


def test_a_critical_one_is_said_like_any_other() -> None:
    """Three times it is told, the third time with what it does; then it is silent."""
    critical = [(hour, unread("critical") if met else None) for hour, met in flap(0, 4, 8, 12)]
    assert [told for _, told in play(*critical)] == [
        ["opened"],
        ["resolved"],
        ["opened"],
        ["resolved"],
        ["opened"],
        [],
        [],
        [],
    ]


def test_an_orphaned_vib_is_told_each_time() -> None:
    """However often it comes: somebody may be at work."""
    vib = build_condition("orphaned-vib", "smntemp is orphaned on esx02", subject="smntemp(1)")
    seen = play(*((hour, vib if met else None) for hour, met in flap(0, 2, 4, 6, 8)))
    assert [told for _, told in seen] == [["opened"], ["resolved"]] * 5


def test_what_a_person_closed_meanwhile_is_not_told_again() -> None:
    """A decision ends it beside the checks."""
    update = play(*flap(0, 4), (8, unread()))[-1][0]
    closed = FindingsUpdate([], {}, {}, update.openings)
    assert step(closed, 12).openings == {}


@given(st.lists(st.tuples(st.floats(0.5, 30), st.integers(0, 2)), max_size=40))
def test_nothing_open_is_forgotten_and_nothing_is_told_twice(turns: list[tuple[float, int]]) -> None:
    """Any coming and going: once it is quiet for two days, people know how it is.

    In each state of the log people heard of what is open, or that it comes and goes.
    """
    update, hours, known, flapping = NOTHING, 0.0, False, False
    quiet = [(13.0, turns[-1][1] if turns else 0)] * 4
    for after, state in [*turns, *quiet]:
        hours += after
        met = [unread("critical" if state == 2 else "warning")] if state else []
        update = step(update, hours, *met)
        for finding in update.transitions:
            assert list_violations("event", recorded_event(finding)) == []
            if finding["transition"] == "still" or "suppressed_by" in finding:
                continue
            said = finding["detail"].get("flapping")
            is_steady = isinstance(said, dict) and "steady" in said
            if finding["transition"] == "opened":
                assert not known or flapping
                known = True
            elif finding["transition"] == "resolved":
                assert known or flapping
                known = False
            flapping = said is not None and not is_steady
        is_open = bool(update.findings)
        assert known == is_open or flapping
        assert all("suppressed_by" not in finding for finding in update.findings.values())
    assert known == bool(turns and turns[-1][1])
    assert not flapping


def recorded_event(finding: Finding) -> Any:  # noqa: ANN401 -- any JSON
    """An event of its own."""
    still: Finding = {**finding, "transition": "opened", "resolved_because": None}
    return build_events(recorded(findings=[still]))[0]


def test_what_opened_last_is_remembered() -> None:
    """Of more findings than there is room for, those of long ago are forgotten."""
    old = [build_condition("host-error", "x", subject=f"host-{number}") for number in range(MAX_REMEMBERED)]
    update = step(step(NOTHING, 0, *old), 4, *old, unread())
    assert len(update.openings) == MAX_REMEMBERED
    assert unread().fingerprint in update.openings


def test_a_year_of_coming_and_going_stays_small() -> None:
    """However many hosts do it at once."""
    update, size = NOTHING, []
    hosts = [
        build_condition("host-error", "could not be read", subject=f"host-{at}")
        for at in range(3 * MAX_REMEMBERED)
    ]
    for check in range(60):
        update = step(update, 4 * check, *(hosts if check % 2 else ()))
        size.append(len(encode_canonical_json(update.openings)))
        assert len(update.openings) <= MAX_REMEMBERED
    assert max(size) < 100_000
