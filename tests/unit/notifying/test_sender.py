"""What becomes of a delivery: posted once, put off, parked, or passed on to the route's fallback."""

import json
from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.messaging import SqsDeliveryQueue
from esx_drift.adapters.state_bucket import S3RouteStates
from esx_drift.channels.slack import DEAD_REASONS, SLACK, render_message
from esx_drift.channels.webhook import WebhookAnswer, WebhookChannel, WebhookSecret
from esx_drift.contracts import parse_payload
from esx_drift.domain.deliveries import (
    DELIVERY_PATIENCE,
    LEASE_LENGTH,
    Delivery,
    DeliveryMessage,
    build_event_delivery,
    identify_event,
    take_lease,
)
from esx_drift.domain.fleet.fleet import Fleet, Route, build_fleet
from esx_drift.domain.stored.identifiers import make_delivery_id, make_group_key, make_route_key
from esx_drift.domain.stored.types import Event, Finding, Record
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import (
    EsxDriftError,
    InternalError,
    MessageRefused,
    QueueUnavailable,
    RequestRefused,
    SecretInvalid,
    SecretUnavailable,
    StoreUnavailable,
    WebhookThrottled,
    WebhookUnavailable,
)
from esx_drift.messages.groups import build_group_content
from esx_drift.notifying.notifier import send_delivery
from esx_drift.notifying.receipts import MAX_LOOKED_UP, Receipts
from esx_drift.notifying.sender import MISSED_TURNS_TOLD_AFTER, Sender

from tests.unit.events import build_events, change, finding, told
from tests.unit.fleets import fleet
from tests.unit.notifying.world import AUDIT, DEAD, DELIVERY, STATE, Waiting, World
from tests.unit.processes import Counting, Mortal, Process, ProcessEnd, Turn, interleave, watch

if TYPE_CHECKING:
    from esx_drift.domain.events import MessageContent
    from esx_drift.domain.fleet.fleet import FleetDocument
    from esx_drift.ports import Channel, StoredRouteState


def _event(number: int) -> Event:
    driver = change("component", "upgraded", f"driver-{number}", **{"from": "1", "to": "2"})
    return build_events(told(changes=[driver], seq=number))[0]


EVENT = _event(41)


@dataclass(slots=True)
class Wire:
    """A channel that answers as a test says, and keeps what it took; ``now_and_then`` runs at each post."""

    answer: Callable[[str], EsxDriftError | None] = lambda _secret: None
    asked: list[str] = field(default_factory=list)
    taken: list[tuple[str, "MessageContent"]] = field(default_factory=list)
    title: str = "Wire"

    def post(self, secret: str, content: "MessageContent") -> None:
        """Take it, or fail."""
        self.asked.append(secret)
        error = self.answer(secret)
        if error is not None:
            raise error
        self.taken.append((secret, content))

    def titles(self, secret: str) -> list[str]:
        """What a route heard."""
        return [content.title for name, content in self.taken if name == secret]


