"""What a record says, in short; and an answer that a vCenter gives instead of its own."""

from collections.abc import Iterable

from esx_drift.domain.stored.types import Change, Finding, Record

from tests.simulator.faults import Fault
from tests.simulator.reply import json_reply


def moved(record: Record) -> set[tuple[str, str]]:
    """What opened, was raised or ended: kind and transition."""
    return {
        (finding["kind"], finding["transition"])
        for finding in record["findings"]
        if finding["transition"] != "still"
    }


def told(record: Record) -> set[tuple[str, str, str]]:
    """The changes in short."""
    return {(change["element"], change["kind"], change["key"]) for change in record["changes"]}


def of_host(record: Record) -> Change:
    """The only change of a host."""
    (change,) = (change for change in record["changes"] if change["element"] == "host")
    return change


def open_kinds(record: Record) -> set[str]:
    """The kinds that are open after a check."""
    return {finding["kind"] for finding in record["after"]["findings"].values()}


def one(findings: Iterable[Finding], kind: str) -> Finding:
    """The only finding of its kind."""
    (found,) = (finding for finding in findings if finding["kind"] == kind)
    return found


def answering(value: object, status: int = 200) -> Fault:
    """A fault: this JSON in place of the vCenter's answer."""
    return Fault("answering", instead=lambda _: json_reply(status, value))
