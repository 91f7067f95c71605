"""Our own upgrade of a deployed stack, while messages of the version before lie in its queues."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_key
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import is_for_chat

from tests.deployed.stage import send
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import Rig, rigged
from tests.lab.local_aws.stack import QUIET, SLACK_ON_LOOPBACK, Stack, deploy, upgrade
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter
from tests.simulator.certificates import Authority
from tests.simulator.extraction import Pace
from tests.simulator.sessions import USER
from tests.unit.stored import STORED_VCENTER, VERSIONS, MovedToNow, restore_hosts

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

PARAMETERS = QUIET | SLACK_ON_LOOPBACK
READING = ("DispatcherFunction", "CheckerFunction", "NotifierFunction")
"""What takes the messages that the version before left."""
PROD_A, PROD_B = "domain-c9", "domain-c1008"
LAST_RUN = make_record_key(STORED_VCENTER, VCENTER_LOG, 3)
"""The last of the version before that asked for a check of prod-a, and got no answer."""

KEEPING = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A stack that was upgraded, with what the version before left in it."""

    rig: Rig
    before: Stack
    left: MovedToNow


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the plain values that they hold."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)


def _package_before(version: Path, packaged: Path, directory: Path) -> Path:
    """The template of that version, with today's code: its own is not kept, and nothing of it runs here."""
    resources = yaml.load(packaged.read_text(), _Loader)["Resources"]  # noqa: S506 -- it is one
    code = {
        f"functions/{name.lower()}": resources[f"{name}Function"]["Properties"]["CodeUri"]
        for name in ("Dispatcher", "Checker", "Notifier")
    } | {
        f"layers/{name.lower()}": resources[f"{name}Layer"]["Properties"]["ContentUri"]
        for name in ("Dependencies", "Core")
    }
    text = (version / "template.yaml").read_text()
    written = directory / f"{version.name}.yaml"
    written.write_text(re.sub(r"(?<=Uri: )\S+", lambda found: code[found[0]], text))
    return written


def _leave(rig: Rig, left: MovedToNow) -> None:
    """What the version before stored and sent, and nobody took yet."""
    s3 = rig.stack.aws.s3
    for key, body in left.audit.items():
        s3.put_object(Bucket=rig.audit_bucket, Key=key, Body=body, IfNoneMatch="*")
    for key, body in left.state.items():
        s3.put_object(Bucket=rig.state_bucket, Key=key, Body=body)
    send(rig, "CheckQueue", *left.read_messages("check-request").values(), _follow_task(rig, left))
    send(rig, "RetryQueue", *left.read_messages("retry-request").values())
    send(rig, "NotifyQueue", *left.read_messages("event").values())


def _follow_task(rig: Rig, left: MovedToNow) -> dict[str, Any]:
    """The message that follows an extraction: vCenter has its task still, and a run's record asks for it."""
    record = json.loads(left.audit[LAST_RUN])
    (asked,) = [one for one in record["dispatch"]["expected"] if one["cluster"] == PROD_A]
    task = rig.vcenters[STORED_VCENTER].extractions.start(PROD_A, USER)
    message: dict[str, Any] = left.read_messages("check-request")["check-collect"]
    return {
        **message,
        "run_id": record["run_id"],
        "request_id": asked["request_id"],
        "requested_at": record["checked_at"],
        "task": {**message["task"], "id": task, "submitted_at": format_time(left.now)},
    }


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.name)
def upgraded(
    request: pytest.FixtureRequest,
    local_aws: LocalAws,
    packaged: Path,
    trusted_authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Upgraded]:
    """All messages are answered; the vCenter is as the version before saw it last."""
    version: Path = request.param
    directory = tmp_path_factory.mktemp(version.name)
    name = f"upgraded-from-{version.name.replace('.', '-')}"
    before = deploy(local_aws, _package_before(version, packaged, directory), name, PARAMETERS)
    before.set_sources(*READING, enabled=False)
    with rigged(before, trusted_authority, directory) as rig:
        left = MovedToNow(version, datetime.now(UTC), rig.audit_bucket)
        model = VCenter()
        model.inventory.add_cluster("prod-a")
        restore_hosts(model, PROD_A, left.list_documents(PROD_A))
        model.extractions.pace = Pace(())
        rig.add_vcenter(STORED_VCENTER, model)
        rig.put_fleet(rig.fleet())
        _leave(rig, left)
        rig.stack = upgrade(local_aws, packaged, before, PARAMETERS)
        rig.stack.set_sources(*READING, enabled=True)
        rig.await_quiet("RetryQueue", "CheckQueue", "NotifyQueue")
        yield Upgraded(rig, before, left)
        rig.end_work()


