"""What was sent as a secret comes back in many forms, and is struck out in each."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from esx_drift.adapters.secret_fields import MIN_PASSWORD_LENGTH
from esx_drift.adapters.secrets import (
    SAFE_LENGTH,
    SentSecrets,
    encode_login,
    find_proxy_login,
    list_url_secrets,
)
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=SAFE_LENGTH)
SHORT_PASSWORDS = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=MIN_PASSWORD_LENGTH, max_size=SAFE_LENGTH - 1
)


@given(PASSWORDS | SHORT_PASSWORDS, TEXTS, TEXTS)
@example("8.0.3", "", "")
@example("geheim", "", "")
def test_no_form_of_a_password_is_left(password: str, before: str, after: str) -> None:
    """Plain, in JSON of any kind, in a URL, in a page, and as Basic authentication sends it."""
    sent = SentSecrets()
    sent.add_login("svc@vsphere.local", password)
    basic = encode_login("svc@vsphere.local", password)
    for form in (
        password,
        json.dumps(password)[1:-1],
        json.dumps(password, ensure_ascii=False)[1:-1],
        json.dumps(password).replace("/", "\\/")[1:-1],
        quote(password),
        quote(password, safe=""),
        html.escape(password),
        base64.b64encode(password.encode()).decode().rstrip("="),
        basic,
        basic.rstrip("="),
        basic.replace("/", "\\/"),
        quote(basic, safe=""),
    ):
        text = f"{before} {form} {after}"
        assert form not in sent.strike_out(text) or form in f"{before} *** {after}"
        assert sent.strike_out_bytes(text.encode()) == sent.strike_out(text).encode()


def test_what_holds_no_secret_stays_as_it_is() -> None:
    """Byte for byte: a report's hash is that of what the vCenter sent."""
    sent = SentSecrets("S1mulated-vCenter!")
    body = b'{"version": "8.0.3-0.60.24585383"}'
    assert sent.strike_out_bytes(body) is body


@pytest.mark.parametrize("secret", ["", "a", "8.0", "vmw"])
def test_what_is_too_short_to_be_told_from_other_text_is_left(secret: str) -> None:
    """No secret is read that has such a password; of a webhook's path, it is no secret part."""
    said = f"com.vmware.x 8.0 a vmw {secret}"
    assert SentSecrets(secret).strike_out(said) == said


@pytest.mark.parametrize("secret", ["8.0.3", "vmware", "domain", "host-1", "S1mul"])
def test_a_short_secret_is_struck_out_where_it_is_a_word_by_itself(secret: str) -> None:
    """Where a server repeats it. A report stays as it is: there it is a part of ids, names and versions."""
    sent = SentSecrets(secret)
    for form in (
        "{}",
        "Denied: {}",
        "user:{}, no",
        '{{"password": "{}"}}',
        "/{}/x",
        "is {}.",
        "({})",
        "a={}&b",
    ):
        said = form.format(secret)
        assert sent.strike_out(said) == form.format("***")
        assert sent.strike_out_bytes(said.encode()) == form.format("***").encode()
    report = b'{"domain-c9": "com.vmware.x", "host-17": "8.0.3-0.60.2", "v8.0.3.1": "VMware-S1mulated"}'
    assert sent.strike_out_bytes(report) is report


def test_what_is_no_utf_8_stays_as_it_is() -> None:
    """A server may send anything beside what it repeats."""
    assert (
        SentSecrets("S1mulated-vCenter!").strike_out_bytes(b"\xff S1mulated-vCenter! \xfe")
        == b"\xff *** \xfe"
    )


def test_of_a_short_password_what_was_sent_is_struck_out() -> None:
    """The login as Basic authentication sends it is long, and stands nowhere by chance."""
    sent = SentSecrets()
    sent.add_login("svc@vsphere.local", "8.0.")
    basic = encode_login("svc@vsphere.local", "8.0.")
    assert sent.strike_out(f"Authorization: Basic {basic}, 8.0.3") == "Authorization: Basic ***, 8.0.3"


def test_headers_are_struck_out_and_found_in_any_case() -> None:
    """An answer's ``Location`` and ``Server`` are shown, too."""
    headers = SentSecrets("S1mulated-vCenter!").strike_out_headers({"Location": "/S1mulated-vCenter!"})
    assert headers.get("location") == "/***"


@pytest.mark.parametrize(
    ("proxy", "login"),
    [
        (None, None),
        ("http://proxy:3128", None),
        ("http://carrier:p%C3%A4ss%40word@proxy:3128", ("carrier", "päss@word")),
        ("http://carrier@proxy:3128", ("carrier", "")),
    ],
)
def test_a_proxys_login_is_read_as_it_is_sent(proxy: str | None, login: tuple[str, str] | None) -> None:
    """Decoded."""
    assert find_proxy_login(proxy) == login


def test_a_webhook_is_known_by_its_path() -> None:
    """Also by each part of it: the last one alone is enough to guess the rest."""
    found = list_url_secrets("https://hooks.slack.com/services/T0001/B0001/abcdefghijkl?key=1")
    assert {"/services/T0001/B0001/abcdefghijkl?key=1", "abcdefghijkl"} < {*found}
