"""``esx-drift doctor``: does all that a check needs work, where checks run? One line a step, with the fix."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from esx_drift.cli.terminal import EXIT_DIFFERENCES, escape_unprintable, make_stdout, print_line
from esx_drift.doctoring.examination import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esx_drift.doctoring.examination import DoctorRequest, StepResult

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
DoctorStackOption = Annotated[
    str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")
]


def doctor(
    vcenter: VCentersOption = None,
    reset: ResetOption = None,
    send: SendOption = False,  # noqa: FBT002 -- typer passes it by name
    stack: DoctorStackOption = "esx-drift",
) -> None:
    """Examine AWS, each vCenter and each Slack route from where the checks run, step by step.

    Of each vCenter one cluster is extracted, as a check would do it. Exit code 0: all is well, 1: something
    failed or could not be tried in time, 2: trouble.
    """
    lines = _asked(_request(vcenter, reset, send=send), stack)
    print_results(lines)
    failed = sum(line["outcome"] == "failed" for line in lines)
    missed = sum(line["said"] == NO_TIME for line in lines)
    wrong = [f"{failed} of {len(lines)} steps failed"] if failed else []
    wrong += [f"for {missed} of {len(lines)} steps no time was left"] if missed else []
    print_line("")
    print_line(", ".join(wrong) or "All is well.", "red" if wrong else "green")
    if wrong:
        raise typer.Exit(EXIT_DIFFERENCES)


def print_results(lines: "Iterable[StepResult]") -> None:
    """Print the lines of each thing that was examined below its name."""
    for about, of in groupby(lines, key=lambda line: line["about"]):
        print_line(about, "bold")
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for line in of:
            table.add_row(Text(line["outcome"], OUTCOME_STYLES[line["outcome"]]), line["step"], _said(line))
        make_stdout().print(table)


def _said(line: "StepResult") -> Text:
    said = Text(escape_unprintable(line["said"]))
    return said + Text(f"\n{escape_unprintable(line['fix'])}", "yellow") if line["fix"] else said


def _request(vcenters: list[str] | None, reset: str | None, *, send: bool) -> "DoctorRequest":
    request: DoctorRequest = {"send": send}
    if vcenters:
        request["vcenters"] = list(dict.fromkeys(vcenters))
    if reset is not None:
        request["reset"] = reset
    return request


def _asked(request: "DoctorRequest", stack: str) -> "list[StepResult]":
    from esx_drift.cli.aws import read_stack_outputs  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.cli.doctor_call import ask_function  # noqa: PLC0415 -- see above

    checker, notifier = read_stack_outputs(stack, "CheckerFunctionName", "NotifierFunctionName")
    with make_stdout().status("Examining from where the checks run; an extraction takes a while"):
        lines = ask_function(checker, request)
        routes = ask_function(notifier, {"send": request.get("send", False)})
    return [*lines, *routes]
