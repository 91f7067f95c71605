"""When a route may be asked, and when a delivery is given up."""

from datetime import UTC, datetime, timedelta

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.deliveries import (
    BUSY_PAUSE,
    DEATH_AFTER,
    DELIVERY_PATIENCE,
    LEASE_LENGTH,
    MAX_PAUSE,
    MAX_RETRY_PAUSE,
    PACE,
    DeliveryMessage,
    build_delivery_message,
    build_event_delivery,
    build_fallback_message,
    build_route_state,
    build_waiting_message,
    compute_delay_seconds,
    end_dead,
    end_posted,
    end_refused,
    end_throttled,
    end_unanswered,
    find_free_time,
    release_lease,
    renew_message,
    take_lease,
)
from esx_drift.domain.text.times import format_time, parse_time
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import build_events, change, told

NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
EVENTS = build_events(
    told(changes=[change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})])
) + build_events(
    told(changes=[change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "3"})], seq=42)
)
BLANK = build_route_state("ops")
MOST_SENDS = 760
"""What follows from the bounds: 4 waits each of 1 to 30 seconds, then one each 31 seconds, for 6 hours."""


def _message() -> DeliveryMessage:
    return build_delivery_message(build_event_delivery("ops", EVENTS, NOW), "0" * 64)


def test_the_same_events_are_the_same_delivery() -> None:
    """In whatever order, whenever; to another route, or with one less, it is another."""
    one = build_event_delivery("ops", EVENTS, NOW)
    again = build_event_delivery("ops", EVENTS[::-1], NOW + timedelta(hours=1))
    assert one["delivery_id"] == again["delivery_id"]
    others = [build_event_delivery("dev", EVENTS, NOW), build_event_delivery("ops", EVENTS[:1], NOW)]
    assert len({one["delivery_id"], *(other["delivery_id"] for other in others)}) == 3
    assert list_violations("delivery", one) == []


def test_a_blank_route_may_be_asked_at_once() -> None:
    """And nothing waits longer than three seconds for it."""
    assert find_free_time(BLANK, NOW) == NOW
    assert 1 <= compute_delay_seconds(_message(), NOW, NOW) <= 3


def test_one_has_the_turn_at_a_time() -> None:
    """Until it ends it, or is dead."""
    taken = take_lease(BLANK, "me", NOW)
    assert find_free_time(taken, NOW) == NOW + BUSY_PAUSE
    assert find_free_time(taken, NOW + LEASE_LENGTH) == NOW + LEASE_LENGTH
    assert release_lease(taken) == BLANK


def test_after_a_post_a_second_passes() -> None:
    """Whatever was wrong is forgotten."""
    dead = end_dead(end_unanswered(take_lease(BLANK, "me", NOW), NOW), NOW, "gone")
    assert end_posted(dead, NOW) == {**BLANK, "not_before": format_time(NOW + PACE)}


@pytest.mark.parametrize(
    ("asked", "pause"), [(0, PACE), (30, timedelta(seconds=30)), (3600, MAX_PAUSE), (10**9 - 1, MAX_PAUSE)]
)
def test_a_route_that_asks_to_wait_is_left_alone(asked: int, pause: timedelta) -> None:
    """As long as it says, within bounds."""
    assert find_free_time(end_throttled(take_lease(BLANK, "me", NOW), NOW, asked), NOW) == NOW + pause


def test_a_route_that_does_not_answer_is_asked_ever_less() -> None:
    """15 seconds, 30, a minute … and a quarter of an hour for ever; a refusal of one message ends that."""
    state, pauses = BLANK, []
    for _ in range(12):
        state = end_unanswered(state, NOW)
        pauses.append((find_free_time(state, NOW) - NOW).total_seconds())
    assert pauses == [15, 30, 60, 120, 240, 480, *[MAX_RETRY_PAUSE.total_seconds()] * 6]
    assert list_violations("route-state", state) == []
    assert end_refused(state, NOW)["failures"] == 0
    assert end_refused(state, NOW)["failing_since"] is None


def test_a_route_that_took_nothing_for_hours_is_dead() -> None:
    """Since then, and not anew at each further failure; before the first delivery is given up."""
    state = end_unanswered(BLANK, NOW)
    almost = end_throttled(state, NOW + DEATH_AFTER - PACE, 1)
    assert almost["dead_since"] is None
    dead = end_unanswered(almost, NOW + DEATH_AFTER)
    again = end_throttled(dead, NOW + 2 * DEATH_AFTER, 1)
    assert dead["dead_since"] == again["dead_since"] == format_time(NOW + DEATH_AFTER)
    assert dead["dead_reason"] == f"it took no message since {format_time(NOW)}"
    assert DEATH_AFTER + MAX_RETRY_PAUSE < DELIVERY_PATIENCE


def test_a_death_is_kept_as_it_was_first_said() -> None:
    """However often it is refused; cut to what is stored."""
    dead = end_dead(BLANK, NOW, "x" * 1000)
    again = end_dead(dead, NOW + MAX_PAUSE, "y")
    assert (again["dead_since"], again["dead_reason"]) == (format_time(NOW), "x" * 300)
    assert list_violations("route-state", again) == []


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_no_state_silences_a_route_for_long(not_before: datetime, held_until: datetime) -> None:
    """Whoever may have written it: what no sender would say counts for nothing."""
    state = {**BLANK, "not_before": format_time(not_before), "held_until": format_time(held_until)}
    free_at = find_free_time(state, NOW)  # type: ignore[arg-type]  # made of one
    assert NOW <= free_at <= NOW + MAX_PAUSE


def test_a_delivery_is_sent_anew_so_often_and_no_more() -> None:
    """Within 6 hours of waiting, even if its route is always about to be free: the chain has an end."""
    message, now, sends = _message(), NOW, 0
    while (waiting := build_waiting_message(message, now)) is not None:
        delay = compute_delay_seconds(message, now, now)
        assert delay >= 1 + min(message["attempt"] // 4, 30)
        now += timedelta(seconds=delay)
        message, sends = waiting, sends + 1
        assert list_violations("delivery-message", message) == []
    assert now - NOW < DELIVERY_PATIENCE + timedelta(seconds=91)
    assert sends < MOST_SENDS


@given(st.integers(0, 100_000), st.floats(-1e6, 1e6))
def test_a_delay_is_one_that_sqs_takes(attempt: int, seconds: float) -> None:
    """From one second to 15 minutes; a longer pause is waited for in several."""
    delay = compute_delay_seconds({**_message(), "attempt": attempt}, NOW, NOW + timedelta(seconds=seconds))
    assert 1 <= delay <= 900
    assert delay >= min(seconds, 900)


def test_a_dead_letter_may_be_moved_back() -> None:
    """It has all of its time again; so has what a fallback gets."""
    waited = build_waiting_message({**_message(), "unclear": 1}, NOW)
    assert waited is not None
    assert parse_time(waited["waiting_since"]) == NOW
    assert renew_message(waited) == _message()
    fallback = build_fallback_message(waited, "oncall")
    assert fallback == {**_message(), "route": "oncall", "instead_of": "ops"}
    assert list_violations("delivery-message", fallback) == []
