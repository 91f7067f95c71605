"""The doctor, asked on the deployed stack: by the functions' own roles, from where the checks run."""

from typing import TYPE_CHECKING

import pytest
from esx_drift.contracts import list_violations

from tests.deployed.stage import small
from tests.lab.local_aws.rig import Rig

if TYPE_CHECKING:
    from esx_drift.doctoring.examination import StepResult


@pytest.fixture(scope="module")
def fleet(rig: Rig) -> Rig:
    """A fleet of one small vCenter, and a route to a Slack that answers."""
    rig.add_vcenter("good", small())
    rig.put_fleet(rig.fleet("good"))
    return rig


def _asked(rig: Rig, function: str) -> "dict[str, list[StepResult]]":
    reply = rig.stack.invoke(function, {"doctor": {}})
    assert list_violations("doctor-reply", reply) == []
    assert isinstance(reply, dict)
    lines: list[StepResult] = reply["lines"]
    return {
        about: [one for one in lines if one["about"] == about] for about in {one["about"] for one in lines}
    }


def _not_ok(lines: "list[StepResult]") -> list[str]:
    return [f"{one['step']}: {one['said']}" for one in lines if one["outcome"] == "failed"]


def test_all_is_well_with_aws_and_the_vcenter(fleet: Rig) -> None:
    """Step by step in the order in which one needs the other; and no session stays open."""
    found = _asked(fleet, "CheckerFunction")
    assert [_not_ok(lines) for lines in found.values()] == [[]] * len(found)
    assert {one["step"] for one in found["AWS"]} >= {"StateBucket", "AuditBucket", "DriftTopic", "CheckQueue"}
    steps = [one["step"] for one in found["good"]]
    order = ["dns", "tcp", "tls", "clock", "login", "version", "inventory", "report", "tasks", "extraction"]
    assert [step for step in steps if step in order] == order
    assert fleet.vcenters["good"].sessions.open_count == 0


def test_each_route_is_examined_where_messages_are_sent_from(fleet: Rig) -> None:
    """Without sending anything."""
    before = len(fleet.slack.accepted)
    found = _asked(fleet, "SenderFunction")
    assert [_not_ok(lines) for lines in found.values()] == [[]] * len(found)
    assert len(fleet.slack.accepted) == before


def test_a_privilege_that_is_missing_is_named_with_its_fix(fleet: Rig) -> None:
    """What comes before is well, and what needs it is not tried."""
    fleet.vcenters["good"].revoke("VcIntegrity.lifecycleSettings.Read")
    lines = {one["step"]: one for one in _asked(fleet, "CheckerFunction")["good"]}
    assert lines["inventory"]["outcome"] == "ok"
    assert lines["report"]["outcome"] == "failed"
    assert "VcIntegrity.lifecycleSettings.Read" in lines["report"]["fix"]
    assert lines["extraction"]["outcome"] == "untried"
    fleet.vcenters["good"].grant_all()
