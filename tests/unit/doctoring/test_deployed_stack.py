"""The deployed stack as a person sees it: what keeps runs from beginning and messages from arriving."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from esx_drift.doctoring.aws_access import ACTIONS
from esx_drift.doctoring.deployed_stack import OUR_OUTPUTS, StackDoctor
from esx_drift.doctoring.examination import StepResult
from esx_drift.domain.stored.identifiers import FLEET_KEY, make_digest_key

from tests.unit.aws_commands import find_fault, list_shell_calls
from tests.unit.conftest import aws
from tests.unit.doctoring.test_aws_access import FORBIDDEN, FORBIDDEN_AS_JSON, Answer, serving
from tests.unit.loopback import serving_by
from tests.unit.simulated_aws import REGION

__all__ = ["aws"]

FUNCTIONS = ("Dispatcher", "Checker", "Notifier", "Sender")
WORKING = {
    "RetryQueue": "Dispatcher",
    "CheckQueue": "Checker",
    "NotifyQueue": "Notifier",
    "DeliveryQueue": "Sender",
}
DEAD = tuple(
    f"{kind}DeadLetterQueue" for kind in ("Dispatcher", "Retry", "Check", "Notify", "Topic", "Delivery")
)
MAPPING = "CheckerFunctionCheck"
SCHEDULE = "DispatcherFunctionSchedule"
SESSION = boto3.Session("testing", "testing", region_name=REGION)
"""One for all: each new one reads the descriptions of all services anew."""

STEPS = 1 + 1 + 4 + 10 + 4 + 3 + 1
ALARMS = ("CheckerErrors", "DispatcherSilence")
QUERIES = {"RunsQuery": "0a1b", "SealsQuery": "2c3d", "FleetQuery": "4e5f"}
"""The ids of saved queries, by their logical ones."""


@dataclass(slots=True)
class Deployed:
    """Stacks, as CloudFormation tells of them, of which ``esx-drift`` is made of what moto holds."""

    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    resources: dict[str, tuple[str, str]] = field(default_factory=dict)
    status: str = "UPDATE_COMPLETE"
    removed: set[str] = field(default_factory=set)
    parameters: dict[str, str] = field(default_factory=dict)
    created: datetime = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
    queries: list[str] = field(default_factory=lambda: [*QUERIES.values(), "somebody's own"])

    def examine(self, profile: str | None = None) -> dict[str, StepResult]:
        """The lines by their step."""
        lines = StackDoctor(SESSION, "esx-drift", datetime.now(UTC), profile).examine()
        assert {line["about"] for line in lines} == {"stack esx-drift"}
        return {line["step"]: line for line in lines}

    def own(self, logical_id: str) -> str:
        """The physical id of a resource."""
        return self.resources[logical_id][1]

    def _status_of(self, logical_id: str) -> str:
        return "DELETE_COMPLETE" if logical_id in self.removed else "CREATE_COMPLETE"

    def answer(self, asked: dict[str, list[str]]) -> str:
        """What CloudFormation answers."""
        if asked["Action"] == ["ListStackResources"]:
            members = "".join(
                f"<member><LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>{kind}</ResourceType>"
                f"<PhysicalResourceId>{physical_id}</PhysicalResourceId>"
                f"<ResourceStatus>{self._status_of(logical_id)}</ResourceStatus></member>"
                for logical_id, (kind, physical_id) in self.resources.items()
            )
            return _reply("ListStackResources", f"<StackResourceSummaries>{members}</StackResourceSummaries>")
        names = asked.get("StackName", list(self.outputs))
        members = "".join(_describe(name, self) for name in names)
        return _reply("DescribeStacks", f"<Stacks>{members}</Stacks>")


def _describe(name: str, deployed: Deployed) -> str:
    chosen = "".join(
        f"<member><ParameterKey>{key}</ParameterKey><ParameterValue>{value}</ParameterValue></member>"
        for key, value in deployed.parameters.items()
    )
    members = "".join(
        f"<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
        for key, value in deployed.outputs[name].items()
    )
    return (
        f"<member><StackName>{name}</StackName><CreationTime>{deployed.created.isoformat()}</CreationTime>"
        f"<StackStatus>{deployed.status}</StackStatus><Parameters>{chosen}</Parameters>"
        f"<Outputs>{members}</Outputs></member>"
    )


def _reply(action: str, result: str) -> str:
    return (
        f'<{action}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
        f"<{action}Result>{result}</{action}Result></{action}Response>"
    )


def _list_queries(ids: list[str], asked: str) -> str:
    """What CloudWatch Logs answers, which moto does not know: a page has two."""
    start = int(json.loads(asked).get("nextToken", 0))
    page: dict[str, Any] = {
        "queryDefinitions": [{"queryDefinitionId": own} for own in ids[start : start + 2]]
    }
    return json.dumps(page | ({"nextToken": str(start + 2)} if ids[start + 2 :] else {}))


@contextmanager
def _answering(answer: Callable[[str], str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = answer(self.rfile.read(int(self.headers["Content-Length"])).decode()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
            """Say nothing."""

    with serving_by(Handler) as url:
        yield url


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:123456789012:{name}"


def _put_fleet(bucket: str, *vcenters: str) -> None:
    fleet = {"schema_version": 1, "vcenters": [{"name": name} for name in vcenters]}
    boto3.client("s3").put_object(Bucket=bucket, Key=FLEET_KEY, Body=json.dumps(fleet).encode())


def _make_bucket(name: str) -> None:
    location: Any = {"LocationConstraint": REGION}
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)


def _make_functions(deployed: Deployed) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = boto3.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions = boto3.client("lambda")
    for name in FUNCTIONS:
        functions.create_function(
            FunctionName=name, Runtime="python3.13", Role=role, Handler="app.handler", Code={"ZipFile": b"x"}
        )
    for queue, name in WORKING.items():
        made = functions.create_event_source_mapping(EventSourceArn=_arn("sqs", queue), FunctionName=name)
        logical_id = f"{name}Function{queue.removesuffix('Queue')}"
        deployed.resources[logical_id] = ("AWS::Lambda::EventSourceMapping", made["UUID"])
    boto3.client("scheduler").create_schedule_group(Name="runs")
    boto3.client("scheduler").create_schedule(
        Name="schedule",
        GroupName="runs",
        ScheduleExpression="rate(4 hours)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": _arn("lambda", "function:Dispatcher"), "RoleArn": role},
    )
    deployed.resources[SCHEDULE] = ("AWS::Scheduler::Schedule", "schedule")
    deployed.resources["RunsGroup"] = ("AWS::Scheduler::ScheduleGroup", "runs")


@pytest.fixture
def deployed(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:  # noqa: ARG001 -- made in it
    """All is well with it."""
    made = Deployed()
    _make_bucket("state")
    _put_fleet("state", "vc01", "vc02")
    for queue in (*WORKING, *DEAD):
        url = boto3.client("sqs").create_queue(QueueName=queue)["QueueUrl"]
        made.resources[queue] = ("AWS::SQS::Queue", url)
    _make_functions(made)
    sns = boto3.client("sns")
    for topic in ("DriftTopic", "AlarmTopic"):
        made.resources[topic] = ("AWS::SNS::Topic", sns.create_topic(Name=topic)["TopicArn"])
    for topic, queue in (("DriftTopic", "NotifyQueue"), ("AlarmTopic", "CheckQueue")):
        sns.subscribe(TopicArn=made.own(topic), Protocol="sqs", Endpoint=_arn("sqs", queue))
    buckets = {"StateBucketName": "state", "AuditBucketName": "audit"}
    made.outputs["esx-drift"] = {**dict.fromkeys(OUR_OUTPUTS, "x"), **buckets}
    _make_bucket("audit")
    _seal(timedelta(hours=26))
    metrics: Any = boto3.client("cloudwatch")
    for name in ALARMS:
        metrics.put_metric_alarm(
            AlarmName=f"esx-drift-{name}",
            MetricName="Errors",
            Namespace="AWS/Lambda",
            Period=300,
            EvaluationPeriods=1,
            Statistic="Sum",
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        made.resources[f"{name}Alarm"] = ("AWS::CloudWatch::Alarm", f"esx-drift-{name}")
    metrics.put_dashboard(DashboardName="esx-drift-here", DashboardBody='{"widgets": []}')
    made.resources["OperationsDashboard"] = ("AWS::CloudWatch::Dashboard", "esx-drift-here")
    made.outputs["another product"] = {"StateBucketName": "other"}
    made.resources |= {name: ("AWS::Logs::QueryDefinition", own) for name, own in QUERIES.items()}
    with (
        _answering(lambda asked: made.answer(parse_qs(asked))) as stacks,
        _answering(lambda asked: _list_queries(made.queries, asked)) as logs,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", stacks)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", logs)
        yield made


def _seal(ago: timedelta, *suffixes: str) -> str:
    """Keep a digest, or what has its name and one of ``suffixes``; its time."""
    at = datetime.now(UTC) - ago
    for suffix in suffixes or ("", ".sig"):
        boto3.client("s3").put_object(Bucket="audit", Key=f"{make_digest_key(at)}{suffix}", Body=b"")
    return f"{at:%Y-%m-%d %H:%M}"


def _send(deployed: Deployed, queue: str) -> None:
    # Delayed, since moto invokes a function for a message that may be taken.
    boto3.client("sqs").send_message(QueueUrl=deployed.own(queue), MessageBody="{}", DelaySeconds=900)


def _wrong(lines: dict[str, StepResult]) -> list[str]:
    return [step for step, line in lines.items() if line["outcome"] != "ok"]


def test_all_is_well(deployed: Deployed) -> None:
    """A line for each part, and nothing to do."""
    lines = deployed.examine()
    assert (len(lines), _wrong(lines)) == (STEPS, [])
    assert lines["stack"]["said"] == f"UPDATE_COMPLETE, in {REGION}"
    assert lines[SCHEDULE]["said"] == "ENABLED, rate(4 hours)"
    assert lines[MAPPING]["said"] == "Enabled: takes from CheckQueue"
    assert lines["CheckQueue"]["said"] == "empty"
    assert lines["DriftTopic"]["said"] == "NotifyQueue and 0 subscribers of your own"
    assert lines["other stacks"]["said"] == "no other esx-drift in this account and region"
    assert {line["fix"] for line in lines.values()} == {""}


def test_what_a_template_before_this_one_had(deployed: Deployed) -> None:
    """CloudFormation lists it still, as deleted: nobody misses it."""
    deployed.resources["OldQueue"] = ("AWS::SQS::Queue", "https://sqs.eu-central-1.amazonaws.com/1/old")
    assert _wrong(deployed.examine()) == ["OldQueue"]
    deployed.removed.add("OldQueue")
    lines = deployed.examine()
    assert (len(lines), _wrong(lines)) == (STEPS, [])


def test_a_stack_that_failed(deployed: Deployed) -> None:
    """What was deployed half may work all the same, and is no deployment to rest on."""
    deployed.status = "UPDATE_ROLLBACK_FAILED"
    lines = deployed.examine()
    assert _wrong(lines) == ["stack"]
    assert lines["stack"]["said"] == "UPDATE_ROLLBACK_FAILED"


def test_a_schedule_that_is_disabled(deployed: Deployed) -> None:
    """Whether by the parameter or by hand."""
    scheduler: Any = boto3.client("scheduler")
    kept = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    shown = scheduler.get_schedule(Name="schedule", GroupName="runs")
    scheduler.update_schedule(State="DISABLED", **{name: shown[name] for name in kept})
    line = deployed.examine()[SCHEDULE]
    assert (line["outcome"], line["said"]) == ("failed", "DISABLED: nothing is checked")
    assert "ScheduleState=ENABLED" in line["fix"]


def test_a_trail_that_is_not_sealed(deployed: Deployed) -> None:
    """By what is signed alone, for 27 hours, as the alarm waits."""
    _remove_seals()
    _seal(timedelta(hours=1), "")
    _seal(timedelta(hours=1), ".sig.bak")
    sealed = _seal(timedelta(hours=28))
    line = deployed.examine()["trail"]
    assert line["said"] == f"sealed {sealed} UTC: what was written since can't be proved"
    assert "SealerSilence" in line["fix"]
    sealed = _seal(timedelta(hours=26))
    line = deployed.examine()["trail"]
    assert (line["outcome"], line["said"]) == ("ok", f"sealed {sealed} UTC")


def test_a_trail_that_was_never_sealed(deployed: Deployed) -> None:
    """The sealer looks each hour: three hours after the deployment there is a digest, or it is in trouble."""
    _remove_seals()
    deployed.created = datetime.now(UTC) - timedelta(hours=3, minutes=1)
    line = deployed.examine()["trail"]
    due = f"{deployed.created + timedelta(hours=3):%Y-%m-%d %H:%M}"
    assert (line["outcome"], line["said"]) == (
        "failed",
        f"never sealed, though the first digest was due by {due} UTC: nothing can be proved",
    )
    assert "SealerSilence" in line["fix"]


def test_a_trail_of_a_stack_that_was_just_deployed(deployed: Deployed) -> None:
    """Nothing is wrong yet, and it says when it would be."""
    _remove_seals()
    deployed.created = datetime.now(UTC) - timedelta(hours=2)
    line = deployed.examine()["trail"]
    due = f"{deployed.created + timedelta(hours=3):%Y-%m-%d %H:%M}"
    assert (line["outcome"], line["said"]) == ("ok", f"not sealed yet: the first digest is due by {due} UTC")


def test_a_sealer_that_fails_from_the_first_run_on(deployed: Deployed) -> None:
    """It is said at once, and nobody has to wait for it. A run that went well is none."""
    _remove_seals()
    deployed.created = datetime.now(UTC) - timedelta(hours=1)
    deployed.outputs["esx-drift"] |= {"SealerFunctionName": "sealer", "SealerLogGroupName": "/logs/sealer"}
    _count_errors("sealer", 0, minutes_ago=10)
    assert deployed.examine()["trail"]["outcome"] == "ok"
    _count_errors("sealer", 1, minutes_ago=5)
    line = deployed.examine()["trail"]
    assert (line["outcome"], line["said"]) == (
        "failed",
        "never sealed: the sealer's last run failed, and nothing can be proved",
    )
    assert line["fix"] == (
        "Its log, /logs/sealer, says why, and docs/operations.md what to do: SealerErrors."
    )


def test_a_scheduled_run_that_failed(deployed: Deployed) -> None:
    """Its alarm is over five minutes later, and nothing is well until a run is; one that is over is."""
    reporter = "ReporterFunctionSchedule"
    deployed.resources[reporter] = deployed.resources.pop(SCHEDULE)
    _count_errors("Dispatcher", 1, minutes_ago=120)
    lines = deployed.examine()
    assert _wrong(lines) == [reporter]
    assert lines[reporter]["said"] == "ENABLED, rate(4 hours), but its last run failed"
    assert "ReporterFunction" in lines[reporter]["fix"]
    assert "ReporterErrors" in lines[reporter]["fix"]
    _count_errors("Dispatcher", 0, minutes_ago=60)
    assert _wrong(deployed.examine()) == []


def test_an_invocation_that_no_schedule_made(deployed: Deployed) -> None:
    """A run that somebody asked for and that was refused says nothing of the schedule's."""
    _count_errors("Dispatcher", 1, minutes_ago=10)
    assert _wrong(deployed.examine()) == []


