"""How a record and its parts, the state of a log and a message in the CheckQueue are made.

These are the only places that know all their fields.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NotRequired, TypedDict

from esx_drift.domain.stored.identifiers import make_attempt_id, make_check_id
from esx_drift.domain.stored.types import (
    CheckRequest,
    ClockFacts,
    Decision,
    ExpectedCluster,
    LogState,
    Outcome,
    Record,
)
from esx_drift.domain.text.times import format_time


class RecordHeading(TypedDict):
    """Which check a record is of, and by whom it was asked for. ``cluster`` is an id, or ``@vcenter``.

    ``stack``: whose function it is.
    """

    vcenter: str
    cluster: str
    cluster_name: str | None
    seq: int
    request_id: str
    run_id: str | None
    started_at: str
    code_version: str
    stack: NotRequired[str]
    fleet_sha256: str


def build_record(heading: RecordHeading, outcome: Outcome, checked_at: datetime, after: LogState) -> Record:
    """Build a record with all its fields, in which nothing was seen yet.

    The journal adds the fields that chain it to the record before.

    Args:
        heading: Which check the record is of.
        outcome: How the check ended.
        checked_at: When it ended.
        after: The state of the log after this record.
    """
    return {
        **heading,  # type: ignore[typeddict-item] # mypy thinks of fields that a heading does not have
        "schema_version": 1,
        "check_id": make_check_id(heading["vcenter"], heading["cluster"], heading["seq"]),
        "checked_at": format_time(checked_at),
        "outcome": outcome,
        "failure": None,
        "report": None,
        "task": None,
        "clock": None,
        "about": None,
        "coverage": None,
        "uncovered": [],
        "changes": [],
        "findings": [],
        "notices": [],
        "document": None,
        "snapshot": None,
        "quarantine": None,
        "raw_sha256": None,
        "same_as": None,
        "dispatch": None,
        "decision": None,
        "events": [],
        "previous": None,
        "before_sha256": "",
        "after": after,
        "unpublished": [],
    }


def build_check_request(  # noqa: PLR0913 -- each is a field of the message
    action: Literal["check", "accept", "retire", "maintenance"],
    request_id: str,
    run_id: str | None,
    vcenter: str,
    cluster: tuple[str, str],
    requested_at: datetime,
    *,
    extract: bool = False,
    decision: Decision | None = None,
    dispatch_seq: int | None = None,
) -> CheckRequest:
    """Build a message that asks the checker for something.

    Args:
        action: What is asked for.
        request_id: The same for the same request, however often it is sent.
        run_id: The run of the dispatcher that it belongs to; None for a person's decision.
        vcenter: The vCenter's name in the fleet file.
        cluster: The cluster's id (or ``@vcenter``) and name.
        requested_at: When it is asked for.
        extract: Whether the vCenter is to extract the image anew first.
        decision: What a person decided; None for a check.
        dispatch_seq: The number of the record, in the vCenter's own log, that asks for it; None for a
            person's decision.
    """
    cluster_id, cluster_name = cluster
    request: CheckRequest = {
        "schema_version": 1,
        "action": action,
        "request_id": request_id,
        "run_id": run_id,
        "vcenter": vcenter,
        "cluster": cluster_id,
        "cluster_name": cluster_name,
        "requested_at": format_time(requested_at),
        "phase": "extract" if extract else "collect",
        "attempt": 0,
        "task": None,
        "decision": decision,
    }
    if dispatch_seq is not None:
        request["dispatch_seq"] = dispatch_seq
    return request


def find_dispatched_cluster(record: Record, request: CheckRequest) -> ExpectedCluster | None:
    """Find what a dispatch record (``record``) says of the cluster that ``request`` is about.

    Returns:
        None if the request is none of that run's: its id is neither the one recorded nor a later attempt's.
    """
    dispatch = record["dispatch"]
    for expected in dispatch["expected"] if dispatch else ():
        if expected["cluster"] == request["cluster"]:
            own = make_attempt_id(expected["request_id"], request["attempt"])
            return expected if own == request["request_id"] else None
    return None


def build_clock_facts(vcenter_date: datetime, now: datetime) -> ClockFacts:
    """Build what is kept of a vCenter's clock: its time in an answer, and how far it is ahead of ours.

    ``vcenter_date`` is the ``Date`` of the answer, ``now`` the time by our own clock.
    """
    skew = (vcenter_date - now).total_seconds()
    return {"vcenter_date": format_time(vcenter_date), "skew_seconds": round(skew, 3)}


MAX_KNOWN_NOTICES: Final = 100
"""Of a log: what two reports give at most (50 each), so that what one told is not new in the next."""


MORE_NOTICES: Final = "and more"
"""Stands behind notices that were cut, and is none itself. A version before said how many more there were."""


def list_new_notices(known: Sequence[str], reported: Sequence[str]) -> list[str]:
    """List what there is to tell that a log has not told yet.

    Args:
        known: What it has told.
        reported: What there is to tell now, new or not.
    """
    new = [notice for notice in reported if notice not in known]
    return [] if new == [MORE_NOTICES] else new


def remember_notices(known: Sequence[str], reported: Sequence[str]) -> list[str]:
    """List what a log has told, the newest last and no more than it needs.

    Args:
        known: What it had told before.
        reported: What there was to tell now, new or not.
    """
    older = [notice for notice in dict.fromkeys(known) if notice not in reported]
    return [*older, *dict.fromkeys(reported)][-MAX_KNOWN_NOTICES:]


def build_empty_state() -> LogState:
    """Build the state (``after``) of a log that has no record yet."""
    return {
        "schema_version": 1,
        "cluster_name": None,
        "instance_uuid": None,
        "seal": None,
        "snapshot": None,
        "first_look_at": None,
        "last_look_at": None,
        "last_taken": None,
        "coverage": None,
        "findings": {},
        "suspects": {},
        "accepted": {},
        "departed": {},
        "uncovered_since": {},
        "blind_since": None,
        "notices": [],
        "maintenance": None,
        "rollout": None,
        "clusters": None,
        "answered": [],
    }
