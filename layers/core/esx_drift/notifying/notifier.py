"""The notifier's job: one event, as its record holds it, posted once to each route that hears it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from esx_drift.contracts import parse_sent_json, require_valid
from esx_drift.domain.events import MessageContent, select_for_people
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.stored.identifiers import compute_digest, make_receipt_id
from esx_drift.domain.stored.types import Event, EventData
from esx_drift.errors import ContractViolation, EsxDriftError, RequestRefused
from esx_drift.messages.content import build_content, has_content
from esx_drift.ports import Channel, Deliveries
from esx_drift.unforeseen import hold_unforeseen


@dataclass(slots=True)
class NotifyResult:
    """What became of an event: routes it was posted to now or before, and why not to the others."""

    posted: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    failed: dict[str, EsxDriftError] = field(default_factory=dict)


def parse_event(body: str) -> Event | None:
    """Parse the event that a message holds; None for a type that people do not receive.

    Raises:
        ContractViolation: The message is no event, or breaks the event's schema.
    """
    # Half of a character becomes bytes that are no text, and is refused as such. The record is parsed in the
    # same way, so that the same event has the same digest in both.
    event = parse_sent_json(body.encode("utf-8", "surrogatepass"))
    event_type = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event_type, str):
        raise ContractViolation("the message is not a CloudEvent")
    if not has_content(event_type):
        return None
    require_valid("event", event)
    return cast("Event", event)


RECORD_ADDRESS = re.compile(r"s3://([^/]+)/(records/vcenter=[^/]+/cluster=[^/]+/[0-9]{10}\.json)")
"""A bucket, and the key of a record of a check in it."""


@dataclass(frozen=True, slots=True)
class PublishedEvents:
    """Holds messages to the records of checks. Whoever may publish to the topic can't write records.

    ``bucket`` is the AuditBucket's name; ``read`` gives the bytes under a key in it, or None.
    """

    bucket: str
    read: Callable[[str], bytes | None]

    def require_recorded(self, event: Event) -> None:
        """Require that the record which an event names holds that very event.

        Raises:
            RequestRefused: It does not: the event was forged or altered.
            StoreUnavailable: The record can't be read now.
        """
        address = event["data"]["record"] or ""
        place = RECORD_ADDRESS.fullmatch(address)
        if place is None or place[1] != self.bucket:
            raise RequestRefused(f"event {event['id']} names no record of ours: {address!r}")
        body = self.read(place[2])
        if body is None:
            # A record is written before its events are published, and S3 shows it from then on.
            raise RequestRefused(f"event {event['id']} names a record that is not there: {place[2]}")
        if compute_digest(event) not in _list_digests(body):
            raise RequestRefused(f"event {event['id']} is not in {place[2]} as the message has it")


def _list_digests(record: bytes) -> list[str]:
    try:
        parsed = parse_sent_json(record)
    except ContractViolation:
        return []
    events = parsed.get("events") if isinstance(parsed, dict) else None
    return [compute_digest(event) for event in events] if isinstance(events, list) else []


@dataclass(frozen=True, slots=True)
class Notifier:
    """The job, wired to a fleet's routes, the channels by name, and the receipts of what was delivered."""

    fleet: Fleet
    channels: Mapping[str, Channel]
    events: PublishedEvents
    deliveries: Deliveries
    clock: Callable[[], datetime]

    def notify(self, event: Event) -> NotifyResult:
        """Post an event to each route that hears it and has not heard it yet.

        It is written down after it was posted: a crash in between repeats a message, and none is lost.

        What is marked as suppressed is left out; an event of nothing else is posted nowhere.

        Raises ``RequestRefused``, before anything is posted, for an event that its record does not hold.
        """
        self.events.require_recorded(event)
        result = NotifyResult()
        data = select_for_people(event["data"])
        if data is None:
            return result
        content = build_content({**event, "data": data})
        receipt_id = make_receipt_id(event["id"], compute_digest(event))
        for route in self._select_routes(event["type"], data):
            try:
                with hold_unforeseen(f"the delivery to the route {route.name}"):
                    self._deliver(route, receipt_id, content, result)
            except EsxDriftError as error:
                # One dead webhook must not keep the other routes from hearing: the handler decides on all.
                result.failed[route.name] = error
        return result

    def _deliver(self, route: Route, receipt_id: str, content: MessageContent, result: NotifyResult) -> None:
        if self.deliveries.delivered(receipt_id, route.name):
            result.repeated.append(route.name)
            return
        self.channels[route.channel].post(route.secret, content)
        result.posted.append(route.name)
        self.deliveries.record(receipt_id, route.name, self.clock())

    def _select_routes(self, event_type: str, data: EventData) -> tuple[Route, ...]:
        cluster = data["cluster"]
        return select_routes(
            self.fleet,
            event_type.split(".")[1],
            data["severity"],
            data["vcenter"],
            cluster["id"] if cluster else None,
            cluster["name"] if cluster else None,
        )
