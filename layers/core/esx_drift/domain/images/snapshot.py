"""The snapshot: a document's canonical form, its seal, and the way from an older form to today's.

The same image has another digest in another form. Before anything is compared, the baseline and each image
accepted or departed get the digests of today's form: our own upgrade is no drift.

Longer than 250 lines, because the form and the way to it are changed together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from msgspec import Struct

from esx_drift.domain.images.image import format_part_version, spell_base_image, spell_image
from esx_drift.domain.images.labels import build_labels
from esx_drift.domain.images.report import Report
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import (
    Accepted,
    AcceptedSoftware,
    Departed,
    Image,
    Json,
    KnownHost,
    Labels,
    LogState,
    Snapshot,
    StoredObject,
    list_accepted_keys,
)
from esx_drift.domain.text.versions import sort_naturally

CANONICAL_VERSION = 2
"""The version of the canonical form; it stands in every snapshot, and so in its seal.

It rises with whatever makes another snapshot of the same document; ``UPGRADE_STEPS`` then gets a step. Form 1
kept every wording of a label, and whose it was, and base images as they were spelt.
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


def add_host_ids(baseline: Snapshot, former_ids: Mapping[str, str]) -> Snapshot:
    """Let hosts that came back under new ids be known by these: what nobody saw since is not over.

    Args:
        baseline: The snapshot before they came back.
        former_ids: The ids that they had, by those that they have now.
    """
    hosts = baseline["hosts"]
    known = {host: hosts[old] for host, old in former_ids.items() if old in hosts and host not in hosts}
    return {**baseline, "hosts": {**hosts, **known}}


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


def find_host_image(snapshot: Snapshot, known: KnownHost) -> Image | None:
    """Find the image of the host whose entry in ``snapshot`` is ``known``; None if the entry names none."""
    return None if known["image"] is None else snapshot["images"][known["image"]]


class UpgradedSnapshot(Struct, frozen=True):
    """A snapshot in today's form. ``digests``: the digests of its images before, and now."""

    snapshot: Snapshot
    digests: Mapping[str, str]


def is_of_older_form(stored: Snapshot) -> bool:
    """Tell whether a stored snapshot has to be converted before it is compared."""
    return stored["schema_version"] < CANONICAL_VERSION


def is_of_newer_form(stored: Snapshot) -> bool:
    """Tell whether a stored snapshot was written by a newer version of the code, and can't be compared."""
    return stored["schema_version"] > CANONICAL_VERSION


def upgrade_snapshot(stored: Snapshot, report: Report | None = None) -> UpgradedSnapshot:
    """Convert a stored snapshot into today's form.

    Args:
        stored: The snapshot as it was read back, of this form or an older one.
        report: The report that it was made of, where its document is at hand: what the older form did not
            keep is known from it, for the hosts that it covers.
    """
    upgraded = _apply_steps(stored)
    if report is None:
        return upgraded
    names = {host: known["name"] for host, known in stored["hosts"].items()}
    snapshot = build_snapshot(report, upgraded.snapshot, names)
    exact = {
        str(stored["hosts"][host]["image"]): str(snapshot["hosts"][host]["image"])
        for host in sort_naturally(report.runs.keys() & names.keys())
    }
    return UpgradedSnapshot(snapshot, {**upgraded.digests, **exact})


def upgrade_log_state(
    state: LogState,
    baseline: Snapshot,
    upgrades: Mapping[str, UpgradedSnapshot],
    keep: Callable[[Snapshot], StoredObject],
) -> LogState:
    """Convert a log's state: its seal, and the images of its hosts, to today's form.

    Args:
        state: The state, which has a snapshot.
        baseline: That snapshot, as it was read back.
        upgrades: The snapshots that the state refers to in today's form, by key; without damaged ones.
        keep: Keeps a converted snapshot, and gives its new place.
    """
    key = cast("StoredObject", state["snapshot"])["key"]
    upgraded = upgrades[key].snapshot
    places = {old: keep(upgrade.snapshot) for old, upgrade in upgrades.items()}

    def convert[Kept: (Accepted, AcceptedSoftware, Departed)](host: str, kept: Kept) -> Kept:
        known, image, snapshot = baseline["hosts"].get(host), kept["image"], kept["snapshot"]
        if known is not None and known["image"] == image:
            return {**kept, "image": upgraded["hosts"][host]["image"], "snapshot": places[key]["key"]}
        if snapshot not in upgrades:
            return kept  # What can't be read can't be converted: it equals nothing.
        now = None if image is None else upgrades[snapshot].digests[image]
        return {**kept, "image": now, "snapshot": places[snapshot]["key"]}

    def convert_accepted(host: str, kept: Accepted) -> Accepted:
        before: Any = {"before": convert(host, kept["before"])} if "before" in kept else {}
        return {**convert(host, kept), **before}

    return {
        **state,
        "seal": compute_seal(upgraded),
        "snapshot": places[key],
        "accepted": {host: convert_accepted(host, kept) for host, kept in state["accepted"].items()},
        "departed": {host: convert(host, kept) for host, kept in state["departed"].items()},
    }


