"""Certificates for the servers, good and bad, each file written where it is asked for."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.simulator.server import Tls

type CertificateKind = Literal["good", "expired", "another-name", "unfit-authority"]

_VALID = timedelta(days=30)
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; `is_strict` False leaves its basicConstraints uncritical.

    OpenSSL takes such an authority, unless VERIFY_X509_STRICT is set, as Python 3.13 does.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Its certificate, for `ca_bundle`."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        directory: Path,
        now: datetime,
        name: str = "localhost",
        address: str | None = "127.0.0.1",
        *,
        expired: bool = False,
    ) -> Tls:
        """A server's certificate and key as PEM files in the directory."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins = now - (2 * _VALID if expired else timedelta(days=1))
        builder = _builder(name, self.certificate.subject, key, begins, begins + _VALID)
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        names += [x509.IPAddress(ipaddress.ip_address(address))] if address else []
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage("digital_signature"), critical=True)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())
        return _written(directory, certificate, key)

    def write(self, directory: Path) -> Path:
        """The authority's certificate as a PEM file in the directory."""
        path = directory / f"ca-{self.certificate.serial_number:x}.pem"
        path.write_text(self.pem)
        return path


def authority(now: datetime, name: str = "Simulated CA", *, strict: bool = True) -> Authority:
    """A new authority; not `strict`: as many companies have one, see Authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = now - 3 * _VALID
    builder = _builder(name, subject, key, begins, now + _VALID)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=strict)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def bad_certificates(
    trusted: Authority, unfit: Authority, directory: Path, now: datetime
) -> dict[CertificateKind, Tls]:
    """One of each kind that a server may show and no strict client takes; `unfit` is not strict."""
    return {
        "expired": trusted.issue(directory, now, expired=True),
        "another-name": trusted.issue(directory, now, "vc01.example.com", address=None),
        "unfit-authority": unfit.issue(directory, now),
    }


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in granted for name in _KEY_USAGES})


def _written(directory: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Tls:
    stem = f"leaf-{certificate.serial_number:x}"
    tls = Tls(directory / f"{stem}.pem", directory / f"{stem}.key")
    tls.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    tls.key.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    tls.key.chmod(0o600)
    return tls
