"""The sender's job: one delivery, posted once to its route, or sent anew until the route may be asked."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from esx_drift.domain.deliveries import (
    BUSY_PAUSE,
    MAX_UNCLEAR_POSTS,
    Delivery,
    DeliveryMessage,
    RouteState,
    build_fallback_message,
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
from esx_drift.domain.fleet.fleet import Fleet, Route
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import (
    EsxDriftError,
    MessageRefused,
    RequestRefused,
    SecretInvalid,
    SecretUnavailable,
    StoreConflict,
    WebhookRefused,
    WebhookThrottled,
    WebhookUnavailable,
    WebhookUnclear,
)
from esx_drift.notifying.receipts import Post, Receipts
from esx_drift.ports import Channel, Deliveries, DeliveryQueue, RouteStates
from esx_drift.unforeseen import hold_unforeseen

type SendOutcome = Literal["posted", "repeated", "waits", "parked"]

GONE_REASON = "route-gone"
GIVEN_UP_REASON = "given-up"

MISSED_TURNS_TOLD_AFTER: Final = timedelta(minutes=30)
"""A post takes seconds: who finds the turn free for so long, and never gets it, waits for no other one."""


class SendResult(Struct, frozen=True):
    """What became of a delivery, for the log: where it waits or failed, ``reason`` and ``why`` say the cause.

    ``posted`` counts the receipts of what was posted now; ``delay_seconds`` is how long it waits.
    """

    outcome: SendOutcome
    reason: str = ""
    why: str = ""
    posted: int = 0
    delay_seconds: int = 0

    @property
    def is_failure(self) -> bool:
        """Whether something is wrong: a route that asked to wait is no failure."""
        return self.reason not in {"", WebhookThrottled.reason}


class _Lease(Struct, frozen=True):
    """The lease to post to a route: the state that says so, and its ETag."""

    route: Route
    state: RouteState
    etag: str


class Sender(Struct, frozen=True):
    """The job, wired to the world. ``holder`` names this invocation where it takes the lease."""

    fleet: Fleet
    channels: Mapping[str, Channel]
    receipts: Receipts
    deliveries: Deliveries
    routes: RouteStates
    queue: DeliveryQueue
    clock: Callable[[], datetime]
    holder: str

    def send(self, message: DeliveryMessage) -> SendResult:
        """Post a delivery, or put it off, or give it up.

        Receipts are written after the post: a crash in between repeats a message, and none is lost.

        Raises:
            RequestRefused: The message is forged, or the delivery is not what it says.
            TransientError: AWS failed, or a bug; the message comes again.
        """
        route = self.fleet.find_route(message["route"])
        if route is None:
            return self._park(message, GONE_REASON, f"the fleet file has no route {message['route']}")
        dead = self._find_dead(message)
        stored, now = self.routes.read(route), self.clock()
        free_at = find_free_time(stored.state, now)
        if free_at > now:
            return self._wait(message, route, free_at)
        delivery = self._read_delivery(message)
        state = take_lease(stored.state, self.holder, now)
        etag = self.routes.write(route, state, stored.etag)
        if etag is None:
            return self._wait(message, route, now + BUSY_PAUSE, _find_missed_turns(message, now))
        lease = _Lease(route, state, etag)
        try:
            with hold_unforeseen(f"the delivery to the route {route.name}"):
                return self._use_lease(lease, message, delivery, dead)
        except EsxDriftError:
            self._end(lease, release_lease(state))
            raise

    def _find_dead(self, message: DeliveryMessage) -> Route | None:
        """Find the dead route in whose place another is to hear, which the fleet file must say; else None."""
        if "instead_of" not in message:
            return None
        dead = self.fleet.find_route(message["instead_of"])
        if dead is None or dead.fallback != message["route"]:
            raise RequestRefused(f"{message['route']} is no fallback of {message['instead_of']}")
        return dead

    def _read_delivery(self, message: DeliveryMessage) -> Delivery:
        made_for = message.get("instead_of", message["route"])
        return self.deliveries.read_delivery(made_for, message["delivery_id"], message["sha256"])

    def _use_lease(
        self, lease: _Lease, message: DeliveryMessage, delivery: Delivery, dead: Route | None
    ) -> SendResult:
        post = self.receipts.find_post(lease.route.name, dead, delivery, self.clock())
        if post is None:
            self._end(lease, release_lease(lease.state))
            return SendResult("repeated")
        try:
            self.channels[lease.route.channel].post(lease.route.secret, post.content)
        except (WebhookThrottled, WebhookUnavailable, SecretUnavailable) as error:
            return self._put_off(lease, message, error)
        except WebhookUnclear as error:
            return self._count_unclear(lease, message, error)
        except MessageRefused as error:
            self._end(lease, end_refused(lease.state, self.clock()))
            return self._park(message, error.reason, error.message)
        except (WebhookRefused, SecretInvalid) as error:
            self._end(lease, end_dead(lease.state, self.clock(), error.message))
            return self._give_up(lease.route, message, error.reason, error.message)
        return self._confirm(lease, message, post)

    def _confirm(self, lease: _Lease, message: DeliveryMessage, post: Post) -> SendResult:
        now = self.clock()
        self.receipts.record(lease.route.name, post, now)
        self._end(lease, end_posted(lease.state, now))
        if post.rest:
            self.queue.send_delivery(message, 1)
        return SendResult("posted", posted=len(post.receipts))

    def _put_off(self, lease: _Lease, message: DeliveryMessage, error: EsxDriftError) -> SendResult:
        """Let the route alone for a while: all its deliveries wait."""
        now = self.clock()
        if isinstance(error, WebhookThrottled):
            ended = end_throttled(lease.state, now, error.retry_after_seconds)
        else:
            ended = end_unanswered(lease.state, now)
        self._end(lease, ended)
        return self._wait(message, lease.route, find_free_time(ended, now), error)

    def _count_unclear(self, lease: _Lease, message: DeliveryMessage, error: EsxDriftError) -> SendResult:
        now, unclear = self.clock(), message.get("unclear", 0) + 1
        ended = end_unanswered(lease.state, now)
        self._end(lease, ended)
        if unclear >= MAX_UNCLEAR_POSTS:
            return self._park(message, error.reason, error.message)
        counted: DeliveryMessage = {**message, "unclear": unclear}
        return self._wait(counted, lease.route, find_free_time(ended, now), error)

    def _wait(
        self, message: DeliveryMessage, route: Route, free_at: datetime, error: EsxDriftError | None = None
    ) -> SendResult:
        """Send a message anew, to come when its route may be asked: so no receive is counted for it."""
        now = self.clock()
        waiting = build_waiting_message(message, now)
        if waiting is None:
            why = f"{route.name} took no message since {message['waiting_since']}"
            return self._give_up(route, message, GIVEN_UP_REASON, why)
        delay_seconds = compute_delay_seconds(message, now, free_at)
        self.queue.send_delivery(waiting, delay_seconds)
        reason, why = (error.reason, error.message) if error else ("", "")
        return SendResult("waits", reason, why, delay_seconds=delay_seconds)

    def _give_up(self, route: Route, message: DeliveryMessage, reason: str, why: str) -> SendResult:
        """Park a delivery, and let the route's fallback have it; a fallback's own is passed on no further."""
        if route.fallback is not None and "instead_of" not in message:
            self.queue.send_delivery(build_fallback_message(message, route.fallback), 0)
        return self._park(message, reason, why)

    def _park(self, message: DeliveryMessage, reason: str, why: str) -> SendResult:
        self.queue.park_delivery(renew_message(message), reason, why)
        return SendResult("parked", reason, why)

    def _end(self, lease: _Lease, state: RouteState) -> None:
        """End a lease; one that another has taken since is that one's to end."""
        self.routes.write(lease.route, state, lease.etag)


def _find_missed_turns(message: DeliveryMessage, now: datetime) -> StoreConflict | None:
    """Find that others had the turn for so long that something is wrong; None while that is no wonder."""
    since = message.get("waiting_since")
    if since is None or now - parse_time(since) < MISSED_TURNS_TOLD_AFTER:
        return None
    return StoreConflict(f"others had the turn to post to {message['route']} each time since {since}")
