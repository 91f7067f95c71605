"""JSON of the vCenter parsed into values; a missing or mistyped field is an error that names it.

Here ids and names enter: what leaves this module has a bounded length, and can be written anywhere.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from esx_drift.adapters.vcenter.error_answers import (
    ApiError,
    build_facts,
    build_sentence,
    build_unforeseen_error,
    describe_stranger,
    parse_answer_json,
    parse_api_error,
    read_api_error,
    translate_error_answer,
)
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.domain.stored.types import VCenterIdentity
from esx_drift.domain.text.times import is_usable, parse_time
from esx_drift.domain.text.wording import clean_text
from esx_drift.domain.vcenter_api import (
    INVENTORY_PATH,
    MAX_LISTED_CHARACTERS,
    TOO_MANY_RESULTS,
    UNUSABLE_ID,
    is_path_segment,
    is_usable_id,
)
from esx_drift.errors import NoReport, NotEligible, VCenterError
from esx_drift.ports import (
    ExtractionTask,
    InventoryEntry,
    ListedCluster,
    ReportReply,
    SubmittedExtraction,
)

MAX_TOKEN_LENGTH = 4096

BUSY_TYPES = frozenset(
    {
        "NOT_ALLOWED_IN_CURRENT_STATE",
        "CONCURRENT_CHANGE",
        "RESOURCE_BUSY",
        "RESOURCE_IN_USE",
        "FEATURE_IN_USE",
    }
)
BUSY_STATUSES = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR})
"""With which a busy cluster refuses an extraction, beside 409, which says no more than that."""

REPORT_FIELDS = (b'"completion_time"', b'"image_categories"', b'"host_info"', b'"successful_hosts"')
"""Of those that every report has: JSON without any of them is no report, not even a broken one."""


def parse_text_body(answer: HttpAnswer) -> str:
    """The body of a login or of an extraction: one JSON string that is fit for a header and a path."""
    value = parse_answer_json(answer)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_LENGTH or not _is_plain(value):
        raise build_unforeseen_error(answer, "with a body that is not one JSON string")
    return value


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def parse_list(answer: HttpAnswer) -> list[Mapping[str, object]]:
    """The body of a listing: objects, of which a single one may hold texts that are of no use."""
    value = parse_answer_json(answer, allow_surrogates=True)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise build_unforeseen_error(answer, "with a body that is not a list of objects")
    return value


class ListedObject(Protocol):
    """An object of the inventory."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


def collect_entries[T: ListedObject](
    answers: Iterable[HttpAnswer], parse: Callable[[Mapping[str, object], HttpAnswer], T], most: int
) -> tuple[T, ...]:
    """Collect the objects of a listing, each once, whichever of the answers hold it.

    Args:
        answers: The answers, read one after the other.
        parse: Makes an entry of one object of an answer.
        most: More objects than that are no listing of a vCenter's.
    """
    entries: dict[str, T] = {}
    for answer in answers:
        entries |= {entry.id: entry for entry in (parse(item, answer) for item in parse_list(answer))}
        if len(entries) > most:
            raise build_unforeseen_error(answer, f"with more than {most} objects, which no vCenter holds")
    return tuple(entries.values())


def require_text(item: Mapping[str, object], name: str, answer: HttpAnswer) -> str:
    """Require a text that the API promises: on one line, and of a bounded length.

    Args:
        item: The object that holds it.
        name: The name of its field.
        answer: The answer that the object came in, which the error names.

    Raises:
        VCenterError: The field is missing, empty or no such text.
    """
    value = _require_string(item, name, answer)
    if len(value) > MAX_LISTED_CHARACTERS or not value.isprintable():
        raise build_unforeseen_error(answer, f"with a {name} of no use: {clean_text(value)}")
    return value


def _require_string(item: Mapping[str, object], name: str, answer: HttpAnswer) -> str:
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


_UNWRITABLE_CATEGORIES = frozenset({"Cc", "Cs"})
"""Control characters and halves of surrogate pairs, by ``unicodedata``."""


def _require_name(item: Mapping[str, object], answer: HttpAnswer) -> str:
    """The object's name, cut and without what a queue, a key or a line has no place for."""
    cut = decode_name(_require_string(item, "name", answer)[:MAX_LISTED_CHARACTERS])
    return "".join("\ufffd" if unicodedata.category(char) in _UNWRITABLE_CATEGORIES else char for char in cut)


