"""``esx-drift doctor`` against the deployed stack, whose roles may do only what the template grants."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from esx_drift.domain.stored.identifiers import FLEET_KEY

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import NewRig, Rig
from tests.lab.local_aws.stack import Stack
from tests.simulator import VCenter
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]

STEPS = 26 + 7 + 12 + 1 + 5
"""The stack, AWS, one vCenter, the sender, one route."""


@pytest.fixture(scope="module")
def rig(new_rig: NewRig) -> Iterator[Rig]:
    """A stack that watches one vCenter and tells one route."""
    # No schedule fires by itself in the local AWS, also not the reporter's: all that is told is the doctor's.
    parameters = {"WebhookHosts": "127.0.0.1", "AlarmEmail": "ops@example.com", "ScheduleState": "ENABLED"}
    with new_rig(parameters) as made:
        vcenter = VCenter()
        cluster = vcenter.inventory.add_cluster("prod-a")
        for number in (1, 2):
            vcenter.inventory.add_host(cluster, f"esx0{number}")
        vcenter.remember()
        made.add_vcenter("vc01", vcenter)
        made.put_fleet(made.fleet())
        yield made


@pytest.fixture
def ask(run: Run, rig: Rig, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``esx-drift doctor`` on that stack."""
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: run("doctor", "--stack", rig.stack.name, *arguments)


@pytest.fixture(autouse=True)
def _mended(rig: Rig) -> Iterator[None]:
    """Each test begins with a vCenter in order, and none leaves a session open."""
    yield
    rig.vcenters["vc01"].recover()
    assert rig.vcenters["vc01"].sessions.open_count == 0


def _lines(out: str) -> dict[str, str]:
    return {
        found[2]: found[1]
        for found in re.finditer(r"^ +(ok|failed|untried|skipped) +(\S+)", out, re.MULTILINE)
    }


def test_all_is_well(ask: Run, rig: Rig) -> None:
    """The roles may do all that checks and messages need; nothing is sent, nothing stays behind."""
    ran = ask()
    assert ran.code == 0, ran.out + ran.err
    assert ran.out.rstrip().endswith("All is well.")
    assert re.search(r"^ +skipped +message", ran.out, re.MULTILINE)
    assert len(re.findall(r"^ +(ok|skipped) ", ran.out, re.MULTILINE)) == STEPS
    assert re.search(r"^ +ok +SDK +boto3 [\d.]+, botocore [\d.]+", ran.out, re.MULTILINE)
    assert "report of" in ran.out
    assert rig.slack.received == []
    assert [*rig.audit()] == []


def test_a_drill_reaches_topic_and_channel(ask: Run, rig: Rig) -> None:
    """One message, and it says what it is; the published event is told to nobody else."""
    ran = ask("--send", "--vcenter", "vc01", "--vcenter", "vc01")
    assert ran.code == 0, ran.out + ran.err
    assert "took a drill: esx-drift.report.drill" in ran.out
    assert [payload["text"][:6] for payload in rig.slack.accepted] == ["Drill:"]


def test_what_failed_comes_with_its_fix(ask: Run, rig: Rig) -> None:
    """Exit code 1, how many steps failed, and the privilege to grant."""
    rig.vcenters["vc01"].revoke("VcIntegrity.lifecycleSettings.Read")
    ran = ask()
    assert ran.code == 1
    assert f"1 of {STEPS} steps failed: report (vc01)" in ran.out
    assert _lines(ran.out)["report"] == "failed"
    assert "with propagation: VcIntegrity.lifecycleSettings.Read" in ran.out


def test_a_refused_password_is_told_and_can_be_reset(ask: Run, rig: Rig) -> None:
    """Mended at the vCenter, the same password is let in again; too early, it says when."""
    rig.vcenters["vc01"].sessions.accounts[USER] = "another"
    assert _lines(ask().out)["login"] == "failed"
    rig.vcenters["vc01"].sessions.accounts[USER] = PASSWORD
    early = ask("--reset", "vc01")
    assert early.code == 1
    assert "Run it again after" in early.out
    assert rig.vcenters["vc01"].sessions.refused_count == 1
    # Three minutes on: the breaker as it would be by then.
    key = "breaker/vc01.json"
    s3 = rig.stack.aws.s3
    body = s3.get_object(Bucket=rig.state_bucket, Key=key)["Body"].read()
    before = re.sub(rb'"20\d\d-', b'"2020-', body)
    s3.put_object(Bucket=rig.state_bucket, Key=key, Body=before)
    assert ask("--reset", "vc01").code == 0
    assert ask().code == 0


def test_a_vcenter_that_the_fleet_file_does_not_know(ask: Run) -> None:
    """Exit code 2, and a sentence. The local AWS does not tell an error's type, so that it has more words."""
    ran = ask("--vcenter", "vc99")
    assert ran.code == 2
    assert ran.err.endswith("the fleet file has no vCenter called vc99. It has: vc01\n")


