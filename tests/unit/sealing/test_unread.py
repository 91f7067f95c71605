"""An object that can't be read keeps nothing else from being sealed, and is tried until it can be."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from esx_drift.adapters.s3_objects import PIECE_BYTES, S3Objects
from esx_drift.domain.stored.identifiers import compute_sha256, make_record_key
from esx_drift.errors import StoreUnavailable, TrailDamaged
from esx_drift.sealing import window_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sealing.memory import MemoryWorld
from tests.unit.sealing.world import NOW, World, counting_down

LONG_AGO = NOW - timedelta(hours=1)
FIRST, SECOND, THIRD = (make_record_key("vc01", "domain-c9", seq) for seq in (1, 2, 3))


@pytest.mark.parametrize("left", ["documents/in-an-archive", FIRST, SECOND, THIRD])
def test_what_cannot_be_read_is_named_and_sealed_once_it_can_be(left: str) -> None:
    """All else is sealed meanwhile, and the head of its log goes on."""
    world = MemoryWorld(refused={left})
    first = [world.put(key, at=LONG_AGO) for key in sorted({"documents/other", FIRST, SECOND, THIRD, left})]
    reply = world.seal()
    assert (reply["complete"], reply["unread"]) == (True, 1)
    assert world.digests()[0]["unread"] == [left]
    fourth = world.put(make_record_key("vc01", "domain-c9", 4))
    world.wait(days=1)
    assert world.seal()["unread"] == 1
    (head,) = world.digests()[-1]["heads"]
    assert head["seq"] == 4
    assert sorted(world.sealed_keys()) == sorted({*first, fourth} - {left})
    world.refused.clear()
    world.wait(hours=1)
    reply = world.seal()
    assert (len(reply["sealed"]), reply["complete"], reply["unread"]) == (1, True, 0)
    assert [one["key"] for one in world.digests()[-1]["objects"]] == [left]
    assert "unread" not in world.digests()[-1]
    assert sorted(world.sealed_keys()) == sorted([*first, fourth])


def test_the_last_record_of_a_log_is_waited_for_and_the_next_one_follows() -> None:
    """Also where nothing at all of the log could be read at first."""
    world = MemoryWorld(refused={FIRST})
    world.put(FIRST, at=LONG_AGO)
    world.seal()
    assert world.digests()[0]["heads"] == []
    world.put(SECOND)
    world.wait(days=1)
    world.refused.clear()
    world.seal()
    assert world.sealed_keys() == [FIRST, SECOND]
    assert world.digests()[-1]["heads"][0]["seq"] == 2


def test_each_hour_it_is_tried_and_no_digest_is_made_of_nothing() -> None:
    """The schedule's run; what a person deleted is no longer waited for."""
    world = MemoryWorld(refused={"x"})
    world.put("x", at=LONG_AGO)
    world.put("y", at=LONG_AGO)
    world.seal()
    for _ in range(3):
        world.wait(hours=1)
        reply = world.seal()
        assert (reply["sealed"], reply["complete"], reply["unread"]) == ([], True, 1)
    del world.objects["x"]
    world.refused.clear()
    world.wait(hours=1)
    assert world.seal()["unread"] == 0
    assert "unread" not in world.digests()[-1]
    assert world.sealed_keys() == ["y"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of four objects, two read at a time."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS", 4)
    monkeypatch.setattr(window_reader, "BATCH", 2)


@pytest.mark.usefixtures("small")
def test_what_waits_is_carried_through_all_digests_of_a_run() -> None:
    """And is tried once in it, whatever the time allows."""
    world = MemoryWorld(refused={"b", "h"})
    for key in "abcdefghij":
        world.put(key, at=LONG_AGO)
    world.seal()
    assert [digest["unread"] for digest in world.digests()] == [["b"], ["b", "h"], ["b", "h"]]
    world.refused.clear()
    world.wait(hours=1)
    late = world.seal(time_left_ms=lambda: 0)
    assert (len(late["sealed"]), late["unread"]) == (1, 2)
    world.wait(hours=1)
    assert world.seal(time_left_ms=counting_down(900_000, 0))["unread"] == 0
    assert sorted(world.sealed_keys()) == list("abcdefghij")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*"abcd", FIRST, SECOND, THIRD]), st.booleans()), max_size=20))