def _count_errors(function: str, number: int, minutes_ago: int) -> None:
    """Count what Lambda counts of an invocation."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    dimensions: Any = [{"Name": "FunctionName", "Value": function}]
    metric: Any = {"MetricName": "Errors", "Value": number, "Dimensions": dimensions, "Timestamp": at}
    boto3.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[metric])


def _remove_seals() -> None:
    boto3.client("s3").delete_objects(
        Bucket="audit", Delete={"Objects": [{"Key": key} for key in _list_digests()]}
    )


def _list_digests() -> list[str]:
    return [one["Key"] for one in boto3.client("s3").list_objects_v2(Bucket="audit")["Contents"]]


def test_a_schedule_says_what_stops_with_it(deployed: Deployed) -> None:
    """Each in its own word."""
    scheduler: Any = boto3.client("scheduler")
    kept = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    shown = scheduler.get_schedule(Name="schedule", GroupName="runs")
    scheduler.update_schedule(State="DISABLED", **{name: shown[name] for name in kept})
    stopped = {"Reporter": "reported", "Sealer": "sealed"}
    for function in stopped:
        deployed.resources[f"{function}FunctionSchedule"] = deployed.resources[SCHEDULE]
    lines = deployed.examine()
    said = {function: lines[f"{function}FunctionSchedule"]["said"] for function in stopped}
    assert said == {function: f"DISABLED: nothing is {what}" for function, what in stopped.items()}


def test_the_schedule_of_a_stack_of_before(deployed: Deployed) -> None:
    """It is in no group of the stack's own, but in the account's default one."""
    scheduler: Any = boto3.client("scheduler")
    kept = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    shown = scheduler.get_schedule(Name="schedule", GroupName="runs")
    scheduler.create_schedule(**{name: shown[name] for name in kept})
    scheduler.delete_schedule_group(Name="runs")
    del deployed.resources["RunsGroup"]
    assert deployed.examine()[SCHEDULE]["said"] == "ENABLED, rate(4 hours)"


def test_a_mapping_that_is_disabled(deployed: Deployed) -> None:
    """The command that enables it, in this region."""
    uuid = deployed.own(MAPPING)
    boto3.client("lambda").update_event_source_mapping(UUID=uuid, Enabled=False)
    lines = deployed.examine()
    assert _wrong(lines) == [MAPPING]
    assert lines[MAPPING]["said"] == "Disabled: nothing is taken from CheckQueue"
    assert lines[MAPPING]["fix"] == (
        f"aws lambda update-event-source-mapping --uuid {uuid} --enabled --region {REGION}"
    )


def test_what_somebody_deleted(deployed: Deployed) -> None:
    """CloudFormation still lists it, and deploying again does not make it again."""
    boto3.client("scheduler").delete_schedule(Name="schedule", GroupName="runs")
    boto3.client("lambda").delete_event_source_mapping(UUID=deployed.own(MAPPING))
    boto3.client("sqs").delete_queue(QueueUrl=deployed.own("RetryQueue"))
    boto3.client("sns").delete_topic(TopicArn=deployed.own("AlarmTopic"))
    lines = deployed.examine()
    gone = [SCHEDULE, MAPPING, "RetryQueue", "AlarmTopic"]
    assert sorted(_wrong(lines)) == sorted(gone)
    assert [lines[step]["said"] for step in gone] == ["it is gone"] * 4
    assert "docs/operations.md" in lines["RetryQueue"]["fix"]


def test_a_schedule_without_its_function(deployed: Deployed) -> None:
    """It goes on invoking nothing."""
    boto3.client("lambda").delete_function(FunctionName="Dispatcher")
    line = deployed.examine()[SCHEDULE]
    assert line["outcome"] == "failed"
    assert line["said"].endswith("function:Dispatcher")


@pytest.mark.parametrize(
    ("queue", "what", "again", "away"),
    [
        ("DispatcherDeadLetterQueue", "runs that the dispatcher could not begin", "esx-drift check", "Then"),
        ("CheckDeadLetterQueue", "checks and decisions that the checker gave up", "move-task", "Or"),
        ("NotifyDeadLetterQueue", "events that the notifier gave up", "move-task", "Or"),
        ("DeliveryDeadLetterQueue", "messages that their routes did not take", "move-task", "Or"),
        # SQS moves nothing that a topic could not deliver.
        ("TopicDeadLetterQueue", "events that SNS could not put into the NotifyQueue", "send-message", ""),
    ],
)
def test_dead_letters(queue: str, what: str, again: str, away: str, deployed: Deployed) -> None:
    """How many, of what; look, have them tried again, or throw them away: commands to paste."""
    deployed.outputs["esx-drift"]["CheckNowCommand"] = f"esx-drift check --region {REGION}"
    _send(deployed, queue)
    _send(deployed, queue)
    lines = deployed.examine("ops team")
    assert _wrong(lines) == [queue]
    assert lines[queue]["said"] == f"2 messages: {what}"
    fix = lines[queue]["fix"].splitlines()
    commands = [line for line in fix if line.startswith(("aws ", "esx-drift "))]
    assert [again in command for command in commands] == [False, True, False][: len(commands)]
    assert "receive-message --queue-url https://" in commands[0]
    assert "--visibility-timeout 0" in commands[0]
    assert "--message-attribute-names All" in commands[0]
    if away:
        assert "purge-queue --queue-url https://" in commands[2]
        assert fix[-2].split()[0] == away
    else:
        # Nobody reads these events out of their records again.
        assert (len(commands), fix[-1]) == (2, "It takes ten at a time: repeat it until none is left.")
    # As many times as AWS is asked.
    for command in commands:
        asked = command.count("aws ") or 1
        assert command.count(f"--region {REGION} --profile 'ops team'") == asked
    calls = [words for command in commands for words in list_shell_calls(command, "aws")]
    assert [find_fault(words) for words in calls] == [None] * len(calls)


def _pass_on(deployed: Deployed, place: Path, taken: str) -> list[list[str]]:
    """What AWS's command is asked where a person pastes the doctor's, and a dead letter queue gives this."""
    _send(deployed, "TopicDeadLetterQueue")
    (command,) = [
        line for line in deployed.examine()["TopicDeadLetterQueue"]["fix"].splitlines() if "|" in line
    ]
    (place / "taken").write_text(taken)
    aws = place / "aws"
    aws.write_text(AWS_COMMAND)
    aws.chmod(0o700)
    environment = {"PATH": f"{place}:/usr/bin:/bin", "PLACE": str(place)}
    ran = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, check=False)
    assert ran.stderr == b""
    return [line.split("\x1f")[1:] for line in (place / "asked").read_text().split("\x1e")[:-1]]


def test_a_dead_letter_queue_that_gave_nothing_is_no_fault(deployed: Deployed, tmp_path: Path) -> None:
    """Without a message the CLI prints None; nothing is sent then, and nothing deleted."""
    assert [call[1] for call in _pass_on(deployed, tmp_path, "None\n")] == ["receive-message"]


def test_events_that_a_topic_could_not_deliver_are_passed_on(deployed: Deployed, tmp_path: Path) -> None:
    """In a shell, each call has its event whole, and only what was sent is deleted.

    An event may be as large as SNS takes it: more than Linux takes as one argument of a command.
    """
    large = "é" * 100 * 1024
    events = [json.dumps({"name": name}) for name in ("two  blanks", "a\\nline", 'it\'s "$HOME" * `id`')]
    events.insert(1, json.dumps({"name": large}, ensure_ascii=False))
    taken = "".join(f"handle-{number}\t{event}\n" for number, event in enumerate(events))
    asked = _pass_on(deployed, tmp_path, taken)
    notify, dead = deployed.own("NotifyQueue"), deployed.own("TopicDeadLetterQueue")
    assert [call[1] for call in asked] == [
        "receive-message",
        *["send-message", "delete-message"] * 3,
        "send-message",
    ]
    assert (tmp_path / "sent").read_text() == "".join(f"{event}\x1e" for event in events)
    assert {_option(call, "--queue-url") for call in asked if call[1] == "send-message"} == {notify}
    assert {_option(call, "--queue-url") for call in asked if call[1] != "send-message"} == {dead}
    assert [_option(call, "--receipt-handle") for call in asked if call[1] == "delete-message"] == [
        "handle-0",
        "handle-1",
        "handle-2",
    ]


AWS_COMMAND = r"""#!/bin/sh
printf '\037%s' "$@" >> "$PLACE/asked"; printf '\036' >> "$PLACE/asked"
case "$2" in
    receive-message) cat "$PLACE/taken" ;;
    send-message)
        case "$*" in *file:///dev/stdin*) ;; *) exit 252 ;; esac
        cat > "$PLACE/body"; cat "$PLACE/body" >> "$PLACE/sent"; printf '\036' >> "$PLACE/sent"
        case "$(cat "$PLACE/body")" in *HOME*) exit 254 ;; esac ;;
