"""The snapshot: a document's canonical form, and the seal that says whether two are the same."""

from collections.abc import Mapping

from esx_drift.domain.names import canonical_json, digest_of, sha256_hex
from esx_drift.domain.report import Report
from esx_drift.domain.shapes import KnownHost, Snapshot
from esx_drift.domain.versions import sorted_naturally


def snapshot_from(
    report: Report, baseline: Snapshot | None, inventory: Mapping[str, str] | None = None
) -> Snapshot:
    """The snapshot of every host in ``inventory`` (id to name; none: every host that the report names).

    A covered host is as the report has it. An uncovered one stays as the baseline knew it, by its id; one
    that was never covered has no image and no orphaned VIBs, which is unknown and not "none".
    """
    names = report.names if inventory is None else inventory
    known = baseline["hosts"] if baseline else {}
    # Of an image that both have, the newest labels count.
    images = {**(baseline["images"] if baseline else {}), **report.images}
    hosts = {host: _host(report, known.get(host), host, name) for host, name in names.items()}
    digests = {host["image"] for host in hosts.values() if host["image"] is not None}
    return {
        "schema_version": 1,
        "images": {digest: images[digest] for digest in sorted(digests)},
        "hosts": hosts,
    }


def seal_of(snapshot: Snapshot) -> str:
    """64 digits that are equal exactly if the snapshots are; made image by image, to spare memory."""
    images = {key: sha256_hex(canonical_json(image)) for key, image in snapshot["images"].items()}
    return digest_of([snapshot["schema_version"], images, snapshot["hosts"]])


def _host(report: Report, known: KnownHost | None, host: str, name: str) -> KnownHost:
    witness = host in report.witnesses if host in report.names else bool(known and known["witness"])
    if host in report.runs:
        vibs = sorted_naturally(report.orphaned_vibs.get(host, frozenset()))
        return {"name": name, "image": report.runs[host], "orphaned_vibs": vibs, "witness": witness}
    if known is None:
        return {"name": name, "image": None, "orphaned_vibs": None, "witness": witness}
    return {**known, "name": name, "witness": witness}
