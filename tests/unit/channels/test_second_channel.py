"""A second channel needs its module and its entry: no other code knows which channels there are."""

import ast
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.secrets import Secrets
from esx_drift.channels import CHANNELS, open_channels
from esx_drift.doctoring.doctor import RouteDoctor
from esx_drift.domain.events import MessageContent
from esx_drift.domain.fleet.fleet import FleetDocument, build_fleet
from esx_drift.domain.stored.identifiers import compute_digest, make_receipt_id
from esx_drift.errors import WebhookRefused, WebhookThrottled
from esx_drift.messages.content import build_content
from esx_drift.notifying.notifier import Notifier, PublishedEvents
from esx_drift.ports import Channel, ChannelAddress

from tests.paths import ROOT, SCHEMAS
from tests.simulator.certificates import Authority
from tests.simulator.slack import SlackReceiver
from tests.unit.events import build_events, change, told
from tests.unit.logs import buckets

PACKAGE = ROOT / "layers" / "core" / "esx_drift"
EVENT = build_events(told(changes=[change("component", "upgraded", "Intel-i40en", to="2.9.2.0")]))[0]
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
    def open_pigeons(_secrets: Secrets, _hosts: tuple[str, ...]) -> Iterator[Channel]:
        yield made

    monkeypatch.setitem(CHANNELS, "pigeon", open_pigeons)
    return made


@pytest.fixture
def channels(pigeons: Pigeons) -> Iterator[Mapping[str, Channel]]:
    """All channels, as an invocation has them."""
    assert pigeons.carried == []
    with open_channels(Secrets(lambda: pytest.fail("no secret is asked for")), ()) as opened:
        yield opened


def _notifier(channels: Mapping[str, Channel], deliveries: S3Deliveries) -> Notifier:
    """The job, with the record that holds the event."""
    published = PublishedEvents("audit", lambda _: json.dumps({"events": [EVENT]}).encode())
    return Notifier(build_fleet(FLEET), channels, published, deliveries, lambda: datetime.now(UTC))


@pytest.mark.usefixtures("aws")
def test_a_route_of_it_is_told_once(channels: Mapping[str, Channel], pigeons: Pigeons) -> None:
    """With a receipt, by the name of its own secret."""
    deliveries = S3Deliveries(buckets().client, "audit")
    notifier = _notifier(channels, deliveries)
    assert notifier.notify(EVENT).posted == ["pigeons"]
    assert notifier.notify(EVENT).repeated == ["pigeons"]
    assert pigeons.carried == [("pigeons", build_content(EVENT))]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("failure", [WebhookThrottled("wait", 30), WebhookRefused("gone")])
def test_what_it_refuses_is_not_delivered(
    channels: Mapping[str, Channel], pigeons: Pigeons, failure: WebhookThrottled | WebhookRefused
) -> None:
    """The handler decides whether it comes again."""
    pigeons.failure = failure
    deliveries = S3Deliveries(buckets().client, "audit")
    notifier = _notifier(channels, deliveries)
    assert notifier.notify(EVENT).failed == {"pigeons": failure}
    assert not deliveries.delivered(make_receipt_id(EVENT["id"], compute_digest(EVENT)), "pigeons")


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
    "cli/doctor.py": "a help text",
    "cli/fleet.py": "a warning where there is no route at all",
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
