"""The arguments and options that more than one command takes."""

from typing import Annotated

import typer

ClusterArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id; @NAME for a replaced vCenter.")
]
VCenterOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The cluster's vCenter, where the name alone won't do.")
]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why. It stays in the log.")]
StackOption = Annotated[str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
WaitOption = Annotated[
    int, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the checker's answer.")
]
