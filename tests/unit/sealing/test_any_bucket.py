"""Whatever lies in the bucket, under whatever key: it is sealed, and so is what comes after it."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from esx_drift.contracts import parse_payload
from esx_drift.contracts.json_parsing import MAX_BYTES, MAX_VALUES
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json, make_record_key
from esx_drift.domain.trail.digests import (
    LISTED_AT_ONCE,
    MAX_HEADS_BYTES,
    MAX_HEADS_VALUES,
    MAX_OBJECTS_BYTES,
    MAX_OBJECTS_VALUES,
    MAX_UNREAD_BYTES,
    MAX_UNREAD_VALUES,
    Digest,
    Link,
    LogEnds,
    Room,
    Window,
    build_digest,
    find_digest_key,
)
from esx_drift.sealing import window_reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sealing.memory import MemoryWorld
from tests.unit.sealing.world import NOW, World

LONG_AGO = NOW - timedelta(hours=1)
LOG = "records/vcenter=vc01/cluster=domain-c9/"
ANY_BUCKET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FOREIGN = [
    f"{LOG}0000000000.json",
    f"{LOG}0000000001.txt",
    f"{LOG}0000000001.json.bak",
    f"{LOG}00000000001.json",
    f"{LOG}9999999999.json",
    f"{LOG}0000000002",
    f"{LOG}",
    f"{LOG}/0000000001.json",
    "records/",
    "records/vcenter=/cluster=/0000000001.json",
    "records/vcenter=%FF/cluster=%/0000000001.json",
    "records/vcenter=a\nb/cluster=,[{:/0000000001.json",
    "records/vcenter=a/cluster=b/0000000001.json\n",
    "digests/\U0010ffffx",
    "digests0",
    "documents/,,,,",
    "documents/[[[{{{:::",
    "x/ü\u2028\u007f+%2B é",
    "x//y",
    "x/\x01",
    "ends in a blank ",
    "y" * 1024,
]

KEYS = st.one_of(
    st.sampled_from(FOREIGN),
    st.builds(make_record_key, st.just("vc01"), st.sampled_from(["a", "b"]), st.integers(0, 6)),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
        lambda key: not key.startswith(("digests/", "/"))
    ),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of four objects, two read at a time."""
    monkeypatch.setattr(window_reader, "MAX_OBJECTS", 4)
    monkeypatch.setattr(window_reader, "BATCH", 2)


@pytest.mark.parametrize("key", FOREIGN)
def test_no_key_ends_the_sealing(world: World, key: str) -> None:
    """Each is named by key and hash as the object that it is, beside a log that goes on."""
    first = [world.record(1, at=LONG_AGO), world.record(2, at=LONG_AGO)]
    world.seal()
    world.put(key, b"", at=NOW)
    world.wait(days=1)
    assert world.seal()["complete"]
    assert world.sealed()[2:] == [{"key": key, "sha256": compute_sha256(b"")}]
    third = world.record(3)
    world.wait(days=1)
    assert world.seal()["complete"]
    assert sorted(world.sealed_keys()) == sorted([*first, key, third])
    heads = {head["key"]: head["seq"] for head in world.digests()[-1]["heads"]}
    assert heads[third] == 3


@pytest.mark.usefixtures("small")
@ANY_BUCKET
@given(st.lists(KEYS, max_size=12, unique=True), st.lists(KEYS, max_size=12, unique=True))
def test_whatever_keys_there_are_all_is_named(before: list[str], after: list[str]) -> None:
    """By a first sealing and by the next one. Only a record that stood apart at first may be named again."""
    world = MemoryWorld()
    for key in before:
        world.put(key, at=LONG_AGO)
    assert world.seal()["complete"]
    assert sorted(world.sealed_keys()) == sorted(before)
    new = set(after) - set(before)
    for key in new:
        world.put(key)
    world.wait(days=1)
    assert world.seal()["complete"]
    named = Counter(world.sealed_keys())
    assert named.keys() == {*before, *new}
    assert all(count == 1 or key.startswith("records/") for key, count in named.items())
    for _ in range(2):
        world.wait(days=1)
        assert world.seal()["complete"]
    assert world.digests()[-1]["objects"] == []


def test_what_lies_between_sealed_records_is_named_where_a_log_is_not_long() -> None:
    """And behind them always: ``verify``, which lists all, names the rest."""
    ends = _build_ends(LISTED_AT_ONCE + 1)
    assert ends.find_jump(f"{LOG}0000000001.json") == f"{LOG}{LISTED_AT_ONCE + 1:010d}.json"
    assert ends.find_jump(f"{LOG}0000000000.json") is None
    assert ends.find_jump(f"{LOG}{LISTED_AT_ONCE + 2:010d}.json") is None
    assert _build_ends(LISTED_AT_ONCE).find_jump(f"{LOG}0000000001.json") is None


