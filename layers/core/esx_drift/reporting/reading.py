"""All logs, read for reports: where each stands, and what happened in it since a time."""

from collections import Counter
from collections.abc import Callable, Iterable
from copy import replace
from datetime import datetime
from typing import Final

from aws_lambda_powertools import Logger
from msgspec import Struct

from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.images.snapshot import upgrade_snapshot
from esx_drift.domain.reports.daily import DayRecord, summarize_record
from esx_drift.domain.reports.fleet_logs import (
    FleetLogs,
    LogHead,
    LogName,
    RunningImage,
    build_log_head,
    count_images,
)
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_prefix
from esx_drift.domain.text.times import format_time
from esx_drift.errors import TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import Logs

logger = Logger(child=True)

MAX_DAY_RECORDS: Final = 500
"""Of one log, for one day: checks every hour, and a vCenter that is tried every ten minutes, are 200."""


class FoundLogs(Struct, frozen=True):
    """The logs, and the keys of the states of those whose newest record could not be read."""

    logs: FleetLogs
    unread: frozenset[str]


class LogsReader(Struct, frozen=True):
    """Reads the logs of a fleet's vCenters, several at once, and writes nothing."""

    store: Logs
    fleet: Fleet

    def list_keys(self) -> frozenset[str]:
        """List the keys of the states of the fleet's logs; other vCenters' stay where they are, unread."""
        own = tuple(make_state_prefix(vcenter.name) for vcenter in self.fleet.vcenters)
        return frozenset(key for key in self.store.list_states() if key.startswith(own))

    def read_heads(self, keys: frozenset[str], chosen: Callable[[str], bool]) -> FoundLogs:
        """Read where logs stand: those of vCenters, and the ``chosen`` ones among all others of ``keys``."""
        asked = sorted(key for key in keys if key.endswith(f"/{VCENTER_LOG}.json") or chosen(key))
        found = dict(zip(asked, read_all(self._read_head, asked), strict=True))
        heads = {head.log: head for head in found.values() if head is not None}
        unread = frozenset(key for key, head in found.items() if head is None)
        if unread:
            logger.warning("logs not read", keys=sorted(unread))
        return FoundLogs(FleetLogs(self.fleet, keys, heads), unread)

    def read_since(self, heads: Iterable[LogHead], begin: datetime) -> dict[LogName, list[DayRecord]]:
        """Read what each log of ``heads`` has since ``begin``, the oldest first, without what is damaged."""
        logs = list(heads)
        found = read_all(lambda head: self._read_back(head, begin), logs)
        return {head.log: records for head, records in zip(logs, found, strict=True)}

    def find_runs(self, logs: FleetLogs, begin: datetime) -> FleetLogs:
        """Find in ``logs``, since ``begin``, when the schedule ran where the newest record is of no run.

        Of one whose log began since then, that is when it last ran: there may have been no run yet.
        """
        vcenters = [head for head in logs.list_heads() if head.log[1] == VCENTER_LOG and head.run_at is None]
        heads = dict(logs.heads)
        for log, records in self.read_since(vcenters, begin).items():
            runs = [record for record in records if record.asked is not None]
            last = runs[-1:] or (records[:1] if len(records) == heads[log].seq else [])
            if last:
                heads[log] = replace(heads[log], run_at=format_time(last[0].checked_at))
        return replace(logs, heads=heads)

    def count_images(self, heads: Iterable[LogHead]) -> dict[LogName, Counter[RunningImage]]:
        """Count by image the hosts of each cluster; none of one whose snapshot can't be read."""
        keys = {head.log: head.snapshot_key for head in heads if head.snapshot_key}
        return dict(zip(keys, read_all(self._count_images, keys.values()), strict=True))

    def _read_head(self, key: str) -> LogHead | None:
        record = self.store.read_newest_record(key)
        return None if record is None else build_log_head(record)

    def _read_back(self, head: LogHead, begin: datetime) -> list[DayRecord]:
        records: list[DayRecord] = []
        for seq in range(head.seq, max(0, head.seq - MAX_DAY_RECORDS), -1):
            found = self.store.read_record(*head.log, seq)
            record = found.record if found else None
            if record is None or (record["vcenter"], record["cluster"], record["seq"]) != (*head.log, seq):
                continue
            summary = summarize_record(record)
            if summary.checked_at < begin:
                break
            records.append(summary)
        return records[::-1]

    def _count_images(self, key: str) -> Counter[RunningImage]:
        try:
            return count_images(upgrade_snapshot(self.store.snapshot(key)).snapshot)
        except TrailDamaged as damage:
            logger.warning("snapshot not read", why=damage.message)
            return Counter()
