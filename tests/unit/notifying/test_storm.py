"""Storms, through both handlers and over real sockets, at receivers that say no; only time is virtual."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.channels.slack import render_message
from esx_drift.domain.deliveries import identify_event
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Event
from esx_drift.messages.groups import build_group_content

from functions.notifier import app as notifier
from functions.sender import app as sender
from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.simulator.reply import Delivery, Reply, Request
from tests.simulator.slack import SlackReceiver
from tests.unit.events import build_events, change, finding, told
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import Context
from tests.unit.memory_aws import MemorySecrets
from tests.unit.notifying.world import AUDIT, DEAD, DELIVERY, NOTIFY, STATE, Limit, Waiting, World

FEW = 60
"""Messages of a storm to one route."""
OPS, HELD, ODD, GOOD = "/services/ops", "/services/held", "/services/odd", "/services/good"
TOKEN = "T0000SECRETTOKEN"
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
VIB = change("orphaned_vib", "added", "smntemp(1)", severity="critical")


class StrictSlack(SlackReceiver):
    """A Slack with limits a webhook, and webhooks that hang, are gone or answer what nobody knows."""

    def __init__(self, tls: Tls, paths: tuple[str, ...]) -> None:
        super().__init__(tls=tls, paths=paths)
        self.limits: dict[str, Limit] = {}
        self.odd: dict[str, Callable[[], Reply]] = {}

    def _answer(self, request: Request) -> Reply:
        wait = self.limits[request.path].judge() if request.path in self.limits else None
        if wait is not None:
            return Reply(429, b"rate_limited", headers={"Retry-After": str(wait)})
        if request.path in self.odd:
            return self.odd[request.path]()
        return super()._answer(request)


@dataclass(slots=True)
class Stage:
    """Both functions, their queues and the receiver."""

    world: World
    slack: StrictSlack
    invocations: list[tuple[str, float]] = field(default_factory=list)

    def gather(self, events: Sequence[Event], size: int = 500) -> None:
        """Invoke the notifier with all events, so many at once."""
        for start in range(0, len(events), size):
            records = [_record(start + number, event) for number, event in enumerate(events[start:][:size])]
            assert _invoke(notifier, records, "gather") == []

    def send(self) -> int:
        """Let the DeliveryQueue invoke the sender until nothing waits."""
        return self.world.run(self._handle)

    def _handle(self, message: Waiting) -> bool:
        route, begun = message.fields["route"], self.world.clock.now
        self.invocations.append((route, begun.timestamp()))
        return not _invoke(sender, [message.as_record()], message.id)

    def heard(self, path: str) -> list[Any]:
        """What a webhook took."""
        return [one.payload for one in self.slack.received if one.path == path and one.answer == "ok"]

    def untold(self, events: Sequence[Event], route: str) -> list[str]:
        """The events without a receipt."""
        deliveries = S3Deliveries(lambda: self.world.s3, AUDIT)  # type: ignore[arg-type, return-value]
        return [one["id"] for one in events if not deliveries.delivered(identify_event(one), route)]

    def route_of(self, *routes: Mapping[str, object]) -> None:
        """Put a fleet file of these routes."""
        body = json.dumps(fleet(routes=list(routes))).encode()
        self.world.s3.put_object(STATE, "config/fleet.json", body)


def _invoke(app: Any, records: list[dict[str, Any]], request_id: str) -> list[Any]:  # noqa: ANN401 -- a module
    """The messages that a function could not handle."""
    reply: dict[str, list[Any]] = app.handler({"Records": records}, Context(aws_request_id=request_id))
    return reply["batchItemFailures"]


def _record(number: int, event: Event) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": "1"}
    body = json.dumps(event)
    return {"messageId": f"n{number}", "receiptHandle": "r", "body": body, "attributes": attributes}


@pytest.fixture
def stage(
    world: World, slack_tls: Tls, slack_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """The functions as deployed, but for AWS and the time."""
    environment = {
        "AUDIT_BUCKET": AUDIT,
        "STATE_BUCKET": STATE,
        "NOTIFY_QUEUE_URL": NOTIFY,
        "DELIVERY_QUEUE_URL": DELIVERY,
        "DELIVERY_DEAD_LETTER_QUEUE_URL": DEAD,
        "SECRET_PREFIX": "esx-drift",
        "WEBHOOK_HOSTS": "127.0.0.1",
        "AMAZON_Q_TOPIC_ARN": "",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    paths = (OPS, HELD, ODD, GOOD, f"/services/{TOKEN}")
    with StrictSlack(slack_tls, paths) as slack:
        secrets = MemorySecrets()
        for path in paths:
            text = json.dumps({"url": slack.webhook_of(path), "ca_bundle": slack_authority.pem})
            secrets.create_secret(f"esx-drift/slack/{path.rpartition('/')[2].lower()}", text)
        for app in (notifier, sender):
            monkeypatch.setattr(app, "s3", lambda: world.s3)
            monkeypatch.setattr(app, "sqs", lambda: world.sqs)
            monkeypatch.setattr(app, "_now", world.clock)
        monkeypatch.setattr(sender, "secrets_manager", lambda: secrets)
        yield Stage(world, slack)


def _publish(world: World, number: int) -> list[Event]:
    """Two events of one check, in its record."""
    cluster = {"id": f"domain-c{number}", "name": f"prod-{number}"}
    address = f"s3://audit/records/vcenter=vc01/cluster=domain-c{number}/0000000041.json"
    failed = finding("failure", "host-failed", "host-11", "esx11 could not be read")
    critical = [VIB] if number % 50 == 0 else []
    check = told(cluster=cluster, changes=[DRIVER, *critical], findings=[failed])
    events = build_events(type(check)(check.record, address, check.since, check.host_names))[:2]
    body = encode_canonical_json({**check.record, "events": events})
    world.s3.put_object(AUDIT, address.removeprefix("s3://audit/"), body)
    return events


def test_ten_thousand_events_are_told_in_few_messages(stage: Stage) -> None:
    """By a webhook that takes one a second, and by one whose refusal holds 30 s, renewed by each request."""
    stage.route_of({"name": "ops"}, {"name": "held"})
    limits = {OPS: Limit(stage.world.clock), HELD: Limit(stage.world.clock, hold_seconds=30)}
    stage.slack.limits |= limits
    stage.slack.limits[HELD].taken_at = stage.world.clock.now  # somebody else posts there as well
    events = [event for number in range(5_000) for event in _publish(stage.world, number)]
    assert len(events) == 10_000
    stage.gather(events)
    assert all(reads == 1 for key, reads in stage.world.s3.reads.items() if key.startswith("records/"))
    stage.send()
    for path, route in ((OPS, "ops"), (HELD, "held")):
        heard = [json.dumps(payload) for payload in stage.heard(path)]
        assert 0 < len(heard) < FEW
        assert stage.untold(events, route) == []
        # None twice: each event is in one delivery, and each delivery is one message.
        keys = stage.world.s3.list_keys(AUDIT, f"deliveries/groups/route={route}/")
        posted = [
            each["id"] for key in keys for each in json.loads(stage.world.s3.objects[AUDIT, key])["events"]
        ]
        assert sorted(posted) == sorted(event["id"] for event in events)
        assert len(heard) == len(keys)
    assert stage.world.dead() == []
    receipts = stage.world.s3.list_keys(AUDIT, "deliveries/")
    assert len(receipts) == 2 * len(events) + len([key for key in receipts if "/groups/" in key])
    assert [limit.refused for limit in limits.values()] == [0, 1]


@pytest.mark.parametrize("hold_seconds", [1, 30])
def test_routes_of_one_webhook_share_its_limit(stage: Stage, hold_seconds: int) -> None:
    """It allows one message a second, whichever route it is of: each hears all, and it is asked no oftener.

    What both hear, people read once.
    """
    stage.route_of(
        {"name": "odd-ones", "secret": "ops", "clusters": ["prod-?[13579]", "prod-[13579]"]},
        {"name": "even-ones", "secret": "ops", "clusters": ["prod-*"], "fallback": "good"},
        {"name": "good"},
    )
    limit = stage.slack.limits[OPS] = Limit(stage.world.clock, hold_seconds=hold_seconds)
    limit.taken_at = stage.world.clock.now  # somebody else posts there as well
    events = [event for number in range(40) for event in _publish(stage.world, number)]
    stage.gather(events, size=8)
    stage.send()
    heard = [json.dumps(payload) for payload in stage.heard(OPS)]
    assert len({*heard}) == len(heard) >= 20
    assert limit.refused == 1
    untold = {*stage.untold(events, "odd-ones")}
    assert len(untold) == len(events) / 2
    assert untold.isdisjoint(stage.untold(events, "even-ones"))
    assert stage.untold(events, "good") == []
    assert stage.world.dead() == []


@contextmanager
def _quick_timeouts(patch: pytest.MonkeyPatch) -> Iterator[None]:
    patch.setattr("esx_drift.channels.webhook.WEBHOOK_READ_SECONDS", 0.05)
    yield


def _hang() -> Reply:
    return Reply(200, b"ok", delivery=Delivery(wait_seconds=0.2))


ODDITIES: dict[str, tuple[Callable[[], Reply], int]] = {
    "hangs": (_hang, 40),
    "is dead": (lambda: Reply(410, b"channel_is_archived"), 30),
    "answers 200 without ok": (lambda: Reply(200, b"<html>ok</html>"), 40),
    "answers 500": (lambda: Reply(500, b"fatal_error"), 40),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_a_good_route_neither_waits_nor_loses(
    stage: Stage, oddity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside one that does not take its messages: those end as dead letters, and bother nobody else."""
    stage.route_of({"name": "odd"}, {"name": "good"})
    stage.slack.odd[ODD], most_asked = ODDITIES[oddity]
    events = [event for number in range(100) for event in _publish(stage.world, number)]
    with _quick_timeouts(monkeypatch):
        stage.gather(events, size=20)
        begun = stage.world.clock.now.timestamp()
        stage.send()
    assert stage.untold(events, "good") == []
    good = [at - begun for route, at in stage.invocations if route == "good"]
    assert max(good) < 60, "as fast as by itself: one message a second"
    assert {one.fields["route"] for one in stage.world.dead()} == {"odd"}
    assert len(stage.untold(events, "odd")) == len(events)
    asked = [one for one in stage.slack.received if one.path == ODD]
    assert len(asked) <= most_asked


