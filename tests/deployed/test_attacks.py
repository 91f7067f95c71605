"""Twice the same message, a lost state, a killed process: nothing is lost, and nothing is said twice."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from esx_drift.domain.stored.identifiers import compute_digest, make_state_key
from esx_drift.messages.content import is_for_chat

from tests.deployed.stage import BY_HAND, CLUSTER, I40EN, give_up_after, request_of, send, small
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import PATIENCE_SECONDS, Rig
from tests.lab.local_aws.tap import Tap, tapped
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter, fault_kinds
from tests.simulator.extraction import Pace
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply
from tests.simulator.sessions import USER

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

NUMBERS = count(1)
REPORT = f"GET *{CLUSTER}/installed-images"


@pytest.fixture(scope="module")
def tap(rig: Rig) -> Tap:
    """Hears the module's stack. What failed comes back after longer than a check takes on a busy machine."""
    for queue in ("CheckQueue", "RetryQueue"):
        give_up_after(rig, queue, tries=10, seconds=10)
    return tapped(rig.stack)


@pytest.fixture
def target(rig: Rig, tap: Tap) -> Iterator[str]:
    """A vCenter of a name of its own, looked at once; afterwards its log is whole and each event was told."""
    name = f"target{next(NUMBERS):02}"
    rig.add_vcenter(name, small(len(name)))
    rig.put_fleet(rig.fleet(name))
    rig.check()
    yield name
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    tap.drain()
    _assert_whole(rig, tap, name)


def test_one_request_delivered_twice_at_once_is_answered_once(target: str, rig: Rig) -> None:
    """SQS delivers at least once: both deliveries are done with, and there is one record, told once."""
    _tamper(rig, target)
    request = request_of("twice", target, rig)
    send(rig, "CheckQueue", request, request)
    rig.await_answer(target, CLUSTER, request["request_id"])
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    assert _outcomes(rig, target) == ["baseline", "changed"]


def test_two_runs_at_once_tell_once_and_raise_no_alarm(target: str, rig: Rig) -> None:
    """Beside another run, vCenter refuses a second extraction: the report of the first will do for both."""
    _tamper(rig, target)
    # The second one waits for the first one's report, however long a busy machine takes for it.
    rig.put_fleet(rig.fleet(target, extract_deadline_seconds=PATIENCE_SECONDS))
    rig.vcenters[target].extractions.pace = Pace(("RUNNING",))
    requests = [request_of(run, target, rig) for run in ("by-schedule", "by-hand")]
    send(rig, "CheckQueue", *requests)
    for request in requests:
        rig.await_answer(target, CLUSTER, request["request_id"])
    records = rig.records(target, CLUSTER)
    assert Counter(_changes(records)) == {(I40EN, "upgraded"): 1}
    assert {finding["family"] for record in records for finding in record["findings"]} == {"drift"}


def test_a_deleted_state_is_built_anew(target: str, rig: Rig) -> None:
    """It is only a cache: the next check goes on where the log ends."""
    rig.stack.aws.s3.delete_object(Bucket=rig.state_bucket, Key=make_state_key(target, CLUSTER))
    _tamper(rig, target)
    rig.check()
    assert _outcomes(rig, target) == ["baseline", "changed"]


@pytest.mark.parametrize("body", [b"{}", b"not json", b""], ids=["empty", "garbage", "nothing"])
def test_an_unreadable_state_is_built_anew(body: bytes, target: str, rig: Rig) -> None:
    """Whoever spoils it does not stop the looking."""
    rig.stack.aws.s3.put_object(Bucket=rig.state_bucket, Key=make_state_key(target, CLUSTER), Body=body)
    _tamper(rig, target)
    rig.dispatch()
    until(lambda: len(rig.records(target, CLUSTER)) == 2, "the next record", PATIENCE_SECONDS)
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    assert _outcomes(rig, target) == ["baseline", "changed"]


def test_a_state_put_back_to_an_older_one_repeats_nothing(target: str, rig: Rig) -> None:
    """The number that it would write is taken: it catches up with the log, and tells only what is new."""
    older = _state_body(rig, target)
    _tamper(rig, target)
    rig.check()
    rig.stack.aws.s3.put_object(Bucket=rig.state_bucket, Key=make_state_key(target, CLUSTER), Body=older)
    rig.check()
    assert _outcomes(rig, target) == ["baseline", "changed", "unchanged"]


