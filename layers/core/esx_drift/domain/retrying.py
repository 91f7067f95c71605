"""The message that brings a vCenter back to the dispatcher."""

from typing import TYPE_CHECKING

from esx_drift.domain.names import next_request_id

if TYPE_CHECKING:
    from esx_drift.domain.shapes import RetryRequest


def retry_of(vcenter: str, run_id: str, attempt: int, reason: str) -> "RetryRequest":
    """A retry after a run; asked for twice, it is the same run. Attempt 0 is what a checker asks for."""
    return {
        "schema_version": 1,
        "vcenter": vcenter,
        "run_id": next_request_id(run_id, f"retry {vcenter}"),
        "attempt": attempt,
        "reason": reason,
    }
