"""What a run of the sealer names, and what it leaves to the next one."""

import json
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from esx_drift.domain.stored.identifiers import SEALING_TURN_KEY, compute_sha256, make_record_key
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail import digests
from esx_drift.domain.trail.digests import SETTLE
from esx_drift.errors import TrailDamaged
from esx_drift.sealing import window_reader
from esx_drift.sealing.sealer import SEALING_TURN_LENGTH, TIME_TO_FINISH_MS, copy_digests

from tests.benchmarks.costs import KEYS_A_LISTING
from tests.unit.sealing.world import ALL_THE_TIME, NOW, World, counting_down

LONG_AGO = NOW - timedelta(hours=1)
EVERYTHING = (
    "deliveries/1/ops.json",
    "documents/vcenter=vc01/cluster=domain-c9/1.json.gz",
    "quarantine/vcenter=vc01/cluster=domain-c9/1.json.gz",
    make_record_key("vc01", "@vcenter", 1),
    make_record_key("vc01", "domain-c9", 1),
    make_record_key("vc01", "domain-c9", 2),
    "reports/daily/1.json",
    "snapshots/vcenter=vc01/cluster=domain-c9/1.json.gz",
    "something/foreign",
)


def test_every_object_is_named_by_its_sha256_once(world: World) -> None:
    """Whatever it is; and where each log ends. The next day names what is new and nothing else."""
    for key in EVERYTHING:
        world.put(key, at=LONG_AGO)
    (key,) = world.seal()["sealed"]
    assert key == "digests/20261123T021430Z.json"
    (digest,) = world.digests()
    assert digest["objects"] == [
        {"key": key, "sha256": compute_sha256(key.encode())} for key in sorted(EVERYTHING)
    ]
    assert (digest["since"], digest["until"], digest["previous"]) == (None, "2026-11-23T01:59:30.000Z", None)
    assert [(head["vcenter"], head["cluster"], head["seq"]) for head in digest["heads"]] == [
        ("vc01", "@vcenter", 1),
        ("vc01", "domain-c9", 2),
    ]
    assert digest["heads"][1]["sha256"] == compute_sha256(EVERYTHING[5].encode())
    world.wait(days=1)
    ends_at = parse_time(digest["until"])
    new = [world.record(3, at=ends_at + timedelta(hours=1)), world.put("zzz", at=ends_at)]
    world.seal()
    assert [one["key"] for one in world.digests()[1]["objects"]] == new
    assert [head["seq"] for head in world.digests()[1]["heads"]] == [1, 3]


