"""One small trail, built once by the product's own jobs: two clusters, drift, put back, an orphaned VIB."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.domain.deliveries import build_event_delivery, identify_event
from esx_drift.domain.stored.types import CheckRequest, Record

from tests.simulator.certificates import authority
from tests.simulator.fault_kinds import invalid_json
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, World, open_world
from tests.unit.memory_aws import build_memory_aws
from tests.unit.trail.sealed import make_key, seal

REPORT = "GET *domain-c9/installed-images"
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


@pytest.fixture(scope="session")
def key() -> EllipticCurvePrivateKey:
    """The key that signs."""
    return make_key()


@contextmanager
def open_watched(folder: Path) -> Iterator[World]:
    """A world of its own, with an AWS that is empty and a vCenter whose certificate is in ``folder``."""
    ca = authority(datetime.now(UTC))
    tls = ca.issue(folder, datetime.now(UTC))
    with open_world(build_memory_aws(), ca, tls, "vc01.example.com") as world:
        yield world


def read_trail(world: World) -> dict[str, bytes]:
    """All that lies in the AuditBucket."""
    s3 = world.aws.s3
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="audit")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {each: s3.get_object(Bucket="audit", Key=each)["Body"].read() for each in keys}


@pytest.fixture(scope="session")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The trail before it is sealed."""
    return play_trail(_play, tmp_path_factory)


def play_trail(
    play: Callable[[World], None], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, bytes]:
    """What the product wrote while this was played, on two clusters."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        play(world)
        return MappingProxyType(read_trail(world))


def run_checks(world: World) -> dict[str, Record]:
    """A run of the dispatcher, four hours after the last, and all checks that it asked for; the records."""
    world.wait(INTERVAL_SECONDS)
    before = len(world.aws.sent)
    world.dispatch()
    asked = [cast("CheckRequest", each.body) for each in world.aws.sent[before:] if each.queue == "check"]
    return {request["cluster"]: world.follow(request) for request in asked}


def _play(world: World) -> None:
    """A few days of a vCenter."""
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.1.0-1OEM.800.1.0.20613240")
    run_checks(world)
    host = world.vcenter.inventory.host("esx03")
    was = deepcopy(host.software)
    run_checks(world)
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    drift = run_checks(world)[PROD_A]
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.3.0-1OEM.800.1.0.20613240")
    world.vcenter.hosts.add_orphaned_vib(["esx02"], VIB)
    run_checks(world)
    host.software = was
    run_checks(world)
    world.vcenter.faults.inject(REPORT, invalid_json())
    run_checks(world)
    world.vcenter.faults.clear()
    run_checks(world)
    told = S3Deliveries(lambda: world.aws.s3, "audit")
    told.put_delivery(build_event_delivery("admins", drift["events"], world.now))
    for event in drift["events"]:
        told.record(identify_event(event), "admins", world.now)


@pytest.fixture(scope="session")
def trail(unsealed: Mapping[str, bytes], key: EllipticCurvePrivateKey) -> Mapping[str, bytes]:
    """The same, sealed."""
    return MappingProxyType(seal(unsealed, key))
