"""An AWS of our own on 127.0.0.1, gone when it is left."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Literal, Self

import urllib3

from tests.lab.local_aws.aws import REGION, Aws, variables
from tests.lab.local_aws.place import TOOLS, NotReadyError, environment
from tests.simulator.certificates import Authority

# Any key is the account's root for the emulator; the functions get keys of their own roles.
KEY = "test"
EMULATOR = Path(__file__).with_name("emulator.py")
START_TRIES = 600
"""A minute: two seconds will do on a quiet machine, and 15 did not where other tests began at once."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A call that is waited for, to be held."""

    pool: urllib3.PoolManager
    url: str

    @property
    def is_holding(self) -> bool:
        """Whether it came, and is held."""
        return bool(self.pool.request("GET", self.url).json()["holding"])


class LocalAws:
    """ministack over TLS, enforcing every role's and bucket's policy.

    Over TLS since the buckets refuse all else. Where it may, ministack takes port 443 of 127.0.0.1 too.
    """

    def __init__(self, directory: Path, authority: Authority, now: datetime) -> None:
        """Keep the log in `directory`, all else only until the end; its functions trust `authority` alone."""
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "local-aws.log"
        self._scratch = Path(mkdtemp(prefix="local-aws-", dir=directory.absolute()))
        self._tls = authority.issue(self._scratch, now)
        self._authority = authority.write(self._scratch)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self._port}"

    @cached_property
    def aws(self) -> Aws:
        """Clients of the account's root."""
        return Aws(self.url, self._authority, KEY, KEY)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a program that shall speak to this AWS as the account's root."""
        return environment({**variables(self.url, KEY, KEY), **self._trust()})

    @contextmanager
    def hold(self, method: str, path: str, *body: str, when: Literal["before", "after"]) -> Iterator["Hold"]:
        """Hold the next call of that method whose path has this pattern, and whose body these parts.

        It is held before or after it is carried out, until this is left: before, it never is carried out.
        """
        wanted = json.dumps({"method": method, "path": path, "body": body, "when": when}).encode()
        with urllib3.PoolManager(ca_certs=str(self._authority)) as pool:
            held = Hold(pool, f"{self.url}/_held")
            pool.request("PUT", held.url, body=wanted)
            try:
                yield held
            finally:
                pool.request("DELETE", held.url)

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [TOOLS / "aws" / "bin" / "python", EMULATOR],
                env=self._own_environment(),
                # Held open until the end: see end_with_parent.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Its functions' processes end with it, as one group.
                start_new_session=True,
            )
        try:
            self._await_health()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _trust(self) -> dict[str, str]:
        return dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(self._authority))

    def _own_environment(self) -> dict[str, str]:
        # Exactly this: whatever stands here, the functions see too.
        return {
            "PATH": f"{TOOLS / 'aws' / 'bin'}:/usr/bin:/bin",
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AUTH": "true",
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._tls.certificate),
            "MINISTACK_SSL_KEY": str(self._tls.key),
            **self._trust(),
        }

    def _await_health(self) -> None:
        waiting = urllib3.Retry(START_TRIES, backoff_factor=0.05, backoff_max=0.1)
        with urllib3.PoolManager(ca_certs=str(self._authority), retries=waiting) as pool:
            try:
                pool.request("GET", f"{self.url}/_ministack/health", timeout=5)
            except urllib3.exceptions.MaxRetryError as error:
                raise NotReadyError(f"The local AWS did not start:\n{self.log.read_text()}") from error

    def _end(self) -> None:
        # It has nothing to save, and asked to end it would wait for each client to hang up first.
        if self._process is not None:
            with self._process as process:
                os.killpg(process.pid, signal.SIGKILL)
            self._process = None
        # Thousands of unpacked files take long to remove, and nobody needs to wait for it.
        os.posix_spawnp("rm", ["rm", "-rf", str(self._scratch)], os.environ)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