@dataclass(slots=True)
class Desk:
    """A sender, and what is sent to it."""

    world: World
    wire: Any
    fleet: Fleet
    results: list[tuple[str, str]] = field(default_factory=list)
    read_head: Callable[[str], Record | None] = lambda _key: None

    @property
    def deliveries(self) -> S3Deliveries:
        """What is kept of them."""
        return S3Deliveries(cast("Any", lambda: self.world.s3), AUDIT)

    @property
    def states(self) -> S3RouteStates:
        """Who may post."""
        return S3RouteStates(cast("Any", lambda: self.world.s3), STATE)

    def route(self, name: str) -> Route:
        """A route of the fleet file."""
        return next(route for route in self.fleet.routes if route.name == name)

    def read_state(self, name: str) -> "StoredRouteState":
        """What is kept of a route's webhook."""
        return self.states.read(self.route(name))

    @property
    def queue(self) -> SqsDeliveryQueue:
        """The DeliveryQueue."""
        return SqsDeliveryQueue(cast("Any", lambda: self.world.sqs), DELIVERY, DEAD)

    def put(self, *events: Event, route: str = "ops") -> Delivery:
        """Have the events posted."""
        delivery = build_event_delivery(route, events, self.world.clock.now)
        send_delivery(delivery, self.deliveries, self.queue)
        return delivery

    def sender(self, process: Process | None = None, holder: str = "me") -> Sender:
        """The job, whose calls a process makes."""

        def seen(port: Any) -> Any:  # noqa: ANN401 -- it stands for anything
            return watch(port, process) if process else port

        deliveries, states, queue = seen(self.deliveries), seen(self.states), seen(self.queue)
        channels = cast("Mapping[str, Channel]", {"slack": seen(self.wire)})
        receipts = Receipts(deliveries, states, self.read_head)
        return Sender(self.fleet, channels, receipts, deliveries, states, queue, self.world.clock, holder)

    def handle(self, message: Waiting, process: Process | None = None) -> bool:
        """One invocation: whether it is done with the message."""
        parsed = cast("DeliveryMessage", parse_payload("delivery-message", message.body.encode()))
        try:
            result = self.sender(process).send(parsed)
        except EsxDriftError as error:
            self.results.append((parsed["route"], error.reason))
            return False
        self.results.append((parsed["route"], result.outcome))
        return True

    def run(self) -> int:
        """Let the queue invoke the sender until nothing waits."""
        return self.world.run(self.handle)

    def heard(self, event: Event, route: str = "ops") -> bool:
        """Whether there is a receipt."""
        return self.deliveries.delivered(identify_event(event), route)

    def reasons(self) -> list[str]:
        """Why dead letters are dead."""
        return [one.attributes["reason"] for one in self.world.dead()]


def _routed(*routes: dict[str, object]) -> Fleet:
    return build_fleet(cast("FleetDocument", fleet(routes=list(routes))))


@pytest.fixture
def desk(world: World) -> Desk:
    """Two routes; the second one hears where the first one is dead."""
    return Desk(world, Wire(), _routed({"name": "ops", "fallback": "oncall"}, {"name": "oncall"}))


def test_a_delivery_is_posted_once(desk: Desk) -> None:
    """With a receipt of each event, and the turn is over."""
    second = _event(42)
    desk.put(EVENT, second)
    assert desk.run() == 1
    (content,) = [content for _, content in desk.wire.taken]
    assert content == build_group_content([EVENT, second], desk.world.clock.now)
    assert desk.heard(EVENT)
    assert desk.heard(second)
    assert desk.read_state("ops").state["holder"] is None


def test_what_a_route_has_heard_is_left_out(desk: Desk) -> None:
    """Of a delivery that holds it again; of one that holds nothing else, nothing is posted."""
    second = _event(42)
    desk.put(EVENT)
    desk.put(EVENT, second)
    desk.put(second, EVENT)
    desk.run()
    assert [content for _, content in desk.wire.taken] == [
        build_group_content([EVENT], desk.world.clock.now),
        build_group_content([second], desk.world.clock.now),
    ]
    assert desk.results.count(("ops", "repeated")) == 1


def _head(*open_findings: Finding, minutes: int = 5) -> Record:
    """The newest record of prod-a: of so many minutes after the event, with what is open."""
    record = told(seq=50).record
    after = {**record["after"], "findings": {one["fingerprint"]: one for one in open_findings}}
    at = format_time(parse_time(record["checked_at"]) + timedelta(minutes=minutes))
    return cast("Record", {**record, "after": after, "checked_at": at})


UNREAD = finding("failure", "host-failed", "host-7", "esx07 could not be read", hosts=["host-7"])
OUTAGE = finding("failure", "vcenter-authentication", "vc01", "login refused", severity="critical")
TOOL = finding("orphaned-vib", "orphaned-vib", "x(1)", "x(1) is orphaned", severity="critical")