def test_openssl_accepts_what_was_signed_without_us(world: World, tmp_path: Path) -> None:
    """By the command that operations names; and not once a byte is another one."""
    world.put("records/x", at=LONG_AGO)
    (key,) = world.seal()["sealed"]
    (kept,) = world.keys("digests/keys/")
    files = {"X.json": world.body(key), "X.json.sig": world.body(f"{key}.sig"), "key.pem": world.body(kept)}
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "X.json.sig", "X.json"]
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "Verified OK\n")
    (tmp_path / "X.json").write_bytes(files["X.json"].replace(b"records/x", b"records/y"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"],
        input=files["key.pem"],
        capture_output=True,
        check=True,
    )
    assert kept == f"digests/keys/{compute_sha256(der.stdout)}.pem"


def test_each_day_is_sealed_also_when_nothing_happened(world: World) -> None:
    """Once: the schedule comes every hour."""
    for hours in range(49):
        world.now = NOW + timedelta(hours=hours)
        world.seal()
    assert [digest["sealed_at"][:13] for digest in world.digests()] == [
        "2026-11-23T02",
        "2026-11-24T00",
        "2026-11-25T00",
    ]
    assert world.sealed() == []
    assert [digest["since"] for digest in world.digests()[1:]] == [
        digest["until"] for digest in world.digests()[:-1]
    ]


def test_what_was_just_written_falls_into_the_next_digest(world: World) -> None:
    """A digest ends a quarter of an hour ago: in this second, or in the one before it."""
    ends_at = NOW - SETTLE
    world.put("a", at=ends_at - timedelta(seconds=1))
    world.put("b", at=ends_at)
    world.record(1, at=ends_at)
    world.seal()
    assert world.sealed_keys() == ["a"]
    world.wait(days=1)
    world.seal()
    assert world.sealed_keys() == ["a", "b", make_record_key("vc01", "domain-c9", 1)]


def test_a_person_seals_up_to_this_second_and_the_schedule_goes_on_from_there(world: World) -> None:
    """As the demo does after its last receipt; no span ends before the one before it."""
    world.seal()
    world.put("a")
    world.wait(seconds=1)
    assert world.seal(timedelta(0))["complete"]
    assert world.sealed_keys() == ["a"]
    world.wait(seconds=0.4)
    world.put("b")
    assert world.seal(SETTLE)["sealed"] == ["digests/20261123T021432Z.json"]
    assert world.sealed_keys() == ["a"]
    world.wait(days=1)
    world.seal()
    assert world.sealed_keys() == ["a", "b"]


def test_a_log_is_named_without_a_gap_whatever_s3_s_clock_says(world: World) -> None:
    """A record that was written later by it than the one behind it: both come, in order, once."""
    late = NOW - timedelta(minutes=5)
    world.record(1, at=LONG_AGO)
    world.record(2, at=late)
    world.record(3, at=LONG_AGO)
    world.seal()
    assert [head["seq"] for head in world.digests()[0]["heads"]] == [1]
    world.wait(days=1)
    world.seal()
    assert [head["seq"] for head in world.digests()[1]["heads"]] == [3]
    named = [one["key"][-7:] for one in world.digests()[1]["objects"]]
    assert named == ["02.json", "03.json"]


def test_a_record_that_stands_apart_moves_no_head(world: World) -> None:
    """Its number is none that the log goes on with. It is sealed as what it is: an object."""
    world.record(1, at=LONG_AGO)
    world.record(99, at=LONG_AGO)
    world.seal()
    assert [head["seq"] for head in world.digests()[0]["heads"]] == [1]
    assert len(world.sealed()) == 2
    world.wait(days=1)
    world.record(2, at=NOW + timedelta(hours=1))
    world.seal()
    assert world.sealed_keys()[2:] == [make_record_key("vc01", "domain-c9", 2)]


@pytest.mark.parametrize("body", [b"", b"no record", b'{"schema_version": 99}'])
def test_what_is_damaged_is_sealed_as_it_lies_there(world: World, body: bytes) -> None:
    """A seal says what there was, and judges nothing."""
    key = world.record(1, at=LONG_AGO)
    world.put(key, body, at=LONG_AGO)
    world.seal()
    assert world.sealed() == [{"key": key, "sha256": compute_sha256(body)}]


def test_what_is_gone_when_it_is_read_is_left_out(world: World) -> None:
    """Retention removed it in between; its log goes on behind it."""

    class Forgetful:
        def hash_object(self, key: str, most: int) -> str | None:
            return None if key.endswith("02.json") else world.trail.hash_object(key, most)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- all else as it is
            return getattr(world.trail, name)

    for seq in (1, 2, 3):
        world.record(seq, at=LONG_AGO)
    world.seal(trail=Forgetful())
    (digest,) = world.digests()
    assert [one["key"][-7:] for one in digest["objects"]] == ["01.json", "03.json"]
    assert [head["seq"] for head in digest["heads"]] == [3]
    assert "unread" not in digest


def test_names_are_told_as_they_are(world: World) -> None:
    """Decoded from the key, in which they may not stand as they are."""
    world.put(make_record_key("vc/ü", "domain c9", 1), at=LONG_AGO)
    world.seal()
    (head,) = world.digests()[0]["heads"]
    assert (head["vcenter"], head["cluster"]) == ("vc/ü", "domain c9")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of four objects, two read at a time."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS", 4)
    monkeypatch.setattr(window_reader, "BATCH", 2)


