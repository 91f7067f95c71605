"""One simulated vCenter: its state, and what it counted of its callers."""

import random
import uuid
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition, RLock
from typing import NamedTuple

from tests.simulator.at_once import AtOnce
from tests.simulator.certificates import CertificateKind
from tests.simulator.extraction import Extractions, Pace
from tests.simulator.faults import Faults
from tests.simulator.hosts import HostChanges
from tests.simulator.inventory import Inventory, Saved
from tests.simulator.sessions import PASSWORD, USER, Sessions

LIST_CLUSTERS = "System.Read"
READ_SETTINGS = "VcIntegrity.lifecycleSettings.Read"
READ_TASKS = "VcIntegrity.lifecycleGeneral.Read"
READ_SOFTWARE = "VcIntegrity.lifecycleSoftwareSpecification.Read"
ALL_PRIVILEGES = frozenset(
    {"System.Anonymous", "System.View", LIST_CLUSTERS, READ_SETTINGS, READ_TASKS, READ_SOFTWARE}
)
_JOURNAL_LENGTH = 10_000
_RELEASE = ("8.0.3", "24674346")
_DATACENTERS = {"datacenter-3": "DC-Nuremberg"}
_FOLDERS = {"group-h5": "host"}
_CLUSTER_CAP, _HOST_CAP = 1000, 2500


type State = tuple[str, str, str, float, CertificateKind, Pace, Saved]


class Call(NamedTuple):
    """One request that was answered; `status` is 0 where nothing was sent."""

    at: datetime
    method: str
    path: str
    status: int


class VCenter:
    """A vCenter in memory, safe to change from any thread while a server serves it.

    Clusters and hosts come and go in `inventory`, hosts change in `hosts`, extractions are paced in
    `extractions`, logins are counted in `sessions`, and `faults` go over the wire. `clock` is the time
    that everything goes by, `skew_seconds` how far the vCenter's own clock is ahead of it. `certificate` is
    what its server is to show: whoever has such certificates gives it that one.
    """

    def __init__(self, seed: int = 0, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.lock = RLock()
        self._called = Condition(self.lock)
        self.seed = seed
        self.skew_seconds = 0.0
        self._clock = clock
        self.instance_uuid = str(uuid.UUID(int=random.Random(seed).getrandbits(128), version=4))
        self.version, self.build = _RELEASE
        self.privileges = set(ALL_PRIVILEGES)
        self.certificate: CertificateKind = "good"
        self.datacenters, self.folders = dict(_DATACENTERS), dict(_FOLDERS)
        self.cluster_cap, self.host_cap = _CLUSTER_CAP, _HOST_CAP
        self.inventory = Inventory(self.lock, self._settle)
        self.hosts = HostChanges(self.inventory)
        self.extractions = Extractions(self.inventory, self.now, seed)
        self.sessions = Sessions(self.now)
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.requests_at_once = AtOnce()
        self.journal: deque[Call] = deque(maxlen=_JOURNAL_LENGTH)
        self.looks: Counter[str] = Counter()
        self.on_look: Callable[[str], None] = _nobody
        self.on_extract: Callable[[str], None] = _nobody
        self._remembered = self._state()

    def now(self) -> datetime:
        """The time by the vCenter's own clock."""
        return self._clock() + timedelta(seconds=self.skew_seconds)

    @property
    def knows_installed_images(self) -> bool:
        """Whether this release has the report at all: 8.0 U3 and later."""
        return tuple(int(part) for part in self.version.split(".")[:3]) >= (8, 0, 3)

    def extract_all(self) -> None:
        """Leave a report of each cluster, as somebody's earlier extraction would have."""
        with self.lock:
            for cluster in self.inventory.clusters:
                self.extractions.extract(cluster)

    def shuffle(self, cluster: str) -> None:
        """Extract a cluster again: same software; other times, ids of notifications and orders."""
        with self.lock:
            self.extractions.extract(self.inventory.cluster(cluster).cluster)

    def replace(self) -> None:
        """Put another vCenter at this address: same ids, another instance, nothing extracted, nobody in."""
        with self.lock:
            self.instance_uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, self.instance_uuid))
            self.extractions.reports.clear()
            self.extractions.tasks.clear()
            self.sessions.close_all()

    def revoke(self, *privileges: str) -> None:
        """Take privileges from the account; ALL_PRIVILEGES names them."""
        with self.lock:
            self.privileges -= set(privileges)

    def grant_all(self) -> None:
        """Give the account back all that it needs."""
        with self.lock:
            self.privileges = set(ALL_PRIVILEGES)

    def remember(self) -> None:
        """Take the present state as the one that `recover` brings back."""
        with self.lock:
            self._remembered = self._state()

    def recover(self) -> None:
        """Undo all that went wrong since `remember`; reports stay until the next extraction."""
        with self.lock:
            self.faults.clear()
            self.grant_all()
            self.sessions.accounts = {USER: PASSWORD}
            self.sessions.unlock()
            self.extractions.abandon()
            remembered = self._remembered
            self.instance_uuid, self.version, self.build, self.skew_seconds, *_, pace, saved = remembered
            self.certificate = remembered[4]
            self.extractions.pace = pace
            self.inventory.restore(saved)

    def clear(self) -> None:
        """Become a new vCenter: no cluster, no host, no report, nobody logged in, no fault."""
        with self.lock:
            self.recover()
            self.extractions.pace = Pace()
            self.version, self.build = _RELEASE
            self.skew_seconds, self.certificate = 0.0, "good"
            self.datacenters, self.folders = dict(_DATACENTERS), dict(_FOLDERS)
            self.cluster_cap, self.host_cap = _CLUSTER_CAP, _HOST_CAP
            self.extractions.reports.clear()
            self.extractions.tasks.clear()
            self.sessions.close_all()
            self.inventory.clear()
            self.looks.clear()
            self.on_look = self.on_extract = _nobody

    def looked(self, cluster: str) -> None:
        """Count a served report, and tell whoever plays a scenario."""
        self.looks[cluster] += 1
        self.on_look(cluster)

    def note(self, route: str, method: str, path: str, status: int) -> None:
        """Count an answered request, enter it into the journal, and wake those who wait."""
        with self._called:
            self.requests[route] += 1
            self.journal.append(Call(self.now(), method, path, status))
            self._called.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until the condition, tried after each request, holds; False if it did not in time."""
        with self._called:
            return self._called.wait_for(condition, timeout_seconds)

    def _settle(self) -> None:
        self.extractions.settle()

    def _state(self) -> State:
        identity = self.instance_uuid, self.version, self.build
        return *identity, self.skew_seconds, self.certificate, self.extractions.pace, self.inventory.saved()

    def counts(self) -> dict[str, object]:
        """What was counted so far, as JSON."""
        with self.lock:
            sessions = self.sessions
            return {
                "requests": dict(self.requests),
                "looks": dict(self.looks),
                "logins": [
                    {"at": x.at.isoformat(), "user": x.user, "accepted": x.accepted, "locked": x.locked}
                    for x in sessions.logins
                ],
                "refused_logins": sessions.refused_count,
                "sessions_open": sessions.open_count,
                "sessions_max_open": sessions.max_open,
                "requests_max_at_once": self.requests_at_once.most,
                "extractions": self.extractions.count,
            }


def _nobody(_cluster: str) -> None:
    """Nobody plays a scenario."""
