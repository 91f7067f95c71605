"""How the command ends: with the exit code that the command says, and with 2 after every error.

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
    """The output could not be written. ``unread``: its reader is gone, as after ``| head``."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(f"can't write the result: {reason.strerror or reason}")
        self.unread = isinstance(reason, BrokenPipeError)


class GuardedStream:
    """A stream that raises ``OutputLost`` where a write fails: typer handles OSError in its own way."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost: OutputLost | None = None
        cast("TextIOWrapper", stream).reconfigure(errors=_REPLACED)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text; the number of characters written."""
        return self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Write out what is buffered."""
        self._try(self._stream.flush)

    def _try[T](self, act: Callable[[], T]) -> T:
        """Act on the stream. Once this failed it always fails: typer goes on after an error of the stream."""
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
                _print_error(error)
                sys.exit(EXIT_TROUBLE)
            sys.stdout.flush()
        except OutputLost as lost:
            _print_lost(lost)
            sys.exit(EXIT_TROUBLE)
        finally:
            sys.stdout, sys.stderr = self._streams
            self._none.close()


def _print_error(error: Exception) -> None:
    if isinstance(error, OutputLost):
        _print_lost(error)
    elif isinstance(error, EsxDriftError):
        print_trouble(str(error))
    else:
        traceback.print_exception(error)
        what = traceback.format_exception_only(error)[-1].strip()
        print_trouble(f"a fault of esx-drift itself: {what}\nPlease report it with the lines above")


def _print_lost(lost: OutputLost) -> None:
    """Print one line, unless the reader is gone. Where stderr is lost, too, only the exit code says it."""
    try:
        if not lost.unread:
            print_trouble(str(lost))
    except OutputLost:
        return


def _replace_letters(error: UnicodeError) -> tuple[str, int]:
    """What to write in place of characters that the terminal can't show, and where to go on."""
    failed = cast("UnicodeEncodeError", error)
    lost = failed.object[failed.start : failed.end]
    return "".join(_PLAIN.get(letter, "?") for letter in lost), failed.end


codecs.register_error(_REPLACED, _replace_letters)
