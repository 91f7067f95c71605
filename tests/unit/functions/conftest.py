"""An AWS in the test's own process, a vCenter and a Slack on loopback, and what Lambda gives a handler."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters.audit_store import S3Deliveries, S3Store
from esx_drift.domain.deliveries import build_event_delivery
from esx_drift.domain.dispatching.run import Run, build_blank_dispatch
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import RecordHeading, build_empty_state, build_record
from esx_drift.domain.text.times import parse_time
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from functions.checker import app as checker
from functions.dispatcher import app as dispatcher
from functions.notifier import app as notifier
from functions.reporter import app as reporter
from functions.sealer import app as sealer
from functions.sender import app as sender
from tests.paths import EVENTS
from tests.simulator import SlackReceiver, Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.fleets import fleet
from tests.unit.simulated_aws import REGION, set_credentials, sign_digests, simulated_aws

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import ExpectedCluster, Record
    from mypy_boto3_sqs import SQSClient

QUEUES = ("CheckQueue", "RetryQueue", "NotifyQueue", "DeliveryQueue")
HANDLERS = {
    "checker": checker.handler,
    "dispatcher": dispatcher.handler,
    "notifier": notifier.handler,
    "reporter": reporter.handler,
    "sealer": sealer.handler,
    "sender": sender.handler,
}
RUN_ID: Final = "5f1c6b0e-7d1f-4c39-9b6e-0a8d9c1e2f30"
"""The run of the example events."""
OWN_ROLE_IDS = ("AROADISPATCHEREXAMPLE", "AROACHECKEREXAMPLE")
SECRETS = (PASSWORD, "/services/")
"""What no log may hold: the account's password, and the part of a webhook's address that is the key to it."""


@dataclass(slots=True)
class Context:
    """Lambda's context, as far as handlers read it."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:function"
    aws_request_id: str = RUN_ID
    remaining_ms: int = 120_000

    def get_remaining_time_in_millis(self) -> int:
        """What the test says."""
        return self.remaining_ms


@pytest.fixture
def context() -> Context:
    """A context with all the time there is."""
    return Context()


@dataclass(slots=True)
class FunctionLog:
    """What a function wrote to its log."""

    stream: StringIO = field(default_factory=StringIO)

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    def lines(self, message: str | None = None) -> list[dict[str, Any]]:
        """Its lines, or just those that say this."""
        found: list[dict[str, Any]] = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in found if message in {None, line["message"]}]


@pytest.fixture
def function_log(monkeypatch: pytest.MonkeyPatch) -> FunctionLog:
    """The log of whatever function is invoked."""
    made = FunctionLog()
    (handler,) = logging.getLogger(os.environ["POWERTOOLS_SERVICE_NAME"]).handlers
    monkeypatch.setattr(handler, "stream", made.stream)
    return made


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """An AWS for boto3, whatever this machine's own settings are: one a module, since clients are slow."""
    made = (clients.s3, clients.sqs, clients.sns, clients.secrets_manager, clients.kms)
    with pytest.MonkeyPatch.context() as patch, simulated_aws():
        set_credentials(patch)
        sign_digests(patch)
        for client in made:
            client.cache_clear()
        yield
    for client in made:
        client.cache_clear()


@pytest.fixture
def aws(cloud: None) -> None:  # noqa: ARG001 -- moto must be on
    """It, empty."""
    for backend in (s3_backends, sqs_backends, sns_backends, secretsmanager_backends, kms_backends):
        backend.reset()


@pytest.fixture
def vcenter(slack_tls: Tls) -> Iterator[VCenterServer]:
    """A vCenter of one cluster with two hosts, extracted once. The certificate is good for any loopback."""
    made = VCenter()
    cluster = made.inventory.add_cluster("prod-a")
    for number in (1, 2):
        made.inventory.add_host(cluster, f"esx0{number}")
    made.extract_all()
    with VCenterServer(made, tls=slack_tls) as running:
        yield running
    assert made.sessions.open_count == 0


