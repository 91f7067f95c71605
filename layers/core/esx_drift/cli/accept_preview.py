"""What a person is shown before he accepts: what runs, and what differs from what was last accepted."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.decisions import accept_hosts, list_acceptable_hosts
from esx_drift.domain.findings.kinds import PERSON_KINDS
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import (
    Accepted,
    Change,
    Decision,
    Finding,
    KnownHost,
    LogState,
    ShownHost,
    Snapshot,
)
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_moment,
    join_names,
    list_host_names,
    split_vib_key,
)
from esx_drift.messages.change_lines import render_change_lines

MAX_LISTED_HOSTS = 20
MAX_DAMAGE_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class AcceptPreview:
    """What a person is shown of a cluster before he accepts it.

    ``hosts`` are those that can be accepted, ``unseen`` those that can't, because the last look did not show
    them. ``differing``: those of the hosts that are not as they were last accepted. ``closed``: the findings
    that accepting them closes. ``names`` are those of all hosts of the cluster, by id. ``damages``: what is
    damaged of the trail.
    """

    seq: int
    seen_at: str
    snapshot: Snapshot
    hosts: dict[str, ShownHost]
    changes: list[Change]
    unseen: tuple[str, ...]
    differing: tuple[str, ...]
    closed: tuple[Finding, ...]
    names: dict[str, str]
    damages: list[str]

    @property
    def changes_nothing(self) -> bool:
        """Whether nothing is left to accept: all is as it was accepted, and no VIB is to be vouched for.

        An orphaned VIB that was there at the first look is accepted with the first copy; only a person who
        accepts the host vouches for it.
        """
        vibs = any(shown["orphaned_vibs"] for shown in self.hosts.values())
        return not (self.differing or self.closed or vibs)

    def ask(self, person: str, *, named: bool) -> str:
        """The question to ``person``; ``named``: whether he named the hosts, or means all without a word."""
        hosts = format_count(len(self.hosts), "host")
        if named:
            return f"Accept {hosts} as shown, as {person}?"
        which = f"all {hosts} that were seen" if len(self.hosts) > 1 else "the one host that was seen"
        return f"No --hosts: accept {which}, as shown, as {person}?"

    def render(self) -> Iterator[str]:
        """What runs, what differs, which orphaned VIBs were there before, and who is left out."""
        seen = f"as seen {format_moment(self.seen_at)} UTC (record {self.seq})"
        yield f"{format_count(len(self.hosts), 'host')} {seen}:"
        for release, number in self._count_releases():
            yield f"  {clean_text(release)} · {format_count(number, 'host')}"
        if self.differing:
            yield f"Not as last accepted: {self.render_names(list(self.differing))}"
        changes = render_change_lines(self.changes, self.names, None)
        yield from _render_block("Other than last accepted:", changes)
        yield from _render_block("Orphaned VIBs, there since before:", list(self._list_earlier_vibs()))
        unseen = join_names(list_host_names(self.unseen, self.names))
        yield from _render_block("Not seen, so not accepted:", [unseen])
        yield from _render_block("Damaged, and accepted with all hosts:", self.damages)

    def render_names(self, hosts: list[str]) -> str:
        """How many hosts these are, and their names."""
        names = join_names(list_host_names(hosts, self.names), MAX_LISTED_HOSTS)
        return f"{format_count(len(hosts), 'host')}: {names}"

    def _count_releases(self) -> list[tuple[str, int]]:
        images, labels = self.snapshot["images"], self.snapshot["labels"]
        running = Counter(name_esxi_release(images[host["image"]], labels) for host in self.hosts.values())
        return sorted(running.items(), key=lambda release: (-release[1], release[0]))

    def _list_earlier_vibs(self) -> Iterator[str]:
        new = {(change["key"], host) for change in self.changes for host in change["hosts"]}
        where: dict[str, list[str]] = {}
        for host in sort_naturally(self.hosts):
            for key in self.hosts[host]["orphaned_vibs"]:
                if (key, host) not in new:
                    where.setdefault(key, []).append(host)
        for key in sort_naturally(where):
            names = join_names(list_host_names(where[key], self.names))
            yield f"{' '.join(filter(None, split_vib_key(key)))} · {names}"


def _render_block(title: str, lines: list[str]) -> Iterator[str]:
    if any(lines):
        yield title
        yield from (f"  {line}" for line in lines)


def build_preview(
    after: LogState,
    seq: int,
    snapshot: Snapshot,
    wanted: frozenset[str],
    find_snapshot: Callable[[str], Snapshot | None],
) -> AcceptPreview:
    """The preview of what can be accepted.

    Args:
        after: What the cluster's log knows.
        seq: The number of the last record, which the person was shown.
        snapshot: The last snapshot.
        wanted: The ids of the hosts to accept.
        find_snapshot: Reads a snapshot by its key; None if it is damaged.
    """
    acceptable = list_acceptable_hosts(snapshot, after["uncovered_since"])
    hosts = {host: shown for host, shown in acceptable.items() if host in wanted}
    accepted = {host: entry for host, entry in after["accepted"].items() if host in hosts}
    now: Snapshot = {**snapshot, "hosts": {host: snapshot["hosts"][host] for host in hosts}}
    return AcceptPreview(
        seq=seq,
        seen_at=str(after["last_look_at"]),
        snapshot=snapshot,
        hosts=hosts,
        changes=compare_snapshots(_build_accepted_snapshot(snapshot, accepted, find_snapshot), now, {}),
        unseen=tuple(sort_naturally(wanted - hosts.keys())),
        differing=tuple(host for host in sort_naturally(hosts) if _differs(hosts[host], accepted.get(host))),
        closed=_list_closed_findings(after, seq, hosts, snapshot),
        names={host: entry["name"] for host, entry in snapshot["hosts"].items()},
        damages=list_damage_lines(after["findings"].values()),
    )


def _differs(shown: ShownHost, entry: Accepted | None) -> bool:
    return entry is None or (entry["image"], entry["orphaned_vibs"]) != (
        shown["image"],
        shown["orphaned_vibs"],
    )


def _list_closed_findings(
    after: LogState, seq: int, hosts: dict[str, ShownHost], snapshot: Snapshot
) -> tuple[Finding, ...]:
    """List the findings that the checker closes if these hosts are accepted, by its own rule."""
    decision: Decision = {"by": "", "reason": "", "shown_at": seq, "hosts": hosts, "instance_uuid": None}
    left = accept_hosts(after, decision, snapshot, "").after["findings"]
    return tuple(finding for key, finding in after["findings"].items() if key not in left)


def list_damage_lines(findings: Iterable[Finding]) -> list[str]:
    """List what is damaged of the trail, a line each, for a person who is to accept it."""
    damages = [finding for finding in findings if finding["kind"] in PERSON_KINDS]
    return [clean_text(damage["summary"], MAX_DAMAGE_CHARACTERS) for damage in damages]


def _build_accepted_snapshot(
    snapshot: Snapshot, accepted: dict[str, Accepted], find_snapshot: Callable[[str], Snapshot | None]
) -> Snapshot:
    """The hosts as they were last accepted, under the names that they have now; unknown where damaged."""
    kept = [find_snapshot(key) for key in {entry["snapshot"] for entry in accepted.values()}]
    images = {digest: image for each in kept if each for digest, image in each["images"].items()}
    hosts: dict[str, KnownHost] = {
        host: {
            **snapshot["hosts"][host],
            "image": entry["image"] if entry["image"] in images else None,
            "orphaned_vibs": entry["orphaned_vibs"],
        }
        for host, entry in accepted.items()
    }
    return {**snapshot, "images": images, "hosts": hosts}
