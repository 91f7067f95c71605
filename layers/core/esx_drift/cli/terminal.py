"""How a command speaks and how it ends: results on stdout, trouble on stderr, and an exit code.

Names come from hosts and vCenters that may be compromised, so no control character of theirs gets through.
Exit code 1 means "changes" or "invalid", and is what Python ends with after every error that nobody caught:
``ExitCodes`` makes such an error end the command with 2.

Longer than 250 lines, because what is printed and what comes of it where it can't be are one matter.
"""

import codecs
import csv
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO, cast

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from esx_drift.errors import EsxDriftError

if TYPE_CHECKING:
    from io import TextIOWrapper


EXIT_DIFFERENCES = 1
"""Exit code: the command did its work, and there is something to see to: changes, errors in a file."""


EXIT_TROUBLE = 2
"""Exit code: the command could not do its work."""

EXIT_UNREAD = 141
"""Exit code: the reader of the output went away, as ``| head`` does: what a shell gives for SIGPIPE."""


PIPE_WIDTH = 200
"""Columns where the output is no terminal: wide enough that no table is wrapped in a file."""


def escape_unprintable(text: str) -> str:
    """The text with every character escaped that a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def make_stdout() -> Console:
    """A console on the current ``sys.stdout``; never colours a pipe, and takes no markup from text."""
    return _make_console(stderr=False)


def make_stderr() -> Console:
    """The same on stderr."""
    return _make_console(stderr=True)


def print_line(text: str, style: str = "") -> None:
    """Print ``text`` as one line on stdout, never wrapped; ``style`` is one of Rich's, such as ``bold``."""
    make_stdout().print(Text(escape_unprintable(text), style), soft_wrap=True)


def build_table(headings: Iterable[str], rows: Iterable[Iterable[RenderableType]]) -> Table:
    """Build a table without lines; what does not fit into a column goes on below, and nothing is cut.

    ``headings`` name its columns, and ``rows`` have a cell for each.
    """
    table = Table(box=None)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def print_table(table: Table) -> None:
    """Print a table on stdout after a blank line, without blanks at the ends of its lines."""
    console = make_stdout()
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.file.write("\n".join(("", *lines, "")))


_FORMULA: Final = ("=", "+", "-", "@")
"""What a cell begins with that a spreadsheet would compute
(https://owasp.org/www-community/attacks/CSV_Injection). Names come from vCenters that may be compromised."""


def render_csv(columns: Sequence[str], lines: Iterable[Mapping[str, object]]) -> str:
    """Render ``lines``, by column, as RFC 4180 has them, but for the line ends of this machine.

    ``columns`` are their names, in order. A cell that a spreadsheet would compute begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _render_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _render_cell(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    text = escape_unprintable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def print_warning(text: str) -> None:
    """Print one line on stderr for something that doesn't stop the command."""
    make_stderr().print(Text("warning: ", "yellow") + Text(escape_unprintable(text)), soft_wrap=True)


def print_note(text: str) -> None:
    """Print one line on stderr that nobody needs to act on."""
    make_stderr().print(Text("info: ", "dim") + Text(escape_unprintable(text)), soft_wrap=True)


def print_trouble(text: str) -> None:
    """Print what went wrong on stderr: the first line says what, the others where and what to do next."""
    first, *others = text.splitlines()
    make_stderr().print(Text("esx-drift: ", "bold red") + Text(escape_unprintable(first)), soft_wrap=True)
    for line in others:
        make_stderr().print(Text(f"  {escape_unprintable(line)}"), soft_wrap=True)


def fail(text: str, code: int = EXIT_TROUBLE) -> NoReturn:
    """Print ``text``, which says what went wrong, and end the command with the exit code ``code``.

    Raises:
        typer.Exit: Always.
    """
    print_trouble(text)
    raise typer.Exit(code)


def require_yes(question: str, otherwise: str) -> None:
    """End the command unless the person says yes.

    Args:
        question: What he is asked.
        otherwise: What is said where he does not: that nothing was done.

    Raises:
        typer.Exit: He said no, or nobody is there.
        typer.Abort: He broke it off, at a terminal.
    """
    try:
        is_wanted = typer.confirm(question)
    except typer.Abort:
        if sys.stdin and sys.stdin.isatty():
            raise
        print_line("")
        fail(f"{otherwise}: nobody is there to answer; --yes answers", EXIT_DIFFERENCES)
    if not is_wanted:
        fail(otherwise, EXIT_DIFFERENCES)


def _make_console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,  # else FORCE_COLOR would colour a file
        width=None if terminal else PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


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


REFUSED: Final = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})
"""How AWS says that a person may not do it."""

RIGHTS_ADVICE: Final = "Which policy this command needs says docs/operations.md, Who may do what."


def read_clock() -> datetime:
    """Read this machine's clock."""
    return datetime.now(UTC)


class ExitCodes:
    """Guards the streams while a command runs, and turns every error into an exit code: 2, or 141."""

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
                sys.exit(_find_exit_code(error))
            sys.stdout.flush()
        except OutputLost as lost:
            _print_lost(lost)
            sys.exit(_find_exit_code(lost))
        finally:
            sys.stdout, sys.stderr = self._streams
            self._none.close()


def _find_exit_code(error: Exception) -> int:
    return EXIT_UNREAD if isinstance(error, OutputLost) and error.unread else EXIT_TROUBLE


def _print_error(error: Exception) -> None:
    if isinstance(error, OutputLost):
        _print_lost(error)
    elif isinstance(error, EsxDriftError):
        print_trouble("\n".join(filter(None, (str(error), advise_on_rights(error)))))
    else:
        traceback.print_exception(error)
        what = traceback.format_exception_only(error)[-1].strip()
        print_trouble(f"a fault of esx-drift itself: {what}\nPlease report it with the lines above")


def advise_on_rights(error: EsxDriftError) -> str:
    """Advise what to do where AWS let nobody in; empty for any other error."""
    response: Any = getattr(error.__cause__, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return RIGHTS_ADVICE if code in REFUSED else ""


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
