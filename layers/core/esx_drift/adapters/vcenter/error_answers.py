"""Answers that are errors: who gave them, and what they mean, as each operation of /api documents it.

A vCenter's own is ``{"error_type": ..., "messages": [{"id", "default_message", "args"}, ...]}``, of which one
may be missing and ``messages`` empty, or a fault of the VI/JSON API. Whatever else answers in its place
(a balancer, a proxy, another web server) says nothing of privileges, releases or clusters.
Longer than 250 lines, because who answered decides what an answer means.
"""

import json
import re
from collections.abc import Mapping
from html import unescape
from http import HTTPStatus
from urllib.parse import urlsplit

from msgspec import Struct

from esx_drift.adapters.vcenter.http_client import HttpAnswer, parse_retry_after
from esx_drift.contracts import parse_json
from esx_drift.domain.text.wording import clean_text
from esx_drift.errors import (
    ClusterNotFound,
    ContractViolation,
    EsxDriftError,
    LoginRefused,
    NotAuthorized,
    VCenterError,
    VCenterUnavailable,
)

MAX_MESSAGE_LENGTH = 300
MAX_QUOTE_LENGTH = 120
"""Of a page or a text that another server answered with: enough to know it again."""

LOOKED_AT_BYTES = 16_384
"""Where the title of a page, or the beginning of a text, stands."""

HTTP_NOT_FOUND = ".httpNotFound"
"""The end of ``com.vmware.vapi.rest.httpNotFound``: there is no such route."""
OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
"""The ``error_type`` for the same, of a service that is there and has not begun to serve it."""
ENTITY_NOT_FOUND = ".EntityNotFound"
"""The end of Lifecycle Manager's id for an object that is not there, or not shown to this account."""
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


class ApiError(Struct, frozen=True):
    """An error's type, the id of its first message and that message's text; each may be empty.

    ``answered_by`` says what answered in the vCenter's place; empty if the vCenter itself did.
    """

    error_type: str = ""
    message_id: str = ""
    text: str = ""
    answered_by: str = ""

    @property
    def is_vcenters(self) -> bool:
        """Tell whether a vCenter worded it."""
        return not self.answered_by

    @property
    def is_missing_route(self) -> bool:
        """Tell whether a vCenter says that it has no such route."""
        is_named = self.error_type == OPERATION_NOT_FOUND or self.message_id.endswith(HTTP_NOT_FOUND)
        return self.is_vcenters and is_named


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
    """Build the failure for an answer that the API does not document.

    Args:
        answer: The answer.
        what: What is wrong with it; ends the sentence, unless it can be said what answered.
    """
    answered_by = describe_stranger(answer)
    end = f": {deny_vcenter(answered_by)}" if answered_by else f" {what}"
    sentence = f"{answer.address} answered {answer.status} to {answer.operation}{end}"
    return VCenterError(sentence, build_facts(answer, ApiError(answered_by=answered_by)))


def parse_api_error(answer: HttpAnswer) -> ApiError:
    """Parse an error's body, and find out who gave it."""
    try:
        parsed = parse_json(answer.body)
    except ContractViolation:
        broken = name_server(answer, "JSON that can't be read")
        return ApiError(answered_by=describe_stranger(answer) or broken)
    return read_api_error(parsed) or ApiError(answered_by=name_server(answer, "JSON of another server"))


def read_api_error(error: object) -> ApiError | None:
    """Read an error that is parsed already, such as a task's; None for JSON in which no vCenter says one."""
    if not isinstance(error, Mapping):
        return None
    if isinstance(error.get("_typeName"), str):  # a fault of the VI/JSON API, which 8.0 U3 serves beside /api
        name, text = clean_line(error["_typeName"]), clean_line(error.get("faultstring"))
        return ApiError(error_type=name, text=f"{name}: {text}" if text else name)
    messages = error.get("messages")
    if not isinstance(messages, list) and not isinstance(error.get("error_type"), str):
        return None
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, Mapping):
        first = {}
    return ApiError(
        clean_line(error.get("error_type")),
        clean_line(first.get("id")),
        clean_line(first.get("default_message")),
    )