@pytest.mark.parametrize("answer", ["no_service", "channel_is_archived", "rate_limited", "server_error"])
def test_the_webhook_is_in_nothing_that_is_kept(
    stage: Stage, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in logs at DEBUG, metrics, deliveries, receipts, states, messages and dead letters."""
    caplog.set_level("DEBUG")
    name = TOKEN.lower()
    stage.route_of({"name": name, "fallback": "good"}, {"name": "good"})
    stage.slack.refuse(answer, times=3, retry_after_seconds=1)
    stage.gather(_publish(stage.world, 1))
    before = [message.body for message in stage.world.sqs.messages]
    stage.send()
    letters = [(one.body, dict(one.attributes)) for one in stage.world.sqs.messages]
    stored = [body.decode() for body in stage.world.s3.objects.values()]
    logged = [vars(record) for record in caplog.records]
    everything = f"{before}{letters}{stored}{logged}{capfd.readouterr()}"
    assert name in everything
    assert TOKEN not in everything
    assert "/services/" not in everything


def test_messages_of_the_version_before_are_understood(stage: Stage) -> None:
    """They are events as ever, in batches of any size; what was posted of them counts."""
    stage.route_of({"name": "good"})
    first, second = _publish(stage.world, 1)
    stage.world.s3.put_object(AUDIT, f"deliveries/{identify_event(first)}/good.json", b"{}")
    stage.gather([first, second, first])
    stage.send()
    (payload,) = stage.heard(GOOD)
    assert payload == render_message(build_group_content([second], stage.world.clock.now))
