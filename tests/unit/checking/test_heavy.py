"""What the heaviest answers of a vCenter cost: each in a process of its own, over TLS, by a real job."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from esx_drift.contracts import MAX_PARTS
from esx_drift.contracts.json_parsing import MAX_VALUES
from esx_drift.domain.vcenter_api import MAX_CLUSTER_HOSTS, SESSION_PATH
from moto.server import ThreadedMotoServer

from tests.paths import ROOT
from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.adapters.vcenter.servers import replying
from tests.unit.simulated_aws import REGION

type Wire = dict[str, Any]

MAX_MB = 256
OWN_MB = 80
"""What a function holds after an ordinary look. Here it is 94, with what makes the AWS ready."""

PROCESS = "tests.unit.checking.heavy_process"
FLOOD_BYTES = 32_000_000
HOSTS = 96
PLAIN = {
    "token": b'"token"',
    "about": b'{"about":{"instanceUuid":"x","version":"8.0.3","build":"1"}}',
    "clusters": b'[{"cluster":"domain-c9","name":"prod-a"}]',
    "hosts": b"[]",
}
"""A vCenter of one empty cluster."""


@dataclass(slots=True)
class Heavy:
    """A vCenter that has an answer for each kind of call; of several reports, one after the other."""

    answers: dict[str, bytes] = field(default_factory=dict)
    reports: list[bytes] = field(default_factory=list)
    job: str = "check"
    report_encoding: bytes = b"identity"

    def reply(self, request: bytes) -> Iterator[bytes]:
        """Answer one request, and hang up."""
        kind = _tell(request.split(b" ")[1].decode())
        body = self.reports.pop(0) if kind == "report" else (PLAIN | self.answers)[kind]
        status = b"204 No Content" if request.startswith(b"DELETE") else b"200 OK"
        encoding = self.report_encoding if kind == "report" else b"identity"
        yield b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Encoding: %b\r\n" % (status, encoding)
        yield b"Content-Length: %d\r\n\r\n" % len(body)
        yield body


def _tell(path: str) -> str:
    if path == SESSION_PATH:
        return "token"
    ends = {"content": "about", "cluster": "clusters", "installed-images": "report"}
    return ends.get(path.partition("?")[0].rpartition("/")[2], "hosts")


def flood(piece: bytes) -> bytes:
    """A list of as many pieces as 32 MB hold."""
    return b"[" + piece * (FLOOD_BYTES // len(piece)) + b"0]"


def report(**parts: object) -> Wire:
    """A report of an empty cluster, but for these parts."""
    return {
        "completion_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "uniform_image": False,
        "status": "SUCCESS",
        "successful_hosts": [],
        "failed_hosts": [],
        "unsupported_hosts": [],
        "image_categories": {},
        "host_notifications": {},
        "host_info": {},
        "orphaned_vibs": {},
        "notifications": {},
        **parts,
    }


def hosts(number: int) -> list[str]:
    """So many ids."""
    return [f"host-{one}" for one in range(number)]


def inventory(number: int) -> bytes:
    """So many hosts in the cluster."""
    return body([{"host": host, "name": host, "connection_state": "CONNECTED"} for host in hosts(number)])


def body(value: object) -> bytes:
    """As sent."""
    return json.dumps(value, separators=(",", ":")).encode()


def vibs(number: int, on: list[str]) -> dict[str, list[str]]:
    """So many orphaned VIBs on these hosts."""
    return {f"vib-{one}(1.0)": on for one in range(number)}


def own_images(components: int, salt: str, number: int = HOSTS, **parts: object) -> Wire:
    """Hosts with an image of their own each; no two of them share a component, nor do two salts."""
    named = hosts(number)
    images = [
        {
            "software_info": {
                "base_image": {"version": "8.0.3-0.0.24022510"},
                "components": {
                    f"{salt}-{host}-{number}".ljust(150, "x"): {"version": salt.ljust(150, "y")}
                    for number in range(components)
                },
                "solutions": {},
            },
            "host_list": [host],
        }
        for host in named
    ]
    return report(
        successful_hosts=named,
        host_info={host: {"name": host} for host in named},
        image_categories={"host_image_list": images},
        **parts,
    )


FLOODS: dict[str, Callable[[], Heavy]] = {
    "empty objects as token": lambda: Heavy({"token": flood(b"{},")}, job="dispatch"),
    "empty objects as clusters": lambda: Heavy({"clusters": flood(b"{},")}, job="dispatch"),
    "empty objects as hosts": lambda: Heavy({"hosts": flood(b"{},")}),
    "empty objects as report": lambda: Heavy(reports=[flood(b"{},")]),
    "orphaned VIBs": lambda: Heavy(reports=[body(report(orphaned_vibs=vibs(100_000, ["host-0"])))]),
    "text in an unknown field": lambda: Heavy(reports=[body(report(later="x" * FLOOD_BYTES))]),
    "a million keys": lambda: Heavy(
        reports=[b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}"]
    ),
    "nested without end": lambda: Heavy(reports=[b"[" * FLOOD_BYTES]),
    "100 MB": lambda: Heavy(reports=[body(report(later="x" * 100_000_000))]),
    "halves of surrogate pairs": lambda: Heavy(reports=[flood(rb'"\ud83d",')]),
    "a bomb in gzip": lambda: Heavy(reports=[gzip.compress(bytes(200_000_000), 9)], report_encoding=b"gzip"),
    "96 hosts with 1,500 components each": lambda: Heavy(
        {"hosts": inventory(HOSTS)}, [body(own_images(1_500, "a"))]
    ),
}
"""What is more than any vCenter has to say, of which only a part is read, or none believed."""

ALLOWED: dict[str, Callable[[], Heavy]] = {
    "unknown fields": lambda: Heavy(
        reports=[body(report(later=[{}] * (MAX_VALUES // 2 - 1_000), text="x" * 7_000_000))]
    ),
    "orphaned VIBs on all hosts": lambda: Heavy(
        {"hosts": inventory(MAX_CLUSTER_HOSTS)},
        [body(own_images(1, "a", MAX_CLUSTER_HOSTS, orphaned_vibs=vibs(1_000, hosts(MAX_CLUSTER_HOSTS))))],
    ),
    "other components on all hosts": lambda: Heavy(
        {"hosts": inventory(HOSTS)}, [body(own_images(MAX_PARTS // HOSTS, salt)) for salt in "ab"]
    ),
}
"""The most that is taken for a report; of the last one, each part of each host is a change."""


@pytest.fixture(scope="module")
def measured(ca: Authority, tls: Tls) -> Callable[[Heavy], tuple[list[str], float]]:
    """How looks end, and the most memory in MB that a function would have held; beside an ordinary look."""
    _, idle_mb = measure(Heavy(reports=[body(report())]), ca, tls)

    def measured(heavy: Heavy) -> tuple[list[str], float]:
        outcomes, peak_mb = measure(heavy, ca, tls)
        return outcomes, peak_mb - idle_mb + OWN_MB

    return measured


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_costs_little_and_is_told(
    measured: Callable[[Heavy], tuple[list[str], float]], name: str
) -> None:
    """The look fails, by a record that says so."""
    heavy = FLOODS[name]()
    outcomes, peak_mb = measured(heavy)
    assert outcomes == ["not-dispatched" if heavy.job == "dispatch" else "not-looked"]
    assert peak_mb < MAX_MB


@pytest.mark.parametrize("name", ALLOWED)
def test_the_most_that_is_believed_is_bearable(
    measured: Callable[[Heavy], tuple[list[str], float]], name: str
) -> None:
    """All of it is looked at."""
    heavy = ALLOWED[name]()
    outcomes, peak_mb = measured(heavy)
    assert outcomes == ["baseline", "changed"][: len(outcomes)]
    assert peak_mb < MAX_MB


@contextmanager
def served_aws() -> Iterator[str]:
    """The address of an AWS for another process; empty at first, and left empty."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
        requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    finally:
        server.stop()


def measure(heavy: Heavy, authority: Authority, tls: Tls) -> tuple[list[str], float]:
    """How the looks ended, and the most memory in MB that their process held. AWS is in this one.

    Linux gives a process the peak of who started it as its first one: the shell in between has a small one.
    """
    away = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN")
    own = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "layers" / "core"), str(ROOT))),
    }
    times = str(max(1, len(heavy.reports)))
    with replying(tls, heavy.reply) as port, served_aws() as aws:
        done = subprocess.run(
            ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-m", PROCESS, heavy.job, str(port), times],
            cwd=ROOT,
            env={name: text for name, text in os.environ.items() if name not in away}
            | own
            | {"AWS_ENDPOINT_URL": aws},
            input=authority.pem,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["outcomes"], found["peak_mb"]
