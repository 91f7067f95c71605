"""A refused password: the scenario `vcenter-authentication`, with the clock turned, not waited for."""

from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter, fault_kinds
from tests.simulator.scenarios import SCENARIOS

NAME, FLAKY = "vcenter-authentication", "flaky"


def test_a_refused_password_is_tried_twice_and_told_once(rig: Rig) -> None:
    """Then it is left alone, until somebody does what the message says."""
    vcenter, scenario = VCenter(), SCENARIOS[NAME]
    scenario.prepare(vcenter)
    rig.add_vcenter(NAME, vcenter)
    rig.put_fleet(rig.fleet(NAME))
    scenario.change(vcenter)
    for refused in (1, 1):
        assert rig.dispatch()["failed"][0]["reason"] == NAME
        assert vcenter.sessions.refused_count == refused
    assert rig.records(NAME)[-1]["findings"] == []
    for _ in range(2):
        rig.let_lockout_pass(NAME)
        rig.dispatch()
    assert vcenter.sessions.refused_count == 2
    assert [finding["kind"] for finding in rig.records(NAME)[-1]["findings"]] == [NAME]
    (told,) = until(lambda: _list_told(rig), "the refusal in Slack", 60)
    assert told.startswith("🔴 CRITICAL")
    scenario.heal(vcenter)
    rig.put_secret(f"vcenter/{NAME}", rig.vcenter_secret(NAME))
    rig.let_lockout_pass(NAME)
    assert len(rig.check()) == 2
    assert rig.records(NAME)[-1]["after"]["findings"] == {}


def test_a_right_password_that_was_refused_once_is_told_to_nobody(rig: Rig) -> None:
    """The second try lets us in."""
    vcenter = VCenter(1)
    SCENARIOS["healthy"].prepare(vcenter)
    rig.add_vcenter(FLAKY, vcenter)
    rig.put_fleet(rig.fleet(FLAKY))
    vcenter.faults.inject("POST /api/session", fault_kinds.status(401), times=1)
    assert rig.dispatch()["failed"][0]["reason"] == NAME
    rig.let_lockout_pass(FLAKY)
    assert len(rig.check()) == 2
    assert [event for record in rig.records(FLAKY) for event in record["events"]] == []


def _list_told(rig: Rig) -> list[str]:
    return [payload["text"] for payload in rig.slack.accepted if "login refused" in payload["text"]]
