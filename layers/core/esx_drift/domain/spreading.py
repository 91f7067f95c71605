"""Delays that differ a little from request to request: sixty clusters don't come back in one second."""

from hashlib import sha256
from typing import Final

JITTER_PART: Final = 10
"""A delay grows by up to a tenth. It never shrinks: what must be met twice, must be so far apart."""


def add_jitter(delay_seconds: int, seed: str) -> int:
    """The delay, longer by up to a tenth of itself: the same for the same ``seed``, even over many."""
    share = int.from_bytes(sha256(seed.encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32
    return delay_seconds + int((delay_seconds // JITTER_PART + 1) * share)