def list_snapshot_keys(state: LogState) -> list[str]:
    """List the keys of all snapshots that a state refers to, its own first, each once."""
    accepted = [key for entry in state["accepted"].values() for key in list_accepted_keys(entry)]
    departed = [entry["snapshot"] for entry in state["departed"].values()]
    return list(dict.fromkeys([cast("StoredObject", state["snapshot"])["key"], *accepted, *departed]))


def _apply_steps(stored: Snapshot) -> UpgradedSnapshot:
    snapshot = stored
    for version in range(stored["schema_version"], CANONICAL_VERSION):
        snapshot = UPGRADE_STEPS[version](snapshot)
    digests = {old: compute_digest(image) for old, image in snapshot["images"].items()}
    hosts: dict[str, KnownHost] = {
        host: {**known, "image": None if known["image"] is None else digests[known["image"]]}
        for host, known in snapshot["hosts"].items()
    }
    return UpgradedSnapshot(
        {
            "schema_version": CANONICAL_VERSION,
            "images": {digests[old]: image for old, image in snapshot["images"].items()},
            "labels": snapshot["labels"],
            "hosts": hosts,
        },
        digests,
    )


def _choose_wordings(snapshot: Snapshot) -> Snapshot:
    """Version 1 had a list of labels for each version of a part: keep the one that most hosts have."""
    hosts = _group_by_wording(snapshot)
    labels: Labels = {}
    for part, versions in cast("dict[str, dict[str, list[Json]]]", snapshot["labels"]).items():
        for version, wordings in versions.items():
            ranked = [
                (-len(hosts[part, version, number]), number)
                for number, label in enumerate(wordings)
                if label is not None
            ]
            if ranked:
                labels.setdefault(part, {})[version] = wordings[min(ranked)[1]]
    return {**snapshot, "labels": labels}


def _group_by_wording(snapshot: Snapshot) -> dict[tuple[str, str, int], set[str]]:
    """Group hosts by the numbers of their labels, which version 1 kept where they were not the same."""
    hosts: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)
    for group in cast("dict[str, Any]", snapshot).get("described", []):
        for host in group["hosts"]:
            image = snapshot["images"][str(snapshot["hosts"][host]["image"])]
            for part, version, numbers in _list_numbers(image, group):
                for number in numbers:
                    hosts[part, version, number].add(host)
    return hosts


def _list_numbers(image: Image, group: dict[str, Any]) -> Iterator[tuple[str, str, list[int]]]:
    scopes = [(image["main"], group["main"])]
    scopes += [(image["alternatives"][name], parts) for name, parts in group["alternatives"].items()]
    for parts, numbers_by_part in scopes:
        for part, numbers in numbers_by_part.items():
            yield part, format_part_version(parts[part]) if part in parts else "", numbers


def _spell_base_images(snapshot: Snapshot) -> Snapshot:
    """Version 1 kept base images as they came: one release of 9.x had two spellings."""
    images = {digest: spell_image(image) for digest, image in snapshot["images"].items()}
    known = snapshot["labels"].get("base_image", {})
    named = {spell_base_image(version): label for version, label in known.items()}
    labels = {**snapshot["labels"], **({"base_image": named} if named else {})}
    return {**snapshot, "images": images, "labels": labels}


UPGRADE_STEPS: Mapping[int, Callable[[Snapshot], Snapshot]] = {
    1: lambda stored: _spell_base_images(_choose_wordings(stored)),
}
"""What makes the next form of a snapshot, by the version that it starts from.

A step changes what images and labels say, and leaves the images their keys: these are renewed at the end.
"""
