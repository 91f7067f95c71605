"""Shell patterns on names: ``*``, ``?``, ``[abc]`` and ``[!abc]``; case matters."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def find_matching_pattern(patterns: Iterable[str], *names: str) -> str | None:
    """The first pattern that one of the names matches. A name matches itself, brackets and all."""
    return next((p for p in patterns if any(p == name or fnmatchcase(name, p) for name in names)), None)
