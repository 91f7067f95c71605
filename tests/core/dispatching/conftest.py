"""A world for each test. AWS is one a module: making its clients is what costs time."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from tests.core.checking.world import Aws
from tests.core.conftest import REGION
from tests.core.dispatching.world import World
from tests.core.logs import buckets
from tests.simulator import Tls
from tests.simulator.certificates import Authority, authority


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
        with mock_aws():
            s3, sqs = buckets().client(), boto3.client("sqs")
            check = sqs.create_queue(QueueName="check")["QueueUrl"]
            retry = sqs.create_queue(QueueName="retry")["QueueUrl"]
            made = Aws(s3, sqs, boto3.client("secretsmanager"), check, retry)
            s3.meta.events.register("provide-client-params.s3", made.note)
            sqs.meta.events.register("provide-client-params.sqs", made.note)
            yield made


@pytest.fixture
def world(cloud: Aws, ca: Authority, tls: Tls) -> Iterator[World]:
    """No vCenter yet."""
    cloud.calls.clear()
    cloud.sent.clear()
    with ExitStack() as ending:
        made = World(cloud, tls, ca, ending)
        yield made
        for vcenter in made.vcenters.values():
            vcenter.faults.clear()
    made.assert_well_told()
