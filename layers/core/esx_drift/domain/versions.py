"""The order of versions, and of ids, in which runs of digits count as numbers and runs of letters as text."""

import re
from collections.abc import Iterable
from typing import Literal

type Order = Literal["older", "newer", "unordered"]
type NaturalKey = tuple[tuple[bool, int, str], ...]

_RUNS = re.compile(r"([0-9]+)|[^\W\d_]+")
_DIGITS = re.compile(r"([0-9]+)")


def order(old: str, new: str) -> Order:
    """Whether ``new`` is older or newer than ``old``.

    Unordered: one of them is empty, a number meets a word at the same place, or only what separates the
    runs differs. Of two versions of which one begins like the other, the longer is newer.
    """
    before, after = _runs(old), _runs(new)
    if not before or not after:
        return "unordered"
    for left, right in zip(before, after, strict=False):
        if left[0] != right[0]:
            return "unordered"
        if left != right:
            return "newer" if left < right else "older"
    if len(before) == len(after):
        return "unordered"
    return "newer" if len(before) < len(after) else "older"


def _runs(version: str) -> list[tuple[bool, int, str]]:
    return [_run(match[0], is_number=match[1] is not None) for match in _RUNS.finditer(version)]


def _run(text: str, *, is_number: bool) -> tuple[bool, int, str]:
    """Numbers by length and then digit by digit: an ``int`` of 10,000 digits is slow, or refused."""
    digits = text.lstrip("0") if is_number else ""
    return (is_number, len(digits), digits) if is_number else (False, 0, text)


def natural(text: str) -> tuple[NaturalKey, str]:
    """A key that sorts ``host-9`` before ``host-16``; different texts never compare equal."""
    parts = enumerate(_DIGITS.split(text))
    return tuple(_run(part, is_number=position % 2 == 1) for position, part in parts), text


def sorted_naturally(texts: Iterable[str]) -> list[str]:
    """The texts in the order a person expects."""
    return sorted(texts, key=natural)
