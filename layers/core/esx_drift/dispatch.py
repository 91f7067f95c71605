"""The dispatcher's job: write down what is to be checked on each vCenter, then ask for it.

The record is the intention and comes first: a run that is repeated after a crash reads it back and sends
the same requests again, under the same ids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from esx_drift.dispatch_look import DispatchLook, Run
from esx_drift.domain.fleet import Fleet, VCenter
from esx_drift.domain.retrying import retry_of
from esx_drift.domain.shapes import CheckRequest, Dispatch, ExpectedCluster, Record, RetryRequest
from esx_drift.domain.times import text_of
from esx_drift.errors import RequestRefused, TransientError
from esx_drift.log import Answer, Log
from esx_drift.ports import Queue, Store, Topic, VCenters


class Dispatched(TypedDict):
    """A request that was sent to the CheckQueue."""

    vcenter: str
    cluster: str
    name: str
    request_id: str


class Failed(TypedDict):
    """What could not be dispatched; ``cluster`` is none where the whole vCenter failed."""

    vcenter: str
    cluster: str | None
    reason: str
    message: str


class Reply(TypedDict):
    """The dispatcher's reply (``dispatch-reply.schema.json``)."""

    run_id: str
    dispatched: list[Dispatched]
    failed: list[Failed]


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The job, with the world it works in."""

    vcenters: VCenters
    store: Store
    topic: Topic
    queue: Queue
    fleet: Fleet
    fleet_sha256: str
    check_interval_hours: int
    clock: Callable[[], datetime]
    code_version: str

    def run(self, run: Run) -> Reply:
        """Dispatch the whole fleet, or just what the run selects.

        Raises ``RequestRefused``, before anything is sent, for a vCenter that the fleet does not know, and
        ``TransientError``, after every vCenter had its turn, where AWS failed: the same run finishes it.
        """
        reply: Reply = {"run_id": run.id, "dispatched": [], "failed": []}
        broken: list[str] = []
        for vcenter in self._vcenters_of(run):
            try:
                self._dispatch(vcenter, run, reply, repeat=True)
            except TransientError as error:
                broken.append(f"{vcenter.name}: {error.message}")
        if broken:
            raise TransientError("run it again, not all was dispatched:\n" + "\n".join(broken))
        return reply

    def retry(self, request: RetryRequest, *, redelivered: bool) -> Reply:
        """List one vCenter again that failed before; all its clusters are dispatched once it answers.

        Many checkers may ask for the same retry at once: the first message is answered, and the others are
        done with it. Only one that is ``redelivered`` may have been cut off before it sent everything.
        """
        run = Run(request["run_id"], "retry", attempt=request["attempt"])
        reply: Reply = {"run_id": run.id, "dispatched": [], "failed": []}
        self._dispatch(self._known(request["vcenter"]), run, reply, repeat=redelivered)
        return reply

    def _vcenters_of(self, run: Run) -> list[VCenter]:
        if run.selected is None:
            return list(self.fleet.vcenters)
        return [self._known(name) for name in run.selected]

    def _known(self, name: str) -> VCenter:
        vcenter = self.fleet.vcenter(name)
        if vcenter is None:
            raise RequestRefused(f"the fleet file has no vCenter called {name!r}: nothing was dispatched")
        return vcenter

    def _dispatch(self, vcenter: VCenter, run: Run, reply: Reply, *, repeat: bool) -> None:
        look = DispatchLook(
            vcenters=self.vcenters,
            store=self.store,
            topic=self.topic,
            vcenter=vcenter,
            run=run,
            fleet_sha256=self.fleet_sha256,
            check_interval_hours=self.check_interval_hours,
            clock=self.clock,
            code_version=self.code_version,
        )
        answer = Log(self.store, self.topic, vcenter.name).append(look.request_id, look)
        dispatch = answer.record["dispatch"] if isinstance(answer, Answer) else None
        if isinstance(answer, Answer) and dispatch is not None and (repeat or not answer.repeated):
            self._send(vcenter, run, answer.record, dispatch, reply)

    def _send(self, vcenter: VCenter, run: Run, record: Record, dispatch: Dispatch, reply: Reply) -> None:
        for expected in dispatch["expected"]:
            self.queue.send_check(self._request(vcenter, record, expected), 0)
            reply["dispatched"].append(
                {
                    "vcenter": vcenter.name,
                    "cluster": expected["cluster"],
                    "name": expected["name"],
                    "request_id": expected["request_id"],
                }
            )
        if dispatch["retry_after_seconds"] is not None:
            self.queue.send_retry(_retry(record, run.attempt + 1), dispatch["retry_after_seconds"])
        reply["failed"] += _failed(record)
        if record["failure"] is None:
            reply["failed"] += _not_found(vcenter.name, dispatch["expected"], run)

    def _request(self, vcenter: VCenter, record: Record, expected: ExpectedCluster) -> CheckRequest:
        return {
            "schema_version": 1,
            "action": "check",
            "request_id": expected["request_id"],
            "run_id": record["run_id"],
            "vcenter": vcenter.name,
            "cluster": expected["cluster"],
            "cluster_name": expected["name"],
            "requested_at": text_of(self.clock()),
            "phase": "extract" if vcenter.extract else "collect",
            "attempt": 0,
            "task": None,
            "decision": None,
        }


def _retry(record: Record, attempt: int) -> RetryRequest:
    failure = record["failure"]
    reason = failure["reason"] if failure else "vcenter-replaced"
    return retry_of(record["vcenter"], str(record["run_id"]), attempt, reason)


def _failed(record: Record) -> list[Failed]:
    failure = record["failure"]
    if failure is None:
        return []
    return [
        {
            "vcenter": record["vcenter"],
            "cluster": None,
            "reason": failure["reason"],
            "message": failure["message"],
        }
    ]


def _not_found(vcenter: str, expected: list[ExpectedCluster], run: Run) -> list[Failed]:
    wanted = (run.selected or {}).get(vcenter, ())
    found = {name for one in expected for name in (one["cluster"], one["name"])}
    return [
        {
            "vcenter": vcenter,
            "cluster": name,
            "reason": "cluster-missing",
            "message": f"{vcenter} lists no cluster with the id or name {name!r}, or a pattern leaves it out",
        }
        for name in wanted
        if name not in found
    ]
