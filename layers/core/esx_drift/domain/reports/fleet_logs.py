"""All logs of the fleet as their newest records leave them, as far as reports need that.

Longer than 250 lines, because the fleet is measured by what is kept of each log.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypedDict

from msgspec import Struct

from esx_drift.domain.dispatching.known_clusters import find_pattern_that_leaves_out
from esx_drift.domain.fleet.fleet import Fleet, Route, VCenterSettings, select_routes
from esx_drift.domain.fleet.rules import EVERYTHING
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key
from esx_drift.domain.stored.types import (
    Coverage,
    Finding,
    KnownCluster,
    Record,
    Snapshot,
    list_vouched_hosts,
)
from esx_drift.domain.text.times import parse_time

type LogName = tuple[str, str]
"""A vCenter's name, and a cluster's id or ``@vcenter``."""

type Reach = Callable[[LogName, str | None], bool]
"""Tells whether a route may hear of a log at all: its name, and the cluster's name (None: the vCenter)."""

EVERYBODY = Route("", "", "", "info", (), EVERYTHING, EVERYTHING)
"""Stands for the subscribers of the topic, where the fleet file has no route."""


class LogHead(Struct, frozen=True):
    """What the newest record of a log says.

    ``known`` are the clusters that a vCenter's own log knows, and ``standalone_hosts`` its hosts in none; a
    cluster's log has neither. ``uncovered``: names of hosts that the last look did not see.
    ``vouched``: the ids of hosts whose software a person accepted. ``reported_at``: when the vCenter made the
    report that was taken last. ``run_at``: when the schedule last ran on the vCenter, as far as it is known.
    """

    log: LogName
    name: str | None
    seq: int
    first_look_at: str | None
    coverage: Coverage | None
    findings: tuple[Finding, ...]
    snapshot_key: str | None
    uncovered: tuple[str, ...]
    known: Mapping[str, KnownCluster]
    standalone_hosts: int | None
    vouched: frozenset[str] = frozenset()
    reported_at: str | None = None
    run_at: str | None = None


def build_log_head(record: Record) -> LogHead:
    """Build what is kept of the newest record of a log."""
    after, dispatch = record["after"], record["dispatch"]
    return LogHead(
        log=(record["vcenter"], record["cluster"]),
        name=after["cluster_name"] or record["cluster_name"],
        seq=record["seq"],
        first_look_at=after["first_look_at"],
        coverage=after["coverage"],
        findings=tuple(after["findings"].values()),
        snapshot_key=after["snapshot"]["key"] if after["snapshot"] else None,
        uncovered=tuple(host["name"] for host in record["uncovered"]),
        known=after["clusters"] or {},
        standalone_hosts=dispatch["standalone_hosts"] if dispatch else None,
        vouched=list_vouched_hosts(after["accepted"]),
        reported_at=after["last_taken"]["completion_time"] if after["last_taken"] else None,
        run_at=record["checked_at"] if is_scheduled_run(record) else None,
    )


def is_scheduled_run(record: Record) -> bool:
    """Tell whether a record is of a whole run that the schedule began: of nobody's check, and of no retry."""
    dispatch = record["dispatch"]
    return dispatch is not None and dispatch["trigger"] == "schedule" and not dispatch["selected"]


class FleetLogs(Struct, frozen=True):
    """The logs of a fleet. ``keys`` are those of all states; ``heads`` the newest records that were read."""

    fleet: Fleet
    keys: frozenset[str]
    heads: Mapping[LogName, LogHead]

    def list_clusters(self, vcenter: VCenterSettings) -> dict[str, str]:
        """List the names of the clusters of ``vcenter`` that are to be checked, by id."""
        own = self.heads.get((vcenter.name, VCENTER_LOG))
        named = {
            head.log[1]: head.name or head.log[1]
            for head in self.heads.values()
            if head.log[0] == vcenter.name and head.log[1] != VCENTER_LOG
        }
        return list_watched_clusters(vcenter, own.known if own else {}, named)

    def list_watched(self) -> Iterator[tuple[LogName, str]]:
        """List all clusters that are to be checked, each with its name."""
        for vcenter in self.fleet.vcenters:
            for cluster, name in self.list_clusters(vcenter).items():
                yield (vcenter.name, cluster), name

    def list_heads(self) -> Iterator[LogHead]:
        """List what the logs of the fleet's vCenters, and of the clusters that are to be checked, say."""
        watched = {log for log, _ in self.list_watched()}
        watched |= {(vcenter.name, VCENTER_LOG) for vcenter in self.fleet.vcenters}
        return (head for log, head in self.heads.items() if log in watched)

    def has_record(self, log: LogName) -> bool:
        """Tell whether a log was ever begun."""
        return make_state_key(*log) in self.keys

    @property
    def recipients(self) -> tuple[Route, ...]:
        """The routes; where the fleet file has none, one that stands for all subscribers."""
        return self.fleet.routes or (EVERYBODY,)


RUN_WINDOW: Final = timedelta(hours=1)
"""How much later than two intervals a run may be, as the alarm on missing runs has it."""


class FleetMeasure(TypedDict):
    """The fleet in numbers.

    ``oldest_report_seconds``: the age of the oldest report that is in use. ``is_watched``: runs go on.
    """

    vcenters: int
    clusters: int
    hosts: int
    covered: int
    findings: int
    critical: int
    oldest_report_seconds: int | None
    is_watched: bool