@pytest.mark.parametrize(
    ("found", "head", "minutes", "begin"),
    [
        (UNREAD, _head(), 9, "late, and no longer open: esx07 not checked"),
        (TOOL, _head(), 9, "CRITICAL · late, and no longer open: orphaned VIB x 1 on"),
        (TOOL, _head(), 45, "CRITICAL · late, and no longer open: orphaned VIB x 1 on"),
        (UNREAD, _head(UNREAD), 9, "esx07 not checked"),
        (UNREAD, _head(OUTAGE), 9, "esx07 not checked"),
        (UNREAD, {**_head(), "cluster": "domain-c77"}, 9, "esx07 not checked"),
        (UNREAD, _head(), 5, "esx07 not checked"),
        (UNREAD, _head(minutes=0), 9, "esx07 not checked"),
        (UNREAD, None, 9, "esx07 not checked"),
        (UNREAD, StoreUnavailable("S3 is away"), 9, "esx07 not checked"),
    ],
)
def test_what_comes_late_says_if_it_is_no_longer_open(
    desk: Desk, found: Finding, head: Record | StoreUnavailable | None, minutes: int, begin: str
) -> None:
    """Its end may have been posted before it. By the log's newest record, which is asked of what is late."""
    (event,) = build_events(told(findings=[found]))
    asked: list[str] = []

    def read_head(key: str) -> Record | None:
        asked.append(key)
        if isinstance(head, StoreUnavailable):
            raise head
        return head

    desk.read_head = read_head
    desk.world.clock.now = parse_time(event["data"]["checked_at"]) + timedelta(minutes=minutes)
    desk.put(event)
    desk.run()
    ((_, content),) = desk.wire.taken
    assert content.title.startswith(begin), content.title
    assert asked == ([] if minutes < 6 else ["state/vc01/domain-c9.json"])
    said = f"This message is late: it was found {minutes} min ago, and was no longer open at"
    late = [note.partition(" 23 Nov")[0] for note in content.notes if "late" in note]
    assert late == ([said] if "late" in begin else [])
    assert content.level == found["severity"]


def test_of_a_host_that_left_nothing_says_that_it_is_back(desk: Desk) -> None:
    """No finding ends that."""
    left = change("host", "removed", "host-7", severity="info", hosts=["host-7"])
    found = finding("drift", "image-not-uniform", "domain-c9", "hosts differ")
    (event,) = build_events(told(findings=[found], changes=[left]))
    desk.read_head = lambda _: _head()
    desk.world.clock.now = parse_time(event["data"]["checked_at"]) + timedelta(minutes=9)
    desk.put(event)
    desk.run()
    ((_, content),) = desk.wire.taken
    assert "late" not in content.title


def test_of_very_many_clusters_nothing_is_looked_up(desk: Desk) -> None:
    """What is late of a storm costs no reads."""
    desk.read_head = pytest.fail
    clusters = [{"id": f"domain-c{number}", "name": f"prod-{number}"} for number in range(MAX_LOOKED_UP + 1)]
    events = [
        event for cluster in clusters for event in build_events(told(findings=[UNREAD], cluster=cluster))
    ]
    desk.world.clock.now = parse_time(EVENT["data"]["checked_at"]) + timedelta(minutes=9)
    desk.put(*events)
    desk.run()
    assert len(desk.wire.taken) == 1


def test_a_receipt_of_a_version_before_counts(desk: Desk) -> None:
    """An upgrade posts nothing a second time: key and id are what they were."""
    key = f"deliveries/{identify_event(EVENT)}/ops.json"
    desk.world.s3.put_object(AUDIT, key, b"{}")
    desk.put(EVENT)
    desk.run()
    assert desk.wire.taken == []


def test_of_two_deliveries_with_one_id_the_first_counts(desk: Desk) -> None:
    """The notifier came again: the same events, made at another time."""
    desk.put(EVENT)
    desk.world.clock.wait(60)
    desk.put(EVENT)
    desk.run()
    assert len(desk.wire.taken) == 1
    assert desk.world.dead() == []


