"""Checks that never come to an end: the scenario `check-overdue`, with the clock turned, not waited for."""

from datetime import timedelta
from typing import Any

from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import format_time, parse_time

from tests.lab.local_aws.rig import Rig
from tests.simulator import VCenter
from tests.simulator.extraction import Pace
from tests.simulator.scenarios import SCENARIOS
from tests.unit.logs import leave_log

NAME, CLUSTER = "check-overdue", "domain-c9"
OVERDUE = timedelta(hours=3 * 4 + 1)
"""Three check intervals of four hours, and a bit."""


def test_a_cluster_whose_checks_never_end_is_told_and_heals(rig: Rig) -> None:
    """Critical, of that cluster alone, once; the next look ends it."""
    vcenter, scenario = VCenter(), SCENARIOS[NAME]
    scenario.prepare(vcenter)
    vcenter.extractions.pace = Pace(())
    vcenter.remember()
    rig.add_vcenter(NAME, vcenter)
    rig.put_fleet(rig.fleet())
    rig.check()
    scenario.change(vcenter)
    with rig.without_checker():
        _turn_the_clock(rig, CLUSTER)
        waiting = rig.dispatch()["dispatched"]
        (told,) = rig.records(NAME)[-1]["findings"]
        assert (told["kind"], told["severity"], told["subject"]) == (NAME, "critical", CLUSTER)
        assert told["transition"] == "opened"
        scenario.heal(vcenter)
    for one in waiting:
        rig.await_answer(NAME, one["cluster"], one["request_id"])
    rig.check()
    (last,) = rig.records(NAME)[-1]["findings"]
    assert (last["transition"], last["resolved_because"]) == ("resolved", "recovered")
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    assert vcenter.sessions.open_count == 0


def _turn_the_clock(rig: Rig, cluster: str) -> None:
    """Let the last look at a cluster, and the first listing of its vCenter, have been long ago."""
    for log in (cluster, VCENTER_LOG):
        after: Any = rig.log_end(NAME, log).after
        for known in (after, (after["clusters"] or {}).get(cluster, {})):
            for name in {"first_look_at", "last_look_at", "first_listed_at"} & known.keys():
                known[name] = format_time(parse_time(known[name]) - OVERDUE)
        leave_log(rig.store, NAME, log, after)
