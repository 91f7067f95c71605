"""``esx-drift status CLUSTER``: host by host, and what is open in full.

Longer than 250 lines, because all of it is one page that a person reads at once.
"""

import re
from collections.abc import Iterator, Mapping
from copy import replace
from datetime import datetime
from string import ascii_uppercase
from typing import Final, cast

from msgspec import Struct
from rich.text import Text

from esx_drift.cli.status_rows import StatusRow
from esx_drift.cli.terminal import build_table, escape_unprintable, print_line, print_table
from esx_drift.domain.images.image import (
    ImageGroup,
    describe_difference,
    format_part_version,
    group_hosts_by_image,
)
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import (
    Change,
    Finding,
    LogState,
    NetDifference,
    Record,
    Snapshot,
    UncoveredHost,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import (
    LONGEST_NAME,
    clean_sentence,
    clean_text,
    format_count,
    format_elapsed,
    format_end,
    format_moment,
    join_names,
    list_host_names,
    reword_times,
    split_vib_key,
)
from esx_drift.messages.change_lines import ChangeWords, render_change_lines

_BUILD: Final = re.compile(r"\.([0-9]{5,})$")
"""The build, the last number of a base image's version."""

_UNCOVERED: Final = {
    "failed": "could not be read",
    "unsupported": "too old to be read",
    "in-two-images": "listed under two images",
    "in-no-image": "listed under no image",
    "missing": "missing from the report",
}

HOST_HEADINGS: Final = ("Host", "Release", "Build", "Add-on", "Image", "Seen")
NOTHING: Final = "-"


class HostRow(Struct, frozen=True):
    """A host as it was last seen. ``group``: a letter for all hosts of the cluster that run the same.

    ``unseen``: why the last check did not see it, and its connection where that is known; none if it did.
    ``accepted_until``: when it ends that what it runs is accepted; none where that is for good.
    """

    host: str
    name: str
    release: str | None = None
    build: str | None = None
    base_image: str | None = None
    add_on: str | None = None
    group: str | None = None
    orphaned_vibs: tuple[str, ...] = ()
    unseen: str | None = None
    unseen_since: str | None = None
    accepted_until: str | None = None


class ClusterStatus(Struct, frozen=True):
    """A cluster host by host. ``differences``: how each group of hosts differs from the first."""

    row: StatusRow
    hosts: tuple[HostRow, ...]
    groups: Mapping[str, tuple[str, ...]]
    differences: Mapping[str, str]
    suspected: tuple[str, ...]


def build_cluster_status(row: StatusRow, record: Record | None, snapshot: Snapshot | None) -> ClusterStatus:
    """Build what is known of a cluster's hosts.

    Args:
        row: The cluster's row in the table of the fleet.
        record: The newest record of its log; none if it was never checked.
        snapshot: What was last seen; none if nothing ever was.
    """
    groups = _group_hosts(snapshot) if snapshot else []
    after: LogState | None = record["after"] if record else None
    return ClusterStatus(
        row,
        list_host_rows(record, snapshot),
        {_name_group(at): group.hosts for at, group in enumerate(groups)},
        list_image_differences(snapshot) if snapshot else {},
        tuple(suspect["kind"] for suspect in after["suspects"].values()) if after else (),
    )


def list_host_rows(record: Record | None, snapshot: Snapshot | None) -> tuple[HostRow, ...]:
    """List the hosts of a cluster as a ``record`` of its log knows them, with the ``snapshot`` it left."""
    groups = _group_hosts(snapshot) if snapshot else []
    letters = {host: _name_group(at) for at, group in enumerate(groups) for host in group.hosts}
    after: LogState | None = record["after"] if record else None
    unseen = {entry["host"]: entry for entry in record["uncovered"]} if record else {}
    known = snapshot["hosts"] if snapshot else {}
    accepted = after["accepted"] if after else {}
    until = {host: entry["until"] for host, entry in accepted.items() if "until" in entry}
    return tuple(
        replace(
            _build_host(host, snapshot, letters.get(host), unseen.get(host), after),
            accepted_until=until.get(host),
        )
        for host in sort_naturally({*known, *unseen})
    )


def list_image_differences(snapshot: Snapshot) -> dict[str, str]:
    """List how each group of hosts of a ``snapshot`` differs from the first, by its letter."""
    groups = list_image_groups(snapshot)
    first = groups.pop("A", None)
    return {name: describe_difference(first.image, group.image) for name, group in groups.items() if first}


def list_image_groups(snapshot: Snapshot) -> dict[str, ImageGroup]:
    """List the groups of hosts of a ``snapshot`` that run the same, by their letters: A is the first."""
    return {_name_group(at): group for at, group in enumerate(_group_hosts(snapshot))}


def _group_hosts(snapshot: Snapshot) -> list[ImageGroup]:
    runs = {host: entry["image"] for host, entry in snapshot["hosts"].items() if entry["image"] is not None}
    return group_hosts_by_image(snapshot["images"], runs)


def _name_group(at: int) -> str:
    return ascii_uppercase[at] if at < len(ascii_uppercase) else str(at + 1)


def _build_host(
    host: str,
    snapshot: Snapshot | None,
    group: str | None,
    unseen: UncoveredHost | None,
    after: LogState | None,
) -> HostRow:
    entry = snapshot["hosts"].get(host) if snapshot else None
    since = after["uncovered_since"].get(host) if after else None
    why = _describe_unseen(unseen) if unseen else "not seen" if since else None
    name = entry["name"] if entry else unseen["name"] if unseen else host
    if snapshot is None or entry is None or entry["image"] is None:
        return HostRow(host, name, unseen=why or "never seen", unseen_since=since)
    image = snapshot["images"][entry["image"]]
    base_image = str(image["main"]["base_image"])
    build = _BUILD.search(base_image)
    add_on = image["main"].get("add_on")
    return HostRow(
        host,
        name,
        name_esxi_release(image, snapshot["labels"]),
        build[1] if build else None,
        base_image,
        format_part_version(add_on) if add_on is not None else None,
        group,
        tuple(entry["orphaned_vibs"] or ()),
        why,
        since,
    )


def _describe_unseen(unseen: UncoveredHost) -> str:
    states = (unseen["connection_state"], unseen["power_state"])
    said = [state.lower().replace("_", " ") for state in states if state]
    why = _UNCOVERED.get(unseen["why"], unseen["why"])
    return f"{why} ({', '.join(said)})" if said else why


def print_cluster_status(cluster: ClusterStatus, now: datetime) -> None:
    """Print a ``cluster`` host by host as it is known at ``now``, and each open finding in full."""
    print_table(build_table(HOST_HEADINGS, (_render_host(host, cluster.row, now) for host in cluster.hosts)))
    print_line("")
    names = {host.host: host.name for host in cluster.hosts}
    for line in (*_render_groups(cluster, names), *_render_temporary(cluster, now)):
        print_line(line)
    _print_findings(cluster, names, now)


def _render_host(host: HostRow, row: StatusRow, now: datetime) -> list[Text]:
    cells = (clean_text(host.name, LONGEST_NAME), host.release, host.build, host.add_on, host.group)
    seen = Text(_render_unseen(host, row, now) or "yes", "yellow" if host.unseen or not row.seen else "")
    return [*(Text(escape_unprintable(cell or NOTHING)) for cell in cells), seen]


def _render_unseen(host: HostRow, row: StatusRow, now: datetime) -> str:
    if host.unseen is None:
        # The last look saw it; since then nobody may have seen the cluster.
        return "" if row.seen else f"not since {format_moment(str(row.last_look_at), now.year)}"
    since = f" since {format_moment(host.unseen_since, now.year)}" if host.unseen_since else ""
    return escape_unprintable(clean_text(f"no: {host.unseen}{since}"))


def _render_groups(cluster: ClusterStatus, names: Mapping[str, str]) -> Iterator[str]:
    """Say how the images differ, and which hosts hold orphaned VIBs."""
    for group, difference in cluster.differences.items():
        where = join_names(list_host_names(cluster.groups[group], names))
        yield f"Image {group} differs from A in {difference}: {where}"
    holders: dict[str, list[str]] = {}
    for host in cluster.hosts:
        for vib in host.orphaned_vibs:
            holders.setdefault(vib, []).append(host.host)
    for vib in sort_naturally(holders):
        where = join_names(list_host_names(holders[vib], names))
        yield f"Orphaned VIB {' '.join(filter(None, split_vib_key(vib)))}: {where}"


def _render_temporary(cluster: ClusterStatus, now: datetime) -> Iterator[str]:
    """Say which hosts are accepted for a time; and of which that has ended, which no check has met yet."""
    lasting: list[str] = []
    ended: list[str] = []
    for host in cluster.hosts:
        if host.accepted_until is not None:
            until = f"{clean_text(host.name, LONGEST_NAME)} until {format_end(host.accepted_until)}"
            (ended if parse_time(host.accepted_until) <= now else lasting).append(until)
    if lasting:
        yield f"Accepted for a time: {join_names(lasting, len(lasting))}"
    if ended:
        yield f"No longer accepted, as the next check will report: {join_names(ended, len(ended))}"


def _print_findings(cluster: ClusterStatus, names: Mapping[str, str], now: datetime) -> None:
    findings = cluster.row.findings
    nothing = f"Nothing is open{'' if cluster.row.seen else ' of what was last seen'}."
    print_line(f"{format_count(len(findings), 'finding')} open" if findings else nothing, "bold")
    for finding in findings:
        for line in _render_finding(finding, names, now):
            print_line(line)
    if cluster.suspected:
        print_line(f"Met once, and told if it is met again: {join_names(cluster.suspected)}")


def _render_finding(finding: Finding, names: Mapping[str, str], now: datetime) -> Iterator[str]:
    elapsed = format_elapsed(finding["opened_at"], format_time(now))
    since, said = format_moment(finding["opened_at"], now.year), reword_times(finding["summary"], now.year)
    yield f"  {finding['severity']} {finding['kind']} since {since} UTC ({elapsed})"
    yield f"    {(summary := clean_sentence(said))}"
    shown = list_host_names(finding["hosts"], names)
    if not all(name in summary for name in shown):
        yield f"    on {join_names(shown, len(shown))}"
    yield from (f"    {line}" for line in _render_differences(finding, names))


def _render_differences(finding: Finding, names: Mapping[str, str]) -> Iterator[str]:
    """In what hosts differ from what was accepted for them, and since when that holds no more."""
    listed = cast("list[NetDifference]", finding["detail"].get("differences", []))
    changes = [cast("Change", {**each, "severity": "info", "detail": None}) for each in listed]
    yield from render_change_lines(changes, ChangeWords(names))
    more = int(str(finding["detail"].get("total", 0))) - len(listed)
    if more > 0:
        yield f"and {format_count(more, 'more difference')}"
    if "expired_at" in finding["detail"]:
        yield f"it was accepted until {format_end(str(finding['detail']['expired_at']))}"
