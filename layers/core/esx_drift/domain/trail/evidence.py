"""What records say of a period: checks and why some were missed, changes and who accepted them, findings.

Longer than 250 lines, because it is one account of one period.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from msgspec import Struct, field

from esx_drift.domain.stored.identifiers import make_next_attempt_id
from esx_drift.domain.stored.types import (
    Finding,
    Outcome,
    Record,
    ResolvedBecause,
    is_end,
    list_vouched_hosts,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.excerpt import AuditPeriod
from esx_drift.domain.trail.history import (
    Acceptance,
    HistoryEntry,
    list_acceptances,
    list_history,
    list_open_orphans,
    list_orphans,
    name_changed_part,
)
from esx_drift.domain.trail.verification import LONGEST_CHECK

LOOKS: Final[frozenset[Outcome]] = frozenset({"baseline", "changed", "unchanged"})
"""A check with such an outcome saw what the cluster runs."""

_NO_LOOK: Final[Mapping[Outcome, str]] = {
    "same-report": "the vCenter still had the report that was taken before",
    "superseded": "the vCenter served an older report than the one taken before",
    "not-covered": "the report covered no host",
    "retired": "the cluster was retired",
}


class AskedLook(Struct, frozen=True):
    """What a run of the dispatcher meant to do about a cluster.

    Attributes:
        at: When the run was.
        seq: Its record in the vCenter's own log.
        request_id: The check that it asked for; none where it asked for none.
        reason: Why it asked for none; empty where it did.
        is_left_out: The fleet file leaves the cluster out: no check was expected.
    """

    at: str
    seq: int
    request_id: str | None
    reason: str = ""
    is_left_out: bool = False


class MissedLook(Struct, frozen=True):
    """A check that was expected, and saw nothing. ``seq``: the record that it left; none if it left none."""

    at: str
    dispatch_seq: int
    reason: str
    seq: int | None = None


class PartialLook(Struct, frozen=True):
    """A check that saw the cluster, and not all of its hosts. ``unseen``: which, by id, and why."""

    at: str
    seq: int
    unseen: tuple[tuple[str, str], ...]


class LookCount(Struct, frozen=True):
    """The checks of a cluster that were expected in a period.

    Attributes:
        expected: How many runs meant to check it.
        made: How many of these checks saw it.
        repeated: How many of those needed more than one try.
        missed: The others.
        left_out: The runs in which the fleet file left it out.
        longest: The longest time between two looks, or a look and an end of the period: from when to when.
            Before the first record of the cluster there was nothing to look at.
        partial: Those of the made ones that did not see all hosts.
        known_since: When the cluster's first record was, if that is of the period.
    """

    expected: int
    made: int
    repeated: int
    missed: tuple[MissedLook, ...]
    left_out: tuple[AskedLook, ...]
    longest: tuple[datetime, datetime]
    partial: tuple[PartialLook, ...] = ()
    known_since: str | None = None


class ChangeEvidence(Struct, frozen=True):
    """A change of the period.

    ``undone_by``: the record that found it undone on the last host on which nobody accepted it; none where
    it was not, or not on all of them.
    """

    entry: HistoryEntry
    undone_by: int | None


class OrphanEvidence(Struct, frozen=True):
    """An orphaned VIB of the period.

    Attributes:
        vib: As the API gives it.
        first_seen: When it was first seen.
        gone_at: When it was found gone from all hosts; none while it is there.
        at_start: The hosts that it was on when the period began, by id.
        at_end: Those that it was on when it ended.
        ever: All that it was on in the period, or when that began.
        gone_because: Why it is gone, as far as that is known.
    """

    vib: str
    first_seen: str
    gone_at: str | None
    at_start: tuple[str, ...]
    at_end: tuple[str, ...]
    ever: tuple[str, ...] = ()
    gone_because: ResolvedBecause | None = None


class EndedFinding(Struct, frozen=True):
    """A finding that ended in the period: when, and which record says so.

    ``acceptances``: who accepted it, while it was open or at its end.
    """

    finding: Finding
    at: str
    seq: int
    acceptances: tuple[Acceptance, ...]


class LogEvidence(Struct, frozen=True):
    """What the records of one log say of a period.

    Attributes:
        records: The numbers of the first and the last record of the period; none: there is none.
        number: How many there are.
        changes: Every change.
        decisions: What persons decided.
        orphans: Orphaned VIBs.
        open_at_start: Findings that were open when it began.
        open_at_end: Findings that were open when it ended.
        ended: Findings that ended in it, also those that opened in it.
        acceptances: Who accepted a finding that was open when it ended, by its fingerprint.
        maintenance: Maintenance windows that began or ended in it.
        vouched: The hosts whose software a person had accepted when it ended, by id, and when that was.
    """

    records: tuple[int, int] | None
    number: int
    changes: tuple[ChangeEvidence, ...]
    decisions: tuple[HistoryEntry, ...]
    orphans: tuple[OrphanEvidence, ...]
    open_at_start: tuple[Finding, ...]
    open_at_end: tuple[Finding, ...]
    ended: tuple[EndedFinding, ...] = ()
    acceptances: Mapping[str, tuple[Acceptance, ...]] = field(default_factory=dict)
    maintenance: tuple[HistoryEntry, ...] = ()
    vouched: Mapping[str, str] = field(default_factory=dict)


def list_asked_looks(record: Record, clusters: Iterable[str]) -> dict[str, AskedLook]:
    """List what a ``record`` of a vCenter's own log meant to do about each of ``clusters`` (ids)."""
    dispatch = record["dispatch"]
    if dispatch is None:
        return {}
    at, seq = record["checked_at"], record["seq"]
    failure = record["failure"]
    why = failure["message"] if failure else "it could not be asked for"
    found = {each["cluster"]: AskedLook(at, seq, None, why) for each in dispatch["failed"]}
    for missing in dispatch["missing"]:
        found[missing["cluster"]] = AskedLook(at, seq, None, "the vCenter did not list the cluster")
    for excluded in dispatch["excluded"]:
        pattern = f"the fleet file leaves it out: {excluded['pattern']}"
        found[excluded["cluster"]] = AskedLook(at, seq, None, pattern, is_left_out=True)
    for expected in dispatch["expected"]:
        found[expected["cluster"]] = AskedLook(at, seq, expected["request_id"])
    return {cluster: found[cluster] for cluster in clusters if cluster in found}


