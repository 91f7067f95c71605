"""The one place that holds an exception which nobody foresaw: it ends one piece of work, and no other."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aws_lambda_powertools import Logger

from esx_drift.errors import BUG_FACT, EsxDriftError, InternalError

PACKAGE = Path(__file__).parent
MAX_LOGGED_FRAMES = 30
"""The innermost ones: a recursion that never ended has a thousand, and the last of them say where it was."""

logger = Logger(child=True)


@contextmanager
def hold_unforeseen(work: str) -> Iterator[None]:
    """Raise ``InternalError`` for what nobody foresaw, and log where it happened; pass on our own errors.

    ``work`` says what it put an end to ("the look at …"). Neither the error nor the log has the exception's
    own text, since that may hold a value, and the value be a secret.
    """
    try:
        yield
    except EsxDriftError:
        raise
    except Exception as error:  # noqa: BLE001 -- a bug met at one must not end the turn of all others
        bug = f"{type(error).__name__} at {_find_place(error)}"
        frames = traceback.format_tb(error.__traceback__)
        logger.error("bug", work=work, bug=bug, frames=frames[-MAX_LOGGED_FRAMES:])  # noqa: TRY400 -- as said
        raise InternalError(f"a bug in esx-drift ended {work}: {bug}", {BUG_FACT: bug}) from None


def _find_place(error: Exception) -> str:
    """Find the innermost line of ours; at the least it is the one above that handed over to the work."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)][-1]
    return f"{Path(place.filename).relative_to(PACKAGE.parent)}:{place.lineno} in {place.name}"
