import json
import traceback
from contextlib import suppress
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber
from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import WebhookSecret, read_webhook_secret
from esx_drift.errors import SecretInvalid, SecretUnavailable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.certificates import authority

PASSWORD = "Tr0ub4dor&3-never-told"
WEBHOOK = "https://hooks.slack.com/services/T000/B000/never-told"
LOGIN = {"host": "vc01.corp.example", "username": "svc-drift@vsphere.local", "password": PASSWORD}

WRONG: dict[str, list[object]] = {
    "host": [
        *(
            "https://vc01",
            "vc01:443",
            "vc01/ui",
            "user@vc01",
            "vc 01",
            "vc01\n",
            "",
            "-vc01",
            "vc01..x",
            "[::1]",
        ),
        *("fe80::1%eth0", "vc01?x", "vc01#x", "x" * 254, None, 7),
    ],
    "port": [0, 65536, -1, 4.5, True, "https", "", "443 ", [443]],
    "tls_strict": ["no", 0, 1, [], "False"],
    "ca_bundle": ["", PASSWORD, "-----BEGIN CERTIFICATE-----\nx", 7],
    "proxy": ["proxy:3128", "ftp://proxy", "http://", "http://proxy:x", "http://a b"],
    "username": ["", " ", None, 7],
    "password": ["", " ", "abc", None, 7],
    "ca_bunlde": ["PEM"],
}

pytestmark = pytest.mark.usefixtures("aws")


def _secrets() -> Secrets:
    client = boto3.client("secretsmanager")
    return Secrets(lambda: client)


def _with(name: str, text: str) -> Secrets:
    secrets = _secrets()
    secrets.client().create_secret(Name=name, SecretString=text)
    return secrets


def _vcenter(**values: object) -> VCenterSecret:
    return _with("esx-drift/vcenter/vc01", json.dumps({**LOGIN, **values})).vcenter("vc01")


def test_a_vcenter_needs_only_host_user_and_password() -> None:
    """The rest has defaults, and the version is that of Secrets Manager."""
    secret = _vcenter()
    version = _secrets().client().describe_secret(SecretId="esx-drift/vcenter/vc01")["VersionIdsToStages"]
    assert secret == VCenterSecret(
        **LOGIN,
        port=443,
        ca_bundle=None,
        tls_strict=True,
        proxy=None,
        version_id=next(iter(version)),
        name="esx-drift/vcenter/vc01",
    )


def test_a_new_password_counts_at_once() -> None:
    """Nothing is cached: the second read sees the new version."""
    secrets = _with("esx-drift/vcenter/vc01", json.dumps(LOGIN))
    old = secrets.vcenter("vc01")
    secrets.client().put_secret_value(
        SecretId="esx-drift/vcenter/vc01", SecretString=json.dumps({**LOGIN, "password": "renewed"})
    )
    new = secrets.vcenter("vc01")
    assert new.password == "renewed"
    assert new.version_id != old.version_id


def test_what_the_console_writes_as_text_is_understood() -> None:
    """Its form knows texts only."""
    secret = _vcenter(port="8443", tls_strict="false")
    assert (secret.port, secret.tls_strict) == (8443, False)


@pytest.mark.parametrize("host", ["vc01", "vc01.corp.example", "10.0.0.7", "2001:db8::1", "_x.y-z"])
def test_a_bare_name_or_address_is_a_host(host: str) -> None:
    """Whatever DNS or IP can name."""
    assert _vcenter(host=host).host == host


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG for value in WRONG[field]])
def test_a_field_that_is_wrong_is_refused_by_its_name(field: str, value: object) -> None:
    """The secret and the field are told, the values are not."""
    with pytest.raises(SecretInvalid, match=rf"esx-drift/vcenter/vc01, field {field}: expected") as refused:
        _vcenter(**{field: value})
    assert PASSWORD not in _told(refused.value)


