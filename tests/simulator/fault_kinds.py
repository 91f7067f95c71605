"""The kinds of faults by name: connections, statuses, bodies. Made with `fault(name, …)`."""

import base64
import json
from collections.abc import Callable
from copy import replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Literal

from tests.simulator import errors
from tests.simulator.documents import DOCUMENT_EDITS
from tests.simulator.faults import Fault
from tests.simulator.reply import Delivery, Reply, Request, json_reply, text_reply

type Echo = Literal["text", "error", "page", "plain"]
HUGE_BYTES = 40_000_000
NO_CONTENT = 204
_ERRORS: dict[int, Callable[[], errors.ApiError]] = {
    401: errors.unauthenticated,
    403: errors.unauthorized,
    404: errors.http_not_found,
    500: errors.internal,
    503: errors.unavailable,
}


def status(code: int = 500, retry_after: str | None = None) -> Fault:
    """The body that the vCenter sends with 401, 403, 404 (unknown route), 500 or 503."""
    error = _ERRORS[code]()
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    reply = replace(json_reply(error.status, error.body()), headers=headers)
    return Fault("status", instead=lambda _request: reply)


def entity_not_found(identity: str = "domain-c404") -> Fault:
    """404 of Lifecycle Manager: no such cluster."""
    body = errors.entity_not_found(identity).body()
    return Fault("entity_not_found", instead=lambda _request: json_reply(404, body))


def task_not_found(identity: str = "gone") -> Fault:
    """404: the vCenter no longer has the task."""
    body = errors.no_task(identity).body()
    return Fault("task_not_found", instead=lambda _request: json_reply(404, body))


def unable_to_allocate() -> Fault:
    """500 that no retry helps against: too many objects match."""
    return Fault("unable_to_allocate", instead=lambda _request: json_reply(500, errors.too_many().body()))


def no_healthy_upstream(retry_after: str | None = None) -> Fault:
    """503 of the front proxy while services start: plain text."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    reply = replace(text_reply(503, "no healthy upstream"), headers=headers)
    return Fault("no_healthy_upstream", instead=lambda _request: reply)


def web_page(code: int = 403, title: str = "403 Forbidden", server: str = "nginx") -> Fault:
    """A page of something that stands before the vCenter, or in its place."""
    page = (
        f"<!DOCTYPE html>\n<html><head>\n<title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    )
    headers = {"Server": server}
    reply = Reply(code, page.encode(), "text/html; charset=utf-8", headers, _last(code))
    return Fault("web_page", instead=lambda _request: reply)


def plain_text(code: int = 503, text: str = "upstream connect error\nreset reason: overflow") -> Fault:
    """A reason in plain text, of the vCenter's own front proxy or of another."""
    reply = replace(text_reply(code, text), delivery=_last(code))
    return Fault("plain_text", instead=lambda _request: reply)


def other_json(code: int = 404, body: object = None) -> Fault:
    """JSON of a server that is no vCenter."""
    reply = replace(json_reply(code, body or {"detail": "no Route matched"}), delivery=_last(code))
    return Fault("other_json", instead=lambda _request: reply)


def sessions_used_up() -> Fault:
    """503: as many sessions are open as there may be."""
    body = errors.sessions_used_up().body()
    return Fault("sessions_used_up", instead=lambda _request: json_reply(503, body))


def operation_not_found() -> Fault:
    """404 of a service that is there and has not begun to serve."""
    body = errors.operation_not_found().body()
    return Fault("operation_not_found", instead=lambda _request: json_reply(404, body))


def fault_of_vim(name: str = "NoPermission", code: int = 500) -> Fault:
    """A fault as the VI/JSON API words it."""
    body = {"_typeName": name, "faultstring": "Permission to perform this operation was denied."}
    return Fault("fault_of_vim", instead=lambda _request: json_reply(code, body))


def secrets_echoed(route: str = "*", form: Echo = "text") -> Fault:
    """Whatever was sent as a secret since the last login comes back in the answers of `route`.

    A route is a pattern of `METHOD /path`. Inject the fault for `*`, so that it hears the login. `form`: in
    each text of a good answer, in an error of the vCenter's form, in a page, or in plain text.
    """
    heard: dict[str, None] = {}

    def echo(request: Request, reply: Reply) -> Reply:
        if "authorization" in request.headers:
            encoded = request.headers["authorization"].rpartition(" ")[2]
            heard.clear()
            heard.update(dict.fromkeys((encoded, base64.b64decode(encoded).decode().partition(":")[2])))
        heard.setdefault(request.headers.get("vmware-api-session-id", ""))
        met = fnmatchcase(f"{request.method} {request.path}", route)
        return _echoed(reply, " ".join(heard).strip(), form) if met else reply

    return Fault("secrets_echoed", echo=echo)


def _echoed(reply: Reply, said: str, form: Echo) -> Reply:
    headers = {"Server": said, "Location": f"https://203.0.113.9/{said}"}
    error = errors.ApiError(500, "ERROR", errors.message("some.id", f"Can't serve: {said}", said))
    match form:
        case "error":
            return replace(json_reply(500, error.body()), headers=headers)
        case "page":
            return replace(_page(403, f"Denied: {said}"), headers=headers)
        case "plain":
            return replace(text_reply(503, said), headers=headers)
    if not reply.body or reply.status == HTTPStatus.CREATED:
        return reply
    return replace(reply, body=json.dumps(_with_text(json.loads(reply.body), said)).encode())


