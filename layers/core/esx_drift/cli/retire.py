"""``esx-drift retire``: a cluster that is gone for good is watched no more."""

from esx_drift.cli.accept import Cluster, Reason, Stack, VCenter, Wait, Yes


def retire(
    cluster: Cluster,
    reason: Reason,
    vcenter: VCenter = None,
    stack: Stack = "esx-drift",
    yes: Yes = False,  # noqa: FBT002 -- typer passes it by name
    wait: Wait = 120,
) -> None:
    """Close what is open on a cluster that its vCenter no longer lists, and check it no more.

    Its log stays. If it is listed again, it is watched again. Exit code 0: retired, 1: not, 2: trouble.
    """
    # boto3 takes long to load: only a command that needs it pays.
    from esx_drift.cli.deciding import desk_of, word_of  # noqa: PLC0415 -- see above
    from esx_drift.cli.deciding_retire import retire_cluster  # noqa: PLC0415 -- see above

    word = word_of(reason, ask=not yes, wait_seconds=wait)
    desk = desk_of(stack)
    retire_cluster(desk, desk.meant(cluster, vcenter), word)
