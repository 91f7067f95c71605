"""What a person is shown before he accepts: what runs, and what differs from what was last accepted."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.decisions import list_acceptable_hosts
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import Accepted, Change, KnownHost, ShownHost, Snapshot, StateFile
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


@dataclass(frozen=True, slots=True)
class AcceptPreview:
    """A cluster as a person can accept it. ``unseen`` are the hosts that he can't: nobody saw them.

    ``names`` are those of all its hosts, by id.
    """

    seq: int
    seen_at: str
    snapshot: Snapshot
    hosts: dict[str, ShownHost]
    changes: list[Change]
    unseen: tuple[str, ...]
    names: dict[str, str]

    def render(self) -> Iterator[str]:
        """What runs, what differs, which orphaned VIBs were there before, and who is left out."""
        yield f"{format_count(len(self.hosts), 'host')} as seen {format_moment(self.seen_at)} UTC (record {self.seq}):"
        for release, number in self._releases():
            yield f"  {clean_text(release)} · {format_count(number, 'host')}"
        yield from self._block(
            "Other than last accepted:", render_change_lines(self.changes, self.names, None)
        )
        yield from self._block("Orphaned VIBs, there since before:", list(self._known_vibs()))
        yield from self._block(
            "Not seen, so not accepted:", [join_names(list_host_names(self.unseen, self.names))]
        )

    def _releases(self) -> list[tuple[str, int]]:
        images = self.snapshot["images"]
        running = Counter(
            name_esxi_release(images[host["image"]], self.snapshot["labels"]) for host in self.hosts.values()
        )
        return sorted(running.items(), key=lambda release: (-release[1], release[0]))

    def _known_vibs(self) -> Iterator[str]:
        new = {(change["key"], host) for change in self.changes for host in change["hosts"]}
        where: dict[str, list[str]] = {}
        for host in sort_naturally(self.hosts):
            for key in self.hosts[host]["orphaned_vibs"]:
                if (key, host) not in new:
                    where.setdefault(key, []).append(host)
        for key in sort_naturally(where):
            yield f"{' '.join(filter(None, split_vib_key(key)))} · {join_names(list_host_names(where[key], self.names))}"

    @staticmethod
    def _block(title: str, lines: list[str]) -> Iterator[str]:
        if any(lines):
            yield title
            yield from (f"  {line}" for line in lines)


def build_preview(
    state: StateFile, seq: int, snapshot: Snapshot, wanted: frozenset[str], stored: Callable[[str], Snapshot]
) -> AcceptPreview:
    """What can be accepted of the hosts ``wanted``, ids; ``stored`` gives a snapshot by its key."""
    after = state["after"]
    hosts = {
        host: shown
        for host, shown in list_acceptable_hosts(snapshot, after["uncovered_since"]).items()
        if host in wanted
    }
    accepted = {host: one for host, one in after["accepted"].items() if host in hosts}
    before = _as_accepted(snapshot, accepted, stored)
    now: Snapshot = {**snapshot, "hosts": {host: snapshot["hosts"][host] for host in hosts}}
    return AcceptPreview(
        seq=seq,
        seen_at=str(after["last_look_at"]),
        snapshot=snapshot,
        hosts=hosts,
        changes=compare_snapshots(before, now, {}),
        unseen=tuple(sort_naturally(wanted - hosts.keys())),
        names={host: known["name"] for host, known in snapshot["hosts"].items()},
    )


def _as_accepted(
    snapshot: Snapshot, accepted: dict[str, Accepted], stored: Callable[[str], Snapshot]
) -> Snapshot:
    """The hosts as they were last accepted, by the names that all have now."""
    kept = {key: stored(key) for key in {one["snapshot"] for one in accepted.values()}}
    hosts: dict[str, KnownHost] = {
        host: {**snapshot["hosts"][host], "image": one["image"], "orphaned_vibs": one["orphaned_vibs"]}
        for host, one in accepted.items()
    }
    images = {digest: image for each in kept.values() for digest, image in each["images"].items()}
    return {**snapshot, "images": images, "hosts": hosts}
