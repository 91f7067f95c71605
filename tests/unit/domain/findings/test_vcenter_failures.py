"""Which log says that a vCenter fails, what a failure rules out, and when it has lasted too long."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from esx_drift.domain.findings.kinds import HELD_BACK_KINDS, LOGIN_KINDS, VCENTER_KINDS
from esx_drift.domain.findings.vcenter_failures import (
    MAX_SKEW_SECONDS,
    is_blind,
    is_reported_by_vcenter,
    keep_lost_hosts,
    list_clock_conditions,
    list_kinds_ruled_out,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import FindingKind, LogState
from esx_drift.domain.text.times import format_time
from esx_drift.errors import (
    HIDDEN_HOSTS_FACT,
    TRIED_AGAIN_FACT,
    ClusterNotFound,
    EsxDriftError,
    LoginRefused,
    VCenterUnavailable,
)

from tests.unit.events import finding

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
REFUSED = LoginRefused("no")


def _log(*open_kinds: tuple[str, str], suspects: tuple[str, ...] = (), detail: Any = None) -> LogState:  # noqa: ANN401
    found = [
        finding("failure", kind, subject, "it fails", detail=detail or {}) for kind, subject in open_kinds
    ]
    suspected: Any = {kind: {"kind": kind, "count": 1, "first_at": format_time(NOW)} for kind in suspects}
    return {
        **build_empty_state(),
        "findings": {each["fingerprint"]: each for each in found},
        "suspects": suspected,
    }


def test_three_days_are_not_yet_too_long() -> None:
    """One second more is; of what was never seen nobody knows."""
    since = format_time(NOW - timedelta(seconds=60))
    assert not is_blind(since, NOW, 60)
    assert is_blind(since, NOW + timedelta(seconds=1), 60)
    assert not is_blind(None, NOW, 60)


@pytest.mark.parametrize(
    ("error", "vcenter_log", "is_said"),
    [
        (VCenterUnavailable("503"), _log(), False),
        (VCenterUnavailable("503"), _log(("vcenter-unavailable", "")), True),
        (VCenterUnavailable("503"), _log(suspects=("vcenter-unavailable",)), True),
        (VCenterUnavailable("503"), _log(("vcenter-unreachable", "")), False),
        (ClusterNotFound("404"), _log(("cluster-missing", "domain-c9")), True),
        (ClusterNotFound("404"), _log(("cluster-missing", "domain-c1")), False),
        (ClusterNotFound("404"), _log(("vcenter-authorization", "")), True),
        (REFUSED, _log(("cluster-missing", "domain-c9")), False),
    ],
)
def test_a_failure_is_said_in_one_log(error: EsxDriftError, vcenter_log: LogState, *, is_said: bool) -> None:
    """The vCenter's, where it met the same or suspects it; else the cluster's."""
    assert is_reported_by_vcenter(error, "domain-c9", vcenter_log) == is_said


def test_a_refusal_ends_an_outage_if_it_is_the_vcenters_last_word() -> None:
    """It lets nobody in, so it is up; one that is tried once more, and a stranger's, prove nothing."""
    assert list_kinds_ruled_out(REFUSED) == LOGIN_KINDS - {"vcenter-authentication"}
    for fact in (TRIED_AGAIN_FACT, "answered_by"):
        assert list_kinds_ruled_out(LoginRefused("no", {fact: "proxy"})) == frozenset()


@pytest.mark.parametrize(
    ("ruled_out", "log", "stays"),
    [
        (VCENTER_KINDS, _log(suspects=("vcenter-authorization",)), True),
        (VCENTER_KINDS, _log(("vcenter-authorization", ""), detail={HIDDEN_HOSTS_FACT: "2"}), True),
        (VCENTER_KINDS, _log(("vcenter-authorization", "")), False),
        (VCENTER_KINDS | HELD_BACK_KINDS, _log(suspects=("vcenter-authorization",)), False),
    ],
)
def test_a_lost_permission_on_hosts_ends_where_hidden_hosts_were_looked_for(
    ruled_out: frozenset[FindingKind],
    log: LogState,
    *,
    stays: bool,
) -> None:
    """That the vCenter answers each call does not end what shows by lists that are too short."""
    assert ("vcenter-authorization" not in keep_lost_hosts(ruled_out, log)) == stays


def test_five_minutes_are_no_skew_yet() -> None:
    """Either way; a second more is."""

    def count(seconds: float) -> int:
        clock: Any = {"skew_seconds": seconds}
        return len(list_clock_conditions(clock))

    found = [count(way * (MAX_SKEW_SECONDS + more)) for way in (1, -1) for more in (0, 1)]
    assert found == [0, 1, 0, 1]
