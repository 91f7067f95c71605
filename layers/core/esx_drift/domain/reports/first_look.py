"""The first look: one message for the fleet, and one for clusters that join it later."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from esx_drift.domain.fleet.fleet import Route
from esx_drift.domain.reports.fleet_logs import FleetLogs, LogHead, LogName, Reach, RunningImage
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally

MAX_LISTED_NAMES: Final = 50
"""Of each list in a report; its total is exact. A message names no more than ten of any."""

OLD_LOOK: Final = timedelta(days=1)
"""Where nothing is kept of what was told, first looks older than this count as told: versions before this
one told each by itself."""

FIRST_LOOK_FAMILIES: Final = frozenset({"report", "baseline"})
"""A route that names families hears of first looks if one of these is among them."""


class FirstLooks(Struct, frozen=True):
    """The clusters whose first look is to be told now.

    ``is_fleet``: it is the fleet's own first look. Then ``missing`` are clusters that nobody has seen yet,
    and ``unlisted`` vCenters that never said which clusters they have.
    """

    heads: tuple[LogHead, ...]
    missing: tuple[tuple[LogName, str], ...]
    unlisted: tuple[str, ...]
    is_fleet: bool


def list_old_looks(logs: FleetLogs, now: datetime) -> list[str]:
    """List the clusters of ``logs`` whose first look was long before ``now``, by their states' keys."""
    return sorted(
        make_state_key(*head.log)
        for head in logs.heads.values()
        if _is_looked_at(head) and parse_time(str(head.first_look_at)) < now - OLD_LOOK
    )


def choose_first_looks(
    logs: FleetLogs, looked: Collection[str], now: datetime, patience: timedelta, *, is_fleet: bool
) -> FirstLooks | None:
    """Choose whose first look is to be told now.

    It waits until all that is expected has a record, so that there is one message; but for no longer than
    ``patience`` after the oldest look that was not told yet.

    Args:
        logs: All logs.
        looked: The clusters whose first look was told, by the keys of their states.
        now: The time.
        patience: How long to wait for the others: one interval of checks.
        is_fleet: Whether the fleet's own first look is still to be told.

    Returns:
        None if there is nothing to tell yet.
    """
    watched = dict(logs.list_watched())
    new = [
        head for head in logs.list_heads() if _is_looked_at(head) and make_state_key(*head.log) not in looked
    ]
    if not new:
        return None
    begun = min(parse_time(str(head.first_look_at)) for head in new)
    unlisted = tuple(
        vcenter.name
        for vcenter in logs.fleet.vcenters
        if is_fleet and not _is_listed(logs.heads.get((vcenter.name, VCENTER_LOG)))
    )
    is_awaited = bool(unlisted) or not all(map(logs.has_record, watched))
    if is_awaited and now < begun + patience:
        return None
    seen = {head.log for head in new}
    missing = tuple((log, name) for log, name in watched.items() if is_fleet and log not in seen)
    return FirstLooks(tuple(new), missing, unlisted, is_fleet)


def _is_looked_at(head: LogHead) -> bool:
    return head.log[1] != VCENTER_LOG and head.first_look_at is not None


def _is_listed(head: LogHead | None) -> bool:
    return head is not None and head.first_look_at is not None


def hears_first_look(route: Route) -> bool:
    """Tell whether ``route`` wants to hear of first looks: nothing in them is worse than information."""
    return route.min_severity == "info" and (
        not route.families or bool(FIRST_LOOK_FAMILIES.intersection(route.families))
    )


def build_first_look(
    looks: FirstLooks, logs: FleetLogs, running: Mapping[LogName, Counter[RunningImage]], reach: Reach
) -> dict[str, Json] | None:
    """Build what is reported of first looks.

    Args:
        looks: The clusters.
        logs: All logs.
        running: How many hosts of each cluster run which image; a cluster may be missing.
        reach: Which logs the route is about.

    Returns:
        None if the route is about none of the clusters.
    """
    heads = [head for head in looks.heads if reach(head.log, head.name)]
    if not heads:
        return None
    vcenters = {head.log[0] for head in heads}
    images = sum((running.get(head.log, Counter()) for head in heads), Counter[RunningImage]())
    unread = [name for head in heads for name in head.uncovered]
    missing = [f"{name} ({log[0]})" for log, name in looks.missing if reach(log, name)]
    missing += [name for name in looks.unlisted if reach((name, VCENTER_LOG), None)]
    return {
        "scope": "fleet" if looks.is_fleet else "joined",
        "clusters": list_with_total([f"{head.name} ({head.log[0]})" for head in heads]),
        "vcenters": list_with_total(vcenters),
        "hosts": sum_coverage(heads),
        "images": len({image.digest for image in images}),
        "releases": _list_releases(images),
        "orphaned_vibs": _count_orphaned_vibs(heads),
        "not_uniform": list_with_total(
            f"{head.name} ({head.log[0]})" for head in heads if _has_kind(head, "image-not-uniform")
        ),
        "unread_hosts": list_with_total(unread),
        "standalone_hosts": _count_standalone(logs, vcenters) if looks.is_fleet else None,
        "missing": list_with_total(missing),
    }


def list_with_total(names: Iterable[str]) -> dict[str, Json]:
    """List ``names`` in their natural order, no more than ``MAX_LISTED_NAMES``, and how many there are."""
    ordered = sort_naturally(names)
    listed: list[Json] = [*ordered[:MAX_LISTED_NAMES]]
    return {"total": len(ordered), "listed": listed}


def sum_coverage(heads: Iterable[LogHead]) -> dict[str, Json]:
    """Sum how many hosts the clusters have, and how many of them the last looks saw."""
    coverages = [head.coverage for head in heads if head.coverage]
    return {
        "hosts": sum(coverage["hosts"] for coverage in coverages),
        "covered": sum(coverage["covered"] for coverage in coverages),
    }


def _list_releases(images: Mapping[RunningImage, int]) -> list[Json]:
    """List releases with how many hosts run each, the most first."""
    running = Counter[tuple[str, str]]()
    for image, hosts in images.items():
        running[image.release, image.version] += hosts
    most_first = sorted(running.items(), key=lambda one: (-one[1], one[0]))
    return [
        {"release": release, "version": version, "hosts": hosts}
        for (release, version), hosts in most_first[:MAX_LISTED_NAMES]
    ]


def _count_orphaned_vibs(heads: Iterable[LogHead]) -> dict[str, Json]:
    """Count kinds of VIBs by their names and versions, and the hosts that have any."""
    found = [
        (finding["subject"], head.log, host)
        for head in heads
        for finding in head.findings
        if finding["kind"] == "orphaned-vib"
        for host in finding["hosts"]
    ]
    return {
        "vibs": len({vib for vib, _, _ in found}),
        "hosts": len({(log, host) for _, log, host in found}),
    }


def _has_kind(head: LogHead, kind: str) -> bool:
    return any(finding["kind"] == kind for finding in head.findings)


def _count_standalone(logs: FleetLogs, vcenters: Iterable[str]) -> int:
    heads = (logs.heads.get((vcenter, VCENTER_LOG)) for vcenter in vcenters)
    return sum(head.standalone_hosts or 0 for head in heads if head)
