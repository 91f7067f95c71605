"""A vCenter that fails, as what is recorded of it and as the condition that it is."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.kinds import LOGIN_KINDS, VCENTER_KINDS
from esx_drift.domain.stored.types import CallName, Failure, LogState, Severity, VCenterIdentity
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    ContractViolation,
    EsxDriftError,
    LoginRefused,
    NoReport,
    NotAuthorized,
    NotEligible,
    OutOfTime,
    SecretInvalid,
    VCenterReplaced,
    VCenterUnreachable,
)

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import ClockFacts


CONFIRMED_KINDS = frozenset({"vcenter-unreachable", "vcenter-unavailable", "vcenter-error"})
"""Kinds that must be met twice running: one lost packet is no outage."""


HIDING_KINDS = frozenset({"cluster-missing", "vcenter-authorization"})
"""How a cluster answers that the account may no longer see."""


CRITICAL_KINDS = frozenset({"vcenter-authentication", "vcenter-authorization", "vcenter-replaced"})


SLOW_VCENTER_AFTER_SECONDS = 150
"""A check or a listing that took longer, of the 300 s that a run may take, was held up by its vCenter."""


def find_failure_kind(error: EsxDriftError) -> str:
    """The kind of the finding. Without a usable secret nobody can log in: that is told as such."""
    return "vcenter-authentication" if isinstance(error, SecretInvalid) else error.reason


def build_failure(error: EsxDriftError, at: CallName, told_by: Literal["vcenter", "cluster"]) -> Failure:
    """What the record says of it."""
    return {
        "reason": find_failure_kind(error),
        "message": error.message,
        "facts": dict(error.facts),
        "at": at,
        "told_by": told_by,
    }


def build_failure_condition(
    error: EsxDriftError, subject: str = "", *, critical: bool = False, otherwise: Severity = "warning"
) -> Condition:
    """The condition that holds while it fails; ``critical``: it has been so for too long."""
    kind = find_failure_kind(error)
    severity: Severity = "critical" if critical or kind in CRITICAL_KINDS else otherwise
    return Condition(
        "failure",
        kind,
        subject,
        severity,
        error.message,
        detail=dict(error.facts),
        confirm=kind in CONFIRMED_KINDS,
    )


def is_blind(last_look_at: str | None, now: datetime, blind_after_seconds: int) -> bool:
    """Whether the last look is so long ago that a failure to look is critical."""
    return last_look_at is not None and now - parse_time(last_look_at) > timedelta(
        seconds=blind_after_seconds
    )


def build_slow_vcenter_failure(error: OutOfTime, started_at: datetime, now: datetime) -> VCenterUnreachable:
    """The failure of a vCenter that took most of a run's time, and still was not done.

    Raises the error itself where the time went elsewhere: then another run goes on with it.
    """
    if now - started_at < timedelta(seconds=SLOW_VCENTER_AFTER_SECONDS):
        raise error
    return VCenterUnreachable(error.message, {"phase": "http"})


def require_same_vcenter(vcenter: str, known_uuid: str | None, about: VCenterIdentity) -> None:
    """Raise ``VCenterReplaced`` if another instance answers than the one known."""
    if known_uuid is not None and known_uuid != about["instance_uuid"]:
        raise VCenterReplaced(
            f"{vcenter} answers as another vCenter (instance {about['instance_uuid']}, before {known_uuid}):"
            " nothing is compared until a person accepts it",
            {"before": known_uuid, "now": about["instance_uuid"]},
        )


def is_reported_by_vcenter(error: EsxDriftError, cluster: str, known: LogState) -> bool:
    """Whether the vCenter's own log (``known``) tells this failure: then the cluster's need not do it again.

    A cluster that is hidden from the account is not listed, and answers 403 or 404: one matter, told once.
    While the vCenter's log says that the account sees too few clusters, each one that is not found is that.
    """
    told = {(finding["kind"], finding["subject"]) for finding in known["findings"].values()}
    told |= {(suspect["kind"], "") for suspect in known["suspects"].values()}
    kind = find_failure_kind(error)
    hidden = kind in HIDING_KINDS and (
        ("cluster-missing", cluster) in told or ("vcenter-authorization", "") in told
    )
    return hidden or (kind, "") in told or (kind, cluster) in told


def list_kinds_ruled_out(error: EsxDriftError) -> frozenset[str]:
    """The kinds of failure that are over, since otherwise it could not have failed like this.

    An outage with several faces (no answer, 503, 500) is one: it is over when the vCenter lets somebody in,
    or says why not.
    """
    if isinstance(error, (NotEligible, NoReport, ContractViolation)):
        return VCENTER_KINDS
    if isinstance(error, (NotAuthorized, ClusterNotFound, VCenterReplaced, ApiUnsupported)):
        return LOGIN_KINDS
    return LOGIN_KINDS - {LoginRefused.reason} if isinstance(error, LoginRefused) else frozenset()


MAX_SKEW_SECONDS: Final = 300


MINUTE_SECONDS: Final = 60


CLOCK_SKEWED: Final = "clock-skewed"


def list_clock_conditions(clock: "ClockFacts | None") -> list[Condition]:
    """One condition if the clock is more than 5 minutes off; none where the vCenter did not say."""
    if clock is None or abs(clock["skew_seconds"]) <= MAX_SKEW_SECONDS:
        return []
    minutes = abs(clock["skew_seconds"]) / MINUTE_SECONDS
    way = "ahead of" if clock["skew_seconds"] > 0 else "behind"
    summary = f"the vCenter's clock is {minutes:.0f} min {way} ours"
    detail = {"skew_seconds": clock["skew_seconds"]}
    return [Condition("failure", CLOCK_SKEWED, "", "warning", summary, detail=detail)]
