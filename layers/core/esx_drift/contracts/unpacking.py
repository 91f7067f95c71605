"""What was kept, read back: what lies in a bucket, or in a copy of one, may be anybody's.

Bytes are held to their hash before they are looked into, unpacked within bounds, and held to their form.
"""

import json
import zlib
from typing import Any, Final, cast

from esx_drift.contracts import require_valid
from esx_drift.contracts.json_parsing import require_shallow
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json
from esx_drift.domain.stored.types import Record, Snapshot
from esx_drift.errors import ContractViolation, TrailDamaged

MAX_UNPACKED_BYTES = 32_000_000
"""Of an object that is read back. Versions before this one stored reports of up to 32 MB."""

_GZIP_WINDOW = zlib.MAX_WBITS | 16
"""zlib's way to say that there is a gzip header."""


def unpack_bounded(packed: bytes, most: int = MAX_UNPACKED_BYTES) -> bytes:
    """Unpack a gzipped object without unpacking more than is bearable: a few bytes may stand for gigabytes.

    Args:
        packed: One gzip member, as ``gzip.compress`` writes it.
        most: How many bytes may come out of it.

    Raises:
        ValueError: It is no gzip, not whole, has something behind it, or holds more.
    """
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacking.decompress(packed, most)
        more = bool(unpacking.decompress(unpacking.unconsumed_tail, 1))
    except zlib.error as error:
        raise ValueError(f"not gzip ({error})") from error
    if more:
        raise ValueError(f"more than {most} bytes when unpacked")
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("gzip that is cut off, or has something behind it")
    return body


def require_unchanged(key: str, body: bytes | None, sha256: str | None = None) -> bytes:
    """Require that the bytes that lie under a key are those that the log names.

    Args:
        key: The key.
        body: What lies there; none if nothing does.
        sha256: The sha256 that the log has for it; none where it stands in the key.

    Raises:
        TrailDamaged: They are not.
    """
    if body is None:
        raise TrailDamaged(f"{key} is not there, though the log names it", key)
    actual = compute_sha256(body)
    if sha256 is None and actual not in key:
        raise TrailDamaged(f"{key} was changed: its bytes have another sha256 than its name", key)
    if sha256 is not None and actual != sha256:
        raise TrailDamaged(f"{key} was changed: its bytes have another sha256 than the log names", key)
    return body


def unpack_blob(key: str, body: bytes | None) -> bytes:
    """Unpack what lies under a key that is made of the sha256 of its bytes.

    Args:
        key: The key.
        body: What lies there; none if nothing does.

    Raises:
        TrailDamaged: It is not what the key says, or can't be unpacked.
    """
    # Hashed before it is unpacked: what somebody else put there is not looked into.
    sound = require_unchanged(key, body)
    try:
        return unpack_bounded(sound)
    except ValueError as error:
        raise TrailDamaged(f"{key} can't be unpacked: {error}", key) from error


MAX_PROBLEM_CHARACTERS: Final = 200


def _parse_finite(body: bytes) -> Any:  # noqa: ANN401 -- it is anything
    """Parse JSON; refuse numbers that Python reads and no JSON can hold, as ``Infinity`` and ``1e999``."""
    value = json.loads(body)
    encode_canonical_json(value)
    return value


def parse_record(body: bytes) -> Record:
    """Parse the ``body`` of a record.

    Raises:
        ContractViolation: It is none; the message says in few words why.
    """
    try:
        record = _parse_finite(body)
        require_valid("record", record)
    except RecursionError:
        raise ContractViolation("it is nested too deep") from None
    except (ValueError, ContractViolation) as error:
        raise ContractViolation(str(error)[:MAX_PROBLEM_CHARACTERS]) from error
    return cast("Record", record)


def parse_snapshot(key: str, body: bytes) -> Snapshot:
    """Parse what a snapshot says.

    Args:
        key: The key that it lies under.
        body: What lies there, unpacked.

    Raises:
        TrailDamaged: It is none: its own hash proves only that it was stored so.
    """
    try:
        snapshot = _parse_finite(body)
        require_shallow(snapshot)
        problem = _find_form_problem(snapshot)
    except RecursionError:
        problem = "it is nested too deep"
    except (ValueError, ContractViolation) as error:
        problem = str(error)[:MAX_PROBLEM_CHARACTERS]
    except (AttributeError, KeyError, TypeError) as error:
        problem = f"it has another form ({type(error).__name__})"
    if problem is not None:
        raise TrailDamaged(f"{key} is no snapshot: {problem}", key)
    return cast("Snapshot", snapshot)


def _find_form_problem(snapshot: Any) -> str | None:  # noqa: ANN401 -- it is anything
    """Find what of a snapshot nobody can compute with; errors of Python mean that it has another form."""
    for image in snapshot["images"].values():
        parts = [image["main"], *image["alternatives"].values()]
        if not all(isinstance(each, dict) and "base_image" in each for each in parts):
            return "an image has no base image"
    for label in snapshot["labels"].get("base_image", {}).values():
        # Form 1 kept every wording of a label.
        wordings = label if isinstance(label, list) and label else [label]
        if not all({"display_version", "display_name"} <= each.keys() for each in wordings):
            return "a release has no name"
    for known in snapshot["hosts"].values():
        if not isinstance(known["name"], str) or not isinstance(known["witness"], bool):
            return "a host has no name"
        if known["image"] is not None and known["image"] not in snapshot["images"]:
            return "a host runs an image that is not in it"
        if not all(isinstance(vib, str) for vib in known["orphaned_vibs"] or ()):
            return "an orphaned VIB has no name"
    return None if isinstance(snapshot["schema_version"], int) else "it has no version"
