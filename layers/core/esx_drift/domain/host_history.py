"""What a cluster's log keeps of single hosts beside the snapshot: accepted, departed, unseen since when.

Longer than 250 lines, because what is kept of a host, and by what it is known again, is read together.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, cast

from msgspec import Struct

from esx_drift.domain.images.report import Inventory, Report
from esx_drift.domain.stored.identifiers import find_machine, make_fingerprint
from esx_drift.domain.stored.types import (
    Accepted,
    ClusterName,
    Departed,
    Image,
    KnownHost,
    KnownMachines,
    LogState,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally

MAX_SKEW = timedelta(minutes=5)
"""A report is dated by the vCenter's clock, and what left by ours: so much may lie between them."""

PLAIN_NAME = re.compile("[A-Za-z0-9._-]+")
"""What a host is called in DNS."""

type Hosts = Mapping[str, KnownHost]

type Uuids = Mapping[str, str | None]
"""The UUIDs of machines by the ids of their hosts; none where it is not known."""

NO_UUIDS: Final[Uuids] = MappingProxyType({})

DEPARTED_FOR: Final = timedelta(days=90)
"""How long a host that left is remembered. One out for repair is back within weeks; what comes back after a
quarter is a new host. Without an end, hosts that come and go would fill their cluster's records."""

UNREAD_UUIDS: Final = (
    "hosts whose hardware UUID can't be read are not known again under another name and another id"
)

ASK_AGAIN_AFTER: Final = timedelta(days=1)
"""After this a UUID that was not given is asked for again: a host that was not connected is by then, and a
vCenter that can't give any costs one call a cluster and day."""

READ_ANEW_AFTER: Final = timedelta(days=7)
"""After this UUIDs that are known are read anew: a host keeps its id when its system board is changed, and
its UUID is another then. That is one call a cluster and week; a host that leaves within that week of a new
board, and comes back under another name and another id, is told as a new one."""


class RememberedHost(Struct, frozen=True):
    """What a log last knew of a host.

    Attributes:
        id: The id that it had there.
        name: The name that it had there.
        image: What it ran; None: it was never seen.
        orphaned_vibs: Its orphaned VIBs; None: it was never seen.
        seen_at: When it was last seen; None: at the last look, by the baseline that is compared.
        cluster: The cluster that it was in, where that is another one; None: the one that is compared.
        accepted: What was last accepted for it in another cluster; None where nothing was.
        uuid: Its machine's; None: it is not known, or of no use.
    """

    id: str
    name: str
    image: Image | None
    orphaned_vibs: list[str] | None
    seen_at: datetime | None = None
    cluster: ClusterName | None = None
    accepted: Accepted | None = None
    uuid: str | None = None


class IndexedLog(Struct, frozen=True):
    """Which hosts a log knows, as this process read it: what it names as long as its pointer is the same.

    Attributes:
        etag: The pointer's.
        instance_uuid: Of the vCenter that the log is of.
        hosts: The id, the name and, where it is known, the UUID of each host, those that left among them.
    """

    etag: str
    instance_uuid: str | None
    hosts: tuple[tuple[str, str, str | None], ...]


type HostIndex = dict[str, dict[str, IndexedLog]]
"""Logs by vCenter and cluster. A process keeps it as long as it lives: some 300 bytes a host."""


def find_known_machines(state: LogState) -> KnownMachines:
    """Find what the ``state`` of a log knows of the machines that its hosts are: nothing at first."""
    nothing: KnownMachines = {"uuids": {}, "asked_at": None}
    return state.get("machines", nothing)


def list_hosts_to_ask(known: KnownMachines, hosts: Iterable[str], now: datetime) -> list[str]:
    """List the hosts whose UUID is to be asked for, in one call: all of them or none.

    One call asks for as many as there are, so that whatever makes one necessary also renews what is known. It
    is necessary as soon as one of them is new; once a day where one was not given, and else once a week.

    Args:
        known: What is known of the cluster's machines.
        hosts: The ids of its hosts, but for those whose UUID the list of hosts says.
        now: The time now.
    """
    asked, uuids = sort_naturally(hosts), known["uuids"]
    if any(host not in uuids for host in asked) or known["asked_at"] is None:
        return asked
    is_one_unread = any(uuids[host] is None for host in asked)
    pause = ASK_AGAIN_AFTER if is_one_unread else READ_ANEW_AFTER
    return asked if now - parse_time(known["asked_at"]) >= pause else []


