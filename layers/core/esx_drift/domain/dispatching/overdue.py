"""Clusters that nobody looked at for too long, and what explains it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import BLINDING_KINDS, HOST_KINDS
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.stored.types import Finding, LogState, rank_severity
from esx_drift.domain.text.times import format_time, parse_time

OVERDUE_INTERVALS: Final = 3
"""How many checks may fail to look before somebody is told: one may meet an outage, the next may be late."""


def find_overdue_limit(vcenter: VCenterSettings, now: datetime, interval: timedelta) -> datetime:
    """Find the time before which a last look is overdue: 3 intervals ago.

    Where nothing is extracted, a look comes only with a report that somebody else asked for: it may be as old
    as ``max_age``. From then on the checks themselves say that it is too old, and have 3 intervals for it.

    Args:
        vcenter: The vCenter's settings.
        now: The time now.
        interval: The time between two checks.
    """
    age = timedelta(seconds=0 if vcenter.extract else vcenter.max_age_seconds)
    return now - age - OVERDUE_INTERVALS * interval


def find_seen_since(before: LogState, now: datetime, interval: timedelta) -> str:
    """Find since when the vCenter is listed without an outage that made its clusters miss a check.

    No cluster is overdue because of an outage: the time starts anew when the outage ends.

    Args:
        before: The state of the vCenter's own log before this listing.
        now: When the listing was made.
        interval: The time from one scheduled check of a cluster to the next; a shorter outage does not count.

    Returns:
        The time as text.
    """
    blind_since = before["blind_since"]
    if blind_since is not None and now - parse_time(blind_since) >= interval:
        return format_time(now)
    return before["first_look_at"] or format_time(now)


def list_overdue_conditions(
    names: Mapping[str, str], logs: Mapping[str, LogState], limit: datetime
) -> list[Condition]:
    """List the clusters that were not seen since ``limit`` although no failure explains it.

    Args:
        names: The clusters' names by id.
        logs: The states of the clusters' logs by id.
        limit: The time before which a last look is overdue.
    """
    explained = list_explanations(logs, limit)
    return [
        _build_overdue_condition(cluster, names[cluster], after["last_look_at"])
        for cluster, after in logs.items()
        if _is_late(after, limit) and cluster not in explained
    ]


def list_explanations(logs: Mapping[str, LogState], limit: datetime) -> dict[str, str]:
    """List why clusters were not seen since ``limit``, by cluster, where a failure says so.

    Args:
        logs: The states of the clusters' logs by id.
        limit: The time before which a last look is overdue.
    """
    found = {
        cluster: _find_explanation(after, limit) for cluster, after in logs.items() if _is_late(after, limit)
    }
    return {cluster: finding["summary"] for cluster, finding in found.items() if finding is not None}


def _is_late(after: LogState, limit: datetime) -> bool:
    return after["last_look_at"] is None or parse_time(after["last_look_at"]) < limit


def _find_explanation(after: LogState, limit: datetime) -> Finding | None:
    """Find the worst failure that says why, and was met since: where nobody checks, it stays as it was."""
    coverage = after["coverage"]
    kinds = BLINDING_KINDS | (
        HOST_KINDS if coverage is not None and coverage["covered"] == 0 else frozenset()
    )
    met = [
        finding
        for finding in after["findings"].values()
        if finding["kind"] in kinds and parse_time(finding["last_seen"]) >= limit
    ]
    return max(met, key=lambda finding: rank_severity(finding["severity"]), default=None)


NOW_KNOWN: Final = "now_known"
"""The detail of an overdue check that ended because a failure says why now: nobody looked at the cluster."""


def add_explanations(findings: Iterable[Finding], explanations: Mapping[str, str]) -> list[Finding]:
    """Add to each overdue check that has ended what is known now.

    Args:
        findings: All findings with their transitions.
        explanations: Why clusters are not looked at, by cluster.
    """
    return [
        {**finding, "detail": {**finding["detail"], NOW_KNOWN: explanations[finding["subject"]]}}
        if finding["kind"] == "check-overdue"
        and finding["transition"] == "resolved"
        and finding["subject"] in explanations
        else finding
        for finding in findings
    ]


def _build_overdue_condition(cluster: str, name: str, last_look_at: str | None) -> Condition:
    last = f"since {last_look_at}" if last_look_at else "so far"
    return build_condition(
        "check-overdue",
        f"{name} ({cluster}) has not been looked at {last}, and no failure says why",
        subject=cluster,
        detail={"cluster": cluster, "name": name, "last_look_at": last_look_at},
    )