def clean_line(value: object) -> str:
    """Clean a text from outside, which is bounded then; empty if it is none."""
    return clean_text(value, MAX_MESSAGE_LENGTH) if isinstance(value, str) and value.strip() else ""


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
    return failure(build_sentence(answer, api_error), build_facts(answer, api_error))


def translate_refused_login(answer: HttpAnswer, user: str) -> LoginRefused:
    """Build the failure for ``answer``, a 401 to the login of ``user``.

    The password was sent, whoever says so.
    """
    stranger = parse_api_error(answer).answered_by
    facts = {"user": user, "answered_by": stranger} if stranger else {"user": user}
    why = f": {deny_vcenter(stranger)}" if stranger else ""
    return LoginRefused(f"{answer.address} refused the login of {user}{why}", facts)


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
    return ClusterNotFound if api_error.message_id.endswith(ENTITY_NOT_FOUND) else not_found


def build_sentence(answer: HttpAnswer, api_error: ApiError) -> str:
    """Build what an error says: who answered what to which call, and why.

    Args:
        answer: The answer.
        api_error: What its body says.
    """
    if answer.status in REDIRECTS:
        reason = f"points to {_describe_redirect_target(answer)}: a redirect is never followed"
    elif not api_error.is_vcenters:
        is_gate = answer.status in UNAVAILABLE_STATUSES
        reason = api_error.answered_by if is_gate else deny_vcenter(api_error.answered_by)
    else:
        reason = api_error.text or api_error.error_type or "no reason given"
    return f"{answer.address} answered {answer.status} to {answer.operation}: {reason}"


def _describe_redirect_target(answer: HttpAnswer) -> str:
    """Where a redirect points to, without the user, password and query that it may hold."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return clean_line(f"{scheme}{parts.hostname or ''}{port}{parts.path}")


def build_facts(answer: HttpAnswer, api_error: ApiError) -> dict[str, str]:
    """Build the facts of an error.

    Args:
        answer: The answer.
        api_error: What its body says.
    """
    wait_seconds = parse_retry_after(answer)
    facts = {
        "status": str(answer.status),
        "operation": answer.operation,
        "error_type": api_error.error_type,
        "message_id": api_error.message_id,
        "vcenter_message": api_error.text,
        "answered_by": api_error.answered_by,
        "retry_after_seconds": "" if wait_seconds is None else f"{wait_seconds:.0f}",
    }
    return {name: value for name, value in facts.items() if value}


def describe_stranger(answer: HttpAnswer) -> str:
    """Describe what answered in the vCenter's place: ``a page "Sign in" (server: nginx)``.

    Returns:
        Empty for JSON, of which only a reader can tell whose it is.
    """
    start = answer.body[:LOOKED_AT_BYTES].decode("utf-8-sig", "replace").strip()
    if not start:
        return name_server(answer, "an empty body")
    return "" if _may_be_json(start) else name_server(answer, f"a {_describe_text(start)}")


def _may_be_json(start: str) -> bool:
    try:
        return start[0] in '{["' or json.loads(start) is not start
    except ValueError:
        return False


def _describe_text(start: str) -> str:
    if not start.startswith("<"):
        return f'text "{clean_text(start, MAX_QUOTE_LENGTH)}"'
    title = re.search(r"<title[^>]{0,200}>([^<]{1,1000})", start, re.IGNORECASE)
    return f'page "{clean_text(unescape(title[1]), MAX_QUOTE_LENGTH)}"' if title else "page without a title"


def name_server(answer: HttpAnswer, what: str) -> str:
    """Name ``what`` answered, with the ``Server`` that ``answer`` gives for itself."""
    server = answer.headers.get("Server", "")
    return f"{what} (server: {clean_text(server, 40)})" if server.strip() else what


def deny_vcenter(answered_by: str) -> str:
    """Say, to end a sentence, that something else answered."""
    return f"no answer of a vCenter's, but {answered_by}"
