"""What records say of checks that were expected: made, made later, missed and why, or left out on purpose."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from esx_drift.domain.stored.identifiers import make_next_attempt_id
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import format_time
from esx_drift.domain.trail.evidence import (
    AskedLook,
    PartialLook,
    build_log_evidence,
    count_looks,
    list_asked_looks,
)
from esx_drift.domain.trail.excerpt import (
    AuditPeriod,
    build_excerpt,
    build_excerpt_manifest,
    read_excerpt_manifest,
)
from esx_drift.domain.trail.history import Acceptance, list_acceptances

START = datetime(2026, 11, 23, tzinfo=UTC)
PERIOD = AuditPeriod(START, START + timedelta(days=1))
FAILURE = {"reason": "vcenter-unreachable", "message": "no route to it"}


def at(hours: float) -> str:
    """A time of the period."""
    return format_time(START + timedelta(hours=hours))


def dispatched(failure: object = None, **lists: Any) -> Record:  # noqa: ANN401 -- of a dispatch
    """A record of a vCenter's own log, as far as it is read."""
    dispatch = {"expected": [], "excluded": [], "missing": [], "failed": [], **lists}
    return cast("Record", {"checked_at": at(1), "seq": 7, "failure": failure, "dispatch": dispatch})


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        (dispatched(expected=[{"cluster": "c9", "request_id": "r"}]), AskedLook(at(1), 7, "r")),
        (
            dispatched(missing=[{"cluster": "c9"}]),
            AskedLook(at(1), 7, None, "the vCenter did not list the cluster"),
        ),
        (
            dispatched(excluded=[{"cluster": "c9", "pattern": "lab-*"}]),
            AskedLook(at(1), 7, None, "the fleet file leaves it out: lab-*", is_left_out=True),
        ),
        (dispatched(FAILURE, failed=[{"cluster": "c9"}]), AskedLook(at(1), 7, None, "no route to it")),
        (dispatched(failed=[{"cluster": "c9"}]), AskedLook(at(1), 7, None, "it could not be asked for")),
        (dispatched(failed=[{"cluster": "c10"}]), None),
        (cast("Record", {"dispatch": None}), None),
    ],
    ids=["asked", "missing", "excluded", "failed", "not-asked", "other", "decided"],
)
def test_a_run_says_what_it_meant_to_do(record: Record, asked: AskedLook | None) -> None:
    """About each cluster that it names."""
    assert list_asked_looks(record, ["c9"]).get("c9") == asked


def answer(request: str, outcome: str, hours: float, failure: object = None) -> Record:
    """A record of the cluster, as far as it is read."""
    said = {
        "request_id": request,
        "outcome": outcome,
        "failure": failure,
        "seq": int(hours),
        "uncovered": [],
    }
    return cast("Record", {**said, "checked_at": at(hours)})


def test_checks_are_counted_by_what_runs_meant_to_do() -> None:
    """A later try makes a check; what was asked for last may yet be answered."""
    records = [
        answer("made", "unchanged", 2),
        answer("late", "not-looked", 6, FAILURE),
        answer(make_next_attempt_id("late", 1), "changed", 7),
        answer("old", "superseded", 10),
    ]
    asked = [
        AskedLook(at(-1), 1, "before"),
        AskedLook(at(1), 2, "made"),
        AskedLook(at(5), 3, "late"),
        AskedLook(at(9), 4, "old"),
        AskedLook(at(13), 5, "gap"),
        AskedLook(at(17), 6, None, "no route to it"),
        AskedLook(at(21), 7, None, "lab-*", is_left_out=True),
        AskedLook(at(23), 8, "fresh"),
    ]
    counted = count_looks(asked, records, PERIOD, START + timedelta(hours=23.5))
    assert (counted.expected, counted.made, counted.repeated) == (6, 2, 1)
    assert [(each.dispatch_seq, each.seq, each.reason) for each in counted.missed] == [
        (4, 10, "the vCenter served an older report than the one taken before"),
        (5, None, "it left no record"),
        (6, None, "no route to it"),
        (8, None, "not answered yet when this was written"),
    ]
    assert [each.seq for each in counted.left_out] == [7]
    assert counted.longest == (START + timedelta(hours=7), PERIOD.ends_at)


def test_looks_are_counted_since_the_first_record_and_those_that_missed_hosts_are_named() -> None:
    """Before it there was nothing to look at."""
    first = answer("first", "baseline", 1)
    unseen = [{"host": "host-9", "why": "failed"}]
    partial = cast("Record", {**answer("partial", "unchanged", 5), "uncovered": unseen})
    asked = [AskedLook(at(1), 1, "first"), AskedLook(at(5), 2, "partial")]
    counted = count_looks(asked, [first, partial], PERIOD, START + timedelta(days=2))
    assert counted.partial == (PartialLook(at(5), 5, (("host-9", "failed"),)),)
    assert (counted.made, counted.known_since) == (2, at(1))
    early = AuditPeriod(START - timedelta(days=9), START + timedelta(hours=6))
    counted = count_looks(asked, [first, partial], early, START + timedelta(days=2))
    assert counted.longest == (START + timedelta(hours=1), START + timedelta(hours=5))
    late = AuditPeriod(START + timedelta(hours=2), START + timedelta(hours=6))
    assert count_looks(asked, [first, partial], late, START + timedelta(days=2)).known_since is None


