"""Clients of AWS that are values in memory: hundreds of times cheaper than a simulated AWS behind boto3."""

from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from tests.unit.checking.cloud import Aws
from tests.unit.notifying.world import Clock, MemoryS3, build_refusal

if TYPE_CHECKING:
    from datetime import datetime


class ListedS3(MemoryS3):
    """S3 that says when it got each object, and what lies in a whole bucket."""

    def __init__(self, clock: Clock | None = None) -> None:
        """``clock`` is S3's own."""
        super().__init__()
        self.clock = clock or Clock()
        self.written_at: dict[tuple[str, str], datetime] = {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        """An object, with its length."""
        reply = super().get_object(Bucket, Key)
        body = self.objects[Bucket, Key]
        return {**reply, "Body": StreamingBody(BytesIO(body), len(body)), "ContentLength": len(body)}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **conditions: str) -> dict[str, Any]:  # noqa: N803
        """Write an object, if the conditions hold."""
        reply = super().put_object(Bucket, Key, Body, **conditions)
        self.written_at[Bucket, Key] = self.clock.now
        return reply

    def paginate(self, Bucket: str, Prefix: str = "", StartAfter: str = "") -> list[dict[str, Any]]:  # noqa: N803
        """All of a listing as one page."""
        self._fail("ListObjectsV2", Prefix)
        pages = super().paginate(Bucket, Prefix, StartAfter)
        for entry in pages[0]["Contents"]:
            entry["LastModified"] = self.written_at[Bucket, entry["Key"]]
        return pages


@dataclass(slots=True)
class MemorySecrets:
    """Secrets Manager: each secret has its last version."""

    values: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    _versions: "count[int]" = field(default_factory=lambda: count(1))

    def create_secret(self, Name: str, SecretString: str | None = None) -> None:  # noqa: N803 -- boto3's names
        """Make a secret, with its first version if any is given."""
        if Name in self.values:
            raise build_refusal("ResourceExistsException", "CreateSecret")
        self.values[Name] = None
        if SecretString is not None:
            self.put_secret_value(Name, SecretString)

    def put_secret_value(self, SecretId: str, SecretString: str) -> None:  # noqa: N803
        """Write another version of a secret."""
        if SecretId not in self.values:
            raise build_refusal("ResourceNotFoundException", "PutSecretValue")
        self.values[SecretId] = SecretString, f"version-{next(self._versions)}"

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        """The last version of a secret."""
        last = self.values.get(SecretId)
        if last is None:
            raise build_refusal("ResourceNotFoundException", "GetSecretValue")
        text, version = last
        return {"SecretString": text, "VersionId": version, "ARN": SecretId, "Name": SecretId}


class _NotedS3(ListedS3):
    """Tells of each call before it is made, as botocore does."""

    aws: Aws

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
        """An object, or NoSuchKey."""
        self._tell("GetObject", Key=Key)
        return super().get_object(Bucket, Key)

    def put_object(self, Bucket: str, Key: str, Body: bytes, **conditions: str) -> dict[str, Any]:  # noqa: N803
        """Write an object, if the conditions hold."""
        self._tell("PutObject", Bucket=Bucket, Key=Key, **conditions)
        return super().put_object(Bucket, Key, Body, **conditions)

    def paginate(
        self,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
    ) -> list[dict[str, Any]]:
        """All of a listing as one page; with a delimiter what keys begin with up to it stands once."""
        self._tell("ListObjectsV2", Prefix=Prefix)
        (page,) = super().paginate(Bucket, Prefix, StartAfter)
        if not Delimiter:
            return [page]
        parted = [(each, each["Key"].removeprefix(Prefix).partition(Delimiter)) for each in page["Contents"]]
        folders = sorted({Prefix + name + mark for _, (name, mark, _) in parted if mark})
        return [
            {
                "Contents": [each for each, (_, mark, _) in parted if not mark],
                "CommonPrefixes": [{"Prefix": folder} for folder in folders],
            }
        ]

    def list_objects_v2(self, Bucket: str) -> dict[str, Any]:  # noqa: N803
        """All that lies in a bucket."""
        (page,) = self.paginate(Bucket)
        return page

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        """Delete an object: nothing is read or listed of it any more, and its key is free."""
        self._tell("DeleteObject", Bucket=Bucket, Key=Key)
        self.objects.pop((Bucket, Key), None)

    def delete_objects(self, Bucket: str, Delete: dict[str, list[dict[str, str]]]) -> None:  # noqa: N803
        """Delete objects, as if they had never been there."""
        for one in Delete["Objects"]:
            del self.objects[Bucket, one["Key"]]

    def _tell(self, operation: str, **params: str) -> None:
        self.aws.note(params, SimpleNamespace(name=operation))


class _NotedSqs:
    """Queues that only take messages, and tell of each."""

    aws: Aws

    def send_message(self, **params: Any) -> None:  # noqa: ANN401 -- boto3's parameters
        """Take a message."""
        self.aws.note(params, SimpleNamespace(name="SendMessage"))


def build_memory_aws() -> Aws:
    """Build what ``open_cloud`` opens, in memory."""
    s3, sqs = _NotedS3(), _NotedSqs()
    clients: tuple[Any, Any, Any] = s3, sqs, MemorySecrets()
    made = Aws(*clients, check_queue_url="queues/check", retry_queue_url="queues/retry")
    s3.aws = sqs.aws = made
    return made


@pytest.fixture(scope="module")
def cloud() -> Aws:
    """AWS in memory, for tests that play whole jobs often: moto would take most of their time."""
    return build_memory_aws()
