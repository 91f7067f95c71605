import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.adapters.state_bucket import S3RouteStates
from esx_drift.domain.deliveries import DeliveryMessage
from esx_drift.domain.fleet.fleet import Fleet, build_fleet
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_delivery_key
from esx_drift.domain.stored.types import Change, Event
from esx_drift.errors import (
    ContractViolation,
    InternalError,
    QueueUnavailable,
    RequestRefused,
    StoreUnavailable,
)
from esx_drift.notifying.notifier import Notifier, NotifyResult, PublishedEvents, parse_event
from esx_drift.notifying.receipts import Receipts

from tests.paths import GOLDEN
from tests.unit.events import RECORD, Check, build_ended_window, build_events, change, finding, told
from tests.unit.fleets import fleet
from tests.unit.processes import Counting, ProcessEnd, watch

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument

NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
BUCKET = "audit"
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
FAILED = finding("failure", "host-failed", "host-11", "esx11 could not be read", severity="critical")


VERSIONS = {"from": "1", "to": "2"}
HOSTS = [f"host-{number}" for number in range(200)]


@pytest.fixture
def deliveries(aws: None) -> S3Deliveries:  # noqa: ARG001 -- moto must be on before the client is made
    """The book of what was delivered, in an empty bucket."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return S3Deliveries(lambda: s3, BUCKET)


@pytest.fixture
def drift(deliveries: S3Deliveries) -> Event:  # noqa: ARG001 -- its bucket holds the record too
    """An event of the family drift, a warning, in its record."""
    return _recorded(told(changes=[DRIVER]))


def _recorded(check: Check) -> Event:
    """The first event of a check whose record lies where the event says."""
    events = build_events(check)
    _keep(check.address, encode_canonical_json({**check.record, "events": events}))
    return events[0]


def _keep(address: str, body: bytes) -> None:
    key = address.removeprefix(f"s3://{BUCKET}/")
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def _routed(*routes: dict[str, object]) -> Fleet:
    return build_fleet(cast("FleetDocument", fleet(routes=list(routes))))


@dataclass(slots=True)
class Outbox:
    """A DeliveryQueue that keeps what is sent; ``refuses`` names routes that it takes nothing for."""

    sent: list[DeliveryMessage] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    bug: Exception | None = None

    def send_delivery(self, message: DeliveryMessage, delay_seconds: int) -> None:
        """Keep it, or fail."""
        assert delay_seconds == 0
        if self.bug:
            raise self.bug
        if message["route"] in self.refuses:
            raise QueueUnavailable("SQS is away")
        self.sent.append(message)

    def park_delivery(self, message: DeliveryMessage, reason: str, why: str) -> None:
        """Nobody parks here."""
        raise AssertionError(message, reason, why)


@pytest.fixture
def outbox() -> Outbox:
    """An empty one."""
    return Outbox()


@dataclass(slots=True)
class Desk:
    """The notifier, and what it sends."""

    routes: Fleet
    deliveries: S3Deliveries
    outbox: Outbox
    before_read: Callable[[str], None] = lambda _: None

    def read(self, key: str) -> bytes | None:
        """What S3 has under a key."""
        self.before_read(key)
        stored = S3Objects(self.deliveries.client(), BUCKET).read(key)
        return stored.body if stored else None

    def notify(self, *events: Event) -> dict[str, NotifyResult]:
        """Give it a batch of these events, by their numbers."""
        notifier = Notifier(
            self.routes, PublishedEvents(BUCKET, self.read), self.deliveries, self.outbox, lambda: NOW
        )
        return notifier.notify({str(number): json.dumps(event) for number, event in enumerate(events)})

    def told_events(self) -> list[tuple[str, list[Event]]]:
        """Which events were sent to which route, a message each."""
        return [
            (
                one["route"],
                self.deliveries.read_delivery(one["route"], one["delivery_id"], one["sha256"])["events"],
            )
            for one in self.outbox.sent
        ]


def test_each_route_that_hears_an_event_gets_its_message(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Those that listen for something else don't; an event that comes again is the same delivery."""
    routes = _routed(
        {"name": "ops"},
        {"name": "drift", "families": ["drift"]},
        {"name": "failures", "families": ["failure"]},
        {"name": "urgent", "min_severity": "critical"},
        {"name": "other", "clusters": ["lab-*"]},
    )
    desk = Desk(routes, deliveries, outbox)
    for _ in range(2):
        (result,) = desk.notify(drift).values()
        assert (result.routes, result.error) == (["ops", "drift"], None)
    assert desk.told_events() == [("ops", [drift]), ("drift", [drift])] * 2
    first, second, *again = outbox.sent
    assert [first, second] == again
    assert first["delivery_id"] != second["delivery_id"]