def describe_unasked_uuids(known: KnownMachines) -> str:
    """Describe that no time was left to ask for UUIDs; ``known`` is what is known of the cluster's machines.

    It names when they were last asked for: a log says the same thing once, and so says it once for each gap.
    """
    last = known["asked_at"] or "never"
    return (
        "hosts' hardware UUIDs were due and not asked for, because too little time was left in this run: the"
        f" next check asks for them (last asked for: {last})"
    )


def is_other_machine(uuid: str | None, other: str | None) -> bool:
    """Tell whether two hosts are known to be two machines, by their UUIDs ``uuid`` and ``other``."""
    machine, second = find_machine(uuid), find_machine(other)
    return machine is not None and second is not None and machine != second


def carry_over_accepted(
    accepted: Mapping[str, Accepted], returned: Mapping[str, RememberedHost]
) -> dict[str, Accepted]:
    """Move what was accepted for hosts to the cluster and the id under which they are now.

    Args:
        accepted: What was accepted so far in this cluster, by the host's id.
        returned: What is known of the hosts that came, by the id that they have now.
    """
    moved = {former.id: accepted[former.id] for former in returned.values() if former.id in accepted}
    after = {host: entry for host, entry in accepted.items() if host not in moved}
    for host, former in returned.items():
        entry = former.accepted or moved.get(former.id)
        if entry is not None:
            after[host] = entry
    return after


def update_accepted(
    accepted: Mapping[str, Accepted],
    hosts: Hosts,
    covered: Collection[str],
    snapshot_key: str,
    *,
    first_look: bool,
) -> dict[str, Accepted]:
    """Accept each host's first image in place of a person. An orphaned VIB is approved by nobody.

    Args:
        accepted: What was accepted so far, by the host's id.
        hosts: The hosts of the new snapshot, by id.
        covered: The ids of those that this look saw.
        snapshot_key: The key of the new snapshot.
        first_look: Whether it is the cluster's first look: only then are orphaned VIBs taken along.
    """
    after = dict(accepted)
    for host in covered:
        if host not in after:
            orphaned_vibs = (hosts[host]["orphaned_vibs"] or []) if first_look else []
            after[host] = {
                "image": hosts[host]["image"],
                "orphaned_vibs": list(orphaned_vibs),
                "snapshot": snapshot_key,
            }
    return after


def update_departed(
    state: LogState,
    before: Hosts,
    present: Hosts,
    returned: Mapping[str, RememberedHost],
    now: datetime,
    uuids: Uuids = NO_UUIDS,
) -> dict[str, Departed]:
    """List the hosts that left the cluster.

    A host stays listed until it is back, by its id or its name, and its image is known again; or for 90 days.
    Another machine under its name is not that host.

    Args:
        state: The log's state before, with its baseline and the hosts that had left by then.
        before: The hosts of that baseline, by id; empty where nothing had to be compared.
        present: The hosts of the new snapshot, by id.
        returned: What was known of the hosts that came, by the id that they have now.
        now: When this look was made.
        uuids: The UUIDs of the machines that the hosts of both are.
    """
    after = dict(state["departed"])
    remembered = {normalize_host_name(gone["name"]) for gone in after.values()}
    for host, entry in before.items():
        # One that came back unseen and left again: what was known before still is the last that is known.
        again = entry["image"] is None and normalize_host_name(entry["name"]) in remembered
        if host not in present and not again:
            after[host] = {
                "name": entry["name"],
                "image": entry["image"],
                "orphaned_vibs": entry["orphaned_vibs"],
                "snapshot": state["snapshot"]["key"] if state["snapshot"] else "",
                "seen_at": find_host_last_seen(state, host),
                "left_at": format_time(now),
            }
            uuid = uuids.get(host)
            if uuid is not None:
                after[host]["uuid"] = uuid
    seen = {host: back["name"] for host, back in present.items() if back["image"]}
    ids = {*seen, *(returned[host].id for host in returned.keys() & seen.keys())}
    names = {normalize_host_name(name): uuids.get(host) for host, name in seen.items()}
    return {
        host: gone
        for host, gone in after.items()
        if host not in ids
        and not _is_named_alike(gone, names)
        and now - parse_time(gone["left_at"]) <= DEPARTED_FOR
    }


