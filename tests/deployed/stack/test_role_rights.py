"""What the role of each function may do of what an attacker would try with it: real calls, with IAM enforced.

The local AWS evaluates the policies of roles, buckets, queues, topics and keys as they were deployed
(``AUTH=true``). What each function needs, the other tests of deployed stacks do with the same roles.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.lab.local_aws.aws import Aws
from tests.lab.local_aws.stack import Stack
from tests.unit.functions.test_rights import FORBIDDEN, ROLES

type NewStack = Callable[[Mapping[str, str]], Stack]

NOT_CALLED: Final = {"iam:PassRole"}
"""Rights that no call of their own asks for."""

REFUSALS: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
}
"""How the services say that somebody may not."""

KEPT_KEY: Final = "records/x"
SECRETS: Final = ("esx-drift/vcenter/vc01", "esx-drift/slack/ops", "other/vcenter/vc01")


@dataclass(frozen=True, slots=True)
class Target:
    """A stack, and what its roles are tried on.

    Attributes:
        stack: The stack, as the account's root sees it.
        version: That of ``KEPT_KEY`` in the AuditBucket.
    """

    stack: Stack
    version: str

    def take_over(self, role: str) -> Aws:
        """See the local AWS as the function's role does, as who takes it over: Lambda alone may assume it."""
        aws, name = self.stack.aws, self.stack.resources[role]
        trusted = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        aws.iam.update_assume_role_policy(RoleName=name, PolicyDocument=policy)
        arn = aws.iam.get_role(RoleName=name)["Role"]["Arn"]
        key = aws.sts.assume_role(RoleArn=arn, RoleSessionName="taken-over")["Credentials"]
        return aws.with_key(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])

    def call(self, aws: Aws, action: str, subject: str) -> Any:  # noqa: ANN401 -- whatever the call gives
        """Do what an IAM action is about to a part of the stack, named as ``tests.unit.rights`` does."""
        name, _, key = subject.partition("/")
        return CALLS[action](self, aws, name, key)

    def name_bucket(self, name: str) -> str:
        """Name one of the two buckets."""
        return self.stack.outputs[f"{name}Name"]


def _put(target: Target, aws: Aws, name: str, key: str) -> Any:  # noqa: ANN401 -- boto3's
    """As our own writers do: where nothing is yet."""
    return aws.s3.put_object(Bucket=target.name_bucket(name), Key=key, Body=b"{}", IfNoneMatch="*")


def _delete_version(target: Target, aws: Aws, name: str, key: str, *, bypass: bool = False) -> Any:  # noqa: ANN401 -- boto3's
    return aws.s3.delete_object(
        Bucket=target.name_bucket(name), Key=key, VersionId=target.version, BypassGovernanceRetention=bypass
    )


CALLS: Final[dict[str, Callable[[Target, Aws, str, str], Any]]] = {
    "s3:PutObject": _put,
    "s3:DeleteObject": lambda target, aws, name, key: aws.s3.delete_object(
        Bucket=target.name_bucket(name), Key=key
    ),
    "s3:DeleteObjectVersion": _delete_version,
    "s3:BypassGovernanceRetention": lambda target, aws, name, key: _delete_version(
        target, aws, name, key, bypass=True
    ),
    "s3:PutObjectRetention": lambda target, aws, name, key: aws.s3.put_object_retention(
        Bucket=target.name_bucket(name), Key=key, Retention={"Mode": "GOVERNANCE"}
    ),
    "s3:PutBucketPolicy": lambda target, aws, name, _: aws.s3.put_bucket_policy(
        Bucket=target.name_bucket(name), Policy='{"Version": "2012-10-17", "Statement": []}'
    ),
    "kms:Sign": lambda target, aws, name, _: aws.kms.sign(
        KeyId=target.stack.resources[name],
        Message=b"0" * 32,
        MessageType="DIGEST",
        SigningAlgorithm="ECDSA_SHA_256",
    ),
    "kms:PutKeyPolicy": lambda target, aws, name, _: aws.kms.put_key_policy(
        KeyId=target.stack.resources[name], PolicyName="default", Policy="{}"
    ),
    "secretsmanager:GetSecretValue": lambda _, aws, name, key: aws.secrets.get_secret_value(
        SecretId=f"{name}/{key}".removeprefix("secret:")
    ),
    "secretsmanager:PutSecretValue": lambda _, aws, name, key: aws.secrets.put_secret_value(
        SecretId=f"{name}/{key}".removeprefix("secret:"), SecretString="{}"
    ),
    "sns:Publish": lambda target, aws, name, _: aws.sns.publish(
        TopicArn=target.stack.resources[name], Message="{}"
    ),
    "sqs:SendMessage": lambda target, aws, name, _: aws.sqs.send_message(
        QueueUrl=target.stack.resources[name], MessageBody="{}"
    ),
    "lambda:UpdateFunctionCode": lambda target, aws, name, _: aws.functions.update_function_code(
        FunctionName=target.stack.resources[name], ZipFile=b""
    ),
}

