"""What a log last knew of its cluster, in today's canonical form."""

import gzip
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from msgspec import Struct, field

from esx_drift.contracts import read_document
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.images.snapshot import (
    build_snapshot,
    compute_seal,
    is_of_newer_form,
    is_of_older_form,
    list_snapshot_keys,
    upgrade_log_state,
    upgrade_snapshot,
)
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json, make_snapshot_key
from esx_drift.domain.stored.types import AcceptedSoftware, Image, LogState, Snapshot, StoredObject
from esx_drift.errors import ContractViolation, LogUnusable, TrailDamaged
from esx_drift.journal import Blob
from esx_drift.ports import Store


class Baseline(Struct, frozen=True):
    """A log's last snapshot and its state.

    ``blobs`` are the snapshots that the state refers to and that are not stored yet, since they were of an
    older form: to be stored with the record that takes the state over.
    """

    state: LogState
    snapshot: Snapshot
    blobs: tuple[Blob, ...] = ()

    @property
    def key(self) -> str:
        """Return the key under which the snapshot lies, or will lie."""
        return _get_key(self.state)


class BaselineReader(Struct, frozen=True):
    """Reads the baseline of one log.

    ``damages`` collects the snapshots that could not be read; ``converted`` those that were of an older form
    and are not stored yet, by key.
    """

    store: Store
    vcenter: str
    cluster: str
    damages: list[TrailDamaged] = field(default_factory=list)
    converted: dict[str, Snapshot] = field(default_factory=dict)

    def read(self, state: LogState) -> Baseline | None:
        """Read the last snapshot of a log that has one, converted to today's form if it is older.

        Returns:
            The baseline; None if the snapshot is damaged, and the archived document does not give it again.

        Raises:
            LogUnusable: The snapshot has a newer form, as after a rollback of this product; comparing
                it would report drift everywhere.
        """
        stored = self.find_snapshot(_get_key(state)) or self._restore(state)
        if stored is None:
            return None
        if is_of_newer_form(stored):
            raise LogUnusable(
                f"{_get_key(state)} has the canonical form {stored['schema_version']}, which this version"
                " does not know: deploy the newer version again"
            )
        return self._convert(state, stored) if is_of_older_form(stored) else Baseline(state, stored)

    def find_snapshot(self, key: str) -> Snapshot | None:
        """Read the snapshot that a state refers to by ``key``; None if it is damaged."""
        try:
            return self.converted.get(key) or self.store.snapshot(key)
        except TrailDamaged as damage:
            self.damages.append(damage)
            return None

    def find_images(
        self, entries: Iterable[AcceptedSoftware], known: Mapping[str, Image]
    ) -> dict[str, Image]:
        """Find the images that were accepted, by digest; one that is damaged is left out.

        They are read from the trail only where they are not ``known`` (by digest): one GET for each snapshot
        that the ``entries`` refer to for such images.
        """
        images, read = dict(known), set[str]()
        for entry in entries:
            if entry["image"] is not None and entry["image"] not in images and entry["snapshot"] not in read:
                read.add(entry["snapshot"])
                kept = self.find_snapshot(entry["snapshot"])
                images |= kept["images"] if kept else {}
        return images

    def _restore(self, state: LogState) -> Snapshot | None:
        """Make the last snapshot again of its document; None where that does not give the same seal."""
        report = self._find_report(state)
        snapshot = build_snapshot(report, None) if report else None
        return snapshot if snapshot and compute_seal(snapshot) == state["seal"] else None

    def _convert(self, state: LogState, stored: Snapshot) -> Baseline:
        blobs: dict[str, Blob] = {}

        def keep(snapshot: Snapshot) -> StoredObject:
            blob = build_blob(make_snapshot_key, self.vcenter, self.cluster, encode_canonical_json(snapshot))
            blobs[blob.key] = blob
            self.converted[blob.key] = snapshot
            return describe_blob(blob)

        first, *others = list_snapshot_keys(state)
        upgrades = {first: upgrade_snapshot(stored, self._find_report(state))}
        kept = {key: self.find_snapshot(key) for key in others}
        upgrades |= {key: upgrade_snapshot(snapshot) for key, snapshot in kept.items() if snapshot}
        after = upgrade_log_state(state, stored, upgrades, keep)
        return Baseline(after, upgrades[first].snapshot, tuple(blobs.values()))

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
        except (TrailDamaged, ContractViolation):
            # Documents are kept for a time only: that one is gone is no damage.
            return None


def build_blob(make_key: Callable[[str, str, str], str], vcenter: str, cluster: str, body: bytes) -> Blob:
    """Build the gzipped object of some bytes; the same bytes give the same object.

    Args:
        make_key: Makes its key of vCenter, cluster and the sha256 of what is stored.
        vcenter: The vCenter's name.
        cluster: The cluster's id.
        body: The bytes, not packed yet.
    """
    packed = gzip.compress(body, mtime=0)
    return Blob(make_key(vcenter, cluster, compute_sha256(packed)), packed)


def describe_blob(blob: Blob) -> StoredObject:
    """Describe a blob as a record names it."""
    return {"key": blob.key, "sha256": compute_sha256(blob.body)}


def _get_key(state: LogState) -> str:
    return cast("StoredObject", state["snapshot"])["key"]
