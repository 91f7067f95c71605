"""What each function does with a batch from its queue."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from esx_drift.checking.checker import Checker
from esx_drift.domain.stored.types import CheckRequest

from functions.checker import app as checker
from functions.dispatcher import app as dispatcher
from functions.notifier import app as notifier
from functions.sender import app as sender
from tests.paths import EVENTS
from tests.simulator import fault_kinds
from tests.unit.functions.conftest import Deployed, FunctionLog
from tests.unit.simulated_aws import REGION

FEEDS = {
    "checker": "CheckQueue",
    "dispatcher": "RetryQueue",
    "notifier": "NotifyQueue",
    "sender": "DeliveryQueue",
}
GOOD = {
    "checker": "checker-collect",
    "dispatcher": "dispatcher-retry",
    "notifier": "notifier-drift",
    "sender": "sender-delivery",
}
TIMES_MS = {
    "dispatcher": dispatcher.TIME_FOR_ONE_MS,
    "notifier": notifier.TIME_FOR_A_BATCH_MS,
    "sender": sender.TIME_FOR_ONE_MS,
}
METRICS = {
    "checker": "ChecksFailed",
    "dispatcher": "RetriesFailed",
    "notifier": "EventsFailed",
    "sender": "DeliveriesFailed",
}
MAX_RECEIVES = 3


def _good(deployed: Deployed, function: str) -> dict[str, Any]:
    """An invocation with one good message, which a record vouches for."""
    event: dict[str, Any] = json.loads((EVENTS / f"{GOOD[function]}.json").read_text())
    deployed.vouch_for(event)
    return event


def _body(example: str, number: int = 0) -> str:
    body: str = json.loads((EVENTS / f"{example}.json").read_text())["Records"][number]["body"]
    return body


def _receive(deployed: Deployed, queue: str) -> dict[str, Any] | None:
    """What Lambda makes of whatever the queue hands out; none if that is nothing."""
    found = deployed.sqs.receive_message(
        QueueUrl=deployed.urls[queue], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages", [])
    records = [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
            "messageAttributes": {},
            "md5OfBody": one["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{queue}",
            "awsRegion": REGION,
        }
        for one in found
    ]
    return {"Records": records} if records else None


def _work_off(deployed: Deployed, function: str) -> int:
    """Invoke the function as long as its queue hands out messages, as Lambda does; how often that was."""
    invocations = 0
    while event := _receive(deployed, FEEDS[function]):
        invocations += 1
        reply = deployed.invoke(function, event)
        failed = {item["itemIdentifier"] for item in reply["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failed:
                deployed.sqs.delete_message(
                    QueueUrl=deployed.urls[FEEDS[function]], ReceiptHandle=record["receiptHandle"]
                )
    return invocations


@pytest.mark.parametrize("function", FEEDS)
def test_a_message_that_nobody_can_handle_is_a_dead_letter_at_once(deployed: Deployed, function: str) -> None:
    """Its tries are used up without waiting, and it lies there as it came; nothing is dropped."""
    queue, bodies = FEEDS[function], ["not JSON", "{}", "[]", '"text"', "{" * 5000]
    for body in bodies:
        deployed.sqs.send_message(QueueUrl=deployed.urls[queue], MessageBody=body)
    assert _work_off(deployed, function) == MAX_RECEIVES
    dead = deployed.sqs.receive_message(QueueUrl=deployed.urls[f"{queue}Dead"], MaxNumberOfMessages=10)
    assert {one["Body"] for one in dead["Messages"]} == set(bodies)


@pytest.mark.parametrize("function", FEEDS)
def test_a_bad_message_takes_no_good_one_with_it(deployed: Deployed, function: str) -> None:
    """The good ones of the batch are done, once."""
    url = deployed.urls[FEEDS[function]]
    for body in ("not JSON", _good(deployed, function)["Records"][0]["body"], "{}"):
        deployed.sqs.send_message(QueueUrl=url, MessageBody=body)
    _work_off(deployed, function)
    dead = deployed.sqs.receive_message(QueueUrl=f"{url}Dead", MaxNumberOfMessages=10)["Messages"]
    assert {one["Body"] for one in dead} == {"not JSON", "{}"}


def test_what_may_succeed_later_is_sent_anew(deployed: Deployed) -> None:
    """A Slack that is away is asked again when the message's delay is over, and no try of it is used up."""
    deployed.slack.refuse("server_error", times=3)
    (good,) = _good(deployed, "sender")["Records"]
    deployed.sqs.send_message(QueueUrl=deployed.urls["DeliveryQueue"], MessageBody=good["body"])
    assert _work_off(deployed, "sender") == 1
    assert (deployed.waiting("DeliveryQueue"), deployed.waiting("DeliveryQueueDead")) == (1, 0)


