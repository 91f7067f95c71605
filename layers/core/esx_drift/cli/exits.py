"""How the command ends, whatever happens: 0, 1 or 2 as the command says, and 2 for all that went wrong.

1 means "changes" or "invalid" to a program, and Python ends with it after every error that nobody caught.
"""

import codecs
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, cast

from esx_drift.cli.terminal import EXIT_TROUBLE, print_trouble
from esx_drift.errors import EsxDriftError

if TYPE_CHECKING:
    from io import TextIOWrapper

_PLAIN = {"→": "->", "·": "-", "…": "...", "─": "-"}
_REPLACED = "esx_drift.replaced"


class OutputLost(Exception):
    """What was to be told could not be written. ``unread``: nobody reads it any more, as after ``| head``."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(f"can't write the result: {reason.strerror or reason}")
        self.unread = isinstance(reason, BrokenPipeError)


class GuardedStream:
    """A stream on which a failed write is ``OutputLost``: libraries have plans of their own for OSError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost: OutputLost | None = None
        cast("TextIOWrapper", stream).reconfigure(errors=_REPLACED)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write it."""
        return self._kept(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Hand on what was written."""
        self._kept(self._stream.flush)

    def _kept[T](self, act: Callable[[], T]) -> T:
        """What failed once fails for ever: typer tries the stream, and goes on whatever it hears."""
        if self._lost:
            raise self._lost
        try:
            return act()
        except OSError as error:
            # What is still in the buffer would fail again when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._lost = OutputLost(error)
            raise self._lost from error


class ExitCodes:
    """Guards the streams while a command runs, and turns every error into exit code 2."""

    def __enter__(self) -> None:
        # Python has no stream where the file was closed before it began; this one refuses to be written.
        self._none = Path(os.devnull).open(encoding="utf-8")
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (
            cast("TextIO", GuardedStream(stream or self._none)) for stream in self._streams
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception):
                _tell(error)
                sys.exit(EXIT_TROUBLE)
            sys.stdout.flush()
        except OutputLost as lost:
            _tell_lost(lost)
            sys.exit(EXIT_TROUBLE)
        finally:
            sys.stdout, sys.stderr = self._streams
            self._none.close()


def _tell(error: Exception) -> None:
    if isinstance(error, OutputLost):
        _tell_lost(error)
    elif isinstance(error, EsxDriftError):
        print_trouble(str(error))
    else:
        traceback.print_exception(error)
        what = traceback.format_exception_only(error)[-1].strip()
        print_trouble(f"a fault of esx-drift itself: {what}\nPlease report it with the lines above")


def _tell_lost(lost: OutputLost) -> None:
    """One line, unless the reader just had enough. Where stderr is lost, too, the exit code has to do."""
    try:
        if not lost.unread:
            print_trouble(str(lost))
    except OutputLost:
        return


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """What a terminal of a few characters gets in place of one that it can't show."""
    failed = cast("UnicodeEncodeError", error)
    lost = failed.object[failed.start : failed.end]
    return "".join(_PLAIN.get(letter, "?") for letter in lost), failed.end


codecs.register_error(_REPLACED, _replaced)