def test_a_notifier_may_end_at_any_call(drift: Event, deliveries: S3Deliveries) -> None:
    """Its message comes again: each route is sent what it hears, and if twice, then the same delivery."""
    routes = _routed({"name": "ops"}, {"name": "oncall"})
    living = Counting(lambda: None)
    Desk(routes, watch(deliveries, living), watch(Outbox(), living)).notify(drift)
    assert living.calls[-4:] == ["put_delivery", "send_delivery"] * 2
    for process in living.moments.values():
        outbox = Outbox()
        with suppress(ProcessEnd):
            Desk(routes, watch(deliveries, process), watch(outbox, process)).notify(drift)
        desk = Desk(routes, deliveries, outbox)
        assert [result.error for result in desk.notify(drift).values()] == [None]
        sent = {(one["route"], one["delivery_id"], one["sha256"]) for one in outbox.sent}
        assert sorted(route for route, _, _ in sent) == ["oncall", "ops"], process.calls
        assert all(events == [drift] for _, events in desk.told_events())


def test_what_comes_twice_in_a_batch_is_told_once(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """SQS may hand it out twice at once; both messages are done with."""
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    results = desk.notify(drift, drift)
    assert [result.routes for result in results.values()] == [["ops"], ["ops"]]
    assert desk.told_events() == [("ops", [drift])]


def test_events_of_a_window_are_told_together(deliveries: S3Deliveries, outbox: Outbox) -> None:
    """Here two things, and each record is read once."""
    reads: Counter[str] = Counter()

    def count_read(key: str) -> None:
        reads[key] += 1

    events = [event for number in range(1, 21) for event in _recorded_both(number)]
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox, count_read)
    results = desk.notify(*events)
    assert [result.error for result in results.values()] == [None] * 40
    assert len(outbox.sent) <= 2
    assert sum(len(its_events) for _, its_events in desk.told_events()) == 40
    assert {*reads.values()} == {1}
    assert len(reads) == 20


def test_maintenance_begun_by_one_command_is_one_message(deliveries: S3Deliveries, outbox: Outbox) -> None:
    """Clusters that somebody else works on, or for another reason, or since another time, are another."""
    alice, bob = "arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob"
    events: list[Event] = []
    commands = [(alice, "CHG-1", 23), (bob, "CHG-1", 23), (alice, "CHG-1", 23), (alice, "CHG-2", 23)]
    for number, (by, reason, day) in enumerate([*commands, (alice, "CHG-1", 20)]):
        times = {"from": f"2026-11-{day}T01:00:00.000Z", "to": f"2026-11-{day}T02:00:00.000Z"}
        ended = build_ended_window(name="record 1", by=by, reason=reason, **times)
        window = {**ended, "unreviewed": [], "excepted": [], "hosts": []}
        cluster = {"id": f"domain-c{number}", "name": f"prod-{number}"}
        decision = {
            "by": by,
            "reason": reason,
            "shown_at": None,
            "instance_uuid": None,
            "taken": [cluster["id"]],
            "refused": [],
        }
        check = told(cluster=cluster, outcome="maintenance", coverage=None, seq=1, decision=decision)
        check.record["after"]["maintenance"] = {"windows": [cast("Any", window)]}
        check = replace(check, address=RECORD.replace("41.json", f"{number + 1:02d}.json"))
        _recorded(check)
        events += build_events(check)
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    assert [result.error for result in desk.notify(*events).values()] == [None] * 5
    told_clusters = [[event["subject"] for event in message] for _, message in desk.told_events()]
    assert told_clusters == [["prod-0", "prod-2"], ["prod-1"], ["prod-3"], ["prod-4"]]


