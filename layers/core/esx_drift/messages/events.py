"""A check's result as CloudEvents: one event a family, made so that the same check gives the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from esx_drift.domain.stored.identifiers import make_event_id
from esx_drift.domain.stored.types import (
    Change,
    ClusterName,
    Coverage,
    Event,
    EventData,
    Family,
    Finding,
    Outcome,
    Severity,
    Totals,
    rank_severity,
)
from esx_drift.messages.publication import clip_name, fit_event

BASELINE_RECORDED: Final = "esx-drift.baseline.recorded"
DATA_SCHEMA: Final = "urn:esx-drift:schema:event:1"
FAMILIES: Final[tuple[Family, ...]] = ("failure", "orphaned-vib", "drift")
OPENING_TRANSITIONS: Final = ("opened", "raised")
TRANSITIONS: Final = (*OPENING_TRANSITIONS, "resolved", "still")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check has to tell. Times as in the record; ``cluster`` is none where the vCenter is meant.

    ``since`` is the time of the look before, ``findings`` say their own transition, ``host_names`` may hold
    every host of the cluster, ``suppressed`` counts by family and reason what people need not hear again.
    """

    vcenter: str
    cluster: ClusterName | None
    check_id: str
    checked_at: str
    outcome: Outcome
    record: str
    extracted_at: str | None = None
    since: str | None = None
    coverage: Coverage | None = None
    changes: Sequence[Change] = ()
    findings: Sequence[Finding] = ()
    host_names: Mapping[str, str] = field(default_factory=dict)
    suppressed: Mapping[Family, Mapping[str, int]] = field(default_factory=dict)


def find_change_family(change: Change) -> Family:
    """The family whose event a change travels in."""
    return "orphaned-vib" if change["element"] == "orphaned_vib" else "drift"


def build_events(told: CheckResult) -> list[Event]:
    """The events of a check, each small enough for SNS; none where nothing moved.

    A family's event is ``detected`` if anything was opened or raised or changed, else ``resolved``. What
    still holds comes along and causes nothing; a change that is ``relabelled`` is in no event.
    """
    events = [_event(told, BASELINE_RECORDED, (), ())] if told.outcome == "baseline" else []
    for family in FAMILIES:
        changes = [change for change in told.changes if _travels(change, family)]
        findings = _moved_first([finding for finding in told.findings if finding["family"] == family])
        transitions = {finding["transition"] for finding in findings}
        if changes or transitions.intersection(OPENING_TRANSITIONS):
            events.append(_event(told, f"esx-drift.{family}.detected", changes, findings))
        elif "resolved" in transitions:
            events.append(_event(told, f"esx-drift.{family}.resolved", changes, findings))
    return events


def rate_event(changes: Sequence[Change], findings: Sequence[Finding]) -> Severity:
    """The highest severity of what moved; what was resolved counts with the severity that it had.

    So whoever heard of a critical finding also hears of its end, whatever else is in that event.
    """
    moved = [item["severity"] for item in changes]
    moved += [item["severity"] for item in findings if item["transition"] != "still"]
    return max(moved, key=rank_severity, default="info")


def _moved_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: TRANSITIONS.index(finding["transition"]))


def _travels(change: Change, family: Family) -> bool:
    return change["kind"] != "relabelled" and find_change_family(change) == family


def _event(
    told: CheckResult, event_type: str, changes: Sequence[Change], findings: Sequence[Finding]
) -> Event:
    return fit_event(
        {
            "specversion": "1.0",
            "id": make_event_id(told.check_id, event_type),
            "type": event_type,
            "source": _source(told),
            "subject": clip_name(told.cluster["name"] or told.cluster["id"])
            if told.cluster
            else told.vcenter,
            "time": told.checked_at,
            "datacontenttype": "application/json",
            "dataschema": DATA_SCHEMA,
            "data": _data(told, event_type, changes, findings),
        }
    )


def _source(told: CheckResult) -> str:
    vcenter = f"/vcenters/{quote(told.vcenter, safe='')}"
    if told.cluster is None:
        return vcenter
    return f"{vcenter}/clusters/{quote(clip_name(told.cluster['id']), safe='', errors='replace')}"


def _data(
    told: CheckResult, event_type: str, changes: Sequence[Change], findings: Sequence[Finding]
) -> EventData:
    cluster = told.cluster
    return {
        "schema_version": 1,
        "vcenter": told.vcenter,
        "cluster": {"id": clip_name(cluster["id"]), "name": clip_name(cluster["name"])} if cluster else None,
        "check_id": told.check_id,
        "checked_at": told.checked_at,
        "extracted_at": told.extracted_at,
        "since": told.since,
        "coverage": told.coverage,
        "severity": rate_event(changes, findings),
        "changes": list(changes),
        "findings": list(findings),
        "host_names": _named(told.host_names, changes, findings),
        "totals": _totals(changes, findings),
        "suppressed": _suppressed(told, event_type),
        "record": told.record,
        "truncated": False,
    }


def _named(
    names: Mapping[str, str], changes: Sequence[Change], findings: Sequence[Finding]
) -> dict[str, str]:
    hosts = dict.fromkeys(host for item in (*changes, *findings) for host in item["hosts"])
    renamed = [change for change in changes if change["element"] == "host"]
    hosts |= dict.fromkeys(id_ for change in renamed for id_ in (change["key"], change["from"]) if id_)
    return {host: names[host] for host in hosts if host in names}


def _totals(changes: Sequence[Change], findings: Sequence[Finding]) -> Totals:
    transitions = [finding["transition"] for finding in findings]
    return {
        "changes": len(changes),
        "findings": len(findings),
        "opened": transitions.count("opened"),
        "raised": transitions.count("raised"),
        "still": transitions.count("still"),
        "resolved": transitions.count("resolved"),
    }


def _suppressed(told: CheckResult, event_type: str) -> dict[str, int]:
    reasons = (told.suppressed.get(family, {}) for family in FAMILIES if f".{family}." in event_type)
    return {reason: count for counted in reasons for reason, count in sorted(counted.items()) if count}
