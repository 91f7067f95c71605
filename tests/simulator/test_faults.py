import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
import requests

from tests.simulator import VCenter
from tests.simulator import fault_kinds as kinds
from tests.simulator.conftest import Client, images
from tests.simulator.documents import DOCUMENT_EDITS
from tests.simulator.faults import Fault
from tests.simulator.specification import breaches

ABOUT = "/sdk/vim25/8.0.3.0/ServiceInstance/ServiceInstance/content"
REPORT = "GET *domain-c9/installed-images"


def _with(vcenter: VCenter, fault: Fault, client: Client, times: int | None = 1) -> requests.Response:
    vcenter.faults.inject(REPORT, fault, times)
    return client.call("GET", images())


@pytest.mark.parametrize("code", [401, 403, 404, 500, 503])
def test_statuses_come_with_the_body_of_a_real_vcenter(vcenter: VCenter, client: Client, code: int) -> None:
    """Then the route answers as ever."""
    reply = _with(vcenter, kinds.status(code), client)
    assert reply.status_code == code
    assert reply.json().keys() == {"error_type", "messages"}
    assert client.call("GET", images()).status_code == 200


def test_the_two_kinds_of_404_can_be_told_apart(vcenter: VCenter, client: Client) -> None:
    """By the id of the message."""
    unknown_route = _with(vcenter, kinds.status(404), client).json()
    unknown_cluster = _with(vcenter, kinds.entity_not_found("domain-c9"), client).json()
    assert unknown_route["messages"][0]["id"].endswith("httpNotFound")
    assert unknown_cluster["messages"][0]["id"].endswith("EntityNotFound")


def test_the_front_proxys_503_is_text_and_may_say_when_to_come_back(vcenter: VCenter, client: Client) -> None:
    """While services start."""
    reply = _with(vcenter, kinds.no_healthy_upstream(retry_after="7"), client)
    assert (reply.status_code, reply.text) == (503, "no healthy upstream")
    assert reply.headers["Retry-After"] == "7"
    assert not reply.headers["Content-Type"].startswith("application/json")


def test_a_list_too_long_is_an_error_without_messages(vcenter: VCenter, client: Client) -> None:
    """As seen live on 8.0."""
    assert _with(vcenter, kinds.unable_to_allocate(), client).json()["messages"] == []


def test_a_redirect_leads_to_another_host(vcenter: VCenter, client: Client) -> None:
    """A password must not follow it."""
    reply = _with(vcenter, kinds.redirect(), client)
    assert (reply.status_code, reply.headers["Location"]) == (302, "https://203.0.113.9/api/session")


def test_requests_at_once_are_counted(vcenter: VCenter, guest: Client) -> None:
    """As long as they wait for their answer; one after the other is one at once."""
    for _ in range(3):
        guest.get(ABOUT)
    assert vcenter.requests_at_once.most == 1
    vcenter.faults.inject("*", kinds.latency(0.5))
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(requests.get, f"{guest.url}{ABOUT}", timeout=10) for _ in range(4)]
        assert {one.result().status_code for one in asked} == {200}
    assert vcenter.counts()["requests_max_at_once"] == 4


def test_latency_delays_the_answer_and_nothing_else(vcenter: VCenter, client: Client) -> None:
    """The body is whole."""
    reply = _with(vcenter, kinds.latency(0.2), client)
    assert reply.elapsed.total_seconds() >= 0.2
    assert breaches(reply.json()) == []


def test_a_slow_body_outlasts_any_timeout_between_two_pieces(vcenter: VCenter, client: Client) -> None:
    """So only a limit of the whole call stops it."""
    vcenter.faults.inject(REPORT, kinds.slow_body(bytes_per_second=20_000))
    began = monotonic()
    with client.http.get(client.url + images(), stream=True, timeout=0.4) as reply:
        report = reply.json()
    assert monotonic() - began > 0.4
    assert breaches(report) == []


def test_a_truncated_body_is_shorter_than_it_says(vcenter: VCenter, client: Client) -> None:
    """The client sees an incomplete read."""
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        _with(vcenter, kinds.truncated_body(), client)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_valid_and_may_hide_its_length(
    vcenter: VCenter, client: Client, *, chunked: bool
) -> None:
    """So only counting what arrives stops it."""
    reply = _with(vcenter, kinds.huge_body(2_000_000, chunked=chunked), client)
    assert ("Content-Length" in reply.headers) is not chunked
    assert len(reply.content) > 2_000_000
    assert breaches(reply.json()) == []