def count_looks(
    asked: Iterable[AskedLook], records: Sequence[Record], period: AuditPeriod, made_at: datetime
) -> LookCount:
    """Count the checks of a cluster.

    Args:
        asked: What runs meant to do about it.
        records: The records of its log, of the period and a while after.
        period: The period.
        made_at: When they were read: what was asked for just then may yet be answered.
    """
    own = [each for each in asked if period.includes(each.at)]
    answers = {record["request_id"]: record for record in records}
    left_out = tuple(each for each in own if each.is_left_out)
    expected = [each for each in own if not each.is_left_out]
    missed: list[MissedLook] = []
    looks: list[Record] = []
    repeated = 0
    for each in expected:
        tries = _follow_tries(each, answers)
        if tries and tries[-1]["outcome"] in LOOKS:
            looks.append(tries[-1])
            repeated += len(tries) > 1
        else:
            missed.append(_explain_miss(each, tries, made_at))
    first = records[0]["checked_at"] if records and records[0]["seq"] == 1 else None
    known_since = first if first is not None and period.includes(first) else None
    return LookCount(
        expected=len(expected),
        made=len(looks),
        repeated=repeated,
        missed=tuple(missed),
        left_out=left_out,
        longest=_find_longest(records, period, known_since),
        partial=tuple(
            PartialLook(look["checked_at"], look["seq"], unseen)
            for look in looks
            if (unseen := tuple((each["host"], each["why"]) for each in look["uncovered"]))
        ),
        known_since=known_since,
    )


