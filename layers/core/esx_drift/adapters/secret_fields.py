"""The fields of a secret, read so that only what can be used gets out. No value reaches a message."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NoReturn
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from esx_drift.domain.text.wording import clean_text
from esx_drift.errors import SecretInvalid

DNS_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){DNS_LABEL}(\.{DNS_LABEL})*\Z")


MAX_PORT = 65_535


_CERTIFICATE_BEGIN: Final = re.compile("-----BEGIN (?:X509 )?CERTIFICATE-----")


_CERTIFICATE: Final = re.compile(
    rf"(?P<begin>{_CERTIFICATE_BEGIN.pattern})(?P<base64>[^-]*)(?P<end>-----END (?:X509 )?CERTIFICATE-----)"
)
"""A block of PEM (https://www.rfc-editor.org/rfc/rfc7468#section-2). What is around it only explains it."""


PEM_LINE: Final = 64
"""Characters of a line: https://www.rfc-editor.org/rfc/rfc7468#section-2"""


MAX_LATIN: Final = 0xFF
"""The last character of ISO 8859-1, by which requests encodes what a proxy asks for."""


MIN_PASSWORD_LENGTH: Final = 4
"""A shorter one stands in any text by chance, and can't be struck out of what comes back. vCenter Single
Sign-On asks for 8 characters by default."""


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half of a character. JSON may spell one, and nothing can be sent that holds it."""


_BLANKS: Final = re.compile(r"(?:[\s\ufeff\u200b]|\\[rn])+")
"""Blanks of any kind, what is not seen at all, and line ends that were escaped twice: no part of base64."""


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
            self.refuse(name, "expected a text that is not empty, got none")
        return value

    def username(self, name: str) -> str:
        """A name to log in with. HTTP's Basic login ends it at the first colon."""
        value = self.text(name)
        if ":" in value:
            self.refuse(name, "expected a user name without a colon")
        return value

    def password(self, name: str) -> str:
        """A password that is long enough to be told from other text."""
        value = self.text(name)
        self._refuse_short(name, value)
        return value

    def host(self, name: str) -> str:
        """A host name or an address and nothing more: no scheme, port, path, user or blank."""
        value = self.text(name)
        if not (HOST_NAME.match(value) or _is_address(value)):
            self.refuse(name, "expected a bare host name or IP address, without scheme, port or path")
        return value

    def port(self, name: str, default: int) -> int:
        """A TCP port, from the field ``name``; ``default`` where there is none."""
        self.read_fields.add(name)
        value = self.values.get(name)
        number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
        number = int(number) if isinstance(number, float) and number.is_integer() else number
        if number is None:
            return default
        if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= MAX_PORT:
            self.refuse(name, f"expected a whole number from 1 to {MAX_PORT}")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false, from the field ``name``; ``default`` where there is none."""
        self.read_fields.add(name)
        value = self.values.get(name)
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value, value)
        meant = default if value is None else value
        if not isinstance(meant, bool):
            self.refuse(name, "expected true or false")
        return meant

    def ca_bundle(self, name: str) -> str | None:
        """Certificates as PEM text, proven to be readable, without whatever stands around them."""
        value = self._read_optional(name)
        if value is None:
            return None
        blocks = [_build_block(block) for block in _CERTIFICATE.finditer(value)]
        pem = "\n".join(blocks)
        if len(blocks) != len(_CERTIFICATE_BEGIN.findall(value)) or not _is_loadable(pem):
            self.refuse(name, "expected certificates as whole PEM blocks (-----BEGIN CERTIFICATE-----)")
        return pem

    def proxy(self, name: str) -> str | None:
        """The URL of an HTTP proxy, with a user and a password or without, in ASCII."""
        value = self._read_optional(name)
        if value is None:
            return None
        url = _find_url(value, ("http", "https"))
        if url is None or url.path not in {None, "/"} or url.query or url.fragment:
            self.refuse(name, "expected http://host:port of a proxy")
        if not _is_latin(unquote(url.auth or "")):
            self.refuse(name, "expected a user and a password that HTTP can send to a proxy (ISO 8859-1)")
        password = unquote((url.auth or "").partition(":")[2])
        if password:
            self._refuse_short(name, password)
        return url.url

    def https_url(self, name: str) -> Url:
        """A URL that begins with https:// and names no user, as urllib3 reads it."""
        url = _find_url(self.text(name), ("https",))
        if url is None:
            self.refuse(name, "expected a URL that begins with https://")
        if url.auth is not None:
            self.refuse(name, "expected a URL without user and password")
        return url

    def refuse_others(self) -> None:
        """Refuse every field that was not asked for: a misspelt one would be left out in silence."""
        others = sorted(set(self.values) - self.read_fields)
        if others:
            self.refuse(clean_text(others[0]), f"expected none but {', '.join(sorted(self.read_fields))}")

    def _read_optional(self, name: str) -> str | None:
        self.read_fields.add(name)
        value = self.values.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            self.refuse(name, "expected a text that is not empty")
        if value is not None and _SURROGATE.search(value):
            self.refuse(name, "expected whole characters, got half of a surrogate pair")
        return value

    def _refuse_short(self, name: str, password: str) -> None:
        if len(password) < MIN_PASSWORD_LENGTH:
            least = f"expected a password of at least {MIN_PASSWORD_LENGTH} characters"
            self.refuse(name, f"{least}: a shorter one can't be kept out of what a server repeats")

    def refuse(self, name: str, expected: str) -> NoReturn:
        """Refuse the secret for its field ``name``: ``expected`` says what was, without the value."""
        raise SecretInvalid(f"the secret {self.secret}, field {name}: {expected}", {"secret": self.secret})


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def _find_url(value: str, schemes: tuple[str, ...]) -> Url | None:
    """Find the parts of a URL as urllib3 reads them, which is what decides where a request goes.

    Returns:
        None if ``value`` is no URL of one of the ``schemes`` with a usable host and port.
    """
    try:
        url = parse_url(value)
    except LocationParseError:
        return None
    host = (url.host or "").removeprefix("[").removesuffix("]")
    is_usable = url.scheme in schemes and url.port != 0 and not re.search(r"\s", value)
    return url if is_usable and (HOST_NAME.match(host) or _is_address(host)) else None


def _is_latin(text: str) -> bool:
    """Whether requests can encode a text for a proxy's Basic login."""
    return all(ord(char) <= MAX_LATIN for char in text)


def _build_block(block: re.Match[str]) -> str:
    """Build a block of PEM anew, in lines as they should be."""
    base64 = _BLANKS.sub("", block["base64"])
    lines = [base64[at : at + PEM_LINE] for at in range(0, len(base64), PEM_LINE)]
    return "\n".join((block["begin"], *lines, block["end"], ""))


def _is_loadable(pem: str) -> bool:
    """Whether OpenSSL reads certificates in the text, and nothing else."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        # Nothing is chained: what stands there by mistake may be a private key.
        return False
    return True
