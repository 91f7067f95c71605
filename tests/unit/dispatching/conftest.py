"""A world for each test, in the AWS of the checks."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.dispatching.world import World

__all__ = ["ca", "cloud", "tls"]


@pytest.fixture(name="world")
def empty_world(cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    """No vCenter yet."""
    cloud.calls.clear()
    cloud.sent.clear()
    with ExitStack() as ending:
        made = World(cloud, tls, ca, ending)
        yield made
        for vcenter in made.vcenters.values():
            vcenter.faults.clear()
    made.assert_well_told()


@pytest.fixture
def name(world: World) -> str:
    """A vCenter of two clusters that was well for a while."""
    made = world.add("prod-a", "prod-b")
    world.run()
    world.wait(hours=4)
    world.sent("check")
    return made
