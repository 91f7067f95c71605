"""What a person is asked before a vCenter is tried."""

import argparse
import getpass
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MAX_NAME_CHARACTERS = 63


@dataclass(frozen=True, slots=True)
class Asked:
    """Which vCenter, who logs in, and whom TLS trusts; without a bundle the public authorities."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    ca_bundle: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """The host as a name that the fleet file takes."""
        return re.sub("[^a-z0-9]+", "-", self.host.lower())[:MAX_NAME_CHARACTERS].strip("-")

    @property
    def secret(self) -> dict[str, object]:
        """What the vCenter's secret says."""
        own = {"ca_bundle": self.ca_bundle} if self.ca_bundle else {}
        return {
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            **own,
        }


def asked(arguments: Sequence[str]) -> Asked:
    """What the arguments say, and what a person answers at the terminal; the password is never shown.

    Ends the process for arguments that make no sense.
    """
    parser = argparse.ArgumentParser("make try", description="Checks a vCenter once and tells what it found.")
    parser.add_argument("--vcenter", type=address, required=True, metavar="https://HOST[:PORT]")
    parser.add_argument("--ca", type=bundle, metavar="FILE", help="certificates that TLS trusts, as PEM")
    options = parser.parse_args(arguments)
    host, port = options.vcenter
    username = input(f"User of {host} (such as svc-drift@vsphere.local): ").strip()
    password = getpass.getpass(f"Password of {username}: ")
    return Asked(host, port, username, password, options.ca)


def address(url: str) -> tuple[str, int]:
    """Host and port; raises ``ArgumentTypeError`` for what is no plain https address."""
    told = argparse.ArgumentTypeError(f"expected https://HOST[:PORT], got {url!r}")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise told from error
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.path.strip("/"):
        raise told
    return parts.hostname, port


def bundle(name: str) -> str:
    """The certificates of a PEM file; raises ``ArgumentTypeError`` for a file that holds none."""
    try:
        text = Path(name).read_text("utf-8", "replace")
        ssl.create_default_context(cadata=text.encode("ascii", "ignore").decode() or "\n")
    except OSError as error:
        # An SSLError is one too, whose text says nothing to a person.
        why = "it holds no certificate as PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise argparse.ArgumentTypeError(f"{name} can't be used: {why}") from error
    return text
