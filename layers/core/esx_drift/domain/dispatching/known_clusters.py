"""The clusters that a vCenter ever listed, as its log keeps them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import BLINDING_KINDS, HOST_KINDS
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.types import FailedCluster, KnownCluster, LogState
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally


def list_unwatched_clusters(
    known: Mapping[str, KnownCluster], vcenter: VCenterSettings
) -> list[FailedCluster]:
    """The clusters that a vCenter without a listing leaves unwatched."""
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
    """Which pattern leaves a cluster out; none if it is to be checked.

    That somebody renames it in the vCenter ends no watch: only who writes the fleet file decides that.
    """
    pattern = find_excluding_pattern(vcenter, cluster, name)
    if pattern is None or before is None or before["retired_at"] is not None:
        return pattern
    return pattern if find_excluding_pattern(vcenter, cluster, before["watched_as"]) is not None else None


def choose_names(
    vcenter: VCenterSettings, cluster: str, name: str, before: KnownCluster | None
) -> tuple[str, str]:
    """Its name, and the last one that no pattern left out."""
    is_left_out = find_excluding_pattern(vcenter, cluster, name) is not None
    return name, before["watched_as"] if before and is_left_out else name


def build_known_cluster(
    named: tuple[str, str],
    before: KnownCluster | None,
    listed: bool,  # noqa: FBT001  # one of the facts that an entry is made of
    pattern: str | None,
    now: str,
) -> KnownCluster:
    """A cluster as it is known from now on: what a pattern leaves out is retired, what is listed is watched.

    Whoever retired it believed it gone. Its time to be looked at begins anew when it is back.
    """
    name, watched_as = named
    known: KnownCluster = before or {
        "name": name,
        "watched_as": watched_as,
        "first_listed_at": now,
        "last_listed_at": now,
        "retired_at": None,
    }
    left_out = known["retired_at"] or now
    retired_at = left_out if pattern is not None else None if listed else known["retired_at"]
    is_back = known["retired_at"] is not None and retired_at is None
    return {
        "name": name,
        "watched_as": watched_as,
        "first_listed_at": now if is_back else known["first_listed_at"],
        "last_listed_at": now if listed else known["last_listed_at"],
        "retired_at": retired_at,
    }


OVERDUE_INTERVALS: Final = 3


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
        _build_overdue_condition(cluster, names[cluster], after["last_look_at"])
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
    return bool(kinds & BLINDING_KINDS) or (nobody and bool(kinds & HOST_KINDS))


def _build_overdue_condition(cluster: str, name: str, last_look_at: str | None) -> Condition:
    last = f"since {last_look_at}" if last_look_at else "so far"
    return build_condition(
        "check-overdue",
        f"{name} ({cluster}) has not been looked at {last}, and no failure says why",
        subject=cluster,
        detail={"cluster": cluster, "name": name, "last_look_at": last_look_at},
    )
