"""JSON of the vCenter as values. What is missing or of another type is an error that names the field."""

from collections.abc import Mapping
from datetime import datetime

from esx_drift.adapters.vcenter.answers import complaint_in, json_of, unforeseen
from esx_drift.adapters.vcenter.wire import Answer
from esx_drift.domain.shapes import About
from esx_drift.domain.times import time_of
from esx_drift.ports import Cluster, Host, Task

MAX_TOKEN_LENGTH = 4096


def text_of_body(answer: Answer) -> str:
    """The body of a login or of an extraction: one JSON string that is fit for a header and a path."""
    value = json_of(answer)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_LENGTH or not _is_plain(value):
        raise unforeseen(answer, "with a body that is not one JSON string")
    return value


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def listed(answer: Answer) -> list[Mapping[str, object]]:
    """The body of a listing: objects."""
    value = json_of(answer)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise unforeseen(answer, "with a body that is not a list of objects")
    return value


def field(item: Mapping[str, object], name: str, answer: Answer) -> str:
    """A text that the API promises."""
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise unforeseen(answer, f"without {name}")
    return value


def cluster_of(item: Mapping[str, object], answer: Answer) -> Cluster:
    """A cluster of a listing. An id with ``@`` in front can't be told from the logs that are ours alone."""
    cluster = Cluster(field(item, "cluster", answer), field(item, "name", answer))
    if cluster.id.startswith("@"):
        raise unforeseen(answer, f"with a cluster whose id is {cluster.id[:80]!r}")
    return cluster


def host_of(item: Mapping[str, object], answer: Answer) -> Host:
    """A host of a listing."""
    power = item.get("power_state")
    return Host(
        field(item, "host", answer),
        field(item, "name", answer),
        field(item, "connection_state", answer),
        power if isinstance(power, str) else None,
    )


def about_of(answer: Answer) -> About:
    """The ``about`` of ServiceContent."""
    content = json_of(answer)
    about = content.get("about") if isinstance(content, dict) else None
    if not isinstance(about, dict):
        raise unforeseen(answer, "without about")
    return {
        "instance_uuid": field(about, "instanceUuid", answer),
        "version": field(about, "version", answer),
        "build": field(about, "build", answer),
    }


def enabled_in(answer: Answer) -> bool:
    """Whether a feature of a cluster is enabled."""
    info = json_of(answer)
    enabled = info.get("enabled") if isinstance(info, dict) else None
    if not isinstance(enabled, bool):
        raise unforeseen(answer, "without enabled")
    return enabled


def task_of(task_id: str, answer: Answer) -> Task:
    """A task, of which only the status is needed; its ``result`` is never read.

    vCenter 8.0.3 renders the maps in a task's result as lists, unlike the report itself.
    """
    info = json_of(answer)
    if not isinstance(info, dict):
        raise unforeseen(answer, "with a body that is not a task")
    return Task(
        task_id,
        field(info, "status", answer),
        _time(info.get("start_time")),
        _time(info.get("end_time")),
        complaint_in(info.get("error")).text or None,
    )


def _time(value: object) -> datetime | None:
    try:
        return time_of(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