def test_nothing_that_keeps_something_is_replaced(upgraded: Upgraded) -> None:
    """Buckets, queues, topics and logs are the same ones as before."""
    old, new = upgraded.before.resources, upgraded.rig.stack.resources
    shown = upgraded.before.aws.cloudformation.describe_stack_resources(StackName=upgraded.before.name)
    kept = [each["LogicalResourceId"] for each in shown["StackResources"] if each["ResourceType"] in KEEPING]
    assert {name: new[name] for name in kept if name in old} == {
        name: old[name] for name in kept if name in old
    }
    assert {
        "AuditBucket",
        "StateBucket",
        "CheckQueue",
        "RetryQueue",
        "NotifyQueue",
        "DriftTopic",
    } <= old.keys()
    assert "TopicDeadLetterQueue" in new.keys() - old.keys()


def test_what_can_not_be_carried_out_any_more_is_kept_for_a_person(upgraded: Upgraded) -> None:
    """Decisions without their sender, and a check that no run's record asks for; the log says what to do."""
    rig = upgraded.rig
    sent = upgraded.left.read_messages("check-request")
    refused = {"accept", "retire", "check-collect"}
    dead = [json.loads(rig.stack.await_message("CheckDeadLetterQueue")["Body"]) for _ in refused]
    assert sorted(one["request_id"] for one in dead) == sorted(sent[case]["request_id"] for case in refused)
    assert [
        rig.stack.waiting(f"{kind}DeadLetterQueue") for kind in ("Check", "Retry", "Notify", "Topic")
    ] == [0] * 4
    log = "\n".join(rig.stack.log_of("CheckerFunction"))
    assert "Update the command and decide again" in log
    assert f"no run asked for check {sent['check-collect']['request_id']}" in log


def test_a_check_is_made_in_the_same_log_and_finds_no_drift(upgraded: Upgraded) -> None:
    """Our own upgrade is none, and what a person accepted stays so."""
    records = upgraded.rig.records(STORED_VCENTER, PROD_A)
    known = sum(f"cluster={PROD_A}/" in key and key.startswith("records/") for key in upgraded.left.audit)
    fresh = records[known:]
    runs = {"run-1", json.loads(upgraded.left.audit[LAST_RUN])["run_id"]}
    assert runs <= {record["run_id"] for record in fresh}, "one asked for an extraction, one followed its own"
    assert {record["outcome"] for record in fresh} <= {"unchanged", "same-report"}
    assert [record["changes"] for record in fresh] == [[]] * len(fresh)
    assert fresh[-1]["after"]["accepted"].keys() == records[known - 1]["after"]["accepted"].keys()


def test_a_listing_that_was_to_be_tried_again_is(upgraded: Upgraded) -> None:
    """In the vCenter's own log, by the id that the record of the version before gives it."""
    records = upgraded.rig.records(STORED_VCENTER)
    (retry,) = upgraded.left.read_messages("retry-request").values()
    assert [record["outcome"] for record in records if record["run_id"] == retry["run_id"]] == ["dispatched"]


def test_events_are_told(upgraded: Upgraded) -> None:
    """Each once, as its record holds it; beside them at most that prod-a, overdue before, was looked at.

    Whether the listing that says so comes before that look or after it is for the two queues to say; it may
    come while this test reads.
    """
    (new,) = until(lambda: _find_new_events_once_told(upgraded), "each event to be told once", 120)
    found = [(event["type"], event["data"]["findings"][0]["kind"]) for event in new]
    assert found in ([], [("esx-drift.failure.resolved", "check-overdue")])


def _find_new_events_once_told(upgraded: Upgraded) -> list[list[Any]]:
    """What was found since the upgrade; nothing unless that and what came before is told, each once."""
    rig = upgraded.rig
    logs = (rig.records(STORED_VCENTER, log) for log in (VCENTER_LOG, PROD_A, PROD_B))
    made = [record for log in logs for record in log if _make_key(record) not in upgraded.left.audit]
    new = {event["id"]: event for record in made for event in record["events"]}
    events = [*upgraded.left.read_messages("event").values(), *new.values()]
    deliveries = [json.loads(body) for _, body in rig.audit("deliveries/groups/")]
    told = [event["id"] for delivery in deliveries for event in delivery["events"]]
    is_told = sorted(told) == sorted(event["id"] for event in events if is_for_chat(event["type"]))
    # A post whose answer comes late on a slow machine is made again: the same words then.
    is_posted = len({str(message["text"]) for message in rig.slack.accepted}) == len(deliveries)
    return [list(new.values())] if is_told and is_posted else []


def _make_key(record: "Record") -> str:
    return make_record_key(record["vcenter"], record["cluster"], record["seq"])


def test_the_next_run_is_one_like_any_other(upgraded: Upgraded) -> None:
    """With a real change, told exactly."""
    model = upgraded.rig.vcenters[STORED_VCENTER]
    driver = model.inventory.host("esx03").software["components"]["Intel-i40en"]
    model.hosts.edit("esx02", lambda software: software["components"].update({"Intel-i40en": driver}))
    (record,) = [one for one in upgraded.rig.check() if one["cluster"] == PROD_A]
    (change,) = record["changes"]
    assert (change["kind"], change["key"], change["hosts"]) == ("downgraded", "Intel-i40en", ["host-17"])