def test_the_usual_huge_body_is_over_32_megabytes() -> None:
    """The limit that it is to exceed."""
    assert kinds.HUGE_BYTES > 32 * 1024 * 1024


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_lost_connection_is_an_error_of_the_connection(vcenter: VCenter, client: Client, end: str) -> None:
    """FIN without an answer, or RST."""
    sentence = {"close": "Remote end closed", "reset": "reset by peer"}[end]
    fault = kinds.FAULT_KINDS["connection"](end)
    with pytest.raises(requests.ConnectionError, match=sentence):
        _with(vcenter, fault, client)
    assert vcenter.journal[-1].status == 0


@pytest.mark.parametrize("processed", [False, True])
def test_an_answer_can_be_lost_before_or_after_the_work(
    vcenter: VCenter, client: Client, *, processed: bool
) -> None:
    """After: the extraction runs, and nobody knows."""
    vcenter.faults.inject("POST *", kinds.connection(processed=processed), 1)
    with pytest.raises(requests.ConnectionError):
        client.extract()
    assert client.extract().status_code == (400 if processed else 202)


def test_invalid_json_does_not_parse(vcenter: VCenter, client: Client) -> None:
    """Under a status of 200."""
    reply = _with(vcenter, kinds.invalid_json(), client)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated|control character|Extra data"):
        json.loads(reply.content)


def test_not_a_number_passes_pythons_parser_only(vcenter: VCenter, client: Client) -> None:
    """JSON does not know it."""
    body = _with(vcenter, kinds.not_a_number(), client).content
    assert b":NaN" in body
    assert json.loads(body)["uniform_image"] != json.loads(body)["uniform_image"]


def test_a_duplicate_key_hides_the_first_value(vcenter: VCenter, client: Client) -> None:
    """The usual parser keeps the last one."""
    pairs = json.loads(_with(vcenter, kinds.duplicate_keys(), client).content, object_pairs_hook=list)
    assert sorted(value for key, value in pairs if key == "status") == ["SUCCESS", "UNAVAILABLE"]


def test_a_content_type_can_be_wrong(vcenter: VCenter, client: Client) -> None:
    """The body is right."""
    reply = _with(vcenter, kinds.content_type(), client)
    assert reply.headers["Content-Type"] == "text/html"
    assert breaches(reply.json()) == []


LEGAL = {"from_the_future"}


@pytest.mark.parametrize("edit", DOCUMENT_EDITS)
def test_an_edited_document_breaks_a_rule(vcenter: VCenter, client: Client, edit: str) -> None:
    """Of a type or an invariant; a time in the future is against neither."""
    report = _with(vcenter, kinds.document(edit), client).json()
    if edit in LEGAL:
        assert breaches(report) == []
    elif edit == "legacy_maps":
        assert isinstance(report["value"]["host_info"], list)
    elif edit == "without_required":
        assert "image_categories" not in report
    else:
        assert breaches(report)


def test_a_fault_ends_after_its_times_or_when_cleared(vcenter: VCenter, client: Client) -> None:
    """And counts whom it met."""
    vcenter.faults.inject(REPORT, kinds.status(500), 2)
    assert [client.call("GET", images()).status_code for _ in range(3)] == [500, 500, 200]
    assert vcenter.faults.hits("status") == 2
    vcenter.faults.inject(REPORT, kinds.status(503))
    assert client.call("GET", images("domain-c1008")).status_code == 200
    assert client.call("GET", images()).status_code == 503
    vcenter.faults.clear(REPORT)
    assert client.call("GET", images()).status_code == 200


def test_requests_that_meet_a_fault_are_counted_too(vcenter: VCenter, client: Client) -> None:
    """What was tried is what a test of politeness asks for."""
    vcenter.faults.inject("POST /api/session", kinds.status(503))
    before = vcenter.requests["POST /api/session"]
    client.login()
    client.call("GET", "/api/nothing")
    assert vcenter.requests["POST /api/session"] == before + 1
    assert vcenter.requests["GET (unknown)"] == 1


def test_faults_add_up(vcenter: VCenter, client: Client) -> None:
    """A late error."""
    vcenter.faults.inject(REPORT, kinds.latency(0.1))
    reply = _with(vcenter, kinds.status(500), client)
    assert (reply.status_code, reply.elapsed.total_seconds() >= 0.1) == (500, True)


@pytest.mark.parametrize("make", [kinds.invalid_json, kinds.not_a_number, kinds.duplicate_keys])
def test_bodies_of_errors_are_left_alone(vcenter: VCenter, client: Client, make: Callable[[], Fault]) -> None:
    """Only what was said well is spoilt."""
    vcenter.faults.inject("*", make())
    assert client.call("GET", images("domain-c404")).json()["error_type"] == "NOT_FOUND"
