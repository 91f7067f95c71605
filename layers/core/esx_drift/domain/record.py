"""The record of a check, before anything is known of it."""

from dataclasses import dataclass
from datetime import datetime

from esx_drift.domain.names import check_id
from esx_drift.domain.shapes import After, Outcome, Record
from esx_drift.domain.times import text_of


@dataclass(frozen=True, slots=True)
class Heading:
    """Which check a record is of. ``cluster`` is an id, or ``@vcenter``."""

    vcenter: str
    cluster: str
    cluster_name: str | None
    seq: int
    request_id: str
    run_id: str | None
    started_at: datetime
    code_version: str
    fleet_sha256: str


def blank_record(heading: Heading, outcome: Outcome, checked_at: datetime, after: After) -> Record:
    """A record with all its fields, in which nothing was seen; the log itself ties it into the log."""
    return {
        "schema_version": 1,
        "vcenter": heading.vcenter,
        "cluster": heading.cluster,
        "cluster_name": heading.cluster_name,
        "seq": heading.seq,
        "check_id": check_id(heading.vcenter, heading.cluster, heading.seq),
        "request_id": heading.request_id,
        "run_id": heading.run_id,
        "code_version": heading.code_version,
        "started_at": text_of(heading.started_at),
        "checked_at": text_of(checked_at),
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
        "fleet_sha256": heading.fleet_sha256,
        "dispatch": None,
        "decision": None,
        "events": [],
        "previous": None,
        "before_sha256": "",
        "after": after,
        "unpublished": [],
    }
