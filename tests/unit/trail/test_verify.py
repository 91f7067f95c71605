"""A trail that was made by the product's own jobs is intact; whatever is done to it is named, by key."""

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters.public_keys import parse_public_key
from esx_drift.adapters.trail_files import DirectoryTrailFiles
from esx_drift.checking import comparison
from esx_drift.contracts import read_document
from esx_drift.domain.images.report import read_report
from esx_drift.domain.images.snapshot import compute_seal
from esx_drift.domain.reports.report_events import ReportMaker
from esx_drift.domain.stored.identifiers import (
    compute_digest,
    compute_sha256,
    encode_canonical_json,
    make_delivery_key,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.domain.trail.recomputation import RecordedLook, list_recomputed_faults
from esx_drift.domain.trail.verification import list_explained_clusters
from esx_drift.ports import FormerVersion, TrailObject
from esx_drift.trail import index, log_checker, verify
from esx_drift.trail.verify import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.costs import READ_TWICE
from tests.unit.checking.world import World
from tests.unit.trail.played import VIB, play_trail, run_checks
from tests.unit.trail.sealed import (
    SEALED_AT,
    MemoryTrail,
    check,
    make_key,
    public_key,
    seal,
    sign,
    write_copy,
)

type Trail = Mapping[str, bytes]

RECEIPT = re.compile("deliveries/[^/=]+/[^/]+[.]json")


def test_what_the_product_wrote_is_intact(
    trail: Trail, unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Sealed or not, with the key pinned or not."""
    found = check(trail)
    assert found.problems == []
    assert found.records == sum(each.startswith("records/") for each in trail)
    assert (found.not_sealed, found.signers) == (0, {public_key(key).fingerprint})
    assert check(trail, pinned=public_key(key)).problems == []
    assert check(unsealed).problems == []
    assert check(unsealed).not_sealed == len(unsealed)


class CountingTrail(MemoryTrail):
    """Counts what is read of it."""

    def __init__(self, objects: Trail) -> None:
        super().__init__(objects)
        self.reads: Counter[str] = Counter()

    def read(self, key: str) -> bytes | None:
        """As the trail that it is."""
        self.reads[key] += 1
        return super().read(key)


def test_verifying_reads_each_object_once_and_what_it_compares_twice(trail: Trail) -> None:
    """docs/costs.md reckons with that. A snapshot that is compared with several is read for each again."""
    files = CountingTrail(trail)
    assert check(files).problems == []
    objects = [key for key in trail if not key.startswith("digests/")]
    compared = [key for key in objects if key.startswith(("documents/", "snapshots/"))]
    assert {files.reads[key] for key in objects if key not in compared} == {1}
    changes = sum(key.startswith("documents/") for key in objects)
    assert sum(files.reads[key] for key in compared) <= len(compared) + READ_TWICE * changes


def test_what_is_packed_has_the_same_bytes_whenever_that_is_done(unsealed: Trail) -> None:
    """No time is in it: the same document has one key, and is kept once."""
    packed = [body for each, body in unsealed.items() if each.endswith(".gz")]
    assert packed
    assert packed == [gzip.compress(gzip.decompress(body), mtime=0) for body in packed]


def test_a_bit_of_each_object_names_it(trail: Trail) -> None:
    """Wherever it is; digests, signatures and keys among them."""
    for key, body in trail.items():
        at = int(compute_sha256(key.encode()), 16) % (len(body) * 8)
        assert key in check({**trail, key: _flip(body, at)}).keys, key


def _flip(body: bytes, bit: int) -> bytes:
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_bit_that_is_flipped_names_its_object(trail: Trail, data: st.DataObject) -> None:
    """Of any object, the digests, their signatures and the keys among them."""
    key = data.draw(st.sampled_from(sorted(trail)))
    bit = data.draw(st.integers(0, len(trail[key]) * 8 - 1))
    assert key in check({**trail, key: _flip(trail[key], bit)}).keys


def test_any_object_that_is_deleted_is_named(trail: Trail) -> None:
    """Also a digest, a signature, and the key that signed."""
    for key in trail:
        found = check({each: body for each, body in trail.items() if each != key}).keys
        assert any(key.startswith(each) for each in found), key


@pytest.mark.parametrize(
    "where",
    ["foreign", "records/vcenter=vc01/x", "documents/a.json.gz", "digests/x.json", "reports/daily/1.json"],
)
def test_any_object_that_is_put_there_is_named(trail: Trail, where: str) -> None:
    """Wherever it lies, and whatever it holds."""
    assert check({**trail, where: b"{}"}).keys == {where}


def records_of(trail: Trail, cluster: str = "domain-c9") -> list[str]:
    """The keys of a log."""
    return [key for key in sorted(trail) if f"cluster={cluster}/" in key and key.startswith("records/")]


def rewrite(trail: Trail, key: str, change: Callable[[Any], None]) -> dict[str, bytes]:
    """The trail with a changed record, and all records behind it hashed anew."""
    forged, before = dict(trail), None
    for each in records_of(trail):
        record = json.loads(forged[each])
        if each == key:
            change(record)
        if before is not None:
            record["previous"] = {
                "seq": record["seq"] - 1,
                "key": before,
                "sha256": compute_sha256(forged[before]),
            }
            record["before_sha256"] = compute_digest(json.loads(forged[before])["after"])
        forged[each] = encode_canonical_json(record)
        before = each
    return forged


def test_two_records_that_are_swapped_are_both_named(trail: Trail, unsealed: Trail) -> None:
    """Sealed or not."""
    one, other = records_of(trail)[1:3]
    for before in (trail, unsealed):
        assert {one, other} <= check({**before, one: before[other], other: before[one]}).keys


def _drop(record: Any) -> None:  # noqa: ANN401 -- a record
    record["changes"] = []


def _add(record: Any) -> None:  # noqa: ANN401 -- a record
    record["changes"].append({**record["changes"][0], "key": "acme-tool"})


def _soften(record: Any) -> None:  # noqa: ANN401 -- a record
    record["changes"][0]["severity"] = "info"


def _move(record: Any) -> None:  # noqa: ANN401 -- a record
    record["changes"][0]["hosts"] = ["host-1"]


def _cover(record: Any) -> None:  # noqa: ANN401 -- a record
    record["coverage"]["covered"] -= 1


def _backdate(record: Any) -> None:  # noqa: ANN401 -- a record
    record["report"]["completion_time"] = "2026-11-01T00:00:00.000Z"


def _break_seal(record: Any) -> None:  # noqa: ANN401 -- a record
    record["after"]["seal"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop, "its snapshots differ in more than it lists: upgraded component Intel-i40en on host-"),
        (_add, "it lists what its snapshots don't show: upgraded component acme-tool on host-"),
        (_soften, "its snapshots differ in more than it lists"),
        (_move, "its snapshots differ in more than it lists"),
        (_cover, "its coverage is not that of its snapshot and its document"),
        (_backdate, "what it keeps of the report is not what its document says"),
        (_break_seal, "its seal is not that of its snapshot"),
    ],
)
def test_what_a_rewritten_log_says_otherwise_is_named(
    trail: Trail, unsealed: Trail, change: Callable[[Any], None], said: str
) -> None:
    """Where nothing is sealed only computing it again can tell; else the digest tells."""
    key = next(each for each in records_of(unsealed) if json.loads(unsealed[each])["changes"])
    assert any(said in text for text in _texts(rewrite(unsealed, key, change), key))
    behind = set(records_of(trail)[records_of(trail).index(key) :])
    assert behind <= check(rewrite(trail, key, change)).keys


def test_changes_where_nothing_was_compared_are_named(unsealed: Trail) -> None:
    """In a record that says that nothing changed, and in one that says so of the same snapshot."""
    (changed,) = [json.loads(unsealed[each])["changes"] for each in records_of(unsealed)][2:3]
    unchanged = records_of(unsealed)[1]
    forged = rewrite(unsealed, unchanged, lambda record: record.update(changes=changed))
    assert "it lists changes, and its outcome is unchanged" in _texts(forged, unchanged)
    forged = rewrite(unsealed, unchanged, lambda record: record.update(changes=changed, outcome="changed"))
    assert "it lists changes, and its snapshot is that of the record before" in _texts(forged, unchanged)
    moved = records_of(unsealed)[2]
    forged = rewrite(unsealed, moved, lambda record: record.update(changes=[], outcome="not-looked"))
    assert "its snapshot is another than before, and its outcome is not-looked" in _texts(forged, moved)


def _texts(trail: Trail, key: str) -> set[str]:
    return {problem.text for problem in check(trail).problems if problem.key == key}


def test_a_digest_that_is_signed_by_another_key(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """Pinned it is named; else the key that lies there is believed, whoever put it there."""
    thief = make_key()
    bare = {each: body for each, body in trail.items() if not each.startswith("digests/keys/")}
    forged = sign(bare, thief, anew=True)
    (digest,) = filter(is_digest_key, forged)
    assert check(forged).problems == []
    assert check(forged).signers == {public_key(thief).fingerprint}
    found = check(forged, pinned=public_key(key))
    assert digest in found.keys
    assert found.not_sealed == len([each for each in trail if not each.startswith("digests/")])


def test_a_key_that_signed_nothing_and_one_that_is_gone(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """Pinned, a trail is whole only with the key; whoever needs it finds it there."""
    other = public_key(make_key())
    stray = f"digests/keys/{other.fingerprint}.pem"
    assert check({**trail, stray: other.pem}).kinds == {("inserted", stray)}
    assert check({**trail, stray: b"no key"}).kinds == {("altered", stray)}
    own = f"digests/keys/{public_key(key).fingerprint}.pem"
    bare = {each: body for each, body in trail.items() if each != own}
    assert check(bare, pinned=public_key(key)).kinds == {("missing", own)}


def test_digests_follow_each_other(unsealed: Trail, trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """One that is taken out, put in or altered is named, though each is signed."""
    second = seal(trail, key, SEALED_AT + timedelta(days=1))
    third = seal(second, key, SEALED_AT + timedelta(days=2))
    assert check(third).problems == []
    first, middle, last = filter(is_digest_key, sorted(third))
    without = {each: body for each, body in third.items() if not each.startswith(middle)}
    assert ("missing", middle) in check(without).kinds
    # The same day sealed twice, each signed: both follow the first.
    rival = seal(trail, key, SEALED_AT + timedelta(days=1, hours=1))
    twice = {**second, **{each: rival[each] for each in rival.keys() - second.keys()}}
    assert any(kind == "forked" for kind, _ in check(twice).kinds)
    renamed = {
        **third,
        "digests/20270101T000000Z.json": third[last],
        "digests/20270101T000000Z.json.sig": third[f"{last}.sig"],
    }
    assert ("altered", "digests/20270101T000000Z.json") in check(renamed).kinds
    others = seal({**unsealed, records_of(unsealed)[-1]: b"{}"}, key, SEALED_AT + timedelta(days=3))
    forked = {**trail, **{each: body for each, body in others.items() if each.startswith("digests/")}}
    assert ("forked", records_of(unsealed)[-1]) in check(forked).kinds
    broken = sign({**trail, first: b"[]"}, key, anew=True)
    assert ("altered", first) in check(broken).kinds


def test_a_request_that_left_no_record_is_a_gap(unsealed: Trail) -> None:
    """Once two deadlines are over; unless a later record of the vCenter's own log explains it."""
    last = records_of(unsealed)[-1]
    dispatch = records_of(unsealed, "@vcenter")[-1]
    at = json.loads(unsealed[dispatch])["checked_at"]
    without = {each: body for each, body in unsealed.items() if each != last}
    assert not any(kind == "gap" for kind, _ in check(without).kinds)
    two_deadlines = parse_time(at) + 2 * timedelta(minutes=30)
    assert ("gap", dispatch) not in check(without, now=two_deadlines).kinds
    assert ("gap", dispatch) in check(without, now=two_deadlines + timedelta(seconds=1)).kinds


def test_what_has_settled_explains_a_gap(unsealed: Trail) -> None:
    """The vCenter's own log says later that the cluster could not be dispatched."""
    own = records_of(unsealed, "@vcenter")
    asked = json.loads(unsealed[own[-2]])
    answers = {
        each
        for each in records_of(unsealed)
        if json.loads(unsealed[each])["request_id"]
        in {one["request_id"] for one in asked["dispatch"]["expected"]}
    }
    later = json.loads(unsealed[own[-1]])
    later["dispatch"]["failed"] = [{"cluster": "domain-c9", "name": "prod-a"}]
    without = {each: body for each, body in unsealed.items() if each not in answers}
    assert ("gap", own[-2]) in check(without).kinds
    explained = {**without, own[-1]: encode_canonical_json(later)}
    assert ("gap", own[-2]) not in check(explained).kinds


def test_the_time_of_a_record_is_that_at_which_s3_got_it(unsealed: Trail) -> None:
    """Within 15 minutes."""
    times = {
        key: parse_time(json.loads(body)["checked_at"]) + timedelta(minutes=14)
        for key, body in unsealed.items()
        if key.startswith("records/")
    }
    assert check(MemoryTrail(unsealed, times)).problems == []
    late = records_of(unsealed)[1]
    times[late] += timedelta(minutes=2)
    assert check(MemoryTrail(unsealed, times)).kinds == {("altered", late)}


def test_what_was_written_over_or_deleted_is_named(trail: Trail) -> None:
    """Also a document, while there is one."""
    record = records_of(trail)[0]
    documents = [each for each in sorted(trail) if each.startswith("documents/")]
    marker = FormerVersion(record, "2", SEALED_AT, is_delete_marker=True)
    version = FormerVersion(documents[0], "1", SEALED_AT, is_delete_marker=False)
    found = check(MemoryTrail(trail, former=(marker, version)))
    assert found.kinds == {("altered", record), ("altered", documents[0])}


def test_what_was_sealed_before_is_taken_for_verified(trail: Trail) -> None:
    """With a time to begin at: damage before it is not looked at, and what follows is held to that digest."""
    damaged = {**trail, records_of(trail)[0]: b"{}"}
    later = SEALED_AT + timedelta(hours=1)
    found = check(damaged, since=later)
    assert (found.problems, found.records) == ([], 0)
    assert found.base is not None
    assert check(damaged, since=SEALED_AT - timedelta(hours=1)).base is None
    assert check({**trail, "foreign": b""}, since=later).keys == {"foreign"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is no record that can be read"),
        (b"9" * 10_000, "is no record that can be read"),
        (b"NaN", "is no record that can be read"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"schema_version": 99}', "is no record that can be read"),
        (b"\xff\x00", "is no record that can be read"),
    ],
)
def test_damaged_records_are_named_and_the_rest_is_answered(unsealed: Trail, body: bytes, said: str) -> None:
    """Whatever lies there."""
    key = records_of(unsealed)[2]
    found = check({**unsealed, key: body})
    assert any(said in problem.text for problem in found.problems if problem.key == key)
    assert found.records == check(unsealed).records - 1


def test_other_damage_is_named(unsealed: Trail) -> None:
    """What can't be read, is too large, is another's, stands apart, or has an empty folder's name."""
    receipt = next(each for each in unsealed if each.startswith("deliveries/") and "groups" not in each)
    group = next(each for each in unsealed if each.startswith("deliveries/groups/"))
    record, own = records_of(unsealed)[1], records_of(unsealed)[0]
    apart = own.replace("0000000001", "0000009999")
    cases: list[tuple[Trail | MemoryTrail, str]] = [
        (MemoryTrail(unsealed, unreadable=(record,)), record),
        ({**unsealed, receipt: b"[" * 100_000}, receipt),
        ({**unsealed, receipt: b"{}"}, receipt),
        (
            {**unsealed, receipt.replace("admins", "others"): unsealed[receipt]},
            receipt.replace("admins", "others"),
        ),
        ({**unsealed, group.replace("admins", "others"): unsealed[group]}, group.replace("admins", "others")),
        ({**unsealed, group: b"{}"}, group),
        ({**unsealed, apart: unsealed[own]}, apart),
        (
            {**unsealed, own.replace("domain-c9", "domain-c99"): unsealed[own]},
            own.replace("domain-c9", "domain-c99"),
        ),
    ]
    for trail, key in cases:
        assert key in check(trail).keys


def test_many_objects_are_checked_by_many_processes(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same result, also where pieces are small; and it says how far it is."""
    damaged = {**trail, records_of(trail)[1]: b"{}"}
    expected = check(damaged)
    monkeypatch.setattr(verify, "LEAST_OBJECTS", 1)
    monkeypatch.setattr(verify, "PIECES_AHEAD", 1)
    monkeypatch.setattr(index, "MAX_LINES", 2)
    open_copy = partial(DirectoryTrailFiles, write_copy(damaged, tmp_path))
    shown = list[tuple[int, int]]()
    request = Request(
        open_copy, parse_public_key, on_progress=lambda done, total: shown.append((done, total))
    )
    with verify.verify_trail(request) as found:
        assert list(found.problems) == expected.problems
        assert found.records == expected.records
    assert (shown[0], shown[-1]) == ((0, len(trail)), (len(trail), len(trail)))
    some = index.Piece([index.IndexedObject(records_of(trail)[1], 2, None, None, None)])
    (problem,) = verify._check_in_worker(open_copy, some, None).problems  # noqa: SLF001 -- else it runs elsewhere
    assert "is no record that can be read" in problem.text
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1)
    with verify.verify_trail(request) as found:
        assert list(found.problems) == expected.problems


def test_in_small_pieces_the_result_is_the_same(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece reads the record before its first one by itself, sound or not."""
    monkeypatch.setattr(index, "MAX_LINES", 1)
    assert check(trail).problems == []
    second = records_of(trail)[1]
    for files in (
        {**trail, second: b"{}"},
        {each: body for each, body in trail.items() if each != second},
        MemoryTrail(trail, unreadable=(second,)),
    ):
        assert second in check(files).keys
    monkeypatch.setattr(index, "MAX_LINES", 200)
    monkeypatch.setattr(index, "MAX_PIECE_BYTES", 10_000)
    assert check(trail).problems == []


def test_what_grows_while_it_is_read_is_not_damage(unsealed: Trail) -> None:
    """A document that a check keeps before its record, and one that was not there when all was listed."""
    record = records_of(unsealed)[0]
    (document,) = [json.loads(unsealed[record])["document"]["key"]]
    now = SEALED_AT

    @dataclass(frozen=True)
    class Growing(MemoryTrail):
        def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
            listed = MemoryTrail.list_objects(self, prefix, start_after)
            return (each for each in listed if each.key != document)

    # That nothing was sealed for more than a day is said besides.
    assert ("missing", document) not in check(Growing(unsealed), now=now).kinds
    # What lies there and can't be read is there.
    closed = Growing(unsealed, unreadable=(document,))
    assert ("missing", document) not in check(closed, now=now).kinds
    assert ("missing", document) in check(Growing(unsealed)).kinds
    without = {each: body for each, body in unsealed.items() if not each.startswith("records/")}
    assert ("inserted", document) in check(
        MemoryTrail(without, {document: now - timedelta(hours=1)}), now=now
    ).kinds
    assert ("inserted", document) not in check(MemoryTrail(without, {document: now}), now=now).kinds


def test_what_is_listed_and_gone_is_named(unsealed: Trail) -> None:
    """It was there a moment ago."""
    key = records_of(unsealed)[0]

    @dataclass(frozen=True)
    class Gone(MemoryTrail):
        def read(self, key: str) -> bytes | None:
            return None if key == records_of(unsealed)[0] else MemoryTrail.read(self, key)

    assert ("missing", key) in check(Gone(unsealed)).kinds


def test_an_empty_trail_has_no_problem(key: EllipticCurvePrivateKey) -> None:
    """And one that is sealed though nothing was written is intact."""
    assert check({}).problems == []
    assert check(seal({}, key)).problems == []


def with_blob(trail: Trail, kind: str, body: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """The trail with one more object, which is named by its sha256; and how a record names it."""
    record = json.loads(trail[records_of(trail)[0]])
    sha256 = compute_sha256(body)
    key = record[kind]["key"].rpartition("/")[0] + f"/{sha256}.json.gz"
    return {**trail, key: body}, {"key": key, "sha256": sha256}


def with_snapshot(trail: Trail, at: str, change: Callable[[Any], Any]) -> dict[str, bytes]:
    """The trail in which a record, and all behind it, was given another snapshot."""
    stored = json.loads(trail[at])["snapshot"]["key"]
    snapshot = json.loads(gzip.decompress(trail[stored]))
    changed = change(snapshot)
    body = gzip.compress(encode_canonical_json(snapshot if changed is None else changed), mtime=0)
    added, named = with_blob(trail, "snapshot", body)

    def point(record: Any) -> None:  # noqa: ANN401 -- a record
        record["snapshot"] = record["after"]["snapshot"] = named
        record["after"]["seal"] = compute_seal(snapshot)

    return rewrite(added, at, point)


def _rename_image(snapshot: Any) -> None:  # noqa: ANN401 -- a snapshot
    snapshot["images"]["0" * 64] = next(iter(snapshot["images"].values()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_rename_image, "its snapshot has an image under 000000000000, which is not the image's digest"),
        (lambda snapshot: snapshot["hosts"].popitem() and None, "no longer has host-"),
        (
            lambda snapshot: snapshot["hosts"].update({"host-99": next(iter(snapshot["hosts"].values()))}),
            "its snapshot has host-99, which was not there before, and it does not say that it joined",
        ),
        (
            lambda snapshot: next(iter(snapshot["hosts"].values())).update(name="other"),
            "differ in more than it lists: relabelled host ",
        ),
        (
            lambda snapshot: next(iter(snapshot["hosts"].values())).update(orphaned_vibs=["acme(1)"]),
            "its document gives another snapshot than the one that it names",
        ),
        (lambda _: [], "its snapshots are none that anything can be computed of"),
        (
            lambda _: {"schema_version": 2, "images": {}, "labels": {}, "hosts": {"host-1": 3}},
            "none that anything",
        ),
    ],
)
def test_another_snapshot_is_named(unsealed: Trail, change: Callable[[Any], Any], said: str) -> None:
    """Though record and seal were made to fit it: the document and the snapshot before say otherwise."""
    at = records_of(unsealed)[2]
    texts = _texts(with_snapshot(unsealed, at, change), at)
    assert any(said in text for text in texts)


JOINED: dict[str, Any] = {
    "element": "host",
    "kind": "added",
    "key": "host-18",
    "from": None,
    "to": None,
    "hosts": ["host-18"],
    "severity": "info",
    "alternative_image": None,
    "detail": None,
}


def _set(path: str, value: object) -> Callable[[Any], None]:
    def change(record: Any) -> None:  # noqa: ANN401 -- a record
        *way, last = path.split(".")
        for name in way:
            record = record[int(name) if name.isdecimal() else name]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("check_id", "0" * 8 + "-0000-5000-8000-" + "0" * 12), "its check_id is another record's"),
        (_set("events.0.id", "0" * 8 + "-0000-5000-8000-" + "0" * 12), "has the id of another one"),
        (_set("after.answered", []), "does not say which request it answered"),
        (_set("raw_sha256", "0" * 64), "its raw_sha256 is not that of documents/"),
        (_set("document.sha256", "0" * 64), "by another sha256 than that of its bytes"),
        (_set("outcome", "baseline"), "it says that it is a first copy, and there was one before"),
        (_set("outcome", "not-covered"), "its outcome is not-covered"),
        (_set("previous", None), "it follows none, and the record before it is number 2"),
        (
            lambda record: record["changes"].append(JOINED),
            "it says that host-18 joined, which was there before",
        ),
    ],
)
def test_what_contradicts_itself_in_a_record_is_named(
    unsealed: Trail, change: Callable[[Any], None], said: str
) -> None:
    """Whatever was hashed anew behind it."""
    at = records_of(unsealed)[2]
    forged = rewrite(unsealed, at, change)
    if "follows none" in said:
        record = json.loads(forged[at])
        change(record)
        forged[at] = encode_canonical_json(record)
    assert any(said in text for text in _texts(forged, at)), _texts(forged, at)