esac
"""
"""AWS's own command as far as it matters here: it takes these messages, and SQS refuses the last one."""


def _option(call: list[str], name: str) -> str:
    return call[call.index(name) + 1]


def test_a_redrive_is_a_request_that_sqs_takes(deployed: Deployed) -> None:
    """No local AWS can redrive. So the command's parameters are checked, and sent, by SQS's own model."""
    _send(deployed, "CheckDeadLetterQueue")
    fix = deployed.examine()["CheckDeadLetterQueue"]["fix"]
    (call,) = [line for line in fix.splitlines() if "start-message-move-task" in line]
    (words,) = list_shell_calls(call, "aws")
    sent: list[dict[str, str]] = []

    def take(asked: str) -> str:
        sent.append(json.loads(asked))
        return '{"TaskHandle": "x"}'

    with _answering(take) as url:
        sqs = SESSION.client("sqs", endpoint_url=url)
        sqs.start_message_move_task(SourceArn=_option(words, "--source-arn"))
    assert sent == [{"SourceArn": _arn("sqs", "CheckDeadLetterQueue")}]


def test_a_dead_letter_queue_that_is_newer_than_this_command(deployed: Deployed) -> None:
    """Of a stack of a later version."""
    url = boto3.client("sqs").create_queue(QueueName="AuditDeadLetterQueue")["QueueUrl"]
    deployed.resources["AuditDeadLetterQueue"] = ("AWS::SQS::Queue", url)
    _send(deployed, "AuditDeadLetterQueue")
    assert deployed.examine()["AuditDeadLetterQueue"]["said"] == "1 message: what is lost of Audit"


