"""What a route has heard of a delivery, and so what is to be posted to it now."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from msgspec import Struct

from esx_drift.domain.deliveries import Delivery, identify_event
from esx_drift.domain.events import OPENING_TRANSITIONS, MessageContent, select_for_people
from esx_drift.domain.findings.kinds import OUTAGE_KINDS
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_death_receipt_id, make_state_key
from esx_drift.domain.stored.types import Event, Finding, Record
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import EsxDriftError
from esx_drift.messages.groups import build_group_content
from esx_drift.messages.message_data import find_place
from esx_drift.messages.route_lines import build_dead_route_notice
from esx_drift.notifying import call_in_parallel
from esx_drift.ports import Deliveries, RouteStates


class Post(Struct, frozen=True):
    """What is to be posted now, and the ``receipts`` that it leaves; ``rest`` says that more is to follow."""

    content: MessageContent
    receipts: tuple[str, ...]
    rest: bool = False


LOOKED_UP_AFTER: Final = timedelta(minutes=6)
"""Older than the longest window gathers (``NotifyWindowSeconds``, 5 minutes), an event is late: its end may
have been posted before it."""

MAX_LOOKED_UP: Final = 20
"""Of a late message about more clusters nothing is looked up: two reads each."""


class Receipts(Struct, frozen=True):
    """The receipts of deliveries, and the states of routes, some of which are dead.

    ``read_head`` reads the newest record of a log, by the key of its pointer; None if one of both is damaged.
    """

    deliveries: Deliveries
    routes: RouteStates
    read_head: Callable[[str], Record | None]

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
        closed_by = self._find_closed(shown, now)
        return Post(build_group_content(shown, now, closed_by), tuple(new)) if new else None

    def _find_closed(self, events: Sequence[Event], now: datetime) -> dict[str, Record]:
        """Find which late ones of ``events`` began what is not open ``now``, and by which record; by id."""
        late = [event for event in events if now - parse_time(event["data"]["checked_at"]) >= LOOKED_UP_AFTER]
        begun = {event["id"]: event for event in late if _list_opened(event)}
        logs = dict.fromkeys(map(_find_log, begun.values()))
        if not logs or len(logs) > MAX_LOOKED_UP:
            return {}
        heads = dict(zip(logs, call_in_parallel(self._read_head, logs), strict=True))
        found = {key: (event, heads[_find_log(event)]) for key, event in begun.items()}
        return {key: head for key, (event, head) in found.items() if head and _is_closed(event, head)}

    def _read_head(self, key: str) -> Record | None:
        try:
            return self.read_head(key)
        except EsxDriftError:
            # What began is posted all the same: only whether it is open still is not known.
            return None

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


def _find_log(event: Event) -> str:
    """Find the key of the pointer to the log that an event is of."""
    vcenter, cluster = find_place(event["data"])
    return make_state_key(vcenter, cluster or VCENTER_LOG)


def _list_opened(event: Event) -> list[Finding]:
    return [finding for finding in event["data"]["findings"] if finding["transition"] in OPENING_TRANSITIONS]


def _is_closed(event: Event, head: Record) -> bool:
    """Whether the newest record of the event's log, ``head``, holds open nothing of what began there.

    Not where a vCenter fails in another way by now, nor where hosts came or went, which no finding ends. A
    pointer may have been forged: what it leads to counts only if it is a later record of the same log.
    """
    data, still_open = event["data"], head["after"]["findings"]
    vcenter, cluster = find_place(data)
    is_later = head["checked_at"] > data["checked_at"] and not data["truncated"]
    is_of_log = (head["vcenter"], head["cluster"]) == (vcenter, cluster or VCENTER_LOG)
    fails = any(finding["kind"] in OUTAGE_KINDS for finding in still_open.values())
    has_moved = any(change["element"] == "host" for change in data["changes"])
    opened = (finding["fingerprint"] for finding in _list_opened(event))
    return is_later and is_of_log and not fails and not has_moved and still_open.keys().isdisjoint(opened)
