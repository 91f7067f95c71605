"""Whatever JSON a function is invoked with, or finds in its queue: handled, or refused in one sentence."""

import json
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from esx_drift.errors import ContractViolation, EsxDriftError, RequestRefused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.paths import EVENTS
from tests.unit.functions.conftest import HANDLERS, Deployed, FunctionLog

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "messageId": TEXT | ANY,
        "receiptHandle": st.just("handle") | ANY,
        "body": ANY.map(json.dumps) | TEXT | ANY,
        "attributes": st.just({"ApproximateReceiveCount": "1"}) | ANY,
    },
)
PAYLOAD = (
    ANY
    | st.fixed_dictionaries({"Records": ANY | st.lists(MESSAGE | ANY, max_size=3)})
    | st.fixed_dictionaries({"doctor": ANY.filter(lambda asked: not isinstance(asked, dict))})
    | st.fixed_dictionaries({"clusters": ANY | st.lists(ANY, min_size=1)})
    | st.dictionaries(st.sampled_from(["Records", "doctor", "clusters", "x"]), st.none(), min_size=1)
)
REFUSALS = (ContractViolation, RequestRefused)
NOTHING: Any = ({}, {"Records": []})
"""What is no odd payload: the schedule's own, and a batch of no messages."""


def _invoke(deployed: Deployed, function: str, payload: object) -> EsxDriftError | None:
    handler = cast("Callable[[object, object], Any]", HANDLERS[function])
    try:
        reply = handler(payload, deployed.context)
    except EsxDriftError as error:
        return error
    assert reply["batchItemFailures"] or payload in NOTHING
    return None


@pytest.mark.parametrize("function", HANDLERS)
@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "",
        0,
        True,
        {"Records": None},
        {"Records": {}},
        {"Records": [None]},
        {"Records": [{}]},
        {"Records": [{"messageId": "1", "receiptHandle": "", "body": None, "attributes": {}}]},
        {"Records": [{"messageId": "1", "receiptHandle": "", "body": "", "attributes": {}}]},
        {"doctor": None},
        {"doctor": []},
        {"clusters": None},
    ],
    ids=repr,
)
def test_an_odd_payload_is_refused_in_one_sentence(
    deployed: Deployed, function: str, payload: object
) -> None:
    """Before anything is done, and saying what was expected."""
    refusal = _invoke(deployed, function, payload)
    assert type(refusal) is ContractViolation
    assert refusal.message.startswith("not a valid ")
    assert "expected" in refusal.message
    assert deployed.records() == []
    assert not deployed.vcenter.requests
    assert deployed.slack.received == []


@pytest.mark.parametrize("function", ["checker", "sender"])
@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "",
        0,
        True,
        {"vcenters": None},
        {"vcenters": []},
        {"vcenters": [None]},
        {"vcenters": ["vc01", "vc01"]},
        {"vcenters": {"vc01": True}},
        {"reset": None},
        {"reset": ["vc01"]},
        {"send": None},
        {"send": "yes"},
        {"send": 1},
        {"password": "x"},
    ],
    ids=repr,
)
def test_the_doctor_refuses_what_it_does_not_understand(
    deployed: Deployed, function: str, asked: object
) -> None:
    """As any function does: no vCenter is asked, no password tried, and nothing is posted."""
    refusal = _invoke(deployed, function, {"doctor": asked})
    assert type(refusal) is ContractViolation
    assert refusal.message.startswith("not a valid doctor-request: ")
    assert not deployed.vcenter.requests
    assert deployed.slack.received == []


@pytest.mark.parametrize("function", HANDLERS)
@given(payload=PAYLOAD.filter(lambda payload: payload not in NOTHING))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_payload_raises_anything_but_a_refusal(
    deployed: Deployed, function: str, payload: object, function_log: FunctionLog
) -> None:
    """And no message of a batch is a bug: each goes back to the queue for what it is."""
    refusal = _invoke(deployed, function, payload)
    assert refusal is None or isinstance(refusal, REFUSALS)
    reasons = {line["reason"] for line in function_log.lines("message not handled")}
    assert reasons <= {"request-refused"}
    assert deployed.slack.received == []


@pytest.mark.parametrize("function", HANDLERS)
def test_a_payload_nested_far_too_deeply_is_refused(deployed: Deployed, function: str) -> None:
    """Lambda itself reads what Python's own reader can."""
    payload: list[object] = []
    for _ in range(200_000):
        payload = [payload]
    for event in ({"Records": payload}, {"doctor": payload}, {"clusters": payload}):
        refusal = _invoke(deployed, function, event)
        assert isinstance(refusal, ContractViolation)


@pytest.mark.parametrize("function", ["checker", "dispatcher", "notifier"])
@given(body=ANY.map(json.dumps) | TEXT)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_message_takes_another_with_it(
    deployed: Deployed, function: str, body: str, function_log: FunctionLog
) -> None:
    """Whatever text it holds; the good one beside it is not among the failures."""
    good = {"checker": "checker-collect", "dispatcher": "dispatcher-retry", "notifier": "notifier-drift"}
    event = json.loads((EVENTS / f"{good[function]}.json").read_text())
    deployed.vouch_for(event)
    body = body.encode("utf-8", "replace").decode()
    odd = {**event["Records"][0], "messageId": str(uuid4()), "body": body}
    reply = deployed.invoke(function, {"Records": [odd, *event["Records"]]})
    assert [one["itemIdentifier"] for one in reply["batchItemFailures"]] == [odd["messageId"]]
    assert {line["reason"] for line in function_log.lines("message not handled")} == {"request-refused"}
