import json

import boto3
import pytest
from botocore.config import Config
from esx_drift.adapters.messaging import SnsTopic
from esx_drift.errors import TopicUnavailable
from esx_drift.messages.publication import MAX_SUBJECT_CHARACTERS, build_publication
from hypothesis import given

from tests.unit.events import Check, build_events, finding, not_looked, tellings, told

FAILED = finding("failure", "host-failed", "host-11", "esx11 could not be read", hosts=["host-11"])


@pytest.mark.usefixtures("aws")
def test_the_cloud_event_arrives_at_a_raw_queue() -> None:
    """A subscriber's message body is the event and nothing else, and its attributes can be filtered by."""
    (event,) = build_events(told(findings=[FAILED]))
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="drift")["TopicArn"]
    queue = sqs.create_queue(QueueName="notify")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    SnsTopic(lambda: sns, topic, build_publication).publish(event)
    (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"]) == event
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {
        "type": "esx-drift.failure.detected",
        "family": "failure",
        "severity": "warning",
        "vcenter": "vc01",
        "cluster": "domain-c9",
        "transitions": '["opened"]',
    }


@pytest.mark.usefixtures("aws")
def test_a_topic_that_is_gone_leaves_the_event_to_the_outbox() -> None:
    """Whatever SNS's reason, it may be mended: the event is not lost."""
    (event,) = build_events(told(findings=[FAILED]))
    sns = boto3.client("sns")
    with pytest.raises(TopicUnavailable, match=event["id"]):
        SnsTopic(lambda: sns, "arn:aws:sns:eu-central-1:123456789012:gone", build_publication).publish(event)


def test_a_topic_out_of_reach_leaves_the_event_to_the_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is no reason to lose it either."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    (event,) = build_events(told(findings=[FAILED]))
    once = Config(retries={"total_max_attempts": 1})
    sns = boto3.client("sns", "eu-central-1", endpoint_url="http://127.0.0.1:1", config=once)
    with pytest.raises(TopicUnavailable, match=event["id"]):
        SnsTopic(lambda: sns, "arn:aws:sns:eu-central-1:123456789012:drift", build_publication).publish(event)


def test_a_vcenter_as_a_whole_has_no_cluster_to_filter_by() -> None:
    """A dash stands for it."""
    (event,) = build_events(not_looked(findings=[finding("failure", "vcenter-error", "", "500")]))
    assert build_publication(event).attributes["cluster"] == "-"


def test_an_event_without_findings_has_no_transitions() -> None:
    """Nobody says whether SNS takes an empty array: so there is none."""
    (event,) = build_events(told(outcome="baseline", since=None))
    assert "transitions" not in build_publication(event).attributes


def test_people_get_a_text_by_e_mail() -> None:
    """With what happened, what to do next and where the whole is kept."""
    (event,) = build_events(told(findings=[FAILED]))
    text = json.loads(build_publication(event).message)["email"]
    assert "esx11 not checked" in text
    assert "Next: in vCenter > esx11" in text
    assert "record 41 · esx-drift show prod-a 41" in text


def test_a_long_e_mail_counts_what_it_leaves_out() -> None:
    """Twenty lines and the number of the others."""
    many = [finding("failure", "host-failed", f"host-{n}", "not read") for n in range(25)]
    (event,) = build_events(told(findings=many))
    assert "- and 5 more" in json.loads(build_publication(event).message)["email"]


def test_a_report_is_published_without_a_text_for_people() -> None:
    """Its type is its subject."""
    (event,) = build_events(told(outcome="baseline", since=None))
    report = build_publication({**event, "type": "esx-drift.report.weekly"})
    assert report.subject == "esx-drift.report.weekly"
    assert "email" not in json.loads(report.message)


def test_a_subject_never_begins_with_a_blank() -> None:
    """A macron in plain ASCII is a blank and a mark: SNS would refuse it for ever."""
    whole = finding("failure", "extraction-failed", "", "it failed")
    (event,) = build_events(told(cluster={"id": "domain-c9", "name": "\u00af"}, findings=[whole]))
    assert build_publication(event).subject.startswith("? - vc01")


@given(tellings())
def test_sns_takes_every_publication(check: Check) -> None:
    """A subject in plain ASCII on one line, and attributes without control characters."""
    for event in build_events(check):
        publication = build_publication(event)
        assert 0 < len(publication.subject) <= MAX_SUBJECT_CHARACTERS
        assert publication.subject.isascii()
        assert publication.subject.isprintable()
        assert not publication.subject.startswith(" ")
        assert all(str(value).isprintable() for value in publication.attributes.values())
        assert json.loads(json.loads(publication.message)["default"]) == event
