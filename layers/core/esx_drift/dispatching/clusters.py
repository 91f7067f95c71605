"""What the clusters' own logs say, as far as a listing of their vCenter has to know it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from esx_drift.domain.dispatching.listing import Reconciled
from esx_drift.domain.dispatching.overdue import OVERDUE_INTERVALS, overdue
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.shapes import After, Finding
from esx_drift.domain.times import time_of
from esx_drift.failing import HIDING
from esx_drift.log import Log
from esx_drift.ports import Store, Topic


@dataclass(frozen=True, slots=True)
class ClusterLogs:
    """The logs of one vCenter's clusters. They are read only where something is amiss."""

    store: Store
    topic: Topic
    vcenter: str

    def after(self, cluster: str) -> After:
        """What the next check of the cluster begins from."""
        return Log(self.store, self.topic, self.vcenter, cluster).after()

    def untold(self, conditions: Iterable[Condition], findings: Mapping[str, Finding]) -> list[Condition]:
        """Without clusters that a check met as gone, or hidden, before the listing did: their logs tell it.

        What the vCenter's own log tells already (``findings``), it goes on telling.
        """
        return [
            one
            for one in conditions
            if one.kind != "cluster-missing" or one.fingerprint in findings or not self._tells(one.subject)
        ]

    def overdue(
        self, reconciled: Reconciled, findings: Iterable[Finding], seen_at: str, now: datetime, hours: int
    ) -> list[Condition]:
        """The clusters that nobody looked at within 3 intervals of so many hours, though they are listed.

        ``seen_at`` is since when the vCenter is seen without an outage. Those told as overdue (``findings``)
        are asked in any case.
        """
        limit = now - OVERDUE_INTERVALS * timedelta(hours=hours)
        told = {one["subject"] for one in findings if one["kind"] == "check-overdue"}
        logs = {
            cluster: self.after(cluster)
            for cluster in reconciled.since(limit)
            if cluster in told or time_of(seen_at) < limit
        }
        return overdue(reconciled.expected, logs, limit)

    def _tells(self, cluster: str) -> bool:
        return any(finding["kind"] in HIDING for finding in self.after(cluster)["findings"].values())
