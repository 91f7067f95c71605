"""Values of secrets as people put them in: what is meant is taken, what can't be used is refused by name."""

import json
import traceback
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.adapters.secret_fields import MIN_PASSWORD_LENGTH
from esx_drift.adapters.secrets import Secrets, VCenterSecret, blame_secret
from esx_drift.adapters.tls import build_tls_context
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.channels.slack import SLACK
from esx_drift.channels.webhook import WebhookChannel, WebhookSecret, read_webhook_secret
from esx_drift.errors import EsxDriftError, SecretInvalid, VCenterUnreachable
from hypothesis import example, given
from hypothesis import strategies as st

from tests.simulator.certificates import authority
from tests.unit.examples import try_examples

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PEM, OTHER = authority(NOW).pem, authority(NOW, "Other", strict=False).pem
PASSWORD = "never-told"
LOGIN = {"host": "127.0.0.1", "port": 1, "username": "svc-drift@vsphere.local", "password": PASSWORD}
PRIVATE = "-----BEGIN PRIVATE KEY-----\nbmV2ZXItdG9sZA==\n-----END PRIVATE KEY-----\n"
BODY = PEM.split("-----")[2]

ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
URL_PARTS = st.lists(
    st.sampled_from(
        [*"@:/?#%[]\\. ", "127.0.0.1", "%zz", "%2f", "é", "Ω", "\u2100", "\udc80", "xn--", "user"]
    )
    | ANY_TEXT,
    max_size=6,
).map("".join)


class Kept:
    """Secrets Manager, as far as its one answer goes."""

    def __init__(self, text: str) -> None:
        self.reply: dict[str, object] = {"SecretString": text, "VersionId": "v1"}

    def get_secret_value(self, SecretId: str) -> dict[str, object]:  # noqa: ARG002, N803 -- the signature is boto3's
        """The text."""
        return self.reply


def _keep(values: object) -> Secrets:
    text = values if isinstance(values, str) else json.dumps(values)
    return Secrets(lambda: cast("SecretsManagerClient", Kept(text)))


def _read(**values: object) -> VCenterSecret:
    return _keep({**LOGIN, **values}).vcenter("vc01")


def _read_webhook(url: object) -> WebhookSecret:
    return read_webhook_secret(_keep({"url": url}), SLACK, "ops")


@pytest.mark.parametrize(
    "bundle",
    [
        f"# O = Bücher GmbH\n{PEM}",
        f"\ufeff{PEM}",
        f"{PEM}\n# 发行者: 根\n{OTHER}",
        PEM.replace("\n", "\u00a0\n"),
        PEM.replace("\n", "\r\n\u00a0\u00a0"),
        PEM.replace("\n", " "),
        PEM.replace("\n", "\\n"),
        f"subject=CN = Root “ours”\nissuer=…\n{PEM}{OTHER}",
        PEM.replace(" CERTIFICATE", " X509 CERTIFICATE"),
        f"{PRIVATE}{PEM}",
    ],
)
def test_only_the_blocks_of_a_bundle_matter(bundle: str) -> None:
    """Comments in any script, a BOM, blanks of any kind: the certificates are what is trusted."""
    found = _read(ca_bundle=bundle).ca_bundle
    assert found is not None
    assert found.isascii()
    assert "PRIVATE" not in found
    trusted = build_tls_context(found, strict=True).get_ca_certs()
    assert len(trusted) == bundle.count("-----BEGIN") - bundle.count("BEGIN PRIVATE")


@pytest.mark.parametrize(
    "bundle",
    [
        "# O = Bücher GmbH",
        PEM.replace(BODY, BODY[:-40]),
        PEM.replace(BODY, f"{BODY}Ω"),
        PEM.replace("-----END CERTIFICATE-----", ""),
        PEM + PEM[:200],
        PRIVATE,
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        f"{PEM}\udc80",
    ],
)
def test_a_bundle_that_cannot_be_trusted_whole_is_refused_by_its_field(bundle: str) -> None:
    """One certificate of two would leave the other vCenter out, unseen."""
    with pytest.raises(SecretInvalid, match="esx-drift/vcenter/vc01, field ca_bundle: expected") as refused:
        _read(ca_bundle=bundle)
    assert "bmV2ZXI" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("port", ["443", "443.0", "4.43e2", '"443"'])
