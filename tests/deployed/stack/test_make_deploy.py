"""`make deploy` as a person runs it, without a terminal: it has nothing to ask."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.stack import Stack
from tests.paths import ROOT

NAME = "deployed-by-make"


def _make(local_aws: LocalAws, answers: Path, *said: str) -> str:
    ran = subprocess.run(
        ["make", "deploy", f"ANSWERS={answers}", *said],
        cwd=ROOT,
        env=local_aws.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def _list_changes() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.usefixtures("packaged")
def test_a_deployment_is_repeated_without_a_question_and_touches_no_tracked_file(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """What was said the first time holds the second time; only that is changed which is said then."""
    answers, before = tmp_path / "deployment.toml", _list_changes()
    _make(local_aws, answers, f"STACK={NAME}", "SET=ScheduleState=DISABLED CheckIntervalHours=2")
    _make(local_aws, answers, "SET=CheckIntervalHours=3")
    (stack,) = Stack(local_aws.aws, NAME).aws.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    chosen = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (chosen["ScheduleState"], chosen["CheckIntervalHours"]) == ("DISABLED", "3")
    assert chosen["Architecture"] == tomllib.loads(answers.read_text())["architecture"] == "x86_64"
    assert _list_changes() == before
