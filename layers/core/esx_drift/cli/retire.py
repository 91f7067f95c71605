"""``esx-drift retire``: a cluster that is gone for good is watched no more."""

from esx_drift.cli.accept import (
    ClusterArgument,
    ReasonOption,
    StackOption,
    VCenterOption,
    WaitOption,
    YesOption,
)


def retire(
    cluster: ClusterArgument,
    reason: ReasonOption,
    vcenter: VCenterOption = None,
    stack: StackOption = "esx-drift",
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
) -> None:
    """Close what is open on a cluster that its vCenter no longer lists, and check it no more.

    Its log stays. If it is listed again, it is watched again. Exit code 0: retired, 1: not, 2: trouble.
    """
    # boto3 takes long to load: only a command that needs it pays.
    from esx_drift.cli.decision_client import open_decision_client, parse_decision_options  # noqa: PLC0415 -- see above
    from esx_drift.cli.retire_decision import retire_cluster  # noqa: PLC0415 -- see above

    word = parse_decision_options(reason, ask=not yes, wait_seconds=wait)
    desk = open_decision_client(stack)
    retire_cluster(desk, desk.find_cluster(cluster, vcenter), word)
