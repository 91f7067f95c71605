"""The fleet as rows, from the newest record of every log.

A row says what a cluster runs, when it was seen last, and what is open about it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from esx_drift.cli.terminal import print_warning
from esx_drift.domain.findings.kinds import OUTAGE_KINDS
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.snapshot import upgrade_snapshot
from esx_drift.domain.reports.fleet_logs import list_watched_clusters
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import (
    Coverage,
    Finding,
    LogState,
    OpenWindow,
    Record,
    Snapshot,
    rank_severity,
)
from esx_drift.errors import TrailDamaged
from esx_drift.log_reader import read_all

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store


class StatusRow(Struct, frozen=True):
    """One cluster, or where ``cluster`` is none a vCenter: its own findings, or its ``standalone`` hosts.

    What was never seen is none. ``seen`` says whether the last check saw the cluster; if not, image and
    coverage are those of the last look. ``uniform`` says whether all hosts that were seen run the same.
    ``asked_at``: when a check was asked for that is not answered yet.
    ``maintenance``: the windows that run now.
    """

    vcenter: str
    cluster: str | None
    cluster_id: str | None = None
    asked_at: str | None = None
    image: str | None = None
    uniform: bool | None = None
    coverage: Coverage | None = None
    last_look_at: str | None = None
    findings: tuple[Finding, ...] = ()
    seen: bool = True
    standalone: bool = False
    maintenance: tuple[OpenWindow, ...] = ()


class FleetStatus(Struct, frozen=True):
    """All that the table is made of.

    ``snapshots`` is keyed by vCenter and cluster, ``standalone`` counts hosts in no cluster by vCenter.
    ``asked`` says by vCenter and cluster when a check was asked for that is not answered yet.
    """

    fleet: Fleet
    states: Mapping[tuple[str, str], LogState]
    snapshots: Mapping[tuple[str, str], Snapshot]
    standalone: Mapping[str, int]
    asked: Mapping[tuple[str, str], str]


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
    logged = {
        cluster: after["cluster_name"] or cluster
        for (owner, cluster), after in fleet_status.states.items()
        if owner == vcenter and cluster != VCENTER_LOG
    }
    known = (own and own["clusters"]) or {}
    return list_watched_clusters(fleet_status.fleet.vcenter(vcenter), known, logged)


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
        asked_at = fleet_status.asked.get((vcenter, cluster))
        seen = not (_is_away(own) or _is_missed(about))
        yield _build_cluster_row(
            StatusRow(vcenter, name, cluster, asked_at, findings=about, seen=seen),
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


def read_newest_records(store: "S3Store", keys: Sequence[str]) -> Iterator[Record]:
    """Read from ``store`` the newest record of each log whose pointer lies under one of ``keys``.

    One that its pointer does not lead to is warned of and left out.
    """
    for key, record in zip(keys, read_all(store.read_newest_record, keys), strict=True):
        if record is None:
            print_warning(f"{key} does not lead to the newest record of its log; the next check mends it")
        else:
            yield record


def read_snapshots(
    states: Mapping[tuple[str, str], LogState], store: "S3Store"
) -> dict[tuple[str, str], Snapshot]:
    """Read from ``store`` the last snapshot of each log in ``states``, in today's form.

    One that is damaged is warned of and left out.
    """
    taken = {log: after["snapshot"]["key"] for log, after in states.items() if after["snapshot"]}

    def read(key: str) -> Snapshot | None:
        try:
            return store.snapshot(key)
        except TrailDamaged as damage:
            print_warning(f"the audit trail is damaged: {damage.message}")
            return None

    stored = zip(taken, read_all(read, taken.values()), strict=True)
    return {log: upgrade_snapshot(snapshot).snapshot for log, snapshot in stored if snapshot}


def count_standalone_hosts(records: Iterable[Record]) -> dict[str, int]:
    """Count the hosts in no cluster at the last dispatch of each vCenter; those without any are left out."""
    counted = {
        record["vcenter"]: record["dispatch"]["standalone_hosts"] for record in records if record["dispatch"]
    }
    return {vcenter: hosts for vcenter, hosts in counted.items() if hosts}


def list_asked_checks(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """List when checks were asked for that are not answered yet, by vCenter and cluster.

    ``records`` are the newest of all logs: what a vCenter's asks for may be answered in a cluster's.
    """
    newest = list(records)
    answered = {one["request_id"] for record in newest for one in record["after"]["answered"]}
    return {
        (record["vcenter"], expected["cluster"]): record["checked_at"]
        for record in newest
        if record["dispatch"] is not None
        for expected in record["dispatch"]["expected"]
        if expected["request_id"] not in answered
    }
