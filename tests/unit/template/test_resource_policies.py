"""What queues and topics say themselves of who may use them, whatever the policies of roles allow."""

from typing import Any

import pytest

from tests.unit.template.application import resources, target

QUEUES = resources("AWS::SQS::Queue")
TOPICS = resources("AWS::SNS::Topic")


def _list_own_statements(kind: str, named: str) -> dict[str, list[dict[str, Any]]]:
    """The statements of each queue's or topic's only policy: a second would take the first one's place."""
    found: dict[str, list[dict[str, Any]]] = {}
    for policy in resources(kind).values():
        (subject,) = map(target, policy["Properties"][named])
        assert subject not in found
        found[subject] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


OF_QUEUES = _list_own_statements("AWS::SQS::QueuePolicy", "Queues")
OF_TOPICS = _list_own_statements("AWS::SNS::TopicPolicy", "Topics")
ON_TOPICS = [
    "sns:AddPermission",
    "sns:DeleteTopic",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
    "sns:Publish",
    "sns:RemovePermission",
    "sns:SetTopicAttributes",
    "sns:Subscribe",
]
"""What SNS lets an account do with its topic while that has no policy of its own
(https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html)."""


@pytest.mark.parametrize("name", [*QUEUES, *TOPICS])
def test_a_queue_or_topic_is_reached_over_tls_only(name: str) -> None:
    """All of it is denied to everybody on a connection without TLS; a new one is not forgotten."""
    is_queue = name in QUEUES
    (tls,) = [each for each in (OF_QUEUES if is_queue else OF_TOPICS)[name] if each["Effect"] == "Deny"]
    assert (tls["Sid"], tls["Principal"]) == ("OnlyOverTls", "*")
    assert tls["Action"] == ("sqs:*" if is_queue else ON_TOPICS)
    # AWS refuses a statement of any other, a wildcard too.
    assert tls["Resource"] == ({"Fn::GetAtt": [name, "Arn"]} if is_queue else {"Ref": name})
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", TOPICS)
def test_the_account_may_still_do_with_a_topic_what_sns_lets_it_do(name: str) -> None:
    """Its roles, its subscribers and its owner: the topic's policy takes the place of SNS's own."""
    allowed = {each["Sid"]: each for each in OF_TOPICS[name] if each["Effect"] == "Allow"}
    own = allowed.pop("TheAccountUsesIt")
    assert own["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert (own["Action"], own["Resource"]) == (ON_TOPICS, {"Ref": name})
    assert [*allowed] == (["AlarmsRing"] if name == "AlarmTopic" else [])


def test_alarms_reach_their_topic() -> None:
    """CloudWatch is no principal of the account; it may for the account's own alarms."""
    (ringing,) = [each for each in OF_TOPICS["AlarmTopic"] if each["Sid"] == "AlarmsRing"]
    assert ringing["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (ringing["Action"], ringing["Resource"]) == ("sns:Publish", {"Ref": "AlarmTopic"})
    assert ringing["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {
            "aws:SourceArn": {
                "Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"
            }
        },
    }


def test_only_the_topic_fills_the_queues_behind_it() -> None:
    """They take messages from SNS, and there from our topic; every other queue, from our roles alone."""
    open_to_others = {}
    for queue, own in OF_QUEUES.items():
        for statement in own:
            if statement["Effect"] == "Allow":
                open_to_others[queue] = statement
    assert {*open_to_others} == {"NotifyQueue", "TopicDeadLetterQueue"}
    for queue, statement in open_to_others.items():
        assert (statement["Principal"], statement["Action"]) == (
            {"Service": "sns.amazonaws.com"},
            "sqs:SendMessage",
        )
        assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "DriftTopic"}}}
