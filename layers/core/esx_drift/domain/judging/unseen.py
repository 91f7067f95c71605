"""The hosts that a look did not see, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from esx_drift.domain.images.coverage import Inventory
from esx_drift.domain.images.report import Report
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.shapes import Json, Severity, Snapshot
from esx_drift.domain.telling.wording import clean_text, format_moment
from esx_drift.domain.times import parse_time


@dataclass(frozen=True, slots=True)
class UncoveredHosts:
    """A report against the inventory. ``since``: when each uncovered host was last seen, as text."""

    report: Report
    snapshot: Snapshot
    inventory: Inventory
    now: datetime
    since: Mapping[str, str]
    blind_after: timedelta

    @property
    def hosts(self) -> list[str]:
        """The uncovered hosts of the inventory, in their natural order."""
        return sort_naturally(self.inventory.keys() - self.report.runs.keys())

    def host_name(self, host: str) -> str:
        """The host's name, harmless."""
        return clean_text(self.inventory[host].name)

    def rate(self, hosts: list[str], otherwise: Severity = "warning") -> Severity:
        """Critical if any was not seen for too long: making a look fail is how one hides something.

        What is harmless by itself (``info``) is so for ever, unless the host was seen before it began.
        """
        blind = [host for host in hosts if self._is_blind(host)]
        if otherwise == "info":
            blind = [host for host in blind if self.snapshot["hosts"][host]["image"] is not None]
        return "critical" if blind else otherwise

    def format_not_seen_since(self, host: str) -> str:
        """``, not seen since 16 Nov 02:14`` for a host that was not seen for too long, else nothing."""
        return f", not seen since {format_moment(self.since[host])} UTC" if self._is_blind(host) else ""

    def _is_blind(self, host: str) -> bool:
        return host in self.since and self.now - parse_time(self.since[host]) > self.blind_after

    def build_detail(self, host: str) -> dict[str, Json]:
        """What the inventory says of the host, and since when it is unseen."""
        seen = self.inventory[host]
        return {
            "name": clean_text(seen.name),
            "connection_state": seen.connection_state,
            "power_state": seen.power_state,
            "uncovered_since": self.since.get(host),
        }

    def format_unusual_state(self, host: str) -> str:
        """``, NOT_RESPONDING`` and the like, where the host is not as a host should be."""
        seen = self.inventory[host]
        unusual = [
            state for state in (seen.connection_state, seen.power_state) if state not in _USUAL and state
        ]
        return "".join(f", {clean_text(state)}" for state in unusual)


_USUAL = frozenset({"CONNECTED", "POWERED_ON"})
