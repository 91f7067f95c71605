"""Messages to a route: what is kept of one, when the route may be asked again, and when one is given up.

A webhook has a state, so that all its deliveries know of each other, of whichever route they are: one sender
at a time has the lease to post, and a webhook that asked to wait is left alone by all. Whatever waits is sent
anew with a delay: no receive of the queue is counted for it.

Longer than 250 lines, because what is stored stands beside the rules that move it.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NotRequired, TypedDict

from esx_drift.domain.stored.identifiers import compute_digest, make_delivery_id, make_receipt_id
from esx_drift.domain.stored.types import Event
from esx_drift.domain.text.times import format_time, parse_time

DELIVERY_PATIENCE: Final = timedelta(hours=6)
"""How long a delivery is tried, from its first wait on. One that a person moved back has all of it again."""

DEATH_AFTER: Final = timedelta(hours=5, minutes=30)
"""A route that took nothing for so long is dead: before the first delivery is given up."""

LEASE_LENGTH: Final = timedelta(seconds=60)
"""Longer than a sender lives (its Timeout in the template): whoever has a lease that is over is dead."""

PACE: Final = timedelta(seconds=1)
"""Between two posts: https://docs.slack.dev/apis/web-api/rate-limits, one message a second a webhook."""

MAX_FAILURES: Final = 10
FIRST_PAUSE: Final = timedelta(seconds=15)
MAX_RETRY_PAUSE: Final = timedelta(minutes=15)
"""After a route did not answer: at first so long, each time twice as long, and never longer than that. Ten
failures are all that is counted, which doubles far beyond it."""

MAX_PAUSE: Final = timedelta(hours=1)
"""A route that asks to wait longer is asked again after an hour; a state that says more was not made here."""

BUSY_PAUSE: Final = timedelta(seconds=2)
"""How long whoever met another one's lease waits: a post takes less."""

MAX_LONGER_SECONDS: Final = 30
WAITS_A_SECOND: Final = 4
"""Four waits make the next one a second longer, up to 30: a chain of them has an end."""

LEAST_SPREAD_SECONDS, MORE_SPREAD_SECONDS, MAX_SPREAD_SECONDS = 2, 4, 60
"""By chance a wait is up to 2 seconds longer, 4 more each time: of many that wait for one route not all ask
at once. Played, 20 of them are posted within 27 seconds, by 74 messages in all."""

MAX_DELIVERY_DELAY_SECONDS: Final = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""

MAX_UNCLEAR_POSTS: Final = 2
"""An answer that nobody knows may be a yes: a third post might be the third message that people read."""

MAX_DEATH_CHARACTERS: Final = 300


class Delivery(TypedDict):
    """One message to one route, in the AuditBucket: the events that it tells."""

    schema_version: int
    delivery_id: str
    route: str
    created_at: str
    kind: Literal["events"]
    events: list[Event]


class DeliveryMessage(TypedDict):
    """A message of the DeliveryQueue: which delivery is to be posted, and how often it was sent anew.

    ``sha256`` is that of the delivery's bytes; ``waiting_since`` when it first had to wait; ``unclear`` how
    many answers to it nobody understood; ``instead_of`` the route whose fallback ``route`` is.
    """

    schema_version: int
    delivery_id: str
    route: str
    sha256: str
    attempt: int
    created_at: str
    waiting_since: NotRequired[str]
    unclear: NotRequired[int]
    instead_of: NotRequired[str]


class RouteState(TypedDict):
    """``routes/<channel>/<secret>.json`` in the StateBucket: who may post, and how it answered last.

    Routes of one secret share it, as they share the webhook. ``route`` is whose delivery came last.
    """

    schema_version: int
    route: str
    not_before: str | None
    holder: str | None
    held_until: str | None
    failures: int
    failing_since: str | None
    dead_since: str | None
    dead_reason: str | None


def identify_event(event: Event) -> str:
    """Identify an event in receipts: by its id and its digest."""
    return make_receipt_id(event["id"], compute_digest(event))


def build_event_delivery(route: str, events: Sequence[Event], now: datetime) -> Delivery:
    """Build the delivery of ``events`` to ``route``, made at ``now``; the same events have the same id."""
    return {
        "schema_version": 1,
        "delivery_id": make_delivery_id(route, sorted(map(identify_event, events))),
        "route": route,
        "created_at": format_time(now),
        "kind": "events",
        "events": list(events),
    }


def build_delivery_message(delivery: Delivery, sha256: str) -> DeliveryMessage:
    """Build the message that has ``delivery`` posted; ``sha256`` is that of its stored bytes."""
    return {
        "schema_version": 1,
        "delivery_id": delivery["delivery_id"],
        "route": delivery["route"],
        "sha256": sha256,
        "attempt": 0,
        "created_at": delivery["created_at"],
    }


def build_fallback_message(message: DeliveryMessage, fallback: str) -> DeliveryMessage:
    """Build the message that has the delivery of ``message`` posted to the route ``fallback`` instead."""
    return {**renew_message(message), "route": fallback, "instead_of": message["route"]}