def _build_ends(seq: int) -> LogEnds:
    digest: Any = {"heads": [{"key": f"{LOG}{seq:010d}.json", "seq": seq}]}
    return LogEnds(digest)


# What is written can be read back.


def test_the_rooms_of_a_digest_are_less_than_what_is_read_back() -> None:
    """With the widest key that goes beyond a room, the one that it was listed to, and what stands around."""
    widest = Room(0, 0)
    widest.take({"key": "\x01" * 1024, "sha256": "0" * 64})
    room_bytes = MAX_OBJECTS_BYTES + MAX_HEADS_BYTES + MAX_UNREAD_BYTES - 3 * widest.bytes_left + 10_000
    densest = Room(0, 0)
    densest.take({"key": "," * 1024, "sha256": "0" * 64})
    values = MAX_OBJECTS_VALUES + MAX_HEADS_VALUES + MAX_UNREAD_VALUES - 3 * densest.values_left + 1_000
    assert room_bytes < MAX_BYTES
    assert values < MAX_VALUES


@pytest.mark.parametrize(
    ("vcenter", "logs"),
    [("vc01.example.com", 12_000), ("a" * 100, 12_000), ("ü" * 19, 12_000), (",[{:" * 30, 12_000)],
)
def test_a_digest_of_however_many_logs_is_read_back(vcenter: str, logs: int) -> None:
    """And logs that had a head keep it, whatever else begins."""
    first = _build(None, [make_record_key(vcenter, "zzz", 1)])
    keys = sorted(
        f"records/vcenter={vcenter}/cluster=domain-c{number}/0000000001.json" for number in range(logs)
    )
    digest = first
    for at in range(0, logs, 1_000):
        digest = _build(digest, keys[at : at + 1_000])
        parse_payload("digest", encode_canonical_json(digest))
    assert len(digest["heads"]) > 100
    assert make_record_key(vcenter, "zzz", 1) in {head["key"] for head in digest["heads"]}


def _build(before: Digest | None, keys: list[str], unread: tuple[str, ...] = ()) -> Digest:
    link = None
    if before is not None:
        body = encode_canonical_json(before)
        link = Link({"key": find_digest_key(before), "sha256": compute_sha256(body)}, before)
    objects: Any = [{"key": key, "sha256": "0" * 64} for key in keys]
    return build_digest(link, Window(None, NOW, ""), NOW, objects, None, unread=unread)


@pytest.mark.parametrize("character", [",", "[", "ü", "\x01", "\U0010ffff", "a"])
def test_a_digest_of_the_widest_keys_is_read_back(monkeypatch: pytest.MonkeyPatch, character: str) -> None:
    """Commas and brackets count as values wherever they stand; the rest goes on in the next digest."""
    world, long = MemoryWorld(), character * (1_000 // len(character.encode()))
    for number in range(40):
        world.put(f"{number:04}{long}", at=LONG_AGO)
    monkeypatch.setattr(window_reader, "MAX_OBJECTS_BYTES", 40_000)
    monkeypatch.setattr(window_reader, "MAX_OBJECTS_VALUES", 5_000)
    assert world.seal()["complete"]
    assert world.sealed_keys() == world.written_keys()
    for digest in world.digests():
        body = encode_canonical_json(digest)
        assert len(body) < 40_000 + 7_000 + 7_000
        assert sum(map(body.count, (b",", b":", b"[", b"{"))) < 5_000 + 1_100 + 1_100


def test_what_there_is_no_room_for_among_the_unread_is_left_out() -> None:
    """A digest can be read back however much could not be."""
    digest = _build(None, [], tuple(f"{number:05}{',' * 100}" for number in range(5_000)))
    parse_payload("digest", encode_canonical_json(digest))
    assert 100 < len(digest["unread"]) < 5_000


def test_what_has_the_form_of_a_digest_s_key_and_no_time_is_none() -> None:
    """Also where something with the name of a signature lies beside it."""
    world = MemoryWorld()
    for suffix in ("", ".sig"):
        world.put(f"digests/99999999T999999Z.json{suffix}", at=LONG_AGO)
    world.put("a", at=LONG_AGO)
    assert world.seal()["refused"] == []
    assert world.sealed_keys() == ["a"]
