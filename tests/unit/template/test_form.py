import re
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.unit.template.application import listed, resources, target, transformed, written

TEMPLATE = written()
# What a logical id of each type ends with: <Role><Type>.
SUFFIXES = {
    "AWS::Athena::NamedQuery": "Query",
    "AWS::Athena::WorkGroup": "WorkGroup",
    "AWS::CloudWatch::Alarm": "Alarm",
    "AWS::CloudWatch::Dashboard": "Dashboard",
    "AWS::Glue::Database": "Database",
    "AWS::Glue::Table": "Table",
    "AWS::IAM::ManagedPolicy": "Policy",
    "AWS::IAM::Policy": "Policy",
    "AWS::IAM::Role": "Role",
    "AWS::KMS::Alias": "KeyAlias",
    "AWS::KMS::Key": "Key",
    "AWS::Logs::LogGroup": "LogGroup",
    "AWS::Logs::QueryDefinition": "Query",
    "AWS::S3::Bucket": "Bucket",
    "AWS::S3::BucketPolicy": "BucketPolicy",
    "AWS::Scheduler::ScheduleGroup": "Group",
    "AWS::SNS::Subscription": "Subscription",
    "AWS::SNS::Topic": "Topic",
    "AWS::SNS::TopicPolicy": "TopicPolicy",
    "AWS::SQS::Queue": "Queue",
    "AWS::SQS::QueuePolicy": "QueuePolicy",
    "AWS::Serverless::Function": "Function",
    "AWS::Serverless::LayerVersion": "Layer",
}
NAMES = (
    "Name",
    "BucketName",
    "QueueName",
    "TopicName",
    "FunctionName",
    "RoleName",
    "LogGroupName",
    "AlarmName",
    "AliasName",
    "DashboardName",
)


@pytest.mark.parametrize("name", TEMPLATE["Resources"])
def test_a_logical_id_says_role_and_type(name: str) -> None:
    """Whoever reads a stack's resources knows what each is for."""
    assert name.endswith(SUFFIXES[TEMPLATE["Resources"][name]["Type"]])


@pytest.mark.parametrize("name", TEMPLATE["Resources"])
def test_two_stacks_fit_into_one_account(name: str) -> None:
    """No resource has a name of its own that a second stack would want too."""
    properties = TEMPLATE["Resources"][name].get("Properties", {})
    fixed = set(properties) & set(NAMES)
    if TEMPLATE["Resources"][name]["Type"] == "AWS::Logs::QueryDefinition":
        assert properties["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")
        fixed -= {"Name"}
    if TEMPLATE["Resources"][name]["Type"] == "AWS::Athena::WorkGroup":
        assert properties["Name"] == {"Ref": "AWS::StackName"}
        fixed -= {"Name"}
    if TEMPLATE["Resources"][name]["Type"] == "AWS::Athena::NamedQuery":
        # Its name is its group's own.
        assert properties["WorkGroup"] == {"Ref": "TrailWorkGroup"}
        fixed -= {"Name"}
    if TEMPLATE["Resources"][name]["Type"] == "AWS::KMS::Alias":
        assert properties["AliasName"] == {"Fn::Sub": "alias/${AWS::StackName}-seals"}
        fixed -= {"AliasName"}
    if TEMPLATE["Resources"][name]["Type"] == "AWS::CloudWatch::Dashboard":
        # An account's, whatever the region.
        assert properties["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}
        fixed -= {"DashboardName"}
    if TEMPLATE["Resources"][name]["Type"] == "AWS::CloudWatch::Alarm":
        # The one that its mail shows, and its section of the runbook is headed by.
        assert properties["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")
        fixed -= {"AlarmName"}
    assert not fixed


@pytest.mark.parametrize("name", resources("AWS::Scheduler::Schedule"))
def test_a_schedule_has_no_name_either(name: str) -> None:
    """SAM would name it, were it not told not to."""
    assert "Name" not in resources("AWS::Scheduler::Schedule")[name]["Properties"]


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_a_parameter_says_what_it_does_and_may_be_left_out(name: str) -> None:
    """Deploying asks nothing that a person must look up elsewhere, and needs no answer to start with."""
    parameter = TEMPLATE["Parameters"][name]
    assert parameter["Description"].endswith(".")
    assert "Default" in parameter


def test_every_parameter_stands_in_a_group() -> None:
    """The console shows each parameter under what it is about, and shows none twice."""
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(TEMPLATE["Parameters"])


@pytest.mark.parametrize("name", TEMPLATE["Outputs"])
def test_an_output_says_what_it_is_for(name: str) -> None:
    """Whoever deployed knows what to do next."""
    assert TEMPLATE["Outputs"][name]["Description"].endswith(".")


def _list_needed(value: object) -> Iterator[str]:
    """The logical ids that a part of a resource names."""
    if isinstance(value, list):
        for one in value:
            yield from _list_needed(one)
    elif isinstance(value, dict):
        yield from (str(value["Ref"]),) if "Ref" in value else ()
        yield from (target(value),) if "Fn::GetAtt" in value else ()
        yield from re.findall(r"\$\{(\w+)", str(value.get("Fn::Sub", "")))
        for one in value.values():
            yield from _list_needed(one)


def test_no_resource_waits_for_itself() -> None:
    """CloudFormation makes what a resource names before it; in a circle it makes nothing at all."""
    every = transformed()["Resources"]
    needs = {name: {*_list_needed(one), *listed(one.get("DependsOn", []))} for name, one in every.items()}
    assert {
        "DispatcherRole",
        "CheckerRole",
        "NotifierRole",
        "SenderRole",
        "SealerRole",
        "CheckQueue",
    } <= needs["CheckerFunction"]
    made = [*TopologicalSorter(needs).static_order()]
    assert made.index("CheckerRole") < made.index("CheckerFunction")


def test_every_alarm_is_heard() -> None:
    """Each alarm speaks to the alarm topic, also when it is over."""
    for name, alarm in resources("AWS::CloudWatch::Alarm").items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert alarm["Properties"]["OKActions"] == [{"Ref": "AlarmTopic"}], name


def test_the_stack_names_where_to_look() -> None:
    """Each log group, and each queue of dead letters, is an output: no search in the console at 3 a.m."""
    shown = {str(output["Value"].get("Ref")) for output in TEMPLATE["Outputs"].values()}
    assert set(resources("AWS::Logs::LogGroup")) <= shown
    assert {name for name in resources("AWS::SQS::Queue") if name.endswith("DeadLetterQueue")} <= shown


def test_each_check_that_is_skipped_is_explained_in_place() -> None:
    """A linter's finding is mended, or the template says why it is none."""
    skipped = [
        (name, skip)
        for name, resource in TEMPLATE["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    assert [name for name, skip in skipped if len(skip["comment"].split()) < 8] == []
