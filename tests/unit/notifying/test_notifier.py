import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.channels.slack import render_message
from esx_drift.channels.webhook import WebhookChannel
from esx_drift.domain.fleet.fleet import Fleet, build_fleet
from esx_drift.domain.stored.identifiers import (
    compute_digest,
    encode_canonical_json,
    make_delivery_key,
    make_receipt_id,
)
from esx_drift.domain.stored.types import Change, Event
from esx_drift.errors import (
    ContractViolation,
    InternalError,
    RequestRefused,
    StoreUnavailable,
    WebhookRefused,
    WebhookUnavailable,
)
from esx_drift.messages.content import build_content
from esx_drift.notifying.notifier import Notifier, PublishedEvents, parse_event

from tests.paths import GOLDEN
from tests.simulator.slack import SlackReceiver
from tests.unit.events import HOST_NAMES, RECORD, Check, build_events, change, finding, told
from tests.unit.fleets import fleet

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument
    from esx_drift.ports import Channel

NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
BUCKET = "audit"
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
FAILED = finding("failure", "host-failed", "host-11", "esx11 could not be read", severity="critical")


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


def _read(key: str) -> bytes | None:
    stored = S3Objects(boto3.client("s3"), BUCKET).read(key)
    return stored.body if stored else None


def _receipt(event: Event) -> str:
    return make_receipt_id(event["id"], compute_digest(event))


def _routed(*routes: dict[str, object]) -> Fleet:
    return build_fleet(cast("FleetDocument", fleet(routes=list(routes))))


def _notifier(routes: Fleet, webhook: WebhookChannel, deliveries: S3Deliveries) -> Notifier:
    published = PublishedEvents(BUCKET, _read)
    return Notifier(routes, {"slack": webhook}, published, deliveries, lambda: NOW)


