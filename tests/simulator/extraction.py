"""Extraction tasks and the reports that they leave: the GET serves the last one and starts nothing."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from tests.simulator.errors import (
    ApiError,
    Busy,
    already_extracting,
    entity_not_found,
    no_report,
    no_task,
    not_eligible,
)
from tests.simulator.inventory import Inventory, Outcome
from tests.simulator.report import make_report
from tests.simulator.tasks import SERVICE, Task
from tests.simulator.wire import Report, ReportStatus, TaskStatus

_MILLISECOND = timedelta(milliseconds=1)
_A_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a task takes: until each of `answers` was given to a poll, or `seconds` passed.

    With `answers` None only time ends it; (None, inf) never ends.
    """

    answers: tuple[TaskStatus, ...] | None = ("RUNNING",)
    seconds: float = 30.0


@dataclass(slots=True)
class Foreign:
    """Somebody else's extraction: it is met by whoever asks for one, and ends `seconds` after that."""

    seconds: float
    error: Busy
    ends_at: datetime | None = None


class Extractions:
    """The reports and tasks of one vCenter. Not thread-safe by itself: the vCenter's lock guards it."""

    def __init__(self, inventory: Inventory, now: Callable[[], datetime], seed: int) -> None:
        self.reports: dict[str, Report] = {}
        self.tasks: dict[str, Task] = {}
        self.pace = Pace()
        self.busy_error: Busy = "NOT_ALLOWED_IN_CURRENT_STATE"
        self.never_extracted_is_404 = True
        self.count = 0
        self._foreign: dict[str, Foreign] = {}
        self._inventory = inventory
        self._now = now
        self._seed = seed

    def start(self, cluster: str, user: str) -> str:
        """Begin an extraction; the task's id. Raises ApiError if refused, as a second one is."""
        self.settle()
        if self._inventory.clusters[cluster].outcome.refused:
            raise not_eligible(cluster)
        if cluster in self._foreign:
            raise self._met(cluster, self._foreign[cluster])
        if any(task.cluster == cluster and not task.is_done for task in self.tasks.values()):
            raise already_extracting(cluster, self.busy_error)
        self.count += 1
        number = uuid.uuid5(uuid.NAMESPACE_OID, f"{self._seed}/{cluster}/{self.count}")
        task = Task(f"{number}:{SERVICE}", cluster, user, self._now())
        if not self.pace.answers or self.pace.answers[0] != "PENDING":
            task.run(self._now())
        self.tasks[task.identity] = task
        return task.identity

    def poll(self, identity: str, *, with_result: bool = True) -> dict[str, object]:
        """The task as of now; each call brings a task that is paced by polls one answer further."""
        self.settle()
        task = self.tasks.get(identity)
        if task is None:
            raise no_task(identity)
        answers = self.pace.answers
        if not task.is_done and answers is not None:
            if task.polls >= len(answers):
                self._finish(task, self._now())
            else:
                task.answer(answers[task.polls], self._now())
        return task.info(self._now(), self.reports.get(task.cluster) if with_result else None)

    def occupy(self, cluster: str, seconds: float, error: Busy = "NOT_ALLOWED_IN_CURRENT_STATE") -> None:
        """Let somebody else extract it: until `seconds` (or inf) after our attempt, when he reports."""
        self._foreign[cluster] = Foreign(seconds, error)

    def _met(self, cluster: str, foreign: Foreign) -> ApiError:
        if foreign.ends_at is None and foreign.seconds < inf:
            foreign.ends_at = self._now() + timedelta(seconds=foreign.seconds)
        return already_extracting(cluster, foreign.error)

    def settle(self) -> None:
        """End the tasks whose time has passed, at that time."""
        for cluster, foreign in list(self._foreign.items()):
            if foreign.ends_at is not None and self._now() >= foreign.ends_at:
                del self._foreign[cluster]
                self.count += 1
                self._leave_report(cluster, self._inventory.clusters[cluster].outcome, foreign.ends_at)
        for task in self.tasks.values():
            if not task.is_done and (self._now() - task.created_at).total_seconds() >= self.pace.seconds:
                self._finish(task, task.created_at + timedelta(seconds=self.pace.seconds))

    def report(self, cluster: str) -> Report:
        """The last extracted report; ApiError 404 if there is none or no such cluster."""
        self.settle()
        if cluster not in self._inventory.clusters:
            raise entity_not_found(cluster)
        if cluster in self.reports:
            return self.reports[cluster]
        if self.never_extracted_is_404:
            raise no_report(cluster)
        return self._make(cluster, "UNAVAILABLE", datetime.fromisoformat("1970-01-01T00:00:00Z"))

    def abandon(self) -> None:
        """Fail the tasks that still run, and whatever somebody else does; they leave no report."""
        self._foreign.clear()
        for task in self.tasks.values():
            if not task.is_done:
                task.end("FAILED", self._now())

    def extract(self, cluster: str) -> None:
        """Extract at once, without a task, as somebody else may have."""
        self.count += 1
        self._leave_report(cluster, self._inventory.clusters[cluster].outcome, self._now())

    def _finish(self, task: Task, at: datetime) -> None:
        if task.cluster not in self._inventory.clusters:
            task.end("FAILED", at)
            return
        outcome = self._inventory.clusters[task.cluster].outcome
        task.end(outcome.task, at)
        self._leave_report(task.cluster, outcome, at)

    def _leave_report(self, cluster: str, outcome: Outcome, at: datetime) -> None:
        if outcome.status is None:
            return
        last = self.reports.get(cluster)
        # Two at one moment, as tests make them, have two times; a clock that was set back is obeyed.
        if last is not None:
            before = datetime.fromisoformat(last["completion_time"])
            at = before + _MILLISECOND if timedelta(0) <= before - at < _A_MOMENT else at
        self.reports[cluster] = self._make(cluster, outcome.status, at)

    def _make(self, cluster: str, status: ReportStatus, at: datetime) -> Report:
        rng = random.Random(f"{self._seed}/{cluster}/{self.count}")
        hosts = self._inventory.hosts_of(cluster)
        return make_report(self._inventory.clusters[cluster], hosts, status, at, rng)