def test_one_vcenter_is_all_that_is_asked_for(ask: Run) -> None:
    """Neither routes nor queues are tried for it."""
    ran = ask("--vcenter", "vc01")
    assert ran.code == 0
    assert not {"secret", "login"} - set(_lines(ran.out))
    assert "route vsphere-admins" not in ran.out
    assert "CheckQueue" not in ran.out


def test_a_second_stack_that_watches_the_same_vcenter(
    ask: Run, rig: Rig, new_stack: Callable[[Mapping[str, str]], Stack]
) -> None:
    """Two breakers would lock the account: which stack it is, which vCenter, and what to do."""
    other = new_stack({"SecretPrefix": "other"})
    s3, bucket = rig.stack.aws.s3, other.outputs["StateBucketName"]
    s3.put_object(Bucket=bucket, Key=FLEET_KEY, Body=json.dumps(rig.fleet("vc01")).encode())
    try:
        ran = ask()
    finally:
        s3.delete_object(Bucket=bucket, Key=FLEET_KEY)
    assert ran.code == 1
    assert f"the stack {other.name} watches vc01 too; each tries passwords by itself" in ran.out
    assert "One stack a vCenter: take it out of the fleet file of one of both." in ran.out


def test_a_right_that_the_person_lacks(ask: Run, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part that he may not look at is named with the right; it is not well, and all else is examined."""
    allowed = [
        f"{service}:*" for service in ("cloudformation", "cloudwatch", "lambda", "s3", "scheduler", "sns")
    ]
    key = rig.stack.as_user(*allowed).key
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), key, strict=True):
        monkeypatch.setenv(name, value)
    ran = ask()
    assert ran.code == 1
    queues = [name for name in rig.stack.resources if name.endswith("Queue")]
    (steps,) = re.findall(
        rf"untried {len(queues)} steps you may not sqs:GetQueueAttributes:"
        r" ([\w, ]+) Have your own rights extended",
        " ".join(ran.out.split()),
    )
    assert sorted(steps.split(", ")) == sorted(queues)
    assert set(_lines(ran.out).values()) == {"ok", "skipped", "untried"}


def test_what_is_wrong_with_the_stack_itself(ask: Run, rig: Rig) -> None:
    """By the person's own rights: no runs, no checks, a dead letter, a queue gone, a mute topic."""
    aws, own = rig.stack.aws, rig.stack.resources
    schedule: Any = aws.scheduler.get_schedule(
        Name=own["DispatcherFunctionSchedule"], GroupName=own["RunsGroup"]
    )
    kept = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    aws.scheduler.update_schedule(State="DISABLED", **{name: schedule[name] for name in kept})
    aws.functions.update_event_source_mapping(UUID=own["CheckerFunctionCheck"], Enabled=False)
    aws.sqs.send_message(QueueUrl=own["CheckDeadLetterQueue"], MessageBody="{}")
    aws.sqs.delete_queue(QueueUrl=own["RetryDeadLetterQueue"])
    (only,) = aws.sns.list_subscriptions_by_topic(TopicArn=own["DriftTopic"])["Subscriptions"]
    aws.sns.unsubscribe(SubscriptionArn=only["SubscriptionArn"])
    aws.logs.delete_query_definition(queryDefinitionId=own["RunsQuery"])
    try:
        ran = ask()
    finally:
        aws.functions.update_event_source_mapping(UUID=own["CheckerFunctionCheck"], Enabled=True)
        aws.sqs.purge_queue(QueueUrl=own["CheckDeadLetterQueue"])
    assert ran.code == 1
    assert set(re.findall(r"^ +(?:failed|untried|skipped) +(\S+)", ran.out, re.MULTILINE)) == {
        "DispatcherFunctionSchedule",
        "CheckerFunctionCheck",
        "CheckDeadLetterQueue",
        "RetryDeadLetterQueue",
        "DriftTopic",
        "saved",
        "message",
    }
    assert "gone: RunsQuery" in ran.out
    assert "1 message: checks and decisions that the checker gave up" in ran.out
    assert "When something of the stack is gone" in ran.out
    (command,) = re.findall(r"^ +(aws sns subscribe .*)$", ran.out, re.MULTILINE)
    words = shlex.split(command)
    given = json.loads(words[words.index("--attributes") + 1])
    dead_letters = aws.sqs.get_queue_attributes(
        QueueUrl=own["TopicDeadLetterQueue"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    assert given["RawMessageDelivery"] == "true"
    assert json.loads(given["RedrivePolicy"]) == {"deadLetterTargetArn": dead_letters}


def test_no_log_tells_a_secret(rig: Rig) -> None:
    """Neither the password nor the webhook, after all that was examined here."""
    told = "\n".join(
        line for function in ("CheckerFunction", "SenderFunction") for line in rig.stack.log_of(function)
    )
    assert PASSWORD not in told
    assert Path(rig.slack.webhook).name not in told
