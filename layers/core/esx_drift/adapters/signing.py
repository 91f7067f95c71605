"""The key that signs digests, in AWS KMS. It never leaves KMS, which gets the sha256 of what it signs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.adapters.s3_objects import get_error_code
from esx_drift.errors import SignerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class KmsSigner(Struct, frozen=True):
    """``ports.Signer`` with the KMS key ``key_id``; ``client`` gives the same KMS client each time."""

    client: Callable[[], "KMSClient"]
    key_id: str

    def read_public_key(self) -> bytes:
        """Read the public key, in DER."""
        with self._translate_errors():
            return self.client().get_public_key(KeyId=self.key_id)["PublicKey"]

    def sign(self, sha256: bytes) -> bytes:
        """Sign; KMS gives another signature each time, and each is good."""
        with self._translate_errors():
            return self.client().sign(
                KeyId=self.key_id, Message=sha256, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
            )["Signature"]

    def has_signed(self, sha256: bytes, signature: bytes) -> bool:
        """Have KMS verify a signature."""
        with self._translate_errors():
            client = self.client()
            try:
                client.verify(
                    KeyId=self.key_id,
                    Message=sha256,
                    MessageType="DIGEST",
                    Signature=signature,
                    SigningAlgorithm="ECDSA_SHA_256",
                )
            except client.exceptions.KMSInvalidSignatureException:
                return False
            return True

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except BotoCoreError as error:
            sentence = (
                f"KMS could not be reached to sign with {self.key_id}: {type(error).__name__} ({error})"
            )
            raise SignerUnavailable(sentence) from error
        except ClientError as error:
            message = error.response.get("Error", {}).get("Message", "")
            raise SignerUnavailable(
                f"KMS does not sign with {self.key_id}: {get_error_code(error)} ({message}). Is the key"
                " enabled, not waiting for its deletion, and may the SealerRole use it?"
            ) from error
