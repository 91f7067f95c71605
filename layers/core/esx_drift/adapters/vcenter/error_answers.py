"""Answers of the vCenter that are errors: by status and body, as each operation of /api documents them.

A body is ``{"error_type": ..., "messages": [{"id", "default_message", "args"}, ...]}``, where both may be
missing or empty, and an error of the front proxy is no JSON at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from esx_drift.adapters.vcenter.http_client import HttpAnswer, parse_retry_after
from esx_drift.contracts import parse_json
from esx_drift.domain.vcenter_api import RELEASE_NEEDED
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    ContractViolation,
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

REDIRECTS = range(300, 400)
UNAVAILABLE_STATUSES = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Whoever says so: the services behind don't answer."""


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error's type, the id of its first message and that message's text; each may be empty.

    ``is_vcenters``: a vCenter words its errors so. What stands in between (a balancer, a proxy, another web
    server) answers with a page or a text of its own.
    """

    error_type: str = ""
    message_id: str = ""
    text: str = ""
    is_vcenters: bool = True


def parse_answer_json(answer: HttpAnswer, *, allow_surrogates: bool = False) -> object:
    """Parse the body of an answer as JSON.

    Args:
        answer: The answer.
        allow_surrogates: Texts may hold halves of surrogate pairs; the caller looks at each by itself.

    Raises:
        VCenterError: The body has more bytes than the call may take, or is not acceptable as JSON.
    """
    if answer.cut:
        raise build_unforeseen_error(answer, f"with more than {len(answer.body)} bytes")
    try:
        return parse_json(answer.body, allow_surrogates=allow_surrogates)
    except ContractViolation as error:
        raise build_unforeseen_error(answer, f"with a body that is {error.message}") from error


def build_unforeseen_error(answer: HttpAnswer, what: str) -> VCenterError:
    """Build the failure for ``answer``, which the API does not document; ``what`` ends the sentence."""
    sentence = f"{answer.address} answered {answer.status} to {answer.operation} {what}"
    return VCenterError(sentence, _build_facts(answer, ApiError()))


def parse_api_error(answer: HttpAnswer) -> ApiError:
    """Parse an error's body; empty where it says nothing. A text that is no JSON is another server's."""
    try:
        return read_api_error(parse_json(answer.body))
    except ContractViolation:
        text = _clean_line(answer.body[:MAX_MESSAGE_LENGTH].decode("utf-8", "replace"))
        is_said = not text.startswith(("<", "[", "{"))
        return ApiError(text=text if is_said else "", is_vcenters=not text)


def read_api_error(error: object) -> ApiError:
    """Read an error that is parsed already, such as a task's."""
    if not isinstance(error, Mapping):
        return ApiError(is_vcenters=False)
    if "_typeName" in error:  # a fault of the VI/JSON API, which 8.0 U3 serves beside /api
        return ApiError(_clean_line(error["_typeName"]), "", _clean_line(error.get("faultstring")))
    messages = error.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, Mapping):
        first = {}
    return ApiError(
        # Nothing of what every error of /api has: another server's JSON.
        is_vcenters=not error or "error_type" in error or "messages" in error,
        error_type=_clean_line(error.get("error_type")),
        message_id=_clean_line(first.get("id")),
        text=_clean_line(first.get("default_message")),
    )


def _clean_line(value: object) -> str:
    """A text from outside on one line, bounded."""
    return " ".join(value.split())[:MAX_MESSAGE_LENGTH] if isinstance(value, str) else ""


def translate_error_answer(
    answer: HttpAnswer, not_found: type[EsxDriftError] = VCenterError
) -> EsxDriftError:
    """Build the failure for an answer that is none of the operation's successes.

    Args:
        answer: The answer.
        not_found: What a 404 means here that names neither a missing route nor a missing cluster.
    """
    api_error = parse_api_error(answer)
    failure = _choose_failure(answer, api_error, not_found)
    note = f" ({RELEASE_NEEDED})" if failure is ApiUnsupported else ""
    return failure(_build_sentence(answer, api_error) + note, _build_facts(answer, api_error))


def _choose_failure(
    answer: HttpAnswer, api_error: ApiError, not_found: type[EsxDriftError]
) -> type[EsxDriftError]:
    if answer.status in UNAVAILABLE_STATUSES:
        return VCenterUnavailable
    if not api_error.is_vcenters or answer.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        # Another server's 403 or 404 is no privilege, no old release and no cluster that is gone.
        return VCenterError
    if answer.status == HTTPStatus.FORBIDDEN:
        return NotAuthorized
    if api_error.message_id.endswith(HTTP_NOT_FOUND):
        return ApiUnsupported
    return ClusterNotFound if api_error.message_id.endswith(ENTITY_NOT_FOUND) else not_found


def _build_sentence(answer: HttpAnswer, api_error: ApiError) -> str:
    if answer.status in REDIRECTS:
        reason = f"points to {_describe_redirect_target(answer)}: a redirect is never followed"
    else:
        reason = api_error.text or api_error.error_type or "no reason given"
        if not api_error.is_vcenters and answer.status not in UNAVAILABLE_STATUSES:
            reason = f"no answer of a vCenter's ({reason})"
    return f"{answer.address} answered {answer.status} to {answer.operation}: {reason}"


def _describe_redirect_target(answer: HttpAnswer) -> str:
    """Where a redirect points to, without the user, password and query that it may hold."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return _clean_line(f"{scheme}{parts.hostname or ''}{port}{parts.path}")


def _build_facts(answer: HttpAnswer, api_error: ApiError) -> dict[str, str]:
    wait_seconds = parse_retry_after(answer)
    facts = {
        "status": str(answer.status),
        "operation": answer.operation,
        "error_type": api_error.error_type,
        "message_id": api_error.message_id,
        "vcenter_message": api_error.text,
        "answered_by": "" if api_error.is_vcenters else "another server",
        "retry_after_seconds": "" if wait_seconds is None else f"{wait_seconds:.0f}",
    }
    return {name: value for name, value in facts.items() if value}


def translate_extract_refusal(answer: HttpAnswer, not_found: type[EsxDriftError]) -> EsxDriftError | None:
    """Build the failure for a refused extraction; None if the cluster is only busy with another one.

    Args:
        answer: The answer.
        not_found: What a 404 means here, as for ``translate_error_answer``.
    """
    api_error = parse_api_error(answer)
    says_busy = answer.status in BUSY_STATUSES and api_error.error_type in BUSY_TYPES
    if answer.status == HTTPStatus.CONFLICT or says_busy:
        return None
    if answer.status == HTTPStatus.BAD_REQUEST and api_error.error_type == "UNSUPPORTED":
        return NotEligible(_build_sentence(answer, api_error), _build_facts(answer, api_error))
    return translate_error_answer(answer, not_found)
