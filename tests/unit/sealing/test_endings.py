"""A sealer may end anywhere, two may run at once, S3 and KMS may fail: the chain stays one, and whole."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from esx_drift.adapters.signing import KmsSigner
from esx_drift.errors import SignerUnavailable, StoreConflict, StoreUnavailable, TrailDamaged
from esx_drift.sealing import window_reader
from esx_drift.sealing.sealer import copy_digests

from tests.unit.processes import Mortal, ProcessEnd, Turn, interleave, watch
from tests.unit.sealing.world import NOW, World, counting_down, make_key

LONG_AGO = NOW - timedelta(hours=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of four objects, two read at a time."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS", 4)
    monkeypatch.setattr(window_reader, "BATCH", 2)
    # In threads, it would be another call that comes first each time.
    monkeypatch.setattr(window_reader, "read_all", lambda read, keys: [read(key) for key in keys])


def _prepare(world: World) -> list[str]:
    """Six objects: two digests."""
    return [
        *(world.record(seq, at=LONG_AGO) for seq in (1, 2, 3, 4)),
        *(world.put(key, at=LONG_AGO) for key in "xy"),
    ]


def _watched(world: World, process: Any) -> dict[str, Any]:  # noqa: ANN401 -- any process
    ports = {"trail": world.trail, "signer": world.signer, "turns": world.turns}
    return {name: watch(port, process) for name, port in ports.items()}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_sealer_that_ends_anywhere_leaves_a_whole_chain_to_the_next(world: World, *, after: bool) -> None:
    """Each call of S3 and of KMS may be its last one."""
    for ends_at in itertools.count(1):
        world.remove(*world.keys())
        world.s3.delete_object(Bucket="state", Key="seals/turn.json")
        world.now = NOW
        named = _prepare(world)
        process = Mortal(ends_at, after=after)
        try:
            world.seal(**_watched(world, process))
        except ProcessEnd:
            pass
        else:
            break
        # Its turn ends by itself.
        world.wait(hours=1)
        reply = world.seal()
        assert (reply["busy"], reply["refused"]) == (False, [])
        assert sorted(world.sealed_keys()) == sorted(named)
        assert world.seal()["sealed"] == []
    assert ends_at > 20


@pytest.mark.parametrize("order", [*itertools.product((0, 1), repeat=4)], ids=str)
def test_of_two_at_once_one_seals(world: World, order: tuple[int, ...]) -> None:
    """In whatever order they come: the chain has no second end."""
    named = _prepare(world)
    replies = list[Any]()

    def run(turn: Turn) -> None:
        replies.append(world.seal(**_watched(world, turn)))

    assert interleave([run, run], order * 3) == [None, None]
    assert sorted(world.sealed_keys()) == sorted(named)
    assert sum(len(reply["sealed"]) for reply in replies) == len(world.digests())


def test_a_second_one_that_comes_by_without_a_turn_stops_at_the_key(world: World) -> None:
    """Were a turn ever longer than it can be: the digest of the same second is there already."""

    class Nobody:
        def read(self) -> Any:  # noqa: ANN401 -- a stored turn
            return world.turns.read()

        def write(self, *_: object) -> str:
            return "any"

    def run(turn: Turn) -> None:
        world.seal(trail=watch(world.trail, turn), turns=Nobody())

    errors = interleave([run, run], (0, 1) * 20)
    assert [type(error) for error in errors].count(StoreConflict) == 1
    assert len(world.digests()) == 1


def test_a_digest_that_somebody_put_there_is_not_signed(world: World) -> None:
    """Not even one that looks right: what a run would say, it says itself. The chain goes on beside it."""
    world.put("a", at=LONG_AGO)
    world.seal()
    (key,) = [key for key in world.keys("digests/") if key.endswith("Z.json")]
    forged = {
        **json.loads(world.body(key)),
        "sealed_at": "2026-11-23T03:00:00.000Z",
        "since": "2026-11-23T01:59:30.000Z",
        "until": "2026-11-23T02:30:00.000Z",
        "previous": {"key": key, "sha256": "0" * 64},
    }
    world.put("digests/20261123T030000Z.json", json.dumps(forged).encode())
    world.put("digests/20261123T040000Z.json", b"no digest at all")
    world.wait(days=1)
    reply = world.seal()
    assert reply["refused"] == ["digests/20261123T030000Z.json", "digests/20261123T040000Z.json"]
    assert reply["sealed"] == ["digests/20261124T021430Z.json"]
    world.remove(*reply["refused"])
    assert len(world.digests()) == 2
    assert world.seal()["refused"] == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_digest_with_a_signature_of_somebody_else_is_followed_by_nothing(
    world: World, *, is_known: bool
) -> None:
    """Also where it is not known any more which one a run of ours made last: KMS says whose it is."""
    world.put("a", at=LONG_AGO)
    (key,) = world.seal()["sealed"]
    for forged, body in (("20261123T030000Z", world.body(key)), ("20991231T000000Z", b"no digest at all")):
        world.put(f"digests/{forged}.json", body)
        world.put(f"digests/{forged}.json.sig", b"no signature" * len(body))
    # A true signature, of another digest.
    world.put("digests/20261123T040000Z.json", b"{}")
    world.put("digests/20261123T040000Z.json.sig", world.body(f"{key}.sig"))
    if not is_known:
        world.s3.delete_object(Bucket="state", Key="seals/turn.json")
    world.wait(days=1)
    reply = world.seal()
    assert reply["sealed"] == ["digests/20261124T021430Z.json"]
    assert len(reply["refused"]) == 3
    assert json.loads(world.body(reply["sealed"][0]))["previous"]["key"] == key
    world.remove(*reply["refused"], *(f"{each}.sig" for each in reply["refused"]))
    assert len(world.digests()) == 2
    assert world.seal() == {"sealed": [], "complete": True, "busy": False, "refused": [], "unread": 0}


def test_a_new_key_goes_on_with_what_the_one_before_signed(world: World) -> None:
    """It signed none of them yet, and so it follows the newest; from then on it signs all."""
    world.seal()
    other = KmsSigner(lambda: boto3.client("kms"), make_key())
    for _ in range(2):
        world.wait(days=1)
        assert (len(world.seal(signer=other)["sealed"]), len(world.keys("digests/keys/"))) == (1, 2)
    one, two, three = (json.loads(world.body(key)) for key in world.keys("digests/2") if key.endswith("json"))
    assert (one["previous"], two["previous"]["key"], three["previous"]["key"]) == (
        None, *(key for key in world.keys("digests/2")[:4] if key.endswith("json")),
    )  # fmt: skip


def test_a_digest_that_was_written_over_is_followed_by_nothing(world: World) -> None:
    """Though it is one: beside what was made, two would follow the one before it."""
    world.seal()
    world.wait(days=1)
    (key,) = world.seal()["sealed"]
    digest = json.loads(world.body(key))
    world.put(key, json.dumps({**digest, "objects": []}).encode() + b" ")
    world.wait(days=1)
    with pytest.raises(TrailDamaged, match="is not as it was made: restore its former version in S3"):
        world.seal()


def test_a_digest_that_time_cut_off_is_signed_up_to_where_it_ended(world: World) -> None:
    """Though there is time for more by now, which the next one names."""
    named = _prepare(world)
    reply = world.seal(time_left_ms=counting_down(900_000, 0))
    assert not reply["complete"]
    world.remove(f"{reply['sealed'][0]}.sig")
    world.wait(hours=1)
    assert world.seal()["sealed"][0] == reply["sealed"][0]
    assert sorted(world.sealed_keys()) == sorted(named)
    assert len(world.digests()[0]["objects"]) == 2


@pytest.mark.parametrize("call", ["hash_object", "list_written", "keep"])
def test_s3_that_fails_ends_the_run_and_the_next_one_goes_on(world: World, call: str) -> None:
    """The turn is given back at once: Lambda tries again within a minute."""
    named = _prepare(world)

    class Failing:
        def __getattr__(self, name: str) -> Callable[..., object]:
            if name == call:
                raise StoreUnavailable("S3 could not serve it: SlowDown")
            method: Callable[..., object] = getattr(world.trail, name)
            return method

    with pytest.raises(StoreUnavailable):
        world.seal(trail=Failing())
    world.wait(minutes=1)
    assert not world.seal()["busy"]
    assert sorted(world.sealed_keys()) == sorted(named)


@pytest.mark.parametrize("method", ["get_public_key", "sign"])
@pytest.mark.parametrize("times", [1, 5])
def test_kms_that_refuses_leaves_nothing_that_is_not_signed(world: World, method: str, times: int) -> None:
    """However often, and whatever comes in or goes meanwhile: once it signs, all is sealed."""
    named = _prepare(world)
    gone = world.put("documents/expiring", at=LONG_AGO)
    for number in range(times):
        with pytest.raises(
            SignerUnavailable, match=r"DisabledException \(it is disabled\). Is the key enabled"
        ):
            world.seal(signer=_refuse(world, method))
        assert world.keys("digests/") == []
        named.append(world.put(f"late-{number}", at=LONG_AGO))
        world.wait(hours=7)
    world.remove(gone)
    world.wait(days=1)
    assert world.seal()["refused"] == []
    assert sorted(world.sealed_keys()) == sorted(named)


@pytest.mark.parametrize("method", ["get_public_key", "sign"])
@pytest.mark.parametrize("times", [1, 5])
def test_a_digest_that_was_left_unsigned_is_signed_first_however_often_kms_refuses(
    world: World, method: str, times: int
) -> None:
    """Though what it names is gone since: it is ours."""
    named = _prepare(world)
    gone = world.put("documents/expiring", at=LONG_AGO)
    process = Mortal()
    trail = watch(world.trail, process)
    process.ends_at, process.after = _count_calls(world, named, gone), True
    with pytest.raises(ProcessEnd):
        world.seal(trail=trail)
    (left,) = world.keys("digests/")
    world.remove(gone)
    for _ in range(times):
        world.wait(hours=1)
        with pytest.raises(SignerUnavailable):
            world.seal(signer=_refuse(world, method))
        assert world.keys("digests/") == [left]
    world.wait(hours=1)
    reply = world.seal()
    assert (reply["sealed"][0], reply["refused"]) == (left, [])
    assert sorted({*world.sealed_keys()}) == sorted([*named, gone])


def _count_calls(world: World, named: list[str], gone: str) -> int:
    """Count the calls of the trail up to the one that keeps the first digest."""
    process = Mortal()
    world.seal(trail=watch(world.trail, process))
    world.remove(*world.keys())
    for key in (*named, gone):
        world.put(key, at=LONG_AGO)
    world.s3.delete_object(Bucket="state", Key="seals/turn.json")
    return process.calls.index("keep") + 1


def _refuse(world: World, method: str) -> Any:  # noqa: ANN401 -- a signer
    """A signer whose KMS refuses one of both calls."""
    client = boto3.client("kms")
    stub = Stubber(client)
    if method == "sign":
        key = boto3.client("kms").get_public_key(KeyId=world.key_id)
        stub.add_response("get_public_key", {"PublicKey": key["PublicKey"]})
    stub.add_client_error(method, "DisabledException", "it is disabled")
    stub.activate()
    return KmsSigner(lambda: client, world.key_id)


def test_kms_that_is_out_of_reach_is_told_as_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address that was asked."""
    client = boto3.client("kms")

    def fail(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://kms.example")

    monkeypatch.setattr(client, "_make_api_call", fail)
    with pytest.raises(SignerUnavailable, match=r"could not be reached.*kms\.example"):
        KmsSigner(lambda: client, world.key_id).sign(b"0" * 32)


def test_who_lost_the_turn_keeps_nothing(world: World) -> None:
    """What is made is written down first, and that fails where another run took the turn."""
    _prepare(world)

    class Taken:
        def read(self) -> Any:  # noqa: ANN401 -- a stored turn
            return world.turns.read()

        def write(self, turn: Any, etag: str | None) -> str | None:  # noqa: ANN401 -- a turn
            return None if "made" in turn else world.turns.write(turn, etag)

    with pytest.raises(StoreConflict, match="was not begun: another sealer took the turn"):
        world.seal(turns=Taken())
    assert world.keys("digests/") == []


@pytest.mark.parametrize(
    ("taken_at", "is_busy"),
    [
        ("2999-01-01T00:00:00.000Z", False),
        ("9999-12-31T23:59:59.000Z", False),
        ("0001-01-01T00:00:00.000Z", False),
        ("2026-11-23T02:29:30.000Z", True),
        ("2026-11-23T02:29:30.001Z", False),
        ("2026-11-23T01:58:30.001Z", True),
        ("2026-11-23T01:58:30.000Z", False),
    ],
)
def test_a_turn_of_a_time_that_no_clock_of_ours_had_is_none(
    world: World, taken_at: str, *, is_busy: bool
) -> None:
    """Whoever may write to the StateBucket ends no sealing: it would be another's turn for ever."""
    named = _prepare(world)
    world.turns.write({"schema_version": 1, "holder": "mallory", "taken_at": taken_at}, None)
    assert world.seal()["busy"] is is_busy
    assert sorted(world.sealed_keys()) == ([] if is_busy else sorted(named))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_copy_that_ends_anywhere_is_made_up_for(world: World, *, after: bool) -> None:
    """Each key once, and each with all its bytes."""
    _prepare(world)
    world.seal()
    for ends_at in itertools.count(1):
        for key in world.keys(bucket="copy"):
            world.s3.delete_object(Bucket="copy", Key=key)
        process = Mortal(ends_at, after=after)
        try:
            copy_digests(watch(world.trail, process), watch(world.copy, process))
        except ProcessEnd:
            pass
        else:
            break
        copy_digests(world.trail, world.copy)
        assert world.keys(bucket="copy") == world.keys("digests/")
        assert all(world.body(key, "copy") == world.body(key) for key in world.keys("digests/"))
    assert ends_at > 8
