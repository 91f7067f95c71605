"""``esx-drift accept``: a person approves of what runs, host by host, or of a vCenter that was replaced."""

from typing import Annotated

import typer

from esx_drift.cli.terminal import fail

ClusterArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id; @NAME for a replaced vCenter.")
]
VCenterOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The cluster's vCenter, where the name alone won't do.")
]
HostsOption = Annotated[
    str | None,
    typer.Option(metavar="A,B,...", help="Only these hosts (names or ids) instead of all that were seen."),
]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why. It stays in the log.")]
StackOption = Annotated[str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
WaitOption = Annotated[
    int, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the checker's answer.")
]


def accept(
    cluster: ClusterArgument,
    reason: ReasonOption,
    vcenter: VCenterOption = None,
    hosts: HostsOption = None,
    stack: StackOption = "esx-drift",
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
) -> None:
    """Show what differs from what was last accepted, ask, and have it accepted as shown.

    What has changed again meanwhile is refused. An accepted vCenter begins with first looks. Exit code 0: all
    was accepted, 1: some was refused or nothing was sent, 2: trouble.
    """
    # boto3 takes long to load: only a command that needs it pays.
    from esx_drift.cli.accept_decision import accept_cluster, accept_vcenter  # noqa: PLC0415 -- see above
    from esx_drift.cli.decision_client import open_decision_client, parse_decision_options  # noqa: PLC0415 -- see above

    word = parse_decision_options(reason, ask=not yes, wait_seconds=wait)
    if not cluster.startswith("@"):
        names = tuple(name.strip() for name in hosts.split(",")) if hosts is not None else ()
        desk = open_decision_client(stack)
        accept_cluster(desk, desk.find_cluster(cluster, vcenter), names, word)
    elif hosts is not None or vcenter not in {None, cluster[1:]}:
        fail(f"{cluster} is a vCenter as a whole: leave --hosts and --vcenter out")
    else:
        accept_vcenter(open_decision_client(stack), cluster[1:], word)
