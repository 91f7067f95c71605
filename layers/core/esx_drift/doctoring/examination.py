"""The doctor's results: one line for each step, about each vCenter, each route and AWS."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

from msgspec import Struct, field

from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.errors import FIX_FACT, EsxDriftError

type StepOutcome = Literal["ok", "failed", "untried", "skipped"]
"""``untried`` could not be looked at, so that nothing is known; ``skipped`` was left out on purpose."""


AWS_FIX = (
    "Give the functions a way to AWS from where they run: VPC endpoints or NAT; then look at AWS's status."
)


NO_TIME = "no time left in this run"


NEEDS = "not tried, since it needs "
"""How the sentence of a step begins that was not tried because one before it failed."""


class StepResult(TypedDict):
    """One step. ``fix`` is empty unless there is something to do; a command in it may have its own line."""

    about: str
    step: str
    outcome: StepOutcome
    said: str
    fix: str


class DoctorRequest(TypedDict):
    """What a function is asked; as sent, see ``doctor-request.schema.json``."""

    vcenters: NotRequired[list[str]]
    reset: NotRequired[str]
    send: NotRequired[bool]
    drill: NotRequired[Literal[True]]
    routes: NotRequired[list[str]]


class DoctorReply(TypedDict):
    """What a function answers; as sent, see ``doctor-reply.schema.json``."""

    schema_version: int
    code_version: str
    lines: list[StepResult]


def is_narrowed(request: DoctorRequest) -> bool:
    """Tell whether the ``request`` is about certain vCenters, and not about all that there is."""
    return "vcenters" in request or "reset" in request


class Examination(Struct):
    """The steps about one thing, in their order; each ``add_`` gives the result of the next step."""

    about: str
    steps: tuple[str, ...]
    lines: list[StepResult] = field(default_factory=list)

    def add_ok(self, sentence: str, advice: str = "") -> None:
        """Add that the step succeeded: ``sentence`` says how, and ``advice`` what to know about it."""
        self._add("ok", sentence, advice)

    def add_failed(self, sentence: str, fix: str) -> None:
        """Add that the step failed: ``sentence`` says how, and ``fix`` what to do about it."""
        self._add("failed", sentence, fix)

    def add_untried(self, sentence: str) -> None:
        """Add that the step could not be taken."""
        self._add("untried", sentence)

    def add_skipped(self, sentence: str) -> None:
        """Add that the step was left out on purpose: ``sentence`` says why."""
        self._add("skipped", sentence)

    def stop_for_time(self, fix: str) -> None:
        """Add that no time is left for this step and all after it; ``fix`` says how to have them taken."""
        self._add("untried", NO_TIME, fix)
        while len(self.lines) < len(self.steps):
            self.add_untried(NO_TIME)

    def finish(self) -> list[StepResult]:
        """Add what is left as untried, since the last step failed. Returns all lines."""
        last_step = self.lines[-1]["step"] if self.lines else ""
        while len(self.lines) < len(self.steps):
            self.add_untried(f"{NEEDS}{last_step}")
        return self.lines

    def _add(self, outcome: StepOutcome, sentence: str, fix: str = "") -> None:
        step = self.steps[len(self.lines)]
        self.lines.append(
            {"about": self.about, "step": step, "outcome": outcome, "said": sentence, "fix": fix}
        )


def find_fix(error: EsxDriftError, places: Mapping[str, str]) -> str:
    """Find what a person can do about an error.

    Args:
        error: The error.
        places: What fills ``{vcenter}``, ``{cluster}``, ``{scope}`` and ``{secret}`` of a finding's advice.
    """
    if FIX_FACT in error.facts:
        return error.facts[FIX_FACT]
    if error.reason not in FINDING_KINDS:
        return OTHER_FIXES.get(error.reason, AWS_FIX)
    advice = FINDING_KINDS[error.reason].advice
    step = f"{advice.step} {advice.command}".strip().format(**places)
    return f"{step[0].upper()}{step[1:]}"


OTHER_FIXES: Mapping[str, str] = {
    "secret-invalid": "Mend the secret in Secrets Manager.",
    "out-of-time": "Try again in a few minutes.",
    "fleet-invalid": "Mend the fleet file, then: esx-drift fleet push FILE",
    "topic-unavailable": "Compare the role's and the topic's policies with the template's.",
    "webhook-throttled": "Try again in a minute.",
}
"""By reason, for errors that are no finding of a vCenter."""
