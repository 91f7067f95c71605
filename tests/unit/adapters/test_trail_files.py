"""The trail in a bucket and in a copy on disk: both are read alike, and neither leads anywhere else."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import pytest
from esx_drift.adapters.trail_files import DirectoryTrailFiles, S3TrailFiles
from esx_drift.errors import StoreUnavailable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.conftest import REGION

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


def copy(root: Path, keys: list[str]) -> DirectoryTrailFiles:
    """A copy that holds each key, with the key as its content."""
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(key.encode())
    return DirectoryTrailFiles(root)


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


def test_a_bucket_shows_what_was_written_over_and_deleted(bucket: S3TrailFiles, directory: Path) -> None:
    """Each former version and each marker, by key; a copy has none."""
    for key, bodies in {"a": [b"1", b"2"], "b": [b"1"], "c": [b"1"]}.items():
        for body in bodies:
            bucket.client().put_object(Bucket="audit", Key=key, Body=body)
    bucket.client().delete_object(Bucket="audit", Key="b")
    former = [(each.key, each.is_delete_marker) for each in bucket.list_former_versions("")]
    assert sorted(former) == [("a", False), ("b", False), ("b", True)]
    assert list(copy(directory, ["a"]).list_former_versions("")) == []


def test_a_copy_leads_nowhere_else(directory: Path) -> None:
    """Neither by dots, by an absolute path, nor by a link to a file or a directory."""
    outside = directory / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    files = copy(directory / "copy", ["records/1"])
    (directory / "copy" / "link").symlink_to(outside / "secret")
    (directory / "copy" / "folder").symlink_to(outside)
    wrong = (
        "../outside/secret",
        f"{outside}/secret",
        "link",
        "folder/secret",
        "records",
        "records/",
        "",
        "a\0b",
    )
    assert [files.read(key) for key in wrong] == [None] * len(wrong)
    assert [found.key for found in files.list_objects("")] == ["records/1"]


def test_what_cannot_be_read_is_trouble(directory: Path) -> None:
    """A directory that is not there is named."""
    with pytest.raises(StoreUnavailable, match="missing can't be read: No such file"):
        list(DirectoryTrailFiles(directory / "missing").list_objects(""))
