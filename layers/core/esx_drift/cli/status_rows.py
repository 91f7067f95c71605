"""The fleet as rows: what each cluster runs, when it was seen last, and what is open about it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from esx_drift.domain.dispatching.known_clusters import find_pattern_that_leaves_out
from esx_drift.domain.findings.kinds import OUTAGE_KINDS
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import (
    Coverage,
    Finding,
    KnownCluster,
    LogState,
    Snapshot,
    StateFile,
    rank_severity,
)


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One cluster; with ``cluster`` none a vCenter's own findings, or (``standalone``) hosts in no cluster.

    What was never seen is none. ``seen``: by its last check; where it was not, image and coverage are those
    of the last look, and nobody knows what holds now. ``uniform``: all hosts that were seen run the same.
    """

    vcenter: str
    cluster: str | None
    image: str | None = None
    uniform: bool | None = None
    coverage: Coverage | None = None
    last_look_at: str | None = None
    findings: tuple[Finding, ...] = ()
    seen: bool = True
    standalone: bool = False


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """All that the table is made of.

    ``snapshots`` is keyed by vCenter and cluster, ``standalone`` counts hosts in no cluster by vCenter.
    """

    fleet: Fleet
    states: Mapping[tuple[str, str], LogState]
    snapshots: Mapping[tuple[str, str], Snapshot]
    standalone: Mapping[str, int]


def index_by_log(states: Iterable[StateFile]) -> dict[tuple[str, str], LogState]:
    """What each log knows, by vCenter and cluster."""
    return {(state["vcenter"], state["cluster"]): state["after"] for state in states}


def build_rows(known: FleetStatus) -> list[StatusRow]:
    """The fleet file's vCenters in its order, each with its clusters by name; retired ones are left out."""
    return [row for vcenter in known.fleet.vcenters for row in _vcenter_rows(vcenter.name, known)]


def list_clusters(vcenter: str, known: FleetStatus) -> dict[str, str]:
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
        if patterns is None
        or find_pattern_that_leaves_out(patterns, cluster, name, listed.get(cluster)) is None
    }


def name_image(snapshot: Snapshot) -> str | None:
    """What most hosts run, and how many if not all do; none if no host was ever seen."""
    running = Counter(host["image"] for host in snapshot["hosts"].values() if host["image"] is not None)
    if not running:
        return None
    digest, hosts = min(running.items(), key=lambda image: (-image[1], image[0]))
    name = name_esxi_release(snapshot["images"][digest], snapshot["labels"])
    return name if len(running) == 1 else f"{name} on {hosts} of {running.total()}"


def _vcenter_rows(vcenter: str, known: FleetStatus) -> Iterator[StatusRow]:
    clusters = list_clusters(vcenter, known)
    own = known.states.get((vcenter, VCENTER_LOG))
    found = _open(own)
    wide = tuple(finding for finding in found if finding["subject"] not in clusters)
    if wide or not clusters:
        yield StatusRow(vcenter, None, findings=wide)
    for cluster, name in sorted(clusters.items(), key=lambda one: (one[1], one[0])):
        about = tuple(finding for finding in found if finding["subject"] == cluster)
        yield _cluster_row(
            StatusRow(vcenter, name, findings=about, seen=not (_is_away(own) or _is_missed(about))),
            known.states.get((vcenter, cluster)),
            known.snapshots.get((vcenter, cluster)),
        )
    if vcenter in known.standalone:
        hosts = known.standalone[vcenter]
        coverage: Coverage = {"hosts": hosts, "covered": 0, "failed": 0, "unsupported": 0}
        yield StatusRow(vcenter, None, coverage=coverage, standalone=True)


def _is_away(own: LogState | None) -> bool:
    """Whether a vCenter could not be listed, by its own log: then no cluster of it was seen since."""
    if own is None:
        return False
    kinds = {one["kind"] for one in own["findings"].values() if "listed" not in one["detail"]}
    return own["blind_since"] is not None or bool(kinds & OUTAGE_KINDS)


def _is_missed(about: tuple[Finding, ...]) -> bool:
    """Whether a vCenter's log misses the cluster, or a look at it."""
    return any(finding["kind"] in {"cluster-missing", "check-overdue"} for finding in about)


def _cluster_row(row: StatusRow, after: LogState | None, snapshot: Snapshot | None) -> StatusRow:
    if after is None:
        return replace(row, seen=False)
    found = (*row.findings, *_open(after))
    coverage = after["coverage"]
    uniform = not any(finding["kind"] == "image-not-uniform" for finding in found)
    return replace(
        row,
        image=name_image(snapshot) if snapshot else None,
        uniform=uniform if coverage and coverage["covered"] > 0 else None,
        coverage=coverage,
        last_look_at=after["last_look_at"],
        findings=tuple(
            sorted(found, key=lambda finding: (-rank_severity(finding["severity"]), finding["kind"]))
        ),
        seen=row.seen and after["last_look_at"] is not None and after["blind_since"] is None,
    )


def _open(after: LogState | None) -> tuple[Finding, ...]:
    return tuple(after["findings"].values()) if after else ()
