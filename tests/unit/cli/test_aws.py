"""Which AWS a command asks, and what it says where that is not to be had. ``status`` stands for all."""

from pathlib import Path
from typing import Any

import pytest
import typer.main
from esx_drift.cli.app import app
from esx_drift.cli.aws import open_stack
from esx_drift.cli.options import StackOptions

from tests.test_readme import walk
from tests.unit.cli.conftest import CloudFormation, Run
from tests.unit.template.application import resources

KEY = "FOOBARKEY"
"""moto's own."""

SETTINGS = """\
[default]
region = eu-west-1
[profile test-stack]
region = ap-south-1
[profile no-region]
"""

WITHOUT_AWS = {("validate",)}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own AWS settings, with nothing in the environment but keys."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "ESX_DRIFT_STACK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(SETTINGS)
    keys = (f"[{name}]\naws_access_key_id = {name}\naws_secret_access_key = x\n" for name in ("test-stack",))
    (tmp_path / "credentials").write_text("".join(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("aws", "stack", "settings")
@pytest.mark.parametrize(
    ("environment", "arguments", "scope"),
    [
        pytest.param({}, (), f"{KEY}/*/eu-west-1/", id="settings"),
        pytest.param(
            {"AWS_DEFAULT_REGION": "us-east-2"}, (), f"{KEY}/*/us-east-2/", id="boto3's own variable"
        ),
        pytest.param({"AWS_REGION": "us-west-2"}, (), f"{KEY}/*/us-west-2/", id="AWS_REGION"),
        pytest.param(
            {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"},
            (),
            f"{KEY}/*/us-west-2/",
            id="both",
        ),
        pytest.param(
            {"AWS_REGION": "us-west-2"}, ("--region", "eu-north-1"), f"{KEY}/*/eu-north-1/", id="--region"
        ),
        pytest.param({"AWS_REGION": ""}, (), f"{KEY}/*/eu-west-1/", id="AWS_REGION is empty"),
        # Keys in the environment win over the variable and lose against the option, as with the AWS CLI.
        pytest.param({"AWS_PROFILE": "test-stack"}, (), f"{KEY}/*/ap-south-1/", id="AWS_PROFILE"),
        pytest.param({}, ("--profile", "test-stack"), "test-stack/*/ap-south-1/", id="--profile"),
    ],
)
def test_the_region_and_the_profile_are_those_that_were_said(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    scope: str,
) -> None:
    """Each request is signed for them."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run("status", *arguments)
    before, after = scope.split("*")
    assert f"Credential={before}" in CloudFormation.asked_by
    assert after in CloudFormation.asked_by


@pytest.mark.usefixtures("aws")
def test_a_function_is_asked_once_and_waited_for() -> None:
    """For minutes, in which a firewall in between must not take the connection for dead."""
    config: Any = open_stack(StackOptions()).clients.functions().meta.config
    assert (config.tcp_keepalive, config.retries["total_max_attempts"]) == (True, 1)
    asked = [
        function["Properties"]["Timeout"]
        for name, function in resources("AWS::Lambda::Function").items()
        # Only their schedules invoke those, and people who don't wait.
        if name not in {"ReporterFunction", "SealerFunction"}
    ]
    assert config.read_timeout > max(asked)


@pytest.mark.usefixtures("aws", "stack", "settings")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--profile", "no-region"),
            (
                "no AWS region is set\n"
                "  Say where it is deployed: --region REGION or AWS_REGION, or a profile that has one:"
                " --profile NAME\n"
            ),
        ),
        (
            ("--profile", "nope"),
            (
                "the AWS settings of this machine have no profile nope\n"
                "  It has default, test-stack, no-region. Is --profile or AWS_PROFILE spelt right?\n"
            ),
        ),
        (
            ("--profile", "no-region", "--region", "eu-west-1"),
            (
                "Looking for the stack esx-drift in eu-west-1 failed: Unable to locate credentials\n"
                "  Log in to AWS (aws sso login, aws configure), or name a profile: AWS_PROFILE,"
                " or --profile NAME of a command that asks a stack\n"
            ),
        ),
        (
            ("--stack", "drift", "--profile", "test-stack"),
            (
                "there is no stack drift in the region ap-south-1 of the account of profile test-stack\n"
                "  Is it in another region or account? --region REGION or AWS_REGION, --profile NAME\n"
            ),
        ),
        (
            ("--region", "eu west"),
            (
                "Looking for the stack esx-drift in eu west failed: Provided region_name 'eu west' doesn't"
                " match a supported format.\n"
                "  Is the region spelt right (--region, AWS_REGION), and can this machine reach AWS?\n"
            ),
        ),
    ],
    ids=["no region", "no profile", "no credentials", "no stack", "no such region"],
)
def test_what_is_missing_is_said_with_what_to_do(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """What happened, where, and which option mends it; exit code 2."""
    ran = run("status", *arguments)
    assert (ran.code, ran.out, ran.err) == (2, "", f"esx-drift: {said}")


@pytest.mark.usefixtures("aws", "settings")
def test_without_any_settings_there_is_no_profile_to_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list would be empty."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    ran = run("status", "--profile", "nope")
    assert ran.code == 2
    assert "It has none." in ran.err


@pytest.mark.usefixtures("aws", "stack")
@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (("ExpiredToken", "The token is too old"), "have expired. Log in to AWS"),
        (("ValidationError", "Stack with id esx-drift does not exist"), "Has it another name? --stack NAME"),
        (("AccessDenied", "no identity-based policy allows it"), "no identity-based policy allows it\n"),
    ],
)
def test_what_aws_refuses_is_explained(
    run: Run, monkeypatch: pytest.MonkeyPatch, refusal: tuple[str, str], said: str
) -> None:
    """Credentials that ran out, and the default stack; a missing right is named by AWS itself."""
    monkeypatch.setattr(CloudFormation, "refusal", refusal)
    ran = run("status")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "eu-central-1" in ran.err


@pytest.mark.usefixtures("aws", "stack")
def test_the_stack_may_be_named_by_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for all commands of a shell."""
    monkeypatch.setenv("ESX_DRIFT_STACK", "other")
    assert "there is no stack other in the region eu-central-1" in run("status").err


def test_every_command_that_asks_aws_takes_the_three_options(run: Run) -> None:
    """And no other does."""
    for path, _ in walk(typer.main.get_command(app), ()):
        said = {
            f"--{name}" for name in ("stack", "region", "profile") if f"--{name} " in run(*path, "--help").out
        }
        assert said == (set() if path in WITHOUT_AWS else {"--stack", "--region", "--profile"}), path


def test_a_command_that_is_named_asks_the_same_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell says by itself, or is the default, is left out."""
    for name in ("AWS_REGION", "ESX_DRIFT_STACK"):
        monkeypatch.delenv(name, raising=False)
    assert StackOptions().name_command("status") == "esx-drift status"
    named = StackOptions("my stack", "eu-west-1", "ops").name_command("status")
    assert named == "esx-drift status --stack 'my stack' --region eu-west-1 --profile ops"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("ESX_DRIFT_STACK", "my stack")
    assert StackOptions("my stack", "eu-west-1").name_command("status") == "esx-drift status"
    assert StackOptions("esx-drift").name_command("status") == "esx-drift status --stack esx-drift"