def _follow_tries(asked: AskedLook, answers: Mapping[str, Record]) -> list[Record]:
    """Follow the tries at one check up to the first that saw the cluster."""
    tries: list[Record] = []
    request = asked.request_id
    while request is not None and request in answers:
        tries.append(answers[request])
        found_it = answers[request]["outcome"] in LOOKS
        request = None if found_it else make_next_attempt_id(request, len(tries))
    return tries


def _explain_miss(asked: AskedLook, tries: Sequence[Record], made_at: datetime) -> MissedLook:
    if tries:
        last = tries[-1]
        failure = last["failure"]
        why = failure["message"] if failure else _NO_LOOK.get(last["outcome"], last["outcome"])
        return MissedLook(asked.at, asked.seq, why, last["seq"])
    if asked.request_id is None:
        return MissedLook(asked.at, asked.seq, asked.reason)
    is_fresh = made_at - parse_time(asked.at) < LONGEST_CHECK
    why = "not answered yet when this was written" if is_fresh else "it left no record"
    return MissedLook(asked.at, asked.seq, why)


def _find_longest(
    records: Sequence[Record], period: AuditPeriod, known_since: str | None
) -> tuple[datetime, datetime]:
    begins_at = period.begins_at if known_since is None else parse_time(known_since)
    looks = [parse_time(record["checked_at"]) for record in records if record["outcome"] in LOOKS]
    inside = [at for at in looks if period.begins_at <= at <= period.ends_at]
    return max(pairwise([begins_at, *inside, period.ends_at]), key=lambda pair: pair[1] - pair[0])


def build_log_evidence(records: Sequence[Record], period: AuditPeriod) -> LogEvidence:
    """Build what ``records`` of one log, from the last before a ``period`` on, say of it."""
    known = [record for record in records if parse_time(record["checked_at"]) <= period.ends_at]
    own = [record for record in known if period.includes(record["checked_at"])]
    before = known[: len(known) - len(own)]
    entries, decided = list_history(known), [each for record in known for each in list_acceptances(record)]
    inside = [entry for entry in entries if period.includes(entry.at)]
    left = {(entry.seq, host) for entry in entries if _is_leaving(entry) for host in entry.hosts}
    ended, acceptances = _follow_acceptances(known)
    return LogEvidence(
        records=(own[0]["seq"], own[-1]["seq"]) if own else None,
        number=len(own),
        changes=tuple(
            ChangeEvidence(each, _find_undone(each, entries, decided, left))
            for each in inside
            if each.kind == "change"
        ),
        decisions=tuple(entry for entry in inside if entry.kind == "decision"),
        orphans=tuple(_list_orphans(before, known)),
        open_at_start=_list_open(before),
        open_at_end=_list_open(known),
        ended=tuple(each for each in ended if period.includes(each.at)),
        acceptances=acceptances,
        maintenance=tuple(entry for entry in inside if entry.maintenance is not None),
        vouched=_list_vouched(known[-1]) if known else {},
    )


def list_earlier_moments(evidence: LogEvidence, finding: Finding) -> list[str]:
    """List when an open finding was accepted, if that was earlier than the records of ``evidence`` say.

    Empty where these name who accepted it, and where it is not accepted on all of its hosts.

    Args:
        evidence: Of the period at whose end it was open.
        finding: The finding.
    """
    hosts, vouched = finding["hosts"], evidence.vouched
    is_accepted = finding["kind"] == "image-not-uniform" or finding["detail"].get("not_accepted_on") == []
    if evidence.acceptances.get(finding["fingerprint"]) or not is_accepted or not vouched.keys() >= {*hosts}:
        return []
    return sorted({vouched[host] for host in hosts})


def _list_vouched(record: Record) -> dict[str, str]:
    accepted = record["after"]["accepted"]
    return {host: accepted[host]["decided_at"] for host in list_vouched_hosts(accepted)}


