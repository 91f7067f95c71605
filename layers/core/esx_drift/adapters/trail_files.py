"""The trail, read from its AuditBucket or from a copy of it on disk, whose paths are the keys."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.errors import StoreUnavailable
from esx_drift.ports import FormerVersion, TrailObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class S3TrailFiles:
    """``ports.TrailFiles`` on the AuditBucket ``bucket``; ``client`` gives the same S3 client each time."""

    client: "Callable[[], S3Client]"
    bucket: str

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List the objects that begin with ``prefix`` and sort behind ``start_after``: 1,000 a request."""
        return self._objects.list_objects(prefix, start_after)

    def read(self, key: str) -> bytes | None:
        """Read the object ``key``; None if there is none."""
        stored = self._objects.read(key)
        return None if stored is None else stored.body

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """List delete markers and versions that are not the first under their key, by ``prefix``."""
        return self._objects.list_former_versions(prefix)

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)


@dataclass(frozen=True, slots=True)
class DirectoryTrailFiles:
    """``ports.TrailFiles`` on a copy in the directory ``root``, such as ``aws s3 sync`` makes.

    Links are neither listed nor followed: S3 has none, and they lead elsewhere.
    """

    root: Path

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List the files that begin with ``prefix`` and sort behind ``start_after``, as S3 would.

        Raises:
            StoreUnavailable: A directory can't be read.
        """
        return (found for found in self._walk(self.root, "", prefix) if found.key > start_after)

    def read(self, key: str) -> bytes | None:
        """Read the file ``key``; None if there is none in the directory, or it is a link.

        Raises:
            StoreUnavailable: It can't be read.
        """
        parts = key.split("/")
        path = self.root.joinpath(*parts)
        linked = (self.root.joinpath(*parts[: depth + 1]).is_symlink() for depth in range(len(parts)))
        if {"", ".", ".."} & set(parts) or "\0" in key or any(linked) or not path.is_file():
            return None
        with _translate_errors(path):
            return path.read_bytes()

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:  # noqa: ARG002  # the port's
        """List nothing, whatever ``prefix``: a copy holds one version of each object."""
        return iter(())

    def _walk(self, directory: Path, start: str, prefix: str) -> Iterator[TrailObject]:
        """List the files of ``directory``, whose keys begin with ``start``, in the order of keys."""
        for name, entry in self._scan(directory):
            key = f"{start}{name}"
            if entry.is_dir(follow_symlinks=False):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(Path(entry.path), key, prefix)
            elif entry.is_file(follow_symlinks=False) and key.startswith(prefix):
                yield TrailObject(key, entry.stat().st_size)

    def _scan(self, directory: Path) -> list[tuple[str, "os.DirEntry[str]"]]:
        """List what is in a directory; a directory sorts with the slash that follows it in keys."""
        with _translate_errors(directory), os.scandir(directory) as found:
            named = [
                (f"{each.name}/" if each.is_dir(follow_symlinks=False) else each.name, each) for each in found
            ]
        return sorted(named, key=lambda one: one[0].encode("utf-8", "surrogateescape"))


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{path} can't be read: {error.strerror}") from error
