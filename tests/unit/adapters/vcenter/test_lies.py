"""Each call to a vCenter, and each lie: a value or a failure in words, within a time and a memory."""

import logging
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import replace
from dataclasses import dataclass, field

import pytest
from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.adapters.vcenter import http_client
from esx_drift.adapters.vcenter.session import RestSession, open_vcenter
from esx_drift.domain.vcenter_api import (
    ABOUT_PATH,
    PROPERTY_COLLECTOR_PATH,
    SERVICE_VERSIONS_PATH,
    TOO_MANY_RESULTS,
)
from esx_drift.errors import EsxDriftError

from tests.paths import ROOT
from tests.unit.adapters.vcenter.conftest import CALLS, CLUSTER, Pki
from tests.unit.adapters.vcenter.lies import DRIBBLES, LIES, Lie, answer
from tests.unit.adapters.vcenter.servers import replying
from tests.unit.adapters.vcenter.world import NOW

MAX_SECONDS = 10
"""What dribbles is given up after 0.2 s here; all else takes as long as 32 MB do on a busy machine."""

MAX_MB = 256 - 80
"""What a function of 256 MB has left beside what it holds after an ordinary look."""

MAX_ERROR_CHARACTERS = 600

TOKEN, TASK = b'"token"', b'"task-1"'
DIVIDED = answer(
    b'{"error_type":"%b","messages":[{"id":"x","default_message":"Too many","args":[]}]}'
    % TOO_MANY_RESULTS.encode(),
    b"500 Internal Server Error",
)
HOST = b'[{"host":"host-1","name":"a","connection_state":"CONNECTED","power_state":"POWERED_ON"}]'
SOFTWARE = b"GET /api/esx/settings/clusters/domain-c9/"
HONEST = {
    b"POST /api/session": answer(TOKEN, b"201 Created"),
    b"DELETE /api/session": answer(b"", b"204 No Content"),
    b"GET " + SERVICE_VERSIONS_PATH.encode(): answer(b"<html>"),
}
"""What is answered to requests that a lie brings about."""

logger = logging.getLogger("figures")


@dataclass(frozen=True, slots=True)
class Place:
    """A request that is lied to, the truth, the call that sends it, and what leads to it."""

    request: bytes
    truth: bytes
    call: Callable[[RestSession], object]
    before: Mapping[bytes, bytes] = field(default_factory=dict)


def _close(session: RestSession) -> None:
    session._token = "token"  # noqa: SLF001 -- as after a login
    session.close()


PLACES = {
    "login": Place(b"POST /api/session", TOKEN, RestSession.login),
    "close": Place(b"DELETE /api/session", b"", _close),
    "about": Place(
        b"GET " + ABOUT_PATH.encode(),
        b'{"about":{"instanceUuid":"x","version":"8.0.3","build":"1"}}',
        CALLS["about"],
    ),
    "release": Place(
        b"GET " + SERVICE_VERSIONS_PATH.encode(),
        b"<namespaces><namespace><name>urn:vim25</name><version>8.0.2.0</version></namespace></namespaces>",
        CALLS["about"],
        {b"GET " + ABOUT_PATH.encode(): answer(b"", b"404 Not Found")},
    ),
    "clusters": Place(
        b"GET /api/vcenter/cluster", b'[{"cluster":"domain-c9","name":"prod-a"}]', CALLS["clusters"]
    ),
    "datacenters": Place(
        b"GET /api/vcenter/datacenter",
        b'[{"datacenter":"datacenter-3","name":"dc"}]',
        CALLS["clusters"],
        {b"GET /api/vcenter/cluster ": DIVIDED},
    ),
    "folders": Place(
        b"GET /api/vcenter/folder",
        b'[{"folder":"group-h5","name":"host"}]',
        CALLS["clusters"],
        {
            b"GET /api/vcenter/cluster": DIVIDED,
            b"GET /api/vcenter/datacenter": answer(b'[{"datacenter":"datacenter-3","name":"dc"}]'),
        },
    ),
    "hosts": Place(b"GET /api/vcenter/host?clusters", HOST, CALLS["hosts"]),
    "find_hosts": Place(
        b"GET /api/vcenter/host?hosts", HOST, lambda session: session.find_hosts({"host-1", "host-2"})
    ),
    "host_uuids": Place(
        b"POST " + PROPERTY_COLLECTOR_PATH.encode(),
        b'{"objects":[{"obj":{"value":"host-16"},"propSet":[{"name":"hardware.systemInfo.uuid",'
        b'"val":{"_typeName":"string","_value":"4c4c4544-0042-3510-8052-b3c04f4b4e32"}}]}]}',
        CALLS["host_uuids"],
    ),
    "standalone_hosts": Place(b"GET /api/vcenter/host?standalone", HOST, CALLS["standalone_hosts"]),
    "extract": Place(b"POST /api/esx/settings", TASK, CALLS["extract"]),
    "task": Place(b"GET /api/cis/tasks/task-1", b'{"status":"RUNNING"}', CALLS["task"]),
    "installed_images": Place(
        SOFTWARE + b"installed-images", b'{"completion_time":"x"}', CALLS["installed_images"]
    ),
    "managed_by_image": Place(
        SOFTWARE + b"enablement", b'{"enabled":true}', lambda session: session.managed_by_image(CLUSTER)
    ),
}


