"""What several commands take, each said in one place: the stack, and which cluster a name or an id means.

``with_stack_options`` gives a command ``--stack``, ``--region`` and ``--profile``. None of this needs boto3.

Longer than 250 lines, because an option that two commands take is written in no second place.
"""

import inspect
import os
import shlex
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from msgspec import Struct
from typer.core import TyperCommand

from esx_drift.cli.terminal import fail
from esx_drift.config import DEFAULT_STACK
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef
from esx_drift.domain.stored.types import KnownCluster
from esx_drift.domain.text.wording import clean_text, join_names

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store

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


ReasonOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Why. It stays in the log; asked for if there is no --ticket either."),
]


TicketOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="The ticket or change that it belongs to; enough of a reason."),
]


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


class StackOptions(Struct, frozen=True):
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


class PlainCommand(TyperCommand):
    """A command whose help writes what is to be put in one way: ``CLUSTER``, ``NAME``, ``text|json``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 -- typer's own context
        """Collect what follows the name of the command of ``ctx``; what may be left out is in brackets."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- typer's own
        """Write arguments and options of ``ctx`` into ``formatter``, without the names of Python's types."""
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            shown, text = parameter.get_help_record(ctx) or ("", "")
            if parameter.param_type_name == "argument":
                rows["Arguments"].append((shown.partition(" <")[0], text))
            else:
                rows["Options"].append((shown.replace("<", "").replace(">", ""), text))
        for heading, listed in rows.items():
            if listed:
                with formatter.section(heading):
                    formatter.write_dl(listed)


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


class ClusterFinder(Struct, frozen=True):
    """Finds clusters among those that were ever listed; ends the command where it can't."""

    options: StackOptions
    fleet: Fleet
    store: "S3Store"

    def read_clusters(self, vcenter: str) -> dict[str, KnownCluster]:
        """Read every cluster that a vCenter ever listed, by id."""
        from esx_drift.log_reader import LogReader  # noqa: PLC0415 -- the help needs none of it

        return LogReader(self.store, vcenter, VCENTER_LOG).read().after["clusters"] or {}

    def find(self, cluster: str, vcenter: str | None) -> ClusterRef:
        """Find the one cluster of that name or id; end the command if there is none, or more than one.

        Args:
            cluster: Its name or id.
            vcenter: The vCenter to look in; none for all of the fleet file.
        """
        known = [
            ClusterRef(name, cluster_id, entry["name"])
            for name in self.select_vcenters(vcenter)
            for cluster_id, entry in self.read_clusters(name).items()
        ]
        return self.choose(cluster, vcenter, known)

    def choose(self, cluster: str, vcenter: str | None, known: list[ClusterRef]) -> ClusterRef:
        """Choose the one ``cluster`` that is meant of those ``known`` of ``vcenter``; see ``find``."""
        return choose_cluster(cluster, known) or self._fail_unknown(cluster, vcenter, known)

    def select_vcenters(self, vcenter: str | None) -> list[str]:
        """Select that vCenter of the fleet file, or all where ``vcenter`` is none."""
        all_names = [watched.name for watched in self.fleet.vcenters]
        if vcenter is None:
            return all_names
        if vcenter not in all_names:
            nearest = describe_nearest(vcenter, all_names)
            fail(f"the fleet file has no vCenter called {vcenter}{nearest}\nIt has {join_names(all_names)}.")
        return [vcenter]

    def _fail_unknown(self, cluster: str, vcenter: str | None, known: list[ClusterRef]) -> NoReturn:
        all_of = join_names(self.select_vcenters(vcenter))
        nearest = describe_nearest(cluster, (name for ref in known for name in (ref.name, ref.cluster)))
        show = self.options.name_command("status")
        fail(f"no cluster called {cluster} was ever listed by {all_of}{nearest}\n{show} shows all.")


MAX_WAYS: Final = 3
"""Of saying which cluster is meant: who sees three knows how."""


def choose_cluster(named: str, known: Iterable[ClusterRef]) -> ClusterRef | None:
    """Choose the one of some clusters that a person means; ends the command if it may be several.

    Args:
        named: What the person typed.
        known: The clusters.

    Returns:
        The cluster; none if it is none of them.
    """
    matches = [ref for ref in known if ref.is_called(named)]
    if len(matches) > 1:
        which = join_names([match.render() for match in matches])
        ways = " or ".join(f"{match.vcenter}/{match.cluster}" for match in matches[:MAX_WAYS])
        fail(f"{named} may be {which}.\nSay which: {ways}")
    return matches[0] if matches else None


def describe_nearest(wanted: str, known: Iterable[str]) -> str:
    """Describe which of the ``known`` names is nearest to the one ``wanted``; nothing if none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(wanted.casefold(), by_folded, n=1)
    return f": did you mean {clean_text(by_folded[near[0]])}?" if near else ""
