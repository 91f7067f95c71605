import pytest
from esx_drift.config import ENVIRONMENT

from tests.unit.template.application import PATH, resources, target, written

FUNCTIONS = resources("AWS::Lambda::Function")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_logs_where_its_logs_end(name: str) -> None:
    """Each function has a log group of the stack, which forgets after the days a person chose."""
    group = resources("AWS::Logs::LogGroup")[
        target(FUNCTIONS[name]["Properties"]["LoggingConfig"]["LogGroup"])
    ]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_what_its_code_reads(name: str) -> None:
    """The environment holds every variable that the code reads, and none that it doesn't."""
    given = FUNCTIONS[name]["Properties"]["Environment"]["Variables"]
    function = name.removesuffix("Function").lower()
    assert set(given) == ENVIRONMENT[function]
    assert given["POWERTOOLS_SERVICE_NAME"] == function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_as_itself(name: str) -> None:
    """Each function has a role of its own, and of its name."""
    assert target(FUNCTIONS[name]["Properties"]["Role"]) == name.replace("Function", "Role")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_code_both_layers_and_a_chosen_processor(name: str) -> None:
    """What is built is what runs: our handler, our two layers, on the processor that they were built for."""
    properties = FUNCTIONS[name]["Properties"]
    assert (properties["Runtime"], properties["Handler"]) == ("python3.13", "app.handler")
    assert properties["Architectures"] == [{"Ref": "Architecture"}]
    # SAM appends a digest of what a layer holds to its logical id.
    layers = [target(layer).rstrip("0123456789abcdef") for layer in properties["Layers"]]
    assert layers == ["DependenciesLayer", "CoreLayer"]


@pytest.mark.parametrize("name", ["DependenciesLayer", "CoreLayer"])
def test_a_layer_is_built_for_the_processor_that_runs_it(name: str) -> None:
    """Native code of the other processor would only fail once deployed."""
    layer = written()["Resources"][name]
    chosen = {"Ref": "Architecture"}
    assert layer["Metadata"] == {"BuildMethod": "python3.13", "BuildArchitecture": chosen}
    assert layer["Properties"]["CompatibleArchitectures"] == [chosen]


def test_who_tells_people_is_never_in_a_vpc() -> None:
    """The sender speaks to Slack; the two that speak to vCenters are in a VPC when there is one to be in."""
    placed = {name: FUNCTIONS[name]["Properties"].get("VpcConfig", {}).get("Fn::If") for name in FUNCTIONS}
    assert placed.pop("NotifierFunction") is None
    assert placed.pop("SenderFunction") is None
    assert placed.pop("ReporterFunction") is None
    assert placed.pop("SealerFunction") is None
    for condition, inside, outside in placed.values():
        assert condition == "InVpc"
        assert inside == {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}}
        assert outside == {"Ref": "AWS::NoValue"}


def test_the_schedule_is_what_a_person_chose() -> None:
    """Interval and state are parameters; one hour is spelt as AWS wants it; each run has another minute."""
    properties = resources("AWS::Scheduler::Schedule")["DispatcherFunctionSchedule"]["Properties"]
    hours = {"Fn::Sub": "rate(${CheckIntervalHours} hours)"}
    assert properties["ScheduleExpression"] == {"Fn::If": ["EveryHour", "rate(1 hour)", hours]}
    assert properties["State"] == {"Ref": "ScheduleState"}
    assert properties["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_alarm_tells_of_a_function_in_trouble(name: str) -> None:
    """The first error of each function reaches the alarm topic."""
    dimension = {"Name": "FunctionName", "Value": {"Ref": name}}
    (alarm,) = [
        each["Properties"]
        for each in resources("AWS::CloudWatch::Alarm").values()
        if each["Properties"].get("MetricName") == "Errors"
        if each["Properties"]["Dimensions"] == [dimension]
    ]
    assert (alarm["Namespace"], alarm["Statistic"], alarm["Threshold"]) == ("AWS/Lambda", "Sum", 1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_traced_where_a_person_wants_it(name: str) -> None:
    """And may record its traces only then."""
    assert FUNCTIONS[name]["Properties"]["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}
    policy = written()["Resources"]["TracingPolicy"]
    assert (policy["Condition"], written()["Conditions"]["Traced"]) == (
        "Traced",
        {"Fn::Equals": [{"Ref": "Tracing"}, "Active"]},
    )


def test_every_folder_of_functions_is_deployed() -> None:
    """No function lies about unused, and none is missing."""
    folders = {each.name for each in (PATH.parent / "functions").iterdir() if each.is_dir()}
    deployed = {name.removesuffix("Function").lower() for name in FUNCTIONS}
    assert folders == deployed
