"""What ``esx-drift doctor`` makes of the lines that the functions answer."""

import pytest
from esx_drift.cli import doctor
from esx_drift.doctoring.examination import NO_TIME, StepResult

from tests.unit.cli.conftest import Run


def _line(outcome: str, said: str = "said", fix: str = "") -> StepResult:
    return {"about": "vc01", "step": "login", "outcome": outcome, "said": said, "fix": fix}  # type: ignore[typeddict-item]  # one of three


OK, FAILED, LEFT_OUT = _line("ok"), _line("failed", fix="mend it"), _line("untried")
TOO_LATE = _line("untried", NO_TIME, "examine it alone")


@pytest.mark.parametrize(
    ("lines", "code", "summary"),
    [
        ([OK, LEFT_OUT], 0, "All is well."),
        ([OK, FAILED], 1, "1 of 2 steps failed"),
        ([OK, TOO_LATE], 1, "for 1 of 2 steps no time was left"),
        ([FAILED, TOO_LATE, OK], 1, "1 of 3 steps failed, for 1 of 3 steps no time was left"),
    ],
)
def test_all_is_well_only_if_all_was_tried(
    lines: list[StepResult], code: int, summary: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no time was left for is unknown; what was left out on purpose is not."""
    monkeypatch.setattr(doctor, "_examine", lambda _request, _stack: lines)
    ran = run("doctor")
    assert ran.code == code
    assert ran.out.rstrip().endswith(summary)
    assert [line["fix"] in ran.out for line in lines] == [True] * len(lines)
