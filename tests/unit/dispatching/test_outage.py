"""A vCenter that does not answer: told within minutes, and so is its end; with one chain of retries."""

from datetime import timedelta

import pytest
from esx_drift.domain.dispatching.run import Run
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.errors import OutOfTime, TopicUnavailable, TransientError

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply
from tests.unit.checking.reading import moved, open_kinds
from tests.unit.dispatching.world import World, dispatch_in, names_in
from tests.unit.processes import Mortal, ProcessEnd, watch

LOGIN, LISTING = "POST /api/session", "GET /api/vcenter/cluster"
DAY_SECONDS = 86_400
FAILING = {
    "unreachable": (LOGIN, fault_kinds.connection("reset"), "vcenter-unreachable"),
    "cut off while listing": (LISTING, fault_kinds.connection("reset"), "vcenter-unreachable"),
    "unavailable": (LOGIN, fault_kinds.no_healthy_upstream(), "vcenter-unavailable"),
    "unavailable while listing": (LISTING, fault_kinds.status(503), "vcenter-unavailable"),
    "error": (LOGIN, fault_kinds.status(500), "vcenter-error"),
    "error while listing": (LISTING, fault_kinds.invalid_json(), "vcenter-error"),
}


@pytest.mark.parametrize(("route", "fault", "kind"), FAILING.values(), ids=FAILING)
def test_a_failure_is_told_when_it_was_met_twice(
    world: World, name: str, route: str, fault: Fault, kind: str
) -> None:
    """The second try comes by itself after ten minutes; the first one was only a suspicion."""
    world.vcenters[name].faults.inject(route, fault)
    reply = world.run()
    assert [(one["cluster"], one["reason"]) for one in reply["failed"]] == [(None, kind)]
    first = world.last(name)
    assert first["outcome"] == "not-dispatched"
    assert [one["name"] for one in dispatch_in(first)["failed"]] == ["prod-a", "prod-b"]
    assert world.topic.published == []
    (again,) = world.retries_come()
    assert again["failed"][0]["reason"] == kind
    second = world.last(name)
    assert moved(second) == {(kind, "opened")}
    (finding,) = second["findings"]
    assert finding["severity"] == "warning"
    assert finding["opened_at"] == first["checked_at"]
    assert finding["detail"]["clusters_unwatched"] == 2
    next_try = parse_time(str(finding["detail"]["next_try_at"])) - parse_time(second["checked_at"])
    assert next_try == timedelta(seconds=dispatch_in(second)["retry_after_seconds"] or 0)
    last_look_at = second["after"]["last_look_at"] or second["after"]["blind_since"]
    critical_at = parse_time(str(last_look_at)) + timedelta(hours=72)
    assert finding["detail"]["critical_at"] == format_time(critical_at)
    (kept,) = second["after"]["findings"].values()
    assert not {"next_try_at", "critical_at"} & kept["detail"].keys()
    assert [event["type"] for event in world.topic.published] == ["esx-drift.failure.detected"]
    assert world.sent("check") == []


def test_one_lost_packet_tells_nothing(world: World, name: str) -> None:
    """If the second try finds the vCenter well, its clusters are asked for, and nobody hears of it."""
    world.vcenters[name].faults.inject(LOGIN, fault_kinds.status(503), times=1)
    world.run()
    (reply,) = world.retries_come()
    assert names_in(reply) == ["prod-a", "prod-b"]
    assert world.topic.published == []
    assert world.last(name)["after"]["suspects"] == {}
    assert world.sent("retry") == []


def test_the_end_of_an_outage_is_told_and_all_is_looked_at(world: World, name: str) -> None:
    """The chain goes on until the vCenter answers; then every cluster is asked for at once."""
    world.servers[name].stop()
    world.run()
    for _ in range(5):
        world.retries_come()
    assert len(world.topic.published) == 1
    world.servers[name].start()
    (reply,) = world.retries_come()
    assert names_in(reply) == ["prod-a", "prod-b"]
    assert moved(world.last(name)) == {("vcenter-unreachable", "resolved")}
    assert world.topic.published[-1]["type"] == "esx-drift.failure.resolved"
    assert world.sent("retry") == []


