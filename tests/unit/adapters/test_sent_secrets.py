"""What was sent as a secret comes back in many forms, and is struck out in each."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from esx_drift.adapters.secrets import (
    MIN_SECRET_LENGTH,
    SentSecrets,
    encode_login,
    find_proxy_login,
    list_url_secrets,
)
from hypothesis import given
from hypothesis import strategies as st

PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET_LENGTH)


@given(
    PASSWORDS,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
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


@pytest.mark.parametrize("secret", ["", "8.0.3", "vmware"])
def test_what_is_too_short_is_left(secret: str) -> None:
    """It stands in versions and names by chance."""
    sent = SentSecrets(secret)
    assert sent.strike_out(f"com.vmware.x 8.0.3 {secret}") == f"com.vmware.x 8.0.3 {secret}"


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
