import logging
import socket
import traceback
from collections.abc import Callable, Iterator

import pytest
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import WebhookChannel, WebhookSecret
from esx_drift.errors import (
    EsxDriftError,
    MessageRefused,
    SecretInvalid,
    WebhookRefused,
    WebhookThrottled,
    WebhookUnavailable,
    WebhookUnclear,
)

from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.simulator.reply import Delivery, Reply, Request
from tests.simulator.server import HttpServer
from tests.simulator.slack import PATH, SlackReceiver
from tests.unit.channels.conftest import HOSTS

MESSAGE = {"text": "hello"}


class Answering:
    """A webhook whose next answer a test chooses; it counts the requests."""

    def __init__(self) -> None:
        self.reply = Reply(200, b"ok")
        self.requests = 0

    def __call__(self, _: Request) -> Reply:
        """Answer as told."""
        self.requests += 1
        return self.reply


@pytest.fixture
def answering() -> Answering:
    """What the webhook of ``post`` answers with."""
    return Answering()


@pytest.fixture
def post(answering: Answering, slack_tls: Tls, slack_authority: Authority) -> Iterator[Callable[[], None]]:
    """Posts one message to the webhook that answers what the test says."""
    with HttpServer(answering, tls=slack_tls) as server:
        secret = WebhookSecret(f"{server.url}{PATH}", slack_authority.pem)
        with WebhookChannel(SLACK, lambda _: secret, HOSTS) as webhook:
            yield lambda: webhook.post_payload("ops", MESSAGE)


def _raised(post: Callable[[], None]) -> EsxDriftError | None:
    try:
        post()
    except EsxDriftError as error:
        return error
    return None


def _expected(status: int) -> type[EsxDriftError] | None:
    if status == 200:
        return None
    if status == 429:
        return WebhookThrottled
    if status < 300:
        return WebhookUnclear
    if status in {400, 413, 415, 422}:
        return MessageRefused
    return WebhookUnavailable if status in {408, 425} or status >= 500 else WebhookRefused


def test_every_status_is_success_again_or_never(answering: Answering, post: Callable[[], None]) -> None:
    """200 alone is success; 408, 425, 429 and 5xx may pass; all else is judged. None is asked twice."""
    for status in [*range(200, 204), *range(205, 304), *range(305, 600)]:
        answering.reply = Reply(status, b"ok")
        answering.requests = 0
        error = _raised(post)
        wanted = _expected(status)
        assert type(error) is (type(None) if wanted is None else wanted), status
        assert answering.requests == 1, status


@pytest.mark.parametrize("body", [b"", b"OK", b"okay", b"<html>ok</html>", b"no_text"])
def test_200_without_ok_is_no_success(answering: Answering, post: Callable[[], None], body: bytes) -> None:
    """A proxy's page is not Slack's answer; whether it was posted nobody knows."""
    answering.reply = Reply(200, body)
    assert isinstance(_raised(post), WebhookUnclear)


def test_a_message_arrives_as_it_was_given(webhook: WebhookChannel, slack: SlackReceiver) -> None:
    """Byte for byte the same JSON value."""
    webhook.post_payload("ops", MESSAGE)
    assert slack.accepted == [MESSAGE]


@pytest.mark.parametrize(
    "reason", ["action_prohibited", "invalid_token", "channel_not_found", "no_service", "channel_is_archived"]
)
def test_slacks_reason_is_told(webhook: WebhookChannel, slack: SlackReceiver, reason: str) -> None:
    """Whoever has to act reads Slack's own word."""
    slack.refuse(reason)
    with pytest.raises(WebhookRefused, match=reason):
        webhook.post_payload("ops", MESSAGE)


def test_what_is_no_reason_is_not_repeated(answering: Answering, post: Callable[[], None]) -> None:
    """A page may echo the address, so only single words of Slack's are told."""
    answering.reply = Reply(403, f"denied: {PATH}".encode())
    assert "denied" not in str(_raised(post))


def test_a_word_about_the_webhook_is_no_fault_of_the_message(
    answering: Answering, post: Callable[[], None]
) -> None:
    """It comes with the same 400 as a payload that Slack does not like."""
    for word, wanted in (("user_not_found", WebhookRefused), ("invalid_blocks", MessageRefused)):
        answering.reply = Reply(400, word.encode())
        error = _raised(post)
        assert type(error) is wanted
        assert word in str(error)


@pytest.mark.parametrize(("header", "seconds"), [("1", 1), ("", 30), ("9" * 5000, 30), ("soon", 30)])
def test_throttling_tells_how_long(
    answering: Answering, post: Callable[[], None], header: str, seconds: int
) -> None:
    """As Slack says; half a minute where it says nothing."""
    answering.reply = Reply(429, b"rate_limited", headers={"Retry-After": header} if header else {})
    error = _raised(post)
    assert isinstance(error, WebhookThrottled)
    assert error.retry_after_seconds == seconds


