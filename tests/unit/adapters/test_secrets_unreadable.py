import boto3
import pytest
from botocore.stub import Stubber
from esx_drift.adapters.secrets import NEEDS_A_PERSON, Secrets
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import read_webhook_secret
from esx_drift.errors import SecretInvalid, SecretUnavailable

pytestmark = pytest.mark.usefixtures("aws")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((code, SecretInvalid) for code in NEEDS_A_PERSON),
        ("InternalServiceError", SecretUnavailable),
        ("ThrottlingException", SecretUnavailable),
    ],
)
def test_what_a_person_must_mend_is_told_apart_from_what_passes(code: str, error: type[Exception]) -> None:
    """Only a passing fault is worth trying again."""
    client = boto3.client("secretsmanager")
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", code)
        with pytest.raises(error, match="esx-drift/vcenter/vc01"):
            Secrets(lambda: client).vcenter("vc01")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("Access to KMS is not allowed", "KMS key that it is encrypted with.*SecretsKeyArn"),
        ("User: x is not authorized to perform: kms:Decrypt on this resource", "SecretsKeyArn"),
        (
            "not authorized to perform: secretsmanager:GetSecretValue on kms-dc",
            "may not be read by this role",
        ),
    ],
)
def test_a_missing_key_is_told_apart_from_a_missing_right(message: str, why: str) -> None:
    """AWS answers both by the same code: only what it says tells where to mend it."""
    client = boto3.client("secretsmanager")
    with Stubber(client) as stub:
        stub.add_client_error("get_secret_value", "AccessDeniedException", message)
        with pytest.raises(SecretInvalid, match=why):
            Secrets(lambda: client).vcenter("kms-dc")


def test_an_endpoint_that_does_not_answer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is down comes back."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = boto3.client("secretsmanager", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(SecretUnavailable, match="esx-drift/slack/ops"):
        read_webhook_secret(Secrets(lambda: client), SLACK, "ops")


def test_a_secret_that_is_missing_is_told_with_its_whole_name() -> None:
    """A person knows what to create."""
    client = boto3.client("secretsmanager")
    with pytest.raises(SecretInvalid, match="the secret esx-drift/vcenter/vc09 does not exist"):
        Secrets(lambda: client).vcenter("vc09")
