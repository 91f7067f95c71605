"""Worlds of one vCenter each. AWS is one a module: making its clients is what costs time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import boto3
import pytest
from esx_drift.domain.fleet.fleet import VCenterSettings as Watched

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority, authority
from tests.simulator.scenario import two_clusters
from tests.unit.checking.cloud import Aws
from tests.unit.checking.whole import assert_whole
from tests.unit.checking.world import World
from tests.unit.conftest import REGION
from tests.unit.logs import buckets
from tests.unit.simulated_aws import simulated_aws

NUMBERS = count(1)


@pytest.fixture(scope="session")
def ca() -> Authority:
    """The CA that signed the vCenters' certificate."""
    return authority(datetime.now(UTC))


@pytest.fixture(scope="session")
def tls(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """The vCenters' certificate and key."""
    return ca.issue(tmp_path_factory.mktemp("tls"), datetime.now(UTC))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    """Two buckets, two queues, and a record of every call."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with simulated_aws():
            s3, sqs = buckets().client(), boto3.client("sqs")
            check = sqs.create_queue(QueueName="check")["QueueUrl"]
            retry = sqs.create_queue(QueueName="retry")["QueueUrl"]
            made = Aws(s3, sqs, boto3.client("secretsmanager"), check, retry)
            s3.meta.events.register("provide-client-params.s3", made.note)
            sqs.meta.events.register("provide-client-params.sqs", made.note)
            yield made


@pytest.fixture
def world(cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    """prod-a (HPE, managed by an image) and prod-b (Dell, by baselines) on a vCenter of a name of its own."""
    vcenter = VCenter()
    made = World(cloud, vcenter, Watched(f"vc{next(NUMBERS):03}"))
    vcenter._clock = made.clock  # noqa: SLF001  # both must go by the same time
    two_clusters(vcenter)
    cloud.calls.clear()
    cloud.sent.clear()
    with VCenterServer(vcenter, tls=tls) as server:
        made.put_secret(server.port, ca.pem)
        yield made
    vcenter.faults.clear()
    assert_whole(made)
