"""A vCenter that fails: as the failure that the record keeps, and as the condition that holds."""

from copy import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.kinds import (
    FINDING_KINDS,
    HELD_BACK_KINDS,
    HIDING_KINDS,
    LOGIN_KINDS,
    VCENTER_KINDS,
)
from esx_drift.domain.stored.types import (
    CallName,
    ClockFacts,
    Failure,
    FindingKind,
    LogState,
    Severity,
    VCenterIdentity,
)
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import MINUTE_SECONDS
from esx_drift.errors import (
    HIDDEN_HOSTS_FACT,
    TRIED_AGAIN_FACT,
    UNENDED_FACT,
    ApiUnsupported,
    ClusterNotFound,
    ContractViolation,
    EsxDriftError,
    InternalError,
    LoginRefused,
    NoReport,
    NotAuthorized,
    NotEligible,
    OutOfTime,
    SecretInvalid,
    VCenterError,
    VCenterReplaced,
    VCenterUnreachable,
    is_final_refusal,
)

SLOW_VCENTER_AFTER_SECONDS: Final = 150
"""A check or a listing that took longer, of the 300 s that a run may take, was held up by its vCenter."""


def find_failure_kind(error: EsxDriftError) -> FindingKind:
    """Find the kind of the finding that an error of a vCenter opens, by its reason.

    Without a usable secret nobody can log in: that is ``vcenter-authentication``. A bug of ours is told as
    ``vcenter-error``: as much is unseen, and what the vCenter sent may have caused it.
    """
    if isinstance(error, SecretInvalid):
        return "vcenter-authentication"
    if isinstance(error, InternalError):
        return "vcenter-error"
    return FINDING_KINDS[error.reason].name


def build_failure(error: EsxDriftError, at: CallName, told_by: Literal["vcenter", "cluster"]) -> Failure:
    """Build what the record says of an error.

    Args:
        error: The error of a vCenter.
        at: The call at which it happened.
        told_by: In whose log its finding stands.
    """
    return {
        "reason": find_failure_kind(error),
        "message": error.message,
        "facts": dict(error.facts),
        "at": at,
        "told_by": told_by,
    }


def build_failure_condition(
    error: EsxDriftError, *, critical: bool = False, otherwise: Severity | None = None
) -> Condition:
    """Build the condition that holds while a vCenter fails; pending while a refused login is tried once more.

    Args:
        error: The error of the vCenter.
        critical: It has been so for too long.
        otherwise: The severity as long as it has not; None: the kind's usual one.
    """
    condition = build_condition(
        find_failure_kind(error),
        error.message,
        severity="critical" if critical else otherwise,
        detail=dict(error.facts),
    )
    return replace(condition, is_pending=TRIED_AGAIN_FACT in error.facts)


def is_blind(last_look_at: str | None, now: datetime, blind_after_seconds: int) -> bool:
    """Say whether the last look at something is so long ago that a failure to look at it is critical.

    Args:
        last_look_at: When it was last seen, as text; None, where no time is known, is never too long ago.
        now: When it could not be seen again.
        blind_after_seconds: How long it may go unseen, by the fleet file.
    """
    return last_look_at is not None and now - parse_time(last_look_at) > timedelta(
        seconds=blind_after_seconds
    )


def build_slow_vcenter_failure(error: OutOfTime, started_at: datetime, now: datetime) -> VCenterUnreachable:
    """Build the failure of a vCenter that took most of a run's time, and still was not done.

    Args:
        error: The error that ended the check or the listing: no time was left for it.
        started_at: When the check or the listing began.
        now: When it was ended.

    Raises:
        OutOfTime: The error itself, where the time went elsewhere: then another run goes on with it.
    """
    if now - started_at < timedelta(seconds=SLOW_VCENTER_AFTER_SECONDS):
        raise error
    return VCenterUnreachable(error.message, {"phase": "http"})


def build_uncompleted_failure(vcenter: str, tries: int, reason: str | None) -> VCenterError:
    """Build the failure of a vCenter whose listing was begun and never completed.

    Args:
        vcenter: Its name in the fleet file.
        tries: How often it was begun.
        reason: How the last try ended; None: not in order, so that nobody was left to say.
    """
    why = f"the last try ended with: {reason}" if reason else UNKNOWN_END
    return VCenterError(
        f"the listing of {vcenter} was begun {tries} times and not completed: {why}",
        {UNENDED_FACT: str(tries)},
    )


