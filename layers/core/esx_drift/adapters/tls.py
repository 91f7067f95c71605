"""TLS contexts: trust comes from the vCenter's secret, never from this machine's environment."""

import logging
import ssl
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import certifi
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from esx_drift.errors import SecretInvalid

# Its warnings quote what no secret may be read from: the path of a webhook with each retry, and lines of an
# answer that are no headers, in which a server may repeat a password.
logging.getLogger("urllib3").setLevel(logging.ERROR)

# Numbers of OpenSSL's X509_V_ERR_*: https://github.com/openssl/openssl/blob/openssl-3.0/include/openssl/x509_vfy.h.in
UNTRUSTED_CODES = frozenset({2, 18, 19, 20, 21})
NOT_YET_VALID_CODE = 9
EXPIRED_CODE = 10
WRONG_NAME_CODES = frozenset({62, 64})
MALFORMED_CODES = frozenset({24, *range(79, 95)})
"""Flaws of form, such as a CA without critical basicConstraints; most count only under VERIFY_X509_STRICT."""


def build_tls_context(ca_bundle: str | None, *, strict: bool) -> ssl.SSLContext:
    """Build a context that verifies certificate and host name.

    Args:
        ca_bundle: The only CAs that are trusted, as PEM; None: the public CAs of certifi.
        strict: False clears VERIFY_X509_STRICT, which Python 3.13 sets and many corporate CAs fail.

    Raises:
        SecretInvalid: The bundle holds no certificate.
    """
    try:
        if ca_bundle is None:
            context = ssl.create_default_context(cafile=certifi.where())
        else:
            context = ssl.create_default_context(cadata=_keep_ascii(ca_bundle))
    except ssl.SSLError as error:
        raise SecretInvalid("the secret's ca_bundle holds no certificate in PEM form") from error
    if not strict:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _keep_ascii(pem: str) -> str:
    # Comments between certificates may hold any characters; Python takes only ASCII for PEM. And an empty
    # text would mean the CAs of this machine.
    return pem.encode("ascii", "ignore").decode() or "\n"


type CertificateFlaw = Literal["untrusted", "expired", "not-yet-valid", "wrong-name", "malformed", "other"]

CERTIFICATE_REMEDIES: Final[Mapping[CertificateFlaw, str]] = MappingProxyType(
    {
        "untrusted": "Put the certificate of the CA that signed it into the secret's ca_bundle.",
        "expired": "Renew the vCenter's certificate, or its CA's.",
        "not-yet-valid": "Compare the clocks: to us the certificate is not valid yet.",
        "wrong-name": "Put a name that stands in the certificate into the secret's host.",
        "malformed": "Have the certificate issued by the rules, or set the secret's tls_strict to false.",
        "other": "Renew the vCenter's certificate.",
    }
)
"""What to do about a certificate that was refused, by what is wrong with it."""


def find_certificate_flaw(error: ssl.SSLCertVerificationError) -> CertificateFlaw:
    """Find what is wrong with a certificate that was refused."""
    flaws: tuple[tuple[Collection[int], CertificateFlaw], ...] = (
        (UNTRUSTED_CODES, "untrusted"),
        ((EXPIRED_CODE,), "expired"),
        ((NOT_YET_VALID_CODE,), "not-yet-valid"),
        (WRONG_NAME_CODES, "wrong-name"),
        (MALFORMED_CODES, "malformed"),
    )
    return next((flaw for codes, flaw in flaws if error.verify_code in codes), "other")


def find_certificate_remedy(error: ssl.SSLCertVerificationError) -> str:
    """Say what to do about a certificate that was refused."""
    return CERTIFICATE_REMEDIES[find_certificate_flaw(error)]


def open_https_session(ca_bundle: str | None, retries: Retry) -> Session:
    """Open a session that trusts public CAs, or those of ``ca_bundle`` alone, and no setting of the machine.

    Args:
        ca_bundle: Certificates in PEM.
        retries: What is tried again.

    Raises:
        SecretInvalid: The bundle holds no certificate.
    """
    transport = TlsTransport(build_tls_context(ca_bundle, strict=True), retries)
    session = Session()
    session.trust_env = False
    session.mount("https://", transport)
    return session


class TlsTransport(HTTPAdapter):
    """requests' adapter with one TLS context, and no other source of trust."""

    def __init__(self, context: ssl.SSLContext, retries: Retry) -> None:
        self._context = context
        super().__init__(max_retries=retries)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: ANN401, FBT001, FBT002 -- the signature is requests'
        """Give the pool our context; ``connections``, ``maxsize`` and ``block`` are passed on unchanged."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 -- the signature is requests'
        """Do nothing: requests would add its public CAs to the context, which verifies by itself.

        ``conn``, ``url``, ``verify`` and ``cert`` are what requests would do that with.
        """
