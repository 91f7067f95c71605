"""A vCenter's listing of clusters against those it listed before: what to dispatch, and what is amiss.

A lost permission answers like a deleted cluster: with a shorter list. So nothing retires by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from esx_drift.domain.fleets.fleet import VCenter, excluded_by
from esx_drift.domain.images.versions import sorted_naturally
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.kinds import LISTING_KINDS
from esx_drift.domain.shapes import (
    ExcludedCluster,
    FailedCluster,
    Finding,
    KnownCluster,
    ResolvedBecause,
)
from esx_drift.domain.times import text_of, time_of

OF_CLUSTERS = frozenset({"cluster-missing", "check-overdue"})
"""What a listing shows of single clusters, unless it is itself not to be trusted."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a listing comes to. ``expected`` maps ids to names: listed or known, and not left out.

    ``tested`` are the kinds that it can disprove: one that lost most clusters says nothing about any.
    """

    known: dict[str, KnownCluster]
    expected: dict[str, str]
    excluded: list[ExcludedCluster]
    missing: list[FailedCluster]
    notices: list[str]
    conditions: list[Condition]
    tested: frozenset[str]

    def since(self, limit: datetime) -> list[str]:
        """The clusters that are listed, and were so before ``limit`` for the first time."""
        missing = {one["cluster"] for one in self.missing}
        return [
            cluster
            for cluster in self.expected
            if cluster not in missing and time_of(self.known[cluster]["first_listed_at"]) < limit
        ]


def reconcile(
    vcenter: VCenter, listed: Mapping[str, str], known: Mapping[str, KnownCluster], now: datetime
) -> Reconciled:
    """Put a listing (id to name) and what was known before together."""
    names = {
        cluster: listed[cluster] if cluster in listed else known[cluster]["name"]
        for cluster in sorted_naturally(known.keys() | listed.keys())
    }
    patterns = {cluster: excluded_by(vcenter, cluster, name) for cluster, name in names.items()}
    after = {
        cluster: _entry(name, known.get(cluster), cluster in listed, patterns[cluster], text_of(now))
        for cluster, name in names.items()
    }
    expected = {cluster: entry["name"] for cluster, entry in after.items() if entry["retired_at"] is None}
    missing: list[FailedCluster] = [
        {"cluster": cluster, "name": name} for cluster, name in expected.items() if cluster not in listed
    ]
    watched = [cluster for cluster in expected if cluster in known and known[cluster]["retired_at"] is None]
    shrunk = not listed or len(missing) * 2 > len(watched)
    return Reconciled(
        known=after,
        expected=expected,
        excluded=[
            {"cluster": cluster, "name": names[cluster], "pattern": pattern}
            for cluster, pattern in patterns.items()
            if pattern is not None and (cluster in listed or after[cluster]["retired_at"] == text_of(now))
        ],
        missing=missing,
        notices=_notices(listed, known, after),
        conditions=[_shrunk(vcenter, listed, missing, watched)]
        if shrunk
        else [_gone(vcenter, one) for one in missing],
        tested=LISTING_KINDS - OF_CLUSTERS if shrunk else LISTING_KINDS,
    )


def retired_by_pattern(reconciled: Reconciled, findings: Mapping[str, Finding]) -> dict[str, ResolvedBecause]:
    """Why findings about clusters end that are no longer to be watched, since a pattern leaves them out."""
    return {
        fingerprint: "retired"
        for fingerprint, finding in findings.items()
        if finding["kind"] in OF_CLUSTERS and finding["subject"] not in reconciled.expected
    }


def unseen(known: Mapping[str, KnownCluster], vcenter: VCenter) -> list[FailedCluster]:
    """The clusters that a vCenter without a listing leaves unwatched."""
    names = {cluster: known[cluster]["name"] for cluster in sorted_naturally(known)}
    return [
        {"cluster": cluster, "name": name}
        for cluster, name in names.items()
        if known[cluster]["retired_at"] is None and excluded_by(vcenter, cluster, name) is None
    ]


def _entry(
    name: str,
    before: KnownCluster | None,
    listed: bool,  # noqa: FBT001  # one of the facts that an entry is made of
    pattern: str | None,
    now: str,
) -> KnownCluster:
    """A cluster as it is known from now on: what a pattern leaves out is retired, what is listed is watched.

    Whoever retired it believed it gone. Its time to be looked at begins anew when it is back.
    """
    known: KnownCluster = before or {
        "name": name,
        "first_listed_at": now,
        "last_listed_at": now,
        "retired_at": None,
    }
    left_out = known["retired_at"] or now
    retired_at = left_out if pattern is not None else None if listed else known["retired_at"]
    is_back = known["retired_at"] is not None and retired_at is None
    return {
        "name": name,
        "first_listed_at": now if is_back else known["first_listed_at"],
        "last_listed_at": now if listed else known["last_listed_at"],
        "retired_at": retired_at,
    }


def _notices(
    listed: Mapping[str, str], known: Mapping[str, KnownCluster], after: Mapping[str, KnownCluster]
) -> list[str]:
    return [
        notice
        for cluster in listed
        if known and (notice := _notice(cluster, known.get(cluster), after[cluster]))
    ]


def _notice(cluster: str, before: KnownCluster | None, after: KnownCluster) -> str | None:
    name = after["name"]
    if before is None:
        return f"cluster {name} ({cluster}) is new"
    if before["retired_at"] is not None and after["retired_at"] is None:
        return f"cluster {name} ({cluster}) is watched again: it was retired at {before['retired_at']}"
    if before["name"] != name:
        return f"cluster {cluster} is now called {name}, before {before['name']}"
    return None


def _gone(vcenter: VCenter, one: FailedCluster) -> Condition:
    return Condition(
        "failure",
        "cluster-missing",
        one["cluster"],
        "warning",
        f"{one['name']} ({one['cluster']}) is no longer listed by {vcenter.name}: deleted, moved,"
        " or hidden from the account",
        detail={"cluster": one["cluster"], "name": one["name"]},
    )


def _shrunk(
    vcenter: VCenter, listed: Mapping[str, str], missing: list[FailedCluster], watched: list[str]
) -> Condition:
    left = len(watched) - len(missing)
    what = f"only {left} of the {len(watched)} known clusters" if listed else "no cluster"
    return Condition(
        "failure",
        "vcenter-authorization",
        "",
        "critical",
        f"{vcenter.name} lists {what}: the account has most likely lost its permission",
        detail={"listed": left, "known": len(watched)},
    )
