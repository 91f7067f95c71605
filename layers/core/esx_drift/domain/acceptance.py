"""What is accepted for hosts: by a person, for a time or for good; and how what runs now differs from it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import (
    ENDED_DETAIL,
    EXPIRY_DETAIL,
    Accepted,
    AcceptedSoftware,
    Change,
    EventDecision,
    Image,
    Json,
    KnownHost,
    LogState,
    NetDifference,
    ShownHost,
    Snapshot,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import cut_text

MAX_ACCEPTED_FOR: Final = timedelta(days=366)
"""How far ahead an acceptance may end: a year, of which some have a day more. What is to hold for longer has
no end, and what nobody remembers after a year is looked at again."""

MAX_LISTED_ENDS: Final = 5
"""Of acceptances that ended, as decided by one person at once for any number of hosts."""

MAX_KEPT_REASON: Final = 200
"""Characters of why something was accepted for a time: each of its hosts keeps that until then."""

MAX_LISTED_DIFFERENCES: Final = 10
"""Of what a finding says of its hosts. A record keeps it twice and an event once more, while an upgrade
changes more than a hundred parts; the snapshots have them all."""


def accept_software(
    accepted: Mapping[str, Accepted],
    hosts: Mapping[str, ShownHost],
    snapshot_key: str,
    now: datetime,
    temporary: EventDecision | None = None,
) -> dict[str, Accepted]:
    """Accept for hosts what they run.

    What has an end keeps what was accepted for good before, so that this holds again afterwards.

    Args:
        accepted: What was accepted so far, by the host's id.
        hosts: What is accepted now, by the host's id.
        snapshot_key: The key of a snapshot that holds these images.
        now: When that was decided.
        temporary: Who accepts it for a time, until when, and why; None: it has no end.
    """
    after = dict(accepted)
    for host, shown in hosts.items():
        entry: Accepted = {
            "image": shown["image"],
            "orphaned_vibs": list(shown["orphaned_vibs"]),
            "snapshot": snapshot_key,
            "decided_at": format_time(now),
        }
        if temporary is not None:
            entry["until"] = temporary["until"]
            entry["decision"] = {**temporary, "reason": cut_text(temporary["reason"], MAX_KEPT_REASON)}
            entry["before"] = _find_lasting(accepted.get(host), snapshot_key)
        after[host] = entry
    return after


def _find_lasting(entry: Accepted | None, snapshot_key: str) -> AcceptedSoftware:
    """Find what was accepted for good; where there is nothing, no image is."""
    if entry is None:
        return {"image": None, "orphaned_vibs": [], "snapshot": snapshot_key}
    return entry.get("before") or {
        "image": entry["image"],
        "orphaned_vibs": entry["orphaned_vibs"],
        "snapshot": entry["snapshot"],
    }


def expire_accepted(state: LogState, now: datetime) -> LogState:
    """End the acceptances of a log's ``state`` whose time is over by ``now``: what was before holds again."""
    expired = {
        host: _end_acceptance(entry)
        for host, entry in state["accepted"].items()
        if "until" in entry and parse_time(entry["until"]) <= now
    }
    return {**state, "accepted": state["accepted"] | expired} if expired else state


def _end_acceptance(entry: Accepted) -> Accepted:
    before = entry["before"]
    ended: Accepted = {
        "image": before["image"],
        "orphaned_vibs": before["orphaned_vibs"],
        "snapshot": before["snapshot"],
        "expired_at": entry["until"],
    }
    if "decision" in entry:
        ended["decision"] = entry["decision"]
    return ended


def list_differing_hosts(
    snapshot: Snapshot, hosts: Iterable[str], accepted: Mapping[str, Accepted]
) -> list[str]:
    """List the hosts that run another image than was accepted for them, sorted naturally.

    An orphaned VIB has a finding of its own.

    Args:
        snapshot: What runs.
        hosts: The ids of the hosts that are asked about.
        accepted: What is accepted, by the host's id.
    """
    return sort_naturally(
        host
        for host in hosts
        if host in accepted
        and accepted[host]["image"] is not None
        and snapshot["hosts"][host]["image"] != accepted[host]["image"]
    )


