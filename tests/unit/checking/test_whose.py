"""Who tells a failure: the vCenter's own log, or the cluster's. Never both, and never neither."""

from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.errors import OutOfTime

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply, Request
from tests.simulator.sessions import USER
from tests.unit.checking.reading import answering, moved, one, open_kinds
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest

EXTRACT = "POST *domain-c9/installed-images"
REPORT = "GET *domain-c9/installed-images"
LOGIN = "POST /api/session"
LISTING = "GET /api/vcenter/cluster"
TRANSIENT = [
    pytest.param(fault_kinds.connection("close"), "vcenter-unreachable", id="unreachable"),
    pytest.param(fault_kinds.no_healthy_upstream(), "vcenter-unavailable", id="unavailable"),
    pytest.param(fault_kinds.status(500), "vcenter-error", id="error"),
]


@pytest.mark.parametrize(("fault", "kind"), TRANSIENT)
def test_a_failure_at_login_is_the_vcenters(world: World, fault: Fault, kind: str) -> None:
    """No cluster opens or suspects anything: the dispatcher is asked, the same for all clusters of a run.

    And each comes back, since where the dispatcher finds the vCenter well, nobody else asks for it.
    """
    world.vcenter.faults.inject(LOGIN, fault)
    for request in [world.request(cluster, "run") for cluster in (PROD_A, PROD_B)]:
        record = world.handle(request)
        assert record is not None
        failure = record["failure"]
        assert failure is not None
        assert (failure["reason"], failure["at"], failure["told_by"]) == (kind, "login", "vcenter")
        assert record["findings"] == []
        assert record["after"]["suspects"] == {}
    first, second = [sent for sent in world.aws.sent if sent.queue == "retry"]
    assert first == second
    assert (first.delay_seconds, first.body["attempt"], first.body["reason"]) == (0, 0, kind)
    again = [sent for sent in world.aws.sent if sent.queue == "check"]
    assert [sent.body["cluster"] for sent in again] == [PROD_A, PROD_B]
    assert all(600 <= sent.delay_seconds <= 660 and sent.body["attempt"] == 1 for sent in again)
    assert world.topic.published == []


@pytest.mark.parametrize(
    ("fault", "kind"), [*TRANSIENT, pytest.param(None, "vcenter-authentication", id="refused")]
)
def test_what_only_checks_meet_is_told_by_the_cluster(world: World, fault: Fault | None, kind: str) -> None:
    """The dispatcher finds the vCenter well each time: what a check meets twice more does not go untold.

    Nobody is asked to extract the whole fleet for it, and it ends with the next look.
    """
    world.check()
    world.dispatch()
    world.aws.sent.clear()
    if fault is not None:
        world.vcenter.faults.inject(LOGIN, fault)
    else:
        world.vcenter.sessions.accounts[USER] = "changed"
    record = world.handle(world.request())
    for suspicions in (0, 1):
        assert record is not None
        assert open_kinds(record) == set()
        assert len(record["after"]["suspects"]) == suspicions
        record = world.handle(world.comes_back())
    assert record is not None
    assert moved(record) == {(kind, "opened")}
    assert record["failure"]["told_by"] == "cluster"  # type: ignore[index]  # it is there
    retries = [sent.body["run_id"] for sent in world.aws.sent if sent.queue == "retry"]
    assert len(set(retries)) == 3, "each time, the dispatcher is asked anew"
    assert len([sent for sent in world.aws.sent if sent.queue == "check"]) == 2


