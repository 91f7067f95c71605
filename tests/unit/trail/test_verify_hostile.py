"""Whatever lies in a trail, and whatever its names: it is named, and the rest is answered all the same."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters import trail_files
from esx_drift.adapters.public_keys import parse_public_key
from esx_drift.adapters.trail_files import DirectoryTrailFiles, S3TrailFiles
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_delivery_key
from esx_drift.ports import TrailFiles
from esx_drift.trail.verify import Request, verify_trail

from tests.unit.simulated_aws import REGION
from tests.unit.trail.sealed import SEALED_AT, check, public_key, seal, write_copy

type Trail = Mapping[str, bytes]


def records_of(trail: Trail) -> list[str]:
    """The keys of a log."""
    return [key for key in sorted(trail) if "cluster=domain-c9/" in key and key.startswith("records/")]


def verify(files: TrailFiles, **options: Any) -> tuple[set[tuple[str, str]], int]:  # noqa: ANN401 -- a request's
    """What is said of which object, and how many records are sound."""
    with verify_trail(Request(lambda: files, parse_public_key, **options)) as found:
        return {(problem.kind, problem.key) for problem in found.problems}, found.records


UNANSWERED = "0" * 8 + "-0000-5000-8000-" + "0" * 12
RECEIPT = b'{"delivered_at":"2026-11-24T11:59:00.000Z","event":%s,"route":"admins","schema_version":1}'


@pytest.mark.parametrize(
    ("place", "body"),
    [
        (make_delivery_key("\ud800", "admins"), RECEIPT % b'"\\ud800"'),
        ("deliveries/x/y.json", RECEIPT % b'"\\udfff"'),
        ("deliveries/x/y.json", RECEIPT % b"NaN"),
        ("deliveries/x/y.json", RECEIPT % (b"9" * 5_000)),
        ("deliveries/x/y.json", RECEIPT % (b"[" * 50_000)),
        ("deliveries/x/y.json", RECEIPT % b'"x","event":"y"'),
        ("deliveries/x/y.json", b"\0"),
        ("deliveries/x/y.json", b'"\\ud800"'),
    ],
    ids=range(8),
)
def test_a_hostile_receipt_is_named(trail: Trail, place: str, body: bytes) -> None:
    """And nothing else."""
    assert check({**trail, place: body}).kinds == {("altered", place)}


def _spell(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def spell(body: bytes) -> bytes:
        record = json.loads(body)
        change(record)
        return encode_canonical_json(record)

    return spell


@pytest.mark.parametrize(
    "spell",
    [
        lambda body: body.replace(b'{"about"', b'{"about":null,"about"', 1),
        lambda body: body.replace(b'"seq":', b'"seq": ', 1),
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b'"schema_version":1', b'"schema_version":1e999', 1),
        lambda body: body.replace(b'"schema_version":1', b'"schema_version":NaN', 1),
        lambda body: body.replace(b'"schema_version":1', b'"schema_version":' + b"1" * 5_000, 1),
        _spell(lambda record: record.update(checked_at="0001-01-01T00:00:00Z")),
        _spell(lambda record: record.update(checked_at="9999-12-31T23:59:59Z")),
    ],
    ids=range(8),
)
def test_a_hostile_record_is_named(unsealed: Trail, spell: Callable[[bytes], bytes]) -> None:
    """Readers may differ about what it says, or nothing can be reckoned with it."""
    last = records_of(unsealed)[-1]
    found = check({**unsealed, last: spell(unsealed[last])})
    assert ("altered", last) in found.kinds
    assert found.records == check(unsealed).records - 1


@pytest.mark.parametrize("name", ["\ud800", "../outside", "documents/\0", "x" * 3_000, ""])
def test_what_a_record_names_by_a_hostile_key_is_named(unsealed: Trail, tmp_path: Path, name: str) -> None:
    """No such file is looked for."""
    last = next(each for each in reversed(records_of(unsealed)) if json.loads(unsealed[each])["document"])
    record = json.loads(unsealed[last])
    record["document"]["key"] = name
    forged = {**unsealed, last: encode_canonical_json(record)}
    found, _ = verify(DirectoryTrailFiles(write_copy(forged, tmp_path)))
    assert {("altered", last), ("missing", name)} <= found


def test_a_hostile_name_of_a_cluster_is_answered(unsealed: Trail) -> None:
    """It is half a surrogate pair, and was not checked."""
    own = next(key for key in sorted(unsealed) if "@vcenter" in key)
    record = json.loads(unsealed[own])
    record["dispatch"]["expected"][0].update(cluster="\udc00", request_id=UNANSWERED)
    found = check({**unsealed, own: encode_canonical_json(record)})
    (text,) = [problem.text for problem in found.problems if problem.kind == "gap"]
    assert "a check of \udc00 (" in text


def test_a_foreign_object_hides_no_record_behind_it(unsealed: Trail) -> None:
    """The record is held to the one before all the same."""
    third, fourth = records_of(unsealed)[2:4]
    record = json.loads(unsealed[fourth])
    record["before_sha256"] = "0" * 64
    foreign = f"{third}.orig"
    found = check({**unsealed, fourth: encode_canonical_json(record), foreign: b"x"})
    assert {("altered", fourth), ("inserted", foreign)} <= found.kinds


def test_names_that_are_no_utf8_are_named(trail: Trail, key: EllipticCurvePrivateKey, tmp_path: Path) -> None:
    """Wherever they lie in a copy."""
    copy = write_copy(trail, tmp_path)
    log = records_of(trail)[0].rpartition("/")[0]
    names = [
        os.fsdecode(each)
        for each in (
            b"records/vcenter=\xff/cluster=c/0000000002.json",
            b"records/vcenter=\xff/cluster=c/0000000009.json",
            b"deliveries/\xff\xff/x.json",
            b"digests/\xfe.json",
            b"\xed\xb3\xbf",
            log.encode() + b"/\xff.json",
        )
    ]
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(b"x")
    found, records = verify(DirectoryTrailFiles(copy), pinned=(public_key(key),))
    assert {each for _, each in found} >= set(names)
    assert {kind for kind, each in found if each in names} == {"inserted"}
    assert records == check(trail).records


def test_what_is_no_file_of_a_copy_is_named(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket, a pipe, a link to a folder, and what may not be read."""
    copy = write_copy(trail, tmp_path / "copy")
    folder = copy / "documents"
    closed = records_of(trail)[1]
    os.mkfifo(copy / "pipe")
    (copy / "link").symlink_to(folder)
    monkeypatch.chdir(copy)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    opened = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as Path.open
        if self == copy / closed:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    found, records = verify(DirectoryTrailFiles(copy))
    assert {("altered", each) for each in ("pipe", "link", "socket", closed)} <= found
    assert {each for kind, each in found if kind != "gap"} == {"pipe", "link", "socket", closed}
    assert records == check(trail).records - 1


