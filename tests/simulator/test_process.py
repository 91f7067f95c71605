import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.paths import ROOT
from tests.simulator.certificates import authority
from tests.simulator.conftest import Client, images
from tests.simulator.scenarios import SCENARIOS

COMMAND = [sys.executable, "-m", "tests.simulator"]
type Started = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def started() -> Iterator[Started]:
    """Starts the simulator with these arguments: the process, and its URL once it is ready."""
    processes = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        return process, ready["url"]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_scenarios_are_listed_one_a_line() -> None:
    """With or without naming the vCenter."""
    for arguments in (["--list-scenarios"], ["vcenter", "--list-scenarios"]):
        ran = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines() == list(SCENARIOS)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_vcenter_serves_its_scenario_until_ended(
    started: Started, http: requests.Session, ending: signal.Signals
) -> None:
    """And ends well, though a client is still connected."""
    process, url = started("vcenter", "--port", "0", "--scenario", "host-failed")
    client = Client(url, http)
    assert client.login().status_code == 201
    assert client.look()["failed_hosts"] == ["host-17"]
    process.send_signal(ending)
    assert process.wait(timeout=5) == 0


def test_https_is_served_with_the_given_certificate(
    started: Started, http: requests.Session, tmp_path: Path
) -> None:
    """Which the CA's certificate is enough to trust."""
    ca = authority(datetime.now(UTC))
    tls = ca.issue(tmp_path, datetime.now(UTC))
    http.verify = str(ca.write(tmp_path))
    _, url = started("vcenter", "--port", "0", "--tls-cert", str(tls.certificate), "--tls-key", str(tls.key))
    assert url.startswith("https://127.0.0.1:")
    assert Client(url, http).login().status_code == 201


def test_a_process_is_steered_over_http(started: Started, http: requests.Session) -> None:
    """Scenarios, faults, changes, settings, counters."""
    client = Client(started("vcenter", "--hold", "--scenario", "component")[1], http)
    client.login()
    fault = {"route": "GET */installed-images", "kind": "status", "arguments": {"code": 503}, "times": 1}
    assert client.control("POST", "fault", fault).status_code == 200
    assert client.call("GET", images()).status_code == 503
    assert client.call("GET", images()).status_code == 200
    change = {"on": "hosts", "method": "add_orphaned_vib", "arguments": {"hosts": "esx01", "vib": "a(1)"}}
    assert client.control("POST", "mutate", change).status_code == 200
    assert client.control("POST", "pace", {"answers": [], "seconds": 0}).status_code == 200
    assert client.look()["orphaned_vibs"] == {"a(1)": ["host-16"]}
    assert client.control("POST", "scenario", {"name": "component", "step": "change"}).status_code == 200
    assert not client.look()["uniform_image"]
    counts = client.control("GET", "counts").json()
    assert (len(counts["logins"]), counts["sessions_open"]) == (1, 1)
    assert client.control("POST", "set", {"version": "8.0.2"}).status_code == 200
    assert client.call("GET", images()).status_code == 404
    assert client.control("GET", "journal").json()[0]["path"] == "/api/session"
    assert "healthy" in client.control("GET", "scenarios").json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("fault", {"kind": "unheard-of"}),
        (
            "mutate",
            {"on": "hosts", "method": "upgrade", "arguments": {"hosts": "nobody", "release": "8.0 U3"}},
        ),
        ("mutate", {"on": "hosts", "method": "_picked"}),
        ("mutate", {"on": "hosts", "method": "unheard_of"}),
        ("set", {"seed": 3}),
        ("scenario", {"name": "healthy", "step": "sideways"}),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(guest: Client, path: str, body: object) -> None:
    """A test that steers wrongly must not go on as if nothing was."""
    reply = guest.control("POST", path, body)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_slack_serves_too_and_shows_what_it_received(started: Started, http: requests.Session) -> None:
    """Over its own HTTP, in order."""
    _, url = started("slack", "--port", "0")
    for text in ("one", "two"):
        assert http.post(f"{url}/services/T000/B000/XXXX", json={"text": text}, timeout=5).text == "ok"
    shown = http.get(f"{url}/_simulator/received", timeout=5).json()
    assert [request["payload"]["text"] for request in shown] == ["one", "two"]


def test_the_simulator_knows_nothing_of_the_product() -> None:
    """It would agree with the product's mistakes otherwise."""
    code = "import sys, tests.simulator.__main__; sys.exit(any('esx_drift' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_wrong_arguments_are_refused() -> None:
    """With status 2, as usual."""
    for arguments in (["vcenter", "--scenario", "nonsense"], ["vcenter", "--tls-cert", "x"], []):
        ran = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, check=False)
        assert ran.returncode == 2
