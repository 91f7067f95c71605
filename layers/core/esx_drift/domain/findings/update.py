"""Conditions that hold now, put together with the findings that are open, give transitions.

A finding is open as long as its condition holds; only opened, raised and resolved are news. A condition that
has to be confirmed is a suspect at first; met again ``confirm_after`` later it opens a finding. One that is
pending stays a suspect until it is met as final.

Longer than 250 lines, because all that makes a finding of a condition is read together.
"""

from collections.abc import Iterable, Mapping
from copy import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from msgspec import Struct, field

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.flapping import count_openings
from esx_drift.domain.findings.kinds import HELD_BACK_KINDS
from esx_drift.domain.stored.types import (
    EXPIRY_DETAIL,
    Family,
    Finding,
    FindingKind,
    Openings,
    Record,
    ResolvedBecause,
    SuspectedFinding,
    Transition,
    drop_marks,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import TrailDamaged

_USUAL_REASONS: Mapping[Family, ResolvedBecause] = {
    "drift": "reverted",
    "orphaned-vib": "removed",
    "failure": "recovered",
}


class CheckScope(Struct, frozen=True):
    """What a check can say of findings.

    Attributes:
        now: When it was done.
        kinds: The kinds that it rules out where it does not meet them.
        confirm_after_seconds: How far apart a condition must be met twice.
        counts: False if nothing is suspected, or opened by being met twice (a run of chosen clusters).
    """

    now: datetime
    kinds: frozenset[FindingKind]
    confirm_after_seconds: int
    counts: bool = True


class FindingsUpdate(Struct, frozen=True):
    """What is open after a check.

    Attributes:
        transitions: Every open finding and those resolved now, each with its transition.
        findings: The open ones by fingerprint.
        suspects: Conditions that must be met once more, by fingerprint.
        openings: How findings came and went, by fingerprint.
    """

    transitions: list[Finding]
    findings: dict[str, Finding]
    suspects: dict[str, SuspectedFinding]
    openings: dict[str, Openings] = field(default_factory=dict)

    @property
    def has_transitions(self) -> bool:
        """Whether any finding was opened, raised or resolved."""
        return any(finding["transition"] != "still" for finding in self.transitions)


def update_findings(
    findings: Mapping[str, Finding],
    suspects: Mapping[str, SuspectedFinding],
    conditions: Iterable[Condition],
    scope: CheckScope,
    because: Mapping[str, ResolvedBecause],
    openings: Mapping[str, Openings] = MappingProxyType({}),
) -> FindingsUpdate:
    """Open, keep, raise and resolve findings by the conditions that were met.

    Args:
        findings: The open findings by fingerprint.
        suspects: What has to be met once more, by fingerprint.
        conditions: What holds now.
        scope: What the check can say of findings.
        because: Why findings are resolved, by fingerprint, where it is not the usual reason of the family.
        openings: How findings came and went so far, by fingerprint.
    """
    met = {condition.fingerprint: condition for condition in conditions}
    updated: list[Finding] = []
    suspected = {
        fingerprint: suspect
        for fingerprint, suspect in suspects.items()
        if fingerprint not in met and suspect["kind"] not in scope.kinds
    }
    for fingerprint, condition in met.items():
        if fingerprint in findings:
            updated.append(_keep(findings[fingerprint], condition, scope))
        elif not condition.opens:
            continue
        elif condition.is_pending:
            suspected[fingerprint] = _count(suspects.get(fingerprint), condition, scope)
        elif not condition.confirm:
            # Where it was suspected first, that is when it began.
            begun = _count(suspects.get(fingerprint), condition, scope)["first_at"]
            updated.append(build_finding(condition, begun, format_time(scope.now), "opened"))
        else:
            suspect = _count(suspects.get(fingerprint), condition, scope)
            if _is_confirmed(suspect, scope):
                updated.append(_open_confirmed(condition, scope, suspect))
            elif scope.counts:
                suspected[fingerprint] = suspect
            elif fingerprint in suspects:
                suspected[fingerprint] = suspects[fingerprint]
    unmet = [finding for fingerprint, finding in findings.items() if fingerprint not in met]
    updated += [_resolve_or_keep(finding, scope, because) for finding in unmet]
    counted, openings_after = count_openings(updated, openings, scope.kinds, scope.now)
    return FindingsUpdate(
        transitions=_sort_findings(counted),
        findings={
            each["fingerprint"]: drop_marks(each) for each in counted if each["transition"] != "resolved"
        },
        suspects=suspected,
        openings=openings_after,
    )


def _count(before: SuspectedFinding | None, condition: Condition, scope: CheckScope) -> SuspectedFinding:
    if before is None:
        return {"kind": condition.kind, "count": 1, "first_at": format_time(scope.now)}
    return {**before, "count": before["count"] + 1}


def _is_confirmed(suspect: SuspectedFinding, scope: CheckScope) -> bool:
    apart = scope.now - parse_time(suspect["first_at"])
    return scope.counts and suspect["count"] > 1 and apart >= timedelta(seconds=scope.confirm_after_seconds)


def _open_confirmed(condition: Condition, scope: CheckScope, suspect: SuspectedFinding) -> Finding:
    tried = replace(condition, detail={**condition.detail, "tries": suspect["count"]})
    return build_finding(tried, suspect["first_at"], format_time(scope.now), "opened")


def build_finding(condition: Condition, opened_at: str, last_seen: str, transition: Transition) -> Finding:
    """Build the finding of a condition.

    Args:
        condition: What holds.
        opened_at: Since when.
        last_seen: When it was met last.
        transition: What the check that met it made of it.
    """
    return {
        "fingerprint": condition.fingerprint,
        "family": condition.family,
        "kind": condition.kind,
        "subject": condition.subject,
        "severity": condition.severity,
        "hosts": list(condition.hosts),
        "opened_at": opened_at,
        "last_seen": last_seen,
        "transition": transition,
        "resolved_because": None,
        "summary": condition.summary,
        "detail": dict(condition.detail),
    }


def _keep(finding: Finding, condition: Condition, scope: CheckScope) -> Finding:
    """The finding as the condition says now; its severity is raised, and rarely lowered.

    Where an acceptance ended since, it is told again though it is no worse: it holds for more hosts.
    """
    is_raised = rank_severity(condition.severity) > rank_severity(finding["severity"])
    has_expired = str(condition.detail.get(EXPIRY_DETAIL, "")) > str(finding["detail"].get(EXPIRY_DETAIL, ""))
    transition: Transition = "raised" if is_raised or has_expired else "still"
    return {
        **build_finding(condition, finding["opened_at"], format_time(scope.now), transition),
        "severity": condition.severity if is_raised or condition.lowers else finding["severity"],
    }


def _resolve_or_keep(finding: Finding, scope: CheckScope, because: Mapping[str, ResolvedBecause]) -> Finding:
    if finding["kind"] not in scope.kinds:
        return {**finding, "transition": "still"}
    reason = because.get(finding["fingerprint"], _USUAL_REASONS[finding["family"]])
    return {**finding, "transition": "resolved", "resolved_because": reason}


MAX_LATER_LOOKS: Final = 4
"""So many looks are asked for after the first that suspects hidden hosts. With a deadline of 30 minutes and a
pause of 10, the usual ones, they take under three hours: then the next check by schedule is near."""


def asks_for_later_look(record: Record, attempt: int) -> bool:
    """Tell whether a check asks for another look, since only that can show whether hosts are hidden.

    Args:
        record: The record of the check.
        attempt: Which attempt it was. A check by schedule, number 0, leaves a suspicion of before to the
            looks that were asked for then.
    """
    return begins_suspicion(record) or (0 < attempt < MAX_LATER_LOOKS and any(_list_held_back(record)))


def begins_suspicion(record: Record) -> bool:
    """Tell whether the check of ``record`` was the first to suspect hidden hosts."""
    return any(one["first_at"] == record["checked_at"] for one in _list_held_back(record))


def _list_held_back(record: Record) -> list[SuspectedFinding]:
    return [one for one in record["after"]["suspects"].values() if one["kind"] in HELD_BACK_KINDS]


MAX_OPEN_DAMAGES = 20
"""Findings of one log at a time: whoever may write many objects must not make a record of any size."""


def add_trail_damages(record: Record, damages: Iterable[TrailDamaged]) -> Record:
    """Add findings for damages to a record that is otherwise ready.

    Args:
        record: The record that reports them.
        damages: What is damaged; an object whose finding is open already adds none.

    Returns:
        The record with a critical finding an object. Only a person ends it: nothing shows who was there.
    """
    known = record["after"]["findings"]
    free = MAX_OPEN_DAMAGES - sum(finding["kind"] == "trail-damaged" for finding in known.values())
    conditions = {condition.fingerprint: condition for condition in map(_build_damage_condition, damages)}
    new = [condition for fingerprint, condition in conditions.items() if fingerprint not in known]
    at = record["checked_at"]
    opened = [build_finding(condition, at, at, "opened") for condition in new[: max(free, 0)]]
    if not opened:
        return record
    still_open = known | {finding["fingerprint"]: finding for finding in opened}
    return {
        **record,
        # A record that has news is no unchanged one.
        "outcome": "changed" if record["outcome"] == "unchanged" else record["outcome"],
        "findings": _sort_findings([*record["findings"], *opened]),
        "after": {**record["after"], "findings": still_open},
    }


def _build_damage_condition(damage: TrailDamaged) -> Condition:
    return build_condition(
        "trail-damaged", f"the audit trail is damaged: {damage.message}", subject=damage.key
    )


def _sort_findings(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: (each["family"], each["kind"], each["subject"]))