@pytest.mark.parametrize("replaced", [False, True])
def test_what_only_checks_meet_has_one_chain_of_tries(world: World, *, replaced: bool) -> None:
    """Checks by schedule meet it meanwhile: they count, and ask for no tries of their own.

    Nor when it is told; and where the chain is lost with a message, they alone tell it.
    """
    world.check()
    world.set(confirm_after_seconds=12 * 3600)
    world.dispatch()
    world.aws.sent.clear()
    if replaced:
        world.vcenter.replace()
    else:
        world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    kind = "vcenter-replaced" if replaced else "vcenter-unavailable"
    world.handle(world.request())
    for tries in range(1, 50):
        assert [sent.body["attempt"] for sent in world.aws.sent if sent.queue == "check"] == [
            *range(1, tries + 1)
        ]
        request = [sent.body for sent in world.aws.sent if sent.queue == "check"][-1]
        world.wait(900)
        if tries % 16 == 0:
            world.handle(world.request())
        world.handle(cast("CheckRequest", request))
    record = world.records()[-1]
    assert open_kinds(record) == {kind}
    world.wait(INTERVAL_SECONDS)
    sent = len(world.aws.sent)
    again = world.handle(world.request())
    assert again is not None
    assert open_kinds(again) == {kind}
    assert [one.queue for one in world.aws.sent[sent:]] == ["retry"], "only the dispatcher is asked"


def test_a_chain_that_is_lost_is_made_up_for_by_checks_by_schedule(world: World) -> None:
    """A message may end as a dead letter: what was suspected by then is told all the same."""
    world.check()
    world.dispatch()
    world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    world.handle(world.request())
    suspected = world.handle(world.comes_back())
    assert suspected is not None
    assert len(suspected["after"]["suspects"]) == 1
    record = world.check()
    assert moved(record) == {("vcenter-unavailable", "opened")}
    assert one(record["findings"], "vcenter-unavailable")["opened_at"] == suspected["checked_at"]


def test_an_outage_that_the_dispatcher_knows_is_not_the_clusters(world: World) -> None:
    """Suspected there is enough: it will be told there, whatever comes of it."""
    world.check()
    world.vcenter.faults.inject(LOGIN, fault_kinds.status(503))
    world.handle(world.request())
    again = world.comes_back()
    world.dispatch()
    record = world.handle(again)
    assert record is not None
    assert record["failure"]["told_by"] == "vcenter"  # type: ignore[index]  # it is there
    assert record["after"]["suspects"] == {}


def test_a_refused_password_is_the_vcenters_also_in_the_middle_of_a_check(world: World) -> None:
    """The token dies between two calls and the new login is refused: still no finding of the cluster."""
    world.check()

    def lose(_request: Request) -> Reply:
        world.vcenter.sessions.accounts[USER] = "another"
        world.vcenter.sessions.close_all()
        return Reply(401, b'{"error_type":"UNAUTHENTICATED","messages":[]}')

    world.vcenter.faults.inject(EXTRACT, Fault("lose", instead=lose), times=1)
    record = world.check()
    failure = record["failure"]
    assert failure is not None
    assert (failure["reason"], failure["at"], failure["told_by"]) == (
        "vcenter-authentication",
        "login",
        "vcenter",
    )
    assert moved(record) == set()
    refused = world.vcenter.sessions.refused_count
    assert moved(world.check()) == set()
    assert world.vcenter.sessions.refused_count == refused, "not tried again"


def test_what_the_vcenters_log_tells_the_clusters_log_does_not(world: World) -> None:
    """The dispatcher met it twice and told it; then it is the reason here, and no finding."""
    world.vcenter.faults.inject(LISTING, fault_kinds.status(503))
    world.dispatch()
    world.wait(600)
    assert moved(world.dispatch()) == {("vcenter-unavailable", "opened")}
    sent = len(world.aws.sent)
    world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503))
    record = world.handle(world.request())
    assert record is not None
    failure = record["failure"]
    assert failure is not None
    assert (failure["at"], failure["told_by"]) == ("extract", "vcenter")
    assert record["findings"] == []
    assert record["after"]["suspects"] == {}
    assert len(world.aws.sent) == sent
    world.vcenter.faults.inject(REPORT, fault_kinds.status(500))
    world.vcenter.faults.clear(EXTRACT)
    record = world.check()
    assert record["failure"]["told_by"] == "cluster", "another kind is its own"  # type: ignore[index]  # it is there


