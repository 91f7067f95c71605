"""The same Slack as the channel's own tests have, and a world in virtual time."""

import pytest

from tests.unit.channels.conftest import webhook
from tests.unit.notifying.world import World

__all__ = ["webhook"]


@pytest.fixture
def world() -> World:
    """Empty buckets and queues."""
    return World()
