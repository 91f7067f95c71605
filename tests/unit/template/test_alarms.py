"""What tells a person that esx-drift itself is in trouble."""

from typing import Any, cast

from tests.unit.template.application import resources, written

ALARMS = {name: one["Properties"] for name, one in resources("AWS::CloudWatch::Alarm").items()}
WEEK_SECONDS = 7 * 24 * 60 * 60
"""What CloudWatch evaluates at most, in periods of an hour or longer."""


def test_each_interval_has_its_hours_until_missing_runs_are_told() -> None:
    """Twice the interval and one hour more, within what CloudWatch looks back."""
    interval = written()["Parameters"]["CheckIntervalHours"]
    hours = written()["Mappings"]["RunsMissing"]
    every = range(interval["MinValue"], interval["MaxValue"] + 1)
    assert hours == {str(each): {"Hours": 2 * each + 1} for each in every}
    assert max(row["Hours"] for row in hours.values()) * 3600 <= WEEK_SECONDS


def test_a_run_that_is_missing_is_a_zero() -> None:
    """The alarm counts what the dispatcher emits at the end of a whole run, hour by hour, none skipped."""
    alarm = ALARMS["DispatcherSilenceAlarm"]
    counted, filled = cast("list[dict[str, Any]]", alarm["Metrics"])
    assert counted["MetricStat"]["Metric"] == {
        "Namespace": "esx-drift",
        "MetricName": "RunsEnded",
        "Dimensions": [
            {"Name": "stack", "Value": {"Ref": "AWS::StackName"}},
            {"Name": "service", "Value": "dispatcher"},
            {"Name": "trigger", "Value": "schedule"},
        ],
    }
    assert counted["MetricStat"]["Period"] == 3600
    assert (filled["Expression"], filled["ReturnData"]) == (f"FILL({counted['Id']}, 0)", True)
    assert alarm["EvaluationPeriods"] == {
        "Fn::FindInMap": ["RunsMissing", {"Ref": "CheckIntervalHours"}, "Hours"]
    }
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")


def test_what_sns_cannot_deliver_is_told() -> None:
    """That a subscriber was not reached, and that an event was lost altogether."""
    watched = {one["MetricName"] for one in ALARMS.values() if one.get("Namespace") == "AWS/SNS"}
    assert watched == {"NumberOfNotificationsFailed", "NumberOfNotificationsFailedToRedriveToDlq"}
    for alarm in ALARMS.values():
        if alarm.get("Namespace") == "AWS/SNS":
            topic = {"Fn::GetAtt": ["DriftTopic", "TopicName"]}
            assert alarm["Dimensions"] == [{"Name": "TopicName", "Value": topic}]
            assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)
