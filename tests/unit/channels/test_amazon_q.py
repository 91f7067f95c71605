import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber
from esx_drift.adapters.secrets import Secrets
from esx_drift.channels import ChannelSettings, open_channels
from esx_drift.channels.amazon_q import (
    MAX_NOTIFICATION_CHARACTERS,
    MAX_NOTIFICATION_TITLE_CHARACTERS,
    AmazonQChannel,
    escape_markdown,
    render_drill_notification,
    render_notification,
)
from esx_drift.doctoring.doctor import RouteDoctor
from esx_drift.domain.events import MessageContent, NextStep
from esx_drift.domain.fleet.fleet import build_fleet
from esx_drift.domain.stored.types import Event, Json
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import WebhookRefused, WebhookUnavailable
from esx_drift.messages.content import has_content
from esx_drift.messages.groups import build_group_content
from hypothesis import example, given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from tests.paths import GOLDEN
from tests.unit.events import Check, build_events, tellings
from tests.unit.simulated_aws import REGION

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

MESSAGES = GOLDEN / "messages"
FIELDS = {"textType", "title", "description", "nextSteps", "keywords"}
METADATA = {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}
DRIFT = MessageContent("drift", ("esx01",), (), None, ())


def _find_cases() -> list[Path]:
    return [path for path in sorted(MESSAGES.iterdir()) if (path / "amazon-q.json").exists()]


def _read_event(case: str) -> Event:
    event: Event = json.loads((MESSAGES / case / "event.json").read_text())
    return event


def _post_of(*events: Event) -> MessageContent:
    return build_group_content(events, parse_time(events[0]["data"]["checked_at"]))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts([*value.values()])


def test_some_messages_are_shown() -> None:
    """A table of no case would hold nothing."""
    assert len(_find_cases()) >= 3


@pytest.mark.parametrize("case", _find_cases(), ids=lambda case: case.name)
def test_a_message_reads_as_agreed(case: Path, refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """An ``amazon-q.json`` beside an event asks for it; --refresh-goldens writes it anew."""
    shown = render_notification(_post_of(_read_event(case.name)))
    said = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
    golden = case / "amazon-q.json"
    if refresh_goldens:
        golden.write_text(said)
    assert golden.read_text() == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vmw_ahci 1.2 (01:14:05 UTC), 50 %", "vmw_ahci 1.2 (01:14:05 UTC), 50 %"),
        ("s3://audit/records/vcenter=vc01/1.json", "s3://audit/records/vcenter=vc01/1.json"),
        ("<!channel>", "\uff1c!channel\uff1e"),
        ("*b* ~s~ `c` _i_", "\uff0ab\uff0a \uff5es\uff5e \uff40c\uff40 \uff3fi\uff3f"),
        ("[x](https://evil)", "\uff3bx\uff3d(https\uff1a//evil)"),
        ("HTTP://evil :tada: @here #ops", "HTTP\uff1a//evil \uff1atada: \uff20here \uff03ops"),
    ],
)
def test_markdown_is_shown_and_not_read(text: str, shown: str) -> None:
    """In full-width forms; what means nothing stays as it is."""
    assert escape_markdown(text) == shown


@given(st.text())
@example("_a_b_ :x_y: mailto:a")
def test_any_text_is_free_of_markdown(text: str) -> None:
    """As long as before, and no other character is touched."""
    shown = escape_markdown(text)
    assert len(shown) == len(text)
    assert not {*shown} & {*"*~`<>&[]#@|\\"}
    changed = {one for one, other in zip(text, shown, strict=True) if one != other}
    assert changed <= {*"*~`<>&[]#@|\\_:"}
    assert escape_markdown(shown) == shown


@given(tellings())
def test_every_notification_is_small_enough_and_holds_no_markup(check: Check) -> None:
    """Whatever the names; only commands are code, and those stand there as they are typed."""
    for event in build_events(check):
        if not has_content(event["type"]):
            continue
        content = _post_of(event)
        shown: Any = render_notification(content)
        commands = [f"`{one}`" for one in content.next_step.commands] if content.next_step else []
        assert len(json.dumps(shown)) <= MAX_NOTIFICATION_CHARACTERS
        assert len(shown["content"]["title"]) <= MAX_NOTIFICATION_TITLE_CHARACTERS
        assert (shown["version"], shown["source"]) == ("1.0", "custom")
        assert shown["content"].keys() <= FIELDS
        assert shown["metadata"].keys() <= METADATA
        texts = [text for text in _texts(shown) if text not in commands]
        assert not {*"".join(texts)} & {*"*~`<>&[]#@|\\"}


def test_a_command_that_code_would_change_is_not_shown() -> None:
    """Whoever pasted it would do something else."""
    step = NextStep("do it:", "esx-drift retire '<!here>'", ("esx-drift status",))
    shown: Any = render_notification(MessageContent("t", (), (), step, ()))
    first, second, third = shown["content"]["nextSteps"]
    assert (first, third) == ("do it:", "`esx-drift status`")
    assert second == "its command holds a name that chat would change: it is left out"


