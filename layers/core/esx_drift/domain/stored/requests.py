"""How a message in the CheckQueue is made."""

from datetime import datetime
from typing import Literal

from esx_drift.domain.stored.types import CheckRequest, Decision
from esx_drift.domain.text.times import format_time


def build_check_request(  # noqa: PLR0913 -- each is a field of the message
    action: Literal["check", "accept", "retire"],
    request_id: str,
    run_id: str | None,
    vcenter: str,
    cluster: tuple[str, str],
    requested_at: datetime,
    *,
    extract: bool = False,
    decision: Decision | None = None,
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
    """
    cluster_id, cluster_name = cluster
    return {
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