def find_oldest_run(now: datetime, check_interval: timedelta) -> datetime:
    """Find since when the schedule, each ``check_interval``, must have run to be on time ``now``."""
    return now - 2 * check_interval - RUN_WINDOW


def measure_fleet(logs: FleetLogs, now: datetime, check_interval: timedelta) -> FleetMeasure:
    """Measure what ``logs``, all of them read, say of the fleet at the time ``now``.

    It is watched while the schedule's last run on each vCenter that has a log is no older than two of
    ``check_interval`` and an hour; also one that could not list it, since people are told of that. What
    persons ask for, and retries, are no runs of the schedule. A vCenter that is new in the fleet file has
    none before the next run.
    """
    heads = list(logs.list_heads())
    seen = [head.coverage for head in heads if head.coverage]
    findings = [finding for head in heads for finding in head.findings if not is_accepted(finding, head)]
    ages = [now - parse_time(head.reported_at) for head in heads if head.reported_at]
    known = (logs.heads.get((vcenter.name, VCENTER_LOG)) for vcenter in logs.fleet.vcenters)
    runs = [head.run_at for head in known if head is not None]
    due = find_oldest_run(now, check_interval)
    return {
        "vcenters": len(logs.fleet.vcenters),
        "clusters": len(list(logs.list_watched())),
        "hosts": sum(coverage["hosts"] for coverage in seen),
        "covered": sum(coverage["covered"] for coverage in seen),
        "findings": len(findings),
        "critical": sum(finding["severity"] == "critical" for finding in findings),
        "oldest_report_seconds": int(max(ages).total_seconds()) if ages else None,
        "is_watched": bool(runs)
        and all(at is not None and due <= parse_time(at) <= now + RUN_WINDOW for at in runs),
    }


def list_watched_clusters(
    vcenter: VCenterSettings | None, known: Mapping[str, KnownCluster], logged: Mapping[str, str]
) -> dict[str, str]:
    """List the names of the clusters of a vCenter that are to be checked, by id.

    Args:
        vcenter: Its settings, whose patterns leave clusters out; None: no pattern does.
        known: The clusters that its own log knows; those that are retired are left out.
        logged: The names of the clusters that have logs.
    """
    retired = {cluster for cluster, entry in known.items() if entry["retired_at"] is not None}
    names = {cluster: name for cluster, name in logged.items() if cluster not in retired}
    names |= {cluster: entry["name"] for cluster, entry in known.items() if cluster not in retired}
    return {
        cluster: name
        for cluster, name in names.items()
        if vcenter is None or find_pattern_that_leaves_out(vcenter, cluster, name, known.get(cluster)) is None
    }


def make_reach(route: Route) -> Reach:
    """Make what tells which logs are within the patterns of ``route``, whatever else it filters by."""
    bare = Fleet((), (replace(route, min_severity="info", families=()),))

    def reach(log: LogName, name: str | None) -> bool:
        vcenter, cluster = log
        cluster_id = None if cluster == VCENTER_LOG else cluster
        return bool(select_routes(bare, "report", "info", vcenter, cluster_id, name))

    return reach


def is_accepted(finding: Finding, head: LogHead) -> bool:
    """Tell whether a person accepted all that ``finding``, which is open in the log of ``head``, is about."""
    if not finding["hosts"] or not head.vouched.issuperset(finding["hosts"]):
        return False
    if finding["kind"] == "orphaned-vib":
        return not finding["detail"].get("not_accepted_on")
    unreviewed = {
        host for other in head.findings if other["kind"] == "drift-unreviewed" for host in other["hosts"]
    }
    return finding["kind"] == "image-not-uniform" and unreviewed.isdisjoint(finding["hosts"])


def hears_finding(route: Route, finding: Finding, head: LogHead) -> bool:
    """Tell whether ``route`` hears of ``finding``, which is open in the log of ``head``."""
    vcenter, cluster = head.log
    cluster_id = None if cluster == VCENTER_LOG else cluster
    return bool(
        select_routes(
            Fleet((), (route,)),
            finding["family"],
            finding["severity"],
            vcenter,
            cluster_id,
            head.name,
            _list_kinds(finding),
        )
    )


def _list_kinds(finding: Finding) -> frozenset[str] | None:
    """List as what a route may have named a finding, or the change that it began with; None: not known."""
    if finding["kind"] == "drift-unreviewed":
        return None
    vib = {"orphaned_vib", "added", "orphaned_vib:added"} if finding["kind"] == "orphaned-vib" else ()
    return frozenset({finding["kind"], *vib})


class RunningImage(NamedTuple):
    """An image that hosts run, by its ``digest``; of its ESXi the ``version``, and what people call it."""

    digest: str
    version: str
    release: str


def count_images(snapshot: Snapshot) -> Counter[RunningImage]:
    """Count how many hosts of ``snapshot`` run each image."""
    digests = Counter(host["image"] for host in snapshot["hosts"].values() if host["image"] is not None)
    running = Counter[RunningImage]()
    for digest, hosts in digests.items():
        image = snapshot["images"][digest]
        release = name_esxi_release(image, snapshot["labels"])
        running[RunningImage(digest, str(image["main"]["base_image"]), release)] = hosts
    return running
