"""The status for programs and spreadsheets: JSON as ``status.schema.json`` has it, and CSV."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, cast

from esx_drift.cli.status_hosts import ClusterStatus, HostRow
from esx_drift.cli.status_rows import RetiredMaintenance, StatusRow
from esx_drift.cli.status_telling import DeadLetters, Telling
from esx_drift.cli.terminal import render_csv
from esx_drift.domain.stored.types import SEVERITIES, Finding, Json, OpenWindow
from esx_drift.domain.text.times import format_time

SCHEMA_VERSION: Final = 1

CLUSTER_COLUMNS: Final = (
    "vcenter", "cluster", "cluster_id", "image", "uniform", "hosts", "covered", "seen", "last_look_at",
    "check_asked_at", "critical", "warning", "info", "findings", "maintenance_by", "maintenance_until",
    "maintenance_reason", "maintenance_ticket",
)  # fmt: skip
HOST_COLUMNS: Final = (
    "vcenter", "cluster", "host", "name", "release", "build", "base_image", "add_on", "image_group", "seen",
    "unseen_because", "unseen_since", "orphaned_vibs", "critical", "warning", "info", "findings",
    "cluster_seen", "maintenance_by", "maintenance_until", "maintenance_reason",
    "accepted_until", "maintenance_ticket",
)  # fmt: skip


def build_status_document(
    rows: Sequence[StatusRow],
    now: datetime,
    cluster: ClusterStatus | None,
    telling: Telling,
    retired: Sequence[RetiredMaintenance],
) -> Json:
    """Build the JSON object.

    Args:
        rows: The clusters and vCenters that were asked about.
        now: When they were.
        cluster: The one cluster that is shown host by host; none for the fleet.
        telling: What does not reach people.
        retired: The retired clusters on which maintenance runs.
    """
    own = [row for row in rows if row.cluster_id is None]
    clusters: list[Json] = [_build_cluster(row) for row in rows if row.cluster_id is not None]
    if cluster is not None:
        clusters = [{**_build_cluster(cluster.row), **_build_hosts(cluster)}]
    return {
        "schema_version": SCHEMA_VERSION,
        "at": format_time(now),
        "vcenters": [_build_vcenter(row) for row in own if not row.standalone],
        "standalone_hosts": {
            row.vcenter: row.coverage["hosts"] for row in own if row.standalone and row.coverage
        },
        "clusters": clusters,
        "retired_in_maintenance": [_build_retired(each) for each in retired],
        **_build_telling(telling),
    }


def _build_retired(retired: RetiredMaintenance) -> Json:
    return {
        "vcenter": retired.cluster.vcenter,
        "cluster": {"id": retired.cluster.cluster, "name": retired.cluster.name},
        "retired_at": retired.retired_at,
        "maintenance": [_build_window(window) for window in retired.windows],
    }


def _build_telling(telling: Telling) -> dict[str, Json]:
    routes, letters = telling.dead_routes, telling.dead_letters
    return {
        "dead_routes": None if routes is None else [dead.facts for dead in routes],
        "dead_letters": None if letters is None else [_build_letters(each) for each in letters],
    }


def _build_letters(letters: DeadLetters) -> Json:
    return {"queue": letters.queue, "what": letters.what, "messages": letters.messages}


def _build_vcenter(row: StatusRow) -> Json:
    return {"vcenter": row.vcenter, "findings": [_build_finding(finding) for finding in row.findings]}


def _build_cluster(row: StatusRow) -> dict[str, Json]:
    coverage = cast("dict[str, Json] | None", row.coverage)
    return {
        "vcenter": row.vcenter,
        "cluster": {"id": row.cluster_id, "name": row.cluster},
        "image": row.image,
        "uniform": row.uniform,
        "coverage": coverage,
        "seen": row.seen,
        "last_look_at": row.last_look_at,
        "check_asked_at": row.asked_at,
        "maintenance": [_build_window(window) for window in row.maintenance],
        "findings": [_build_finding(finding) for finding in row.findings],
    }


def _build_window(window: OpenWindow) -> Json:
    return {
        "name": window["name"],
        "by": window["by"],
        "reason": window["reason"],
        "ticket": window.get("ticket"),
        "from": window["from"],
        "to": window["to"],
        "accept": window["accept"],
    }


def _build_finding(finding: Finding) -> Json:
    return {
        "fingerprint": finding["fingerprint"],
        "family": finding["family"],
        "kind": finding["kind"],
        "subject": finding["subject"],
        "severity": finding["severity"],
        "hosts": [*finding["hosts"]],
        "opened_at": finding["opened_at"],
        "last_seen": finding["last_seen"],
        "summary": finding["summary"],
    }


def _build_hosts(cluster: ClusterStatus) -> dict[str, Json]:
    hosts: list[Json] = [
        {**_build_host(host), "orphaned_vibs": [*host.orphaned_vibs]} for host in cluster.hosts
    ]
    return {"hosts": hosts, "suspected": [*cluster.suspected]}


def build_software_fields(host: HostRow) -> dict[str, Json]:
    """Build what is said for a program of a ``host`` and what it runs, the same wherever it is said."""
    return {
        "host": host.host,
        "name": host.name,
        "release": host.release,
        "build": host.build,
        "base_image": host.base_image,
        "add_on": host.add_on,
        "image_group": host.group,
    }


def _build_host(host: HostRow) -> dict[str, Json]:
    """Build what both formats say of a host in the same way."""
    return {
        **build_software_fields(host),
        "seen": host.unseen is None,
        "unseen_because": host.unseen,
        "unseen_since": host.unseen_since,
        "accepted_until": host.accepted_until,
    }


def render_clusters_csv(rows: Iterable[StatusRow]) -> str:
    """Render a line for each cluster; a vCenter, and hosts in no cluster, have none of theirs."""
    return render_csv(CLUSTER_COLUMNS, (_list_cluster_cells(row) for row in rows))


def render_hosts_csv(cluster: ClusterStatus) -> str:
    """Render a line for each host of a cluster, with the findings that name it."""
    return render_csv(HOST_COLUMNS, (_list_host_cells(cluster, host) for host in cluster.hosts))


def _list_cluster_cells(row: StatusRow) -> dict[str, object]:
    coverage = row.coverage
    return {
        "vcenter": row.vcenter,
        "cluster": row.cluster,
        "cluster_id": row.cluster_id,
        "image": row.image,
        "uniform": row.uniform,
        "hosts": coverage["hosts"] if coverage else None,
        "covered": coverage["covered"] if coverage else None,
        "seen": row.seen and not row.standalone,
        "last_look_at": row.last_look_at,
        "check_asked_at": row.asked_at,
        **_count_findings(row.findings),
        **_list_window_cells(row),
    }


def _list_window_cells(row: StatusRow) -> dict[str, object]:
    """List the cells of maintenance: of several windows that run, those of the one that lasts longest."""
    last = max(row.maintenance, key=lambda window: window["to"], default=None)
    return {
        "maintenance_by": last["by"] if last else None,
        "maintenance_until": last["to"] if last else None,
        "maintenance_reason": last["reason"] if last else None,
        "maintenance_ticket": last.get("ticket") if last else None,
    }


def _list_host_cells(cluster: ClusterStatus, host: HostRow) -> dict[str, object]:
    return {
        "vcenter": cluster.row.vcenter,
        "cluster": cluster.row.cluster,
        **_build_host(host),
        "orphaned_vibs": " ".join(host.orphaned_vibs),
        **_count_findings([finding for finding in cluster.row.findings if host.host in finding["hosts"]]),
        "cluster_seen": cluster.row.seen,
        **_list_window_cells(cluster.row),
    }


def _count_findings(findings: Sequence[Finding]) -> dict[str, object]:
    counts = Counter(finding["severity"] for finding in findings)
    kinds = " ".join(dict.fromkeys(finding["kind"] for finding in findings))
    return {**{severity: counts[severity] for severity in SEVERITIES}, "findings": kinds}
