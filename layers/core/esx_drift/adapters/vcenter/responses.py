"""JSON of the vCenter parsed into values; a missing or mistyped field is an error that names it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from esx_drift.adapters.vcenter.error_answers import (
    build_unforeseen_error,
    parse_answer_json,
    read_api_error,
    translate_error_answer,
)
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.domain.stored.types import VCenterIdentity
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.vcenter_api import INVENTORY_PATH, TOO_MANY_RESULTS
from esx_drift.errors import VCenterError
from esx_drift.ports import ExtractionTask, InventoryEntry, ListedCluster

MAX_TOKEN_LENGTH = 4096


def parse_text_body(answer: HttpAnswer) -> str:
    """The body of a login or of an extraction: one JSON string that is fit for a header and a path."""
    value = parse_answer_json(answer)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_LENGTH or not _is_plain(value):
        raise build_unforeseen_error(answer, "with a body that is not one JSON string")
    return value


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def parse_list(answer: HttpAnswer) -> list[Mapping[str, object]]:
    """The body of a listing: objects."""
    value = parse_answer_json(answer)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise build_unforeseen_error(answer, "with a body that is not a list of objects")
    return value


def require_text(item: Mapping[str, object], name: str, answer: HttpAnswer) -> str:
    """Require a text that the API promises.

    Args:
        item: The object that holds it.
        name: The name of its field.
        answer: The answer that the object came in, which the error names.

    Raises:
        VCenterError: The field is missing, empty or no text.
    """
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise build_unforeseen_error(answer, f"without {name}")
    return value


_ESCAPED = re.compile("%(25|2f|5c)", re.IGNORECASE)


def decode_name(name: str) -> str:
    """Decode a name of an inventory object, in which vSphere escapes ``%``, ``/`` and the backslash.

    Source: ``ManagedEntity.name`` in the vSphere Web Services API reference.
    """
    return _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1]).decode(), name)


def parse_cluster(item: Mapping[str, object], answer: HttpAnswer) -> ListedCluster:
    """Parse ``item`` of a listing as a cluster.

    Raises:
        VCenterError: A field is missing, or the id begins with ``@``, as only our own logs do. It names
            ``answer``, which the listing came in.
    """
    cluster = ListedCluster(
        require_text(item, "cluster", answer), decode_name(require_text(item, "name", answer))
    )
    if cluster.id.startswith("@"):
        raise build_unforeseen_error(answer, f"with a cluster whose id is {cluster.id[:80]!r}")
    return cluster


def parse_host(item: Mapping[str, object], answer: HttpAnswer) -> InventoryEntry:
    """Parse ``item`` of a listing as a host.

    Raises:
        VCenterError: A field is missing. It names ``answer``, which the listing came in.
    """
    power = item.get("power_state")
    return InventoryEntry(
        require_text(item, "host", answer),
        decode_name(require_text(item, "name", answer)),
        require_text(item, "connection_state", answer),
        power if isinstance(power, str) else None,
    )


def parse_identity(answer: HttpAnswer) -> VCenterIdentity:
    """The ``about`` of ServiceContent."""
    content = parse_answer_json(answer)
    about = content.get("about") if isinstance(content, dict) else None
    if not isinstance(about, dict):
        raise build_unforeseen_error(answer, "without about")
    return {
        "instance_uuid": require_text(about, "instanceUuid", answer),
        "version": require_text(about, "version", answer),
        "build": require_text(about, "build", answer),
    }


def parse_enabled(answer: HttpAnswer) -> bool:
    """Whether a feature of a cluster is enabled."""
    info = parse_answer_json(answer)
    enabled = info.get("enabled") if isinstance(info, dict) else None
    if not isinstance(enabled, bool):
        raise build_unforeseen_error(answer, "without enabled")
    return enabled


def parse_task(task_id: str, answer: HttpAnswer) -> ExtractionTask:
    """Parse ``answer`` as the task ``task_id``. Only the status is needed; its ``result`` is never read.

    vCenter 8.0.3 renders the maps in a task's result as lists, unlike the report itself.
    """
    info = parse_answer_json(answer)
    if not isinstance(info, dict):
        raise build_unforeseen_error(answer, "with a body that is not a task")
    return ExtractionTask(
        task_id,
        require_text(info, "status", answer),
        _parse_optional_time(info.get("start_time")),
        _parse_optional_time(info.get("end_time")),
        read_api_error(info.get("error")).text or None,
    )


def _parse_optional_time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


type QueryParams = Sequence[tuple[str, str]]


type GetCall = Callable[[str, QueryParams], HttpAnswer]


def list_everything(get: GetCall, path: str, params: QueryParams = ()) -> list[HttpAnswer]:
    """List all objects of a kind; by datacenter, then by folder, if there are too many for one answer.

    Args:
        get: Sends one GET and returns its answer, whatever its status.
        path: The path of the listing.
        params: The query that every part of the listing has.

    Returns:
        The answers that together list them all. An object may stand in several of them.

    Raises:
        EsxDriftError: The failure of a call, also where one single folder holds too many.
    """
    return _list_in_parts(get, path, params, (_divide_by_datacenter, _divide_by_folder))


type DivideQuery = Callable[[GetCall, QueryParams], Iterable[QueryParams]]


def _list_in_parts(
    get: GetCall, path: str, params: QueryParams, divisions: Sequence[DivideQuery]
) -> list[HttpAnswer]:
    answer = get(path, params)
    if answer.status == HTTPStatus.OK:
        return [answer]
    failure = translate_error_answer(answer)
    if (
        not divisions
        or not isinstance(failure, VCenterError)
        or failure.facts.get("error_type") != TOO_MANY_RESULTS
    ):
        raise failure
    divide, *finer = divisions
    return [
        part for part_params in divide(get, params) for part in _list_in_parts(get, path, part_params, finer)
    ]


def _divide_by_datacenter(get: GetCall, params: QueryParams) -> Iterable[QueryParams]:
    for datacenter in _list_ids(get, "datacenter", ()):
        yield (*params, ("datacenters", datacenter))


def _divide_by_folder(get: GetCall, params: QueryParams) -> Iterable[QueryParams]:
    datacenters = [pair for pair in params if pair[0] == "datacenters"]
    for folder in _list_ids(get, "folder", [*datacenters, ("type", "HOST")]):
        yield (*params, ("folders", folder))


def _list_ids(get: GetCall, kind: str, params: QueryParams) -> list[str]:
    answer = get(f"{INVENTORY_PATH}{kind}", params)
    if answer.status != HTTPStatus.OK:
        raise translate_error_answer(answer)
    return [require_text(item, kind, answer) for item in parse_list(answer)]
