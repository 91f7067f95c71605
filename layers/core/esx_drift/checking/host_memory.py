"""What the logs of one vCenter know of hosts: one that is new in a cluster may have been in another.

Longer than 250 lines, because which logs are read, and what is found in them, is one search.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import batched, islice
from typing import Final

from msgspec import Struct, field

from esx_drift.checking.baseline import Baseline, BaselineReader
from esx_drift.checking.context import CheckContext
from esx_drift.domain.findings.vcenter_failures import SLOW_VCENTER_AFTER_SECONDS
from esx_drift.domain.host_history import (
    IndexedLog,
    RememberedHost,
    Uuids,
    find_host_label,
    find_host_last_seen,
    find_known_machines,
    normalize_host_name,
)
from esx_drift.domain.images.snapshot import find_host_image
from esx_drift.domain.stored.identifiers import VCENTER_LOG, find_machine, make_state_key
from esx_drift.domain.stored.types import ClusterName, list_accepted_keys
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import LogUnusable, OutOfTime, StoreUnavailable
from esx_drift.journal import Blob
from esx_drift.log_reader import LogEnd, LogReader

MAX_SEARCHED_LOGS: Final = 1_000
"""In the logs of so many other clusters a new host is looked for, with three GETs each where this process has
not read them as they are. A vCenter 8 has 2,500 hosts at most (VMware Configuration Maximums). Of more
clusters, those listed last are searched."""

MAX_LISTED_POINTERS: Final = 10_000
"""So many pointers of a vCenter's logs are listed, by ten requests. Where more lie there, somebody else wrote
them; a log whose pointer is none of these is read as if nothing were known of it."""

MAX_ASKED_HOSTS: Final = 96
"""So many hosts are asked for at once: as many as a cluster of vSphere 8 has, and a listing here may hold."""

TIME_TO_END_MS: Final = 120_000
"""With less time left, no further log is read: what may follow is one call to the vCenter, which takes 105 s
at most, and the writes of the check."""

type IsWanted = Callable[[str, str, str | None], bool]
"""Whether a host that is known by this id, this name and this UUID may be one that is asked for."""


class HostMemory(Struct, frozen=True):
    """What the logs of one vCenter know of hosts. The logs are read when a host is new; nothing is stored.

    Of what this process has read, ``context.host_index`` keeps which hosts each log knows: a log that has not
    moved since, and knows none of those that are asked for, is not read again.

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
        is_wanted = _build_filter(unknown, uuids)
        found = [entry for entry in left if is_wanted(entry.id, entry.name, entry.uuid)]
        found += self._list_departed(own, baseline, is_wanted, None) if baseline else ()
        for cluster, etag in self._list_other_logs():
            self._require_time()
            found += self._search_log(cluster, etag, is_wanted, own)
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

    def _list_other_logs(self) -> list[tuple[str, str | None]]:
        """The logs of the vCenter's other clusters, those listed last first, and the ETags of their pointers.

        What nothing points into was nearly always never looked at: it is left out. The ETag is none where
        there are too many pointers to list them all.
        """
        vcenter = self.context.vcenter.name
        clusters = self._list_other_clusters()
        self._forget_logs({self.context.request["cluster"], *clusters})
        listed = self.context.runtime.store.list_pointers(vcenter) if clusters else ()
        etags = dict(islice(listed, MAX_LISTED_POINTERS))
        is_whole = len(etags) < MAX_LISTED_POINTERS
        found = ((cluster, etags.get(make_state_key(vcenter, cluster))) for cluster in clusters)
        return [(cluster, etag) for cluster, etag in found if etag is not None or not is_whole]

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

    def _search_log(
        self, cluster: str, etag: str | None, is_wanted: IsWanted, own: BaselineReader
    ) -> Iterable[RememberedHost]:
        """Search the log of one other cluster. What can't be read of it, its own next check reports.

        Where the pointer still has the ``etag`` by which this process has read the log, it is read only if it
        knows who is asked for. What of it is converted is at hand for the ``own`` reader: what was accepted
        for a host goes with it.
        """
        indexed = self._indexed.get(cluster)
        if indexed is not None and indexed.etag == etag and not self._may_know(indexed, is_wanted):
            return ()
        reader = BaselineReader(self.context.runtime.store, self.context.vcenter.name, cluster)
        try:
            end = self._open_log(cluster).find_end()
            baseline = reader.read(end.after) if end is not None and end.after["snapshot"] else None
        except LogUnusable:
            return ()
        if end is not None:
            self._index_log(cluster, end, baseline)
        if end is None or baseline is None or not self._is_of_same_vcenter(end.after["instance_uuid"]):
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

    @property
    def _indexed(self) -> dict[str, IndexedLog]:
        """What this process has read of the vCenter's logs, by cluster."""
        return self.context.host_index.setdefault(self.context.vcenter.name, {})

    def _forget_logs(self, known: Container[str]) -> None:
        """Forget the logs of clusters that are not ``known`` any more."""
        for cluster in [cluster for cluster in self._indexed if cluster not in known]:
            del self._indexed[cluster]

    def _index_log(self, cluster: str, end: LogEnd, baseline: Baseline | None) -> None:
        """Keep which hosts a log knows, if that can't become otherwise while its pointer is the same.

        A pointer that is wrong, or a snapshot that can't be read, may be mended behind it.
        """
        if end.etag is None or end.is_behind or (baseline is None and end.after["snapshot"] is not None):
            return
        hosts = tuple(_list_known_hosts(baseline)) if baseline is not None else ()
        self._indexed[cluster] = IndexedLog(end.etag, end.after["instance_uuid"], hosts)

    def _may_know(self, indexed: IndexedLog, is_wanted: IsWanted) -> bool:
        """Whether a log that was read before knows hosts that may be those that are asked for."""
        is_of_same = self._is_of_same_vcenter(indexed.instance_uuid)
        return is_of_same and any(is_wanted(*host) for host in indexed.hosts)

    def _is_of_same_vcenter(self, instance_uuid: str | None) -> bool:
        """Whether a log is of the vCenter that answers now; another gives its ids to other hosts."""
        about = self.context.observations.about
        return about is not None and instance_uuid == about["instance_uuid"]

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


def _build_filter(unknown: Mapping[str, str], uuids: Uuids) -> IsWanted:
    """Build what tells of a known host whether it may be one of the ``unknown`` ones, by id: their names.

    Names are one as ``is_same_host_name`` says: hosts of two domains are two. ``uuids``: their machines.
    """
    names = {normalize_host_name(name) for name in unknown.values()}
    either = names | {find_host_label(name) for name in unknown.values()}
    machines = {find_machine(uuids.get(host)) for host in unknown} - {None}

    def is_wanted(host: str, name: str, uuid: str | None) -> bool:
        is_named = normalize_host_name(name) in either or find_host_label(name) in names
        return host in unknown or is_named or find_machine(uuid) in machines

    return is_wanted


def _list_known_hosts(baseline: Baseline) -> Iterator[tuple[str, str, str | None]]:
    """List the id, the name and the UUID of each host that a log knows, those that left among them."""
    uuids = find_known_machines(baseline.state)["uuids"]
    for host, known in baseline.snapshot["hosts"].items():
        yield host, known["name"], uuids.get(host)
    for host, gone in baseline.state["departed"].items():
        yield host, gone["name"], gone.get("uuid")