def test_one_outage_has_one_chain(world: World, name: str) -> None:
    """Schedules, persons and checkers that meet the outage begin no second one."""
    world.servers[name].stop()
    world.run()
    for _ in range(2):
        (waiting,) = world.sent("retry")
        asked = world.checkers_retry(name)
        for _ in range(3):
            world.retry(asked)
        world.run()
        world.run({name: ("prod-a",)})
        assert world.sent("retry") == []
        world.wait(seconds=waiting.delay_seconds)
        world.retry(waiting.body)
    assert len(world.sent("retry")) == 1


def test_a_chain_does_not_branch_where_no_event_is_taken(world: World, name: str) -> None:
    """Each try fails behind its record, and its message comes again: what it asked for came meanwhile."""
    world.servers[name].stop()
    world.run()
    world.topic.refusals = 100
    came = []
    for _ in range(3):
        (waiting,) = world.sent("retry")
        world.wait(seconds=waiting.delay_seconds)
        with pytest.raises(TopicUnavailable):
            world.retry(waiting.body)
        came.append(waiting)
    (last,) = world.sent("retry")
    for earlier in came:
        with pytest.raises(TopicUnavailable):
            world.retry(earlier.body, receives=2)
    (again,) = world.sent("retry")
    assert again.body == last.body, "the one that did not come yet may never have been sent"


def test_sixty_checkers_are_answered_once(world: World, name: str) -> None:
    """They failed together and ask for the same: the first message is answered by one record.

    Where it finds the vCenter well, nothing is asked for: those that failed come back by themselves, and the
    others were looked at. Else a vCenter that fails now and then would extract without end.
    """
    before = len(world.records(name))
    asked = world.checkers_retry(name)
    replies = [world.retry(asked) for _ in range(60)]
    assert not any(reply["dispatched"] for reply in replies)
    assert len(world.records(name)) == before + 1
    assert dispatch_in(world.last(name))["expected"] == []


def test_checkers_that_come_behind_an_outage_end_it(world: World, name: str) -> None:
    """The vCenter is known to be ailing, and answers: all clusters are asked for, whoever saw it first."""
    world.servers[name].stop()
    world.run()
    world.servers[name].start()
    reply = world.retry(world.checkers_retry(name))
    assert names_in(reply) == ["prod-a", "prod-b"]


def test_a_vcenter_that_asks_for_time_is_given_it(world: World, name: str) -> None:
    """Retry-After counts where it is longer than the fleet file's pace; SQS delays by 15 minutes at most."""
    world.set(name, confirm_after_seconds=60)
    for asked, least, most in ((None, 60, 66), ("700", 700, 770), ("3600", 900, 900)):
        world.vcenters[name].faults.inject(LOGIN, fault_kinds.status(503, asked))
        world.run()
        (again,) = world.sent("retry")
        assert least <= again.delay_seconds <= most
        world.vcenters[name].faults.clear()
        world.run()


@pytest.mark.parametrize("end", ["vcenter-replaced", "api-unsupported"])
def test_an_outage_that_ends_in_something_else_has_ended(world: World, name: str, end: str) -> None:
    """Its finding is over, and so are its retries: what is the matter now, only a person can mend."""
    world.servers[name].stop()
    world.run()
    world.retries_come()
    world.servers[name].start()
    if end == "vcenter-replaced":
        world.vcenters[name].replace()
    else:
        world.vcenters[name].version = "8.0.2"
    world.retries_come()
    assert moved(world.last(name)) == {("vcenter-unreachable", "resolved"), (end, "opened")}
    assert world.sent("retry") == []


def _take(world: World, seconds: float) -> Fault:
    """An answer that takes so long."""

    def wait(reply: Reply) -> Reply:
        world.wait(seconds=seconds)
        return reply

    return Fault("slow", alter=wait)