def test_another_state_than_was_left_is_named(unsealed: Trail) -> None:
    """Though the record before is the right one."""
    at = records_of(unsealed)[-1]
    record = json.loads(unsealed[at])
    forged = {**unsealed, at: encode_canonical_json({**record, "before_sha256": "0" * 64})}
    assert any("from another state (before_sha256)" in text for text in _texts(forged, at))


@pytest.mark.parametrize(
    ("body", "raw", "said"),
    [
        (gzip.compress(b"{}", mtime=0), compute_sha256(b"{}"), "is refused: "),
        (b"no gzip", "0" * 64, ""),
    ],
)
def test_a_document_that_is_none_is_named(unsealed: Trail, body: bytes, raw: str, said: str) -> None:
    """By its record, or by itself."""
    at = records_of(unsealed)[2]
    added, named = with_blob(unsealed, "document", body)
    forged = rewrite(added, at, lambda record: record.update(document=named, raw_sha256=raw))
    found = check(forged)
    assert {at, named["key"]} & found.keys
    assert any(said in problem.text for problem in found.problems)


def _nest(depth: int) -> bytes:
    """What has the parts of a snapshot, one of them nested deep."""
    return (
        b'{"hosts":{},"images":{},"labels":'
        + b'{"a":' * depth
        + b"1"
        + b"}" * depth
        + b',"schema_version":2}'
    )


