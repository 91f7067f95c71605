"""Who is told what, once each; and what becomes of it where Slack does not take it."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.deployed.stage import BY_HAND, BY_HAND_AGAIN, FOOTHOLD, I40EN, give_up_after, small
from tests.lab.local_aws.rig import ROUTE, Rig
from tests.lab.local_aws.tap import Tap, tapped
from tests.simulator import SlackReceiver

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

VCENTER = "slack01"
ON_CALL, DRIFT, DEAD = "/services/on-call", "/services/drift", "/services/gone"


@dataclass(frozen=True, slots=True)
class Telling:
    """A rig of one vCenter with three more routes; the last one's webhook is gone."""

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
def telling(new_rig: Callable[[], AbstractContextManager[Rig]]) -> Iterator[Telling]:
    """The first copy is taken, and the first of three is told."""
    with new_rig() as rig, SlackReceiver(tls=rig.tls, paths=(ON_CALL, DRIFT)) as other:
        rig.add_vcenter(VCENTER, small())
        for name, path in (("on-call", ON_CALL), ("drift", DRIFT), ("dead", DEAD)):
            rig.put_secret(f"slack/{name}", {"url": other.webhook_of(path), "ca_bundle": rig.authority.pem})
        fleet = rig.fleet()
        fleet["routes"] += [
            {"name": "on-call", "min_severity": "critical"},
            {"name": "drift", "families": ["drift"]},
            {"name": "dead", "families": ["orphaned-vib"]},
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
    telling.rig.await_quiet("NotifyQueue")
    (headline,) = telling.heard(DRIFT)
    assert headline == "prod-a · slack01: Intel-i40en 2.7.2.0 → 2.9.2.0 on esx03"
    assert [payload["text"] for payload in telling.rig.slack.accepted[before:]] == [headline]
    assert telling.heard(ON_CALL) == []


def test_a_dead_webhook_keeps_nobody_else_from_hearing(telling: Telling) -> None:
    """The event ends as a dead letter, whole; the other routes heard it once, though it came back."""
    before = len(telling.rig.slack.accepted)
    telling.rig.vcenters[VCENTER].hosts.add_orphaned_vib(["esx01"], FOOTHOLD)
    record = telling.look()
    dead = telling.rig.stack.await_message("NotifyDeadLetterQueue", 30)
    (event,) = record["events"]
    assert json.loads(dead["Body"]) == event
    (headline,) = telling.heard(ON_CALL)
    assert headline.startswith("CRITICAL · prod-a · slack01:")
    assert [payload["text"] for payload in telling.rig.slack.accepted[before:]] == [headline]
    refused = [one.answer for one in telling.other.received if one.path == DEAD]
    assert refused == ["no_service"] * 3


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
    [("rate_limited", 1, 1), ("server_error", 4, None)],
    ids=["429", "500 until the queue tries again"],
)
def test_what_slack_does_not_take_at_once_comes_later(
    answer: str, times: int, retry_after_seconds: int | None, telling: Telling
) -> None:
    """Once, and to the route that heard it at the first try not again."""
    slack, drift = telling.rig.slack, len(telling.heard(DRIFT))
    before = len(slack.accepted)
    driver = telling.rig.vcenters[VCENTER].inventory.host("esx02").software["components"][I40EN]
    version = BY_HAND if driver["version"] != BY_HAND else BY_HAND_AGAIN
    telling.rig.vcenters[VCENTER].hosts.set_component("esx02", I40EN, version)
    slack.refuse(answer, times, retry_after_seconds)
    telling.look()
    telling.rig.await_quiet("NotifyQueue")
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
    routes = [key.rsplit("/", 1)[1].removesuffix(".json") for key, _ in telling.rig.audit("deliveries/")]
    assert {*routes} == {ROUTE, "on-call", "drift"}
    assert (routes.count(ROUTE), routes.count("on-call"), routes.count("drift")) == (5, 1, 3)
