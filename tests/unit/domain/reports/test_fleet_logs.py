"""The fleet in numbers, as the dashboard draws them."""

from copy import replace
from datetime import timedelta

import pytest
from esx_drift.domain.fleet.fleet import Fleet, VCenterSettings
from esx_drift.domain.reports.fleet_logs import measure_fleet
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import format_time

from tests.unit.domain.reports.test_daily import NOW, head_of, logs_of
from tests.unit.events import finding

INTERVAL = timedelta(hours=4)
ORPHANED = finding("orphaned-vib", "orphaned-vib", "smntemp", "a VIB", severity="critical")
FAILED = finding("failure", "host-failed", "host-1", "a host")
UNREACHABLE = finding("failure", "vcenter-unreachable", "vc01", "a vCenter")


def test_the_oldest_report_and_all_that_is_open_count() -> None:
    """What is open about the vCenter too; a log without a look adds no hosts."""
    old = replace(head_of("prod-a", ORPHANED), reported_at=format_time(NOW - timedelta(hours=9)))
    new = replace(head_of("prod-b", FAILED), reported_at=format_time(NOW))
    unseen = replace(head_of("prod-c"), coverage=None)
    own = replace(head_of(VCENTER_LOG, UNREACHABLE), coverage=None, run_at=format_time(NOW))
    assert measure_fleet(logs_of(old, new, unseen, own), NOW, INTERVAL) == {
        "vcenters": 1,
        "clusters": 3,
        "hosts": 8,
        "covered": 6,
        "findings": 3,
        "critical": 1,
        "oldest_report_seconds": 9 * 60 * 60,
        "is_watched": True,
    }


PATIENCE = timedelta(hours=9)


@pytest.mark.parametrize(
    ("ago", "is_watched"),
    [
        (PATIENCE, True),
        (PATIENCE + timedelta(seconds=1), False),
        (timedelta(hours=-1), True),
        (timedelta(hours=-1, seconds=-1), False),
    ],
)
def test_runs_go_on_while_each_vcenter_s_own_log_does(ago: timedelta, is_watched: bool) -> None:  # noqa: FBT001
    """Whatever became of the listing: people are told of one that failed."""
    own = replace(head_of(VCENTER_LOG), run_at=format_time(NOW - ago))
    assert measure_fleet(logs_of(own, head_of("prod-a")), NOW, INTERVAL)["is_watched"] is is_watched


def test_a_vcenter_that_no_run_met_yet_changes_nothing() -> None:
    """It was just put into the fleet file: the others say whether runs go on, and without any none does."""
    vcenters = (VCenterSettings("vc01"), VCenterSettings("vc02"))
    own = replace(head_of(VCENTER_LOG), run_at=format_time(NOW))
    grown = replace(logs_of(own), fleet=Fleet(vcenters))
    assert measure_fleet(grown, NOW, INTERVAL)["is_watched"]
    assert not measure_fleet(logs_of(head_of("prod-a")), NOW, INTERVAL)["is_watched"]
    silent = replace(own, log=("vc02", VCENTER_LOG), run_at=None)
    assert not measure_fleet(replace(logs_of(own, silent), fleet=grown.fleet), NOW, INTERVAL)["is_watched"]


def test_what_a_person_accepted_is_not_open() -> None:
    """The dashboard shows the number that the daily report does."""
    vib = finding("orphaned-vib", "orphaned-vib", "smntemp", "a VIB", hosts=["host-1"])
    head = replace(head_of("prod-a", vib), vouched=frozenset({"host-1"}))
    measure = measure_fleet(logs_of(head), NOW, INTERVAL)
    assert (measure["findings"], measure["critical"]) == (0, 0)