def make_record(seq: int, outcome: str, findings: list[object], **more: Any) -> Record:  # noqa: ANN401 -- of a record
    """A record of a cluster's log, an hour after the one before."""
    after = {
        "findings": more.pop("open", {}), "accepted": {}, "maintenance": None, "last_look_at": at(seq),
        "instance_uuid": None,
    }  # fmt: skip
    said = {"seq": seq, "checked_at": at(seq), "outcome": outcome, "decision": None, "changes": []}
    return cast("Record", {**said, "findings": findings, "after": after, **more})


def make_finding(kind: str, transition: str, because: str | None = None, **more: object) -> dict[str, object]:
    """A finding about one host."""
    return {
        "fingerprint": kind, "family": "drift", "kind": kind, "subject": "", "severity": "warning",
        "hosts": ["host-9"], "opened_at": at(1), "last_seen": at(1), "transition": transition,
        "resolved_because": because, "summary": kind, "detail": {}, **more,
    }  # fmt: skip


def test_findings_say_who_accepted_them_and_why_they_ended() -> None:
    """Also those that opened and ended in the period, and those that stay open though accepted."""
    uniform, vib = make_finding("image-not-uniform", "opened"), make_finding("orphaned-vib", "opened")
    drift = make_finding("drift-unreviewed", "opened")
    failed = make_finding("host-failed", "opened")
    decision = {"by": "arn:bob", "reason": "CHG-9", "taken": ["host-9"]}
    marked = {**vib, "transition": "still", "accepted": {"hosts": ["host-9"]}}
    still_open = {"image-not-uniform": uniform, "orphaned-vib": vib, "drift-stale": drift}
    records = [
        make_record(1, "changed", [uniform, drift, vib, failed], open=still_open),
        make_record(
            2,
            "accepted",
            [marked, make_finding("drift-unreviewed", "resolved", "accepted")],
            decision=decision,
            open=still_open,
        ),
        make_record(3, "changed", [make_finding("host-failed", "resolved", "recovered")], open=still_open),
    ]
    said = build_log_evidence(records, PERIOD)
    by_bob = Acceptance("arn:bob", "CHG-9", None, at(2), 2, ("host-9",))
    assert [(each.finding["kind"], each.seq, each.acceptances) for each in said.ended] == [
        ("drift-unreviewed", 2, (by_bob,)),
        ("host-failed", 3, ()),
    ]
    assert said.acceptances == {"image-not-uniform": (by_bob,), "orphaned-vib": (by_bob,)}
    # Of another host than those that it is still about, an acceptance says nothing of it.
    other = make_finding("orphaned-vib", "opened", hosts=["host-10"])
    moved = [*records[:2], make_record(3, "changed", [], open={"orphaned-vib": other})]
    assert build_log_evidence(moved, PERIOD).acceptances == {"orphaned-vib": ()}
    assert build_log_evidence(records, AuditPeriod(START + timedelta(hours=2.5), PERIOD.ends_at)).ended == (
        said.ended[1],
    )


@pytest.mark.parametrize(
    ("snapshot", "number", "hosts"),
    [("now", 22, 22), ("now", 23, 1), (None, 22, 1)],
    ids=["by-the-state", "not-all-known", "no-snapshot"],
)
def test_a_window_accepted_also_what_its_own_list_has_no_room_for(
    snapshot: str | None, number: int, hosts: int
) -> None:
    """As far as the state says which: on all of them the work of the window was accepted."""
    entry = {"image": "i", "orphaned_vibs": [], "snapshot": "now"}
    accepted: dict[str, Any] = {f"host-{each}": entry for each in range(1, 23)}
    accepted |= {"host-30": {**entry, "decided_at": at(1)}, "host-31": {**entry, "snapshot": "old"}}
    accepted["host-40"] = entry
    window = {"by": "jo", "reason": "CHG-1", "accepted": ["host-1"], "accepted_total": number}
    other = {"by": "al", "reason": "CHG-2", "accepted": ["host-40"], "accepted_total": 1}
    after = {"accepted": accepted, "snapshot": snapshot and {"key": snapshot}}
    record = {**make_record(2, "changed", []), "after": after, "maintenance_ended": [window, other]}
    one, two = list_acceptances(cast("Record", record))
    assert (one.by, len(one.hosts), one.hosts[0]) == ("jo", hosts, "host-1")
    assert two.hosts == ("host-40",)


def test_of_no_records_nothing_is_said() -> None:
    """Neither of what was open."""
    said = build_log_evidence([], PERIOD)
    assert (said.records, said.number, said.changes, said.open_at_end) == (None, 0, (), ())


def test_a_manifest_is_read_as_it_was_written() -> None:
    """One that a slip altered is refused."""
    cluster = {"vcenter": "vc01", "cluster": "domain-c9", "name": "prod-a"}
    excerpt = build_excerpt(
        period=PERIOD, made_at=START, document_days=30, clusters=[cast("Any", cluster)], base=None
    )
    manifest = build_excerpt_manifest(excerpt)
    assert read_excerpt_manifest(manifest) == excerpt
    with pytest.raises(ValueError, match="its sha256 is not that"):
        read_excerpt_manifest({**manifest, "sha256": "0" * 64})
