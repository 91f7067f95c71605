"""A second channel needs its module and its entry: no other code knows which channels there are."""

import ast
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import S3RouteStates
from esx_drift.channels import CHANNELS, ChannelSettings, open_channels
from esx_drift.doctoring.doctor import RouteDoctor
from esx_drift.domain.deliveries import DeliveryMessage, build_event_delivery
from esx_drift.domain.events import MessageContent
from esx_drift.domain.fleet.fleet import FleetDocument, build_fleet
from esx_drift.errors import WebhookRefused, WebhookThrottled
from esx_drift.messages.content import build_content
from esx_drift.notifying.notifier import send_delivery
from esx_drift.notifying.receipts import Receipts
from esx_drift.notifying.sender import Sender
from esx_drift.ports import Channel, ChannelAddress

from tests.paths import ROOT, SCHEMAS
from tests.simulator.certificates import Authority
from tests.simulator.slack import SlackReceiver
from tests.unit.events import build_events, change, told
from tests.unit.logs import buckets

PACKAGE = ROOT / "layers" / "core" / "esx_drift"
EVENT = build_events(
    told(changes=[change("component", "upgraded", "Intel-i40en", **{"from": "2.7", "to": "2.9"})])
)[0]
FLEET: FleetDocument = {
    "schema_version": 1,
    "vcenters": [{"name": "vc01"}],
    "routes": [{"name": "pigeons", "channel": "pigeon"}],
}


@dataclass(slots=True)
class Pigeons:
    """A channel of the tests' own."""

    title: str = "Pigeon post"
    carried: list[tuple[str, MessageContent]] = field(default_factory=list)
    drills: list[str] = field(default_factory=list)
    failure: Exception | None = None
    address: ChannelAddress | None = None

    def post(self, secret: str, content: MessageContent) -> None:
        """Carry it, or fail."""
        if self.failure is not None:
            raise self.failure
        self.carried.append((secret, content))

    def post_drill(self, _secret: str, route: str) -> None:
        """Carry a drill."""
        self.drills.append(route)

    def find_address(self, _secret: str) -> ChannelAddress:
        """Where the pigeons fly to, if anybody knows."""
        if self.address is None:
            raise WebhookRefused("pigeons know the way")
        return self.address


@pytest.fixture
def pigeons(monkeypatch: pytest.MonkeyPatch) -> Pigeons:
    """The channel, with its one entry."""
    made = Pigeons()

    @contextmanager
    def open_pigeons(_settings: ChannelSettings) -> Iterator[Channel]:
        yield made

    monkeypatch.setitem(CHANNELS, "pigeon", open_pigeons)
    return made


@pytest.fixture
def channels(pigeons: Pigeons) -> Iterator[Mapping[str, Channel]]:
    """All channels, as an invocation has them."""
    assert pigeons.carried == []
    secrets = Secrets(lambda: pytest.fail("no secret is asked for"))
    with open_channels(ChannelSettings(secrets, (), lambda: pytest.fail("no topic is"), "")) as opened:
        yield opened


@dataclass(slots=True)
class Line:
    """A DeliveryQueue that keeps what is sent and parked."""

    sent: list[DeliveryMessage] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)

    def send_delivery(self, message: DeliveryMessage, _delay_seconds: int) -> None:
        """Keep it."""
        self.sent.append(message)

    def park_delivery(self, _message: DeliveryMessage, reason: str, _why: str) -> None:
        """Keep why."""
        self.parked.append(reason)


def _send(channels: Mapping[str, Channel], line: Line) -> list[str]:
    """Have the event posted twice: what becomes of each."""
    client = buckets().client
    deliveries, states = S3Deliveries(client, "audit"), S3RouteStates(client, "state")
    now = [datetime(2026, 11, 23, tzinfo=UTC)]
    send_delivery(build_event_delivery("pigeons", [EVENT], now[0]), deliveries, line)
    receipts = Receipts(deliveries, states, lambda _key: None)
    sender = Sender(build_fleet(FLEET), channels, receipts, deliveries, states, line, lambda: now[0], "me")
    outcomes: list[str] = []
    for _ in range(2):
        outcomes.append(sender.send(line.sent[0]).outcome)
        now[0] += timedelta(minutes=1)
    return outcomes


@pytest.mark.usefixtures("aws")
def test_a_route_of_it_is_told_once(channels: Mapping[str, Channel], pigeons: Pigeons) -> None:
    """With a receipt, by the name of its own secret."""
    assert _send(channels, Line()) == ["posted", "repeated"]
    assert [(secret, content.title) for secret, content in pigeons.carried] == [
        ("pigeons", build_content(EVENT).title)
    ]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("failure", "outcome"), [(WebhookThrottled("wait", 30), "waits"), (WebhookRefused("gone"), "parked")]
)
def test_what_it_refuses_is_not_delivered(
    channels: Mapping[str, Channel], pigeons: Pigeons, failure: Exception, outcome: str
) -> None:
    """Its errors say whether it comes again."""
    pigeons.failure, line = failure, Line()
    assert _send(channels, line) == [outcome] * 2
    assert bool(line.parked) == (outcome == "parked")


def test_the_doctor_goes_the_way_and_posts_a_drill(
    channels: Mapping[str, Channel], pigeons: Pigeons, slack: SlackReceiver, slack_authority: Authority
) -> None:
    """Any server with TLS will do for the way."""
    pigeons.address = ChannelAddress(slack.host, slack.port, slack_authority.pem)
    (route,) = build_fleet(FLEET).routes
    steps = RouteDoctor(route, channels[route.channel], send=True).examine()
    assert {step["outcome"] for step in steps} == {"ok"}
    assert steps[-1]["said"] == "Pigeon post took a drill"
    assert (pigeons.drills, slack.received) == (["pigeons"], [])


def test_the_doctor_repeats_what_it_says(channels: Mapping[str, Channel]) -> None:
    """A way that the channel does not know is the first step that fails, and no other is tried."""
    (route,) = build_fleet(FLEET).routes
    first, *others = RouteDoctor(route, channels[route.channel], send=True).examine()
    assert (first["outcome"], first["said"]) == ("failed", "pigeons know the way")
    assert {step["outcome"] for step in others} == {"untried"}


def test_the_schema_of_routes_lists_every_channel() -> None:
    """Its place in the schema of routes."""
    schema = json.loads((SCHEMAS / "fleet.schema.json").read_text())
    assert set(schema["$defs"]["route"]["properties"]["channel"]["enum"]) == set(CHANNELS)


ALLOWED = {
    "domain/deliveries.py": "the page that says how many messages a second a webhook takes",
    "domain/fleet/fleet.py": "the default of a route that names no channel, as stored fleet files have it",
    "errors.py": "the tree says which answers of Slack are which error",
}
"""Who may name Slack outside of ``channels/``, and why."""


def test_nothing_else_names_a_channel() -> None:
    """Deliveries, routing and retries know none."""
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if "slack" in _words(node).casefold()
    }
    assert {place for place in naming if not place.startswith("channels/")} == ALLOWED.keys()


def _words(node: ast.AST) -> str:
    """What a name, a text or an import says."""
    match node:
        case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.alias(name=text):
            return text
        case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.ImportFrom(module=str(text)):
            return text
        case ast.Constant(value=str(text)):
            return text
    return ""