def test_each_route_that_hears_an_event_gets_its_message_once(
    drift: Event, webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """Those that listen for something else don't, and a second delivery by the queue posts nothing."""
    routes = _routed(
        {"name": "ops"},
        {"name": "drift", "families": ["drift"]},
        {"name": "failures", "families": ["failure"]},
        {"name": "urgent", "min_severity": "critical"},
        {"name": "other", "clusters": ["lab-*"]},
    )
    first = _notifier(routes, webhook, deliveries).notify(drift)
    second = _notifier(routes, webhook, deliveries).notify(drift)
    assert (first.posted, first.repeated, first.failed) == (["ops", "drift"], [], {})
    assert (second.posted, second.repeated) == ([], ["ops", "drift"])
    assert slack.accepted == [render_message(build_content(drift))] * 2


def test_what_is_suppressed_is_posted_nowhere_and_decides_on_no_route(
    webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """The critical change is suppressed: the route for critical ones does not hear the warning beside it."""
    hidden = cast("Change", {**DRIVER, "key": "lsi", "severity": "critical", "suppressed_by": "ignore:lsi"})
    both = _recorded(told(changes=[DRIVER, hidden]))
    routes = _routed({"name": "ops"}, {"name": "urgent", "min_severity": "critical"})
    assert _notifier(routes, webhook, deliveries).notify(both).posted == ["ops"]
    alone = _recorded(told(changes=[hidden], seq=42))
    assert _notifier(routes, webhook, deliveries).notify(alone).posted == []
    assert len(slack.accepted) == 1


def test_what_was_delivered_is_written_down(
    drift: Event, webhook: WebhookChannel, deliveries: S3Deliveries
) -> None:
    """Which event, which route, when."""
    _notifier(_routed({"name": "ops"}), webhook, deliveries).notify(drift)
    kept = (
        boto3.client("s3")
        .get_object(Bucket=BUCKET, Key=make_delivery_key(_receipt(drift), "ops"))["Body"]
        .read()
    )
    assert json.loads(kept) == {
        "schema_version": 1,
        "event": _receipt(drift),
        "route": "ops",
        "delivered_at": "2026-11-23T02:15:00.000Z",
    }


def test_a_dead_route_stops_no_other_and_is_tried_again(
    drift: Event, webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """What failed is not written down, so the next delivery posts just that."""
    routes = _routed({"name": "dead"}, {"name": "ops"})
    slack.refuse("no_service")
    first = _notifier(routes, webhook, deliveries).notify(drift)
    second = _notifier(routes, webhook, deliveries).notify(drift)
    assert first.posted == ["ops"]
    assert isinstance(first.failed["dead"], WebhookRefused)
    assert (second.posted, second.repeated) == (["dead"], ["ops"])


class _Broken:
    """A channel that nobody ever tried."""

    title = "Broken"

    def post(self, secret: str, content: object) -> None:
        """Fail in a way that nobody foresaw."""
        raise KeyError(secret, content)


def test_a_bug_at_one_route_stops_no_other(
    drift: Event, webhook: WebhookChannel, deliveries: S3Deliveries
) -> None:
    """The message comes back, and the other routes have heard it."""
    routes = _routed({"name": "odd", "secret": "hidden"}, {"name": "ops"})
    broken = replace(routes.routes[0], channel="broken")
    channels = cast("Mapping[str, Channel]", {"slack": webhook, "broken": _Broken()})
    notifier = Notifier(
        replace(routes, routes=(broken, routes.routes[1])),
        channels,
        PublishedEvents(BUCKET, _read),
        deliveries,
        lambda: NOW,
    )
    notified = notifier.notify(drift)
    assert notified.posted == ["ops"]
    assert isinstance(notified.failed["odd"], InternalError)
    assert "the delivery to the route odd: KeyError at" in notified.failed["odd"].message
    assert "hidden" not in notified.failed["odd"].message


def test_a_post_without_an_answer_is_not_written_down(
    drift: Event, webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """It may be posted twice, but is never lost."""
    slack.stop()
    notified = _notifier(_routed({"name": "ops"}), webhook, deliveries).notify(drift)
    assert isinstance(notified.failed["ops"], WebhookUnavailable)
    assert not deliveries.delivered(_receipt(drift), "ops")


def test_an_event_that_nobody_hears_is_posted_nowhere(
    drift: Event, webhook: WebhookChannel, deliveries: S3Deliveries
) -> None:
    """No route is no failure."""
    notified = _notifier(_routed(), webhook, deliveries).notify(drift)
    assert (notified.posted, notified.repeated, notified.failed) == ([], [], {})


def test_an_event_of_a_whole_vcenter_reaches_routes_of_its_clusters(
    webhook: WebhookChannel, deliveries: S3Deliveries
) -> None:
    """Who watches a cluster wants to know that nobody can see it."""
    event = _recorded(told(cluster=None, coverage=None, extracted_at=None, findings=[FAILED]))
    routes = _routed({"name": "lab", "clusters": ["lab-*"]}, {"name": "vc02", "vcenters": ["vc02"]})
    assert _notifier(routes, webhook, deliveries).notify(event).posted == ["lab"]


CRITICAL = finding("orphaned-vib", "orphaned-vib", "smntemp(1)", "orphaned VIB", severity="critical")


def _forge(event: Event, **data: object) -> Event:
    return cast("Event", {**event, "data": {**event["data"], **data}})


FORGERIES: dict[str, Mapping[str, Any]] = {
    "milder": {"severity": "info"},
    "of another vCenter": {"vcenter": "vc02"},
    "with other findings": {"findings": [CRITICAL]},
    "of no record": {"record": None},
    "of a record that is not there": {"record": RECORD.replace("41.json", "42.json")},
    "of another bucket": {"record": RECORD.replace("//audit/", "//elsewhere/")},
    "of what is no record": {"record": "s3://audit/documents/vcenter=vc01/cluster=c/0000000041.json"},
    "of a place beside the records": {"record": "s3://audit/records/vcenter=vc01/../0000000041.json"},
    "that ends in a line": {"record": f"{RECORD}\n"},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_no_record_holds_is_not_posted(
    drift: Event,
    webhook: WebhookChannel,
    slack: SlackReceiver,
    deliveries: S3Deliveries,
    forged: Mapping[str, Any],
) -> None:
    """Whoever may publish to the topic can say nothing to people, and can't keep the true event from them."""
    notifier = _notifier(_routed({"name": "ops"}), webhook, deliveries)
    with pytest.raises(RequestRefused, match=drift["id"]):
        notifier.notify(_forge(drift, **forged))
    assert slack.received == []
    assert notifier.notify(drift).posted == ["ops"]


def test_a_record_vouches_for_its_own_events_only(
    drift: Event, webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """An event of a check that may come next, under the id that it will have, is none yet."""
    next_one = build_events(told(changes=[DRIVER], findings=[FAILED], seq=42))[0]
    assert next_one["data"]["record"] == drift["data"]["record"]
    with pytest.raises(RequestRefused):
        _notifier(_routed({"name": "ops"}), webhook, deliveries).notify(next_one)
    assert slack.received == []


def test_an_event_that_was_cut_for_the_topic_stands_so_in_its_record(
    webhook: WebhookChannel, slack: SlackReceiver, deliveries: S3Deliveries
) -> None:
    """What is compared is what was published, not what it was cut from."""
    many = [change("component", "upgraded", f"c{number}", hosts=[*HOST_NAMES] * 20) for number in range(900)]
    event = _recorded(told(changes=many))
    assert event["data"]["truncated"]
    assert _notifier(_routed({"name": "ops"}), webhook, deliveries).notify(event).posted == ["ops"]
    assert len(slack.accepted) == 1


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[" * 100_000, b"[]", b"{}", b'{"events": 1}', b'{"events": [NaN]}']
)
def test_a_damaged_record_vouches_for_nothing(
    drift: Event, webhook: WebhookChannel, deliveries: S3Deliveries, body: bytes
) -> None:
    """The event ends as a dead letter, where the alarm tells of it."""
    _keep(RECORD, body)
    with pytest.raises(RequestRefused):
        _notifier(_routed({"name": "ops"}), webhook, deliveries).notify(drift)


STORED_EVENTS = sorted(GOLDEN.glob("stored/*/messages/event/*.json"))


@pytest.mark.parametrize("path", STORED_EVENTS, ids=lambda path: path.stem)
def test_an_event_of_an_earlier_version_is_in_its_record(path: Any) -> None:  # noqa: ANN401 -- a path
    """What waits in the queue while a new version is deployed is posted by it."""
    event = json.loads(path.read_bytes())
    bucket, _, _ = event["data"]["record"].removeprefix("s3://").partition("/")
    audit = path.parents[2] / "audit"
    PublishedEvents(bucket, lambda key: (audit / key).read_bytes()).require_recorded(event)
    with pytest.raises(RequestRefused):
        PublishedEvents(bucket, lambda key: (audit / key).read_bytes()).require_recorded(
            _forge(event, severity="none")
        )


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


@pytest.mark.parametrize("event_type", ["esx-drift.report.daily", "esx-drift.imagined", "com.example.else"])
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
