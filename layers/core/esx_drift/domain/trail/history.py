"""What the records of one log say of its past: what changed, who accepted it, and since when parts are there.

Records are given in the order of their numbers, without gaps that matter: what is asked of a part of a log is
asked with the records of that part.

Longer than 250 lines, because all of it is read from records in the same way, and proven together.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from copy import replace
from typing import Literal

from msgspec import Struct, field

from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.identifiers import make_window_name
from esx_drift.domain.stored.types import (
    Change,
    Departed,
    Element,
    EndedWindow,
    Finding,
    OpenWindow,
    Outcome,
    Record,
    RecordedDecision,
    ResolvedBecause,
    Severity,
    Snapshot,
)
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import split_vib_key
from esx_drift.domain.trail.hosts import (
    is_new_vcenter,
    is_of_installed_part,
    list_left_ids,
    list_renewed_ids,
)

type EntryKind = Literal["first-copy", "change", "finding", "decision", "maintenance"]
type PartOrigin = Literal["first-copy", "first-seen", "change", "earlier", "unknown"]

ORPHANED_VIB: Element = "orphaned_vib"


class Acceptance(Struct, frozen=True):
    """Who accepted a change, on which hosts, by which record.

    ``ticket`` is none where he gave none, and ``until``, when it ends, where he accepted for good.
    """

    by: str
    reason: str
    ticket: str | None
    at: str
    seq: int
    hosts: tuple[str, ...]
    until: str | None = None


class MaintenanceStep(Struct, frozen=True):
    """That a maintenance window began or ended.

    Attributes:
        window: As it began, or as it ended.
        is_end: Whether it ended: at ``window["to"]``; else it was to last until then.
    """

    window: OpenWindow | EndedWindow
    is_end: bool


class HistoryEntry(Struct, frozen=True):
    """One thing that a record says happened: of the last five, what it is about is there.

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
        maintenance: Which window began or ended; beside a decision the one that it began.
        is_of_new_vcenter: It is the first copy at another vCenter than that of the records before.
        replaced_by: The record by which the vCenter was replaced before anybody accepted the change.
        unread: The first and the last number of records that can't be read, and that may say that somebody
            accepted it, or that it was changed again: whether it is accepted on all hosts is not known.
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
    maintenance: MaintenanceStep | None = None
    is_of_new_vcenter: bool = False
    replaced_by: int | None = None
    unread: tuple[int, int] | None = None

    @property
    def kind(self) -> EntryKind:
        """What it is."""
        if self.change is not None:
            return "change"
        if self.finding is not None:
            return "finding"
        if self.decision is not None:
            return "decision"
        return "first-copy" if self.maintenance is None else "maintenance"

    @property
    def severity(self) -> Severity:
        """How bad it was; of a decision and of the first copy ``info``."""
        about = self.change or self.finding
        return "info" if about is None else about["severity"]


class _OpenChanges(Struct):
    """Changes that nobody accepted yet, and nothing replaced.

    ``latest`` has, by host and part, the number of the entry, and the id that the host has in it.
    """

    entries: list[HistoryEntry] = field(default_factory=list)
    latest: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def renew_ids(self, record: Record) -> None:
        """Carry over what holds on hosts that a ``record`` found under another id."""
        for old, new in list_renewed_ids(record):
            for host, part in [*self.latest]:
                if host == old:
                    self.latest[new, part] = self.latest.pop((host, part))

    def begin_anew(self, seq: int) -> None:
        """Forget what holds: from the record ``seq`` on another vCenter answers, with other hosts."""
        for number, _ in self.latest.values():
            self.entries[number] = replace(self.entries[number], replaced_by=seq)
        self.latest.clear()

    def pass_gap(self, first: int, last: int) -> None:
        """Pass over records that can't be read: what they did to what holds is not known."""
        for number, _ in self.latest.values():
            self.entries[number] = replace(self.entries[number], unread=(first, last))
        self.latest.clear()

    def add(self, entry: HistoryEntry) -> None:
        """Add an ``entry``; a change takes the place of an earlier one of the same part of the same host."""
        self.entries.append(entry)
        if entry.change is not None:
            part = name_changed_part(entry.change)
            self.latest |= {(host, part): (len(self.entries) - 1, host) for host in entry.hosts}

    def accept(self, acceptance: Acceptance) -> None:
        """Note an ``acceptance`` at each change that still holds on its hosts."""
        hosts = set(acceptance.hosts)
        accepted: dict[int, list[str]] = {}
        for (host, part), (number, then) in [*self.latest.items()]:
            if host in hosts:
                accepted.setdefault(number, []).append(then)
                del self.latest[host, part]
        for number, on in accepted.items():
            entry = self.entries[number]
            own = replace(acceptance, hosts=tuple(host for host in entry.hosts if host in on))
            self.entries[number] = replace(entry, acceptances=(*entry.acceptances, own))


