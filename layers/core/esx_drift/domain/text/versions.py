"""The order of versions, and of ids, in which runs of digits count as numbers and runs of letters as text."""

import re
from collections.abc import Iterable
from typing import Literal

type VersionOrder = Literal["older", "newer", "unordered"]
type NaturalKey = tuple[list[str | tuple[int, str]], str]

_RUNS = re.compile(r"[0-9]+|[^\W\d_]+")
_DIGITS = re.compile(r"([0-9]+)")
_AFTER_DIGITS = ":"


def compare_versions(old: str, new: str) -> VersionOrder:
    """Tell whether ``new`` is older or newer than ``old``.

    A version is what stands before its first dash, and a release what follows it, as in a VIB's
    ``version-release``: the version counts first, whatever the release says. Each is compared by runs of
    digits as numbers and runs of letters as text; where one begins like the other, the longer is newer.

    Returns:
        ``unordered`` where one is empty, where a number meets a word at the same place, or where only what
        separates the runs differs. What is ordered is a partial order: antisymmetric and transitive.
    """
    (old_version, _, old_release), (new_version, _, new_release) = old.partition("-"), new.partition("-")
    order = _compare_runs(_list_runs(old_version), _list_runs(new_version))
    if order is not None:
        return order
    has_version = bool(_list_runs(old_version))
    return (
        _compare_runs(_list_runs(old_release), _list_runs(new_release), has_version=has_version)
        or "unordered"
    )


def _list_runs(text: str) -> list[str]:
    return _RUNS.findall(text)


def _compare_runs(old: list[str], new: list[str], *, has_version: bool = False) -> VersionOrder | None:
    """Compare run by run; None: they are the same. ``has_version``: what stands before them is the same."""
    for left, right in zip(old, new, strict=False):
        are_numbers = (left < _AFTER_DIGITS) + (right < _AFTER_DIGITS)
        if are_numbers == 1:
            return "unordered"
        before, after = (_make_number_key(left), _make_number_key(right)) if are_numbers else (left, right)
        if before != after:
            return "newer" if before < after else "older"  # type: ignore[operator]  # both are of one kind
    if len(old) == len(new):
        return None
    if not (old and new) and not has_version:
        return "unordered"
    return "newer" if len(old) < len(new) else "older"


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
