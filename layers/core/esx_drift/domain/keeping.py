"""What a cluster's log keeps of single hosts beside the snapshot: accepted, departed, unseen since when."""

from collections.abc import Collection, Mapping
from datetime import datetime

from esx_drift.domain.shapes import Accepted, Change, Departed, KnownHost
from esx_drift.domain.times import text_of

type Hosts = Mapping[str, KnownHost]


def accepted_after(
    accepted: Mapping[str, Accepted],
    hosts: Hosts,
    covered: Collection[str],
    snapshot_key: str,
    changes: Collection[Change],
) -> dict[str, Accepted]:
    """What stands in for a person's approval: a host's first copy, and nobody approved an orphaned VIB.

    Only at the cluster's first look (nothing accepted yet) are orphaned VIBs taken along. A host that comes
    back under a new id keeps what was accepted for the old one.
    """
    after = dict(accepted)
    for change in changes:
        old = change["from"]
        if change["element"] == "host" and change["kind"] == "changed" and old in after:
            after[change["key"]] = after.pop(old)
    for host in covered:
        if host not in after:
            orphaned_vibs = [] if accepted else hosts[host]["orphaned_vibs"] or []
            after[host] = {
                "image": hosts[host]["image"],
                "orphaned_vibs": list(orphaned_vibs),
                "snapshot": snapshot_key,
            }
    return after


def departed_after(
    departed: Mapping[str, Departed],
    before: Hosts,
    now_there: Hosts,
    snapshot_key: str,
    now: datetime,
) -> dict[str, Departed]:
    """The hosts that left, until their id or their name is back."""
    names = {host["name"] for host in now_there.values()}
    after = dict(departed)
    for host, known in before.items():
        if host not in now_there:
            after[host] = {
                "name": known["name"],
                "image": known["image"],
                "orphaned_vibs": known["orphaned_vibs"],
                "snapshot": snapshot_key,
                "left_at": text_of(now),
            }
    return {host: gone for host, gone in after.items() if host not in now_there and gone["name"] not in names}


def uncovered_after(
    since: Mapping[str, str], uncovered: Collection[str], last_look_at: str | None, now: datetime
) -> dict[str, str]:
    """Since when each uncovered host is unseen: its last good look, or the first one that missed it."""
    return {host: since.get(host) or last_look_at or text_of(now) for host in uncovered}
