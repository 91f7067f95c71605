"""Objects of a bucket: conditions that S3 keeps, and S3's error codes known in one module only."""

import gzip
from itertools import count
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from esx_drift.adapters import s3_objects
from esx_drift.adapters.s3_objects import (
    MAX_UNPACKED_BYTES,
    S3Object,
    S3Objects,
    get_error_code,
    unpack_bounded,
)
from esx_drift.errors import StoreConflict, StoreUnavailable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import REGION

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


@given(st.binary(max_size=300), st.integers(1, 300))
def test_what_was_packed_is_unpacked_up_to_a_bound(body: bytes, most: int) -> None:
    """At the bound it is given whole, and with one byte more not at all."""
    packed = gzip.compress(body)
    if len(body) <= most:
        assert unpack_bounded(packed, most) == body
    else:
        with pytest.raises(ValueError, match=f"more than {most} bytes"):
            unpack_bounded(packed, most)


@given(st.binary(max_size=300), st.data())
def test_no_part_passes_for_the_whole(body: bytes, data: st.DataObject) -> None:
    """Cut off anywhere, with something behind it, or spoilt in the middle: it is damage, by one name."""
    packed = gzip.compress(body)
    at = data.draw(st.integers(0, len(packed) - 1))
    for damaged in (packed[:at], packed + b"x", packed + packed, body[:at] + b"no gzip"):
        with pytest.raises(ValueError, match="gzip"):
            unpack_bounded(damaged)


def test_a_bomb_is_not_unpacked() -> None:
    """A few kilobytes stand for many megabytes: no more of them are made than the bound."""
    bomb = gzip.compress(bytes(2 * MAX_UNPACKED_BYTES), 9)
    assert len(bomb) < MAX_UNPACKED_BYTES / 500
    with pytest.raises(ValueError, match="more than 32000000 bytes when unpacked"):
        unpack_bounded(bomb)