def test_maintenance_that_is_over_is_one_message_with_what_it_leaves(
    deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Where it leaves nothing, its ends are one of their own, with their sums."""
    window = build_ended_window(name="night", by="fleet file", reason="CHG-1", findings={"host-failed": 1})
    left = {**FAILED, "detail": {"hidden_by": "maintenance:night"}}
    events: list[Event] = []
    for number in (1, 2, 3):
        cluster = {"id": f"domain-c{number}", "name": f"prod-{number}"}
        found = {"findings": [left]} if number == 2 else {}
        check = told(cluster=cluster, maintenance_ended=[window], outcome="unchanged", **found)
        check = replace(check, address=RECORD.replace("41.json", f"{number:02d}.json"))
        _recorded(check)
        events += build_events(check)
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    assert [result.error for result in desk.notify(*events).values()] == [None] * 4
    told_clusters = [[event["subject"] for event in message] for _, message in desk.told_events()]
    assert told_clusters == [["prod-2", "prod-2"], ["prod-1", "prod-3"]]


WINDOW = build_ended_window(name="night", by="fleet file", reason="CHG-1", findings={"host-failed": 1})
LEFT = {**finding("drift", "drift-unreviewed", "", "esx07"), "detail": {"hidden_by": "maintenance:night"}}


@pytest.fixture
def window_events(deliveries: S3Deliveries) -> list[Event]:  # noqa: ARG001 -- its bucket holds the record
    """The end of maintenance, a drift that it leaves open, and a failure that is none of its matter."""
    check = told(maintenance_ended=[WINDOW], outcome="unchanged", findings=[LEFT, FAILED])
    _recorded(check)
    ended, failure, left = build_events(check)
    return [ended, left, failure]


def test_what_maintenance_leaves_is_told_with_its_end_whichever_came_first(
    deliveries: S3Deliveries, outbox: Outbox, window_events: list[Event]
) -> None:
    """Two notifiers at once have one of them each, and make the same message; it is posted once."""
    ended, left, _ = window_events
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    for event in (ended, left, left):
        (result,) = desk.notify(event).values()
        assert (result.routes, result.error) == (["ops"], None)
    assert desk.told_events() == [("ops", [ended, left])] * 3
    assert len({one["delivery_id"] for one in outbox.sent}) == 1
    receipts = Receipts(deliveries, S3RouteStates(deliveries.client, BUCKET), lambda _key: None)
    posts = 0
    for one in outbox.sent:
        delivery = deliveries.read_delivery("ops", one["delivery_id"], one["sha256"])
        post = receipts.find_post("ops", None, delivery, NOW)
        if post is not None:
            posts += 1
            assert "Maintenance night (“CHG-1”) is over. " in post.content.title
            receipts.record("ops", post, NOW)
    assert posts == 1


WINDOW_ROUTES: tuple[dict[str, object], ...] = (
    {"name": "all"},
    {"name": "warnings", "min_severity": "warning"},
    {"name": "reports", "families": ["report"]},
    {"name": "urgent", "min_severity": "critical"},
    {"name": "drift", "families": ["drift"], "secret": "shared"},
    {"name": "rest", "secret": "shared"},
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2)])
def test_a_route_hears_the_same_of_a_record_however_it_is_gathered(
    deliveries: S3Deliveries,
    outbox: Outbox,
    window_events: list[Event],
    order: tuple[int, ...],
    cuts: tuple[int, ...],
) -> None:
    """Who hears only one of both hears that one; of routes with one webhook the first hears it all."""
    ended, left, failure = window_events
    desk = Desk(_routed(*WINDOW_ROUTES), deliveries, outbox)
    for begin, end in pairwise((0, *cuts, 3)):
        desk.notify(*(window_events[number] for number in order[begin:end]))
    names = {ended["id"]: "ended", left["id"]: "left", failure["id"]: "failure"}
    heard = {(route, *sorted(names[event["id"]] for event in events)) for route, events in desk.told_events()}
    assert heard == {
        ("all", "ended", "left"),
        ("all", "failure"),
        ("warnings", "left"),
        ("warnings", "failure"),
        ("reports", "ended"),
        ("urgent", "failure"),
        ("drift", "ended", "left"),
        ("rest", "failure"),
    }


def test_what_stands_broken_beside_the_end_of_maintenance_keeps_nothing_back(
    deliveries: S3Deliveries, outbox: Outbox, window_events: list[Event]
) -> None:
    """What can be read is told by itself."""
    ended, left, _ = window_events
    _keep(RECORD, encode_canonical_json({"events": [ended, left, {**left, "data": {}}]}))
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    desk.notify(ended)
    assert desk.told_events() == [("ops", [ended])]


def _recorded_both(number: int) -> list[Event]:
    """Two events of one check."""
    driver = change("component", "upgraded", f"driver-{number}", **{"from": "1", "to": "2"})
    check = told(changes=[driver], findings=[FAILED])
    check = replace(check, address=RECORD.replace("41.json", f"{number:02d}.json"))
    _recorded(check)
    return build_events(check)


def test_a_route_that_fails_keeps_no_other_from_hearing(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """The message comes again; receipts see to it that the other hears it once."""
    desk = Desk(_routed({"name": "away"}, {"name": "ops"}), deliveries, outbox)
    outbox.refuses = {"away"}
    (result,) = desk.notify(drift).values()
    assert isinstance(result.error, QueueUnavailable)
    assert desk.told_events() == [("ops", [drift])]


def test_a_bug_at_a_route_is_one_of_ours(drift: Event, deliveries: S3Deliveries, outbox: Outbox) -> None:
    """It says where, and not with what."""
    outbox.bug = KeyError("hidden")
    (result,) = Desk(_routed({"name": "odd"}), deliveries, outbox).notify(drift).values()
    assert isinstance(result.error, InternalError)
    assert "the messages to the route odd: KeyError at" in result.error.message
    assert "hidden" not in result.error.message


def test_an_event_that_nobody_hears_goes_nowhere(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """No route is no failure."""
    (result,) = Desk(_routed(), deliveries, outbox).notify(drift).values()
    assert (result.routes, result.error, outbox.sent) == ([], None, [])


def test_a_record_that_can_not_be_read_now_is_waited_for(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Its event comes again, and the others of the batch are told."""

    def refuse(key: str) -> None:
        if RECORD.endswith(key):
            raise StoreUnavailable("S3 is away")

    other, _ = _recorded_both(2)
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox, refuse)
    results = desk.notify(drift, other)
    assert isinstance(results["0"].error, StoreUnavailable)
    assert desk.told_events() == [("ops", [other])]


