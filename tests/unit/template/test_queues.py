from datetime import timedelta
from typing import Any

import pytest
from esx_drift.domain.deliveries import LEASE_LENGTH
from esx_drift.domain.dispatching.run import MAX_REQUEST_AGE
from esx_drift.domain.reports.reminders import SCHEDULE_STEP
from esx_drift.sealing.sealer import SEALING_TURN_LENGTH, TIME_TO_FINISH_MS

from functions.checker.app import TIME_FOR_ONE_MS
from functions.notifier.app import TIME_FOR_A_BATCH_MS
from functions.sender.app import TIME_FOR_ONE_MS as TIME_FOR_ONE_DELIVERY_MS
from tests.unit.template.application import Resource, listed, resources, statements, target, written

QUEUES = resources("AWS::SQS::Queue")
MAPPINGS = resources("AWS::Lambda::EventSourceMapping")
FUNCTIONS = resources("AWS::Lambda::Function")
TAKING = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
MOST_WINDOW_SECONDS, MOST_MESSAGES = 300, 10_000
"""Of a mapping of a standard queue:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html"""
DEAD_LETTERS = sorted(name for name in QUEUES if name.endswith("DeadLetterQueue"))


def fed(mapping: Resource) -> tuple[Resource, Resource]:
    """The queue and the function that a mapping joins."""
    properties = mapping["Properties"]
    return QUEUES[target(properties["EventSourceArn"])], FUNCTIONS[target(properties["FunctionName"])]


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_failing_message_ends_in_a_queue_that_feeds_nothing(name: str) -> None:
    """Each queue that feeds a function gives up a message after a few tries, to a dead letter queue."""
    queue, _ = fed(MAPPINGS[name])
    redrive = queue["Properties"]["RedrivePolicy"]
    assert target(redrive["deadLetterTargetArn"]) in DEAD_LETTERS
    assert 5 <= redrive["maxReceiveCount"] <= 10


def test_dead_letters_feed_nothing() -> None:
    """No function eats what others could not."""
    feeding = {target(mapping["Properties"]["EventSourceArn"]) for mapping in MAPPINGS.values()}
    assert not feeding & set(DEAD_LETTERS)


@pytest.mark.parametrize("name", MAPPINGS)
def test_no_message_is_handed_out_while_it_is_worked_on(name: str) -> None:
    """A queue hides a message for six times the function's timeout, as AWS asks for."""
    queue, function = fed(MAPPINGS[name])
    assert queue["Properties"]["VisibilityTimeout"] >= 6 * function["Properties"]["Timeout"]


@pytest.mark.parametrize("name", MAPPINGS)
def test_one_bad_message_takes_no_other_with_it(name: str) -> None:
    """Each mapping lets the function name the messages that failed."""
    assert MAPPINGS[name]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("name", MAPPINGS)
