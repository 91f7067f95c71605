"""What a person is asked before a vCenter is tried.

Run by itself (`python -m tests.lab.trying.asking …`) it only looks at the arguments and the terminal, before
anything is built for them: it needs nothing but the standard library.
"""

import argparse
import getpass
import re
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

MAX_NAME_CHARACTERS = 63
EXAMPLE = "make try VCENTER=https://vc01.example.com"
SIMULATOR = "simulator"
"""In place of an address: the vCenter that the tests have, on this machine."""

SIMULATED_EXAMPLE = f"make try VCENTER={SIMULATOR}"
OFFER = f"It needs the vCenter's address: {EXAMPLE}\nTry the simulated vCenter? [Y/n] "
TROUBLE = 2


@dataclass(frozen=True, slots=True)
class Given:
    """Which vCenter, the way to it, and whom TLS trusts; without a bundle the public authorities.

    `cluster`: the only one that is looked at, by name or id. A simulated vCenter has no port yet.
    """

    host: str
    port: int
    ca_bundle: str | None = field(default=None, repr=False)
    tls_strict: bool = True
    proxy: str | None = field(default=None, repr=False)
    cluster: str | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A vCenter, and who logs in."""

    given: Given
    username: str
    password: str = field(repr=False)

    @property
    def name(self) -> str:
        """The host as a name that the fleet file takes."""
        if self.given.simulated:
            return SIMULATOR
        return re.sub("[^a-z0-9]+", "-", self.given.host.lower())[:MAX_NAME_CHARACTERS].strip("-")

    @property
    def secret(self) -> dict[str, object]:
        """What the vCenter's secret says."""
        given = self.given
        own = {"ca_bundle": given.ca_bundle, "proxy": given.proxy}
        return {
            "host": given.host,
            "port": given.port,
            "username": self.username,
            "password": self.password,
            "tls_strict": given.tls_strict,
            **{name: value for name, value in own.items() if value},
        }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one line: who typed `make try` never saw the usage of this module."""
        self.exit(TROUBLE, f"make try: {message}\n")


def asked(arguments: Sequence[str]) -> Asked:
    """What the arguments say, and what a person answers at the terminal; the password is never shown.

    Ends the process, with one line, for arguments that make no sense and for an empty answer.
    """
    given = checked(arguments)
    if given.simulated:
        from tests.simulator.sessions import PASSWORD, USER  # noqa: PLC0415 -- only here more is needed

        sys.stdout.write(f"User and password of the simulated vCenter: {USER}, {PASSWORD}\n")
        return Asked(given, USER, PASSWORD)
    try:
        username = input(f"User of {given.host} (such as svc-drift@vsphere.local): ").strip()
        password = getpass.getpass(f"Password of {username}: ") if username else ""
    except EOFError:
        username = password = ""
    if not password:
        missing = "password" if username else "user"
        # A login without a password counts as a failed one, and five of them lock the account.
        _Parser().error(f"no {missing} was given, so that nothing was sent")
    return Asked(given, username, password)


def checked(arguments: Sequence[str], *, offer: bool = False) -> Given:
    """What the arguments say, if they make sense and somebody is there to answer; else the process ends.

    Without a vCenter, the simulated one is taken at a terminal; with `offer` only if the person there agrees.
    """
    parser = _Parser("make try")
    for name in ("vcenter", "ca", "strict", "proxy", "cluster"):
        parser.add_argument(f"--{name}", default="")
    options = parser.parse_args(arguments)
    if not options.vcenter:
        if not sys.stdin.isatty():
            parser.error(f"it needs the vCenter's address: {EXAMPLE}\nA simulated one: {SIMULATED_EXAMPLE}")
        if offer and not _accepted(OFFER):
            parser.exit(TROUBLE)
        options.vcenter = SIMULATOR
    cluster = options.cluster or None
    if options.vcenter == SIMULATOR:
        if options.ca or options.strict or options.proxy:
            parser.error("CA, STRICT and PROXY are for a real vCenter")
        return Given("127.0.0.1", 0, cluster=cluster, simulated=True)
    try:
        way = (*address(options.vcenter), bundle(options.ca), strict(options.strict), proxy(options.proxy))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if not sys.stdin.isatty():
        parser.error("it asks for user and password: run it at a terminal")
    return Given(*way, cluster=cluster)


def _accepted(question: str) -> bool:
    """Whether the answer is yes, or none; it is no at the end of the input, and after Ctrl-C."""
    try:
        return input(question).strip().lower() in {"", "y", "yes"}
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        return False


def address(url: str) -> tuple[str, int]:
    """Host and port; raises ``ArgumentTypeError`` for what is no plain https address."""
    # What stands before an @ may be a password.
    told = argparse.ArgumentTypeError(f"expected VCENTER=https://HOST[:PORT], got {url.rpartition('@')[2]!r}")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise told from error
    beyond = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or beyond:
        raise told
    return parts.hostname, port


def bundle(name: str) -> str | None:
    """The certificates of a PEM file; raises ``ArgumentTypeError`` for a file that holds none."""
    if not name:
        return None
    try:
        text = Path(name).expanduser().read_text("utf-8", "replace")
        ssl.create_default_context(cadata=text.encode("ascii", "ignore").decode() or "\n")
    except OSError as error:
        # An SSLError is one too, whose text says nothing to a person.
        why = "it holds no certificate as PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise argparse.ArgumentTypeError(f"CA={name} can't be used: {why}") from error
    return text


def strict(word: str) -> bool:
    """Whether TLS insists on the form of certificates; raises ``ArgumentTypeError`` for another word."""
    if word not in {"", "yes", "no"}:
        raise argparse.ArgumentTypeError(f"expected STRICT=yes or STRICT=no, got {word!r}")
    return word != "no"


def proxy(url: str) -> str | None:
    """The address of an HTTP proxy; raises ``ArgumentTypeError``, which does not tell the password in it."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError("expected PROXY=http://[USER:PASSWORD@]HOST:PORT")
    return url


if __name__ == "__main__":
    checked(sys.argv[1:], offer=True)