def test_what_is_too_large_is_named_and_not_read(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would fill the memory; also where only a record names it."""
    copy = write_copy(trail, tmp_path)
    document = next(key for key in sorted(trail) if key.startswith("documents/"))
    monkeypatch.setattr(trail_files, "MAX_TRAIL_OBJECT_BYTES", 1_000_000)
    (copy / "huge").touch()
    os.truncate(copy / "huge", 10**12)
    os.truncate(copy / document, 1_000_001)
    found, records = verify(DirectoryTrailFiles(copy))
    assert found == {("altered", "huge"), ("altered", document)}
    assert records == check(trail).records


def test_an_object_that_s3_does_not_give_out_is_named(
    aws: None,  # noqa: ARG001 -- the bucket is made in that AWS
    trail: Trail,
    key: EllipticCurvePrivateKey,
) -> None:
    """It was moved to an archive."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="audit", CreateBucketConfiguration={"LocationConstraint": REGION})
    document = next(each for each in sorted(trail) if each.startswith("documents/"))
    digest = next(each for each in sorted(trail) if each.startswith("digests/2"))
    for each, body in seal(trail, key, SEALED_AT).items():
        if each in {document, digest}:
            client.put_object(Bucket="audit", Key=each, Body=body, StorageClass="GLACIER")
        else:
            client.put_object(Bucket="audit", Key=each, Body=body)
    with verify_trail(Request(lambda: S3TrailFiles(lambda: client, "audit"), parse_public_key)) as found:
        texts = {problem.key: problem.text for problem in found.problems if problem.key in {document, digest}}
        assert found.records == check(trail).records
    assert set(texts) == {document, digest}
    assert "can't be read: S3 refuses it with InvalidObjectState" in texts[document]
