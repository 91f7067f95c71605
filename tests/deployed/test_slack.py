"""Who is told what, once each; and what becomes of it where Slack does not take it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.domain.stored.identifiers import compute_digest, make_delivery_key, make_receipt_id

from tests.deployed.stage import BY_HAND, BY_HAND_AGAIN, FOOTHOLD, I40EN, give_up_after, small
from tests.lab.local_aws.rig import ROUTE, NewRig, Rig
from tests.lab.local_aws.stack import SLACK_ON_LOOPBACK
from tests.lab.local_aws.tap import Tap, tapped
from tests.simulator import SlackReceiver

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Event, Record

VCENTER = "slack01"
EVENTS = 200
ON_CALL, DRIFT, DEAD, FALLBACK = (f"/services/{name}" for name in ("on-call", "drift", "gone", "fallback"))


TAKEN = (ON_CALL, DRIFT, FALLBACK)
ROUTES = (("on-call", ON_CALL), ("drift", DRIFT), ("dead", DEAD), ("fallback", FALLBACK))


@dataclass(frozen=True, slots=True)
class Telling:
    """A rig of one vCenter with four more routes; the webhook of one is gone, and another is its fallback."""

    rig: Rig
    other: SlackReceiver
    tap: Tap

    def heard(self, path: str) -> list[str]:
        """The headlines that a route's webhook took, in order."""
        return [one.payload["text"] for one in self.other.received if one.path == path and one.answer == "ok"]

    def look(self) -> "Record":
        """Look once."""
        (record,) = self.rig.check()
        return record


@pytest.fixture(scope="module")
def telling(new_rig: NewRig) -> Iterator[Telling]:
    """The first copy is taken, and the first of three is told."""
    with (
        new_rig(SLACK_ON_LOOPBACK) as rig,
        SlackReceiver(tls=rig.tls, paths=TAKEN) as other,
    ):
        rig.add_vcenter(VCENTER, small())
        for name, path in ROUTES:
            rig.put_secret(f"slack/{name}", {"url": other.webhook_of(path), "ca_bundle": rig.authority.pem})
        fleet = rig.fleet()
        fleet["routes"] += [
            {"name": "on-call", "min_severity": "critical"},
            {"name": "drift", "families": ["drift"]},
            {"name": "dead", "families": ["orphaned-vib"], "fallback": "fallback"},
            {"name": "fallback", "families": ["report"]},
        ]
        rig.put_fleet(fleet)
        telling = Telling(rig, other, tapped(rig.stack))
        telling.look()
        give_up_after(rig, "NotifyQueue", tries=3, seconds=2)
        yield telling


def test_each_route_hears_what_it_asked_for_once(telling: Telling) -> None:
    """A warning goes to whoever hears all and to whoever hears drift, and not to who hears the critical."""
    before = len(telling.rig.slack.accepted)
    telling.rig.vcenters[VCENTER].hosts.set_component("esx03", I40EN, BY_HAND)
    telling.look()
    telling.rig.await_quiet("NotifyQueue", "DeliveryQueue")
    (headline,) = telling.heard(DRIFT)
    assert headline == "🟠 Intel-i40en 2.7.2.0 → 2.9.2.0 on esx03 · prod-a · slack01"
    assert [payload["text"] for payload in telling.rig.slack.accepted[before:]] == [headline]
    assert telling.heard(ON_CALL) == []


def test_a_dead_webhook_keeps_nobody_else_from_hearing(telling: Telling) -> None:
    """Its message is a dead letter; the others heard it once, and the fallback that the route is dead."""
    before = len(telling.rig.slack.accepted)
    telling.rig.vcenters[VCENTER].hosts.add_orphaned_vib(["esx01"], FOOTHOLD)
    telling.look()
    dead = telling.rig.stack.await_message("DeliveryDeadLetterQueue", 30)
    telling.rig.await_quiet("NotifyQueue", "DeliveryQueue")
    assert json.loads(dead["Body"])["route"] == "dead"
    (headline,) = telling.heard(ON_CALL)
    assert headline.startswith("🔴 CRITICAL · VIB smntemp ")
    assert [payload["text"] for payload in telling.rig.slack.accepted[before:]] == [headline]
    refused = [one.answer for one in telling.other.received if one.path == DEAD]
    assert refused == ["no_service"]
    news, again = telling.heard(FALLBACK)
    assert news == "🟠 Route dead is dead: the webhook of dead answered 404 no_service"
    assert again == headline