def test_a_port_is_a_whole_number_however_it_is_spelt(port: str) -> None:
    """Helm writes 1e+06; a number that is not whole is refused elsewhere."""
    found = _keep(json.dumps(LOGIN).replace('"port": 1,', f'"port": {port},')).vcenter("vc01").port
    assert (found, type(found)) == (443, int)


def test_a_bundle_read_again_is_the_same() -> None:
    """What gets out of one secret may be put into another."""
    once = _read(ca_bundle=f"# é\n{PEM}\n{OTHER}").ca_bundle
    assert _read(ca_bundle=once).ca_bundle == once


def test_a_secret_out_of_an_editor_with_a_byte_order_mark_is_read() -> None:
    """A shell that puts a file into a secret keeps it."""
    assert _keep("\ufeff" + json.dumps(LOGIN)).vcenter("vc01").password == PASSWORD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("proxy", "http://svc:pa%CE%A9ss@proxy:3128"),
        ("proxy", "http://svc:paΩss@proxy:3128"),
        ("proxy", "http://sv\u2100c:pass@proxy"),
        ("proxy", "http://%proxy:3128"),
        ("proxy", "http://proxy:0"),
        ("proxy", "http://proxy:99999"),
        ("proxy", "http://proxy:3128/pac"),
        ("proxy", "http://proxy..x"),
        ("username", "svc:drift"),
        ("username", "svc\ud800"),
        ("password", "pass\udfff"),
        ("password", "a1!"),
        ("proxy", "http://svc:a1!@proxy:3128"),
        ("proxy", "http://svc:%61%31%21@proxy:3128"),
        ("host", "vc\ud800"),
    ],
)
def test_what_no_library_can_send_is_refused_by_its_field(field: str, value: str) -> None:
    """Here, and not as an error in the middle of a login."""
    with pytest.raises(SecretInvalid, match=f"esx-drift/vcenter/vc01, field {field}: expected"):
        _read(**{field: value})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("HTTP://Proxy:3128/", "http://proxy:3128/"),
        ("https://svc:pässwort@[::1]:3128", "https://svc:p%C3%A4sswort@[::1]:3128"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
    ],
)
def test_a_proxy_is_taken_as_its_url_is_read(said: str, meant: str) -> None:
    """In the one spelling that every reader of it understands."""
    assert _read(proxy=said).proxy == meant


@pytest.mark.parametrize(
    "url",
    [
        "https://%hooks.slack.com/services/never-told",
        "https://hooks.slack.com:0/services/never-told",
        "https://hooks.slack.com:99999/services/never-told",
        "https://user:never-told@hooks.slack.com/services/x",
        "https://hooks..slack.com/services/never-told",
        "https:hooks.slack.com/services/never-told",
        "https://[hooks/services/never-told",
        "https://hooks.slack.com\u00a0/services/never-told",
    ],
)
def test_a_webhook_with_a_typo_is_refused_without_being_told(url: str) -> None:
    """What a URL's reader would choke on later stops here."""
    with pytest.raises(SecretInvalid, match="esx-drift/slack/ops, field url: expected") as refused:
        _read_webhook(url)
    assert "never-told" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "path",
    ["triggers/T0/1/never-told", "workflows/T0/A0/never-told", "/Triggers/x", "%74riggers/T0/1", "triggers"],
)
def test_a_workflows_webhook_is_refused_as_what_it_is(path: str) -> None:
    """It would answer 200 to each message, and post none."""
    with pytest.raises(SecretInvalid) as refused:
        _read_webhook(f"https://hooks.slack.com/{path}")
    assert refused.value.message == (
        "the secret esx-drift/slack/ops, field url: that is a workflow's;"
        " use an incoming webhook (https://hooks.slack.com/services/…)"
    )