@pytest.mark.parametrize(
    "body",
    [b"no JSON", b"[]", b'{"hosts":{},"images":[],"labels":{}}', *map(_nest, (64, 900, 20_000, 100_000))],
    ids=lambda body: str(len(body)),
)
def test_a_snapshot_that_is_none_is_named(
    unsealed: Trail, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Nothing can be computed of it, and the record's own bytes are in order."""
    monkeypatch.setattr(log_checker, "MAX_SNAPSHOTS", 1)
    assert check(unsealed).problems == []
    at = records_of(unsealed)[2]
    added, named = with_blob(unsealed, "snapshot", gzip.compress(body, mtime=0))

    def point(record: Any) -> None:  # noqa: ANN401 -- a record
        record["snapshot"] = record["after"]["snapshot"] = named

    found = check(rewrite(added, at, point))
    assert found.records == check(unsealed).records
    (text,) = [problem.text for problem in found.problems if problem.key == named["key"]]
    assert text.startswith("is no snapshot that can be read: ")


def test_damage_among_the_digests_is_named(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """A key that is written otherwise, what can't be read, and a digest that was altered and signed again."""
    (own,) = [each for each in trail if each.startswith("digests/keys/")]
    (digest,) = filter(is_digest_key, trail)
    assert ("altered", own) in check({**trail, own: trail[own] + b"\n"}).kinds
    for place in (own, digest):
        assert ("altered", place) in check(MemoryTrail(trail, unreadable=(place,))).kinds
    second = seal(trail, key, SEALED_AT + timedelta(days=1))
    altered = json.loads(second[digest])
    altered["until"] = altered["sealed_at"]
    forged = sign({**second, digest: encode_canonical_json(altered)}, key, anew=True)
    assert ("altered", digest) in check(forged).kinds


def test_a_foreign_object_is_none_of_ours_once_it_is_sealed(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """The sealer names whatever lies there: that says when it came, and not whose it is."""
    sealed = seal({**unsealed, "foreign": b"1"}, key)
    assert check(sealed).kinds == {("inserted", "foreign")}
    assert check({**sealed, "foreign": b"2"}).kinds == {("inserted", "foreign"), ("altered", "foreign")}


def test_a_receipt_of_nothing_is_named_though_it_is_sealed(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Not where what it is of may be gone: with a record that can't be read, or by lifecycle rules."""
    source = next(each for each in sorted(unsealed) if RECEIPT.match(each))
    receipt = {**json.loads(unsealed[source]), "event": "0" * 36}
    place = make_delivery_key(receipt["event"], receipt["route"])
    sealed = seal({**unsealed, place: encode_canonical_json(receipt)}, key)
    assert check(sealed).kinds == {("inserted", place)}
    record = records_of(unsealed)[0]
    assert ("inserted", place) not in check({**sealed, record: b"{}"}).kinds
    much_later = SEALED_AT + timedelta(days=401)
    resealed = seal(sealed, key, much_later)
    assert ("inserted", place) not in check(resealed, clock=much_later).kinds


def test_a_receipt_that_a_route_is_dead_is_of_no_event(unsealed: Trail, key: EllipticCurvePrivateKey) -> None:
    """Sealed or not: only routes have it."""
    source = next(each for each in sorted(unsealed) if RECEIPT.match(each))
    receipt = {**json.loads(unsealed[source]), "event": "route-dead/admins/2026-11-24T06:00:00.000Z"}
    place = make_delivery_key(receipt["event"], receipt["route"])
    dead = {**unsealed, place: encode_canonical_json(receipt)}
    assert check(dead).problems == check(seal(dead, key)).problems == []


def test_what_a_check_kept_that_was_cut_off_is_counted(unsealed: Trail, key: EllipticCurvePrivateKey) -> None:
    """Somebody may as well have put it there before it was sealed: of a trail alone nobody can tell."""
    document = next(each for each in sorted(unsealed) if each.startswith("documents/"))
    body = gzip.compress(b"{}", mtime=0)
    place = f"{document.rpartition('/')[0]}/{compute_sha256(body)}.json.gz"
    sealed = seal({**unsealed, place: body}, key)
    assert (check(sealed).problems, check(sealed).unnamed) == ([], 1)
    assert check(sealed, since=SEALED_AT + timedelta(hours=1)).unnamed == 0


def test_what_a_record_rests_on_is_looked_at_though_it_was_sealed_before(
    steps: Trail,
) -> None:
    """Altered, or not readable any more; gone it is missing in any case."""
    digests = sorted(filter(is_digest_key, steps))
    middle = digests[len(digests) // 2]
    since = parse_time(json.loads(steps[middle])["sealed_at"]) + timedelta(seconds=1)
    old = {
        each["key"] for digest in digests if digest <= middle for each in json.loads(steps[digest])["objects"]
    }
    named = {
        kept["key"]
        for record in (
            json.loads(steps[each]) for each in steps if each.startswith("records/") and each not in old
        )
        if (kept := record["after"]["snapshot"]) is not None
    }
    snapshot = min(named & old)
    assert check(steps, since=since).problems == []
    assert check({**steps, snapshot: b"other"}, since=since).kinds == {("altered", snapshot)}
    unreadable = MemoryTrail(steps, unreadable=(snapshot,))
    assert check(unreadable, since=since).kinds == {("altered", snapshot)}
    gone = {each: body for each, body in steps.items() if each != snapshot}
    assert check(gone, since=since).kinds == {("missing", snapshot)}


def test_reports_lie_under_their_own_names(unsealed: Trail) -> None:
    """A copy under another one is named."""
    maker = ReportMaker(SEALED_AT, "esx-drift", lambda place: f"s3://audit/{place}")
    report = maker.build("daily", "", "2026-11-23", {})
    body = encode_canonical_json(report)
    own = f"reports/daily/{report['report_id']}.json"
    other = own.replace(report["report_id"], "0" * 8 + "-0000-5000-8000-" + "0" * 12)
    assert check({**unsealed, own: body}).problems == []
    assert check({**unsealed, other: body}).kinds == {("altered", other)}


def test_what_only_older_forms_could_prove_is_left_out(unsealed: Trail) -> None:
    """A snapshot of an older form is not computed again; a record without a dispatch explains nothing."""
    records: list[Any] = [json.loads(unsealed[each]) for each in records_of(unsealed)]
    new: Any = json.loads(gzip.decompress(unsealed[records[2]["snapshot"]["key"]]))
    document = gzip.decompress(unsealed[records[2]["document"]["key"]])
    partial: Any = {**records[2], "coverage": {**records[2]["coverage"], "hosts": 99}}
    older: Any = {**new, "schema_version": 1}
    report = read_report(read_document(document))
    look = RecordedLook(partial, records[1]["after"], older, new, report)
    assert list(list_recomputed_faults(look, {})) == [
        "its coverage is not that of its snapshot and its document"
    ]
    assert list_explained_clusters(records[2]) == set()


def _add_again_unseen(world: World) -> None:
    """A host with an orphaned VIB comes back under a new id, twice, and is read at last."""
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    run_checks(world)
    for _ in range(2):
        new = world.vcenter.inventory.re_add_host("esx02")
        world.vcenter.hosts.fail_extraction(new)
        run_checks(world)
    world.vcenter.hosts.fail_extraction(new, None)
    world.vcenter.hosts.remove_orphaned_vib(new, VIB)
    run_checks(world)


@pytest.mark.parametrize("keeps", [True, False])
def test_what_was_kept_of_a_host_under_its_new_id_is_computed_again(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, *, keeps: bool
) -> None:
    """The record names both ids. Version 0.1 kept nothing; its trails are intact as well, and no others."""
    if not keeps:
        monkeypatch.setattr(comparison, "_carry_over_unseen", lambda sealed, *_: sealed)
    written = play_trail(_add_again_unseen, tmp_path_factory)
    first, back, again, *_ = records_of(written)
    known = json.loads(gzip.decompress(written[json.loads(written[back])["snapshot"]["key"]]))
    (vibs,) = [host["orphaned_vibs"] for host in known["hosts"].values() if host["name"] == "esx02"]
    assert vibs == ([VIB] if keeps else None)
    assert check(written).kinds == (set() if keeps else {("altered", back)})
    of_both = {("altered", each) for each in (back, again)}
    assert check(_forget_machines(written, first)).kinds == (of_both if keeps else set())
    # Who lets a record forget what the one before it knows gets around nothing.
    assert check(_forget_machines(written, back)).kinds == {("altered", again if keeps else back)}


def _forget_machines(trail: Trail, first: str) -> dict[str, bytes]:
    """The trail as if version 0.1 had written the log from the record ``first`` on."""
    found = dict(trail)
    for each in records_of(trail):
        if each >= first:
            found = rewrite(found, each, lambda record: record["after"].pop("machines"))
    return found
