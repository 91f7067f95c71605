"""Which trail a command reads: that of the stack, or with ``--dir`` a copy of it."""

import inspect
import os
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from esx_drift.cli.options import StackOptions, with_stack_options
from esx_drift.domain.stored.identifiers import TRAIL_FOLDERS
from esx_drift.domain.trail.excerpt import EXCERPT_KEY
from esx_drift.errors import PermanentError

if TYPE_CHECKING:
    from esx_drift.ports import TrailFiles

DIR_OPTION: Final = "--dir"

TRAIL_FOLDER: Final = "trail"
"""What ``evidence`` calls the excerpt in the folder that it writes."""

HOW_TO_COMPLETE: Final = "Was the copy broken off? This completes it: aws s3 sync s3://AUDIT-BUCKET"

DirOption = Annotated[
    Path | None,
    typer.Option(DIR_OPTION, metavar="DIR", help="A copy of the AuditBucket; without it the stack's own."),
]


class TrailSource(Struct, frozen=True):
    """Where a trail is read from: the folder ``directory``, else the AuditBucket of the stack ``target``."""

    directory: Path | None
    target: StackOptions

    def open(self) -> "TrailFiles":
        """Open it; of a folder it is looked whether a trail may be in it.

        Raises:
            PermanentError: There is no such folder or stack, or it holds no trail.
        """
        if self.directory is not None:
            from esx_drift.adapters.trail_files import DirectoryTrailFiles  # noqa: PLC0415 -- loads botocore

            _require_trail(self.directory)
            return DirectoryTrailFiles(self.directory)
        from esx_drift.adapters.trail_files import S3TrailFiles  # noqa: PLC0415 -- boto3 takes long to load
        from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- same

        stack = open_stack(self.target)
        return S3TrailFiles(stack.clients.s3, *stack.read_outputs("AuditBucketName"))

    @property
    def is_excerpt(self) -> bool:
        """Tell whether it is a folder that says that it is an excerpt."""
        return self.directory is not None and (self.directory / EXCERPT_KEY).exists()

    @property
    def copy_advice(self) -> str:
        """What to do where much is missing of a copy; empty where the stack's own trail is read."""
        return "" if self.directory is None else f"{HOW_TO_COMPLETE} {shlex.quote(str(self.directory))}"

    @property
    def empty_advice(self) -> str:
        """What to do where nothing is recorded at all."""
        status = self.target.name_command("status")
        return self.copy_advice or f"Is it the right stack? To see what it checks: {status}"

    def name_command(self, command: str) -> str:
        """Name a command, such as ``show RECORD``, so that it reads the same trail when it is pasted."""
        return self.target.name_command(command) if self.directory is None else self._name_copy(command)

    def _name_copy(self, command: str) -> str:
        return f"esx-drift {command} {DIR_OPTION} {shlex.quote(str(self.directory))}"


def _require_trail(directory: Path) -> None:
    """Refuse a folder that is no copy of an AuditBucket."""
    try:
        names = set(os.listdir(directory))  # noqa: PTH208 -- names are all that is wanted
    except OSError as error:
        raise PermanentError(f"{directory} can't be read: {error.strerror}\n{_HOW_TO_COPY}") from error
    if not names:
        raise PermanentError(f"{directory} is empty: it holds no trail\n{_HOW_TO_COPY}")
    if not names & TRAIL_FOLDERS:
        inside = directory.resolve().name in TRAIL_FOLDERS or any("=" in name for name in names)
        advice = f"Name the folder above it: {DIR_OPTION} {directory.parent}" if inside else _HOW_TO_COPY
        if TRAIL_FOLDER in names:
            advice = f"Name the excerpt in it: {DIR_OPTION} {directory / TRAIL_FOLDER}"
        raise PermanentError(f"{directory} is no copy of an AuditBucket: it has no folder records\n{advice}")


_HOW_TO_COPY: Final = "A copy is made by: aws s3 sync s3://AUDIT-BUCKET DIR"


def with_trail_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--dir`` and the options that say which stack; it gets them as ``source``."""
    own = inspect.signature(command)

    @wraps(command)
    def run(directory: Path | None, target: StackOptions, **arguments: object) -> None:
        command(**arguments, source=TrailSource(directory, target))

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (("directory", None, DirOption), ("target", None, StackOptions))
    ]
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "source"]
    run.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined] # read below
    return with_stack_options(run)
