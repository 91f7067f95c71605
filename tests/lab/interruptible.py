"""Runs a module that people watch: Ctrl-C ends it, and what it started, with one line and exit code 130.

`python -m tests.lab.interruptible MODULE` says at once that it begins, loads nothing heavy itself, and calls
the module's `main`. Until then nothing was started, and Ctrl-C ends the process where it is: code in the
middle of an import may turn an exception into something else. A second one changes nothing.
"""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from tests.lab.local_aws.place import NotReadyError

INTERRUPTED = 130
"""128 and the number of the signal, as shells have it."""

LAST_LINE = b"\nStopped. All that it started is ended.\n"

AGAIN_SECONDS = 0.1
"""After which Ctrl-C comes again that was met by what swallows every exception."""


def main(module: str) -> int:
    """What the module's `main` returns, unless Ctrl-C ends the process."""
    signal.signal(signal.SIGINT, _end)
    sys.stdout.write(f"Starting the {module.removesuffix('.__main__').rpartition('.')[2]}\n")
    sys.stdout.flush()
    begin = importlib.import_module(module).main
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again
    signal.signal(signal.SIGINT, _interrupt)
    try:
        code: int = begin()
    except KeyboardInterrupt:
        sys.stdout.flush()
        _end()
    except NotReadyError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error}\n")
        return 1
    return code


def _end(*_: object) -> NoReturn:
    """End without the interpreter's own end, in the middle of which a second Ctrl-C kills the process."""
    os.write(1, LAST_LINE)
    os._exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Python ignores whatever is raised while an object is finalized: Ctrl-C too."""
    if unraisable.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
