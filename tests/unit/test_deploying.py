"""What `make deploy` keeps of what it was told, and what it asks of SAM."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deploying
from tests.unit.template.application import written

NOTHING = dict.fromkeys(("stack", "region", "architecture", "parameters", "tags"), "")
VALUES = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20))
"""Tags may have any name: team:owner, or one with blanks."""


def _settle(answers: dict[str, Any], **said: str) -> dict[str, Any]:
    return deploying.settle(answers, {**NOTHING, "region": "eu-central-1", **said})


@given(VALUES, VALUES)
def test_what_was_said_is_read_back(parameters: dict[str, str], tags: dict[str, str]) -> None:
    """Whatever a value holds: the next deployment is told the same."""
    settled = {**_settle({}), "parameters": parameters, "tags": tags}
    assert tomllib.loads(deploying.render(settled)) == settled


def test_what_is_said_once_holds_until_it_is_said_otherwise() -> None:
    """Parameter by parameter."""
    first = _settle(
        {}, architecture="arm64", parameters="AlarmEmail=a@example.com LogLevel=DEBUG", tags="team=v"
    )
    again = _settle(first, parameters="LogLevel=INFO")
    assert again == {
        "stack": "esx-drift",
        "region": "eu-central-1",
        "architecture": "arm64",
        "parameters": {"AlarmEmail": "a@example.com", "LogLevel": "INFO"},
        "tags": {"team": "v"},
    }
    command = deploying.build_command(again)
    assert {"AlarmEmail=a@example.com", "LogLevel=INFO", "Architecture=arm64", "team=v"} <= set(command)
    assert "--guided" not in command


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"architecture": "sparc"}, "ARCH=sparc: expected one of x86_64, arm64"),
        ({"parameters": "Architecture=arm64"}, "make deploy ARCH=arm64"),
        ({"parameters": "AlarmEmail"}, "parameters: expected NAME=VALUE, got 'AlarmEmail'"),
        ({"tags": "=x"}, "tags: expected NAME=VALUE"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    said: dict[str, str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is built, and in words."""
    with pytest.raises(SystemExit) as ended:
        _settle({}, **said)
    assert ended.value.code == deploying.TROUBLE
    assert why in capsys.readouterr().err


def test_answers_that_are_spoilt_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person may edit the file."""
    path = tmp_path / "deployment.toml"
    path.write_text("stack = \n")
    with pytest.raises(SystemExit):
        deploying.read_answers(path)
    assert f"{path} can't be read" in capsys.readouterr().err


def test_the_region_is_taken_from_where_awss_tools_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_REGION as well, which boto3 alone doesn't know."""
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert deploying.settle({}, NOTHING)["region"] == "eu-west-3"


def test_every_parameter_has_a_default() -> None:
    """So that there is nothing to ask."""
    assert all("Default" in parameter for parameter in written()["Parameters"].values())


def test_what_was_answered_is_no_change_of_the_checkout() -> None:
    """It lies where git does not look, so that the next `git pull` meets nothing."""
    assert "/deployment.toml" in (deploying.HERE / ".gitignore").read_text().splitlines()