def _follow_acceptances(
    records: Sequence[Record],
) -> tuple[list[EndedFinding], dict[str, tuple[Acceptance, ...]]]:
    """Follow who accepted which finding.

    Returns:
        The findings that ended, and who accepted those that are still open, by fingerprint.
    """
    ended: list[EndedFinding] = []
    accepted: dict[str, tuple[Acceptance, ...]] = {}
    for record in records:
        by_person = list(list_acceptances(record))
        for finding in record["after"]["findings"].values() if by_person else ():
            # That hosts differ from each other stays so where what they run is accepted.
            own = [each for each in by_person if not set(finding["hosts"]).isdisjoint(each.hosts)]
            if finding["kind"] == "image-not-uniform" and own:
                accepted[finding["fingerprint"]] = (*accepted.get(finding["fingerprint"], ()), *own)
        for finding in record["findings"]:
            name, is_over = finding["fingerprint"], finding["transition"] == "resolved"
            if "accepted" in finding or (is_over and finding["resolved_because"] == "accepted"):
                hosts = {*finding["hosts"], *(finding["accepted"]["hosts"] if "accepted" in finding else ())}
                own = [each for each in by_person if not hosts.isdisjoint(each.hosts)]
                accepted[name] = (*accepted.get(name, ()), *own)
            if is_over:
                said = accepted.pop(name, ())
                ended.append(EndedFinding(finding, record["checked_at"], record["seq"], said))
    open_on = {name: {*finding["hosts"]} for name, finding in _find_open(records).items()}
    still = {
        name: tuple(one for one in said if open_on[name].intersection(one.hosts))
        for name, said in accepted.items()
        if name in open_on
    }
    return ended, still


def _find_open(records: Sequence[Record]) -> Mapping[str, Finding]:
    return records[-1]["after"]["findings"] if records else {}


def _find_undone(
    entry: HistoryEntry,
    entries: Iterable[HistoryEntry],
    acceptances: Sequence[Acceptance],
    left: Container[tuple[int, str]],
) -> int | None:
    """Find the record by which a change was undone on each host on which nobody accepted it.

    It went back to what was there before, or to what was accepted then: not to what somebody accepted since.
    What a host took with it is not undone; ``left`` says by which record which host left.
    """
    change = entry.change
    if change is None or is_end(change):
        return None
    part, waiting = name_changed_part(change), {*entry.hosts}
    waiting -= {host for one in entry.acceptances for host in one.hosts}
    for later in entries:
        if later.is_of_new_vcenter and later.seq > entry.seq:
            return None
        if later.seq <= entry.seq or later.change is None:
            continue
        old, new = later.change["from"], later.change["to"]
        if (later.change["element"], later.change["kind"]) == ("host", "changed") and old in waiting and new:
            waiting = (waiting - {old}) | {new}
        stayed = {host for host in later.hosts if (later.seq, host) not in left}
        over = waiting & stayed if name_changed_part(later.change) == part else set[str]()
        if new == change["from"] != change["to"]:
            waiting -= over
        elif is_end(later.change):
            between = [one for one in acceptances if entry.seq <= one.seq < later.seq]
            waiting -= over - {host for one in between for host in one.hosts}
        if over and not waiting:
            return later.seq
    return None


def _is_leaving(entry: HistoryEntry) -> bool:
    return entry.change is not None and (entry.change["element"], entry.change["kind"]) == ("host", "removed")


def _list_open(records: Sequence[Record]) -> tuple[Finding, ...]:
    return tuple(
        sorted(
            _find_open(records).values(), key=lambda each: (each["opened_at"], each["kind"], each["subject"])
        )
    )


def _list_orphans(before: Sequence[Record], known: Sequence[Record]) -> list[OrphanEvidence]:
    at_start = {
        (each.vib, each.since): each.hosts for each in (list_open_orphans(before[-1]) if before else ())
    }
    return [
        OrphanEvidence(
            vib=each.vib,
            first_seen=each.first_seen or each.since,
            gone_at=each.gone_at,
            at_start=at_start.get((each.vib, each.first_seen or each.since), ()),
            at_end=each.hosts,
            ever=each.ever,
            gone_because=each.gone_because,
        )
        for each in list_orphans(known[max(0, len(before) - 1) :])
    ]
