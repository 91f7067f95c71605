"""Secrets of every kind are planted in the whole flow, and looked for in all that it writes, sends and says.

All functions run by their own handlers and boto3, at DEBUG, and speak TLS to a vCenter, a Slack, a Teams and
a heartbeat that repeat what they were sent.
"""

import base64
import gzip
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import quote

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters import heartbeat
from esx_drift.channels import webhook
from esx_drift.runtime import runtime
from moto.sqs.models import sqs_backends

from functions.checker import app as checker
from functions.notifier import app as notifier
from functions.reporter import app as reporter
from functions.sender import app as sender
from tests.paths import EVENTS
from tests.simulator import fault_kinds
from tests.simulator.certificates import Authority, authority
from tests.simulator.faults import Fault
from tests.simulator.listener import Tls
from tests.simulator.reply import Delivery, Reply, Request, json_reply
from tests.simulator.server import HttpServer
from tests.simulator.sessions import USER
from tests.unit.adapters.vcenter.servers import Proxy, proxy_server
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import Deployed, FunctionLog
from tests.unit.simulated_aws import REGION

PASSWORD: Final = "Pl4nted-vCenter/Pa$$w+rd"  # pragma: allowlist secret
PROXY_PASSWORD: Final = "pl4nted+pigeon/post"  # pragma: allowlist secret
SLACK: Final = "/services/T0PLANTED/B0PLANTED/pl4ntedSlackToken"
SIGNATURE: Final = "pl4nted-Teams_Signature"
TEAMS: Final = "/workflows/0a1b2c/triggers/manual/paths/invoke"
TEAMS_QUERY: Final = f"?api-version=1&sp=%2Ftriggers&sv=1.0&sig={SIGNATURE}"
HEARTBEAT: Final = "/ping/pl4nted-0b9f6c1e-heartbeat"
PARTS: Final = (*SLACK.split("/")[2:], SIGNATURE, *HEARTBEAT.split("/")[2:])
"""Of what others are called by, what lets whoever has it call them too."""

HARMLESS: Final = "harmless-cluster"
"""A cluster's name, which must be found wherever a secret could be."""


@dataclass(slots=True)
class Outside:
    """Slack, Teams and the heartbeat's service: what they heard, and what is wrong with them."""

    server: HttpServer = field(init=False)
    heard: list[Request] = field(default_factory=list)
    troubles: Sequence[Callable[[str], Reply]] = ()

    def answer(self, request: Request) -> Reply:
        """Take what comes, or repeat in an answer by whom it was called."""
        self.heard.append(request)
        query = "&".join(f"{name}={value}" for name, values in request.query.items() for value in values)
        if self.troubles:
            trouble = self.troubles[len(self.heard) % len(self.troubles)]
            return trouble(f"{self.server.url}{request.path}?{query}")
        return Reply(202, b"") if request.path == TEAMS else Reply(200, b"ok", "text/plain")


