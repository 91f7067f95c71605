"""When a password may be tried, as rules on values."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.breaker import (
    CLAIM_SECONDS,
    LOCKOUT_WINDOW_SECONDS,
    REFUSED_KEPT,
    Breaker,
    LoginActor,
    build_closed_breaker,
    claim_turn,
    explain_forbidden_login,
    is_turn_claimed,
    record_refusal,
    record_success,
    release_turn,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
WINDOW = timedelta(seconds=LOCKOUT_WINDOW_SECONDS)
ACTORS: tuple[LoginActor, ...] = ("dispatcher", "checker", "doctor")


@pytest.mark.parametrize("actor", ACTORS)
def test_without_a_refusal_everybody_may_log_in(actor: LoginActor) -> None:
    """A vCenter that never refused anybody asks for no caution."""
    assert explain_forbidden_login(build_closed_breaker("vc01"), actor, "version-1", NOW) is None


@pytest.mark.parametrize("actor", ACTORS)
def test_a_refused_version_is_never_tried_again(actor: LoginActor) -> None:
    """Not after any time, not by anybody, not once another version has worked."""
    refused = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    for breaker in (refused, record_success(refused)):
        reason = explain_forbidden_login(breaker, actor, "version-1", NOW + timedelta(days=400))
        assert reason is not None
        assert "secret esx-drift/vcenter/vc01" in reason
        assert "doctor --reset vc01" in reason


def test_a_new_version_is_the_dispatchers_to_try() -> None:
    """Checkers wait until the dispatcher has found it good."""
    refused = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    for other in ("checker", "doctor"):
        assert explain_forbidden_login(refused, other, "version-2", NOW + WINDOW) is not None
    assert explain_forbidden_login(refused, "dispatcher", "version-2", NOW + WINDOW) is None
    assert explain_forbidden_login(record_success(refused), "checker", "version-2", NOW + WINDOW) is None


def test_a_new_version_waits_for_the_window() -> None:
    """The vCenter counts failures for 180 s: the next attempt comes after that, and the reason says when."""
    refused = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)
    early = NOW + WINDOW - timedelta(milliseconds=1)
    assert "2026-11-23T02:17:00.000Z" in (
        explain_forbidden_login(refused, "dispatcher", "version-2", early) or ""
    )
    tried = claim_turn(refused, NOW + WINDOW)
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
    mine = claim_turn(build_closed_breaker("vc01"), NOW)
    assert not is_turn_claimed(build_closed_breaker("vc01"), NOW)
    assert is_turn_claimed(mine, NOW + timedelta(seconds=CLAIM_SECONDS - 1))
    assert not is_turn_claimed(mine, NOW + timedelta(seconds=CLAIM_SECONDS))
    assert release_turn(mine, mine["claimed_until"]) == build_closed_breaker("vc01")
    anothers = claim_turn(mine, NOW + timedelta(seconds=CLAIM_SECONDS))
    assert release_turn(anothers, mine["claimed_until"]) == anothers


STEPS = st.lists(
    st.tuples(
        st.integers(0, 400).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from(ACTORS),
        st.sampled_from(["version-1", "version-2", "version-3", "version-4"]),
    )
)


@given(STEPS)
def test_wrong_passwords_never_lock_the_account(steps: list[tuple[timedelta, LoginActor, str]]) -> None:
    """Whoever comes with whatever version when: refusals are 180 s apart, and each version has one."""
    breaker: Breaker = build_closed_breaker("vc01")
    now = NOW
    tried: list[tuple[datetime, str]] = []
    for passed, actor, version in steps:
        now += passed
        if explain_forbidden_login(breaker, actor, version, now) is None:
            tried.append((now, version))
            turn = claim_turn(breaker, now)
            breaker = record_refusal(release_turn(turn, turn["claimed_until"]), version, now)
        assert list_violations("breaker", breaker) == []
    assert len({version for _, version in tried}) == len(tried)
    assert all(later - earlier >= WINDOW for (earlier, _), (later, _) in pairwise(tried))