def test_a_missing_cluster_that_the_vcenters_log_tells_is_not_told_again(world: World) -> None:
    """The dispatcher no longer finds it listed; and while it lists none, each missing one is that."""
    for cluster in (PROD_A, PROD_B):
        world.check(cluster)
    world.dispatch()
    world.vcenter.inventory.remove_cluster(PROD_B)
    assert open_kinds(world.dispatch()) == {"cluster-missing"}
    record = world.check(PROD_B)
    assert record["failure"]["told_by"] == "vcenter"  # type: ignore[index]  # it is there
    assert open_kinds(record) == set()
    world.vcenter.faults.inject(LISTING, answering([]))
    assert "vcenter-authorization" in open_kinds(world.dispatch())
    world.vcenter.faults.inject(EXTRACT, fault_kinds.entity_not_found(PROD_A))
    record = world.check(PROD_A)
    assert (record["failure"]["reason"], record["failure"]["told_by"]) == ("cluster-missing", "vcenter")  # type: ignore[index]  # it is there
    assert open_kinds(record) == set()


def test_a_replaced_vcenter_is_compared_with_nothing(world: World) -> None:
    """The same id is another cluster there: the log moves nothing, and the vCenter's own log tells it."""
    first = world.check()
    world.vcenter.replace()
    world.vcenter.hosts.upgrade("esx01", "8.0 U3e")
    world.vcenter.extract_all()
    record = world.check()
    failure = record["failure"]
    assert failure is not None
    assert (failure["reason"], failure["told_by"]) == ("vcenter-replaced", "vcenter")
    assert record["changes"] == []
    assert open_kinds(record) == set()
    assert record["after"]["seal"] == first["after"]["seal"]
    assert record["after"]["instance_uuid"] == first["after"]["instance_uuid"]


def test_a_replaced_vcenter_that_only_checks_meet_is_told(world: World) -> None:
    """Two vCenters answer under one name by turns, and the dispatcher always meets the one that is known."""
    world.check()
    world.dispatch()
    world.vcenter.replace()
    record = world.handle(world.request())
    for _ in range(2):
        assert record is not None
        assert open_kinds(record) == set()
        record = world.handle(world.comes_back())
    assert record is not None
    assert moved(record) == {("vcenter-replaced", "opened")}
    assert one(record["findings"], "vcenter-replaced")["severity"] == "critical"


def test_a_cluster_that_a_check_met_as_gone_is_not_told_by_the_vcenter_too(world: World) -> None:
    """It was deleted after it was asked for: its own log told it, and goes on telling it."""
    for cluster in (PROD_A, PROD_B):
        world.check(cluster)
    world.dispatch()
    world.vcenter.inventory.remove_cluster(PROD_B)
    assert moved(world.check(PROD_B)) == {("cluster-missing", "opened")}
    record = world.dispatch()
    assert [missing["cluster"] for missing in record["dispatch"]["missing"]] == [PROD_B]  # type: ignore[index]  # it is there
    assert open_kinds(record) == set()
    assert open_kinds(world.check(PROD_B)) == {"cluster-missing"}


def test_a_cluster_that_is_hidden_is_told_once(world: World) -> None:
    """It is not listed, and answers 403: one matter."""
    for cluster in (PROD_A, PROD_B):
        world.check(cluster)
    world.dispatch()
    world.vcenter.inventory.hide_cluster(PROD_B)
    assert open_kinds(world.dispatch()) == {"cluster-missing"}
    record = world.check(PROD_B)
    assert record["failure"]["reason"] == "vcenter-authorization"  # type: ignore[index]  # it is there
    assert open_kinds(record) == set()


def test_a_check_that_its_vcenter_held_up_for_a_whole_run_is_a_failure(world: World) -> None:
    """It answers, but no run lives to see the end of it: told like an outage."""
    world.check()

    def take_long(reply: Reply) -> Reply:
        world.wait(100)
        return reply

    world.vcenter.faults.inject("*", Fault("slow", alter=take_long))
    world.run_ends_after(300)
    record = world.handle(world.request())
    assert record is not None
    failure = record["failure"]
    assert failure is not None
    assert (failure["reason"], failure["told_by"]) == ("vcenter-unreachable", "cluster")
    assert "too slow" in failure["message"]


def test_a_check_that_began_too_late_is_put_off(world: World) -> None:
    """The time went to the checks before it: nothing is recorded, and it is not the vCenter's fault."""
    world.check()
    world.run_ends_after(100)
    with pytest.raises(OutOfTime):
        world.handle(world.request())
    assert len(world.records()) == 1
