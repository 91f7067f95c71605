"""A task as `/api/cis/tasks/{task}` tells it: the superset that Lifecycle Manager returns.

Which fields are there is a union on `status`: PENDING has none of the times and no progress, only
FAILED has `error`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.simulator.errors import message
from tests.simulator.legacy import maps_as_lists
from tests.simulator.notices import timestamp
from tests.simulator.wire import Report, TaskStatus

# Other Lifecycle Manager tasks are named like this after their own service; no such id is public.
SERVICE = "com.vmware.esx.settings.clusters.installed_images"
_TASK = "com.vmware.vcIntegrity.lifecycle.Task"


@dataclass(slots=True)
class Task:
    """One extraction task of a cluster."""

    identity: str
    cluster: str
    user: str
    created_at: datetime
    status: TaskStatus = "PENDING"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    polls: int = 0

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.ended_at is not None

    def run(self, at: datetime) -> None:
        """Begin, if it has not."""
        self.status = "RUNNING"
        self.started_at = self.started_at or at

    def answer(self, status: TaskStatus, at: datetime) -> None:
        """Take the status that this poll is to be told."""
        self.polls += 1
        if status != "PENDING":
            self.run(at)
        self.status = status

    def end(self, status: TaskStatus, at: datetime) -> None:
        """End with SUCCEEDED or FAILED."""
        self.run(min(at, self.created_at))
        self.status, self.ended_at = status, at

    def info(self, now: datetime, report: Report | None) -> dict[str, Any]:
        """The JSON of the task; `report` becomes the opaque result of one that succeeded."""
        text = "Task created by VMware vSphere Lifecycle Manager"
        found: dict[str, Any] = {
            "description": message(f"{_TASK}.Description", text, localized=True),
            "service": SERVICE,
            "operation": "extract$task",
            "parent": "",
            "target": {"type": "ClusterComputeResource", "id": self.cluster},
            "status": self.status,
            "cancelable": False,
            "user": self.user,
            "notifications": {"warnings": [], "errors": [], "info": []},
            "last_update_time": timestamp(now),
        }
        return found | self._union(report)

    def _union(self, report: Report | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.started_at is not None:
            found |= {"progress": self._progress(), "start_time": timestamp(self.started_at)}
        if self.ended_at is not None:
            found["end_time"] = timestamp(self.ended_at)
        if self.status == "SUCCEEDED" and report is not None:
            # 8.0.3 really renders the maps of this opaque value as lists of key and value.
            found["result"] = maps_as_lists(report)
        if self.status == "FAILED":
            found["error"] = self._error()
        return found

    def _progress(self) -> dict[str, Any]:
        done = 100 if self.is_done else min(99, 10 + 30 * self.polls)
        text = f"Current progress for task created by VMware vSphere Lifecycle Manager: {done}%"
        return {"total": 100, "completed": done, "message": message(f"{_TASK}.Progress", text)}

    def _error(self) -> dict[str, Any]:
        text = f"Extracting the installed images of cluster '{self.cluster}' failed."
        known = message("com.vmware.vcIntegrity.lifecycle.InstalledImages.TaskFailed", text, self.cluster)
        return {
            "@class": "com.vmware.vapi.std.errors.internal_server_error",
            "error_type": "INTERNAL_SERVER_ERROR",
            "messages": [known],
        }
