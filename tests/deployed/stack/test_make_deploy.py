"""`make deploy` as a person runs it, with a terminal and without: it asks for a region at most, and once."""

import os
import pty
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from shutil import copy2, copytree, ignore_patterns

import pytest

from tests.lab.local_aws.aws import REGION
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import BUILT, TOOLS
from tests.lab.local_aws.stack import Stack
from tests.paths import ROOT

NAME = "deployed-by-make"
QUESTION = "AWS region, such as eu-central-1: "


def _make(
    environment: Mapping[str, str], answers: Path, *said: str, typed: str | None = None, checkout: Path = ROOT
) -> str:
    """What it printed; `typed` is what a person types into its terminal, which it else has none of."""
    terminal, stdin = pty.openpty() if typed is not None else (None, subprocess.DEVNULL)
    if terminal is not None:
        os.write(terminal, f"{typed}\n".encode())
    try:
        ran = subprocess.run(
            ["make", "deploy", f"ANSWERS={answers}", *said],
            cwd=checkout,
            env=environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    finally:
        if terminal is not None:
            os.close(terminal)
            os.close(stdin)
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
    _make(local_aws.environment, answers, f"STACK={NAME}", "SET=ScheduleState=DISABLED CheckIntervalHours=2")
    _make(local_aws.environment, answers, "SET=CheckIntervalHours=3")
    (stack,) = Stack(local_aws.aws, NAME).aws.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    chosen = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (chosen["ScheduleState"], chosen["CheckIntervalHours"]) == ("DISABLED", "3")
    assert chosen["Architecture"] == tomllib.loads(answers.read_text())["architecture"] == "x86_64"
    assert _list_changes() == before


@pytest.mark.usefixtures("packaged")
def test_a_region_that_nobody_named_is_asked_for_once(local_aws: LocalAws, tmp_path: Path) -> None:
    """Typed in at the first deployment; the upgrade after it asks nothing, and has no terminal to ask at."""
    answers, name = tmp_path / "deployment.toml", f"{NAME}-guided"
    nowhere = {key: value for key, value in local_aws.environment.items() if key != "AWS_DEFAULT_REGION"}
    said = f"STACK={name}", "SET=ScheduleState=DISABLED"
    assert QUESTION in _make(nowhere, answers, *said, typed=REGION)
    assert tomllib.loads(answers.read_text())["region"] == REGION
    assert QUESTION not in _make(nowhere, answers, "SET=LogLevel=DEBUG")
    # A person on another machine names what is to be upgraded; the stack keeps what was chosen for it.
    _make(local_aws.environment, tmp_path / "elsewhere.toml", f"STACK={name}", "SET=CheckIntervalHours=6")
    (stack,) = local_aws.aws.cloudformation.describe_stacks(StackName=name)["Stacks"]
    chosen = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (stack["StackStatus"], chosen["ScheduleState"], chosen["LogLevel"]) == (
        "UPDATE_COMPLETE",
        "DISABLED",
        "DEBUG",
    )


MACHINES = {"x86_64": 62, "arm64": 183}
"""What an ELF file says of its processor (System V ABI, e_machine)."""

COPIED = (
    "Makefile",
    "deploying.py",
    "pyproject.toml",
    "template.yaml",
    "samconfig.toml",
    "functions",
    "layers",
    "schemas",
    "tests/requirements",
)


def _copy_checkout(target: Path) -> None:
    """What `make deploy` reads, with its dates, by which make knows that the tools are up to date."""
    for name in COPIED:
        source, copied = ROOT / name, target / name
        copied.parent.mkdir(exist_ok=True)
        if source.is_dir():
            copytree(source, copied, symlinks=True, ignore=ignore_patterns("__pycache__"))
        else:
            copy2(source, copied)
    (target / ".tools").symlink_to(TOOLS)


def _list_machines(build: Path) -> set[int]:
    """The processors for which the native code of the layers was built."""
    return {int.from_bytes(path.read_bytes()[18:20], "little") for path in build.rglob("*.so")}


@pytest.mark.usefixtures("packaged")
def test_a_processor_and_tags_that_were_said_once_reach_build_and_stack(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """Without a container: wheels for the other processor come from the same index. An upgrade keeps both."""
    name = f"{NAME}-arm64"
    _copy_checkout(tmp_path)
    answers = tmp_path / "deployment.toml"
    said = f"STACK={name}", "SET=ScheduleState=DISABLED", "ARCH=arm64", "TAGS=team=platform"
    for given in (said, ("SET=LogLevel=DEBUG",)):
        _make(local_aws.environment, answers, *given, checkout=tmp_path)
        stack = Stack(local_aws.aws, name)
        checker = local_aws.aws.functions.get_function(FunctionName=stack.resources["CheckerFunction"])
        assert checker["Configuration"]["Architectures"] == ["arm64"]
        (made,) = local_aws.aws.cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert {"Key": "team", "Value": "platform"} in made["Tags"]
        assert _list_machines(tmp_path / ".aws-sam" / "build") == {MACHINES["arm64"]}
    assert _list_machines(BUILT) == {MACHINES["x86_64"]}
