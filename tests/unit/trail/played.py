"""One small trail, built once by the product's own jobs: two clusters, drift, put back, an orphaned VIB."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.domain.deliveries import build_event_delivery, identify_event
from esx_drift.domain.stored.types import CheckRequest, Record

from tests.simulator.certificates import authority
from tests.simulator.fault_kinds import invalid_json
from tests.unit.checking.cloud import Aws, open_cloud
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, World, open_world
from tests.unit.trail.sealed import make_key, seal

REPORT = "GET *domain-c9/installed-images"
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


@pytest.fixture(scope="session")
def key() -> EllipticCurvePrivateKey:
    """The key that signs."""
    return make_key()


def read_trail(cloud: Aws) -> dict[str, bytes]:
    """All that lies in the AuditBucket."""
    pages = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket="audit")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {each: cloud.s3.get_object(Bucket="audit", Key=each)["Body"].read() for each in keys}


@pytest.fixture(scope="session")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The trail before it is sealed."""
    ca = authority(datetime.now(UTC))
    tls = ca.issue(tmp_path_factory.mktemp("tls"), datetime.now(UTC))
    with open_cloud() as cloud:
        with open_world(cloud, ca, tls, "vc01.example.com") as world:
            _play(world)
        return MappingProxyType(read_trail(cloud))


def _run(world: World) -> dict[str, Record]:
    """A run of the dispatcher, four hours after the last, and all checks that it asked for; the records."""
    world.wait(INTERVAL_SECONDS)
    before = len(world.aws.sent)
    world.dispatch()
    asked = [cast("CheckRequest", each.body) for each in world.aws.sent[before:] if each.queue == "check"]
    return {request["cluster"]: world.follow(request) for request in asked}


def _play(world: World) -> None:
    """A few days of a vCenter."""
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.1.0-1OEM.800.1.0.20613240")
    _run(world)
    host = world.vcenter.inventory.host("esx03")
    was = deepcopy(host.software)
    _run(world)
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    drift = _run(world)[PROD_A]
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.3.0-1OEM.800.1.0.20613240")
    world.vcenter.hosts.add_orphaned_vib(["esx02"], VIB)
    _run(world)
    host.software = was
    _run(world)
    world.vcenter.faults.inject(REPORT, invalid_json())
    _run(world)
    world.vcenter.faults.clear()
    _run(world)
    told = S3Deliveries(lambda: world.aws.s3, "audit")
    told.put_delivery(build_event_delivery("admins", drift["events"], world.now))
    for event in drift["events"]:
        told.record(identify_event(event), "admins", world.now)


@pytest.fixture(scope="session")
def trail(unsealed: Mapping[str, bytes], key: EllipticCurvePrivateKey) -> Mapping[str, bytes]:
    """The same, sealed."""
    return MappingProxyType(seal(unsealed, key))