def test_a_redirect_is_not_followed(
    answering: Answering, post: Callable[[], None], slack: SlackReceiver
) -> None:
    """What an answer names is no allowed host."""
    answering.reply = Reply(307, b"", headers={"Location": slack.webhook})
    assert isinstance(_raised(post), WebhookRefused)
    assert slack.received == []


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.example/services/x",
        "https://127.0.0.1@evil.example/services/x",
        r"https://evil.example\@127.0.0.1/services/x",
        "https://127.0.0.1.evil.example/",
        "http://127.0.0.1/services/x",
        "https:///services/x",
    ],
)
def test_only_an_allowed_host_is_posted_to(url: str) -> None:
    """By https, and as the library that connects reads the address; the address is not told."""
    with (
        WebhookChannel(SLACK, lambda _: WebhookSecret(url, None), HOSTS) as webhook,
        pytest.raises(SecretInvalid) as caught,
    ):
        webhook.post_payload("ops", MESSAGE)
    assert "services" not in str(caught.value)
    assert "WEBHOOK_HOSTS" in str(caught.value)


def test_a_certificate_that_is_not_trusted_ends_it(slack: SlackReceiver) -> None:
    """Without its CA in the secret nothing is sent, and the sentence says what to do."""
    with (
        WebhookChannel(SLACK, lambda _: WebhookSecret(slack.webhook, None), HOSTS) as webhook,
        pytest.raises(WebhookUnavailable, match="ca_bundle"),
    ):
        webhook.post_payload("ops", MESSAGE)
    assert slack.received == []


def test_this_machines_settings_change_nothing(
    webhook: WebhookChannel, slack: SlackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its proxies nor its CA bundles."""
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, "/nowhere/ca.pem")
    webhook.post_payload("ops", MESSAGE)
    assert slack.accepted == [MESSAGE]


def test_the_address_is_in_no_error_and_no_log(
    slack: SlackReceiver, slack_authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails: refused, closed, not resolved, however loud the log."""
    caplog.set_level(logging.DEBUG)
    for answer in ("no_service", "server_error", "rate_limited"):
        slack.refuse(answer, times=3, retry_after_seconds=0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        urls = [slack.webhook] * 3 + [f"https://127.0.0.1:{deaf.getsockname()[1]}{PATH}"]
        errors = [_shown(WebhookSecret(url, slack_authority.pem)) for url in urls]
    assert all(errors)
    assert PATH not in "".join((*errors, caplog.text))


def _shown(secret: WebhookSecret) -> str:
    try:
        with WebhookChannel(SLACK, lambda _: secret, HOSTS) as webhook:
            webhook.post_payload("ops", MESSAGE)
    except EsxDriftError as error:
        return "".join(traceback.format_exception(error))
    return ""


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(is_silent=True, end="reset"),
        Delivery(is_silent=True, end="close"),
        Delivery(keep_bytes=1, end="close"),
    ],
    ids=["reset", "closed", "cut"],
)
def test_no_whole_answer_may_be_a_success(
    answering: Answering, post: Callable[[], None], delivery: Delivery
) -> None:
    """The message may have been posted: only the queue tries again."""
    answering.reply = Reply(200, b"ok", delivery=delivery)
    assert isinstance(_raised(post), WebhookUnavailable)
    assert answering.requests == 1


def test_slowness_has_an_end(
    answering: Answering, post: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that takes longer than READ_SECONDS is none."""
    monkeypatch.setattr("esx_drift.channels.webhook.WEBHOOK_READ_SECONDS", 0.05)
    answering.reply = Reply(200, b"ok", delivery=Delivery(wait_seconds=5))
    error = _raised(post)
    assert isinstance(error, WebhookUnavailable)
    assert "too long" in error.message


def test_an_answer_that_repeats_the_webhook_gives_it_away_to_nobody(
    slack_tls: Tls, slack_authority: Authority
) -> None:
    """A word that is the webhook's own last part looks like a reason of Slack's."""
    answering, token = Answering(), "tokenofthewebhook"
    with HttpServer(answering, tls=slack_tls) as server:
        url = f"{server.url}/services/T0001/B0001/{token}"
        with WebhookChannel(SLACK, lambda _: WebhookSecret(url, slack_authority.pem), HOSTS) as webhook:
            for said in (token, f"{'a' * 95}{token}", url):
                answering.reply = Reply(404, said.encode())
                error = _raised(lambda: webhook.post_payload("ops", MESSAGE))
                assert error is not None
                assert "token" not in error.message
