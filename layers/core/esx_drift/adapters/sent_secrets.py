"""What was sent as a secret is struck out of whatever comes back.

A server, or what stands before it, may repeat a request in an error: its ``Authorization``, its session id, a
webhook's path. Clients strike that out where they read an answer, so that nothing behind them ever has it.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from urllib.parse import quote, unquote, urlsplit

from requests.structures import CaseInsensitiveDict

STRUCK_OUT = "***"

MIN_SECRET_LENGTH = 8
"""The least length of a password in vCenter Single Sign-On by default. What is shorter would stand in names
and versions by chance, and striking it out would change a report."""


class SentSecrets:
    """The secrets that one client sent so far, in each form in which they may come back."""

    def __init__(self, *secrets: str) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Remember a secret that is being sent."""
        if len(secret) >= MIN_SECRET_LENGTH:
            # The longest first: a shorter one may be a part of it.
            self._forms = sorted({*self._forms, *_list_forms(secret)}, key=len, reverse=True)

    def add_login(self, user: str, password: str) -> None:
        """Remember ``password``, and how it is sent together with ``user``."""
        self.add(password)
        self.add(encode_login(user, password))

    def strike_out(self, text: str) -> str:
        """Strike the secrets out of a text."""
        for form in self._forms:
            text = text.replace(form, STRUCK_OUT)
        return text

    def strike_out_bytes(self, body: bytes) -> bytes:
        """Strike the secrets out of a body; it stays the same object where it has none."""
        for form in self._forms:
            encoded = form.encode()
            if encoded in body:
                body = body.replace(encoded, STRUCK_OUT.encode())
        return body

    def strike_out_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Strike the secrets out of an answer's headers."""
        return CaseInsensitiveDict({name: self.strike_out(value) for name, value in headers.items()})


def encode_login(user: str, password: str) -> str:
    """Encode ``user`` and ``password`` as Basic authentication does, in UTF-8."""
    return b64encode(f"{user}:{password}".encode()).decode()


def find_proxy_login(proxy: str | None) -> tuple[str, str] | None:
    """Find the user and password in a proxy's URL; None where it has none."""
    parts = urlsplit(proxy or "")
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def list_url_secrets(url: str) -> list[str]:
    """List what of a webhook's URL lets whoever has it post: all of it, its path, and each part of that."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return [url, path, *parts.path.split("/")]


def _list_forms(secret: str) -> Iterator[str]:
    """List the forms of a secret: as it is, and as JSON, URLs, pages and Basic authentication write it."""
    encoded = b64encode(secret.encode("utf-8", "surrogatepass")).decode()
    for form in (secret, secret.rstrip("="), encoded.rstrip("=")):
        in_json = (json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1])
        yield from (form, *in_json, *(text.replace("/", "\\/") for text in in_json))
        yield from (quote(form, errors="replace"), quote(form, safe="", errors="replace"), escape(form))
