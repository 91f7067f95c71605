"""The order of versions, and of ids, in which runs of digits count as numbers and runs of letters as text."""

import re
from collections.abc import Iterable
from typing import Literal

type Order = Literal["older", "newer", "unordered"]
type NaturalKey = tuple[list[str | tuple[int, str]], str]

_RUNS = re.compile(r"[0-9]+|[^\W\d_]+")
_DIGITS = re.compile(r"([0-9]+)")
_AFTER_DIGITS = ":"


def order(old: str, new: str) -> Order:
    """Whether ``new`` is older or newer than ``old``.

    Unordered: one of them is empty, a number meets a word at the same place, or only what separates the
    runs differs. Of two versions of which one begins like the other, the longer is newer.
    """
    before, after = _RUNS.findall(old), _RUNS.findall(new)
    if not before or not after:
        return "unordered"
    for left, right in zip(before, after, strict=False):
        if left == right:
            continue
        numbers = (left < _AFTER_DIGITS) + (right < _AFTER_DIGITS)
        if numbers == 1:
            return "unordered"
        one, other = (_number(left), _number(right)) if numbers else (left, right)
        if one != other:
            return "newer" if one < other else "older"
    if len(before) == len(after):
        return "unordered"
    return "newer" if len(before) < len(after) else "older"


def _number(digits: str) -> tuple[int, str]:
    """A number by its length and then by its digits: an ``int`` of 10,000 digits is slow, or refused."""
    significant = digits.lstrip("0")
    return len(significant), significant


def natural(text: str) -> NaturalKey:
    """A key that sorts ``host-9`` before ``host-16``; different texts never compare equal."""
    parts: list[str | tuple[int, str]] = [*_DIGITS.split(text)]
    parts[1::2] = [_number(str(part)) for part in parts[1::2]]
    return parts, text


def sorted_naturally(texts: Iterable[str]) -> list[str]:
    """The texts in the order a person expects."""
    return sorted(texts, key=natural)
