"""What the logs of one vCenter know of hosts: one that is new in a cluster may have been in another."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import Final

from esx_drift.checking.baseline import Baseline, BaselineReader
from esx_drift.checking.context import CheckContext
from esx_drift.domain.findings.vcenter_failures import SLOW_VCENTER_AFTER_SECONDS
from esx_drift.domain.host_history import (
    RememberedHost,
    Uuids,
    find_host_label,
    find_host_last_seen,
    find_known_machines,
)
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.identifiers import VCENTER_LOG, find_machine
from esx_drift.domain.stored.types import ClusterName, LogState, list_accepted_keys
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import LogUnusable, OutOfTime, StoreUnavailable
from esx_drift.journal import Blob
from esx_drift.log_reader import LogReader

MAX_SEARCHED_LOGS: Final = 1_000
"""In the logs of so many other clusters a new host is looked for, with three GETs each, or one where there
is no log yet. A vCenter 8 has 2,500 hosts at most (VMware Configuration Maximums). Of more clusters, those
listed last are searched."""

MAX_ASKED_HOSTS: Final = 96
"""So many hosts are asked for at once: as many as a cluster of vSphere 8 has, and a listing here may hold."""

TIME_TO_END_MS: Final = 120_000
"""With less time left, no further log is read: what may follow is one call to the vCenter, which takes 105 s
at most, and the writes of the check."""

type IsWanted = Callable[[str, str, str | None], bool]
"""Whether a host that is known by this id, this name and this UUID may be one that is asked for."""


@dataclass(frozen=True, slots=True)
class HostMemory:
    """What the logs of one vCenter know of hosts. There is no index: the logs are read when a host is new.

    ``blobs`` collects, by key, the converted snapshots that what was found refers to, and that are stored by
    nobody yet; ``taken`` the machines, by ``find_machine``, that the vCenter still has under other ids.
    """

    context: CheckContext
    blobs: dict[str, Blob] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def find(
        self,
        unknown: Mapping[str, str],
        left: Iterable[RememberedHost],
        uuids: Uuids,
        own: BaselineReader,
        baseline: Baseline | None,
    ) -> list[RememberedHost]:
        """Find what is known of hosts that may be the ``unknown`` ones.

        Args:
            unknown: The names of the hosts that the cluster's baseline does not know, by id.
            left: The hosts of that baseline that are not in the cluster any more.
            uuids: The UUIDs of the machines that the unknown hosts are, by id.
            own: Reads the snapshots of the cluster's own log.
            baseline: That log's baseline; None at a first look.

        Returns:
            All entries that have the id, the name or the UUID of one of them, of those that left, of this
            cluster's log and of others. Not among them is a host of another id that the vCenter still has.

        Raises:
            VCENTER_FAILURES: The vCenter did not say which of them it still has.
            StoreUnavailable: S3 did not answer, or too slowly: the check is made again, or the host would
                count as unknown.
            OutOfTime: The check began too late in this run to search all logs.
        """
        labels = {find_host_label(name) for name in unknown.values()}
        machines = {find_machine(uuids.get(host)) for host in unknown} - {None}

        def is_wanted(host: str, name: str, uuid: str | None) -> bool:
            return host in unknown or find_host_label(name) in labels or find_machine(uuid) in machines

        found = [entry for entry in left if is_wanted(entry.id, entry.name, entry.uuid)]
        found += self._list_departed(own, baseline, is_wanted, None) if baseline else ()
        for cluster in self._list_other_clusters():
            self._require_time()
            found += self._search_log(cluster, is_wanted, own)
        others = sorted({entry.id for entry in found} - unknown.keys())
        session = self.context.runtime.vcenters.session(self.context.vcenter.name)
        self.context.observations.at = "hosts"
        there = {
            host.id
            for some in batched(others, MAX_ASKED_HOSTS, strict=False)
            for host in session.find_hosts(some)
            if host.id not in unknown
        }
        taken = {find_machine(entry.uuid) for entry in found if entry.id in there}
        self.taken.update(machine for machine in taken if machine is not None)
        return [entry for entry in found if entry.id not in there]

    def _list_other_clusters(self) -> list[str]:
        """The clusters of the vCenter that are known, those listed last first."""
        known = self._open_log(VCENTER_LOG).read().after["clusters"]
        others = {
            cluster: entry
            for cluster, entry in (known or {}).items()
            if cluster != self.context.request["cluster"]
        }
        newest_first = sorted(others, key=lambda cluster: others[cluster]["last_listed_at"], reverse=True)
        return newest_first[:MAX_SEARCHED_LOGS]

    def _require_time(self) -> None:
        """Require that this run lasts long enough to read one more log and then to end the check."""
        runtime = self.context.runtime
        if runtime.time_left_ms() >= TIME_TO_END_MS:
            return
        sentence = "no time is left in this run to look for a new host in the logs of the other clusters"
        if runtime.clock() - self.context.started_at < timedelta(seconds=SLOW_VCENTER_AFTER_SECONDS):
            raise OutOfTime(sentence)
        raise StoreUnavailable(f"{sentence}, though the check had most of it for itself")

    def _search_log(self, cluster: str, is_wanted: IsWanted, own: BaselineReader) -> Iterable[RememberedHost]:
        """Search the log of one other cluster. What can't be read of it, its own next check reports.

        One that nothing points into costs one GET: nearly always it is a cluster that was never looked at.
        What of it is converted is at hand for the ``own`` reader: what was accepted for a host goes with it.
        """
        reader = BaselineReader(self.context.runtime.store, self.context.vcenter.name, cluster)
        try:
            end = self._open_log(cluster).find_end()
            if end is None or end.after["snapshot"] is None or not self._is_of_same_vcenter(end.after):
                return ()
            baseline = reader.read(end.after)
        except LogUnusable:
            return ()
        if baseline is None:
            return ()
        where: ClusterName = {"id": cluster, "name": end.after["cluster_name"] or cluster}
        found = [
            *self._list_present(baseline, is_wanted, where),
            *self._list_departed(reader, baseline, is_wanted, where),
        ]
        own.converted.update(reader.converted)
        named = {key for entry in found if entry.accepted for key in list_accepted_keys(entry.accepted)}
        self.blobs.update({blob.key: blob for blob in baseline.blobs if blob.key in named})
        return found

    def _is_of_same_vcenter(self, state: LogState) -> bool:
        """Whether a log is of the vCenter that answers now; another gives its ids to other hosts."""
        about = self.context.observations.about
        return about is not None and state["instance_uuid"] == about["instance_uuid"]

    def _open_log(self, cluster: str) -> LogReader:
        return LogReader(self.context.runtime.store, self.context.vcenter.name, cluster)

    def _list_present(
        self, baseline: Baseline, is_wanted: IsWanted, where: ClusterName
    ) -> Iterator[RememberedHost]:
        uuids = find_known_machines(baseline.state)["uuids"]
        for host, known in baseline.snapshot["hosts"].items():
            if is_wanted(host, known["name"], uuids.get(host)):
                yield RememberedHost(
                    host,
                    known["name"],
                    find_host_image(baseline.snapshot, known),
                    known["orphaned_vibs"],
                    parse_time(find_host_last_seen(baseline.state, host)),
                    where,
                    baseline.state["accepted"].get(host),
                    uuids.get(host),
                )

    def _list_departed(
        self,
        reader: BaselineReader,
        baseline: Baseline,
        is_wanted: IsWanted,
        where: ClusterName | None,
    ) -> Iterator[RememberedHost]:
        for host, gone in baseline.state["departed"].items():
            if is_wanted(host, gone["name"], gone.get("uuid")):
                kept = reader.find_snapshot(gone["snapshot"]) if gone["image"] else None
                yield RememberedHost(
                    host,
                    gone["name"],
                    kept["images"].get(str(gone["image"])) if kept else None,
                    gone["orphaned_vibs"],
                    parse_time(gone.get("seen_at", gone["left_at"])),
                    where,
                    baseline.state["accepted"].get(host) if where else None,
                    gone.get("uuid"),
                )
