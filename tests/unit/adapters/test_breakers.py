"""The breaker in S3: conditional writes, and S3's ways to fail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.domain.breaker import (
    build_closed_breaker,
    explain_forbidden_login,
    record_refusal,
    record_success,
)
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.errors import LoginSuspended, StoreUnavailable
from esx_drift.ports import StoredBreaker

from tests.unit.adapters.vcenter.world import NOW
from tests.unit.simulated_aws import simulated_aws

OPEN = record_refusal(build_closed_breaker("vc01"), "version-1", NOW)


@pytest.fixture
def breakers(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Breakers]:
    """An empty StateBucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with simulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="state")
        yield S3Breakers(s3, "state")


def test_the_first_refusal_has_one_winner(breakers: S3Breakers) -> None:
    """Where there is no breaker only one writer makes it; what was written is read back."""
    assert breakers.read("vc01") is None
    assert breakers.write(OPEN, None)
    assert not breakers.write(build_closed_breaker("vc01"), None)
    stored = breakers.read("vc01")
    assert stored is not None
    assert stored.breaker == OPEN


def test_a_breaker_of_before_is_read(breakers: S3Breakers) -> None:
    """One without the field for a second try: what it refused is not tried again."""
    old = {
        **build_closed_breaker("vc01"),
        "open": True,
        "refused": ["v1"],
        "refused_at": "2026-11-23T02:14:00.000Z",
    }
    breakers.s3.put_object(Bucket="state", Key=make_breaker_key("vc01"), Body=encode_canonical_json(old))
    stored = breakers.read("vc01")
    assert stored is not None
    assert stored.breaker == old
    a_year_later = datetime(2027, 11, 23, tzinfo=UTC)
    assert explain_forbidden_login(stored.breaker, "dispatcher", "v1", a_year_later) is not None
    assert explain_forbidden_login(stored.breaker, "dispatcher", "v2", a_year_later) is None


def test_another_vcenters_breaker_is_none(breakers: S3Breakers) -> None:
    """What was copied from there is not followed, and what came of a login is not written there."""
    breakers.write(OPEN, None)
    body = encode_canonical_json(OPEN)
    stored = breakers.s3.put_object(Bucket="state", Key=make_breaker_key("vc02"), Body=body)
    with pytest.raises(
        LoginSuspended, match=r"breaker/vc02\.json can't be read: esx-drift doctor --reset vc02"
    ):
        breakers.read("vc02")
    for_reset = breakers.read_for_reset("vc02")
    assert for_reset == StoredBreaker(build_closed_breaker("vc02"), stored["ETag"])


def test_a_stale_etag_writes_nothing(breakers: S3Breakers) -> None:
    """Who did not see the last change can't undo it."""
    breakers.write(OPEN, None)
    stored = breakers.read("vc01")
    assert stored is not None
    assert breakers.write(record_success(OPEN, "version-1"), stored.etag)
    assert not breakers.write(OPEN, stored.etag)


def test_an_etag_of_an_object_that_is_gone_writes_nothing(breakers: S3Breakers) -> None:
    """A breaker that a person removed meanwhile is not brought back."""
    assert not breakers.write(OPEN, '"d41d8cd98f00b204e9800998ecf8427e"')


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "AccessDenied"])
def test_a_fault_of_s3_is_told(
    breakers: S3Breakers, operation: Literal["GetObject", "PutObject"], code: str
) -> None:
    """Anything but the answer to the condition is a failure that names the object."""
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
    _break(breakers, operation, error)
    with pytest.raises(StoreUnavailable, match=rf"breaker/vc01\.json: {code}"):
        breakers.read("vc01") if operation == "GetObject" else breakers.write(OPEN, None)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_an_s3_out_of_reach_is_told(
    breakers: S3Breakers, operation: Literal["GetObject", "PutObject"]
) -> None:
    """The same where no answer came."""
    _break(breakers, operation, EndpointConnectionError(endpoint_url="https://127.0.0.1"))
    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        breakers.read("vc01") if operation == "GetObject" else breakers.write(OPEN, None)


def test_a_write_at_the_same_moment_is_a_lost_one(breakers: S3Breakers) -> None:
    """409: the caller reads again."""
    conflict = ClientError({"Error": {"Code": "ConditionalRequestConflict", "Message": "no"}}, "PutObject")
    _break(breakers, "PutObject", conflict)
    assert not breakers.write(OPEN, None)


def _break(breakers: S3Breakers, operation: str, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    breakers.s3.meta.events.register_first(f"before-call.s3.{operation}", fail)
