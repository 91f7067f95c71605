"""The heartbeat: a service outside of the account is called each hour, and tells a person when that ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters import heartbeat
from esx_drift.domain.stored.identifiers import REPORT_STATE_KEY

from tests.simulator.certificates import Authority
from tests.simulator.reply import Delivery, Reply, Request
from tests.simulator.server import HttpServer, Tls
from tests.unit.functions.conftest import Deployed, FunctionLog

PATH = "/ping/0b9f6c1e-0d1f-4c39"
FAILED = '"HeartbeatsFailed":[1.0]'
REFUSED = {
    "not there": Reply(404, b"not found"),
    "gone elsewhere": Reply(302, b"", headers={"Location": "https://127.0.0.1/elsewhere"}),
    "broken": Reply(503, PATH.encode()),
    "silent": Reply(200, b"OK", delivery=Delivery(wait_seconds=1.0)),
    "hanging up": Reply(200, b"OK", delivery=Delivery(is_silent=True, end="reset")),
}


@dataclass(slots=True)
class Outside:
    """A dead man's switch: where it is, what it heard, and what it answers."""

    authority: Authority
    url: str = ""
    heard: list[str] = field(default_factory=list)
    reply: Reply = field(default_factory=lambda: Reply(200, b"OK", "text/plain"))

    def answer(self, request: Request) -> Reply:
        """One call."""
        self.heard.append(f"{request.method} {request.path}")
        return self.reply

    def keep_address(self, **other: str) -> None:
        """Write the secret as a person would."""
        secret = {"url": self.url, "ca_bundle": self.authority.pem, **other}
        client = clients.secrets_manager()
        client.create_secret(Name="esx-drift/heartbeat/url", SecretString=json.dumps(secret))


@pytest.fixture
def outside(slack_tls: Tls, slack_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """One that listens; the stack is deployed with the heartbeat."""
    monkeypatch.setattr(heartbeat, "HEARTBEAT_TIMEOUTS", (0.5, 0.2))
    made = Outside(slack_authority)
    with HttpServer(made.answer, tls=slack_tls) as running:
        made.url = f"{running.url}{PATH}"
        yield made


@pytest.fixture
def watched(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A run of the fleet has just been, by which one vCenter was listed and one could not be."""
    monkeypatch.setenv("HEARTBEAT", "ENABLED")
    deployed.invoke("dispatcher", {})
    deployed.list_each()
    return deployed


def test_it_is_called_once_an_hour_while_runs_go_on(
    watched: Deployed, outside: Outside, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reporter runs each quarter of an hour, and reads all logs once an hour."""
    outside.keep_address()
    watched.invoke("reporter", {})
    watched.invoke("reporter", {})
    assert outside.heard == [f"GET {PATH}"]
    assert len(function_log.lines("heartbeat sent")) == 1
    assert PATH not in function_log.text
    counted = capfd.readouterr().out
    assert counted.count('"HeartbeatsSent":[1.0]') == 1
    assert "HeartbeatsFailed" not in counted


def test_where_nobody_was_asked_for_it_nobody_is_called(
    watched: Deployed, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional: the parameter is DISABLED."""
    outside.keep_address()
    monkeypatch.setenv("HEARTBEAT", "DISABLED")
    watched.invoke("reporter", {})
    assert outside.heard == []


def test_it_is_silent_where_no_run_was(
    deployed: Deployed, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reporter that runs is no proof that anybody looks at vCenters."""
    outside.keep_address()
    monkeypatch.setenv("HEARTBEAT", "ENABLED")
    deployed.invoke("reporter", {})
    assert outside.heard == []


@pytest.mark.parametrize("why", REFUSED)
def test_a_call_that_is_not_taken_is_counted_and_fails_no_run(
    watched: Deployed,
    outside: Outside,
    function_log: FunctionLog,
    capfd: pytest.CaptureFixture[str],
    why: str,
) -> None:
    """The address stands in no log, whatever the service repeats; a redirect is not followed."""
    outside.keep_address()
    outside.reply = REFUSED[why]
    assert watched.invoke("reporter", {})["begun"]
    assert outside.heard == [f"GET {PATH}"]
    assert len(function_log.lines("heartbeat not taken")) == 1
    assert PATH not in function_log.text
    assert FAILED in capfd.readouterr().out
    assert clients.s3().head_object(Bucket="state", Key=REPORT_STATE_KEY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": f"http://127.0.0.1{PATH}"}, "a URL that begins with https://"),
        ({"url": f"https://%{PATH}"}, "esx-drift/heartbeat/url"),
        ({"ca_bundle": "none"}, "ca_bundle"),
        ({"token": "x"}, "expected none but"),
        (None, "does not exist"),
    ],
)
def test_a_secret_that_can_t_be_used_is_counted_too(
    watched: Deployed,
    outside: Outside,
    function_log: FunctionLog,
    capfd: pytest.CaptureFixture[str],
    wrong: dict[str, str] | None,
    said: str,
) -> None:
    """Nothing is ever sent without TLS; the log says what to mend, and not the address."""
    if wrong is not None:
        outside.keep_address(**wrong)
    assert watched.invoke("reporter", {})["begun"]
    (line,) = function_log.lines("heartbeat not taken")
    assert said in line["why"]
    assert outside.heard == []
    assert PATH not in function_log.text
    assert FAILED in capfd.readouterr().out


def test_a_certificate_of_nobody_known_gets_no_call(
    watched: Deployed, outside: Outside, function_log: FunctionLog
) -> None:
    """Without the CA of whoever runs the service inside, the public ones count."""
    client = clients.secrets_manager()
    secret = json.dumps({"url": outside.url})
    client.create_secret(Name="esx-drift/heartbeat/url", SecretString=secret)
    watched.invoke("reporter", {})
    (line,) = function_log.lines("heartbeat not taken")
    assert line["why"] == "no answer: SSLError"
    assert outside.heard == []