def test_a_vcenter_that_takes_a_whole_run_is_not_reachable(world: World, name: str) -> None:
    """It answers, so slowly that no run comes to its end: told like any other outage."""
    world.run_seconds = 300
    world.vcenters[name].faults.inject("*", _take(world, 100))
    reply = world.run()
    assert [one["reason"] for one in reply["failed"]] == ["vcenter-unreachable"]
    assert "too slow" in reply["failed"][0]["message"]
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-unreachable"}


def test_a_vcenter_for_which_no_time_is_left_is_not_at_fault(world: World, name: str) -> None:
    """The message comes back, and nothing is recorded."""
    before = len(world.records(name))
    world.run_seconds = 100
    with pytest.raises(OutOfTime):
        world.run()
    assert len(world.records(name)) == before


def test_an_outage_behind_which_the_password_is_refused_has_ended(world: World, name: str) -> None:
    """It answers again, and refuses twice: only the password is told now, and the chain goes on."""
    world.servers[name].stop()
    world.run()
    world.retries_come()
    world.servers[name].start()
    world.put_secret(name, "wrong")
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-unreachable"}
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-authentication"}
    assert len(world.sent("retry")) == 1


def test_a_page_that_refuses_the_login_ends_no_outage(world: World, name: str) -> None:
    """Who answers is not the vCenter, whatever it says, and however often."""
    world.servers[name].stop()
    world.run()
    world.retries_come()
    world.servers[name].start()
    world.vcenters[name].faults.inject("POST /api/session", fault_kinds.web_page(401))
    world.retries_come()
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-unreachable", "vcenter-authentication"}


def test_a_checker_that_meets_the_outage_first_begins_the_chain(world: World, name: str) -> None:
    """An outage between two schedules is told as soon."""
    world.servers[name].stop()
    world.retry(world.checkers_retry(name))
    assert world.topic.published == []
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-unreachable"}


def test_the_next_outage_has_a_chain_again(world: World, name: str) -> None:
    """A chain ends with its outage, and leaves nothing behind that would keep the next one from beginning."""
    for _ in range(2):
        world.servers[name].stop()
        world.run()
        world.retries_come()
        world.servers[name].start()
        world.retries_come()
        assert world.sent("retry") == []
        world.wait(hours=4)
    kinds = [event["type"].rpartition(".")[2] for event in world.topic.published]
    assert kinds == ["detected", "resolved"] * 2


def test_a_run_of_chosen_clusters_counts_nothing(world: World, name: str) -> None:
    """It neither suspects nor confirms an outage, and the end of one is for who then looks at all of it."""
    world.servers[name].stop()
    for _ in range(3):
        reply = world.run({name: ("prod-a",)})
        assert [one["reason"] for one in reply["failed"]] == ["vcenter-unreachable"]
        assert [one["name"] for one in dispatch_in(world.last(name))["failed"]] == ["prod-a"]
        world.wait(hours=1)
    assert world.last(name)["after"]["suspects"] == {}
    assert world.sent("retry") == []
    world.run()
    world.retries_come()
    world.servers[name].start()
    assert names_in(world.run({name: ("prod-a",)})) == ["prod-a"]
    assert open_kinds(world.last(name)) == {"vcenter-unreachable"}
    (reply,) = world.retries_come()
    assert names_in(reply) == ["prod-a", "prod-b"]
    assert open_kinds(world.last(name)) == set()


def test_a_vcenter_that_is_down_stops_no_other(world: World, name: str) -> None:
    """The others are asked for, and the reply names it."""
    other = world.add("edge")
    world.servers[name].stop()
    reply = world.run()
    assert [(one["vcenter"], one["name"]) for one in reply["dispatched"]] == [(other, "edge")]
    assert [one["vcenter"] for one in reply["failed"]] == [name]


