"""``esx-drift drill``: a message that says that it is a drill, down every route and to the topic."""

from typing import TYPE_CHECKING, Annotated

import typer

from esx_drift.cli.doctor import ask_function, print_results, summarize
from esx_drift.cli.options import StackOptions, with_stack_options
from esx_drift.cli.terminal import EXIT_DIFFERENCES, print_line

if TYPE_CHECKING:
    from esx_drift.doctoring.examination import DoctorRequest

RouteArgument = Annotated[
    str | None, typer.Argument(metavar="ROUTE", help="Only this route of the fleet file, and not the topic.")
]


@with_stack_options
def drill(route: RouteArgument = None, *, target: StackOptions) -> None:
    """Send a drill down every route (or just ROUTE) and to the topic, and say what came back.

    It says that nothing happened, whatever the route hears otherwise. Look at the channel, too: only a person
    sees that it came to the right one.

    Exit code: 0 each was taken, 1 one was not, 2 trouble.

    Example: esx-drift drill vsphere-admins
    """
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    checker, sender = stack.read_outputs("CheckerFunctionName", "SenderFunctionName")
    request: DoctorRequest = {"drill": True} if route is None else {"drill": True, "routes": [route]}
    results = [] if route is not None else ask_function(stack, checker, request)
    results += ask_function(stack, sender, request)
    print_results(results)
    print_line("")
    wrong = summarize(results)
    print_line(wrong or "Each was taken.", "red" if wrong else "green")
    if wrong:
        raise typer.Exit(EXIT_DIFFERENCES)
