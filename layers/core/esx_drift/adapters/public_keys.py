"""Public keys that signed digests, and whether they did. On a workstation only: no function needs it."""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from esx_drift.domain.stored.identifiers import compute_sha256
from esx_drift.errors import ContractViolation


@dataclass(frozen=True, slots=True)
class EcPublicKey:
    """``ports.PublicKey``."""

    key: EllipticCurvePublicKey = field(repr=False)
    fingerprint: str
    pem: bytes = field(repr=False)

    def has_signed(self, body: bytes, signature: bytes) -> bool:
        """Tell whether ``signature``, in DER, is this key's of ``body``."""
        try:
            self.key.verify(signature, body, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def parse_public_key(pem: bytes) -> EcPublicKey:
    """Parse a public key in PEM.

    Raises:
        ContractViolation: It is none, or none of the kind that signs digests.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ContractViolation("it is no public key in PEM") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ContractViolation("it is a key of another kind than signs digests: ECC_NIST_P256")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return EcPublicKey(
        key, compute_sha256(der), key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
