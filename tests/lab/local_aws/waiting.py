"""Waiting for a condition, with a bound."""

from collections.abc import Callable
from threading import Event
from time import monotonic

BETWEEN_TWO_LOOKS_SECONDS = 0.15


def until[T](ready: Callable[[], T], what: str, timeout_seconds: float) -> T:
    """What `ready` gives, once it is true.

    Raises:
        TimeoutError: it was not in time; `what` says what was waited for.
    """
    deadline = monotonic() + timeout_seconds
    pause = Event()
    while not (found := ready()):
        if monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds:.0f} s for {what}")
        pause.wait(BETWEEN_TWO_LOOKS_SECONDS)
    return found
