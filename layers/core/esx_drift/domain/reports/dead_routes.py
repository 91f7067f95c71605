"""Routes that take no message any more, as subscribers hear of them; a fallback hears it from the sender."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from esx_drift.domain.deliveries import RouteState
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.stored.types import Json


class DeadRoute(Struct, frozen=True):
    """A webhook that is dead ``since`` then, for ``reason``, by the first of its ``routes``."""

    routes: tuple[Route, ...]
    since: str
    reason: str

    @property
    def route(self) -> Route:
        """The route by which it is called."""
        return self.routes[0]

    @property
    def facts(self) -> dict[str, Json]:
        """What its report says; ``dead_route``, since ``route`` is whom a report is for."""
        return {
            "dead_route": self.route.name,
            "routes": [route.name for route in self.routes],
            "channel": self.route.channel,
            "fallback": self.route.fallback,
            "since": self.since,
            "reason": self.reason,
        }


def list_dead_routes(states: Iterable[tuple[tuple[Route, ...], RouteState]]) -> list[DeadRoute]:
    """List what is dead by its state in ``states``, each with the routes that share it."""
    return [
        DeadRoute(routes, state["dead_since"], state["dead_reason"])
        for routes, state in states
        if state["dead_since"] is not None and state["dead_reason"] is not None
    ]


def select_unreported(dead: Iterable[DeadRoute], reported: Mapping[str, str]) -> list[DeadRoute]:
    """Select of ``dead`` those that were not reported; ``reported``: since when, by name, others are."""
    return [one for one in dead if reported.get(one.route.name) != one.since]
