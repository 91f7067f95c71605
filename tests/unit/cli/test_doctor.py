"""What ``esx-drift doctor`` asks, and makes of what it is answered."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from esx_drift.adapters.aws_clients import SDK_FIX, find_sdk_fault
from esx_drift.cli import doctor
from esx_drift.cli.aws import DeployedStack
from esx_drift.doctoring.examination import NEEDS, NO_TIME, StepOutcome, StepResult

from tests.unit.cli.conftest import CloudFormation, Run
from tests.unit.loopback import serving_by


def _line(
    outcome: StepOutcome, said: str = "said", fix: str = "", step: str = "login", about: str = "vc01"
) -> StepResult:
    return {"about": about, "step": step, "outcome": outcome, "said": said, "fix": fix}


OK, FAILED, LEFT_OUT = _line("ok"), _line("failed", fix="mend it"), _line("skipped")
TOO_LATE = _line("untried", NO_TIME, "examine it alone", step="dns")
FORBIDDEN = _line(
    "untried", "you may not sqs:GetQueueAttributes", "ask for it", "CheckQueue", "stack esx-drift"
)
IN_VAIN = _line("untried", f"{NEEDS}login", step="version")


@dataclass(slots=True)
class Functions:
    """What each function answers, and what it was asked; and what is found of the stack itself."""

    lines: dict[str, list[StepResult]] = field(default_factory=lambda: {"checker": [OK], "sender": [OK]})
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, object]] = field(default_factory=list)
    signed_by: list[str] = field(default_factory=list)
    examined: list[tuple[str, str | None]] = field(default_factory=list)
    stack: list[StepResult] = field(default_factory=lambda: [OK])

    def examine_stack(self, stack: DeployedStack) -> list[StepResult]:
        """What is found of the stack itself, with whose rights."""
        self.examined.append((stack.session.profile_name, stack.options.profile))
        return self.stack

    def answer(self, function: str) -> tuple[bool, object]:
        """Whether it failed, and its reply."""
        if function in self.errors:
            return True, self.errors[function]
        return False, {"schema_version": 1, "code_version": "1", "lines": self.lines[function]}


@pytest.fixture
def functions(stack: None, aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:  # noqa: ARG001
    """A Lambda of two functions that answer."""
    answers = Functions()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            function = self.path.split("/")[3]
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers.asked.append((function, asked["doctor"]))
            answers.signed_by.append(self.headers["Authorization"])
            has_failed, reply = answers.answer(function)
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if has_failed:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
            """Say nothing."""

    outputs = {"CheckerFunctionName": "checker", "SenderFunctionName": "sender"}
    monkeypatch.setattr(CloudFormation, "outputs", outputs)
    monkeypatch.setattr(doctor, "_examine_stack", answers.examine_stack)
    with serving_by(Handler) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield answers


@pytest.mark.parametrize(
    ("lines", "code", "summary"),
    [
        ([OK, LEFT_OUT], 0, "All is well."),
        ([OK, FAILED], 1, "1 of 4 steps failed: login (vc01)"),
        ([OK, FAILED, IN_VAIN], 1, "1 of 5 steps failed: login (vc01)"),
        ([OK, TOO_LATE], 1, "1 could not be looked at: dns (vc01)"),
        ([FORBIDDEN], 1, "1 could not be looked at: CheckQueue (stack esx-drift)"),
        (
            [FAILED, TOO_LATE, OK],
            1,
            "1 of 5 steps failed: login (vc01); 1 could not be looked at: dns (vc01)",
        ),
    ],
)
def test_all_is_well_only_if_all_was_looked_at(
    lines: list[StepResult], code: int, summary: str, run: Run, functions: Functions
) -> None:
    """What could not be looked at is unknown, and named; what was left out on purpose is not."""
    functions.stack[:] = lines
    ran = run("doctor")
    assert ran.code == code
    assert ran.out.rstrip().endswith(summary)
    assert [line["fix"] in ran.out for line in lines] == [True] * len(lines)


def test_all_is_asked_with_the_profile_that_was_named(
    run: Run, functions: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation, both functions and the parts of the stack: in its account and its region."""
    (tmp_path / "config").write_text("[profile ops]\nregion = ap-south-1\n")
    (tmp_path / "credentials").write_text("[ops]\naws_access_key_id = OPS\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert run("doctor", "--profile", "ops").code == 0
    assert functions.examined == [("ops", "ops")]
    signed = [CloudFormation.asked_by, *functions.signed_by]
    assert len(signed) == 3
    assert all("Credential=OPS/" in each and "/ap-south-1/" in each for each in signed)


def test_a_wrong_region_is_named_before_anything_is_asked(
    run: Run, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation knows no stack there: which region was asked, and how to name another."""
    refusal = ("ValidationError", "Stack with id esx-drift does not exist")
    monkeypatch.setattr(CloudFormation, "refusal", refusal)
    ran = run("doctor", "--region", "eu-west-3")
    assert (ran.code, ran.out, functions.asked) == (2, "", [])
    assert "there is no stack esx-drift in the region eu-west-3\n" in ran.err
    assert "Is it in another region or account? --region REGION or AWS_REGION, --profile NAME" in ran.err


def test_a_drill_goes_to_the_topic_and_down_every_route(run: Run, functions: Functions) -> None:
    """Or down the one that is named; what came back is said, and counts."""
    ran = run("drill")
    assert (ran.code, functions.asked) == (0, [("checker", {"drill": True}), ("sender", {"drill": True})])
    assert ran.out.rstrip().endswith("Each was taken.")
    functions.asked.clear()
    functions.lines["sender"] = [FAILED]
    ran = run("drill", "ops")
    assert (ran.code, functions.asked) == (1, [("sender", {"drill": True, "routes": ["ops"]})])
    assert "1 of 1 steps failed: login (vc01)" in ran.out
    assert "mend it" in ran.out


def test_only_what_is_asked_for_is_examined(run: Run, functions: Functions) -> None:
    """Neither the stack nor the routes; the last line says so. A drill is told by the routes, too."""
    functions.stack[:], functions.lines["sender"] = [FORBIDDEN], [FAILED]
    ran = run("doctor", "--vcenter", "vc01", "--vcenter", "vc02")
    assert ran.code == 0
    assert ran.out.rstrip().endswith("All is well with vc01, vc02. Only what stands here was looked at.")
    assert functions.asked == [("checker", {"send": False, "vcenters": ["vc01", "vc02"]})]
    assert run("doctor", "--reset", "vc01").out.rstrip().endswith("Only what stands here was looked at.")
    ran = run("doctor", "--vcenter", "vc01", "--send")
    assert (ran.code, "CheckQueue" in ran.out) == (1, False)


def test_what_was_not_tried_for_one_reason_is_one_line(
    run: Run, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its steps are named; at 80 columns nothing is cut off."""
    steps = ("dns", "tcp", "tls", "clock", "login", "version", "inventory", "report", "tasks", "extraction")
    reason = f"{NEEDS}secret"
    failed = _line(
        "failed", "the secret esx-drift/vcenter/vc01 does not exist: create it", "Mend it.", "secret"
    )
    functions.lines["checker"] = [failed, *(_line("untried", reason, step=step) for step in steps)]
    monkeypatch.setattr("esx_drift.cli.terminal.PIPE_WIDTH", 80)
    ran = run("doctor")
    assert ran.out.count("not tried, since it needs secret") == 1
    shown = " ".join(ran.out.split())
    assert f"untried 10 steps {reason}: {', '.join(steps)}" in shown
    assert max(map(len, ran.out.splitlines())) <= 80


def test_a_command_is_not_wrapped(run: Run, functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there to be copied; sentences around it are for reading."""
    command = f"aws sqs purge-queue --queue-url https://sqs.{'x' * 100}"
    functions.stack[:] = [_line("failed", fix=f"{'Read this. ' * 20}\n{command}")]
    monkeypatch.setattr("esx_drift.cli.terminal.PIPE_WIDTH", 80)
    lines = run("doctor").out.splitlines()
    assert f"    {command}" in lines
    assert max(len(line) for line in lines if command not in line) <= 80


def test_times_are_said_as_people_say_them(run: Run, functions: Functions) -> None:
    """With seconds: who comes again too early has to wait anew. Of another year than this one, with that."""
    year = datetime.now(UTC).year
    late: StepResult = {
        "about": "vc01",
        "step": "login",
        "outcome": "failed",
        "said": "login to vc01 not tried: the last try was at 2020-11-23T02:14:05.000Z",
        "fix": f"Run it again after {year}-11-23T02:17:05.000Z.",
    }
    functions.lines["checker"] = [late]
    out = run("doctor", "--reset", "vc01").out
    assert "the last try was at 23 Nov 2020 02:14:05 UTC" in out
    assert "Run it again after 23 Nov 02:17:05 UTC." in out


def test_a_vcenter_that_the_fleet_file_does_not_know(run: Run, functions: Functions) -> None:
    """The function's own sentence, and nothing that looks like a crash."""
    known = "the fleet file has no vCenter called vc9. It has: vc01, vc02"
    functions.errors["checker"] = {"errorType": "RequestRefused", "errorMessage": known}
    ran = run("doctor", "--vcenter", "vc9")
    assert (ran.code, ran.out, ran.err) == (2, "", f"esx-drift: {known}\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"errorType": "Runtime.ExitError", "errorMessage": "exited"}, "checker failed: exited"),
        # With an SDK below the floor a function can't be imported; its own words say what to do.
        (
            {
                "errorType": "Runtime.ImportModuleError",
                "errorMessage": f"Unable to import module 'app': {find_sdk_fault('1.35.99')}. {SDK_FIX}",
            },
            "botocore 1.35.99 is too old to write to the trail: 1.36.0 is needed. Let Lambda update",
        ),
        ({}, "checker failed: it did not say why"),
    ],
)
def test_a_function_that_fails_is_trouble(
    error: dict[str, str], words: str, run: Run, functions: Functions
) -> None:
    """What was found without it stands there."""
    functions.errors["checker"] = error
    functions.stack.append(OK)
    ran = run("doctor")
    assert ran.code == 2
    assert "login" in ran.out
    assert words in ran.err