def compare_with_accepted(
    snapshot: Snapshot, accepted: Mapping[str, AcceptedSoftware], images: Mapping[str, Image]
) -> list[Change]:
    """Compare hosts with what is accepted for them, under the names that they have now.

    Args:
        snapshot: What runs.
        accepted: What is accepted for the hosts that are compared, by the host's id.
        images: The accepted images by digest; one that is not there is not known.

    Returns:
        The net changes: from what is accepted to what runs.
    """
    # Imported late: a check that finds nothing new must not pay for the machinery of comparing.
    from esx_drift.domain.changes.compare import compare_snapshots  # noqa: PLC0415  # see the line above

    known: dict[str, KnownHost] = {
        host: {
            **snapshot["hosts"][host],
            "image": entry["image"] if entry["image"] in images else None,
            "orphaned_vibs": entry["orphaned_vibs"],
        }
        for host, entry in accepted.items()
    }
    now: Snapshot = {**snapshot, "hosts": {host: snapshot["hosts"][host] for host in known}}
    return compare_snapshots({**snapshot, "images": dict(images), "hosts": known}, now, {})


def list_net_changes(
    snapshot: Snapshot,
    hosts: Iterable[str],
    accepted: Mapping[str, Accepted],
    images: Mapping[str, Image],
) -> list[Change]:
    """List in what the software of hosts differs from what is accepted for them, without orphaned VIBs.

    Args:
        snapshot: What runs.
        hosts: The ids of the hosts that differ.
        accepted: What is accepted, by the host's id.
        images: The accepted images by digest.
    """
    compared = {host: accepted[host] for host in hosts}
    changes = compare_with_accepted(snapshot, compared, images) if compared else []
    return [change for change in changes if change["element"] != "orphaned_vib"]


def list_differences(changes: Sequence[Change]) -> list[NetDifference]:
    """List the net ``changes`` that are worth a line of their own: the worst first, and not too many."""
    worst_first = sorted(changes, key=lambda change: -rank_severity(change["severity"]))
    return [
        {
            "element": change["element"],
            "kind": change["kind"],
            "key": change["key"],
            "from": change["from"],
            "to": change["to"],
            "alternative_image": change["alternative_image"],
            "hosts": change["hosts"],
        }
        for change in worst_first[:MAX_LISTED_DIFFERENCES]
    ]


def build_difference_detail(changes: Sequence[Change]) -> dict[str, Json]:
    """Build what a finding says of net ``changes``: those that it lists, and how many there are."""
    return {"differences": cast("list[Json]", list_differences(changes)), "total": len(changes)}


def find_expiry(hosts: Iterable[str], accepted: Mapping[str, Accepted]) -> dict[str, Json]:
    """Find which acceptances of these ``hosts`` ended that nobody renewed.

    ``accepted`` is what is accepted, by the host's id.

    Returns:
        What a finding says of it: nothing, or ``expired_at``, when the last of them ended, and ``ended``: the
        last few of them, each with ``at``, ``hosts``, and as far as known ``by``, ``reason`` and ``ticket``.
    """
    ended: dict[str, dict[str, Json]] = {}
    for host in sort_naturally(hosts):
        entry = accepted.get(host)
        if entry is None or "expired_at" not in entry:
            continue
        decided = {key: value for key, value in entry.get("decision", {}).items() if key != "until"}
        said = cast("dict[str, Json]", {"at": entry["expired_at"], **decided})
        one = ended.setdefault(compute_digest(said), {**said, "hosts": []})
        one["hosts"] = [*cast("list[Json]", one["hosts"]), host]
    if not ended:
        return {}
    last_first = sorted(ended.values(), key=lambda one: str(one["at"]), reverse=True)
    return {EXPIRY_DETAIL: last_first[0]["at"], ENDED_DETAIL: [*last_first[:MAX_LISTED_ENDS]]}