def test_a_delivery_that_s3_does_not_show_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes would not be known: the notifier tries it again."""
    desk.put(EVENT)
    monkeypatch.setattr(desk.world.s3, "failing", lambda _op, key: _hide(desk.world, key))
    with pytest.raises(StoreUnavailable):
        desk.put(EVENT)


def _hide(world: World, key: str) -> bool:
    """Between a write that met an object and its reading, somebody removed it."""
    if key.startswith("deliveries/groups/") and (AUDIT, key) in world.s3.objects and world.s3.reads.get(key):
        del world.s3.objects[AUDIT, key]
    return False


# What the receiver's answers come to


ANSWERS: dict[str, tuple[int, str]] = {
    **{f"{status}": (status, "") for status in range(100, 600)},
    **{f"{status} ok": (status, "ok") for status in range(100, 600)},
    "200 page": (200, "<html>ok</html>"),
    "200 no_text": (200, "no_text"),
    "invalid_payload": (400, "invalid_payload"),
    "no_text": (400, "no_text"),
    "invalid_blocks": (400, "invalid_blocks"),
    "too_many_attachments": (400, "too_many_attachments"),
    "user_not_found": (400, "user_not_found"),
    "action_prohibited": (403, "action_prohibited"),
    "posting_to_general_channel_denied": (403, "posting_to_general_channel_denied"),
    "invalid_token": (403, "invalid_token"),
    "channel_not_found": (404, "channel_not_found"),
    "no_active_hooks": (404, "no_active_hooks"),
    "no_service": (404, "no_service"),
    "no_service_id": (404, "no_service_id"),
    "no_team": (404, "no_team"),
    "team_disabled": (404, "team_disabled"),
    "channel_is_archived": (410, "channel_is_archived"),
    "rate_limited": (429, "rate_limited"),
    "message_limit_exceeded": (429, "message_limit_exceeded"),
    "rollup_error": (500, "rollup_error"),
    "fatal_error": (503, "fatal_error"),
}


def _expect(status: int, body: str) -> str:
    """What the sender does about an answer of Slack's."""
    if (status, body) == (200, "ok"):
        return "posted"
    if status == 429:
        return "waits as long as it says"
    if status in {408, 425} or status >= 500:
        return "tries again"
    if status < 300:
        return "parked at the second time"
    if status in {400, 413, 415, 422} and body not in DEAD_REASONS:
        return "parked"
    return "dead"


class _Answering(WebhookChannel):
    """The adapter, whose next answer a test chooses; what is on the wire is tested with real sockets."""

    def __init__(self) -> None:
        super().__init__(SLACK, lambda _: WebhookSecret("https://127.0.0.1/services/x", None), ("127.0.0.1",))
        self.next = WebhookAnswer(200, "ok", "")

    def post(self, secret: str, content: "MessageContent") -> None:
        """Judge the answer as any other."""
        assert render_message(content)
        self.judge(secret, self.next)


def _do(desk: Desk, channel: _Answering) -> str:
    """What the sender does, told by what it leaves behind."""
    desk.put(EVENT)
    (message,) = desk.world.sqs.of(DELIVERY)
    desk.world.sqs.messages.clear()
    assert desk.handle(message)
    state, sent = desk.read_state("ops").state, desk.world.sqs.of(DELIVERY)
    if state["dead_since"]:
        assert [one.fields["route"] for one in sent] == ["oncall"]
        assert len(desk.world.dead()) == 1
        return "dead"
    if desk.world.dead():
        assert sent == []
        return "parked"
    if not sent:
        assert desk.heard(EVENT)
        return "posted"
    (again,) = sent
    delay = (again.due - desk.world.clock.now).total_seconds()
    if again.fields.get("unclear"):
        desk.world.clock.wait(delay)
        desk.world.sqs.messages.clear()
        assert desk.handle(again)
        assert len(desk.world.dead()) == 1
        return "parked at the second time"
    assert delay - (7 if channel.next.status == 429 else 15) in {0, 1, 2}
    return "waits as long as it says" if channel.next.status == 429 else "tries again"