def test_what_the_topic_does_not_take_is_told_later(target: str, rig: Rig) -> None:
    """The record is there at once; its event follows when the topic takes it, without another look."""
    _tamper(rig, target)
    looks = rig.vcenters[target].looks[CLUSTER]
    with _silenced(rig):
        (asked,) = rig.dispatch()["dispatched"]
        until(lambda: len(rig.records(target, CLUSTER)) == 2, "the record", PATIENCE_SECONDS)
        until(lambda: _outbox(rig, target) == [2], "the event to be kept", PATIENCE_SECONDS)
    record = rig.await_answer(target, CLUSTER, asked["request_id"])
    assert [event["type"] for event in record["events"]] == ["esx-drift.drift.detected"]
    assert rig.vcenters[target].looks[CLUSTER] == looks + 1


def test_what_was_not_told_is_told_by_the_next_check(target: str, rig: Rig) -> None:
    """Though it comes of another request."""
    _tamper(rig, target)
    with _silenced(rig):
        rig.dispatch()
        until(lambda: _outbox(rig, target) == [2], "the event to be kept", PATIENCE_SECONDS)
        first = rig.record(target, CLUSTER, 2)
    rig.check()
    rig.await_told(first["events"])


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("DispatcherFunction", "GET /api/vcenter/cluster"),
        ("CheckerFunction", f"POST *{CLUSTER}/installed-images"),
        ("CheckerFunction", "GET */tasks/*"),
        ("CheckerFunction", "GET /api/vcenter/host"),
        ("CheckerFunction", REPORT),
    ],
)
def test_a_function_that_is_killed_half_way_is_made_up_for(
    target: str, rig: Rig, local_aws: LocalAws, function: str, call: str
) -> None:
    """It ends while it waits for the vCenter: its message comes back, and is answered."""
    _tamper(rig, target)
    vcenter = rig.vcenters[target]
    vcenter.faults.inject(call, fault_kinds.latency(25), times=1)
    with ThreadPoolExecutor(1) as beside:
        dispatching = beside.submit(rig.dispatch)
        assert vcenter.wait_for(lambda: bool(vcenter.faults.hits("latency")), PATIENCE_SECONDS)
        processes = [*_processes(rig.stack.resources[function], local_aws.url)]
        assert processes
        for process in processes:
            os.kill(process, signal.SIGKILL)
        (asked,) = dispatching.result(PATIENCE_SECONDS)["dispatched"]
    rig.await_answer(target, CLUSTER, asked["request_id"])
    assert _outcomes(rig, target) == ["baseline", "changed"]
    # What a killed process leaves open, vCenter ends after half an hour of idleness.
    vcenter.sessions.close_all()


LOG = f"/records/vcenter={{name}}/cluster={CLUSTER}/0000000002\\.json$"
STATE = f"/state/{{name}}/{CLUSTER}\\.json$"


@pytest.mark.parametrize(
    ("when", "method", "path", "body"),
    [
        ("before", "PUT", LOG, ()),
        ("after", "PUT", LOG, ()),
        ("after", "PUT", STATE, ()),
        ("before", "POST", "/$", ("Action=Publish", "drift.detected")),
        ("after", "POST", "/$", ("Action=Publish", "drift.detected")),
        ("after", "POST", "/", ("MessageBody", "collect")),
    ],
    ids=["record", "record-kept", "state-kept", "topic", "topic-told", "queue-sent"],
)
def test_a_checker_that_is_killed_at_a_call_to_aws_is_made_up_for(
    target: str,
    rig: Rig,
    local_aws: LocalAws,
    when: Literal["before", "after"],
    method: str,
    path: str,
    body: tuple[str, ...],
) -> None:
    """Whether S3, SNS or SQS did what it was asked for, the process never hears: one record, told once."""
    _tamper(rig, target)
    with local_aws.hold(method, path.format(name=target), *body, when=when) as held:
        (asked,) = rig.dispatch()["dispatched"]
        until(lambda: held.is_holding, "the call that is to be held", PATIENCE_SECONDS)
        processes = [*_processes(rig.stack.resources["CheckerFunction"], local_aws.url)]
        assert processes
        for process in processes:
            os.kill(process, signal.SIGKILL)
    rig.await_answer(target, CLUSTER, asked["request_id"])
    assert _outcomes(rig, target) == ["baseline", "changed"]
    rig.vcenters[target].sessions.close_all()


