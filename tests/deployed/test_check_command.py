"""``esx-drift check`` against the deployed stack: asked for without waiting, followed to its end."""

import re

import pytest

from tests.deployed.stage import BY_HAND, I40EN, small
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import Rig
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]


@pytest.fixture
def check(run: Run, rig: Rig, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``esx-drift check`` on that stack, as its administrator; nobody is as patient as by default."""
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("esx_drift.cli.check.ROUND_SECONDS", 0.2)
    return lambda *arguments: run(
        "check", *arguments, "--wait", "--timeout", "180", "--stack", rig.stack.name
    )


def _rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()[3:]]


def test_a_check_is_asked_for_and_followed(rig: Rig, check: Run) -> None:
    """The whole fleet, with an extraction; one cluster that drifted meanwhile; a vCenter that is down."""
    model = small()
    rig.add_vcenter("followed", model)
    rig.put_fleet(rig.fleet("followed"))
    first = check()
    assert (first.code, first.err) == (0, "")
    assert _rows(first.out) == ["followed prod-a first copy saved 3 of 3 none"]
    (record,) = rig.records("followed")
    assert record["dispatch"] is not None
    assert record["dispatch"]["trigger"] == "direct"
    run_id = re.search(r"run ([0-9a-f-]{36})", first.out)
    assert run_id is not None
    assert record["run_id"] == run_id[1]

    model.hosts.set_component("esx01", I40EN, BY_HAND)
    second = check("prod-a")
    assert (second.code, second.err) == (1, "")
    assert _rows(second.out)[0] == "followed prod-a 1 change 3 of 3 2 warning"
    assert "prod-a on followed: 1 change, 2 findings opened" in _rows(second.out)
    shown = f"All of it: esx-drift show prod-a 2 --vcenter followed --stack {rig.stack.name}"
    assert any(row.startswith(shown) for row in _rows(second.out))

    rig.take_down("followed")
    third = check("--vcenter", "followed")
    assert third.code == 2
    assert "refused" in third.out
    rig.bring_up("followed")
    rig.await_quiet("CheckQueue")


def test_the_output_of_the_stack_is_a_command_that_works(rig: Rig) -> None:
    """Whoever deployed it pastes it."""
    output = rig.stack.outputs["CheckNowCommand"]
    assert output == f"esx-drift check --stack {rig.stack.name} --region eu-central-1"
