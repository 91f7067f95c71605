"""An AWS inside of the test's own process."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from threading import RLock
from typing import Any, Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from moto import mock_aws
from moto.backend_index import backend_url_patterns
from moto.core.base_backend import BaseBackend
from moto.core.exceptions import JsonRESTError
from moto.kms.utils import ECDSAPrivateKey
from moto.s3.models import S3Backend

REGION: Final = "eu-central-1"

SERVICES: Final = frozenset(
    {
        *("awslambda", "cloudformation", "cloudwatch", "iam", "kms", "s3", "scheduler"),
        *("secretsmanager", "sns", "sqs", "sts"),
    }
)
"""What these tests ask of AWS. To find whose a request is, moto tries the addresses of each service that it
knows: nearly two hundred."""


def _speed_up_moto(patch: pytest.MonkeyPatch) -> None:
    """Let moto look for few services, and list the addresses of each once: a third of a check's time here.

    It lists them at each request, and loads S3's module anew for it, in case somebody gives S3 other
    addresses while it runs. Nobody does here.
    """
    backend_url_patterns[:] = [each for each in backend_url_patterns if each[0] in SERVICES]
    patch.setattr(S3Backend, "_url_module", vars(BaseBackend)["_url_module"])
    list_urls, kept = vars(BaseBackend)["urls"], dict[type[BaseBackend], object]()

    def list_once(backend: BaseBackend) -> object:
        if type(backend) not in kept:
            kept[type(backend)] = list_urls.__get__(backend)
        return kept[type(backend)]

    patch.setattr(BaseBackend, "urls", property(list_once))


_speed_up_moto(pytest.MonkeyPatch())


def simulated_aws() -> AbstractContextManager[Any]:
    """An empty AWS. boto3's session stays: without it each client reads its service's description anew."""
    return mock_aws(config={"core": {"reset_boto3_session": False}})


def set_credentials(patch: pytest.MonkeyPatch) -> None:
    """Let boto3 speak to a simulated AWS, whatever this machine's own settings are."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_DEFAULT_REGION", REGION)
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def sign_digests(patch: pytest.MonkeyPatch) -> None:
    """Have moto's KMS sign and verify as KMS does with ``MessageType: DIGEST``.

    moto hashes once more what is a hash, and says of a wrong signature that it is not valid; KMS raises.
    """

    def sign(key: ECDSAPrivateKey, message: bytes, _: str) -> bytes:
        return key.private_key.sign(message, ECDSA(Prehashed(SHA256())))

    def verify(key: ECDSAPrivateKey, message: bytes, signature: bytes, _: str) -> bool:
        try:
            key.private_key.public_key().verify(signature, message, ECDSA(Prehashed(SHA256())))
        except InvalidSignature:
            raise JsonRESTError("KMSInvalidSignatureException", "it is not valid") from None
        return True

    patch.setattr(ECDSAPrivateKey, "sign", sign)
    patch.setattr(ECDSAPrivateKey, "verify", verify)


class OneAtATime:
    """A client whose calls wait for each other: moto closes an object that is replaced while it is read.

    In S3 a read gives what was there when it began. All else is the client's own.
    """

    def __init__(self, client: object) -> None:
        """``client`` is one of boto3's."""
        self._client, self._lock = client, RLock()

    def __getattr__(self, name: str) -> object:
        value = getattr(self._client, name)
        return partial(self._call, value) if callable(value) else value

    def _call(self, method: Callable[..., object], *args: object, **options: object) -> object:
        with self._lock:
            return method(*args, **options)
