"""Each finding is opened once before it ends, whatever looks come in whatever order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.update import CheckScope, FindingsUpdate, update_findings
from esx_drift.domain.stored.types import (
    SEVERITIES,
    Family,
    Finding,
    FindingKind,
    ResolvedBecause,
    SuspectedFinding,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.examples import try_examples

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
CONFIRM_SECONDS = 600
KINDS: dict[FindingKind, Family] = {
    "image-not-uniform": "drift",
    "orphaned-vib": "orphaned-vib",
    "host-failed": "failure",
    "vcenter-error": "failure",
}
SUBJECTS = ("", "host-16")
USUAL = {"drift": "reverted", "orphaned-vib": "removed", "failure": "recovered"}


def condition(kind: FindingKind = "host-failed", subject: str = "host-16", **changes: Any) -> Condition:  # noqa: ANN401
    """One that holds."""
    fields: dict[str, Any] = {
        "family": KINDS[kind],
        "kind": kind,
        "subject": subject,
        "severity": "warning",
        "summary": f"{kind} of {subject}",
        **changes,
    }
    return Condition(**fields)


def test_a_condition_opens_once_and_then_holds() -> None:
    """Told when it begins; after that it is still, seen later and later, with what is known of it now."""
    opened = update_findings({}, {}, [condition(summary="first")], CheckScope(NOW, frozenset(KINDS), 0), {})
    later = CheckScope(NOW + timedelta(hours=4), frozenset(KINDS), 0)
    held = update_findings(opened.findings, {}, [condition(summary="second", hosts=("host-16",))], later, {})
    (finding,) = held.transitions
    assert (opened.has_transitions, held.has_transitions) == (True, False)
    assert (finding["transition"], finding["opened_at"], finding["last_seen"]) == (
        "still",
        format_time(NOW),
        format_time(later.now),
    )
    assert (finding["summary"], finding["hosts"]) == ("second", ["host-16"])


def test_a_severity_only_rises() -> None:
    """Raised is told; a condition that is milder again is still what it was."""
    known: dict[str, Finding] = {}
    told = []
    for severity in ("info", "warning", "warning", "critical", "info"):
        settled = update_findings(
            known, {}, [condition(severity=severity)], CheckScope(NOW, frozenset(KINDS), 0), {}
        )
        known = settled.findings
        told.append((settled.transitions[0]["transition"], settled.transitions[0]["severity"]))
    assert told == [
        ("opened", "info"),
        ("raised", "warning"),
        ("still", "warning"),
        ("raised", "critical"),
        ("still", "critical"),
    ]


def test_findings_are_told_in_one_order() -> None:
    """By family, kind and subject, however they come."""
    several = [condition(kind, subject) for kind in KINDS for subject in SUBJECTS]
    tested = CheckScope(NOW, frozenset(KINDS), 0)
    assert (
        update_findings({}, {}, several, tested, {}).transitions
        == update_findings({}, {}, several[::-1], tested, {}).transitions
    )


def test_what_was_last_known_keeps_a_finding_open_and_opens_none() -> None:
    """Nobody saw those hosts, so that nothing is over, and nothing is new."""
    scope = CheckScope(NOW, frozenset(KINDS), 0)
    unseen = condition(opens=False)
    assert update_findings({}, {}, [unseen], scope, {}).transitions == []
    known = update_findings({}, {}, [condition()], scope, {}).findings
    assert update_findings(known, {}, [unseen], scope, {}).transitions[0]["transition"] == "still"


def test_what_was_tried_once_more_began_at_the_first_try() -> None:
    """A login that was refused twice has been refused since the first time."""
    pending = condition("vcenter-error", is_pending=True)
    first = update_findings({}, {}, [pending], CheckScope(NOW, frozenset(KINDS), 0), {})
    assert (first.transitions, first.suspects[pending.fingerprint]["count"]) == ([], 1)
    later = CheckScope(NOW + timedelta(minutes=3), frozenset(KINDS), 0)
    final = update_findings({}, first.suspects, [condition("vcenter-error")], later, {})
    assert (final.transitions[0]["opened_at"], final.suspects) == (format_time(NOW), {})


def test_a_run_of_chosen_clusters_counts_nothing() -> None:
    """It neither suspects nor confirms, and what is suspected stays so."""
    met = [condition("vcenter-error", confirm=True)]
    chosen = CheckScope(NOW, frozenset(KINDS), 0, counts=False)
    assert update_findings({}, {}, met, chosen, {}).suspects == {}
    suspects = update_findings({}, {}, met, CheckScope(NOW, frozenset(KINDS), 0), {}).suspects
    later = CheckScope(NOW + timedelta(hours=1), frozenset(KINDS), 0, counts=False)
    settled = update_findings({}, suspects, met, later, {})
    assert (settled.transitions, settled.suspects) == ([], suspects)


def test_severities_are_ordered() -> None:
    """From harmless to urgent."""
    assert [rank_severity(severity) for severity in SEVERITIES] == [0, 1, 2]


conditions = st.builds(
    condition,
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(SUBJECTS),
    severity=st.sampled_from(SEVERITIES),
    confirm=st.booleans(),
)


class Ledger(RuleBasedStateMachine):
    """Looks that meet and test anything, at any distance; a model that keeps its own books."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.findings: dict[str, Finding] = {}
        self.suspects: dict[str, SuspectedFinding] = {}
        self.opened: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.met_at: dict[str, list[datetime]] = {}
        self.settled: FindingsUpdate | None = None

    @rule(
        met=st.lists(conditions, max_size=5, unique_by=lambda one: one.fingerprint),
        tested=st.frozensets(st.sampled_from(sorted(KINDS))),
        seconds=st.sampled_from([0, 1, CONFIRM_SECONDS - 1, CONFIRM_SECONDS, 4 * 3600]),
        counts=st.booleans(),
        left=st.booleans(),
    )
    def look(
        self, met: list[Condition], tested: frozenset[FindingKind], seconds: int, *, counts: bool, left: bool
    ) -> None:
        """One look, and what it must come to."""
        self.now += timedelta(seconds=seconds)
        kinds = tested | {one.kind for one in met}
        because: dict[str, ResolvedBecause] = dict.fromkeys(self.findings, "host-left") if left else {}
        before, suspected = self.findings, self.suspects
        test = CheckScope(self.now, kinds, CONFIRM_SECONDS, counts)
        self.settled = update_findings(before, suspected, met, test, because)
        fingerprints = {one.fingerprint for one in met}
        self._count_meetings(met, kinds, counts=counts)
        for finding in self.settled.transitions:
            self._check_told(finding, before, fingerprints, kinds, because)
        for name, suspect in suspected.items():
            kept = name in self.settled.suspects or name in self.settled.findings
            cleared = name not in fingerprints and suspect["kind"] in kinds
            assert kept != cleared, "a suspect goes by a test that did not meet it, or by opening"
        self.findings, self.suspects = self.settled.findings, self.settled.suspects

    def _count_meetings(self, met: list[Condition], kinds: frozenset[FindingKind], *, counts: bool) -> None:
        fingerprints = {one.fingerprint: one for one in met}
        for kind in kinds:
            for subject in SUBJECTS:
                name = condition(kind, subject).fingerprint
                if name not in fingerprints:
                    self.met_at.pop(name, None)
                elif counts:
                    self.met_at.setdefault(name, []).append(self.now)

    def _check_told(
        self,
        finding: Finding,
        before: dict[str, Finding],
        met: set[str],
        kinds: frozenset[FindingKind],
        because: dict[str, ResolvedBecause],
    ) -> None:
        name = finding["fingerprint"]
        match finding["transition"]:
            case "opened":
                assert name in met
                assert name not in before
                assert parse_time(finding["opened_at"]) <= self.now
                self.opened[name] = self.opened.get(name, 0) + 1
            case "resolved":
                assert name in before
                assert name not in met
                assert finding["kind"] in kinds, "what was not tested is not over"
                assert finding["resolved_because"] == because.get(name, USUAL[finding["family"]])
                self.ended[name] = self.ended.get(name, 0) + 1
            case "raised":
                assert name in met
                assert rank_severity(finding["severity"]) > rank_severity(before[name]["severity"])
            case "still":
                assert finding["severity"] == before[name]["severity"]
                assert (name in met) or (finding["kind"] not in kinds)
                assert finding["last_seen"] == (
                    format_time(self.now) if name in met else before[name]["last_seen"]
                )
        if finding["transition"] in {"raised", "still"}:
            assert finding["opened_at"] == before[name]["opened_at"]
        if finding["transition"] != "resolved":
            assert finding["resolved_because"] is None

    @rule(
        subject=st.sampled_from(SUBJECTS), seconds=st.sampled_from([0, CONFIRM_SECONDS - 1, CONFIRM_SECONDS])
    )
    def meet_twice(self, subject: str, seconds: int) -> None:
        """Met again long enough after, it opens, dated from the first meeting; sooner it does not."""
        one = condition("vcenter-error", subject, confirm=True)
        if one.fingerprint in self.findings or one.fingerprint in self.suspects:
            return
        self.look([one], frozenset(), 0, counts=True, left=False)
        first = self.now
        assert one.fingerprint not in self.findings
        self.look([one], frozenset(), seconds, counts=True, left=False)
        opened = self.findings.get(one.fingerprint)
        assert (opened is not None) == (seconds >= CONFIRM_SECONDS)
        if opened is not None:
            assert opened["opened_at"] == format_time(first)

    @invariant()
    def open_as_often_as_not_ended(self) -> None:
        """Each finding is opened before it ends, and no two are open under one name."""
        for name, count in self.opened.items():
            assert count - self.ended.get(name, 0) == (name in self.findings)
        assert set(self.findings) <= set(self.opened)

    @invariant()
    def never_both(self) -> None:
        """What is open is not suspected as well; suspects are what was met since they were last cleared."""
        assert not self.findings.keys() & self.suspects.keys()
        for name, suspect in self.suspects.items():
            assert suspect["count"] == len(self.met_at[name])
            assert parse_time(suspect["first_at"]) == self.met_at[name][0]

    @invariant()
    def told_is_whole(self) -> None:
        """Whatever is open was told, once; only what ended is told beside it."""
        if self.settled is not None:
            names = [finding["fingerprint"] for finding in self.settled.transitions]
            assert len(names) == len(set(names))
            ended = {
                one["fingerprint"] for one in self.settled.transitions if one["transition"] == "resolved"
            }
            assert set(names) - ended == set(self.settled.findings)


Ledger.TestCase.settings = settings(try_examples(150), stateful_step_count=20)
TestLedger = Ledger.TestCase