@pytest.mark.usefixtures("small")
def test_what_is_too_much_for_one_digest_goes_on_in_the_next(world: World) -> None:
    """In the same run: each names the one before, all are about the same span, and nothing is named twice."""
    for key in EVERYTHING:
        world.put(key, at=LONG_AGO)
    reply = world.seal()
    assert (len(reply["sealed"]), reply["complete"]) == (3, True)
    assert world.sealed_keys() == sorted(EVERYTHING)
    assert {(digest["since"], digest["until"]) for digest in world.digests()} == {
        (None, "2026-11-23T01:59:30.000Z")
    }
    assert [digest["listed_to"] for digest in world.digests()] == [
        sorted(EVERYTHING)[3],
        sorted(EVERYTHING)[7],
        None,
    ]
    assert [head["seq"] for head in world.digests()[-1]["heads"]] == [1, 2]


def test_a_digest_of_long_keys_stays_small_enough_to_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write somewhere can't end the sealing by that."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS_BYTES", 5_000)
    for number in range(12):
        world.put(f"x/{number:02}{'ü' * 400}", at=LONG_AGO)
    world.seal()
    assert [len(digest["objects"]) for digest in world.digests()] == [3, 3, 3, 3, 0]


@pytest.mark.usefixtures("small")
def test_a_run_whose_time_is_over_is_gone_on_with(world: World) -> None:
    """By the next run, though the day is sealed already; then what came in meanwhile, too."""
    for key in EVERYTHING:
        world.put(key, at=LONG_AGO)
    first = world.seal(time_left_ms=counting_down(*[ALL_THE_TIME] * 2, TIME_TO_FINISH_MS - 1))
    assert (len(first["sealed"]), first["complete"]) == (1, False)
    assert world.sealed_keys() == sorted(EVERYTHING)[:3]
    world.wait(hours=1)
    world.put("a", at=NOW)
    again = world.seal()
    assert again["complete"]
    assert world.sealed_keys() == [*sorted(EVERYTHING), "a"]
    world.wait(hours=1)
    assert world.seal()["sealed"] == []


def test_even_without_any_time_a_run_gets_somewhere(world: World) -> None:
    """Or a trail that is larger than one run can look through were never sealed."""
    for key in EVERYTHING:
        world.put(key, at=LONG_AGO)
    runs = 0
    while not world.seal(time_left_ms=lambda: 0)["complete"]:
        runs += 1
    assert runs == len(EVERYTHING)
    assert world.sealed_keys() == sorted(EVERYTHING)


def test_a_long_log_is_listed_by_one_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what is named already; the rest of the bucket by one for each 1,000 objects."""
    monkeypatch.setattr(digests, "LISTED_AT_ONCE", 20)
    for seq in range(1, 30):
        world.record(seq, at=LONG_AGO)
        world.record(seq, "domain-c10", at=LONG_AGO)
    world.seal()
    world.wait(days=1)
    calls: list[str] = []

    class Counted:
        def list_written(self, prefix: str, start_after: str = "") -> Any:  # noqa: ANN401 -- an iterator
            calls.append(start_after)
            return world.trail.list_written(prefix, start_after)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- all else as it is
            return getattr(world.trail, name)

    world.seal(trail=Counted())
    ends = [make_record_key("vc01", cluster, 29) for cluster in ("domain-c10", "domain-c9")]
    # The chain twice, before and after the turn is taken.
    assert calls == ["", "", "", "digests/\U0010ffff", *ends]


@pytest.mark.parametrize("clusters", [1, 20])
def test_a_sealing_asks_s3_for_so_much(world: World, clusters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One LIST a long log, and one GET an object: docs/costs.md is worked out by it."""
    monkeypatch.setattr(digests, "LISTED_AT_ONCE", 10)
    for cluster in range(clusters):
        for seq in range(1, 15):
            world.record(seq, f"domain-c{cluster}", at=LONG_AGO)
    world.seal()
    world.wait(days=1)
    for cluster in range(clusters):
        world.record(15, f"domain-c{cluster}", at=NOW)
    calls = Counter[str]()

    def note(model: Any, **_: object) -> None:  # noqa: ANN401 -- botocore's
        calls[model.name] += 1

    world.s3.meta.events.register("before-call.s3", note)
    world.seal()
    # The chain and the turn are read before and after, the bucket from its begin and behind its digests. The
    # turn is written to take it, to say what is made, and to give it back.
    assert calls == {
        "ListObjectsV2": 4 + clusters,
        "GetObject": 3 + clusters,
        "PutObject": 5,
    }


