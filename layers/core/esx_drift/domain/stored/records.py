"""The record of a check, before anything is known of it."""

from datetime import datetime
from typing import TypedDict

from esx_drift.domain.stored.identifiers import make_check_id
from esx_drift.domain.stored.types import LogState, Outcome, Record
from esx_drift.domain.text.times import format_time


class RecordHeading(TypedDict):
    """Which check a record is of, and by whom it was asked for. ``cluster`` is an id, or ``@vcenter``."""

    vcenter: str
    cluster: str
    cluster_name: str | None
    seq: int
    request_id: str
    run_id: str | None
    started_at: str
    code_version: str
    fleet_sha256: str


def build_record(heading: RecordHeading, outcome: Outcome, checked_at: datetime, after: LogState) -> Record:
    """A record with all its fields, in which nothing was seen; the log itself ties it into the log."""
    return {
        **heading,
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
