"""What is compared with what: our check, the naive one, and reading the document at all."""

import json
from collections.abc import Callable
from functools import cache

import jsonschema
from deepdiff import DeepDiff
from esx_drift.contracts import read_document
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.images.report import read_report
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Snapshot

from tests.paths import SCHEMAS

SCHEMA = SCHEMAS / "installed-images.schema.json"


def taken(body: bytes) -> tuple[Snapshot, str]:
    """Parse, validate, canonicalise, seal."""
    snapshot = build_snapshot(read_report(read_document(body)), None)
    return snapshot, compute_seal(snapshot)


def check(before: bytes, after: bytes) -> Callable[[], object]:
    """A whole check of ``after``, the baseline being at hand; compared only if the seals differ."""
    baseline, seal = taken(before)

    def work() -> object:
        snapshot, new_seal = taken(after)
        return compare_snapshots(baseline, snapshot, {}) if new_seal != seal else []

    return work


def naive(before: bytes, after: bytes) -> Callable[[], object]:
    """What one would write first."""

    def work() -> object:
        old, new = json.loads(before), json.loads(after)
        jsonschema.validate(new, _schema())
        return DeepDiff(old, new, ignore_order=True)

    return work


def loads(body: bytes) -> Callable[[], object]:
    """The unit."""
    return lambda: json.loads(body)


@cache
def _schema() -> dict[str, object]:
    return dict(json.loads(SCHEMA.read_bytes()))
