"""The requests by which the logs of clusters are closed that their vCenter's log took off its list."""

from datetime import datetime

from esx_drift.domain.names import make_next_request_id
from esx_drift.domain.shapes import CheckRequest, Decision, Record
from esx_drift.domain.times import format_time

DECIDED_BY_FLEET_FILE = "the fleet file"
"""Who retires what a pattern leaves out."""


def build_retire_requests(record: Record, now: datetime) -> list[CheckRequest]:
    """A request for each cluster that this record of a vCenter's own log retired.

    The same ids each time they are made of the same record. A cluster that is new and left out at once was
    never watched: there is nothing to close.
    """
    return [
        {
            "schema_version": 1,
            "action": "retire",
            "request_id": make_next_request_id(record["request_id"], f"retire {cluster}"),
            "run_id": record["run_id"],
            "vcenter": record["vcenter"],
            "cluster": cluster,
            "cluster_name": entry["name"],
            "requested_at": format_time(now),
            "phase": "collect",
            "attempt": 0,
            "task": None,
            "decision": _decision(record, cluster),
        }
        for cluster, entry in (record["after"]["clusters"] or {}).items()
        if entry["retired_at"] == record["checked_at"] != entry["first_listed_at"]
    ]


def _decision(record: Record, cluster: str) -> Decision:
    decided = record["decision"]
    if decided is not None:
        return {
            "by": decided["by"],
            "reason": decided["reason"],
            "shown_at": decided["shown_at"],
            "hosts": {},
            "instance_uuid": decided["instance_uuid"],
        }
    dispatch = record["dispatch"]
    patterns = {one["cluster"]: one["pattern"] for one in dispatch["excluded"]} if dispatch else {}
    return {
        "by": DECIDED_BY_FLEET_FILE,
        "reason": patterns[cluster],
        "shown_at": None,
        "hosts": {},
        "instance_uuid": None,
    }
