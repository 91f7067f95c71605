"""A vCenter that fails, as what is recorded of it and as the condition that it is."""

from esx_drift.domain.condition import Condition
from esx_drift.domain.shapes import Failure, Severity
from esx_drift.errors import EsxDriftError, SecretInvalid

CONFIRMED = frozenset({"vcenter-unreachable", "vcenter-unavailable", "vcenter-error"})
"""Kinds that must be met twice running: one lost packet is no outage."""

CRITICAL = frozenset({"vcenter-authentication", "vcenter-authorization"})


def kind_of(error: EsxDriftError) -> str:
    """The kind of the finding. Without a usable secret nobody can log in: that is told as such."""
    return "vcenter-authentication" if isinstance(error, SecretInvalid) else error.reason


def failure_of(error: EsxDriftError) -> Failure:
    """What the record says of it."""
    return {"reason": kind_of(error), "message": error.message, "facts": dict(error.facts)}


def condition_of(error: EsxDriftError, subject: str = "", *, critical: bool = False) -> Condition:
    """The condition that holds while it fails; ``critical``: it has been so for too long."""
    kind = kind_of(error)
    severity: Severity = "critical" if critical or kind in CRITICAL else "warning"
    return Condition(
        "failure",
        kind,
        subject,
        severity,
        error.message,
        detail=dict(error.facts),
        confirm=kind in CONFIRMED,
    )
