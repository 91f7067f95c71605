"""Which failure an answer stands for. Statuses and bodies: the errors that each operation of /api documents.

A body is ``{"error_type": ..., "messages": [{"id", "default_message", "args"}, ...]}``, where both may be
missing or empty, and an error of the front proxy is no JSON at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from esx_drift.adapters.vcenter.wire import Answer, retry_after_seconds
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
class Complaint:
    """What the vCenter says in an error; each may be empty. ``text`` is its view of the operation."""

    error_type: str = ""
    message_id: str = ""
    text: str = ""


def json_of(answer: Answer) -> object:
    """The body as JSON; raises ``VCenterError`` if it is none."""
    try:
        return json.loads(b"" if answer.cut else answer.body)
    except (ValueError, RecursionError) as error:
        raise unforeseen(answer, "with a body that is not JSON") from error


def unforeseen(answer: Answer, what: str) -> VCenterError:
    """The failure for an answer that the API does not document; ``what`` ends the sentence."""
    sentence = f"{answer.address} answered {answer.status} to {answer.operation} {what}"
    return VCenterError(sentence, _facts(answer, Complaint()))


def complaint_of(answer: Answer) -> Complaint:
    """What an error's body says; empty where it says nothing."""
    try:
        return complaint_in(json.loads(answer.body))
    except (ValueError, RecursionError):
        return Complaint()


def complaint_in(error: object) -> Complaint:
    """The same from an error that is parsed already, such as a task's."""
    if not isinstance(error, Mapping):
        return Complaint()
    messages = error.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, Mapping):
        first = {}
    return Complaint(
        _text(error.get("error_type")), _text(first.get("id")), _text(first.get("default_message"))
    )


def _text(value: object) -> str:
    """A text from outside on one line, bounded."""
    return " ".join(value.split())[:MAX_MESSAGE_LENGTH] if isinstance(value, str) else ""


def failure_of(answer: Answer, not_found: type[EsxDriftError] = VCenterError) -> EsxDriftError:
    """The failure for an answer that is none of the operation's successes.

    ``not_found`` is what a 404 means here that names neither a missing route nor a missing cluster.
    """
    complaint = complaint_of(answer)
    kind = _kind(answer, complaint, not_found)
    more = f" ({TOO_OLD})" if kind is ApiUnsupported else ""
    return kind(_sentence(answer, complaint) + more, _facts(answer, complaint))


def _kind(answer: Answer, complaint: Complaint, not_found: type[EsxDriftError]) -> type[EsxDriftError]:
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


def _sentence(answer: Answer, complaint: Complaint) -> str:
    if answer.status in REDIRECTS:
        why = f"points to {_target(answer)}: a redirect is never followed"
    else:
        why = complaint.text or complaint.error_type or "no reason given"
    return f"{answer.address} answered {answer.status} to {answer.operation}: {why}"


def _target(answer: Answer) -> str:
    """Where a redirect points to, without the user, password and query that it may hold."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return _text(f"{scheme}{parts.hostname or ''}{port}{parts.path}")


def _facts(answer: Answer, complaint: Complaint) -> dict[str, str]:
    wait_seconds = retry_after_seconds(answer)
    facts = {
        "status": str(answer.status),
        "operation": answer.operation,
        "error_type": complaint.error_type,
        "message_id": complaint.message_id,
        "vcenter_message": complaint.text,
        "retry_after_seconds": "" if wait_seconds is None else f"{wait_seconds:.0f}",
    }
    return {name: value for name, value in facts.items() if value}


def refusal_of(answer: Answer, not_found: type[EsxDriftError]) -> EsxDriftError | None:
    """The failure for a refused extraction; none if the cluster is only busy with another one."""
    complaint = complaint_of(answer)
    busy_status = answer.status in {400, 409, 500}
    if answer.status == 409 or (busy_status and complaint.error_type in BUSY_TYPES):  # noqa: PLR2004 -- HTTP's Conflict
        return None
    if answer.status == 400 and complaint.error_type == "UNSUPPORTED":  # noqa: PLR2004 -- HTTP's Bad Request
        return NotEligible(_sentence(answer, complaint), _facts(answer, complaint))
    return failure_of(answer, not_found)
