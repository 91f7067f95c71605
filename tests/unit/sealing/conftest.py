"""A world for each test."""

import pytest

from tests.unit.sealing.world import World
from tests.unit.simulated_aws import sign_digests


@pytest.fixture
def world(aws: None, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 -- the buckets are in it
    """An empty trail."""
    sign_digests(monkeypatch)
    return World()
