"""A process that checks a cluster three times: a first copy, nothing new, a change.

Prints each outcome, the AWS clients that the second check made, and whether deepdiff was loaded by then.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import boto3
from esx_drift.adapters import aws_clients as clients
from esx_drift.checking.checker import Checker
from esx_drift.domain.stored.identifiers import FLEET_KEY
from esx_drift.runtime.runtime import open_runtime

from tests.simulator import VCenter, VCenterServer
from tests.simulator.certificates import authority
from tests.simulator.scenario import two_clusters
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.world import PROD_A
from tests.unit.dispatches import append_dispatch, request_of
from tests.unit.logs import buckets
from tests.unit.simulated_aws import simulated_aws

FLEET = {"schema_version": 1, "vcenters": [{"name": "vc01", "extract": False}], "routes": []}


def main() -> None:
    """Play it."""
    made = counted()
    with simulated_aws(), served() as vcenter:
        environment = deployed()
        print(check(environment))  # noqa: T201  # the test reads it
        for client in (clients.s3, clients.sqs, clients.sns, clients.secrets_manager):
            client.cache_clear()
        made.clear()
        vcenter.extract_all()
        print(check(environment), *sorted(made), "deepdiff" in sys.modules)  # noqa: T201  # likewise
        vcenter.hosts.upgrade("esx01", "8.0 U3e")
        vcenter.extract_all()
        print(check(environment), "deepdiff" in sys.modules)  # noqa: T201  # likewise


def counted() -> list[str]:
    """The names of the clients that are made from now on."""
    made: list[str] = []
    real = boto3.client

    def client(name: str, **more: Any) -> Any:  # noqa: ANN401  # boto3's own
        made.append(name)
        return real(name, **more)  # type: ignore[call-overload]  # any service

    boto3.client = client  # type: ignore[assignment]  # for this process only
    return made


@contextmanager
def served() -> Iterator[VCenter]:
    """A vCenter of two clusters, and its secret."""
    own, now = authority(datetime.now(UTC)), datetime.now(UTC)
    vcenter = VCenter()
    two_clusters(vcenter)
    with (
        TemporaryDirectory() as directory,
        VCenterServer(vcenter, tls=own.issue(Path(directory), now)) as server,
    ):
        secret = {
            "host": server.host,
            "port": server.port,
            "username": USER,
            "password": PASSWORD,
            "ca_bundle": own.pem,
        }
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name="esx-drift/vcenter/vc01", SecretString=json.dumps(secret))
        yield vcenter


def deployed() -> dict[str, str]:
    """Buckets, a topic and a fleet file; the function's environment."""
    s3 = buckets().client()
    s3.put_object(Bucket="state", Key=FLEET_KEY, Body=json.dumps(FLEET).encode())
    topic = boto3.client("sns").create_topic(Name="drift")["TopicArn"]
    return {
        "AUDIT_BUCKET": "audit",
        "STATE_BUCKET": "state",
        "CHECK_QUEUE_URL": "none",
        "RETRY_QUEUE_URL": "none",
        "DRIFT_TOPIC_ARN": topic,
        "CHECK_INTERVAL_HOURS": "4",
        "SECRET_PREFIX": "esx-drift",
        "STACK_NAME": "esx-drift",
    }


def check(environment: dict[str, str]) -> str:
    """One check, wired as the function is; its outcome."""
    with open_runtime(environment, "checker", lambda: 300_000) as invocation:
        runtime, now = invocation.runtime, datetime.now(UTC)
        dispatched = append_dispatch(
            runtime.store, runtime.topic, "vc01", str(uuid4()), {PROD_A: "prod-a"}, now
        )
        record = Checker(runtime, ()).handle(request_of(dispatched, PROD_A, now, extract=False), None)
    assert record is not None
    return record["outcome"]


if __name__ == "__main__":
    main()
