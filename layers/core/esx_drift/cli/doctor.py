"""``esx-drift doctor``: does all that a check needs work, where checks run? One line a step, with the fix."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from esx_drift.cli.terminal import FOUND, printable, say, stdout
from esx_drift.domain.doctor import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esx_drift.domain.doctor import Line, Request

STYLES = {"ok": "green", "failed": "bold red", "untried": "dim"}

VCenters = Annotated[
    list[str] | None, typer.Option("--vcenter", metavar="NAME", help="Only this vCenter. Can be repeated.")
]
ResetName = Annotated[
    str | None,
    typer.Option("--reset", metavar="NAME", help="Try this vCenter's password once more, though refused."),
]
Send = Annotated[
    bool, typer.Option("--send", help="Publish a drill on the topic, and post one to each route.")
]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")]


def doctor(
    vcenter: VCenters = None,
    reset: ResetName = None,
    send: Send = False,  # noqa: FBT002 -- typer passes it by name
    stack: Stack = "esx-drift",
) -> None:
    """Examine AWS, each vCenter and each Slack route from where the checks run, step by step.

    Of each vCenter one cluster is extracted, as a check would do it. Exit code 0: all is well, 1: something
    failed or could not be tried in time, 2: trouble.
    """
    lines = _asked(_request(vcenter, reset, send=send), stack)
    show(lines)
    failed = sum(line["outcome"] == "failed" for line in lines)
    missed = sum(line["said"] == NO_TIME for line in lines)
    wrong = [f"{failed} of {len(lines)} steps failed"] if failed else []
    wrong += [f"for {missed} of {len(lines)} steps no time was left"] if missed else []
    say("")
    say(", ".join(wrong) or "All is well.", "red" if wrong else "green")
    if wrong:
        raise typer.Exit(FOUND)


def show(lines: "Iterable[Line]") -> None:
    """Print the lines of each thing that was examined below its name."""
    for about, of in groupby(lines, key=lambda line: line["about"]):
        say(about, "bold")
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for line in of:
            table.add_row(Text(line["outcome"], STYLES[line["outcome"]]), line["step"], _said(line))
        stdout().print(table)


def _said(line: "Line") -> Text:
    said = Text(printable(line["said"]))
    return said + Text(f"\n{printable(line['fix'])}", "yellow") if line["fix"] else said


def _request(vcenters: list[str] | None, reset: str | None, *, send: bool) -> "Request":
    request: Request = {"send": send}
    if vcenters:
        request["vcenters"] = list(dict.fromkeys(vcenters))
    if reset is not None:
        request["reset"] = reset
    return request


def _asked(request: "Request", stack: str) -> "list[Line]":
    from esx_drift.cli.aws import outputs_of  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.cli.doctor_call import answered  # noqa: PLC0415 -- see above

    checker, notifier = outputs_of(stack, "CheckerFunctionName", "NotifierFunctionName")
    with stdout().status("Examining from where the checks run; an extraction takes a while"):
        lines = answered(checker, request)
        routes = answered(notifier, {"send": request.get("send", False)})
    return [*lines, *routes]
