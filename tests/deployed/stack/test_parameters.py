import json
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from tests.lab.local_aws.stack import Stack
from tests.lab.local_aws.waiting import until

DATA_KEY = "arn:aws:kms:eu-central-1:000000000000:key/5f0e0b5c-2a51-4ac2-9d1e-0f5a3c1b7e11"

type NewStack = Callable[[Mapping[str, str]], Stack]


@pytest.fixture(scope="module")
def chosen(new_stack: NewStack) -> Stack:
    """A stack in which a person chose what is empty by default."""
    return new_stack(
        {
            "SubnetIds": "subnet-1,subnet-2",
            "SecurityGroupIds": "sg-1",
            "AlarmEmail": "admin@example.com",
            "CheckIntervalHours": "1",
            "DataKeyArn": DATA_KEY,
        }
    )


def test_the_schedule_is_every_hour(chosen: Stack) -> None:
    """The smallest interval is spelt without the plural."""
    name, group = (chosen.resources[each] for each in ("DispatcherFunctionSchedule", "RunsGroup"))
    schedule = chosen.aws.scheduler.get_schedule(Name=name, GroupName=group)
    assert schedule["ScheduleExpression"] == "rate(1 hour)"


def test_what_is_sent_is_encrypted_with_the_key_that_was_named(chosen: Stack) -> None:
    """Of the queues, whose key the local AWS keeps. Who uses it has the right to."""
    aws = chosen.aws
    for queue in ("CheckQueue", "CheckDeadLetterQueue"):
        attributes = aws.sqs.get_queue_attributes(
            QueueUrl=chosen.resources[queue], AttributeNames=["KmsMasterKeyId"]
        )
        assert attributes["Attributes"] == {"KmsMasterKeyId": DATA_KEY}
    policy = aws.iam.get_policy(PolicyArn=chosen.outputs["DataKeyPolicyArn"])["Policy"]
    assert policy["AttachmentCount"] == 7


def test_an_alarm_reaches_whoever_subscribed(chosen: Stack) -> None:
    """The e-mail address is asked to confirm; a function's first error is told, as that of no other."""
    topic = chosen.outputs["AlarmTopicArn"]
    (subscribed,) = chosen.aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscribed["Protocol"], subscribed["Endpoint"]) == ("email", "admin@example.com")
    listener = _listener(chosen, topic)
    chosen.aws.cloudwatch.put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Errors",
                "Value": 1,
                "Dimensions": [{"Name": "FunctionName", "Value": chosen.outputs["DispatcherFunctionName"]}],
            }
        ],
    )
    # That it was in order before is told as well.
    until(lambda: ("ALARM", "Errors") in _hear_alarms(chosen, listener), "the alarm", 60)
    ringing = chosen.aws.cloudwatch.describe_alarms(StateValue="ALARM", AlarmNamePrefix=f"{chosen.name}-")
    names = [alarm["AlarmName"] for alarm in ringing["MetricAlarms"]]
    assert names == [chosen.resources["DispatcherErrorsAlarm"]]


TOGETHER = "come together, or not at all"
NOT_FITTING = {
    "subnets alone": ({"SubnetIds": "subnet-1"}, TOGETHER),
    "security groups alone": ({"SecurityGroupIds": "sg-1"}, TOGETHER),
    "documents hidden and paid": ({"AuditLockDays": "730"}, "not less than AuditLockDays"),
    "a lock of a hundred years": ({"AuditLockDays": "36500"}, "AuditLockDays"),
}


@pytest.mark.parametrize(("parameters", "why"), NOT_FITTING.values(), ids=NOT_FITTING)
def test_what_does_not_fit_together_is_refused_before_anything_is_made(
    new_stack: NewStack, parameters: dict[str, str], why: str
) -> None:
    """By a rule of the template, in words; not halfway through a deployment."""
    with pytest.raises(ClientError, match=why):
        new_stack(parameters)


def _hear_alarms(stack: Stack, url: str) -> list[tuple[str, str | None]]:
    """The state and the metric of each alarm that came."""
    heard = stack.aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", [])
    told = [json.loads(json.loads(one["Body"])["Message"]) for one in heard]
    return [(one["NewStateValue"], one["Trigger"].get("MetricName")) for one in told]


def _listener(stack: Stack, topic: str) -> str:
    """A queue of the test's own that hears the topic; its URL."""
    url = stack.aws.sqs.create_queue(QueueName="listener")["QueueUrl"]
    shown = stack.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = shown["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    stack.aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url
