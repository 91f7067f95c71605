"""The world of the checks, in which a person decides: by requests, or on the command line."""

from collections.abc import Iterator

import pytest

from tests.unit.checking.conftest import ca, cloud, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import World
from tests.unit.cli.conftest import CloudFormation, run, stack

__all__ = ["ca", "cloud", "run", "stack", "tls", "world"]


@pytest.fixture
def person(world: World) -> Person:
    """Somebody who decides on what the world's checks saw."""
    return Person(world)


@pytest.fixture
def checking(world: World, stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consumer]:  # noqa: ARG001 -- it answers for itself
    """A checker that takes what the command line sends, and the stack and fleet file that lead to it."""
    outputs = {"StateBucketName": "state", "AuditBucketName": "audit", "SecretPrefix": "esx-drift"}
    monkeypatch.setattr(CloudFormation, "outputs", {**outputs, "CheckQueueUrl": world.aws.check_queue_url})
    # The checker answers at once here: nobody has to be patient.
    monkeypatch.setattr("esx_drift.cli.decision_client.POLL_SECONDS", 0.02)
    with Consumer(world) as consumer:
        consumer.put_fleet()
        yield consumer
