"""Who answered: another server's answer is no privilege, no old release and no cluster that is gone."""

import json
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from esx_drift.adapters.vcenter.error_answers import translate_error_answer
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    EsxDriftError,
    NoReport,
    NotAuthorized,
    VCenterError,
    VCenterUnavailable,
)

PAGE = b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head></html>"
OWN = {"error_type": "ERROR", "messages": [{"id": "some.id", "default_message": "Some reason.", "args": []}]}
ROUTE = {"error_type": "NOT_FOUND", "messages": [{"id": "com.vmware.vapi.rest.httpNotFound", "args": []}]}
GONE = {"error_type": "NOT_FOUND", "messages": [{"id": "com.vmware.x.EntityNotFound", "args": []}]}
FAULT = {"_typeName": "NoPermission", "faultstring": "Permission to perform this operation was denied."}
BODIES: dict[str, bytes] = {
    "own": json.dumps(OWN).encode(),
    "empty": b"",
    "page": PAGE,
    "text": b"no healthy upstream",
    "other JSON": b'{"detail": "nope"}',
    "a list": b"[]",
    "a fault": json.dumps(FAULT).encode(),
}
CALLS = (
    "POST /api/session",
    "GET /api/vcenter/cluster",
    "GET /api/esx/settings/clusters/domain-c9/installed-images",
)
BY_ANOTHER = {"page", "text", "other JSON", "a list"}


def _answer(status: int, body: bytes, call: str = CALLS[2]) -> HttpAnswer:
    return HttpAnswer("vc01:443", call, status, {}, datetime(2026, 11, 23, tzinfo=UTC), body, cut=False)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 418, 429, 500, 501, 502, 503, 504])
def test_who_answered(status: int, kind: str, call: str) -> None:
    """By status, kind of body and call."""
    error = translate_error_answer(_answer(status, BODIES[kind], call), NoReport)
    expected: type[EsxDriftError] = VCenterError
    if status in {429, 502, 503, 504}:
        expected = VCenterUnavailable
    elif kind not in BY_ANOTHER:
        expected = {403: NotAuthorized, 404: NoReport}.get(status, VCenterError)
    assert type(error) is expected
    assert ("answered_by" in error.facts) == (kind in BY_ANOTHER)
    assert HTTPStatus(status).value == int(error.facts["status"])
    assert "<" not in error.message


@pytest.mark.parametrize(("body", "expected"), [(ROUTE, ApiUnsupported), (GONE, ClusterNotFound)])
def test_only_a_vcenter_says_what_is_not_there(body: object, expected: type[EsxDriftError]) -> None:
    """By the ids that Lifecycle Manager and the API's front give."""
    assert type(translate_error_answer(_answer(404, json.dumps(body).encode()))) is expected
    assert type(translate_error_answer(_answer(404, PAGE))) is VCenterError


def test_what_it_said_is_quoted() -> None:
    """Also where it is a plain text, or a fault of the VI/JSON API."""
    assert "no healthy upstream" in translate_error_answer(_answer(503, b"no healthy\n upstream")).message
    fault = translate_error_answer(_answer(500, BODIES["a fault"]))
    assert "Permission to perform this operation was denied." in fault.message
    assert fault.facts["error_type"] == "NoPermission"
