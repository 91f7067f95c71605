"""What was deployed, seen by the person who asks: whether runs begin, messages flow, and trouble is heard.

The functions' roles need none of these rights. What the person may not look at is named, and is never "ok".
Longer than 250 lines, because each part of the stack is looked at in the same way, and here alone.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.adapters.aws_clients import AWS_CLIENT_CONFIG, read_outputs
from esx_drift.adapters.heartbeat import HEARTBEAT_SECRET
from esx_drift.adapters.s3_objects import S3Objects, get_error_code
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.doctoring.aws_access import FORBIDDEN_CODES, name_action
from esx_drift.doctoring.examination import StepOutcome, StepResult
from esx_drift.domain.stored.identifiers import DIGEST_PREFIX
from esx_drift.domain.text.wording import format_count, format_duration, join_names
from esx_drift.domain.trail.digests import find_newest_signed, parse_digest_key
from esx_drift.domain.trail.verification import FIRST_SEAL_PATIENCE, SEALER_PATIENCE
from esx_drift.errors import FIX_FACT, FleetInvalid, PermanentError, SecretUnavailable, StoreUnavailable

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef
    from mypy_boto3_sqs import SQSClient

type QueueCount = Literal[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]

SCHEDULE_TYPE = "AWS::Scheduler::Schedule"
SCHEDULE_GROUP_TYPE = "AWS::Scheduler::ScheduleGroup"
MAPPING_TYPE = "AWS::Lambda::EventSourceMapping"
QUEUE_TYPE = "AWS::SQS::Queue"
ALARM_TYPE = "AWS::CloudWatch::Alarm"
DASHBOARD_TYPE = "AWS::CloudWatch::Dashboard"
SAVED_QUERY_TYPE = "AWS::Logs::QueryDefinition"
DEAD_LETTER_SUFFIX = "DeadLetterQueue"

GONE_CODES = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "NotFound",
        "NotFoundException",
        "ResourceNotFound",
    }
)
"""How SQS, SNS (two protocols each), Lambda, Scheduler and CloudWatch say that something is not there."""

MAX_AGE_SECONDS = {"RetryQueue": 3_600, "NotifyQueue": 1_800, "DeliveryQueue": 1_800}
OTHER_MAX_AGE_SECONDS = 7_200
"""How long a message may wait: a listing 1 hour, what is for people half of one, a check 2. What failed once
is hidden for half an hour."""

MAX_NAMED_ALARMS = 100
"""That CloudWatch describes by one call."""

HEARTBEAT_HOURS = 3
"""The reporter calls once an hour, in one of its four runs there."""

MINUTE_FORMAT = "%Y-%m-%d %H:%M"
SEALER_FIX = "The sealer's log says why, and docs/operations.md what to do: SealerSilence."

METRIC_MINUTES = 15
"""SQS reports the age of a queue's oldest message each minute, some minutes late."""

LOST = {
    "Dispatcher": "runs that the dispatcher could not begin",
    "Retry": "listings of a vCenter that the dispatcher gave up",
    "Check": "checks and decisions that the checker gave up",
    "Notify": "events that the notifier gave up",
    "Delivery": "messages that their routes did not take",
    "Topic": "events that SNS could not put into the NotifyQueue",
}
"""What lies in a dead letter queue, by the first word of its name."""

OUR_OUTPUTS = frozenset({"StateBucketName", "AuditBucketName", "CheckerFunctionName", "DriftTopicArn"})
"""A stack that has these is an esx-drift."""

LOOK_WITHOUT_TAKING = "--visibility-timeout 0 --max-number-of-messages 10 --message-attribute-names All"
"""Why a message was given up stands in its attributes, which SQS shows only if they are asked for."""

TEN_AFTER_A_WAIT = "--wait-time-seconds 10 --max-number-of-messages 10"

