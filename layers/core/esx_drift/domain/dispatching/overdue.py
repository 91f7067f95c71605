"""Clusters that are not looked at, though they are asked for again and again: the product itself is amiss."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.kinds import EXTRACTION_KINDS, VCENTER_KINDS
from esx_drift.domain.shapes import LogState
from esx_drift.domain.times import format_time, parse_time

OVERDUE_INTERVALS: Final = 3

BLINDING_KINDS: Final = VCENTER_KINDS | EXTRACTION_KINDS | {"document-invalid", "document-inconsistent"}
"""What, while it is open, says why there is no look at a cluster."""


def find_seen_since(before: LogState, now: datetime, interval: timedelta) -> str:
    """Since when a vCenter is listed without an outage in which its clusters missed a look.

    Nobody is late who could not be looked at: the time to look begins anew when such an outage ends.
    """
    blind_since = before["blind_since"]
    if blind_since is not None and now - parse_time(blind_since) >= interval:
        return format_time(now)
    return before["first_look_at"] or format_time(now)


def list_overdue_conditions(
    names: Mapping[str, str], logs: Mapping[str, LogState], limit: datetime
) -> list[Condition]:
    """Those of the logs' clusters that nobody has looked at since ``limit``, though no failure says why."""
    return [
        _late(cluster, names[cluster], after["last_look_at"])
        for cluster, after in logs.items()
        if (after["last_look_at"] is None or parse_time(after["last_look_at"]) < limit)
        and not _is_explained(after, limit)
    ]


def _is_explained(after: LogState, limit: datetime) -> bool:
    """Whether a failure says why, and was met since: where nobody checks any more, it stays as it was."""
    findings = after["findings"].values()
    kinds = {finding["kind"] for finding in findings if parse_time(finding["last_seen"]) >= limit}
    coverage = after["coverage"]
    nobody = coverage is not None and coverage["covered"] == 0
    return bool(kinds & BLINDING_KINDS) or (nobody and any(kind.startswith("host-") for kind in kinds))


def _late(cluster: str, name: str, last_look_at: str | None) -> Condition:
    last = f"since {last_look_at}" if last_look_at else "so far"
    return Condition(
        "failure",
        "check-overdue",
        cluster,
        "critical",
        f"{name} ({cluster}) has not been looked at {last}, and no failure says why",
        detail={"cluster": cluster, "name": name, "last_look_at": last_look_at},
    )
