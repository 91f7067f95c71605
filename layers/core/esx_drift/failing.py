"""A vCenter that fails, as what is recorded of it and as the condition that it is."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.shapes import About, CallName, Failure, Finding, Severity
from esx_drift.domain.times import time_of
from esx_drift.errors import EsxDriftError, SecretInvalid, VCenterReplaced

CONFIRMED = frozenset({"vcenter-unreachable", "vcenter-unavailable", "vcenter-error"})
"""Kinds that must be met twice running: one lost packet is no outage."""

CRITICAL = frozenset({"vcenter-authentication", "vcenter-authorization", "vcenter-replaced"})


def kind_of(error: EsxDriftError) -> str:
    """The kind of the finding. Without a usable secret nobody can log in: that is told as such."""
    return "vcenter-authentication" if isinstance(error, SecretInvalid) else error.reason


def failure_of(error: EsxDriftError, at: CallName, told_by: Literal["vcenter", "cluster"]) -> Failure:
    """What the record says of it."""
    return {
        "reason": kind_of(error),
        "message": error.message,
        "facts": dict(error.facts),
        "at": at,
        "told_by": told_by,
    }


def condition_of(
    error: EsxDriftError, subject: str = "", *, critical: bool = False, otherwise: Severity = "warning"
) -> Condition:
    """The condition that holds while it fails; ``critical``: it has been so for too long."""
    kind = kind_of(error)
    severity: Severity = "critical" if critical or kind in CRITICAL else otherwise
    return Condition(
        "failure",
        kind,
        subject,
        severity,
        error.message,
        detail=dict(error.facts),
        confirm=kind in CONFIRMED,
    )


def is_blind(last_look_at: str | None, now: datetime, blind_after_seconds: int) -> bool:
    """Whether the last look is so long ago that a failure to look is critical."""
    return last_look_at is not None and now - time_of(last_look_at) > timedelta(seconds=blind_after_seconds)


def refuse_replaced(vcenter: str, known_uuid: str | None, about: About) -> None:
    """Raise ``VCenterReplaced`` if another instance answers than the one known."""
    if known_uuid is not None and known_uuid != about["instance_uuid"]:
        raise VCenterReplaced(
            f"{vcenter} answers as another vCenter (instance {about['instance_uuid']}, before {known_uuid}):"
            " nothing is compared until a person accepts it",
            {"before": known_uuid, "now": about["instance_uuid"]},
        )


def is_told_by_vcenter(error: EsxDriftError, cluster: str, findings: Iterable[Finding]) -> bool:
    """Whether the vCenter's own log has this failure open, so that the cluster's log need not tell it again.

    A lost permission hides clusters: while the vCenter's log says so, each cluster that is not found is that.
    """
    kind = kind_of(error)
    if kind == "vcenter-replaced":  # never a cluster's own: the dispatcher is asked to look at once
        return True
    told = {(finding["kind"], finding["subject"]) for finding in findings}
    hidden = kind == "cluster-missing" and ("vcenter-authorization", "") in told
    return hidden or (kind, "") in told or (kind, cluster) in told