def parse_cluster(item: Mapping[str, object], answer: HttpAnswer) -> ListedCluster:
    """Parse ``item`` of the listing ``answer`` as a cluster.

    One whose id can't be used gets one of ours, and is no cluster to check. Its id says so (``UNUSABLE_ID``),
    and what it is instead of. The other clusters of the listing go on.
    """
    cluster = _require_string(item, "cluster", answer)
    usable = cluster if is_usable_id(cluster) else f"{UNUSABLE_ID} {clean_text(cluster)}"
    return ListedCluster(usable, _require_name(item, answer))


def parse_host(item: Mapping[str, object], answer: HttpAnswer) -> InventoryEntry:
    """Parse ``item`` of the listing ``answer`` as a host.

    Raises:
        VCenterError: A field is missing, or its id is of no use: it can't be found in the report.
    """
    host, power = _require_string(item, "host", answer), item.get("power_state")
    if not is_usable_id(host):
        raise build_unforeseen_error(answer, f"with a host whose id is of no use: {clean_text(host)}")
    return InventoryEntry(
        host,
        _require_name(item, answer),
        require_text(item, "connection_state", answer),
        require_text(item, "power_state", answer) if isinstance(power, str) and power else None,
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
        (read_api_error(info.get("error")) or ApiError()).text or None,
    )


def parse_submission(answer: HttpAnswer) -> SubmittedExtraction:
    """Parse the answer to an extraction that was asked for; raises the failure where it was refused."""
    if answer.status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        task_id = parse_text_body(answer)
        if not is_path_segment(task_id):
            raise build_unforeseen_error(answer, f"with a task whose id is {task_id!r}")
        return SubmittedExtraction(task_id, answer.date)
    api_error = parse_api_error(answer)
    says_busy = answer.status in BUSY_STATUSES and api_error.error_type in BUSY_TYPES
    if api_error.is_vcenters and (answer.status == HTTPStatus.CONFLICT or says_busy):
        return SubmittedExtraction(
            None, answer.date, api_error.text or api_error.error_type or "no reason given"
        )
    if answer.status == HTTPStatus.BAD_REQUEST and api_error.error_type == "UNSUPPORTED":
        raise NotEligible(build_sentence(answer, api_error), build_facts(answer, api_error))
    raise translate_error_answer(answer, NoReport)


def parse_report_reply(answer: HttpAnswer) -> ReportReply:
    """Take a report as it came; whether it keeps its schema is judged later.

    Raises ``VCenterError`` if something else answered in the vCenter's place: that is no invalid report.
    """
    if answer.status != HTTPStatus.OK:
        raise translate_error_answer(answer, NoReport)
    if describe_stranger(answer) or not any(name in answer.body for name in REPORT_FIELDS):
        raise build_unforeseen_error(answer, "with a body that is no report")
    return ReportReply(answer.body, answer.date, answer.cut)


_SERVICE_VERSION = re.compile(rb"<name>urn:vim25</name>\s{0,20}<version>([0-9.]{1,40})</version>")


def parse_service_version(answer: HttpAnswer) -> str | None:
    """Parse which release of the Web Services API a vCenter says it has; None where nothing says so."""
    found = _SERVICE_VERSION.search(answer.body)
    return found[1].decode() if found and answer.status == HTTPStatus.OK else None


def _parse_optional_time(value: object) -> datetime | None:
    try:
        moment = parse_time(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return moment if is_usable(moment) else None


type QueryParams = Sequence[tuple[str, str]]

type GetCall = Callable[[str, QueryParams], HttpAnswer]


def list_everything(get: GetCall, path: str, params: QueryParams = ()) -> Iterator[HttpAnswer]:
    """List all objects of a kind; by datacenter, then by folder, if there are too many for one answer.

    Args:
        get: Sends one GET and returns its answer, whatever its status.
        path: The path of the listing.
        params: The query that every part of the listing has.

    Yields:
        The answers that together list them all. An object may stand in several of them.

    Raises:
        EsxDriftError: The failure of a call, also where one single folder holds too many.
    """
    return _list_in_parts(get, path, params, (_divide_by_datacenter, _divide_by_folder))


type DivideQuery = Callable[[GetCall, QueryParams], Iterable[QueryParams]]


def _list_in_parts(
    get: GetCall, path: str, params: QueryParams, divisions: Sequence[DivideQuery]
) -> Iterator[HttpAnswer]:
    answer = get(path, params)
    if answer.status == HTTPStatus.OK:
        yield answer
        return
    failure = translate_error_answer(answer)
    if (
        not divisions
        or not isinstance(failure, VCenterError)
        or failure.facts.get("error_type") != TOO_MANY_RESULTS
    ):
        raise failure
    divide, *finer = divisions
    for part_params in divide(get, params):
        yield from _list_in_parts(get, path, part_params, finer)


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