def test_in_whatever_order_objects_come_and_can_be_read_all_is_sealed_once(
    events: list[tuple[str, bool]],
) -> None:
    """Each is written, then refused or given out from one day to the next."""
    world = MemoryWorld()
    for key, is_refused in events:
        if key not in world.objects:
            world.put(key)
        (world.refused.add if is_refused else world.refused.discard)(key)
        world.wait(days=1)
        world.seal()
        waiting = set(world.digests()[-1].get("unread", []))
        assert {*world.sealed_keys(), *waiting} == set(world.written_keys())
    world.refused.clear()
    world.wait(days=1)
    assert world.seal()["unread"] == 0
    keys = world.sealed_keys()
    assert set(keys) == set(world.written_keys())
    assert all(keys.count(key) == 1 or key.startswith("records/") for key in keys)


# What S3 says of one object, and what of itself.


def _hash(most: int = 100, **stubbed: Any) -> str | None:  # noqa: ANN401 -- of the stub
    client = boto3.client("s3")
    with Stubber(client) as stub:
        if "service_error_code" in stubbed:
            stub.add_client_error("get_object", **stubbed)
        else:
            stub.add_response("get_object", stubbed)
        return S3Objects(client, "audit").hash_pieces("key", most)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidObjectState", 403),
        ("InvalidRequest", 400),
        ("AccessDenied", 403),
        ("KMS.DisabledException", 400),
        ("InvalidArgument", 400),
    ],
)
@pytest.mark.usefixtures("aws")
def test_what_s3_refuses_of_one_object_is_said_of_that(code: str, status: int) -> None:
    """An archive, a key of somebody else's: others can be read."""
    with pytest.raises(TrailDamaged, match=rf"S3 refuses key: {code} \(why\)"):
        _hash(service_error_code=code, service_message="why", http_status_code=status)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("InternalError", 500),
        ("NoSuchBucket", 404),
        ("ExpiredToken", 400),
        ("RequestTimeTooSkewed", 403),
    ],
)
@pytest.mark.usefixtures("aws")
def test_what_s3_would_refuse_of_any_object_ends_the_run(code: str, status: int) -> None:
    """The next one goes on."""
    with pytest.raises(StoreUnavailable, match=code):
        _hash(service_error_code=code, service_message="why", http_status_code=status)


@pytest.mark.usefixtures("aws")
def test_an_object_is_hashed_piece_by_piece_and_one_too_large_not_at_all() -> None:
    """Of a larger one, not a byte is read."""

    class Pieces(BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= PIECE_BYTES
            return super().read(size)

    body = b"x" * (3 * PIECE_BYTES + 1)
    streamed: Any = StreamingBody(Pieces(body), len(body))
    assert _hash(len(body), Body=streamed, ContentLength=len(body)) == compute_sha256(body)
    streamed = StreamingBody(kept := Pieces(body), len(body))
    with pytest.raises(TrailDamaged, match="key has 3145729 bytes, of 3145728 at most"):
        _hash(len(body) - 1, Body=streamed, ContentLength=len(body))
    assert kept.closed
    assert _hash(service_error_code="NoSuchKey", http_status_code=404) is None


@pytest.mark.usefixtures("aws")
def test_what_was_cut_off_in_the_middle_ends_the_run() -> None:
    """It is not hashed as if that were all."""
    with pytest.raises(StoreUnavailable, match="IncompleteReadError"):
        _hash(Body=StreamingBody(BytesIO(b"x"), 2), ContentLength=2)


def test_large_objects_are_read_a_few_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time is looked at in between; what is too large is named as that."""
    monkeypatch.setattr(window_reader, "MAX_HASHED_BYTES", 1_000)
    world.put("a", b"x" * 1_000, at=LONG_AGO)
    world.put("b", b"x" * 1_001, at=LONG_AGO)
    world.put("c", b"x", at=LONG_AGO)
    reply = world.seal(time_left_ms=counting_down(900_000, 0))
    assert (reply["complete"], reply["unread"]) == (False, 1)
    assert world.digests()[0]["listed_to"] == "b"
    assert world.seal()["unread"] == 1
    assert world.sealed_keys() == ["a", "c"]