def test_what_no_message_is_made_of_is_done_with(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Another type, a newer schema; what is malformed is refused, and none takes another with it."""
    newer = {**drift, "dataschema": "urn:esx-drift:schema:event:12", "data": {"schema_version": 12}}
    other = {**drift, "type": "esx-drift.imagined"}
    broken = {**drift, "dataschema": "urn:esx-drift:schema:event:1x"}
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    results = desk.notify(cast("Event", newer), cast("Event", other), cast("Event", broken), drift)
    assert [type(result.error) for result in results.values()] == [
        type(None),
        type(None),
        ContractViolation,
        type(None),
    ]
    assert [result.event is None for result in results.values()] == [True, True, True, False]
    assert desk.told_events() == [("ops", [drift])]


OTHER = finding("drift", "image-not-uniform", "", "the hosts differ", severity="critical")


def _forge(event: Event, **data: object) -> Event:
    return cast("Event", {**event, "data": {**event["data"], **data}})


FORGERIES: dict[str, Mapping[str, Any]] = {
    "milder": {"severity": "info"},
    "of another vCenter": {"vcenter": "vc02"},
    "with other findings": {"findings": [OTHER]},
    "of a record that is not there": {"record": RECORD.replace("41.json", "42.json")},
    "of another bucket": {"record": RECORD.replace("//audit/", "//elsewhere/")},
    "of what is no record": {"record": "s3://audit/documents/vcenter=vc01/cluster=c/0000000041.json"},
    "of a place beside the records": {"record": "s3://audit/records/vcenter=vc01/../0000000041.json"},
    "that ends in a line": {"record": f"{RECORD}\n"},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_no_record_holds_is_not_told(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox, forged: Mapping[str, Any]
) -> None:
    """Whoever may publish to the topic can say nothing to people, and can't keep the true event from them."""
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    results = desk.notify(_forge(drift, **forged), drift)
    refusal = results["0"].error
    assert isinstance(refusal, RequestRefused)
    assert drift["id"] in refusal.message
    assert results["1"].error is None
    assert desk.told_events() == [("ops", [drift])]


def test_a_record_vouches_for_its_own_events_only(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """An event of a check that may come next, under the id that it will have, is none yet."""
    next_one = build_events(told(changes=[DRIVER], findings=[FAILED], seq=42))[0]
    assert next_one["data"]["record"] == drift["data"]["record"]
    (result,) = Desk(_routed({"name": "ops"}), deliveries, outbox).notify(next_one).values()
    assert isinstance(result.error, RequestRefused)
    assert outbox.sent == []


def test_an_event_that_was_cut_for_the_topic_stands_so_in_its_record(
    deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """What is compared is what was published, not what it was cut from."""
    many = [change("component", "upgraded", f"c{number}", hosts=HOSTS, **VERSIONS) for number in range(900)]
    event = _recorded(told(changes=many))
    assert event["data"]["truncated"]
    desk = Desk(_routed({"name": "ops"}), deliveries, outbox)
    assert [result.error for result in desk.notify(event).values()] == [None]
    assert desk.told_events() == [("ops", [event])]


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[" * 100_000, b"[]", b"{}", b'{"events": 1}', b'{"events": [NaN]}']
)
def test_a_damaged_record_vouches_for_nothing(
    drift: Event, deliveries: S3Deliveries, outbox: Outbox, body: bytes
) -> None:
    """The event ends as a dead letter, where the alarm tells of it."""
    _keep(RECORD, body)
    (result,) = Desk(_routed({"name": "ops"}), deliveries, outbox).notify(drift).values()
    assert isinstance(result.error, RequestRefused)


def test_an_event_of_a_whole_vcenter_reaches_routes_of_its_clusters(
    deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Who watches a cluster wants to know that nobody can see it."""
    event = _recorded(told(cluster=None, coverage=None, extracted_at=None, findings=[FAILED]))
    routes = _routed({"name": "lab", "clusters": ["lab-*"]}, {"name": "vc02", "vcenters": ["vc02"]})
    (result,) = Desk(routes, deliveries, outbox).notify(event).values()
    assert result.routes == ["lab"]


def test_what_is_suppressed_is_told_nowhere_and_decides_on_no_route(
    deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """The critical change is suppressed: the route for critical ones does not hear the warning beside it."""
    hidden = cast("Change", {**DRIVER, "key": "lsi", "severity": "critical", "suppressed_by": "ignore:lsi"})
    both = _recorded(told(changes=[DRIVER, hidden]))
    routes = _routed({"name": "ops"}, {"name": "urgent", "min_severity": "critical"})
    desk = Desk(routes, deliveries, outbox)
    assert [result.routes for result in desk.notify(both).values()] == [["ops"]]
    alone = _recorded(told(changes=[hidden], seq=42))
    assert [result.routes for result in desk.notify(alone).values()] == [[]]
    assert len(outbox.sent) == 1


STORED_EVENTS = sorted(GOLDEN.glob("stored/*/messages/event/*.json"))


@pytest.mark.parametrize("path", STORED_EVENTS, ids=lambda path: path.stem)
def test_an_event_of_an_earlier_version_is_in_its_record(path: Any) -> None:  # noqa: ANN401 -- a path
    """What waits in the queue while a new version is deployed is posted by it."""
    event = json.loads(path.read_bytes())
    bucket, _, _ = event["data"]["record"].removeprefix("s3://").partition("/")
    audit = path.parents[2] / "audit"
    published = PublishedEvents(bucket, lambda key: (audit / key).read_bytes())
    joined, refusal = published.list_joined([event, _forge(event, severity="none")])
    assert joined == (event,)
    assert isinstance(refusal, RequestRefused)


def test_a_message_with_a_number_that_json_has_not_is_refused(drift: Event) -> None:
    """No canonical form can hold it."""
    with pytest.raises(ContractViolation):
        parse_event(json.dumps({**drift, "data": {**drift["data"], "extra": float("nan")}}))


def test_a_delivery_is_written_down_once(deliveries: S3Deliveries) -> None:
    """The second one of two at once finds it there, which is well."""
    deliveries.record("e", "ops", NOW)
    deliveries.record("e", "ops", datetime(2027, 1, 1, tzinfo=UTC))
    kept = boto3.client("s3").get_object(Bucket=BUCKET, Key=make_delivery_key("e", "ops"))["Body"].read()
    assert b"2026-11-23" in kept


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:1"], ids=["no bucket", "no S3"])
@pytest.mark.usefixtures("aws")
def test_a_store_that_fails_is_not_taken_for_no_delivery(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    """Otherwise each fault of S3 would repeat messages."""
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3 = boto3.client("s3")
    deliveries = S3Deliveries(lambda: s3, "no-such-bucket")
    with pytest.raises(StoreUnavailable):
        deliveries.record("e", "ops", NOW)
    with pytest.raises(StoreUnavailable):
        deliveries.delivered("e", "ops")


def test_an_event_is_taken_from_a_message_as_it_was_published(drift: Event) -> None:
    """The body of a raw delivery is the CloudEvent."""
    assert parse_event(json.dumps(drift)) == drift


def test_whole_numbers_of_an_event_are_whole(drift: Event) -> None:
    """As in every other payload, however somebody spelt them on the way."""
    body = json.dumps(drift).replace('"schema_version": 1', '"schema_version": 1.0')
    assert body != json.dumps(drift)
    assert json.dumps(parse_event(body)) == json.dumps(drift)


@pytest.mark.parametrize(
    "event_type", ["esx-drift.baseline.recorded", "esx-drift.imagined", "com.example.else"]
)
def test_a_type_that_is_not_told_is_none(drift: Event, event_type: str) -> None:
    """Consumers ignore types they don't know, whatever else such an event holds."""
    assert parse_event(json.dumps({**drift, "type": event_type, "data": 1})) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"type": 1}',
        "[" * 100_000,
        '{"type": "esx-drift.drift.detected"}',
        '{"type": "esx-drift.report.daily", "type": "esx-drift.drift.detected"}',
        '{"type": "\\ud800"}',
        '{"type": "\ud800"}',
        '{"type": "esx-drift.report.daily", "data": NaN}',
    ],
)
def test_a_malformed_message_is_refused(body: str) -> None:
    """Never dropped in silence: it ends in the dead letter queue."""
    with pytest.raises(ContractViolation):
        parse_event(body)
