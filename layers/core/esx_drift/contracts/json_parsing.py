"""From bytes to JSON, refusing cheaply what no schema can see or no reader should have to bear."""

import json
import math
import re
from collections import Counter
from functools import cache
from typing import NoReturn

import jsonschema_rs
import msgspec

from esx_drift.domain.stored.types import Json
from esx_drift.domain.vcenter_api import MAX_REPORT_BYTES
from esx_drift.errors import ContractViolation

MAX_BYTES = MAX_REPORT_BYTES
"""A report is the largest thing that comes from outside."""

MAX_VALUES = 500_000
"""The report of 96 hosts with 96 images of 120 components is counted as 154,000, each value of it and each
bracket, comma and colon in its texts; 8 MB of real reports as 440,000. A value of few bytes becomes an object
of a hundred: without this bound 8 MB of ``[{},{},…`` would be 250 MB."""

MAX_LEVELS = 64
_VALUE_MARKS = (b",", b":", b"[", b"{")
"""What stands before each value but the first one; a name of a field is counted by what follows it."""

_FAST_DECODER = msgspec.json.Decoder()
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def build_json_refusal(expected: str, got: str) -> ContractViolation:
    """Build the error for a body that is refused: ``expected`` is what it should be, ``got`` what it is."""
    line = f": expected {expected}, got {got}"
    return ContractViolation(f"not acceptable as JSON: expected {expected}, got {got}", (line,))


def parse_json(body: bytes, *, allow_surrogates: bool = False) -> Json:
    """Parse JSON from outside.

    Stricter than ``json.loads``: UTF-8 only, at most 8 MB, 500,000 values and 64 levels, and neither
    duplicate keys nor NaN, infinite numbers or lone surrogates, which readers disagree about and no canonical
    form can hold.

    Args:
        body: What came.
        allow_surrogates: Texts may hold lone surrogates, where the caller sees to each text by itself.

    Raises:
        ContractViolation: The body is anything else.
    """
    value = parse_json_of_any_depth(body, allow_surrogates=allow_surrogates)
    require_shallow(value)
    return value


def parse_json_of_any_depth(body: bytes, *, allow_surrogates: bool = False) -> Json:
    """Parse ``body`` without a limit to the levels, for callers that limit them otherwise.

    ``allow_surrogates`` and what is refused are as for ``parse_json``.
    """
    _require_bearable(body)
    value = _decode_if_lossless(body)
    if value is not None:
        return value
    return _decode_strictly(_decode_text(body), allow_surrogates=allow_surrogates)


def _require_bearable(body: bytes) -> None:
    """Raise ``ContractViolation`` for a body that would cost too much memory to be read."""
    if len(body) > MAX_BYTES:
        raise build_json_refusal(f"at most {MAX_BYTES} bytes", f"{len(body)} bytes")
    if sum(map(body.count, _VALUE_MARKS)) > MAX_VALUES:
        raise build_json_refusal(f"at most {MAX_VALUES} values", "more")


def require_shallow(value: Json) -> None:
    """Require that a value is not nested too deep.

    Raises:
        ContractViolation: It has more than 64 levels. Or half of a surrogate pair is where no caller looks,
            in the name of a field, or is all that there is: the validator takes none there.
    """
    try:
        is_shallow = _build_depth_validator().is_valid(value)
    except UnicodeEncodeError:
        raise build_json_refusal("names of whole characters", "half of a surrogate pair") from None
    if not is_shallow:
        raise build_json_refusal(f"at most {MAX_LEVELS} levels", "more")


def _decode_text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise build_json_refusal(
            "JSON in UTF-8", f"a byte that is not UTF-8 at position {error.start}"
        ) from None
    if text.startswith("\ufeff"):
        raise build_json_refusal("JSON alone", "a byte order mark (BOM) before it")
    return text


def _decode_if_lossless(body: bytes) -> Json:
    """Decode by msgspec, which is fast but keeps only the last of two fields of one name.

    Returns:
        The value, if msgspec encodes it to the same bytes again: then it lost nothing. Else None.
    """
    try:
        value: Json = _FAST_DECODER.decode(body)
        return value if msgspec.json.encode(value) == body else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _decode_strictly(text: str, *, allow_surrogates: bool) -> Json:
    try:
        value: Json = _STRICT_DECODER.decode(text)
        if not allow_surrogates and _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        at = f"line {error.lineno} column {error.colno}"
        raise build_json_refusal("JSON", f"something else at {at} ({error.msg})") from None
    except RecursionError:
        raise build_json_refusal(f"at most {MAX_LEVELS} levels", "far more") from None
    except UnicodeEncodeError:
        raise build_json_refusal("text of whole characters", "half of a surrogate pair") from None
    except ValueError:  # the int() of Python refuses more than 4300 digits
        raise build_json_refusal("numbers of a bearable length", "thousands of digits") from None
    return value


def _build_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise build_json_refusal(
            "each field once", f"the field {json.dumps(twice[:100])} twice in one object"
        )
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise build_json_refusal("numbers that JSON knows", name)


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise build_json_refusal("numbers that fit a double", digits[:100])
    return number


_STRICT_DECODER = json.JSONDecoder(
    object_pairs_hook=_build_object, parse_constant=_refuse_constant, parse_float=_parse_finite
)


@cache
def _build_depth_validator() -> jsonschema_rs.Draft202012Validator:
    """Accepts whatever has at most ``MAX_LEVELS`` levels: ten times as fast as a walk in Python."""
    definitions: dict[str, Json] = {f"level{MAX_LEVELS}": {"not": {"type": ["object", "array"]}}}
    for level in range(MAX_LEVELS):
        deeper: dict[str, Json] = {"$ref": f"#/$defs/level{level + 1}"}
        definitions[f"level{level}"] = {"additionalProperties": deeper, "items": deeper}
    return jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/level0", "$defs": definitions})