def list_history(records: Sequence[Record]) -> list[HistoryEntry]:
    """List what ``records`` say happened, the oldest first; who accepted a change stands with the change."""
    found = _OpenChanges()
    since: str | None = None
    # What the first of the records left open had begun before it, unless that is the first of the log.
    known = list_windows(records[0]) if records and records[0]["seq"] > 1 else []
    uuid, is_new, last = None, False, None
    for record in records:
        if last is not None and record["seq"] > last + 1:
            found.pass_gap(last + 1, record["seq"] - 1)
        last = record["seq"]
        if is_new_vcenter(record, uuid):
            found.begin_anew(record["seq"])
            since, is_new = None, True
        uuid = record["after"]["instance_uuid"] or uuid
        found.renew_ids(record)
        for entry in _list_entries(record, since, {_name_window(window) for window in known}):
            is_first = is_new and entry.kind == "first-copy"
            found.add(replace(entry, is_of_new_vcenter=is_first))
            is_new = is_new and not is_first
        for acceptance in list_acceptances(record):
            found.accept(acceptance)
        since, known = record["after"]["last_look_at"], list_windows(record)
    return found.entries


def list_windows(record: Record) -> list[OpenWindow]:
    """List the maintenance windows that a ``record`` leaves open."""
    return (record["after"]["maintenance"] or {"windows": []})["windows"]


def _name_window(window: OpenWindow) -> tuple[str, str]:
    return window["name"], window["from"]


def _list_entries(
    record: Record, since: str | None, known: Container[tuple[str, str]]
) -> Iterator[HistoryEntry]:
    def build(hosts: Iterable[str]) -> HistoryEntry:
        return HistoryEntry(record["seq"], record["checked_at"], since, tuple(hosts), record["outcome"])

    if record["outcome"] == "baseline":
        yield build(record["after"]["accepted"])
    begun = [
        MaintenanceStep(window, is_end=False)
        for window in list_windows(record)
        if _name_window(window) not in known
    ]
    if record["decision"] is not None:
        own = next((step for step in begun if step.window["name"] == make_window_name(record["seq"])), None)
        begun = [step for step in begun if step is not own]
        # All else is of a cluster as a whole, whose id is no host's.
        hosts = record["decision"]["taken"] if record["outcome"] == "accepted" else []
        yield replace(build(hosts), decision=record["decision"], maintenance=own)
    ended = [MaintenanceStep(window, is_end=True) for window in record.get("maintenance_ended", [])]
    for step in (*begun, *ended):
        yield replace(build(()), maintenance=step)
    for change in record["changes"]:
        is_host = change["element"] == "host" and not change["hosts"]
        yield replace(build([change["key"]] if is_host else change["hosts"]), change=change)
    for finding in record["findings"]:
        if finding["transition"] != "still":
            yield replace(build(finding["hosts"]), finding=finding)


