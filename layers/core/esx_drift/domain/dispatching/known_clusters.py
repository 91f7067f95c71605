"""The clusters that a vCenter ever listed, as its log keeps them."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import BLINDING_KINDS, HOST_KINDS
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.types import (
    ExcludedCluster,
    FailedCluster,
    Finding,
    KnownCluster,
    LogState,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import MAX_LISTED, clean_text, format_count, join_names


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


MAX_NAMED: Final = 3
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
