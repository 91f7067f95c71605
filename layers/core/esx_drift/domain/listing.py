"""A vCenter's listing of clusters against those it listed before: what to dispatch, and what is amiss.

A lost permission answers like a deleted cluster: with a shorter list. So nothing retires by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from esx_drift.domain.condition import Condition
from esx_drift.domain.fleet import VCenter, excluded_by
from esx_drift.domain.shapes import After, ExcludedCluster, FailedCluster, KnownCluster
from esx_drift.domain.times import text_of, time_of


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a listing comes to. ``expected`` maps ids to names: listed or known, and not left out."""

    known: dict[str, KnownCluster]
    expected: dict[str, str]
    excluded: list[ExcludedCluster]
    missing: list[FailedCluster]
    notices: list[str]
    conditions: list[Condition]


def reconcile(
    vcenter: VCenter, listed: Mapping[str, str], known: Mapping[str, KnownCluster], now: datetime
) -> Reconciled:
    """Put a listing (id to name) and what was known before together."""
    after = _known_after(listed, known, now)
    names = {cluster: entry["name"] for cluster, entry in after.items() if entry["retired_at"] is None}
    patterns = {cluster: excluded_by(vcenter, cluster, name) for cluster, name in names.items()}
    expected = {cluster: name for cluster, name in names.items() if patterns[cluster] is None}
    missing: list[FailedCluster] = [
        {"cluster": cluster, "name": name} for cluster, name in expected.items() if cluster not in listed
    ]
    return Reconciled(
        known=after,
        expected=expected,
        excluded=[
            {"cluster": cluster, "name": names[cluster], "pattern": pattern}
            for cluster, pattern in patterns.items()
            if pattern is not None
        ],
        missing=missing,
        notices=_notices(listed, known),
        conditions=_conditions(vcenter, listed, known, missing),
    )


def overdue(reconciled: Reconciled, logs: Mapping[str, After], limit: datetime) -> list[Condition]:
    """The clusters that nobody has looked at since ``limit``, though no open failure says why."""
    missing = {one["cluster"] for one in reconciled.missing}
    return [
        _late(cluster, reconciled.expected[cluster], after["last_look_at"])
        for cluster, after in logs.items()
        if cluster not in missing
        and time_of(after["last_look_at"] or reconciled.known[cluster]["first_listed_at"]) < limit
        and not any(finding["family"] == "failure" for finding in after["findings"].values())
    ]


def unseen(known: Mapping[str, KnownCluster], vcenter: VCenter) -> list[FailedCluster]:
    """The clusters that a vCenter without a listing leaves unwatched."""
    return [
        {"cluster": cluster, "name": entry["name"]}
        for cluster, entry in known.items()
        if entry["retired_at"] is None and excluded_by(vcenter, cluster, entry["name"]) is None
    ]


def _known_after(
    listed: Mapping[str, str], known: Mapping[str, KnownCluster], now: datetime
) -> dict[str, KnownCluster]:
    after = dict(known)
    for cluster, name in listed.items():
        before = known.get(cluster)
        after[cluster] = {
            "name": name,
            "first_listed_at": before["first_listed_at"] if before else text_of(now),
            "last_listed_at": text_of(now),
            "retired_at": before["retired_at"] if before else None,
        }
    return after


def _notices(listed: Mapping[str, str], known: Mapping[str, KnownCluster]) -> list[str]:
    new = [f"cluster {name} ({cluster}) is new" for cluster, name in listed.items() if cluster not in known]
    renamed = [
        f"cluster {cluster} is now called {name}, before {known[cluster]['name']}"
        for cluster, name in listed.items()
        if cluster in known and known[cluster]["name"] != name
    ]
    return (new if known else []) + renamed


def _conditions(
    vcenter: VCenter,
    listed: Mapping[str, str],
    known: Mapping[str, KnownCluster],
    missing: list[FailedCluster],
) -> list[Condition]:
    watched = [cluster for cluster, entry in known.items() if entry["retired_at"] is None]
    lost = [cluster for cluster in watched if cluster not in listed]
    if not listed or len(lost) * 2 > len(watched):
        return [_shrunk(vcenter, listed, len(watched))]
    return [
        Condition(
            "failure",
            "cluster-missing",
            one["cluster"],
            "warning",
            f"{one['name']} ({one['cluster']}) is no longer listed by {vcenter.name}: deleted, moved,"
            " or hidden from the account",
            detail={"cluster": one["cluster"], "name": one["name"]},
        )
        for one in missing
    ]


def _shrunk(vcenter: VCenter, listed: Mapping[str, str], watched: int) -> Condition:
    what = f"{len(listed)} of {watched} known clusters" if listed else "no cluster"
    return Condition(
        "failure",
        "vcenter-authorization",
        "",
        "critical",
        f"{vcenter.name} lists {what}: the account has most likely lost its permission",
        detail={"listed": len(listed), "known": watched},
    )


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
