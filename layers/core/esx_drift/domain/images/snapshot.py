"""The snapshot: a document's canonical form, and the seal that says whether two are the same."""

from collections.abc import Mapping

from esx_drift.domain.images.labels import build_labels
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import KnownHost, Snapshot

CANONICAL_VERSION = 2
"""The version of the canonical form; it stands in every snapshot, and so in its seal.

It rises with whatever makes another snapshot of the same document. ``snapshot_upgrade.UPGRADE_STEPS`` then
gets a step from the form before. 1 kept every wording of a label, and whose it was.
"""


def build_snapshot(
    report: Report, baseline: Snapshot | None, inventory: Mapping[str, str] | None = None
) -> Snapshot:
    """Build the snapshot of a report.

    A covered host is as the report has it. An uncovered one stays as the baseline knew it, by its id; one
    that was never covered has no image and no orphaned VIBs, which is unknown and not "none".

    Args:
        report: The report.
        baseline: The snapshot before it, in today's form; it may be None if the report covers all hosts.
        inventory: The names of the cluster's hosts, by id; None: every host that the report names.
    """
    known = baseline["hosts"] if baseline else {}
    names = _list_names(report, known) if inventory is None else inventory
    hosts = {host: _build_host(report, known.get(host), host, name) for host, name in names.items()}
    digests = {host["image"] for host in hosts.values() if host["image"] is not None}
    images = {**(baseline["images"] if baseline else {}), **report.images}
    return {
        "schema_version": CANONICAL_VERSION,
        "images": {digest: images[digest] for digest in sorted(digests)},
        "labels": build_labels(report, baseline, hosts),
        "hosts": hosts,
    }


def _list_names(report: Report, known: Mapping[str, KnownHost]) -> Mapping[str, str]:
    """List the names of the hosts in the report; one that it gives no name is called as it was."""
    kept = {host: known[host]["name"] for host in report.nameless & known.keys()}
    return {**report.names, **kept}


def compute_seal(snapshot: Snapshot) -> str:
    """Compute 64 digits that are equal exactly if the snapshots are. An image counts by its key."""
    images = sorted(snapshot["images"])
    return compute_digest([snapshot["schema_version"], images, snapshot["labels"], snapshot["hosts"]])


def _build_host(report: Report, known: KnownHost | None, host: str, name: str) -> KnownHost:
    is_described = host in report.names and host not in report.nameless
    witness = host in report.witnesses if is_described else bool(known and known["witness"])
    if host in report.runs:
        return {
            "name": name,
            "image": report.runs[host],
            "orphaned_vibs": list(report.orphaned_vibs.get(host, ())),
            "witness": witness,
        }
    if known is None:
        return {"name": name, "image": None, "orphaned_vibs": None, "witness": witness}
    return {**known, "name": name, "witness": witness}
