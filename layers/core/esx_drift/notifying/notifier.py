"""The notifier's job: one event, posted once to each route that hears it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from esx_drift.contracts import parse_json, read_whole_numbers, require_valid
from esx_drift.domain.events import MessageContent
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.stored.types import Event
from esx_drift.errors import ContractViolation, EsxDriftError
from esx_drift.messages.content import build_content, has_content
from esx_drift.ports import Channel, Deliveries


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
    # Half of a character becomes bytes that are no text, and is refused as such.
    event = read_whole_numbers(parse_json(body.encode("utf-8", "surrogatepass")))
    event_type = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event_type, str):
        raise ContractViolation("the message is not a CloudEvent")
    if not has_content(event_type):
        return None
    require_valid("event", event)
    return cast("Event", event)


@dataclass(frozen=True, slots=True)
class Notifier:
    """The job, wired to a fleet's routes, the channels by name, and the receipts of what was delivered."""

    fleet: Fleet
    channels: Mapping[str, Channel]
    deliveries: Deliveries
    clock: Callable[[], datetime]

    def notify(self, event: Event) -> NotifyResult:
        """Post an event to each route that hears it and has not heard it yet.

        It is written down after it was posted: a crash in between repeats a message, and none is lost.
        """
        result = NotifyResult()
        content = build_content(event)
        for route in self._select_routes(event):
            try:
                self._deliver(route, event["id"], content, result)
            except EsxDriftError as error:
                # One dead webhook must not keep the other routes from hearing: the handler decides on all.
                result.failed[route.name] = error
        return result

    def _deliver(self, route: Route, event_id: str, content: MessageContent, result: NotifyResult) -> None:
        if self.deliveries.delivered(event_id, route.name):
            result.repeated.append(route.name)
            return
        self.channels[route.channel].post(route.secret, content)
        result.posted.append(route.name)
        self.deliveries.record(event_id, route.name, self.clock())

    def _select_routes(self, event: Event) -> tuple[Route, ...]:
        data = event["data"]
        cluster = data["cluster"]
        return select_routes(
            self.fleet,
            event["type"].split(".")[1],
            data["severity"],
            data["vcenter"],
            cluster["id"] if cluster else None,
            cluster["name"] if cluster else None,
        )
