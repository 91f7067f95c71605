"""The fleet as rows: what each cluster runs, when it was seen last, and what is open about it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.fleets.fleet import Fleet, excluded_by
from esx_drift.domain.images.labels import release_of
from esx_drift.domain.judging.findings import rank
from esx_drift.domain.names import VCENTER_LOG
from esx_drift.domain.shapes import After, Coverage, Finding, KnownCluster, Snapshot, State


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster, or with ``cluster`` none a vCenter's own findings. What was never seen is none."""

    vcenter: str
    cluster: str | None
    image: str | None
    uniform: bool | None
    coverage: Coverage | None
    last_look_at: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """All that the table is made of. ``snapshots`` is keyed by vCenter and cluster."""

    fleet: Fleet
    states: Mapping[tuple[str, str], After]
    snapshots: Mapping[tuple[str, str], Snapshot]


def by_log(states: Iterable[State]) -> dict[tuple[str, str], After]:
    """What each log knows, by vCenter and cluster."""
    return {(state["vcenter"], state["cluster"]): state["after"] for state in states}


def rows_of(known: Known) -> list[Row]:
    """The fleet file's vCenters in its order, each with its clusters by name; retired ones are left out."""
    return [row for vcenter in known.fleet.vcenters for row in _vcenter_rows(vcenter.name, known)]


def clusters_of(vcenter: str, known: Known) -> dict[str, str]:
    """The clusters of a vCenter that are to be checked, id to name."""
    own = known.states.get((vcenter, VCENTER_LOG))
    listed: Mapping[str, KnownCluster] = (own and own["clusters"]) or {}
    retired = {cluster for cluster, entry in listed.items() if entry["retired_at"] is not None}
    names = {
        cluster: after["cluster_name"] or cluster
        for (of, cluster), after in known.states.items()
        if of == vcenter and cluster not in {VCENTER_LOG, *retired}
    }
    names |= {cluster: entry["name"] for cluster, entry in listed.items() if cluster not in retired}
    patterns = known.fleet.vcenter(vcenter)
    return {
        cluster: name
        for cluster, name in names.items()
        if patterns is None or excluded_by(patterns, cluster, name) is None
    }


def image_name(snapshot: Snapshot) -> str | None:
    """What most hosts run, and how many if not all do; none if no host was ever seen."""
    running = Counter(host["image"] for host in snapshot["hosts"].values() if host["image"] is not None)
    if not running:
        return None
    digest, hosts = min(running.items(), key=lambda image: (-image[1], image[0]))
    name = release_of(snapshot["images"][digest], snapshot["labels"])
    return name if len(running) == 1 else f"{name} on {hosts} of {running.total()}"


def _vcenter_rows(vcenter: str, known: Known) -> Iterator[Row]:
    clusters = clusters_of(vcenter, known)
    own = known.states.get((vcenter, VCENTER_LOG))
    found = _open(own)
    wide = tuple(finding for finding in found if finding["subject"] not in clusters)
    if wide or not clusters:
        yield Row(vcenter, None, None, None, None, None, wide)
    for cluster, name in sorted(clusters.items(), key=lambda one: (one[1], one[0])):
        about = tuple(finding for finding in found if finding["subject"] == cluster)
        yield _cluster_row(
            vcenter,
            name,
            known.states.get((vcenter, cluster)),
            about,
            known.snapshots.get((vcenter, cluster)),
        )


def _cluster_row(
    vcenter: str, name: str, after: After | None, about: tuple[Finding, ...], snapshot: Snapshot | None
) -> Row:
    found = (*about, *_open(after))
    if after is None:
        return Row(vcenter, name, None, None, None, None, found)
    seen = after["coverage"] is not None and after["coverage"]["covered"] > 0
    uniform = not any(finding["kind"] == "image-not-uniform" for finding in found)
    return Row(
        vcenter,
        name,
        image_name(snapshot) if snapshot else None,
        uniform if seen else None,
        after["coverage"],
        after["last_look_at"],
        tuple(sorted(found, key=lambda finding: (-rank(finding["severity"]), finding["kind"]))),
    )


def _open(after: After | None) -> tuple[Finding, ...]:
    return tuple(after["findings"].values()) if after else ()