def test_what_each_answer_comes_to() -> None:
    """Every status, and each word of Slack's."""
    wrong = {}
    for name, (status, body) in ANSWERS.items():
        channel = _Answering()
        channel.next = WebhookAnswer(status, body, "7")
        desk = Desk(World(), channel, _routed({"name": "ops", "fallback": "oncall"}, {"name": "oncall"}))
        done = _do(desk, channel)
        if done != _expect(status, body):
            wrong[name] = done
    assert wrong == {}


@pytest.mark.parametrize(
    ("error", "delay"),
    [(WebhookThrottled("wait", 30), 30), (WebhookUnavailable("away"), 15), (SecretUnavailable("away"), 15)],
)
def test_a_route_that_is_to_wait_is_asked_by_none_of_its_deliveries(
    desk: Desk, error: EsxDriftError, delay: int
) -> None:
    """Until then each of them is sent anew, and no receive is counted; the other route hears its own."""
    desk.wire.answer = lambda secret: error if secret == "ops" and _is_before(desk, delay) else None
    for number in range(5):
        desk.put(_event(number))
    desk.put(EVENT, route="oncall")
    desk.run()
    asked = desk.wire.asked
    assert asked.count("ops") == 6, "once too early, then each once"
    assert asked.index("oncall") == 1
    assert len(desk.wire.titles("ops")) == 5
    assert desk.world.dead() == []


def _is_before(desk: Desk, seconds: int) -> bool:
    start = World().clock.now
    return desk.world.clock.now < start + timedelta(seconds=seconds)


def test_a_route_that_never_answers_is_given_up_after_6_hours(desk: Desk) -> None:
    """Its fallback hears that it is dead, then what it would have heard; the dead letter says why."""
    desk.wire.answer = lambda secret: WebhookUnavailable("no answer") if secret == "ops" else None
    desk.put(EVENT)
    start = desk.world.clock.now
    invocations = desk.run()
    assert desk.wire.asked.count("ops") < 40
    assert invocations < 60
    assert DELIVERY_PATIENCE < desk.world.clock.now - start < DELIVERY_PATIENCE + timedelta(minutes=31)
    assert desk.reasons() == ["given-up"]
    first, second = desk.wire.titles("oncall")
    assert first.startswith("Route ops is dead: it took no message since 2026-11-23T02:15")
    assert second == f"late: {build_group_content([EVENT], start).title}"


def test_a_dead_route_is_told_once_to_its_fallback(desk: Desk) -> None:
    """Every delivery goes there, once, and lies among the dead letters; nobody is asked twice for one."""
    dead = Desk(desk.world, Wire(_refusing("channel_is_archived")), desk.fleet)
    for number in range(3):
        dead.put(_event(number))
    dead.run()
    heard = dead.wire.titles("oncall")
    assert [title for title in heard if "is dead" in title] == [
        "Route ops is dead: the webhook of ops answered 410 channel_is_archived"
    ]
    assert len(heard) == 4
    assert dead.wire.asked.count("ops") == 3
    assert dead.reasons() == ["webhook-refused"] * 3
    assert all("channel_is_archived" in one.attributes["why"] for one in dead.world.dead())


def _refusing(word: str) -> Callable[[str], EsxDriftError | None]:
    """Slack's refusal of the route ops, as the adapter makes it."""

    def answer(secret: str) -> EsxDriftError | None:
        if secret != "ops":
            return None
        try:
            _Answering().judge(secret, WebhookAnswer(410, word, ""))
        except EsxDriftError as error:
            return error
        raise AssertionError

    return answer


