"""What a person's decision does to a log: accepting what he was shown, or retiring a cluster.

Nothing is widened: what is no longer as he was shown it is refused, host by host.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from esx_drift.domain.shapes import After, Decision, Finding, KnownHost, ResolvedBecause, Snapshot
from esx_drift.domain.times import text_of
from esx_drift.domain.versions import sorted_naturally

REPLACED = "vcenter-replaced"


@dataclass(frozen=True, slots=True)
class Effect:
    """The log afterwards, every finding with its transition, and for which hosts it was taken or refused."""

    after: After
    findings: list[Finding]
    taken: list[str]
    refused: list[str]


def accept(after: After, decision: Decision, snapshot: Snapshot | None, snapshot_key: str) -> Effect:
    """Accept hosts of a cluster as they were shown; ``snapshot`` is the log's newest."""
    known = snapshot["hosts"] if snapshot else {}
    taken = [host for host in decision["hosts"] if _is_as_shown(decision, host, known.get(host))]
    refused = [host for host in decision["hosts"] if host not in taken]
    accepted = dict(after["accepted"])
    for host in taken:
        shown = decision["hosts"][host]
        accepted[host] = {
            "image": shown["image"],
            "orphaned_vibs": list(shown["orphaned_vibs"]),
            "snapshot": snapshot_key,
        }
    told = [_without(finding, taken) for finding in after["findings"].values()]
    moved: After = {**after, "accepted": accepted, "findings": _open(told)}
    return Effect(moved, told, sorted_naturally(taken), sorted_naturally(refused))


def accept_vcenter(after: After, decision: Decision) -> Effect:
    """Accept that another vCenter answers under this name: its clusters begin with a first look."""
    found = [finding for finding in after["findings"].values() if finding["kind"] == REPLACED]
    if decision["instance_uuid"] not in [finding["detail"].get("now") for finding in found]:
        return Effect(after, _still(after), [], [str(decision["instance_uuid"])])
    told = [_closed(finding, "accepted") for finding in after["findings"].values()]
    moved: After = {
        **after,
        "instance_uuid": decision["instance_uuid"],
        "clusters": {},
        "findings": {},
        "suspects": {},
    }
    return Effect(moved, told, [str(decision["instance_uuid"])], [])


def retire(after: After) -> Effect:
    """Close all that is open on a cluster that is watched no more."""
    told = [_closed(finding, "retired") for finding in after["findings"].values()]
    moved: After = {**after, "findings": {}, "suspects": {}}
    return Effect(moved, told, [], [])


def retire_from(after: After, cluster: str, now: datetime) -> Effect:
    """Strike a cluster off its vCenter's list of those to be dispatched."""
    clusters = dict(after["clusters"] or {})
    if cluster not in clusters:
        return Effect(after, _still(after), [], [cluster])
    clusters[cluster] = {**clusters[cluster], "retired_at": text_of(now)}
    told = [
        _closed(finding, "retired") if finding["subject"] == cluster else {**finding, "transition": "still"}
        for finding in after["findings"].values()
    ]
    moved: After = {**after, "clusters": clusters, "findings": _open(told)}
    return Effect(moved, told, [cluster], [])


def _is_as_shown(decision: Decision, host: str, known: KnownHost | None) -> bool:
    shown = decision["hosts"][host]
    return known is not None and (known["image"], known["orphaned_vibs"]) == (
        shown["image"],
        shown["orphaned_vibs"],
    )


def _without(finding: Finding, taken: Collection[str]) -> Finding:
    """What is not as accepted, without the hosts that now are; the last one closes it."""
    if finding["kind"] != "drift-unreviewed":
        return {**finding, "transition": "still"}
    hosts = [host for host in finding["hosts"] if host not in taken]
    if not hosts:
        return _closed(finding, "accepted")
    return {**finding, "hosts": hosts, "transition": "still"}


def _closed(finding: Finding, because: ResolvedBecause) -> Finding:
    return {**finding, "transition": "resolved", "resolved_because": because}


def _still(after: After) -> list[Finding]:
    return [{**finding, "transition": "still"} for finding in after["findings"].values()]


def _open(told: Collection[Finding]) -> dict[str, Finding]:
    return {one["fingerprint"]: one for one in told if one["transition"] != "resolved"}


def as_shown(snapshot: Snapshot, hosts: Collection[str]) -> Mapping[str, KnownHost]:
    """The hosts of a snapshot that can be accepted: what was never seen can't."""
    return {
        host: known
        for host, known in snapshot["hosts"].items()
        if host in hosts and known["image"] is not None and known["orphaned_vibs"] is not None
    }
