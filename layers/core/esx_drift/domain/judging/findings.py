"""The ledger: conditions that hold now, against findings that are open, give transitions.

A finding is a level, told at its edges only: opened, raised, resolved. A condition that is met once
by chance is a suspect; met again ``confirm_after`` later it opens a finding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.shapes import Family, Finding, ResolvedBecause, Severity, Suspect
from esx_drift.domain.times import text_of, time_of

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From harmless to urgent."""

_RESOLVED: Mapping[Family, ResolvedBecause] = {
    "drift": "reverted",
    "orphaned-vib": "removed",
    "failure": "recovered",
}


@dataclass(frozen=True, slots=True)
class Tested:
    """What a look put to the test: when, which kinds, and how far apart two meetings must be."""

    now: datetime
    kinds: frozenset[str]
    confirm_after_seconds: int
    counts: bool = True
    """False: nothing new is suspected or opened by being met twice (a run of chosen clusters)."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The ledger afterwards. ``told`` holds every open finding and the resolved ones, with transitions."""

    told: list[Finding]
    findings: dict[str, Finding]
    suspects: dict[str, Suspect]

    @property
    def moved(self) -> bool:
        """Whether any finding was opened, raised or resolved."""
        return any(finding["transition"] != "still" for finding in self.told)


def rank(severity: Severity) -> int:
    """0 for info, 1 for warning, 2 for critical."""
    return SEVERITIES.index(severity)


def settle(
    findings: Mapping[str, Finding],
    suspects: Mapping[str, Suspect],
    conditions: Iterable[Condition],
    test: Tested,
    because: Mapping[str, ResolvedBecause],
) -> Settled:
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
            told.append(_opened(condition, test, text_of(test.now)))
        elif _confirmed(suspect, test):
            tried = replace(condition, detail={**condition.detail, "tries": suspect["count"]})
            told.append(_opened(tried, test, suspect["first_at"]))
        elif test.counts:
            left[fingerprint] = suspect
        elif fingerprint in suspects:
            left[fingerprint] = suspects[fingerprint]
    told += [_unmet(finding, test, because) for name, finding in findings.items() if name not in met]
    return Settled(
        told=sorted(told, key=lambda finding: (finding["family"], finding["kind"], finding["subject"])),
        findings={one["fingerprint"]: one for one in told if one["transition"] != "resolved"},
        suspects=left,
    )


def _suspected(before: Suspect | None, condition: Condition, test: Tested) -> Suspect:
    if before is None:
        return {"kind": condition.kind, "count": 1, "first_at": text_of(test.now)}
    return {**before, "count": before["count"] + 1}


def _confirmed(suspect: Suspect, test: Tested) -> bool:
    apart = test.now - time_of(suspect["first_at"])
    return test.counts and suspect["count"] > 1 and apart >= timedelta(seconds=test.confirm_after_seconds)


def _opened(condition: Condition, test: Tested, opened_at: str) -> Finding:
    return {
        "fingerprint": condition.fingerprint,
        "family": condition.family,
        "kind": condition.kind,
        "subject": condition.subject,
        "severity": condition.severity,
        "hosts": list(condition.hosts),
        "opened_at": opened_at,
        "last_seen": text_of(test.now),
        "transition": "opened",
        "resolved_because": None,
        "summary": condition.summary,
        "detail": dict(condition.detail),
    }


def _held(known: Finding, condition: Condition, test: Tested) -> Finding:
    raised = rank(condition.severity) > rank(known["severity"])
    severity = condition.severity if raised else known["severity"]
    return {
        **_opened(condition, test, known["opened_at"]),
        "severity": severity,
        "transition": "raised" if raised else "still",
    }


def _unmet(finding: Finding, test: Tested, because: Mapping[str, ResolvedBecause]) -> Finding:
    if finding["kind"] not in test.kinds:
        return {**finding, "transition": "still"}
    reason = because.get(finding["fingerprint"], _RESOLVED[finding["family"]])
    return {**finding, "transition": "resolved", "resolved_because": reason}