def _is_named_alike(gone: Departed, names: Uuids) -> bool:
    """Whether a host that is there has the name of one that left, and may be the same machine.

    ``names`` has, by their names, the UUIDs of those that are there.
    """
    name = normalize_host_name(gone["name"])
    return name in names and not is_other_machine(gone.get("uuid"), names[name])


def find_host_last_seen(state: LogState, host: str) -> str:
    """Find when the ``host`` of a log's baseline was last seen, as that log's ``state`` says."""
    # A log that has a baseline has looked.
    return state["uncovered_since"].get(host) or cast("str", state["last_look_at"])


def forget_accepted(
    accepted: Mapping[str, Accepted], present: Hosts, departed: Mapping[str, Departed]
) -> dict[str, Accepted]:
    """Keep of what was ``accepted`` only that of hosts ``present``, and of those still in ``departed``."""
    return {host: entry for host, entry in accepted.items() if host in present or host in departed}


def update_uncovered_since(
    since: Mapping[str, str], uncovered: Collection[str], seen_last_at: str, *, is_blind: bool
) -> dict[str, str]:
    """Say for each uncovered host since when it is unseen: at the latest since its cluster was last seen.

    Args:
        since: What the check before said, by the host's id.
        uncovered: The ids of the hosts that are uncovered now.
        seen_last_at: When the cluster was last seen, as text: the time of a host that is not in ``since``.
        is_blind: Whether no host was seen, and so nothing was compared: which of the hosts of before came
            back under a new id is found out later.
    """
    return {**(since if is_blind else {}), **{host: since.get(host) or seen_last_at for host in uncovered}}


def list_missing_hosts(
    report: Report, listed: Collection[str], before: LogState, *, asked: bool
) -> list[str]:
    """List the hosts that a report has and the inventory lacks, though they can't have left before it.

    A report that we asked for is as new as the inventory. One that was there before says nothing of who has
    left since; but a host that was missing already before it was completed is still there.

    Args:
        report: The report.
        listed: The ids of the hosts of the inventory.
        before: The log's state before, with the hosts that had left, or were or seemed hidden by then.
        asked: Whether the report is of our own extraction.
    """
    read = report.successful_hosts | report.failed_hosts | report.unsupported_hosts
    hidden = {
        finding["subject"] for finding in before["findings"].values() if finding["kind"] == "host-hidden"
    }
    gone = {
        host
        for host, entry in before["departed"].items()
        if report.completion_time > parse_time(entry["left_at"]) + MAX_SKEW
    }
    suspected = before["suspects"]
    hidden |= {host for host in read if make_fingerprint("failure", "host-hidden", host) in suspected}
    return [host for host in sort_naturally(read - set(listed)) if asked or host in hidden | gone]


def is_of_other_cluster(report: Report, inventory: Inventory) -> bool:
    """Tell whether ``report`` names hosts, and none of ``inventory`` under its own name.

    Ids alone may be used again by another vCenter; a host that the report gives no name counts as the same.
    """
    if not inventory or not report.names:
        return False
    return not any(
        host in report.nameless or _may_be_same_name(report.names[host], entry.name)
        for host, entry in inventory.items()
        if host in report.names
    )


def _may_be_same_name(name: str, other: str) -> bool:
    """Whether two names may be of one host: in any case, with or without its domain, or by its address.

    A listing escapes and cleans what no DNS name has; such a name may be any other.
    """
    if any(_is_address(each) or not PLAIN_NAME.fullmatch(each) for each in (name, other)):
        return True
    return find_host_label(name) == find_host_label(other)


def normalize_host_name(name: str) -> str:
    """Bring ``name`` into the form that DNS compares: no case (RFC 4343), no dot at its end (RFC 1034)."""
    return name.casefold().rstrip(".")


def find_host_label(name: str) -> str:
    """Find what stands before the domain in the ``name`` of a host, in the form in which DNS compares it."""
    whole = normalize_host_name(name)
    return whole if _is_address(whole) else whole.partition(".")[0]


def is_same_host_name(name: str, other: str) -> bool:
    """Tell whether ``name`` and ``other`` are one: equal in DNS, or one is the other without its domain."""
    one, two = sorted((normalize_host_name(name), normalize_host_name(other)), key=len)
    return one == two or find_host_label(two) == one


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
