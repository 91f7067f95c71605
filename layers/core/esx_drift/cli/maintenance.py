"""``esx-drift maintenance``: planned work on clusters begins, or ends before its time."""

from datetime import timedelta
from typing import Annotated

import typer

from esx_drift.cli.decision_client import (
    DecisionClient,
    DecisionOptions,
    open_decision_client,
    parse_decision_options,
)
from esx_drift.cli.history import render_reason
from esx_drift.cli.options import (
    PlainCommand,
    ReasonOption,
    StackOptions,
    TicketOption,
    VCenterOption,
    WaitOption,
    YesOption,
    print_help_alone,
    with_stack_options,
)
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, read_clock
from esx_drift.domain.decisions import list_begun_windows
from esx_drift.domain.fleet.rules import MAX_REPEATED_WINDOW
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import DecidedMaintenance, Decision
from esx_drift.domain.text.times import format_time, parse_duration
from esx_drift.domain.text.wording import clean_text, format_count, format_duration, format_moment

maintenance_app = typer.Typer(
    help="Planned work on clusters, in which chat is spared what it changes.", invoke_without_command=True
)

MaintainedArgument = Annotated[list[str], typer.Argument(metavar="CLUSTER", help="Names or ids of clusters.")]
ForOption = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long: 4h, 90m or 1d12h; at most 7 days.")
]
AcceptOption = Annotated[
    bool, typer.Option("--accept", help="Accept at its end what is done in it, as esx-drift accept would.")
]
EndReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. It stays in the log.")]


@maintenance_app.callback()
def _run(context: typer.Context) -> None:
    """Planned work on clusters, in which chat is spared what it changes."""
    print_help_alone(context)


@maintenance_app.command(
    cls=PlainCommand, short_help="Begin planned work: what it changes is told at its end."
)
@with_stack_options
def start(  # noqa: PLR0913, PLR0917 -- each is an option
    clusters: MaintainedArgument,
    length: ForOption,
    reason: ReasonOption = None,
    accept: AcceptOption = False,  # noqa: FBT002 -- typer passes it by name
    vcenter: VCenterOption = None,
    ticket: TicketOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
    *,
    target: StackOptions,
) -> None:
    """Begin planned work on clusters: chat is not told what it changes until it is over.

    Orphaned VIBs, downgrades and whatever is critical are told all the same. What is still open at the end is
    told then. Exit code 0: begun, 1: not, 2: trouble.

    Example: esx-drift maintenance start prod-a --for 4h --reason CHG-2042
    """
    options = parse_decision_options(reason, ticket, ask=not yes, wait_seconds=wait)
    duration = _parse_length(length)
    client = open_decision_client(target)
    found = [client.find_cluster(cluster, vcenter) for cluster in clusters]
    for cluster in found:
        client.require_watched(cluster)
        print_line(cluster.render(), "bold")
    now = read_clock()
    until = format_moment(format_time(now + duration), now.year)
    how = ", and accept what is done in it" if accept else ""
    question = f"Begin maintenance of {format_count(len(found), 'cluster')} until {until} UTC{how}"
    wanted: DecidedMaintenance = {"for_seconds": int(duration.total_seconds()), "accept": accept}
    for cluster, seq in _send(client, found, options, wanted, question):
        print_line(
            f"Begun (record {seq}): {cluster.render()}, for {format_duration(duration.total_seconds())}",
            "green",
        )
    end = target.name_command(f"maintenance end {' '.join(clusters)}")
    print_line(f"It ends by itself, or by: {end}")


@maintenance_app.command(cls=PlainCommand, short_help="End planned work before its time.")
@with_stack_options
def end(
    clusters: MaintainedArgument,
    reason: EndReasonOption = "it is done",
    vcenter: VCenterOption = None,
    ticket: TicketOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
    *,
    target: StackOptions,
) -> None:
    """End before its time what `maintenance start` began, and have told what is still open.

    A window of the fleet file ends by the file alone. Exit code 0: ended, 1: there was nothing to end, 2:
    trouble.

    Example: esx-drift maintenance end prod-a
    """
    options = parse_decision_options(reason, ticket, ask=not yes, wait_seconds=wait)
    client = open_decision_client(target)
    found = [client.find_cluster(cluster, vcenter) for cluster in clusters]
    for cluster in found:
        client.require_watched(cluster)
        _print_windows(client, cluster)
    wanted: DecidedMaintenance = {"for_seconds": None, "accept": False}
    question = f"End maintenance of {format_count(len(found), 'cluster')} now"
    for cluster, seq in _send(client, found, options, wanted, question):
        print_line(f"Ended (record {seq}): {cluster.render()}", "green")


def _parse_length(text: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except ValueError:
        fail(f"--for takes a time such as 4h, 90m or 1d12h, and not {text}")
    if duration > MAX_REPEATED_WINDOW:
        fail(f"--for takes at most {MAX_REPEATED_WINDOW.days} days: longer work belongs into the fleet file")
    return duration


def _print_windows(client: DecisionClient, cluster: ClusterRef) -> None:
    """Print what a person began on a cluster and still runs; end the command if that is nothing."""
    state = client.read_log(cluster.vcenter, cluster.cluster).after
    now = read_clock()
    begun = list_begun_windows(state, now)
    if not begun:
        fail(f"{cluster.render()} has no maintenance that a person began", EXIT_DIFFERENCES)
    print_line(cluster.render(), "bold")
    for window in begun:
        until = format_moment(window["to"], now.year)
        print_line(f"  until {until} UTC, begun by {clean_text(window['by'])}: {render_reason(window)}")


def _send(
    client: DecisionClient,
    clusters: list[ClusterRef],
    options: DecisionOptions,
    wanted: DecidedMaintenance,
    question: str,
) -> list[tuple[ClusterRef, int]]:
    """Send the decision for each cluster, once it is confirmed; end the command where one is refused."""
    person = client.identify_person()
    options.require_confirmation(f"{question}, as {person.arn}?")
    answers = []
    for cluster in clusters:
        head = client.read_log(cluster.vcenter, cluster.cluster).head
        decision: Decision = {
            **options.build_decision(person, head["seq"] if head else None, {}),
            "maintenance": wanted,
        }
        seq, recorded = client.send_decision("maintenance", cluster, decision, options.wait_seconds)
        if recorded["refused"]:
            client.require_watched(cluster)
            fail(f"refused (record {seq}): {cluster.render()} has none any more", EXIT_DIFFERENCES)
        answers.append((cluster, seq))
    return answers
