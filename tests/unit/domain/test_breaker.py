"""When a password may be tried, as rules on values."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.breaker import (
    CLAIM_SECONDS,
    LOCKOUT_WINDOW_SECONDS,
    MAX_AHEAD_SECONDS,
    REFUSED_KEPT,
    Breaker,
    LoginActor,
    build_closed_breaker,
    claim_turn,
    explain_forbidden_login,
    find_wait_seconds,
    give_back_second_try,
    is_turn_claimed,
    record_refusal,
    record_success,
    release_turn,
    spend_second_try,
)
from esx_drift.domain.text.times import format_time
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
WINDOW = timedelta(seconds=LOCKOUT_WINDOW_SECONDS)
ACTORS: tuple[LoginActor, ...] = ("dispatcher", "checker", "doctor")


@pytest.mark.parametrize("actor", ACTORS)
def test_without_a_refusal_everybody_may_log_in(actor: LoginActor) -> None:
    """A vCenter that never refused anybody asks for no caution."""
    assert explain_forbidden_login(build_closed_breaker("vc01"), actor, "version-1", NOW) is None


def _refuse_twice(version: str) -> Breaker:
    """Refused, and refused again when the dispatcher tried it once more."""
    once = record_refusal(build_closed_breaker("vc01"), version, NOW)
    return record_refusal(spend_second_try(once, version), version, NOW + WINDOW, is_final=True)


def test_a_refused_version_is_tried_once_more_by_the_dispatcher() -> None:
    """No sooner than 180 s after the refusal; a vCenter may refuse a right password now and then."""
    once = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    for other in ("checker", "doctor"):
        reason = explain_forbidden_login(once, other, "version-1", NOW + timedelta(days=400))
        assert "only the dispatcher tries the refused password once more" in (reason or "")
    early = explain_forbidden_login(once, "dispatcher", "version-1", NOW + WINDOW - timedelta(milliseconds=1))
    assert "it is tried once more after 2026-11-23T02:17:00.000Z" in (early or "")
    assert explain_forbidden_login(once, "dispatcher", "version-1", NOW + WINDOW) is None
    worked = record_success(once, "version-2")
    assert explain_forbidden_login(worked, "dispatcher", "version-1", NOW + WINDOW) is not None
    right = record_success(spend_second_try(once, "version-1"), "version-1")
    assert explain_forbidden_login(right, "checker", "version-1", NOW + WINDOW) is None


@pytest.mark.parametrize("actor", ACTORS)
def test_a_version_that_was_refused_twice_is_never_tried_again(actor: LoginActor) -> None:
    """Not after any time, not by anybody, not once another version has worked."""
    refused = _refuse_twice("version-1")
    for breaker in (refused, record_success(refused, "version-2")):
        reason = explain_forbidden_login(breaker, actor, "version-1", NOW + timedelta(days=400))
        assert reason is not None
        assert "secret …/vcenter/vc01" in reason
        assert "doctor --reset vc01" in reason


def test_a_second_try_is_spent_by_who_begins_it() -> None:
    """Whoever comes meanwhile finds none, and only one that came to no verdict is given back."""
    once = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    begun = claim_turn(spend_second_try(once, "version-1"), "me", NOW + WINDOW)
    later = NOW + 3 * WINDOW
    assert explain_forbidden_login(begun, "dispatcher", "version-1", later) is not None
    back = give_back_second_try(release_turn(begun, "me"), "version-1")
    assert explain_forbidden_login(back, "dispatcher", "version-1", NOW + WINDOW) is not None
    assert explain_forbidden_login(back, "dispatcher", "version-1", later) is None
    closed = build_closed_breaker("vc01")
    assert give_back_second_try(closed, "version-1") == closed
    assert spend_second_try(once, "version-2") == once


def test_refusals_at_once_are_one() -> None:
    """Three checkers and a run log in together: one second try is left."""
    once = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    again = record_refusal(once, "version-1", NOW + timedelta(seconds=1))
    assert again["refused_once"] == "version-1"
    assert again["refused_at"] == "2026-11-23T02:14:01.000Z"


@pytest.mark.parametrize(
    ("version", "wait_seconds"), [("version-1", 180), ("version-2", 180), ("version-0", None)]
)
def test_how_long_the_dispatcher_waits(version: str, wait_seconds: int | None) -> None:
    """For the second try, and for a new version; never for one that was refused twice."""
    refused = record_refusal(_refuse_twice("version-0"), "version-1", NOW)
    assert find_wait_seconds(refused, version, NOW) == wait_seconds
    assert find_wait_seconds(build_closed_breaker("vc01"), version, NOW) is None


@pytest.mark.parametrize("field", ["claimed_until", "refused_at", "tried_at"])
@pytest.mark.parametrize("time", ["2999-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_a_time_far_ahead_keeps_nobody_out(field: str, time: str) -> None:
    """Nobody of us wrote it."""
    breaker = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    forged: Breaker = {**breaker, field: time}  # type: ignore[misc]  # a field that is a time
    assert not is_turn_claimed(forged, NOW)
    assert explain_forbidden_login(forged, "dispatcher", "version-2", NOW + WINDOW) is None


@pytest.mark.parametrize(
    ("ahead_seconds", "is_claimed"), [(-1, False), (0, False), (1, True), (120, True), (121, False)]
)
def test_a_claim_is_void_that_is_longer_than_a_turn(ahead_seconds: int, *, is_claimed: bool) -> None:
    """By more than clocks differ."""
    until = format_time(NOW + timedelta(seconds=ahead_seconds))
    assert is_turn_claimed({**build_closed_breaker("vc01"), "claimed_until": until}, NOW) == is_claimed
    assert CLAIM_SECONDS < MAX_AHEAD_SECONDS


def test_a_new_version_is_the_dispatchers_to_try() -> None:
    """Checkers wait until the dispatcher has found it good."""
    refused = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    for other in ("checker", "doctor"):
        assert explain_forbidden_login(refused, other, "version-2", NOW + WINDOW) is not None
    assert explain_forbidden_login(refused, "dispatcher", "version-2", NOW + WINDOW) is None
    assert (
        explain_forbidden_login(record_success(refused, "version-2"), "checker", "version-2", NOW + WINDOW)
        is None
    )


def test_a_new_version_waits_for_the_window() -> None:
    """The vCenter counts failures for 180 s: the next attempt comes after that, and the reason says when."""
    refused = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    early = NOW + WINDOW - timedelta(milliseconds=1)
    assert "2026-11-23T02:17:00.000Z" in (
        explain_forbidden_login(refused, "dispatcher", "version-2", early) or ""
    )
    tried = claim_turn(refused, "me", NOW + WINDOW)
    assert (
        explain_forbidden_login(tried, "dispatcher", "version-2", NOW + WINDOW + timedelta(seconds=179))
        is not None
    )
    assert explain_forbidden_login(tried, "dispatcher", "version-2", NOW + 2 * WINDOW) is None


def test_what_was_refused_is_bounded() -> None:
    """The oldest versions are forgotten: Secrets Manager has forgotten them as well."""
    breaker = build_closed_breaker("vc01")
    for number in range(REFUSED_KEPT + 5):
        breaker = record_refusal(breaker, f"version-{number}", NOW)
    assert len(breaker["refused"]) == REFUSED_KEPT
    assert breaker["refused"][-1] == f"version-{REFUSED_KEPT + 4}"


def test_a_turn_ends_when_it_is_given_back_or_too_long() -> None:
    """And one that was taken by somebody else meanwhile is his."""
    mine = claim_turn(build_closed_breaker("vc01"), "me", NOW)
    assert not is_turn_claimed(build_closed_breaker("vc01"), NOW)
    assert is_turn_claimed(mine, NOW + timedelta(seconds=CLAIM_SECONDS - 1))
    assert not is_turn_claimed(mine, NOW + timedelta(seconds=CLAIM_SECONDS))
    assert release_turn(mine, "me") == build_closed_breaker("vc01")
    anothers = claim_turn(mine, "another", NOW + timedelta(seconds=CLAIM_SECONDS))
    assert release_turn(anothers, "me") == anothers


STEPS = st.lists(
    st.tuples(
        st.integers(0, 400).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from(ACTORS),
        st.sampled_from(["version-1", "version-2", "version-3", "version-4"]),
    )
)


@given(STEPS)
def test_wrong_passwords_never_lock_the_account(steps: list[tuple[timedelta, LoginActor, str]]) -> None:
    """Whoever comes with whatever version when: refusals are 180 s apart, two at most a version."""
    breaker: Breaker = build_closed_breaker("vc01")
    now = NOW
    tried: list[tuple[datetime, str]] = []
    for passed, actor, version in steps:
        now += passed
        if explain_forbidden_login(breaker, actor, version, now) is None:
            is_second = version in breaker["refused"]
            tried.append((now, version))
            turn = claim_turn(spend_second_try(breaker, version), "me", now)
            released = release_turn(turn, "me")
            breaker = record_refusal(released, version, now, is_final=is_second)
        assert list_violations("breaker", breaker) == []
    assert max(Counter(version for _, version in tried).values(), default=0) <= 2
    assert all(later - earlier >= WINDOW for (earlier, _), (later, _) in pairwise(tried))