@pytest.mark.parametrize(
    ("queue", "seconds", "outcome", "age"),
    [
        ("CheckQueue", 7_100, "ok", "1 h 58 min"),
        ("CheckQueue", 7_300, "failed", "2 h 1 min"),
        ("RetryQueue", 3_700, "failed", "1 h 1 min"),
        ("NotifyQueue", 1_900, "failed", "31 min"),
        ("NotifyQueue", 60, "ok", "1 min"),
    ],
)
def test_a_message_that_waits_for_long(
    queue: str, seconds: int, outcome: str, age: str, deployed: Deployed
) -> None:
    """By what CloudWatch says of the oldest one."""
    _send(deployed, queue)
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": queue}],
                "Value": seconds,
                "Timestamp": datetime.now(UTC).replace(second=0, microsecond=0),
            }
        ],
    )
    line = deployed.examine()[queue]
    assert (line["outcome"], line["said"]) == (outcome, f"1 message, the oldest {age} old")


def test_a_message_of_which_cloudwatch_knows_nothing_yet(deployed: Deployed) -> None:
    """It was just sent."""
    _send(deployed, "CheckQueue")
    line = deployed.examine()["CheckQueue"]
    assert (line["outcome"], line["said"]) == ("ok", "1 message; CloudWatch does not say how old")


