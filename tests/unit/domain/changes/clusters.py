"""Clusters as a model, and the documents that a vCenter could write of them: any order, any category."""

import json
import random
from collections.abc import Collection, Container
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from esx_drift.contracts import read_document
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import list_left_hosts, match_remembered_hosts
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.domain.stored.types import Change, Snapshot

type Wire = dict[str, Any]

TIME = "2026-11-23T02:13:20.000Z"


@dataclass(slots=True)
class HostModel:
    """A host that was read."""

    name: str
    software: Wire
    vibs: frozenset[str] = frozenset()
    witness: bool = False


@dataclass(slots=True)
class ClusterModel:
    """Hosts by id: those that were read, and the names of those that were not."""

    hosts: dict[str, HostModel]
    failed: dict[str, str] = field(default_factory=dict)
    unsupported: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "ClusterModel":
        """One to change."""
        return deepcopy(self)


def document_of(cluster: ClusterModel, seed: int = 0, time: str = TIME) -> Wire:
    """A document of the cluster; ``seed`` decides on everything that means nothing."""
    rng = random.Random(seed)
    images = _images(cluster, rng)
    names = {host: model.name for host, model in cluster.hosts.items()} | cluster.failed | cluster.unsupported
    vibs = sorted({vib for model in cluster.hosts.values() for vib in model.vibs})
    document = {
        "completion_time": time,
        "uniform_image": len(images) == 1 and not cluster.failed and not cluster.unsupported,
        "status": "SUCCESS",
        "successful_hosts": list(cluster.hosts),
        "failed_hosts": list(cluster.failed),
        "unsupported_hosts": list(cluster.unsupported),
        "image_categories": _categories(images, rng),
        "host_notifications": {},
        "host_info": {host: _host_info(cluster, host, name) for host, name in names.items()},
        "orphaned_vibs": {
            vib: [host for host, model in cluster.hosts.items() if vib in model.vibs] for vib in vibs
        },
        "notifications": {},
    }
    shuffled: Wire = _shuffled(document, rng)
    return shuffled


def _host_info(cluster: ClusterModel, host: str, name: str) -> Wire:
    model = cluster.hosts.get(host)
    return {"name": name, "is_vsan_witness": True} if model and model.witness else {"name": name}


def _images(cluster: ClusterModel, rng: random.Random) -> list[Wire]:
    found: dict[str, Wire] = {}
    for host, model in cluster.hosts.items():
        key = json.dumps(model.software, sort_keys=True)
        image = found.setdefault(key, {"software_info": deepcopy(model.software), "host_list": []})
        image["host_list"].append(host)
    return rng.sample(list(found.values()), len(found))


def _categories(images: list[Wire], rng: random.Random) -> Wire:
    """Which image is called what is not for us to judge, so any will do; all of them are listed."""
    widest, highest = (rng.choice(images), rng.choice(images)) if images else (None, None)
    found: Wire = {"is_highest_and_widely_used_image_equal": widest is highest}
    if widest is not None:
        found |= {"most_widely_used_image": widest, "highest_versioned_image": deepcopy(highest)}
    others = [image for image in images if image is not widest and image is not highest]
    return found | ({"host_image_list": others} if others or rng.random() < 0.5 else {})


def _shuffled(value: Any, rng: random.Random) -> Any:  # noqa: ANN401 -- any JSON at all
    if isinstance(value, list):
        return [_shuffled(item, rng) for item in rng.sample(value, len(value))]
    if isinstance(value, dict):
        return {key: _shuffled(value[key], rng) for key in rng.sample(list(value), len(value))}
    return value


def report_of(document: Wire) -> Report:
    """The document through the front door: as bytes."""
    return read_report(read_document(json.dumps(document).encode()))


def snapshot_of(cluster: ClusterModel, seed: int = 0, baseline: Snapshot | None = None) -> Snapshot:
    """The cluster's snapshot."""
    return build_snapshot(report_of(document_of(cluster, seed)), baseline)


def changes_between(
    before: ClusterModel, after: ClusterModel, remembered: Collection[RememberedHost] = ()
) -> list[Change]:
    """What a check would tell."""
    baseline = snapshot_of(before, 1)
    return compare(baseline, snapshot_of(after, 2, baseline), remembered, after.hosts)


def compare(
    baseline: Snapshot,
    current: Snapshot,
    remembered: Collection[RememberedHost] = (),
    covered: Container[str] | None = None,
) -> list[Change]:
    """The changes between two snapshots, with what is known of hosts beside the first."""
    entries = [*list_left_hosts(baseline, current), *remembered]
    returned = match_remembered_hosts(baseline, current, entries)
    return compare_snapshots(baseline, current, returned, covered)