@dataclass(slots=True)
class Flow:
    """The deployed functions, and all that they leave."""

    deployed: Deployed
    outside: Outside
    proxy: Proxy
    ca: str
    patch: pytest.MonkeyPatch
    tokens: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    def hear(self, request: Request, reply: Reply) -> Reply:
        """Learn the ids of sessions."""
        self.tokens |= {*filter(None, [request.headers.get("vmware-api-session-id")])}
        return reply

    def note_call(self, params: Mapping[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 -- boto3's
        """Learn what is sent to AWS: objects, messages, what is published and to whom."""
        body = params.get("Body", b"")
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.sent.append(f"{model.name} {params} {text.decode()}")

    def invoke(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function; what it replies or raises is kept."""
        try:
            self.replies.append(json.dumps(self.deployed.invoke(function, event)))
        except Exception:  # noqa: BLE001 -- Lambda logs whatever it is
            self.replies.append(traceback.format_exc())

    def feed(self) -> None:
        """Let each queue invoke its function with all that lies in it."""
        functions = {
            "RetryQueue": "dispatcher",
            "CheckQueue": "checker",
            "NotifyQueue": "notifier",
            "DeliveryQueue": "sender",
        }
        for queue, function in functions.items():
            for message in _find_backend().queues[queue]._messages:  # noqa: SLF001 -- nobody waits here
                message.delayed_until = 0
            for event in self.deployed.receive_each(queue):
                self.invoke(function, event)
                self.deployed.ahead += timedelta(seconds=2)

    def play(self) -> None:
        """Let the schedules invoke their functions, and the queues theirs."""
        self.invoke("dispatcher", {})
        self.feed()
        self.invoke("reporter", {})
        self.deployed.ahead += timedelta(minutes=61)

    def play_last(self) -> None:
        """Let the doctor and whoever asks for a report or a seal come by."""
        for name in ("reporter-daily", "sealer-now", "checker-doctor", "sender-doctor"):
            self.invoke(name.partition("-")[0], json.loads((EVENTS / f"{name}.json").read_text()))
        self.invoke("sender", {"doctor": {"send": True}})
        self.feed()

    def put_secret(self, name: str, **fields: object) -> None:
        """Change fields of a secret that is there, or write a new one."""
        client, whole = clients.secrets_manager(), f"esx-drift/{name}"
        try:
            known = json.loads(client.get_secret_value(SecretId=whole)["SecretString"])
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=whole, SecretString=json.dumps(fields))
            return
        client.put_secret_value(SecretId=whole, SecretString=json.dumps({**known, **fields}))

    def put_text(self, name: str, text: str) -> None:
        """Write a secret that is not what it should be."""
        clients.secrets_manager().put_secret_value(SecretId=f"esx-drift/{name}", SecretString=text)


def _find_backend() -> Any:  # noqa: ANN401 -- moto's
    return cast("Any", sqs_backends)["123456789012"][REGION]


@pytest.fixture
def outside(slack_tls: Tls) -> Iterator[Outside]:
    """It, listening."""
    made = Outside()
    with HttpServer(made.answer, tls=slack_tls) as made.server:
        yield made


@pytest.fixture
def flow(
    deployed: Deployed,
    outside: Outside,
    slack_authority: Authority,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Flow]:
    """Two vCenters, one of them behind a proxy, two routes and a heartbeat; everybody logs at DEBUG."""
    caplog.set_level("WARNING", logger="responses")  # the simulated AWS is none of ours
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger=checker.logger.name)
    monkeypatch.setenv("HEARTBEAT", "ENABLED")
    for module in (notifier, reporter, runtime):
        monkeypatch.setattr(module, "_now", sender._now)  # noqa: SLF001 -- one clock for all
    _subscribe(deployed)
    with proxy_server() as proxy:
        made = Flow(deployed, outside, proxy, slack_authority.pem, monkeypatch)
        vcenter = deployed.vcenter
        vcenter.inventory.rename_cluster("prod-a", HARMLESS)
        vcenter.sessions.accounts[USER] = PASSWORD
        vcenter.faults.inject("*", Fault("witness", echo=made.hear))
        settings = {"extract": False, "confirm_after_seconds": 60}
        routes = [{"name": "ops"}, {"name": "corp", "channel": "teams"}]
        deployed.put_fleet(fleet(settings=settings, routes=routes))
        port = json.loads(_read_secret("vcenter/vc01"))["port"]
        carrier = f"http://carrier:{quote(PROXY_PASSWORD, safe='')}@127.0.0.1:{proxy.port}"
        made.put_secret("vcenter/vc01", password=PASSWORD)
        made.put_secret("vcenter/vc02", password=PASSWORD, port=port, proxy=carrier)
        made.put_secret("slack/ops", url=f"{outside.server.url}{SLACK}")
        made.put_secret("teams/corp", url=f"{outside.server.url}{TEAMS}{TEAMS_QUERY}", ca_bundle=made.ca)
        made.put_secret("heartbeat/url", url=f"{outside.server.url}{HEARTBEAT}", ca_bundle=made.ca)
        events = [client().meta.events for client in (clients.s3, clients.sqs, clients.sns, clients.kms)]
        for each in events:
            each.register("provide-client-params", made.note_call, unique_id="secrets")
        yield made
        for each in events:
            each.unregister("provide-client-params", unique_id="secrets")
        vcenter.sessions.close_all()


def _subscribe(deployed: Deployed) -> None:
    """Have the topic feed the NotifyQueue, as the template does."""
    arn = clients.sns().list_topics()["Topics"][0]["TopicArn"]
    queue = deployed.sqs.get_queue_attributes(
        QueueUrl=deployed.urls["NotifyQueue"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    raw = {"RawMessageDelivery": "true"}
    clients.sns().subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue, Attributes=raw)


def _read_secret(name: str) -> str:
    return clients.secrets_manager().get_secret_value(SecretId=f"esx-drift/{name}")["SecretString"]


def _drift(flow: Flow) -> None:
    """Let something happen that all routes hear of."""
    flow.deployed.vcenter.hosts.add_orphaned_vib("esx01", "smntemp(1.0-1)")
    flow.deployed.vcenter.extract_all()


def _read_objects() -> str:
    """All objects of both buckets, each version."""
    found = []
    for bucket in ("audit", "state"):
        for entry in clients.s3().list_objects_v2(Bucket=bucket).get("Contents", []):
            body = clients.s3().get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            found.append(f"{entry['Key']} {text.decode('utf-8', 'replace')}")
    return "\n".join(found)


def _read_queues() -> str:
    """All messages that lie in any queue, dead letters too."""
    queues = _find_backend().queues.values()
    return "\n".join(message.body for queue in queues for message in queue._messages)  # noqa: SLF001 -- hidden too


def _list_forms(flow: Flow) -> Iterator[str]:
    """The secrets, in the forms in which they are sent or might be quoted."""
    for user, password in ((USER, PASSWORD), ("carrier", PROXY_PASSWORD)):
        yield from (password, quote(password), quote(password, safe=""), json.dumps(password)[1:-1])
        yield base64.b64encode(password.encode()).decode().rstrip("=")
        yield base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("=")
    yield from flow.tokens
    yield from PARTS


def _find_leaks(flow: Flow, places: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(place, form) for place, text in places.items() for form in _list_forms(flow) if form in text]


@dataclass(slots=True)
class Places:
    """Where a secret could come to stand."""

    function_log: FunctionLog
    caplog: pytest.LogCaptureFixture
    capfd: pytest.CaptureFixture[str]

    def read(self, flow: Flow) -> dict[str, str]:
        """All that is in each."""
        shown = self.capfd.readouterr()
        records = [vars(record) for record in self.caplog.records]
        return {
            "objects": _read_objects(),
            "queues": _read_queues(),
            "what AWS was sent": "\n".join(flow.sent),
            "the functions' logs": self.function_log.text,
            "all logs": f"{records}{self.caplog.text}",
            "metrics and output": f"{shown.out}{shown.err}",
            "replies and exceptions": "\n".join(flow.replies),
            "messages to people": "\n".join(request.body.decode() for request in flow.outside.heard),
        }


@pytest.fixture
def places(
    function_log: FunctionLog, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Places:
    """They, empty."""
    return Places(function_log, caplog, capfd)


def _assert_kept(flow: Flow, places: Places, *, has_told: bool = False) -> None:
    """No secret is anywhere, and what is harmless is everywhere."""
    logging.getLogger("some.library").debug("at DEBUG of %s", HARMLESS)
    found = places.read(flow)
    assert _find_leaks(flow, found) == []
    words = {
        "objects": HARMLESS,
        "what AWS was sent": HARMLESS,
        "the functions' logs": "vc02",
        "all logs": HARMLESS,
        "metrics and output": "ListingsAsked",
        "replies and exceptions": "vc02",
        **({"messages to people": HARMLESS} if has_told else {}),
    }
    assert [place for place, word in words.items() if word not in found[place]] == []
    assert flow.tokens
    for place in found:
        spoilt = {**found, place: f"{found[place]}{PASSWORD}"}
        assert (place, PASSWORD) in _find_leaks(flow, spoilt)


def test_where_all_is_well(flow: Flow, places: Places) -> None:
    """A first look, a change that is told by both channels, reports, a seal, the doctor, the heartbeat."""
    flow.play()
    _drift(flow)
    flow.play()
    flow.play_last()
    assert {request.path for request in flow.outside.heard} == {SLACK, TEAMS, HEARTBEAT}
    assert flow.proxy.heads
    _assert_kept(flow, places, has_told=True)


def _refuse_login(request: Request, reply: Reply) -> Reply:
    """Say no, and whom to."""
    if request.path != "/api/session" or request.method != "POST":
        return reply
    basic = request.headers["authorization"]
    said = f"{base64.b64decode(basic.rpartition(' ')[2]).decode()} {basic}"
    message = {"args": [said], "default_message": f"Not you: {said}", "id": "x.y"}
    return json_reply(401, {"error_type": "UNAUTHENTICATED", "messages": [message]})


def _have_login_refused(flow: Flow) -> None:
    flow.deployed.vcenter.faults.inject("*", Fault("refused", echo=_refuse_login))


def _have_errors_repeat(flow: Flow) -> None:
    flow.deployed.vcenter.faults.inject("*", fault_kinds.secrets_echoed("GET *", "error"))


def _have_answers_repeat(flow: Flow) -> None:
    flow.deployed.vcenter.faults.inject("*", fault_kinds.secrets_echoed("*", "text"))


def _have_nobody_listen(flow: Flow) -> None:
    """Where one vCenter is; whom the other's certificate is of, nobody knows."""
    flow.put_secret("vcenter/vc01", port=1)
    flow.put_secret("vcenter/vc02", ca_bundle=authority(datetime.now(UTC), "Another CA").pem)


def _have_proxies_refuse(flow: Flow) -> None:
    """One is not there, and one speaks TLS to whom it does not know."""
    user, server = f"carrier:{quote(PROXY_PASSWORD, safe='')}", flow.outside.server
    flow.put_secret("vcenter/vc01", proxy=f"http://{user}@127.0.0.1:1")
    flow.put_secret("vcenter/vc02", proxy=f"http://{user}@{server.host}:{server.port}")


def _break_vcenter_secrets(flow: Flow) -> None:
    flow.put_text("vcenter/vc01", _read_secret("vcenter/vc01")[:-1])
    flow.put_secret("vcenter/vc02", passwrod=PASSWORD)


def _spoil_vcenter_secrets(flow: Flow) -> None:
    flow.put_secret("vcenter/vc01", host=f"svc:{PASSWORD}@127.0.0.1", ca_bundle=PASSWORD)
    flow.put_secret("vcenter/vc02", proxy=f"https//carrier:{PROXY_PASSWORD}@proxy", port=PASSWORD)


OTHERS: Final = ("slack/ops", "teams/corp", "heartbeat/url")


def _echo(*statuses: int) -> Callable[[Flow], None]:
    """Have all others answer so in turn, with the address by which they were called in body and headers."""

    def build_answer(status: int) -> Callable[[str], Reply]:
        return lambda address: Reply(
            status, address.encode(), "text/plain", {"Location": address, "Server": address}
        )

    def arrange(flow: Flow) -> None:
        flow.outside.troubles = [build_answer(status) for status in statuses]

    return arrange


def _hang_up(flow: Flow) -> None:
    """At once, or after more time than anybody waits."""
    flow.patch.setattr(webhook, "WEBHOOK_READ_SECONDS", 0.1)
    flow.patch.setattr(heartbeat, "HEARTBEAT_TIMEOUTS", (3.0, 0.1))
    flow.outside.troubles = [
        lambda _: Reply(200, b"ok", delivery=Delivery(is_silent=True, end="reset")),
        lambda _: Reply(200, b"ok", delivery=Delivery(wait_seconds=0.3)),
    ]


def _change_addresses(*changes: tuple[str, str]) -> Callable[[Flow], None]:
    """Replace something in each one's address."""

    def arrange(flow: Flow) -> None:
        for name, (old, new) in zip(OTHERS, changes, strict=True):
            port = str(flow.outside.server.port)
            url = json.loads(_read_secret(name))["url"]
            flow.put_secret(name, url=url.replace(old.replace("PORT", port), new))

    return arrange


def _distrust_others(flow: Flow) -> None:
    for name in OTHERS:
        flow.put_secret(name, ca_bundle=authority(datetime.now(UTC), "Another CA").pem)


def _break_other_secrets(flow: Flow) -> None:
    flow.put_text("slack/ops", _read_secret("slack/ops")[:-1])
    flow.put_secret("teams/corp", address=json.loads(_read_secret("teams/corp"))["url"])
    flow.put_text("heartbeat/url", f"{flow.outside.server.url}{HEARTBEAT}")


TROUBLES: Final[dict[str, tuple[Callable[[Flow], None], Callable[[Flow], None]]]] = {
    "logins are refused, and webhooks gone": (_have_login_refused, _echo(404, 403, 410, 400)),
    "errors repeat it, and webhooks ask to wait": (_have_errors_repeat, _echo(429, 500, 200, 302)),
    "answers repeat it, and webhooks hang up": (_have_answers_repeat, _hang_up),
    "nobody listens": (_have_nobody_listen, _change_addresses(*[(":PORT/", ":1/")] * 3)),
    "proxies refuse, and others have odd certificates": (_have_proxies_refuse, _distrust_others),
    "secrets are no JSON, or have a field too much": (_break_vcenter_secrets, _break_other_secrets),
    "fields are not what they should be": (
        _spoil_vcenter_secrets,
        _change_addresses(("127.0.0.1", "localhost"), ("https://", "http://"), ("https://", "https://%")),
    ),
}
"""By what is wrong: how the vCenters come to it, and how all that is called outside."""


@pytest.mark.parametrize("trouble", TROUBLES)
def test_where_all_are_in_trouble(flow: Flow, places: Places, trouble: str) -> None:
    """Nobody can be told of a change and of a vCenter's trouble: deliveries wait, or are dead letters."""
    trouble_vcenters, trouble_others = TROUBLES[trouble]
    flow.play()
    trouble_others(flow)
    _drift(flow)
    flow.play()
    trouble_vcenters(flow)
    flow.deployed.vcenter.extract_all()
    flow.play()
    flow.play()
    flow.play_last()
    _assert_kept(flow, places)