def test_an_event_that_no_record_holds_is_not_told(telling: Telling) -> None:
    """Whoever may publish to the topic can't write to chat: it is a dead letter, and rings."""
    before = len(telling.rig.slack.received)
    record = telling.rig.records(VCENTER, "domain-c9")[-1]
    event = record["events"][0]
    forged = {**event, "data": {**event["data"], "severity": "info"}}
    text = json.dumps({"default": json.dumps(forged)})
    topic = telling.rig.stack.outputs["DriftTopicArn"]
    telling.rig.stack.aws.sns.publish(TopicArn=topic, Message=text, MessageStructure="json")
    assert json.loads(telling.rig.stack.await_message("NotifyDeadLetterQueue", 30)["Body"]) == forged
    assert len(telling.rig.slack.received) == before
    telling.tap.drain()
    telling.tap.heard = [heard for heard in telling.tap.heard if heard.event != forged]


@pytest.mark.parametrize(
    ("answer", "times", "retry_after_seconds"),
    [("rate_limited", 1, 1), ("server_error", 1, None)],
    ids=["429", "500"],
)
def test_what_slack_does_not_take_at_once_comes_later(
    answer: str, times: int, retry_after_seconds: int | None, telling: Telling
) -> None:
    """Once, and to the route that heard it at the first try not again."""
    slack, drift = telling.rig.slack, len(telling.heard(DRIFT))
    before = len(slack.accepted)
    driver = telling.rig.vcenters[VCENTER].inventory.host("esx02").software["components"][I40EN]
    # Not the step that esx03 made: what is known and spreads is not told again.
    version = BY_HAND_AGAIN if driver["version"] != BY_HAND_AGAIN else f"9{BY_HAND_AGAIN}"
    telling.rig.vcenters[VCENTER].hosts.set_component("esx02", I40EN, version)
    slack.refuse(answer, times, retry_after_seconds)
    telling.look()
    telling.rig.await_quiet("NotifyQueue", "DeliveryQueue")
    assert len(slack.accepted) == before + 1
    assert len(telling.heard(DRIFT)) == drift + 1


def test_a_subscriber_can_choose_by_attributes(telling: Telling) -> None:
    """They say what the event says."""
    telling.tap.drain()
    for heard in telling.tap.heard:
        data = heard.event["data"]
        transitions = json.loads(heard.attributes.pop("transitions", "[]"))
        assert heard.attributes == {
            "type": heard.event["type"],
            "family": heard.event["type"].split(".")[1],
            "severity": data["severity"],
            "vcenter": VCENTER,
            "cluster": "domain-c9",
        }
        assert {*transitions} == {finding["transition"] for finding in data["findings"]}
    assert {heard.attributes["family"] for heard in telling.tap.heard} == {
        "baseline",
        "drift",
        "orphaned-vib",
    }


def test_the_book_of_deliveries_has_each_route(telling: Telling) -> None:
    """Nobody but a dead webhook is missing from it."""
    keys = [*telling.rig.audit_keys("deliveries/")]
    routes = [(key, key.rsplit("/", 1)[1].removesuffix(".json")) for key in keys]
    receipts = Counter(route for key, route in routes if "/groups/" not in key)
    assert receipts == {ROUTE: 4, "on-call": 1, "drift": 3, "fallback": 2}


def test_two_hundred_events_are_told_once(telling: Telling) -> None:
    """Each to every route that hears it; the dead one's are dead letters, and delay nobody's."""
    rig, before = telling.rig, len(telling.rig.slack.accepted)
    (model,) = rig.records(VCENTER, "domain-c9")[-1]["events"]
    events = [_forge_record(rig, model, number) for number in range(EVENTS)]
    topic = rig.stack.outputs["DriftTopicArn"]
    for event in events:
        text = json.dumps({"default": json.dumps(event)})
        rig.stack.aws.sns.publish(TopicArn=topic, Message=text, MessageStructure="json")
    rig.await_quiet("NotifyQueue")
    rig.await_quiet("NotifyQueue", "DeliveryQueue")
    told = {key for key in rig.audit_keys("deliveries/") if key.endswith((f"/{ROUTE}.json", "/drift.json"))}
    for event in events:
        receipt = make_receipt_id(event["id"], compute_digest(event))
        assert {make_delivery_key(receipt, route) for route in (ROUTE, "drift")} <= told
    assert 0 < len(rig.slack.accepted) - before <= EVENTS / 2
    assert {one.answer for one in rig.slack.received[-20:]} == {"ok"}


def _forge_record(rig: Rig, model: "Event", number: int) -> "Event":
    """An event like another as a record holds it, of a cluster that is in no vCenter: a forged one."""
    key = f"records/vcenter={VCENTER}/cluster=made-{number}/0000000001.json"
    cluster = {"id": f"made-{number}", "name": f"made-{number}"}
    data = {**model["data"], "cluster": cluster, "record": f"s3://{rig.audit_bucket}/{key}"}
    made = cast("Event", {**model, "id": f"{model['id'][:-4]}{number:04d}", "data": data})
    body = json.dumps({"events": [made]}).encode()
    rig.stack.aws.s3.put_object(Bucket=rig.audit_bucket, Key=key, Body=body, IfNoneMatch="*")
    return made
