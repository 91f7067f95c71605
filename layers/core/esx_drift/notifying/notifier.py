"""The notifier's job: a window's events, as their records hold them, become a few messages to each route."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from esx_drift.contracts import parse_sent_json, require_valid
from esx_drift.domain.deliveries import (
    Delivery,
    build_delivery_message,
    build_event_delivery,
    identify_event,
)
from esx_drift.domain.events import DATA_SCHEMA, MAINTENANCE_ENDED, list_moved_kinds, select_for_people
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import Event, EventData
from esx_drift.errors import ContractViolation, EsxDriftError, RequestRefused
from esx_drift.messages.content import is_for_chat
from esx_drift.messages.groups import group_events, part_windows
from esx_drift.notifying import call_in_parallel
from esx_drift.ports import Deliveries, DeliveryQueue
from esx_drift.unforeseen import hold_unforeseen


@dataclass(slots=True)
class NotifyResult:
    """What became of a message: its event (None: not for people), the routes it goes to, what failed."""

    event: Event | None = None
    routes: list[str] = field(default_factory=list)
    error: EsxDriftError | None = None


NEWER_SCHEMA = re.compile(rf"{re.escape(DATA_SCHEMA.removesuffix('1'))}([2-9]|[1-9][0-9]+)")
"""What an event of a later version than this one says that its data is."""


def parse_event(body: str) -> Event | None:
    """Parse the event that a message holds; None for one that people do not receive.

    That is an event of a type that has no message, or of a schema that is newer than this version: both are
    for others, and no fault.

    Raises:
        ContractViolation: The message is no event, or breaks the event's schema.
    """
    # Half of a character becomes bytes that are no text, and is refused as such. The record is parsed in the
    # same way, so that the same event has the same digest in both.
    event = parse_sent_json(body.encode("utf-8", "surrogatepass"))
    event_type = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event_type, str):
        raise ContractViolation("the message is not a CloudEvent")
    data_schema = cast("dict[str, object]", event).get("dataschema")
    is_newer = isinstance(data_schema, str) and NEWER_SCHEMA.fullmatch(data_schema)
    if is_newer or not is_for_chat(event_type):
        return None
    require_valid("event", event)
    return cast("Event", event)


RECORD_ADDRESS = re.compile(
    r"s3://([^/]+)/"
    r"(records/vcenter=[^/]+/cluster=[^/]+/[0-9]{10}\.json|reports/[a-z-]+/[0-9a-f-]{36}\.json)"
)
"""A bucket, and the key of a record of a check, or of a report, in it."""


@dataclass(frozen=True, slots=True)
class PublishedEvents:
    """Holds messages to the records of checks. Whoever may publish to the topic can't write records.

    ``bucket`` is the AuditBucket's name; ``read`` gives the bytes under a key in it, or None.
    """

    bucket: str
    read: Callable[[str], bytes | None]

    def list_refusals(self, events: Sequence[Event]) -> list[EsxDriftError | None]:
        """List, for each of the events, why it must not be posted; None if its record holds that very event.

        ``RequestRefused`` says that it was forged or altered; what else stands there, that its record can't
        be read now. Each record is read once, several at a time.
        """
        keys = sorted({key for event in events if (key := self._find_key(event)) is not None})
        held = dict(zip(keys, call_in_parallel(self._read_digests, keys), strict=True))
        return [self._find_refusal(event, held) for event in events]

    def _find_key(self, event: Event) -> str | None:
        place = RECORD_ADDRESS.fullmatch(event["data"]["record"] or "")
        return place[2] if place is not None and place[1] == self.bucket else None

    def _read_digests(self, key: str) -> list[str] | EsxDriftError | None:
        try:
            with hold_unforeseen(f"the reading of {key}"):
                body = self.read(key)
                return None if body is None else _list_digests(body)
        except EsxDriftError as error:
            return error

    def _find_refusal(
        self, event: Event, held: Mapping[str, list[str] | EsxDriftError | None]
    ) -> EsxDriftError | None:
        key = self._find_key(event)
        if key is None:
            return RequestRefused(f"event {event['id']} names no record of ours: {event['data']['record']!r}")
        digests = held[key]
        if digests is None:
            # A record is written before its events are published, and S3 shows it from then on.
            return RequestRefused(f"event {event['id']} names a record that is not there: {key}")
        if isinstance(digests, EsxDriftError):
            return digests
        if compute_digest(event) not in digests:
            return RequestRefused(f"event {event['id']} is not in {key} as the message has it")
        return None


def _list_digests(record: bytes) -> list[str]:
    try:
        parsed = parse_sent_json(record)
    except ContractViolation:
        return []
    events = parsed.get("events") if isinstance(parsed, dict) else None
    return [compute_digest(event) for event in events] if isinstance(events, list) else []


def _list_messages(events: Sequence[Event]) -> list[Sequence[Event]]:
    """List what is told by a message each: a report by one of its own, all else by what happened.

    Maintenance that ends on many clusters is one thing, and told last; where it leaves something open, the
    two are one message.
    """
    windows, others = part_windows(events)
    ends = [event for event in others if event["type"] == MAINTENANCE_ENDED]
    reports = [[event] for event in others if "report" in event["data"] and event not in ends]
    groups = group_events([event for event in others if "report" not in event["data"]])
    return [*(group.events for group in groups), *reports, *filter(None, (windows, ends))]


def send_delivery(delivery: Delivery, deliveries: Deliveries, queue: DeliveryQueue) -> None:
    """Keep ``delivery`` among the ``deliveries``, then have it posted by way of the ``queue``.

    Raises:
        StoreUnavailable, StoreConflict, QueueUnavailable: It is not sure that it will be posted.
    """
    queue.send_delivery(build_delivery_message(delivery, deliveries.put_delivery(delivery)), 0)


@dataclass(frozen=True, slots=True)
class Notifier:
    """The job, wired to a fleet's routes, the records that vouch for events, and what is sent to routes."""

    fleet: Fleet
    events: PublishedEvents
    deliveries: Deliveries
    queue: DeliveryQueue
    clock: Callable[[], datetime]

    def notify(self, bodies: Mapping[str, str]) -> dict[str, NotifyResult]:
        """Send what the messages of one window tell to each route that hears it, in a few deliveries.

        What is marked as suppressed counts for nothing; an event of nothing else goes to no route. A message
        that failed at one route comes again, and those that were told are told by their receipts.

        Args:
            bodies: The messages, by their ids.

        Returns:
            What became of each; ``RequestRefused`` stands there for an event that its record does not hold.
        """
        results = {message: self._parse(body) for message, body in bodies.items()}
        held: dict[str, list[NotifyResult]] = {}
        parsed = [result for result in results.values() if result.event is not None]
        events = [cast("Event", result.event) for result in parsed]
        for result, event, refusal in zip(parsed, events, self.events.list_refusals(events), strict=True):
            result.error = refusal
            if refusal is None:
                held.setdefault(identify_event(event), []).append(result)
        heard = self._list_heard([cast("Event", same[0].event) for same in held.values()])
        for route, its_events in heard:
            error = self._tell(route, its_events)
            for event in its_events:
                for result in held[identify_event(event)]:
                    result.routes += [route]
                    result.error = result.error or error
        return results

    def _parse(self, body: str) -> NotifyResult:
        try:
            with hold_unforeseen("the reading of a message"):
                return NotifyResult(parse_event(body))
        except EsxDriftError as error:
            return NotifyResult(error=error)

    def _list_heard(self, events: Sequence[Event]) -> list[tuple[str, list[Event]]]:
        """List which of the events each route hears, but for those that hear none, in the file's order.

        Of routes that share a webhook the first one hears an event: people would read it twice.
        """
        heard: dict[str, list[Event]] = {route.name: [] for route in self.fleet.routes}
        for event in events:
            data = select_for_people(event["data"])
            selected = self._select_routes(event["type"], data) if data is not None else ()
            webhooks = {(route.channel, route.secret): route for route in reversed(selected)}
            for route in webhooks.values():
                heard[route.name].append(event)
        return [(route, its_events) for route, its_events in heard.items() if its_events]

    def _tell(self, route: str, events: Sequence[Event]) -> EsxDriftError | None:
        """Send a route its messages; what went wrong there is no other route's matter."""
        try:
            with hold_unforeseen(f"the messages to the route {route}"):
                for several in _list_messages(events):
                    delivery = build_event_delivery(route, several, self.clock())
                    send_delivery(delivery, self.deliveries, self.queue)
        except EsxDriftError as error:
            return error
        return None

    def _select_routes(self, event_type: str, data: EventData) -> tuple[Route, ...]:
        cluster, report = data["cluster"], data.get("report", {})
        if "route" in report:
            return tuple(route for route in self.fleet.routes if route.name == report["route"])
        return select_routes(
            self.fleet,
            event_type.split(".")[1],
            data["severity"],
            data["vcenter"],
            cluster["id"] if cluster else None,
            cluster["name"] if cluster else None,
            list_moved_kinds(data),
        )