def test_what_is_no_record_is_listed_whole_by_a_thousand_keys(world: World) -> None:
    """An object that no record names is found by that, wherever its key sorts, on the day that it was put."""
    calls = Counter[str]()

    def note(model: Any, **_: object) -> None:  # noqa: ANN401 -- botocore's
        calls[model.name] += 1

    world.seal()
    world.s3.meta.events.register("before-call.s3", note)
    world.wait(days=1)
    world.seal()
    before, objects = calls["ListObjectsV2"], 2_500
    for number in range(objects):
        world.put(f"documents/vcenter=vc01/cluster=domain-c9/{number:064}.json.gz", at=LONG_AGO)
    world.wait(days=1)
    world.put("documents/put-there-by-somebody", at=world.now - timedelta(hours=1))
    calls.clear()
    world.seal()
    assert calls["ListObjectsV2"] - before == objects // KEYS_A_LISTING
    assert world.sealed_keys()[-1] == "documents/put-there-by-somebody"


@pytest.mark.parametrize("body", [b"", b"{}", b"no"])
def test_a_newest_digest_that_cannot_be_read_ends_the_sealing(world: World, body: bytes) -> None:
    """Nobody knows what follows it: a person restores its former version."""
    (key,) = world.seal()["sealed"]
    world.s3.put_object(Bucket="audit", Key=key, Body=body)
    world.wait(days=1)
    with pytest.raises(TrailDamaged, match=f"{key}, the newest digest.*restore its former version"):
        world.seal()


def test_a_digest_of_a_newer_version_is_not_followed(world: World) -> None:
    """An older version that was deployed again leaves the chain as it is."""
    (key,) = world.seal()["sealed"]
    newer = {**json.loads(world.body(key)), "schema_version": 2}
    world.s3.put_object(Bucket="audit", Key=key, Body=json.dumps(newer).encode())
    world.wait(days=1)
    with pytest.raises(TrailDamaged, match="deploy the newer version again"):
        world.seal()


def test_while_one_seals_another_does_nothing(world: World) -> None:
    """Until its turn is over: no run of a function is longer."""
    world.seal()
    world.wait(days=1)
    stored = world.turns.read()
    world.turns.write(
        {"schema_version": 1, "holder": "another", "taken_at": "2026-11-24T02:14:30.000Z"}, stored.etag
    )
    reply = world.seal()
    assert (reply["busy"], reply["sealed"], len(world.digests())) == (True, [], 1)
    world.now += SEALING_TURN_LENGTH
    assert not world.seal()["busy"]
    assert len(world.digests()) == 2


@pytest.mark.parametrize("body", [b"", b"{}", b'{"schema_version": 2, "holder": null}'])
def test_a_turn_that_cannot_be_read_is_nobody_s(world: World, body: bytes) -> None:
    """It is replaced."""
    world.s3.put_object(Bucket="state", Key=SEALING_TURN_KEY, Body=body)
    assert not world.seal()["busy"]
    turn = world.turns.read().turn
    assert turn is not None
    assert turn["holder"] is None


def test_copies_go_to_a_second_bucket(world: World) -> None:
    """Digests, signatures and keys; what failed once is made up for."""
    world.put("a", at=LONG_AGO)
    world.seal()
    assert copy_digests(world.trail, world.copy) == world.keys("digests/")
    world.wait(days=1)
    world.seal()
    world.wait(days=1)
    world.seal()
    assert len(copy_digests(world.trail, world.copy)) == 4
    assert copy_digests(world.trail, world.copy) == []
    assert world.keys(bucket="copy") == world.keys("digests/")
    for key in world.keys("digests/"):
        assert world.body(key, "copy") == world.body(key)
