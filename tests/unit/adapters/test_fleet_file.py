import json
from time import process_time

import boto3
import pytest
from botocore.stub import Stubber
from esx_drift.adapters.s3_objects import S3Object
from esx_drift.adapters.state_bucket import FleetFile, parse_fleet
from esx_drift.domain.fleet.fleet import build_fleet
from esx_drift.domain.stored.identifiers import FLEET_KEY, compute_sha256
from esx_drift.errors import FleetInvalid, StoreUnavailable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleets import fleet
from tests.unit.simulated_aws import REGION

BODY = json.dumps(fleet()).encode()


@pytest.fixture
def file(aws: None) -> FleetFile:  # noqa: ARG001 -- the bucket is made in that AWS
    """The fleet file of a bucket that has none yet."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="state", CreateBucketConfiguration={"LocationConstraint": REGION})
    return FleetFile(lambda: client, "state")


def test_what_is_written_is_read_with_its_digest(file: FleetFile) -> None:
    """The digest in a record is that of the object's bytes."""
    assert file.write(BODY, None)
    assert file.read() == (build_fleet(json.loads(BODY)), compute_sha256(BODY))


def test_each_read_reads_what_holds_now(file: FleetFile) -> None:
    """Nothing is cached."""
    file.write(BODY, None)
    file.read()
    file.write(json.dumps(fleet(vcenters=[{"name": "vc09"}])).encode(), file.read_stored())
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc09"]


def test_a_missing_file_says_what_to_do(file: FleetFile) -> None:
    """The first mistake of a new user."""
    with pytest.raises(FleetInvalid, match=r"no fleet file at s3://state/config/fleet.json.*fleet push FILE"):
        file.read()


def test_every_fault_of_an_invalid_file_is_named(file: FleetFile) -> None:
    """One look at the alarm is enough to mend the file."""
    file.write(json.dumps({"schema_version": 2, "vcenters": [{"name": "VC"}]}).encode(), None)
    with pytest.raises(FleetInvalid) as refused:
        file.read()
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "/schema_version",
        "/vcenters/0/name",
    ]
    assert all(problem in str(refused.value) for problem in refused.value.problems)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000, b"NaN", b"null"])
def test_what_is_no_plain_json_is_invalid(body: bytes) -> None:
    """Damage is told as such."""
    with pytest.raises(FleetInvalid, match=FLEET_KEY):
        parse_fleet(body)


@pytest.mark.parametrize("item", [b"[]", b'{"name": 1}', b"1"])
def test_a_file_that_is_far_too_large_is_not_even_read(item: bytes) -> None:
    """Naming all that is wrong with 30 MB of lists would take minutes, in each run."""
    lists = b'{"schema_version": 1, "vcenters": [' + b",".join([item] * (30_000_000 // len(item))) + b"]}"
    began = process_time()
    with pytest.raises(FleetInvalid, match=rf"too large.*\n.*at most 256000 bytes, got {len(lists)}"):
        parse_fleet(lists)
    assert process_time() - began < 1


def test_the_largest_fleet_that_the_schema_allows_for_has_room() -> None:
    """500 vCenters and 500 routes, with a pattern or two each."""
    vcenters = [{"name": f"vc{at}", "clusters": {"exclude": ["lab-*", "*-test"]}} for at in range(500)]
    routes = [{"name": f"route{at}", "vcenters": [f"vc{at}"], "families": ["drift"]} for at in range(500)]
    document = fleet(vcenters=vcenters, routes=routes)
    assert len(parse_fleet(json.dumps(document, indent=2, sort_keys=True).encode()).routes) == 500


@given(st.binary())
def test_any_bytes_are_a_fleet_or_invalid(body: bytes) -> None:
    """No other error comes out."""
    with pytest.raises(FleetInvalid):
        parse_fleet(body)


@pytest.mark.parametrize("first", [None, BODY])
def test_of_two_who_read_the_same_file_one_writes(file: FleetFile, first: bytes | None) -> None:
    """Nobody overwrites what he has not seen, be it the first file or not."""
    if first:
        file.write(first, None)
    known = file.read_stored()
    assert file.write(b"of one", known)
    assert not file.write(b"of the other", known)
    stored = file.read_stored()
    assert stored is not None
    assert stored.body == b"of one"


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_a_refused_condition_is_no_error(file: FleetFile, code: str) -> None:
    """Somebody else was faster, is at it now, or deleted the file: nothing was written."""
    with Stubber(file.client()) as stub:
        stub.add_client_error("put_object", code)
        assert not file.write(BODY, S3Object(b"", '"etag"'))


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "AccessDenied", "NoSuchBucket"])
def test_another_fault_of_s3_is_transient(file: FleetFile, code: str) -> None:
    """It is tried again, and the alarm comes if that doesn't help."""
    with Stubber(file.client()) as stub:
        stub.add_client_error("get_object", code)
        with pytest.raises(StoreUnavailable, match=code):
            file.read()
        stub.add_client_error("put_object", code)
        with pytest.raises(StoreUnavailable, match=code):
            file.write(BODY, None)


def test_an_s3_that_does_not_answer_is_transient(monkeypatch: pytest.MonkeyPatch, aws: None) -> None:  # noqa: ARG001 -- credentials
    """A network that is down comes back."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:1")
    file = FleetFile(lambda: client, "state")
    with pytest.raises(StoreUnavailable):
        file.read()
    with pytest.raises(StoreUnavailable):
        file.write(BODY, None)