GONE_FIX = (
    "CloudFormation does not notice by itself. See docs/operations.md, When something of the stack is gone."
)
COUNTS: tuple[QueueCount, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass
class StackDoctor:
    """Examines the stack ``name`` with the rights of ``session``, the person's own; ``now`` is the time.

    ``profile`` is the one that the person named; commands to paste name it too.
    """

    session: "boto3.Session"
    name: str
    now: datetime
    profile: str | None = None
    lines: list[StepResult] = field(default_factory=list)
    resources: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    created: datetime | None = None

    def examine(self) -> list[StepResult]:
        """Look at each part. Returns a line for each; only the first where its parts can't be listed."""
        self._look("stack", self._read_stack)
        if self.resources:
            self._look_at_each(SCHEDULE_TYPE, self._examine_schedule)
            self._look_at_each(MAPPING_TYPE, self._examine_mapping)
            self._look_at_each(QUEUE_TYPE, self._examine_queue)
            self._look("DriftTopic", self._examine_drift_topic)
            self._look("AlarmTopic", self._examine_alarm_topic)
            self._look("alarms", self._examine_alarms)
            self._look_at_each(DASHBOARD_TYPE, self._examine_dashboard)
            if queries := self._list_resources(SAVED_QUERY_TYPE):
                self._look("saved queries", partial(self._examine_saved_queries, queries))
            self._look("heartbeat", self._examine_heartbeat)
            self._look("trail", self._examine_seals)
            self._look("other stacks", self._compare_other_stacks)
        return self.lines

    def _look(self, step: str, look: Callable[[], str]) -> None:
        outcome: StepOutcome
        try:
            outcome, sentence, fix = "ok", look(), ""
        except (ClientError, BotoCoreError, StoreUnavailable) as error:
            outcome, sentence, fix = _explain(error)
        except SecretUnavailable as error:
            outcome, sentence, fix = "untried", error.message, "Have your own rights extended, or try again."
        except PermanentError as error:
            outcome, sentence, fix = "failed", error.message, error.facts[FIX_FACT]
        about = f"stack {self.name}"
        self.lines.append({"about": about, "step": step, "outcome": outcome, "said": sentence, "fix": fix})

    def _look_at_each(self, kind: str, examine: Callable[[str, str], str]) -> None:
        for logical_id, physical_id in self._list_resources(kind):
            self._look(logical_id, partial(examine, logical_id, physical_id))

    def _list_resources(self, kind: str) -> list[tuple[str, str]]:
        """List logical and physical id of each resource of a type."""
        return [(each, own) for each, (resource_type, own) in self.resources.items() if resource_type == kind]

    @cached_property
    def _cloudformation(self) -> "CloudFormationClient":
        return self.session.client("cloudformation", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _functions(self) -> "LambdaClient":
        return self.session.client("lambda", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _queues(self) -> "SQSClient":
        return self.session.client("sqs", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _topics(self) -> "SNSClient":
        return self.session.client("sns", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _metrics(self) -> "CloudWatchClient":
        return self.session.client("cloudwatch", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _logs(self) -> "CloudWatchLogsClient":
        return self.session.client("logs", config=AWS_CLIENT_CONFIG)

    @cached_property
    def _s3(self) -> "S3Client":
        return self.session.client("s3", config=AWS_CLIENT_CONFIG)

    def _read_stack(self) -> str:
        described = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        self.outputs, self.created = read_outputs(described), described["CreationTime"]
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        self.resources = {
            each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
            if each.get("ResourceStatus") != "DELETE_COMPLETE"  # of a template before this one
        }
        self.parameters = {
            each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", [])
        }
        status = described["StackStatus"]
        if status.endswith("_FAILED"):
            raise _fail(status, "CloudFormation's events of the stack say why. Then deploy it again.")
        return f"{status}, in {self.session.region_name}"

    def _examine_schedule(self, logical_id: str, name: str) -> str:
        # A name means nothing without its group; a template before this one had the default one.
        group = next((own for _, own in self._list_resources(SCHEDULE_GROUP_TYPE)), "default")
        client = self.session.client("scheduler", config=AWS_CLIENT_CONFIG)
        schedule = client.get_schedule(Name=name, GroupName=group)
        if schedule["State"] != "ENABLED":
            fix = (
                "Deploy it with ScheduleState=ENABLED; if it was, somebody disabled it by hand: enable it in"
                f" the console, EventBridge > Schedules > {name}."
            )
            raise _fail(f"{schedule['State']}: nothing is {_say_what_stops(logical_id)}", fix)
        target = schedule["Target"]["Arn"]
        try:
            self._functions.get_function_configuration(FunctionName=target)
        except ClientError as error:
            if get_error_code(error) in GONE_CODES:
                raise _fail(f"what it invokes is gone: {target}", GONE_FIX) from error
            raise
        said = f"ENABLED, {schedule['ScheduleExpression']}"
        # The dispatcher is invoked by queues and people as well: whether its run was whole, the checker says.
        if _find_function(logical_id) != "Dispatcher" and self._has_failed(target):
            raise _fail(f"{said}, but its last run failed", self._name_log(logical_id))
        return said

    def _has_failed(self, function: str) -> bool:
        """Tell whether the last invocation of a ``function`` (name or ARN) failed.

        Its alarm is over minutes later. Lambda counts 0 errors of an invocation that had none.
        """
        name = {"FunctionName": function.rpartition(":")[2]}
        values = self._read_metric("AWS/Lambda", "Errors", name, SEALER_PATIENCE, "Sum")
        return bool(values and values[0])

    def _name_log(self, logical_id: str) -> str:
        kind = _find_function(logical_id)
        group = self.outputs.get(f"{kind}LogGroupName", f"of the function {kind}Function")
        return f"Its log, {group}, says why, and docs/operations.md what to do: {kind}Errors."

    def _examine_mapping(self, _logical_id: str, uuid: str) -> str:
        mapping = self._functions.get_event_source_mapping(UUID=uuid)
        queue, state = mapping["EventSourceArn"].rpartition(":")[2], mapping["State"]
        if state in {"Disabled", "Disabling", "Deleting"}:
            fix = self._command(f"lambda update-event-source-mapping --uuid {uuid} --enabled")
            raise _fail(f"{state}: nothing is taken from {queue}", fix)
        return f"{state}: takes from {queue}"

    def _examine_queue(self, logical_id: str, url: str) -> str:
        shown = self._queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        number = sum(int(shown[name]) for name in COUNTS)
        if not number:
            return "empty"
        if logical_id.endswith(DEAD_LETTER_SUFFIX):
            raise self._describe_dead_letters(logical_id, number, url, shown["QueueArn"])
        age = self._read_age(shown["QueueArn"].rpartition(":")[2])
        if age is None:
            return f"{format_count(number, 'message')}; CloudWatch does not say how old"
        sentence = f"{format_count(number, 'message')}, the oldest {format_duration(age)} old"
        if age > MAX_AGE_SECONDS.get(logical_id, OTHER_MAX_AGE_SECONDS):
            raise _fail(sentence, "Read the log of the function that takes from it: what it says of them?")
        return sentence

    def _describe_dead_letters(self, logical_id: str, number: int, url: str, arn: str) -> PermanentError:
        kind = logical_id.removesuffix(DEAD_LETTER_SUFFIX)
        again = {
            "Dispatcher": self.outputs.get("CheckNowCommand", "Invoke the dispatcher.") + self._named_profile,
            "Topic": self._pass_on(url),
        }
        fix = (
            "Look at them, with the function's log:",
            self._command(f"sqs receive-message --queue-url {url} {LOOK_WITHOUT_TAKING}"),
            "Mend the cause and have them tried again:",
            again.get(kind) or self._command(f"sqs start-message-move-task --source-arn {arn}"),
            *self._throw_away(kind, url),
        )
        what = LOST.get(kind, f"what is lost of {kind}")
        return _fail(f"{format_count(number, 'message')}: {what}", "\n".join(fix))

    def _throw_away(self, kind: str, url: str) -> tuple[str, ...]:
        if kind == "Topic":
            # Nobody reads these events out of their records again.
            return ("It takes ten at a time: repeat it until none is left.",)
        # A run that is made again leaves the lost one where it lies.
        first = "Then throw them away:" if kind == "Dispatcher" else "Or throw all of them away:"
        return (first, self._command(f"sqs purge-queue --queue-url {url}"))

    def _pass_on(self, url: str) -> str:
        """Ten events at a time: SQS itself moves only what another queue gave up, not what a topic did.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        An event comes by a pipe, since SNS takes events of 256 KiB, and Linux no argument of more than 128
        (execve(2)). Without a wait a queue that is not empty may give nothing; the CLI prints None then.
        """
        dead, queue = f"--queue-url {url}", f"--queue-url {self.resources['NotifyQueue'][1]}"
        take = self._command(f"sqs receive-message {dead} {TEN_AFTER_A_WAIT} --output text")
        send = self._command(f"sqs send-message {queue}") + " --message-body file:///dev/stdin"
        drop = self._command(f"sqs delete-message {dead}") + ' --receipt-handle "$handle"'
        event = '[ -n "$event" ] && printf %s "$event"'
        each = f"while read -r handle event; do {event} | {send} && {drop}; done"
        return f"{take} --query 'Messages[].[ReceiptHandle,Body]' | {each}"

    def _read_age(self, queue: str) -> float | None:
        """Read how old a queue's oldest message was when CloudWatch last heard, in seconds."""
        since = timedelta(minutes=METRIC_MINUTES)
        values = self._read_metric(
            "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue}, since, "Maximum"
        )
        return values[0] if values else None

    def _read_metric(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], since: timedelta, statistic: str
    ) -> Sequence[float]:
        """Read the values of each minute, the newest first."""
        reply = self._metrics.get_metric_data(
            StartTime=self.now - since,
            EndTime=self.now,
            ScanBy="TimestampDescending",
            MetricDataQueries=[
                {
                    "Id": "read",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": metric,
                            "Dimensions": [
                                {"Name": name, "Value": value} for name, value in dimensions.items()
                            ],
                        },
                        "Period": 60,
                        "Stat": statistic,
                    },
                }
            ],
        )
        return reply["MetricDataResults"][0]["Values"]

    def _examine_drift_topic(self) -> str:
        topic = self.resources["DriftTopic"][1]
        queue = topic.replace(":sns:", ":sqs:").rpartition(":")[0]
        queue += f":{self.resources['NotifyQueue'][1].rpartition('/')[2]}"
        found = self._list_subscriptions(topic)
        if queue not in {each["Endpoint"] for each in found}:
            command = f"{self._subscribe(topic, 'sqs', queue)} --attributes {self._describe_delivery(queue)}"
            fix = f"Subscribe it again; until then no message reaches a channel:\n{command}"
            raise _fail("NotifyQueue is not subscribed to it", fix)
        return f"NotifyQueue and {format_count(len(found) - 1, 'subscriber')} of your own"

    def _examine_alarm_topic(self) -> str:
        topic = self.resources["AlarmTopic"][1]
        found = self._list_subscriptions(topic)
        waiting = [each["Endpoint"] for each in found if each["SubscriptionArn"] == "PendingConfirmation"]
        if waiting:
            fix = "Click the link in the mail of AWS Notifications, in spam perhaps. It is sent anew by:"
            command = self._subscribe(topic, "email", waiting[0])
            sentence = f"not confirmed, so that no alarm reaches: {join_names(waiting)}"
            raise _fail(sentence, f"{fix}\n{command}")
        if not found:
            command = self._subscribe(topic, "email", "ADDRESS")
            fix = f"Deploy it with AlarmEmail=ADDRESS, or:\n{command}"
            raise _fail("nobody hears when esx-drift itself is in trouble", fix)
        return f"alarms reach {join_names([each['Endpoint'] for each in found])}"

    def _examine_alarms(self) -> str:
        own = [name for _, name in self._list_resources(ALARM_TYPE)]
        found = {
            each["AlarmName"]: each
            for start in range(0, len(own), MAX_NAMED_ALARMS)
            for each in self._metrics.describe_alarms(
                AlarmNames=own[start : start + MAX_NAMED_ALARMS], MaxRecords=MAX_NAMED_ALARMS
            )["MetricAlarms"]
        }
        gone = [name for name in own if name not in found]
        if gone:
            raise _fail(f"gone: {join_names(gone)}", GONE_FIX)
        mute = [name for name, each in found.items() if not each["ActionsEnabled"]]
        if mute:
            fix = self._command(f"cloudwatch enable-alarm-actions --alarm-names {' '.join(mute)}")
            raise _fail(f"switched off, so that nobody hears: {join_names(mute)}", fix)
        ringing = [name for name, each in found.items() if each["StateValue"] == "ALARM"]
        if ringing:
            fix = "docs/operations.md, Each alarm, has a section for each, headed by its name."
            raise _fail(f"in ALARM: {join_names(ringing, MAX_NAMED_ALARMS)}", fix)
        return f"{format_count(len(own), 'alarm')}, none in ALARM"

    def _examine_dashboard(self, _logical_id: str, name: str) -> str:
        self._metrics.get_dashboard(DashboardName=name)
        return name

    def _examine_saved_queries(self, queries: Sequence[tuple[str, str]]) -> str:
        """By their ids, since whoever likes another name may give them one."""
        found = self._list_saved_queries()
        gone = [logical_id for logical_id, query in queries if query not in found]
        if gone:
            raise _fail(f"gone: {join_names(gone)}", GONE_FIX)
        return f"all {len(queries)} are there"

    def _list_saved_queries(self) -> frozenset[str]:
        """List the ids of all saved queries in the account and region; boto3 has no paginator for them."""
        found: set[str] = set()
        page = self._logs.describe_query_definitions()
        while True:
            found |= {each["queryDefinitionId"] for each in page["queryDefinitions"]}
            if "nextToken" not in page:
                return frozenset(found)
            page = self._logs.describe_query_definitions(nextToken=page["nextToken"])

    def _examine_heartbeat(self) -> str:
        if self.parameters.get("Heartbeat") != "ENABLED":
            return "not set: where the whole account is silent, nobody tells (parameter Heartbeat)"
        secrets = Secrets(
            lambda: self.session.client("secretsmanager", config=AWS_CLIENT_CONFIG),
            self.parameters["SecretPrefix"],
        )
        name = secrets.make_name("heartbeat", HEARTBEAT_SECRET)
        problem = secrets.find_problem(name)
        if problem:
            fix = "Write it as docs/operations.md says, When the whole account is silent."
            raise _fail(f"the secret {name} {problem}", fix)
        dimensions = {"stack": self.name, "service": "reporter"}
        since = timedelta(hours=HEARTBEAT_HOURS)
        failed = sum(self._read_metric("esx-drift", "HeartbeatsFailed", dimensions, since, "Sum"))
        if failed:
            sentence = f"not taken {format_count(int(failed), 'time')} within {HEARTBEAT_HOURS} hours"
            raise _fail(sentence, "The reporter's log says why: heartbeat not taken.")
        sent = sum(self._read_metric("esx-drift", "HeartbeatsSent", dimensions, since, "Sum"))
        if not sent:
            sentence = f"no call within {HEARTBEAT_HOURS} hours"
            raise _fail(sentence, "Was each vCenter listed? Is the reporter well, or the stack so new?")
        return f"set; {format_count(int(sent), 'call')} taken within {HEARTBEAT_HOURS} hours, none failed"

    def _examine_seals(self) -> str:
        """By the keys alone: reading a digest takes a right that not everybody has who may list."""
        found = S3Objects(self._s3, self.outputs["AuditBucketName"]).list_keys(DIGEST_PREFIX)
        newest = find_newest_signed(set(found))
        at = None if newest is None else parse_digest_key(newest)
        if at is None:
            return self._examine_first_seal()
        said = f"sealed {at:{MINUTE_FORMAT}} UTC"
        if self.now - at > SEALER_PATIENCE:
            raise _fail(f"{said}: what was written since can't be proved", SEALER_FIX)
        return said

    def _examine_first_seal(self) -> str:
        """Where no digest is: the sealer makes one in its first run, whatever the trail holds by then."""
        sealer = self.outputs.get("SealerFunctionName")
        if sealer and self._has_failed(sealer):
            fix = self._name_log("SealerFunction")
            raise _fail("never sealed: the sealer's last run failed, and nothing can be proved", fix)
        due = (self.created or self.now) + FIRST_SEAL_PATIENCE
        if self.now > due:
            said = f"never sealed, though the first digest was due by {due:{MINUTE_FORMAT}} UTC"
            raise _fail(f"{said}: nothing can be proved", SEALER_FIX)
        return f"not sealed yet: the first digest is due by {due:{MINUTE_FORMAT}} UTC"

    def _list_subscriptions(self, topic: str) -> "list[SubscriptionTypeDef]":
        pages = self._topics.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return [each for page in pages for each in page["Subscriptions"]]

    def _compare_other_stacks(self) -> str:
        """Two stacks that watch one vCenter are two breakers: together they may lock the account."""
        pages = self._cloudformation.get_paginator("describe_stacks").paginate()
        others = {
            stack["StackName"]: outputs["StateBucketName"]
            for page in pages
            for stack in page["Stacks"]
            if (outputs := read_outputs(stack)).keys() >= OUR_OUTPUTS and stack["StackName"] != self.name
        }
        watched = self._list_watched(self.outputs["StateBucketName"]) if others else set()
        for other, bucket in others.items():
            both = sorted(watched & self._list_watched(bucket))
            if both:
                sentence = f"the stack {other} watches {join_names(both)} too; each tries passwords by itself"
                raise _fail(sentence, "One stack a vCenter: take it out of the fleet file of one of both.")
        if others:
            return f"{join_names(sorted(others))}: none watches a vCenter of this one"
        return "no other esx-drift in this account and region"

    def _describe_delivery(self, queue: str) -> str:
        """Describe how the template has the topic deliver to ``queue``, as one word of a shell's command."""
        attributes = {"RawMessageDelivery": "true"}
        _, url = self.resources.get("TopicDeadLetterQueue", ("", ""))  # a template before this one has none
        if url:
            dead_letters = f"{queue.rpartition(':')[0]}:{url.rpartition('/')[2]}"
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead_letters})
        return shlex.quote(json.dumps(attributes))

    def _list_watched(self, bucket: str) -> set[str]:
        try:
            fleet, _ = FleetFile(lambda: self._s3, bucket).read()
        except FleetInvalid:
            return set()  # with which nothing is watched
        return {vcenter.name for vcenter in fleet.vcenters}

    def _subscribe(self, topic: str, protocol: str, endpoint: str) -> str:
        options = f"--topic-arn {topic} --protocol {protocol} --notification-endpoint {endpoint}"
        return self._command(f"sns subscribe {options}")

    def _command(self, command: str) -> str:
        return f"aws {command} --region {self.session.region_name}{self._named_profile}"

    @property
    def _named_profile(self) -> str:
        return f" --profile {shlex.quote(self.profile)}" if self.profile else ""


def _find_function(logical_id: str) -> str:
    """Find which function a part of the stack is of: ``Dispatcher``."""
    return logical_id.partition("Function")[0]


def _say_what_stops(schedule: str) -> str:
    return {"Reporter": "reported", "Sealer": "sealed"}.get(_find_function(schedule), "checked")


def _fail(sentence: str, fix: str) -> PermanentError:
    return PermanentError(sentence, {FIX_FACT: fix})


def _explain(error: Exception) -> tuple[StepOutcome, str, str]:
    """What AWS refused: what is gone has failed, and what the person may not look at is not known."""
    cause = error.__cause__ if isinstance(error, StoreUnavailable) else error
    if not isinstance(cause, ClientError):
        return "untried", f"no answer of AWS: {cause}", "Try again."
    code, action = get_error_code(cause), name_action(cause)
    if code in GONE_CODES:
        return "failed", "it is gone", GONE_FIX
    if code in FORBIDDEN_CODES:
        return "untried", f"you may not {action}", f"Have your own rights extended by {action}."
    return "untried", f"{action} failed: {code}", "Try again."