ALLOWED: Final = (
    ("Dispatcher", "secretsmanager:GetSecretValue", "secret:esx-drift/vcenter/vc01"),
    ("Dispatcher", "s3:PutObject", "AuditBucket/records/by-dispatcher"),
    ("Dispatcher", "sqs:SendMessage", "CheckQueue"),
    ("Dispatcher", "sns:Publish", "DriftTopic"),
    ("Checker", "secretsmanager:GetSecretValue", "secret:esx-drift/vcenter/vc01"),
    ("Checker", "s3:PutObject", "AuditBucket/records/by-checker"),
    ("Checker", "s3:PutObject", "AuditBucket/documents/by-checker"),
    ("Checker", "s3:PutObject", "StateBucket/state/by-checker"),
    ("Notifier", "s3:PutObject", "AuditBucket/deliveries/groups/by-notifier"),
    ("Notifier", "sqs:SendMessage", "DeliveryQueue"),
    ("Sender", "secretsmanager:GetSecretValue", "secret:esx-drift/slack/ops"),
    ("Sender", "s3:PutObject", "AuditBucket/deliveries/by-sender"),
    ("Reporter", "s3:PutObject", "AuditBucket/reports/by-reporter"),
    ("Reporter", "sns:Publish", "DriftTopic"),
    ("Sealer", "kms:Sign", "SigningKey"),
    ("Sealer", "s3:PutObject", "AuditBucket/digests/by-sealer"),
)
"""Of what each needs: that a refusal is one of this right, and not of all."""


@pytest.fixture(scope="module")
def target(new_stack: NewStack) -> Target:
    """A stack that nothing invokes, with secrets and an object that is kept."""
    stack = new_stack({})
    stack.set_sources(
        "DispatcherFunction", "CheckerFunction", "NotifierFunction", "SenderFunction", enabled=False
    )
    for name in SECRETS:
        with suppress(stack.aws.secrets.exceptions.ResourceExistsException):
            stack.aws.secrets.create_secret(Name=name, SecretString="{}")
    kept = stack.aws.s3.put_object(
        Bucket=stack.outputs["AuditBucketName"], Key=KEPT_KEY, Body=b"{}", IfNoneMatch="*"
    )
    return Target(stack, kept["VersionId"])


@pytest.fixture(scope="module")
def roles(target: Target) -> Mapping[str, Aws]:
    """The local AWS as each role sees it, by the role's name."""
    return {role: target.take_over(role) for role in ROLES.values()}


def _assert_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Code"] in REFUSALS


@pytest.mark.parametrize(("who", "action", "subject"), ALLOWED)
def test_a_role_may_do_its_work(
    who: str, action: str, subject: str, target: Target, roles: Mapping[str, Aws]
) -> None:
    """With the credentials that the refusals below are tried with."""
    assert target.call(roles[f"{who}Role"], action, subject)


@pytest.mark.parametrize(("who", "action", "subject"), [one for one in FORBIDDEN if one[1] not in NOT_CALLED])
def test_a_role_is_refused_what_is_none_of_its_business(
    who: str, action: str, subject: str, target: Target, roles: Mapping[str, Aws]
) -> None:
    """No policy, a policy's denial, or a bucket's or key's own: the call itself fails."""
    _assert_refused(lambda: target.call(roles[f"{who}Role"], action, subject))


OWN_KEYS: Final = {
    "DispatcherRole": "records/again",
    "CheckerRole": "documents/again",
    "NotifierRole": "deliveries/groups/again",
    "SenderRole": "deliveries/again",
    "ReporterRole": "reports/again",
    "SealerRole": "digests/again",
}


@pytest.mark.parametrize("role", OWN_KEYS)
def test_a_role_writes_over_nothing_of_its_own_either(
    role: str, target: Target, roles: Mapping[str, Aws]
) -> None:
    """The AuditBucket takes no write that does not ask for a free key, and no key is free twice."""
    bucket, s3, key = target.stack.outputs["AuditBucketName"], roles[role].s3, OWN_KEYS[role]
    s3.put_object(Bucket=bucket, Key=key, Body=b"{}", IfNoneMatch="*")
    _assert_refused(lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"other"))
    _assert_refused(lambda: s3.put_object(Bucket=bucket, Key=f"{key}-more", Body=b"other"))
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"other", IfNoneMatch="*")
    kept = target.stack.aws.s3.get_object(Bucket=bucket, Key=key)
    assert kept["Body"].read() == b"{}"


def test_whoever_may_do_everything_with_keys_signs_nothing(target: Target) -> None:
    """The key's own policy names the sealer alone, and hands no signing on to the policies of the account."""
    anybody = target.stack.as_user("kms:*")
    assert anybody.kms.get_public_key(KeyId=target.stack.resources["SigningKey"])["PublicKey"]
    _assert_refused(lambda: target.call(anybody, "kms:Sign", "SigningKey"))


def test_each_role_is_tried() -> None:
    """A new function's too."""
    assert {who for who, _, _ in FORBIDDEN} == {who for who, _, _ in ALLOWED}
    assert {f"{who}Role" for who, _, _ in ALLOWED} == {*ROLES.values()} == {*OWN_KEYS}
