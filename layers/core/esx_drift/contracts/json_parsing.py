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
from esx_drift.errors import ContractViolation

MAX_BYTES = 32_000_000
MAX_LEVELS = 64
_FAST_DECODER = msgspec.json.Decoder()
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def build_json_refusal(expected: str, got: str, pointer: str = "") -> ContractViolation:
    """Build the error for a body that is refused: ``expected`` is what it should be, ``got`` what it is.

    ``pointer`` is the JSON Pointer of the value at fault; empty for the whole body.
    """
    line = f"{pointer}: expected {expected}, got {got}"
    return ContractViolation(f"not acceptable as JSON: expected {expected}, got {got}", (line,))


def parse_json(body: bytes) -> Json:
    """Parse the value in ``body``.

    Stricter than ``json.loads``: UTF-8 only, at most 32 MB and 64 levels, and neither duplicate keys nor
    NaN, infinite numbers or lone surrogates, which readers disagree about and no canonical form can hold.

    Raises:
        ContractViolation: The body is not that.
    """
    value = parse_json_of_any_depth(body)
    require_shallow(value)
    return value


def parse_json_of_any_depth(body: bytes) -> Json:
    """The same without a limit to the levels, for callers that limit them otherwise."""
    if len(body) > MAX_BYTES:
        raise build_json_refusal(f"at most {MAX_BYTES} bytes", f"{len(body)} bytes")
    value = _decode_if_lossless(body)
    if value is not None:
        return value
    return _decode_strictly(_decode_text(body))


def require_shallow(value: Json) -> None:
    """Require that a value is not nested too deep.

    Raises:
        ContractViolation: It has more than 64 levels.
    """
    if not _build_depth_validator().is_valid(value):
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


def _decode_strictly(text: str) -> Json:
    try:
        value: Json = _STRICT_DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
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