def renew_message(message: DeliveryMessage) -> DeliveryMessage:
    """Make a message as it was before it was tried: so it lies among the dead letters, to be moved back."""
    renewed: DeliveryMessage = {**message, "attempt": 0}
    renewed.pop("waiting_since", None)
    renewed.pop("unclear", None)
    return renewed


def build_waiting_message(message: DeliveryMessage, now: datetime) -> DeliveryMessage | None:
    """Build the message that waits in place of ``message``; None if at ``now`` it has waited long enough."""
    since = message.get("waiting_since", format_time(now))
    if now - parse_time(since) >= DELIVERY_PATIENCE:
        return None
    return {**message, "attempt": message["attempt"] + 1, "waiting_since": since}


def compute_delay_seconds(message: DeliveryMessage, now: datetime, free_at: datetime) -> int:
    """Compute for how many seconds a message waits.

    Args:
        message: The message, as it came.
        now: The time.
        free_at: When its route may be asked again.
    """
    attempt = message["attempt"]
    longer = min(attempt // WAITS_A_SECOND, MAX_LONGER_SECONDS)
    spread = min(LEAST_SPREAD_SECONDS + MORE_SPREAD_SECONDS * attempt, MAX_SPREAD_SECONDS)
    chance = int(compute_digest([message["delivery_id"], attempt])[:8], 16) % (spread + 1)
    wait = math.ceil((free_at - now).total_seconds())
    return min(max(wait, 1) + longer + chance, MAX_DELIVERY_DELAY_SECONDS)


def build_route_state(route: str) -> RouteState:
    """Build the state of a route of which nothing is known."""
    return {
        "schema_version": 1,
        "route": route,
        "not_before": None,
        "holder": None,
        "held_until": None,
        "failures": 0,
        "failing_since": None,
        "dead_since": None,
        "dead_reason": None,
    }


def find_free_time(state: RouteState, now: datetime) -> datetime:
    """Find when a route may be asked, as seen at ``now``: at once, if nothing in its ``state`` is against it.

    Leases and pauses that end later than any that is given are void: a forged state silences no route.
    """
    free_at = now
    if state["not_before"] is not None and now < parse_time(state["not_before"]) <= now + MAX_PAUSE:
        free_at = parse_time(state["not_before"])
    if state["held_until"] is not None and now < parse_time(state["held_until"]) <= now + LEASE_LENGTH:
        free_at = max(free_at, now + BUSY_PAUSE)
    return free_at


def take_lease(state: RouteState, holder: str, now: datetime) -> RouteState:
    """Give the lease to ``holder`` from ``now`` on; ``state`` is the route's before."""
    return {**state, "holder": holder, "held_until": format_time(now + LEASE_LENGTH)}


def release_lease(state: RouteState) -> RouteState:
    """End a lease in which nothing was posted."""
    return {**state, "holder": None, "held_until": None}


def end_posted(state: RouteState, now: datetime) -> RouteState:
    """End a lease, ``state``, in which the route took a message at ``now``: whatever was wrong is over."""
    return {**build_route_state(state["route"]), "not_before": format_time(now + PACE)}


def end_throttled(state: RouteState, now: datetime, seconds: int) -> RouteState:
    """End a lease, ``state``, in which the route asked at ``now`` to wait for so many ``seconds``."""
    pause = min(max(timedelta(seconds=min(seconds, MAX_PAUSE.seconds)), PACE), MAX_PAUSE)
    return _fail(state, now, pause)


def end_unanswered(state: RouteState, now: datetime) -> RouteState:
    """End a lease, ``state``, in which the route gave no answer at ``now``, or one that may pass."""
    pause = min(FIRST_PAUSE * 2 ** state["failures"], MAX_RETRY_PAUSE)
    return {**_fail(state, now, pause), "failures": min(state["failures"] + 1, MAX_FAILURES)}


def end_refused(state: RouteState, now: datetime) -> RouteState:
    """End a lease, ``state``, in which the route refused one message at ``now``, and may take the next."""
    answered: RouteState = {**release_lease(state), "failures": 0, "failing_since": None}
    return {**answered, "not_before": format_time(now + PACE)}


def end_dead(state: RouteState, now: datetime, reason: str) -> RouteState:
    """End a lease, ``state``, in which the route turned out to be dead at ``now``, for ``reason``.

    That it was dead before is kept: it is told once.
    """
    return _bury(end_refused(state, now), now, reason)


def _bury(state: RouteState, now: datetime, reason: str) -> RouteState:
    since = state["dead_since"] or format_time(now)
    return {
        **state,
        "dead_since": since,
        "dead_reason": state["dead_reason"] or reason[:MAX_DEATH_CHARACTERS],
    }


def _fail(state: RouteState, now: datetime, pause: timedelta) -> RouteState:
    since = state["failing_since"] or format_time(now)
    failed: RouteState = {
        **release_lease(state),
        "failing_since": since,
        "not_before": format_time(now + pause),
    }
    is_dead = now - parse_time(since) >= DEATH_AFTER
    return _bury(failed, now, f"it took no message since {since}") if is_dead else failed
