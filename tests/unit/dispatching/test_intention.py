"""The intention comes first: a run that is repeated asks for the same, whatever the vCenter says now."""

from esx_drift.domain.dispatching.run import Run, build_listing_request

from tests.unit.dispatching.world import World

RUN = Run("run", "schedule")


def test_a_run_that_is_repeated_touches_no_vcenter(world: World) -> None:
    """What it asks for was decided; the vCenter may have changed since."""
    name = world.add("prod-a")
    chosen = {name: ("prod-a",)}
    first = world.run(chosen, run_id="run")
    world.vcenters[name].inventory.add_cluster("prod-b")
    world.servers[name].stop()
    assert world.run(chosen, run_id="run") == first


def test_an_outage_that_is_repeated_comes_back_once(world: World) -> None:
    """The retry is part of the intention: the same run asks for the same retry."""
    name = world.add("prod-a")
    world.servers[name].stop()
    world.run(run_id="run")
    world.retry(build_listing_request(RUN, name), redelivered=True)
    first, second = world.sent("retry")
    assert first.body == second.body
    world.retry(first.body)
    world.retry(second.body)
    assert len(world.records(name)) == 2
    assert len(world.sent("retry")) == 1