def _with_text(value: object, said: str) -> object:
    if isinstance(value, list):
        return [_with_text(item, said) for item in value]
    if isinstance(value, dict):
        texts = ("default_message", "localized", "name", "display_name", "version", "build")
        return {
            key: f"{item} {said}" if key in texts and isinstance(item, str) else _with_text(item, said)
            for key, item in value.items()
        }
    return value


def redirect(location: str = "https://203.0.113.9/api/session", code: int = 302) -> Fault:
    """A redirect to another host."""
    reply = Reply(code, headers={"Location": location})
    return Fault("redirect", instead=lambda _request: reply)


def latency(seconds: float = 1.0) -> Fault:
    """The answer comes late."""
    return Fault("latency", alter=lambda reply: _delivered(reply, wait_seconds=seconds))


def slow_body(bytes_per_second: int = 1000) -> Fault:
    """The answer dribbles: ten pieces a second."""
    piece = max(1, bytes_per_second // 10)
    return Fault("slow_body", alter=lambda reply: _delivered(reply, piece_bytes=piece, pause_seconds=0.1))


def truncated_body() -> Fault:
    """Half of the body, then the connection is closed: Content-Length promised all of it."""
    return Fault(
        "truncated_body", alter=lambda reply: _delivered(reply, keep_bytes=len(reply.body) // 2, end="close")
    )


def huge_body(size_bytes: int = HUGE_BYTES, *, chunked: bool = False) -> Fault:
    """A valid body, blown up with blanks; `chunked` does not announce its length."""
    return Fault(
        "huge_body", alter=lambda reply: _delivered(reply, padding_bytes=size_bytes, chunked=chunked)
    )


def connection(end: Literal["close", "reset"] = "reset", *, processed: bool = False) -> Fault:
    """The connection ends without an answer; `processed`: the vCenter did what it was asked to."""

    def lost(reply: Reply) -> Reply:
        return _delivered(reply, is_silent=True, end=end)

    instead: Callable[[Request], Reply] | None = None if processed else lambda _request: Reply(0)
    return Fault("connection", instead=instead, alter=lost)


def invalid_json() -> Fault:
    """A body that looks like JSON and stops making sense in its middle."""
    return _rewritten("invalid_json", lambda body: body[: len(body) // 2] + b"}}oops")


def not_a_number() -> Fault:
    """NaN, which Python's parser takes and JSON does not know, in place of `uniform_image`."""
    return _rewritten("not_a_number", lambda body: _with_member(body, b'"uniform_image":NaN'))


def duplicate_keys() -> Fault:
    """`status` twice, with different values."""
    return _rewritten("duplicate_keys", lambda body: _with_member(body, b'"status":"UNAVAILABLE"'))


def content_type(name: str = "text/html") -> Fault:
    """The right body under a wrong Content-Type."""
    return Fault("content_type", alter=lambda reply: replace(reply, content_type=name))


def document(edit: str = "without_required") -> Fault:
    """A report changed by one of DOCUMENT_EDITS: broken schema or broken invariants."""
    change = DOCUMENT_EDITS[edit]
    return _rewritten("document", lambda body: json.dumps(change(json.loads(body))).encode())


FAULT_KINDS: dict[str, Callable[..., Fault]] = {
    made.__name__: made
    for made in (
        status,
        entity_not_found,
        task_not_found,
        unable_to_allocate,
        no_healthy_upstream,
        web_page,
        plain_text,
        other_json,
        sessions_used_up,
        operation_not_found,
        fault_of_vim,
        secrets_echoed,
        redirect,
        latency,
        slow_body,
        truncated_body,
        huge_body,
        connection,
        invalid_json,
        not_a_number,
        duplicate_keys,
        content_type,
        document,
    )
}


def _page(code: int, title: str) -> Reply:
    page = (
        f"<!DOCTYPE html>\n<html><head>\n<title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    )
    return Reply(code, page.encode(), "text/html; charset=utf-8", delivery=_last(code))


def _last(code: int) -> Delivery:
    """A 204 has no body: whoever sends one all the same can't go on with the connection."""
    return Delivery(end="close" if code == NO_CONTENT else "keep")


def _delivered(reply: Reply, **changes: object) -> Reply:
    return replace(reply, delivery=replace(reply.delivery, **changes))  # type: ignore[arg-type]  # names checked at run time


def _rewritten(name: str, rewrite: Callable[[bytes], bytes]) -> Fault:
    """Bodies of errors stay what they are: only what the vCenter said well is spoilt."""

    def alter(reply: Reply) -> Reply:
        return replace(reply, body=rewrite(reply.body)) if 0 < reply.status < 300 else reply

    return Fault(name, alter=alter)


def _with_member(body: bytes, member: bytes) -> bytes:
    return body[:-1] + b"," + member + b"}"