def test_a_post_that_works_again_ends_a_death(desk: Desk) -> None:
    """A dead letter that is moved back then is posted; the fallback hears no more of it."""
    desk.wire.answer = _refusing("no_service")
    desk.put(EVENT)
    desk.run()
    (letter,) = desk.world.dead()
    desk.wire.answer = lambda _: None
    desk.world.clock.wait(86_400)
    letter.queue, letter.due = DELIVERY, desk.world.clock.now
    desk.run()
    assert len(desk.wire.titles("ops")) == 1
    assert len(desk.wire.titles("oncall")) == 2
    assert desk.read_state("ops").state["dead_since"] is None


def test_a_route_that_dies_again_is_told_again(desk: Desk) -> None:
    """Its fallback heard that of the first time alone."""
    for number in (1, 2):
        desk.wire.answer = _refusing("no_service")
        desk.put(_event(number))
        desk.run()
        desk.wire.answer = lambda _: None
        desk.put(_event(number + 10))
        desk.run()
        desk.world.clock.wait(3_600)
    assert len([title for title in desk.wire.titles("oncall") if "is dead" in title]) == 2


def test_a_message_that_is_refused_or_repeated_leaves_the_route_free(desk: Desk) -> None:
    """The next one need not wait until a lease ends by itself."""
    desk.wire.answer = lambda _: MessageRefused("invalid_blocks")
    desk.put(EVENT)
    desk.run()
    assert (desk.reasons(), desk.read_state("ops").state["holder"]) == (["message-refused"], None)
    desk.wire.answer = lambda _: None
    for events in ([_event(42)], [_event(43)], [_event(42), _event(43)]):
        desk.put(*events)
    desk.run()
    assert desk.results[-1] == ("ops", "repeated")
    assert desk.read_state("ops").state["holder"] is None


def test_a_dead_letter_is_as_it_was_before_it_was_tried(desk: Desk) -> None:
    """Moved back, it has all its time again."""
    desk.wire.answer = lambda secret: WebhookUnavailable("no answer") if secret == "ops" else None
    desk.put(EVENT)
    (sent,) = desk.world.sqs.of(DELIVERY)
    before = sent.fields
    desk.run()
    assert [letter.fields for letter in desk.world.dead()] == [before]


def test_a_fallback_that_works_again_before_its_news_hears_the_message_alone(desk: Desk) -> None:
    """Nobody is dead any more."""
    desk.wire.answer = _refusing("no_service")
    desk.put(EVENT)
    first = desk.world.sqs.of(DELIVERY)[0]
    assert desk.handle(first)
    desk.world.sqs.messages.remove(first)
    state = desk.read_state("ops")
    desk.states.write(desk.route("ops"), {**state.state, "dead_since": None, "dead_reason": None}, state.etag)
    desk.run()
    assert desk.wire.titles("oncall") == [build_group_content([EVENT], desk.world.clock.now).title]


def test_a_secret_that_is_wrong_is_a_dead_route(desk: Desk) -> None:
    """A person mends it; until then the fallback hears."""
    desk.wire.answer = lambda secret: SecretInvalid("the secret is wrong") if secret == "ops" else None
    desk.put(EVENT)
    desk.run()
    assert desk.reasons() == ["secret-invalid"]
    assert desk.wire.titles("oncall")[0] == "Route ops is dead: the secret is wrong"


def test_two_dead_routes_pass_nothing_to_and_fro(desk: Desk) -> None:
    """Each the other's fallback: what one gives up the other gives up too, and that is all."""
    desk.fleet = _routed({"name": "ops", "fallback": "oncall"}, {"name": "oncall", "fallback": "ops"})
    desk.wire.answer = lambda _secret: SecretInvalid("wrong")
    desk.put(EVENT)
    desk.run()
    assert sorted(one.fields["route"] for one in desk.world.dead()) == ["oncall", "ops"]


def test_a_route_that_is_gone_from_the_fleet_file_parks(desk: Desk) -> None:
    """Nothing vanishes: the dead letter says so."""
    desk.put(EVENT, route="removed")
    desk.run()
    assert desk.reasons() == ["route-gone"]


