"""The trail in a bucket and in a copy on disk: both are read alike, and neither leads anywhere else."""

import os
import string
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import pytest
from botocore.stub import Stubber
from esx_drift.adapters import trail_files
from esx_drift.adapters.trail_files import DirectoryTrailFiles, S3TrailFiles
from esx_drift.errors import StoreUnavailable, TrailDamaged
from esx_drift.ports import TrailFiles
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.simulated_aws import REGION

NAMES = st.text("abAB-_.%=@~ü0", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.lists(KEYS, max_size=12, unique=True).filter(
    lambda keys: not any(one != other and other.startswith(f"{one}/") for one in keys for other in keys)
)
"""Keys of which none is a directory of another."""


@pytest.fixture
def bucket(aws: None) -> S3TrailFiles:  # noqa: ARG001 -- the bucket is made in that AWS
    """An empty bucket, with versions."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="audit", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket="audit", VersioningConfiguration={"Status": "Enabled"})
    return S3TrailFiles(lambda: client, "audit")


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory."""
    with TemporaryDirectory() as name:
        yield Path(name)


def list_keys(files: TrailFiles, prefix: str = "") -> list[str]:
    """The keys that are listed."""
    return [found.key for found in files.list_objects(prefix)]


def fill(root: Path, objects: dict[str, bytes]) -> DirectoryTrailFiles:
    """A copy that holds these objects."""
    for key, body in objects.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(body)
    return DirectoryTrailFiles(root)


def copy(root: Path, keys: list[str]) -> DirectoryTrailFiles:
    """A copy that holds each key, with the key as its content."""
    return fill(root, {key: key.encode() for key in keys})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(TREES, st.data())
def test_a_copy_lists_what_the_bucket_lists(
    bucket: S3TrailFiles, keys: list[str], data: st.DataObject
) -> None:
    """In the same order, from anywhere, below any prefix; and reads the same."""
    for found in list(bucket.list_objects("")):
        bucket.client().delete_object(Bucket="audit", Key=found.key)
    for key in keys:
        bucket.client().put_object(Bucket="audit", Key=key, Body=key.encode())
    prefix = data.draw(st.sampled_from(["", *keys, *(key[:2] for key in keys)]))
    after = data.draw(st.sampled_from(["", *keys, "a", "b/"]))
    with TemporaryDirectory() as name:
        files = copy(Path(name), keys)
        listed = [(found.key, found.size_bytes) for found in files.list_objects(prefix, after)]
        assert listed == [(found.key, found.size_bytes) for found in bucket.list_objects(prefix, after)]
        assert [files.read(key) for key in keys] == [bucket.read(key) for key in keys]


def test_a_copy_has_the_folders_of_the_bucket(bucket: S3TrailFiles, directory: Path) -> None:
    """Each once, however much lies in it; objects are none, and a link in a copy is none."""
    keys = ["a/b/1", "a/b/2", "a/=c%2E/d/1", "a/0", "a~", "b/ü/1"]
    for key in keys:
        bucket.client().put_object(Bucket="audit", Key=key, Body=key.encode())
    files = copy(directory, keys)
    (directory / "a" / "link").symlink_to(directory / "b")
    for folder, inside in (("", ["a/", "b/"]), ("a/", ["a/=c%2E/", "a/b/"]), ("b/", ["b/ü/"]), ("none/", [])):
        assert list(files.list_folders(folder)) == list(bucket.list_folders(folder)) == inside
    assert list(files.list_folders("a/link/")) == []


def test_only_a_bucket_knows_of_which_it_is(bucket: S3TrailFiles, directory: Path) -> None:
    """A copy may be of any."""
    assert [bucket.is_of(name) for name in ("audit", "other")] == [True, False]
    assert DirectoryTrailFiles(directory).is_of("audit")


def test_a_bucket_shows_what_was_written_over_and_deleted(bucket: S3TrailFiles, directory: Path) -> None:
    """Each former version and each marker, by key; a copy has none."""
    for key, bodies in {"a": [b"1", b"2"], "b": [b"1"], "c": [b"1"]}.items():
        for body in bodies:
            bucket.client().put_object(Bucket="audit", Key=key, Body=body)
    bucket.client().delete_object(Bucket="audit", Key="b")
    former = [(each.key, each.is_delete_marker) for each in bucket.list_former_versions("")]
    assert sorted(former) == [("a", False), ("b", False), ("b", True)]
    assert list(copy(directory, ["a"]).list_former_versions("")) == []


@pytest.mark.parametrize(
    "key", ["../outside", "records/../../outside", "/etc/passwd", "a//b", ".", "", "a\0b"]
)
def test_no_key_leads_out_of_a_copy(tmp_path: Path, key: str) -> None:
    """A record may name whatever its writer liked."""
    (tmp_path / "outside").write_bytes(b"secret")
    files = fill(tmp_path / "trail", {"records/a": b"1"})
    assert files.read(key) is None
    assert list_keys(files, f"{key}/") == []


def test_no_link_in_a_copy_is_followed(tmp_path: Path) -> None:
    """It is listed, so that it can be named; so is whatever is no plain file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").write_bytes(b"secret")
    files = fill(tmp_path / "trail", {"records/a": b"1"})
    (files.root / "records" / "link").symlink_to(tmp_path / "outside" / "b")
    (files.root / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(files.root / "pipe")
    assert list_keys(files) == ["folder", "pipe", "records/a", "records/link"]
    for key in ("records/link", "folder", "folder/b"):
        with pytest.raises(TrailDamaged, match=f"{key} is a link, or lies behind one"):
            files.read(key)
    with pytest.raises(TrailDamaged, match="pipe is no plain file"):
        files.read("pipe")
    assert list_keys(files, "folder/") == []


def test_a_copy_of_hostile_names_is_listed_whole(tmp_path: Path) -> None:
    """Names that are no UTF-8, control characters, and folders in folders beyond any recursion."""
    files = fill(tmp_path, {"records/a": b"1"})
    name = os.fsdecode(b"\xff\x1b[31m\n")
    (tmp_path / name).write_bytes(b"x")
    deep = "/".join("d" * 1_100)
    for depth in range(1, len(deep) + 1, 2):
        (tmp_path / deep[:depth]).mkdir()
    (tmp_path / deep / "e").write_bytes(b"y")
    assert list_keys(files) == [f"{deep}/e", "records/a", name]
    assert files.read(name) == b"x"
    assert files.read(f"{deep}/e") == b"y"
    with pytest.raises(TrailDamaged, match="can't be read: File name too long"):
        files.read("n" * 300)
    assert list_keys(files, f"{'n' * 300}/") == []


def test_a_folder_of_a_copy_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    """Here it is gone when its turn comes; its objects are not taken for missing without a word."""
    files = fill(tmp_path, {"digests/a": b"1", "records/b": b"2"})
    listed = files.list_objects("")
    assert next(listed).key == "digests/a"
    (tmp_path / "records" / "b").unlink()
    (tmp_path / "records").rmdir()
    assert [found.key for found in listed] == ["records/"]
    (tmp_path / "records").mkdir()
    with pytest.raises(TrailDamaged, match="records/ is a folder that can't be looked into"):
        files.read("records/")


@given(st.text(string.ascii_letters + "%=@~_-./\0\\", max_size=40))
def test_reading_any_key_of_a_copy_stays_in_it(key: str) -> None:
    """Nothing but what lies below the folder is ever answered."""
    files = DirectoryTrailFiles(Path(__file__).parent / "vcenter")
    inside = {found.key for found in files.list_objects("")}
    try:
        assert (files.read(key) is None) == (key not in inside)
    except TrailDamaged:
        assert list_keys(files, f"{key.removesuffix('/')}/")


def test_what_is_not_there_is_no_trouble(bucket: S3TrailFiles, directory: Path) -> None:
    """A key that leads to nothing, in a bucket that is there."""
    assert (bucket.read("a"), DirectoryTrailFiles(directory).read("a")) == (None, None)


@pytest.mark.parametrize("key", ["", "a" * 1_025, "\ud800", "\ud800/b"])
def test_what_can_be_no_key_leads_to_nothing(bucket: S3TrailFiles, directory: Path, key: str) -> None:
    """S3 would refuse to answer, which is no trouble of the trail's."""
    assert bucket.read(key) is None
    if len(key) < 1_000:
        assert DirectoryTrailFiles(directory).read(key) is None


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("InvalidObjectState", "The operation is not valid for the object's storage class"),
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption."),
        ("KMS.DisabledException", "arn:aws:kms:eu-central-1:1:key/2 is disabled."),
        ("AccessDenied", "User: u is not authorized to perform: kms:Decrypt on the resource"),
        ("AccessDenied", "Access Denied"),
        ("SlowDown", "Please reduce your request rate."),
    ],
)
def test_one_object_that_s3_refuses_is_no_bucket_without_rights(code: str, sentence: str) -> None:
    """It is named, and the others are read; without rights on all there is no answer at all."""
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    is_of_one = code.startswith(("Invalid", "KMS")) or "kms:" in sentence
    with Stubber(client) as stubber:
        stubber.add_client_error("get_object", code, sentence)
        expected = TrailDamaged if is_of_one else StoreUnavailable
        with pytest.raises(expected, match=f"records/a .*{code} .*{sentence[:20]}" if is_of_one else code):
            S3TrailFiles(lambda: client, "audit").read("records/a")


def test_no_more_is_read_than_an_object_may_have(
    bucket: S3TrailFiles, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is larger is named."""
    monkeypatch.setattr(trail_files, "MAX_TRAIL_OBJECT_BYTES", 10)
    files = fill(directory, {"a": b"0123456789", "b": b"0123456789a"})
    for each in ("a", "b"):
        bucket.client().put_object(Bucket="audit", Key=each, Body=files.root.joinpath(each).read_bytes())
    for trail in (files, bucket):
        assert trail.read("a") == b"0123456789"
        with pytest.raises(TrailDamaged, match="b has more than 10 bytes"):
            trail.read("b")


def test_what_cannot_be_read_is_trouble(directory: Path) -> None:
    """A directory that is not there is named."""
    with pytest.raises(StoreUnavailable, match="missing can't be read: No such file"):
        list(DirectoryTrailFiles(directory / "missing").list_objects(""))


def test_a_bucket_that_is_not_there_is_an_error_and_not_empty(aws: None) -> None:  # noqa: ARG001 -- it is in it
    """Silence must not pass for an intact trail."""
    files = S3TrailFiles(lambda: boto3.client("s3"), "nowhere")
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        list(files.list_objects(""))
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        list(files.list_former_versions(""))
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        files.read("a")
