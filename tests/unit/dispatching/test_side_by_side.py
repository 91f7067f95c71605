"""Several vCenters at once, and several runs: nobody logs in twice, and no log is torn."""

import json
from typing import TYPE_CHECKING

import pytest
from esx_drift.adapters.messaging import SqsQueue
from esx_drift.dispatching import dispatch_vcenter
from esx_drift.errors import QueueUnavailable, TransientError

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply as HttpReply
from tests.unit.checking.reading import open_kinds
from tests.unit.dispatching.world import World, names_in

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import RetryRequest


def test_each_vcenter_ends_as_it_would_alone(world: World) -> None:
    """Ten of them, every other one in trouble of its own kind."""
    names = [world.add(f"cluster-{number}") for number in range(10)]
    faults = [fault_kinds.status(503), fault_kinds.status(500), fault_kinds.connection("reset")]
    for number, name in enumerate(names):
        if number % 2:
            world.vcenters[name].faults.inject("POST /api/session", faults[number % 3])
    reply = world.run()
    assert names_in(reply) == [f"cluster-{number}" for number in range(0, 10, 2)]
    assert [one["vcenter"] for one in reply["failed"]] == names[1::2]
    assert len(world.retries_come()) == 5
    for number, name in enumerate(names):
        kinds = ("vcenter-unavailable", "vcenter-error", "vcenter-unreachable")
        assert open_kinds(world.last(name)) == ({kinds[number % 3]} if number % 2 else set())


def test_a_secret_that_is_wrong_stops_no_other_vcenter(world: World) -> None:
    """It is told by its field; one with comments, a BOM and no-break blanks is right, and is used."""
    names = [world.add("prod-a"), world.add("prod-b")]
    readable = f"\ufeff# O = Bücher GmbH\n{world.authority.pem}".replace("\n", "\u00a0\n")
    for name, bundle in zip(names, ("# O = Bücher GmbH", readable), strict=True):
        secret_id = f"esx-drift/vcenter/{name}"
        secret = json.loads(world.aws.secrets.get_secret_value(SecretId=secret_id)["SecretString"])
        text = json.dumps({**secret, "ca_bundle": bundle}, ensure_ascii=False)
        world.aws.secrets.put_secret_value(SecretId=secret_id, SecretString=text)
    assert names_in(world.run()) == ["prod-b"]
    (finding,) = world.last(names[0])["findings"]
    assert (finding["kind"], finding["transition"]) == ("vcenter-authentication", "opened")
    assert f"the secret esx-drift/vcenter/{names[0]}, field ca_bundle: expected" in finding["summary"]
    assert open_kinds(world.last(names[1])) == set()


@pytest.mark.parametrize("broken", ["list_vcenter", "reconcile_listing"])
def test_a_bug_at_one_vcenter_ends_no_others_turn(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """It is told as an outage of that vCenter, with the place of the bug, and tried again by itself."""
    names = [world.add("prod-a"), world.add("prod-b")]
    real = getattr(dispatch_vcenter, broken)

    def fail_once(*arguments: object) -> object:
        if names[0] in str(arguments):
            raise ZeroDivisionError
        return real(*arguments)

    monkeypatch.setattr(dispatch_vcenter, broken, fail_once)
    reply = world.run()
    assert names_in(reply) == ["prod-b"]
    ((vcenter, reason, message),) = [
        (one["vcenter"], one["reason"], one["message"]) for one in reply["failed"]
    ]
    assert (vcenter, reason) == (names[0], "vcenter-error")
    assert f"a bug in esx-drift ended the listing of {vcenter}: ZeroDivisionError at esx_drift/" in message
    monkeypatch.undo()
    (healed,) = world.retries_come()
    assert names_in(healed) == ["prod-a"]


def test_a_queue_that_refuses_one_vcenter_has_the_others_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run fails, so that it comes again; it names the one that was not asked for."""
    first, second = world.add("prod-a"), world.add("prod-b")
    send_retry = SqsQueue.send_retry

    def refuse_first(queue: SqsQueue, request: "RetryRequest", delay_seconds: int) -> None:
        if request["vcenter"] == first:
            raise QueueUnavailable("the queue takes nothing")
        send_retry(queue, request, delay_seconds)

    with monkeypatch.context() as patched:
        patched.setattr(SqsQueue, "send_retry", refuse_first)
        with pytest.raises(TransientError, match=f"not all was asked for:\n{first}: the queue takes nothing"):
            world.run(run_id="once")
    assert [one.body["vcenter"] for one in world.asked()] == [second]
    assert names_in(world.run(run_id="once")) == ["prod-a", "prod-b"]


def test_two_runs_at_once_leave_one_log(world: World) -> None:
    """A person's run beside the schedule's: each has its record, one behind the other, and its requests."""
    name = world.add("prod-a", "prod-b")
    between: list[list[str]] = []

    def run_another(reply: HttpReply) -> HttpReply:
        between.append(names_in(world.run(run_id="another")))
        return reply

    # While the first one lists, the other comes and goes: both began from the same log.
    world.vcenters[name].faults.inject("GET /api/vcenter/host", Fault("between", alter=run_another), times=1)
    assert names_in(world.run(run_id="one")) == ["prod-a", "prod-b"]
    assert between == [["prod-a", "prod-b"]]
    first, second = world.records(name)
    assert (first["run_id"], second["run_id"]) == ("another", "one")
    assert second["previous"] is not None
    assert len({one.body["request_id"] for one in world.sent("check")}) == 4
