"""Which log of a trail a person means by a name or an id, of today or of before.

By an id that its vCenter knows, nothing of other clusters is listed. By a name all logs of the vCenter are,
by their folders: one that was retired long ago, and that the vCenter forgot, may have had it, too. Only where
nothing is called so, former names are looked for.
"""

from collections.abc import Iterable, Iterator
from copy import replace
from itertools import pairwise
from typing import Final

from msgspec import Struct, field

from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef, make_record_prefix
from esx_drift.errors import TrailDamaged
from esx_drift.trail.past import TrailLogs, VCenterLog

MOST_READ_FOR_NAMES: Final = 128
"""So many records of a vCenter's own log are read for former names: each has all names of its moment."""


class NamedLogs(Struct, frozen=True):
    """What was found by a name or an id.

    Attributes:
        found: The logs that may be meant.
        known: All that were looked at.
        aside: What is damaged or foreign beside them: no part of any question about those that were found.
    """

    found: list[ClusterRef]
    known: list[ClusterRef]
    aside: list[TrailDamaged] = field(default_factory=list)


def find_named_logs(logs: TrailLogs, named: str, vcenter: str | None = None) -> NamedLogs:
    """Find the logs that a person may mean. What is damaged of them is noted with ``logs``.

    Args:
        logs: Those of the trail.
        named: A name or an id of a cluster, alone or behind its vCenter's name and a slash.
        vcenter: The vCenter to look in; none for all.
    """
    looked = TrailLogs(logs.files)
    vcenters = looked.read_vcenters(vcenter)
    known = [log for own in vcenters for log in own.list_logs()]
    identified = [log for log in known if log.strip_vcenter(named) == log.cluster]
    if not identified:
        known += [log for own in vcenters for log in looked.list_forgotten_logs(own)]
    elif any(log.cluster == named for log in identified):
        known += _find_by_id(looked, vcenters, named)
    found = [log for log in known if log.is_called(named)] or _find_former(looked, vcenters, named, known)
    # What its name was read from belongs to the answer; where nothing is found, anything may be why.
    of_vcenters = (make_record_prefix(log.vcenter, VCENTER_LOG) for log in found)
    prefixes = (*of_vcenters, *(log.record_prefix for log in found))
    own = [one for one in looked.damages if not found or one.key.startswith(prefixes)]
    logs.damages += own
    logs.adopt_digests(looked)
    return NamedLogs(found, known, [one for one in looked.damages if one not in own])


def _find_by_id(looked: TrailLogs, vcenters: Iterable[VCenterLog], cluster: str) -> Iterator[ClusterRef]:
    """Find the logs of the id ``cluster`` on those of the ``vcenters`` that do not know it any more."""
    for own in vcenters:
        if own.record is None:
            yield from looked.list_forgotten_logs(own)
        elif all(log.cluster != cluster for log in own.list_logs()):
            log = looked.read_newest_name(make_record_prefix(own.record["vcenter"], cluster))
            if log is not None:
                yield log


def _find_former(
    looked: TrailLogs, vcenters: Iterable[VCenterLog], named: str, known: Iterable[ClusterRef]
) -> list[ClusterRef]:
    """Find the logs whose clusters were once called so."""
    now = {(log.vcenter, log.cluster): log for log in known}
    found: dict[tuple[str, str], ClusterRef] = {}
    for own in vcenters:
        for log in _list_named(looked, own):
            if log.is_called(named):
                place, asked = (log.vcenter, log.cluster), log.strip_vcenter(named)
                last = now.get(place, log)
                found[place] = replace(last, former=None if last.name == asked else asked)
    return list(found.values())


def _list_named(looked: TrailLogs, own: VCenterLog) -> Iterator[ClusterRef]:
    """List what a vCenter's clusters were called at the moments at which any of it changed.

    Between two records that agree nothing is read. Else the one in the middle is, and so on, until the record
    before a change and the one of it are found. So one is missed that came and went between two that agree.
    """
    if own.record is None:
        return
    log = ClusterRef(own.record["vcenter"], VCENTER_LOG, VCENTER_LOG)
    at: dict[int, dict[str, str]] = {}
    wanted = sorted({0, len(own.numbers) - 1})
    while wanted:
        # Of a damaged one nothing is known: it agrees with none.
        at |= {place: {} for place in wanted}
        for record in looked.read_unlinked(log, [own.numbers[place] for place in wanted]):
            clusters = record["after"]["clusters"] or {}
            at[own.numbers.index(record["seq"])] = {each: one["name"] for each, one in clusters.items()}
        spans = [(one, other) for one, other in pairwise(sorted(at)) if other - one > 1]
        wanted = [(one + other) // 2 for one, other in spans if at[one] != at[other]]
        wanted = wanted[: MOST_READ_FOR_NAMES - len(at)]
    for place in sorted(at):
        yield from (ClusterRef(log.vcenter, cluster, name) for cluster, name in at[place].items())