def test_who_takes_messages_may_hand_them_out_again(name: str) -> None:
    """A message that nobody can ever handle does not wait out its time: its tries are over in seconds."""
    properties = MAPPINGS[name]["Properties"]
    role = target(FUNCTIONS[target(properties["FunctionName"])]["Properties"]["Role"])
    queue = target(properties["EventSourceArn"])
    (taking,) = [
        set(listed(statement["Action"]))
        for holder, statement in statements()
        if holder == role and "sqs:ReceiveMessage" in listed(statement["Action"])
        if target(statement["Resource"]) == queue
    ]
    assert taking == {f"sqs:{verb}" for verb in TAKING}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_full_queue_is_no_stampede(name: str) -> None:
    """Each mapping bounds how many of its function run at once; for the checker a person sets the bound."""
    assert "MaximumConcurrency" in MAPPINGS[name]["Properties"]["ScalingConfig"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lambda_lets_a_message_come_back_as_often_as_it_takes(name: str) -> None:
    """By default it drops what it takes for an endless loop after 16 invocations."""
    assert FUNCTIONS[name]["Properties"]["RecursiveLoop"] == "Allow"


@pytest.mark.parametrize("name", ["DispatcherFunction", "CheckerFunction", "SenderFunction"])
def test_a_message_that_lambda_took_for_a_loop_is_told(name: str) -> None:
    """Whoever sends messages to itself has an alarm on those that were dropped."""
    (alarm,) = [
        one["Properties"]
        for one in resources("AWS::CloudWatch::Alarm").values()
        if one["Properties"].get("MetricName") == "RecursiveInvocationsDropped"
        and one["Properties"]["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
    ]
    assert (alarm["Namespace"], alarm["Statistic"], alarm["Threshold"]) == ("AWS/Lambda", "Sum", 1)


def test_of_each_batch_of_checks_one_is_not_put_off() -> None:
    """The first has twice the time that a check may take: 4 are put off for each answer at most."""
    timeout_ms = FUNCTIONS["CheckerFunction"]["Properties"]["Timeout"] * 1000
    assert timeout_ms >= 2 * TIME_FOR_ONE_MS
    assert MAPPINGS["CheckerFunctionCheck"]["Properties"]["BatchSize"] == 5


def test_each_vcenter_is_listed_by_itself() -> None:
    """An answer that ends the function takes no other message along; and several are listed at once."""
    properties = MAPPINGS["DispatcherFunctionRetry"]["Properties"]
    assert properties["BatchSize"] == 1
    assert properties["ScalingConfig"]["MaximumConcurrency"] >= 2


def test_who_asks_for_listings_may_send_them() -> None:
    """The dispatcher's own run fills the queue that invokes it."""
    senders = {
        holder
        for holder, statement in statements()
        if "sqs:SendMessage" in listed(statement["Action"])
        if {"Fn::GetAtt": ["RetryQueue", "Arn"]} in listed(statement["Resource"])
    }
    assert senders == {"LookingPolicy"}
    role = resources("AWS::IAM::Role")["DispatcherRole"]["Properties"]
    assert {"Ref": "LookingPolicy"} in role["ManagedPolicyArns"]


def test_a_window_is_no_longer_than_its_messages_are_hidden() -> None:
    """Six times the timeout, and the window: AWS's advice where a mapping gathers messages."""
    window = written()["Parameters"]["NotifyWindowSeconds"]
    mapping = MAPPINGS["NotifierFunctionNotify"]["Properties"]
    queue, function = fed(MAPPINGS["NotifierFunctionNotify"])
    assert mapping["MaximumBatchingWindowInSeconds"] == {"Ref": "NotifyWindowSeconds"}
    assert window["MaxValue"] <= MOST_WINDOW_SECONDS
    assert mapping["BatchSize"] <= MOST_MESSAGES
    hidden = queue["Properties"]["VisibilityTimeout"]
    assert hidden >= 6 * function["Properties"]["Timeout"] + window["MaxValue"]
    assert function["Properties"]["Timeout"] * 1000 > TIME_FOR_A_BATCH_MS


def test_each_message_to_a_route_is_posted_by_itself() -> None:
    """And within the time for which a sender has the route to itself."""
    properties = MAPPINGS["SenderFunctionDeliver"]["Properties"]
    assert (properties["BatchSize"], properties["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})
    timeout = FUNCTIONS["SenderFunction"]["Properties"]["Timeout"]
    assert TIME_FOR_ONE_DELIVERY_MS < timeout * 1000 < LEASE_LENGTH.total_seconds() * 1000


def test_a_new_account_has_room_for_all() -> None:
    """10 functions at once: all mappings at their bounds, and a run of the schedule."""
    bounds = [one["Properties"]["ScalingConfig"]["MaximumConcurrency"] for one in MAPPINGS.values()]
    checks = written()["Parameters"]["CheckConcurrency"]["Default"]
    assert sum(bound if isinstance(bound, int) else checks for bound in bounds) + 1 <= 10


MOST_SECONDS_BEHIND = {"RetryQueue": 3600, "CheckQueue": 7200, "NotifyQueue": 1800, "DeliveryQueue": 1800}


@pytest.mark.parametrize("name", MOST_SECONDS_BEHIND)
def test_messages_that_nobody_takes_are_kept_and_told(name: str) -> None:
    """With its mapping disabled, a queue loses nothing for as long as SQS can keep it, and is told in time.

    No alarm rings over a message whose invocation was killed once, and which comes back by itself.
    """
    queue = QUEUES[name]["Properties"]
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
    dimension = {"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}}
    (alarm,) = [
        one["Properties"]
        for one in resources("AWS::CloudWatch::Alarm").values()
        if one["Properties"].get("MetricName") == "ApproximateAgeOfOldestMessage"
        if one["Properties"]["Dimensions"] == [dimension]
    ]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", MOST_SECONDS_BEHIND[name])
    assert alarm["Threshold"] >= 2 * queue["VisibilityTimeout"]


def test_a_request_is_refused_only_when_later_runs_have_asked_anew() -> None:
    """At the longest interval too; and before SQS drops it: it becomes a dead letter."""
    longest = timedelta(hours=written()["Parameters"]["CheckIntervalHours"]["MaxValue"])
    assert 3 * longest <= MAX_REQUEST_AGE
    for name in ("CheckQueue", "RetryQueue"):
        kept = timedelta(seconds=QUEUES[name]["Properties"]["MessageRetentionPeriod"])
        assert kept >= 3 * MAX_REQUEST_AGE


def test_each_queue_that_feeds_a_function_is_watched_so() -> None:
    """None was forgotten."""
    assert {target(one["Properties"]["EventSourceArn"]) for one in MAPPINGS.values()} == {
        *MOST_SECONDS_BEHIND
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_lambda_has_no_room_for_is_told(name: str) -> None:
    """Not for a moment's throttling, which the mapping of a queue tries again by itself."""
    (alarm,) = [
        one["Properties"]
        for one in resources("AWS::CloudWatch::Alarm").values()
        if one["Properties"].get("MetricName") == "Throttles"
        if one["Properties"]["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
    ]
    assert (alarm["Namespace"], alarm["Statistic"], alarm["Period"]) == ("AWS/Lambda", "Sum", 300)
    assert alarm["EvaluationPeriods"] == 3


def test_a_vcenter_is_spared_by_default() -> None:
    """With the dispatcher, a wrong password is tried 4 times at most; vCenter locks after 5."""
    checks = MAPPINGS["CheckerFunctionCheck"]["Properties"]["ScalingConfig"]["MaximumConcurrency"]
    assert checks == {"Ref": "CheckConcurrency"}


@pytest.mark.parametrize("name", DEAD_LETTERS)
def test_dead_letters_wait_for_a_person(name: str) -> None:
    """They are kept for as long as SQS keeps anything, and an alarm tells of the first."""
    assert QUEUES[name]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
    assert any(_watches(alarm["Properties"], name) for alarm in resources("AWS::CloudWatch::Alarm").values())


def _watches(alarm: dict[str, Any], queue: str) -> bool:
    dimension = {"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}
    return (
        alarm.get("Namespace") == "AWS/SQS"
        and alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and alarm["Dimensions"] == [dimension]
        and (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 1)
    )


def test_a_run_that_failed_for_good_is_kept() -> None:
    """Both ways to start the dispatcher without a queue end in its dead letter queue."""
    invoke = resources("AWS::Lambda::EventInvokeConfig")["DispatcherFunctionEventInvokeConfig"]
    kept = invoke["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]
    schedule = resources("AWS::Scheduler::Schedule")["DispatcherFunctionSchedule"]
    lost = schedule["Properties"]["Target"]["DeadLetterConfig"]["Arn"]
    assert target(kept) == target(lost) == "DispatcherDeadLetterQueue"


def test_a_report_that_failed_is_left_to_the_next_run() -> None:
    """Which comes before a try by Lambda itself would be over; none is kept for later."""
    invoke = resources("AWS::Lambda::EventInvokeConfig")["ReporterFunctionEventInvokeConfig"]["Properties"]
    schedule = resources("AWS::Scheduler::Schedule")["ReporterFunctionSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == f"rate({SCHEDULE_STEP.total_seconds() / 60:.0f} minutes)"
    ages = {invoke["MaximumEventAgeInSeconds"], schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]}
    assert (invoke["MaximumRetryAttempts"], ages) == (0, {SCHEDULE_STEP.total_seconds()})
    assert FUNCTIONS["ReporterFunction"]["Properties"]["Timeout"] < SCHEDULE_STEP.total_seconds()


def test_a_sealing_ends_before_its_turn_does() -> None:
    """Or another run would begin beside it. Each hour one looks whether the day is sealed."""
    timeout = timedelta(seconds=FUNCTIONS["SealerFunction"]["Properties"]["Timeout"])
    assert timeout < SEALING_TURN_LENGTH
    assert timeout.total_seconds() * 1000 > 5 * TIME_TO_FINISH_MS
    schedule = resources("AWS::Scheduler::Schedule")["SealerFunctionSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(1 hour)"


def test_what_sns_cannot_deliver_is_kept() -> None:
    """The outbox is emptied when SNS took an event: its subscription has its own queue of dead letters."""
    subscription = resources("AWS::SNS::Subscription")["NotifySubscription"]["Properties"]
    assert target(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "TopicDeadLetterQueue"
