"""From bytes to JSON, refusing cheaply what no schema can see or no reader should have to bear."""

import json
import math
import re
from collections import Counter
from functools import cache
from typing import NoReturn

import jsonschema_rs

from esx_drift.domain.shapes import Json
from esx_drift.errors import ContractViolation

MAX_BYTES = 32_000_000
MAX_LEVELS = 64
_BLANK_AND_COLON = re.compile(" :")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def refusal(expected: str, got: str, pointer: str = "") -> ContractViolation:
    """The error for a whole body that is refused."""
    line = f"{pointer}: expected {expected}, got {got}"
    return ContractViolation(f"not acceptable as JSON: expected {expected}, got {got}", (line,))


def json_of(body: bytes) -> Json:
    """The value in ``body``, or ``ContractViolation``.

    Stricter than ``json.loads``: UTF-8 only, at most 32 MB and 64 levels, and neither duplicate keys nor
    NaN, infinite numbers or lone surrogates, which readers disagree about and no canonical form can hold.
    """
    value = of_any_depth(body)
    refuse_deep(value)
    return value


def of_any_depth(body: bytes) -> Json:
    """The same without a limit to the levels, for those who know that there are few."""
    if len(body) > MAX_BYTES:
        raise refusal(f"at most {MAX_BYTES} bytes", f"{len(body)} bytes")
    text = _text_of(body)
    value = _parsed(text)
    if _SURROGATE_ESCAPE.search(text):
        refuse_deep(value)
        _refuse_lone_surrogates(value)
    return value


def refuse_deep(value: Json) -> None:
    """Raise ``ContractViolation`` for more than 64 levels."""
    if not _shallow().is_valid(value):
        raise refusal(f"at most {MAX_LEVELS} levels", "more")


def _text_of(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise refusal("JSON in UTF-8", f"a byte that is not UTF-8 at position {error.start}") from None
    if text.startswith("\ufeff"):
        raise refusal("JSON alone", "a byte order mark (BOM) before it")
    return text


def _parsed(text: str) -> Json:
    objects: list[dict[str, Json]] = []
    keep = objects.append

    def kept(found: dict[str, Json]) -> dict[str, Json]:
        keep(found)
        return found

    quick = json.JSONDecoder(object_hook=kept, parse_constant=_refuse_constant, parse_float=_finite)
    value = _decoded(text, quick)
    return value if _is_all_kept(text, sum(map(len, objects))) else _decoded(text, _THOROUGH)


def _is_all_kept(text: str, fields: int) -> bool:
    """Whether it is certain at a glance that no object has a field twice, of which Python keeps the last.

    If no blank comes before a colon, each field has a quote and a colon of its own in the text. There may
    be more of these, inside of texts; but if there are as many as ``fields`` that were kept, none was lost.
    """
    blank = any(character in text for character in "\t\n\r") or _BLANK_AND_COLON.search(text)
    return not blank and text.count('":') == fields


def _decoded(text: str, decoder: json.JSONDecoder) -> Json:
    try:
        value: Json = decoder.decode(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno} column {error.colno}"
        raise refusal("JSON", f"something else at {at} ({error.msg})") from None
    except RecursionError:
        raise refusal(f"at most {MAX_LEVELS} levels", "far more") from None
    except ValueError:  # the int() of Python refuses more than 4300 digits
        raise refusal("numbers of a bearable length", "thousands of digits") from None
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise refusal("each field once", f"the field {json.dumps(twice[:100])} twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise refusal("numbers that JSON knows", name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise refusal("numbers that fit a double", digits[:100])
    return number


_THOROUGH = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise refusal("text of whole characters", "half of a surrogate pair") from None


@cache
def _shallow() -> jsonschema_rs.Draft202012Validator:
    """Accepts whatever has at most ``MAX_LEVELS`` levels: ten times as fast as a walk in Python."""
    definitions: dict[str, Json] = {f"level{MAX_LEVELS}": {"not": {"type": ["object", "array"]}}}
    for level in range(MAX_LEVELS):
        deeper: dict[str, Json] = {"$ref": f"#/$defs/level{level + 1}"}
        definitions[f"level{level}"] = {"additionalProperties": deeper, "items": deeper}
    return jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/level0", "$defs": definitions})
