"""What tells a person that esx-drift itself is in trouble."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from esx_drift.domain.reports.fleet_logs import FleetMeasure

from tests.paths import ROOT
from tests.unit.jobs.alarms import Metrics, name_metric
from tests.unit.template.application import resources, written

ALARMS = {name: one["Properties"] for name, one in resources("AWS::CloudWatch::Alarm").items()}
WEEK_SECONDS = 7 * 24 * 60 * 60
"""What CloudWatch evaluates at most, in periods of an hour or longer."""
MAX_DESCRIPTION = 1024
"""Characters: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""


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


def test_a_daily_report_that_is_missing_is_a_zero() -> None:
    """Hour by hour for a day of 25 hours and two more: then its absence is told."""
    alarm = ALARMS["ReporterSilenceAlarm"]
    counted, filled = cast("list[dict[str, Any]]", alarm["Metrics"])
    assert counted["MetricStat"]["Metric"] == {
        "Namespace": "esx-drift",
        "MetricName": "DailyReports",
        "Dimensions": [
            {"Name": "stack", "Value": {"Ref": "AWS::StackName"}},
            {"Name": "service", "Value": "reporter"},
        ],
    }
    assert '"DailyReports"' in (ROOT / "functions" / "reporter" / "app.py").read_text()
    assert (counted["MetricStat"]["Period"], alarm["EvaluationPeriods"]) == (3600, 27)
    assert (filled["Expression"], filled["ReturnData"]) == (f"FILL({counted['Id']}, 0)", True)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


def test_a_trail_that_is_not_sealed_is_a_zero() -> None:
    """Hour by hour for a day, and three in which a run that failed is made up for."""
    alarm = ALARMS["SealerSilenceAlarm"]
    counted, filled = cast("list[dict[str, Any]]", alarm["Metrics"])
    assert counted["MetricStat"]["Metric"] == {
        "Namespace": "esx-drift",
        "MetricName": "TrailsSealed",
        "Dimensions": [
            {"Name": "stack", "Value": {"Ref": "AWS::StackName"}},
            {"Name": "service", "Value": "sealer"},
        ],
    }
    assert '"TrailsSealed"' in (ROOT / "functions" / "sealer" / "app.py").read_text()
    assert (counted["MetricStat"]["Period"], alarm["EvaluationPeriods"]) == (3600, 27)
    assert (filled["Expression"], filled["ReturnData"]) == (f"FILL({counted['Id']}, 0)", True)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


def test_what_cannot_be_sealed_is_an_alarm_until_it_is() -> None:
    """Whatever hour the sealer counts it in: between two of its runs there may be more than an hour."""
    alarm = ALARMS["ObjectsNotSealedAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("esx-drift", "ObjectsNotSealed")
    assert alarm["Dimensions"] == [
        {"Name": "stack", "Value": {"Ref": "AWS::StackName"}},
        {"Name": "service", "Value": "sealer"},
    ]
    assert '"ObjectsNotSealed"' in (ROOT / "functions" / "sealer" / "app.py").read_text()
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3600, 3, 1)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_what_sns_cannot_deliver_is_told() -> None:
    """That a subscriber was not reached, and that an event was lost altogether."""
    watched = {one["MetricName"] for one in ALARMS.values() if one.get("Namespace") == "AWS/SNS"}
    assert watched == {"NumberOfNotificationsFailed", "NumberOfNotificationsFailedToRedriveToDlq"}
    for alarm in ALARMS.values():
        if alarm.get("Namespace") == "AWS/SNS":
            topic = {"Fn::GetAtt": ["DriftTopic", "TopicName"]}
            assert alarm["Dimensions"] == [{"Name": "TopicName", "Value": topic}]
            assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)


PARTLY_FAILED = {
    "ChecksFailedAlarm": ("checker", "ChecksFailed"),
    "ListingsFailedAlarm": ("dispatcher", "RetriesFailed"),
    "EventsFailedAlarm": ("notifier", "EventsFailed"),
    "DeliveriesFailedAlarm": ("sender", "DeliveriesFailed"),
    "DispatchesFailedAlarm": ("dispatcher", "DispatchesFailed"),
    "LoginsRefusedAlarm": ("dispatcher", "LoginsRefused"),
}


