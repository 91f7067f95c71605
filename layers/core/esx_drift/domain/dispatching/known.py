"""The clusters that a vCenter ever listed, as its log keeps them."""

from collections.abc import Mapping

from esx_drift.domain.fleets.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.shapes import FailedCluster, KnownCluster


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
