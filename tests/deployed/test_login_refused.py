"""A refused password: the scenario `vcenter-authentication`, with the clock turned, not waited for."""

import json
from datetime import timedelta

from esx_drift.domain.stored.identifiers import make_breaker_key
from esx_drift.domain.text.times import format_time, parse_time

from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter, fault_kinds
from tests.simulator.scenarios import SCENARIOS

NAME, FLAKY = "vcenter-authentication", "flaky"
LOCKOUT = timedelta(seconds=180)


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
        _let_the_lockout_pass(rig, NAME)
        rig.dispatch()
    assert vcenter.sessions.refused_count == 2
    assert [finding["kind"] for finding in rig.records(NAME)[-1]["findings"]] == [NAME]
    (told,) = until(lambda: _list_told(rig), "the refusal in Slack", 60)
    assert told.startswith("🔴 CRITICAL")
    scenario.heal(vcenter)
    rig.put_secret(f"vcenter/{NAME}", rig.vcenter_secret(NAME))
    _let_the_lockout_pass(rig, NAME)
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
    _let_the_lockout_pass(rig, FLAKY)
    assert len(rig.check()) == 2
    assert [event for record in rig.records(FLAKY) for event in record["events"]] == []


def _let_the_lockout_pass(rig: Rig, name: str) -> None:
    """Let all that was tried have been tried three minutes earlier."""
    s3, key = rig.stack.aws.s3, make_breaker_key(name)
    breaker = json.loads(s3.get_object(Bucket=rig.state_bucket, Key=key)["Body"].read())
    for field in ("refused_at", "tried_at"):
        if breaker[field] is not None:
            breaker[field] = format_time(parse_time(breaker[field]) - LOCKOUT)
    s3.put_object(Bucket=rig.state_bucket, Key=key, Body=json.dumps(breaker).encode())


def _list_told(rig: Rig) -> list[str]:
    return [payload["text"] for payload in rig.slack.accepted if "login refused" in payload["text"]]
