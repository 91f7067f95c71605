"""Secrets: read from Secrets Manager, and struck out of whatever comes back.

No value ever reaches a message or a repr. A server, or what stands before it, may repeat a request in an
error: its ``Authorization``, its session id, a webhook's path. Clients strike that out where they read an
answer, so that nothing behind them ever has it.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from requests.structures import CaseInsensitiveDict

from esx_drift.adapters.secret_fields import SecretFields
from esx_drift.errors import EsxDriftError, SecretInvalid, SecretUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import GetSecretValueResponseTypeDef


BYTE_ORDER_MARK: Final = "\ufeff"
"""Some editors begin a file with it, and some shells put that file into a secret as it is."""


VCENTER_PREFIX = "esx-drift/vcenter/"


NEEDS_A_PERSON = {
    "ResourceNotFoundException": "does not exist: create it",
    "InvalidRequestException": "can't be read: is it marked for deletion?",
    "InvalidParameterException": "can't be read: it has no current version",
    "DecryptionFailure": "can't be decrypted: may this role use its KMS key?",
    "AccessDeniedException": "may not be read by this role",
}
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors"""


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
    """Where a vCenter is, who logs in, and whom TLS trusts. ``version_id`` names the secret's version."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    ca_bundle: str | None = field(repr=False)
    tls_strict: bool
    proxy: str | None = field(repr=False)
    version_id: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reads secrets and keeps none: a new password counts from the next call on.

    ``client`` gives the same Secrets Manager client each time. Every call raises ``SecretInvalid``, which
    names the secret and the field at fault, or ``SecretUnavailable``.
    """

    client: Callable[[], "SecretsManagerClient"]

    def vcenter(self, name: str) -> VCenterSecret:
        """The secret ``esx-drift/vcenter/<name>``."""
        with blame_secret(VCENTER_PREFIX + name):
            fields, version_id = self.read(VCENTER_PREFIX + name)
            secret = VCenterSecret(
                fields.host("host"),
                fields.port("port", 443),
                fields.username("username"),
                fields.text("password"),
                fields.ca_bundle("ca_bundle"),
                fields.flag("tls_strict", default=True),
                fields.proxy("proxy"),
                version_id,
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
            code = error.response["Error"]["Code"]
            if code in NEEDS_A_PERSON:
                raise SecretInvalid(f"the secret {name} {NEEDS_A_PERSON[code]}", {"secret": name}) from error
            raise SecretUnavailable(f"Secrets Manager did not give {name}: {code}") from error
        except BotoCoreError as error:
            raise SecretUnavailable(f"Secrets Manager did not give {name}: {error}") from error


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