def list_acceptances(record: Record) -> Iterator[Acceptance]:
    """List what a person accepted, and what a maintenance window did at its end."""
    decision, at, seq = record["decision"], record["checked_at"], record["seq"]
    if record["outcome"] == "accepted" and decision is not None:
        ticket, until, hosts = decision.get("ticket"), decision.get("until"), tuple(decision["taken"])
        yield Acceptance(decision["by"], decision["reason"], ticket, at, seq, hosts, until)
    for window in record.get("maintenance_ended", []):
        if window["accepted"]:
            hosts = _list_accepted_hosts(record, window)
            yield Acceptance(window["by"], window["reason"], None, at, seq, hosts)


def _list_accepted_hosts(record: Record, window: EndedWindow) -> tuple[str, ...]:
    """List the hosts that a ``window`` accepted, whose own list is cut: as far as the state says which."""
    after, listed = record["after"], window["accepted"]
    if window["accepted_total"] == len(listed) or after["snapshot"] is None:
        return tuple(listed)
    others = {host for each in record["maintenance_ended"] if each is not window for host in each["accepted"]}
    key = after["snapshot"]["key"]
    now = {host for host, entry in after["accepted"].items() if entry["snapshot"] == key}
    taken = {host for host in now - others if "decided_at" not in after["accepted"][host]}
    is_whole = len(taken) == window["accepted_total"]
    return tuple(sort_naturally(taken)) if is_whole else tuple(listed)


def find_retirement(newest_first: Iterable[Record]) -> Record | None:
    """Find the record that retired a cluster; none if it is not retired, or is not any more.

    ``newest_first`` are the newest records of its log. On a retired cluster each decision is refused until it
    is listed again: so a look ends that, and a decision that was taken, and one that was refused does not.
    """
    newest = next(
        (record for record in newest_first if (decision := record["decision"]) is None or decision["taken"]),
        None,
    )
    is_retirement = newest is not None and newest["decision"] is not None and newest["outcome"] == "retired"
    return newest if is_retirement else None


def name_changed_part(change: Change) -> str:
    """Name what a ``change`` is about as a snapshot does: ``base_image``, ``component:Intel-i40en``."""
    element, key = change["element"], change["key"]
    return element if key == element else f"{element}:{key}"


class PartSince(Struct, frozen=True):
    """A part of what a host runs, and since when.

    Attributes:
        host: The host's id.
        part: As a snapshot names it; an orphaned VIB as ``orphaned_vib:`` and its name.
        version: Its version, with its name where it has one; empty where it has none.
        origin: Whether it was there at the cluster's first copy, when the host was first seen, or came by a
            change; or was there at the first record at hand, and since when is not known. Behind records that
            can't be read it is unknown: they may say that it came.
        seq: The record that says so; of an unknown one the first that may have brought it.
        at: When that was found; of an unknown one when the next record was that can be read.
        since: When the look before was; none at a first one.
    """

    host: str
    part: str
    version: str
    origin: PartOrigin
    seq: int
    at: str
    since: str | None


class _Origin(Struct, frozen=True):
    origin: PartOrigin
    seq: int
    at: str
    since: str | None


def list_parts_since(records: Sequence[Record], snapshot: Snapshot) -> list[PartSince]:
    """List each part of each host of ``snapshot``, which the last of ``records`` left, and since when.

    ``records`` are all of the log: a part that no change names is there since its host was first seen.
    """
    origins = _follow_parts(records)
    found: list[PartSince] = []
    for host in sort_naturally(snapshot["hosts"]):
        entry = snapshot["hosts"][host]
        if entry["image"] is None or host not in origins.seen:
            continue
        versions = {
            part: format_part_version(value)
            for part, value in snapshot["images"][entry["image"]]["main"].items()
        }
        vibs = {f"{ORPHANED_VIB}:{vib}": split_vib_key(vib)[1] for vib in entry["orphaned_vibs"] or []}
        for part, version in (versions | vibs).items():
            origin = origins.changed.get((host, part), origins.seen[host])
            found.append(PartSince(host, part, version, *_list_fields(origin)))
    return found


