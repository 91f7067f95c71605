"""What each function asks of AWS, and whether its role allows that and no more."""

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from esx_drift.errors import EsxDriftError
from esx_drift.notifying.receipts import LOOKED_UP_AFTER

from tests.unit.functions.conftest import HANDLERS, Deployed
from tests.unit.functions.test_cost_table import Meter, deliver, meter, play_life
from tests.unit.functions.test_events import AFTER, EVENT_FILES
from tests.unit.rights import Asked, allows, covers, list_role_statements
from tests.unit.template.application import listed

__all__ = ["meter"]

ROLES: Final = {name: f"{name.capitalize()}Role" for name in HANDLERS}

ACTIONS: Final = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
    "SendMessage": "sqs:SendMessage",
    "ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "Publish": "sns:Publish",
    "GetSecretValue": "secretsmanager:GetSecretValue",
    "Sign": "kms:Sign",
    "Verify": "kms:Verify",
    "GetPublicKey": "kms:GetPublicKey",
}
"""The right that each call takes (https://docs.aws.amazon.com/service-authorization/latest/reference/)."""

BUCKETS: Final = {"audit": "AuditBucket", "state": "StateBucket"}

USED_BY_LAMBDA: Final = {"Log", "KeepLostRuns", "RecordTraces", "ConnectToTheVpc", "TellMissingFrom403"}
"""Statements of what Lambda does in a role's name, and of who gets 404, not 403, for what is missing."""

NOT_PLAYED: Final = {
    "DecryptSecrets",
    "UseTheDataKey",
    "ReadTheHeartbeat",
    "TellAmazonQ",
    "ListCopies",
    "KeepCopies",
}
"""Statements that a parameter of the stack brings: their tests stand beside those of what uses them."""

