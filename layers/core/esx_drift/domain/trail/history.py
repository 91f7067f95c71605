"""What the records of one log say of its past: what changed, who accepted it, and since when parts are there.

Records are given in the order of their numbers, without gaps that matter: what is asked of a part of a log is
asked with the records of that part.

Longer than 250 lines, because all of it is read from records in the same way, and proven together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.types import (
    Change,
    Element,
    Finding,
    Outcome,
    Record,
    RecordedDecision,
    Severity,
    Snapshot,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import split_vib_key

type EntryKind = Literal["first-copy", "change", "finding", "decision"]
type PartOrigin = Literal["first-copy", "first-seen", "change"]

ORPHANED_VIB: Element = "orphaned_vib"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted a change, on which hosts, by which record; ``ticket`` is none where he gave none."""

    by: str
    reason: str
    ticket: str | None
    at: str
    seq: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that a record says happened: of the last four, what it is about is there.

    Attributes:
        seq: The record's number.
        at: When the check was that found it.
        since: When the look before was: it happened in between. None where there was none.
        hosts: On which hosts, by id.
        outcome: The record's.
        change: What changed; none where it is no change.
        finding: What opened, was raised or ended.
        decision: What a person decided.
        acceptances: Who accepted a change afterwards.
    """

    seq: int
    at: str
    since: str | None
    hosts: tuple[str, ...]
    outcome: Outcome
    change: Change | None = None
    finding: Finding | None = None
    decision: RecordedDecision | None = None
    acceptances: tuple[Acceptance, ...] = ()

    @property
    def kind(self) -> EntryKind:
        """What it is."""
        if self.change is not None:
            return "change"
        if self.finding is not None:
            return "finding"
        return "first-copy" if self.decision is None else "decision"

    @property
    def severity(self) -> Severity:
        """How bad it was; of a decision and of the first copy ``info``."""
        about = self.change or self.finding
        return "info" if about is None else about["severity"]


@dataclass(slots=True)
class _OpenChanges:
    """Changes that nobody accepted yet, and nothing replaced: the number of the entry, by host and part."""

    entries: list[HistoryEntry] = field(default_factory=list)
    latest: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, entry: HistoryEntry) -> None:
        """Add an ``entry``; a change takes the place of an earlier one of the same part of the same host."""
        self.entries.append(entry)
        if entry.change is not None:
            part = name_changed_part(entry.change)
            self.latest |= {(host, part): len(self.entries) - 1 for host in entry.hosts}

    def accept(self, acceptance: Acceptance) -> None:
        """Note an ``acceptance`` at each change that still holds on its hosts."""
        hosts = set(acceptance.hosts)
        accepted: dict[int, list[str]] = {}
        for (host, part), number in [*self.latest.items()]:
            if host in hosts:
                accepted.setdefault(number, []).append(host)
                del self.latest[host, part]
        for number, on in accepted.items():
            entry = self.entries[number]
            own = replace(acceptance, hosts=tuple(host for host in entry.hosts if host in on))
            self.entries[number] = replace(entry, acceptances=(*entry.acceptances, own))


def list_history(records: Sequence[Record]) -> list[HistoryEntry]:
    """List what ``records`` say happened, the oldest first; who accepted a change stands with the change."""
    found = _OpenChanges()
    since: str | None = None
    for record in records:
        for entry in _list_entries(record, since):
            found.add(entry)
        for acceptance in _list_acceptances(record):
            found.accept(acceptance)
        since = record["after"]["last_look_at"]
    return found.entries


def _list_entries(record: Record, since: str | None) -> Iterator[HistoryEntry]:
    def build(hosts: Iterable[str]) -> HistoryEntry:
        return HistoryEntry(record["seq"], record["checked_at"], since, tuple(hosts), record["outcome"])

    if record["outcome"] == "baseline":
        yield build(record["after"]["accepted"])
    if record["decision"] is not None:
        yield replace(build(record["decision"]["taken"]), decision=record["decision"])
    for change in record["changes"]:
        is_host = change["element"] == "host" and not change["hosts"]
        yield replace(build([change["key"]] if is_host else change["hosts"]), change=change)
    for finding in record["findings"]:
        if finding["transition"] != "still":
            yield replace(build(finding["hosts"]), finding=finding)


def _list_acceptances(record: Record) -> Iterator[Acceptance]:
    """List what a person accepted, and what a maintenance window did at its end."""
    decision, at, seq = record["decision"], record["checked_at"], record["seq"]
    if record["outcome"] == "accepted" and decision is not None:
        ticket = decision.get("ticket")
        yield Acceptance(decision["by"], decision["reason"], ticket, at, seq, tuple(decision["taken"]))
    for window in record.get("maintenance_ended", []):
        if window["accepted"]:
            yield Acceptance(window["by"], window["reason"], None, at, seq, tuple(window["accepted"]))


def name_changed_part(change: Change) -> str:
    """Name what a ``change`` is about as a snapshot does: ``base_image``, ``component:Intel-i40en``."""
    element, key = change["element"], change["key"]
    return element if key == element else f"{element}:{key}"


@dataclass(frozen=True, slots=True)
class PartSince:
    """A part of what a host runs, and since when.

    Attributes:
        host: The host's id.
        part: As a snapshot names it; an orphaned VIB as ``orphaned_vib:`` and its name.
        version: Its version, with its name where it has one; empty where it has none.
        origin: Whether it was there at the cluster's first copy, when the host was first seen, or came by a
            change.
        seq: The record that says so.
        at: When that was found.
        since: When the look before was; none at a first one.
    """

    host: str
    part: str
    version: str
    origin: PartOrigin
    seq: int
    at: str
    since: str | None


@dataclass(frozen=True, slots=True)
class _Origin:
    origin: PartOrigin
    seq: int
    at: str
    since: str | None


def list_parts_since(records: Sequence[Record], snapshot: Snapshot) -> list[PartSince]:
    """List each part of each host of ``snapshot``, which the last of ``records`` left, and since when.

    ``records`` are all of the log: a part that no change names is there since its host was first seen.
    """
    seen, changed = _follow_parts(records)
    found: list[PartSince] = []
    for host in sort_naturally(snapshot["hosts"]):
        entry = snapshot["hosts"][host]
        if entry["image"] is None or host not in seen:
            continue
        versions = {
            part: format_part_version(value)
            for part, value in snapshot["images"][entry["image"]]["main"].items()
        }
        vibs = {f"{ORPHANED_VIB}:{vib}": split_vib_key(vib)[1] for vib in entry["orphaned_vibs"] or []}
        for part, version in (versions | vibs).items():
            origin = changed.get((host, part), seen[host])
            found.append(PartSince(host, part, version, *_list_fields(origin)))
    return found


def _list_fields(origin: _Origin) -> tuple[PartOrigin, int, str, str | None]:
    return origin.origin, origin.seq, origin.at, origin.since


def _follow_parts(records: Sequence[Record]) -> tuple[dict[str, _Origin], dict[tuple[str, str], _Origin]]:
    """Follow when each host was first seen, and when each of its parts last changed."""
    seen: dict[str, _Origin] = {}
    changed: dict[tuple[str, str], _Origin] = {}
    since: str | None = None
    for record in records:
        seq, at = record["seq"], record["checked_at"]
        for change in record["changes"]:
            if change["element"] == "host":
                _rename_host(change, seen, changed)
            elif change["kind"] != "relabelled" and change["alternative_image"] is None:
                part = name_changed_part(change)
                changed |= {(host, part): _Origin("change", seq, at, since) for host in change["hosts"]}
        first: PartOrigin = "first-copy" if record["outcome"] == "baseline" else "first-seen"
        seen = {host: _Origin(first, seq, at, since) for host in record["after"]["accepted"]} | seen
        since = record["after"]["last_look_at"]
    return seen, changed


def _rename_host(change: Change, seen: dict[str, _Origin], changed: dict[tuple[str, str], _Origin]) -> None:
    """Carry over what is known of a host that came back under another id."""
    old, new = change["from"], change["to"]
    if change["kind"] != "changed" or old is None or new is None or old not in seen:
        return
    seen[new] = seen[old]
    for (host, part), origin in [*changed.items()]:
        if host == old:
            changed[new, part] = origin


@dataclass(frozen=True, slots=True)
class Sighting:
    """How sure it is what a host ran at a moment.

    Attributes:
        before: When it was last seen until then; none if never.
        after: When it was next seen; none if not since.
        changed_between: Whether it had changed by then: so it may have run either at that moment.
    """

    before: str | None
    after: str | None
    changed_between: bool


def find_sightings(
    hosts: Iterable[str], moment: datetime, at: Record, later: Iterable[Record]
) -> dict[str, Sighting]:
    """Find when each of ``hosts`` (ids) was seen before and after ``moment``.

    Args:
        hosts: Their ids.
        moment: The time that is asked about.
        at: The last record until then.
        later: Those after it; no more of them are asked for than it takes until each host was seen.
    """
    after = at["after"]
    found = {
        host: Sighting(after["uncovered_since"].get(host, after["last_look_at"]), None, changed_between=False)
        for host in hosts
    }
    waiting = set(found)
    for record in later:
        changed = {host for change in record["changes"] for host in change["hosts"]}
        found |= {host: replace(found[host], changed_between=True) for host in waiting & changed}
        looked, unseen = record["after"]["last_look_at"], record["after"]["uncovered_since"]
        if looked is not None and parse_time(looked) > moment:
            found |= {host: replace(found[host], after=looked) for host in waiting - unseen.keys()}
            waiting &= unseen.keys()
        if not waiting:
            break
    return found


@dataclass(frozen=True, slots=True)
class OrphanHistory:
    """An orphaned VIB of one cluster.

    Attributes:
        vib: Its name and version, as the API gives them.
        first_seen: When it was first seen on any host of the cluster.
        first_hosts: The hosts that it was then on, by id.
        hosts: Those that it is on now.
        ever: Those that it was ever on.
        gone_at: When it was last found gone from all; none while it is there.
    """

    vib: str
    first_seen: str
    first_hosts: tuple[str, ...]
    hosts: tuple[str, ...]
    ever: tuple[str, ...]
    gone_at: str | None


def list_orphans(records: Iterable[Record]) -> list[OrphanHistory]:
    """List every orphaned VIB that ``records``, all of one log, ever named, by name."""
    found: dict[str, OrphanHistory] = {}
    for record in records:
        at = record["checked_at"]
        for finding in record["findings"]:
            if finding["kind"] == "orphaned-vib" and finding["transition"] != "resolved":
                _add_hosts(found, finding["subject"], finding["hosts"], at)
        for change in record["changes"]:
            if change["element"] == ORPHANED_VIB and change["kind"] == "added":
                _add_hosts(found, change["key"], change["hosts"], at)
            elif change["element"] == ORPHANED_VIB and change["key"] in found:
                _drop_hosts(found, change["key"], change["hosts"], at)
    return [found[vib] for vib in sort_naturally(found)]


def list_open_orphans(record: Record) -> list[OrphanHistory]:
    """List the orphaned VIBs that a ``record`` leaves open: when each was first seen, and where it is.

    On which hosts it was before, no single record says.
    """
    found = [finding for finding in record["after"]["findings"].values() if finding["kind"] == "orphaned-vib"]
    hosts = {finding["subject"]: tuple(finding["hosts"]) for finding in found}
    opened = {finding["subject"]: finding["opened_at"] for finding in found}
    return [
        OrphanHistory(vib, opened[vib], (), hosts[vib], hosts[vib], None) for vib in sort_naturally(hosts)
    ]


def _add_hosts(found: dict[str, OrphanHistory], vib: str, hosts: Iterable[str], at: str) -> None:
    known = found.get(vib) or OrphanHistory(vib, at, tuple(hosts), (), (), None)
    found[vib] = replace(
        known,
        hosts=tuple(sort_naturally({*known.hosts, *hosts})),
        ever=tuple(sort_naturally({*known.ever, *hosts})),
        gone_at=None,
    )


def _drop_hosts(found: dict[str, OrphanHistory], vib: str, hosts: Iterable[str], at: str) -> None:
    known = found[vib]
    left = tuple(host for host in known.hosts if host not in set(hosts))
    found[vib] = replace(known, hosts=left, gone_at=None if left else at)
