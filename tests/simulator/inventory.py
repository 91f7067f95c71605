"""Clusters and hosts of one vCenter, and every way in which they change, in an operator's words."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy, replace
from dataclasses import dataclass, field
from threading import RLock
from typing import Literal

from tests.simulator import catalogue
from tests.simulator.wire import Level, ReportStatus
from tests.simulator.wire_software import Software

type HostNames = str | list[str]
type ConnectionState = Literal["CONNECTED", "DISCONNECTED", "NOT_RESPONDING"]
type PowerState = Literal["POWERED_ON", "POWERED_OFF", "STANDBY"]


_FIRST_NUMBERS = {"domain-c": 1000, "host-": 15}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an extraction ends: the report's status (None: it leaves no report) and the task's.

    `refused` is the 400 Unsupported that a cluster which can't be extracted answers at once.
    """

    status: ReportStatus | None = "SUCCESS"
    task: Literal["SUCCEEDED", "FAILED"] = "SUCCEEDED"
    refused: bool = False


@dataclass(slots=True)
class Cluster:
    """A cluster; `hidden` from the account when its permission on it was lost."""

    cluster: str
    name: str
    managed_by_image: bool = True
    datacenter: str = "datacenter-3"
    folder: str = "group-h5"
    ha_enabled: bool = True
    drs_enabled: bool = True
    hidden: bool = False
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(slots=True)
class Host:
    """A host and what really runs on it. `cluster` is None for a standalone host.

    `software` is never changed in place: reports already made share it. `notice` is a notification of its own
    in reports: level, text, and the message's id. `hidden` from the account: in reports, and in no list.
    """

    host: str
    name: str
    cluster: str | None
    software: Software
    host_uuid: str
    connection_state: ConnectionState = "CONNECTED"
    power_state: PowerState | None = "POWERED_ON"
    is_vsan_witness: bool = False
    orphaned_vibs: frozenset[str] = frozenset()
    extraction_error: str | None = None
    notice: tuple[Level, str, str] | None = None
    left_out: bool = False
    hidden: bool = False


type Saved = tuple[dict[str, Cluster], dict[str, Host]]


class Inventory:
    """What the vCenter manages. Each change holds the lock, after `before_change` was called."""

    def __init__(self, lock: RLock, before_change: Callable[[], None] = lambda: None) -> None:
        self.clusters: dict[str, Cluster] = {}
        self.hosts: dict[str, Host] = {}
        self._lock = lock
        self._before_change = before_change
        self._numbers = dict(_FIRST_NUMBERS)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for a change of several steps that no request may see half done."""
        with self._lock:
            self._before_change()
            yield

    def saved(self) -> Saved:
        """A copy to `restore` later."""
        with self._lock:
            return deepcopy((self.clusters, self.hosts))

    def restore(self, saved: Saved) -> None:
        """Make everything as it was when saved."""
        with self.changing():
            self.clusters, self.hosts = deepcopy(saved)

    def clear(self) -> None:
        """Forget every cluster and host, and start ids anew."""
        with self.changing():
            self.clusters, self.hosts = {}, {}
            self._numbers = dict(_FIRST_NUMBERS)

    def hosts_of(self, cluster: str) -> list[Host]:
        """The cluster's hosts in the order they came."""
        return [host for host in self.hosts.values() if host.cluster == cluster]

    def host(self, name: str) -> Host:
        """The host with this id or name; KeyError if there is none."""
        with self._lock:
            return self.hosts.get(name) or {host.name: host for host in self.hosts.values()}[name]

    def cluster(self, name: str) -> Cluster:
        """The cluster with this id or name; KeyError if there is none."""
        with self._lock:
            found = self.clusters.get(name)
            return found or {cluster.name: cluster for cluster in self.clusters.values()}[name]

    def add_cluster(self, name: str, cluster: str | None = None, *, managed_by_image: bool = True) -> str:
        """Add an empty cluster; its id, the first one's being domain-c9."""
        with self.changing():
            identity = cluster or ("domain-c9" if not self.clusters else self._next("domain-c", 8))
            self.clusters[identity] = Cluster(identity, name, managed_by_image)
            return identity

    def add_host(
        self, cluster: str | None, name: str, software: Software | None = None, host_uuid: str | None = None
    ) -> str:
        """Add a connected host to the cluster (None: standalone); its id. Each name is other hardware."""
        with self.changing():
            identity = self._next("host-", 1)
            home = None if cluster is None else self.cluster(cluster).cluster
            hardware = host_uuid or str(uuid.uuid5(uuid.NAMESPACE_DNS, name.casefold()))
            self.hosts[identity] = Host(identity, name, home, software or catalogue.software(), hardware)
            return identity

    def remove_host(self, name: str) -> None:
        """Take the host out of the vCenter."""
        with self.changing():
            del self.hosts[self.host(name).host]

    def re_add_host(self, name: str, new_name: str | None = None) -> str:
        """Take the host out and add it again: the same hardware under a new id, and maybe a new name."""
        with self.changing():
            gone = self.hosts.pop(self.host(name).host)
            identity = self._next("host-", 1)
            self.hosts[identity] = replace(gone, host=identity, name=new_name or gone.name)
            return identity

    def rename_cluster(self, name: str, new_name: str) -> None:
        """Give the cluster another name under the same id."""
        with self.changing():
            self.cluster(name).name = new_name

    def place_cluster(self, name: str, datacenter: str, folder: str) -> None:
        """Put the cluster into a datacenter and one of its host folders, by their ids."""
        with self.changing():
            self.cluster(name).datacenter, self.cluster(name).folder = datacenter, folder

    def remove_cluster(self, name: str) -> None:
        """Delete the cluster with its hosts."""
        with self.changing():
            gone = self.clusters.pop(self.cluster(name).cluster)
            self.hosts = {key: host for key, host in self.hosts.items() if host.cluster != gone.cluster}

    def hide_cluster(self, name: str, *, hidden: bool = True) -> None:
        """Take the account's permission on the cluster away: it vanishes from lists."""
        with self.changing():
            self.cluster(name).hidden = hidden

    def set_outcome(
        self,
        name: str,
        status: ReportStatus | None = "SUCCESS",
        task: Literal["SUCCEEDED", "FAILED"] = "SUCCEEDED",
        *,
        refused: bool = False,
    ) -> None:
        """Decide how the cluster's next extractions end."""
        with self.changing():
            self.cluster(name).outcome = Outcome(status, task, refused)

    def _next(self, prefix: str, step: int) -> str:
        self._numbers[prefix] += step
        return f"{prefix}{self._numbers[prefix]}"

    def picked(self, hosts: HostNames) -> list[Host]:
        """The hosts with these ids or names."""
        return [self.host(name) for name in ([hosts] if isinstance(hosts, str) else hosts)]