@pytest.mark.parametrize("name", PARTLY_FAILED)
def test_what_fails_in_a_batch_that_does_not_is_told(name: str) -> None:
    """Lambda counts no error for it; the metric is one that the function emits, with these dimensions."""
    service, metric = PARTLY_FAILED[name]
    alarm = ALARMS[name]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("esx-drift", metric, "Sum")
    assert alarm["Dimensions"] == [
        {"Name": "stack", "Value": {"Ref": "AWS::StackName"}},
        {"Name": "service", "Value": service},
    ]
    assert f'"{metric}"' in (ROOT / "functions" / service / "app.py").read_text()


def test_one_failure_that_passes_rings_nobody() -> None:
    """A message comes back; a vCenter that is away is told in chat, and here only if that goes on."""
    coming_back = PARTLY_FAILED.keys() - {"DispatchesFailedAlarm", "LoginsRefusedAlarm"}
    for name in coming_back:
        assert (ALARMS[name]["Threshold"], ALARMS[name]["Period"]) == (2, 3600)
    outage = ALARMS["DispatchesFailedAlarm"]
    assert (outage["Threshold"], outage["Period"], outage["EvaluationPeriods"]) == (1, 3600, 6)


def test_a_refused_password_rings_until_an_hour_without_one() -> None:
    """What is counted stays so until a person acts: one is enough, and none for an hour is its end."""
    metrics, at = Metrics(), datetime(2026, 11, 29, 2, 10, tzinfo=UTC)
    metrics.count(
        at, 1, name_metric("esx-drift", "LoginsRefused", {"stack": "esx-drift", "service": "dispatcher"})
    )
    hour = timedelta(hours=1)
    assert metrics.list_ringing(at, at + hour) == ["LoginsRefused"]
    assert metrics.list_ringing(at + hour, at + 2 * hour) == []
    assert ALARMS["LoginsRefusedAlarm"]["OKActions"] == [{"Ref": "AlarmTopic"}]


