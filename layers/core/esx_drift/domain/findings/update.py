"""The ledger: conditions that hold now, against findings that are open, give transitions.

A finding is a level, told at its edges only: opened, raised, resolved. A condition that is met once
by chance is a suspect; met again ``confirm_after`` later it opens a finding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.stored.types import Family, Finding, ResolvedBecause, SuspectedFinding, rank_severity
from esx_drift.domain.text.times import format_time, parse_time

_RESOLVED: Mapping[Family, ResolvedBecause] = {
    "drift": "reverted",
    "orphaned-vib": "removed",
    "failure": "recovered",
}


@dataclass(frozen=True, slots=True)
class CheckScope:
    """What a look put to the test: when, which kinds, and how far apart two meetings must be."""

    now: datetime
    kinds: frozenset[str]
    confirm_after_seconds: int
    counts: bool = True
    """False: nothing new is suspected or opened by being met twice (a run of chosen clusters)."""


@dataclass(frozen=True, slots=True)
class FindingsUpdate:
    """The ledger afterwards. ``told`` holds every open finding and the resolved ones, with transitions."""

    transitions: list[Finding]
    findings: dict[str, Finding]
    suspects: dict[str, SuspectedFinding]

    @property
    def has_transitions(self) -> bool:
        """Whether any finding was opened, raised or resolved."""
        return any(finding["transition"] != "still" for finding in self.transitions)


def update_findings(
    findings: Mapping[str, Finding],
    suspects: Mapping[str, SuspectedFinding],
    conditions: Iterable[Condition],
    test: CheckScope,
    because: Mapping[str, ResolvedBecause],
) -> FindingsUpdate:
    """Bring the ledger up to date; ``because``: reasons of resolved findings that are not the usual ones."""
    met = {condition.fingerprint: condition for condition in conditions}
    told: list[Finding] = []
    left = {
        fingerprint: suspect
        for fingerprint, suspect in suspects.items()
        if fingerprint not in met and suspect["kind"] not in test.kinds
    }
    for fingerprint, condition in met.items():
        known = findings.get(fingerprint)
        if known is not None:
            told.append(_held(known, condition, test))
            continue
        if not condition.opens:
            continue
        suspect = _suspected(suspects.get(fingerprint), condition, test)
        if not condition.confirm:
            told.append(_opened(condition, test, format_time(test.now)))
        elif _confirmed(suspect, test):
            tried = replace(condition, detail={**condition.detail, "tries": suspect["count"]})
            told.append(_opened(tried, test, suspect["first_at"]))
        elif test.counts:
            left[fingerprint] = suspect
        elif fingerprint in suspects:
            left[fingerprint] = suspects[fingerprint]
    told += [_unmet(finding, test, because) for name, finding in findings.items() if name not in met]
    return FindingsUpdate(
        transitions=sorted(
            told, key=lambda finding: (finding["family"], finding["kind"], finding["subject"])
        ),
        findings={one["fingerprint"]: one for one in told if one["transition"] != "resolved"},
        suspects=left,
    )


def _suspected(before: SuspectedFinding | None, condition: Condition, test: CheckScope) -> SuspectedFinding:
    if before is None:
        return {"kind": condition.kind, "count": 1, "first_at": format_time(test.now)}
    return {**before, "count": before["count"] + 1}


def _confirmed(suspect: SuspectedFinding, test: CheckScope) -> bool:
    apart = test.now - parse_time(suspect["first_at"])
    return test.counts and suspect["count"] > 1 and apart >= timedelta(seconds=test.confirm_after_seconds)


def _opened(condition: Condition, test: CheckScope, opened_at: str) -> Finding:
    return {
        "fingerprint": condition.fingerprint,
        "family": condition.family,
        "kind": condition.kind,
        "subject": condition.subject,
        "severity": condition.severity,
        "hosts": list(condition.hosts),
        "opened_at": opened_at,
        "last_seen": format_time(test.now),
        "transition": "opened",
        "resolved_because": None,
        "summary": condition.summary,
        "detail": dict(condition.detail),
    }


def _held(known: Finding, condition: Condition, test: CheckScope) -> Finding:
    raised = rank_severity(condition.severity) > rank_severity(known["severity"])
    severity = condition.severity if raised else known["severity"]
    return {
        **_opened(condition, test, known["opened_at"]),
        "severity": severity,
        "transition": "raised" if raised else "still",
    }


def _unmet(finding: Finding, test: CheckScope, because: Mapping[str, ResolvedBecause]) -> Finding:
    if finding["kind"] not in test.kinds:
        return {**finding, "transition": "still"}
    reason = because.get(finding["fingerprint"], _RESOLVED[finding["family"]])
    return {**finding, "transition": "resolved", "resolved_because": reason}