def test_an_invocation_that_is_killed_takes_no_other_vcenter_along(world: World, name: str) -> None:
    """An answer that ends the function ends one look: the others have their record and their requests."""
    others = [world.add("edge") for _ in range(3)]
    dying = watch(world.aws.store, Mortal(1, after=True))
    with world.sessions() as sessions:
        world.dispatcher(sessions).run(Run("run", "schedule"))
    killed, *well = [one.body for one in world.asked()]
    assert killed["vcenter"] == name
    with world.sessions() as sessions, pytest.raises(ProcessEnd):
        world.dispatcher(sessions, store=dying).handle(killed, receives=1)  # type: ignore[arg-type]  # held
    assert [names_in(world.retry(one)) for one in well] == [["edge"]] * 3
    assert [world.last(other)["run_id"] for other in others] == ["run"] * 3
    assert names_in(world.retry(killed, redelivered=True)) == ["prod-a", "prod-b"]
    assert world.last(name)["run_id"] == "run"


def test_an_outage_of_days_is_critical(world: World, name: str) -> None:
    """Nobody has seen its clusters for 72 hours: raised once."""
    world.servers[name].stop()
    world.run()
    world.retries_come()
    world.wait(hours=72)
    for _ in range(2):
        world.run()
    (finding,) = world.last(name)["findings"]
    assert finding["severity"] == "critical"
    assert [event["data"]["severity"] for event in world.topic.published] == ["warning", "critical"]


def test_a_vcenter_that_was_never_seen_gets_critical_too(world: World) -> None:
    """Its blindness counts from the first failure."""
    name = world.add("prod-a")
    world.servers[name].stop()
    world.run()
    world.wait(hours=71)
    world.run()
    assert world.last(name)["findings"][0]["severity"] == "warning"
    world.wait(hours=2)
    world.run()
    assert world.last(name)["findings"][0]["severity"] == "critical"


def test_retries_keep_the_pace_of_the_fleet_file(world: World, name: str) -> None:
    """After ``confirm_after``, which SQS can delay by 15 minutes at most."""
    other = world.add("edge", confirm_after_seconds=1800)
    for one in (name, other):
        world.servers[one].stop()
    world.run()
    shorter, longer = sorted(one.delay_seconds for one in world.sent("retry"))
    assert 600 <= shorter <= 660
    assert longer == 900


def test_an_outage_of_a_day_costs_so_many_retries_and_no_more(world: World, name: str) -> None:
    """One message at a time, no sooner than ``confirm_after``: what docs/operations.md promises."""
    world.servers[name].stop()
    world.run()
    begun, retries = world.now, 0
    while (world.now - begun).total_seconds() < DAY_SECONDS:
        assert len(world.retries_come()) == 1, "one chain"
        retries += 1
        if retries % 24 == 0:
            world.run()
    assert retries <= DAY_SECONDS / 600


def test_a_long_confirmation_is_waited_for_in_steps(world: World) -> None:
    """What counts is the time: each try within it would see an end, and confirms nothing."""
    name = world.add("edge", confirm_after_seconds=2000)
    world.servers[name].stop()
    world.run()
    begun = world.now
    while not world.topic.published:
        assert len(world.retries_come()) == 1, "one chain"
    assert (world.now - begun).total_seconds() == 2700
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["detail"]["tries"]) == ("vcenter-unreachable", 4)


def test_where_aws_fails_the_others_have_their_turn(world: World, name: str) -> None:
    """The message of that vCenter alone comes back, which finishes it."""
    other = world.add("edge")
    world.topic.refusals = 1
    world.vcenters[name].faults.inject(LISTING, fault_kinds.status(403))
    with pytest.raises(TransientError, match=name):
        world.run()
    assert world.last(other)["outcome"] == "dispatched"
    reply = world.redeliver()
    assert names_in(reply) == []
    assert [one["reason"] for one in reply["failed"]] == ["vcenter-authorization"]
    assert [event["type"] for event in world.topic.published] == ["esx-drift.failure.detected"]
