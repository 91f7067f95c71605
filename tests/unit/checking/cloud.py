"""S3 and SQS by moto, and every call that is made of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from esx_drift.adapters.audit_store import S3Store
from esx_drift.contracts import require_valid
from esx_drift.domain.stored.identifiers import encode_key_part

from tests.unit.logs import buckets
from tests.unit.simulated_aws import set_credentials, simulated_aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that went to a queue."""

    queue: str
    body: dict[str, Any]
    delay_seconds: int
    group: str


@dataclass(slots=True)
class Aws:
    """The clients, and every call that was made with them."""

    s3: "S3Client"
    sqs: "SQSClient"
    secrets: "SecretsManagerClient"
    check_queue_url: str
    retry_queue_url: str
    calls: list[tuple[str, str]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def note(self, params: Mapping[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401  # botocore's
        """Called by botocore before each call."""
        self.calls.append((model.name, params.get("Key", params.get("Prefix", ""))))
        if model.name == "PutObject" and params["Bucket"] == "audit":
            assert params["IfNoneMatch"] == "*"
        if model.name == "SendMessage":
            queue = params["QueueUrl"].rpartition("/")[2]
            body = json.loads(params["MessageBody"])
            require_valid("check-request" if queue == "check" else "retry-request", body)
            self.sent.append(Sent(queue, body, params["DelaySeconds"], params["MessageGroupId"]))

    def written(self, vcenter: str) -> dict[str, bytes]:
        """All that lies in the AuditBucket of one vCenter; S3 refused what came second under a key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="audit")
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        own = [key for key in keys if f"/vcenter={encode_key_part(vcenter)}/" in key]
        return {key: self.s3.get_object(Bucket="audit", Key=key)["Body"].read() for key in own}

    @property
    def store(self) -> S3Store:
        """The two buckets."""
        return S3Store(lambda: self.s3, "audit", "state")


@contextmanager
def open_cloud() -> Iterator[Aws]:
    """Two buckets, two queues, and a record of every call."""
    with pytest.MonkeyPatch.context() as patch:
        set_credentials(patch)
        with simulated_aws():
            s3, sqs = buckets().client(), boto3.client("sqs")
            check = sqs.create_queue(QueueName="check")["QueueUrl"]
            retry = sqs.create_queue(QueueName="retry")["QueueUrl"]
            made = Aws(s3, sqs, boto3.client("secretsmanager"), check, retry)
            s3.meta.events.register("provide-client-params.s3", made.note)
            sqs.meta.events.register("provide-client-params.sqs", made.note)
            yield made


@pytest.fixture(scope="module")
def cloud() -> Iterator[Aws]:
    """AWS behind boto3, where the command line has clients of its own, or versions of objects are deleted."""
    with open_cloud() as made:
        yield made
