"""Routes that take no message any more, as subscribers hear of them; a fallback hears it from the sender."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from esx_drift.domain.deliveries import RouteState
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.stored.types import Json


@dataclass(frozen=True, slots=True)
class DeadRoute:
    """A route that is dead ``since`` then, for ``reason``."""

    route: Route
    since: str
    reason: str

    @property
    def facts(self) -> dict[str, Json]:
        """What its report says; ``dead_route``, since ``route`` is whom a report is for."""
        return {
            "dead_route": self.route.name,
            "channel": self.route.channel,
            "fallback": self.route.fallback,
            "since": self.since,
            "reason": self.reason,
        }


def list_dead_routes(states: Iterable[tuple[Route, RouteState]]) -> list[DeadRoute]:
    """List the routes whose states say that they are dead."""
    return [
        DeadRoute(route, state["dead_since"], state["dead_reason"])
        for route, state in states
        if state["dead_since"] is not None and state["dead_reason"] is not None
    ]


def select_unreported(dead: Iterable[DeadRoute], reported: Mapping[str, str]) -> list[DeadRoute]:
    """Select of ``dead`` those that were not reported; ``reported``: since when, by name, others are."""
    return [one for one in dead if reported.get(one.route.name) != one.since]
