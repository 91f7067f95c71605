"""The notifier's job: a window's events, as their records hold them, become a few messages to each route.

Longer than 250 lines, because the record that vouches for an event also says what one message tells with it.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from msgspec import Struct, field

from esx_drift.contracts import parse_sent_json, require_valid
from esx_drift.domain.deliveries import (
    Delivery,
    build_delivery_message,
    build_event_delivery,
    identify_event,
)
from esx_drift.domain.events import (
    DATA_SCHEMA,
    MAINTENANCE_ENDED,
    MAINTENANCE_STARTED,
    list_moved_kinds,
    select_for_people,
)
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import Event, EventData, Json
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import ContractViolation, EsxDriftError, RequestRefused
from esx_drift.messages.content import is_for_chat
from esx_drift.messages.groups import group_events, part_windows
from esx_drift.notifying import call_in_parallel
from esx_drift.ports import Deliveries, DeliveryQueue
from esx_drift.unforeseen import hold_unforeseen


class NotifyResult(Struct):
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
    return _require_event(parse_sent_json(body.encode("utf-8", "surrogatepass")))


def _require_event(event: object) -> Event | None:
    """The same of what is no text any more."""
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


class PublishedEvents(Struct, frozen=True):
    """Holds messages to the records of checks. Whoever may publish to the topic can't write records.

    ``bucket`` is the AuditBucket's name; ``read`` gives the bytes under a key in it, or None.
    """

    bucket: str
    read: Callable[[str], bytes | None]

    def list_joined(self, events: Sequence[Event]) -> list[tuple[Event, ...] | EsxDriftError]:
        """List, for each of the events, those of its record that one message tells; or why it is not posted.

        That is the event alone, but for the end of maintenance and what that leaves open. ``RequestRefused``
        says that it was forged or altered, since its record does not hold that very event; any other error,
        that its record can't be read now. Each record is read once, several at a time.
        """
        keys = sorted({key for event in events if (key := self._find_key(event)) is not None})
        held = dict(zip(keys, call_in_parallel(self._read_events, keys), strict=True))
        return [self._find_joined(event, held) for event in events]

    def _find_key(self, event: Event) -> str | None:
        place = RECORD_ADDRESS.fullmatch(event["data"]["record"] or "")
        return place[2] if place is not None and place[1] == self.bucket else None

    def _read_events(self, key: str) -> "_HeldEvents | EsxDriftError | None":
        try:
            with hold_unforeseen(f"the reading of {key}"):
                body = self.read(key)
                return None if body is None else _HeldEvents.of_record(body)
        except EsxDriftError as error:
            return error

    def _find_joined(
        self, event: Event, held: Mapping[str, "_HeldEvents | EsxDriftError | None"]
    ) -> tuple[Event, ...] | EsxDriftError:
        key = self._find_key(event)
        if key is None:
            return RequestRefused(f"event {event['id']} names no record of ours: {event['data']['record']!r}")
        found = held[key]
        if found is None:
            # A record is written before its events are published, and S3 shows it from then on.
            return RequestRefused(f"event {event['id']} names a record that is not there: {key}")
        if isinstance(found, EsxDriftError):
            return found
        if compute_digest(event) not in found.digests:
            return RequestRefused(f"event {event['id']} is not in {key} as the message has it")
        return found.joined if event in found.joined else (event,)


class _HeldEvents(Struct, frozen=True):
    """The digests of the events that a record holds, and those of them that one message tells together."""

    digests: frozenset[str]
    joined: tuple[Event, ...] = ()

    @classmethod
    def of_record(cls, record: bytes) -> "_HeldEvents":
        """Those of a stored ``record``; of what is none, no event."""
        try:
            parsed = parse_sent_json(record)
            events = parsed.get("events") if isinstance(parsed, dict) else None
            held: list[Json] = events if isinstance(events, list) else []
            return cls(frozenset(map(compute_digest, held)), _select_joined(held))
        except ContractViolation:
            return cls(frozenset())


def _select_joined(held: Sequence[Json]) -> tuple[Event, ...]:
    """Select the end of maintenance and what it leaves open: most records have none, and cost nothing."""
    if not any(isinstance(event, dict) and event.get("type") == MAINTENANCE_ENDED for event in held):
        return ()
    try:
        events = [*filter(None, map(_require_event, held))]
    except ContractViolation:
        # What can be read of it is told, each event by itself.
        return ()
    return tuple(part_windows(events)[0])


def _list_messages(events: Sequence[Event]) -> list[Sequence[Event]]:
    """List what is told by a message each: a report by one of its own, all else by what happened.

    Maintenance that one person begins on many clusters for one reason is one thing. So is maintenance that
    ends on many clusters, which is told last; where it leaves something open, the two are one message.
    """
    windows, others = part_windows(events)
    ends = [event for event in others if event["type"] == MAINTENANCE_ENDED]
    starts: dict[Hashable, list[Event]] = {}
    for event in others:
        if event["type"] == MAINTENANCE_STARTED:
            starts.setdefault(_describe_start(event), []).append(event)
    alone = [event for event in others if event["type"] not in {MAINTENANCE_STARTED, MAINTENANCE_ENDED}]
    reports = [[event] for event in alone if "report" in event["data"]]
    groups = group_events([event for event in others if "report" not in event["data"]])
    return [*(group.events for group in groups), *starts.values(), *reports, *filter(None, (windows, ends))]


def _describe_start(event: Event) -> Hashable:
    """Describe who began maintenance, when, why and for how long: the same for all clusters of a command."""
    window = cast("Any", event["data"])["report"]["window"]
    length = parse_time(window["to"]) - parse_time(window["from"])
    # One command takes seconds. Where it meets a full hour it is told in two messages, and nothing is wrong.
    hour = window["from"].partition(":")[0]
    return window["by"], window["reason"], hour, length, window["accept"]


def send_delivery(delivery: Delivery, deliveries: Deliveries, queue: DeliveryQueue) -> None:
    """Keep ``delivery`` among the ``deliveries``, then have it posted by way of the ``queue``.

    Raises:
        StoreUnavailable, StoreConflict, QueueUnavailable: It is not sure that it will be posted.
    """
    queue.send_delivery(build_delivery_message(delivery, deliveries.put_delivery(delivery)), 0)


class Notifier(Struct, frozen=True):
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
        joined: dict[str, tuple[Event, ...]] = {}
        for result, event, found in zip(parsed, events, self.events.list_joined(events), strict=True):
            if isinstance(found, EsxDriftError):
                result.error = found
                continue
            key = identify_event(event)
            held.setdefault(key, []).append(result)
            joined[key] = found
        for route, its_events in self._list_heard(joined):
            error = self._tell(route, [*its_events.values()])
            for key in its_events:
                # What was joined to an event of this batch may come in another one.
                for result in held.get(key, ()):
                    result.routes += [route]
                    result.error = result.error or error
        return results

    def _parse(self, body: str) -> NotifyResult:
        try:
            with hold_unforeseen("the reading of a message"):
                return NotifyResult(parse_event(body))
        except EsxDriftError as error:
            return NotifyResult(error=error)

    def _list_heard(self, joined: Mapping[str, Sequence[Event]]) -> list[tuple[str, dict[str, Event]]]:
        """List what each route hears, but for those that hear nothing, in the file's order.

        Args:
            joined: The events that one message tells with each event of the batch, by that one's key.

        Returns:
            The events by their keys. What is joined is heard with what came, so that it is the same message
            whichever of both came, and in whatever batch.
        """
        heard: dict[str, dict[str, Event]] = {route.name: {} for route in self.fleet.routes}
        for key, events in joined.items():
            for route, its_events in self._share(events):
                if key in its_events:
                    heard[route] |= its_events
        return [(route, its_events) for route, its_events in heard.items() if its_events]

    def _share(self, events: Sequence[Event]) -> Iterable[tuple[str, dict[str, Event]]]:
        """Share out the events of one message: which route hears which of them, by their keys.

        Of routes that share a webhook the first one hears it all: people would read it twice.
        """
        hearing = [(identify_event(event), event, self._list_hearing(event)) for event in events]
        shares: dict[tuple[str, str], tuple[str, dict[str, Event]]] = {}
        for route in self.fleet.routes:
            its_events = {key: event for key, event, names in hearing if route.name in names}
            if its_events:
                _, shared = shares.setdefault(route.webhook, (route.name, {}))
                shared |= its_events
        return shares.values()

    def _list_hearing(self, event: Event) -> frozenset[str]:
        data = select_for_people(event["data"])
        selected = self._select_routes(event["type"], data) if data is not None else ()
        return frozenset(route.name for route in selected)

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
