"""Which failure an answer stands for. Statuses and bodies: the errors that each operation of /api documents.

A body is ``{"error_type": ..., "messages": [{"id", "default_message", "args"}, ...]}``, where both may be
missing or empty, and an error of the front proxy is no JSON at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from esx_drift.adapters.vcenter.http_client import HttpAnswer, parse_retry_after
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    EsxDriftError,
    NotAuthorized,
    NotEligible,
    VCenterError,
    VCenterUnavailable,
)

MAX_MESSAGE_LENGTH = 300
HTTP_NOT_FOUND = ".httpNotFound"
"""The end of ``com.vmware.vapi.rest.httpNotFound``: there is no such route."""
ENTITY_NOT_FOUND = ".EntityNotFound"
"""The end of Lifecycle Manager's id for an object that is not there, or not shown to this account."""
TOO_MANY = "UNABLE_TO_ALLOCATE_RESOURCE"
BUSY_TYPES = frozenset(
    {
        "NOT_ALLOWED_IN_CURRENT_STATE",
        "CONCURRENT_CHANGE",
        "RESOURCE_BUSY",
        "RESOURCE_IN_USE",
        "FEATURE_IN_USE",
    }
)
REDIRECTS = range(300, 400)
TOO_OLD = "installed images need vCenter 8.0 U3 or later"


@dataclass(frozen=True, slots=True)
class ApiError:
    """What the vCenter says in an error; each may be empty. ``text`` is its view of the operation."""

    error_type: str = ""
    message_id: str = ""
    text: str = ""


def parse_answer_json(answer: HttpAnswer) -> object:
    """The body as JSON; raises ``VCenterError`` if it is none."""
    try:
        return json.loads(b"" if answer.cut else answer.body)
    except (ValueError, RecursionError) as error:
        raise build_unforeseen_error(answer, "with a body that is not JSON") from error


def build_unforeseen_error(answer: HttpAnswer, what: str) -> VCenterError:
    """The failure for an answer that the API does not document; ``what`` ends the sentence."""
    sentence = f"{answer.address} answered {answer.status} to {answer.operation} {what}"
    return VCenterError(sentence, _facts(answer, ApiError()))


def parse_complaint(answer: HttpAnswer) -> ApiError:
    """What an error's body says; empty where it says nothing."""
    try:
        return extract_complaint(json.loads(answer.body))
    except (ValueError, RecursionError):
        return ApiError()


def extract_complaint(error: object) -> ApiError:
    """The same from an error that is parsed already, such as a task's."""
    if not isinstance(error, Mapping):
        return ApiError()
    messages = error.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, Mapping):
        first = {}
    return ApiError(
        _text(error.get("error_type")), _text(first.get("id")), _text(first.get("default_message"))
    )


def _text(value: object) -> str:
    """A text from outside on one line, bounded."""
    return " ".join(value.split())[:MAX_MESSAGE_LENGTH] if isinstance(value, str) else ""


def translate_error_answer(
    answer: HttpAnswer, not_found: type[EsxDriftError] = VCenterError
) -> EsxDriftError:
    """The failure for an answer that is none of the operation's successes.

    ``not_found`` is what a 404 means here that names neither a missing route nor a missing cluster.
    """
    complaint = parse_complaint(answer)
    kind = _kind(answer, complaint, not_found)
    more = f" ({TOO_OLD})" if kind is ApiUnsupported else ""
    return kind(_sentence(answer, complaint) + more, _facts(answer, complaint))


def _kind(answer: HttpAnswer, complaint: ApiError, not_found: type[EsxDriftError]) -> type[EsxDriftError]:
    match answer.status:
        case 403:
            return NotAuthorized
        case 404 if complaint.message_id.endswith(HTTP_NOT_FOUND):
            return ApiUnsupported
        case 404 if complaint.message_id.endswith(ENTITY_NOT_FOUND):
            return ClusterNotFound
        case 404:
            return not_found
        case 429 | 503:
            return VCenterUnavailable
    return VCenterError


def _sentence(answer: HttpAnswer, complaint: ApiError) -> str:
    if answer.status in REDIRECTS:
        why = f"points to {_target(answer)}: a redirect is never followed"
    else:
        why = complaint.text or complaint.error_type or "no reason given"
    return f"{answer.address} answered {answer.status} to {answer.operation}: {why}"


def _target(answer: HttpAnswer) -> str:
    """Where a redirect points to, without the user, password and query that it may hold."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return _text(f"{scheme}{parts.hostname or ''}{port}{parts.path}")


def _facts(answer: HttpAnswer, complaint: ApiError) -> dict[str, str]:
    wait_seconds = parse_retry_after(answer)
    facts = {
        "status": str(answer.status),
        "operation": answer.operation,
        "error_type": complaint.error_type,
        "message_id": complaint.message_id,
        "vcenter_message": complaint.text,
        "retry_after_seconds": "" if wait_seconds is None else f"{wait_seconds:.0f}",
    }
    return {name: value for name, value in facts.items() if value}


def translate_extract_refusal(answer: HttpAnswer, not_found: type[EsxDriftError]) -> EsxDriftError | None:
    """The failure for a refused extraction; none if the cluster is only busy with another one."""
    complaint = parse_complaint(answer)
    busy_status = answer.status in {400, 409, 500}
    if answer.status == 409 or (busy_status and complaint.error_type in BUSY_TYPES):  # noqa: PLR2004 -- HTTP's Conflict
        return None
    if answer.status == 400 and complaint.error_type == "UNSUPPORTED":  # noqa: PLR2004 -- HTTP's Bad Request
        return NotEligible(_sentence(answer, complaint), _facts(answer, complaint))
    return translate_error_answer(answer, not_found)
