"""Secrets. No value ever reaches a message or a repr."""

import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.errors import SecretInvalid, SecretUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import GetSecretValueResponseTypeDef


DNS_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){DNS_LABEL}(\.{DNS_LABEL})*\Z")


MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class SecretFields:
    """A secret's name and its values. Each method raises ``SecretInvalid``, never telling a value."""

    secret: str
    values: Mapping[str, object] = field(repr=False)
    read_fields: set[str] = field(default_factory=set)

    def text(self, name: str) -> str:
        """A text that must be there."""
        value = self._read_optional(name)
        if value is None:
            self._refuse(name, "expected a text that is not empty, got none")
        return value

    def host(self, name: str) -> str:
        """A host name or an address and nothing more: no scheme, port, path, user or blank."""
        value = self.text(name)
        if not (HOST_NAME.match(value) or _is_address(value)):
            self._refuse(name, "expected a bare host name or IP address, without scheme, port or path")
        return value

    def port(self, name: str, default: int) -> int:
        """Read the field ``name`` as a TCP port; ``default`` if it is missing or null."""
        self.read_fields.add(name)
        value = self.values.get(name)
        number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
        number = int(number) if isinstance(number, float) and number.is_integer() else number
        if number is None:
            return default
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= MAX_PORT:
            self._refuse(name, f"expected a whole number from 1 to {MAX_PORT}")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        """Read the field ``name`` as true or false; ``default`` if it is missing or null."""
        self.read_fields.add(name)
        value = self.values.get(name)
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value, value)
        meant = default if value is None else value
        if not isinstance(meant, bool):
            self._refuse(name, "expected true or false")
        return meant

    def ca_bundle(self, name: str) -> str | None:
        """Certificates as PEM text, proven to be readable."""
        value = self._read_optional(name)
        if value is None:
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
        except (ssl.SSLError, ValueError):
            # Nothing is chained: what stands there by mistake may be a private key.
            refused = True
        else:
            refused = False
        if refused:
            self._refuse(name, "expected certificates as PEM text (-----BEGIN CERTIFICATE-----)")
        return value

    def proxy(self, name: str) -> str | None:
        """The URL of an HTTP proxy."""
        value = self._read_optional(name)
        if value is not None and not _is_url(value, {"http", "https"}):
            self._refuse(name, "expected http://host:port of a proxy")
        return value

    def https_url(self, name: str) -> str:
        """A URL that begins with https://."""
        value = self.text(name)
        if not _is_url(value, {"https"}):
            self._refuse(name, "expected a URL that begins with https://")
        return value

    def refuse_others(self) -> None:
        """Refuse every field that was not asked for: a misspelt one would be left out in silence."""
        others = sorted(set(self.values) - self.read_fields)
        if others:
            self._refuse(others[0], f"expected none but {', '.join(sorted(self.read_fields))}")

    def _read_optional(self, name: str) -> str | None:
        self.read_fields.add(name)
        value = self.values.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            self._refuse(name, "expected a text that is not empty")
        return value

    def _refuse(self, name: str, expected: str) -> NoReturn:
        raise SecretInvalid(f"the secret {self.secret}, field {name}: {expected}", {"secret": self.secret})


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def _is_url(value: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 -- reading it is the check
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and not re.search(r"\s", value)


VCENTER_PREFIX = "esx-drift/vcenter/"


NEEDS_A_PERSON = {
    "ResourceNotFoundException": "does not exist: create it",
    "InvalidRequestException": "can't be read: is it marked for deletion?",
    "InvalidParameterException": "can't be read: it has no current version",
    "DecryptionFailure": "can't be decrypted: may this role use its KMS key?",
    "AccessDeniedException": "may not be read by this role",
}
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors"""


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
        fields, version_id = self.read(VCENTER_PREFIX + name)
        secret = VCenterSecret(
            fields.host("host"),
            fields.port("port", 443),
            fields.text("username"),
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
            values = json.loads(reply.get("SecretString", ""))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            # Nothing is chained: the parser's error carries the whole text.
            raise SecretInvalid(f"the secret {name} is not a JSON object", {"secret": name})
        return SecretFields(name, values), reply["VersionId"]

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
