"""The clusters that a vCenter ever listed, as its log keeps them."""

from collections.abc import Container, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import Final

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.types import (
    ExcludedCluster,
    FailedCluster,
    KnownCluster,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import MAX_LISTED, clean_text, format_count, join_names
from esx_drift.domain.vcenter_api import UNUSABLE_ID, is_usable_id


def list_unwatched_clusters(
    known: Mapping[str, KnownCluster], vcenter: VCenterSettings
) -> list[FailedCluster]:
    """List which of the ``known`` clusters (by id) go unchecked while ``vcenter`` can't be listed.

    Those that are retired, or that a pattern of the vCenter leaves out, are not checked anyway.
    """
    names = {cluster: known[cluster]["name"] for cluster in sort_naturally(known)}
    return [
        {"cluster": cluster, "name": name}
        for cluster, name in names.items()
        if known[cluster]["retired_at"] is None
        and find_pattern_that_leaves_out(vcenter, cluster, name, known[cluster]) is None
    ]


def find_pattern_that_leaves_out(
    vcenter: VCenterSettings, cluster: str, name: str, before: KnownCluster | None
) -> str | None:
    """Find the pattern that leaves a cluster out.

    Renaming a watched cluster in the vCenter does not end the watch: only the fleet file does.

    Args:
        vcenter: The settings that hold the patterns.
        cluster: The cluster's id.
        name: Its name now.
        before: Its entry so far; None for a new cluster.

    Returns:
        The pattern, as ``find_excluding_pattern`` writes it; None if the cluster is to be checked.
    """
    pattern = find_excluding_pattern(vcenter, cluster, name)
    if pattern is None or before is None or before["retired_at"] is not None:
        return pattern
    return pattern if find_excluding_pattern(vcenter, cluster, before["watched_as"]) is not None else None


def choose_names(
    vcenter: VCenterSettings, cluster: str, name: str, before: KnownCluster | None
) -> tuple[str, str]:
    """Choose the cluster's name, and the last name that no pattern left out.

    Args:
        vcenter: The settings that hold the patterns.
        cluster: The cluster's id.
        name: Its name now.
        before: Its entry so far; None for a new cluster.

    Returns:
        Both names. For a new cluster they are the same, also where a pattern leaves it out.
    """
    is_left_out = find_excluding_pattern(vcenter, cluster, name) is not None
    return name, before["watched_as"] if before and is_left_out else name


def build_known_cluster(
    named: tuple[str, str],
    before: KnownCluster | None,
    listed: bool,  # noqa: FBT001  # one of the facts that an entry is made of
    pattern: str | None,
    now: str,
) -> KnownCluster:
    """Build the entry of a cluster: retired if a pattern leaves it out, watched if it is listed.

    A retired cluster that is back starts with a new ``first_listed_at``, so that it is not overdue at once.

    Args:
        named: The name, and the last name that no pattern left out.
        before: The entry so far; None for a new cluster.
        listed: Whether the vCenter lists the cluster now.
        pattern: The pattern that leaves it out; None if there is none.
        now: When the listing was made.
    """
    name, watched_as = named
    entry: KnownCluster = before or {
        "name": name,
        "watched_as": watched_as,
        "first_listed_at": now,
        "last_listed_at": now,
        "retired_at": None,
    }
    left_out = entry["retired_at"] or now
    retired_at = left_out if pattern is not None else None if listed else entry["retired_at"]
    is_back = entry["retired_at"] is not None and retired_at is None
    return {
        "name": name,
        "watched_as": watched_as,
        "first_listed_at": now if is_back else entry["first_listed_at"],
        "last_listed_at": now if listed else entry["last_listed_at"],
        "retired_at": retired_at,
    }


RETIRED_FOR: Final = timedelta(days=90)
"""How long a retired cluster that is not listed is remembered: one that is back within a quarter is told as
watched again, later it is a new one. What it ran last stays in its own log."""


def list_unusable_id_conditions(vcenter: VCenterSettings, listing: Mapping[str, str]) -> list[Condition]:
    """List one condition if ``listing`` (names by id) of ``vcenter`` has watched clusters of no usable id.

    It is no outage that may pass by itself: it opens at once, and keeps no other cluster from being checked.
    """
    names = [
        clean_text(name)
        for cluster, name in listing.items()
        if not is_usable_id(cluster) and find_excluding_pattern(vcenter, cluster, name) is None
    ]
    if not names:
        return []
    condition = build_condition(
        "vcenter-error",
        f"{vcenter.name} lists {format_count(len(names), 'cluster')} under an id that no vCenter makes, which"
        f" nobody can check: {join_names(names)}",
        subject=UNUSABLE_ID,
        detail={"unusable_ids": len(names)},
    )
    return [replace(condition, confirm=False)]


def drop_long_retired(
    known: Mapping[str, KnownCluster], listed: Container[str], now: datetime
) -> dict[str, KnownCluster]:
    """Drop the clusters that were retired long ago and have not been listed since.

    Args:
        known: The clusters known before by id.
        listed: The ids of the listed clusters.
        now: When the listing was made.
    """
    limit = now - RETIRED_FOR
    return {
        cluster: entry
        for cluster, entry in known.items()
        if cluster in listed
        or entry["retired_at"] is None
        or max(parse_time(entry["retired_at"]), parse_time(entry["last_listed_at"])) >= limit
    }


MAX_NAMED: Final = 5
"""How many clusters or patterns a sentence names."""


def build_nothing_watched_condition(
    vcenter: VCenterSettings, left_out: Sequence[ExcludedCluster]
) -> Condition:
    """Build the condition of a vCenter of which the fleet file leaves out everything.

    Args:
        vcenter: The vCenter's settings.
        left_out: All the clusters that it lists, each with the pattern that leaves it out.
    """
    names = join_names([clean_text(cluster["name"]) for cluster in left_out], MAX_NAMED)
    patterns = sorted({cluster["pattern"] for cluster in left_out})
    return build_condition(
        "nothing-watched",
        f"{vcenter.name} lists {format_count(len(left_out), 'cluster')} ({names}), and the fleet file leaves"
        f" out every one ({join_names(patterns, MAX_NAMED)}): nothing of {vcenter.name} is watched",
        detail={"listed": len(left_out), "patterns": [*patterns[:MAX_LISTED]]},
    )


def build_shrunk_listing_condition(
    vcenter: VCenterSettings, listed: Mapping[str, str], missing: list[FailedCluster], watched: list[str]
) -> Condition:
    """Build the condition of a listing that is empty or lacks over half of the watched clusters.

    It says nothing about any single cluster.

    Args:
        vcenter: The settings of the vCenter, for its name.
        listed: The names of all clusters that it lists, by id.
        missing: The clusters that the listing lacks.
        watched: The ids of the clusters that were watched before, and still are to be.
    """
    left = len(watched) - len(missing)
    what = f"only {left} of the {len(watched)} known clusters" if listed else "no cluster"
    names = sort_naturally([clean_text(cluster["name"]) for cluster in missing])
    lacking = f" (missing: {join_names(names, MAX_NAMED)})" if names else ""
    why = (
        "the account lost its permission, or what is missing was removed"
        if names
        else "it has none, or the account may see none"
    )
    return build_condition(
        "vcenter-authorization",
        f"{vcenter.name} lists {what}{lacking}: {why}",
        detail={"listed": left, "known": len(watched)},
    )


def list_listing_notices(
    listed: Mapping[str, str], known: Mapping[str, KnownCluster], after: Mapping[str, KnownCluster]
) -> list[str]:
    """List the notices of clusters that are new, watched again, or called otherwise.

    Args:
        listed: The names of the listed clusters by id.
        known: The clusters known before by id; a vCenter's first listing gives no notices.
        after: The clusters known now by id.
    """
    return [
        notice
        for cluster in listed
        if known and (notice := _describe_news(cluster, known.get(cluster), after[cluster]))
    ]


def _describe_news(cluster: str, before: KnownCluster | None, after: KnownCluster) -> str | None:
    name = after["name"]
    if before is None:
        return f"cluster {name} ({cluster}) is new"
    if before["retired_at"] is not None and after["retired_at"] is None:
        return f"cluster {name} ({cluster}) is watched again: it was retired at {before['retired_at']}"
    if before["name"] != name:
        return f"cluster {cluster} is now called {name}, before {before['name']}"
    return None
