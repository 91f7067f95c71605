"""``esx-drift retire``: a cluster that is gone for good is watched no more."""

from collections.abc import Iterable

from esx_drift.cli.decision_client import (
    DecisionClient,
    DecisionOptions,
    open_decision_client,
    parse_decision_options,
)
from esx_drift.cli.history import name_person, render_reason
from esx_drift.cli.options import (
    ClusterArgument,
    ReasonOption,
    StackOptions,
    TicketOption,
    VCenterOption,
    WaitOption,
    YesOption,
    with_stack_options,
)
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, read_clock
from esx_drift.domain.decisions import is_listed, list_begun_windows
from esx_drift.domain.fleet.fleet import find_excluding_pattern
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Finding, rank_severity
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    format_count,
    format_moment,
    reword_times,
)


@with_stack_options
def retire(
    cluster: ClusterArgument,
    reason: ReasonOption = None,
    vcenter: VCenterOption = None,
    ticket: TicketOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
    *,
    target: StackOptions,
) -> None:
    """Close what is open on a cluster that its vCenter no longer lists, and check it no more.

    Its log stays. If it is listed again, it is watched again. Exit code 0: retired, 1: not, 2: trouble.

    Example: esx-drift retire old-b --vcenter vc01 --reason CHG-2043
    """
    options = parse_decision_options(reason, ticket, ask=not yes, wait_seconds=wait)
    if cluster.startswith("@"):
        push = target.name_command("fleet push FILE")
        fail(
            f"{cluster} is a vCenter as a whole: only its clusters are retired, one by one.\n"
            f"To watch none of it any more, take it out of the fleet file: {push}"
        )
    client = open_decision_client(target)
    _retire_cluster(client, client.find_cluster(cluster, vcenter), options)


def _retire_cluster(client: DecisionClient, cluster: ClusterRef, options: DecisionOptions) -> None:
    """Retire it, unless its vCenter listed it when it was last asked."""
    entry = client.read_clusters(cluster.vcenter)[cluster.cluster]
    where = f"{clean_text(cluster.name)} ({cluster.cluster}) on {cluster.vcenter}"
    listed_at = format_moment(entry["last_listed_at"], read_clock().year)
    if entry["retired_at"] is not None:
        since = format_moment(entry["retired_at"], read_clock().year)
        print_line(f"{where} is retired already, since {since} UTC.")
        return
    if _is_watched(client, cluster):
        fail(
            f"{where} was listed {listed_at} UTC, when the vCenter was last asked.\n"
            "It would be watched again at once. To leave it out, exclude it in the fleet file and push that.",
            EXIT_DIFFERENCES,
        )
    print_line(f"{where} was last listed {listed_at} UTC", "bold")
    log = client.read_log(cluster.vcenter, cluster.cluster)
    findings = list(log.after["findings"].values())
    _print_findings(findings)
    for window in list_begun_windows(log.after, read_clock()):
        until = format_moment(window["to"], read_clock().year)
        print_line(
            f"  ends maintenance until {until} UTC, by {name_person(window['by'])}: {render_reason(window)}"
        )
    person = client.identify_person()
    options.require_confirmation(f"Check it no more, as {person.arn}?")
    decision = options.build_decision(person, log.head["seq"] if log.head else None, {})
    seq, recorded = client.send_decision("retire", cluster, decision, options.wait_seconds)
    if recorded["refused"]:
        fail(f"refused (record {seq}): {cluster.vcenter} lists it again", EXIT_DIFFERENCES)
    closed = f"{format_count(len(findings), 'finding')} closed"
    print_line(f"Retired (record {seq}), {closed}. If it is listed again, it is watched again.", "green")


def _print_findings(findings: Iterable[Finding]) -> None:
    """What would be closed, the worst first."""
    year = read_clock().year
    for finding in sorted(findings, key=lambda entry: (-rank_severity(entry["severity"]), entry["kind"])):
        print_line(f"  closes {finding['kind']}: {clean_sentence(reword_times(finding['summary'], year))}")


def _is_watched(client: DecisionClient, cluster: ClusterRef) -> bool:
    vcenter = client.fleet.vcenter(cluster.vcenter)
    if not is_listed(client.read_log(cluster.vcenter).after, cluster.cluster):
        return False
    return vcenter is None or find_excluding_pattern(vcenter, cluster.cluster, cluster.name) is None