@pytest.mark.parametrize("path", ["services/T0/B0/x", "services/triggers/x", "x/workflows", ""])
def test_an_incoming_webhook_is_no_workflows(path: str) -> None:
    """Only the first part of the path tells them apart."""
    assert _read_webhook(f"https://hooks.slack.com/{path}").url == f"https://hooks.slack.com/{path}"


@given(
    ANY_JSON
    | st.fixed_dictionaries(
        {"host": st.just("vc01") | ANY_JSON, "username": ANY_JSON, "password": ANY_JSON},
        optional={
            "port": ANY_JSON,
            "ca_bundle": ANY_JSON | ANY_TEXT.map(lambda text: f"{text}{PEM}{text}"),
            "tls_strict": ANY_JSON,
            "proxy": ANY_JSON | URL_PARTS.map(lambda text: f"http://{text}"),
        },
    )
)
@example({**LOGIN, "ca_bundle": f"Ω{PEM}"})
@try_examples(300)
def test_whatever_json_a_secret_holds_a_session_can_be_made_of_it_or_it_is_refused(values: object) -> None:
    """No TypeError, no UnicodeEncodeError, nothing that one would have to foresee where it is used."""
    secrets, refusals = _keep(values), list[str]()
    try:
        secret = secrets.vcenter("vc01")
    except SecretInvalid as error:
        refusals.append(error.message)
    if refusals:
        assert refusals[0].encode().startswith(b"the secret esx-drift/vcenter/vc01")
        return
    open_vcenter(secret, nullcontext, lambda: NOW).close()
    for text in (secret.host, secret.username, secret.password, secret.proxy or "", secret.ca_bundle or ""):
        text.encode()


@given(
    st.fixed_dictionaries(
        {"username": st.text(min_size=1), "password": st.text(min_size=MIN_PASSWORD_LENGTH)},
        optional={"proxy": URL_PARTS.map(lambda text: f"http://{text}@127.0.0.1:1")},
    )
)
@example({"username": "ü", "password": "ΩΩΩΩ", "proxy": "http://ü:ßßßß@127.0.0.1:1"})
@try_examples(60)
def test_what_is_not_refused_can_be_sent(values: dict[str, Any]) -> None:
    """To a port at which nobody listens: the only failure is that."""
    try:
        secret = _read(**values)
    except SecretInvalid:
        return
    session = open_vcenter(secret, nullcontext, lambda: NOW)
    with pytest.raises(VCenterUnreachable):
        session.login()


@given(URL_PARTS, URL_PARTS)
@example("%", "")
@try_examples(100)
def test_whatever_a_webhook_is_it_can_be_posted_to_or_it_is_refused(before: str, after: str) -> None:
    """Its channel raises nothing that would end the turn of another route."""
    secrets = _keep({"url": f"https://{before}127.0.0.1:1{after}"})
    with (
        WebhookChannel(
            SLACK, lambda name: read_webhook_secret(secrets, SLACK, name), ("127.0.0.1",)
        ) as channel,
        pytest.raises(EsxDriftError),
    ):
        channel.post_drill("ops", "ops")


def test_what_nobody_foresaw_in_a_secret_is_the_secrets_fault() -> None:
    """And says what it was, without the text that it carries."""
    kept = Kept(json.dumps(LOGIN))
    del kept.reply["VersionId"]
    with pytest.raises(
        SecretInvalid, match=r"esx-drift/vcenter/vc01 can't be used: reading it ended in KeyError"
    ):
        Secrets(lambda: cast("SecretsManagerClient", kept)).vcenter("vc01")
    value = f"{PASSWORD}\udc80"
    with pytest.raises(SecretInvalid, match="UnicodeEncodeError") as refused, blame_secret("any"):
        value.encode()
    assert "never-told" not in "".join(traceback.format_exception(refused.value))