def test_a_topic_that_nobody_tells_from(deployed: Deployed) -> None:
    """Events are published, and no channel hears of them."""
    sns = boto3.client("sns")
    (only,) = sns.list_subscriptions_by_topic(TopicArn=deployed.own("DriftTopic"))["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=only["SubscriptionArn"])
    line = deployed.examine()["DriftTopic"]
    assert (line["outcome"], line["said"]) == ("failed", "NotifyQueue is not subscribed to it")
    call = shlex.split(line["fix"].splitlines()[-1])
    made = sns.subscribe(
        TopicArn=_option(call, "--topic-arn"),
        Protocol=_option(call, "--protocol"),
        Endpoint=_option(call, "--notification-endpoint"),
        Attributes=json.loads(_option(call, "--attributes")),
    )
    assert deployed.examine()["DriftTopic"]["outcome"] == "ok"
    shown = sns.get_subscription_attributes(SubscriptionArn=made["SubscriptionArn"])["Attributes"]
    assert shown["RawMessageDelivery"] == "true"
    assert json.loads(shown["RedrivePolicy"]) == {"deadLetterTargetArn": _arn("sqs", "TopicDeadLetterQueue")}


def test_a_topic_of_a_stack_of_before(deployed: Deployed) -> None:
    """It has no queue for what it could not deliver."""
    sns = boto3.client("sns")
    (only,) = sns.list_subscriptions_by_topic(TopicArn=deployed.own("DriftTopic"))["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=only["SubscriptionArn"])
    del deployed.resources["TopicDeadLetterQueue"]
    call = shlex.split(deployed.examine()["DriftTopic"]["fix"].splitlines()[-1])
    assert json.loads(_option(call, "--attributes")) == {"RawMessageDelivery": "true"}


def test_an_alarm_rings(deployed: Deployed) -> None:
    """Which one, and where its section is."""
    boto3.client("cloudwatch").set_alarm_state(
        AlarmName="esx-drift-CheckerErrors", StateValue="ALARM", StateReason="planted"
    )
    lines = deployed.examine()
    assert _wrong(lines) == ["alarms"]
    assert lines["alarms"]["said"] == "in ALARM: esx-drift-CheckerErrors"
    assert "docs/operations.md, Each alarm" in lines["alarms"]["fix"]


def test_an_alarm_that_somebody_switched_off(deployed: Deployed) -> None:
    """That nobody hears it means nothing; the command that has it speak again."""
    boto3.client("cloudwatch").disable_alarm_actions(AlarmNames=["esx-drift-CheckerErrors"])
    line = deployed.examine()["alarms"]
    assert line["said"] == "switched off, so that nobody hears: esx-drift-CheckerErrors"
    assert line["fix"] == (
        f"aws cloudwatch enable-alarm-actions --alarm-names esx-drift-CheckerErrors --region {REGION}"
    )


def test_what_somebody_deleted_in_cloudwatch(deployed: Deployed) -> None:
    """An alarm and the dashboard."""
    metrics = boto3.client("cloudwatch")
    metrics.delete_alarms(AlarmNames=["esx-drift-CheckerErrors"])
    metrics.delete_dashboards(DashboardNames=["esx-drift-here"])
    lines = deployed.examine()
    assert sorted(_wrong(lines)) == ["OperationsDashboard", "alarms"]
    assert lines["alarms"]["said"] == "gone: esx-drift-CheckerErrors"
    assert lines["OperationsDashboard"]["said"] == "it is gone"


def test_saved_queries_that_somebody_deleted(deployed: Deployed) -> None:
    """Each is named as the template names it, on whatever page of the answer the others are."""
    assert deployed.examine()["saved queries"]["said"] == "all 3 are there"
    deployed.queries = ["somebody's own", "another", "2c3d"]
    line = deployed.examine()["saved queries"]
    assert (line["outcome"], line["said"]) == ("failed", "gone: RunsQuery, FleetQuery")
    assert "When something of the stack is gone" in line["fix"]


def test_a_template_that_had_no_saved_query_misses_none(deployed: Deployed) -> None:
    """A stack of a version before."""
    for name in QUERIES:
        del deployed.resources[name]
    lines = deployed.examine()
    assert (len(lines), _wrong(lines)) == (STEPS - 1, [])


def test_a_heartbeat_that_is_not_set_is_said_to_be(deployed: Deployed) -> None:
    """It is optional, so that nothing is wrong."""
    line = deployed.examine()["heartbeat"]
    assert (line["outcome"], line["said"].partition(":")[0]) == ("ok", "not set")


def test_a_heartbeat_that_is_set(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its secret is looked for and not read, and what the reporter counted."""
    deployed.parameters = {"Heartbeat": "ENABLED", "SecretPrefix": "team"}
    assert deployed.examine()["heartbeat"]["said"] == "the secret team/heartbeat/url does not exist"
    boto3.client("secretsmanager").create_secret(Name="team/heartbeat/url", SecretString="{}")
    line = deployed.examine()["heartbeat"]
    assert (line["outcome"], line["said"]) == ("failed", "no call within 3 hours")
    dimensions: Any = [{"Name": "stack", "Value": "esx-drift"}, {"Name": "service", "Value": "reporter"}]
    at = datetime.now(UTC) - timedelta(minutes=100)
    metric: Any = {"MetricName": "HeartbeatsSent", "Value": 1, "Dimensions": dimensions, "Timestamp": at}
    boto3.client("cloudwatch").put_metric_data(Namespace="esx-drift", MetricData=[metric])
    line = deployed.examine()["heartbeat"]
    assert (line["outcome"], line["said"]) == ("ok", "set; 1 call taken within 3 hours, none failed")
    failed: Any = {**metric, "MetricName": "HeartbeatsFailed", "Value": 2}
    boto3.client("cloudwatch").put_metric_data(Namespace="esx-drift", MetricData=[failed])
    line = deployed.examine()["heartbeat"]
    assert (line["outcome"], line["said"]) == ("failed", "not taken 2 times within 3 hours")
    with serving(lambda _method: FORBIDDEN_AS_JSON) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
        line = deployed.examine()["heartbeat"]
    assert line["outcome"] == "untried"
    assert "team/heartbeat/url" in line["said"]


def test_nobody_hears_alarms(deployed: Deployed) -> None:
    """That it is quiet then means nothing."""
    sns = boto3.client("sns")
    (only,) = sns.list_subscriptions_by_topic(TopicArn=deployed.own("AlarmTopic"))["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=only["SubscriptionArn"])
    line = deployed.examine()["AlarmTopic"]
    assert line["outcome"] == "failed"
    assert "AlarmEmail" in line["fix"]


def test_an_alarm_mail_that_was_never_confirmed(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS sends nothing there until somebody clicked. moto confirms by itself; SNS says it like this."""
    members = (
        "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn>"
        "<Endpoint>ops@example.com</Endpoint></member>"
    )
    answer = _reply("ListSubscriptionsByTopic", f"<Subscriptions>{members}</Subscriptions>")
    with serving(lambda _method: Answer(200, answer)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        line = deployed.examine()["AlarmTopic"]
    assert (line["outcome"], "ops@example.com" in line["said"]) == ("failed", True)
    assert "--notification-endpoint ops@example.com" in line["fix"]


@pytest.mark.parametrize(
    ("theirs", "outcome", "words"),
    [
        (("vc02", "vc03"), "failed", "the stack esx-drift-test watches vc02 too"),
        (("vc03",), "ok", "esx-drift-test: none watches a vCenter of this one"),
        ((), "ok", "esx-drift-test: none watches a vCenter of this one"),
    ],
)
def test_another_stack(theirs: tuple[str, ...], outcome: str, words: str, deployed: Deployed) -> None:
    """One that has no fleet file yet watches nothing."""
    deployed.outputs["esx-drift-test"] = {**dict.fromkeys(OUR_OUTPUTS, "x"), "StateBucketName": "theirs"}
    _make_bucket("theirs")
    if theirs:
        _put_fleet("theirs", *theirs)
    line = deployed.examine()["other stacks"]
    assert line["outcome"] == outcome
    assert words in line["said"]


@pytest.mark.parametrize(
    ("service", "steps"),
    [
        ("CLOUDFORMATION", {"stack": "cloudformation:DescribeStacks"}),
        ("SCHEDULER", {SCHEDULE: "scheduler:GetSchedule"}),
        (
            "LAMBDA",
            {
                SCHEDULE: "lambda:GetFunctionConfiguration",
                "DispatcherFunctionRetry": "lambda:GetEventSourceMapping",
                MAPPING: "lambda:GetEventSourceMapping",
                "NotifierFunctionNotify": "lambda:GetEventSourceMapping",
                "SenderFunctionDelivery": "lambda:GetEventSourceMapping",
            },
        ),
        ("SQS", dict.fromkeys((*WORKING, *DEAD), "sqs:GetQueueAttributes")),
        (
            "CLOUDWATCH",
            {
                "CheckQueue": "cloudwatch:GetMetricData",
                "alarms": "cloudwatch:DescribeAlarms",
                "OperationsDashboard": "cloudwatch:GetDashboard",
            },
        ),
        ("CLOUDWATCH_LOGS", {"saved queries": "logs:DescribeQueryDefinitions"}),
        ("SNS", dict.fromkeys(("DriftTopic", "AlarmTopic"), "sns:ListSubscriptionsByTopic")),
        ("S3", {"trail": "s3:ListBucket", "other stacks": "s3:GetObject"}),
    ],
)
def test_a_right_that_the_person_lacks(
    service: str, steps: dict[str, str], deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not known is not well: it is named, with the right to ask for, and all else is looked at."""
    deployed.outputs["esx-drift-test"] = deployed.outputs["esx-drift"]
    _put_fleet("state")
    _send(deployed, "CheckQueue")
    refusal = FORBIDDEN if service in {"CLOUDFORMATION", "SNS", "S3"} else FORBIDDEN_AS_JSON
    with serving(lambda _method: refusal) as url:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        lines = deployed.examine()
    assert {step: lines[step]["said"] for step in steps} == {
        step: f"you may not {action}" for step, action in steps.items()
    }
    assert {lines[step]["outcome"] for step in steps} == {"untried"}
    assert sorted(_wrong(lines)) == sorted(steps)
    assert set(steps.values()) <= set(ACTIONS.values())


def test_an_aws_that_does_not_answer(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not known either."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SCHEDULER", "http://127.0.0.1:9")
    line = deployed.examine()[SCHEDULE]
    assert line["outcome"] == "untried"
    assert line["said"].startswith("no answer of AWS")


def test_an_aws_in_trouble_of_its_own(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call and AWS's own code."""
    body = '{"__type": "ValidationException", "message": "no"}'
    with serving(lambda _method: Answer(400, body)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SCHEDULER", url)
        line = deployed.examine()[SCHEDULE]
    assert (line["outcome"], line["said"]) == ("untried", "scheduler:GetSchedule failed: ValidationException")
