"""Objects of a bucket: conditions that S3 keeps, and S3's error codes known in one module only."""

from itertools import count
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from esx_drift.adapters import s3_objects
from esx_drift.adapters.s3_objects import (
    S3Object,
    S3Objects,
    get_error_code,
)
from esx_drift.errors import StoreConflict, StoreUnavailable

from tests.unit.simulated_aws import REGION

PACKAGE = Path(s3_objects.__file__).parents[1]


@pytest.fixture
def objects(aws: None) -> S3Objects:  # noqa: ARG001 -- the bucket is made in that AWS
    """An empty bucket."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="state", CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3Objects(client, "state")


def test_a_key_is_written_once(objects: S3Objects) -> None:
    """Whoever comes second is told so, and changes nothing."""
    assert objects.read("a") is None
    assert objects.put_once("a", b"first")
    assert not objects.put_once("a", b"second")
    stored = objects.read("a")
    assert stored is not None
    assert stored.body == b"first"


def test_an_object_is_replaced_only_by_whoever_read_it(objects: S3Objects) -> None:
    """The ETag that a write gives is the one that the next write needs."""
    first = objects.replace("a", b"1", None)
    assert objects.replace("a", b"2", None) is None
    second = objects.replace("a", b"2", first)
    assert second is not None
    assert objects.replace("a", b"3", first) is None
    assert objects.read("a") == S3Object(b"2", second)


def test_keys_are_listed_in_their_order_from_any_on(objects: S3Objects) -> None:
    """Only those with the prefix."""
    for key in ("log/2", "log/1", "log/3", "other/9"):
        objects.put_once(key, b"")
    assert list(objects.list_keys("log/")) == ["log/1", "log/2", "log/3"]
    assert list(objects.list_keys("log/", after="log/1")) == ["log/2", "log/3"]


def test_a_write_at_the_same_moment_is_a_conflict_or_a_plain_no(objects: S3Objects) -> None:
    """A write by ETag is read again anyway; a write of a free key may be tried again as it is."""
    with Stubber(objects.client) as stub:
        stub.add_client_error("put_object", "ConditionalRequestConflict")
        with pytest.raises(StoreConflict, match="another write met a"):
            objects.put_once("a", b"")
        stub.add_client_error("put_object", "ConditionalRequestConflict")
        assert objects.replace("a", b"", None) is None


@pytest.mark.parametrize("written", [b"2", b"somebody else's"])
def test_a_write_whose_reply_was_lost_is_ours(objects: S3Objects, written: bytes) -> None:
    """boto3 sends it again, and meets what it wrote itself; what somebody else wrote is no such thing."""
    first = objects.replace("a", b"1", None)
    assert first is not None
    sent = count()

    def lose(**_: object) -> None:
        if next(sent) == 0:
            boto3.client("s3").put_object(Bucket=objects.bucket, Key="a", Body=written)
            raise ReadTimeoutError(endpoint_url="https://s3.test")

    objects.client.meta.events.register_first("before-send.s3.PutObject", lose)
    etag = objects.replace("a", b"2", first)
    stored = objects.read("a")
    assert stored is not None
    assert (stored.body, etag) == (written, stored.etag if written == b"2" else None)


def test_the_same_bytes_of_somebody_else_are_not_ours(objects: S3Objects) -> None:
    """Two who claim one turn in the same millisecond write the same: one of them has it."""
    first = objects.replace("a", b"1", None)
    assert objects.replace("a", b"2", first) is not None
    assert objects.replace("a", b"2", first) is None


def test_a_fault_is_told_with_its_code_and_what_aws_says(objects: S3Objects) -> None:
    """AWS's sentence names the right that is missing."""
    with Stubber(objects.client) as stub:
        stub.add_client_error("get_object", "AccessDenied", "not authorized to perform: s3:GetObject")
        with pytest.raises(StoreUnavailable) as failed:
            objects.read("a")
    expected = "S3 could not serve a: AccessDenied (not authorized to perform: s3:GetObject)"
    assert failed.value.message == expected


def test_an_answer_that_is_not_from_aws_has_no_code() -> None:
    """A proxy's error page, for one."""
    assert get_error_code(ClientError({}, "GetObject")) == ""


def test_no_other_module_knows_the_error_codes() -> None:
    """A second list of codes would miss what the first has learned."""
    codes = (s3_objects.NO_SUCH_KEY, s3_objects.PRECONDITION_FAILED, s3_objects.WRITE_CONFLICT)
    modules = [
        path for path in PACKAGE.rglob("*.py") if any(f'"{code}"' in path.read_text() for code in codes)
    ]
    assert modules == [Path(s3_objects.__file__)]
