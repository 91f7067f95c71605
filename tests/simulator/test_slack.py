from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import requests

from tests.simulator import SlackReceiver
from tests.simulator.slack import REFUSALS


@pytest.fixture
def slack() -> Iterator[SlackReceiver]:
    """A Slack that takes webhooks."""
    with SlackReceiver() as receiver:
        yield receiver


def _post(slack: SlackReceiver, http: requests.Session, payload: Any) -> tuple[int, str]:  # noqa: ANN401 - any JSON
    reply = http.post(slack.webhook, json=payload, timeout=5)
    return reply.status_code, reply.text


def _section(text: str, **more: object) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def test_a_good_message_is_answered_ok_and_kept_as_received(
    slack: SlackReceiver, http: requests.Session
) -> None:
    """In order."""
    payloads = [{"text": "one"}, {"text": "two", "blocks": [_section("*two*")]}]
    assert [_post(slack, http, payload) for payload in payloads] == [(200, "ok")] * 2
    assert slack.accepted == payloads


@pytest.mark.parametrize(
    ("body", "answer"),
    [("", "invalid_payload"), ("[]", "invalid_payload"), ("{", "invalid_payload"), ("{}", "no_text")],
)
def test_what_is_no_message_is_refused(
    slack: SlackReceiver, http: requests.Session, body: str, answer: str
) -> None:
    """With Slack's own words."""
    reply = http.post(slack.webhook, data=body, timeout=5)
    assert (reply.status_code, reply.text) == (400, answer)


@pytest.mark.parametrize("answer", REFUSALS)
def test_each_refusal_can_be_scripted(slack: SlackReceiver, http: requests.Session, answer: str) -> None:
    """For the next request only; it is kept, but not accepted."""
    slack.refuse(answer, retry_after_seconds=3)
    reply = http.post(slack.webhook, json={"text": "hello"}, timeout=5)
    assert (reply.status_code, reply.text) == (REFUSALS[answer], answer)
    assert reply.headers["Retry-After"] == "3"
    assert _post(slack, http, {"text": "again"}) == (200, "ok")
    assert [request.answer for request in slack.received] == [answer, "ok"]
    assert slack.accepted == [{"text": "again"}]


def test_an_unknown_webhook_is_no_service(slack: SlackReceiver, http: requests.Session) -> None:
    """404, as after its deletion."""
    reply = http.post(slack.webhook_of("/services/T000/B000/OTHER"), json={"text": "hello"}, timeout=5)
    assert (reply.status_code, reply.text) == (404, "no_service")


_TEXT = {"type": "plain_text", "text": "x"}
AT_LIMIT: list[list[dict[str, Any]]] = [
    [{"type": "divider"}] * 50,
    [_section("x" * 3000)],
    [{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}],
    [_section("x", fields=[_TEXT] * 10)],
    [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2000}]}],
    [{"type": "context", "elements": [_TEXT] * 10}],
    [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [_TEXT | {"type": "text"}]}],
        }
    ],
    [{"type": "actions", "elements": [{"type": "button", "text": _TEXT, "url": "https://example.org/"}]}],
]
BEYOND: list[list[Any]] = [
    [{"type": "divider"}] * 51,
    [_section("x" * 3001)],
    [_section("")],
    [{"type": "section"}],
    [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
    [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
    [_section("x", fields=[_TEXT] * 11)],
    [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
    [{"type": "context", "elements": [_TEXT] * 11}],
    [{"type": "context", "elements": []}],
    [{"type": "rich_text", "elements": []}],
    [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}],
        }
    ],
    [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}],
    [{"type": "unheard_of"}],
    ["text"],
]


@pytest.mark.parametrize("blocks", AT_LIMIT)
def test_blocks_at_a_limit_pass(slack: SlackReceiver, http: requests.Session, blocks: list[object]) -> None:
    """The limit itself is allowed."""
    assert _post(slack, http, {"text": "x", "blocks": blocks}) == (200, "ok")


@pytest.mark.parametrize("blocks", BEYOND)
def test_blocks_beyond_a_limit_are_refused(
    slack: SlackReceiver, http: requests.Session, blocks: list[object]
) -> None:
    """One more is not."""
    assert _post(slack, http, {"text": "x", "blocks": blocks}) == (400, "invalid_blocks")


def test_blocks_too_long_in_all_are_refused(slack: SlackReceiver, http: requests.Session) -> None:
    """Though each is within its own limit."""
    blocks = [_section("x" * 3000)] * 5
    assert _post(slack, http, {"text": "x", "blocks": blocks}) == (400, "msg_blocks_too_long")


def test_waiting_ends_when_the_condition_holds_or_time_is_over(slack: SlackReceiver) -> None:
    """No polling, no sleep."""
    assert not slack.wait_for(lambda received: len(received) > 0, timeout_seconds=0.01)
    sender = Thread(target=requests.post, args=(slack.webhook,), kwargs={"json": {"text": "x"}, "timeout": 5})
    sender.start()
    assert slack.wait_for(lambda received: len(received) == 1, timeout_seconds=5)
    sender.join()
    slack.clear()
    assert slack.received == []
