"""Secrets: read from Secrets Manager, and struck out of whatever comes back.

No value ever reaches a message or a repr. A server, or what stands before it, may repeat a request in an
error: its ``Authorization``, its session id, a webhook's path. Clients strike that out where they read an
answer, so that nothing behind them ever has it.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from requests.structures import CaseInsensitiveDict

from esx_drift.adapters.secret_fields import MIN_PASSWORD_LENGTH, SecretFields
from esx_drift.config import DEFAULT_SECRET_PREFIX
from esx_drift.errors import EsxDriftError, SecretInvalid, SecretUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import GetSecretValueResponseTypeDef


BYTE_ORDER_MARK: Final = "\ufeff"
"""Some editors begin a file with it, and some shells put that file into a secret as it is."""


NEEDS_A_PERSON = {
    "ResourceNotFoundException": "does not exist: create it",
    "InvalidRequestException": "can't be read: is it marked for deletion?",
    "InvalidParameterException": "can't be read: it has no current version",
    "DecryptionFailure": "can't be decrypted: may this role use its KMS key?",
    "AccessDeniedException": "may not be read by this role",
}
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors"""

NEEDS_ITS_KEY = (
    "can't be decrypted: this role may not use the KMS key that it is encrypted with. Deploy the stack with"
    " that key as SecretsKeyArn, and let the key's policy allow it"
)
"""Secrets Manager answers AccessDeniedException for a key as for itself; its message tells them apart."""


@contextmanager
def blame_secret(name: str) -> Iterator[None]:
    """Make a ``SecretInvalid`` of whatever nobody foresaw while the secret ``name`` was read or put to use.

    One secret must not stop another vCenter or route, whatever stands in it.
    """
    try:
        yield
    except EsxDriftError:
        raise
    except Exception as error:  # noqa: BLE001 -- the one place that holds it, for all libraries that read values
        # Nothing is chained: an encoder's or a parser's error carries the text itself.
        raise SecretInvalid(
            f"the secret {name} can't be used: reading it ended in {type(error).__name__}", {"secret": name}
        ) from None