def test_a_check_for_which_no_time_is_left_is_asked_for_anew(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """A slow vCenter before it uses up none of its tries; no vCenter hears of it before its turn."""
    deployed.context.remaining_ms = checker.TIME_FOR_ONE_MS - 1
    body = _body("checker-collect")
    for _ in range(3 * MAX_RECEIVES):
        deployed.sqs.send_message(QueueUrl=deployed.urls["CheckQueue"], MessageBody=body)
        event = _receive(deployed, "CheckQueue")
        assert event is not None
        assert deployed.invoke("checker", event)["batchItemFailures"] == []
        for record in event["Records"]:
            deployed.sqs.delete_message(
                QueueUrl=deployed.urls["CheckQueue"], ReceiptHandle=record["receiptHandle"]
            )
        (again,) = deployed.sqs.receive_message(QueueUrl=deployed.urls["CheckQueue"])["Messages"]
        assert json.loads(again["Body"]) == json.loads(body)
        deployed.sqs.delete_message(
            QueueUrl=deployed.urls["CheckQueue"], ReceiptHandle=again["ReceiptHandle"]
        )
    assert not deployed.vcenter.requests
    assert {line["why"] for line in function_log.lines("message put off")} == {"no time is left in this run"}


def _decision(deployed: Deployed, **body: object) -> dict[str, Any]:
    """A message by which a person accepts what was looked at just now."""
    deployed.invoke("checker", _good(deployed, "checker"))
    message: dict[str, Any] = json.loads((EVENTS / "checker-accept.json").read_text())["Records"][0]
    return {**message, "body": json.dumps({**json.loads(message["body"]), **body})}


def test_a_decision_for_which_no_time_is_left_comes_again_by_itself(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """Sent anew, it would be the checker's, which may not decide. The check beside it is asked for anew."""
    decision = _decision(deployed)
    check = {**_good(deployed, "checker")["Records"][0], "messageId": "check"}
    deployed.context.remaining_ms = checker.TIME_FOR_ONE_MS - 1
    reply = deployed.invoke("checker", {"Records": [check, decision]})
    assert reply["batchItemFailures"] == [{"itemIdentifier": decision["messageId"]}]
    (again,) = deployed.sqs.receive_message(QueueUrl=deployed.urls["CheckQueue"])["Messages"]
    assert json.loads(again["Body"])["action"] == "check"
    (line,) = function_log.lines("message not handled")
    assert (line["reason"], line["message_id"]) == ("out-of-time", decision["messageId"])
    assert "the decision comes again by itself" in line["why"]
    (put_off,) = function_log.lines("message put off")
    assert put_off["message_id"] == "check"


def test_a_decision_is_not_kept_waiting_by_the_checks_of_its_batch(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """A slow vCenter before it would use up its tries. What is no message at all has no part in the order."""
    decision = _decision(deployed)
    check = {**_good(deployed, "checker")["Records"][0], "messageId": "check"}
    bad = {**check, "messageId": "bad", "body": "not JSON"}
    deployed.invoke("checker", {"Records": [bad, check, decision]})
    done = [line["outcome"] for line in function_log.lines("cluster checked")]
    assert done == ["baseline", "accepted", "baseline"], "the first of them before"
    assert [line["message_id"] for line in function_log.lines("message not handled")] == ["bad"]


def test_a_decision_that_comes_again_is_answered_by_the_same_record(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """SQS delivers at least once, with the same sender."""
    decision = _decision(deployed)
    for _ in range(2):
        assert deployed.invoke("checker", {"Records": [decision]})["batchItemFailures"] == []
    first, again = (line for line in function_log.lines("cluster checked") if line["outcome"] == "accepted")
    assert first["seq"] == again["seq"]


def test_a_decision_without_its_sender_is_a_dead_letter_at_once(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """Or with another: here SQS names everybody the same, and nobody's role session."""
    url = deployed.urls["CheckQueue"]
    body = _decision(deployed)["body"]
    deployed.sqs.send_message(QueueUrl=url, MessageBody=body)
    assert _work_off(deployed, "checker") == MAX_RECEIVES
    (dead,) = deployed.sqs.receive_message(QueueUrl=deployed.urls["CheckQueueDead"])["Messages"]
    assert dead["Body"] == body
    decision = _decision(deployed)
    del decision["attributes"]["SenderId"]
    assert len(deployed.invoke("checker", {"Records": [decision]})["batchItemFailures"]) == 1
    whys = [line["why"] for line in function_log.lines("message not handled")]
    assert all("Nobody decides in another's name" in why for why in whys[:-1])
    assert "SQS did not say who sent it" in whys[-1]


@pytest.mark.parametrize("ids", ["", ",", "AROACHECKEREXAMPLE,"])
def test_without_the_ids_of_its_own_roles_the_checker_does_nothing(
    deployed: Deployed, ids: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it could not tell a function's message from a person's."""
    event = _good(deployed, "checker")
    monkeypatch.setenv("OWN_ROLE_IDS", ids)
    with pytest.raises(ValueError, match="OWN_ROLE_IDS has to name roles, and is"):
        deployed.invoke("checker", event)


@pytest.mark.parametrize("function", TIMES_MS)
def test_without_time_left_nothing_is_begun(
    deployed: Deployed, function: str, function_log: FunctionLog
) -> None:
    """A message that might be cut off in its middle goes back whole; no vCenter and no Slack hears of it."""
    deployed.context.remaining_ms = TIMES_MS[function] - 1
    reply = deployed.invoke(function, _good(deployed, function))
    assert len(reply["batchItemFailures"]) == 1
    (line,) = function_log.lines("message not handled")
    assert line["reason"] == "out-of-time"
    assert deployed.slack.received == []
    assert not deployed.vcenter.requests


@pytest.mark.parametrize("function", FEEDS)
def test_a_message_that_sqs_does_not_hand_out_again_is_kept(
    deployed: Deployed, function: str, function_log: FunctionLog
) -> None:
    """It is reported as failed all the same, and comes back when its time is over."""
    event = _good(deployed, function)
    event["Records"][0]["body"] = "not JSON"
    reply = deployed.invoke(function, event)
    assert len(reply["batchItemFailures"]) == 1
    (line,) = function_log.lines("message stays out of sight")
    assert "ReceiptHandleIsInvalid" in line["why"]


@pytest.mark.parametrize("function", FEEDS)
def test_the_log_says_which_message_failed_and_why(
    deployed: Deployed, function: str, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bad message behind a good one is not logged under the good one's names; the metric has the reason."""
    event = _good(deployed, function)
    event["Records"].append({**event["Records"][0], "messageId": "bad", "body": "not JSON"})
    deployed.invoke(function, event)
    (bad,) = function_log.lines("message not handled")
    assert (bad["message_id"], bad["level"], bad["reason"]) == ("bad", "ERROR", "request-refused")
    assert not {"run_id", "vcenter", "cluster"} & bad.keys()
    good = [
        line for line in function_log.lines() if line.get("message_id") == event["Records"][0]["messageId"]
    ]
    assert good
    named = {"route": "ops"} if function == "sender" else {"vcenter": "vc01"}
    assert all(named.items() <= line.items() for line in good)
    metric = METRICS[function]
    counted = [json.loads(line) for line in capfd.readouterr().out.splitlines() if metric in line]
    # With the reason for people, and without it for an alarm, which can't watch reasons that it doesn't name.
    assert [line.get("reason") for line in counted] == [None, bad["reason"]]
    assert [line["stack"] for line in counted] == ["esx-drift"] * 2


def test_the_checker_names_run_vcenter_and_cluster_on_each_line(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """Whoever searches the log for one of them finds all of it."""
    deployed.invoke("checker", _good(deployed, "checker"))
    (line,) = function_log.lines("cluster checked")
    assert line["run_id"] == "5f1c6b0e-7d1f-4c39-9b6e-0a8d9c1e2f30"
    assert (line["vcenter"], line["cluster"], line["outcome"]) == ("vc01", "domain-c9", "baseline")


def test_what_a_check_notices_for_the_first_time_is_in_the_log(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """It makes no event: without this line nobody would ever hear of it."""
    deployed.vcenter.faults.inject("GET *domain-c9/installed-images", fault_kinds.document("unknown_fields"))
    deployed.invoke("checker", _good(deployed, "checker"))
    (line,) = function_log.lines("cluster checked")
    assert any("added_in_10" in notice for notice in line["notices"])


def test_a_failed_check_says_why_in_the_log(deployed: Deployed, function_log: FunctionLog) -> None:
    """A cluster that is not there is a record, not a message that comes back."""
    event = json.loads((EVENTS / "checker-extract.json").read_text())
    body = json.loads(event["Records"][0]["body"])
    event["Records"][0]["body"] = json.dumps({**body, "cluster": "domain-c404"})
    deployed.vouch_for(event)
    assert deployed.invoke("checker", event)["batchItemFailures"] == []
    (line,) = function_log.lines("cluster checked")
    assert line["outcome"] == "not-looked"
    assert "domain-c404" in line["failure"]


def test_a_bug_shows_where_it_is(
    deployed: Deployed, function_log: FunctionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is logged with its trace, and the message is kept."""

    def stumble(_: Checker, request: CheckRequest, sender_id: str | None) -> None:  # noqa: ARG001 -- its form
        raise KeyError(request["cluster"])

    monkeypatch.setattr(Checker, "handle", stumble)
    reply = deployed.invoke("checker", _good(deployed, "checker"))
    assert len(reply["batchItemFailures"]) == 1
    (line,) = function_log.lines("message not handled")
    assert line["reason"] == "bug"
    assert "in stumble" in line["exception"]


@pytest.mark.parametrize("function", FEEDS)
def test_without_a_fleet_file_the_whole_batch_comes_back(deployed: Deployed, function: str) -> None:
    """The invocation fails, which is an alarm, and every message stays in its queue."""
    deployed.put_fleet(b"{}")
    with pytest.raises(Exception, match=r"config/fleet.json is not a valid fleet file") as caught:
        deployed.invoke(function, json.loads((EVENTS / f"{GOOD[function]}.json").read_text()))
    assert not isinstance(caught.value, ClientError)
