"""Telling people: events become messages to routes, and each message is posted once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

MAX_PARALLEL_CALLS: Final = 10
"""Of one S3 client at once: what its pool of connections holds by default
(https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html)."""


def call_in_parallel[Given, Found](call: Callable[[Given], Found], items: Iterable[Given]) -> list[Found]:
    """Make the same ``call`` for each of the ``items``, several at once; the results, in the items' order."""
    with ThreadPoolExecutor(MAX_PARALLEL_CALLS) as pool:
        return [*pool.map(call, items)]