POLLED: Final = frozenset(
    {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
)
"""What Lambda does with a queue that invokes a function
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""


def _name_subject(operation: str, params: Mapping[str, Any]) -> str:
    match params:
        case {"Bucket": bucket}:
            return "/".join(filter(None, (BUCKETS[bucket], params.get("Key"))))
        case {"QueueUrl": url}:
            name = str(url).rpartition("/")[2]
            return f"{name[: -len('QueueDead')]}DeadLetterQueue" if name.endswith("QueueDead") else name
        case {"TopicArn": topic}:
            return str(topic).rpartition(":")[2]
        case {"SecretId": secret}:
            return f"secret:{secret}"
        case {"KeyId": _}:
            return "SigningKey"
    raise AssertionError(operation, params)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Asked]:
    """What each function asks for while it is invoked, by its name."""
    found: dict[str, Asked] = defaultdict(set)
    running: list[str] = []
    invoke, call = Deployed.invoke, vars(BaseClient)["_make_api_call"]

    def invoke_noted(deployed: Deployed, function: str, event: dict[str, Any]) -> Any:  # noqa: ANN401 -- as there
        running.append(function)
        try:
            return invoke(deployed, function, event)
        finally:
            running.pop()

    def call_noted(client: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- boto3's
        if running:
            found[running[-1]].add((ACTIONS[operation], _name_subject(operation, params)))
        return call(client, operation, params)

    monkeypatch.setattr(Deployed, "invoke", invoke_noted)
    monkeypatch.setattr(BaseClient, "_make_api_call", call_noted)
    return found


def _hide_all_clusters(meter: Meter) -> None:
    """Let the dispatcher meet what it tells of by itself."""
    for cluster in meter.deployed.vcenter.inventory.clusters.values():
        meter.deployed.vcenter.inventory.hide_cluster(cluster.name)
    meter.invoke(None, "dispatcher", deliver(meter.run()))


def _let_slack_wait(meter: Meter) -> None:
    """Let the sender meet a Slack that asks to wait, with what is so late that it may be over."""
    ((_, event),) = (each for each in meter.sent if each[0] == "NotifyQueue")
    meter.invoke(None, "notifier", deliver(event))
    ((_, delivery),) = meter.sent
    meter.deployed.slack.refuse("rate_limited", retry_after_seconds=30)
    meter.deployed.ahead += LOOKED_UP_AFTER
    meter.invoke(None, "sender", deliver(delivery))


def _list_refused(asked: Mapping[str, Asked]) -> list[tuple[str, str, str]]:
    return [
        (function, *each)
        for function, those in sorted(asked.items())
        for each in sorted(those)
        if not allows(list_role_statements(ROLES[function]), *each)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", EVENT_FILES, ids=lambda path: path.stem)
def test_a_role_allows_what_an_example_takes(
    path: Path, deployed: Deployed, asked: Mapping[str, Asked]
) -> None:
    """Whatever comes of it: also of what is refused."""
    for name in filter(None, (AFTER.get(path.stem), path.stem)):
        event = json.loads(path.with_stem(name).read_text())
        deployed.vouch_for(event)
        with suppress(EsxDriftError):
            deployed.invoke(path.stem.partition("-")[0], event)
    deployed.deliver_each()
    assert _list_refused(asked) == []


@pytest.mark.slow
def test_a_role_allows_what_a_life_takes_and_no_more(asked: Mapping[str, Asked], meter: Meter) -> None:
    """Each statement is used by a call of that life, or by Lambda itself: what nobody uses, nobody gets."""
    play_life(meter)
    _hide_all_clusters(meter)
    _let_slack_wait(meter)
    assert _list_refused(asked) == []
    unused = [
        (role, statement["Sid"])
        for function, role in ROLES.items()
        for statement in list_role_statements(role)
        if statement["Effect"] == "Allow"
        and statement["Sid"] not in USED_BY_LAMBDA | NOT_PLAYED
        and not set(listed(statement["Action"])) <= POLLED
        and not any(covers(statement, *each) for each in asked[function])
    ]
    assert sorted(unused) == []


FORBIDDEN: Final = (
    ("Notifier", "secretsmanager:GetSecretValue", "secret:esx-drift/vcenter/vc01"),
    ("Notifier", "secretsmanager:GetSecretValue", "secret:esx-drift/slack/ops"),
    ("Notifier", "s3:PutObject", "AuditBucket/records/vcenter=v/cluster=c/0000000001.json"),
    ("Notifier", "sns:Publish", "DriftTopic"),
    ("Sender", "secretsmanager:GetSecretValue", "secret:esx-drift/vcenter/vc01"),
    ("Sender", "s3:PutObject", "AuditBucket/deliveries/groups/route=ops/1.json"),
    ("Sender", "s3:PutObject", "AuditBucket/records/vcenter=v/cluster=c/0000000001.json"),
    ("Sender", "sqs:SendMessage", "CheckQueue"),
    ("Reporter", "secretsmanager:GetSecretValue", "secret:esx-drift/slack/ops"),
    ("Reporter", "s3:PutObject", "AuditBucket/records/vcenter=v/cluster=c/0000000001.json"),
    ("Reporter", "sqs:SendMessage", "CheckQueue"),
    ("Dispatcher", "s3:PutObject", "AuditBucket/documents/vcenter=v/cluster=c/1.json.gz"),
    ("Dispatcher", "s3:PutObject", "StateBucket/config/fleet.json"),
    ("Dispatcher", "secretsmanager:GetSecretValue", "secret:esx-drift/slack/ops"),
    ("Checker", "secretsmanager:GetSecretValue", "secret:esx-drift/slack/ops"),
    ("Checker", "secretsmanager:GetSecretValue", "secret:other/vcenter/vc01"),
    ("Checker", "s3:PutObject", "StateBucket/config/fleet.json"),
    ("Checker", "s3:PutObject", "AuditBucket/deliveries/1/ops.json"),
    ("Sealer", "s3:PutObject", "AuditBucket/records/vcenter=v/cluster=c/0000000001.json"),
    ("Sealer", "secretsmanager:GetSecretValue", "secret:esx-drift/vcenter/vc01"),
    ("Sealer", "sns:Publish", "DriftTopic"),
    *(
        (role, "kms:Sign", "SigningKey")
        for role in ("Dispatcher", "Checker", "Notifier", "Sender", "Reporter")
    ),
    *(
        (role.removesuffix("Role"), action, subject)
        for role in ROLES.values()
        for action, subject in (
            ("s3:DeleteObject", "AuditBucket/records/x"),
            ("s3:DeleteObjectVersion", "AuditBucket/records/x"),
            ("s3:DeleteObject", "StateBucket/state/x"),
            ("s3:BypassGovernanceRetention", "AuditBucket/records/x"),
            ("s3:PutObjectRetention", "AuditBucket/records/x"),
            ("s3:PutBucketPolicy", "AuditBucket"),
            ("kms:PutKeyPolicy", "SigningKey"),
            ("secretsmanager:PutSecretValue", "secret:esx-drift/vcenter/vc01"),
            ("iam:PassRole", "CheckerRole"),
            ("lambda:UpdateFunctionCode", "CheckerFunction"),
        )
    ),
)


@pytest.mark.parametrize(("who", "action", "subject"), FORBIDDEN)
def test_a_role_is_refused_what_is_none_of_its_business(who: str, action: str, subject: str) -> None:
    """Whoever takes over one function gets at nothing that is another's."""
    assert not allows(list_role_statements(f"{who}Role"), action, subject)
