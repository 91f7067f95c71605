"""The world of the checks, in which a person decides."""

import pytest

from tests.core.checking.conftest import ca, cloud, tls, world
from tests.core.checking.world import World
from tests.core.deciding.person import Person

__all__ = ["ca", "cloud", "tls", "world"]


@pytest.fixture
def person(world: World) -> Person:
    """Somebody who decides on what the world's checks saw."""
    return Person(world)
