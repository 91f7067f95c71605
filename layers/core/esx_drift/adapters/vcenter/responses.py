"""JSON of the vCenter parsed into values; a missing or mistyped field is an error that names it."""

import re
from collections.abc import Mapping
from copy import replace
from datetime import datetime
from http import HTTPStatus

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
    MAX_LISTED_CHARACTERS,
    MAX_TOKEN_BYTES,
    PROPERTY_COLLECTOR,
    RELEASE_NEEDED,
    is_path_segment,
    is_too_old,
    is_usable_id,
)
from esx_drift.errors import ApiUnsupported, EsxDriftError, NoReport, NotEligible, VCenterUnavailable
from esx_drift.ports import (
    ExtractionTask,
    ReportReply,
    SubmittedExtraction,
)

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
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_BYTES or not _is_plain(value):
        raise build_unforeseen_error(answer, "with a body that is not one JSON string")
    return value


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def require_text(item: Mapping[str, object], name: str, answer: HttpAnswer) -> str:
    """Require a text that the API promises: on one line, and of a bounded length.

    Args:
        item: The object that holds it.
        name: The name of its field.
        answer: The answer that the object came in, which the error names.

    Raises:
        VCenterError: The field is missing, empty or no such text.
    """
    value = require_string(item, name, answer)
    if len(value) > MAX_LISTED_CHARACTERS or not value.isprintable():
        raise build_unforeseen_error(answer, f"with a {name} of no use: {clean_text(value)}")
    return value


def require_string(item: Mapping[str, object], name: str, answer: HttpAnswer) -> str:
    """Require a text that is not empty, of any length; takes what ``require_text`` takes.

    The object is ``item``, its field ``name``, and ``answer`` is what it came in.
    """
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise build_unforeseen_error(answer, f"without {name}")
    return value


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


def parse_property_collector(answer: HttpAnswer) -> str:
    """The id of the property collector of ServiceContent; the usual one where it gives none of use."""
    content = parse_answer_json(answer)
    reference = content.get("propertyCollector") if isinstance(content, dict) else None
    collector = reference.get("value") if isinstance(reference, dict) else None
    return collector if isinstance(collector, str) and is_usable_id(collector) else PROPERTY_COLLECTOR


def parse_enabled(answer: HttpAnswer) -> bool:
    """Whether a feature of a cluster is enabled."""
    info = parse_answer_json(answer)
    enabled = info.get("enabled") if isinstance(info, dict) else None
    if not isinstance(enabled, bool):
        raise build_unforeseen_error(answer, "without enabled")
    return enabled


EXTRACT_OPERATION = "extract$task"
"""The ``operation`` of an extraction's task, by how the API names the task of an operation."""

CLUSTER_TYPE = "ClusterComputeResource"
"""The type of a task's ``target`` that is a cluster."""


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
        _parse_extracted_cluster(info),
    )


def _parse_extracted_cluster(info: Mapping[str, object]) -> str | None:
    """Parse which cluster a task extracts; None for any other operation, and where nothing says so."""
    target = info.get("target")
    if info.get("operation") != EXTRACT_OPERATION or not isinstance(target, dict):
        return None
    cluster = target.get("id")
    return cluster if target.get("type") == CLUSTER_TYPE and isinstance(cluster, str) else None


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


def is_session_ended(answer: HttpAnswer) -> bool:
    """Tell whether a session is over: it was ended now, or before."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return parse_api_error(answer).is_vcenters
    return answer.status == HTTPStatus.NO_CONTENT or (answer.status == HTTPStatus.OK and not answer.body)


def translate_missing_route(answer: HttpAnswer, release: str | None) -> EsxDriftError:
    """Build the failure for ``answer``, a 404 of a vCenter of this ``release`` that has no such route.

    Every release from 8.0 U3 on has each route that is called. Such a one misses it while the service behind
    is stopped, or is still starting.
    """
    facts = build_facts(answer, replace(parse_api_error(answer), answered_by=""))
    sentence = f"{answer.address} answered 404 to {answer.operation}: no such route"
    if release is not None and is_too_old(release):
        return ApiUnsupported(
            f"{sentence}, since it is {release}: {RELEASE_NEEDED}", {**facts, "version": release}
        )
    known = f", though it is {release}" if release else ""
    return VCenterUnavailable(
        f"{sentence}{known}. The service behind it is stopped, or still starting", facts
    )
