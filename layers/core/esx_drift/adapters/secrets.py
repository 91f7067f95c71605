"""Secrets. No value ever reaches a message or a repr."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

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