@dataclass(slots=True)
class Deployed:
    """The functions with all that the template gives them.

    ``urls`` are those of the queues, by logical id; ``ahead`` is how far the sender's clock is ahead.
    """

    context: Context
    vcenter: VCenter
    slack: SlackReceiver
    sqs: "SQSClient"
    urls: dict[str, str] = field(default_factory=dict)
    ahead: timedelta = timedelta()

    def invoke(self, function: str, event: dict[str, Any]) -> Any:  # noqa: ANN401 -- each replies another shape
        """The reply of a handler."""
        handler: Callable[..., Any] = HANDLERS[function]
        return handler(event, self.context)

    def put_fleet(self, document: object) -> None:
        """Put a fleet file where the functions read it."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        clients.s3().put_object(Bucket="state", Key="config/fleet.json", Body=body)

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue, delayed ones included."""
        names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())

    def list_each(self) -> None:
        """Let the RetryQueue invoke the function with each message that waits, by itself."""
        for event in self.receive_each("RetryQueue"):
            assert self.invoke("dispatcher", event) == {"batchItemFailures": []}

    def deliver_each(self) -> list[Any]:
        """Let the DeliveryQueue invoke the sender with each message that it hands out now; its replies.

        Each comes when its route may be asked again.
        """
        replies = []
        for event in self.receive_each("DeliveryQueue"):
            replies.append(self.invoke("sender", event))
            self.ahead += timedelta(seconds=2)
        return replies

    def receive_each(self, queue: str) -> list[dict[str, Any]]:
        """What Lambda makes of each message that a queue hands out now."""
        received = self.sqs.receive_message(
            QueueUrl=self.urls[queue],
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [
            {
                "Records": [
                    {
                        "messageId": message["MessageId"],
                        "receiptHandle": message["ReceiptHandle"],
                        "body": message["Body"],
                        "attributes": message["Attributes"],
                    }
                ]
            }
            for message in received.get("Messages", [])
        ]

    def vouch_for(self, event: Mapping[str, Any]) -> None:
        """Keep what vouches for a batch: the record of each CloudEvent, of a check's run and of a retry's."""
        self._keep_events(event)
        for message in event.get("Records", []):
            with suppress(ValueError, KeyError, TypeError):
                request = json.loads(message["body"])
                if request.get("action") == "check":
                    asked: ExpectedCluster = {
                        "cluster": request["cluster"],
                        "name": request["cluster_name"],
                        "request_id": request["request_id"],
                        "listed": True,
                    }
                    self._keep_dispatch(request, request["run_id"], expected=[asked])
                elif "delivery_id" in request:
                    self._keep_delivery(request)
                elif "dispatch_seq" in request:
                    self._keep_dispatch(request, RUN_ID, retry_after_seconds=600)

    def _keep_delivery(self, message: Mapping[str, Any]) -> None:
        """Keep what the example messages of the sender are about: the event of notifier-drift."""
        (drift,) = json.loads((EVENTS / "notifier-drift.json").read_text())["Records"]
        made_at = parse_time(message["created_at"])
        delivery = build_event_delivery(message["route"], [json.loads(drift["body"])], made_at)
        S3Deliveries(clients.s3, "audit").put_delivery(delivery)

    def _keep_dispatch(self, request: Mapping[str, Any], run_id: str, **intention: object) -> None:
        heading: RecordHeading = {
            "vcenter": request["vcenter"],
            "cluster": VCENTER_LOG,
            "cluster_name": None,
            "seq": request["dispatch_seq"],
            "request_id": str(uuid4()),
            "run_id": run_id,
            "started_at": "2026-01-05T02:14:00.000Z",
            "code_version": "test",
            "fleet_sha256": "f" * 64,
        }
        record = build_record(heading, "dispatched", datetime.now(UTC), build_empty_state())
        dispatch = {**build_blank_dispatch(Run(run_id, "schedule")), **intention}
        S3Store(clients.s3, "audit", "state").put_record(
            cast("Record", {**record, "dispatch": dispatch, "before_sha256": "0" * 64})
        )

    def _keep_events(self, event: Mapping[str, Any]) -> None:
        kept: dict[str, list[Any]] = {}
        for message in event.get("Records", []):
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(message["body"])
                kept.setdefault(told["data"]["record"].removeprefix("s3://audit/"), []).append(told)
        for key, events in kept.items():
            clients.s3().put_object(Bucket="audit", Key=key, Body=json.dumps({"events": events}).encode())

    def stored(self, key: str) -> bytes:
        """A record of the trail, by its key below ``records/``."""
        return clients.s3().get_object(Bucket="audit", Key=f"records/{key}")["Body"].read()

    def records(self) -> list[str]:
        """The keys of the records in the trail."""
        found = clients.s3().list_objects_v2(Bucket="audit", Prefix="records/")
        return [one["Key"].removeprefix("records/") for one in found.get("Contents", [])]


@pytest.fixture
def deployed(
    aws: None,  # noqa: ARG001 -- moto must be on before a client is made
    vcenter: VCenterServer,
    slack: SlackReceiver,
    slack_authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    context: Context,
) -> Deployed:
    """A fleet of a vCenter that is well and one that is not there, and one route."""
    made = Deployed(context, vcenter.vcenter, slack, clients.sqs())
    s3 = clients.s3()
    for bucket in ("audit", "state"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for queue in QUEUES:
        dead = made.sqs.create_queue(QueueName=f"{queue}Dead")["QueueUrl"]
        redrive = {
            "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:{queue}Dead",
            "maxReceiveCount": 3,
        }
        attributes: Any = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "1800"}
        made.urls[queue] = made.sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]
        made.urls[f"{queue}Dead"] = dead
    environment = {
        "AUDIT_BUCKET": "audit",
        "STATE_BUCKET": "state",
        "CHECK_QUEUE_URL": made.urls["CheckQueue"],
        "RETRY_QUEUE_URL": made.urls["RetryQueue"],
        "NOTIFY_QUEUE_URL": made.urls["NotifyQueue"],
        "DELIVERY_QUEUE_URL": made.urls["DeliveryQueue"],
        "DELIVERY_DEAD_LETTER_QUEUE_URL": made.urls["DeliveryQueueDead"],
        "DRIFT_TOPIC_ARN": clients.sns().create_topic(Name="DriftTopic")["TopicArn"],
        "CHECK_INTERVAL_HOURS": "4",
        "OWN_ROLE_IDS": ",".join(OWN_ROLE_IDS),
        "SECRET_PREFIX": "esx-drift",
        "WEBHOOK_HOSTS": "hooks.slack.com,127.0.0.1",
        "AMAZON_Q_TOPIC_ARN": "",
        "DAILY_REPORT_HOUR": "7",
        "REPORT_TIME_ZONE": "UTC",
        "HEARTBEAT": "DISABLED",
        "SIGNING_KEY_ID": _make_signing_key(),
        "SEAL_COPY_BUCKET": "",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    read_clock = sender._now  # noqa: SLF001  # what it is set to goes on from it
    monkeypatch.setattr(sender, "_now", lambda: read_clock() + made.ahead)
    made.put_fleet(fleet(routes=[{"name": "ops"}]))
    _put_secrets(vcenter, slack, slack_authority)
    return made


def _make_signing_key() -> str:
    made = clients.kms().create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return made["KeyMetadata"]["KeyId"]


def _put_secrets(vcenter: VCenterServer, slack: SlackReceiver, authority: Authority) -> None:
    account = {"username": USER, "password": PASSWORD, "ca_bundle": authority.pem}
    # Nothing listens on a port that is reserved.
    secrets = {
        "vcenter/vc01": {"host": vcenter.host, "port": vcenter.port, **account},
        "vcenter/vc02": {"host": vcenter.host, "port": 1, **account},
        "slack/ops": {"url": slack.webhook, "ca_bundle": authority.pem},
    }
    client = clients.secrets_manager()
    for name, value in secrets.items():
        client.create_secret(Name=f"esx-drift/{name}", SecretString=json.dumps(value))