def _list_fields(origin: _Origin) -> tuple[PartOrigin, int, str, str | None]:
    return origin.origin, origin.seq, origin.at, origin.since


class _PartOrigins(Struct):
    """When each host was first seen, by id, and when each of its parts last changed, by host and part."""

    seen: dict[str, _Origin] = field(default_factory=dict)
    changed: dict[tuple[str, str], _Origin] = field(default_factory=dict)

    def add(
        self, record: Record, since: str | None, departed: Container[str], first: PartOrigin = "first-seen"
    ) -> None:
        """Add what a ``record`` says.

        Args:
            record: The next one of the log.
            since: When the look before was.
            departed: The ids of the hosts that the record before remembers as gone.
            first: Since when that is there which no change names of hosts that no record before has.
        """
        seq, at, after = record["seq"], record["checked_at"], record["after"]
        for change in record["changes"]:
            if change["element"] == "host":
                self._follow_host(change, departed)
        left = {*list_left_ids(record)}
        for change in record["changes"]:
            # What goes or comes with its host is no change of what that ran.
            is_brought = "brought_along" in (change["detail"] or {})
            if is_of_installed_part(change) and not is_brought:
                part, origin = name_changed_part(change), _Origin("change", seq, at, since)
                self.changed |= {(host, part): origin for host in change["hosts"] if host not in left}
        there = after["accepted"].keys() - after["uncovered_since"].keys() - self.seen.keys()
        self.seen |= {host: _Origin(first, seq, at, since) for host in there}

    def pass_gap(self, record: Record, first_seq: int) -> None:
        """Pass over records that can't be read, up to ``record``: they may have brought any part.

        What hosts run that came meanwhile may be there since any record of the log, from ``first_seq`` on:
        such a host may have had another id before.
        """
        at, after = record["checked_at"], record["after"]
        came = {change["key"] for change in record["changes"] if change["element"] == "host"}
        unknown = _Origin("unknown", first_seq, at, None)
        self.seen = {host: replace(origin, origin="unknown", at=at) for host, origin in self.seen.items()}
        self.changed = {part: replace(one, origin="unknown", at=at) for part, one in self.changed.items()}
        there = after["accepted"].keys() - after["uncovered_since"].keys() - self.seen.keys() - came
        self.seen |= dict.fromkeys(there, unknown)

    def _follow_host(self, change: Change, departed: Container[str]) -> None:
        """Forget what is known of a host that came, unless this log knows what it ran when it was last here.

        Of one that ran something else in another cluster, or was away for too long, it does not.
        """
        host, detail = change["key"], change["detail"] or {}
        is_new = "moved_from" in detail or "compared_with" in detail
        if change["kind"] == "added" and (is_new or host not in departed):
            self._forget(host)
        elif change["kind"] == "changed":
            old = change["from"] or host
            seen = self.seen.pop(old, None)
            parts = {part: origin for (of, part), origin in self.changed.items() if of == old}
            self._forget(old)
            self._forget(host)
            if seen is not None and not is_new:
                self.seen[host] = seen
                self.changed |= {(host, part): origin for part, origin in parts.items()}

    def _forget(self, host: str) -> None:
        self.seen.pop(host, None)
        self.changed = {known: origin for known, origin in self.changed.items() if known[0] != host}


def _follow_parts(records: Sequence[Record]) -> _PartOrigins:
    """Follow when each host was first seen, and when each of its parts last changed."""
    found, since, departed = _PartOrigins(), None, dict[str, Departed]()
    last, uuid = None, None
    for record in records:
        is_first_copy = record["outcome"] == "baseline"
        if is_first_copy or is_new_vcenter(record, uuid):
            # Another vCenter may give the ids of before to other hosts.
            found, since, departed = _PartOrigins(), None, {}
        elif last is not None and record["seq"] != last + 1:
            found.pass_gap(record, records[0]["seq"])
        first: PartOrigin = "first-seen" if last is not None or record["seq"] == 1 else "earlier"
        found.add(record, since, departed, "first-copy" if is_first_copy else first)
        since, departed = record["after"]["last_look_at"], record["after"]["departed"]
        last, uuid = record["seq"], record["after"]["instance_uuid"] or uuid
    return found


