"""``esx-drift accept``: a person approves of what runs, host by host, or of a vCenter that was replaced."""

from typing import Annotated

import typer

from esx_drift.checking.baseline import BaselineReader
from esx_drift.cli.accept_preview import (
    MAX_LISTED_HOSTS,
    AcceptPreview,
    build_preview,
    list_damage_lines,
)
from esx_drift.cli.clusters import ClusterRef
from esx_drift.cli.decision_client import (
    DecisionClient,
    DecisionOptions,
    open_decision_client,
    parse_decision_options,
)
from esx_drift.cli.options import (
    ReasonOption,
    StackOptions,
    VCenterOption,
    WaitOption,
    YesOption,
    with_stack_options,
)
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line
from esx_drift.domain.decisions import REPLACED
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Decision, Finding, RecordedDecision, Snapshot
from esx_drift.domain.text.wording import clean_text, format_count, format_moment, join_names

AcceptedArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id; @NAME for a vCenter as a whole.")
]
HostsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="Only these hosts (names or ids, separated by commas) of all that were seen."
    ),
]


@with_stack_options
def accept(
    cluster: AcceptedArgument,
    reason: ReasonOption,
    vcenter: VCenterOption = None,
    hosts: HostsOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
    *,
    target: StackOptions,
) -> None:
    """Show what differs from what was last accepted, ask, and have it accepted as shown.

    Without --hosts all hosts that were seen are meant. What has changed again meanwhile is refused. An
    accepted vCenter begins with first looks. Exit code 0: all was accepted, 1: some was refused, or nothing
    was sent, since there was nothing to accept or you said no, 2: trouble.

    Example: esx-drift accept prod-a --hosts esx03 --reason CHG-2042
    """
    options = parse_decision_options(reason, ask=not yes, wait_seconds=wait)
    if not cluster.startswith("@"):
        names = tuple(name.strip() for name in hosts.split(",")) if hosts is not None else ()
        client = open_decision_client(target)
        _accept_cluster(client, client.find_cluster(cluster, vcenter), names, options)
    elif hosts is not None or vcenter not in {None, cluster[1:]}:
        fail(f"{cluster} is a vCenter as a whole: leave --hosts and --vcenter out")
    else:
        _accept_vcenter(open_decision_client(target), cluster[1:], options)


def _accept_cluster(
    client: DecisionClient, cluster: ClusterRef, names: tuple[str, ...], options: DecisionOptions
) -> None:
    """Accept the hosts of these names or ids; all that were seen, where there are none."""
    preview = _read_preview(client, cluster, names)
    print_line(f"{clean_text(cluster.name)} ({cluster.cluster}) on {cluster.vcenter}", "bold")
    for line in preview.render():
        print_line(line)
    if not preview.hosts:
        fail("there is no host to accept")
    if preview.changes_nothing:
        fail("nothing to accept: all of this is accepted already, and nothing was sent", EXIT_DIFFERENCES)
    person = client.identify_person()
    options.require_confirmation(preview.ask(person.arn, named=bool(names)))
    decision = options.build_decision(person, preview.seq, preview.hosts)
    seq, recorded = client.send_decision("accept", cluster, decision, options.wait_seconds)
    _print_answer(preview, seq, recorded)


def _read_preview(client: DecisionClient, cluster: ClusterRef, names: tuple[str, ...]) -> AcceptPreview:
    log = client.read_log(cluster.vcenter, cluster.cluster)
    if log.head is None or log.after["snapshot"] is None:
        fail(f"{cluster.name} was not looked at yet: there is nothing to accept")
    reader = BaselineReader(client.store, cluster.vcenter, cluster.cluster)
    baseline = reader.read(log.after)
    if baseline is None:
        fail(f"{reader.damages[0].message}: restore its former version in S3 first")
    snapshot = baseline.snapshot
    return build_preview(
        baseline.state,
        log.head["seq"],
        snapshot,
        frozenset(_find_host_ids(snapshot, names) if names else snapshot["hosts"]),
        lambda key: reader.find_snapshot(baseline, key),
    )


def _find_host_ids(snapshot: Snapshot, names: tuple[str, ...]) -> list[str]:
    wanted: list[str] = []
    for name in names:
        ids = [id_ for id_, host in snapshot["hosts"].items() if name in {id_, host["name"]}]
        if not ids:
            all_names = [clean_text(host["name"]) for host in snapshot["hosts"].values()]
            listed = join_names(all_names, MAX_LISTED_HOSTS)
            fail(f"the cluster has no host called {name!r}; it has {listed}")
        wanted += ids
    return wanted


def _print_answer(preview: AcceptPreview, seq: int, recorded: RecordedDecision) -> None:
    if recorded["taken"]:
        print_line(f"Accepted (record {seq}): {preview.render_names(recorded['taken'])}", "green")
    if recorded["refused"]:
        print_line(f"Refused (record {seq}): {preview.render_names(recorded['refused'])}", "yellow")
        print_line("They are no longer as they were shown. Run it again to see how they are now.")
        raise typer.Exit(EXIT_DIFFERENCES)


def _accept_vcenter(client: DecisionClient, vcenter: str, options: DecisionOptions) -> None:
    """Accept that another vCenter answers under this name; where none does, damage of its own log."""
    if client.fleet.vcenter(vcenter) is None:
        fail(f"the fleet file has no vCenter called {vcenter}")
    log = client.read_log(vcenter)
    findings = list(log.after["findings"].values())
    replacement = next((finding for finding in findings if finding["kind"] == REPLACED), None)
    damages = list_damage_lines(findings)
    if replacement:
        _print_replacement(client, vcenter, replacement)
    elif damages:
        print_line(f"The log of {vcenter} as a whole", "bold")
        for line in damages:
            print_line(f"  {line}")
    else:
        fail(f"{vcenter} is the vCenter that it was, and its log is sound: there is nothing to accept")
    person = client.identify_person()
    options.require_confirmation(f"Accept it, as {person.arn}?")
    decision: Decision = {
        **options.build_decision(person, log.head["seq"] if log.head else None, {}),
        "instance_uuid": str(replacement["detail"]["now"]) if replacement else None,
    }
    whole = ClusterRef(vcenter, VCENTER_LOG, vcenter)
    seq, recorded = client.send_decision("accept", whole, decision, options.wait_seconds)
    if recorded["refused"]:
        again = "by now yet another vCenter answers. Run it again to see which."
        fail(f"refused (record {seq}): {again}", EXIT_DIFFERENCES)
    then = " The next run dispatches its clusters." if replacement else ""
    print_line(f"Accepted (record {seq}).{then}", "green")


def _print_replacement(client: DecisionClient, vcenter: str, finding: Finding) -> None:
    since = format_moment(finding["opened_at"])
    print_line(f"{vcenter} answers as another vCenter since {since} UTC", "bold")
    print_line(f"  before {clean_text(str(finding['detail']['before']))}")
    print_line(f"  now    {clean_text(str(finding['detail']['now']))}")
    watched = sum(entry["retired_at"] is None for entry in client.read_clusters(vcenter).values())
    clusters = format_count(watched, "cluster")
    print_line(f"Accepting it retires the {clusters} known so far, with what is open on them.")
    print_line("Each cluster that it lists begins with a first look, in the same log.")
