"""The trail, read from its AuditBucket or from a copy of it on disk, whose paths are the keys."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from esx_drift.adapters.s3_objects import S3Objects, describe_size
from esx_drift.errors import StoreUnavailable, TrailDamaged
from esx_drift.ports import MAX_TRAIL_OBJECT_BYTES, FormerVersion, TrailObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3TrailFiles(Struct, frozen=True):
    """``ports.TrailFiles`` on the AuditBucket ``bucket``; ``client`` gives the same S3 client each time."""

    client: "Callable[[], S3Client]"
    bucket: str

    def is_of(self, bucket: str) -> bool:
        """Tell whether it is the ``bucket``."""
        return bucket == self.bucket

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List the objects that begin with ``prefix`` and sort behind ``start_after``: 1,000 a request."""
        return self._objects.list_objects(prefix, start_after)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """List what keys begin with up to the next slash behind ``prefix``: 1,000 a request."""
        return self._objects.list_folders(prefix)

    def read(self, key: str) -> bytes | None:
        """Read the object ``key``; None if there is none."""
        return self._objects.read_bounded(key, MAX_TRAIL_OBJECT_BYTES)

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """List delete markers and versions that are not the first under their key, by ``prefix``."""
        return self._objects.list_former_versions(prefix)

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)


class DirectoryTrailFiles(Struct, frozen=True):
    """``ports.TrailFiles`` on a copy in the directory ``root``, such as ``aws s3 sync`` makes.

    It comes from whoever made it: no link in it is followed, and no key leads out of it. What is no plain
    file is listed, so that it can be named, and refused when it is read.
    """

    root: Path

    def is_of(self, bucket: str) -> bool:  # noqa: ARG002  # the port's
        """Say yes, whatever ``bucket``: a copy does not say of which it is."""
        return True

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List what begins with ``prefix`` and sorts behind ``start_after``, by the bytes of keys as S3 does.

        A link is listed as an object, and so is a folder that can't be looked into; its key ends in a slash.

        Raises:
            StoreUnavailable: The directory itself can't be read.
        """
        folder = prefix[: prefix.rfind("/") + 1]
        if self._is_folder(folder):
            for found in self._walk(folder):
                if found.key.startswith(prefix) and os.fsencode(found.key) > os.fsencode(start_after):
                    yield found

    def list_folders(self, prefix: str) -> Iterator[str]:
        """List the folders in the folder ``prefix``; a link is none."""
        found = self._list_folder(prefix) if self._is_folder(prefix) else []
        return (each for each in found if isinstance(each, str))

    def read(self, key: str) -> bytes | None:
        """Read the file whose path in the folder is ``key``; None if there is none, or it would lead out."""
        try:
            mode = self._find_mode(key)
            if mode is None:
                return None
            if not stat.S_ISREG(mode):
                raise TrailDamaged(f"{key} {_describe_mode(mode)}", key)
            with (self.root / key).open("rb") as file:
                body = file.read(MAX_TRAIL_OBJECT_BYTES + 1)
        except OSError as error:
            raise TrailDamaged(f"{key} can't be read: {error.strerror}", key) from error
        if len(body) > MAX_TRAIL_OBJECT_BYTES:
            raise TrailDamaged(f"{key} {describe_size(MAX_TRAIL_OBJECT_BYTES)}", key)
        return body

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:  # noqa: ARG002  # the port's
        """List nothing, whatever ``prefix``: a copy holds one version of each object."""
        return iter(())

    def _is_folder(self, folder: str) -> bool:
        try:
            mode = self._find_mode(folder) if folder else stat.S_IFDIR
        except OSError:
            return False
        return mode is not None and stat.S_ISDIR(mode)

    def _find_mode(self, key: str) -> int | None:
        """Find what kind of file lies at ``key``; where a link is on the way, that it is a link.

        None if there is nothing, or if ``key`` would lead out of the folder.
        """
        parts, path, mode = key.removesuffix("/").split("/"), self.root, 0
        if any(part in {"", ".", ".."} or {"\0", os.sep} & set(part) for part in parts) or not _is_name(key):
            return None
        for part in parts:
            path /= part
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat.S_ISLNK(mode):
                return mode
        return mode

    def _walk(self, folder: str) -> Iterator[TrailObject]:
        """Walk ``folder`` and all in it. The names of one folder at each depth are held, and nothing else."""
        waiting = [iter(self._list_folder(folder))]
        while waiting:
            found = next(waiting[-1], None)
            if found is None:
                waiting.pop()
            elif isinstance(found, str):
                waiting.append(iter(self._list_folder(found)))
            else:
                yield found

    def _list_folder(self, folder: str) -> list[TrailObject | str]:
        """List what lies in ``folder``: files, and the folders in it as the beginnings of their keys."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = [self._describe_entry(folder, entry) for entry in entries]
        except OSError as error:
            if not folder:
                raise StoreUnavailable(f"{self.root} can't be read: {error.strerror}") from error
            return [TrailObject(folder, 0)]
        return sorted(found, key=lambda each: os.fsencode(each if isinstance(each, str) else each.key))

    def _describe_entry(self, folder: str, entry: "os.DirEntry[str]") -> TrailObject | str:
        key = f"{folder}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            return f"{key}/"
        return TrailObject(key, entry.stat(follow_symlinks=False).st_size)


def _is_name(key: str) -> bool:
    """Tell whether a file can have a name: a record may name halves of surrogate pairs."""
    try:
        os.fsencode(key)
    except UnicodeEncodeError:
        return False
    return True


class DirectoryTrailCopy(Struct, frozen=True):
    """``ports.TrailCopy`` into the directory ``root``: keys are paths below it."""

    root: Path

    def write(self, key: str, body: bytes) -> None:
        """Write ``body`` as the file whose path in the folder is ``key``; nothing is written over.

        Raises:
            StoreUnavailable: It can't be written, or its path would lead out of the folder.
        """
        path = self.root / key
        try:
            leads_out = any(part in {"", ".", ".."} for part in key.split("/"))
            if leads_out or path.resolve() != self.root.resolve() / key:
                raise StoreUnavailable(f"{key} would lie outside of {self.root}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(body)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise StoreUnavailable(f"{path} can't be written: {why}") from error


def _describe_mode(mode: int) -> str:
    """Describe why what is no plain file is not read."""
    if stat.S_ISLNK(mode):
        return "is a link, or lies behind one, and none is followed"
    return "is a folder that can't be looked into" if stat.S_ISDIR(mode) else "is no plain file"
