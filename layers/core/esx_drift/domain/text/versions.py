"""The order of versions, and of ids, in which runs of digits count as numbers and runs of letters as text."""

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Literal

type VersionOrder = Literal["older", "newer", "unordered"]
type NaturalKey = tuple[list[str | tuple[int, str]], str]

_RUNS = re.compile(r"[0-9]+|[^\W\d_]+")
_DIGITS = re.compile(r"([0-9]+)")
_AFTER_DIGITS = ":"


def compare_versions(old: str, new: str) -> VersionOrder:
    """Compare two versions: whether ``new`` is older or newer than ``old``.

    Unordered: one of them is empty, a number meets a word at the same place, or only what separates the
    runs differs. Of two versions of which one begins like the other, the longer is newer.
    """
    has_runs = False
    for left, right in zip_longest(_RUNS.finditer(old), _RUNS.finditer(new)):
        if left is None or right is None:
            return "unordered" if not has_runs else "newer" if left is None else "older"
        has_runs = True
        before, after = left[0], right[0]
        if before == after:
            continue
        numbers = (before < _AFTER_DIGITS) + (after < _AFTER_DIGITS)
        if numbers == 1:
            return "unordered"
        if numbers and _make_number_key(before) == _make_number_key(after):
            continue
        rises = _make_number_key(before) < _make_number_key(after) if numbers else before < after
        return "newer" if rises else "older"
    return "unordered"


def _make_number_key(digits: str) -> tuple[int, str]:
    """Make a key by length and then by digits: an ``int`` of 10,000 digits is slow, or refused."""
    significant = digits.lstrip("0")
    return len(significant), significant


def make_natural_key(text: str) -> NaturalKey:
    """Make a key that sorts ``host-9`` before ``host-16``; different texts never compare equal."""
    parts: list[str | tuple[int, str]] = [*_DIGITS.split(text)]
    parts[1::2] = [_make_number_key(str(part)) for part in parts[1::2]]
    return parts, text


def sort_naturally(texts: Iterable[str]) -> list[str]:
    """Sort texts as a person expects it: ``host-9`` before ``host-16``."""
    return sorted(texts, key=make_natural_key)
