"""Values of a fleet file that are only spelt wrong: a name that is a number, a yes that is a text."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from msgspec import Struct

from esx_drift.contracts import list_violations


class MendedDocument(Struct, frozen=True):
    """A fleet file in which values are spelt otherwise.

    Attributes:
        document: What it says then. A text that is wrong both ways stays as it is.
        left: What its schema refuses then, a line each.
        advice: How to write such a value in the file, by the fault of it that this mends.
    """

    document: object
    left: list[str]
    advice: dict[str, str]


def mend_spellings(faults: Sequence[str], document: object, spelt: Mapping[str, str]) -> MendedDocument:
    """Spell each value that its schema refuses otherwise, as far as it can be.

    Args:
        faults: What the schema refuses, a line each, JSON Pointer first.
        document: The fleet file, which stays as it is.
        spelt: How values of it are written that are no texts, by JSON Pointer; as in JSON where they lack.
    """
    mended, advice, texts = copy.deepcopy(document), dict[str, str](), dict[str, str]()
    for pointer in {get_pointer(fault) for fault in faults} - {"", "and more"}:
        holder, last = _find_holder(mended, pointer)
        value = _get_inner(holder, last)
        other, words = _spell_otherwise(value, spelt.get(pointer))
        if words:
            _put(holder, last, other)
            advice[pointer] = words
            if isinstance(value, str):
                texts[pointer] = value
    left = list_violations("fleet", mended) if advice else [*faults]
    wrong = {get_pointer(fault) for fault in left}
    for pointer in texts.keys() & wrong:
        _put(*_find_holder(mended, pointer), texts[pointer])
    known = {fault: advice[at] for fault in faults if (at := get_pointer(fault)) in advice.keys() - wrong}
    return MendedDocument(mended, left, known)


def get_pointer(line: str) -> str:
    """Get the JSON Pointer that a line begins with."""
    return line.partition(": ")[0]


def _find_holder(document: object, pointer: str) -> tuple[object, str]:
    """Find what holds the value that a JSON Pointer leads to, and by which key or index."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in way:
        document = _get_inner(document, part)
    return document, last


def _put(holder: object, key: str, value: object) -> None:
    cast("Any", holder)[int(key) if isinstance(holder, list) else key] = value


def _spell_otherwise(value: object, written: str | None) -> tuple[object, str]:
    """Spell a value as a text, or a text as none.

    Returns:
        What it is then, and how to say so in the file; empty where it can't be.
    """
    if isinstance(value, str):
        other = _read_plain(value)
        shown = json.dumps(other)
        return other, "" if other is None else f"write {shown}{', without quotes' * (shown == value)}"
    if isinstance(value, int | float) or (value is None and written not in _LEFT_OUT):
        text = json.dumps(value) if written is None else written
        return text, f"put it in quotes, as {json.dumps(text)}"
    return None, ""


_NOTHING: Final = object()
_LEFT_OUT: Final = frozenset({"", "~"})
"""How a value is written that is not there yet."""
_WORDS: Final = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)


def find_value(document: object, pointer: str) -> object:
    """Find the value in a ``document`` that a JSON ``pointer`` leads to; an object of its own if to none."""
    return _get_inner(*_find_holder(document, pointer)) if pointer.startswith("/") else document


def _get_inner(holder: object, part: str) -> object:
    if isinstance(holder, dict):
        return holder.get(part, _NOTHING)
    return holder[int(part)] if isinstance(holder, list) else _NOTHING


def _read_plain(text: str) -> bool | int | None:
    """Read a text as YAML of before 2009 or without quotes would: ``yes`` as true, ``60`` as a number."""
    plain = text.strip().replace("_", "")
    return _WORDS.get(plain.casefold(), int(plain) if _NUMBER.fullmatch(plain) else None)
