"""Options and arguments that several commands share, each said in one place.

``with_stack_options`` gives a command ``--stack``, ``--region`` and ``--profile``. None of this needs boto3.
"""

import inspect
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Final

import typer

DEFAULT_STACK: Final = "esx-drift"
STACK_VARIABLE: Final = "ESX_DRIFT_STACK"
REGION_VARIABLE: Final = "AWS_REGION"


StackOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        envvar=STACK_VARIABLE,
        help="The CloudFormation stack that esx-drift was deployed as.",
    ),
]


RegionOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGION",
        envvar=REGION_VARIABLE,
        help="The AWS region it was deployed to; else AWS_DEFAULT_REGION, else the profile's own.",
    ),
]


ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The profile of your AWS settings to use; else AWS_PROFILE, or the environment's keys.",
    ),
]


ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id.")]


VCenterOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The cluster's vCenter, where the name alone won't do.")
]


OnlyVCenterOption = Annotated[
    str | None,
    typer.Option("--vcenter", metavar="NAME", help="Only this vCenter, or that of the clusters named."),
]


ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why. It stays in the log.")]


YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


WaitOption = Annotated[
    int, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the checker's answer.")
]


class ListFormat(StrEnum):
    """How a list is printed."""

    text = "text"
    json = "json"
    csv = "csv"


FormatOption = Annotated[
    ListFormat, typer.Option("--format", help="For a person, for a program, or for a spreadsheet.")
]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Which stack a command is about, and how the person reaches its AWS account.

    ``region`` and ``profile`` are none where boto3 finds them by itself.
    """

    stack: str = DEFAULT_STACK
    region: str | None = None
    profile: str | None = None

    def name_command(self, command: str) -> str:
        """Name a command, such as ``status``, so that it asks the same stack when it is pasted."""
        said = [
            ("--stack", self.stack, os.environ.get(STACK_VARIABLE) or DEFAULT_STACK),
            ("--region", self.region, os.environ.get(REGION_VARIABLE)),
            ("--profile", self.profile, None),
        ]
        options = [f" {name} {shlex.quote(value)}" for name, value, known in said if value and value != known]
        return f"esx-drift {command}{''.join(options)}"


def print_help_alone(context: typer.Context) -> None:
    """Print the help of a group of commands where none was named: who looks around did nothing wrong."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def with_stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which stack it is about; it gets them as ``target``."""
    own = inspect.signature(command)

    @wraps(command)
    def run(stack: str, region: str | None, profile: str | None, **arguments: object) -> None:
        command(**arguments, target=StackOptions(stack, region, profile))

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, option, default in (
            ("stack", StackOption, DEFAULT_STACK),
            ("region", RegionOption, None),
            ("profile", ProfileOption, None),
        )
    ]
    kept = [parameter for parameter in own.parameters.values() if parameter.name != "target"]
    run.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined] # typer reads it
    run.__annotations__ = {each.name: each.annotation for each in (*kept, *added)}
    return run
