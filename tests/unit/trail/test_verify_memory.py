"""Verifying holds a few objects at a time, however large the trail is."""

import gzip
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.trail.digests import Window, build_digest, find_digest_key

from tests.paths import ROOT
from tests.unit.trail.sealed import SEALED_AT, sign, write_copy

FEW, MANY = 20, 1_000
OBJECT_BYTES = 64_000
MOST_MB = 120
MOST_GROWTH_MB = 40
"""A piece of work is 16 MB, packed and unpacked; the copy has 64 MB. Measured: 52 MB, and 64 to 66 MB for
each number of objects from 500 to 4,000."""


def test_memory_does_not_grow_with_the_trail(tmp_path: Path, key: EllipticCurvePrivateKey) -> None:
    """A trail fifty times as large, of more bytes than it may hold, takes as much but for a piece of it."""
    few, many = (_measure(_write_trail(tmp_path / str(number), number, key)) for number in (FEW, MANY))
    assert many < MOST_MB
    assert many - few < MOST_GROWTH_MB < MANY * OBJECT_BYTES / 1_000_000


def _write_trail(root: Path, number: int, key: EllipticCurvePrivateKey) -> Path:
    """Write so many documents that no gzip makes smaller, and a digest that names them."""
    random, named, folder = (
        Random(1),
        list[StoredObject](),
        root / "quarantine/vcenter=vc01/cluster=domain-c9",
    )
    folder.mkdir(parents=True)
    for _ in range(number):
        body = gzip.compress(random.randbytes(OBJECT_BYTES), compresslevel=0, mtime=0)
        place = folder / f"{compute_sha256(body)}.json.gz"
        place.write_bytes(body)
        named.append({"key": str(place.relative_to(root)), "sha256": compute_sha256(body)})
    window = Window(None, SEALED_AT - timedelta(minutes=15), "")
    digest = build_digest(None, window, SEALED_AT, sorted(named, key=lambda each: each["key"]), None)
    return write_copy(sign({find_digest_key(digest): encode_canonical_json(digest)}, key), root)


def _measure(root: Path) -> float:
    """Verify it in a process of its own; the most memory that this held, in MB.

    Linux gives a process the peak of who started it as its first one: the shell in between has a small one.
    """
    command = [sys.executable, "-m", "tests.unit.trail.verify_process", str(root)]
    ran = subprocess.run(
        ["sh", "-c", '"$0" "$@"; exit $?', *command], capture_output=True, text=True, check=True, cwd=ROOT
    )
    said = json.loads(ran.stdout)
    assert said["problems"] == []
    return float(said["peak_mb"])
