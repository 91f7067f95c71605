"""One run of the dispatcher: what it was asked for, what it means to do on a vCenter, what it answers."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from esx_drift.domain.stored.identifiers import make_request_id
from esx_drift.domain.stored.types import Dispatch, ExpectedCluster, Record

type Trigger = Literal["schedule", "retry", "direct"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the dispatcher. ``selected``: just these clusters (ids or names), by vCenter.

    ``attempt`` counts the dispatcher's own retries of a vCenter; a retry that a checker asks for is number 0.
    """

    id: str
    trigger: Trigger
    selected: Mapping[str, tuple[str, ...]] | None = None
    attempt: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is about all clusters, so that it may count, open and resolve."""
        return self.selected is None


class DispatchedCheck(TypedDict):
    """A request that was sent to the CheckQueue."""

    vcenter: str
    cluster: str
    name: str
    request_id: str


class FailedDispatch(TypedDict):
    """What could not be dispatched; ``cluster`` is none where the whole vCenter failed."""

    vcenter: str
    cluster: str | None
    reason: str
    message: str


class DispatchReply(TypedDict):
    """The dispatcher's reply (``dispatch-reply.schema.json``)."""

    run_id: str
    dispatched: list[DispatchedCheck]
    failed: list[FailedDispatch]


def select_clusters(run: Run, vcenter: str, clusters: Mapping[str, str]) -> dict[str, str]:
    """Those of the clusters (id to name) that the run is about."""
    if run.selected is None:
        return dict(clusters)
    wanted = run.selected[vcenter]
    return {cluster: name for cluster, name in clusters.items() if cluster in wanted or name in wanted}


def build_expected_clusters(
    run: Run, vcenter: str, clusters: Mapping[str, str], listed: Container[str]
) -> list[ExpectedCluster]:
    """The requests of a run on one vCenter: the same ids each time the run is repeated."""
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
    """What a run means to do, before the vCenter was asked: nothing."""
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
    """What the reply says could not be dispatched: the vCenter, or chosen clusters that it does not list."""
    vcenter, failure = record["vcenter"], record["failure"]
    if failure is not None:
        return [_failed(vcenter, None, failure["reason"], failure["message"])]
    found = {name for one in expected for name in (one["cluster"], one["name"])}
    wanted = (run.selected or {}).get(vcenter, ())
    why = "{} lists no cluster with the id or name {!r}, or a pattern of the fleet file leaves it out"
    return [
        _failed(vcenter, name, "cluster-missing", why.format(vcenter, name))
        for name in wanted
        if name not in found
    ]


def _failed(vcenter: str, cluster: str | None, reason: str, message: str) -> FailedDispatch:
    return {"vcenter": vcenter, "cluster": cluster, "reason": reason, "message": message}