@pytest.mark.parametrize(
    "forged",
    [
        {"sha256": "0" * 64},
        {"delivery_id": make_delivery_id("ops", ["else"])},
        {"route": "oncall"},
        {"route": "oncall", "instead_of": "removed"},
        {"route": "ops", "instead_of": "oncall"},
    ],
    ids=str,
)
def test_a_message_that_nothing_vouches_for_is_refused(desk: Desk, forged: dict[str, str]) -> None:
    """Other bytes, no delivery, another route's, a fallback that is none: nothing is posted."""
    desk.put(EVENT)
    (message,) = desk.world.sqs.messages
    parsed = cast("DeliveryMessage", {**message.fields, **forged})
    with pytest.raises(RequestRefused):
        desk.sender().send(parsed)
    assert desk.wire.asked == []
    assert desk.read_state("oncall").state["holder"] is None


def test_a_state_that_is_none_is_replaced(desk: Desk) -> None:
    """Whoever wrote it: the route is asked."""
    desk.world.s3.put_object(STATE, make_route_key("slack", "ops"), b"[]")
    desk.put(EVENT)
    desk.run()
    assert len(desk.wire.taken) == 1
    assert desk.read_state("ops").state["not_before"] is not None


def test_a_turn_of_a_dead_process_is_free_after_its_time(desk: Desk) -> None:
    """Before that nobody posts."""
    state = desk.read_state("ops")
    desk.states.write(desk.route("ops"), take_lease(state.state, "dead", desk.world.clock.now), state.etag)
    desk.put(EVENT)
    start = desk.world.clock.now
    desk.run()
    assert len(desk.wire.taken) == 1
    assert LEASE_LENGTH <= desk.world.clock.now - start < LEASE_LENGTH + timedelta(seconds=60)


def test_who_was_faster_has_the_turn(desk: Desk) -> None:
    """Two read the state at once: the second one's write meets the first one's, and it waits."""
    desk.put(EVENT)
    (message,) = desk.world.sqs.messages

    class Late(Mortal):
        """Somebody else takes the turn after this process read the state."""

        def call(self, name: str, make: Callable[[], object]) -> object:
            result = super().call(name, make)
            if name == "read":
                state = desk.read_state("ops")
                desk.states.write(
                    desk.route("ops"), take_lease(state.state, "other", desk.world.clock.now), state.etag
                )
            return result

    assert desk.handle(message, Late())
    assert desk.results == [("ops", "waits")]
    assert desk.wire.asked == []


def test_a_turn_that_others_have_each_time_is_a_failure_in_the_end(desk: Desk) -> None:
    """S3 may say so of each write, as it does where two write at once: an alarm counts it."""

    class Beaten(Mortal):
        def call(self, name: str, make: Callable[[], object]) -> object:
            return None if name == "write" else super().call(name, make)

    desk.put(EVENT)
    begun, failed = desk.world.clock.now, list[tuple[bool, str]]()

    def handle(message: Waiting) -> bool:
        result = desk.sender(Beaten()).send(message.fields)
        is_late = desk.world.clock.now - begun >= MISSED_TURNS_TOLD_AFTER
        failed.append((is_late, result.reason))
        assert result.is_failure == is_late
        return True

    desk.world.run(handle, until=begun + 2 * MISSED_TURNS_TOLD_AFTER)
    assert {*failed} == {(False, ""), (True, "store-conflict")}
    desk.run()
    assert len(desk.wire.taken) == 1


def test_a_bug_ends_the_turn(desk: Desk) -> None:
    """The message comes again, and the others of the route need not wait for its turn to end by itself."""

    class _Broken(Wire):
        def post(self, secret: str, content: object) -> None:
            raise KeyError(secret, content)

    broken = replace(desk, wire=_Broken())
    broken.put(EVENT)
    (message,) = broken.world.sqs.messages
    with pytest.raises(InternalError, match="the delivery to the route ops: KeyError at"):
        broken.sender().send(message.fields)
    assert broken.read_state("ops").state["held_until"] is None