UNKNOWN_END: Final = "the function was killed, for want of memory or time, or AWS failed it"


def require_same_vcenter(vcenter: str, known_uuid: str | None, about: VCenterIdentity) -> None:
    """Require that the vCenter that answers is the one known.

    Args:
        vcenter: The vCenter's name in the fleet file.
        known_uuid: The instance UUID that the log keeps; None if none has answered yet.
        about: What the vCenter that answers says of itself.

    Raises:
        VCenterReplaced: Another instance answers.
    """
    if known_uuid is not None and known_uuid != about["instance_uuid"]:
        raise VCenterReplaced(
            f"{vcenter} answers as another vCenter (instance {about['instance_uuid']}, before {known_uuid}):"
            " nothing is compared until a person accepts it",
            {"before": known_uuid, "now": about["instance_uuid"]},
        )


def is_reported_by_vcenter(error: EsxDriftError, cluster: str, vcenter_log: LogState) -> bool:
    """Say whether the vCenter's own log reports a failure: then the cluster's log need not do it again.

    A cluster that is hidden from the account is not listed, and answers 403 or 404: that is one matter, and
    reported once. While the vCenter's log says that the account sees too few clusters, each cluster that is
    not found is part of that.

    Args:
        error: The failure, which a check of the cluster met.
        cluster: The cluster's id.
        vcenter_log: The state of the vCenter's own log.
    """
    reported = {(finding["kind"], finding["subject"]) for finding in vcenter_log["findings"].values()}
    reported |= {(suspect["kind"], "") for suspect in vcenter_log["suspects"].values()}
    kind = find_failure_kind(error)
    is_hidden = kind in HIDING_KINDS and (
        ("cluster-missing", cluster) in reported or ("vcenter-authorization", "") in reported
    )
    return is_hidden or (kind, "") in reported or (kind, cluster) in reported


def list_kinds_ruled_out(error: EsxDriftError) -> frozenset[FindingKind]:
    """List the kinds of failure that are over, since otherwise it could not have failed like this.

    An outage with several faces (no answer, 503, 500) is one: it is over when the vCenter lets somebody in,
    or says why not. A refusal that is tried once more is not its last word yet, a stranger's none of its.
    """
    if isinstance(error, (NotEligible, NoReport, ContractViolation)):
        return VCENTER_KINDS
    if isinstance(error, (NotAuthorized, ClusterNotFound, VCenterReplaced, ApiUnsupported)):
        return LOGIN_KINDS
    if isinstance(error, LoginRefused) and is_final_refusal(error.facts):
        return LOGIN_KINDS - {find_failure_kind(error)}
    return frozenset()


def keep_lost_hosts(ruled_out: frozenset[FindingKind], log: LogState) -> frozenset[FindingKind]:
    """Keep a lost permission on hosts from being ruled out, unless hidden hosts were looked for.

    It shows by lists that are too short: that the vCenter answers each call does not end it.

    Args:
        ruled_out: The kinds that a check rules out where it does not meet them.
        log: The state of the cluster's log before.
    """
    kind = NotAuthorized.reason
    is_suspected = any(suspect["kind"] == kind for suspect in log["suspects"].values())
    is_open = any(HIDDEN_HOSTS_FACT in finding["detail"] for finding in log["findings"].values())
    is_lost = "host-hidden" not in ruled_out and (is_suspected or is_open)
    return ruled_out - HELD_BACK_KINDS if is_lost else ruled_out


MAX_SKEW_SECONDS: Final = 300


def list_clock_conditions(clock: ClockFacts | None) -> list[Condition]:
    """List one condition if the clock is more than 5 minutes off; none where the vCenter did not say."""
    if clock is None or abs(clock["skew_seconds"]) <= MAX_SKEW_SECONDS:
        return []
    minutes = abs(clock["skew_seconds"]) / MINUTE_SECONDS
    way = "ahead of" if clock["skew_seconds"] > 0 else "behind"
    summary = f"the vCenter's clock is {minutes:.0f} min {way} ours"
    return [build_condition("clock-skewed", summary, detail={"skew_seconds": clock["skew_seconds"]})]
