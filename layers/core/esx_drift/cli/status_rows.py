"""The fleet as rows, from the cached state of every log.

A row says what a cluster runs, when it was seen last, and what is open about it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from esx_drift.cli.terminal import print_warning
from esx_drift.contracts import list_violations, parse_json
from esx_drift.domain.dispatching.known_clusters import find_pattern_that_leaves_out
from esx_drift.domain.findings.kinds import OUTAGE_KINDS
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.snapshot import upgrade_snapshot
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
from esx_drift.errors import ContractViolation, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from esx_drift.adapters.audit_store import S3Store


STATE_PREFIX = "state/"
MAX_PARALLEL_READS = 8
"""Reads in flight: below the ten connections that a botocore client keeps."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One cluster, or where ``cluster`` is none a vCenter: its own findings, or its ``standalone`` hosts.

    What was never seen is none. ``seen`` says whether the last check saw the cluster; if not, image and
    coverage are those of the last look. ``uniform`` says whether all hosts that were seen run the same.
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


def build_rows(fleet_status: FleetStatus) -> list[StatusRow]:
    """The rows of all vCenters in the fleet file's order, the clusters of each in the order of names."""
    return [
        row
        for vcenter in fleet_status.fleet.vcenters
        for row in _build_vcenter_rows(vcenter.name, fleet_status)
    ]


def list_clusters(vcenter: str, fleet_status: FleetStatus) -> dict[str, str]:
    """List the names of the clusters of ``vcenter`` that are to be checked, by id.

    ``fleet_status`` says which are: those neither retired by their vCenter's log nor excluded by the fleet.
    """
    own = fleet_status.states.get((vcenter, VCENTER_LOG))
    listed: Mapping[str, KnownCluster] = (own and own["clusters"]) or {}
    retired = {cluster for cluster, entry in listed.items() if entry["retired_at"] is not None}
    names = {
        cluster: after["cluster_name"] or cluster
        for (owner, cluster), after in fleet_status.states.items()
        if owner == vcenter and cluster not in {VCENTER_LOG, *retired}
    }
    names |= {cluster: entry["name"] for cluster, entry in listed.items() if cluster not in retired}
    patterns = fleet_status.fleet.vcenter(vcenter)
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


def _build_vcenter_rows(vcenter: str, fleet_status: FleetStatus) -> Iterator[StatusRow]:
    clusters = list_clusters(vcenter, fleet_status)
    own = fleet_status.states.get((vcenter, VCENTER_LOG))
    findings = _list_open_findings(own)
    wide = tuple(finding for finding in findings if finding["subject"] not in clusters)
    if wide or not clusters:
        yield StatusRow(vcenter, None, findings=wide)
    for cluster, name in sorted(clusters.items(), key=lambda entry: (entry[1], entry[0])):
        about = tuple(finding for finding in findings if finding["subject"] == cluster)
        yield _build_cluster_row(
            StatusRow(vcenter, name, findings=about, seen=not (_is_away(own) or _is_missed(about))),
            fleet_status.states.get((vcenter, cluster)),
            fleet_status.snapshots.get((vcenter, cluster)),
        )
    if vcenter in fleet_status.standalone:
        hosts = fleet_status.standalone[vcenter]
        coverage: Coverage = {"hosts": hosts, "covered": 0, "failed": 0, "unsupported": 0}
        yield StatusRow(vcenter, None, coverage=coverage, standalone=True)


def _is_away(own: LogState | None) -> bool:
    """Whether a vCenter can't be listed, by its own log: then no cluster of it was seen since."""
    if own is None:
        return False
    kinds = {finding["kind"] for finding in own["findings"].values() if "listed" not in finding["detail"]}
    return own["blind_since"] is not None or bool(kinds & OUTAGE_KINDS)


def _is_missed(about: tuple[Finding, ...]) -> bool:
    """Whether a vCenter's log misses the cluster, or a look at it."""
    return any(finding["kind"] in {"cluster-missing", "check-overdue"} for finding in about)


def _build_cluster_row(row: StatusRow, after: LogState | None, snapshot: Snapshot | None) -> StatusRow:
    if after is None:
        return replace(row, seen=False)
    findings = (*row.findings, *_list_open_findings(after))
    coverage = after["coverage"]
    uniform = not any(finding["kind"] == "image-not-uniform" for finding in findings)
    return replace(
        row,
        image=name_image(snapshot) if snapshot else None,
        uniform=uniform if coverage and coverage["covered"] > 0 else None,
        coverage=coverage,
        last_look_at=after["last_look_at"],
        findings=tuple(
            sorted(findings, key=lambda finding: (-rank_severity(finding["severity"]), finding["kind"]))
        ),
        seen=row.seen and after["last_look_at"] is not None and after["blind_since"] is None,
    )


def _list_open_findings(after: LogState | None) -> tuple[Finding, ...]:
    return tuple(after["findings"].values()) if after else ()


def read_states(s3: "S3Client", bucket: str) -> Iterator[StateFile]:
    """Read each state in ``bucket`` by ``s3``; one that is not valid is warned of and left out."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=STATE_PREFIX)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read_body(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    for key, body in zip(keys, _read_all(read_body, keys), strict=True):
        state = _parse_state(body)
        if state is None:
            print_warning(f"s3://{bucket}/{key} is no valid state; the next check rebuilds it from the log")
        else:
            yield state


def read_snapshots(
    states: Mapping[tuple[str, str], LogState], store: "S3Store"
) -> dict[tuple[str, str], Snapshot]:
    """Read from ``store`` the last snapshot of each log in ``states`` that has one, in today's form."""
    taken = {log: after["snapshot"]["key"] for log, after in states.items() if after["snapshot"]}
    stored = _read_all(store.snapshot, taken.values())
    return {log: upgrade_snapshot(snapshot).snapshot for log, snapshot in zip(taken, stored, strict=True)}


def count_standalone_hosts(states: Iterable[StateFile], store: "S3Store") -> dict[str, int]:
    """Count the hosts in no cluster that each vCenter had at its last dispatch; without those that had none.

    ``states`` name the last records, which are in ``store``. A record that can't be read is warned of: the
    rest of the fleet is shown all the same.
    """
    heads = {
        state["vcenter"]: state["head"]["seq"] for state in states if _is_vcenter_log(state) and state["head"]
    }
    counted = {vcenter: _read_standalone_hosts(store, vcenter, seq) for vcenter, seq in heads.items()}
    return {vcenter: hosts for vcenter, hosts in counted.items() if hosts}


def _is_vcenter_log(state: StateFile) -> bool:
    return state["cluster"] == VCENTER_LOG


def _read_standalone_hosts(store: "S3Store", vcenter: str, seq: int) -> int | None:
    try:
        record, _ = store.record(vcenter, VCENTER_LOG, seq)
    except (StoreUnavailable, ContractViolation, ValueError) as error:
        print_warning(
            f"the last record of {vcenter} can't be read, so that its standalone hosts are not known: {error}"
        )
        return None
    return record["dispatch"]["standalone_hosts"] if record["dispatch"] else None


def _read_all[T](read: Callable[[str], T], keys: Iterable[str]) -> list[T]:
    with ThreadPoolExecutor(MAX_PARALLEL_READS) as pool:
        return list(pool.map(read, keys))


def _parse_state(body: bytes) -> StateFile | None:
    try:
        state = parse_json(body)
    except ContractViolation:
        return None
    return None if list_violations("state", state) else cast("StateFile", state)
