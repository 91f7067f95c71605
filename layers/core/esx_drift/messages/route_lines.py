"""A route that takes no message any more, in words: for its fallback in chat, and for e-mail."""

from typing import Any, Final, cast

from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.stored.types import EventData
from esx_drift.domain.text.wording import clean_text, format_moment
from esx_drift.messages.message_data import add_stack

PASSED_ON: Final = "Until it works again, what it would have heard comes here."


def build_dead_route_notice(data: EventData, route: str, since: str, reason: str) -> MessageContent:
    """Build what a fallback hears of a route.

    Args:
        data: Of an event that the route was to hear.
        route: The name of the route, which is dead.
        since: Since when.
        reason: Why.
    """
    return _build(data, route, since, reason, PASSED_ON)


def build_dead_route_content(data: EventData) -> MessageContent:
    """Build what subscribers by e-mail read of a report on a dead route."""
    report = cast("Any", data["report"])
    fallback = report["fallback"]
    whom = f"goes to the route {fallback}" if fallback else "is heard by nobody in chat: it has no fallback"
    note = f"Until it works again, what it would have heard {whom}."
    return _build(data, report["dead_route"], report["since"], report["reason"], note)


def _build(data: EventData, route: str, since: str, reason: str, note: str) -> MessageContent:
    return MessageContent(
        title=clean_text(f"Route {route} is dead: {reason}"),
        items=(),
        notes=(f"It has taken no message since {format_moment(since)} UTC.", clean_text(note)),
        next_step=NextStep(
            "mend its webhook or its secret, then see whether it works:", add_stack("esx-drift drill", data)
        ),
        facts=(clean_text(f"route {route}"),),
        level="warning",
    )
