"""``esx-drift doctor``: does all that a check needs work, where checks run? One line a step, with the fix."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from esx_drift.cli.options import StackOptions, with_stack_options
from esx_drift.cli.terminal import EXIT_DIFFERENCES, escape_unprintable, make_stdout, print_line
from esx_drift.contracts import require_valid
from esx_drift.doctoring.examination import NEEDS, DoctorReply, DoctorRequest, StepResult, is_narrowed
from esx_drift.domain.text.wording import format_count, join_names, reword_times
from esx_drift.errors import PermanentError, RequestRefused

if TYPE_CHECKING:
    from esx_drift.cli.aws import DeployedStack

OUTCOME_STYLES = {"ok": "green", "failed": "bold red", "untried": "yellow", "skipped": "dim"}
OUTCOME_WIDTH = max(map(len, OUTCOME_STYLES))
FIX_INDENT = 4
COMMANDS = ("aws ", "esx-drift ")
MAX_NAMED_STEPS = 6

VCentersOption = Annotated[
    list[str] | None, typer.Option("--vcenter", metavar="NAME", help="Only this vCenter. Can be repeated.")
]
ResetOption = Annotated[
    str | None,
    typer.Option("--reset", metavar="NAME", help="Try this vCenter's password once more, though refused."),
]
SendOption = Annotated[
    bool, typer.Option("--send", help="Publish a drill on the topic, and post one to each route.")
]


@with_stack_options
def doctor(
    vcenter: VCentersOption = None,
    reset: ResetOption = None,
    send: SendOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    target: StackOptions,
) -> None:
    """Examine the stack, AWS, each vCenter and each route from where the checks run, step by step.

    Of each vCenter one cluster is extracted, as a check would do it. With --vcenter or --reset only that
    vCenter is examined; --send adds the topic and the routes.

    Exit code: 0 all is well, 1 there is something to see to, or it could not be looked at, 2 trouble.

    Example: esx-drift doctor --vcenter vc01
    """
    request = _build_request(vcenter, reset, send=send)
    results: list[StepResult] = []
    for examine in _list_examinations(request, target):
        with make_stdout().status("Examining from where the checks run; an extraction takes a while"):
            found = examine()
        print_results(found)
        results += found
    print_line("")
    wrong = summarize(results)
    print_line(wrong or _describe_wellness(request), "red" if wrong else "green")
    if wrong:
        raise typer.Exit(EXIT_DIFFERENCES)


def print_results(results: Iterable[StepResult]) -> None:
    """Print the results for each thing that was examined below its name."""
    for about, group in groupby(results, key=lambda result: result["about"]):
        print_line(about, "bold")
        lines = _join_untried(list(group))
        width = max(len(line["step"]) for line in lines)
        for line in lines:
            _print_step(line, width)


def summarize(results: Sequence[StepResult]) -> str:
    """Say what of the results is wrong and where; empty if nothing is."""
    failed = [result for result in results if result["outcome"] == "failed"]
    unknown = [
        result
        for result in results
        if result["outcome"] == "untried" and not result["said"].startswith(NEEDS)
    ]
    parts = [f"{len(failed)} of {len(results)} steps failed: {_name_steps(failed)}"] if failed else []
    if unknown:
        parts.append(f"{len(unknown)} could not be looked at: {_name_steps(unknown)}")
    return "; ".join(parts)


def _name_steps(results: Sequence[StepResult]) -> str:
    return join_names([f"{result['step']} ({result['about']})" for result in results], MAX_NAMED_STEPS)


def _describe_wellness(request: DoctorRequest) -> str:
    """Say that all is well, and of how much."""
    if not is_narrowed(request):
        return "All is well."
    names = request.get("vcenters") or [request["reset"]]
    return f"All is well with {join_names(names)}. Only what stands here was looked at."


def _join_untried(results: list[StepResult]) -> list[StepResult]:
    """Join the steps in a row that were not tried for one and the same reason."""
    joined: list[StepResult] = []
    for (outcome, said), group in groupby(results, key=lambda result: (result["outcome"], result["said"])):
        lines = list(group)
        if outcome == "untried" and len(lines) > 1:
            steps = ", ".join(line["step"] for line in lines)
            joined.append({**lines[0], "step": format_count(len(lines), "step"), "said": f"{said}: {steps}"})
        else:
            joined += lines
    return joined


def _print_step(result: StepResult, width: int) -> None:
    """Print one step in columns of which the step's has this width, and what to do below it."""
    outcome = result["outcome"]
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
    table.add_column(width=OUTCOME_WIDTH)
    table.add_column(width=width, no_wrap=True)
    table.add_column(overflow="fold")
    said = Text(escape_unprintable(_reword(result["said"])))
    table.add_row(Text(outcome, OUTCOME_STYLES[outcome]), result["step"], said)
    console = make_stdout()
    with console.capture() as captured:
        console.print(table)
        for line in _reword(result["fix"]).splitlines():
            # A command is there to be copied: it is never wrapped.
            is_command = line.startswith(COMMANDS)
            text = Text(escape_unprintable(line), "yellow")
            indented = Text(FIX_INDENT * " ") + text if is_command else Padding(text, (0, 0, 0, FIX_INDENT))
            console.print(indented, soft_wrap=is_command)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _reword(text: str) -> str:
    """Reword times, with seconds: who runs it again by them must not come too early."""
    return reword_times(text, datetime.now(UTC).year, has_seconds=True)


def _build_request(vcenters: list[str] | None, reset: str | None, *, send: bool) -> DoctorRequest:
    request: DoctorRequest = {"send": send}
    if vcenters:
        request["vcenters"] = list(dict.fromkeys(vcenters))
    if reset is not None:
        request["reset"] = reset
    return request


def _list_examinations(
    request: DoctorRequest, target: StackOptions
) -> Iterator[Callable[[], list[StepResult]]]:
    """List what is examined, each by its own call; the first needs the person's rights alone."""
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    checker, sender = stack.read_outputs("CheckerFunctionName", "SenderFunctionName")
    send = request.get("send", False)
    if not is_narrowed(request):
        yield partial(_examine_stack, stack)
    yield partial(ask_function, stack, checker, request)
    if send or not is_narrowed(request):
        yield partial(ask_function, stack, sender, {"send": send})


def _examine_stack(stack: "DeployedStack") -> list[StepResult]:
    from esx_drift.doctoring.deployed_stack import StackDoctor  # noqa: PLC0415 -- boto3 takes long to load

    options = stack.options
    return StackDoctor(stack.session, options.stack, datetime.now(UTC), options.profile).examine()


def ask_function(stack: "DeployedStack", function: str, request: DoctorRequest) -> list[StepResult]:
    """Ask a deployed function of ``stack`` what ``request`` says.

    Returns:
        The lines of its reply.

    Raises:
        PermanentError: ``function`` failed, or refused the request.
    """
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    with explain_aws_errors(f"Asking {function}"):
        invoked = stack.clients.functions().invoke(
            FunctionName=function, Payload=json.dumps({"doctor": request})
        )
        body = json.loads(invoked["Payload"].read())
    if invoked.get("FunctionError"):
        if body.get("errorType") == RequestRefused.__name__:
            raise PermanentError(body["errorMessage"])
        raise PermanentError(f"{function} failed: {body.get('errorMessage', 'it did not say why')}")
    require_valid("doctor-reply", body)
    reply: DoctorReply = body
    return reply["lines"]
