"""What a route has heard of a delivery, and so what is to be posted to it now."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from esx_drift.domain.deliveries import Delivery, identify_event
from esx_drift.domain.events import MessageContent, select_for_people
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.stored.identifiers import make_death_receipt_id
from esx_drift.domain.stored.types import Event
from esx_drift.messages.groups import build_group_content
from esx_drift.messages.route_lines import build_dead_route_notice
from esx_drift.notifying import call_in_parallel
from esx_drift.ports import Deliveries, RouteStates


@dataclass(frozen=True, slots=True)
class Post:
    """What is to be posted now, and the ``receipts`` that it leaves; ``rest`` says that more is to follow."""

    content: MessageContent
    receipts: tuple[str, ...]
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of deliveries, and the states of routes, some of which are dead."""

    deliveries: Deliveries
    routes: RouteStates

    def find_post(self, route: str, dead: Route | None, delivery: Delivery, now: datetime) -> Post | None:
        """Find what is to be posted; None if the route has heard it all.

        Args:
            route: The name of the route that hears it.
            dead: The route in whose place it hears; None: it is the delivery's own.
            delivery: What it is about. An event that the route has heard in another delivery is left out.
            now: The time.
        """
        news = self._find_news(route, dead, delivery) if dead else None
        if news is not None:
            return news
        events = {identify_event(event): event for event in delivery["events"]}
        heard = call_in_parallel(lambda receipt: self.deliveries.delivered(receipt, route), events)
        new = [receipt for receipt, is_heard in zip(events, heard, strict=True) if not is_heard]
        shown = [_select_shown(events[receipt]) for receipt in new]
        return Post(build_group_content(shown, now), tuple(new)) if new else None

    def record(self, route: str, post: Post, at: datetime) -> None:
        """Record that ``route`` was posted ``post`` at the time ``at``."""
        call_in_parallel(partial(self._record_one, route, at), post.receipts)

    def _record_one(self, route: str, at: datetime, receipt: str) -> None:
        self.deliveries.record(receipt, route, at)

    def _find_news(self, route: str, dead: Route, delivery: Delivery) -> Post | None:
        """Find what a fallback hears once, before all else: which route is dead, and why."""
        state = self.routes.read(dead).state
        since, reason = state["dead_since"], state["dead_reason"]
        if since is None or reason is None:
            return None
        receipt = make_death_receipt_id(dead.name, since)
        if self.deliveries.delivered(receipt, route):
            return None
        notice = build_dead_route_notice(delivery["events"][0]["data"], dead.name, since, reason)
        return Post(notice, (receipt,), rest=True)


def _select_shown(event: Event) -> Event:
    """Select what people are told of an event: what was sent here has something of that."""
    return {**event, "data": select_for_people(event["data"]) or event["data"]}