@pytest.mark.parametrize("field", ["host", "username", "password"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    """A person knows what to add."""
    secrets = _with("esx-drift/vcenter/vc01", json.dumps({**LOGIN, field: None}))
    with pytest.raises(SecretInvalid, match=f"field {field}: expected"):
        secrets.vcenter("vc01")


@pytest.mark.parametrize(
    "text", [f'{{"password": "{PASSWORD}"', PASSWORD, f'["{PASSWORD}"]', "", "[" * 100_000]
)
def test_a_secret_that_is_no_object_is_refused_without_being_told(text: str) -> None:
    """A parser's error carries the text; it gets nowhere."""
    secrets = _secrets()
    secrets.client().create_secret(Name="esx-drift/vcenter/vc01", SecretString=text or " ")
    with pytest.raises(SecretInvalid, match="not a JSON object") as refused:
        secrets.vcenter("vc01")
    assert PASSWORD not in _told(refused.value)


def test_certificates_are_taken_as_pem() -> None:
    """One or several, whatever stands around them."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    pem = [authority(now).pem, authority(now, "Other", strict=False).pem]
    assert _vcenter(ca_bundle="# ours\n" + "\n".join(pem)).ca_bundle == "\n".join(pem)


def test_a_field_that_is_null_is_absent() -> None:
    """A default stands in for it."""
    secret = _vcenter(port=None, ca_bundle=None, tls_strict=None, proxy=None)
    assert (secret.port, secret.ca_bundle, secret.tls_strict, secret.proxy) == (443, None, True, None)


def test_nothing_secret_is_in_a_repr() -> None:
    """A log line or a traceback that prints a secret prints its names only."""
    shown = repr(_vcenter(proxy="http://user:never-told@proxy:3128"))
    assert "vc01.corp.example" in shown
    assert PASSWORD not in shown
    assert "never-told" not in shown
    assert "never-told" not in repr(WebhookSecret(WEBHOOK, None))


def test_a_webhook_is_read_by_its_routes_name() -> None:
    """With or without a certificate authority of its own."""
    assert read_webhook_secret(
        _with("esx-drift/slack/ops", json.dumps({"url": WEBHOOK})), SLACK, "ops"
    ) == WebhookSecret(WEBHOOK, None)


@pytest.mark.parametrize(
    "url", ["http://hooks.slack.com/never-told", "never-told", "", None, "https://", "https:// x"]
)
def test_a_webhook_that_is_not_https_is_refused_without_being_told(url: str | None) -> None:
    """The address is the secret."""
    secrets = _with("esx-drift/slack/ops", json.dumps({"url": url}))
    with pytest.raises(SecretInvalid, match="esx-drift/slack/ops, field url: expected") as refused:
        read_webhook_secret(secrets, SLACK, "ops")
    assert "never-told" not in _told(refused.value)


@given(st.text(), st.text())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_secret_says_it_is_a_secret_or_a_refusal(field: str, value: str) -> None:
    """No text makes anything but a secret or a SecretInvalid."""
    secrets = _secrets()
    text = json.dumps({**LOGIN, field: value})
    secrets.client().create_secret(Name="esx-drift/vcenter/any", SecretString=text)
    try:
        with suppress(SecretInvalid):
            assert secrets.vcenter("any").password
    finally:
        secrets.client().delete_secret(SecretId="esx-drift/vcenter/any", ForceDeleteWithoutRecovery=True)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_whether_a_secret_is_there_is_asked_without_reading_it() -> None:
    """There, missing, or marked for deletion; a right that lacks is no answer, and said to be none."""
    secrets = _with("esx-drift/vcenter/vc01", "never a JSON")
    assert secrets.find_problem("esx-drift/vcenter/vc01") is None
    assert secrets.find_problem("esx-drift/vcenter/vc02") == "does not exist"
    secrets.client().delete_secret(SecretId="esx-drift/vcenter/vc01")
    assert secrets.find_problem("esx-drift/vcenter/vc01") == "is marked for deletion"
    with Stubber(secrets.client()) as refusing:
        refusing.add_client_error("describe_secret", "AccessDeniedException", "not authorized")
        with pytest.raises(SecretUnavailable, match="did not say whether x exists: AccessDeniedException"):
            secrets.find_problem("x")