@pytest.mark.usefixtures("tap")
def test_sixty_clusters_never_lock_the_account(rig: Rig) -> None:
    """The password changes just when all are to be checked: it is refused 4 times at most."""
    name, vcenter = "sixty", VCenter()
    for number in range(60):
        vcenter.inventory.add_cluster(f"cluster-{number:02}")

    def change(reply: Reply) -> Reply:
        vcenter.sessions.accounts[USER] = "changed"
        return reply

    vcenter.faults.inject("GET /api/vcenter/host", Fault("change", alter=change), times=1)
    rig.add_vcenter(name, vcenter)
    rig.put_fleet(rig.fleet(name))
    asked = rig.dispatch()["dispatched"]
    assert len(asked) == 60
    for _ in range(3):
        assert rig.dispatch()["failed"][0]["reason"] == "vcenter-authentication"
    for one in asked:
        record = rig.await_answer(name, one["cluster"], one["request_id"])
        assert record["failure"]["reason"] == "vcenter-authentication"  # type: ignore[index]  # it is there
    rig.await_quiet("CheckQueue")
    assert 1 <= vcenter.sessions.refused_count <= 4
    assert not vcenter.sessions.is_locked(USER)
    # It is tried once more in three minutes, and told only then.
    assert [payload for payload in rig.slack.accepted if "login refused" in payload["text"]] == []


def _tamper(rig: Rig, name: str) -> None:
    rig.vcenters[name].hosts.set_component("esx01", I40EN, BY_HAND)


def _outcomes(rig: Rig, name: str) -> list[str]:
    return [record["outcome"] for record in rig.records(name, CLUSTER)]


def _changes(records: "list[Record]") -> Iterator[tuple[str, str]]:
    for record in records:
        yield from ((change["key"], change["kind"]) for change in record["changes"])


def _state_body(rig: Rig, name: str) -> bytes:
    key = make_state_key(name, CLUSTER)
    return rig.stack.aws.s3.get_object(Bucket=rig.state_bucket, Key=key)["Body"].read()


def _outbox(rig: Rig, name: str) -> list[int]:
    return rig.log_end(name, CLUSTER).outbox


def _processes(function: str, endpoint: str) -> Iterator[int]:
    """Whatever runs a function of our own local AWS, which alone has this endpoint."""
    wanted = {f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), f"AWS_ENDPOINT_URL={endpoint}".encode()}
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is not ours to read
            if wanted <= {*path.read_bytes().split(b"\0")}:
                yield int(path.parent.name)


@contextmanager
def _silenced(rig: Rig) -> Iterator[None]:
    """Nobody may publish to the topic."""
    sns, topic = rig.stack.aws.sns, rig.stack.outputs["DriftTopicArn"]
    before = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    try:
        yield
    finally:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=before)


def _assert_whole(rig: Rig, tap: Tap, name: str) -> None:
    """The chain is unbroken, the state is the log's, each event was heard, each told one was told once."""
    records = rig.records(name, CLUSTER)
    for before, record in zip([None, *records], records, strict=False):
        previous = record["previous"]
        assert (previous and previous["sha256"]) == (compute_digest(before) if before else None)
    end = rig.log_end(name, CLUSTER)
    assert (end.after, end.outbox, end.damages) == (records[-1]["after"], [], ())
    events = [event for record in records for event in record["events"]]
    assert {event["id"] for event in events} <= {heard.event["id"] for heard in tap.heard}
    place = f"prod-a · {name}"
    said = [payload for payload in rig.slack.accepted if place in payload["text"]]
    assert len(said) == sum(is_for_chat(event["type"]) for event in events)
    assert rig.vcenters[name].sessions.open_count == 0
