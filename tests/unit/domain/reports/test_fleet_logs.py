"""The fleet in numbers, as the dashboard draws them."""

from dataclasses import replace
from datetime import timedelta

from esx_drift.domain.reports.fleet_logs import measure_fleet
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import format_time

from tests.unit.domain.reports.test_daily import NOW, head_of, logs_of
from tests.unit.events import finding

ORPHANED = finding("orphaned-vib", "orphaned-vib", "smntemp", "a VIB", severity="critical")
FAILED = finding("failure", "host-failed", "host-1", "a host")
UNREACHABLE = finding("failure", "vcenter-unreachable", "vc01", "a vCenter")


def test_the_oldest_report_and_all_that_is_open_count() -> None:
    """What is open about the vCenter too; a log without a look adds no hosts."""
    old = replace(head_of("prod-a", ORPHANED), reported_at=format_time(NOW - timedelta(hours=9)))
    new = replace(head_of("prod-b", FAILED), reported_at=format_time(NOW))
    unseen = replace(head_of("prod-c"), coverage=None)
    own = replace(head_of(VCENTER_LOG, UNREACHABLE), coverage=None)
    assert measure_fleet(logs_of(old, new, unseen, own), NOW) == {
        "vcenters": 1,
        "clusters": 3,
        "hosts": 8,
        "covered": 6,
        "findings": 3,
        "critical": 1,
        "oldest_report_seconds": 9 * 60 * 60,
    }