def test_each_call_is_lied_to() -> None:
    """A call of the port that comes later as well; the clock only repeats what was answered."""
    calls = {name for name in vars(RestSession) if not name.startswith("_")}
    assert calls - PLACES.keys() == {"clock"}


@dataclass(slots=True)
class _Liar:
    """A vCenter that lies to the request of one place, and does what leads to it and what it brings about."""

    place: Place
    lie: Lie = LIES["nothing"]
    lied: int = 0

    def reply(self, request: bytes) -> Iterable[bytes]:
        """Answer a request."""
        for prefix, honest in self.place.before.items():
            if request.startswith(prefix):
                return [honest]
        if request.startswith(self.place.request):
            self.lied += 1
            return self.lie(self.place.truth)
        return [next((known for begin, known in HONEST.items() if request.startswith(begin)), answer(b"[]"))]


@pytest.mark.parametrize("name", PLACES)
def test_a_lie_is_a_value_or_a_failure_in_words(
    secret: VCenterSecret, pki: Pki, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever is answered, nothing else is raised, and neither time nor memory is without a bound."""
    liar = _Liar(PLACES[name])
    with replying(pki.tls, liar.reply) as port, monkeypatch.context() as patched:
        for lie_name, liar.lie in (LIES | DRIBBLES).items():
            if lie_name in DRIBBLES:
                patched.setattr(http_client, "HEAD_SECONDS", 0.2)
                patched.setattr(http_client, "BODY_SECONDS", 0.2)
            liar.lied, begun = 0, time.monotonic()
            with _measure_memory() as read_peak_mb:
                _tell(liar.place, replace(secret, port=port))
            assert liar.lied or lie_name in DRIBBLES, lie_name
            assert time.monotonic() - begun < MAX_SECONDS, lie_name
            assert read_peak_mb() < MAX_MB, lie_name
    logger.info("lies: %s", len(LIES | DRIBBLES))


LOGIN_ALONE = """
import logging
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.errors import EsxDriftError

logging.basicConfig()
port, user, password = sys.argv[1:]
secret = VCenterSecret("127.0.0.1", int(port), user, password, sys.stdin.read(), True, None, "1", "x")
try:
    open_vcenter(secret, nullcontext, lambda: datetime.now(UTC)).login()
except EsxDriftError as error:
    print(error.message)
"""
"""A login in a process that has loaded nothing else, and that writes warnings to stderr as Lambda does."""


def test_what_is_no_header_is_not_logged(secret: VCenterSecret, pki: Pki) -> None:
    """The library quotes it in a warning of its own, and a password that is sent back may stand there."""

    def reply(request: bytes) -> Iterable[bytes]:
        (credentials,) = re.findall(rb"Authorization: (.*?)\r\n", request)
        return [b"HTTP/1.1 500 Error\r\nno colon " + credentials + b"\r\n\r\n"]

    with replying(pki.tls, reply) as port:
        arguments = [sys.executable, "-c", LOGIN_ALONE, str(port), secret.username, secret.password]
        done = subprocess.run(
            arguments,
            cwd=ROOT / "layers" / "core",
            input=secret.ca_bundle,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "answered 500 to POST /api/session" in done.stdout
    assert done.stderr == ""


@contextmanager
def _measure_memory() -> Iterator[Callable[[], float]]:
    """Gives what then reads the most memory, in MB, that was held beyond what was held before."""
    peaks: list[float] = []
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield lambda: peaks[0]
        peaks.append((tracemalloc.get_traced_memory()[1] - before) / 1_000_000)
    finally:
        tracemalloc.stop()


def _tell(place: Place, secret: VCenterSecret) -> None:
    session = open_vcenter(secret, nullcontext, lambda: NOW)
    message = ""
    try:
        place.call(session)
    except EsxDriftError as error:
        message = error.message
    finally:
        session._token = None  # noqa: SLF001 -- there is nobody to end it with
        session.close()
    assert len(message) < MAX_ERROR_CHARACTERS
    assert message.isprintable()
