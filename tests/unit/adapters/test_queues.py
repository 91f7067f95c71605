"""Messages to the two queues, as SQS takes them."""

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from esx_drift.adapters.messaging import SqsQueue
from esx_drift.contracts import list_violations
from esx_drift.domain.dispatching.run import MAX_SQS_DELAY_SECONDS, build_retry_request
from esx_drift.errors import QueueUnavailable

from tests.unit.logs import request

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.usefixtures("aws")

CHECK: "CheckRequest" = {
    "schema_version": 1,
    "action": "check",
    "request_id": request(1),
    "run_id": "run",
    "vcenter": "vc01.corp",
    "cluster": "domain-c9",
    "cluster_name": "prod-a",
    "requested_at": "2026-11-23T02:14:00.000Z",
    "phase": "extract",
    "attempt": 0,
    "task": None,
    "decision": None,
}


@pytest.fixture
def sqs() -> "SQSClient":
    """SQS with the two queues."""
    client = boto3.client("sqs")
    for name in ("check", "retry"):
        client.create_queue(QueueName=name)
    return client


@pytest.fixture
def queue(sqs: "SQSClient") -> SqsQueue:
    """The two queues."""
    urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("check", "retry")]
    return SqsQueue(lambda: sqs, urls[0], urls[1])


@pytest.mark.parametrize(
    ("asked", "sent"),
    [(0, 0), (60, 60), (900, MAX_SQS_DELAY_SECONDS), (901, MAX_SQS_DELAY_SECONDS), (-1, 0)],
)
def test_a_delay_is_cut_to_what_sqs_takes(queue: SqsQueue, sqs: "SQSClient", asked: int, sent: int) -> None:
    """Who wants to wait longer comes back and waits again."""
    seen: list[dict[str, Any]] = []
    sqs.meta.events.register("provide-client-params.sqs.SendMessage", lambda params, **_: seen.append(params))
    queue.send_check(CHECK, asked)
    queue.send_retry(build_retry_request("vc01.corp", "run", 0, "vcenter-error", 1), asked)
    assert [params["DelaySeconds"] for params in seen] == [sent, sent]


def test_each_message_goes_to_its_queue_as_it_is(queue: SqsQueue, sqs: "SQSClient") -> None:
    """Grouped by the vCenter, so that a slow one keeps nobody else waiting; its schema accepts it."""
    retry = build_retry_request("vc01.corp", "run", 0, "vcenter-error", 1)
    queue.send_check(CHECK, 0)
    queue.send_retry(retry, 0)
    for url, body, schema in (
        (queue.check_queue_url, CHECK, "check-request"),
        (queue.retry_queue_url, retry, "retry-request"),
    ):
        (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
        assert json.loads(message["Body"]) == body
        assert list_violations(schema, json.loads(message["Body"])) == []
        assert message["Attributes"]["MessageGroupId"] == "vc01%2Ecorp"


def test_a_queue_that_does_not_take_a_message_is_told(sqs: "SQSClient") -> None:
    """With the vCenter that it was about; the message that caused it comes again."""
    gone = SqsQueue(lambda: sqs, "https://sqs.eu-central-1.amazonaws.com/123456789012/gone", "")
    with pytest.raises(QueueUnavailable, match="vc01"):
        gone.send_check(CHECK, 0)
