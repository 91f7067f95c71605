"""What a listing of clusters shows to be amiss."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from esx_drift.domain.fleets.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.shapes import FailedCluster, KnownCluster
from esx_drift.domain.times import parse_time


def build_missing_cluster_condition(
    vcenter: VCenterSettings, one: FailedCluster, known: KnownCluster, now: datetime
) -> Condition:
    """Hiding a cluster is one way to blind us: critical after as long as any other blindness."""
    unseen_for = now - parse_time(known["last_listed_at"])
    is_blind = unseen_for > timedelta(seconds=vcenter.blind_after_seconds)
    return Condition(
        "failure",
        "cluster-missing",
        one["cluster"],
        "critical" if is_blind else "warning",
        f"{one['name']} ({one['cluster']}) is no longer listed by {vcenter.name}: deleted, moved,"
        " or hidden from the account",
        detail={
            "cluster": one["cluster"],
            "name": one["name"],
            "last_listed_at": known["last_listed_at"],
        },
    )


def list_renamed_cluster_conditions(
    vcenter: VCenterSettings, watched: Mapping[str, KnownCluster]
) -> Iterator[Condition]:
    """Those of the clusters (by id) that are watched under a name that a pattern leaves out."""
    for cluster, known in watched.items():
        pattern = find_excluding_pattern(vcenter, cluster, known["name"])
        if pattern is not None:
            yield Condition(
                "failure",
                "cluster-renamed",
                cluster,
                "warning",
                f"{known['watched_as']} ({cluster}) is now called {known['name']}, and the fleet file leaves"
                f" that out ({pattern}); it is checked all the same",
                detail={"cluster": cluster, "name": known["name"], "before": known["watched_as"]},
            )


def build_shrunk_listing_condition(
    vcenter: VCenterSettings, listed: Mapping[str, str], missing: list[FailedCluster], watched: list[str]
) -> Condition:
    """A listing without over half of what was watched, or without anything: that is no cluster's end."""
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
