"""One run of the dispatcher: what it was asked for, what it means to do, and the requests that follow.

Longer than 250 lines, because a run and the requests that come of it are read together.
"""

from collections.abc import Container, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, NotRequired, TypedDict

from msgspec import Struct

from esx_drift.domain.findings.kinds import LOGIN_KINDS
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_digest,
    make_check_id,
    make_next_attempt_id,
    make_next_request_id,
    make_request_id,
)
from esx_drift.domain.stored.records import build_check_request
from esx_drift.domain.stored.types import (
    CheckRequest,
    Decision,
    Dispatch,
    ExpectedCluster,
    Failure,
    LogState,
    Record,
    RetryRequest,
    Trigger,
)
from esx_drift.domain.text.times import add_jitter, parse_time
from esx_drift.errors import TRIED_AGAIN_FACT, LoginRefused, is_final_refusal

MAX_REQUEST_AGE: Final = timedelta(days=4)
"""So long a request may wait; a queue keeps it for longer. What is older was asked for anew since, by three
runs at the least: ``CheckIntervalHours`` is 24 at most."""

MAX_SEARCHED_RECORDS: Final = 20
"""Among so many of the newest is the one that a message of version 0.1.0 came of, which names none."""

MAX_ATTEMPTS: Final = 1_000
"""Of a check, as its schema has it: with the longest pause, 15 minutes, so many take ten days."""

MAX_RETRIES: Final = 1_000_000
"""Of a listing, as its schema has it: years of an outage."""


