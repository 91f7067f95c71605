import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from esx_drift.adapters.secrets import list_url_secrets
from esx_drift.channels.teams import (
    MAX_CARD_CHARACTERS,
    MAX_CARD_TITLE_CHARACTERS,
    TEAMS,
    render_card,
    render_drill_card,
)
from esx_drift.channels.webhook import WebhookAnswer, WebhookChannel, WebhookSecret
from esx_drift.domain.stored.types import Json
from esx_drift.errors import (
    EsxDriftError,
    MessageRefused,
    WebhookRefused,
    WebhookThrottled,
    WebhookUnavailable,
    WebhookUnclear,
)
from esx_drift.messages.content import build_content, has_content
from hypothesis import given
from urllib3.util import parse_url

from tests.paths import GOLDEN
from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.simulator.reply import Reply, Request
from tests.simulator.server import HttpServer
from tests.unit.channels.conftest import HOSTS
from tests.unit.events import Check, build_events, tellings

SIGNATURE = "Q2xvdWRzLWFyZS1ub3QtYS1zZWNyZXQ"
PATH = f"/workflows/0a1b/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers&sv=1.0&sig={SIGNATURE}"
MESSAGES = GOLDEN / "messages"


def _find_cases() -> list[Path]:
    return [path for path in sorted(MESSAGES.iterdir()) if (path / "teams.json").exists()]


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _objects(item)


def test_some_messages_are_shown() -> None:
    """A table of no case would hold nothing."""
    assert len(_find_cases()) >= 4


@pytest.mark.parametrize("case", _find_cases(), ids=lambda case: case.name)
def test_a_message_reads_as_agreed(case: Path, refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """A ``teams.json`` beside an event asks for it; --refresh-goldens writes it anew."""
    event = json.loads((case / "event.json").read_text())
    said = json.dumps(render_card(build_content(event)), indent=2, ensure_ascii=False) + "\n"
    golden = case / "teams.json"
    if refresh_goldens:
        golden.write_text(said)
    assert golden.read_text() == said


@given(tellings())
def test_every_message_is_small_enough_and_holds_no_markup(check: Check) -> None:
    """Whatever the names: under the limit, and in text runs, which read no Markdown."""
    for event in build_events(check):
        if not has_content(event["type"]):
            continue
        message = render_card(build_content(event))
        assert len(json.dumps(message)) <= MAX_CARD_CHARACTERS
        assert len(str(message["summary"])) <= MAX_CARD_TITLE_CHARACTERS
        kinds = {one["type"] for one in _objects(message) if "type" in one}
        assert kinds == {"message", "AdaptiveCard", "RichTextBlock", "TextRun"}
        assert all(one["text"] for one in _objects(message) if one.get("type") == "TextRun")


def test_a_drill_says_that_it_is_one() -> None:
    """And nothing else."""
    (text,) = {str(one["text"]) for one in _objects(render_drill_card("ops")) if "text" in one}
    assert text.startswith("Drill:")
    assert "ops" in text


@pytest.fixture
def answers() -> list[Reply]:
    """What the workflow answers, the next one last; the first of all stays."""
    return [Reply(202, b"")]


@pytest.fixture
def workflow(answers: list[Reply], slack_tls: Tls, slack_authority: Authority) -> Iterator[WebhookChannel]:
    """The channel, with a workflow on loopback."""

    def answer(_: Request) -> Reply:
        return answers.pop() if len(answers) > 1 else answers[0]

    with HttpServer(answer, tls=slack_tls) as server:
        secret = WebhookSecret(f"{server.url}{PATH}", slack_authority.pem)
        with WebhookChannel(TEAMS, lambda _: secret, HOSTS) as channel:
            yield channel


def _raised(channel: WebhookChannel) -> EsxDriftError | None:
    try:
        channel.post_drill("ops", "ops")
    except EsxDriftError as error:
        return error
    return None


@pytest.mark.parametrize("status", range(200, 600))
def test_only_202_is_success(status: int) -> None:
    """A workflow answers 202 when it has taken the card; also 200 is no sign that it did."""
    assert TEAMS.is_posted(WebhookAnswer(status, "", "")) == (status == 202)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (202, type(None)),
        (200, WebhookUnclear),
        (400, MessageRefused),
        (401, WebhookRefused),
        (404, WebhookRefused),
        (429, WebhookThrottled),
        (502, WebhookUnavailable),
    ],
)
def test_what_its_answers_mean(
    workflow: WebhookChannel, answers: list[Reply], status: int, expected: type[EsxDriftError]
) -> None:
    """Over a real socket."""
    answers[:] = [Reply(status, b"", headers={"Retry-After": "0"})]
    assert type(_raised(workflow)) is expected


def test_its_reason_is_repeated_and_nothing_else_of_its_answer(
    workflow: WebhookChannel, answers: list[Reply]
) -> None:
    """The code is a word of its own; the message may echo what was sent."""
    answers[:] = [Reply(404, b'{"error":{"code":"WorkflowNotFound","message":"no workflow 0a1b"}}')]
    error = _raised(workflow)
    assert error is not None
    assert "answered 404 WorkflowNotFound" in error.message
    assert "0a1b" not in error.message
    answers[:] = [Reply(404, b"<html>")]
    other = _raised(workflow)
    assert other is not None
    assert other.message.endswith("answered 404")


def test_the_signature_is_in_no_error_and_no_log(
    workflow: WebhookChannel, answers: list[Reply], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has it can post: also an answer that repeats it gives it to nobody."""
    caplog.set_level(logging.DEBUG)
    echo = f'{{"error":{{"code":"{SIGNATURE}","message":"sig={SIGNATURE}"}}}}'.encode()
    for status in (400, 401, 500):
        answers[:] = [Reply(status, echo)]
        error = _raised(workflow)
        assert error is not None
        assert SIGNATURE not in "".join(traceback.format_exception(error))
    assert SIGNATURE not in caplog.text


def test_each_value_of_the_address_is_a_secret() -> None:
    """The signature by itself, as it is sent and as it is meant."""
    secrets = list_url_secrets("https://x.example/a/b?api-version=1&sig=ab%2Bc-defgh")
    assert {"ab%2Bc-defgh", "ab+c-defgh"} <= set(secrets)


@pytest.mark.parametrize(
    ("url", "is_wrong"),
    [
        (f"https://prod-1.westeurope.logic.azure.com{PATH}", False),
        ("https://prod-1.westeurope.logic.azure.com/workflows/0a1b", True),
        ("https://prod-1.westeurope.logic.azure.com/workflows/0a1b?sig=", True),
    ],
)
def test_an_address_without_its_signature_is_refused(url: str, *, is_wrong: bool) -> None:
    """It was copied in part."""
    assert (TEAMS.find_url_fault(parse_url(url)) is not None) == is_wrong