@dataclass(frozen=True, slots=True)
class VCenterSecret:
    """Where a vCenter is, who logs in, and whom TLS trusts. ``version_id`` names the version of ``name``."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    ca_bundle: str | None = field(repr=False)
    tls_strict: bool
    proxy: str | None = field(repr=False)
    version_id: str
    name: str


class Secrets(Struct, frozen=True):
    """Reads secrets and keeps none: a new password counts from the next call on.

    ``client`` gives the same Secrets Manager client each time, and ``prefix`` is what the names of the
    stack's secrets begin with. Every call raises ``SecretInvalid``, which names the secret and the field at
    fault, or ``SecretUnavailable``.
    """

    client: Callable[[], "SecretsManagerClient"]
    prefix: str = DEFAULT_SECRET_PREFIX

    def make_name(self, kind: str, name: str) -> str:
        """Make the whole name of the secret ``name`` of a ``kind``: ``vcenter``, or a channel."""
        return f"{self.prefix}/{kind}/{name}"

    def vcenter(self, name: str) -> VCenterSecret:
        """The secret ``<prefix>/vcenter/<name>``."""
        whole_name = self.make_name("vcenter", name)
        with blame_secret(whole_name):
            fields, version_id = self.read(whole_name)
            secret = VCenterSecret(
                fields.host("host"),
                fields.port("port", 443),
                fields.username("username"),
                fields.password("password"),
                fields.ca_bundle("ca_bundle"),
                fields.flag("tls_strict", default=True),
                fields.proxy("proxy"),
                version_id,
                whole_name,
            )
            fields.refuse_others()
        return secret

    def read(self, name: str) -> tuple[SecretFields, str]:
        """Read any secret: its fields, each to be asked for, and the id of its version."""
        reply = self._reply(name)
        try:
            values = json.loads(reply.get("SecretString", "").removeprefix(BYTE_ORDER_MARK))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            # Nothing is chained: the parser's error carries the whole text.
            raise SecretInvalid(f"the secret {name} is not a JSON object", {"secret": name})
        return SecretFields(name, values), reply["VersionId"]

    def find_problem(self, name: str) -> str | None:
        """Find why nobody can read a secret, without reading it; None if it is there.

        Raises:
            SecretUnavailable: Secrets Manager did not say; whoever asks may lack the right to.
        """
        try:
            described = self.client().describe_secret(SecretId=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ResourceNotFoundException":
                return "does not exist"
            raise SecretUnavailable(f"Secrets Manager did not say whether {name} exists: {code}") from error
        except BotoCoreError as error:
            raise SecretUnavailable(f"Secrets Manager did not say whether {name} exists: {error}") from error
        return "is marked for deletion" if described.get("DeletedDate") else None

    def _reply(self, name: str) -> "GetSecretValueResponseTypeDef":
        try:
            return self.client().get_secret_value(SecretId=name)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            if code in NEEDS_A_PERSON:
                # Our own names are in small letters: the message may quote the secret's.
                speaks_of_key = "KMS" in message or "kms:" in message
                denied = code == "AccessDeniedException"
                why = NEEDS_ITS_KEY if denied and speaks_of_key else NEEDS_A_PERSON[code]
                raise SecretInvalid(f"the secret {name} {why}", {"secret": name}) from error
            raise SecretUnavailable(f"Secrets Manager did not give {name}: {code}") from error
        except BotoCoreError as error:
            raise SecretUnavailable(f"Secrets Manager did not give {name}: {error}") from error


STRUCK_OUT = "***"

SAFE_LENGTH: Final = 8
"""The least length of a password in vCenter Single Sign-On by default. What is that long is struck out
wherever it stands. What is shorter stands in names and versions by chance, and a report must not be changed
by that: it is struck out where it is a word by itself."""

_BESIDE: Final = "[A-Za-z0-9_]"
"""Beside a short secret, this says that it is a part of a word, also with a dot or a dash in between."""


def _build_word_pattern(form: str) -> re.Pattern[str]:
    """Build what finds ``form`` where it is no part of a word, such as ``8.0.3`` is of ``8.0.3-0.60``."""
    before, after = f"(?<!{_BESIDE})(?<!{_BESIDE}[.-])", f"(?!{_BESIDE})(?![.-]{_BESIDE})"
    return re.compile(f"{before}{re.escape(form)}{after}")


class SentSecrets:
    """The secrets that one client sent so far, in each form in which they may come back."""

    def __init__(self, *secrets: str) -> None:
        self._forms: dict[str, re.Pattern[str] | None] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Remember a secret that is being sent; of one that is too short to be any, nothing can be told."""
        if len(secret) >= MIN_PASSWORD_LENGTH:
            # The longest first: a shorter one may be a part of it.
            forms = sorted({*self._forms, *_list_forms(secret)}, key=len, reverse=True)
            self._forms = {
                form: None if len(form) >= SAFE_LENGTH else _build_word_pattern(form) for form in forms
            }

    def add_login(self, user: str, password: str) -> None:
        """Remember ``password``, and how it is sent together with ``user``."""
        self.add(password)
        self.add(encode_login(user, password))

    def strike_out(self, text: str) -> str:
        """Strike the secrets out of a text."""
        for form, word in self._forms.items():
            text = text.replace(form, STRUCK_OUT) if word is None else word.sub(STRUCK_OUT, text)
        return text

    def strike_out_bytes(self, body: bytes) -> bytes:
        """Strike the secrets out of a body; it stays the same object where it has none."""
        if not any(form.encode() in body for form in self._forms):
            return body
        # A byte that is no UTF-8 stays as it is.
        struck = self.strike_out(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return body if struck == body else struck

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
    """List what of a webhook's URL lets whoever has it post: all of it, its path, and each part of that.

    Of a query each value counts, as it is sent and as it is meant: it may be a signature.
    """
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    values = [value for _, value in parse_qsl(parts.query)]
    sent = [field.partition("=")[2] for field in parts.query.split("&")]
    return [url, path, *parts.path.split("/"), *values, *sent]


def _list_forms(secret: str) -> Iterator[str]:
    """List the forms of a secret: as it is, and as JSON, URLs, pages and Basic authentication write it."""
    encoded = b64encode(secret.encode("utf-8", "surrogatepass")).decode()
    for form in (secret, secret.rstrip("="), encoded.rstrip("=")):
        in_json = (json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1])
        yield from (form, *in_json, *(text.replace("/", "\\/") for text in in_json))
        yield from (quote(form, errors="replace"), quote(form, safe="", errors="replace"), escape(form))
