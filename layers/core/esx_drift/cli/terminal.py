"""Writing to the terminal: results on stdout, trouble on stderr, colour only on a terminal.

Names come from hosts and vCenters that may be compromised, so no control character of theirs gets through.
"""

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

EXIT_DIFFERENCES = 1
"""Exit code: the command did its work, and there is something to see to: changes, errors in a file."""


EXIT_TROUBLE = 2
"""Exit code: the command could not do its work."""


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


def print_table(table: Table) -> None:
    """Print a table on stdout after a blank line, without blanks at the ends of its lines."""
    console = make_stdout()
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.file.write("\n".join(("", *lines, "")))


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


ClusterArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id; @NAME for a replaced vCenter.")
]


VCenterOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The cluster's vCenter, where the name alone won't do.")
]


ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why. It stays in the log.")]


StackOption = Annotated[str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")]


YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


WaitOption = Annotated[
    int, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the checker's answer.")
]