class OrphanHistory(Struct, frozen=True):
    """An orphaned VIB of one cluster.

    Attributes:
        vib: Its name and version, as the API gives them.
        since: Since when it is there, or was there last, on any host of the cluster.
        hosts: The hosts that it is on now, by id.
        first_seen: When it was first seen; none where that was not looked up.
        first_hosts: The hosts that it was then on, by the ids that they have now.
        ever: Those that it was ever on, likewise.
        gone_at: When it was last found gone from all; none while it is there.
        gone_because: Why: it was removed, its host left, or the cluster was retired.
    """

    vib: str
    since: str
    hosts: tuple[str, ...]
    first_seen: str | None = None
    first_hosts: tuple[str, ...] = ()
    ever: tuple[str, ...] = ()
    gone_at: str | None = None
    gone_because: ResolvedBecause | None = None


def list_orphans(records: Iterable[Record]) -> list[OrphanHistory]:
    """List every orphaned VIB that ``records``, all of one log, ever named, by name.

    One that is also on hosts of another vCenter, which took the place of the one before, is another one.
    """
    found: dict[str, OrphanHistory] = {}
    former: list[OrphanHistory] = []
    uuid: str | None = None
    for record in records:
        if is_new_vcenter(record, uuid):
            former += [_end_with_vcenter(each, record) for each in found.values()]
            found = {}
        uuid = record["after"]["instance_uuid"] or uuid
        _follow_orphans(found, record)
    known = [*former, *found.values()]
    return [each for vib in sort_naturally({each.vib for each in known}) for each in known if each.vib == vib]


def _end_with_vcenter(known: OrphanHistory, record: Record) -> OrphanHistory:
    """End what is ``known`` of an orphaned VIB whose vCenter a ``record`` found replaced."""
    if known.gone_at is not None:
        return known
    return replace(known, hosts=(), gone_at=record["checked_at"], gone_because="retired")


def _follow_orphans(found: dict[str, OrphanHistory], record: Record) -> None:
    """Follow by the next ``record`` what was ``found`` so far."""
    renewed = dict(list_renewed_ids(record))
    there = {orphan.vib: orphan for orphan in list_open_orphans(record)}
    for vib, known in found.items():
        first, ever = (_renew(hosts, renewed) for hosts in (known.first_hosts, known.ever))
        found[vib] = replace(known, first_hosts=first, ever=ever)
        if vib not in there and known.gone_at is None:
            found[vib] = replace(found[vib], hosts=(), gone_at=record["checked_at"], gone_because=None)
    for finding in record["findings"]:
        if finding["subject"] in found and finding["resolved_because"] and _is_of_orphan(finding):
            because = finding["resolved_because"]
            found[finding["subject"]] = replace(found[finding["subject"]], gone_because=because)
    for vib, now in there.items():
        before = found.get(vib) or replace(now, first_seen=now.since, first_hosts=now.hosts)
        ever = tuple(sort_naturally({*before.ever, *now.hosts}))
        found[vib] = replace(now, first_seen=before.first_seen, first_hosts=before.first_hosts, ever=ever)


def _renew(hosts: Iterable[str], renewed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sort_naturally({renewed.get(host, host) for host in hosts}))


def _is_of_orphan(finding: Finding) -> bool:
    return finding["kind"] == "orphaned-vib"


def list_open_orphans(record: Record) -> list[OrphanHistory]:
    """List the orphaned VIBs that a ``record`` leaves open: since when each is there, and where it is.

    When it was first seen, and on which hosts it was before, no single record says.
    """
    found = {one["subject"]: one for one in record["after"]["findings"].values() if _is_of_orphan(one)}
    return [
        OrphanHistory(vib, found[vib]["opened_at"], tuple(found[vib]["hosts"]))
        for vib in sort_naturally(found)
    ]
