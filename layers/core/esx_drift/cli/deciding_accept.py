"""Showing a person what he would accept, and having it accepted just so."""

from typing import TYPE_CHECKING

import typer

from esx_drift.cli.deciding import Desk, Meant, Word
from esx_drift.cli.deciding_offer import Offer, offer_of
from esx_drift.cli.terminal import FOUND, fail, say
from esx_drift.domain.deciding import REPLACED
from esx_drift.domain.names import VCENTER_LOG
from esx_drift.domain.telling.wording import clean, counted, listed, moment, named

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Decided, Decision, Finding, Snapshot

MAX_NAMES = 20


def accept_cluster(desk: Desk, meant: Meant, hosts: tuple[str, ...], word: Word) -> None:
    """Accept the hosts named, or all that were seen."""
    offer = _offer(desk, meant, hosts)
    say(f"{clean(meant.name)} ({meant.cluster}) on {meant.vcenter}", "bold")
    for line in offer.lines():
        say(line)
    if not offer.hosts:
        fail("there is no host to accept")
    person = desk.person()
    word.confirmed(f"Accept {counted(len(offer.hosts), 'host')} as shown, as {person}?")
    decision = word.decision(person, offer.seq, offer.hosts)
    seq, decided = desk.decided("accept", meant, decision, word.wait_seconds)
    _tell(offer, seq, decided)


def accept_vcenter(desk: Desk, name: str, word: Word) -> None:
    """Accept that another vCenter answers under this name."""
    if desk.fleet.vcenter(name) is None:
        fail(f"the fleet file has no vCenter called {name}")
    state = desk.state(name)
    replaced = _replaced(name, list(state["after"]["findings"].values()) if state else [])
    head = state["head"] if state else None
    now = str(replaced["detail"]["now"])
    say(f"{name} answers as another vCenter since {moment(replaced['opened_at'])} UTC", "bold")
    say(f"  before {clean(str(replaced['detail']['before']))}")
    say(f"  now    {clean(now)}")
    known = sum(entry["retired_at"] is None for entry in desk.clusters(name).values())
    say(f"Accepting it retires the {counted(known, 'cluster')} known so far, with what is open on them.")
    say("Each cluster that it lists begins with a first look, in the same log.")
    person = desk.person()
    word.confirmed(f"Accept it, as {person}?")
    shown = word.decision(person, head["seq"] if head else None, {})
    decision: Decision = {**shown, "instance_uuid": now}
    seq, decided = desk.decided("accept", Meant(name, VCENTER_LOG, name), decision, word.wait_seconds)
    if decided["refused"]:
        fail(f"refused (record {seq}): by now yet another vCenter answers. Run it again to see which.", FOUND)
    say(f"Accepted (record {seq}). The next run dispatches its clusters.", "green")


def _offer(desk: Desk, meant: Meant, hosts: tuple[str, ...]) -> Offer:
    state = desk.state(meant.vcenter, meant.cluster)
    if state is None or state["head"] is None or state["after"]["snapshot"] is None:
        fail(f"{meant.name} was not looked at yet: there is nothing to accept")
    snapshot = desk.store.snapshot(state["after"]["snapshot"]["key"])
    wanted = frozenset(_ids(snapshot, hosts) if hosts else snapshot["hosts"])
    return offer_of(state, state["head"]["seq"], snapshot, wanted, desk.store.snapshot)


def _ids(snapshot: "Snapshot", wanted: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in wanted:
        ids = [host for host, known in snapshot["hosts"].items() if name in {host, known["name"]}]
        if not ids:
            known_names = listed([clean(known["name"]) for known in snapshot["hosts"].values()], MAX_NAMES)
            fail(f"the cluster has no host called {name!r}; it has {known_names}")
        found += ids
    return found


def _replaced(name: str, findings: "list[Finding]") -> "Finding":
    found = [finding for finding in findings if finding["kind"] == REPLACED]
    if not found:
        fail(f"{name} is the vCenter that it was: there is nothing to accept")
    return found[0]


def _tell(offer: Offer, seq: int, decided: "Decided") -> None:
    if decided["taken"]:
        say(f"Accepted (record {seq}): {_hosts(offer, decided['taken'])}", "green")
    if decided["refused"]:
        say(f"Refused (record {seq}): {_hosts(offer, decided['refused'])}", "yellow")
        say("They are no longer as they were shown. Run it again to see how they are now.")
        raise typer.Exit(FOUND)


def _hosts(offer: Offer, hosts: list[str]) -> str:
    return f"{counted(len(hosts), 'host')}: {listed(named(hosts, offer.names), MAX_NAMES)}"
