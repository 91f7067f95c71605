"""A key of one's own for all that is kept, and what is encrypted without one."""

import json
import re
from typing import Any

import pytest

from tests.paths import ROOT
from tests.unit.template.application import choose, resources, target, transformed, written

WITH = "OwnDataKey"
KEY = {"Ref": "DataKeyArn"}
FUNCTIONS = resources("AWS::Lambda::Function")


def _properties(name: str, *holding: str) -> dict[str, Any]:
    """What a resource is, where these conditions hold."""
    found: dict[str, Any] = choose(transformed()["Resources"][name]["Properties"], *holding)
    return found


def test_there_is_a_key_only_where_a_person_names_one() -> None:
    """By its ARN: policies name no aliases."""
    parameter = written()["Parameters"]["DataKeyArn"]
    assert parameter["Default"] == ""
    assert written()["Conditions"][WITH] == {"Fn::Not": [{"Fn::Equals": [KEY, ""]}]}
    key = "arn:aws:kms:eu-central-1:123456789012:key/0f-1"
    for text, fits in (
        ("", True),
        (key, True),
        ("alias/aws/s3", False),
        (key.replace("key/", "alias/"), False),
    ):
        assert bool(re.fullmatch(parameter["AllowedPattern"], text)) is fits


@pytest.mark.parametrize("name", resources("AWS::S3::Bucket"))
def test_a_bucket_is_encrypted_with_it(name: str) -> None:
    """And asks KMS once for many objects; else S3's own keys do."""
    ((mine,), (theirs,)) = (
        _properties(name, *holding)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        for holding in ((WITH,), ())
    )
    assert mine == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
    }
    assert theirs == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_nobody_encrypts_what_is_kept_with_another_key() -> None:
    """Without a header the bucket's own is taken; who sends one, names just that."""
    (denied,) = [
        each
        for each in transformed()["Resources"]["AuditBucketPolicy"]["Properties"]["PolicyDocument"][
            "Statement"
        ]
        if each["Sid"] == "NobodyEncryptsByAnotherKey"
    ]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:PutObject")
    assert denied["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/*"}
    sent = {"s3:x-amz-server-side-encryption": "false"}
    # Who names another way than KMS names no key of it: that is not equal either.
    assert choose(denied["Condition"], WITH) == {
        "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY},
        "Null": sent,
    }
    assert choose(denied["Condition"]) == {
        "StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"},
        "Null": sent,
    }


@pytest.mark.parametrize("name", resources("AWS::SQS::Queue"))
def test_a_queue_is_encrypted_with_it(name: str) -> None:
    """And asks KMS once an hour; else SQS's own keys do. SQS takes one of both."""
    kept = {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}
    mine, theirs = (
        {key: value for key, value in _properties(name, *holding).items() if key in kept}
        for holding in ((WITH,), ())
    )
    assert mine == {
        "KmsMasterKeyId": KEY,
        "KmsDataKeyReusePeriodSeconds": 3600,
        "SqsManagedSseEnabled": False,
    }
    assert theirs == {"SqsManagedSseEnabled": True}


@pytest.mark.parametrize("name", resources("AWS::SNS::Topic"))
def test_a_topic_is_encrypted_with_it(name: str) -> None:
    """Else that of events with the key of SNS; that of alarms never is: it rings where a key is off."""
    keys = {"DriftTopic": (KEY, "alias/aws/sns"), "AlarmTopic": (None, None)}
    found = (_properties(name, WITH).get("KmsMasterKeyId"), _properties(name).get("KmsMasterKeyId"))
    assert found == keys[name]


@pytest.mark.parametrize("name", resources("AWS::Logs::LogGroup"))
def test_a_log_is_encrypted_with_it(name: str) -> None:
    """Else CloudWatch Logs does it with keys of its own."""
    assert _properties(name, WITH)["KmsKeyId"] == KEY
    assert "KmsKeyId" not in _properties(name)


def test_answers_of_athena_are_encrypted_with_it() -> None:
    """As the bucket in which they lie."""
    configuration = _properties("TrailWorkGroup", WITH)["WorkGroupConfiguration"]
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"] == {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": KEY,
    }


def test_the_key_is_used_by_way_of_what_it_encrypts_alone() -> None:
    """Only to read and write: S3, SQS and SNS ask for it in the name of whoever they serve."""
    policy = transformed()["Resources"]["DataKeyPolicy"]
    assert policy["Condition"] == WITH
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["kms:Decrypt", "kms:GenerateDataKey"])
    assert statement["Resource"] == KEY
    services = [{"Fn::Sub": f"{name}.${{AWS::Region}}.${{AWS::URLSuffix}}"} for name in ("s3", "sqs", "sns")]
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": services}}


def test_whoever_touches_what_is_encrypted_may_use_the_key() -> None:
    """Each function's role, and the Scheduler's, which keeps lost runs in a queue; else none."""
    roles = {target(each["Properties"]["Role"]) for each in FUNCTIONS.values()} | {"SchedulerRole"}
    for name in roles:
        assert {"Ref": "DataKeyPolicy"} in _properties(name, WITH)["ManagedPolicyArns"]
        assert {"Ref": "DataKeyPolicy"} not in _properties(name)["ManagedPolicyArns"]
    assert roles == {*resources("AWS::IAM::Role")}
    assert written()["Outputs"]["DataKeyPolicyArn"]["Condition"] == WITH


def test_the_guide_lets_those_services_use_the_key_that_no_role_speaks_for() -> None:
    """SNS puts events into queues, and logs are written by their service."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    policy = json.loads(page.partition("<!-- key-policy -->\n```json\n")[2].partition("```")[0])
    account, services, logs = policy["Statement"]
    assert account["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:root"}
    assert services["Principal"] == {"Service": "sns.amazonaws.com"}
    assert services["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert logs["Principal"] == {"Service": "logs.REGION.amazonaws.com"}
    senders = {
        statement["Principal"]["Service"]
        for policy in resources("AWS::SQS::QueuePolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "Service" in statement["Principal"]
    }
    assert senders == {services["Principal"]["Service"]}
