"""A vCenter's listing of clusters against those it listed before: what to dispatch, and what is wrong.

A lost permission answers like a deleted cluster: with a shorter list. So nothing retires by itself.
"""

from collections.abc import Iterator, Mapping
from copy import replace
from datetime import datetime

from msgspec import Struct

from esx_drift.domain.dispatching.known_clusters import (
    build_known_cluster,
    build_nothing_watched_condition,
    build_shrunk_listing_condition,
    choose_names,
    drop_long_retired,
    find_pattern_that_leaves_out,
    list_listing_notices,
    list_unusable_id_conditions,
)
from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import LISTED_CLUSTER_KINDS, LISTING_KINDS
from esx_drift.domain.findings.vcenter_failures import is_blind
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.types import (
    ExcludedCluster,
    FailedCluster,
    Finding,
    FindingKind,
    KnownCluster,
    ResolvedBecause,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.vcenter_api import is_usable_id


class ReconciledListing(Struct, frozen=True):
    """What a listing comes to. ``expected`` maps ids to names: listed or known, and not left out.

    ``ruled_out_kinds`` are those that it can disprove: one that lost most clusters says nothing about any.
    """

    known: dict[str, KnownCluster]
    expected: dict[str, str]
    excluded: list[ExcludedCluster]
    missing: list[FailedCluster]
    notices: list[str]
    conditions: list[Condition]
    ruled_out_kinds: frozenset[FindingKind]

    def list_listed_before(self, limit: datetime) -> list[str]:
        """List the listed clusters whose first listing was before ``limit``."""
        missing = {cluster["cluster"] for cluster in self.missing}
        return [
            cluster
            for cluster in self.expected
            if cluster not in missing and parse_time(self.known[cluster]["first_listed_at"]) < limit
        ]


def reconcile_listing(
    vcenter: VCenterSettings, listing: Mapping[str, str], known: Mapping[str, KnownCluster], now: datetime
) -> ReconciledListing:
    """Compare a vCenter's listing with the clusters known before.

    Args:
        vcenter: The vCenter's settings.
        listing: The names of the listed clusters by id.
        known: The clusters known before by id.
        now: When the listing was made.
    """
    listed = {cluster: name for cluster, name in listing.items() if is_usable_id(cluster)}
    reconciled = _reconcile_usable(vcenter, listed, known, now)
    conditions = [*reconciled.conditions, *list_unusable_id_conditions(vcenter, listing)]
    return replace(reconciled, conditions=conditions)


def _reconcile_usable(
    vcenter: VCenterSettings, listed: Mapping[str, str], known: Mapping[str, KnownCluster], now: datetime
) -> ReconciledListing:
    known = drop_long_retired(known, listed, now)
    names = {
        cluster: listed[cluster] if cluster in listed else known[cluster]["name"]
        for cluster in sort_naturally(known.keys() | listed.keys())
    }
    patterns = {
        cluster: find_pattern_that_leaves_out(vcenter, cluster, name, known.get(cluster))
        for cluster, name in names.items()
    }
    after = {
        cluster: build_known_cluster(
            choose_names(vcenter, cluster, name, known.get(cluster)),
            known.get(cluster),
            cluster in listed,
            patterns[cluster],
            format_time(now),
        )
        for cluster, name in names.items()
    }
    expected = {cluster: entry["name"] for cluster, entry in after.items() if entry["retired_at"] is None}
    missing: list[FailedCluster] = [
        {"cluster": cluster, "name": name} for cluster, name in expected.items() if cluster not in listed
    ]
    watched = [cluster for cluster in expected if cluster in known and known[cluster]["retired_at"] is None]
    excluded = _list_excluded(listed, after, patterns, format_time(now))
    return ReconciledListing(
        known=after,
        expected=expected,
        excluded=excluded,
        missing=missing,
        notices=list_listing_notices(listed, known, after),
        conditions=[
            *_list_conditions(vcenter, listed, after, missing, watched, now),
            *([] if expected else _list_nothing_watched(vcenter, listed, excluded)),
        ],
        ruled_out_kinds=_list_ruled_out_kinds(listed, missing, watched),
    )


def _list_excluded(
    listed: Mapping[str, str], after: Mapping[str, KnownCluster], patterns: Mapping[str, str | None], now: str
) -> list[ExcludedCluster]:
    """List what patterns leave out: the listed ones, and those that are retired with this run."""
    return [
        {"cluster": cluster, "name": after[cluster]["name"], "pattern": pattern}
        for cluster, pattern in patterns.items()
        if pattern is not None and (cluster in listed or after[cluster]["retired_at"] == now)
    ]


def _list_nothing_watched(
    vcenter: VCenterSettings, listed: Mapping[str, str], excluded: list[ExcludedCluster]
) -> list[Condition]:
    left_out = [cluster for cluster in excluded if cluster["cluster"] in listed]
    return [build_nothing_watched_condition(vcenter, left_out)] if left_out else []


def _list_ruled_out_kinds(
    listed: Mapping[str, str], missing: list[FailedCluster], watched: list[str]
) -> frozenset[FindingKind]:
    if not listed:
        # An empty listing says nothing of patterns either.
        return LISTING_KINDS - LISTED_CLUSTER_KINDS - {"nothing-watched"}
    return LISTING_KINDS - LISTED_CLUSTER_KINDS if _is_shrunk(listed, missing, watched) else LISTING_KINDS


def _is_shrunk(listed: Mapping[str, str], missing: list[FailedCluster], watched: list[str]) -> bool:
    """Whether the listing lacks so much that it says nothing about any single cluster."""
    return not listed or len(missing) * 2 > len(watched)


def _list_conditions(
    vcenter: VCenterSettings,
    listed: Mapping[str, str],
    after: Mapping[str, KnownCluster],
    missing: list[FailedCluster],
    watched: list[str],
    now: datetime,
) -> list[Condition]:
    shown = {
        cluster: entry
        for cluster, entry in after.items()
        if entry["retired_at"] is None and cluster in listed
    }
    renamed = list_renamed_cluster_conditions(vcenter, shown)
    if _is_shrunk(listed, missing, watched):
        return [build_shrunk_listing_condition(vcenter, listed, missing, watched), *renamed]
    gone = [
        build_missing_cluster_condition(vcenter, cluster, after[cluster["cluster"]], now)
        for cluster in missing
    ]
    return [*gone, *renamed]


def list_retired_by_pattern(
    reconciled: ReconciledListing, findings: Mapping[str, Finding]
) -> dict[str, ResolvedBecause]:
    """List which of the vCenter's open findings end because a pattern now leaves their cluster out.

    Args:
        reconciled: The listing, which says which clusters are still expected.
        findings: The open findings of the vCenter's own log, by fingerprint.

    Returns:
        The reason by fingerprint.
    """
    return {
        fingerprint: "retired"
        for fingerprint, finding in findings.items()
        if finding["kind"] in LISTED_CLUSTER_KINDS and finding["subject"] not in reconciled.expected
    }


def build_missing_cluster_condition(
    vcenter: VCenterSettings, missing: FailedCluster, known: KnownCluster, now: datetime
) -> Condition:
    """Build the condition of a cluster that is no longer listed.

    Hiding a cluster is one way to blind us: it is critical after as long as any other blindness.

    Args:
        vcenter: The settings, which say how long that is.
        missing: The cluster's id and name.
        known: Its entry, which says when it was listed last.
        now: When the listing was made.
    """
    is_critical = is_blind(known["last_listed_at"], now, vcenter.blind_after_seconds)
    return build_condition(
        "cluster-missing",
        f"{missing['name']} ({missing['cluster']}) is no longer listed by {vcenter.name}: deleted, moved,"
        " or hidden from the account",
        subject=missing["cluster"],
        severity="critical" if is_critical else None,
        detail={
            "cluster": missing["cluster"],
            "name": missing["name"],
            "last_listed_at": known["last_listed_at"],
        },
    )


def list_renamed_cluster_conditions(
    vcenter: VCenterSettings, watched: Mapping[str, KnownCluster]
) -> Iterator[Condition]:
    """List those ``watched`` clusters (by id) whose new name a pattern of ``vcenter`` leaves out."""
    for cluster, entry in watched.items():
        pattern = find_excluding_pattern(vcenter, cluster, entry["name"])
        if pattern is not None:
            yield build_condition(
                "cluster-renamed",
                f"{entry['watched_as']} ({cluster}) is now called {entry['name']}, and the fleet file leaves"
                f" that out ({pattern}); it is checked all the same",
                subject=cluster,
                detail={"cluster": cluster, "name": entry["name"], "before": entry["watched_as"]},
            )