def test_aws_that_fails_keeps_the_message(desk: Desk) -> None:
    """Nothing is lost: the queue hands it out again."""
    desk.put(EVENT)
    (message,) = desk.world.sqs.messages
    desk.world.s3.failing = lambda _operation, key: key.startswith("deliveries/groups/")
    with pytest.raises(StoreUnavailable):
        desk.sender().send(message.fields)
    desk.world.s3.failing = lambda _operation, _key: False
    desk.wire.answer = lambda _: WebhookThrottled("wait", 1)
    desk.world.sqs.failing = True
    with pytest.raises(QueueUnavailable):
        desk.sender().send(message.fields)


# Crashes and races


def test_a_sender_may_end_at_any_call(world: World) -> None:
    """Nothing is lost; posted twice only where the crash lies between the post and its receipt."""
    living = Counting(lambda: None)
    routes = _routed({"name": "ops", "fallback": "oncall"}, {"name": "oncall"})
    _play(Desk(world, Wire(), routes), living)
    assert living.calls == ["read", "read_delivery", "write", "delivered", "post", "record", "write"]
    for process in living.moments.values():
        desk = Desk(World(), Wire(), routes)
        _play(desk, process)
        crash = process.calls[-1], process.after
        twice = crash in {("post", True), ("record", False)}
        assert len(desk.wire.taken) == (2 if twice else 1), crash
        assert desk.heard(EVENT)
        assert desk.world.dead() == []


def test_a_sender_of_a_dead_route_may_end_at_any_call() -> None:
    """The fallback hears it once, and a dead letter is there, if twice."""
    routes = _routed({"name": "ops", "fallback": "oncall"}, {"name": "oncall"})

    def make() -> Desk:
        return Desk(World(), Wire(_refusing("no_service")), routes)

    living = Counting(lambda: None)
    _play(make(), living)
    assert len(living.calls) > 6
    for process in living.moments.values():
        desk = make()
        _play(desk, process)
        titles = desk.wire.titles("oncall")
        assert len({*titles}) == 2, process.calls
        assert desk.heard(EVENT, "oncall")
        assert {*desk.reasons()} == {"webhook-refused"}
        assert len(titles) == 2, process.calls


def _play(desk: Desk, process: Counting | Mortal) -> None:
    """Deliver until all is done: by this process as long as it lives, then by others."""
    desk.put(EVENT)

    def handle(message: Waiting) -> bool:
        mine = not process.is_over and message.fields["route"] == "ops"
        try:
            return desk.handle(message, process if mine else None)
        except ProcessEnd:
            return False

    desk.world.run(handle)


@pytest.mark.parametrize("order", [[0, 1] * 20, [0] * 3 + [1] * 20, [0] * 5 + [1] * 20, [1, 0, 0] * 15])
def test_the_same_event_at_two_senders_at_once_is_posted_once(desk: Desk, order: list[int]) -> None:
    """In one delivery that was handed out twice, and in two deliveries."""
    desk.put(EVENT)
    desk.put(EVENT, _event(42))
    messages = [*desk.world.sqs.messages, desk.world.sqs.messages[0]]
    desk.world.sqs.messages.clear()

    def work(turn: Turn, number: int) -> None:
        desk.sender(turn, holder=str(number)).send(messages[number].fields)

    errors = interleave([partial(work, number=number) for number in range(3)], [*order, 2])
    assert errors == [None] * 3
    desk.run()
    told_titles = desk.wire.titles("ops")
    assert len(told_titles) == len({*told_titles})
    assert desk.heard(EVENT)
    assert desk.heard(_event(42))


def test_the_delivery_lies_where_the_design_says(desk: Desk) -> None:
    """So that a person finds it."""
    delivery = desk.put(EVENT)
    key = make_group_key("ops", delivery["delivery_id"])
    assert key == f"deliveries/groups/route=ops/{delivery['delivery_id']}.json"
    assert json.loads(desk.world.s3.objects[AUDIT, key]) == delivery
    assert delivery["created_at"] == format_time(desk.world.clock.now)
