"""``esx-drift doctor``: does all that a check needs work, where checks run? One line a step, with the fix."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from esx_drift.cli.options import StackOptions, with_stack_options
from esx_drift.cli.terminal import EXIT_DIFFERENCES, escape_unprintable, make_stdout, print_line
from esx_drift.contracts import require_valid
from esx_drift.doctoring.examination import NO_TIME, DoctorReply, DoctorRequest, StepResult
from esx_drift.errors import PermanentError

if TYPE_CHECKING:
    from esx_drift.cli.aws import DeployedStack

OUTCOME_STYLES = {"ok": "green", "failed": "bold red", "untried": "dim"}

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
    """Examine AWS, each vCenter and each Slack route from where the checks run, step by step.

    Of each vCenter one cluster is extracted, as a check would do it. Exit code 0: all is well, 1: something
    failed or could not be tried in time, 2: trouble.

    Example: esx-drift doctor --vcenter vc01
    """
    results = _examine(_build_request(vcenter, reset, send=send), target)
    print_results(results)
    failed = sum(result["outcome"] == "failed" for result in results)
    missed = sum(result["said"] == NO_TIME for result in results)
    wrong = [f"{failed} of {len(results)} steps failed"] if failed else []
    wrong += [f"for {missed} of {len(results)} steps no time was left"] if missed else []
    print_line("")
    print_line(", ".join(wrong) or "All is well.", "red" if wrong else "green")
    if wrong:
        raise typer.Exit(EXIT_DIFFERENCES)


def print_results(results: Iterable[StepResult]) -> None:
    """Print the results for each thing that was examined below its name."""
    for about, group in groupby(results, key=lambda result: result["about"]):
        print_line(about, "bold")
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for result in group:
            outcome = Text(result["outcome"], OUTCOME_STYLES[result["outcome"]])
            table.add_row(outcome, result["step"], _render_explanation(result))
        make_stdout().print(table)


def _render_explanation(result: StepResult) -> Text:
    text = Text(escape_unprintable(result["said"]))
    return text + Text(f"\n{escape_unprintable(result['fix'])}", "yellow") if result["fix"] else text


def _build_request(vcenters: list[str] | None, reset: str | None, *, send: bool) -> DoctorRequest:
    request: DoctorRequest = {"send": send}
    if vcenters:
        request["vcenters"] = list(dict.fromkeys(vcenters))
    if reset is not None:
        request["reset"] = reset
    return request


def _examine(request: DoctorRequest, target: StackOptions) -> list[StepResult]:
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    checker, notifier = stack.read_outputs("CheckerFunctionName", "NotifierFunctionName")
    with make_stdout().status("Examining from where the checks run; an extraction takes a while"):
        results = _ask_function(stack, checker, request)
        routes = _ask_function(stack, notifier, {"send": request.get("send", False)})
    return [*results, *routes]


def _ask_function(stack: "DeployedStack", function: str, request: DoctorRequest) -> list[StepResult]:
    """The results that a deployed function answers; ``PermanentError`` if it failed."""
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    with explain_aws_errors(f"Asking {function}"):
        invoked = stack.clients.functions().invoke(
            FunctionName=function, Payload=json.dumps({"doctor": request})
        )
        body = json.loads(invoked["Payload"].read())
    if invoked.get("FunctionError"):
        raise PermanentError(f"{function} failed: {body.get('errorMessage', 'it did not say why')}")
    require_valid("doctor-reply", body)
    reply: DoctorReply = body
    return reply["lines"]