def test_a_run_that_leaves_no_trace_is_told() -> None:
    """Neither Lambda's nor the Scheduler's giving up goes unheard."""
    lost, dropped = ALARMS["LostRunsAlarm"], ALARMS["DroppedRunsAlarm"]
    assert (lost["Namespace"], lost["MetricName"]) == ("AWS/Lambda", "DestinationDeliveryFailures")
    assert lost["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "DispatcherFunction"}}]
    assert (dropped["Namespace"], dropped["MetricName"]) == ("AWS/Scheduler", "InvocationDroppedCount")
    assert dropped["Dimensions"] == [{"Name": "ScheduleGroup", "Value": {"Ref": "RunsGroup"}}]


RUNBOOK = (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_one_name_in_template_mail_and_runbook(name: str) -> None:
    """Whoever it wakes follows the address at the end of its description to the section that has its name."""
    told = name.removesuffix("Alarm")
    assert ALARMS[name]["AlarmName"] == {"Fn::Sub": f"${{AWS::StackName}}-{told}"}
    described = ALARMS[name]["AlarmDescription"]["Fn::Sub"]
    sentence, _, address = described.partition(" Runbook: ")
    assert sentence.endswith((".", "?"))
    assert address == f"${{RunbookUrl}}#{told.lower()}"
    assert RUNBOOK.count(f"\n### {told}\n") == 1
    assert len(described) + 300 <= MAX_DESCRIPTION


def test_the_runbook_has_no_alarm_that_there_is_not() -> None:
    """Each of its headings there is the name of one."""
    _, _, chapter = RUNBOOK.partition("\n## Each alarm\n")
    headings = re.findall(r"^### (\w+)$", chapter.partition("\n## ")[0], re.MULTILINE)
    assert sorted(headings) == sorted(name.removesuffix("Alarm") for name in ALARMS)


QUERIES = {
    name: cast("dict[str, Any]", one["Properties"])
    for name, one in resources("AWS::Logs::QueryDefinition").items()
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_asks_for_lines_that_the_code_writes(name: str) -> None:
    """Each message that a query names stands in a function or in the package."""
    places = [ROOT / "functions", ROOT / "layers" / "core" / "esx_drift"]
    code = "".join(file.read_text() for place in places for file in sorted(Path(place).rglob("*.py")))
    query = QUERIES[name]["QueryString"]
    asked = re.search(r"message (?:= |in \[)([^\]\n]*)", query)
    for message in re.findall(r'"([^"]+)"', asked[1].partition(" and ")[0] if asked else ""):
        assert f'"{message}"' in code
    groups = QUERIES[name]["LogGroupNames"]
    assert {group["Ref"] for group in groups} <= set(resources("AWS::Logs::LogGroup"))


def _list_widgets() -> list[dict[str, Any]]:
    """The widgets of the dashboard, in which each reference is the logical id that it names."""
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    assert dashboard["Condition"] == "WithDashboard"
    body = re.sub(r"\$\{([\w:.]+)\}", r"\1", dashboard["Properties"]["DashboardBody"]["Fn::Sub"])
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def test_the_dashboard_shows_what_alarms_count_and_what_functions_emit() -> None:
    """Nothing is drawn that nobody writes, and each queue, function and count of ours has its line."""
    shown = [metric for one in _list_widgets() for metric in one["properties"].get("metrics", ())]
    drawn = {tuple(one for one in metric if isinstance(one, str)) for metric in shown} - {()}
    queues, functions = resources("AWS::SQS::Queue"), resources("AWS::Lambda::Function")
    assert {("AWS/Lambda", "Errors", "FunctionName", name) for name in functions} <= drawn
    assert {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"{name}.QueueName")
        for name in queues
        if name.endswith("DeadLetterQueue")
    } <= drawn
    counted = {metric[1] for metric in drawn if metric[0] == "esx-drift"}
    code = "".join(path.read_text() for path in sorted((ROOT / "functions").rglob("app.py")))
    assert counted == {metric for _, metric in PARTLY_FAILED.values()} | {"HeartbeatsFailed"}
    assert all(f'"{metric}"' in code for metric in counted)
    assert {("stack", "AWS::StackName")} == {metric[2:4] for metric in drawn if metric[0] == "esx-drift"}
    searched = [metric[0]["expression"] for metric in shown if isinstance(metric[0], dict)]
    for expression in searched:
        (name,) = re.findall(r'MetricName="(\w+)"', expression)
        assert f'count_metric("{name}"' in code
        assert 'stack="AWS::StackName"' in expression
        # CloudWatch wants quotes around what is not alphanumeric.
        assert '{"esx-drift",stack,' in expression
    asked = [one["properties"]["query"] for one in _list_widgets() if one["type"] == "log"]
    assert all(f"SOURCE '{name}'" in asked[-1] for name in resources("AWS::Logs::LogGroup"))
    assert '"message not handled"' in asked[-1]


SHOWN = {
    "fleet size": "max(clusters), max(hosts)",
    "coverage": "max(covered)",
    "open findings": "max(findings), max(critical)",
    "drift": "sum(changes)",
    "extraction age": "max(oldest_report_seconds / 3600)",
    "checks by outcome": "outcome",
    "durations": "Duration",
    "cost drivers: messages": "NumberOfMessagesSent",
    "cost drivers: logs": "IncomingBytes",
    "cost drivers: storage": "BucketSizeBytes",
    "waiting messages": "ApproximateAgeOfOldestMessage",
    "dead letters": "ApproximateNumberOfMessagesVisible",
}
"""What whoever runs it asks of the dashboard, and what a widget has to hold to answer that."""


@pytest.mark.parametrize("question", SHOWN)
def test_the_dashboard_answers(question: str) -> None:
    """One widget at least shows it."""
    assert any(SHOWN[question] in json.dumps(one["properties"]) for one in _list_widgets())


def test_numbers_that_are_drawn_from_logs_are_logged() -> None:
    """By the lines that the reporter and the checker write, under these names."""
    code = (ROOT / "functions" / "checker" / "app.py").read_text()
    for one in _list_widgets():
        query = one["properties"].get("query", "")
        fields = re.findall(r"(?:max|sum)\((\w+)", query)
        if '"fleet measured"' in query:
            assert fields
            assert set(fields) <= set(FleetMeasure.__annotations__)
        elif fields:
            assert '"cluster checked"' in query
            assert [name for name in fields if f"{name}=" not in code] == []


def test_the_dashboard_has_no_widget_over_another() -> None:
    """On its 24 columns."""
    taken = [
        (column, row)
        for one in _list_widgets()
        for column in range(one["x"], one["x"] + one["width"])
        for row in range(one["y"], one["y"] + one["height"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(column for column, _ in taken) == 23
