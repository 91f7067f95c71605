"""Runs a module that people watch: Ctrl-C ends it, and what it started, with one line and exit code 130.

`python -m tests.lab.interruptible MODULE` says at once that it begins, and loads nothing heavy itself: Ctrl-C
is as quiet while the module is still being imported. A second one changes nothing, so that all is ended.
"""

import runpy
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""128 and the number of the signal, as shells have it."""

AGAIN_SECONDS = 0.1
"""After which Ctrl-C comes again that was met by what swallows every exception."""


def main(module: str) -> int:
    """The exit code, unless the module ends the process itself."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again
    try:
        sys.stdout.write(f"Starting the {module.rpartition('.')[2]}\n")
        sys.stdout.flush()
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped. All that it started is ended.\n")
        return INTERRUPTED
    return 0


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
    sys.argv = sys.argv[1:]
    sys.exit(main(sys.argv[0]))
