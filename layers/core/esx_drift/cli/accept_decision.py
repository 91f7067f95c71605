"""Showing a person what he would accept, and having it accepted just so."""

from typing import TYPE_CHECKING

import typer

from esx_drift.checking.baseline import BaselineReader
from esx_drift.cli.accept_preview import AcceptPreview, build_preview
from esx_drift.cli.decision_client import ClusterRef, DecisionClient, DecisionOptions
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line
from esx_drift.domain.decisions import REPLACED
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.wording import clean_text, format_count, format_moment, join_names, list_host_names

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Decision, Finding, RecordedDecision, Snapshot

MAX_LISTED_HOSTS = 20


def accept_cluster(
    desk: DecisionClient, meant: ClusterRef, hosts: tuple[str, ...], word: DecisionOptions
) -> None:
    """Accept the hosts named, or all that were seen."""
    offer = _offer(desk, meant, hosts)
    print_line(f"{clean_text(meant.name)} ({meant.cluster}) on {meant.vcenter}", "bold")
    for line in offer.render():
        print_line(line)
    if not offer.hosts:
        fail("there is no host to accept")
    person = desk.identify_person()
    word.require_confirmation(f"Accept {format_count(len(offer.hosts), 'host')} as shown, as {person}?")
    decision = word.build_decision(person, offer.seq, offer.hosts)
    seq, decided = desk.send_decision("accept", meant, decision, word.wait_seconds)
    _tell(offer, seq, decided)


def accept_vcenter(desk: DecisionClient, name: str, word: DecisionOptions) -> None:
    """Accept that another vCenter answers under this name."""
    if desk.fleet.vcenter(name) is None:
        fail(f"the fleet file has no vCenter called {name}")
    state = desk.read_state(name)
    replaced = _replaced(name, list(state["after"]["findings"].values()) if state else [])
    head = state["head"] if state else None
    now = str(replaced["detail"]["now"])
    print_line(f"{name} answers as another vCenter since {format_moment(replaced['opened_at'])} UTC", "bold")
    print_line(f"  before {clean_text(str(replaced['detail']['before']))}")
    print_line(f"  now    {clean_text(now)}")
    known = sum(entry["retired_at"] is None for entry in desk.read_clusters(name).values())
    print_line(
        f"Accepting it retires the {format_count(known, 'cluster')} known so far, with what is open on them."
    )
    print_line("Each cluster that it lists begins with a first look, in the same log.")
    person = desk.identify_person()
    word.require_confirmation(f"Accept it, as {person}?")
    shown = word.build_decision(person, head["seq"] if head else None, {})
    decision: Decision = {**shown, "instance_uuid": now}
    seq, decided = desk.send_decision(
        "accept", ClusterRef(name, VCENTER_LOG, name), decision, word.wait_seconds
    )
    if decided["refused"]:
        fail(
            f"refused (record {seq}): by now yet another vCenter answers. Run it again to see which.",
            EXIT_DIFFERENCES,
        )
    print_line(f"Accepted (record {seq}). The next run dispatches its clusters.", "green")


def _offer(desk: DecisionClient, meant: ClusterRef, hosts: tuple[str, ...]) -> AcceptPreview:
    state = desk.read_state(meant.vcenter, meant.cluster)
    if state is None or state["head"] is None or state["after"]["snapshot"] is None:
        fail(f"{meant.name} was not looked at yet: there is nothing to accept")
    reader = BaselineReader(desk.store, meant.vcenter, meant.cluster)
    baseline = reader.read(state["after"])
    snapshot = baseline.snapshot
    wanted = frozenset(_ids(snapshot, hosts) if hosts else snapshot["hosts"])
    return build_preview(
        {**state, "after": baseline.state},
        state["head"]["seq"],
        snapshot,
        wanted,
        lambda key: reader.read_snapshot(baseline, key),
    )


def _ids(snapshot: "Snapshot", wanted: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in wanted:
        ids = [host for host, known in snapshot["hosts"].items() if name in {host, known["name"]}]
        if not ids:
            known_names = join_names(
                [clean_text(known["name"]) for known in snapshot["hosts"].values()], MAX_LISTED_HOSTS
            )
            fail(f"the cluster has no host called {name!r}; it has {known_names}")
        found += ids
    return found


def _replaced(name: str, findings: "list[Finding]") -> "Finding":
    found = [finding for finding in findings if finding["kind"] == REPLACED]
    if not found:
        fail(f"{name} is the vCenter that it was: there is nothing to accept")
    return found[0]


def _tell(offer: AcceptPreview, seq: int, decided: "RecordedDecision") -> None:
    if decided["taken"]:
        print_line(f"Accepted (record {seq}): {_hosts(offer, decided['taken'])}", "green")
    if decided["refused"]:
        print_line(f"Refused (record {seq}): {_hosts(offer, decided['refused'])}", "yellow")
        print_line("They are no longer as they were shown. Run it again to see how they are now.")
        raise typer.Exit(EXIT_DIFFERENCES)


def _hosts(offer: AcceptPreview, hosts: list[str]) -> str:
    return f"{format_count(len(hosts), 'host')}: {join_names(list_host_names(hosts, offer.names), MAX_LISTED_HOSTS)}"
