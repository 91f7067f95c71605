"""What a check compares with: the log's last snapshot, and its state, both in today's canonical form."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from esx_drift.contracts import read_document
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.images.snapshot_upgrade import (
    is_of_older_form,
    list_snapshot_keys,
    upgrade_log_state,
    upgrade_snapshot,
)
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json, make_snapshot_key
from esx_drift.domain.stored.types import LogState, Snapshot, StoredObject
from esx_drift.errors import ContractViolation, StoreUnavailable
from esx_drift.journal import Blob
from esx_drift.ports import Store


@dataclass(frozen=True, slots=True)
class Baseline:
    """A log's last snapshot and its state.

    ``converted`` holds what the state refers to and is not stored yet, by key: the snapshots that were of an
    older form. ``blobs`` are the same, to be stored with the record that takes the state over.
    """

    state: LogState
    snapshot: Snapshot
    converted: dict[str, Snapshot] = field(default_factory=dict)
    blobs: tuple[Blob, ...] = ()

    @property
    def key(self) -> str:
        """Where the snapshot lies, or will lie."""
        return _get_key(self.state)


@dataclass(frozen=True, slots=True)
class BaselineReader:
    """Reads the baseline of one log."""

    store: Store
    vcenter: str
    cluster: str

    def read(self, state: LogState) -> Baseline:
        """Read the last snapshot of a log that has one; a state of an older form is converted with it."""
        stored = self.store.snapshot(_get_key(state))
        return self._convert(state, stored) if is_of_older_form(stored) else Baseline(state, stored)

    def read_snapshot(self, baseline: Baseline | None, key: str) -> Snapshot:
        """Read another snapshot that the state refers to."""
        converted = baseline.converted.get(key) if baseline else None
        return converted or self.store.snapshot(key)

    def _convert(self, state: LogState, stored: Snapshot) -> Baseline:
        blobs: list[Blob] = []
        converted: dict[str, Snapshot] = {}

        def keep(snapshot: Snapshot) -> StoredObject:
            blob = build_blob(make_snapshot_key, self.vcenter, self.cluster, encode_canonical_json(snapshot))
            if blob.key not in converted:
                blobs.append(blob)
            converted[blob.key] = snapshot
            return describe_blob(blob)

        first, *others = list_snapshot_keys(state)
        upgrades = {first: upgrade_snapshot(stored, self._find_report(state))}
        upgrades |= {key: upgrade_snapshot(self.store.snapshot(key)) for key in others}
        after = upgrade_log_state(state, stored, upgrades, keep)
        return Baseline(after, upgrades[first].snapshot, converted, tuple(blobs))

    def _find_report(self, state: LogState) -> Report | None:
        """Find the report that the last snapshot was made of; None where its document is not at hand."""
        if state["last_taken"] is None:
            return None
        try:
            record, _ = self.store.record(self.vcenter, self.cluster, state["last_taken"]["seq"])
            if record["document"] is None:
                return None
            body = self.store.document(record["document"]["key"])
            return read_report(read_document(body)) if compute_sha256(body) == record["raw_sha256"] else None
        except (StoreUnavailable, ContractViolation):
            return None


def build_blob(make_key: Callable[[str, str, str], str], vcenter: str, cluster: str, body: bytes) -> Blob:
    """Build the object, gzipped, that keeps these bytes: the same for the same bytes."""
    packed = gzip.compress(body, mtime=0)
    return Blob(make_key(vcenter, cluster, compute_sha256(packed)), packed)


def describe_blob(blob: Blob) -> StoredObject:
    """Describe a blob as a record names it."""
    return {"key": blob.key, "sha256": compute_sha256(blob.body)}


def _get_key(state: LogState) -> str:
    return cast("StoredObject", state["snapshot"])["key"]
