"""Worlds of one vCenter each, on one AWS in memory a module."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from tests.simulator import Tls
from tests.simulator.certificates import Authority, authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.whole import assert_whole
from tests.unit.checking.world import World, open_world
from tests.unit.memory_aws import cloud

__all__ = ["cloud"]

NUMBERS = count(1)


@pytest.fixture(scope="session")
def ca() -> Authority:
    """The CA that signed the vCenters' certificate."""
    return authority(datetime.now(UTC))


@pytest.fixture(scope="session")
def tls(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """The vCenters' certificate and key."""
    return ca.issue(tmp_path_factory.mktemp("tls"), datetime.now(UTC))


@pytest.fixture
def world(cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    """prod-a (HPE, managed by an image) and prod-b (Dell, by baselines) on a vCenter of a name of its own."""
    cloud.calls.clear()
    cloud.sent.clear()
    yield from _open(cloud, ca, tls)


@pytest.fixture
def other_world(world: World, cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    """The same once more, beside ``world``."""
    assert world.aws is cloud
    yield from _open(cloud, ca, tls)


def _open(cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    with open_world(cloud, ca, tls, f"vc{next(NUMBERS):03}") as made:
        yield made
    made.vcenter.faults.clear()
    assert_whole(made)