class Run(Struct, frozen=True):
    """One run of the dispatcher. ``selected``: just these clusters (ids or names), by vCenter.

    ``vcenters``: all clusters of just these. ``attempt`` counts the dispatcher's own retries of a vCenter; a
    retry that a checker asks for is number 0.
    """

    id: str
    trigger: Trigger
    selected: Mapping[str, tuple[str, ...]] | None = None
    attempt: int = 0
    vcenters: tuple[str, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether it covers all clusters of its vCenters, so that it may count, open and resolve."""
        return self.selected is None

    def make_record_id(self, vcenter: str) -> str:
        """Make the id of the request that its record on ``vcenter`` answers; the same if it is repeated.

        A run of chosen clusters has an id of its own, so that none is the answer to a run of all.
        """
        own = make_request_id(self.id, vcenter, VCENTER_LOG)
        if self.selected is None:
            return own
        return make_next_request_id(own, f"clusters {compute_digest(sorted(self.selected[vcenter]))}")


class DispatchedCheck(TypedDict):
    """A request that was sent to the CheckQueue."""

    vcenter: str
    cluster: str
    name: str
    request_id: str


class FailedDispatch(TypedDict):
    """What could not be dispatched; ``cluster`` is none where the whole vCenter failed.

    ``needs_password`` is there where nobody can log in until a person puts another password into the secret.
    """

    vcenter: str
    cluster: str | None
    reason: str
    message: str
    needs_password: NotRequired[Literal[True]]


class DispatchReply(TypedDict):
    """The dispatcher's reply, as its schema has it. ``asked``: vCenters listed in other invocations."""

    run_id: str
    asked: list[str]
    dispatched: list[DispatchedCheck]
    failed: list[FailedDispatch]


def build_empty_reply(run: Run) -> DispatchReply:
    """Build the reply of a ``run`` that asked for nothing (yet)."""
    return {"run_id": run.id, "asked": [], "dispatched": [], "failed": []}


def select_clusters(run: Run, vcenter: str, clusters: Mapping[str, str]) -> dict[str, str]:
    """Select those ``clusters`` (id to name) of the vCenter named ``vcenter`` that ``run`` covers."""
    if run.selected is None:
        return dict(clusters)
    wanted = run.selected[vcenter]
    return {cluster: name for cluster, name in clusters.items() if cluster in wanted or name in wanted}


def build_expected_clusters(
    run: Run, vcenter: str, clusters: Mapping[str, str], listed: Container[str]
) -> list[ExpectedCluster]:
    """Build the entries of a run on one vCenter; a repeated run gets the same request ids.

    Args:
        run: The run, which may cover only some of the clusters.
        vcenter: The vCenter's name in the fleet file.
        clusters: The names of the clusters that are due for a check, by id.
        listed: The ids of the clusters that the vCenter lists now.
    """
    return [
        {
            "cluster": cluster,
            "name": name,
            "request_id": make_request_id(run.id, vcenter, cluster),
            "listed": cluster in listed,
        }
        for cluster, name in select_clusters(run, vcenter, clusters).items()
    ]


def build_blank_dispatch(run: Run) -> Dispatch:
    """Build the dispatch of a run before the vCenter was asked: nothing is expected yet."""
    return {
        "run_id": run.id,
        "trigger": run.trigger,
        "selected": not run.is_whole,
        "expected": [],
        "excluded": [],
        "missing": [],
        "failed": [],
        "standalone_hosts": None,
        "retry_after_seconds": None,
    }


def list_failed_dispatches(run: Run, record: Record, expected: list[ExpectedCluster]) -> list[FailedDispatch]:
    """List what ``run`` could not dispatch: the vCenter, or chosen clusters that it does not list.

    ``record`` is what the run left in the vCenter's own log, ``expected`` the clusters that it did dispatch.
    """
    vcenter, failure = record["vcenter"], record["failure"]
    if failure is not None:
        failed = _build_failed_dispatch(vcenter, None, failure["reason"], failure["message"])
        needs_password = failure["reason"] == LoginRefused.reason and is_final_refusal(failure["facts"])
        return [{**failed, "needs_password": True} if needs_password else failed]
    names = {name for cluster in expected for name in (cluster["cluster"], cluster["name"])}
    wanted = (run.selected or {}).get(vcenter, ())
    why = "{} lists no cluster with the id or name {!r}, or a pattern of the fleet file leaves it out"
    return [
        _build_failed_dispatch(vcenter, name, "cluster-missing", why.format(vcenter, name))
        for name in wanted
        if name not in names
    ]


def _build_failed_dispatch(vcenter: str, cluster: str | None, reason: str, message: str) -> FailedDispatch:
    return {"vcenter": vcenter, "cluster": cluster, "reason": reason, "message": message}


DECIDED_BY_FLEET_FILE = "the fleet file"
"""Who retires what a pattern leaves out."""


def build_retire_requests(record: Record, now: datetime) -> list[CheckRequest]:
    """Build a request for each cluster that ``record``, one of a vCenter's own log, retired.

    The same record gives the same request ids; ``now`` is when they are made. A new cluster that is left out
    at once gets no request: it was never watched. Nor does one that a person retired: it is his request that
    struck the cluster off.
    """
    if record["outcome"] == "retired":
        return []
    return [
        build_check_request(
            "retire",
            make_next_request_id(record["request_id"], f"retire {cluster}"),
            record["run_id"],
            record["vcenter"],
            (cluster, entry["name"]),
            now,
            decision=_build_decision(record, cluster),
            dispatch_seq=record["seq"],
        )
        for cluster, entry in (record["after"]["clusters"] or {}).items()
        if entry["retired_at"] == record["checked_at"] != entry["first_listed_at"]
    ]


def find_retire_request(record: Record, request: CheckRequest) -> CheckRequest | None:
    """Find what ``record``, one of a vCenter's own log, asks for where ``request`` is no more than that.

    Returns:
        The request as the record has it, made at the record's time; None if it asks for no such thing.
    """
    for asked in build_retire_requests(record, parse_time(record["checked_at"])):
        if all(asked[name] == request[name] for name in ("request_id", "action", "cluster", "decision")):
            return asked
    return None


def _build_decision(record: Record, cluster: str) -> Decision:
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
    patterns = (
        {cluster["cluster"]: cluster["pattern"] for cluster in dispatch["excluded"]} if dispatch else {}
    )
    return {
        "by": DECIDED_BY_FLEET_FILE,
        "reason": patterns[cluster],
        "shown_at": None,
        "hosts": {},
        "instance_uuid": None,
    }


UNWATCHED_DETAIL: Final = "clusters_unwatched"
"""The detail of a finding that left a whole vCenter unlisted; a listing that is only shrunk has none."""

UNWATCHED_NAMES_DETAIL: Final = "clusters_unwatched_names"
MAX_UNWATCHED_NAMES: Final = 5
"""Of the clusters that are counted by it; a message names no more."""

NEXT_TRY_DETAIL: Final = "next_try_at"
CRITICAL_DETAIL: Final = "critical_at"
"""When a vCenter that is away is tried again, and from when on that is critical: said as it is reported."""

MAX_SQS_DELAY_SECONDS: Final = 900
"""An SQS limit: DelaySeconds is 15 minutes at most."""

_PASSING_KINDS: Final = LOGIN_KINDS | {"vcenter-authorization"}


def build_retry_request(
    vcenter: str, run_id: str, attempt: int, reason: str, dispatch_seq: int
) -> RetryRequest:
    """Build the request to list a vCenter again; the same arguments give the same run id.

    Args:
        vcenter: The vCenter's name in the fleet file.
        run_id: The run that failed.
        attempt: The number of the attempt; 0 where a checker asks.
        reason: Why the vCenter is listed again.
        dispatch_seq: The number of the record, in the vCenter's own log, that says what failed.
    """
    return {
        "schema_version": 1,
        "vcenter": vcenter,
        "run_id": _make_retry_id(vcenter, run_id),
        "attempt": min(attempt, MAX_RETRIES),
        "reason": reason,
        "trigger": "retry",
        "clusters": None,
        "dispatch_seq": dispatch_seq,
    }


def _make_retry_id(vcenter: str, run_id: str) -> str:
    return make_next_request_id(run_id, f"retry {vcenter}")


def build_replacing_run(vcenter: str, seq: int) -> Run:
    """Build the one run that takes the place of another whose record can't be read any more.

    Args:
        vcenter: The vCenter's name in the fleet file.
        seq: The number of that record in the vCenter's own log.
    """
    lost = make_check_id(vcenter, VCENTER_LOG, seq)
    return Run(_make_retry_id(vcenter, lost), "retry", attempt=1)


def is_retry_of(record: Record, request: RetryRequest) -> bool:
    """Tell whether a record asks for a retry, or lets a checker ask for one.

    Args:
        record: A record of a vCenter's own log.
        request: The message; its attempt is 0 where a checker asks.
    """
    dispatch, run_id, vcenter = record["dispatch"], record["run_id"], record["vcenter"]
    if dispatch is None or run_id is None:
        return False
    if request["attempt"] > 0:
        asked = dispatch["retry_after_seconds"] is not None
        return asked and request["run_id"] == _make_retry_id(vcenter, run_id)
    return bool(dispatch["expected"]) and any(
        request["run_id"] == _make_retry_id(vcenter, make_checker_run_id(run_id, attempt))
        for attempt in range(MAX_ATTEMPTS + 1)
    )


def make_checker_run_id(run_id: str, attempt: int) -> str:
    """Make the id by which checks of a run ask for their vCenter to be listed: one for each attempt.

    Args:
        run_id: The run that asked for the checks.
        attempt: How often the check was tried before.
    """
    return make_next_attempt_id(run_id, attempt) if attempt else run_id


def build_listing_request(run: Run, vcenter: str) -> RetryRequest:
    """Build the request to list ``vcenter``, one of those of ``run``; a repeated run gives the same."""
    return {
        "schema_version": 1,
        "vcenter": vcenter,
        "run_id": run.id,
        "attempt": run.attempt,
        "reason": run.trigger,
        "trigger": run.trigger,
        "clusters": None if run.selected is None else [*run.selected[vcenter]],
    }


def read_listing_request(request: RetryRequest) -> Run:
    """Read the run on one vCenter that a message asks for."""
    clusters = request.get("clusters")
    selected = None if clusters is None else {request["vcenter"]: tuple(clusters)}
    return Run(request["run_id"], request.get("trigger", "retry"), selected, request["attempt"])


def is_retried(before: LogState, after: LogState, attempt: int) -> bool:
    """Tell whether a vCenter that failed is listed again.

    Args:
        before: The state of the vCenter's log before the run.
        after: Its state after the run.
        attempt: The run's place in a chain of retries; 0 if it is in none.
    """
    return is_ailing(after) and (attempt > 0 or not is_ailing(before))


def choose_pause_seconds(confirm_after_seconds: int, failure: Failure | None, seed: str) -> int:
    """Choose the delay before the next try, 15 minutes at most.

    It is ``confirm_after_seconds``, or longer if ``failure`` (None: there was none) says that the vCenter
    asked for it. Up to a tenth is added, the same for the same ``seed``.
    A refused login that is tried once more has a delay of its own, by the lockout of accounts.
    """
    facts = failure["facts"] if failure else {}
    asked = int(facts.get("retry_after_seconds", 0))
    tried_again = facts.get(TRIED_AGAIN_FACT)
    seconds = max(confirm_after_seconds, asked) if tried_again is None else int(tried_again)
    return min(add_jitter(seconds, seed), MAX_SQS_DELAY_SECONDS)


def is_ailing(after: LogState) -> bool:
    """Tell whether the vCenter could not be listed for a reason that may pass by itself.

    A vCenter that was replaced or is too old does not count: only a person ends that.
    """
    suspected = {suspect["kind"] for suspect in after["suspects"].values()}
    return bool(suspected & LOGIN_KINDS) or any(
        finding["kind"] in _PASSING_KINDS and UNWATCHED_DETAIL in finding["detail"]
        for finding in after["findings"].values()
    )