def test_a_finding_has_one_thread_on_its_cluster() -> None:
    """From its beginning to its end; on another cluster the same kind of finding has another."""
    began, ended = _read_event("orphaned-vib-appeared"), _read_event("orphaned-vib-appeared")
    ended["type"] = "esx-drift.orphaned-vib.resolved"
    for finding in ended["data"]["findings"]:
        finding["transition"] = "resolved"
    elsewhere = _read_event("orphaned-vib-appeared")
    assert elsewhere["data"]["cluster"] is not None
    elsewhere["data"]["cluster"]["id"] = "domain-c10"
    threads = [_post_of(event).thread for event in (began, ended, elsewhere)]
    assert threads[0] == threads[1] != threads[2]
    assert all(threads)
    assert _post_of(began, elsewhere).thread == ""
    assert _post_of(_read_event("daily")).thread == ""
    assert "threadId" not in str(render_notification(_post_of(_read_event("daily"))))


def test_the_same_notification_has_the_same_id() -> None:
    """One that is published twice is known by it; another one has another."""
    first, second = render_notification(DRIFT), render_drill_notification("ops")
    assert first["id"] == render_notification(DRIFT)["id"] != second["id"]


@pytest.fixture
def queue(aws: None) -> tuple["SNSClient", "SQSClient", str, str]:  # noqa: ARG001 -- all is in it
    """A topic, and a queue that hears it as Amazon Q would."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    return sns, sqs, *_subscribe_queue(sns, sqs)


def _subscribe_queue(sns: "SNSClient", sqs: "SQSClient") -> tuple[str, str]:
    topic = sns.create_topic(Name="amazon-q")["TopicArn"]
    url = sqs.create_queue(QueueName="amazon-q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return topic, url


def test_the_topic_gets_messages_and_drills(queue: tuple["SNSClient", "SQSClient", str, str]) -> None:
    """Both whole; the doctor says what came of a drill, and that there is no way to examine."""
    sns, sqs, topic, url = queue
    channel = AmazonQChannel(lambda: sns, topic)
    channel.post("", DRIFT)
    (route,) = build_fleet(
        {
            "schema_version": 1,
            "vcenters": [{"name": "vc01"}],
            "routes": [{"name": "ops", "channel": "amazon-q"}],
        }
    ).routes
    lines = RouteDoctor(route, channel, send=True).examine()
    assert {line["outcome"] for line in lines[:-1]} == {"skipped"}
    assert (lines[-1]["outcome"], lines[-1]["said"]) == ("ok", "Amazon Q's topic took a drill")
    came = [
        json.loads(message["Body"])
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    ]
    sent = [render_notification(DRIFT), render_drill_notification("ops")]
    assert sorted(came, key=lambda one: str(one["id"])) == sorted(sent, key=lambda one: str(one["id"]))


def test_without_a_topic_a_route_is_dead(queue: tuple["SNSClient", "SQSClient", str, str]) -> None:
    """With the parameter that is missing, or the topic that is gone; nobody asks SNS for the first."""
    sns, _, topic, _ = queue
    none = AmazonQChannel(lambda: pytest.fail("nothing is to be asked"), "")
    with pytest.raises(WebhookRefused, match="no topic for Amazon Q"):
        none.find_address("")
    with pytest.raises(WebhookRefused, match="no topic for Amazon Q") as refused:
        none.post("", DRIFT)
    assert "AmazonQTopicArn" in refused.value.facts["fix"]
    sns.delete_topic(TopicArn=topic)
    with pytest.raises(WebhookRefused, match="404 NotFound"):
        AmazonQChannel(lambda: sns, topic).post("", DRIFT)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("Throttled", 429, WebhookUnavailable),
        ("KMSThrottling", 400, WebhookUnavailable),
        ("InternalError", 500, WebhookUnavailable),
        ("AuthorizationError", 403, WebhookRefused),
        ("KMSAccessDenied", 400, WebhookRefused),
        ("InvalidParameter", 400, WebhookRefused),
    ],
)
def test_what_sns_answers(
    queue: tuple["SNSClient", "SQSClient", str, str], code: str, status: int, error: type[Exception]
) -> None:
    """What may pass by itself is tried again; the rest waits for a person."""
    sns, _, topic, _ = queue
    with Stubber(sns) as stub:
        stub.add_client_error("publish", code, http_status_code=status)
        with pytest.raises(error, match=f"SNS answered {status} {code}"):
            AmazonQChannel(lambda: sns, topic).post("", DRIFT)


def test_an_sns_that_does_not_answer(queue: tuple["SNSClient", "SQSClient", str, str]) -> None:
    """It comes again."""
    sns, _, topic, _ = queue

    def hang(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://sns.test")

    sns.meta.events.register_first("before-call.sns.Publish", hang)
    with pytest.raises(WebhookUnavailable, match="SNS gave no answer: ReadTimeoutError"):
        AmazonQChannel(lambda: sns, topic).post("", DRIFT)


def test_it_is_opened_with_the_stacks_topic_over_a_real_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the settings that the sender gives every channel; the client that sends is boto3's own."""
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        sns = boto3.client("sns", region_name=REGION, endpoint_url=endpoint)
        sqs = boto3.client("sqs", region_name=REGION, endpoint_url=endpoint)
        topic, url = _subscribe_queue(sns, sqs)
        settings = ChannelSettings(Secrets(lambda: pytest.fail("it has none")), (), lambda: sns, topic)
        with open_channels(settings) as channels:
            channels["amazon-q"].post("ops", DRIFT)
        (came,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert json.loads(came["Body"]) == render_notification(DRIFT)
    finally:
        server.stop()
