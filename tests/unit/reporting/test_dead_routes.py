"""Routes that take no message any more: subscribers hear of each death once."""

from copy import replace
from datetime import timedelta

import pytest
from esx_drift.domain.deliveries import build_route_state, end_dead, end_posted
from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import is_for_chat

from tests.unit.reporting.world import World, kinds_of, report_in, route

OPS, SOUTH = route("ops", fallback="south"), route("south")
ONCALL = replace(OPS, name="oncall", min_severity="critical")
"""Of the same webhook."""

REASON = "the webhook answered 410 channel_is_archived"


@pytest.fixture
def watched(world: World) -> World:
    """Three routes, of which two share a webhook; the other one is their fallback."""
    world.routes = (OPS, SOUTH, ONCALL)
    world.report()
    return world


def kill(world: World, dead: Route) -> None:
    """The sender finds that the route is dead."""
    stored = world.route_states.read(dead)
    assert world.route_states.write(dead, end_dead(stored.state, world.now, REASON), stored.etag)


def heal(world: World, dead: Route) -> None:
    """A message was taken."""
    stored = world.route_states.read(dead)
    assert world.route_states.write(dead, end_posted(stored.state, world.now), stored.etag)


def test_a_dead_route_is_reported_once(watched: World) -> None:
    """And no longer than until it takes a message again; the next death is another one."""
    kill(watched, OPS)
    since = format_time(watched.now)
    watched.wait(minutes=15)
    watched.report()
    (event,) = watched.heard()
    assert kinds_of([event]) == ["route-dead"]
    assert event["data"]["severity"] == "warning"
    assert report_in(event) == {
        "dead_route": "ops",
        "routes": ["ops", "oncall"],
        "channel": "slack",
        "fallback": "south",
        "since": since,
        "reason": REASON,
    }
    watched.wait(minutes=15)
    watched.report()
    heal(watched, OPS)
    watched.report()
    assert watched.heard() == []
    kill(watched, OPS)
    watched.report()
    assert kinds_of(watched.heard()) == ["route-dead"]


def test_each_dead_route_is_reported_by_itself(watched: World) -> None:
    """A route without a fallback as well: then nobody hears in chat."""
    kill(watched, OPS)
    watched.report()
    watched.heard()
    kill(watched, SOUTH)
    watched.report()
    (event,) = watched.heard()
    assert (report_in(event)["dead_route"], report_in(event)["fallback"]) == ("south", None)


def test_nothing_is_written_where_no_route_is_dead(watched: World) -> None:
    """The state stays as it is: a run that finds nothing writes nothing."""
    before = watched.reports.read_state()
    watched.now += timedelta(minutes=15)
    watched.report()
    assert watched.reports.read_state() == before
    assert before is not None
    assert before.state is not None
    assert "dead_routes" not in before.state


def test_a_state_that_cannot_be_read_says_nothing(watched: World) -> None:
    """What is no state is replaced by the sender's next write."""
    assert watched.route_states.write(OPS, {**build_route_state("ops"), "schema_version": 99}, None)
    watched.report()
    assert watched.heard() == []


def test_chat_does_not_hear_of_it() -> None:
    """There the fallback does, from the sender, before all that the route would have heard."""
    assert not is_for_chat("esx-drift.report.route-dead")
