"""Every job of the product: how it begins, which messages belong to it, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest
from esx_drift.domain.dispatching.run import Run, build_listing_request
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key
from esx_drift.errors import TopicUnavailable

from tests.lab.demo.timeline import BY_HAND, I40EN
from tests.simulator import fault_kinds
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, PROD_B, World
from tests.unit.jobs.deliveries import Message

RUN = Run("the-run", "schedule")
LOGIN = "POST /api/session"

type Outcomes = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        prepare: Brings a world to where the job begins, and gives its first message.
        outcomes: Of the records that it writes, by log, in their order.
        least: It makes at least so many calls of AWS.
        follow: Which of the messages that it sends are a part of it, and not another job's first.
        is_own: Which deliveries it is about, where others just have to come to their end.
        at_login: What it comes to where its process ends while it logs in, if that is another thing.
        is_raced: Whether it is delivered to several processes at once: not where another job makes the same
            calls.
    """

    prepare: Callable[[World], Message]
    outcomes: Outcomes
    least: int
    follow: Callable[[Message], bool] = lambda message: message.body.get("task") is not None
    is_own: Callable[[Message], bool] = lambda _: True
    at_login: Outcomes | None = None
    is_raced: bool = True


def _start(world: World, queue: Literal["schedule", "check", "retry"], body: object) -> Message:
    return Message(queue, body, world.now)


def _prepare_first_check(world: World) -> Message:
    return _start(world, "check", world.request())


def _prepare_changed_check(world: World) -> Message:
    """A driver was changed by hand, and an event of the first look is not published yet."""
    world.topic.refusals = 1
    with pytest.raises(TopicUnavailable):
        world.check()
    _change(world)
    return _start(world, "check", world.request())


def _change(world: World) -> None:
    world.wait(INTERVAL_SECONDS)
    host = world.vcenter.inventory.hosts_of(PROD_A)[0].name
    world.vcenter.hosts.set_component(host, I40EN, BY_HAND)


def _prepare_failed_login(world: World) -> Message:
    """The vCenter is down when a cluster is to be checked: another try, and a listing, are asked for."""
    world.check()
    world.wait(INTERVAL_SECONDS)
    request = world.request()
    world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    return _start(world, "check", request)


def _prepare_run(world: World) -> Message:
    world.add_others(2)
    return _start(world, "schedule", RUN)


def _prepare_dispatch(world: World) -> Message:
    """prod-b is left out from now on: it is to be retired, and prod-a to be checked."""
    world.dispatch()
    world.check(PROD_B)
    world.set(exclude=("prod-b",))
    world.wait(INTERVAL_SECONDS)
    return _listing(world)


def _listing(world: World) -> Message:
    return _start(world, "retry", build_listing_request(RUN, world.watched.name))


def _prepare_outage(world: World) -> Message:
    world.dispatch()
    world.wait(INTERVAL_SECONDS)
    world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    return _listing(world)


def _prepare_retry(world: World) -> Message:
    """An outage that is over when it is tried again."""
    world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    retry = _fail_dispatch(world)
    world.vcenter.faults.clear()
    return retry


def _fail_dispatch(world: World) -> Message:
    assert world.dispatch()["outcome"] == "not-dispatched"
    (retry,) = [sent for sent in world.aws.sent if sent.queue == "retry"]
    world.wait(retry.delay_seconds)
    return _start(world, "retry", retry.body)


def _prepare_second_login(world: World) -> Message:
    """A password that was refused once is right after all."""
    world.vcenter.sessions.accounts = {}
    retry = _fail_dispatch(world)
    world.vcenter.sessions.accounts = {USER: PASSWORD}
    return retry


def _drift(world: World) -> None:
    world.dispatch()
    world.check()
    _change(world)
    assert world.check()["changes"]


def _prepare_accept(world: World) -> Message:
    _drift(world)
    person = Person(world)
    return _start(world, "check", person.request("accept", hosts=person.shown()))


def _prepare_retire(world: World) -> Message:
    _drift(world)
    world.vcenter.inventory.hide_cluster("prod-a")
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    return _start(world, "check", Person(world).request("retire"))


def _prepare_maintenance(world: World) -> Message:
    _drift(world)
    request = Person(world).request("maintenance")
    assert request["decision"] is not None
    request["decision"]["maintenance"] = {"for_seconds": 3_600, "accept": False}
    return _start(world, "check", request)


def _prepare_accept_vcenter(world: World) -> Message:
    world.vcenter.inventory.remove_cluster("prod-b")
    _drift(world)
    world.vcenter.replace()
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    uuid = world.vcenter.instance_uuid
    return _start(world, "check", Person(world).request("accept", VCENTER_LOG, instance_uuid=uuid))


def _prepare_accept_damage(world: World) -> Message:
    """A pointer was overwritten: a person has seen it."""
    world.dispatch()
    key = make_state_key(world.watched.name, VCENTER_LOG)
    world.aws.s3.put_object(Bucket="state", Key=key, Body=b"{}")
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    request = Person(world).request("accept", VCENTER_LOG)
    assert request["decision"] is not None
    request["decision"]["shown_at"] = world.records(VCENTER_LOG)[-1]["seq"]
    return _start(world, "check", request)


def _is_listing(message: Message) -> bool:
    return message.queue == "retry"


DISPATCHED, NOT_DISPATCHED = ({VCENTER_LOG: [word]} for word in ("dispatched", "not-dispatched"))
JOBS = {
    "first check": Job(_prepare_first_check, {PROD_A: ["baseline"]}, 15, is_raced=False),
    "check of a change": Job(_prepare_changed_check, {PROD_A: ["changed"]}, 18),
    "check without login": Job(_prepare_failed_login, {PROD_A: ["not-looked"]}, 9),
    "run": Job(
        _prepare_run,
        {f"{VCENTER_LOG}{other}": ["dispatched"] for other in ("", "-0", "-1")},
        3,
        _is_listing,
        is_own=lambda message: message.queue == "schedule",
    ),
    "dispatch": Job(_prepare_dispatch, DISPATCHED, 10),
    "dispatch in an outage": Job(_prepare_outage, NOT_DISPATCHED, 9, is_raced=False),
    "retry": Job(_prepare_retry, DISPATCHED, 10, is_raced=False),
    # It can't be known whether the password was refused again: a person is told.
    "retry of a refused login": Job(_prepare_second_login, DISPATCHED, 10, at_login=NOT_DISPATCHED),
    "accept": Job(_prepare_accept, {PROD_A: ["accepted"]}, 7),
    "accept @vcenter": Job(
        _prepare_accept_vcenter, {VCENTER_LOG: ["accepted"], PROD_A: ["retired"]}, 17, lambda _: True
    ),
    "accept damage": Job(_prepare_accept_damage, {VCENTER_LOG: ["accepted"]}, 6, is_raced=False),
    "maintenance": Job(_prepare_maintenance, {PROD_A: ["maintenance"]}, 5),
    "retire": Job(_prepare_retire, {VCENTER_LOG: ["retired"], PROD_A: ["retired"]}, 14),
}
